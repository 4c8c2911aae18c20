/**
 * The language in which an instruction's meaning is written. A meaning is a function of a Builder and its operands; it
 * is run once per handler, when the engine is generated, and emits WebAssembly.
 *
 * Integers are i64 throughout, zero-extended from the operand size; a result may carry garbage above the operand size,
 * which `write` drops. Host processors do 64-bit arithmetic as fast as 32-bit, and one type keeps meanings short.
 *
 * Order in a meaning: read operands (loads may fault), compute, store to memory (may fault), then change registers and
 * flags. A fault leaves the handler at once, so nothing before it may have changed state.
 */
import { i32, i64, v128 } from '../../wasm/instructions.ts'
import { call, type FunctionBuilder, type FunctionRef, type Local } from '../../wasm/module.ts'
import type { Code, I32, I64, V128, Value, ValueType } from '../../wasm/value.ts'
import { CALL_EVENT_BYTES, CallEventKind } from '../call-event.ts'
import type { HostName } from '../semantics/host.ts'
import { FLAGS_DF } from '../state/flags.ts'
import {
  CS,
  FAULT,
  FAULT_ERROR,
  FETCH_FAULT,
  FLAGS_AUX,
  FLAGS_CC,
  FLAGS_RES,
  FPR,
  FPU_BLOCKED,
  RECORD_PAGE,
  RFLAGS_SYSTEM,
  RSP,
  SCRATCH,
  SEGMENT_CLEAR,
  SLOT_PAGE,
  SLOT_SEGMENT_BASE,
  SS,
  STACK_MASK,
  STATE,
  STATE_BYTES,
  TLB_BASE,
  TRACE_END,
  TRACE_HEAD,
  XMM,
} from '../state/layout.ts'
import {
  REC_BASE,
  REC_DISP,
  REC_IMM,
  REC_INDEX,
  REC_NEXT,
  REC_SCALE,
  REC_SEGMENT,
  REC_WIDTH,
  RECORD_SHIFT,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_WRITE,
  TRACE_RING_END,
} from '../state/record.ts'

export type Bits = 8 | 16 | 32 | 64

/** Functions of the generated module and its imports that handlers call. */
export interface EngineFunctions {
  /** (ea, size) -> machine address to read from, 0 when a fault is pending. */
  readonly slowRead: FunctionRef
  /** (ea, size) -> machine address to write to, 0 when a fault is pending; then `commit`. */
  readonly slowWrite: FunctionRef
  /** As slowWrite, and the bytes there now are the memory's (read-modify-write). */
  readonly slowModify: FunctionRef
  /** (address): finishes a write that slowWrite or slowModify prepared. */
  readonly commit?: FunctionRef
  /** (linear target) -> record, 0 when a fault is pending. */
  readonly enter: FunctionRef
  /** (function number, record) -> 0 fault, 1 go on at the next instruction, else the record to go on at. */
  readonly host: FunctionRef
  /** The number of a TypeScript function. */
  readonly hostNumber: (name: HostName) => number
  /** () empties the ring of call events; undefined in the untraced flavour, which has no trace code at all. */
  readonly traceFull: FunctionRef | undefined
}

export type SlowAccess = 'slowRead' | 'slowWrite' | 'slowModify'

/**
 * How a meaning reaches its instruction's fields and the registers. The interpreter reads both from memory, the
 * translator knows the fields and keeps registers in locals.
 */
export interface InstructionAccess {
  /** A byte of the record. */
  field8(offset: number): I32
  /** The immediate, sign-extended to 64 bits. */
  imm(): I64
  /** The 64-bit immediate or absolute address. */
  imm64(): I64
  /** A general register by its constant slot (RAX...), zero-extended from `bits`. */
  gpr(slot: number, bits: Bits): I64
  setGpr(slot: number, value: I64, bits: Bits): void
  /** Likewise by the slot in a record field. */
  gprIn(field: number, bits: Bits): I64
  setGprIn(field: number, value: I64, bits: Bits): void
  /** One of the three flag words. */
  flagWord(offset: number): I64
  setFlagWord(offset: number, value: I64): void
  /** Carries and corrections 0. */
  clearCarries(): void
  /** Linear address of the memory operand. */
  effectiveAddress(): I64
  /** Address of the TLB context in force. */
  tlbBase(): I32
  /** Linear address of the following instruction, and of the target of a branch inside the page. */
  nextLinear(): I64
  targetLinear(): I64
}

