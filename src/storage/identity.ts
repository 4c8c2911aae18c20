/**
 * Which bytes these are: SHA-256 over the SHA-256 sums of each mebibyte, so that a file of any size is summed piece by
 * piece by the browser's own SHA-256. One piece or none is no exception.
 */

const PIECE = 1024 * 1024

const sha256 = async (bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))

/** 32 bytes. Throws what reading the blob throws. */
export const digestOf = async (blob: Blob, onBytes: (done: number) => void = () => {}) => {
  const sums = new Uint8Array(32 * Math.ceil(blob.size / PIECE))
  for (let at = 0; at < blob.size; at += PIECE) {
    sums.set(await sha256(await blob.slice(at, at + PIECE).arrayBuffer()), (at / PIECE) * 32)
    onBytes(Math.min(blob.size, at + PIECE))
  }
  return sha256(sums)
}

export const digestName = (digest: Uint8Array): string =>
  [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
