/**
 * IEEE 754 arithmetic on unpacked numbers, with x86's flags (SDM 1 §4.9, §11.5). Every operation computes exactly, or
 * exactly enough (a sticky bit), and rounds once. Which NaN comes out of two is the caller's rule: SSE and x87 differ.
 */
import { assert } from '../../../base/assert.ts'
import {
  bitLength,
  DE,
  finite,
  IE,
  INDEFINITE,
  infinity,
  isSignaling,
  type Limits,
  negated,
  OE,
  PE,
  quieted,
  Rounding,
  UE,
  type Unpacked,
  ZE,
  zero,
} from './format.ts'

/** One operation's circumstances: the control bits, and the flags it raises. */
export interface Context {
  readonly rounding: Rounding
  /** Exceptions that are masked, at the flags' bits. */
  readonly masks: number
  /** MXCSR.FTZ. */
  readonly flushToZero: boolean
  flags: number
  /** The NaN that comes out when at least one of two operands is one; both already quiet. */
  readonly chooseNan: (a: Unpacked, b: Unpacked) => Unpacked
}

const STICKY_ROOM = 3

/** `significand` * 2^exponent cut to a multiple of 2^lsb. */
const roundAt = (
  sign: 0 | 1,
  significand: bigint,
  exponent: number,
  lsb: number,
  rounding: Rounding,
): { quotient: bigint; inexact: boolean } => {
  const shift = lsb - exponent
  if (shift <= 0) return { quotient: significand << BigInt(-shift), inexact: false }
  const quotient = significand >> BigInt(shift)
  const rest = significand - (quotient << BigInt(shift))
  if (rest === 0n) return { quotient, inexact: false }
  const half = 1n << BigInt(shift - 1)
  const up =
    rounding === Rounding.Nearest
      ? rest > half || (rest === half && (quotient & 1n) === 1n)
      : rounding === Rounding.Down
        ? sign === 1
        : rounding === Rounding.Up
          ? sign === 0
          : false
  return { quotient: up ? quotient + 1n : quotient, inexact: true }
}

/**
 * A finite number as the limits have it. Flags: OE, UE, PE. With underflow unmasked a tiny number comes back with its
 * exponent unbounded: SSE drops it, x87 rebiases it (SDM 1 §8.5.5).
 */
export const round = (a: Unpacked, limits: Limits, context: Context): Unpacked => {
  if (a.kind !== 'finite') return a
  const { sign, significand, exponent } = a
  const length = bitLength(significand)
  const unbounded = roundAt(sign, significand, exponent, exponent + length - limits.precision, context.rounding)
  const lsb = exponent + length - limits.precision
  // Tininess is detected after rounding, as if the exponent had no bound (SDM 1 §4.9.1.5).
  const top = lsb + bitLength(unbounded.quotient) - 1
  if (top < limits.emin) {
    if ((context.masks & UE) === 0) {
      // The handler gets to see the unbounded exponent's result: PE tells whether that one is exact.
      context.flags |= unbounded.inexact ? UE | PE : UE
      return finite(sign, lsb, unbounded.quotient)
    }
    if (context.flushToZero) {
      context.flags |= UE | PE
      return zero(sign)
    }
    const { quotient, inexact } = roundAt(
      sign,
      significand,
      exponent,
      limits.emin - limits.precision + 1,
      context.rounding,
    )
    if (inexact) context.flags |= UE | PE
    return finite(sign, limits.emin - limits.precision + 1, quotient)
  }
  if (top > limits.emax) {
    context.flags |= OE
    if ((context.masks & OE) !== 0 || unbounded.inexact) context.flags |= PE
    const toInfinity =
      context.rounding === Rounding.Nearest ||
      (context.rounding === Rounding.Up && sign === 0) ||
      (context.rounding === Rounding.Down && sign === 1)
    if (toInfinity) return infinity(sign)
    return finite(sign, limits.emax - limits.precision + 1, (1n << BigInt(limits.precision)) - 1n)
  }
  if (unbounded.inexact) context.flags |= PE
  return finite(sign, lsb, unbounded.quotient)
}

