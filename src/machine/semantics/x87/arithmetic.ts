/**
 * x87 arithmetic (SDM 2A, 2B; SDM 1 §8.5): exact, or exact enough with a sticky bit, then rounded once. An operation
 * that raises IE, DE or ZE with the exception unmasked gives a result that the caller drops.
 */
import {
  bitLength,
  DE,
  finite,
  IE,
  infinity,
  isSignaling,
  negated,
  PE,
  quieted,
  Rounding,
  type Unpacked,
  ZE,
  zero,
} from '../softfloat/format.ts'
import { type Context, controlled, cut, EXTENDED, INDEFINITE, isUnsupported, round, type Sign } from './f80.ts'

export const invalid = (c: Context): Unpacked => {
  c.flags |= IE
  return INDEFINITE
}
/** Whether a DE, just raised, keeps the instruction from computing. */
const stopped = (c: Context): boolean => (c.flags & ~c.masks & DE) !== 0

/** x87's choice among NaNs (SDM 1 table 4-7): a quiet one before a signaling one, then the larger significand. */
export const propagate = (a: Unpacked, b: Unpacked, c: Context): Unpacked => {
  if (isUnsupported(a) || isUnsupported(b)) return invalid(c)
  const signalingA = isSignaling(a)
  const signalingB = isSignaling(b)
  if (signalingA || signalingB) c.flags |= IE
  if (b.kind !== 'nan') return quieted(a)
  if (a.kind !== 'nan') return quieted(b)
  if (signalingA !== signalingB) return signalingA ? b : a
  if (a.significand !== b.significand) return quieted(a.significand > b.significand ? a : b)
  return quieted(a.sign === 0 ? a : b)
}
const denormals = (c: Context, a: Unpacked, b: Unpacked = a): void => {
  if (a.denormal || b.denormal) c.flags |= DE
}

/** Bits beyond the precision that decide any rounding. */
const GUARD = 68

const sum = (a: Unpacked, b: Unpacked, c: Context): Unpacked => {
  denormals(c, a, b)
  if (stopped(c)) return a
  if (a.kind === 'infinity') return a
  if (b.kind === 'infinity') return b
  const limits = controlled(c.precision)
  if (a.kind === 'zero') {
    if (b.kind !== 'zero') return round(b, limits, c)
    return a.sign === b.sign ? a : zero(c.rounding === Rounding.Down ? 1 : 0)
  }
  if (b.kind === 'zero') return round(a, limits, c)
  let high = a
  let low = b
  if (a.exponent < b.exponent) {
    high = b
    low = a
  }
  // Far apart, the smaller says only on which side of the larger the sum lies.
  if (high.exponent - low.exponent > 64 + GUARD) low = finite(low.sign, high.exponent - GUARD, 1n)
  const x = high.significand << BigInt(high.exponent - low.exponent)
  const total = (high.sign === 1 ? -x : x) + (low.sign === 1 ? -low.significand : low.significand)
  if (total === 0n) return zero(c.rounding === Rounding.Down ? 1 : 0)
  return round(finite(total < 0n ? 1 : 0, low.exponent, total < 0n ? -total : total), limits, c)
}
export const add = (a: Unpacked, b: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagate(a, b, c)
  if (a.kind === 'infinity' && b.kind === 'infinity' && a.sign !== b.sign) return invalid(c)
  return sum(a, b, c)
}
export const subtract = (a: Unpacked, b: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagate(a, b, c)
  if (a.kind === 'infinity' && b.kind === 'infinity' && a.sign === b.sign) return invalid(c)
  return sum(a, negated(b), c)
}

export const multiply = (a: Unpacked, b: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagate(a, b, c)
  if ((a.kind === 'infinity' && b.kind === 'zero') || (a.kind === 'zero' && b.kind === 'infinity')) return invalid(c)
  denormals(c, a, b)
  if (stopped(c)) return a
  const sign = (a.sign ^ b.sign) as Sign
  if (a.kind === 'infinity' || b.kind === 'infinity') return infinity(sign)
  if (a.kind === 'zero' || b.kind === 'zero') return zero(sign)
  return round(finite(sign, a.exponent + b.exponent, a.significand * b.significand), controlled(c.precision), c)
}

