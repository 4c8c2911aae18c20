/** CRC-32 as gzip and PNG have it (ISO-HDLC, RFC 1952 section 8), four bytes at a time. */
const TABLES = Array.from({ length: 4 }, () => new Uint32Array(256))
for (let byte = 0; byte < 256; byte++) {
  let c = byte
  for (let bit = 0; bit < 8; bit++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  TABLES[0][byte] = c
}
for (let n = 1; n < 4; n++)
  for (let byte = 0; byte < 256; byte++) {
    const c = TABLES[n - 1][byte]
    TABLES[n][byte] = TABLES[0][c & 0xff] ^ (c >>> 8)
  }
const [T0, T1, T2, T3] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array]

export const crc32 = (bytes: Uint8Array): number => {
  let c = 0xffff_ffff
  let i = 0
  for (const end = bytes.length - 3; i < end; i += 4) {
    c ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    c = T3[c & 0xff] ^ T2[(c >>> 8) & 0xff] ^ T1[(c >>> 16) & 0xff] ^ T0[c >>> 24]
  }
  for (; i < bytes.length; i++) c = T0[(c ^ bytes[i]) & 0xff] ^ (c >>> 8)
  return (c ^ 0xffff_ffff) >>> 0
}
