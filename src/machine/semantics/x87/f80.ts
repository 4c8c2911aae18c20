/**
 * The double extended-precision format (SDM 1 §4.2.2, §8.2), its rounding, and the way in and out of it. Numbers are
 * the softfloat room's unpacked ones; what is particular to x87 is here: the explicit integer bit and the encodings that
 * it makes unsupported, precision control, C1, and results of unmasked overflow and underflow.
 *
 *   79  78          64  63  62                     0
 *   sign  exponent + 16383  integer bit  fraction
 */
import {
  BINARY32,
  BINARY64,
  bitLength,
  DE,
  type Format,
  finite,
  IE,
  infinity,
  isSignaling,
  nan,
  OE,
  PE,
  quieted,
  Rounding,
  UE,
  type Unpacked,
  zero,
} from '../softfloat/format.ts'

export type Sign = 0 | 1

const BIAS = 16383
const EXPONENT_ONES = 0x7fff
const FRACTION_BITS = 63
const INTEGER_BIT = 1n << 63n
const FRACTION = INTEGER_BIT - 1n
export const QUIET_BIT = 1n << 62n

/** QNaN floating-point indefinite (SDM 1 §4.8.3.7). */
export const INDEFINITE = nan(1, QUIET_BIT)
/**
 * Unnormals, pseudo-infinities and pseudo-NaNs (SDM 1 table 8-3): a signaling NaN without a fraction, which no encoding
 * is. Every arithmetic use of one is invalid and yields the indefinite.
 */
export const UNSUPPORTED = nan(0, 0n)
export const isUnsupported = (a: Unpacked): boolean => a.kind === 'nan' && a.significand === 0n
export const ONE = finite(0, -FRACTION_BITS, INTEGER_BIT)

/** What one instruction computes under, and what it raises. */
export interface Context {
  /** Rounding control. */
  rounding: Rounding
  /** Precision control: 24, 53 or 64 bits of significand. */
  precision: number
  /** Exceptions that are masked, at the flags' bits. */
  masks: number
  flags: number
  /** The last inexact result was rounded up, away from zero. */
  c1: boolean
}

/** What a rounded number must fit. */
export interface Limits {
  readonly precision: number
  readonly emin: number
  readonly emax: number
  /** An unmasked overflow or underflow leaves the result with its exponent off by this much (SDM 1 §8.5.4, §8.5.5). */
  readonly bias: number
}
const extended = (precision: number): Limits => ({ precision, emin: -16382, emax: 16383, bias: 24576 })
export const EXTENDED = extended(64)
const EXTENDED_53 = extended(53)
const EXTENDED_24 = extended(24)
/** The register format under precision control. */
export const controlled = (precision: number): Limits =>
  precision === 64 ? EXTENDED : precision === 53 ? EXTENDED_53 : EXTENDED_24
const memoryLimits = (f: Format): Limits => ({ precision: f.precision, emin: f.emin, emax: f.emax, bias: 0 })
const LIMITS_32 = memoryLimits(BINARY32)
const LIMITS_64 = memoryLimits(BINARY64)

export const unpack80 = (significand: bigint, signExponent: number): Unpacked => {
  const sign = (signExponent >> 15) as Sign
  const biased = signExponent & EXPONENT_ONES
  if (biased === 0) {
    if (significand === 0n) return zero(sign)
    // Pseudo-denormals, whose integer bit is set, have the same value as with exponent 1.
    return { kind: 'finite', sign, exponent: 1 - BIAS - FRACTION_BITS, significand, denormal: true }
  }
  if (significand < INTEGER_BIT) return UNSUPPORTED
  if (biased !== EXPONENT_ONES)
    return { kind: 'finite', sign, exponent: biased - BIAS - FRACTION_BITS, significand, denormal: false }
  const fraction = significand & FRACTION
  return fraction === 0n ? infinity(sign) : nan(sign, fraction)
}

/** Bits 0-63 and 64-79 of a number that fits. */
export const pack80 = (a: Unpacked): readonly [significand: bigint, signExponent: number] => {
  const sign = a.sign << 15
  switch (a.kind) {
    case 'zero':
      return [0n, sign]
    case 'infinity':
      return [INTEGER_BIT, sign | EXPONENT_ONES]
    case 'nan':
      return [INTEGER_BIT | a.significand, sign | EXPONENT_ONES]
    case 'finite': {
      const target = Math.max(a.exponent + bitLength(a.significand) - 64, 1 - BIAS - FRACTION_BITS)
      const shift = a.exponent - target
      const significand = shift >= 0 ? a.significand << BigInt(shift) : a.significand >> BigInt(-shift)
      if (significand < INTEGER_BIT) return [significand, sign]
      return [significand, sign | (target + FRACTION_BITS + BIAS)]
    }
  }
}

