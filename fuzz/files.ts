/**
 * Hostile files: kernels and initrds for the boot, ext2 images for the reader. Good ones, changed where it hurts. What must
 * hold: each is taken, or refused in a sentence; nothing is thrown, nothing takes long, and no byte outside guest RAM
 * changes.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Problem, Result } from '../src/base/problem.ts'
import { makeExt2 } from '../src/disk/ext2.ts'
import { type Ext2Image, openExt2 } from '../src/disk/ext2-reader.ts'
import { randomTree } from '../src/disk/testing/random-tree.ts'
import { boot } from '../src/machine/boot/boot.ts'
import { buildElf } from '../src/machine/boot/testing/elf-builder.ts'
import { MiB, PROFILES, virtioSlots } from '../src/machine/layout.ts'
import { GuestRam } from '../src/machine/ram.ts'
import type { Random } from '../vectors/random.ts'
import { Random as Sequence } from '../vectors/random.ts'
import { type Family, Stopwatch } from './family.ts'

const LIMIT_MS = 5000

/** Numbers that sizes, offsets and counts are wrong by. */
const NASTY = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff] as const

/** Up to some changes in the bytes that say where everything is, or a file cut short or gone on. */
const spoil = (r: Random, good: Uint8Array, heads: readonly (readonly [first: number, end: number])[]): Uint8Array => {
  let bytes = good.slice()
  const view = (): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let i = 1 + r.below(6); i > 0; i--) {
    const [first, end] = r.chance(85) ? r.pick(heads) : [0, bytes.length]
    const at = first + r.below(Math.max(1, end - first))
    const n = r.below(10)
    if (n < 4 && at + 4 <= bytes.length) view().setUint32(at & ~3, r.chance(70) ? r.pick(NASTY) : r.u32(), true)
    else if (n < 7 && at < bytes.length) bytes[at] = bytes[at]! ^ (1 << r.below(8))
    else if (n < 8 && at + 8 <= bytes.length)
      view().setBigUint64(at & ~7, r.chance(50) ? r.u64() : BigInt(r.pick(NASTY)), true)
    else if (n < 9 && r.chance(30)) bytes = bytes.slice(0, r.below(bytes.length + 1))
    else if (at + 64 <= bytes.length) bytes.copyWithin(at, first, first + r.below(64))
  }
  return bytes
}

const sentence = (problem: Problem): void => {
  if (problem.saw === '' || problem.expected === '' || problem.hint === '')
    throw new Error(`a refusal without words: ${JSON.stringify(problem)}`)
}

/** Refusals by kind. */
class Verdicts {
  readonly #kinds = new Map<string, number>()

  note<T>(result: Result<T>): T | undefined {
    if (!result.ok) sentence(result.problem)
    const kind = result.ok ? 'taken' : result.problem.kind
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1)
    return result.ok ? result.value : undefined
  }
  get text(): string {
    return [...this.#kinds].map(([kind, n]) => `${kind} ${n}`).join(', ')
  }
}

const RAM_BYTES = 16 * MiB
const GUARD = 0x10000
const PATTERN = 0xa5

