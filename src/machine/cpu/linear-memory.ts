/**
 * Memory by linear addresses: the accesses that the engine does not do by itself (TLB misses, devices, two pages at once,
 * watched pages, alignment checks), those of system code, and a debugger's. An access answers an address or 0 with a fault
 * pending, and a write is finished by `commit` (decision 0002).
 */
import type { AccessSize, Bus } from '../bus.ts'
import { ACCESS_IS_RETRIED } from '../engine/engine.ts'
import { type Handler, Op } from '../isa/handler.ts'
import type { GuestRam } from '../ram.ts'
import type { LinearMemory } from '../semantics/core.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { AC, GP, GuestFault, PF, SSF } from '../state/fault.ts'
import {
  ACCESS,
  CodeMode,
  CR2,
  FAULT,
  FAULT_ERROR,
  RBP,
  RECORD,
  REGION_ACCESS,
  RSP,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
  STATE,
} from '../state/layout.ts'
import { REC_BASE, REC_INDEX, REC_OP2, REC_OP3, REC_XBASE, TlbContext } from '../state/record.ts'
import type { CodeFetch } from './code-fetch.ts'
import type { DebugRegisters } from './debug-registers.ts'
import type { Mode } from './mode.ts'
import type { AccessKind, Paging, Translation } from './paging.ts'
import type { Tlb } from './tlb.ts'
import { type CpuCounters, type CpuWorkings, canonical } from './workings.ts'

/** Where a prepared write goes at commit. */
const Pending = { None: 0, Device: 1, Ram: 2, Split: 3 } as const

const NO_ACCESS = 0

export class CpuMemory implements LinearMemory {
  readonly #state: CpuState
  readonly #view: DataView
  readonly #bytes: Uint8Array
  readonly #ram: GuestRam
  readonly #ramOffset: number
  readonly #bus: Bus
  readonly #handlers: readonly Handler[]
  readonly #paging: Paging
  readonly #counters: CpuCounters
  readonly #mode: Mode
  readonly #tlb: Tlb
  readonly #debug: DebugRegisters
  readonly #code: CodeFetch
  readonly #watched: Uint8Array

  // The write that commit() finishes.
  #pending: number = Pending.None
  #pendingPhysical = 0
  #pendingPhysical2 = 0
  #pendingSize = 0
  #pendingSplit = 0

  constructor(
    workings: CpuWorkings,
    mode: Mode,
    tlb: Tlb,
    debug: DebugRegisters,
    code: CodeFetch,
    watched: Uint8Array,
  ) {
    this.#state = workings.state
    this.#view = workings.view
    this.#bytes = new Uint8Array(workings.view.buffer)
    this.#ram = workings.ram
    this.#ramOffset = workings.ramOffset
    this.#bus = workings.bus
    this.#handlers = workings.handlers
    this.#paging = workings.paging
    this.#counters = workings.counters
    this.#mode = mode
    this.#tlb = tlb
    this.#debug = debug
    this.#code = code
    this.#watched = watched
  }

