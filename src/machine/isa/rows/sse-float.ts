/**
 * SSE, SSE2 and SSE3 floating point (SDM 1 chapters 10 to 12).
 *
 * A wasm instruction gives the IEEE 754 result rounded to nearest, which is x86's result too as long as MXCSR asks for
 * nothing else and no NaN is involved (wasm leaves NaN bits open). What wasm does not give is the six sticky flags and the
 * exceptions. So each handler computes with wasm, tests whether the operands and the result rule out every flag that is
 * not already set, and else asks soft-float (semantics/softfloat/host.ts), which does everything exactly.
 *
 * The test. "Settled" is MXCSR with all exceptions masked, nearest rounding, no FTZ or DAZ, and PE already set: programs
 * get there with their first inexact operation and stay. Then only IE, DE, ZE, OE and UE are left to rule out:
 *
 *   DE       no operand is denormal
 *   IE       (NaN or infinity operand of + - *, 0/0, sqrt(-1)), OE, ZE: the result is finite, since each of them gives
 *            infinity or NaN when masked
 *   UE       the result of * / and narrowing is above the least normal number, or exactly zero because an operand is. Equal
 *            to it would not do: tininess is detected before the exponent is bounded. + and - are never tiny and inexact.
 *
 * Comparisons, minimum and maximum round nothing: without NaN and denormal operands they raise nothing, whatever MXCSR
 * says. Conversions to integers raise IE out of range and PE when inexact; to and from integers there is no DE.
 *
 * Scalars are done on vectors whose lanes all hold the scalar, so that one test serves both.
 */
import { f32, f32x4, f64, f64x2, i8x16, i32, i32x4, i64, i64x2, select, v128 } from '../../../wasm/instructions.ts'
import type { Local } from '../../../wasm/module.ts'
import type { I32, I64, V128 } from '../../../wasm/value.ts'
import { FLOAT_IMMEDIATE, FLOAT_OPERATION, FLOAT_SECOND } from '../../semantics/softfloat/host.ts'
import { operationCode } from '../../semantics/softfloat/sse-operations.ts'
import { FPR, MXCSR, SCRATCH, STATE, XMM } from '../../state/layout.ts'
import { type Builder, k, state } from '../builder.ts'
import { enterMmx, type Meaning, type Operand } from '../operand.ts'
import { type Row, row } from '../row.ts'
import {
  andNot,
  type Binary,
  c32,
  c64,
  combine,
  combineByImmediate,
  control32,
  HIGH_DWORDS,
  HIGH_QWORDS,
  imm8,
  LOW_DWORDS,
  LOW_QWORDS,
  lanes32,
  lanes64,
  type Unary,
  ZERO,
} from './vector.ts'

// ── MXCSR ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const mxcsr = (): I32 => state.load32(MXCSR)
/** All masked, nearest, no FTZ, no DAZ, PE set. */
const settled = (): I32 => i32.eq(i32.and(mxcsr(), i32.const(~0x1f)), i32.const(0x1fa0))
/** PE is set and masked: a truncation may be inexact. */
const inexactMayTruncate = (): I32 => i32.eq(i32.and(mxcsr(), i32.const(0x1020)), i32.const(0x1020))
/** Likewise, and rounding is to nearest. */
const inexactMayRound = (): I32 => i32.eq(i32.and(mxcsr(), i32.const(0x7020)), i32.const(0x1020))

// ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LaneType {
  readonly bits: 32 | 64
  readonly float: typeof f32x4 | typeof f64x2
  readonly infinity: V128
  readonly leastNormal: V128
  /** Mask of denormal lanes. */
  readonly denormal: Unary
  readonly signs: V128
}
export const SINGLE: LaneType = {
  bits: 32,
  float: f32x4,
  infinity: c32(0x7f800000),
  leastNormal: c32(0x00800000),
  // Without its sign a denormal is 1 to 007fffff.
  denormal: (v) => i32x4.lt_u(i32x4.sub(i32x4.shl(v, i32.const(1)), c32(1)), c32(0x00ffffff)),
  signs: c32(0x80000000),
}
export const DOUBLE: LaneType = {
  bits: 64,
  float: f64x2,
  infinity: c64(0x7ff0000000000000n),
  leastNormal: c64(0x0010000000000000n),
  denormal: (v) => v128.and(f64x2.lt(f64x2.abs(v), c64(0x0010000000000000n)), f64x2.ne(v, ZERO)),
  signs: c64(0x8000000000000000n),
}
const finiteLanes = (t: LaneType, v: V128): V128 => t.float.lt(t.float.abs(v), t.infinity)
/** Finite and not tiny, or zero because `zeroes` says so. */
const safeLanes = (t: LaneType, v: V128, zeroes: V128): V128 =>
  v128.and(finiteLanes(t, v), v128.or(t.float.gt(t.float.abs(v), t.leastNormal), zeroes))