const invalid = (context: Context): Unpacked => {
  context.flags |= IE
  return INDEFINITE
}
/** The result when an operand is a NaN. Flags: IE for a signaling one. */
const propagated = (a: Unpacked, b: Unpacked, context: Context): Unpacked => {
  if (isSignaling(a) || isSignaling(b)) context.flags |= IE
  if (b.kind !== 'nan') return quieted(a)
  if (a.kind !== 'nan') return quieted(b)
  return context.chooseNan(quieted(a), quieted(b))
}
const noteDenormal = (context: Context, a: Unpacked, b: Unpacked = a): void => {
  if (a.denormal || b.denormal) context.flags |= DE
}

export const add = (a: Unpacked, b: Unpacked, limits: Limits, context: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagated(a, b, context)
  if (a.kind === 'infinity' && b.kind === 'infinity' && a.sign !== b.sign) return invalid(context)
  noteDenormal(context, a, b)
  if (a.kind === 'infinity') return a
  if (b.kind === 'infinity') return b
  if (a.kind === 'zero' && b.kind === 'zero') {
    if (a.sign === b.sign) return a
    return zero(context.rounding === Rounding.Down ? 1 : 0)
  }
  if (a.kind === 'zero') return round(b, limits, context)
  if (b.kind === 'zero') return round(a, limits, context)
  let [high, low] = a.exponent >= b.exponent ? [a, b] : [b, a]
  // Far apart, the smaller is only a hint of which side of the larger the sum lies on.
  const far = high.exponent - low.exponent - bitLength(low.significand)
  if (far > limits.precision + STICKY_ROOM) {
    const room = limits.precision + STICKY_ROOM
    low = finite(low.sign, high.exponent - room, 1n)
  }
  const x = high.significand << BigInt(high.exponent - low.exponent)
  const sum = (high.sign === 1 ? -x : x) + (low.sign === 1 ? -low.significand : low.significand)
  if (sum === 0n) return zero(context.rounding === Rounding.Down ? 1 : 0)
  return round(finite(sum < 0n ? 1 : 0, low.exponent, sum < 0n ? -sum : sum), limits, context)
}

export const subtract = (a: Unpacked, b: Unpacked, limits: Limits, context: Context): Unpacked =>
  add(a, b.kind === 'nan' ? b : negated(b), limits, context)

export const multiply = (a: Unpacked, b: Unpacked, limits: Limits, context: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagated(a, b, context)
  if ((a.kind === 'infinity' && b.kind === 'zero') || (a.kind === 'zero' && b.kind === 'infinity'))
    return invalid(context)
  noteDenormal(context, a, b)
  const sign = (a.sign ^ b.sign) as 0 | 1
  if (a.kind === 'infinity' || b.kind === 'infinity') return infinity(sign)
  if (a.kind === 'zero' || b.kind === 'zero') return zero(sign)
  return round(finite(sign, a.exponent + b.exponent, a.significand * b.significand), limits, context)
}

export const divide = (a: Unpacked, b: Unpacked, limits: Limits, context: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagated(a, b, context)
  if (a.kind === b.kind && (a.kind === 'zero' || a.kind === 'infinity')) return invalid(context)
  const sign = (a.sign ^ b.sign) as 0 | 1
  if (b.kind === 'zero' && a.kind === 'finite') {
    context.flags |= ZE
    return infinity(sign)
  }
  noteDenormal(context, a, b)
  if (a.kind === 'infinity') return infinity(sign)
  if (b.kind === 'infinity' || a.kind === 'zero') return zero(sign)
  const shift = Math.max(0, limits.precision + STICKY_ROOM + bitLength(b.significand) - bitLength(a.significand))
  const dividend = a.significand << BigInt(shift)
  const quotient = dividend / b.significand
  const sticky = quotient * b.significand === dividend ? 0n : 1n
  return round(finite(sign, a.exponent - b.exponent - shift - 1, (quotient << 1n) | sticky), limits, context)
}

