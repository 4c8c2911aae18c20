/**
 * A machine as a file and back: docs/snapshot-format.md. Knows bytes, states by name and places of 4 KiB, and nothing of what
 * a part is.
 *
 * Reading trusts nothing: each section has a CRC, each length is held against what the file can pay for before anything is
 * allocated, and what unpacks must be exactly as long as was said.
 */
import { deflateSync, inflateSync } from 'fflate'
import { assert } from '../../base/assert.ts'
import { joined } from '../../base/bytes.ts'
import { ok, ProblemError, problem, type Result, refuse } from '../../base/problem.ts'
import { utf8Decode, utf8Encode } from '../../base/utf8.ts'
import { checkSettings, firstProblem, readRecord } from '../../settings/read-settings.ts'
import { DEFAULTS, type MachineSettings, RAM_MAX } from '../../settings/settings.ts'
import type { KernelInfo, KernelSymbol } from '../machine.ts'
import { type PartState, StateReader, type StateValue } from '../part.ts'
import { crc32 } from './crc32.ts'
import { decodeState, encodeState } from './state-code.ts'

/** As PNG's: not text, and damaged visibly by what changes line ends. */
const MAGIC = Uint8Array.of(0x89, 0x75, 0x56, 0x4d, 0x0d, 0x0a, 0x1a, 0x0a)
export const SNAPSHOT_VERSION = 1

const HEADER_BYTES = 12
const SECTION_HEADER_BYTES = 12

/** Granularity of RAM and of disks. */
export const PLACE_BYTES = 4096
const PLACE_WORDS = PLACE_BYTES / 4
/** Blocks packed together: enough to pack well, few enough to unpack into a small buffer. */
const BLOCKS_TOGETHER = 256
/** For a place that became zero over something that was not. */
const ZERO_BLOCK = 0xffff_ffff
const RUN_WORDS = 3

/** Deflate (RFC 1951) cannot pack better than this. */
const DEFLATE_BEST = 1032
/** Unpacked sizes that no machine of ours exceeds. */
const PARTS_MAX = 256 << 20
const SYMBOLS_MAX = 128 << 20
const DISKS_MAX = 8
/** Blocks of RAM and of all disks that are in a file: 16 GiB. */
const PLACES_MAX = 2 ** 22

/** Deflate by the host, whose own is faster than one written in JavaScript. */
export interface Packing {
  deflate(bytes: Uint8Array): Uint8Array
  /** Throws, or answers another length, where `bytes` do not unpack to `length`. */
  inflate(bytes: Uint8Array, length: number): Uint8Array
}

const OWN_PACKING: Packing = {
  deflate: (bytes) => deflateSync(bytes, { level: 1 }),
  inflate: (bytes, length) => inflateSync(bytes, { out: new Uint8Array(length) }),
}

export interface SnapshotDisk {
  readonly id: string
  readonly size: number
  readonly readOnly: boolean
  /** What is in the bytes that the snapshot does not have; undefined: it has all that are not zero. */
  readonly base: string | undefined
}

/** Bytes of a disk at a multiple of PLACE_BYTES, at most so many; only at the disk's end they may be fewer. */
interface Block {
  readonly offset: number
  readonly bytes: Uint8Array
}

export interface SnapshotKernel {
  /** Of the kernel's file, hexadecimal. */
  readonly sha256: string
  readonly info: KernelInfo
}

export interface SnapshotSource {
  readonly settings: MachineSettings
  readonly kernel: SnapshotKernel
  readonly instructions: number
  readonly guestNs: number
  readonly parts: Readonly<Record<string, PartState>>
  readonly ram: Uint8Array
  /** Why the machine has stopped, if it has: then it is nothing to go on from. */
  readonly stopped?: string | undefined
  readonly disks: readonly (SnapshotDisk & {
    /** In rising order: all, or all that differ from the base. */
    readonly blocks: Iterable<Block>
  })[]
}

