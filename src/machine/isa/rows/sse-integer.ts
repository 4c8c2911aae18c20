/**
 * Packed integers in XMM registers: SSE2 and SSSE3 (SDM 1 §11.4.1, §12.6). Instructions that exist for MMX registers as
 * well stand in one list, PACKED, from which mmx.ts takes its rows.
 */
import { i8x16, i16x8, i32, i32x4, i64, i64x2, v128 } from '../../../wasm/instructions.ts'
import type { I32, V128 } from '../../../wasm/value.ts'
import { STATE, XMM } from '../../state/layout.ts'
import { REC_IMM } from '../../state/record.ts'
import type { Meaning } from '../operand.ts'
import { type Row, row } from '../row.ts'
import {
  andNot,
  atMost,
  type Binary,
  c8,
  c16,
  c64,
  combine,
  combineByImmediate,
  control32,
  controlHigh16,
  controlLow16,
  derive,
  enteringMmx,
  everySecond,
  HIGH_DWORDS,
  HIGH_QWORDS,
  imm8,
  interleave,
  LOW_DWORDS,
  LOW_QWORDS,
  lowHalves,
  moveDown,
  shiftOrSign,
  shiftOrZero,
  type Unary,
} from './vector.ts'

// ── operations that wasm has not ─────────────────────────────────────────────────────────────────────────────────────

const upperWords = everySecond(2, 1)
const mulHighSigned: Binary = (a, b) => upperWords(i32x4.extmul_low_i16x8_s(a, b), i32x4.extmul_high_i16x8_s(a, b))
const mulHighUnsigned: Binary = (a, b) => upperWords(i32x4.extmul_low_i16x8_u(a, b), i32x4.extmul_high_i16x8_u(a, b))
/** wasm saturates the one product that does not fit, x86 lets it wrap to 8000. */
const mulHighRounded: Binary = (a, b) =>
  v128.xor(i16x8.q15mulr_sat_s(a, b), v128.and(i16x8.eq(a, c16(0x8000)), i16x8.eq(b, c16(0x8000))))
const evenDwords = everySecond(4, 0)
export const mulEvenUnsigned: Binary = (a, b) => i64x2.extmul_low_i32x4_u(evenDwords(a, a), evenDwords(b, b))
export const mulEvenSigned: Binary = (a, b) => i64x2.extmul_low_i32x4_s(evenDwords(a, a), evenDwords(b, b))
/** Sum of absolute differences of each eight bytes. */
const sumOfDifferences: Binary = (a, b) => {
  const difference = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a))
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference))
  return i64x2.add(v128.and(sums, c64(0xffffffff)), i64x2.shr_u(sums, i32.const(32)))
}
/** Unsigned bytes of `a` times signed bytes of `b`, neighbours added with saturation. */
const mulAddBytes: Binary = (a, b) => {
  const eight = i32.const(8)
  return i16x8.add_sat_s(
    i16x8.mul(v128.and(a, c16(0x00ff)), i16x8.shr_s(i16x8.shl(b, eight), eight)),
    i16x8.mul(i16x8.shr_u(a, eight), i16x8.shr_s(b, eight)),
  )
}
interface Lanes {
  readonly neg: Unary
  readonly lt_s: Binary
  readonly eq: Binary
}
/** `a` negated, zeroed or kept by the sign of `b`. */
const sign =
  (lane: Lanes): Binary =>
  (a, b) =>
    v128.andnot(v128.bitselect(lane.neg(a), a, lane.lt_s(b, c8(0))), lane.eq(b, c8(0)))
const horizontal =
  (operation: Binary, width: number, bytes: 8 | 16): Binary =>
  (a, b) =>
    operation(everySecond(width, 0, bytes)(a, b), everySecond(width, 1, bytes)(a, b))
/** Both operands of an MMX pack side by side. */
const packHalves =
  (narrow: Binary): Binary =>
  (a, b) =>
    narrow(lowHalves(a, b), lowHalves(a, b))
const shuffleBytes =
  (kept: number): Binary =>
  (a, b) =>
    i8x16.swizzle(a, v128.and(b, c8(kept)))
const second =
  (operation: Unary): Binary =>
  (_, b) =>
    operation(b)

// ── the list shared with MMX ─────────────────────────────────────────────────────────────────────────────────────────

