import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { sentence } from '../../base/problem.ts'
import { processorMs } from '../../base/testing/processor-time.ts'
import { MiB } from '../layout.ts'
import { GuestRam } from '../ram.ts'
import { boot } from './boot.ts'
import { is32BitKernel, type LoadedKernel, loadKernel } from './elf.ts'
import { buildElf, buildNote, concat, le, type NoteRegionSpec } from './testing/elf-builder.ts'

const ram = (mib = 32): GuestRam => new GuestRam(new SharedArrayBuffer(mib * MiB), 0, mib * MiB)

const loaded = (file: Uint8Array, into = ram()): LoadedKernel => {
  const result = loadKernel(file, into)
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

const refusal = (file: Uint8Array, into = ram()): { kind: string; text: string } => {
  const result = loadKernel(file, into)
  if (result.ok) throw new Error('loaded')
  return { kind: result.problem.kind, text: sentence(result.problem) }
}

const page = (fill: number): Uint8Array => new Uint8Array(4096).fill(fill)

const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0))

const READELF = spawnSync('readelf', ['--version']).status === 0
/** A note of a name that readelf does not know has its descriptor in a line of its own. */
const readelfNotes = (file: Uint8Array): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'elf-')), 'kernel')
  writeFileSync(path, file)
  const { stdout } = spawnSync('readelf', ['-nW', path], { encoding: 'utf8' })
  rmSync(dirname(path), { recursive: true })
  return stdout
}

describe('loading', () => {
  test('segments land at p_paddr and the rest of p_memsz is zeroed', () => {
    const guest = ram()
    guest.fill(0x200000, 0x4000, 0xff)
    const kernel = loaded(buildElf({ segments: [{ paddr: 0x200000, bytes: page(0x90), memsz: 0x3000 }] }), guest)
    expect(kernel).toMatchObject({ entry: 0x200000, elfClass: 64, start: 0x200000, end: 0x203000 })
    expect(guest.readU8(0x200fff)).toBe(0x90)
    expect(guest.readU8(0x201000)).toBe(0)
    expect(guest.readU8(0x202fff)).toBe(0)
    expect(guest.readU8(0x203000)).toBe(0xff)
  })

  test('bss of more than one zeroing step is zero to its end', () => {
    const guest = ram()
    guest.fill(0x200000, 0x100000, 0xff)
    loaded(buildElf({ segments: [{ paddr: 0x200000, bytes: page(0x90), memsz: 0x54321 }] }), guest)
    expect(guest.bytes.subarray(0x201000, 0x254321).every((byte) => byte === 0)).toBe(true)
    expect(guest.readU8(0x254321)).toBe(0xff)
  })

  test('an i386 kernel is ELF32', () => {
    expect(loaded(buildElf({ bits: 32 }))).toMatchObject({ entry: 0x200000, elfClass: 32 })
    expect([buildElf({ bits: 32 }), gzipSync(buildElf({ bits: 32 }))].map(is32BitKernel)).toEqual([true, true])
    expect([buildElf(), new Uint8Array(8)].map(is32BitKernel)).toEqual([false, false])
  })

  test('the note descriptor may have 4 or 8 bytes in either class', () => {
    for (const bits of [32, 64] as const)
      for (const bytes of [4, 8] as const)
        expect(loaded(buildElf({ bits, note: le(0x200010, bytes) })).entry).toBe(0x200010)
  })

  test('the note is found by its section when no segment has it', () => {
    expect(loaded(buildElf({ notePlace: 'section', note: le(0x200020, 4) })).entry).toBe(0x200020)
  })

  test('a gzip of a kernel loads as the kernel', () => {
    const elf = buildElf()
    expect(loaded(gzipSync(elf)).bytes).toBe(elf.length)
  })

  test('a gzip of several members loads', () => {
    const elf = buildElf()
    expect(loaded(concat(gzipSync(elf.subarray(0, 1000)), gzipSync(elf.subarray(1000)))).bytes).toBe(elf.length)
  })

  test('nothing is written when the kernel is refused', () => {
    const guest = ram()
    let writes = 0
    guest.onWrite = () => writes++
    refusal(buildElf({ note: 'none' }), guest)
    expect(writes).toBe(0)
  })
})