/** What a file has, read as far as is cheap. */
export interface Snapshot {
  readonly settings: MachineSettings
  readonly kernel: SnapshotKernel
  readonly instructions: number
  readonly guestNs: number
  readonly parts: Readonly<Record<string, PartState>>
  readonly ramBytes: number
  readonly disks: readonly (SnapshotDisk & {
    /** The file has places of it. */
    readonly isChanged: boolean
  })[]
  /**
   * Hands over every block that is not zero, in views that the next one overwrites; and blocks of a disk with a base that became
   * zero. `disk` is -1 for RAM. Throws a ProblemError where the file lies.
   */
  blocks(to: (disk: number, offset: number, bytes: Uint8Array) => void): void
}

/** Only a traced machine has them; they change nothing that a guest sees. */
export const isTracePart = (name: string): boolean => name === 'trace-notes' || name === 'programs'

const damaged = (saw: string): ProblemError =>
  new ProblemError(
    problem(
      'snapshot-damaged',
      `the snapshot ${saw}`,
      'a snapshot as it was written',
      'take another copy of it, or make it anew',
    ),
  )

// Writing.

/** Whether PLACE_WORDS words from `at` on are zero; eight at a time, since most of a machine's memory is. */
const isZero = (words: Int32Array, at: number): boolean => {
  for (const end = at + PLACE_WORDS; at < end; at += 8)
    if (
      (words[at] |
        words[at + 1] |
        words[at + 2] |
        words[at + 3] |
        words[at + 4] |
        words[at + 5] |
        words[at + 6] |
        words[at + 7]) !==
      0
    )
      return false
  return true
}

/** Numbers of the pages of RAM that hold something. */
export const nonZeroPages = (ram: Uint8Array): number[] => {
  const words = new Int32Array(ram.buffer, ram.byteOffset, ram.length / 4)
  const pages: number[] = []
  for (let page = 0; page < placesOf(ram.length); page++) if (!isZero(words, page * PLACE_WORDS)) pages.push(page)
  return pages
}

/** FNV-1a over words, to find blocks that may be alike. */
const hashOf = (words: Int32Array): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i], 0x01000193)
  return hash ^ (hash >>> 15)
}

const equal = (a: Int32Array, b: Int32Array): boolean => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Takes blocks by place, in rising order, keeps each content once and packs them as they come. */
class BlockStore {
  readonly sections: Uint8Array[] = []
  readonly #pack: Packing
  readonly #runs: number[] = []
  readonly #contents: Int32Array[] = []
  /** The last few contents, one after another. */
  readonly #chunk = new Int32Array(BLOCKS_TOGETHER * PLACE_WORDS)
  readonly #byHash = new Map<number, number[]>()

  constructor(pack: Packing) {
    this.#pack = pack
  }

  get count(): number {
    return this.#contents.length
  }

  /** `words` must stay as they are until the end. */
  add(place: number, words: Int32Array): void {
    this.#run(place, this.#keep(words))
  }

  addZero(place: number): void {
    this.#run(place, ZERO_BLOCK)
  }

