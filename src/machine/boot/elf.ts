/**
 * Loads an ELF kernel into guest RAM the way a PVH loader does: PT_LOAD segments at p_paddr, the rest of p_memsz zeroed,
 * and the entry from the note that Xen calls XEN_ELFNOTE_PHYS32_ENTRY (gABI; xen/include/public/elfnote.h).
 *
 * Notes are read as readelf(1) reads them: padded to 4 bytes, or to 8 where their section or segment says so.
 *
 * Refuses, with a sentence, whatever a guest could not survive; first what the file is not, then where it does not fit. Missing on purpose: relocation (a PVH kernel runs where
 * it was linked), dynamic linking, big endian.
 */

import { hex } from '../../base/hex.ts'
import { ok, type Problem, problem, type Result, refuse } from '../../base/problem.ts'
import { RAM_MAX } from '../../settings/settings.ts'
import {
  HIGH_RAM_START,
  LOW_RAM_END,
  MiB,
  PVH_CMDLINE,
  PVH_CMDLINE_MAX,
  PVH_MEMMAP,
  PVH_START_INFO,
} from '../layout.ts'
import type { KernelSymbol } from '../machine.ts'
import type { GuestRam } from '../ram.ts'
import { otherProtocol } from './other-protocols.ts'
import { readSections, readSymbols, type Section } from './symbols.ts'
import { unpackKernel } from './unpack.ts'

const ELFCLASS32 = 1
const ELFCLASS64 = 2
const ELFDATA2LSB = 1
const ET_EXEC = 2
const ET_DYN = 3
const EM_386 = 3
const EM_X86_64 = 62
const PT_LOAD = 1
const PT_INTERP = 3
const PT_NOTE = 4
const SHT_NOTE = 7
const SHT_NOBITS = 8
const SHF_ALLOC = 2
const SHF_EXECINSTR = 4
export const XEN_ELFNOTE_PHYS32_ENTRY = 18
export const XEN_ELFNOTE_GUEST_OS = 6
/** Longer names of a guest are no names. */
const GUEST_OS_MAX = 64

/** Notes looked at before giving up; NetBSD has about ten. Bounds the time a hostile file can take. */
const NOTES_MAX = 65536

export interface LoadedKernel {
  /** Physical entry, below 4 GiB, inside the image. */
  readonly entry: number
  readonly elfClass: 32 | 64
  /** What the kernel says it is, in lower case. */
  readonly os: string | undefined
  /** Bytes of the ELF file, unpacked. */
  readonly bytes: number
  /** The image in guest RAM: [start, end) spans every segment, bss included. */
  readonly start: number
  readonly end: number
  /** Read from the file at first use, then kept. */
  readonly symbols: readonly KernelSymbol[]
}

export interface LoadOptions {
  /** Ranges no segment may touch; BOOT_DATA unless given. */
  readonly reserved?: readonly Range[]
}

export interface Range {
  readonly start: number
  readonly end: number
  readonly what: string
}

/** What the loader itself puts below 1 MiB, and the hole that is no RAM. */
export const BOOT_DATA: readonly Range[] = [
  { start: 0x400, end: 0x500, what: 'the BIOS data area' },
  { start: PVH_START_INFO, end: PVH_MEMMAP + 0x1000, what: 'the PVH start info' },
  { start: PVH_CMDLINE, end: PVH_CMDLINE + PVH_CMDLINE_MAX, what: 'the command line' },
  { start: LOW_RAM_END, end: HIGH_RAM_START, what: 'the MP table and the hole below 1 MiB' },
]

interface Segment {
  readonly offset: number
  readonly paddr: number
  readonly filesz: number
  readonly memsz: number
}

/** Whether a file, packed or not, is for the 32-bit modes alone. */
export const is32BitKernel = (file: Uint8Array): boolean => {
  const unpacked = unpackKernel(file, RAM_MAX)
  return unpacked.ok && unpacked.value[4] === ELFCLASS32
}

