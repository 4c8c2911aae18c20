/**
 * A disk's kept changes as an append-only log, in one of two files. docs/decisions/0016-overlay-log.md.
 *
 *   header, 128 bytes                          record, 24 bytes and its data
 *   0   magic "pgovrlay"                       0   u32 CRC-32 of the rest, begun with the log's generation
 *   8   u32 version                            4   u8  kind: 1 write, 2 zero
 *   12  u32 header bytes, 128                  5   u8  flags: 1 the next record belongs to the same change
 *   16  u64 generation                         6   u16 0
 *   24  u64 the base's size                    8   u64 offset on the disk, bytes
 *   32  32 bytes, the base's digest            16  u32 length, bytes
 *   64  0                                      20  u32 sequence number, from 0
 *   124 u32 CRC-32 of what is before it        24  data of a write, length bytes
 *
 * All little-endian. The disk is the base with the records applied in order, up to the first that is not whole: what a
 * crash cut off is no part of it. Appending is the only change to the file in use. Rewriting, to get rid of what was
 * overwritten, fills the other file and writes its header last; the valid header of the higher generation counts.
 *
 * Nothing here is asynchronous: a record is in the file when `write` returns (it survives the tab), and on the medium
 * when `flush` returns (it survives the computer).
 */
import { assert } from '../base/assert.ts'
import { hex } from '../base/hex.ts'
import { ok, problem, type Result, refuse } from '../base/problem.ts'
import { crc32 } from './crc32.ts'

/** A file opened for one owner: FileSystemSyncAccessHandle, by the names it uses. Offsets and sizes in bytes. */
export interface LogFile {
  getSize(): number
  /** Returns how many bytes there were. */
  read(into: Uint8Array<ArrayBuffer>, options: { readonly at: number }): number
  /** Throws, or returns less than was given, when there is no room. */
  write(bytes: Uint8Array<ArrayBuffer>, options: { readonly at: number }): number
  truncate(size: number): void
  flush(): void
}

/** Which bytes a log's records belong over. */
export interface BaseIdentity {
  readonly size: number
  /** 32 bytes. */
  readonly digest: Uint8Array
}

/** A change: bytes at an offset, or zeros where `bytes` is undefined. */
export interface Change {
  readonly offset: number
  readonly length: number
  readonly bytes: Uint8Array | undefined
}

export const VERSION = 1
export const HEADER_BYTES = 128
const RECORD_BYTES = 24
const MAGIC = Uint8Array.from('pgovrlay', (c) => c.charCodeAt(0))
const KIND_WRITE = 1
const KIND_ZERO = 2
const FLAG_CONTINUES = 1
/** Changes are cut into records of at most this much data. */
const RECORD_DATA_MAX = 1024 * 1024

interface Header {
  readonly version: number
  readonly generation: number
  readonly base: BaseIdentity
}

/** What stands in a file's first bytes: nothing yet, a header, or something else. */
type Head = { readonly kind: 'empty' | 'other' } | { readonly kind: 'header'; readonly header: Header }

export const isSameBase = (a: BaseIdentity, b: BaseIdentity): boolean =>
  a.size === b.size && a.digest.length === b.digest.length && a.digest.every((byte, i) => byte === b.digest[i])

const readHead = (file: LogFile): Head => {
  const bytes = new Uint8Array(HEADER_BYTES)
  const got = file.read(bytes, { at: 0 })
  // A file whose filling was cut off has no header yet; one cut off within its header has nothing behind it.
  if (got < HEADER_BYTES || bytes.every((byte) => byte === 0)) return { kind: 'empty' }
  const view = new DataView(bytes.buffer)
  const isWhole = view.getUint32(HEADER_BYTES - 4, true) === crc32(bytes.subarray(0, HEADER_BYTES - 4))
  if (!isWhole) return file.getSize() > HEADER_BYTES ? { kind: 'other' } : { kind: 'empty' }
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) return { kind: 'other' }
  return {
    kind: 'header',
    header: {
      version: view.getUint32(8, true),
      generation: Number(view.getBigUint64(16, true)),
      base: { size: Number(view.getBigUint64(24, true)), digest: bytes.slice(32, 64) },
    },
  }
}

const writeHeader = (file: LogFile, generation: number, base: BaseIdentity): void => {
  assert(base.digest.length === 32, `a digest of ${base.digest.length} bytes`)
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(MAGIC)
  view.setUint32(8, VERSION, true)
  view.setUint32(12, HEADER_BYTES, true)
  view.setBigUint64(16, BigInt(generation), true)
  view.setBigUint64(24, BigInt(base.size), true)
  bytes.set(base.digest, 32)
  view.setUint32(HEADER_BYTES - 4, crc32(bytes.subarray(0, HEADER_BYTES - 4)), true)
  writeWhole(file, bytes, 0)
}

const writeWhole = (file: LogFile, bytes: Uint8Array<ArrayBuffer>, at: number): void => {
  for (let done = 0; done < bytes.length; ) {
    const wrote = file.write(bytes.subarray(done), { at: at + done })
    // Without room Chromium's files in memory, those of private windows, answer their error's number as an unsigned one.
    if (wrote === 0 || wrote > bytes.length - done)
      throw new DOMException('the file takes no more bytes', 'QuotaExceededError')
    done += wrote
  }
}