export interface Packed {
  readonly mnemonic: string
  /** After the 0F. */
  readonly opcode: string
  /** CPUID feature of the MMX form; undefined: there is none. */
  readonly mmx: string | undefined
  readonly sse: string
  readonly operation: Binary
  readonly mmxOperation: Binary
  readonly hot: boolean
  /** PUNPCKL of MMX reads 32 bits only. */
  readonly mmxSource: string
  /** The destination is not read. */
  readonly writes: boolean
}
type More = Partial<Pick<Packed, 'mmxOperation' | 'hot' | 'mmxSource' | 'writes'>>
const packed = (mnemonic: string, opcode: string, features: string, operation: Binary, more: More = {}): Packed => {
  const [mmx, sse] = features.split(' ')
  return {
    mnemonic,
    opcode,
    mmx: mmx === '-' ? undefined : mmx,
    sse: sse!,
    operation,
    mmxOperation: operation,
    hot: false,
    mmxSource: 'mm/m64',
    writes: false,
    ...more,
  }
}

export const PACKED: readonly Packed[] = [
  packed('PADDB', 'FC', 'mmx sse2', i8x16.add),
  packed('PADDW', 'FD', 'mmx sse2', i16x8.add),
  packed('PADDD', 'FE', 'mmx sse2', i32x4.add, { hot: true }),
  packed('PADDQ', 'D4', 'sse2 sse2', i64x2.add),
  packed('PADDSB', 'EC', 'mmx sse2', i8x16.add_sat_s),
  packed('PADDSW', 'ED', 'mmx sse2', i16x8.add_sat_s),
  packed('PADDUSB', 'DC', 'mmx sse2', i8x16.add_sat_u),
  packed('PADDUSW', 'DD', 'mmx sse2', i16x8.add_sat_u),
  packed('PSUBB', 'F8', 'mmx sse2', i8x16.sub),
  packed('PSUBW', 'F9', 'mmx sse2', i16x8.sub),
  packed('PSUBD', 'FA', 'mmx sse2', i32x4.sub),
  packed('PSUBQ', 'FB', 'sse2 sse2', i64x2.sub),
  packed('PSUBSB', 'E8', 'mmx sse2', i8x16.sub_sat_s),
  packed('PSUBSW', 'E9', 'mmx sse2', i16x8.sub_sat_s),
  packed('PSUBUSB', 'D8', 'mmx sse2', i8x16.sub_sat_u),
  packed('PSUBUSW', 'D9', 'mmx sse2', i16x8.sub_sat_u),

  packed('PMULLW', 'D5', 'mmx sse2', i16x8.mul),
  packed('PMULHW', 'E5', 'mmx sse2', mulHighSigned),
  packed('PMULHUW', 'E4', 'sse sse2', mulHighUnsigned),
  packed('PMULHRSW', '38 0B', 'ssse3 ssse3', mulHighRounded),
  packed('PMULUDQ', 'F4', 'sse2 sse2', mulEvenUnsigned),
  packed('PMADDWD', 'F5', 'mmx sse2', i32x4.dot_i16x8_s),
  packed('PMADDUBSW', '38 04', 'ssse3 ssse3', mulAddBytes),
  packed('PSADBW', 'F6', 'sse sse2', sumOfDifferences),

  packed('PAVGB', 'E0', 'sse sse2', i8x16.avgr_u),
  packed('PAVGW', 'E3', 'sse sse2', i16x8.avgr_u),
  packed('PMAXSW', 'EE', 'sse sse2', i16x8.max_s),
  packed('PMAXUB', 'DE', 'sse sse2', i8x16.max_u),
  packed('PMINSW', 'EA', 'sse sse2', i16x8.min_s),
  packed('PMINUB', 'DA', 'sse sse2', i8x16.min_u),

  packed('PCMPEQB', '74', 'mmx sse2', i8x16.eq, { hot: true }),
  packed('PCMPEQW', '75', 'mmx sse2', i16x8.eq),
  packed('PCMPEQD', '76', 'mmx sse2', i32x4.eq),
  packed('PCMPGTB', '64', 'mmx sse2', i8x16.gt_s),
  packed('PCMPGTW', '65', 'mmx sse2', i16x8.gt_s),
  packed('PCMPGTD', '66', 'mmx sse2', i32x4.gt_s),

  packed('PAND', 'DB', 'mmx sse2', v128.and, { hot: true }),
  packed('PANDN', 'DF', 'mmx sse2', andNot),
  packed('POR', 'EB', 'mmx sse2', v128.or, { hot: true }),
  packed('PXOR', 'EF', 'mmx sse2', v128.xor, { hot: true }),

  packed('PUNPCKLBW', '60', 'mmx sse2', interleave(1, 0), { mmxOperation: interleave(1, 0, 8), mmxSource: 'mm/m32' }),
  packed('PUNPCKLWD', '61', 'mmx sse2', interleave(2, 0), { mmxOperation: interleave(2, 0, 8), mmxSource: 'mm/m32' }),
  packed('PUNPCKLDQ', '62', 'mmx sse2', LOW_DWORDS, { mmxOperation: interleave(4, 0, 8), mmxSource: 'mm/m32' }),
  packed('PUNPCKLQDQ', '6C', '- sse2', LOW_QWORDS, { hot: true }),
  packed('PUNPCKHBW', '68', 'mmx sse2', interleave(1, 8), { mmxOperation: interleave(1, 4, 8) }),
  packed('PUNPCKHWD', '69', 'mmx sse2', interleave(2, 8), { mmxOperation: interleave(2, 4, 8) }),
  packed('PUNPCKHDQ', '6A', 'mmx sse2', HIGH_DWORDS, { mmxOperation: interleave(4, 4, 8) }),
  packed('PUNPCKHQDQ', '6D', '- sse2', HIGH_QWORDS),
  packed('PACKSSWB', '63', 'mmx sse2', i8x16.narrow_i16x8_s, { mmxOperation: packHalves(i8x16.narrow_i16x8_s) }),
  packed('PACKSSDW', '6B', 'mmx sse2', i16x8.narrow_i32x4_s, { mmxOperation: packHalves(i16x8.narrow_i32x4_s) }),
  packed('PACKUSWB', '67', 'mmx sse2', i8x16.narrow_i16x8_u, { mmxOperation: packHalves(i8x16.narrow_i16x8_u) }),

  packed('PSHUFB', '38 00', 'ssse3 ssse3', shuffleBytes(0x8f), { mmxOperation: shuffleBytes(0x87) }),
  packed('PHADDW', '38 01', 'ssse3 ssse3', horizontal(i16x8.add, 2, 16), {
    mmxOperation: horizontal(i16x8.add, 2, 8),
  }),
  packed('PHADDD', '38 02', 'ssse3 ssse3', horizontal(i32x4.add, 4, 16), {
    mmxOperation: horizontal(i32x4.add, 4, 8),
  }),
  packed('PHADDSW', '38 03', 'ssse3 ssse3', horizontal(i16x8.add_sat_s, 2, 16), {
    mmxOperation: horizontal(i16x8.add_sat_s, 2, 8),
  }),
  packed('PHSUBW', '38 05', 'ssse3 ssse3', horizontal(i16x8.sub, 2, 16), {
    mmxOperation: horizontal(i16x8.sub, 2, 8),
  }),
  packed('PHSUBD', '38 06', 'ssse3 ssse3', horizontal(i32x4.sub, 4, 16), {
    mmxOperation: horizontal(i32x4.sub, 4, 8),
  }),
  packed('PHSUBSW', '38 07', 'ssse3 ssse3', horizontal(i16x8.sub_sat_s, 2, 16), {
    mmxOperation: horizontal(i16x8.sub_sat_s, 2, 8),
  }),
  packed('PSIGNB', '38 08', 'ssse3 ssse3', sign(i8x16)),
  packed('PSIGNW', '38 09', 'ssse3 ssse3', sign(i16x8)),
  packed('PSIGND', '38 0A', 'ssse3 ssse3', sign(i32x4)),
  packed('PABSB', '38 1C', 'ssse3 ssse3', second(i8x16.abs), { writes: true }),
  packed('PABSW', '38 1D', 'ssse3 ssse3', second(i16x8.abs), { writes: true }),
  packed('PABSD', '38 1E', 'ssse3 ssse3', second(i32x4.abs), { writes: true }),
]

