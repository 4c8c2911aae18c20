/** Hexadecimal with 0x, padded to `digits`. Takes unsigned numbers and bigints. */
export const hex = (value: number | bigint, digits = 0): string => {
  const v = typeof value === 'number' && value < 0 ? value >>> 0 : value
  return `0x${v.toString(16).padStart(digits, '0')}`
}
