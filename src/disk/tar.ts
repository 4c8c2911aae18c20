/**
 * Folders of an ext2 image as a tar archive: POSIX ustar headers, and a pax header (IEEE Std 1003.1-2017, pax) before an
 * entry whose name, link or size does not fit one. Left out on purpose: sockets, which no archive holds.
 */
import { ok, problem, type Result, refuse } from '../base/problem.ts'
import { utf8Encode, utf8EncodeStrictly } from '../base/utf8.ts'
import type { Ext2Image, Ext2Kind, Ext2Place, Ext2Stat } from './ext2-reader.ts'

const BLOCK = 512
const NAME_BYTES = 100
const OCTAL_7_MAX = 0o7777777
const OCTAL_11_MAX = 0o77777777777
/** An archive is put together in memory. */
const ARCHIVE_BYTES_MAX = 2 ** 31

const TYPE: Readonly<Partial<Record<Ext2Kind, string>>> = {
  file: '0',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
}

export interface TarEntry extends Omit<Ext2Stat, 'ino' | 'allocated' | 'links'> {
  /** Without a slash in front; a directory's ends in one. */
  readonly path: string
  readonly target?: string
  readonly bytes?: Uint8Array
}

/** Encoded as far as it goes: names that are no Unicode text lose what is none. */
const encoded = (text: string): Uint8Array => utf8EncodeStrictly(text) ?? utf8Encode(text.replace(/[^\x20-\x7e]/g, '?'))

const header = (entry: TarEntry, path: Uint8Array, target: Uint8Array, type: string, size: number): Uint8Array => {
  const block = new Uint8Array(BLOCK)
  const text = (at: number, bytes: Uint8Array | string) =>
    block.set(typeof bytes === 'string' ? encoded(bytes) : bytes.subarray(0, NAME_BYTES), at)
  const octal = (at: number, digits: number, value: number) =>
    text(
      at,
      Math.min(value, 8 ** digits - 1)
        .toString(8)
        .padStart(digits, '0'),
    )
  text(0, path)
  octal(100, 7, entry.mode)
  octal(108, 7, entry.uid)
  octal(116, 7, entry.gid)
  octal(124, 11, size)
  octal(136, 11, entry.mtime)
  text(148, '        ')
  text(156, type)
  text(157, target)
  text(257, 'ustar\u000000')
  octal(329, 7, entry.major)
  octal(337, 7, entry.minor)
  octal(
    148,
    6,
    block.reduce((sum, byte) => sum + byte, 0),
  )
  block[154] = 0
  return block
}

/** "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
const paxRecord = (key: string, value: string): Uint8Array => {
  const rest = encoded(` ${key}=${value}\n`).length
  let length = rest
  while (String(length).length + rest !== length) length = String(length).length + rest
  return encoded(`${length} ${key}=${value}\n`)
}

/** More than a ustar field holds, or no ASCII. */
const isForeign = (text: Uint8Array): boolean => text.length > NAME_BYTES || text.some((byte) => byte >= 0x80)

const padding = (size: number): Uint8Array => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK)

/** An entry's pieces, in order. */
export const tarEntry = (entry: TarEntry): Uint8Array[] => {
  const path = encoded(entry.path)
  const target = encoded(entry.target ?? '')
  const size = entry.bytes?.length ?? 0
  const records = [
    ...(isForeign(path) ? [paxRecord('path', entry.path)] : []),
    ...(isForeign(target) ? [paxRecord('linkpath', entry.target ?? '')] : []),
    ...(size > OCTAL_11_MAX ? [paxRecord('size', String(size))] : []),
    ...(entry.uid > OCTAL_7_MAX ? [paxRecord('uid', String(entry.uid))] : []),
    ...(entry.gid > OCTAL_7_MAX ? [paxRecord('gid', String(entry.gid))] : []),
  ]
  const paxBytes = records.reduce((sum, { length }) => sum + length, 0)
  const pax =
    records.length > 0
      ? [header(entry, encoded('pax'), new Uint8Array(0), 'x', paxBytes), ...records, padding(paxBytes)]
      : []
  return [
    ...pax,
    header(entry, path, target, TYPE[entry.kind] ?? '0', size),
    ...(entry.bytes ? [entry.bytes, padding(size)] : []),
  ]
}

/** What ends an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK)

const tooLarge = (path: string) =>
  refuse(
    problem(
      'archive-too-large',
      `the folder ${path} holds more than ${ARCHIVE_BYTES_MAX / 2 ** 30} GiB`,
      'a folder that fits in memory as an archive',
      'take its folders one by one, or the whole disk as an image',
    ),
  )

/** The folder and all below it, under its own name, as the pieces of an archive. */
export const tarFolder = (image: Ext2Image, path: string): Result<Uint8Array[]> => {
  const pieces: Uint8Array[] = []
  let total = 0
  const seen = new Set<number>()
  const add = (place: Ext2Place, name: string): Result<undefined> => {
    const stat = image.stat(place)
    if (!stat.ok) return stat
    const { value } = stat
    if (!TYPE[value.kind]) return ok(undefined)
    const isDirectory = value.kind === 'directory'
    // A broken file system may hold a directory within itself.
    if (isDirectory && seen.has(value.ino)) return ok(undefined)
    if (isDirectory) seen.add(value.ino)
    if (value.kind === 'file' && total + value.size > ARCHIVE_BYTES_MAX) return tooLarge(path)
    const bytes = value.kind === 'file' ? image.readFile(value.ino) : ok(undefined)
    if (!bytes.ok) return bytes
    const target = value.kind === 'symlink' ? image.readLink(value.ino) : ok('')
    if (!target.ok) return target
    const entry = tarEntry({
      ...value,
      path: isDirectory ? `${name}/` : name,
      target: target.value,
      ...(bytes.value && { bytes: bytes.value }),
    })
    pieces.push(...entry)
    total += entry.reduce((sum, { length }) => sum + length, 0)
    if (!isDirectory) return ok(undefined)
    const entries = image.list(value.ino)
    if (!entries.ok) return entries
    for (const child of entries.value) {
      const added = add(child.ino, `${name}/${child.name}`)
      if (!added.ok) return added
    }
    return ok(undefined)
  }
  const added = add(path, path.split('/').filter(Boolean).at(-1) ?? 'disk')
  if (!added.ok) return added
  pieces.push(TAR_END)
  return ok(pieces)
}