/** Puts `file` (ELF, or gzip of it) into `ram`. Writes nothing unless all of it is in order. */
export const loadKernel = (file: Uint8Array, ram: GuestRam, options: LoadOptions = {}): Result<LoadedKernel> => {
  const unpacked = unpackKernel(file, ram.size)
  if (!unpacked.ok) return unpacked
  const elf = unpacked.value
  const headers = readHeaders(elf)
  if (!headers.ok) return headers
  const { is64, loads, notes, isProgram } = headers.value
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  const sections = readSections(view, is64)
  const fault = checkFile(loads, elf.length, sections)
  if (fault !== undefined) return refuse(fault)
  const { entry, os, xenNotes, odd } = readXenNotes(elf, sections, notes)
  if (entry === undefined && odd !== undefined)
    return refuse(
      problem(
        'note-odd',
        `the kernel's XEN_ELFNOTE_PHYS32_ENTRY note holds ${odd} bytes`,
        'an address of 4 or 8 bytes',
        'rebuild the kernel, or choose another',
      ),
    )
  if (entry === undefined) return refuse(noPvhNote(elf, xenNotes, isProgram))
  const misfit = checkMemory(loads, ram.size, options.reserved ?? BOOT_DATA)
  if (misfit !== undefined) return refuse(misfit)
  const home = loads.find((s) => entry >= s.paddr && entry < s.paddr + s.memsz)
  if (home === undefined || entry >= home.paddr + home.filesz)
    return refuse(
      problem(
        'entry-outside-image',
        home === undefined
          ? `the kernel's PVH entry ${hex(entry)} lies in none of its segments`
          : `the kernel's PVH entry ${hex(entry)} lies where the file has no bytes, only zeros`,
        'an entry inside the kernel image',
        'rebuild the kernel, or choose another',
      ),
    )

  for (const s of loads) {
    ram.write(s.paddr, elf.subarray(s.offset, s.offset + s.filesz))
    zero(ram, s.paddr + s.filesz, s.memsz - s.filesz)
  }
  let symbols: readonly KernelSymbol[] | undefined
  return ok({
    entry,
    elfClass: is64 ? 64 : 32,
    os,
    bytes: elf.length,
    start: Math.min(...loads.map((s) => s.paddr)),
    end: Math.max(...loads.map((s) => s.paddr + s.memsz)),
    get symbols() {
      symbols ??= readSymbols(elf)
      return symbols
    },
  })
}

const ZEROES = new Uint8Array(64 * 1024)

/** TypedArray.fill on shared memory is ten times slower than set. */
const zero = (ram: GuestRam, address: number, length: number): void => {
  for (let at = 0; at < length; at += ZEROES.length)
    ram.write(address + at, ZEROES.subarray(0, Math.min(ZEROES.length, length - at)))
}

const TRUNCATED_HINT = 'download or copy the file again'

const MACHINES: Readonly<Record<number, string>> = {
  2: 'SPARC',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC 64',
  40: 'ARM',
  42: 'SuperH',
  43: 'SPARC 64',
  183: 'AArch64',
  243: 'RISC-V',
}

interface Headers {
  readonly is64: boolean
  readonly loads: Segment[]
  readonly notes: NoteRegion[]
  /** It asks for a dynamic linker. */
  readonly isProgram: boolean
}

/** Bytes of the file that are notes, and what their parts are padded to. */
interface NoteRegion {
  readonly start: number
  readonly end: number
  readonly align: number
}

const readHeaders = (elf: Uint8Array): Result<Headers> => {
  const elfClass = elf[4]
  const is64 = elfClass === ELFCLASS64
  if (elf.length < 20) return refuse(truncated(`the file is ${elf.length} bytes long`, 'an ELF header of 52 or 64'))
  if (!is64 && elfClass !== ELFCLASS32)
    return refuse(
      problem(
        'wrong-class',
        `the ELF file says class ${elfClass}`,
        'class 1 (32-bit) or 2 (64-bit)',
        'choose an amd64 or i386 kernel',
      ),
    )
  if (elf[5] !== ELFDATA2LSB)
    return refuse(
      problem(
        'wrong-endianness',
        elf[5] === 2 ? 'the ELF file is big-endian' : `the ELF file says data encoding ${elf[5]}`,
        'a little-endian x86 kernel',
        'choose an amd64 or i386 kernel',
      ),
    )
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  const machine = view.getUint16(18, true)
  if (machine !== EM_X86_64 && !(machine === EM_386 && !is64))
    return refuse(
      problem(
        'wrong-machine',
        machine === EM_386
          ? 'the ELF file is 64-bit but says machine 386'
          : `the kernel is for ${MACHINES[machine] ?? `ELF machine ${machine}`}`,
        'machine x86-64 (62) or 386 (3)',
        'choose an amd64 or i386 kernel',
      ),
    )
  const headerBytes = is64 ? 64 : 52
  if (elf.length < headerBytes)
    return refuse(truncated(`the file is ${elf.length} bytes long`, `an ELF header of ${headerBytes}`))
  const type = view.getUint16(16, true)
  if (type !== ET_EXEC && type !== ET_DYN)
    return refuse(
      problem(
        'not-executable',
        type === 1 ? 'the ELF file is a relocatable object, a module perhaps' : `the ELF file has type ${type}`,
        'a linked kernel (type 2, ET_EXEC)',
        'choose the kernel, not a module, an object file or a core dump',
      ),
    )

  const word = (at: number): number => (is64 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true))
  const phoff = word(is64 ? 0x20 : 0x1c)
  const phentsize = view.getUint16(is64 ? 0x36 : 0x2a, true)
  const phnum = view.getUint16(is64 ? 0x38 : 0x2c, true)
  const smallest = is64 ? 56 : 32
  if (phnum > 0 && phentsize < smallest)
    return refuse(
      problem(
        'bad-headers',
        `the ELF file's program headers are ${phentsize} bytes each`,
        `${smallest} bytes or more`,
        TRUNCATED_HINT,
      ),
    )
  if (phoff + phnum * phentsize > elf.length)
    return refuse(
      truncated(
        `the file is ${elf.length} bytes long`,
        `${phnum} program headers up to byte ${phoff + phnum * phentsize}`,
      ),
    )
  const loads: Segment[] = []
  const notes: NoteRegion[] = []
  let isProgram = false
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * phentsize
    const kind = view.getUint32(at, true)
    if (kind === PT_INTERP) isProgram = true
    if (kind !== PT_LOAD && kind !== PT_NOTE) continue
    const segment: Segment = is64
      ? { offset: word(at + 8), paddr: word(at + 24), filesz: word(at + 32), memsz: word(at + 40) }
      : { offset: word(at + 4), paddr: word(at + 12), filesz: word(at + 16), memsz: word(at + 20) }
    if (kind === PT_NOTE)
      notes.push({
        start: segment.offset,
        end: segment.offset + segment.filesz,
        align: word(at + (is64 ? 48 : 28)),
      })
    else if (segment.memsz > 0 || segment.filesz > 0) loads.push(segment)
  }
  if (loads.length === 0)
    return refuse(
      problem(
        'no-segments',
        'the ELF file has nothing to load',
        'at least one PT_LOAD segment',
        'choose the kernel itself, not its separate debugging symbols',
      ),
    )
  return ok({ is64, loads, notes, isProgram })
}