const zeroLanes = (t: LaneType, v: V128): V128 => t.float.eq(v, ZERO)
const numberLanes = (t: LaneType, v: V128): V128 => t.float.eq(v, v)
const all = (mask: V128): I32 => i8x16.all_true(mask)

/** The operand's low `bits` in every lane. */
export const readSplat = (b: Builder, operand: Operand, bits: 32 | 64): Local<'v128'> => {
  const load = bits === 32 ? v128.load32_splat : v128.load64_splat
  if (operand.form === 'xmm') return b.let(load(operand.number(), STATE + XMM))
  if (operand.form === 'mm') return b.let(load(operand.number(), STATE + FPR))
  return b.let(load(b.readAddress(operand.address(), bits / 8)))
}
export const lowLane = (bits: 32 | 64, v: V128): I64 =>
  bits === 32 ? i64.extend_i32_u(i32x4.extract_lane(v, 0)) : i64x2.extract_lane(v, 0)

// ── fast or soft ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** The operation in TypeScript; its result. */
const soft = (b: Builder, name: string, left: V128, right: V128, imm?: I32): V128 => {
  const zero = i32.const(0)
  b.f.emit([
    v128.store(zero, left, STATE + SCRATCH),
    v128.store(zero, right, STATE + FLOAT_SECOND),
    state.store32(FLOAT_OPERATION, i32.const(operationCode(name))),
  ])
  if (imm !== undefined) b.f.emit(state.store32(FLOAT_IMMEDIATE, imm))
  b.host('sse.float')
  return v128.load(zero, STATE + SCRATCH)
}

/** The fast result when `good` allows, else the soft one. */
export const either = (
  b: Builder,
  name: string,
  left: V128,
  right: V128,
  fast: V128,
  good: (result: V128) => I32,
  imm?: I32,
): V128 => {
  const result = b.let(fast)
  b.f.if(i32.eqz(good(result)), () => b.f.set(result, soft(b, name, left, right, imm)))
  return result
}

type Compute = (b: Builder, t: LaneType, left: V128, right: V128, shape: string) => V128

/** Operations on two numbers, `good` lane by lane besides "no denormal operand" and "settled". */
const arithmetic =
  (
    name: string,
    fast: (t: LaneType, a: V128, b: V128) => V128,
    good: (t: LaneType, r: V128, a: V128, b: V128) => V128,
  ): Compute =>
  (b, t, left, right, shape) =>
    either(b, `${name}.${shape}`, left, right, fast(t, left, right), (r) =>
      i32.and(settled(), all(v128.andnot(good(t, r, left, right), v128.or(t.denormal(left), t.denormal(right))))),
    )
const ADD = arithmetic('add', (t, a, b) => t.float.add(a, b), finiteLanes)
const SUB = arithmetic('sub', (t, a, b) => t.float.sub(a, b), finiteLanes)
const MUL = arithmetic(
  'mul',
  (t, a, b) => t.float.mul(a, b),
  (t, r, a, b) => safeLanes(t, r, v128.or(zeroLanes(t, a), zeroLanes(t, b))),
)
const DIV = arithmetic(
  'div',
  (t, a, b) => t.float.div(a, b),
  (t, r, a) => safeLanes(t, r, zeroLanes(t, a)),
)
/** Of the right operand. */
const SQRT: Compute = (b, t, left, right, shape) =>
  either(b, `sqrt.${shape}`, left, right, t.float.sqrt(right), (r) =>
    i32.and(settled(), all(v128.andnot(finiteLanes(t, r), t.denormal(right)))),
  )