/** a / b of finite numbers, the last bit sticky. */
export const quotientOf = (a: Unpacked, b: Unpacked, bits: number): Unpacked => {
  const shift = Math.max(0, bits + bitLength(b.significand) - bitLength(a.significand))
  const dividend = a.significand << BigInt(shift)
  const q = dividend / b.significand
  const sticky = q * b.significand === dividend ? 0n : 1n
  return finite((a.sign ^ b.sign) as Sign, a.exponent - b.exponent - shift - 1, (q << 1n) | sticky)
}
export const divide = (a: Unpacked, b: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagate(a, b, c)
  if (a.kind === b.kind && (a.kind === 'zero' || a.kind === 'infinity')) return invalid(c)
  const sign = (a.sign ^ b.sign) as Sign
  if (b.kind === 'zero' && a.kind === 'finite') {
    // A denormal dividend goes unmentioned: ZE has precedence (SDM 1 §4.9.2).
    c.flags |= ZE
    return infinity(sign)
  }
  denormals(c, a, b)
  if (stopped(c)) return a
  if (b.kind === 'zero' || a.kind === 'infinity') return infinity(sign)
  if (b.kind === 'infinity' || a.kind === 'zero') return zero(sign)
  return round(quotientOf(a, b, GUARD), controlled(c.precision), c)
}
export const subtractReversed = (a: Unpacked, b: Unpacked, c: Context): Unpacked => subtract(b, a, c)
export const divideReversed = (a: Unpacked, b: Unpacked, c: Context): Unpacked => divide(b, a, c)

/** Largest integer whose square is not above `value`. */
export const integerSqrt = (value: bigint): bigint => {
  let x = 1n << BigInt((bitLength(value) + 1) >> 1)
  for (;;) {
    const y = (x + value / x) >> 1n
    if (y >= x) return x
    x = y
  }
}
export const squareRoot = (a: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan') return propagate(a, a, c)
  if (a.sign === 1 && a.kind !== 'zero') return invalid(c)
  denormals(c, a)
  if (stopped(c) || a.kind !== 'finite') return a
  let shift = Math.max(0, 2 * GUARD - bitLength(a.significand))
  if (((a.exponent - shift) & 1) !== 0) shift++
  const radicand = a.significand << BigInt(shift)
  const root = integerSqrt(radicand)
  const sticky = root * root === radicand ? 0n : 1n
  return round(finite(0, (a.exponent - shift) / 2 - 1, (root << 1n) | sticky), controlled(c.precision), c)
}

export const roundToInteger = (a: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan') return propagate(a, a, c)
  denormals(c, a)
  if (stopped(c) || a.kind !== 'finite' || a.exponent >= 0) return a
  const { quotient, inexact, up } =
    a.exponent < -200 ? cut(a.sign, 1n, 0, 100, c.rounding) : cut(a.sign, a.significand, a.exponent, 0, c.rounding)
  if (inexact) c.flags |= PE
  c.c1 = up
  return quotient === 0n ? zero(a.sign) : finite(a.sign, 0, quotient)
}

/** Exponents past this overflow or underflow whatever they scale, even with the unmasked results' bias. */
const FURTHEST = 1 << 17
/** a * 2^trunc(b). */
export const scale = (a: Unpacked, b: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return propagate(a, b, c)
  if (b.kind === 'infinity' && (b.sign === 0 ? a.kind === 'zero' : a.kind === 'infinity')) return invalid(c)
  denormals(c, a, b)
  if (stopped(c)) return a
  if (b.kind === 'infinity') return b.sign === 0 ? infinity(a.sign) : zero(a.sign)
  if (a.kind !== 'finite') return a
  if (b.kind === 'zero') return round(a, EXTENDED, c)
  let by = 0
  if (b.exponent + bitLength(b.significand) > 17) by = FURTHEST
  else if (b.exponent > -64) by = Number(cut(0, b.significand, b.exponent, 0, Rounding.Zero).quotient)
  return round(finite(a.sign, a.exponent + (b.sign === 1 ? -by : by), a.significand), EXTENDED, c)
}

