/**
 * FSIN FCOS FSINCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1 and the constants (SDM 1 §8.3.8-8.3.10), in fixed point with more
 * than 128 good bits, rounded once: the correctly rounded value, but for two things. As processors do, trigonometric
 * functions reduce their argument by a pi of 66 bits (SDM 1 §8.3.8), here exactly that pi of the argument. And where an
 * argument is so small that the result hardly depends on the function, it is what Intel's processors make of it (`TINY`,
 * `SMALL_TANGENT`).
 *
 * Hardware's last bit is not always the correctly rounded one. Of values over all rounding modes, this many differ by one
 * unit in the last place, none by more; C1 follows the value. Constants are the same in every bit.
 *
 *                   FSIN              FCOS
 *                   to 2^6  beyond    to 2^6  beyond    FPTAN   FPATAN  F2XM1   FYL2X   FYL2XP1
 *   Intel Xeon      0.4 %   3.5 %     0.4 %   2.6 %     3.0 %   1.5 %   9.3 %   7.4 %   10.2 %
 *   AMD Zen 4       0.3 %   1 %       0.1 %   1 %       1.5 %   1.4 %   2.1 %   2.5 %   2.4 %
 *   AMD Zen 3       0.4 %   1 %       0.1 %   1 %       1.6 %   1.4 %   2.0 %   2.4 %   2.5 %
 *
 * Values on their way are bigints with FRACTION fraction bits; results carry a sticky last bit, since none is exact.
 */
import { bitLength, DE, finite, infinity, PE, type Rounding, UE, type Unpacked, ZE, zero } from '../softfloat/format.ts'
import { integerSqrt, invalid, propagate, quotientOf } from './arithmetic.ts'
import { type Context, EXTENDED, ONE, round, type Sign } from './f80.ts'

const FRACTION = 256
const F = BigInt(FRACTION)
const UNIT = 1n << F
/** Below this magnitude, as a power of two, functions are their first few terms. */
const SMALL = -40
/** Extra bits of a small argument's leading term. */
const ROOM = 192n

const multiply = (a: bigint, b: bigint): bigint => (a * b) >> F
const topOf = (a: Unpacked): number => a.exponent + bitLength(a.significand) - 1
/** |a| in fixed point; what lies below is cut off. */
const fixed = (a: Unpacked): bigint => {
  const shift = a.exponent + FRACTION
  return shift >= 0 ? a.significand << BigInt(shift) : a.significand >> BigInt(-shift)
}
/** a^2 in fixed point, `a` small. */
const squareOf = (a: Unpacked): bigint => {
  const shift = 2 * a.exponent + FRACTION
  return shift >= 0
    ? (a.significand * a.significand) << BigInt(shift)
    : (a.significand * a.significand) >> BigInt(-shift)
}
const inexact = (sign: Sign, exponent: number, significand: bigint): Unpacked =>
  finite(sign, exponent - 1, (significand << 1n) | 1n)
const fromFixed = (value: bigint, sign: Sign = 0): Unpacked =>
  value < 0n ? inexact((sign ^ 1) as Sign, -FRACTION, -value) : inexact(sign, -FRACTION, value)

/** Rounded, and inexact even if it is not: a transcendental function has no exact results for processors. */
const calledInexact = (a: Unpacked, c: Context): Unpacked => {
  c.flags |= PE
  const result = round(a, EXTENDED, c)
  if ((c.masks & UE) !== 0 && (result.kind === 'zero' || topOf(result) < EXTENDED.emin)) c.flags |= UE
  return result
}

// ── constants ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** atan(1/n) * 2^bits. */
const arccotangent = (n: bigint, one: bigint): bigint => {
  let term = one / n
  let total = term
  for (let i = 3n, sign = -1n; term !== 0n; i += 2n, sign = -sign) {
    term /= n * n
    total += (sign * term) / i
  }
  return total
}
const GUARD_BITS = 32n
const computePi = (): bigint => {
  const one = UNIT << GUARD_BITS
  return (4n * (4n * arccotangent(5n, one) - arccotangent(239n, one))) >> GUARD_BITS
}
/** atanh(s) by its series, |s| < 1. */
const artanh = (s: bigint): bigint => {
  const square = multiply(s, s)
  let term = s
  let total = s
  for (let i = 3n; term !== 0n && term !== -1n; i += 2n) {
    term = multiply(term, square)
    total += term / i
  }
  return total
}
const PI = computePi()
const LN2 = 2n * artanh(UNIT / 3n)
const LOG2E = (UNIT << F) / LN2
const LN10 = 3n * LN2 + 2n * artanh(UNIT / 9n)
/** pi cut after 66 significant bits, times 1/2. */
const HALF_PI_66 = (0xc90fdaa22168c234cn << (F - 66n)) >> 1n