const truncated = (saw: string, expected: string): Problem =>
  problem('truncated', `${saw}, the kernel is cut off`, expected, TRUNCATED_HINT)

/**
 * objcopy(1)'s --only-keep-debug leaves headers, notes and symbols of a kernel, and none of its bytes: sections of code are
 * SHT_NOBITS then.
 */
const isDebugFile = (sections: readonly Section[]): boolean => {
  const code = sections.filter((s) => s.flags & SHF_ALLOC && s.flags & SHF_EXECINSTR && s.memoryBytes > 0)
  return code.length > 0 && code.every((s) => s.type === SHT_NOBITS)
}

const checkFile = (
  loads: readonly Segment[],
  fileLength: number,
  sections: readonly Section[],
): Problem | undefined => {
  if (isDebugFile(sections))
    return problem(
      'debug-file',
      "the file is a kernel's separate debugging symbols: its code has no bytes",
      'the kernel itself',
      'give the kernel that lies beside it, without .debug at the end of its name',
    )
  for (const s of loads) {
    if (s.filesz > s.memsz)
      return problem(
        'bad-segment',
        `the segment at ${hex(s.paddr)} has ${s.filesz} bytes in the file but ${s.memsz} in memory`,
        'at least as many in memory',
        TRUNCATED_HINT,
      )
    if (s.offset + s.filesz > fileLength)
      return truncated(
        `the file is ${fileLength} bytes long`,
        `the segment at ${hex(s.paddr)} up to byte ${s.offset + s.filesz}`,
      )
  }
  return undefined
}

const checkMemory = (loads: readonly Segment[], ramSize: number, reserved: readonly Range[]): Problem | undefined => {
  const needed = Math.max(...loads.map((s) => s.paddr + s.memsz))
  if (needed > ramSize) {
    const last = loads.find((s) => s.paddr + s.memsz > ramSize)!
    const mib = Math.ceil(needed / MiB)
    return problem(
      'image-over-ram',
      `the kernel's segment at ${hex(last.paddr)} ends at ${hex(last.paddr + last.memsz)}, past the guest's ${ramSize / MiB} MiB`,
      `the whole kernel inside guest memory, which takes ${mib} MiB or more`,
      needed <= RAM_MAX
        ? `give the guest at least ${mib} MiB`
        : 'choose a kernel linked for a physical address below 3 GiB',
    )
  }
  const sorted = [...loads].sort((a, b) => a.paddr - b.paddr)
  for (let i = 1; i < sorted.length; i++)
    if (sorted[i].paddr < sorted[i - 1].paddr + sorted[i - 1].memsz)
      return problem(
        'segments-overlap',
        `the kernel's segments at ${hex(sorted[i - 1].paddr)} and ${hex(sorted[i].paddr)} overlap`,
        'segments at distinct physical addresses',
        'rebuild the kernel, or choose another',
      )
  for (const s of loads)
    for (const r of reserved)
      if (s.paddr < r.end && s.paddr + s.memsz > r.start)
        return problem(
          'image-over-boot-data',
          `the kernel's segment at ${hex(s.paddr)} covers ${r.what} at ${hex(r.start)}`,
          'a kernel linked outside the first MiB, or clear of what the loader puts there',
          'link the kernel at 1 MiB (0x100000) or above',
        )
  return undefined
}