// ── shifts, shared with MMX ──────────────────────────────────────────────────────────────────────────────────────────

export interface Shift {
  readonly mnemonic: string
  readonly opcode: string
  /** Opcode and extension of the form with an immediate count. */
  readonly immediate: string
  readonly operation: ReturnType<typeof shiftOrZero>
}
const shift = (mnemonic: string, opcode: string, immediate: string, operation: Shift['operation']): Shift => ({
  mnemonic,
  opcode,
  immediate,
  operation,
})
export const SHIFTS: readonly Shift[] = [
  shift('PSLLW', 'F1', '71 /6', shiftOrZero(16, i16x8.shl)),
  shift('PSLLD', 'F2', '72 /6', shiftOrZero(32, i32x4.shl)),
  shift('PSLLQ', 'F3', '73 /6', shiftOrZero(64, i64x2.shl)),
  shift('PSRLW', 'D1', '71 /2', shiftOrZero(16, i16x8.shr_u)),
  shift('PSRLD', 'D2', '72 /2', shiftOrZero(32, i32x4.shr_u)),
  shift('PSRLQ', 'D3', '73 /2', shiftOrZero(64, i64x2.shr_u)),
  shift('PSRAW', 'E1', '71 /4', shiftOrSign(16, i16x8.shr_s)),
  shift('PSRAD', 'E2', '72 /4', shiftOrSign(32, i32x4.shr_s)),
]
/** Count in the low 64 bits of the second operand. */
export const shiftByRegister = (operation: Shift['operation']): Meaning => {
  return (b, x, y) => {
    const counts = y.readV()
    enteringMmx(b, x, y)
    x.writeV(operation(x.readV(), b.let(i64x2.extract_lane(counts, 0))))
  }
}
export const shiftByImmediate = (operation: Shift['operation']): Meaning => {
  return (b, x) => {
    derive((a) => operation(a, b.let(i64.extend_i32_u(b.field8(REC_IMM)))))(b, x, x, x, x)
  }
}

