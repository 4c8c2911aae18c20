/**
 * What a dropped file is, by its bytes and, where bytes do not tell, by its name: a drop names no purpose, a picker does.
 * Whoever chooses a file for a place may choose anything; the boot says what is wrong with it.
 */
import { type FileFormat, FORMAT_HEAD_BYTES, FORMAT_TAIL_BYTES, formatOf } from '../base/file-format.ts'
import { type Problem, problem } from '../base/problem.ts'
import { imageProblem } from '../disk/disk-image.ts'

export type Dropped =
  | { readonly kind: 'kernel' | 'disk' | 'trace' | 'snapshot' }
  /** None of a boot's files. On a root it is a file like any other; elsewhere it is refused. */
  | { readonly kind: 'other'; readonly problem: Problem }
  | { readonly kind: 'refused'; readonly problem: Problem }

const SECTOR_BYTES = 512
/** Sees the superblock of ext2 (1080), FFS2 (65536 + 1372), ISO 9660's first descriptor (32769), a partition table (510). */
const DISK_HEAD_BYTES = 128 * 1024
/** A name that says what the bytes are meant to be. */
const IMAGE_NAME = /\.(img|raw|iso|ffs|ext2|ext4|dd|disk|image)$/i
/** Such a name with a container or a compression about it. */
const PACKED_IMAGE_NAME = /\.(img|raw|iso|ffs|ext2|ext4|dd|disk|image)\.[a-z0-9]{1,5}$/i
const TRACE_NAME = /\.(json|folded|tslog|txt)$/i

const EXPECTED = 'a kernel (ELF, also gzip’d), a raw disk image, a saved machine, or a trace'

const has = (bytes: Uint8Array, at: number, ...magic: readonly number[]): boolean =>
  magic.every((byte, index) => bytes[at + index] === byte)
const text = (bytes: Uint8Array, at: number, magic: string): boolean =>
  has(bytes, at, ...Array.from(magic, (char) => char.charCodeAt(0)))

const isElf = (head: Uint8Array): boolean => has(head, 0, 0x7f, 0x45, 0x4c, 0x46)
/** A Linux bzImage and a PE program: kernels of another kind, which the boot names. */
const isOtherKernel = (head: Uint8Array): boolean => text(head, 0, 'MZ') || text(head, 0x202, 'HdrS')

/** What people have beside their kernels. PNG (RFC 2083), JPEG, GIF, PDF, RIFF (WebP, WAV), ISO base media (MP4), Ogg. */
const mediaName = (head: Uint8Array): string | undefined => {
  if (has(head, 0, 0x89, 0x50, 0x4e, 0x47)) return 'a PNG picture'
  if (has(head, 0, 0xff, 0xd8, 0xff)) return 'a JPEG picture'
  if (text(head, 0, 'GIF8')) return 'a GIF picture'
  if (text(head, 0, '%PDF-')) return 'a PDF document'
  if (text(head, 0, 'RIFF') && text(head, 8, 'WEBP')) return 'a WebP picture'
  if (text(head, 0, 'RIFF') || text(head, 0, 'OggS')) return 'a recording'
  if (text(head, 4, 'ftyp')) return 'a film or a picture'
  return undefined
}

/** Marks that sectors of a disk bear where people look for them. */
const looksLikeDisk = (head: Uint8Array): boolean =>
  has(head, 510, 0x55, 0xaa) ||
  has(head, 1080, 0x53, 0xef) ||
  text(head, 512, 'EFI PART') ||
  text(head, 32769, 'CD001') ||
  has(head, 8192 + 1372, 0x54, 0x19, 0x01, 0x00) ||
  has(head, 65536 + 1372, 0x19, 0x01, 0x54, 0x19) ||
  // NetBSD's disklabel, in sector 1 of x86 disks.
  has(head, 512, 0x57, 0x45, 0x56, 0x82)

const bytesOf = async (part: Blob): Promise<Uint8Array> => new Uint8Array(await part.arrayBuffer())

/** The first bytes of what is in a gzip file; fewer where it is broken. */
const inside = async (file: Blob): Promise<Uint8Array> => {
  const reader = file.stream().pipeThrough(new DecompressionStream('gzip')).getReader()
  try {
    return (await reader.read()).value ?? new Uint8Array(0)
  } catch {
    return new Uint8Array(0)
  } finally {
    reader.cancel().catch(() => {})
  }
}

const other = (file: File, saw: string): Dropped => ({
  kind: 'other',
  problem: problem(
    'not-for-boot',
    `the file ${file.name} is ${saw}`,
    EXPECTED,
    'choose a guest with a root of ours, where any file has a place, and drop it again',
  ),
})

const packed = (file: File, format: FileFormat, problem: Problem): Dropped =>
  format.family === 'disk' || PACKED_IMAGE_NAME.test(file.name)
    ? { kind: 'refused', problem }
    : { kind: 'other', problem }

export const lookAtDrop = async (file: File): Promise<Dropped> => {
  if (file.size === 0) return other(file, 'empty')
  const head = await bytesOf(file.slice(0, DISK_HEAD_BYTES))
  if (isElf(head)) return { kind: 'kernel' }
  // docs/snapshot-format.md.
  if (has(head, 0, 0x89, 0x75, 0x56, 0x4d, 0x0d, 0x0a, 0x1a, 0x0a)) return { kind: 'snapshot' }
  const tail = await bytesOf(file.slice(Math.max(0, file.size - FORMAT_TAIL_BYTES)))
  const format = formatOf(head.subarray(0, FORMAT_HEAD_BYTES), tail)
  if (format) {
    if (format.name === 'gzip' && isElf(await inside(file))) return { kind: 'kernel' }
    const wrong = imageProblem(file.name, file.size, head.subarray(0, FORMAT_HEAD_BYTES), tail)
    if (wrong) return packed(file, format, wrong)
  }
  if (isOtherKernel(head)) return { kind: 'kernel' }
  if (has(head, 0, 0x7b) || has(head, 0, 0x5b) || TRACE_NAME.test(file.name)) return { kind: 'trace' }
  const media = mediaName(head)
  if (media) return other(file, media)
  if (looksLikeDisk(head) || IMAGE_NAME.test(file.name) || file.size % SECTOR_BYTES === 0) return { kind: 'disk' }
  return other(file, 'none of what a boot is made of')
}
