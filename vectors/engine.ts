/**
 * Runs cases on the project's own CPU: no devices, page tables that map the same addresses as the recorder's process,
 * and registers written straight into the state. An exception is delivered through the IDT to a stub of HLT and IRETQ;
 * the outcome is read from its stack frame, and IRETQ starts the next case.
 */
import { RAM_OFFSET } from '../src/machine/board/memory.ts'
import type { Cpu } from '../src/machine/cpu/cpu.ts'
import type { TranslatorPolicy } from '../src/machine/engine/regions/registry.ts'
import type { GuestRam } from '../src/machine/ram.ts'
import { resumeFlag } from '../src/machine/semantics/system/exceptions.ts'
import { updateFpu } from '../src/machine/semantics/system/fpu-blocked.ts'
import {
  CPL,
  CR2,
  FCS,
  FCW,
  FDP,
  FDS,
  FIP,
  FOP,
  FPR,
  FSW,
  FTW,
  MXCSR,
  REPEATING,
  RFLAGS_SYSTEM,
  RSP,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
  STATE,
  XCR0,
  XMM,
} from '../src/machine/state/layout.ts'
import { bareCpu } from './bare-cpu.ts'
import {
  CASE_FLAGS,
  CASE_FS_BASE,
  CASE_FX,
  CASE_GPR,
  CASE_GS_BASE,
  CASE_LENGTH,
  CASE_PATCHES,
  CASE_RFLAGS,
  CASE_RIP,
  CaseFlag,
  FX_BYTES,
  FX_FCW,
  FX_FSW,
  FX_FTW,
  FX_MXCSR,
  FX_ST,
  FX_XMM,
  PATCH_HEADER,
} from './case.ts'
import {
  CODE,
  CODE_END,
  CODE_PAGES,
  DATA,
  DATA_PAGES,
  DATA_WRITABLE_PAGES,
  goldenImage,
  IMAGE_BYTES,
  imageOffset,
  LEGACY_FS_BASE,
  LEGACY_GS_BASE,
  LEGACY_GS_LIMIT,
  PAGE,
} from './layout.ts'
import {
  OUTCOME_CR2,
  OUTCOME_ERROR,
  OUTCOME_FS_BASE,
  OUTCOME_FX,
  OUTCOME_GPR,
  OUTCOME_GS_BASE,
  OUTCOME_RFLAGS,
  OUTCOME_RIP,
  OUTCOME_SELECTORS,
  OUTCOME_VECTOR,
  VECTOR_STEP,
} from './outcome.ts'

// Guest-physical places.
const PML4 = 0x1000
const PDPT_LOW = 0x2000
const PD_LOW = 0x3000
const PT_CODE = 0x4000
const PT_DATA = 0x5000
const PDPT_HIGH = 0x6000
const PD_HIGH = 0x7000
const GDT = 0x8000
const LDT = 0x8800
const LDT_SELECTOR = 0x50
const BOOT = 0x9000
const BOOT_LONG = 0x9080
const BOOT_GDTR = 0x90f0
const IDT = 0xa000
const TSS = 0xb000
const STUBS = 0xc000
const STACK_TOP = 0xf000
/** Code pages, then data pages. */
const IMAGE = 0x10000
const RAM_BYTES = 0x200000
const HIGH = 0xffffffff80000000n

const KERNEL_CS = 0x10
const USER_CS32 = 0x23
const USER_DS = 0x2b
const USER_CS64 = 0x33
const LEGACY_FS = 0x07
const LEGACY_GS = 0x0f

const ATTRIBUTES_DATA = 0xc0f3
const ATTRIBUTES_DATA_BYTES = 0x40f3

const PF = 14
const BP = 3
/** Instructions after which a case that should have ended is given up. */
const RUN_LIMIT = 200_000

const FLAG_AC = 1 << 18
/** RFLAGS bits that are compared: without TF, RF, IF's neighbours and what user code cannot change. */
export const COMPARED_FLAGS = 0x254ed5

