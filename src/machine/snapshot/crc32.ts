/** CRC-32 as gzip and PNG have it (ISO-HDLC, RFC 1952 section 8), eight bytes at a time. */
const TABLES = Array.from({ length: 8 }, () => new Uint32Array(256))
for (let byte = 0; byte < 256; byte++) {
  let c = byte
  for (let bit = 0; bit < 8; bit++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  TABLES[0][byte] = c
}
for (let n = 1; n < 8; n++)
  for (let byte = 0; byte < 256; byte++) {
    const c = TABLES[n - 1][byte]
    TABLES[n][byte] = TABLES[0][c & 0xff] ^ (c >>> 8)
  }
type Table = Uint32Array
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [Table, Table, Table, Table, Table, Table, Table, Table]

export const crc32 = (bytes: Uint8Array): number => {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let c = 0xffff_ffff
  let i = 0
  for (const end = bytes.length - 7; i < end; i += 8) {
    const a = words.getInt32(i, true) ^ c
    const b = words.getInt32(i + 4, true)
    c =
      T7[a & 0xff] ^
      T6[(a >>> 8) & 0xff] ^
      T5[(a >>> 16) & 0xff] ^
      T4[a >>> 24] ^
      T3[b & 0xff] ^
      T2[(b >>> 8) & 0xff] ^
      T1[(b >>> 16) & 0xff] ^
      T0[b >>> 24]
  }
  for (; i < bytes.length; i++) c = T0[(c ^ bytes[i]) & 0xff] ^ (c >>> 8)
  return (c ^ 0xffff_ffff) >>> 0
}