/** Even lanes of the right operand change their sign. */
const evenSigns = (t: LaneType): V128 => (t.bits === 32 ? c32(0x80000000, 0) : c64(0x8000000000000000n, 0))
const ADDSUB = arithmetic('addsub', (t, a, b) => t.float.add(a, v128.xor(b, evenSigns(t))), finiteLanes)
/** Neither NaN nor denormal. */
const ordinary = (t: LaneType, a: V128, b: V128): I32 =>
  all(v128.andnot(v128.and(numberLanes(t, a), numberLanes(t, b)), v128.or(t.denormal(a), t.denormal(b))))
// pmin(x, y) is y < x ? y : x, and MINPS gives the second operand unless the first is less.
const MIN: Compute = (b, t, left, right, shape) =>
  either(b, `min.${shape}`, left, right, t.float.pmin(right, left), () => ordinary(t, left, right))
const MAX: Compute = (b, t, left, right, shape) =>
  either(b, `max.${shape}`, left, right, t.float.pmax(right, left), () => ordinary(t, left, right))

/** Predicates 0 to 3 are EQ LT LE UNORD, bit 2 negates; without NaN, UNORD is false. */
const CMP =
  (imm: I32): Compute =>
  (b, t, left, right, shape) => {
    const mask = (condition: I32): V128 => i32x4.splat(i32.sub(i32.const(0), condition))
    const bit = (n: number): I32 => i32.and(i32.shr_u(imm, i32.const(n)), i32.const(1))
    const ordered = v128.or(
      v128.andnot(t.float.eq(left, right), mask(bit(0))),
      v128.and(t.float.lt(left, right), mask(i32.xor(bit(0), bit(1)))),
    )
    return either(b, `cmp.${shape}`, left, right, v128.xor(ordered, mask(bit(2))), () => ordinary(t, left, right), imm)
  }

const shape = (t: LaneType, scalar: boolean): string => `${t.bits}x${scalar ? 1 : 128 / t.bits}`

/** x = x op y, packed or scalar. */
const computed =
  (compute: Compute, t: LaneType, scalar: boolean): Meaning =>
  (b, x, y) => {
    const right = scalar ? readSplat(b, y, t.bits) : y.readV()
    const left = scalar ? readSplat(b, x, t.bits) : x.readV()
    const result = compute(b, t, left, right, shape(t, scalar))
    if (scalar) x.write(lowLane(t.bits, result), t.bits)
    else x.writeV(result)
  }
const compared =
  (t: LaneType, scalar: boolean): Meaning =>
  (b, x, y, z, w) =>
    computed(CMP(b.let(i32.and(imm8(b), i32.const(7)))), t, scalar)(b, x, y, z, w)

/** ADDPS ADDPD ADDSS ADDSD and their like. */
const FORMS = [
  ['PS', 'NP', SINGLE, false, 'sse', 'xmm/m128'],
  ['PD', '66', DOUBLE, false, 'sse2', 'xmm/m128'],
  ['SS', 'F3', SINGLE, true, 'sse', 'xmm/m32'],
  ['SD', 'F2', DOUBLE, true, 'sse2', 'xmm/m64'],
] as const
const family = (name: string, opcode: string, access: string, compute: Compute): Row[] =>
  FORMS.map(([suffix, prefix, t, scalar, feature, source]) =>
    row(`${name}${suffix} xmm, ${source}`, `${prefix} 0F ${opcode} /r`, access, computed(compute, t, scalar), {
      feature,
    }),
  )

// ── horizontal (SSE3) and dot products (SSE4.1) ──────────────────────────────────────────────────────────────────────

const evens = (t: LaneType, a: V128, b: V128): V128 => (t.bits === 32 ? lanes32(a, b, 0, 2, 4, 6) : lanes64(a, b, 0, 2))
const odds = (t: LaneType, a: V128, b: V128): V128 => (t.bits === 32 ? lanes32(a, b, 1, 3, 5, 7) : lanes64(a, b, 1, 3))
const horizontal =
  (compute: Compute, t: LaneType): Meaning =>
  (b, x, y) => {
    const right = y.readV()
    const left = x.readV()
    x.writeV(compute(b, t, b.let(evens(t, left, right)), b.let(odds(t, left, right)), shape(t, false)))
  }