  /** Everything is in. */
  end(): Uint8Array {
    const left = this.count % BLOCKS_TOGETHER
    if (left !== 0) this.#packChunk(left)
    return new Uint8Array(Uint32Array.from(this.#runs).buffer)
  }

  #keep(words: Int32Array): number {
    const hash = hashOf(words)
    const alike = this.#byHash.get(hash)
    const same = alike?.find((index) => equal(this.#contents[index], words))
    if (same !== undefined) return same
    const index = this.#contents.push(words) - 1
    if (alike === undefined) this.#byHash.set(hash, [index])
    else alike.push(index)
    this.#chunk.set(words, (index % BLOCKS_TOGETHER) * PLACE_WORDS)
    if (this.count % BLOCKS_TOGETHER === 0) this.#packChunk(BLOCKS_TOGETHER)
    return index
  }

  #packChunk(blocks: number): void {
    const bytes = new Uint8Array(this.#chunk.buffer, 0, blocks * PLACE_BYTES)
    this.sections.push(section('page', this.#pack.deflate(bytes)))
  }

  /** Places in a row with contents in a row are one run. */
  #run(place: number, block: number): void {
    const runs = this.#runs
    const at = runs.length - RUN_WORDS
    if (at >= 0 && runs[at] + runs[at + 1] === place) {
      const next = runs[at + 2] === ZERO_BLOCK ? ZERO_BLOCK : runs[at + 2] + runs[at + 1]
      if (next === block) {
        runs[at + 1]++
        return
      }
    }
    runs.push(place, 1, block)
  }
}

const section = (tag: string, payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(SECTION_HEADER_BYTES + payload.length)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) bytes[i] = tag.charCodeAt(i)
  view.setUint32(4, payload.length, true)
  view.setUint32(8, crc32(payload), true)
  bytes.set(payload, SECTION_HEADER_BYTES)
  return bytes
}

/** Its length unpacked, then packed. */
const packed = (pack: Packing, tag: string, bytes: Uint8Array): Uint8Array => {
  const small = pack.deflate(bytes)
  const payload = new Uint8Array(4 + small.length)
  new DataView(payload.buffer).setUint32(0, bytes.length, true)
  payload.set(small, 4)
  return section(tag, payload)
}

const placesOf = (bytes: number): number => Math.ceil(bytes / PLACE_BYTES)

export const writeSnapshot = (source: SnapshotSource, pack: Packing = OWN_PACKING): Result<Uint8Array> =>
  source.stopped === undefined
    ? ok(write(source, pack))
    : refuse(
        problem(
          'machine-stopped',
          `the machine has stopped (${source.stopped}), and cannot go on from here`,
          'a machine that runs',
          'save it before it stops',
        ),
      )

const write = (source: SnapshotSource, pack: Packing): Uint8Array => {
  const { settings, kernel, ram } = source
  const store = new BlockStore(pack)
  const words = new Int32Array(ram.buffer, ram.byteOffset, ram.length / 4)
  for (const page of nonZeroPages(ram)) store.add(page, words.subarray(page * PLACE_WORDS, (page + 1) * PLACE_WORDS))
  let first = placesOf(ram.length)
  const whole = new Uint8Array(PLACE_BYTES)
  const wholeWords = new Int32Array(whole.buffer)
  for (const { blocks, size, base } of source.disks) {
    for (const { offset, bytes } of blocks) {
      const place = offset / PLACE_BYTES
      whole.fill(0)
      whole.set(bytes)
      if (!isZero(wholeWords, 0)) store.add(first + place, wholeWords.slice())
      else if (base !== undefined) store.addZero(first + place)
    }
    first += placesOf(size)
    assert(first < ZERO_BLOCK, `places have 32-bit numbers: ${first}`)
  }
  const map = store.end()

  const { symbols, warnings: _, ...info } = kernel.info
  const head: PartState = {
    settings: plain(settings),
    kernel: { ...plain(info), sha256: kernel.sha256 },
    instructions: source.instructions,
    guestNs: source.guestNs,
    ramBytes: ram.length,
    blocks: store.count,
    disks: source.disks.map(({ id, size, readOnly, base }) => ({
      id,
      size,
      readOnly,
      ...(base !== undefined && { base }),
    })),
  }
  const start = new Uint8Array(HEADER_BYTES)
  start.set(MAGIC)
  new DataView(start.buffer).setUint32(8, SNAPSHOT_VERSION, true)
  return joined([
    start,
    section('head', encodeState(head)),
    packed(pack, 'part', encodeState(source.parts)),
    packed(pack, 'symb', encodeSymbols(symbols)),
    packed(pack, 'map ', map),
    ...store.sections,
    section('end ', new Uint8Array(0)),
  ])
}

/** A record of plain values; what is undefined is left out. */
const plain = (record: object): PartState =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as PartState

/** Columns pack better than rows: addresses, sizes, and the names, a line each. */
const encodeSymbols = (symbols: readonly KernelSymbol[]): Uint8Array => {
  const numbers = new DataView(new ArrayBuffer(4 + 16 * symbols.length))
  numbers.setUint32(0, symbols.length, true)
  symbols.forEach(({ address, size }, i) => {
    numbers.setBigUint64(4 + 8 * i, address, true)
    numbers.setFloat64(4 + 8 * (symbols.length + i), size, true)
  })
  const names = symbols.map(({ name }) => name.replaceAll('\n', ' ')).join('\n')
  return joined([new Uint8Array(numbers.buffer), utf8Encode(names)])
}

const decodeSymbols = (bytes: Uint8Array): KernelSymbol[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = bytes.length < 4 ? 0 : view.getUint32(0, true)
  if (4 + 16 * count > bytes.length) throw damaged('has a list of symbols that ends early')
  if (count === 0) return []
  const names = utf8Decode(bytes.subarray(4 + 16 * count)).split('\n')
  if (names.length !== count) throw damaged(`names ${names.length} of its ${count} symbols`)
  return names.map((name, i) => ({
    name,
    address: view.getBigUint64(4 + 8 * i, true),
    size: view.getFloat64(4 + 8 * (count + i), true),
  }))
}

// Reading.

/** Reads a file up to its blocks. `bytes` must stay as they are while the snapshot is used. */
export const readSnapshot = (bytes: Uint8Array, pack: Packing = OWN_PACKING): Result<Snapshot> => {
  try {
    return ok(read(view(bytes), pack))
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem)
    throw error
  }
}

export const isSnapshot = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte)

const read = (bytes: Uint8Array, pack: Packing): Snapshot => {
  if (!isSnapshot(bytes))
    throw new ProblemError(
      problem(
        'not-a-snapshot',
        'the file is not a saved machine',
        "a file that begins with \\x89uVM, as 'Save machine' and --save-snapshot write it",
        'choose another file; a kernel is booted, not resumed',
      ),
    )
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < HEADER_BYTES) throw damaged('ends within its first bytes')
  const version = words.getUint32(8, true)
  if (version > SNAPSHOT_VERSION || version === 0)
    throw new ProblemError(
      problem(
        'snapshot-version',
        `the snapshot is of version ${version}`,
        `version ${SNAPSHOT_VERSION} or older`,
        'open it with a newer release of the playground',
      ),
    )
  const sections = sectionsOf(bytes, words)
  const one = (tag: string): Uint8Array => {
    const found = sections.filter((s) => s.tag === tag)
    if (found.length !== 1) throw damaged(`has ${found.length} sections '${tag}' where it should have one`)
    return found[0].payload
  }
  const unpack = (tag: string, most: number): Uint8Array => {
    const payload = one(tag)
    if (payload.length < 4) throw damaged(`has an empty section '${tag}'`)
    const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true)
    return inflate(pack, payload.subarray(4), length, most)
  }
  if (sections.at(-1)?.tag !== 'end ') throw damaged('is cut short')

  const head = readHead(decodeState(one('head')))
  const parts = decodeState(unpack('part', PARTS_MAX))
  if (!isParts(parts)) throw damaged('has no states by name')
  const places = [placesOf(head.ramBytes), ...head.disks.map(({ size }) => placesOf(size))]
  const total = places.reduce((sum, count) => sum + count, 0)
  const runs = readMap(unpack('map ', RUN_WORDS * 4 * Math.min(total, PLACES_MAX)), total, head.blocks)
  const pages = sections.filter((s) => s.tag === 'page').map((s) => s.payload)
  if (pages.length !== Math.ceil(head.blocks / BLOCKS_TOGETHER))
    throw damaged(`has ${pages.length} groups of blocks for its ${head.blocks} blocks`)

  let symbols: readonly KernelSymbol[] | undefined
  const { sha256, ...info } = head.kernel
  return {
    settings: head.settings,
    kernel: {
      sha256,
      info: {
        ...info,
        // 40,000 names of a kernel that is not crashing are not worth the wait.
        get symbols() {
          symbols ??= decodeSymbols(unpack('symb', SYMBOLS_MAX))
          return symbols
        },
      },
    },
    instructions: head.instructions,
    guestNs: head.guestNs,
    parts,
    ramBytes: head.ramBytes,
    disks: head.disks.map((disk, i) => ({
      ...disk,
      isChanged: takesPlaces(runs, firstPlace(places, i + 1), places[i + 1]),
    })),
    blocks: (to) => distribute(pack, pages, head.blocks, runs, places, to),
  }
}