/** Reads a file front to back in large pieces: records are small and calls are not free. */
class ForwardReader {
  readonly #file: LogFile
  readonly #size: number
  #window = new Uint8Array(0)
  #windowAt = 0

  constructor(file: LogFile) {
    this.#file = file
    this.#size = file.getSize()
  }

  /** The bytes there, or undefined where the file ends before. */
  bytes(at: number, length: number): Uint8Array | undefined {
    if (at + length > this.#size) return undefined
    const isInside = at >= this.#windowAt && at + length <= this.#windowAt + this.#window.length
    if (!isInside) {
      const window = new Uint8Array(Math.min(Math.max(length, RECORD_DATA_MAX), this.#size - at))
      const got = this.#file.read(window, { at })
      this.#window = window.subarray(0, got)
      this.#windowAt = at
      if (got < length) return undefined
    }
    return this.#window.subarray(at - this.#windowAt, at - this.#windowAt + length)
  }
}

export type LogFiles = readonly [LogFile, LogFile]

/** What stands in the two files, without changing them; undefined when there is no log. */
export const readLogHeader = (files: LogFiles): Header | undefined => {
  const heads = files.map(readHead)
  const headers = heads.flatMap((head) => (head.kind === 'header' ? [head.header] : []))
  return headers.sort((a, b) => b.generation - a.generation)[0]
}

export class OverlayLog {
  readonly #files: LogFiles
  readonly #base: BaseIdentity
  #current: 0 | 1
  #generation: number
  #end: number
  #sequence: number

  private constructor(files: LogFiles, base: BaseIdentity, current: 0 | 1, generation: number) {
    this.#files = files
    this.#base = base
    this.#current = current
    this.#generation = generation
    this.#end = HEADER_BYTES
    this.#sequence = 0
  }

  /**
   * Opens the log that the files hold, giving `apply` its changes in order, or begins one. Refuses a log over another
   * base ('overlay-other-base'), of a later version ('overlay-newer') and files that are no log ('overlay-damaged');
   * then the files stay as they are. Throws what the files throw.
   */
  static open(files: LogFiles, base: BaseIdentity, apply: (change: Change) => void): Result<OverlayLog> {
    const heads = files.map(readHead)
    const generations = heads.map((head) => (head.kind === 'header' ? head.header.generation : -1))
    const current = (generations[1] as number) > (generations[0] as number) ? 1 : 0
    const head = heads[current] as Head
    if (head.kind !== 'header') {
      if (heads.some(({ kind }) => kind === 'other')) return refuse(damaged('its header is not what was written'))
      return ok(OverlayLog.#begin(files, base))
    }
    const { header } = head
    if (header.version !== VERSION) return refuse(newer(header.version))
    if (!isSameBase(header.base, base)) return refuse(otherBase(header.base, base))
    const log = new OverlayLog(files, base, current, header.generation)
    log.#replay(apply)
    // What was cut off must not follow what comes next.
    if (log.#file.getSize() > log.#end) log.#file.truncate(log.#end)
    const other = files[1 - current] as LogFile
    if (other.getSize() > 0) other.truncate(0)
    return ok(log)
  }

  /** Gives `apply` what the files hold, over any base, and changes nothing. */
  static read(files: LogFiles, apply: (change: Change) => void): Result<BaseIdentity | undefined> {
    const header = readLogHeader(files)
    if (!header) return ok(undefined)
    if (header.version !== VERSION) return refuse(newer(header.version))
    const current = files.findIndex((file) => {
      const head = readHead(file)
      return head.kind === 'header' && head.header.generation === header.generation
    })
    new OverlayLog(files, header.base, current as 0 | 1, header.generation).#replay(apply)
    return ok(header.base)
  }

  static #begin(files: LogFiles, base: BaseIdentity): OverlayLog {
    for (const file of files) if (file.getSize() > 0) file.truncate(0)
    writeHeader(files[0], 1, base)
    files[0].flush()
    return new OverlayLog(files, base, 0, 1)
  }

  /** Bytes of the file in use. */
  get bytes(): number {
    return this.#end
  }

  /**
   * Adds changes: all of them or, after a crash, perhaps none. Throws when the file takes no more; the log is then what it
   * was before.
   */
  append(changes: readonly Change[]): void {
    const end = this.#appendTo(this.#file, this.#end, this.#generation, this.#sequence, changes)
    this.#end = end.at
    this.#sequence = end.sequence
  }

  /** Returns once what was appended survives a power cut. */
  flush(): void {
    this.#file.flush()
  }

  /** Replaces all that was appended by `changes`. Throws as `append` does. */
  rewrite(changes: readonly Change[]): void {
    const old = this.#file
    const next = this.#files[1 - this.#current] as LogFile
    const generation = this.#generation + 1
    let end = { at: HEADER_BYTES, sequence: 0 }
    next.truncate(0)
    try {
      // Records first: a file without a header counts for nothing.
      for (const change of changes) end = this.#appendTo(next, end.at, generation, end.sequence, [change])
      next.flush()
      writeHeader(next, generation, this.#base)
      next.flush()
    } catch (error) {
      next.truncate(0)
      throw error
    }
    this.#current = (1 - this.#current) as 0 | 1
    this.#generation = generation
    this.#end = end.at
    this.#sequence = end.sequence
    old.truncate(0)
  }

  get #file(): LogFile {
    return this.#files[this.#current]
  }

  #appendTo(file: LogFile, at: number, generation: number, sequence: number, changes: readonly Change[]) {
    const end = { at, sequence }
    const pieces = changes.flatMap(pieceUp)
    try {
      pieces.forEach((piece, index) => {
        const record = encode(piece, end.sequence, index < pieces.length - 1, generation)
        writeWhole(file, record, end.at)
        end.at += record.length
        end.sequence++
      })
    } catch (error) {
      if (file.getSize() > at) file.truncate(at)
      throw error
    }
    return end
  }

  /** Applies whole changes and finds the end. */
  #replay(apply: (change: Change) => void): void {
    const reader = new ForwardReader(this.#file)
    let pending: Change[] = []
    let at = HEADER_BYTES
    for (let sequence = 0; ; sequence++) {
      const record = decode(reader, at, sequence, this.#generation, this.#base.size)
      if (!record) return
      at += record.bytes
      pending.push(record.change)
      if (record.continues) continue
      for (const change of pending) apply(change)
      pending = []
      this.#end = at
      this.#sequence = sequence + 1
    }
  }
}

const pieceUp = ({ offset, length, bytes }: Change): Change[] => {
  if (!bytes || length <= RECORD_DATA_MAX) return [{ offset, length, bytes }]
  const pieces: Change[] = []
  for (let at = 0; at < length; at += RECORD_DATA_MAX) {
    const piece = bytes.subarray(at, Math.min(length, at + RECORD_DATA_MAX))
    pieces.push({ offset: offset + at, length: piece.length, bytes: piece })
  }
  return pieces
}

const encode = ({ offset, length, bytes }: Change, sequence: number, continues: boolean, generation: number) => {
  const record = new Uint8Array(RECORD_BYTES + (bytes ? length : 0))
  const view = new DataView(record.buffer)
  view.setUint8(4, bytes ? KIND_WRITE : KIND_ZERO)
  view.setUint8(5, continues ? FLAG_CONTINUES : 0)
  view.setBigUint64(8, BigInt(offset), true)
  view.setUint32(16, length, true)
  view.setUint32(20, sequence, true)
  if (bytes) record.set(bytes, RECORD_BYTES)
  view.setUint32(0, crc32(record.subarray(4), generation), true)
  return record
}

/** The record at `at`, or undefined where none is whole. */
const decode = (reader: ForwardReader, at: number, sequence: number, generation: number, diskSize: number) => {
  const head = reader.bytes(at, RECORD_BYTES)
  if (!head) return undefined
  const view = new DataView(head.buffer, head.byteOffset, RECORD_BYTES)
  const kind = view.getUint8(4)
  const flags = view.getUint8(5)
  const offset = Number(view.getBigUint64(8, true))
  const length = view.getUint32(16, true)
  if (kind !== KIND_WRITE && kind !== KIND_ZERO) return undefined
  const dataBytes = kind === KIND_WRITE ? length : 0
  const end = Math.ceil(diskSize / 512) * 512
  if (view.getUint32(20, true) !== sequence || dataBytes > RECORD_DATA_MAX || offset + length > end) return undefined
  const record = reader.bytes(at, RECORD_BYTES + dataBytes)
  if (!record) return undefined
  const sum = new DataView(record.buffer, record.byteOffset).getUint32(0, true)
  if (sum !== crc32(record.subarray(4), generation)) return undefined
  const bytes = kind === KIND_WRITE ? record.subarray(RECORD_BYTES) : undefined
  const change: Change = { offset, length, bytes }
  return { change, bytes: RECORD_BYTES + dataBytes, continues: (flags & FLAG_CONTINUES) !== 0 }
}

const damaged = (saw: string) =>
  problem(
    'overlay-damaged',
    `the kept changes cannot be read: ${saw}`,
    'a log that this page wrote',
    'discard the changes under Kept in this browser',
  )

const newer = (version: number) =>
  problem(
    'overlay-newer',
    `the kept changes are of version ${version}`,
    `version ${VERSION}`,
    'open the newer page that wrote them',
  )

const digestWords = ({ digest, size }: BaseIdentity): string =>
  `${[...digest.subarray(0, 4)].map((byte) => hex(byte, 2).slice(2)).join('')}, ${size} bytes`

const otherBase = (kept: BaseIdentity, given: BaseIdentity) =>
  problem(
    'overlay-other-base',
    `the kept changes stand over another image (${digestWords(kept)}) than this one (${digestWords(given)})`,
    'the image that they were made on',
    'go on with the kept disk, choose the image and files that it began with, or discard what is kept',
  )