/** Largest integer whose square is not above `value`. */
const integerSqrt = (value: bigint): bigint => {
  let x = 1n << BigInt((bitLength(value) + 1) >> 1)
  for (;;) {
    const y = (x + value / x) >> 1n
    if (y >= x) return x
    x = y
  }
}
export const squareRoot = (a: Unpacked, limits: Limits, context: Context): Unpacked => {
  if (a.kind === 'nan') return propagated(a, a, context)
  if (a.sign === 1 && a.kind !== 'zero') return invalid(context)
  noteDenormal(context, a)
  if (a.kind !== 'finite') return a
  let shift = Math.max(0, 2 * (limits.precision + STICKY_ROOM) - bitLength(a.significand))
  if (((a.exponent - shift) & 1) !== 0) shift++
  const radicand = a.significand << BigInt(shift)
  const root = integerSqrt(radicand)
  const sticky = root * root === radicand ? 0n : 1n
  return round(finite(0, (a.exponent - shift) / 2 - 1, (root << 1n) | sticky), limits, context)
}

/** To another format. */
export const convert = (a: Unpacked, limits: Limits, context: Context): Unpacked => {
  if (a.kind === 'nan') return propagated(a, a, context)
  noteDenormal(context, a)
  return round(a, limits, context)
}

export const fromInteger = (value: bigint, limits: Limits, context: Context): Unpacked =>
  round(finite(value < 0n ? 1 : 0, 0, value < 0n ? -value : value), limits, context)

/** A signed integer of `bits`; what does not fit is the integer indefinite, 80...0. Flags: IE, PE. */
export const toInteger = (
  a: Unpacked,
  bits: number,
  context: Context,
  rounding: Rounding = context.rounding,
): bigint => {
  const indefinite = -(1n << BigInt(bits - 1))
  if (a.kind === 'zero') return 0n
  if (a.kind === 'finite' && a.exponent + bitLength(a.significand) <= bits + 1) {
    const { quotient, inexact } = roundAt(a.sign, a.significand, a.exponent, 0, rounding)
    const value = a.sign === 1 ? -quotient : quotient
    if (value >= indefinite && value < -indefinite) {
      if (inexact) context.flags |= PE
      return value
    }
  }
  context.flags |= IE
  return indefinite
}

/** The nearest integral number, same format. Flags: IE, PE. */
export const roundToIntegral = (a: Unpacked, context: Context, rounding: Rounding): Unpacked => {
  if (a.kind === 'nan') return propagated(a, a, context)
  if (a.kind !== 'finite') return a
  const { quotient, inexact } = roundAt(a.sign, a.significand, a.exponent, Math.max(0, a.exponent), rounding)
  if (!inexact) return a
  context.flags |= PE
  return finite(a.sign, 0, quotient)
}

export type Relation = 'less' | 'equal' | 'greater' | 'unordered'

/** Flags: IE for a signaling NaN, or any when `signaling`; DE. */
export const compare = (a: Unpacked, b: Unpacked, context: Context, signaling: boolean): Relation => {
  if (a.kind === 'nan' || b.kind === 'nan') {
    if (signaling || isSignaling(a) || isSignaling(b)) context.flags |= IE
    return 'unordered'
  }
  noteDenormal(context, a, b)
  const x = magnitudeOrder(a, b)
  return x < 0 ? 'less' : x > 0 ? 'greater' : 'equal'
}
const signum = (a: Unpacked): number => (a.kind === 'zero' ? 0 : a.sign === 1 ? -1 : 1)
const magnitudeOrder = (a: Unpacked, b: Unpacked): number => {
  const sa = signum(a)
  if (sa !== signum(b)) return sa - signum(b)
  if (sa === 0) return 0
  if (a.kind === 'infinity') return b.kind === 'infinity' ? 0 : sa
  if (b.kind === 'infinity') return -sa
  assert(a.kind === 'finite' && b.kind === 'finite', 'only finite numbers are left to compare')
  const ea = a.exponent + bitLength(a.significand)
  const eb = b.exponent + bitLength(b.significand)
  if (ea !== eb) return ea > eb ? sa : -sa
  const low = Math.min(a.exponent, b.exponent)
  const x = a.significand << BigInt(a.exponent - low)
  const y = b.significand << BigInt(b.exponent - low)
  return x === y ? 0 : x > y ? sa : -sa
}