interface Section {
  readonly tag: string
  readonly payload: Uint8Array
}

const sectionsOf = (bytes: Uint8Array, words: DataView): Section[] => {
  const sections: Section[] = []
  for (let at = HEADER_BYTES; at < bytes.length; ) {
    if (bytes.length - at < SECTION_HEADER_BYTES) throw damaged('is cut short')
    const tag = String.fromCharCode(...bytes.subarray(at, at + 4))
    const length = words.getUint32(at + 4, true)
    const start = at + SECTION_HEADER_BYTES
    if (length > bytes.length - start) throw damaged('is cut short')
    const payload = bytes.subarray(start, start + length)
    if (crc32(payload) !== words.getUint32(at + 8, true))
      throw damaged(`has a section '${tag}' whose check sum is wrong`)
    sections.push({ tag, payload })
    at = start + length
  }
  return sections
}

const inflate = (pack: Packing, bytes: Uint8Array, length: number, most: number): Uint8Array => {
  if (length > most || length > bytes.length * DEFLATE_BEST + DEFLATE_BEST)
    throw damaged(`has ${bytes.length} bytes that claim to unpack to ${length}`)
  let unpacked: Uint8Array
  try {
    unpacked = pack.inflate(bytes, length)
  } catch {
    throw damaged('has a section that does not unpack')
  }
  if (unpacked.length !== length) throw damaged('has a section that unpacks to another length than it says')
  return view(unpacked)
}