/**
 * Immediate bits 7:4 choose the products, bits 3:0 the lanes that get the sum. Unchosen products are 0 * 0. Sums are
 * taken in pairs; each step rounds and raises for itself. Which operand is the first shows in nothing but the choice
 * among NaNs, which the SDM leaves open (2A DPPS): here every lane adds as Intel's do, AMD's all have lane 0's.
 */
export const dotProduct =
  (t: LaneType): Meaning =>
  (b, x, y) => {
    const right = y.readV()
    const left = x.readV()
    const imm = b.let(imm8(b))
    const chosen = (shift: number): V128 => {
      const bits = t.bits === 32 ? c32(1, 2, 4, 8) : c64(1, 2)
      const spread = i32x4.splat(i32.shr_u(imm, i32.const(shift)))
      return t.bits === 32 ? i32x4.eq(v128.and(spread, bits), bits) : i64x2.eq(v128.and(spread, bits), bits)
    }
    const products = b.let(chosen(4))
    const full = shape(t, false)
    const product = b.let(MUL(b, t, b.let(v128.and(left, products)), b.let(v128.and(right, products)), full))
    let sum: V128
    if (t.bits === 32) {
      const pairs = b.let(ADD(b, t, b.let(lanes32(product, product, 1, 0, 3, 2)), product, full))
      sum = ADD(b, t, pairs, b.let(lanes32(pairs, pairs, 2, 3, 0, 1)), full)
    } else sum = ADD(b, t, product, b.let(lanes64(product, product, 1, 0)), full)
    x.writeV(v128.and(sum, chosen(0)))
  }
// ── comparisons to RFLAGS ────────────────────────────────────────────────────────────────────────────────────────────

const compareToFlags =
  (name: 'ucomi' | 'comi', t: LaneType): Meaning =>
  (b, x, y) => {
    const right = readSplat(b, y, t.bits)
    const left = readSplat(b, x, t.bits)
    const flags = b.f.local('i64')
    const lane = (mask: V128): I64 => i64.extend_i32_u(i32.and(i32x4.extract_lane(mask, 0), i32.const(1)))
    b.f.if(
      ordinary(t, left, right),
      () => b.f.set(flags, i64.or(lane(t.float.lt(left, right)), i64.shl(lane(t.float.eq(left, right)), k(1)))),
      () => b.f.set(flags, i64x2.extract_lane(soft(b, `${name}.${t.bits}x1`, left, right), 0)),
    )
    const bit = (n: number): I64 => i64.and(i64.shr_u(flags, k(n)), k(1))
    b.setFlags(k(0), k(0), bit(1), k(0), bit(2), bit(0))
  }

// ── conversions ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Rows with an MMX and an XMM operand name the SSE unit and check the MMX unit here. */
const checkMmx = (b: Builder, ...operands: Operand[]): void => {
  if (operands.some((o) => o.form === 'mm')) b.checkFpu('mmx')
}
/** The low 64 bits twice. */
const readLow = (b: Builder, operand: Operand): Local<'v128'> => readSplat(b, operand, 64)

/** binary32 to binary64 is exact: IE for signaling NaNs, DE. `low` holds the two numbers in its lower half. */
const widen = (b: Builder, low: V128, lanes: 1 | 2): V128 =>
  either(b, `float.32to64x${lanes}`, low, low, f64x2.promote_low_f32x4(low), () => ordinary(SINGLE, low, low))
