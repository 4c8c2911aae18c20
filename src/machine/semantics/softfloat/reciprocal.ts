/**
 * RCPPS and RSQRTPS. The manuals promise a relative error below 1.5 * 2^-12 and leave the bits to the processor; here they
 * are those of Intel's processors: the exact value in the middle of an interval of the argument, rounded to 12 fraction
 * bits. RCPPS has 2048 intervals in a binade, RSQRTPS 1024. AMD's are other approximations.
 */

const RECIPROCAL_BITS = 11
const ROOT_BITS = 10
/** The 12 fraction bits of `exact`, which is from 1/2 to 1, for the middle of each interval of a binade. */
const table = (bits: number, exact: (x: number) => number): Uint16Array =>
  Uint16Array.from({ length: 1 << bits }, (_, i) => Math.round((2 * exact(1 + (i + 0.5) / (1 << bits)) - 1) * 4096))
const reciprocals = table(RECIPROCAL_BITS, (x) => 1 / x)
/** Of numbers from 1 to 2, and from 2 to 4. */
const rootsOdd = table(ROOT_BITS, (x) => 1 / Math.sqrt(x))
const rootsEven = table(ROOT_BITS, (x) => 1 / Math.sqrt(2 * x))

const SIGN = 0x80000000
const QUIET = 0x00400000
const INFINITY = 0x7f800000
const INDEFINITE = 0xffc00000

/** 1/x on binary32 bits. Denormals count as zero, tiny results become zero; no flags. */
export const reciprocal = (bits: number): number => {
  const sign = bits & SIGN
  const exponent = (bits >>> 23) & 0xff
  const fraction = bits & 0x7fffff
  if (exponent === 0xff) return (fraction === 0 ? sign : bits | QUIET) >>> 0
  if (exponent === 0) return (sign | INFINITY) >>> 0
  const result = 253 - exponent
  if (result <= 0) return sign >>> 0
  return (sign | (result << 23) | (reciprocals[fraction >> (23 - RECIPROCAL_BITS)]! << 11)) >>> 0
}

/** 1/sqrt(x), likewise. Negative numbers give the default NaN. */
export const reciprocalSquareRoot = (bits: number): number => {
  const sign = bits & SIGN
  const exponent = (bits >>> 23) & 0xff
  const fraction = bits & 0x7fffff
  if (exponent === 0xff && fraction !== 0) return (bits | QUIET) >>> 0
  if (exponent === 0) return (sign | INFINITY) >>> 0
  if (sign !== 0) return INDEFINITE
  if (exponent === 0xff) return 0
  // An odd biased exponent is an even power of two.
  const entry = ((exponent & 1) === 1 ? rootsOdd : rootsEven)[fraction >> (23 - ROOT_BITS)]!
  return ((((380 - exponent) >> 1) << 23) | (entry << 11)) >>> 0
}
