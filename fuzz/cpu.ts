/**
 * Random code from random states in every mode, on a CPU with RAM, interrupt controllers and nothing else. What must
 * hold: nothing is thrown but by a broken invariant, a run of n instructions ends, and nothing is written that is not
 * the guest's (guards.ts).
 */

import { RAM_OFFSET } from '../src/machine/board/memory.ts'
import type { Cpu } from '../src/machine/cpu/cpu.ts'
import { EAGER } from '../src/machine/engine/regions/registry.ts'
import type { GuestRam } from '../src/machine/ram.ts'
import { updateFpu } from '../src/machine/semantics/system/fpu-blocked.ts'
import { FCW, FPR, FTW, MXCSR, RSP, SLOT_FS_BASE, SLOT_GS_BASE, XMM } from '../src/machine/state/layout.ts'
import { bareCpu } from '../vectors/bare-cpu.ts'
import { CASE_LENGTH, Case, PATCH_HEADER } from '../vectors/case.ts'
import { plans } from '../vectors/corpus.ts'
import { Generator } from '../vectors/generate/generator.ts'
import { Random } from '../vectors/random.ts'
import type { Family } from './family.ts'
import { GUARD_BYTES, Guards } from './guards.ts'

const RAM_BYTES = 4 << 20
const INSTRUCTIONS = 20_000

const MODES = ['flat', 'real', 'segmented', 'paged', 'pae', 'long', 'user', 'compatibility'] as const

const PML4 = 0x10000
const PDPT = 0x11000
const PD = 0x12000
const PT = 0x13000
const PD32 = 0x14000
const GDT = 0x18000
const IDT = 0x19000
const TSS = 0x1b000
const BOOT = 0x1c000
const CODE = 0x40000
const CODE_BYTES = 0x4000

interface FuzzedCpu {
  readonly cpu: Cpu
  readonly ram: GuestRam
  readonly guards: Guards
  readonly words: Uint32Array
}

export class CpuFuzzer implements Family {
  readonly #machines: readonly FuzzedCpu[]
  #ram!: GuestRam
  #words!: Uint32Array
  readonly #c = new Case()
  readonly #plans = plans('intel')
  readonly #modes = new Map<string, number>()
  instructions = 0
  shutdowns = 0