describe('notes', () => {
  const entry = le(0x200010, 4)
  const pvh = buildNote('Xen', 18, entry)
  const os = buildNote('Xen', 6, concat(ascii('NetBSD'), [0]))
  const buildId = buildNote('GNU', 3, new Uint8Array(20).fill(0xab))
  // As NT_GNU_PROPERTY_TYPE_0: 16 bytes, padded to 8.
  const property = buildNote('GNU', 0x105, concat(le(0xc0000002, 4), le(4, 4), le(3, 4), le(0, 4)), 8)
  const gap = (bytes: number) => new Uint8Array(bytes)

  const readable: [name: string, regions: NoteRegionSpec[]][] = [
    ['alone', [{ bytes: pvh, align: 4 }]],
    ['with an alignment of 0 or 1, which is 4', [{ bytes: concat(buildId, pvh), align: 1 }]],
    ['padded to 8', [{ bytes: concat(buildNote('Xen', 6, le(0, 2), 8), buildNote('Xen', 18, entry, 8)), align: 8 }]],
    ['of 8 bytes, padded to 8', [{ bytes: buildNote('Xen', 18, le(0x200010, 8), 8), align: 8 }]],
    ["after a linker's gap before a property", [{ bytes: concat(buildId, gap(4), property, pvh, gap(4)), align: 8 }]],
    [
      'in the second of three segments',
      [
        { bytes: buildId, align: 4 },
        { bytes: pvh, align: 4 },
        { bytes: property, align: 8 },
      ],
    ],
    ['without NUL in its name', [{ bytes: buildNote(ascii('Xen'), 18, entry), align: 4 }]],
    ['in a section and in no segment', [{ bytes: concat(property, pvh, gap(4)), align: 8, place: 'section' }]],
    ['behind one without a name', [{ bytes: concat(buildNote([], 7, le(5, 4)), pvh), align: 4 }]],
    ['behind an empty one', [{ bytes: concat(le(0, 4), le(0, 4), le(0, 4), pvh), align: 4 }]],
  ]
  const cases = [32, 64].flatMap((bits) => readable.map(([name, regions]) => [bits as 32 | 64, name, regions] as const))
  test.each(cases)('ELF%i: %s', (bits, _, noteRegions) => {
    const file = buildElf({ bits, noteRegions })
    expect(loaded(file).entry).toBe(0x200010)
    if (READELF) expect(readelfNotes(file)).toMatch(/^ +Xen .*10 00 20 00/m)
  })

  // readelf stops in most of these. What is meant is plain.
  const put: [name: string, regions: NoteRegionSpec[]][] = [
    [
      'padded to 4 where the alignment says 8',
      [
        {
          bytes: concat(buildNote('GNU', 9, le(1, 4)), buildNote('Xen', 6, le(0, 2)), pvh),
          align: 8,
        },
      ],
    ],
    [
      'padded to 8 where the alignment says 4',
      [{ bytes: concat(buildNote('Xen', 6, le(0, 2), 8), buildNote('Xen', 18, entry, 8)), align: 4 }],
    ],
    ['last, where its padding to 8 is cut off', [{ bytes: concat(property, pvh), align: 8 }]],
    ['after a gap of zeros', [{ bytes: concat(buildId, gap(4), pvh), align: 4 }]],
    ['after a large gap', [{ bytes: concat(buildId, gap(60), pvh), align: 4 }]],
    ['after a property after a gap', [{ bytes: concat(buildId, gap(4), property, gap(4), pvh), align: 4 }]],
  ]
  test.each(put)('%s', (_, noteRegions) => {
    const file = buildElf({ noteRegions })
    expect(loaded(file).entry).toBe(0x200010)
    // Without section headers, as strip -R leaves them.
    file.set(new Uint8Array(8), 0x28)
    expect(loaded(file).entry).toBe(0x200010)
  })

  test('what the kernel says it is stands before its entry or behind it', () => {
    for (const bytes of [concat(os, pvh), concat(pvh, os), concat(pvh, gap(4), os)])
      expect(loaded(buildElf({ noteRegions: [{ bytes, align: 4 }] })).os).toBe('netbsd')
  })

  test('another owner of type 18 is not Xen, nor is what looks like a note inside one', () => {
    for (const bytes of [
      buildNote('Zen', 18, entry),
      buildNote('Xenon', 18, entry),
      buildNote(ascii('Xe'), 18, entry),
      concat(buildNote('GNU', 1, concat([1, 2], pvh, [3]))),
    ])
      expect(refusal(buildElf({ noteRegions: [{ bytes, align: 4 }] })).kind).toBe('no-pvh-note')
  })
})