export class KernelFuzzer implements Family {
  readonly #watch = new Stopwatch(LIMIT_MS)
  readonly #verdicts = new Verdicts()
  readonly #bytes = new Uint8Array(RAM_BYTES + 2 * GUARD).fill(PATTERN)
  readonly #kernels: readonly Uint8Array[] = [
    new Uint8Array(readFileSync(join(import.meta.dirname, '../public/guests/embedded/playground.elf'))),
    ...([32, 64] as const).flatMap((bits) =>
      (['segment', 'section'] as const).map((notePlace) =>
        buildElf({ bits, notePlace, symbols: [{ name: 'main', address: 0x200010n, size: 16, type: 2, binding: 1 }] }),
      ),
    ),
  ]

  get done(): string {
    return `${this.#verdicts.text}; longest ${this.#watch.longestMs.toFixed(0)} ms`
  }

  round(seed: number, index: number): void {
    const r = new Sequence(0xe1f, seed, index)
    const good = r.pick(this.#kernels)
    // Header and program headers; sections, notes and symbols are towards the end.
    const changed = r.chance(95)
      ? spoil(r, good, [
          [0, 64],
          [52, 400],
          [Math.max(0, good.length - 4096), good.length],
        ])
      : good
    const gzip = r.chance(25) ? gzipSync(changed) : undefined
    const kernel =
      gzip === undefined
        ? changed
        : r.chance(50)
          ? spoil(r, gzip, [
              [0, 32],
              [gzip.length - 16, gzip.length],
            ])
          : gzip
    const initrd = r.chance(40) ? new Uint8Array(r.pick([0, 1, 4096, 5 * MiB, RAM_BYTES])) : undefined
    const cmdline = 'x'.repeat(r.pick([0, 10, 255, 5000, 100_000]))
    const profile = PROFILES[r.pick(['microvm', 'firecracker'] as const)]
    this.#bytes.fill(0, GUARD, GUARD + RAM_BYTES)
    const ram = new GuestRam(this.#bytes.buffer, GUARD, RAM_BYTES)
    const booted = this.#watch.time('booting a kernel', () =>
      boot({ kernel: new Uint8Array(kernel), initrd, cmdline, virtio: virtioSlots(profile, r.below(9)) }, ram),
    )
    const value = this.#verdicts.note(booted)
    // Symbols are read when somebody wants them.
    if (value !== undefined) this.#watch.time('reading symbols', () => value.kernel.symbols.length)
    for (const [first, end] of [
      [0, GUARD],
      [GUARD + RAM_BYTES, this.#bytes.length],
    ] as const)
      for (let i = first; i < end; i++)
        if (this.#bytes[i] !== PATTERN) throw new Error(`a kernel was written outside RAM, at ${i - GUARD}`)
  }
}

const TREES = 20
const NODES = 400
const READ_BYTES = 8 * MiB

export class ImageFuzzer implements Family {
  readonly #watch = new Stopwatch(LIMIT_MS)
  readonly #verdicts = new Verdicts()
  readonly #images = Array.from({ length: TREES }, (_, n) => {
    let state = n + 1
    const pick = (below: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below
    const made = makeExt2(randomTree(pick), { blockSize: ([1024, 2048, 4096] as const)[n % 3]! })
    if (!made.ok) throw new Error(made.problem.saw)
    return made.value
  })

  get done(): string {
    return `${this.#verdicts.text}; longest ${this.#watch.longestMs.toFixed(0)} ms`
  }

  round(seed: number, index: number): void {
    const r = new Sequence(0xe42, seed, index)
    const good = r.pick(this.#images)
    // Superblock, group descriptors, and the bitmaps, inodes and directories that follow.
    const image = spoil(r, good, [
      [1024, 1224],
      [2048, 6144],
      [4096, Math.min(good.length, 65536)],
    ])
    this.#watch.time('reading an image', () => {
      const opened = this.#verdicts.note(openExt2(image))
      if (opened !== undefined) this.#walk(opened)
    })
  }

  /** Everything that can be reached, and each inode by its number too. */
  #walk(image: Ext2Image): void {
    const queue: (string | number)[] = ['/', ...Array.from({ length: 20 }, (_, n) => n)]
    let bytes = 0
    for (let visited = 0; queue.length > 0 && visited < NODES; visited++) {
      const place = queue.shift()!
      const stat = this.#verdicts.note(image.stat(place))
      if (stat === undefined) continue
      for (const entry of this.#verdicts.note(image.list(place)) ?? []) queue.push(entry.ino)
      this.#verdicts.note(image.readLink(place))
      if (bytes + stat.size > READ_BYTES) continue
      bytes += this.#verdicts.note(image.readFile(place))?.length ?? 0
    }
  }
}
