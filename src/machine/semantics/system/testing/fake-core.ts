/**
 * A CPU core for tests of system behaviour: a flat megabyte where linear is physical, pages that can be taken away, and
 * counters of what the core was told. Descriptor tables are written with `gdt` and `idt64`.
 */

import type { CpuSwitches } from '../../../../settings/settings.ts'
import { Bus } from '../../../bus.ts'
import { CpuState } from '../../../state/cpu-state.ts'
import { GP, GuestFault, PF } from '../../../state/fault.ts'
import {
  ATTR_S,
  CPL,
  CR0,
  CR0_ET,
  CR0_NE,
  CR0_PE,
  CR0_PG,
  CR2,
  CR4,
  CR4_OSFXSR,
  CR4_PAE,
  CS,
  DS,
  EFER,
  EFER_LMA,
  EFER_LME,
  EFER_SCE,
  ES,
  FS,
  GDTR_BASE,
  GDTR_LIMIT,
  GS,
  IDTR_BASE,
  IDTR_LIMIT,
  RSP,
  SS,
  STATE,
  STATE_BYTES,
  TR,
} from '../../../state/layout.ts'
import type { CpuCore, LinearMemory, Outside } from '../../core.ts'
import { createCpuModel } from '../cpu-model.ts'
import { resetFpu } from '../fpu-state.ts'
import { SystemState } from '../system-state.ts'

export const GDT = 0x1000
export const IDT = 0x2000
export const TSS = 0x3000
export const LDT = 0x4000
export const STACK = 0x8000

// Selectors of the table that `FakeCore` writes.
export const KERNEL_CODE = 0x08
export const KERNEL_DATA = 0x10
export const USER_CODE = 0x1b
export const USER_DATA = 0x23
export const USER_CODE32 = 0x2b
export const TSS_SELECTOR = 0x30
export const KERNEL_CODE32 = 0x40
/** First slot that tests may fill. */
export const FREE = 0x50

// Access bytes and flag nibbles.
export const ACCESS_CODE = 0x9a
export const ACCESS_DATA = 0x92
export const DPL3 = 0x60
export const FLAGS_64 = 0xa
export const FLAGS_32 = 0xc

export class FakeCore implements CpuCore {
  readonly state: CpuState
  readonly system: SystemState
  readonly memory: LinearMemory
  readonly ports = new Bus()
  readonly interrupts = { cr8: 0 } as CpuCore['interrupts']
  readonly bytes = new Uint8Array(0x100000)
  readonly view = new DataView(this.bytes.buffer)
  /** Page numbers that fault. */
  readonly absent = new Set<number>()
  readonly logged: string[] = []
  readonly flushes: boolean[] = []
  readonly invalidated: bigint[] = []
  nextRip = 0x5002n
  shutdownCause: string | undefined
  halts = 0
  inhibited = 0
  breakpointChanges = 0
  tsc = 1000n
  deadline = 0n
  readonly outside: Outside = {
    readTsc: () => this.tsc,
    writeTsc: (value) => {
      this.tsc = value
    },
    apicBaseChanged: () => {},
    readTscDeadline: () => this.deadline,
    writeTscDeadline: (value) => {
      this.deadline = value
    },
    random: () => 4n,
  }

  constructor(switches: CpuSwitches = {}) {
    this.state = new CpuState(new ArrayBuffer(STATE + STATE_BYTES))
    this.system = new SystemState(createCpuModel(switches))
    this.memory = fakeMemory(this)
    resetFpu(this.state)
    this.longMode()
  }

