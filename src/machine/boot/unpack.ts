/**
 * From the file a person chose to the kernel's ELF bytes: gzip (RFC 1952) is undone, every other wrapping is named in a
 * Problem. Missing on purpose: xz, zstd, bzip2, lz4 and bzImage, which their own tools unpack in one command.
 */

import { Gunzip } from 'fflate'
import { indexOfBytes } from '../../base/bytes.ts'
import { type FileFormat, formatOf } from '../../base/file-format.ts'
import { ok, problem, type Result, refuse } from '../../base/problem.ts'
import { MiB } from '../layout.ts'
import { multibootVersion } from './other-protocols.ts'

const EXPECTED = 'an ELF kernel with a PVH entry note, plain or gzip-compressed'

/** Most that a kernel may unpack to, whatever the guest's memory: a bound for the host's. */
export const KERNEL_MAX = 512 * MiB

const startsWith = (file: Uint8Array, magic: readonly number[]): boolean => magic.every((byte, i) => file[i] === byte)

const firstBytes = (file: Uint8Array): string =>
  Array.from(file.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ')

/** Linux's setup header: 0x55 0xaa at 0x1fe and "HdrS" at 0x202 (Documentation/arch/x86/boot.rst). */
const isBzImage = (file: Uint8Array): boolean =>
  file.length > 0x206 &&
  file[0x1fe] === 0x55 &&
  file[0x1ff] === 0xaa &&
  file[0x202] === 0x48 &&
  file[0x203] === 0x64 &&
  file[0x204] === 0x72 &&
  file[0x205] === 0x53

export const isElf = (file: Uint8Array): boolean => startsWith(file, [0x7f, 0x45, 0x4c, 0x46])
export const isGzip = (file: Uint8Array): boolean => startsWith(file, [0x1f, 0x8b])

/** The kernel's ELF bytes, at most `ramSize` of them: `file` itself, or what its gzip held. */
export const unpackKernel = (file: Uint8Array, ramSize: number): Result<Uint8Array> => {
  if (file.length === 0)
    return refuse(
      problem('empty-file', 'the kernel file is empty', EXPECTED, 'choose another file or download it again'),
    )
  if (isElf(file)) return ok(file)
  if (isGzip(file)) {
    const inflated = gunzip(file, Math.min(ramSize, KERNEL_MAX))
    return !inflated.ok || isElf(inflated.value) ? inflated : refuse(notElf(inflated.value, ' inside the gzip'))
  }
  return refuse(notElf(file, ''))
}

const notElf = (file: Uint8Array, where: string) => {
  if (isBzImage(file) || startsWith(file, [0x4d, 0x5a]))
    return problem(
      'bzimage',
      isBzImage(file)
        ? `the kernel file${where} is a Linux bzImage`
        : `the kernel file${where} is a PE program ("MZ"), perhaps a Linux bzImage or a UEFI kernel`,
      `${EXPECTED}; a bzImage carries its ELF compressed inside`,
      'give the vmlinux it was built from (scripts/extract-vmlinux gets it back), configured with CONFIG_PVH=y',
    )
  const known = kernelFormats(file)
  if (known !== undefined) return problem(known.kind, `the kernel file${where} is ${known.label}`, EXPECTED, known.hint)
  const multiboot = multibootVersion(file)
  if (multiboot !== undefined)
    return problem(
      'multiboot',
      `the kernel file${where} is a Multiboot ${multiboot} image without ELF, for boot loaders such as GRUB`,
      EXPECTED,
      'link it as ELF with a PVH entry note beside the Multiboot header',
    )
  if (file.length === 0) return problem('empty-file', `there is nothing${where}`, EXPECTED, 'download the file again')
  return problem(
    'not-elf',
    `the kernel file${where} starts with ${firstBytes(file)}`,
    `${EXPECTED}, which starts with 7f 45 4c 46 or 1f 8b`,
    'choose the kernel itself, in NetBSD a file called netbsd or netbsd-MICROVM.gz',
  )
}

/** What else people take for a kernel: their files' formats, and disks and programs, which are no wrappings. */
const kernelFormats = (file: Uint8Array): { kind: string; label: string; hint: string } | undefined => {
  const format = formatOf(file)
  if (format !== undefined) return { ...kernelHint(format), label: format.label }
  const at = (offset: number, text: string): boolean =>
    Array.from(text).every((c, i) => file[offset + i] === c.charCodeAt(0))
  if (at(257, 'ustar'))
    return { kind: 'tar-file', label: 'a tar archive', hint: 'take the kernel out of it with "tar -xf" and give that' }
  if (startsWith(file, [0xcf, 0xfa, 0xed, 0xfe]))
    return { kind: 'mach-o', label: 'a Mach-O program', hint: 'choose a kernel built for amd64' }
  // A boot sector, a GUID partition table, ISO 9660's descriptor, ext2's superblock.
  if (
    (file[0x1fe] === 0x55 && file[0x1ff] === 0xaa) ||
    at(512, 'EFI PART') ||
    at(0x8001, 'CD001') ||
    at(0x438, '\x53\xef')
  )
    return { kind: 'disk-image', label: 'a disk image', hint: 'give it as a disk, and a kernel beside it' }
  return undefined
}

const kernelHint = ({ name, family, unpack }: FileFormat): { kind: string; hint: string } => {
  switch (family) {
    case 'packed':
      return { kind: `${name}-kernel`, hint: `unpack it with "${unpack} FILE > kernel" and give that` }
    case 'archive':
      return { kind: `${name}-file`, hint: 'take the kernel out of the archive and give that' }
    case 'disk':
      return {
        kind: 'disk-image',
        hint: 'give it as a disk, made raw with "qemu-img convert -O raw", and a kernel beside it',
      }
    case 'text':
      return {
        kind: name,
        hint:
          name === 'lfs'
            ? 'run "git lfs pull" where it came from'
            : 'download the file again and look at its first line',
      }
  }
}

/** Thrown out of fflate's callback once the output is too large; never leaves this file. */
const TOO_LARGE = new Error('output over the limit')
/** Input given at once. Deflate expands at most 1032 times, so this bounds what one push can produce to about 8 MiB. */
const PIECE = 8192

/** One member of a gzip file: where it starts, and what was in it. */
interface Member {
  readonly start: number
  readonly parts: Uint8Array[]
  length: number
}

/**
 * All members, as gzip(1) puts them together: what stands behind the last, such as the zeros of a medium's whole blocks, is
 * passed over. fflate does not say where a member ends; it does at its CRC and length, 8 bytes that nothing else has.
 */
const gunzip = (file: Uint8Array, limit: number): Result<Uint8Array> => {
  // Header of 10 bytes, trailer of 8.
  if (file.length < 18) return refuse(damaged(`it is ${file.length} bytes long`))
  const members: Member[] = [{ start: 0, parts: [], length: 0 }]
  let length = 0
  let wrong = 'it ends early, or its CRC is not that of its data'
  const stream = new Gunzip((chunk) => {
    if (chunk.length === 0) return
    length += chunk.length
    if (length > limit) throw TOO_LARGE
    const member = members.at(-1) as Member
    member.length += chunk.length
    member.parts.push(chunk)
  })
  stream.onmember = (start) => members.push({ start, parts: [], length: 0 })
  try {
    for (let at = 0; at < file.length; at += PIECE)
      stream.push(file.subarray(at, at + PIECE), at + PIECE >= file.length)
  } catch (e) {
    if (e === TOO_LARGE)
      return refuse(
        problem(
          'kernel-over-ram',
          `the gzip'd kernel unpacks to more than ${limit / MiB} MiB`,
          limit === KERNEL_MAX ? `a kernel of at most ${KERNEL_MAX / MiB} MiB` : 'a kernel that fits in guest memory',
          limit === KERNEL_MAX
            ? 'look whether this is a kernel: those are far smaller'
            : 'give the guest more memory, or look whether this is a kernel',
        ),
      )
    wrong = e instanceof Error ? e.message : 'its data cannot be inflated'
  }
  const parts: Uint8Array[] = []
  for (const [i, member] of members.entries()) {
    const out = member.parts.length === 1 ? (member.parts[0] as Uint8Array) : join(member.parts, member.length)
    const trailer = trailerOf(out)
    const end = members[i + 1]?.start ?? file.length
    // The last member may have bytes behind it; in any other they would be part of the next.
    const at = members[i + 1] ? end - 8 : indexOfBytes(file, trailer, member.start + 10)
    if (at < 0 || trailer.some((byte, j) => file[at + j] !== byte)) return refuse(damaged(wrong))
    parts.push(out)
  }
  return ok(parts.length === 1 ? (parts[0] as Uint8Array) : join(parts, length))
}

/** CRC-32 and length of what is in a member, as they stand behind it (RFC 1952 2.3.1). */
const trailerOf = (bytes: Uint8Array): Uint8Array => {
  const trailer = new Uint8Array(8)
  const view = new DataView(trailer.buffer)
  view.setUint32(0, crc32(bytes), true)
  view.setUint32(4, bytes.length % 2 ** 32, true)
  return trailer
}

const damaged = (how: string) =>
  problem('gzip-damaged', `the gzip'd kernel is damaged: ${how}`, 'a complete gzip file', 'download the file again')

const join = (parts: readonly Uint8Array[], length: number): Uint8Array => {
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** CRC-32 (reflected 0x04c11db7), four bytes a step: 10 MB in about 10 ms. */
const CRC_TABLES: readonly Int32Array[] = (() => {
  const tables = [new Int32Array(256), new Int32Array(256), new Int32Array(256), new Int32Array(256)] as const
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
    tables[0][i] = c
  }
  for (let i = 0; i < 256; i++)
    for (let t = 1; t < 4; t++) {
      const previous = tables[t - 1][i]
      tables[t][i] = (previous >>> 8) ^ tables[0][previous & 0xff]
    }
  return tables
})()

export const crc32 = (bytes: Uint8Array): number => {
  const [t0, t1, t2, t3] = CRC_TABLES as [Int32Array, Int32Array, Int32Array, Int32Array]
  let crc = -1
  let i = 0
  for (; i + 4 <= bytes.length; i += 4) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    crc = t3[crc & 0xff] ^ t2[(crc >>> 8) & 0xff] ^ t1[(crc >>> 16) & 0xff] ^ t0[crc >>> 24]
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]) & 0xff]
  return ~crc >>> 0
}