  constructor() {
    this.#machines = [undefined, EAGER].map((translate) => {
      const { cpu, ram, buffer } = bareCpu(RAM_BYTES, GUARD_BYTES, () => {}, translate)
      return {
        cpu,
        ram,
        guards: new Guards(buffer, RAM_OFFSET, RAM_BYTES),
        words: new Uint32Array(buffer, RAM_OFFSET, RAM_BYTES / 4),
      }
    })
  }

  get done(): string {
    const modes = [...this.#modes].map(([mode, n]) => `${mode} ${n}`).join(', ')
    return `machines: ${modes}; ${this.instructions} instructions, ${this.shutdowns} shutdowns`
  }

  /** One random machine, run for at most INSTRUCTIONS. */
  round(seed: number, index: number): void {
    const r = new Random(0xf022, seed, index)
    const mode = r.pick(MODES)
    // One in four on the translator.
    const { cpu, ram, guards, words } = this.#machines[r.chance(25) ? 1 : 0]!
    this.#ram = ram
    this.#words = words
    this.#randomRam(r)
    this.#tables(r, mode === 'long' || mode === 'user' || mode === 'compatibility')
    this.#code(r)
    const u32 = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24]
    const boot: number[] = []
    const long = mode === 'long' || mode === 'user' || mode === 'compatibility'
    const cr4 =
      (mode === 'pae' || long ? 0x20 : 0) |
      (r.chance(80) ? 0x600 : 0) |
      (r.u32() & 0x50090) |
      (r.chance(10) ? r.u32() & 0x300000 : 0)
    boot.push(0x0f, 0x01, 0x15, ...u32(BOOT + 0x200), 0x0f, 0x01, 0x1d, ...u32(BOOT + 0x210))
    boot.push(0xb8, ...u32(cr4 & (long ? ~0x20000 : ~0x20000)), 0x0f, 0x22, 0xe0)
    boot.push(0xb8, ...u32(mode === 'paged' ? PD32 : mode === 'pae' ? PDPT : PML4), 0x0f, 0x22, 0xd8)
    if (long) boot.push(0xb9, ...u32(0xc0000080), 0xb8, ...u32(0x901), 0x31, 0xd2, 0x0f, 0x30)
    const cr0 =
      (mode === 'real' ? 0 : 1) |
      (r.chance(90) ? 0x32 : r.u32() & 0x3e) |
      (r.u32() & 0x50000) |
      (mode === 'flat' || mode === 'real' || mode === 'segmented' ? 0 : 0x80000000)
    boot.push(0xb8, ...u32(cr0), 0x0f, 0x22, 0xc0)
    if (mode === 'real') boot.push(0xea, ...u32(0), (CODE >> 4) & 0xff, CODE >> 12)
    else if (long) {
      boot.push(0xea, ...u32(BOOT + 0x100), 0x10, 0)
      const ring: number[] = [0x66, 0xb8, 0x40, 0, 0x0f, 0x00, 0xd8]
      const rip = CODE + r.below(CODE_BYTES)
      if (mode === 'long') ring.push(0x48, 0xb8, ...u32(rip), ...u32(0), 0xff, 0xe0)
      else
        ring.push(
          ...[0x6a, 0x2b, 0x68, ...u32(0x30000), 0x68, ...u32((r.u32() & 0x47cd7) | 2)],
          ...[0x6a, mode === 'user' ? 0x33 : 0x23, 0x68, ...u32(rip), 0x48, 0xcf],
        )
      ram.write(BOOT + 0x100, Uint8Array.from(ring))
    } else {
      const selector = mode === 'segmented' ? r.pick([0x58, 0x60, 0x68]) : 0x08
      boot.push(0xea, ...u32(CODE + r.below(CODE_BYTES)), selector, 0)
    }
    ram.write(BOOT, Uint8Array.from(boot))
    cpu.resetToPvh(BOOT, 0)
    const s = cpu.state
    for (let i = 0; i < 16; i++) s.set64(i * 8, this.#value(r))
    s.set64(RSP, 0x30000n)
    cpu.run(boot.length)
    // The state that code may start with.
    for (let i = 0; i < 16; i++) s.set64(i * 8, this.#value(r))
    for (let i = 0; i < 256; i++) s.u8[XMM + i] = r.u32()
    for (let i = 0; i < 128; i++) s.u8[FPR + i] = r.u32()
    s.view.setUint16(FTW, r.u32(), true)
    s.view.setUint16(FCW, (r.u32() & 0x1f3f) | 0x40, true)
    s.set32(MXCSR, r.u32() & 0xffff)
    if (long) for (const slot of [SLOT_FS_BASE, SLOT_GS_BASE]) s.set64(slot, this.#value(r) & 0x7fffffffffffn)
    updateFpu(s)
    const from = cpu.retired
    const { exceptions } = cpu.counters
    const start = performance.now()
    for (let left = INSTRUCTIONS; left > 0 && cpu.shutdownCause === undefined; ) {
      const ran = cpu.run(Math.min(left, 1 + r.below(5000)))
      left -= ran
      if (cpu.halted) {
        cpu.halted = false
        if (ran === 0) left--
        if (r.chance(50)) cpu.interrupts.raiseNmi()
      }
      if (performance.now() - start > 20_000) throw new Error(`${mode} does not end`)
      // Its handlers fault for ever.
      if (ran === 0 && cpu.counters.exceptions - exceptions > 9000) break
      if (ran === 0) left--
    }
    this.instructions += cpu.retired - from
    if (cpu.shutdownCause !== undefined) this.shutdowns++
    guards.check(mode)
    this.#modes.set(mode, (this.#modes.get(mode) ?? 0) + 1)
  }

  #value(r: Random): bigint {
    const n = r.below(10)
    if (n < 5) return BigInt(r.below(RAM_BYTES))
    if (n < 6) return BigInt(r.below(64))
    if (n < 7) return BigInt(RAM_BYTES - 16 + r.below(32))
    if (n < 8) return BigInt(r.u32())
    return r.u64()
  }
  #randomRam(r: Random): void {
    let x = r.u32() | 1
    const words = this.#words
    for (let i = 0; i < 0x80000 / 4; i++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      words[i] = x
    }
    this.#ram.onWrite(0, 0x80000)
  }
  /** Page tables that map RAM upon itself with random rights, descriptors good and random, an IDT to random code. */
  #tables(r: Random, long: boolean): void {
    const ram = this.#ram
    const rights = (): number => (r.chance(85) ? 7 : r.u32() & 0x1ff)
    for (let i = 0; i < 4; i++) ram.writeU64(PDPT + i * 8, BigInt(PD | (i === 0 ? 1 : r.u32() & 1)))
    ram.writeU64(PML4, BigInt(PDPT | 7))
    ram.writeU64(PDPT, BigInt(PD | 7) & (r.chance(50) ? ~6n : ~0n))
    ram.writeU64(PDPT, BigInt(PD | 7))
    ram.writeU64(PD, BigInt(PT | 7))
    ram.writeU64(PD + 8, BigInt(0x200000 | 0x80 | rights()))
    for (let i = 0; i < 512; i++) {
      const boot = i * 4096 >= PML4 && i * 4096 < CODE + CODE_BYTES
      ram.writeU64(PT + i * 8, BigInt((i * 4096) | (boot ? 7 : rights())))
    }
    ram.writeU32(PD32, 0x80 | 7)
    ram.writeU32(PD32 + 4, (0x400000 | 0x80 | rights()) >>> 0)
    const descriptor = (selector: number, value: bigint): void => ram.writeU64(GDT + selector, value)
    descriptor(0x08, 0x00cf9b000000ffffn)
    descriptor(0x10, 0x00af9b000000ffffn)
    descriptor(0x18, 0x00cf93000000ffffn)
    descriptor(0x20, 0x00cffb000000ffffn)
    descriptor(0x28, 0x00cff3000000ffffn)
    descriptor(0x30, 0x00affb000000ffffn)
    descriptor(0x40, 0x67n | (BigInt(TSS & 0xffffff) << 16n) | (0x89n << 40n))
    descriptor(0x48, 0n)
    descriptor(0x58, 0x008f9b000000ffffn)
    descriptor(0x60, 0x000f9b000000ffffn | (BigInt(r.below(0x1000)) << 16n))
    descriptor(0x68, 0x004f9a0000000000n | BigInt(r.u32() & 0xffff))
    for (let vector = 0; vector < 256; vector++) {
      const target = CODE + r.below(CODE_BYTES)
      const at = IDT + vector * 16
      if (r.chance(90)) {
        ram.writeU64(
          at,
          BigInt(target & 0xffff) |
            ((r.chance(long ? 97 : 10) ? 0x10n : 0x08n) << 16n) |
            (0xee00n << 32n) |
            (BigInt(target >>> 16) << 48n),
        )
        ram.writeU64(at + 8, 0n)
      }
    }
    ram.writeU64(TSS + 4, 0x38000n)
    ram.writeU16(BOOT + 0x200, 0x7f)
    ram.writeU32(BOOT + 0x202, GDT)
    ram.writeU16(BOOT + 0x210, r.chance(70) ? 0xfff : r.below(0x200))
    ram.writeU32(BOOT + 0x212, IDT)
  }
  /** Random bytes, or instructions of the table one after the other, with their bytes sometimes changed. */
  #code(r: Random): void {
    if (r.chance(25)) return
    const bytes = new Uint8Array(CODE_BYTES)
    const c = this.#c
    let at = 0
    const bits = r.chance(50) ? 64 : 32
    while (at < CODE_BYTES - 16) {
      const plan = r.pick(this.#plans)
      if (plan.bits !== bits && r.chance(95)) continue
      new Generator(plan.descriptor, plan.bits, 'intel').make(c, r.u32(), 0)
      const length = c.bytes[CASE_LENGTH] as number
      // The patch at RIP is the instruction.
      let p = 168 + (c.flags & 4 ? 416 : 0)
      while (c.view.getUint32(p, true) !== c.rip) p += PATCH_HEADER + ((c.view.getUint32(p + 8, true) + 7) & ~7)
      const code = c.bytes.subarray(p + PATCH_HEADER, p + PATCH_HEADER + length)
      // HLT, UD and privileged instructions end a round soon: fewer of them.
      bytes.set(code, at)
      at += length
      // The same stretch again and again is quicker to make, and its states differ.
      if (at > 600 && r.chance(20)) {
        const n = at
        while (at + n < CODE_BYTES) {
          bytes.copyWithin(at, 0, n)
          at += n
        }
        break
      }
    }
    if (r.chance(50)) for (let i = r.below(200); i > 0; i--) bytes[r.below(CODE_BYTES)] = r.u32()
    this.#ram.write(CODE, bytes)
  }
}