/** How a handler is embedded: inline in the dispatch loop, a function of its own, or in a translated region. */
export interface Embedding extends InstructionAccess {
  readonly f: FunctionBuilder
  readonly record: I32
  /** Leaves with a fault pending. */
  fault(): void
  /** Sets `address` to the machine address that TypeScript gives for an access, or leaves with a fault pending. */
  slow(address: Local<'i32'>, access: SlowAccess, linear: I64, bytes: number): void
  /** Finishes a write that slowWrite or slowModify prepared; undefined where such a write is never prepared. */
  readonly commit: ((address: I32) => void) | undefined
  /** Saves what TypeScript must see (record, budget) before a call out, and takes it back after. */
  beforeCall(): void
  afterCall(): void
  /** Likewise before and after a TypeScript function that sees and changes the whole state. */
  beforeHost(): void
  afterHost(): void
  /** Continues at the target of a branch inside the page. */
  gotoTarget(): void
  /** Continues at a linear address, or leaves with a fault pending. */
  gotoLinear(target: I64): void
  /** Continues at the record in `record`. */
  goto(record: I32): void
  /** As goto; a record of 0 leaves with a fault pending. */
  gotoOrFault(record: I32): void
  /** Continues with the following instruction. */
  next(): void
  /** Instructions left in this slice: REP uses it up by iterations. */
  budget(): I32
  spend(instructions: I32): void
}

export const k = (value: number | bigint): I64 =>
  typeof value === 'bigint' || value !== (value | 0) ? i64.const(BigInt(value)) : i64.small(value)

/** Fields in the record at `record`, registers in CpuState. */
export const fromRecord = (f: FunctionBuilder, record: I32): InstructionAccess => {
  const linear = (at: I32): I64 =>
    i64.add(
      state.load64(SLOT_PAGE),
      i64.extend_i32_u(i32.shr_u(i32.sub(at, state.load32(RECORD_PAGE)), i32.const(RECORD_SHIFT))),
    )
  const field8 = (offset: number): I32 => i32.load8_u(record, offset)
  return {
    field8,
    imm: () => i64.load32_s(record, REC_IMM),
    imm64: () => i64.load(record, REC_DISP),
    gpr: (slot, bits) => loadInt(i32.const(0), bits, STATE + slot),
    setGpr: (slot, value, bits) => f.emit(storeGpr(i32.const(0), slot, value, bits)),
    gprIn: (field, bits) => loadInt(field8(field), bits, STATE),
    setGprIn: (field, value, bits) => f.emit(storeGpr(field8(field), 0, value, bits)),
    flagWord: (offset) => state.load64(offset),
    setFlagWord: (offset, value) => f.emit(state.store64(offset, value)),
    clearCarries: () => f.emit(v128.store(i32.const(0), v128.const(new Array(16).fill(0)), STATE + FLAGS_CC)),
    effectiveAddress: () => {
      const base = i64.load(field8(REC_BASE), STATE)
      const index = i64.shl(i64.load(field8(REC_INDEX), STATE), i64.load8_u(record, REC_SCALE))
      return i64.add(i64.add(base, index), i64.load32_s(record, REC_DISP))
    },
    tlbBase: () => state.load32(TLB_BASE),
    nextLinear: () => linear(i32.add(record, i32.load16_u(record, REC_NEXT))),
    targetLinear: () => linear(i32.add(record, i32.load(record, REC_IMM))),
  }
}
/** All ones of an operand size. */
export const maskOf = (bits: Bits): bigint => (1n << BigInt(bits)) - 1n