/** What the engine made of a case, in the recorder's layout. */
export class EngineOutcome {
  readonly bytes = new Uint8Array(OUTCOME_FX + FX_BYTES)
  readonly view = new DataView(this.bytes.buffer)
}

export class Engine {
  readonly cpu: Cpu
  readonly ram: GuestRam
  readonly outcome = new EngineOutcome()
  readonly logs: string[] = []
  readonly #image: Uint8Array
  readonly #golden = goldenImage()
  /** What memory should hold, in memory that is not shared. */
  readonly #expected = goldenImage()
  readonly #expectedPages: Buffer[] = []
  readonly #ramPages: Buffer[] = []
  readonly #state: DataView
  /** 'kernel' stands at an IRETQ; otherwise the user mode in force. */
  #mode: 'kernel' | 64 | 32 = 'kernel'
  /** Alignment checks are on, or a segment register is not what cases start with: IRETQ is needed. */
  #unsettled = false

  /** With `translate`, every case runs translated. */
  constructor(translate?: TranslatorPolicy) {
    const { cpu, ram, buffer } = bareCpu(RAM_BYTES, 0, (line) => this.logs.push(line), translate)
    this.cpu = cpu
    this.ram = ram
    this.#state = this.cpu.state.view
    this.#image = this.ram.bytes.subarray(IMAGE, IMAGE + IMAGE_BYTES)
    for (let i = 0; i < IMAGE_BYTES; i += PAGE) {
      this.#expectedPages.push(Buffer.from(this.#expected.buffer, i, PAGE))
      this.#ramPages.push(Buffer.from(buffer as ArrayBuffer, RAM_OFFSET + IMAGE + i, PAGE))
    }
    this.#boot()
  }