interface XenNotes {
  readonly entry: number | undefined
  readonly os: string | undefined
  readonly xenNotes: number
  /** Bytes of a PVH note that holds no address. */
  readonly odd: number | undefined
}

/**
 * Sections first, then segments, each with its own padding. Then, for notes that somebody put together who padded otherwise
 * than the alignment says or left gaps between them, with the other padding; at last word by word.
 */
const readXenNotes = (elf: Uint8Array, sections: readonly Section[], segments: readonly NoteRegion[]): XenNotes => {
  const regions = sections
    .filter((s) => s.type === SHT_NOTE)
    .map(({ offset, size, align }): NoteRegion => ({ start: offset, end: offset + size, align }))
    .concat(segments.filter(({ end }) => end <= elf.length))
  const reader = new NoteReader(elf)
  const passes: ((region: NoteRegion) => void)[] = [
    ({ start, end, align }) => reader.read(start, end, align === 8 ? 8 : 4),
    ({ start, end, align }) => reader.read(start, end, align === 8 ? 4 : 8),
    ({ start, end }) => reader.scan(start, end),
  ]
  for (const pass of passes) if (reader.entry === undefined || reader.os === undefined) regions.forEach(pass)
  return reader
}

class NoteReader implements XenNotes {
  readonly #elf: Uint8Array
  readonly #view: DataView
  #budget = NOTES_MAX
  entry: number | undefined
  os: string | undefined
  xenNotes = 0
  odd: number | undefined

  constructor(elf: Uint8Array) {
    this.#elf = elf
    this.#view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  }

  /** namesz, descsz, type; then name and descriptor, each of which begins and ends at a multiple of `align` from `start`. */
  read(start: number, end: number, align: 4 | 8): void {
    const view = this.#view
    const padded = (offset: number): number => start + Math.ceil((offset - start) / align) * align
    let at = start
    while (at + 12 <= end && this.#budget-- > 0) {
      const namesz = view.getUint32(at, true)
      const descsz = view.getUint32(at + 4, true)
      const type = view.getUint32(at + 8, true)
      const desc = padded(at + 12 + namesz)
      if (desc + descsz > end) return
      if (isXen(this.#elf, at + 12, namesz)) this.#take(type, desc, descsz)
      at = padded(desc + descsz)
    }
  }

  scan(start: number, end: number): void {
    const view = this.#view
    for (let at = start; at + 12 <= end && this.#budget-- > 0; at += 4) {
      const descsz = view.getUint32(at + 4, true)
      if (isXen(this.#elf, at + 12, view.getUint32(at, true)) && at + 16 + descsz <= end)
        this.#take(view.getUint32(at + 8, true), at + 16, descsz)
    }
  }

  #take(type: number, desc: number, descsz: number): void {
    this.xenNotes++
    if (type === XEN_ELFNOTE_PHYS32_ENTRY) {
      if (this.entry !== undefined) return
      if (descsz === 4) this.entry = this.#view.getUint32(desc, true)
      else if (descsz === 8) this.entry = Number(this.#view.getBigUint64(desc, true))
      else this.odd ??= descsz
    } else if (type === XEN_ELFNOTE_GUEST_OS && descsz <= GUEST_OS_MAX)
      this.os ??= String.fromCharCode(...this.#elf.subarray(desc, desc + descsz))
        .replace(/\0.*$/s, '')
        .toLowerCase()
  }
}

/** The owner's name, with its NUL or, from some assemblers' sources, without. */
const isXen = (elf: Uint8Array, at: number, namesz: number): boolean =>
  (namesz === 3 || (namesz === 4 && elf[at + 3] === 0)) &&
  elf[at] === 0x58 &&
  elf[at + 1] === 0x65 &&
  elf[at + 2] === 0x6e

const noPvhNote = (elf: Uint8Array, xenNotes: number, isProgram: boolean): Problem => {
  const other = otherProtocol(elf)
  const saw = isProgram
    ? 'the file is a program that an operating system runs, not a kernel'
    : xenNotes > 0
      ? 'the kernel has Xen notes, but none of them is XEN_ELFNOTE_PHYS32_ENTRY'
      : 'the kernel has no PVH entry note'
  return problem(
    'no-pvh-note',
    other === undefined || isProgram ? saw : `${saw}; ${other}`,
    'an ELF note of owner Xen, type 18 (XEN_ELFNOTE_PHYS32_ENTRY)',
    'choose a kernel with PVH: NetBSD 11 MICROVM, smolBSD netbsd-SMOL, or Linux vmlinux with CONFIG_PVH=y',
  )
}
