/**
 * What a disk image has to be at every door: raw sectors. Anything else is said by name, with the command that makes it raw;
 * it is never taken for sectors, which a guest could write into and so destroy. A last sector that is not whole is padded
 * with zeros, as QEMU does.
 */
import { type FileFormat, FORMAT_HEAD_BYTES, FORMAT_TAIL_BYTES, formatOf } from '../base/file-format.ts'
import { type Problem, problem } from '../base/problem.ts'

export const SECTOR_BYTES = 512

/** Bytes of the disk that an image of `bytes` makes: whole sectors. */
export const diskBytes = (bytes: number): number => Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES

/** What a guest is told that a disk is called: virtio-blk has 20 bytes of ASCII for it. */
export const diskId = (name: string): string => name.replace(/[^\x20-\x7e]/g, '?').slice(0, 20)

/** How much of an image's start and end `imageProblem` looks at. */
export const IMAGE_HEAD_BYTES = FORMAT_HEAD_BYTES
export const IMAGE_TAIL_BYTES = FORMAT_TAIL_BYTES

const EXPECTED = 'a raw image, sector by sector'

/**
 * Why the file cannot be a disk, from its size, its first IMAGE_HEAD_BYTES and its last IMAGE_TAIL_BYTES (or all, where it
 * has fewer); undefined where it can.
 */
export const imageProblem = (name: string, bytes: number, head: Uint8Array, tail: Uint8Array): Problem | undefined => {
  if (bytes === 0) return problem('disk-empty', `the disk image ${name} is empty`, 'at least one byte', MAKE_ONE)
  const format = formatOf(head, tail)
  return format && problem('disk-not-raw', `the disk image ${name} is ${format.label}`, EXPECTED, rawHint(name, format))
}

const MAKE_ONE = 'make one, with "truncate -s 64M disk.img" for instance, or choose another file'

/** Words that a shell takes as they are; others in quotes. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) && !word.startsWith('-') ? word : `'${word.replaceAll("'", "'\\''")}'`

/** Another file beside this one. */
const rawName = (name: string): string => {
  const raw = `${name.replace(/(\.(img|raw))?\.[a-z0-9]{1,8}$/i, '')}.raw`
  return raw === name ? `${name}.raw` : raw
}

const rawHint = (name: string, { name: format, family, unpack, qemuName }: FileFormat): string => {
  const [from, to] = [shellWord(name), shellWord(rawName(name))]
  switch (family) {
    case 'packed':
      return `${unpack} ${from} > ${to}, then that file`
    case 'archive':
      return unpack === undefined
        ? `tar -xf ${from}, then qemu-img convert -O raw of the disk that was in it`
        : `${unpack} ${from} > ${to}, then that file, where nothing but the image is in it`
    case 'disk':
      return `qemu-img convert ${qemuName === undefined ? '' : `-f ${qemuName} `}-O raw ${from} ${to}, then that file`
    case 'text':
      return format === 'lfs'
        ? 'git lfs pull, where it came from'
        : 'download the image again, and look at what came first'
  }
}