const CONSTANTS = {
  fldl2t: (LN10 << F) / LN2,
  fldl2e: LOG2E,
  fldpi: PI,
  fldlg2: (LN2 << F) / LN10,
  fldln2: LN2,
} as const
export type ConstantName = keyof typeof CONSTANTS
/** Loaded as the rounding control says; raises nothing. */
export const constant = (name: ConstantName, rounding: Rounding): Unpacked =>
  round(fromFixed(CONSTANTS[name]), EXTENDED, { rounding, precision: 64, masks: 0x3f, flags: 0, c1: false })

// ── trigonometry ─────────────────────────────────────────────────────────────────────────────────────────────────────

const sine = (x: bigint): bigint => {
  const square = multiply(x, x)
  let term = x
  let total = x
  for (let i = 2n; term !== 0n && term !== -1n; i += 2n) {
    term = -multiply(term, square) / (i * (i + 1n))
    total += term
  }
  return total
}
const cosine = (x: bigint): bigint => {
  const square = multiply(x, x)
  let term = UNIT
  let total = UNIT
  for (let i = 1n; term !== 0n && term !== -1n; i += 2n) {
    term = -multiply(term, square) / (i * (i + 1n))
    total += term
  }
  return total
}

/** Arguments from here on are not reduced: C2 is set and nothing changes. */
const TRIGONOMETRIC_LIMIT = 63
export const outOfRange = (a: Unpacked): boolean => a.kind === 'finite' && topOf(a) >= TRIGONOMETRIC_LIMIT

/** Argument checks that all share: the result when it is settled, undefined when it is to be computed. */
const unary = (a: Unpacked, c: Context): Unpacked | undefined => {
  if (a.kind === 'nan') return propagate(a, a, c)
  if (a.kind === 'infinity') return invalid(c)
  if (a.denormal) c.flags |= DE
  return (c.flags & ~c.masks & DE) !== 0 ? a : undefined
}

/** x - k * pi/2 with the nearest k. */
const reduce = (a: Unpacked): { readonly rest: bigint; readonly quadrant: number } => {
  const x = fixed(a)
  const k = (x + (HALF_PI_66 >> 1n)) / HALF_PI_66
  return { rest: x - k * HALF_PI_66, quadrant: Number(k & 3n) }
}

const rawSine = (a: Unpacked): Unpacked => {
  if (topOf(a) < SMALL) {
    const s = a.significand << ROOM
    return inexact(a.sign, a.exponent - Number(ROOM), s - ((s * squareOf(a)) >> F) / 6n - 1n)
  }
  const { rest, quadrant } = reduce(a)
  const value = (quadrant & 1) === 0 ? sine(rest) : cosine(rest)
  return fromFixed((quadrant & 2) === 0 ? value : -value, a.sign as Sign)
}
const rawCosine = (a: Unpacked): Unpacked => {
  if (topOf(a) < SMALL) return fromFixed(UNIT - squareOf(a) / 2n - 1n)
  const { rest, quadrant } = reduce(a)
  const value = (quadrant & 1) === 0 ? cosine(rest) : sine(rest)
  return fromFixed(((quadrant + 1) & 2) === 0 ? value : -value)
}

/**
 * Below this, as a power of two, sine and tangent are the argument and the cosine is 1 whatever the rounding control
 * says, all called inexact: so on Intel's processors. AMD's round what lies just beside.
 */
const TINY = -68

export const sin = (a: Unpacked, c: Context): Unpacked => {
  const settled = unary(a, c)
  if (settled !== undefined) return settled
  if (a.kind === 'zero') return a
  if (topOf(a) < TINY) return calledInexact(a, c)
  return round(rawSine(a), EXTENDED, c)
}
export const cos = (a: Unpacked, c: Context): Unpacked => {
  const settled = unary(a, c)
  if (settled !== undefined) return settled
  if (a.kind === 'zero') return ONE
  if (topOf(a) < TINY) return calledInexact(ONE, c)
  return round(rawCosine(a), EXTENDED, c)
}
/**
 * From here down to `TINY` Intel's tangent is rounded from just below the argument, though the tangent is just above;
 * that of a power of two is the argument.
 */
