/** CRC-32 as in IEEE 802.3, gzip and zip (RFC 1952 §8): reflected, polynomial 0xedb88320. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let c = byte
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  return c
})

/** `before` continues the sum of earlier bytes. */
export const crc32 = (bytes: Uint8Array, before = 0): number => {
  let c = ~before
  for (let i = 0; i < bytes.length; i++) c = (TABLE[(c ^ (bytes[i] as number)) & 255] as number) ^ (c >>> 8)
  return ~c >>> 0
}