/** Without what a subclass does differently: a Buffer's `slice` is no copy. */
const view = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array => new Uint8Array(buffer, byteOffset, length)

interface Head {
  readonly settings: MachineSettings
  readonly kernel: Omit<KernelInfo, 'symbols'> & { readonly sha256: string }
  readonly instructions: number
  readonly guestNs: number
  readonly ramBytes: number
  readonly blocks: number
  readonly disks: readonly SnapshotDisk[]
}

const isParts = (value: StateValue): value is Record<string, PartState> =>
  isRecord(value) && Object.values(value).every(isRecord)
const isRecord = (value: StateValue): value is PartState =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array)

const readHead = (state: StateValue): Head => {
  if (!isRecord(state)) throw damaged('has no head')
  const s = new StateReader(state, 'the snapshot')
  const settings = readSettings(s)
  const k = s.group('kernel')
  const kernel = {
    entry: k.u32('entry'),
    elfClass: k.oneOf('elfClass', [32, 64]),
    ...(k.has('os') && { os: k.text('os', 64) }),
    bytes: k.integer('bytes', 0, Number.MAX_SAFE_INTEGER),
    cmdline: k.text('cmdline', 65536),
    sha256: k.text('sha256', 64),
  }
  k.end()
  const ramBytes = s.integer('ramBytes', 0, RAM_MAX)
  const disks = s.groups('disks', DISKS_MAX).map((d): SnapshotDisk => {
    const disk = {
      id: d.text('id', 20),
      size: d.integer('size', 0, 2 ** 50),
      readOnly: d.flag('readOnly'),
      base: d.has('base') ? d.text('base', 200) : undefined,
    }
    if (disk.size % 512 !== 0) d.refuse('size', 'whole sectors')
    d.end()
    return disk
  })
  const head = {
    settings,
    kernel,
    instructions: s.integer('instructions', 0, Number.MAX_SAFE_INTEGER),
    guestNs: s.ns('guestNs'),
    ramBytes,
    blocks: s.integer('blocks', 0, PLACES_MAX),
    disks,
  }
  s.end()
  return head
}

