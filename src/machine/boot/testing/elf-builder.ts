/** Small ELF kernels drawn in a few words, for tests of the loader and of everything that needs a kernel to load. */

export interface SegmentSpec {
  readonly paddr: number | bigint
  readonly bytes: Uint8Array
  /** Bytes in memory; as many as in the file unless given. */
  readonly memsz?: number | bigint
}

export interface SymbolSpec {
  readonly name: string
  readonly address: bigint
  readonly size?: number
  /** STT_: 0 label, 1 object, 2 function. */
  readonly type?: number
  /** STB_: 0 local, 1 global, 2 weak. */
  readonly binding?: number
}

export interface NoteRegionSpec {
  readonly bytes: Uint8Array
  readonly align: number
  readonly place?: 'segment' | 'section'
}

/** One note: owner with its NUL unless it is bytes, name and descriptor padded to `align`. */
export const buildNote = (
  owner: string | readonly number[],
  type: number,
  descriptor: Uint8Array,
  align: 4 | 8 = 4,
) => {
  const name = typeof owner === 'string' ? [...ascii(owner), 0] : owner
  const header = concat(le(name.length, 4), le(descriptor.length, 4), le(type, 4), name)
  const desc = concat(header, new Uint8Array(-header.length & (align - 1)), descriptor)
  return concat(desc, new Uint8Array(-desc.length & (align - 1)))
}

export interface ElfSpec {
  readonly bits?: 32 | 64
  readonly machine?: number
  readonly type?: number
  readonly segments?: readonly SegmentSpec[]
  /** Descriptor of the PVH note, or 'none'. */
  readonly note?: Uint8Array | 'none'
  /** Where the note is found: a PT_NOTE segment (the usual), or an SHT_NOTE section only. */
  readonly notePlace?: 'segment' | 'section'
  readonly noteType?: number
  /** Instead of that note: bytes that are notes, and what their segment or section says they are aligned to. */
  readonly noteRegions?: readonly NoteRegionSpec[]
  /** Of the section that is the code: SHT_PROGBITS (1) unless given. */
  readonly codeSection?: { readonly type: number; readonly size: number }
  readonly symbols?: readonly SymbolSpec[]
}

export const le = (value: number | bigint, bytes: 2 | 4 | 8): Uint8Array => {
  const out = new Uint8Array(bytes)
  let v = BigInt(value)
  for (let i = 0; i < bytes; i++) {
    out[i] = Number(v & 255n)
    v >>= 8n
  }
  return out
}

export const concat = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0))

/** A kernel of one 4 KiB segment at 2 MiB, entered at its start, unless `spec` says otherwise. */
export const buildElf = (spec: ElfSpec = {}): Uint8Array => {
  const is64 = (spec.bits ?? 64) === 64
  const machine = spec.machine ?? (is64 ? 62 : 3)
  const word = (v: number | bigint): Uint8Array => le(v, is64 ? 8 : 4)
  const segments = spec.segments ?? [{ paddr: 0x200000, bytes: new Uint8Array(4096).fill(0x90) }]
  const descriptor = spec.note === 'none' ? undefined : (spec.note ?? word(segments[0]?.paddr ?? 0))
  const regions =
    spec.noteRegions ??
    (descriptor === undefined
      ? []
      : [{ bytes: buildNote('Xen', spec.noteType ?? 18, descriptor), align: 4, place: spec.notePlace ?? 'segment' }])
  const inSegments = regions.filter(({ place }) => place !== 'section')

  const symbols = spec.symbols ?? []
  const names = concat([0], ...symbols.map((s) => [...ascii(s.name), 0]))
  let nameOffset = 1
  const symtab = concat(
    new Uint8Array(is64 ? 24 : 16),
    ...symbols.map((s) => {
      const name = le(nameOffset, 4)
      nameOffset += s.name.length + 1
      const info = [((s.binding ?? 1) << 4) | (s.type ?? 2), 0]
      return is64
        ? concat(name, info, le(1, 2), le(s.address, 8), le(s.size ?? 0, 8))
        : concat(name, le(s.address, 4), le(s.size ?? 0, 4), info, le(1, 2))
    }),
  )

  const ehsize = is64 ? 64 : 52
  const phentsize = is64 ? 56 : 32
  const shentsize = is64 ? 64 : 40
  const phnum = segments.length + inSegments.length
  let at = ehsize + phnum * phentsize
  const place = (bytes: Uint8Array): number => {
    const here = at
    at += bytes.length
    return here
  }
  const bodies = segments.map((s) => ({ ...s, offset: place(s.bytes) }))
  const noteAt = new Map(regions.map((region) => [region, place(region.bytes)]))
  const symtabAt = place(symtab)
  const namesAt = place(names)
  const shoff = at

  const phdr = (
    type: number,
    offset: number,
    paddr: number | bigint,
    filesz: number,
    memsz: number | bigint,
    align = 4096,
  ) =>
    is64
      ? concat(le(type, 4), le(7, 4), word(offset), word(paddr), word(paddr), word(filesz), word(memsz), word(align))
      : concat(word(type), word(offset), word(paddr), word(paddr), word(filesz), word(memsz), word(7), word(align))
  const shdr = (type: number, flags: number, offset: number, size: number, link: number, align = 1) =>
    concat(
      le(0, 4),
      le(type, 4),
      word(flags),
      word(0),
      word(offset),
      word(size),
      le(link, 4),
      le(0, 4),
      word(align),
      word(type === 2 ? (is64 ? 24 : 16) : 0),
    )
  const sections = [
    shdr(0, 0, 0, 0, 0),
    shdr(spec.codeSection?.type ?? 1, 6, ehsize, spec.codeSection?.size ?? 0, 0),
    shdr(2, 0, symtabAt, symtab.length, 3),
    shdr(3, 0, namesAt, names.length, 0),
    ...regions.map((region) => shdr(7, 0, noteAt.get(region) ?? 0, region.bytes.length, 0, region.align)),
  ]
  const header = concat(
    [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    le(spec.type ?? 2, 2),
    le(machine, 2),
    le(1, 4),
    word(0),
    word(ehsize),
    word(shoff),
    le(0, 4),
    le(ehsize, 2),
    le(phentsize, 2),
    le(phnum, 2),
    le(shentsize, 2),
    le(sections.length, 2),
    le(0, 2),
  )
  return concat(
    header,
    ...bodies.map((s) => phdr(1, s.offset, s.paddr, s.bytes.length, s.memsz ?? s.bytes.length)),
    ...inSegments.map((region) => {
      const { length } = region.bytes
      return phdr(4, noteAt.get(region) ?? 0, 0, length, length, region.align)
    }),
    ...bodies.map((s) => s.bytes),
    ...regions.map(({ bytes }) => bytes),
    symtab,
    names,
    ...sections,
  )
}