const SMALL_TANGENT = -33
export const tan = (a: Unpacked, c: Context): Unpacked => {
  const settled = unary(a, c)
  if (settled !== undefined) return settled
  if (a.kind === 'zero') return a
  const top = topOf(a)
  if (top < SMALL_TANGENT) {
    const powerOfTwo = (a.significand & (a.significand - 1n)) === 0n
    if (top < TINY || powerOfTwo) return calledInexact(a, c)
    return round(inexact(a.sign, a.exponent - Number(ROOM), (a.significand << ROOM) - 1n), EXTENDED, c)
  }
  return round(quotientOf(rawSine(a), rawCosine(a), FRACTION), EXTENDED, c)
}

/** atan(n / 16), n to 16. */
const arctangents: bigint[] = []
const smallArctangent = (t: bigint): bigint => {
  const square = multiply(t, t)
  let term = t
  let total = t
  for (let i = 3n; term !== 0n && term !== -1n; i += 2n) {
    term = -multiply(term, square)
    total += term / i
  }
  return total
}
/** atan(t), t from 0 to 1. */
const arctangent = (t: bigint): bigint => {
  if (arctangents.length === 0) {
    // Step by step: atan((n+1)/16) - atan(n/16) = atan(16 / (256 + n (n+1))).
    let total = 0n
    for (let n = 0n; n <= 16n; n++) {
      arctangents.push(total)
      total += smallArctangent((16n * UNIT) / (256n + n * (n + 1n)))
    }
  }
  const n = (t + UNIT / 32n) >> (F - 4n)
  const table = (n * UNIT) / 16n
  return arctangents[Number(n)]! + smallArctangent(((t - table) << F) / (UNIT + multiply(t, table)))
}

/** atan2(y, x): FPATAN of y in ST(1), x in ST(0). */
export const atan2 = (y: Unpacked, x: Unpacked, c: Context): Unpacked => {
  if (y.kind === 'nan' || x.kind === 'nan') return propagate(y, x, c)
  if (y.denormal || x.denormal) c.flags |= DE
  if ((c.flags & ~c.masks & DE) !== 0) return x
  const { sign } = y
  const angle = (numerator: bigint, denominator: bigint): Unpacked =>
    round(fromFixed((PI * numerator) / denominator, sign as Sign), EXTENDED, c)
  if (y.kind === 'zero' || (x.kind === 'infinity' && y.kind === 'finite'))
    return x.sign === 0 ? zero(sign) : angle(1n, 1n)
  if (y.kind === 'infinity')
    return x.kind === 'infinity' ? (x.sign === 0 ? angle(1n, 4n) : angle(3n, 4n)) : angle(1n, 2n)
  if (x.kind === 'zero') return angle(1n, 2n)
  const ratio = { ...quotientOf(y, x, FRACTION), sign: 0 as Sign }
  const top = topOf(ratio)
  if (top < SMALL && x.sign === 0) {
    const s = ratio.significand << 2n
    return round(inexact(sign as Sign, ratio.exponent - 2, s - ((s * squareOf(ratio)) >> F) / 3n - 1n), EXTENDED, c)
  }
  let value: bigint
  if (top > FRACTION) value = PI / 2n
  else if (top >= 0) value = PI / 2n - arctangent(fixed({ ...quotientOf(x, y, FRACTION), sign: 0 }))
  else value = arctangent(fixed(ratio))
  return round(fromFixed(x.sign === 1 ? PI - value : value, sign as Sign), EXTENDED, c)
}

// ── exponentials and logarithms ──────────────────────────────────────────────────────────────────────────────────────

/** 2^x - 1, x from -1 to 1; beyond, where the result is undefined, x comes back. */
export const exp2m1 = (a: Unpacked, c: Context): Unpacked => {
  if (a.kind === 'nan') return propagate(a, a, c)
  if (a.denormal) c.flags |= DE
  if ((c.flags & ~c.masks & DE) !== 0 || a.kind === 'zero') return a
  if (a.kind === 'infinity') return a.sign === 0 ? a : { ...ONE, sign: 1 }
  const top = topOf(a)
  if (top >= 0) {
    const exact = bitLength(a.significand & -a.significand) === bitLength(a.significand)
    c.flags |= PE
    if (top > 0 || !exact) return a
    // Hardware comes to just below 1, and to exactly -1/2.
    return a.sign === 0 ? round(fromFixed(UNIT - 1n), EXTENDED, c) : { ...ONE, sign: 1, exponent: ONE.exponent - 1 }
  }
  if (top < SMALL) {
    // x ln2 (1 + y/2 + y^2/6), y = x ln2.
    const lead = a.significand * LN2
    const y = multiply(fixed(a), LN2)
    const factor = UNIT + (a.sign === 1 ? -y : y) / 2n + multiply(y, y) / 6n
    return round(inexact(a.sign, a.exponent - 2 * FRACTION, lead * factor), EXTENDED, c)
  }
  const y = multiply(fixed(a), a.sign === 1 ? -LN2 : LN2)
  let term = y
  let total = y
  for (let i = 2n; term !== 0n && term !== -1n; i++) {
    term = multiply(term, y) / i
    total += term
  }
  return round(fromFixed(total), EXTENDED, c)
}

