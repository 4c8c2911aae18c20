/**
 * What a kernel without a PVH note was made for instead, as far as its file says so. Asked only when a kernel is refused.
 *
 * Multiboot 1 (§3.1: aligned to 4, within 8,192 bytes, sums to 0), Multiboot 2 (§3.1: aligned to 8, within 32,768 bytes),
 * the Limine boot protocol's common magic of requests, and Linux's banner (init/version-timestamp.c).
 */
import { indexOfBytes } from '../../base/bytes.ts'

const MULTIBOOT1_MAGIC = 0x1badb002
const MULTIBOOT1_WITHIN = 8192
const MULTIBOOT2_MAGIC = 0xe85250d6
const MULTIBOOT2_WITHIN = 32768

/** LIMINE_COMMON_MAGIC: 0xc7b1dd30df4c8b88, 0x0a82e883a194f07b. */
const LIMINE_MAGIC = [0x88, 0x8b, 0x4c, 0xdf, 0x30, 0xdd, 0xb1, 0xc7, 0x7b, 0xf0, 0x94, 0xa1, 0x83, 0xe8, 0x82, 0x0a]

const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0))
const LINUX_BANNER = ascii('Linux version ')

/** A clause about the file: "it has a Multiboot 2 header, for boot loaders such as GRUB". */
export const otherProtocol = (file: Uint8Array): string | undefined => {
  const multiboot = multibootVersion(file)
  if (multiboot !== undefined) return `it has a Multiboot ${multiboot} header, for boot loaders such as GRUB`
  if (indexOfBytes(file, LIMINE_MAGIC) >= 0) return 'it asks for the Limine boot protocol'
  if (indexOfBytes(file, LINUX_BANNER) >= 0) return 'it is a Linux that was configured without CONFIG_PVH'
  return undefined
}

export const multibootVersion = (file: Uint8Array): 1 | 2 | undefined => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const word = (at: number): number => view.getUint32(at, true)
  const sum = (at: number, words: number): number => {
    let total = 0
    for (let i = 0; i < words; i++) total = (total + word(at + 4 * i)) >>> 0
    return total
  }
  // Magic, architecture, length and checksum; a file may have both, and a loader that knows 2 takes it.
  for (let at = 0; at + 16 <= Math.min(file.length, MULTIBOOT2_WITHIN); at += 8)
    if (word(at) === MULTIBOOT2_MAGIC && sum(at, 4) === 0) return 2
  // Magic, flags and checksum.
  for (let at = 0; at + 12 <= Math.min(file.length, MULTIBOOT1_WITHIN); at += 4)
    if (word(at) === MULTIBOOT1_MAGIC && sum(at, 3) === 0) return 1
  return undefined
}