/** Reads and writes CpuState at a constant offset. */
export const state = {
  load32: (offset: number): I32 => i32.load(i32.const(0), STATE + offset),
  store32: (offset: number, value: I32): Code => i32.store(i32.const(0), value, STATE + offset),
  load64: (offset: number): I64 => i64.load(i32.const(0), STATE + offset),
  store64: (offset: number, value: I64): Code => i64.store(i32.const(0), value, STATE + offset),
}

export type Condition =
  | 'O'
  | 'NO'
  | 'B'
  | 'AE'
  | 'E'
  | 'NE'
  | 'BE'
  | 'A'
  | 'S'
  | 'NS'
  | 'P'
  | 'NP'
  | 'L'
  | 'GE'
  | 'LE'
  | 'G'
/** In the encoding's order (SDM 1 appendix B). */
export const CONDITIONS: readonly Condition[] = [
  'O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G',
] // biome-ignore format: one line shows the encoding

export class Builder {
  readonly f: FunctionBuilder
  readonly at: Embedding
  readonly functions: EngineFunctions
  /** Operand size of the instruction. */
  readonly bits: Bits
  /** Whether this handler runs in 64-bit mode. Only meanings marked modal may ask. */
  readonly long: boolean
  /** Set when the meaning has said where execution continues. */
  branched = false

  constructor(at: Embedding, functions: EngineFunctions, bits: Bits, long: boolean) {
    this.at = at
    this.f = at.f
    this.functions = functions
    this.bits = bits
    this.long = long
  }

  let<T extends ValueType>(value: Value<T>) {
    return this.f.let(value)
  }

  // ── record fields ──────────────────────────────────────────────────────────────────────────────────────────────────

  field8(offset: number): I32 {
    return this.at.field8(offset)
  }
  /** The immediate, sign-extended to 64 bits. */
  imm(): I64 {
    return this.at.imm()
  }
  /** The 64-bit immediate or absolute address. */
  imm64(): I64 {
    return this.at.imm64()
  }

  // ── integers ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sign-extends from the operand size. */
  sext(value: I64, bits: Bits = this.bits): I64 {
    switch (bits) {
      case 8:
        return i64.extend8_s(value)
      case 16:
        return i64.extend16_s(value)
      case 32:
        return i64.extend32_s(value)
      case 64:
        return value
    }
  }
  /** Drops what is above the operand size. */
  trunc(value: I64, bits: Bits = this.bits): I64 {
    return bits === 64 ? value : i64.and(value, k(maskOf(bits)))
  }

  // ── registers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A general register by its constant slot (RAX...). */
  gpr(slot: number, bits: Bits = this.bits): I64 {
    return this.at.gpr(slot, bits)
  }
  setGpr(slot: number, value: I64, bits: Bits = this.bits): void {
    this.at.setGpr(slot, value, bits)
  }

  // ── flags (state/flags.ts explains the three words) ──────────────────────────────────────────────────────────────────