describe('gzip', () => {
  const elf = buildElf()
  const gz = gzipSync(elf)
  test.each([1, 2, 3, 4, 8, 500, 100_000])('with %i zeros behind it, as gzip -t takes it', (zeros) => {
    expect(loaded(concat(gz, new Uint8Array(zeros))).bytes).toBe(elf.length)
  })
  test.each([
    [[1]],
    [[0x1f]],
    [[0x1f, 0x8b]],
    [[0xff, 0xfe, 0xfd, 0xfc, 0xfb]],
    [Array.from({ length: 70_000 }, (_, i) => (i * 7 + 1) & 255)],
  ])('with other bytes behind it, as gzip -d unpacks it: %#', (bytes) => {
    expect(loaded(concat(gz, bytes)).bytes).toBe(elf.length)
  })
  test('of three members, the last followed by zeros', () => {
    const parts = [elf.subarray(0, 1000), elf.subarray(1000, 1001), elf.subarray(1001)].map((part) => gzipSync(part))
    expect(loaded(concat(...parts, new Uint8Array(512))).bytes).toBe(elf.length)
  })
  test('with a name, a comment and an extra field in its header', () => {
    const header = concat(
      [0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 3],
      le(3, 2),
      [1, 2, 3],
      ascii('netbsd\0'),
      ascii('a kernel\0'),
    )
    expect(loaded(concat(header, gz.subarray(10))).bytes).toBe(elf.length)
  })
  test('a member whose CRC is wrong is damaged, the first too', () => {
    const bad = gz.slice()
    bad[bad.length - 6]! ^= 1
    expect(refusal(concat(bad, gz)).kind).toBe('gzip-damaged')
    expect(refusal(concat(bad, new Uint8Array(600))).kind).toBe('gzip-damaged')
  })
})