/** The test is made on the rounded value widened again. */
const narrow = (b: Builder, v: V128, lanes: 1 | 2): V128 => {
  const result = either(b, `float.64to32x${lanes}`, ZERO, v, f32x4.demote_f64x2_zero(v), (r) => {
    const back = b.let(f64x2.promote_low_f32x4(r))
    const above = f64x2.gt(f64x2.abs(back), c64(0x3810000000000000n)) // 2^-126
    return i32.and(settled(), all(v128.and(finiteLanes(DOUBLE, back), v128.or(above, zeroLanes(DOUBLE, v)))))
  })
  return b.let(i64x2.replace_lane(result, 1, k(0)))
}
const floatToFloat =
  (from: 32 | 64, scalar: boolean): Meaning =>
  (b, x, y) => {
    if (from === 32) {
      const result = scalar ? widen(b, readSplat(b, y, 32), 1) : widen(b, readLow(b, y), 2)
      if (scalar) x.write(i64x2.extract_lane(result, 0), 64)
      else x.writeV(result)
    } else {
      const result = scalar ? narrow(b, readSplat(b, y, 64), 1) : narrow(b, y.readV(), 2)
      if (scalar) x.write(lowLane(32, result), 32)
      else x.writeV(result)
    }
  }

/** Magnitudes up to 2^24 are exact in binary32. */
const dwordsToFloats = (b: Builder, v: V128): V128 =>
  either(b, 'integer.32to32x4', v, v, f32x4.convert_i32x4_s(v), () =>
    i32.or(settled(), all(i32x4.le_u(i32x4.abs(v), c32(1 << 24)))),
  )
/** From a general register or memory, 32 or 64 bits, to one float. */
const integerToScalar =
  (from: 32 | 64, t: LaneType): Meaning =>
  (b, x, y) => {
    const value = b.let(b.sext(y.read(from), from))
    if (t.bits === 64 && from === 32) {
      x.write(i64.reinterpret_f64(f64.convert_i64_s(value)), 64)
      return
    }
    const exact = t.bits === 32 ? 24 : 53
    const spread = b.let(i64x2.splat(value))
    const fast = t.bits === 32 ? f32x4.splat(f32.convert_i64_s(value)) : f64x2.splat(f64.convert_i64_s(value))
    const result = either(b, `integer.64to${t.bits}x1`, spread, spread, fast, () =>
      i32.or(settled(), i64.le_u(i64.add(value, k(1n << BigInt(exact))), k(2n << BigInt(exact)))),
    )
    x.write(lowLane(t.bits, result), t.bits)
  }

/** To a general register. binary32 is widened first, which is exact; a NaN is out of range whatever its bits. */
const scalarToInteger =
  (t: LaneType, to: 32 | 64, truncate: boolean): Meaning =>
  (b, x, y) => {
    const v = readSplat(b, y, t.bits)
    const value = b.let(f64x2.extract_lane(t.bits === 32 ? f64x2.promote_low_f32x4(v) : v, 0))
    const rounded = b.let(truncate ? f64.trunc(value) : f64.nearest(value))
    const limit = 2 ** (to - 1)
    const fits: I32 = i32.and(f64.ge(rounded, f64.const(-limit)), f64.lt(rounded, f64.const(limit)))
    const exact = i32.or(f64.eq(rounded, value), truncate ? inexactMayTruncate() : inexactMayRound())
    const result = b.f.local('i64')
    b.f.if(
      i32.and(fits, exact),
      () => b.f.set(result, i64.trunc_sat_f64_s(rounded)),
      () => {
        const name = `${truncate ? 'truncate' : 'toInteger'}.${t.bits}to${to}x1`
        b.f.set(result, i64x2.extract_lane(soft(b, name, ZERO, v), 0))
      },
    )
    x.write(result, to)
  }

/** Packed floats to dwords; 64-bit floats give two and zeros above. */
const floatsToDwords = (b: Builder, t: LaneType, v: V128, lanes: 2 | 4, truncate: boolean): V128 => {
  const rounded = b.let(truncate ? t.float.trunc(v) : t.float.nearest(v))
  const limit = t.bits === 32 ? c32(0x4f000000) : c64(0x41e0000000000000n) // 2^31
  const fast = t.bits === 32 ? i32x4.trunc_sat_f32x4_s(rounded) : i32x4.trunc_sat_f64x2_s_zero(rounded)
  const name = `${truncate ? 'truncate' : 'toInteger'}.${t.bits}to32x${lanes}`
  const result = either(b, name, ZERO, v, fast, () =>
    i32.and(
      all(t.float.lt(t.float.abs(rounded), limit)),
      i32.or(truncate ? inexactMayTruncate() : inexactMayRound(), all(t.float.eq(rounded, v))),
    ),
  )
  return lanes === 4 ? result : b.let(i64x2.replace_lane(result, 1, k(0)))
}
const packedToDwords =
  (t: LaneType, truncate: boolean): Meaning =>
  (b, x, y) =>
    x.writeV(floatsToDwords(b, t, y.readV(), t.bits === 32 ? 4 : 2, truncate))