  #setFault(vector: number, errorCode: number): number {
    this.#state.set32(FAULT, vector + 1)
    this.#state.set32(FAULT_ERROR, errorCode)
    return NO_ACCESS
  }
  #pageFault(high: number, low: number, errorCode: number): number {
    this.#state.set32(CR2, low)
    this.#state.set32(CR2 + 4, high)
    return this.#setFault(PF, errorCode)
  }
  /** A non-canonical data address: #SS when it came by the stack, else #GP (SDM 3A §6.15). */
  #nonCanonical(high: number, low: number): number {
    return this.#setFault(this.#nonCanonicalVector(high, low), 0)
  }
  #nonCanonicalVector(high: number, low: number): number {
    const record = this.#state.get32(RECORD)
    let op = this.#code.op(record)
    let base = this.#view.getUint8(record + REC_BASE)
    const index = this.#view.getUint8(record + REC_INDEX)
    let overridden = index === SLOT_FS_BASE || index === SLOT_GS_BASE
    if (op === Op.Cross) op = this.#view.getUint16(record + REC_OP3, true)
    if (op === Op.Address64) {
      op = this.#view.getUint16(record + REC_OP2, true)
      base = this.#view.getUint8(record + REC_XBASE)
      overridden = true
    }
    const handler = this.#handlers[op - Op.First]
    const uses = handler?.facts.stack === true
    const operand = handler?.operands.find((o) => o.form === 'mem')
    if (operand === undefined) return uses ? SSF : GP
    // Near PUSH, POP and CALL of memory: which of their accesses it was, its address tells.
    const pushed = this.#state.get64(RSP) - ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))
    if (uses && operand.spec.class === 'rm' && (pushed === 0n || pushed === BigInt(handler!.bits / 8))) return SSF
    return !overridden && (base === RSP || base === RBP) ? SSF : GP
  }
  #translate(high: number, low: number, kind: AccessKind): Translation {
    return this.#paging.walk(high, low, kind, this.#mode.user, this.#mode.smapOff)
  }
  /** What is not of RAM alone a region leaves to the interpreter. */
  get #isRegions(): boolean {
    return this.#state.get32(REGION_ACCESS) !== 0
  }
  readSlow(low: number, high: number, size: number): number {
    this.#counters.slowReads++
    if (this.#mode.code === CodeMode.Bits64 && (!canonical(high) || leavesLowerHalf(high, low, size)))
      return this.#nonCanonical(high, low)
    if (this.#mode.context === TlbContext.UserAligned && (low & alignmentMask(size)) !== 0) return this.#setFault(AC, 0)
    if (this.#debug.watchesData) this.#debug.watch(high, low, size, false)
    const t = this.#translate(high, low, 'read')
    if (t.physical < 0) return this.#pageFault(high, low, t.errorCode)
    const room = 4096 - (low & 0xfff)
    if (size <= room) {
      if (t.physical + size <= this.#ram.size) {
        this.#tlb.add(t, high, low, false)
        return this.#ramOffset + t.physical
      }
      if (this.#isRegions) return ACCESS_IS_RETRIED
      this.#readPhysical(t.physical, size, STATE + ACCESS)
      return STATE + ACCESS
    }
    if (this.#isRegions) return ACCESS_IS_RETRIED
    const first = t.physical
    const low2 = (low + room) >>> 0
    const high2 = low2 === 0 && this.#mode.code === CodeMode.Bits64 ? (high + 1) >>> 0 : high
    if (this.#mode.code === CodeMode.Bits64 && !canonical(high2)) return this.#nonCanonical(high2, low2)
    const t2 = this.#translate(high2, low2, 'read')
    if (t2.physical < 0) return this.#pageFault(high2, low2, t2.errorCode)
    const second = t2.physical
    this.#readPhysical(first, room, STATE + ACCESS)
    this.#readPhysical(second, size - room, STATE + ACCESS + room)
    return STATE + ACCESS
  }
  writeSlow(low: number, high: number, size: number, modify: boolean): number {
    this.#counters.slowWrites++
    if (this.#mode.code === CodeMode.Bits64 && (!canonical(high) || leavesLowerHalf(high, low, size)))
      return this.#nonCanonical(high, low)
    if (this.#mode.context === TlbContext.UserAligned && (low & alignmentMask(size)) !== 0) return this.#setFault(AC, 0)
    if (this.#debug.watchesData) this.#debug.watch(high, low, size, true)
    const t = this.#translate(high, low, 'write')
    if (t.physical < 0) return this.#pageFault(high, low, t.errorCode)
    const room = 4096 - (low & 0xfff)
    this.#pending = Pending.None
    this.#pendingSize = size
    this.#pendingPhysical = t.physical
    if (size <= room) {
      if (t.physical + size <= this.#ram.size) {
        this.#tlb.add(t, high, low, true)
        if (this.#watched[Math.floor(this.#pendingPhysical / 4096)] === 0)
          return this.#ramOffset + this.#pendingPhysical
        this.#pending = Pending.Ram
      } else this.#pending = Pending.Device
      if (this.#isRegions) return ACCESS_IS_RETRIED
      if (modify) this.#readPhysical(this.#pendingPhysical, size, STATE + ACCESS)
      return STATE + ACCESS
    }
    if (this.#isRegions) return ACCESS_IS_RETRIED
    const low2 = (low + room) >>> 0
    const high2 = low2 === 0 && this.#mode.code === CodeMode.Bits64 ? (high + 1) >>> 0 : high
    if (this.#mode.code === CodeMode.Bits64 && !canonical(high2)) return this.#nonCanonical(high2, low2)
    const t2 = this.#translate(high2, low2, 'write')
    if (t2.physical < 0) return this.#pageFault(high2, low2, t2.errorCode)
    this.#pendingPhysical2 = t2.physical
    this.#pendingSplit = room
    this.#pending = Pending.Split
    if (modify) {
      this.#readPhysical(this.#pendingPhysical, room, STATE + ACCESS)
      this.#readPhysical(this.#pendingPhysical2, size - room, STATE + ACCESS + room)
    }
    return STATE + ACCESS
  }
  /** Finishes a write whose bytes stand in ACCESS. */
  commit(): void {
    const pending = this.#pending
    this.#pending = Pending.None
    if (pending === Pending.None) return
    if (pending === Pending.Split) {
      this.#writePhysical(this.#pendingPhysical, this.#pendingSplit, STATE + ACCESS)
      this.#writePhysical(
        this.#pendingPhysical2,
        this.#pendingSize - this.#pendingSplit,
        STATE + ACCESS + this.#pendingSplit,
      )
    } else this.#writePhysical(this.#pendingPhysical, this.#pendingSize, STATE + ACCESS)
  }
  /** Copies guest-physical bytes, RAM or devices, to machine address `to`. Does not cross a page. */
  #readPhysical(physical: number, size: number, to: number): void {
    if (physical + size <= this.#ram.size) {
      for (let i = 0; i < size; i++) this.#bytes[to + i] = this.#ram.bytes[physical + i]
      return
    }
    for (let i = 0; i < size; ) {
      const n = deviceAccess(physical + i, size - i)
      const value = this.#bus.read(physical + i, n)
      for (let j = 0; j < n; j++) this.#bytes[to + i + j] = (value >>> (8 * j)) & 0xff
      i += n
    }
  }
  #writePhysical(physical: number, size: number, from: number): void {
    if (physical + size <= this.#ram.size) {
      for (let i = 0; i < size; i++) this.#ram.bytes[physical + i] = this.#bytes[from + i]
      const page = Math.floor(physical / 4096)
      if (this.#watched[page] === 1) {
        this.#code.overwritten(page, physical & 0xfff, size)
      }
      return
    }
    for (let i = 0; i < size; ) {
      const n = deviceAccess(physical + i, size - i)
      let value = 0
      for (let j = 0; j < n; j++) value |= this.#bytes[from + i + j] << (8 * j)
      this.#bus.write(physical + i, n, value >>> 0)
      i += n
    }
  }

  // LinearMemory, for system code.

  /** Guest-physical address of a byte for system code; throws the fault. `explicit`: the instruction's own operand. */
  #physical(linear: bigint, kind: AccessKind, user: boolean, smapOff: boolean, explicit = false): number {
    const low = Number(linear & 0xffffffffn)
    const high = Number((linear >> 32n) & 0xffffffffn)
    if (this.#state.longMode && !canonical(high))
      throw new GuestFault(explicit ? this.#nonCanonicalVector(high, low) : GP)
    const t = this.#paging.walk(high, low, kind, user, smapOff)
    if (t.physical < 0) {
      this.#state.set32(CR2, low)
      this.#state.set32(CR2 + 4, high)
      throw new GuestFault(PF, t.errorCode)
    }
    return t.physical
  }
  #readLinear(linear: bigint, size: number, user: boolean, smapOff: boolean): bigint {
    const room = 4096 - Number(linear & 0xfffn)
    const at = STATE + ACCESS
    const first = this.#physical(linear, 'read', user, smapOff)
    if (size <= room) {
      if (first + 8 <= this.#ram.size) {
        if (size === 8) return this.#ram.readU64(first)
        if (size === 4) return BigInt(this.#ram.readU32(first))
      }
      this.#readPhysical(first, size, at)
    } else {
      const second = this.#physical(BigInt.asUintN(64, linear + BigInt(room)), 'read', user, smapOff)
      this.#readPhysical(first, room, at)
      this.#readPhysical(second, size - room, at + room)
    }
    return BigInt.asUintN(size * 8, this.#view.getBigUint64(at, true))
  }
  #writeLinear(linear: bigint, size: number, value: bigint, user: boolean, smapOff: boolean): void {
    const room = 4096 - Number(linear & 0xfffn)
    const first = this.#physical(linear, 'write', user, smapOff)
    const second = size <= room ? -1 : this.#physical(BigInt.asUintN(64, linear + BigInt(room)), 'write', user, smapOff)
    const at = STATE + ACCESS
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), true)
    this.#writePhysical(first, Math.min(size, room), at)
    if (second >= 0) this.#writePhysical(second, size - room, at + room)
  }
  /** What an instruction's own access meets besides paging: alignment checks and data breakpoints. */
  #explicit(linear: bigint, size: number, write: boolean): void {
    if (this.#mode.context === TlbContext.UserAligned && (Number(linear & 7n) & (size - 1)) !== 0)
      throw new GuestFault(AC)
    if (this.#debug.watchesData)
      this.#debug.watch(Number((linear >> 32n) & 0xffffffffn), Number(linear & 0xffffffffn), size, write)
  }
  read(linear: bigint, size: 1 | 2 | 4 | 8): bigint {
    this.#explicit(linear, size, false)
    return this.#readLinear(linear, size, this.#mode.user, this.#mode.smapOff)
  }
  write(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void {
    this.#explicit(linear, size, true)
    this.#writeLinear(linear, size, value, this.#mode.user, this.#mode.smapOff)
  }
  readSystem(linear: bigint, size: 1 | 2 | 4 | 8): bigint {
    return this.#readLinear(linear, size, false, false)
  }
  writeSystem(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void {
    this.#writeLinear(linear, size, value, false, false)
  }
  readAs(linear: bigint, size: 1 | 2 | 4 | 8, cpl: number): bigint {
    return this.#readLinear(linear, size, cpl === 3, false)
  }
  writeAs(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint, cpl: number): void {
    this.#writeLinear(linear, size, value, cpl === 3, false)
  }
  readBlock(linear: bigint, into: Uint8Array): void {
    into.fill(0xff)
    this.#block(linear, into.length, 'read', (physical, offset, n) => {
      into.set(this.#ram.bytes.subarray(physical, physical + n), offset)
    })
  }
  writeBlock(linear: bigint, from: Uint8Array): void {
    this.#block(linear, from.length, 'write', (physical, offset, n) =>
      this.#ram.write(physical, from.subarray(offset, offset + n)),
    )
  }
  /** At most two pages, both translated before anything is copied. Devices have no blocks: ones, and nothing. */
  #block(
    linear: bigint,
    length: number,
    kind: AccessKind,
    copy: (physical: number, offset: number, n: number) => void,
  ): void {
    // Of blocks only FPU environments are subject to alignment checks (table 6-7; FXSAVE may be).
    const alignment = length === 28 || length === 108 ? 3 : length === 14 || length === 94 ? 1 : 0
    if (this.#mode.context === TlbContext.UserAligned && (Number(linear & 7n) & alignment) !== 0)
      throw new GuestFault(AC)
    if (this.#debug.watchesData)
      this.#debug.watch(Number((linear >> 32n) & 0xffffffffn), Number(linear & 0xffffffffn), length, kind === 'write')
    const room = Math.min(length, 4096 - Number(linear & 0xfffn))
    const first = this.#physical(linear, kind, this.#mode.user, this.#mode.smapOff, true)
    const second =
      room === length
        ? 0
        : this.#physical(BigInt.asUintN(64, linear + BigInt(room)), kind, this.#mode.user, this.#mode.smapOff, true)
    if (first + room <= this.#ram.size) copy(first, 0, room)
    if (room < length && second + length - room <= this.#ram.size) copy(second, room, length - room)
  }
  misaligned(linear: bigint): GuestFault {
    const high = Number((linear >> 32n) & 0xffffffffn)
    return new GuestFault(
      this.#state.longMode && !canonical(high) ? this.#nonCanonicalVector(high, Number(linear & 0xffffffffn)) : GP,
    )
  }
  probe(linear: bigint, size: number, write: boolean): void {
    const kind = write ? 'write' : 'read'
    const room = 4096 - Number(linear & 0xfffn)
    this.#physical(linear, kind, this.#mode.user, this.#mode.smapOff, true)
    if (size > room)
      this.#physical(BigInt.asUintN(64, linear + BigInt(room)), kind, this.#mode.user, this.#mode.smapOff, true)
  }
  probeWrite(linear: bigint, size: number, cpl: number): void {
    this.#physical(linear, 'write', cpl === 3, false)
    const last = BigInt.asUintN(64, linear + BigInt(size - 1))
    if (last >> 12n !== linear >> 12n) this.#physical(last & ~0xfffn, 'write', cpl === 3, false)
  }
  /** Bytes at a linear address as a debugger sees them: nothing changes. Answers how many there were. */
  peek(linear: bigint, into: Uint8Array): number {
    let done = 0
    while (done < into.length) {
      const at = BigInt.asUintN(64, linear + BigInt(done))
      const physical = this.#paging.peek(at)
      const length = Math.min(into.length - done, 4096 - Number(at & 0xfffn))
      if (physical < 0 || physical + length > this.#ram.size) break
      into.set(this.#ram.bytes.subarray(physical, physical + length), done)
      done += length
    }
    return done
  }
  /** Likewise, bytes put there: RAM alone, whatever the rights; decoded code is forgotten. */
  poke(linear: bigint, from: Uint8Array): number {
    let done = 0
    while (done < from.length) {
      const at = BigInt.asUintN(64, linear + BigInt(done))
      const physical = this.#paging.peek(at)
      const length = Math.min(from.length - done, 4096 - Number(at & 0xfffn))
      if (physical < 0 || physical + length > this.#ram.size) break
      this.#ram.write(physical, from.subarray(done, done + length))
      done += length
    }
    return done
  }
}

/** An access that begins below the hole in the middle of the address space and ends in it. */
const leavesLowerHalf = (high: number, low: number, size: number): boolean =>
  high === 0x7fff && (low >>> 0) + size > 0x100000000

/** What RFLAGS.AC demands of an operand's address (SDM 3A table 6-7): tbyte as qword, far pointers without the selector. */
const alignmentMask = (size: number): number => (size === 10 ? 7 : size === 6 ? 3 : size - 1)

/** The largest naturally aligned device access at `address` within `left` bytes. */
const deviceAccess = (address: number, left: number): AccessSize => {
  if (left >= 4 && (address & 3) === 0) return 4
  if (left >= 2 && (address & 1) === 0) return 2
  return 1
}