  /** 64-bit mode at level 0, with a GDT, an empty IDT, a TSS and a stack. */
  longMode(): void {
    const { state } = this
    state.set64(CR0, BigInt(CR0_PE | CR0_ET | CR0_NE) | BigInt(CR0_PG))
    state.set64(CR4, BigInt(CR4_PAE | CR4_OSFXSR))
    state.set64(EFER, BigInt(EFER_LME | EFER_LMA | EFER_SCE))
    state.rflags = 2
    this.descriptor(KERNEL_CODE, ACCESS_CODE, FLAGS_64)
    this.descriptor(KERNEL_DATA, ACCESS_DATA, FLAGS_32)
    this.descriptor(USER_CODE & ~7, ACCESS_CODE | DPL3, FLAGS_64)
    this.descriptor(USER_DATA & ~7, ACCESS_DATA | DPL3, FLAGS_32)
    this.descriptor(USER_CODE32 & ~7, ACCESS_CODE | DPL3, FLAGS_32)
    this.descriptor(TSS_SELECTOR, 0x89, 0, TSS, 0x67)
    this.descriptor(KERNEL_CODE32, ACCESS_CODE, FLAGS_32)
    state.set64(GDTR_BASE, BigInt(GDT))
    state.set32(GDTR_LIMIT, 0xff)
    state.set64(IDTR_BASE, BigInt(IDT))
    state.set32(IDTR_LIMIT, 0xfff)
    state.setSegment(TR, TSS_SELECTOR, 0x8b, 0x67, BigInt(TSS))
    this.level(0)
    state.set64(RSP, BigInt(STACK))
    state.rip = 0x5000n
  }

  /** 32-bit protected mode without paging at level 0. */
  legacyMode(): void {
    const { state } = this
    state.set64(CR0, BigInt(CR0_PE | CR0_ET))
    state.set64(EFER, 0n)
    state.setSegment(CS, KERNEL_CODE32, 0xc09b, 0xffffffff, 0n)
    state.setSegment(SS, KERNEL_DATA, 0xc093, 0xffffffff, 0n)
  }

  /** Code and stack segments of a privilege level, 64-bit code. */
  level(cpl: 0 | 3): void {
    const dpl = cpl << 5
    this.state.setSegment(CS, cpl === 0 ? KERNEL_CODE : USER_CODE, 0xa09b | dpl, 0xffffffff, 0n)
    this.state.setSegment(SS, cpl === 0 ? KERNEL_DATA : USER_DATA, 0xc093 | dpl, 0xffffffff, 0n)
    for (const s of [DS, ES, FS, GS]) this.state.setSegment(s, USER_DATA, 0xc093 | 0x60, 0xffffffff, 0n)
    this.state.set32(CPL, cpl)
  }

  /** Real-address mode. */
  realMode(): void {
    const { state } = this
    state.set64(CR0, BigInt(CR0_ET))
    state.set64(EFER, 0n)
    for (const s of [CS, SS, DS, ES]) state.setSegment(s, 0, 0x93, 0xffff, 0n)
    state.set64(IDTR_BASE, 0n)
    state.set32(IDTR_LIMIT, 0x3ff)
  }

  /** Writes an 8-byte descriptor: `access` is bits 40-47, `flags` bits 52-55. */
  descriptor(index: number, access: number, flags: number, base = 0, limit = 0xfffff, table = GDT): void {
    const at = table + (index & 0xfff8)
    this.view.setUint32(at, ((base << 16) | (limit & 0xffff)) >>> 0, true)
    const high = (base & 0xff000000) | (flags << 20) | (limit & 0xf0000) | (access << 8) | ((base >> 16) & 0xff)
    this.view.setUint32(at + 4, high >>> 0, true)
    if ((access & ATTR_S) === 0) this.view.setBigUint64(at + 8, 0n, true)
  }

  /** A call gate or 64-bit IDT gate. */
  gate(at: number, selector: number, offset: bigint, access: number, low = 0): void {
    const o = Number(offset & 0xffffffffn)
    this.view.setUint32(at, ((selector << 16) | (o & 0xffff)) >>> 0, true)
    this.view.setUint32(at + 4, ((o & 0xffff0000) | (access << 8) | low) >>> 0, true)
    this.view.setUint32(at + 8, Number(offset >> 32n), true)
    this.view.setUint32(at + 12, 0, true)
  }
  idt64(vector: number, offset: bigint, access = 0x8e, ist = 0, selector = KERNEL_CODE): void {
    this.gate(IDT + vector * 16, selector, offset, access, ist)
  }
  idt32(vector: number, offset: number, access = 0x8e, selector = KERNEL_CODE32): void {
    const at = IDT + vector * 8
    this.view.setUint32(at, ((selector << 16) | (offset & 0xffff)) >>> 0, true)
    this.view.setUint32(at + 4, ((offset & 0xffff0000) | (access << 8)) >>> 0, true)
  }

