/**
 * Binary floating-point numbers (IEEE 754-2019 §3) taken apart: formats, the unpacked form that arithmetic works on, and
 * the way back to bits. The 80-bit format of x87 fits the same unpacked form: its packing belongs to f80.ts.
 */

/** Status flags, at the same bits in MXCSR and in the x87 status word (SDM 1 §10.2.3, §8.1.3). */
export const IE = 1
export const DE = 2
export const ZE = 4
export const OE = 8
export const UE = 16
export const PE = 32
/** Found by looking at the operands, before anything is computed (SDM 1 §4.9.2). */
export const PRE_COMPUTATION = IE | DE | ZE

/** Rounding control, as encoded (SDM 1 §4.8.4). */
export const Rounding = { Nearest: 0, Down: 1, Up: 2, Zero: 3 } as const
export type Rounding = (typeof Rounding)[keyof typeof Rounding]

/** What a rounded value must fit: bits of significand, and the exponents of the least and greatest normal binades. */
export interface Limits {
  readonly precision: number
  readonly emin: number
  readonly emax: number
}
/** A format whose integer bit is implied (SDM 1 §4.2.2). */
export interface Format extends Limits {
  readonly bits: 32 | 64
}
export const BINARY32: Format = { bits: 32, precision: 24, emin: -126, emax: 127 }
export const BINARY64: Format = { bits: 64, precision: 53, emin: -1022, emax: 1023 }

/**
 * A number taken apart. Finite: (-1)^sign * significand * 2^exponent, the significand any positive integer. NaN: the
 * significand's fraction bits, left-aligned to 63 bits, so that bit 62 is the quiet bit in every format.
 */
export interface Unpacked {
  readonly kind: 'zero' | 'finite' | 'infinity' | 'nan'
  readonly sign: 0 | 1
  readonly exponent: number
  readonly significand: bigint
  /** Encoded as a denormal. */
  readonly denormal: boolean
}

const QUIET = 1n << 62n

export const zero = (sign: 0 | 1): Unpacked => ({ kind: 'zero', sign, exponent: 0, significand: 0n, denormal: false })
export const infinity = (sign: 0 | 1): Unpacked => ({
  kind: 'infinity',
  sign,
  exponent: 0,
  significand: 0n,
  denormal: false,
})
export const finite = (sign: 0 | 1, exponent: number, significand: bigint): Unpacked =>
  significand === 0n ? zero(sign) : { kind: 'finite', sign, exponent, significand, denormal: false }
export const nan = (sign: 0 | 1, payload: bigint): Unpacked => ({
  kind: 'nan',
  sign,
  exponent: 0,
  significand: payload,
  denormal: false,
})
/** The QNaN floating-point indefinite (SDM 1 §4.8.3.7). */
export const INDEFINITE = nan(1, QUIET)

export const isSignaling = (a: Unpacked): boolean => a.kind === 'nan' && (a.significand & QUIET) === 0n
export const quieted = (a: Unpacked): Unpacked => nan(a.sign, a.significand | QUIET)
export const negated = (a: Unpacked): Unpacked => ({ ...a, sign: a.sign === 0 ? 1 : 0 })

/** Bits to the number's parts. */
export const unpack = (format: Format, bits: bigint): Unpacked => {
  const fractionBits = format.precision - 1
  const fraction = bits & ((1n << BigInt(fractionBits)) - 1n)
  const biased = Number((bits >> BigInt(fractionBits)) & BigInt(2 * format.emax + 1))
  const sign = Number((bits >> BigInt(format.bits - 1)) & 1n) as 0 | 1
  if (biased === 0) {
    if (fraction === 0n) return zero(sign)
    return { kind: 'finite', sign, exponent: format.emin - fractionBits, significand: fraction, denormal: true }
  }
  if (biased === 2 * format.emax + 1)
    return fraction === 0n ? infinity(sign) : nan(sign, fraction << BigInt(63 - fractionBits))
  return finite(sign, biased - format.emax - fractionBits, fraction | (1n << BigInt(fractionBits)))
}

/** A rounded number's bits; an exponent out of bounds is not a number that this packs. */
export const pack = (format: Format, a: Unpacked): bigint => {
  const fractionBits = format.precision - 1
  const sign = BigInt(a.sign) << BigInt(format.bits - 1)
  const ones = BigInt(2 * format.emax + 1) << BigInt(fractionBits)
  switch (a.kind) {
    case 'zero':
      return sign
    case 'infinity':
      return sign | ones
    case 'nan':
      return sign | ones | (a.significand >> BigInt(63 - fractionBits))
    case 'finite': {
      let { significand, exponent } = a
      const length = bitLength(significand)
      // Normalise to the format's precision, or to its least exponent.
      const target = Math.max(exponent + length - format.precision, format.emin - fractionBits)
      const shift = exponent - target
      significand = shift >= 0 ? significand << BigInt(shift) : significand >> BigInt(-shift)
      exponent = target
      const normal = significand >> BigInt(fractionBits) !== 0n
      if (!normal) return sign | significand
      // The integer bit adds 1 to the exponent field.
      return sign | ((BigInt(exponent + fractionBits + format.emax - 1) << BigInt(fractionBits)) + significand)
    }
  }
}

/** Number of bits up to the highest one. */
export const bitLength = (value: bigint): number => {
  let n = 0
  let v = value
  while (v >= 0x10000000000000000n) {
    v >>= 64n
    n += 64
  }
  const high = Number(v >> 32n)
  if (high !== 0) return n + 64 - Math.clz32(high)
  return n + 32 - Math.clz32(Number(v))
}