const packedToMmx =
  (t: LaneType, truncate: boolean): Meaning =>
  (b, x, y) => {
    b.checkFpu('mmx')
    const value = t.bits === 32 ? readLow(b, y) : y.readV()
    // Before the conversion, which may raise #XM.
    enterMmx(b)
    const result = floatsToDwords(b, t, value, 2, truncate)
    x.writeMm(i64x2.extract_lane(result, 0))
  }
/**
 * A source in memory leaves the x87 registers alone and waits for no pending exception: so the manual has it of CVTPI2PD
 * (SDM 2A), and processors do it for CVTPI2PS too.
 */
const mmxToFloats: Meaning = (b, x, y) => {
  checkMmx(b, y)
  const value = readLow(b, y)
  if (y.form === 'mm') enterMmx(b)
  const result = dwordsToFloats(b, value)
  x.write(i64x2.extract_lane(result, 0), 64)
}
/** Always exact. */
const dwordsToDoubles: Meaning = (b, x, y) => {
  checkMmx(b, y)
  const value = y.readV()
  if (y.form === 'mm') enterMmx(b)
  x.writeV(f64x2.convert_low_i32x4_s(value))
}

// ── approximations ───────────────────────────────────────────────────────────────────────────────────────────────────

/** RCPPS and RSQRTPS raise nothing. */
const approximated =
  (name: 'sse.rcp' | 'sse.rsqrt', scalar: boolean): Meaning =>
  (b, x, y) => {
    const value = scalar ? readSplat(b, y, 32) : y.readV()
    b.f.emit(v128.store(i32.const(0), value, STATE + FLOAT_SECOND))
    b.host(name)
    const result = v128.load(i32.const(0), STATE + SCRATCH)
    if (scalar) x.write(lowLane(32, result), 32)
    else x.writeV(result)
  }

// ── shuffles and logic: bits, no flags ───────────────────────────────────────────────────────────────────────────────

const logic = (name: string, opcode: string, operation: Binary): Row[] =>
  FORMS.slice(0, 2).map(([suffix, prefix, , , feature, source]) =>
    row(`${name}${suffix} xmm, ${source}`, `${prefix} 0F ${opcode} /r`, 'rw r', combine(operation), { feature }),
  )

const shuffleFloats = (a: V128, b: V128, imm: I32): V128 =>
  lanes64(i8x16.swizzle(a, control32(imm)), i8x16.swizzle(b, control32(imm)), 0, 3)
const shuffleDoubles = (a: V128, b: V128, imm: I32): V128 => {
  const bit = (n: number): I32 => i32.and(imm, i32.const(1 << n))
  return lanes64(select(lanes64(a, a, 1, 1), a, bit(0)), select(lanes64(b, b, 1, 1), b, bit(1)), 0, 2)
}

