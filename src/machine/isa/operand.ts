/**
 * What a meaning sees of an operand: something to read and write, whether a register, memory or an immediate. The
 * handler's form (which record fields, which sizes) is settled before the meaning runs.
 */
import { i32, i64, i64x2, v128 } from '../../wasm/instructions.ts'
import type { Local } from '../../wasm/module.ts'
import type { I32, I64, V128 } from '../../wasm/value.ts'
import { FPR, FSW, FTW, STATE, XMM } from '../state/layout.ts'
import { REC_R3 } from '../state/record.ts'
import { type Bits, type Builder, k, loadInt, storeInt } from './builder.ts'
import type { AccessMode } from './row.ts'

/** `x` and the others are the row's operands in the manual's order. */
export type Meaning = (b: Builder, x: Operand, y: Operand, z: Operand, w: Operand) => void

export type Form =
  | 'gpr' // general register, slot in a record field
  | 'mem' // memory at the record's effective address
  | 'moffs' // memory at the record's 64-bit absolute address plus the segment base whose slot is r3
  | 'imm' // the record's immediate, sign-extended
  | 'imm64' // the record's 64-bit immediate
  | 'one' // the constant 1
  | 'rel' // branch displacement from the following instruction, in the record's immediate
  | 'relpage' // branch inside the page: distance in record bytes, in the record's immediate
  | 'number' // a small number in a record field (segment register, ...)
  | 'xmm' // vector register
  | 'mm' // MMX register
  | 'st' // x87 register number relative to TOP, times 16, in a record field

export class Operand {
  readonly b: Builder
  readonly form: Form
  readonly bits: number
  readonly field: number
  readonly access: AccessMode
  /** 128-bit memory must be aligned. */
  readonly aligned: boolean
  #ea: Local<'i64'> | undefined
  #modify: I32 | undefined

  constructor(b: Builder, form: Form, bits: number, field: number, access: AccessMode, aligned: boolean) {
    this.b = b
    this.form = form
    this.bits = bits
    this.field = field
    this.access = access
    this.aligned = aligned
  }

  get isMemory(): boolean {
    return this.form === 'mem' || this.form === 'moffs'
  }

  /** Linear address of a memory operand; computed once. */
  address(): I64 {
    this.#ea ??= this.b.let(
      this.form === 'moffs'
        ? i64.add(this.b.imm64(), i64.load(this.b.field8(REC_R3), STATE))
        : this.b.effectiveAddress(),
    )
    return this.#ea
  }

  /** The raw number in the record field. */
  number(): I32 {
    return this.b.field8(this.field)
  }

  /**
   * An integer of `bits` (default: the operand's own), zero-extended. Vector operands give their low bits. Memory of
   * access rw is opened for writing by this, so `write` cannot fault after it.
   */
  read(bits: Bits = this.bits as Bits): I64 {
    const b = this.b
    switch (this.form) {
      case 'gpr':
        return b.let(b.at.gprIn(this.field, bits))
      case 'mem':
      case 'moffs':
        if (this.access === 'rw') {
          this.#modify = b.modifyAddress(this.address(), bits / 8)
          return b.let(loadInt(this.#modify, bits))
        }
        return b.load(this.address(), bits)
      case 'imm':
        return b.let(b.trunc(b.imm()))
      case 'imm64':
        return b.let(b.imm64())
      case 'one':
        return k(1)
      case 'rel':
      case 'relpage':
        throw new Error('invariant broken: a branch target is not read')
      case 'number':
        return i64.extend_i32_u(this.number())
      case 'xmm':
        return b.let(loadInt(this.number(), bits === (128 as number) ? 64 : bits, STATE + XMM))
      case 'mm':
        return b.let(loadInt(this.number(), bits, STATE + FPR))
      case 'st':
        throw new Error('invariant broken: x87 registers are not read as integers')
    }
  }

  /** Writes the low `bits`. A 32-bit general register is zero-extended; a vector register keeps the rest. */
  write(value: I64, bits: Bits = this.bits as Bits): void {
    const b = this.b
    switch (this.form) {
      case 'gpr':
        b.at.setGprIn(this.field, value, bits)
        return
      case 'mem':
      case 'moffs':
        if (this.#modify !== undefined) {
          b.f.emit(storeInt(this.#modify, value, bits))
          b.finishModify(this.#modify)
        } else b.store(this.address(), value, bits)
        return
      case 'xmm':
        b.f.emit(storeInt(this.number(), value, bits, STATE + XMM))
        return
      case 'mm':
        this.writeMm(value)
        return
      default:
        throw new Error(`invariant broken: a ${this.form} operand is not written`)
    }
  }

  /** A vector: 128 bits of a register or memory (aligned unless the row says otherwise, else #GP). */
  readV(): V128 {
    const b = this.b
    if (this.form === 'xmm') return b.let(v128.load(this.number(), STATE + XMM))
    if (this.form === 'mm') return b.let(v128.load64_zero(this.number(), STATE + FPR))
    const bits = this.bits
    if (bits === 128) {
      this.#checkAligned()
      return b.load128(this.address())
    }
    const address = b.readAddress(this.address(), bits / 8)
    if (bits === 64) return b.let(v128.load64_zero(address))
    if (bits === 32) return b.let(v128.load32_zero(address))
    return b.let(i64x2.replace_lane(v128.const(new Array(16).fill(0)), 0, loadInt(address, bits as Bits)))
  }

  /** Writes all 128 bits (64 of an MMX register). */
  writeV(value: V128): void {
    const b = this.b
    if (this.form === 'xmm') b.f.emit(v128.store(this.number(), value, STATE + XMM))
    else if (this.form === 'mm') this.writeMm(i64x2.extract_lane(value, 0))
    else {
      this.#checkAligned()
      b.store128(this.address(), value)
    }
  }

  /** An MMX register: 64 bits of significand, exponent and sign all ones (SDM 1 §9.2). */
  writeMm(value: I64): void {
    const b = this.b
    b.f.emit([
      i64.store(this.number(), value, STATE + FPR),
      i32.store16(this.number(), i32.const(0xffff), STATE + FPR + 8),
    ])
  }

  #checkAligned(): void {
    if (!this.aligned) return
    const b = this.b
    b.faultIf(i32.and(i32.wrap_i64(this.address()), i32.const(15)), 13)
  }
}

/** TOP alone: what a store of an MMX register that faults has changed already on Intel's processors. */
export const clearTop = (b: Builder): void => {
  const zero = i32.const(0)
  b.f.emit(i32.store16(zero, i32.and(i32.load16_u(zero, STATE + FSW), i32.const(~0x3800)), STATE + FSW))
}
/** Any MMX instruction but EMMS makes TOP 0 and all tags valid (SDM 1 §9.5.1). */
export const enterMmx = (b: Builder): void => {
  clearTop(b)
  b.f.emit(i32.store16(i32.const(0), i32.const(0), STATE + FTW))
}