// ── operations with an immediate ─────────────────────────────────────────────────────────────────────────────────────

const shuffleByImmediate =
  (control: (imm: I32) => V128): Meaning =>
  (b, x, y) =>
    derive((a) => i8x16.swizzle(a, control(imm8(b))))(b, x, y, x, x)
/** PSHUFW of MMX is PSHUFLW. */
export const shuffleLowWords = shuffleByImmediate(controlLow16)

/** The bytes of `high` above those of `low`, `width` each, shifted right by `imm` bytes. */
export const alignRight = (width: 8 | 16): Meaning =>
  combineByImmediate((high, low, imm) => {
    const count = atMost(imm, 2 * width)
    if (width === 8) return moveDown(lowHalves(low, high), count)
    return v128.or(moveDown(low, count), moveDown(high, i32.sub(count, i32.const(16))))
  })

const shiftBytes =
  (up: boolean): Meaning =>
  (b, x) =>
    derive((a) => {
      const count = atMost(b.let(imm8(b)), 16)
      return moveDown(a, up ? i32.sub(i32.const(0), count) : count)
    })(b, x, x, x, x)

// The lane is addressed in the register's memory.
const insertWord: Meaning = (b, x, y) => {
  const value = y.read(16)
  const lane = i32.shl(i32.and(imm8(b), i32.const(7)), i32.const(1))
  b.f.emit(i64.store16(i32.add(x.number(), lane), value, STATE + XMM))
}
const extractWord: Meaning = (b, x, y) => {
  const lane = i32.shl(i32.and(imm8(b), i32.const(7)), i32.const(1))
  x.write(i64.load16_u(i32.add(y.number(), lane), STATE + XMM))
}
export const signsOfBytes: Meaning = (_, x, y) => x.write(i64.extend_i32_u(i8x16.bitmask(y.readV())))

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const SSE_INTEGER_ROWS: readonly Row[] = [
  ...PACKED.map((p) =>
    row(`${p.mnemonic} xmm, xmm/m128`, `66 0F ${p.opcode} /r`, p.writes ? 'w r' : 'rw r', combine(p.operation), {
      feature: p.sse,
      hot: p.hot,
    }),
  ),
  ...SHIFTS.flatMap((s) => [
    row(`${s.mnemonic} xmm, xmm/m128`, `66 0F ${s.opcode} /r`, 'rw r', shiftByRegister(s.operation), {
      feature: 'sse2',
    }),
    row(`${s.mnemonic} xmmrm, imm8`, `66 0F ${s.immediate} ib`, 'rw r', shiftByImmediate(s.operation), {
      feature: 'sse2',
    }),
  ]),
  row('PSLLDQ xmmrm, imm8', '66 0F 73 /7 ib', 'rw r', shiftBytes(true), { feature: 'sse2' }),
  row('PSRLDQ xmmrm, imm8', '66 0F 73 /3 ib', 'rw r', shiftBytes(false), { feature: 'sse2' }),
  row('PSHUFD xmm, xmm/m128, imm8', '66 0F 70 /r ib', 'w r r', shuffleByImmediate(control32), {
    feature: 'sse2',
    hot: true,
  }),
  row('PSHUFLW xmm, xmm/m128, imm8', 'F2 0F 70 /r ib', 'w r r', shuffleLowWords, { feature: 'sse2' }),
  row('PSHUFHW xmm, xmm/m128, imm8', 'F3 0F 70 /r ib', 'w r r', shuffleByImmediate(controlHigh16), {
    feature: 'sse2',
  }),
  row('PALIGNR xmm, xmm/m128, imm8', '66 0F 3A 0F /r ib', 'rw r r', alignRight(16), { feature: 'ssse3' }),
  row('PINSRW xmm, reg32, imm8', '66 0F C4 /r ib', 'rw r r', insertWord, { feature: 'sse2' }),
  row('PINSRW xmm, m16, imm8', '66 0F C4 /r ib', 'rw r r', insertWord, { feature: 'sse2' }),
  row('PEXTRW r32, xmmrm, imm8', '66 0F C5 /r ib', 'w r r', extractWord, { feature: 'sse2' }),
  row('PMOVMSKB r32, xmmrm', '66 0F D7 /r', 'w r', signsOfBytes, { feature: 'sse2' }),
]