describe('refusals, each a sentence', () => {
  const elf = buildElf()
  const patched = (at: number, bytes: readonly number[] | Uint8Array): Uint8Array => {
    const copy = elf.slice()
    copy.set(bytes, at)
    return copy
  }
  /** A header whose words sum to 0, 64 bytes into a page. */
  const multiboot = (magic: number, words: readonly number[]): Uint8Array => {
    const sum = words.reduce((total, word) => total + word, magic)
    return concat(new Uint8Array(64), le(magic, 4), ...words.map((word) => le(word, 4)), le(-sum >>> 0, 4), page(0))
  }
  const cases: [name: string, file: Uint8Array, kind: string, words: RegExp][] = [
    ['empty file', new Uint8Array(0), 'empty-file', /empty/],
    ['text', concat([0x23, 0x21, 0x2f, 0x62, 0x69]), 'not-elf', /23 21 2f 62/],
    ['MZ', concat([0x4d, 0x5a], new Uint8Array(600)), 'bzimage', /vmlinux/],
    [
      'bzImage',
      concat(new Uint8Array(0x1fe), [0x55, 0xaa, 0, 0], [0x48, 0x64, 0x72, 0x53], new Uint8Array(64)),
      'bzimage',
      /is a Linux bzImage.*extract-vmlinux/,
    ],
    ['xz', concat([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), 'xz-kernel', /xz -dc FILE/],
    ['zstd', concat([0x28, 0xb5, 0x2f, 0xfd]), 'zstd-kernel', /zstd -dc FILE/],
    ['bzip2', concat([0x42, 0x5a, 0x68, 0x39]), 'bzip2-kernel', /bzip2 -dc/],
    ['lz4', concat([0x04, 0x22, 0x4d, 0x18]), 'lz4-kernel', /lz4 -dc/],
    ['web page', concat([0x3c, 0x68, 0x74, 0x6d, 0x6c, 0x3e]), 'markup', /web page/],
    ['qcow2', concat([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3]), 'disk-image', /is a qcow2 image.*as a disk/],
    ['boot sector', concat(new Uint8Array(0x1fe), [0x55, 0xaa]), 'disk-image', /is a disk image/],
    [
      "gzip of tar, as NetBSD's sets",
      gzipSync(concat(new Uint8Array(257), [0x75, 0x73, 0x74, 0x61, 0x72], new Uint8Array(250))),
      'tar-file',
      /inside the gzip is a tar archive.*tar -xf/,
    ],
    ['gzip of text', gzipSync(concat([1, 2, 3, 4, 5])), 'not-elf', /inside the gzip starts with 01 02 03 04/],
    ['gzip of nothing', gzipSync(new Uint8Array(0)), 'empty-file', /inside the gzip/],
    ['gzip cut short', gzipSync(elf).subarray(0, 100), 'gzip-damaged', /damaged/],
    ['gzip of two bytes', concat([0x1f, 0x8b]), 'gzip-damaged', /2 bytes/],
    ['gzip without its trailer', gzipSync(elf).subarray(0, -8), 'gzip-damaged', /damaged/],
    ['header cut short', elf.subarray(0, 10), 'truncated', /10 bytes/],
    ['header half there', elf.subarray(0, 40), 'truncated', /header of 64/],
    ['wrong class', patched(4, [3]), 'wrong-class', /class 3/],
    ['big endian', patched(5, [2]), 'wrong-endianness', /big-endian/],
    ['AArch64', buildElf({ machine: 183 }), 'wrong-machine', /AArch64/],
    ['64-bit 386', buildElf({ machine: 3 }), 'wrong-machine', /386/],
    ['object file', buildElf({ type: 1 }), 'not-executable', /relocatable/],
    ['small program headers', patched(0x36, [8, 0]), 'bad-headers', /8 bytes each/],
    ['program headers past the end', patched(0x38, [0xff, 0xff]), 'truncated', /65535 program headers/],
    ['no segments', buildElf({ segments: [], note: le(0, 4) }), 'no-segments', /nothing to load/],
    ['segment past the end', elf.subarray(0, 1000), 'truncated', /segment at 0x200000/],
    [
      'more in the file than in memory',
      buildElf({ segments: [{ paddr: 0x200000, bytes: page(1), memsz: 100 }] }),
      'bad-segment',
      /4096 bytes in the file but 100/,
    ],
    [
      'segment over RAM',
      buildElf({ segments: [{ paddr: 40 * MiB, bytes: page(1) }] }),
      'image-over-ram',
      /give the guest at least 41 MiB/,
    ],
    [
      'segment at a virtual address',
      buildElf({ segments: [{ paddr: 0xffffffff80200000n, bytes: page(1) }], note: le(0x200000, 4) }),
      'image-over-ram',
      /below 3 GiB/,
    ],
    [
      'overlapping segments',
      buildElf({
        segments: [
          { paddr: 0x200000, bytes: page(1) },
          { paddr: 0x200800, bytes: page(2) },
        ],
      }),
      'segments-overlap',
      /0x200000 and 0x200800 overlap/,
    ],
    [
      'image over the start info',
      buildElf({ segments: [{ paddr: 0x5800, bytes: page(1) }] }),
      'image-over-boot-data',
      /start info at 0x6000/,
    ],
    [
      'image in the hole',
      buildElf({ segments: [{ paddr: 0xff000, bytes: concat(page(1), page(1)) }] }),
      'image-over-boot-data',
      /0x9fc00/,
    ],
    ['no note', buildElf({ note: 'none' }), 'no-pvh-note', /no PVH entry note.*MICROVM/],
    ['another Xen note', buildElf({ noteType: 1 }), 'no-pvh-note', /has Xen notes/],
    [
      'a kernel for GRUB',
      buildElf({ note: 'none', segments: [{ paddr: 0x100000, bytes: multiboot(0x1badb002, [0x10003]) }] }),
      'no-pvh-note',
      /no PVH entry note; it has a Multiboot 1 header/,
    ],
    [
      'a kernel for GRUB 2',
      buildElf({ note: 'none', segments: [{ paddr: 0x100000, bytes: multiboot(0xe85250d6, [0, 16]) }] }),
      'no-pvh-note',
      /it has a Multiboot 2 header/,
    ],
    ['Multiboot without ELF', multiboot(0x1badb002, [0x10003]), 'multiboot', /Multiboot 1 image without ELF/],
    [
      'a higher-half kernel for Limine',
      buildElf({
        note: 'none',
        segments: [
          {
            paddr: 0xffffffff80000000n,
            bytes: concat(le(0xc7b1dd30df4c8b88n, 8), le(0x0a82e883a194f07bn, 8), new Uint8Array(100)),
          },
        ],
      }),
      'no-pvh-note',
      /no PVH entry note; it asks for the Limine boot protocol.*Try: choose a kernel with PVH/,
    ],
    [
      'a Linux without CONFIG_PVH',
      buildElf({ note: 'none', segments: [{ paddr: 0x1000000, bytes: concat(ascii('Linux version 6.1')) }] }),
      'no-pvh-note',
      /a Linux that was configured without CONFIG_PVH/,
    ],
    [
      'a position-independent executable at 0',
      buildElf({ note: 'none', type: 3, segments: [{ paddr: 0, bytes: page(1) }] }),
      'no-pvh-note',
      /no PVH entry note/,
    ],
    [
      'a separate debugging file',
      buildElf({
        segments: [{ paddr: 0x200000, bytes: new Uint8Array(0), memsz: 4096 }],
        codeSection: { type: 8, size: 4096 },
      }),
      'debug-file',
      /separate debugging symbols.*without \.debug/,
    ],
    [
      'one that keeps its sizes',
      buildElf({ codeSection: { type: 8, size: 4096 } }),
      'debug-file',
      /its code has no bytes/,
    ],
    [
      'an entry in bss',
      buildElf({ segments: [{ paddr: 0x200000, bytes: page(1), memsz: 8192 }], note: le(0x201000, 4) }),
      'entry-outside-image',
      /only zeros/,
    ],
    ['odd descriptor', buildElf({ note: concat([1, 2, 3]) }), 'note-odd', /holds 3 bytes/],
    ['entry outside', buildElf({ note: le(0x300000, 4) }), 'entry-outside-image', /0x300000/],
    ['entry above 4 GiB', buildElf({ note: le(0x100200000, 8) }), 'entry-outside-image', /0x100200000/],
  ]
  test.each(cases)('%s', (_, file, kind, words) => {
    const { kind: saw, text } = refusal(file)
    expect(saw).toBe(kind)
    expect(text).toMatch(words)
    expect(text).toMatch(/^[A-Z].*; expected: .*\. Try: .*\.$/)
  })

  test('a flipped bit in the gzip is noticed', () => {
    const gz = gzipSync(elf)
    gz[gz.length - 20] ^= 0x10
    expect(refusal(gz).kind).toBe('gzip-damaged')
  })

  test('a gzip bomb is refused before it is large', () => {
    const bomb = gzipSync(new Uint8Array(64 * MiB))
    const started = processorMs()
    expect(refusal(bomb).kind).toBe('kernel-over-ram')
    expect(processorMs() - started).toBeLessThan(5000)
  })
})

describe('symbols', () => {
  test('functions, labels in code and objects come sorted; the best of several names last', () => {
    const { symbols } = loaded(
      buildElf({
        symbols: [
          { name: 'main', address: 0xffffffff80300000n, size: 100 },
          { name: 'start_pvh', address: 0xffffffff80200000n, type: 0, binding: 0 },
          { name: '.Lskip', address: 0xffffffff80200010n, type: 0 },
          { name: 'data', address: 0xffffffff80300000n, type: 1 },
          { name: '_alias', address: 0xffffffff80300000n, type: 2, binding: 0 },
          { name: 'file.c', address: 0n, type: 4 },
        ],
      }),
    )
    expect(symbols.map((s) => s.name)).toEqual(['start_pvh', 'data', '_alias', 'main'])
    expect(symbols[3]).toEqual({ name: 'main', address: 0xffffffff80300000n, size: 100 })
  })

  test('ELF32 symbols too', () => {
    const { symbols } = loaded(buildElf({ bits: 32, symbols: [{ name: 'main', address: 0xc0100000n, size: 5 }] }))
    expect(symbols).toEqual([{ name: 'main', address: 0xc0100000n, size: 5 }])
  })

  test('60,000 symbols take well under half a second, once', () => {
    const specs = Array.from({ length: 60_000 }, (_, i) => ({
      name: `some_function_name_${i}`,
      address: 0xffffffff80000000n + BigInt((i * 7919) % 60_000) * 64n,
      size: 64,
    }))
    const kernel = loaded(buildElf({ symbols: specs }))
    const started = processorMs()
    expect(kernel.symbols.length).toBe(60_000)
    expect(processorMs() - started).toBeLessThan(1000)
    expect(kernel.symbols).toBe(kernel.symbols)
  })

  test('a stripped kernel has none', () => {
    const elf = buildElf()
    elf.set(new Uint8Array(8), 0x28)
    expect(loaded(elf).symbols).toEqual([])
  })
})

describe('hostile files', () => {
  /** xorshift32: the same files every run. */
  const random = (seed: number) => () => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return seed >>> 0
  }

  const survives = (file: Uint8Array, guest: GuestRam): void => {
    const result = boot({ kernel: file, cmdline: 'console=com', virtio: [] }, guest)
    if (result.ok) expect(Array.isArray(result.value.kernel.symbols)).toBe(true)
    else expect(result.problem.kind).toMatch(/^[a-z0-9-]+$/)
  }

  test('random bytes behind each magic give a Problem', () => {
    const next = random(1)
    const guest = ram()
    const magics = [[], [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1], [0x1f, 0x8b, 8, 0]]
    for (let i = 0; i < 2000; i++) {
      const file = Uint8Array.from({ length: next() % 700 }, () => next())
      file.set(magics[i % magics.length].slice(0, file.length))
      survives(file, guest)
    }
  })

  test('kernels with a few fields changed load or give a Problem', () => {
    const next = random(2)
    const guest = ram()
    const symbols = Array.from({ length: 20 }, (_, i) => ({ name: `f${i}`, address: BigInt(0x200000 + i) }))
    const bases = [buildElf({ symbols }), buildElf({ bits: 32, symbols }), buildElf({ symbols, notePlace: 'section' })]
    const values = [0, 1, 0x7f, 0x80, 0xff]
    for (let i = 0; i < 6000; i++) {
      const base = bases[i % bases.length]
      const file = base.slice(0, next() % 8 === 0 ? next() % base.length : base.length)
      for (let n = 1 + (next() % 6); n > 0; n--) {
        // Headers at both ends are where the meaning is.
        const near = next() % 300
        const at = next() % 2 ? near : file.length - 1 - near
        if (at >= 0 && at < file.length) file[at] = next() % 2 ? values[next() % values.length] : next()
      }
      survives(file, guest)
    }
  })

  test('flipped gzip bits give a Problem or the kernel', () => {
    const next = random(3)
    const guest = ram()
    const gz = gzipSync(buildElf())
    for (let i = 0; i < 1000; i++) {
      const file = gz.slice()
      file[next() % file.length] ^= 1 << (next() % 8)
      survives(file, guest)
    }
  })

  test('many headers that point everywhere stay quick', () => {
    const elf = buildElf()
    const file = new Uint8Array(64 + 65535 * 56)
    file.set(elf.subarray(0, 64))
    file.set(le(65535, 2), 0x38)
    for (let i = 0; i < 65535; i++) {
      const at = 64 + i * 56
      file.set(le(i % 2 ? 4 : 1, 4), at)
      file.set(le(0, 8), at + 8)
      file.set(le(i % 2 ? 0 : 0x200000, 8), at + 24)
      file.set(le(file.length, 8), at + 32)
      file.set(le(16 * MiB, 8), at + 40)
    }
    const started = processorMs()
    survives(file, ram())
    expect(processorMs() - started).toBeLessThan(3000)
  })
})