interface Cut {
  readonly quotient: bigint
  readonly inexact: boolean
  readonly up: boolean
}
/** `significand` * 2^exponent as a multiple of 2^lsb. */
export const cut = (sign: Sign, significand: bigint, exponent: number, lsb: number, rounding: Rounding): Cut => {
  const shift = lsb - exponent
  if (shift <= 0) return { quotient: significand << BigInt(-shift), inexact: false, up: false }
  const by = BigInt(shift)
  const quotient = significand >> by
  const rest = significand - (quotient << by)
  if (rest === 0n) return { quotient, inexact: false, up: false }
  let up = false
  if (rounding === Rounding.Nearest) {
    const twice = rest << 1n
    const unit = 1n << by
    up = twice > unit || (twice === unit && (quotient & 1n) === 1n)
  } else if (rounding === Rounding.Down) up = sign === 1
  else if (rounding === Rounding.Up) up = sign === 0
  return { quotient: up ? quotient + 1n : quotient, inexact: true, up }
}

/** Past this the exponent says only "very small": shifts stay short. */
const FAR_BELOW = 200

/** A finite number as the limits have it. Flags: OE, UE, PE; C1. */
export const round = (a: Unpacked, limits: Limits, c: Context): Unpacked => {
  if (a.kind !== 'finite') return a
  const { sign, significand, exponent } = a
  const { precision, emin, emax, bias } = limits
  const lsb = exponent + bitLength(significand) - precision
  const free = cut(sign, significand, exponent, lsb, c.rounding)
  const top = lsb + bitLength(free.quotient) - 1
  if (top >= emin && top <= emax) {
    if (free.inexact) c.flags |= PE
    c.c1 = free.up
    return finite(sign, lsb, free.quotient)
  }
  if (top > emax) {
    c.flags |= OE
    if ((c.masks & OE) === 0) {
      if (free.inexact) c.flags |= PE
      c.c1 = free.up
      if (top - bias <= emax) return finite(sign, lsb - bias, free.quotient)
      // Only FSCALE gets so far that the adjusted exponent is still too large.
      c.flags |= PE
      c.c1 = true
      return infinity(sign)
    }
    c.flags |= PE
    const away =
      c.rounding === Rounding.Nearest ||
      (c.rounding === Rounding.Up ? sign === 0 : c.rounding === Rounding.Down && sign === 1)
    c.c1 = away
    return away ? infinity(sign) : finite(sign, emax - precision + 1, (1n << BigInt(precision)) - 1n)
  }
  // Tiny, which is found after rounding as if the exponent had no bound (SDM 1 §4.9.1.5).
  if ((c.masks & UE) === 0) {
    c.flags |= UE
    if (free.inexact) c.flags |= PE
    c.c1 = free.up
    if (top + bias >= emin) return finite(sign, lsb + bias, free.quotient)
    c.flags |= PE
    c.c1 = false
    return zero(sign)
  }
  const least = emin - precision + 1
  // A value far below the least denormal rounds as any of its size does.
  const bounded =
    top < least - FAR_BELOW
      ? cut(sign, 1n, 0, FAR_BELOW, c.rounding)
      : cut(sign, significand, exponent, least, c.rounding)
  if (bounded.inexact) c.flags |= UE | PE
  c.c1 = bounded.up
  return bounded.quotient === 0n ? zero(sign) : finite(sign, least, bounded.quotient)
}

const formatLimits = (f: Format): Limits => (f === BINARY32 ? LIMITS_32 : LIMITS_64)

/** To a narrower format in memory: FST. Denormal operands raise nothing here. Flags: IE, OE, UE, PE. */
export const narrow = (a: Unpacked, format: Format, c: Context): Unpacked => {
  if (a.kind === 'nan') {
    if (isUnsupported(a)) {
      c.flags |= IE
      return INDEFINITE
    }
    if (isSignaling(a)) c.flags |= IE
    return quieted(a)
  }
  return round(a, formatLimits(format), c)
}

/** FLD of a narrower format: exact. Flags: IE, DE. */
export const widen = (a: Unpacked, c: Context): Unpacked => {
  if (isSignaling(a)) {
    c.flags |= IE
    return quieted(a)
  }
  if (a.denormal) c.flags |= DE
  return a
}

/** A signed integer of `bits`; what does not fit is undefined. Flags: IE, PE; C1. */
export const toInteger = (a: Unpacked, bits: number, rounding: Rounding, c: Context): bigint | undefined => {
  if (a.kind === 'zero') return 0n
  if (a.kind === 'finite' && a.exponent + bitLength(a.significand) <= bits + 1) {
    const { quotient, inexact, up } =
      a.exponent + bitLength(a.significand) < -FAR_BELOW
        ? cut(a.sign, 1n, 0, FAR_BELOW, rounding)
        : cut(a.sign, a.significand, a.exponent, 0, rounding)
    const value = a.sign === 1 ? -quotient : quotient
    const limit = 1n << BigInt(bits - 1)
    if (value >= -limit && value < limit) {
      if (inexact) c.flags |= PE
      c.c1 = up
      return value
    }
  }
  c.flags |= IE
  return undefined
}

export const fromInteger = (value: bigint): Unpacked => finite(value < 0n ? 1 : 0, 0, value < 0n ? -value : value)