/** Working precision of logarithms: the product with y keeps as many bits. */
const product = (log: Unpacked, y: Unpacked, c: Context): Unpacked =>
  calledInexact(finite((log.sign ^ y.sign) as Sign, log.exponent + y.exponent, log.significand * y.significand), c)

/** log2 of m * 2^-FRACTION, m near 1, as a number; zero when m is 1. */
const log2Fixed = (m: bigint, integer: number): Unpacked => {
  const s = ((m - UNIT) << F) / (m + UNIT)
  const log = multiply(2n * artanh(s), LOG2E) + BigInt(integer) * UNIT
  return fromFixed(log)
}
/** log2(a), a > 0. */
const log2 = (a: Unpacked): Unpacked => {
  const length = bitLength(a.significand)
  let integer = a.exponent + length - 1
  let m = a.significand << BigInt(FRACTION - length + 1)
  if (m === UNIT) return finite(integer < 0 ? 1 : 0, 0, BigInt(Math.abs(integer)))
  // From 1/sqrt(2) to sqrt(2), so that nothing cancels.
  if (m > SQRT2) {
    m >>= 1n
    integer++
  }
  return log2Fixed(m, integer)
}
const SQRT2 = integerSqrt(UNIT * UNIT * 2n)

/** y * log2(x): FYL2X of x in ST(0), y in ST(1). */
export const yLog2 = (y: Unpacked, x: Unpacked, c: Context): Unpacked => {
  if (y.kind === 'nan' || x.kind === 'nan') return propagate(y, x, c)
  if (x.sign === 1 && x.kind !== 'zero') return invalid(c)
  if (x.kind === 'zero') {
    if (y.kind === 'zero') return invalid(c)
    if (y.kind === 'infinity') return infinity((y.sign ^ 1) as Sign)
    c.flags |= ZE
    return infinity((y.sign ^ 1) as Sign)
  }
  if (x.kind === 'infinity') {
    if (y.kind === 'zero') return invalid(c)
    if (y.denormal) c.flags |= DE
    return infinity(y.sign)
  }
  const log = log2(x)
  if (y.kind === 'infinity' && log.kind === 'zero') return invalid(c)
  if (x.denormal || y.denormal) c.flags |= DE
  if ((c.flags & ~c.masks & DE) !== 0) return x
  const sign = (y.sign ^ log.sign) as Sign
  if (y.kind === 'infinity') return infinity(sign)
  if (y.kind === 'zero' || log.kind === 'zero') return zero(sign)
  return product(log, y, c)
}

/** y * log2(x + 1): FYL2XP1. Defined for |x| < 1 - sqrt(1/2); computed as far as x > -1. */
export const yLog2p1 = (y: Unpacked, x: Unpacked, c: Context): Unpacked => {
  if (y.kind === 'nan' || x.kind === 'nan') return propagate(y, x, c)
  if (x.kind === 'infinity') {
    if (x.sign === 1 || y.kind === 'zero') return invalid(c)
    if (y.denormal) c.flags |= DE
    return infinity(y.sign)
  }
  if (x.kind === 'zero' && y.kind === 'infinity') return invalid(c)
  if (x.denormal || y.denormal) c.flags |= DE
  if ((c.flags & ~c.masks & DE) !== 0) return x
  const sign = (y.sign ^ x.sign) as Sign
  if (x.kind === 'zero' || y.kind === 'zero') return zero(sign)
  if (y.kind === 'infinity') return infinity(sign)
  const top = topOf(x)
  if (x.sign === 1 && top >= 0) {
    c.flags |= PE
    return x
  }
  if (top < SMALL) {
    // x / ln2 (1 - x/2 + x^2/3).
    const f = fixed(x)
    const factor = UNIT - (x.sign === 1 ? -f : f) / 2n + multiply(f, f) / 3n
    return product(inexact(x.sign, x.exponent - 2 * FRACTION, x.significand * LOG2E * factor), y, c)
  }
  if (top >= 64) return product(log2(x), y, c)
  const f = fixed(x)
  const sum = finite(0, -FRACTION, UNIT + (x.sign === 1 ? -f : f))
  return product(log2(sum), y, c)
}
