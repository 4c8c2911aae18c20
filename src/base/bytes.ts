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