/** A setting that a file of an older version lacks is as it was before there was one. */
const readSettings = (s: StateReader): MachineSettings => {
  const given = s.group('settings')
  const read = readRecord(given.raw)
  const settings = { ...DEFAULTS, ...read.settings }
  const wrong = firstProblem(read) ?? checkSettings(settings)
  if (wrong !== undefined) throw new ProblemError(wrong)
  return settings
}

const readMap = (bytes: Uint8Array, places: number, blocks: number): Uint32Array => {
  if (bytes.length % (RUN_WORDS * 4) !== 0) throw damaged('has a map that is no whole number of runs')
  const runs = new Uint32Array(bytes.slice().buffer)
  let end = 0
  let taken = 0
  for (let i = 0; i < runs.length; i += RUN_WORDS) {
    const [place, count, block] = [runs[i], runs[i + 1], runs[i + 2]]
    const isZeros = block === ZERO_BLOCK
    if (place < end || count === 0 || place + count > places || (!isZeros && block + count > blocks))
      throw damaged('has a map that leads outside')
    end = place + count
    taken += count
    if (taken > PLACES_MAX) throw damaged('fills more than a machine has')
  }
  return runs
}

const firstPlace = (places: readonly number[], of: number): number =>
  places.slice(0, of).reduce((sum, count) => sum + count, 0)

/** Whether the map has a run among so many places from `first` on. */
const takesPlaces = (runs: Uint32Array, first: number, count = 0): boolean => {
  for (let i = 0; i < runs.length; i += RUN_WORDS)
    if (runs[i] < first + count && runs[i] + runs[i + 1] > first) return true
  return false
}

/** Unpacks groups of blocks one after another and hands each block to all of its places. */
const distribute = (
  pack: Packing,
  pages: readonly Uint8Array[],
  blocks: number,
  runs: Uint32Array,
  places: readonly number[],
  to: (disk: number, offset: number, bytes: Uint8Array) => void,
): void => {
  const owner = (place: number): readonly [disk: number, offset: number] => {
    let disk = -1
    for (const count of places) {
      if (place < count) return [disk, place * PLACE_BYTES]
      place -= count
      disk++
    }
    throw damaged('has a block for no place')
  }
  // The places of each block, as lists that are linked: most blocks have one.
  const firstOf = new Int32Array(blocks).fill(-1)
  const placeOf: number[] = []
  const nextOf: number[] = []
  const zeros = new Uint8Array(PLACE_BYTES)
  for (let i = 0; i < runs.length; i += RUN_WORDS)
    for (let n = 0; n < runs[i + 1]; n++) {
      const place = runs[i] + n
      if (runs[i + 2] === ZERO_BLOCK) {
        to(...owner(place), zeros)
        continue
      }
      const block = runs[i + 2] + n
      placeOf.push(place)
      nextOf.push(firstOf[block])
      firstOf[block] = placeOf.length - 1
    }
  pages.forEach((page, group) => {
    const count = Math.min(BLOCKS_TOGETHER, blocks - group * BLOCKS_TOGETHER)
    const bytes = inflate(pack, page, count * PLACE_BYTES, count * PLACE_BYTES)
    for (let i = 0; i < count; i++) {
      const content = bytes.subarray(i * PLACE_BYTES, (i + 1) * PLACE_BYTES)
      for (let at = firstOf[group * BLOCKS_TOGETHER + i]; at >= 0; at = nextOf[at]) to(...owner(placeOf[at]), content)
    }
  })
}
