/**
 * .symtab and .strtab of an ELF kernel as plain data for the trace and for crash reports (gABI, "Symbol Table"). A file
 * without them, or with damaged ones, has no symbols; that is never an error.
 */
import type { KernelSymbol } from '../machine.ts'

const SHT_SYMTAB = 2
const SHF_EXECINSTR = 4
const SHN_UNDEF = 0
const SHN_LORESERVE = 0xff00

const STT_NOTYPE = 0
const STT_OBJECT = 1
const STT_FUNC = 2
const STT_GNU_IFUNC = 10
const STB_LOCAL = 0

/** Longest name kept. NetBSD's longest are under 80; a bound keeps a hostile string table from costing n squared. */
const NAME_MAX = 256
const SYMBOLS_MAX = 1 << 20
const SECTIONS_MAX = 0x10000

/** The class-dependent offsets of what is read here. */
interface Shape {
  readonly shdr: number
  readonly sym: number
}
const ELF32: Shape = { shdr: 40, sym: 16 }
const ELF64: Shape = { shdr: 64, sym: 24 }

export interface Section {
  readonly type: number
  readonly flags: number
  /** Where it lies in the file, and how much of it: nothing of SHT_NOBITS, nor of what the file does not hold. */
  readonly offset: number
  readonly size: number
  /** sh_size, in the file or not. */
  readonly memoryBytes: number
  readonly align: number
  readonly link: number
}

/**
 * Functions and objects, sorted by address. Labels without a type count as functions where they stand in code: NetBSD's
 * locore has many. Of several names for one address the best (function, global) stands last, where a search for the last
 * symbol at or below an address finds it.
 */
export const readSymbols = (elf: Uint8Array): readonly KernelSymbol[] => {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  const is64 = elf[4] === 2
  const shape = is64 ? ELF64 : ELF32
  const sections = readSections(view, is64)
  const symtab = sections.find((s) => s.type === SHT_SYMTAB)
  const strtab = symtab && sections[symtab.link]
  if (symtab === undefined || strtab === undefined) return []
  const names = latin1(elf.subarray(strtab.offset, strtab.offset + strtab.size))

  const count = Math.min(Math.floor(symtab.size / shape.sym), SYMBOLS_MAX)
  const kept: { name: string; address: bigint; size: number; rank: number }[] = []
  for (let i = 1; i < count; i++) {
    const at = symtab.offset + i * shape.sym
    const info = elf[at + (is64 ? 4 : 12)]
    const type = info & 15
    if (type !== STT_FUNC && type !== STT_OBJECT && type !== STT_NOTYPE && type !== STT_GNU_IFUNC) continue
    const shndx = view.getUint16(at + (is64 ? 6 : 14), true)
    if (shndx === SHN_UNDEF || shndx >= SHN_LORESERVE) continue
    const section = sections[shndx]
    if (section === undefined) continue
    const isFunction = type === STT_FUNC || type === STT_GNU_IFUNC
    const inCode = (section.flags & SHF_EXECINSTR) !== 0
    if (type === STT_NOTYPE && !inCode) continue
    const name = nameAt(names, view.getUint32(at, true))
    // Compilers' and assemblers' own labels.
    if (name === '' || name.startsWith('.L') || name.startsWith('$')) continue
    kept.push({
      name,
      address: is64 ? view.getBigUint64(at + 8, true) : BigInt(view.getUint32(at + 4, true)),
      size: is64 ? Number(view.getBigUint64(at + 16, true)) : view.getUint32(at + 8, true),
      rank: (isFunction ? 4 : type === STT_NOTYPE ? 2 : 0) + (info >> 4 === STB_LOCAL ? 0 : 1),
    })
  }
  kept.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.rank - b.rank))
  return kept.map(({ name, address, size }) => ({ name, address, size }))
}

/** The symbol that covers `address`, by size where it has one: "name+offset" needs no more. */
export const symbolAt = (symbols: readonly KernelSymbol[], address: bigint): KernelSymbol | undefined => {
  let low = 0
  let high = symbols.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (symbols[middle].address <= address) low = middle + 1
    else high = middle
  }
  return low === 0 ? undefined : symbols[low - 1]
}

/** Section headers that lie in the file, empty when there are none or they are damaged. */
export const readSections = (view: DataView, is64: boolean): Section[] => {
  const shape = is64 ? ELF64 : ELF32
  const word = (at: number): number => (is64 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true))
  if (view.byteLength < (is64 ? 64 : 52)) return []
  const shoff = word(is64 ? 0x28 : 0x20)
  const shentsize = view.getUint16(is64 ? 0x3a : 0x2e, true)
  let shnum = view.getUint16(is64 ? 0x3c : 0x30, true)
  if (shoff === 0 || shentsize < shape.shdr || shoff + shentsize > view.byteLength) return []
  // More sections than 16 bits hold: the first header's sh_size counts them.
  if (shnum === 0) shnum = word(shoff + (is64 ? 0x20 : 0x14))
  if (shnum > SECTIONS_MAX || shoff + shnum * shentsize > view.byteLength) return []
  const sections: Section[] = []
  for (let i = 0; i < shnum; i++) {
    const at = shoff + i * shentsize
    const type = view.getUint32(at + 4, true)
    const offset = word(at + (is64 ? 0x18 : 0x10))
    const size = word(at + (is64 ? 0x20 : 0x14))
    // SHT_NOBITS (8) occupies no file; anything else must lie in it to be read.
    const inFile = type !== 8 && offset + size <= view.byteLength
    sections.push({
      type,
      flags: view.getUint32(at + 8, true),
      offset: inFile ? offset : 0,
      size: inFile ? size : 0,
      memoryBytes: size,
      align: word(at + (is64 ? 0x30 : 0x20)),
      link: view.getUint32(at + (is64 ? 0x28 : 0x18), true),
    })
  }
  return sections
}

const latin1 = (bytes: Uint8Array): string => {
  const parts: string[] = []
  for (let at = 0; at < bytes.length; at += 8192)
    parts.push(String.fromCharCode.apply(null, bytes.subarray(at, at + 8192) as unknown as number[]))
  return parts.join('')
}

const nameAt = (names: string, start: number): string => {
  const limit = Math.min(names.length, start + NAME_MAX)
  let end = start
  while (end < limit && names.charCodeAt(end) !== 0) end++
  return names.slice(start, end)
}