  #setFlags(res: I64, cc: I64, aux: I64): void {
    this.at.setFlagWord(FLAGS_RES, res)
    this.at.setFlagWord(FLAGS_CC, cc)
    this.at.setFlagWord(FLAGS_AUX, aux)
  }
  /** Flags of sum = x + y (+ carry). */
  flagsAdd(x: I64, y: I64, sum: I64): void {
    const carries =
      this.bits === 64
        ? i64.or(i64.and(x, y), i64.and(i64.or(x, y), i64.xor(sum, k(-1))))
        : i64.shl(i64.xor(i64.xor(x, y), sum), k(63 - this.bits))
    this.#setFlags(this.sext(sum), carries, i64.and(i64.xor(i64.xor(x, y), sum), k(0x10)))
  }
  /** Flags of difference = x - y (- borrow). */
  flagsSub(x: I64, y: I64, difference: I64): void {
    const notX = i64.xor(x, k(-1))
    const borrows =
      this.bits === 64
        ? i64.or(i64.and(notX, y), i64.and(i64.or(notX, y), difference))
        : i64.shl(i64.xor(i64.xor(x, y), difference), k(63 - this.bits))
    this.#setFlags(this.sext(difference), borrows, i64.and(i64.xor(i64.xor(x, y), difference), k(0x10)))
  }
  /** Flags of a logical operation: CF = OF = AF = 0. */
  flagsLogic(result: I64): void {
    this.at.setFlagWord(FLAGS_RES, this.sext(result))
    this.at.clearCarries()
  }
  /** Flags of x + 1 = `result` or x - 1 = `result`, CF kept; `overflows` is the one result, sign-extended, that sets OF. */
  flagsStep(x: I64, result: I64, overflows: bigint): void {
    const signed = this.let(this.sext(result))
    const carry = this.let(i64.and(this.at.flagWord(FLAGS_CC), k(-1n << 63n)))
    const of = i64.shl(i64.extend_i32_u(i64.eq(signed, k(overflows))), k(62))
    this.#setFlags(
      signed,
      i64.or(carry, i64.xor(i64.shr_u(carry, k(1)), of)),
      i64.and(i64.xor(i64.xor(x, k(1)), result), k(0x10)),
    )
  }
  /** Result flags from `result`; CF and OF given as i64 0 or 1; AF = 0 unless given. */
  flagsResult(result: I64, cf: I64, of: I64, af?: I64): void {
    this.#setFlags(this.sext(result), this.#cc(cf, of), af === undefined ? k(0) : i64.shl(af, k(4)))
  }
  /** Result flags, and the CC word itself. */
  flagsResultCc(result: I64, cc: I64): void {
    this.#setFlags(this.sext(result), cc, k(0))
  }
  #cc(cf: I64, of: I64): I64 {
    return i64.or(i64.shl(cf, k(63)), i64.shl(i64.and(i64.xor(cf, of), k(1)), k(62)))
  }
  /** CF alone. OF is kept. */
  setCarry(cf: I64): void {
    const old = this.let(this.at.flagWord(FLAGS_CC))
    // Flip both top bits when CF changes: OF is their difference.
    const flip = i64.and(i64.sub(k(0), i64.xor(i64.shr_u(old, k(63)), cf)), k(0xc000000000000000n))
    this.at.setFlagWord(FLAGS_CC, i64.xor(old, flip))
  }
  /** CF and OF, the others kept. */
  setCarryOverflow(cf: I64, of: I64): void {
    this.at.setFlagWord(FLAGS_CC, this.#cc(cf, of))
  }
  /** ZF alone, as `zf` (i64 0 or 1); SF and PF, AF, CF, OF keep their values. */
  setZero(zf: I64): void {
    const sf = this.let(i64.extend_i32_u(this.condition('S')))
    const pf = this.let(i64.extend_i32_u(this.condition('P')))
    const z = this.let(zf)
    const af = i64.and(this.at.flagWord(FLAGS_AUX), k(0x10))
    // As CpuState.rflags does it: RES is 0 or 1, the inversion bits say the rest.
    const aux = this.let(i64.or(i64.or(af, i64.shl(sf, k(7))), i64.shl(i64.xor(pf, z), k(2))))
    this.at.setFlagWord(FLAGS_RES, i64.xor(z, k(1)))
    this.at.setFlagWord(FLAGS_AUX, aux)
  }
  /** All six, each i64 0 or 1 (COMISS, PTEST, PCMPxSTRx). */
  setFlags(of: I64, sf: I64, zf: I64, af: I64, pf: I64, cf: I64): void {
    const z = this.let(zf)
    const aux = i64.or(i64.or(i64.shl(af, k(4)), i64.shl(sf, k(7))), i64.shl(i64.xor(pf, z), k(2)))
    this.#setFlags(i64.xor(z, k(1)), this.#cc(cf, of), aux)
  }
  /** CF as i64 0 or 1. */
  carry(): I64 {
    return i64.shr_u(this.at.flagWord(FLAGS_CC), k(63))
  }
  directionFlag(): I32 {
    return i32.and(state.load32(RFLAGS_SYSTEM), i32.const(FLAGS_DF))
  }

  /** A condition code as i32 0 or 1. */
  condition(code: Condition): I32 {
    const res = this.at.flagWord(FLAGS_RES)
    const cc = this.at.flagWord(FLAGS_CC)
    const aux = this.at.flagWord(FLAGS_AUX)
    const zero = k(0)
    const signBit = i64.xor(res, i64.shl(aux, k(56)))
    const overflowBit = i64.xor(cc, i64.shl(cc, k(1)))
    const lessBit = i64.xor(signBit, overflowBit)
    switch (code) {
      case 'O':
        return i64.lt_s(overflowBit, zero)
      case 'NO':
        return i64.ge_s(overflowBit, zero)
      case 'B':
        return i64.lt_s(cc, zero)
      case 'AE':
        return i64.ge_s(cc, zero)
      case 'E':
        return i64.eqz(res)
      case 'NE':
        return i64.ne(res, zero)
      case 'BE':
        return i32.or(i64.lt_s(cc, zero), i64.eqz(res))
      case 'A':
        return i32.and(i64.ge_s(cc, zero), i64.ne(res, zero))
      case 'S':
        return i64.lt_s(signBit, zero)
      case 'NS':
        return i64.ge_s(signBit, zero)
      case 'P':
        return i32.xor(this.#parityOdd(res, aux), i32.const(1))
      case 'NP':
        return this.#parityOdd(res, aux)
      case 'L':
        return i64.lt_s(lessBit, zero)
      case 'GE':
        return i64.ge_s(lessBit, zero)
      case 'LE':
        return i32.or(i64.lt_s(lessBit, zero), i64.eqz(res))
      case 'G':
        return i32.and(i64.ge_s(lessBit, zero), i64.ne(res, zero))
    }
  }
  #parityOdd(res: I64, aux: I64): I32 {
    const ones = i64.popcnt(i64.and(res, k(0xff)))
    return i32.and(i32.wrap_i64(i64.xor(ones, i64.shr_u(aux, k(2)))), i32.const(1))
  }

  // ── memory ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Linear address of the record's memory operand. */
  effectiveAddress(): I64 {
    return this.at.effectiveAddress()
  }

  /**
   * Machine address of `bytes` bytes at linear address `ea` for reading, or a fault. The address is good for the rest of
   * this instruction unless another slow access follows.
   */
  readAddress(ea: I64, bytes: number): I32 {
    return this.#translate(ea, bytes, 0, 'slowRead')
  }
  /** Address of the TLB entry, in the context in force, for the page of a linear address's low half. */
  tlbEntry(low: I32): I32 {
    const offset = i32.and(i32.shr_u(low, i32.const(8)), i32.const((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES))
    return this.let(i32.add(this.at.tlbBase(), offset))
  }
  #translate(ea: I64, bytes: number, array: number, slow: SlowAccess): I32 {
    const address = this.f.local('i32')
    const linear = this.let(ea)
    const low = this.let(i32.wrap_i64(linear))
    const entry = this.tlbEntry(low)
    const last = bytes === 1 ? linear : i64.add(linear, k(bytes - 1))
    this.f.if(
      i64.eq(i64.load(entry, array), i64.and(last, k(-4096))),
      () => this.f.set(address, i32.add(low, i32.load(entry, array + 8))),
      () => this.at.slow(address, slow, linear, bytes),
    )
    return address
  }
  load(ea: I64, bits: Bits = this.bits): I64 {
    const address = this.readAddress(ea, bits / 8)
    return this.let(loadInt(address, bits))
  }
  load128(ea: I64): V128 {
    return this.let(v128.load(this.readAddress(ea, 16)))
  }
  /** Stores through `put(address)`, which writes `bytes` bytes. */
  storeWith(ea: I64, bytes: number, put: (address: I32) => Code): void {
    const linear = this.let(ea)
    const low = this.let(i32.wrap_i64(linear))
    const entry = this.tlbEntry(low)
    const last = bytes === 1 ? linear : i64.add(linear, k(bytes - 1))
    const address = this.f.local('i32')
    this.f.if(
      i64.eq(i64.load(entry, TLB_WRITE), i64.and(last, k(-4096))),
      () => this.f.emit(put(i32.add(low, i32.load(entry, TLB_WRITE + 8)))),
      () => {
        this.at.slow(address, 'slowWrite', linear, bytes)
        this.f.emit(put(address))
        this.at.commit?.(address)
      },
    )
  }
  store(ea: I64, value: I64, bits: Bits = this.bits): void {
    const v = this.let(value)
    this.storeWith(ea, bits / 8, (address) => storeInt(address, v, bits))
  }
  store128(ea: I64, value: V128): void {
    const v = this.let(value)
    this.storeWith(ea, 16, (address) => v128.store(address, v))
  }
  /**
   * Read-modify-write of `bytes` bytes at `ea`: write permission is had before anything changes. `modify` may read and
   * write at the address, and must not fault after writing.
   */
  modify(ea: I64, bytes: number, modify: (address: I32) => void): void {
    const address = this.#translate(ea, bytes, TLB_WRITE, 'slowModify')
    modify(address)
    this.finishModify(address)
  }
  /** Faults if a write of `bytes` bytes at `ea` would; writes nothing. */
  probeWrite(ea: I64, bytes: number): void {
    this.#translate(ea, bytes, TLB_WRITE, 'slowWrite')
  }
  modifyAddress(ea: I64, bytes: number): I32 {
    return this.#translate(ea, bytes, TLB_WRITE, 'slowModify')
  }
  finishModify(address: I32): void {
    const { commit } = this.at
    if (commit !== undefined) this.f.if(i32.lt_u(address, i32.const(STATE + STATE_BYTES)), () => commit(address))
  }

  // ── stack ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Linear address of `bytes` bytes at stack pointer `sp` (already masked in legacy modes). */
  stackLinear(sp: I64, bytes: number, write: boolean): I64 {
    if (this.long) return sp
    const at = this.let(sp)
    this.checkLimit(SS, at, bytes, write)
    return i64.and(i64.add(state.load64(SLOT_SEGMENT_BASE + SS * 8), at), k(0xffffffff))
  }
  /** Whether `offset` in a segment needs no limit check; only in legacy modes. */
  isClear(segment: I32, offset: I64): I32 {
    return i64.lt_u(offset, i64.load(i32.shl(segment, i32.const(3)), STATE + SEGMENT_CLEAR))
  }
  /** Legacy modes: #SS or #GP when `bytes` bytes at `offset` are not in the segment. Uses SCRATCH. */
  checkLimit(segment: number, offset: I64, bytes: number, write: boolean): void {
    this.f.if(i32.eqz(this.isClear(i32.const(segment), offset)), () => {
      const what = segment | (bytes << 8) | ((write ? 1 : 0) << 16)
      this.f.emit([state.store64(SCRATCH, offset), state.store64(SCRATCH + 8, k(what))])
      this.host('checkLimit')
    })
  }
  /** Legacy modes: the operand at linear `ea`, whose segment let it be read, is to be written after all. Uses SCRATCH. */
  checkWrite(ea: I64, bytes: number): void {
    this.f.if(this.field8(REC_WIDTH), () => {
      this.f.emit([state.store64(SCRATCH + 48, ea), state.store64(SCRATCH + 56, k(bytes))])
      this.host('checkWrite')
    })
  }
  /**
   * `by` bytes from linear `ea`, the record's operand, as if they were in its displacement: cut to the address size with
   * it, before the segment's base. Uses SCRATCH.
   */
  displaced(ea: I64, by: I64): I64 {
    const to = this.f.local('i64')
    const from = this.let(ea)
    const distance = this.let(by)
    this.f.if(
      this.field8(REC_WIDTH),
      () => {
        this.f.emit([state.store64(SCRATCH + 48, from), state.store64(SCRATCH + 56, distance)])
        this.host('displace')
        this.f.set(to, state.load64(SCRATCH + 48))
      },
      () => this.f.set(to, i64.add(from, distance)),
    )
    return to
  }
  /** Legacy modes: as the operand at linear `address` was checked, for where `moved` bytes further on. Uses SCRATCH. */
  checkMoved(address: I64, moved: I64): void {
    const segment = this.field8(REC_SEGMENT)
    const base = i64.load(i32.shl(segment, i32.const(3)), STATE + SLOT_SEGMENT_BASE)
    const offset = this.let(i64.and(i64.sub(address, base), k(0xffffffff)))
    this.f.if(i32.eqz(this.isClear(segment, i64.and(i64.add(offset, moved), k(0xffffffff)))), () => {
      this.f.emit(state.store64(SCRATCH, offset))
      this.host('checkSegment')
    })
  }
  /** RSP, ESP or SP as the stack segment has it. */
  stackPointer(): I64 {
    return this.long ? this.gpr(RSP, 64) : i64.and(this.gpr(RSP, 64), state.load64(STACK_MASK))
  }
  /** `sp` moved by `by` bytes, wrapped at the stack's width. */
  stackMoved(sp: I64, by: I64): I64 {
    return this.long ? i64.add(sp, by) : i64.and(i64.add(sp, by), state.load64(STACK_MASK))
  }
  setStackPointer(sp: I64): void {
    if (this.long) this.setGpr(RSP, sp, 64)
    else {
      const mask = this.let(state.load64(STACK_MASK))
      this.setGpr(RSP, i64.or(i64.and(this.gpr(RSP, 64), i64.xor(mask, k(-1))), i64.and(sp, mask)), 64)
    }
  }
  /** Moves the stack pointer by `bits` and writes `written` of them. */
  push(value: I64, bits: Bits = this.bits, written: Bits = bits): void {
    const v = this.let(value)
    const sp = this.let(this.stackMoved(this.stackPointer(), k(-bits / 8)))
    this.store(this.stackLinear(sp, written / 8, true), v, written)
    this.setStackPointer(sp)
  }
  /** The value at the top of the stack; RSP moves when `popped` is called, so that a fault in between changes nothing. */
  top(bits: Bits = this.bits): I64 {
    return this.load(this.stackLinear(this.stackPointer(), bits / 8, false), bits)
  }
  popped(bytes: number | I64): void {
    this.setStackPointer(this.stackMoved(this.stackPointer(), typeof bytes === 'number' ? k(bytes) : bytes))
  }

  // ── control transfer ───────────────────────────────────────────────────────────────────────────────────────────────

  #csBase(): I64 {
    return state.load64(SLOT_SEGMENT_BASE + CS * 8)
  }
  /** RIP (EIP, IP) of the following instruction. */
  nextIp(): I64 {
    const linear = this.at.nextLinear()
    return this.long ? linear : i64.and(i64.sub(linear, this.#csBase()), k(0xffffffff))
  }
  /** Continues at instruction pointer `ip`, cut to the operand size. */
  branchTo(ip: I64, bits: Bits = this.bits): void {
    const target = this.long
      ? this.trunc(ip, bits)
      : i64.and(i64.add(this.#csBase(), this.trunc(ip, bits)), k(0xffffffff))
    this.at.gotoLinear(target)
    this.branched = true
  }
  /** Continues at a relative branch's target. */
  branchRelative(target: { readonly form: string }): void {
    if (target.form === 'relpage') {
      this.at.gotoTarget()
      this.branched = true
    } else this.branchTo(i64.add(this.nextIp(), this.imm()))
  }
  /** A call has pushed its return address and goes to `ip`. */
  traceCall(ip: () => I64): void {
    this.#trace(CallEventKind.Call, ip)
  }
  /** A near return to `ip` has popped its address. */
  traceReturn(ip: I64): void {
    this.#trace(CallEventKind.Return, () => ip)
  }
  /** Instruction pointer that a relative branch goes to. */
  relativeTarget(target: { readonly form: string }): I64 {
    if (target.form !== 'relpage') return i64.add(this.nextIp(), this.imm())
    const linear = this.at.targetLinear()
    return this.long ? linear : i64.and(i64.sub(linear, this.#csBase()), k(0xffffffff))
  }
  /** Appends a call event (call-event.ts). */
  #trace(kind: number, address: () => I64): void {
    const full = this.functions.traceFull
    if (full === undefined) return
    this.f.if(i32.ge_u(state.load32(TRACE_HEAD), i32.const(TRACE_RING_END)), () => {
      this.at.beforeCall()
      this.f.emit(call(full).code)
      this.at.afterCall()
    })
    const head = this.let(state.load32(TRACE_HEAD))
    this.f.emit([
      i64.store(head, k(kind)),
      i64.store(head, address(), 8),
      i64.store(head, this.gpr(RSP, 64), 16),
      i64.store(head, i64.sub(state.load64(TRACE_END), i64.extend_i32_u(this.at.budget())), 24),
      state.store32(TRACE_HEAD, i32.add(head, i32.const(CALL_EVENT_BYTES))),
    ])
  }

  // ── faults and TypeScript ──────────────────────────────────────────────────────────────────────────────────────────

  /** Raises a fault and leaves. */
  fault(vector: number, errorCode = 0): void {
    this.f.emit([state.store32(FAULT, i32.const(vector + 1)), state.store32(FAULT_ERROR, i32.const(errorCode))])
    this.at.fault()
  }
  faultIf(condition: I32, vector: number, errorCode = 0): void {
    this.f.if(condition, () => this.fault(vector, errorCode))
  }
  /** Faults as CR0.TS, CR0.EM and CR4.OSFXSR demand before a vector or x87 instruction. */
  checkFpu(kind: 'sse' | 'mmx' | 'x87'): void {
    const bit = { sse: 1, mmx: 2, x87: 4 }[kind]
    this.f.if(i32.and(state.load32(FPU_BLOCKED), i32.const(bit)), () => {
      this.host(`fpuFault.${kind}`)
      this.at.fault()
    })
  }
  /**
   * Runs a TypeScript function, registered under `name` (semantics/host.ts), which sees the whole state and the
   * record. It answers 0 with a fault pending, 1 to go on, or the record to continue at. `after` is what is left to do
   * of the instruction wherever it continues; it may not fault.
   */
  host(name: HostName, after?: () => void): void {
    this.at.beforeHost()
    const result = this.let(
      call<'i32'>(this.functions.host, i32.const(this.functions.hostNumber(name)), this.at.record),
    )
    this.at.afterHost()
    if (after !== undefined) {
      // A fault that arose fetching what follows comes after the whole instruction.
      this.f.if(i32.and(i32.eqz(result), i32.eqz(state.load32(FETCH_FAULT))), () => this.at.fault())
      after()
    }
    this.f.if(i32.ne(result, i32.const(1)), () => this.at.gotoOrFault(result))
  }

  // ── vector registers ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Address in machine memory of the XMM register whose number*16 is the record's field. */
  xmmAddress(field: number): I32 {
    return i32.add(this.field8(field), i32.const(STATE + XMM))
  }
  /** Likewise of an MMX register: the significand of a physical x87 register. */
  mmAddress(field: number): I32 {
    return i32.add(this.field8(field), i32.const(STATE + FPR))
  }
}

export const loadInt = (address: I32, bits: Bits, offset = 0): I64 => {
  switch (bits) {
    case 8:
      return i64.load8_u(address, offset)
    case 16:
      return i64.load16_u(address, offset)
    case 32:
      return i64.load32_u(address, offset)
    case 64:
      return i64.load(address, offset)
  }
}
export const storeInt = (address: I32, value: I64, bits: Bits, offset = 0): Code => {
  switch (bits) {
    case 8:
      return i64.store8(address, value, offset)
    case 16:
      return i64.store16(address, value, offset)
    case 32:
      return i64.store32(address, value, offset)
    case 64:
      return i64.store(address, value, offset)
  }
}
/** Writes a general register: 32-bit writes clear the upper half, narrower ones keep it (SDM 1 §3.4.1.1). */
export const storeGpr = (base: I32, slot: number, value: I64, bits: Bits): Code =>
  bits === 32
    ? i64.store(base, i64.and(value, k(0xffffffffn)), STATE + slot)
    : storeInt(base, value, bits, STATE + slot)