export interface Extracted {
  readonly exponent: Unpacked
  readonly significand: Unpacked
}
export const extract = (a: Unpacked, c: Context): Extracted => {
  if (a.kind === 'nan') {
    const result = propagate(a, a, c)
    return { exponent: result, significand: result }
  }
  if (a.kind === 'infinity') return { exponent: infinity(0), significand: a }
  if (a.kind === 'zero') {
    c.flags |= ZE
    return { exponent: infinity(1), significand: a }
  }
  denormals(c, a)
  const top = a.exponent + bitLength(a.significand) - 1
  return {
    exponent: finite(top < 0 ? 1 : 0, 0, BigInt(Math.abs(top))),
    significand: finite(a.sign, a.exponent - top, a.significand),
  }
}

export interface Remainder {
  readonly value: Unpacked
  /** Low three bits of the quotient. */
  readonly quotient: number
  /** C2: the reduction is incomplete. */
  readonly partial: boolean
}
/** FPREM (truncating) and FPREM1 (to nearest). */
export const remainder = (a: Unpacked, b: Unpacked, nearest: boolean, c: Context): Remainder => {
  const done = (value: Unpacked): Remainder => ({ value, quotient: 0, partial: false })
  if (a.kind === 'nan' || b.kind === 'nan') return done(propagate(a, b, c))
  if (a.kind === 'infinity' || b.kind === 'zero') return done(invalid(c))
  denormals(c, a, b)
  if (stopped(c)) return done(a)
  // Of an infinite divisor nothing is computed, and so nothing underflows (Intel; on AMD a denormal does, unmasked).
  if (a.kind === 'zero' || b.kind === 'infinity') return done(a)
  const distance = a.exponent + bitLength(a.significand) - b.exponent - bitLength(b.significand)
  if (distance < -1) return done(round(a, EXTENDED, c))
  // Reduced by at least 32 and fewer than 64 bits at a time.
  const partial = distance >= 64
  const step = partial ? distance - ((distance & 31) | 32) : 0
  const exponent = b.exponent + step
  const low = Math.min(a.exponent, exponent)
  const x = a.significand << BigInt(a.exponent - low)
  const y = b.significand << BigInt(exponent - low)
  let q = x / y
  let r = x - q * y
  let { sign } = a
  if (nearest && !partial) {
    const twice = r << 1n
    if (twice > y || (twice === y && (q & 1n) === 1n)) {
      q++
      r = y - r
      sign = (sign ^ 1) as Sign
    }
  }
  const value = r === 0n ? zero(a.sign) : round(finite(sign, low, r), EXTENDED, c)
  return { value, quotient: partial ? 0 : Number(q & 7n), partial }
}

export type Relation = 'less' | 'equal' | 'greater' | 'unordered'
/** Flags: IE for signaling NaNs, or for any when `signaling`; DE. */
export const compare = (a: Unpacked, b: Unpacked, signaling: boolean, c: Context): Relation => {
  if (a.kind === 'nan' || b.kind === 'nan') {
    if (signaling || isSignaling(a) || isSignaling(b)) c.flags |= IE
    return 'unordered'
  }
  denormals(c, a, b)
  const order = ordered(a, b)
  return order < 0 ? 'less' : order > 0 ? 'greater' : 'equal'
}
const signum = (a: Unpacked): number => (a.kind === 'zero' ? 0 : a.sign === 1 ? -1 : 1)
const ordered = (a: Unpacked, b: Unpacked): number => {
  const sign = signum(a)
  if (sign !== signum(b)) return sign - signum(b)
  if (sign === 0) return 0
  if (a.kind === 'infinity') return b.kind === 'infinity' ? 0 : sign
  if (b.kind === 'infinity') return -sign
  const topA = a.exponent + bitLength(a.significand)
  const topB = b.exponent + bitLength(b.significand)
  if (topA !== topB) return topA > topB ? sign : -sign
  const low = Math.min(a.exponent, b.exponent)
  const x = a.significand << BigInt(a.exponent - low)
  const y = b.significand << BigInt(b.exponent - low)
  return x === y ? 0 : x > y ? sign : -sign
}