export const SSE_FLOAT_ROWS: readonly Row[] = [
  ...family('ADD', '58', 'rw r', ADD),
  ...family('MUL', '59', 'rw r', MUL),
  ...family('SUB', '5C', 'rw r', SUB),
  ...family('MIN', '5D', 'rw r', MIN),
  ...family('DIV', '5E', 'rw r', DIV),
  ...family('MAX', '5F', 'rw r', MAX),
  ...family('SQRT', '51', 'w r', SQRT),
  ...FORMS.map(([suffix, prefix, t, scalar, feature, source]) =>
    row(`CMP${suffix} xmm, ${source}, imm8`, `${prefix} 0F C2 /r ib`, 'rw r r', compared(t, scalar), { feature }),
  ),
  row('UCOMISS xmm, xmm/m32', 'NP 0F 2E /r', 'r r', compareToFlags('ucomi', SINGLE), { feature: 'sse' }),
  row('UCOMISD xmm, xmm/m64', '66 0F 2E /r', 'r r', compareToFlags('ucomi', DOUBLE), { feature: 'sse2' }),
  row('COMISS xmm, xmm/m32', 'NP 0F 2F /r', 'r r', compareToFlags('comi', SINGLE), { feature: 'sse' }),
  row('COMISD xmm, xmm/m64', '66 0F 2F /r', 'r r', compareToFlags('comi', DOUBLE), { feature: 'sse2' }),

  row('RCPPS xmm, xmm/m128', 'NP 0F 53 /r', 'w r', approximated('sse.rcp', false), { feature: 'sse' }),
  row('RCPSS xmm, xmm/m32', 'F3 0F 53 /r', 'rw r', approximated('sse.rcp', true), { feature: 'sse' }),
  row('RSQRTPS xmm, xmm/m128', 'NP 0F 52 /r', 'w r', approximated('sse.rsqrt', false), { feature: 'sse' }),
  row('RSQRTSS xmm, xmm/m32', 'F3 0F 52 /r', 'rw r', approximated('sse.rsqrt', true), { feature: 'sse' }),

  row('ADDSUBPS xmm, xmm/m128', 'F2 0F D0 /r', 'rw r', computed(ADDSUB, SINGLE, false), { feature: 'sse3' }),
  row('ADDSUBPD xmm, xmm/m128', '66 0F D0 /r', 'rw r', computed(ADDSUB, DOUBLE, false), { feature: 'sse3' }),
  row('HADDPS xmm, xmm/m128', 'F2 0F 7C /r', 'rw r', horizontal(ADD, SINGLE), { feature: 'sse3' }),
  row('HADDPD xmm, xmm/m128', '66 0F 7C /r', 'rw r', horizontal(ADD, DOUBLE), { feature: 'sse3' }),
  row('HSUBPS xmm, xmm/m128', 'F2 0F 7D /r', 'rw r', horizontal(SUB, SINGLE), { feature: 'sse3' }),
  row('HSUBPD xmm, xmm/m128', '66 0F 7D /r', 'rw r', horizontal(SUB, DOUBLE), { feature: 'sse3' }),

  ...logic('AND', '54', v128.and),
  ...logic('ANDN', '55', andNot),
  ...logic('OR', '56', v128.or),
  ...logic('XOR', '57', v128.xor),
  row('UNPCKLPS xmm, xmm/m128', 'NP 0F 14 /r', 'rw r', combine(LOW_DWORDS), { feature: 'sse' }),
  row('UNPCKHPS xmm, xmm/m128', 'NP 0F 15 /r', 'rw r', combine(HIGH_DWORDS), { feature: 'sse' }),
  row('UNPCKLPD xmm, xmm/m128', '66 0F 14 /r', 'rw r', combine(LOW_QWORDS), { feature: 'sse2' }),
  row('UNPCKHPD xmm, xmm/m128', '66 0F 15 /r', 'rw r', combine(HIGH_QWORDS), { feature: 'sse2' }),
  row('SHUFPS xmm, xmm/m128, imm8', 'NP 0F C6 /r ib', 'rw r r', combineByImmediate(shuffleFloats), { feature: 'sse' }),
  row('SHUFPD xmm, xmm/m128, imm8', '66 0F C6 /r ib', 'rw r r', combineByImmediate(shuffleDoubles), {
    feature: 'sse2',
  }),

  row('CVTSI2SS xmm, r/m64', 'F3 REX.W + 0F 2A /r', 'rw r', integerToScalar(64, SINGLE), { feature: 'sse' }),
  row('CVTSI2SS xmm, r/m32', 'F3 0F 2A /r', 'rw r', integerToScalar(32, SINGLE), { feature: 'sse' }),
  row('CVTSI2SD xmm, r/m64', 'F2 REX.W + 0F 2A /r', 'rw r', integerToScalar(64, DOUBLE), { feature: 'sse2' }),
  row('CVTSI2SD xmm, r/m32', 'F2 0F 2A /r', 'rw r', integerToScalar(32, DOUBLE), { feature: 'sse2' }),
  row('CVTTSS2SI r64, xmm/m32', 'F3 REX.W + 0F 2C /r', 'w r', scalarToInteger(SINGLE, 64, true), { feature: 'sse' }),
  row('CVTTSS2SI r32, xmm/m32', 'F3 0F 2C /r', 'w r', scalarToInteger(SINGLE, 32, true), { feature: 'sse' }),
  row('CVTTSD2SI r64, xmm/m64', 'F2 REX.W + 0F 2C /r', 'w r', scalarToInteger(DOUBLE, 64, true), { feature: 'sse2' }),
  row('CVTTSD2SI r32, xmm/m64', 'F2 0F 2C /r', 'w r', scalarToInteger(DOUBLE, 32, true), { feature: 'sse2' }),
  row('CVTSS2SI r64, xmm/m32', 'F3 REX.W + 0F 2D /r', 'w r', scalarToInteger(SINGLE, 64, false), { feature: 'sse' }),
  row('CVTSS2SI r32, xmm/m32', 'F3 0F 2D /r', 'w r', scalarToInteger(SINGLE, 32, false), { feature: 'sse' }),
  row('CVTSD2SI r64, xmm/m64', 'F2 REX.W + 0F 2D /r', 'w r', scalarToInteger(DOUBLE, 64, false), { feature: 'sse2' }),
  row('CVTSD2SI r32, xmm/m64', 'F2 0F 2D /r', 'w r', scalarToInteger(DOUBLE, 32, false), { feature: 'sse2' }),

  row('CVTPS2PD xmm, xmm/m64', 'NP 0F 5A /r', 'w r', floatToFloat(32, false), { feature: 'sse2' }),
  row('CVTPD2PS xmm, xmm/m128', '66 0F 5A /r', 'w r', floatToFloat(64, false), { feature: 'sse2' }),
  row('CVTSS2SD xmm, xmm/m32', 'F3 0F 5A /r', 'rw r', floatToFloat(32, true), { feature: 'sse2' }),
  row('CVTSD2SS xmm, xmm/m64', 'F2 0F 5A /r', 'rw r', floatToFloat(64, true), { feature: 'sse2' }),
  row('CVTDQ2PS xmm, xmm/m128', 'NP 0F 5B /r', 'w r', (b, x, y) => x.writeV(dwordsToFloats(b, y.readV())), {
    feature: 'sse2',
  }),
  row('CVTPS2DQ xmm, xmm/m128', '66 0F 5B /r', 'w r', packedToDwords(SINGLE, false), { feature: 'sse2' }),
  row('CVTTPS2DQ xmm, xmm/m128', 'F3 0F 5B /r', 'w r', packedToDwords(SINGLE, true), { feature: 'sse2' }),
  row('CVTPD2DQ xmm, xmm/m128', 'F2 0F E6 /r', 'w r', packedToDwords(DOUBLE, false), { feature: 'sse2' }),
  row('CVTTPD2DQ xmm, xmm/m128', '66 0F E6 /r', 'w r', packedToDwords(DOUBLE, true), { feature: 'sse2' }),
  row('CVTDQ2PD xmm, xmm/m64', 'F3 0F E6 /r', 'w r', dwordsToDoubles, { feature: 'sse2' }),

  row('CVTPI2PS xmm, mm/m64', 'NP 0F 2A /r', 'rw r', mmxToFloats, { feature: 'sse', unit: 'sse' }),
  row('CVTPI2PD xmm, mm/m64', '66 0F 2A /r', 'w r', dwordsToDoubles, { feature: 'sse2', unit: 'sse' }),
  row('CVTTPS2PI mm, xmm/m64', 'NP 0F 2C /r', 'w r', packedToMmx(SINGLE, true), { feature: 'sse', unit: 'sse' }),
  row('CVTTPD2PI mm, xmm/m128', '66 0F 2C /r', 'w r', packedToMmx(DOUBLE, true), { feature: 'sse2', unit: 'sse' }),
  row('CVTPS2PI mm, xmm/m64', 'NP 0F 2D /r', 'w r', packedToMmx(SINGLE, false), { feature: 'sse', unit: 'sse' }),
  row('CVTPD2PI mm, xmm/m128', '66 0F 2D /r', 'w r', packedToMmx(DOUBLE, false), { feature: 'sse2', unit: 'sse' }),
]