  #boot(): void {
    const { ram, cpu } = this
    const entry = (table: number, index: number, value: bigint): void => ram.writeU64(table + index * 8, value)
    entry(PML4, 0, BigInt(PDPT_LOW | 7))
    entry(PML4, 511, BigInt(PDPT_HIGH | 3))
    entry(PDPT_LOW, 0, BigInt(PD_LOW | 7))
    entry(PDPT_HIGH, 510, BigInt(PD_HIGH | 3))
    entry(PD_HIGH, 0, 0x83n)
    entry(PD_LOW, 0, 0x83n)
    entry(PD_LOW, CODE >>> 21, BigInt(PT_CODE | 7))
    entry(PD_LOW, DATA >>> 21, BigInt(PT_DATA | 7))
    for (let i = 0; i < CODE_PAGES; i++) entry(PT_CODE, ((CODE >>> 12) & 511) + i, BigInt((IMAGE + i * PAGE) | 7))
    for (let i = 0; i < DATA_PAGES; i++)
      entry(
        PT_DATA,
        ((DATA >>> 12) & 511) + i,
        (1n << 63n) | BigInt((IMAGE + (CODE_PAGES + i) * PAGE) | (i < DATA_WRITABLE_PAGES ? 7 : 5)),
      )
    ram.write(IMAGE, this.#golden)

    // Linux's descriptor table, and the recorder's LDT.
    const descriptor = (selector: number, value: bigint): void => ram.writeU64(GDT + (selector & ~7), value)
    descriptor(0x08, 0x00cf9b000000ffffn)
    descriptor(KERNEL_CS, 0x00af9b000000ffffn)
    descriptor(0x18, 0x00cf93000000ffffn)
    descriptor(USER_CS32, 0x00cffb000000ffffn)
    descriptor(USER_DS, 0x00cff3000000ffffn)
    descriptor(USER_CS64, 0x00affb000000ffffn)
    descriptor(0x78, 0x0040f50000000000n)
    const tss = HIGH + BigInt(TSS)
    descriptor(0x40, 0x67n | ((tss & 0xffffffn) << 16n) | (0x89n << 40n) | (((tss >> 24n) & 0xffn) << 56n))
    descriptor(0x48, tss >> 32n)
    const segment = (base: number, limit: number, high: bigint): bigint =>
      BigInt(limit & 0xffff) |
      (BigInt(base & 0xffffff) << 16n) |
      (0xf3n << 40n) |
      (BigInt(limit >>> 16) << 48n) |
      (high << 52n) |
      (BigInt(base >>> 24) << 56n)
    ram.writeU64(LDT + (LEGACY_FS & ~7), segment(LEGACY_FS_BASE, 0xfffff, 0xcn))
    ram.writeU64(LDT + (LEGACY_GS & ~7), segment(LEGACY_GS_BASE, LEGACY_GS_LIMIT, 0x4n))
    const ldt = HIGH + BigInt(LDT)
    descriptor(LDT_SELECTOR, 0x0fn | ((ldt & 0xffffffn) << 16n) | (0x82n << 40n) | (((ldt >> 24n) & 0xffn) << 56n))
    descriptor(LDT_SELECTOR + 8, ldt >> 32n)
    for (let vector = 0; vector < 32; vector++) {
      const stub = HIGH + BigInt(STUBS + vector * 16)
      const dpl = vector === BP || vector === 4 ? 3n : 0n
      const type = 0x8en | (dpl << 5n)
      ram.writeU64(
        IDT + vector * 16,
        (stub & 0xffffn) | (BigInt(KERNEL_CS) << 16n) | (type << 40n) | (((stub >> 16n) & 0xffffn) << 48n),
      )
      ram.writeU64(IDT + vector * 16 + 8, stub >> 32n)
      ram.write(STUBS + vector * 16, Uint8Array.of(0xf4, 0x48, 0xcf))
    }
    ram.writeU64(TSS + 4, HIGH + BigInt(STACK_TOP))
    ram.writeU16(TSS + 102, 104)
    ram.writeU16(BOOT_GDTR, 0x7f)
    ram.writeU64(BOOT_GDTR + 2, HIGH + BigInt(GDT))
    ram.writeU16(BOOT_GDTR + 16, 0x1ff)
    ram.writeU64(BOOT_GDTR + 18, HIGH + BigInt(IDT))
    ram.writeU16(BOOT_GDTR + 32, 0x7f)
    ram.writeU64(BOOT_GDTR + 34, BigInt(GDT))
    const u32 = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24]
    const CR4_BITS = 0x620 | (1 << 16) | (1 << 18) | (1 << 11) // PAE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE UMIP
    ram.write(
      BOOT,
      Uint8Array.from([
        ...[0xb8, ...u32(CR4_BITS), 0x0f, 0x22, 0xe0], // mov cr4
        ...[0xb8, ...u32(PML4), 0x0f, 0x22, 0xd8], // mov cr3
        ...[0xb9, ...u32(0xc0000080), 0xb8, ...u32(0x901), 0x31, 0xd2, 0x0f, 0x30], // EFER: SCE LME NXE
        ...[0x0f, 0x01, 0x15, ...u32(BOOT_GDTR + 32)], // lgdt
        ...[0xb8, ...u32(0x80050033), 0x0f, 0x22, 0xc0], // mov cr0: PE MP ET NE WP AM PG
        ...[0xea, ...u32(BOOT_LONG), KERNEL_CS, 0],
      ]),
    )
    const stub = HIGH + BigInt(STUBS)
    ram.write(
      BOOT_LONG,
      Uint8Array.from([
        ...[0x0f, 0x01, 0x14, 0x25, ...u32(BOOT_GDTR)],
        ...[0x0f, 0x01, 0x1c, 0x25, ...u32(BOOT_GDTR + 16)],
        ...[0x66, 0xb8, 0x40, 0, 0x0f, 0x00, 0xd8], // ltr
        ...[0x66, 0xb8, LDT_SELECTOR, 0, 0x0f, 0x00, 0xd0], // lldt
        ...[0x48, 0xb8, ...u32(Number(stub & 0xffffffffn)), ...u32(Number(stub >> 32n)), 0xff, 0xe0],
      ]),
    )
    cpu.resetToPvh(BOOT, 0)
    cpu.run(100)
    if (!cpu.halted) throw new Error(`invariant broken: the engine reaches its stub: ${cpu.shutdownCause} ${cpu.rip}`)
    cpu.halted = false
    entry(PD_LOW, 0, 0n)
    cpu.flushTlb(true)
    cpu.state.set64(XCR0, 3n)
  }

  /** Runs a case; the outcome is in `outcome`, memory as the case left it until `settle`. */
  run(bytes: Uint8Array): void {
    const c = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const flags = bytes[CASE_FLAGS] as number
    const legacy = (flags & CaseFlag.Legacy) !== 0
    const float = (flags & CaseFlag.Float) !== 0
    const step = (flags & CaseFlag.Step) !== 0
    const { cpu, ram } = this
    const s = cpu.state
    const rflags = c.getUint32(CASE_RFLAGS, true)
    const rip = c.getUint32(CASE_RIP, true)

    // Memory.
    let at = CASE_FX + (float ? FX_BYTES : 0)
    for (let i = bytes[CASE_PATCHES] as number; i > 0; i--) {
      const address = c.getUint32(at, true)
      const length = c.getUint32(at + 8, true)
      const place = imageOffset(address)
      const data = bytes.subarray(at + PATCH_HEADER, at + PATCH_HEADER + length)
      this.#expected.set(data, place)
      if (address < CODE_END) ram.write(IMAGE + place, data)
      else this.#image.set(data, place)
      at += PATCH_HEADER + ((length + 7) & ~7)
    }

    const mode = legacy ? 32 : 64
    const aligned = (rflags & FLAG_AC) !== 0
    if (this.#mode === mode && !aligned && !this.#unsettled) {
      cpu.rip = BigInt(rip)
      s.rflags = rflags
    } else this.#iret(mode, rip, rflags, aligned)
    if (legacy) {
      // Segments are what a flat program has; bases of the LDT's entries.
      s.set64(SLOT_FS_BASE, BigInt(LEGACY_FS_BASE))
      s.set64(SLOT_GS_BASE, BigInt(LEGACY_GS_BASE))
    } else {
      s.set32(SLOT_FS_BASE, c.getUint32(CASE_FS_BASE, true))
      s.set32(SLOT_FS_BASE + 4, c.getUint32(CASE_FS_BASE + 4, true))
      s.set32(SLOT_GS_BASE, c.getUint32(CASE_GS_BASE, true))
      s.set32(SLOT_GS_BASE + 4, c.getUint32(CASE_GS_BASE + 4, true))
    }
    s.u8.set(bytes.subarray(CASE_GPR, CASE_GPR + 128), 0)
    if (float) this.#loadFloat(bytes.subarray(CASE_FX, CASE_FX + FX_BYTES))

    s.set32(REPEATING, 0)
    cpu.run(step ? 1 : RUN_LIMIT)
    if (s.get32(CPL) === 0 && !cpu.halted) cpu.run(1)
    this.#read(step, legacy, float)
  }

  #iret(mode: 64 | 32, rip: number, rflags: number, aligned: boolean): void {
    const { cpu, ram } = this
    const s = cpu.state
    if (this.#mode !== 'kernel') {
      // An INT3 where the code pages have nothing else brings the engine to a stub.
      ram.writeU8(IMAGE, 0xcc)
      cpu.rip = BigInt(CODE)
      s.rflags = 0x202
      cpu.run(1)
      if (!cpu.halted) cpu.run(1)
      if (!cpu.halted) throw new Error('invariant broken: INT3 reaches its stub')
      cpu.halted = false
      ram.writeU8(IMAGE, this.#expected[0] as number)
    }
    for (const segment of [0, 3]) s.setSegment(segment, USER_DS, ATTRIBUTES_DATA, 0xffffffff, 0n)
    if (mode === 32) {
      s.setSegment(4, LEGACY_FS, ATTRIBUTES_DATA, 0xffffffff, BigInt(LEGACY_FS_BASE))
      s.setSegment(5, LEGACY_GS, ATTRIBUTES_DATA_BYTES, LEGACY_GS_LIMIT, BigInt(LEGACY_GS_BASE))
    } else for (const segment of [4, 5]) s.setSegment(segment, 0, 0, 0, 0n)
    const frame = STACK_TOP - 40
    ram.writeU64(frame, BigInt(rip))
    ram.writeU64(frame + 8, BigInt(mode === 32 ? USER_CS32 : USER_CS64))
    ram.writeU64(frame + 16, BigInt(rflags))
    ram.writeU64(frame + 24, 0n)
    ram.writeU64(frame + 32, BigInt(USER_DS))
    s.set64(RSP, HIGH + BigInt(frame))
    cpu.run(1)
    if (s.get32(CPL) !== 3) throw new Error('invariant broken: IRETQ reaches user mode')
    this.#mode = mode
    this.#unsettled = aligned
  }

  #loadFloat(fx: Uint8Array): void {
    const s = this.cpu.state
    const v = this.#state
    const fcw = (fx[FX_FCW] as number) | ((fx[FX_FCW + 1] as number) << 8)
    const fsw = (fx[FX_FSW] as number) | ((fx[FX_FSW + 1] as number) << 8)
    v.setUint16(FCW, fcw, true)
    v.setUint16(FSW, fsw, true)
    for (const place of [FOP, FCS, FDS]) v.setUint16(place, 0, true)
    for (const place of [FIP, FDP]) s.set64(place, 0n)
    const top = (fsw >>> 11) & 7
    let tags = 0
    for (let i = 0; i < 8; i++) if (((fx[FX_FTW] as number) & (1 << i)) === 0) tags |= 3 << (2 * i)
    v.setUint16(FTW, tags, true)
    for (let i = 0; i < 8; i++) {
      const register = FPR + ((top + i) & 7) * 16
      for (let j = 0; j < 10; j++) s.u8[register + j] = fx[FX_ST + i * 16 + j] as number
    }
    s.u8.set(fx.subarray(FX_XMM, FX_XMM + 256), XMM)
    for (let j = 0; j < 4; j++) s.u8[MXCSR + j] = fx[FX_MXCSR + j] as number
    updateFpu(s)
  }

  #read(step: boolean, legacy: boolean, float: boolean): void {
    const { cpu, ram } = this
    const s = cpu.state
    const o = this.outcome.view
    const bytes = this.outcome.bytes
    bytes.set(s.u8.subarray(0, 128), OUTCOME_GPR)
    bytes.fill(0, OUTCOME_SELECTORS, OUTCOME_SELECTORS + 16)
    for (const [i, segment] of SELECTOR_ORDER.entries())
      o.setUint16(OUTCOME_SELECTORS + i * 2, s.selector(segment), true)
    if (cpu.shutdownCause !== undefined) throw new Error(`the engine shut down: ${cpu.shutdownCause}`)
    if (s.get32(CPL) === 0) {
      // The stub's number tells the vector; the frame is at RSP.
      const vector = Math.floor((Number(cpu.rip & 0xffffn) - STUBS) / 16)
      let sp = Number(s.get64(RSP) - HIGH)
      let error = 0n
      if (HAS_ERROR_CODE.has(vector)) {
        error = ram.readU64(sp)
        sp += 8
      }
      bytes[OUTCOME_VECTOR] = vector
      o.setBigUint64(OUTCOME_ERROR, error, true)
      o.setBigUint64(OUTCOME_CR2, vector === PF ? s.get64(CR2) : 0n, true)
      o.setBigUint64(OUTCOME_RIP, ram.readU64(sp), true)
      o.setUint16(OUTCOME_SELECTORS + 8, ram.readU16(sp + 8), true)
      o.setBigUint64(OUTCOME_RFLAGS, ram.readU64(sp + 16), true)
      o.setBigUint64(OUTCOME_GPR + 32, ram.readU64(sp + 24), true)
      o.setUint16(OUTCOME_SELECTORS + 10, ram.readU16(sp + 32), true)
      // IRETQ comes next; its frame is where #iret writes it, below the stack's top.
      cpu.halted = false
      this.#mode = 'kernel'
    } else {
      bytes[OUTCOME_VECTOR] = step ? VECTOR_STEP : 255
      o.setBigUint64(OUTCOME_ERROR, 0n, true)
      o.setBigUint64(OUTCOME_CR2, 0n, true)
      o.setBigUint64(OUTCOME_RIP, cpu.rip, true)
      // As the frame of the trap has them.
      o.setBigUint64(OUTCOME_RFLAGS, BigInt((s.rflags | resumeFlag(cpu)) >>> 0), true)
      if ((s.get32(RFLAGS_SYSTEM) & FLAG_AC) !== 0) this.#unsettled = true
    }
    for (let i = 0; i < 5; i++)
      if (o.getUint16(OUTCOME_SELECTORS + i * 2, true) !== (legacy ? LEGACY_SELECTORS : LONG_SELECTORS)[i])
        this.#unsettled = true
    o.setBigUint64(OUTCOME_FS_BASE, s.get64(SLOT_FS_BASE), true)
    o.setBigUint64(OUTCOME_GS_BASE, s.get64(SLOT_GS_BASE), true)
    if (!float) return
    const v = this.#state
    const fsw = v.getUint16(FSW, true)
    bytes.fill(0, OUTCOME_FX, OUTCOME_FX + FX_BYTES)
    o.setUint16(OUTCOME_FX + FX_FCW, v.getUint16(FCW, true), true)
    o.setUint16(OUTCOME_FX + FX_FSW, fsw, true)
    const tags = v.getUint16(FTW, true)
    let abridged = 0
    for (let i = 0; i < 8; i++) if (((tags >>> (2 * i)) & 3) !== 3) abridged |= 1 << i
    bytes[OUTCOME_FX + FX_FTW] = abridged
    const top = (fsw >>> 11) & 7
    for (let i = 0; i < 8; i++) {
      const register = FPR + ((top + i) & 7) * 16
      for (let j = 0; j < 10; j++) bytes[OUTCOME_FX + FX_ST + i * 16 + j] = s.u8[register + j] as number
    }
    bytes.set(s.u8.subarray(XMM, XMM + 256), OUTCOME_FX + FX_XMM)
    for (let j = 0; j < 4; j++) bytes[OUTCOME_FX + FX_MXCSR + j] = s.u8[MXCSR + j] as number
  }

  /** Memory as the engine left it. */
  get image(): Uint8Array {
    return this.#image
  }
  /** Memory as it was when the case started; write what should have become of it here. */
  get expected(): Uint8Array {
    return this.#expected
  }
  /** Whether memory is as `expected` has it. */
  memoryAgrees(): boolean {
    for (let i = 0; i < this.#expectedPages.length; i++)
      if ((this.#ramPages[i] as Buffer).compare(this.#expectedPages[i] as Buffer) !== 0) return false
    return true
  }
  /** Takes back the case's patches and what was written to `expected` at `written` (place, length pairs). */
  settle(bytes: Uint8Array, written: readonly number[], all: boolean): void {
    if (all) {
      this.ram.write(IMAGE, this.#golden)
      this.#expected.set(this.#golden)
      return
    }
    const c = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let at = CASE_FX + (((bytes[CASE_FLAGS] as number) & CaseFlag.Float) !== 0 ? FX_BYTES : 0)
    for (let i = bytes[CASE_PATCHES] as number; i > 0; i--) {
      const length = c.getUint32(at + 8, true)
      this.#restore(imageOffset(c.getUint32(at, true)), length)
      at += PATCH_HEADER + ((length + 7) & ~7)
    }
    for (let i = 0; i < written.length; i += 2) this.#restore(written[i] as number, written[i + 1] as number)
  }
  #restore(place: number, length: number): void {
    const original = this.#golden.subarray(place, place + length)
    this.#expected.set(original, place)
    if (place < CODE_PAGES * PAGE) this.ram.write(IMAGE + place, original)
    else this.#image.set(original, place)
  }
}

const HAS_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17])
/** ds es fs gs cs ss. */
const SELECTOR_ORDER = [3, 0, 4, 5, 1, 2]
const LONG_SELECTORS = [USER_DS, USER_DS, 0, 0, USER_CS64]
const LEGACY_SELECTORS = [USER_DS, USER_DS, LEGACY_FS, LEGACY_GS, USER_CS32]
void STATE
void CASE_LENGTH