  u64(address: number | bigint): bigint {
    return this.view.getBigUint64(Number(address), true)
  }
  u32(address: number | bigint): number {
    return this.view.getUint32(Number(address), true)
  }
  /** Pushes 64-bit values, last one lowest, as a frame for IRET or RET to pop. */
  frame(size: 2 | 4 | 8, ...values: readonly (number | bigint)[]): void {
    let at = Number(this.state.get64(RSP))
    for (const v of values) {
      if (size === 8) this.view.setBigUint64(at, BigInt(v), true)
      else if (size === 4) this.view.setUint32(at, Number(v), true)
      else this.view.setUint16(at, Number(v), true)
      at += size
    }
  }

  modeChanged(): void {}
  flushTlb(global: boolean): void {
    this.flushes.push(global)
  }
  invalidatePage(linear: bigint): void {
    this.invalidated.push(linear)
  }
  interruptsChanged(): void {}
  inhibitInterrupts(): void {
    this.inhibited++
  }
  stepAfter(): void {}
  debugHits = 0
  takeDebugHits(): number {
    const hits = this.debugHits
    this.debugHits = 0
    return hits
  }
  debugRegistersChanged(): void {
    this.breakpointChanges++
  }
  portAccessed(): void {}
  halt(): void {
    this.halts++
  }
  checkOperand(): void {}
  shutdown(cause: string): void {
    this.shutdownCause = cause
  }
  log(line: string): void {
    this.logged.push(line)
  }
  trace(): void {}
}

function fakeMemory(core: FakeCore): LinearMemory {
  const check = (linear: bigint, size: number, write: boolean, cpl: number): number => {
    for (const at of [linear, linear + BigInt(size - 1)])
      if (at >= BigInt(core.bytes.length) || core.absent.has(Number(at >> 12n))) {
        core.state.set64(CR2, at)
        throw new GuestFault(PF, (write ? 2 : 0) | (cpl === 3 ? 4 : 0))
      }
    return Number(linear)
  }
  const get = (at: number, size: number): bigint => {
    let value = 0n
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(core.bytes[at + i])
    return value
  }
  const put = (at: number, size: number, value: bigint): void => {
    for (let i = 0; i < size; i++) core.bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn)
  }
  const cpl = (): number => core.state.cpl
  return {
    read: (linear, size) => get(check(linear, size, false, cpl()), size),
    write: (linear, size, value) => put(check(linear, size, true, cpl()), size, value),
    readSystem: (linear, size) => get(check(linear, size, false, 0), size),
    writeSystem: (linear, size, value) => put(check(linear, size, true, 0), size, value),
    misaligned: () => new GuestFault(GP),
    probe: (linear, size, write) => void check(linear, size, write, cpl()),
    probeWrite: (linear, size, level) => void check(linear, size, true, level),
    readAs: (linear, size, level) => get(check(linear, size, false, level), size),
    writeAs: (linear, size, value, level) => put(check(linear, size, true, level), size, value),
    readBlock: (linear, into) => {
      const at = check(linear, into.length, false, cpl())
      into.set(core.bytes.subarray(at, at + into.length))
    },
    writeBlock: (linear, from) => core.bytes.set(from, check(linear, from.length, true, cpl())),
  }
}

/** The fault that `action` raises, as [vector, error code]. */
export function faultOf(action: () => void): readonly [number, number] | undefined {
  try {
    action()
  } catch (fault) {
    if (fault instanceof GuestFault) return [fault.vector, fault.errorCode]
    throw fault
  }
  return undefined
}
