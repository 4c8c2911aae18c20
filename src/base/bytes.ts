/** Where `needle`, of at least a byte, first stands in `bytes` at or after `from`; -1 if it does not. */
export const indexOfBytes = (bytes: Uint8Array, needle: ArrayLike<number>, from = 0): number => {
  const first = needle[0] as number
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    let i = 1
    while (i < needle.length && bytes[at + i] === needle[i]) i++
    if (i === needle.length) return at
  }
  return -1
}

/** The parts one after another, in memory of their own. */
export const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
