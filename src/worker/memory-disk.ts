/** A disk that lives in memory for as long as its machine: bytes padded to whole sectors. */
import type { BlockBackend } from '../machine/index.ts'

const SECTOR = 512

export const createMemoryDisk = (id: string, image: Uint8Array, readOnly: boolean): BlockBackend => {
  const size = Math.max(SECTOR, Math.ceil(image.length / SECTOR) * SECTOR)
  let bytes = image
  if (image.length !== size) {
    bytes = new Uint8Array(size)
    bytes.set(image)
  }
  return {
    size,
    readOnly,
    id: id.replace(/[^\x20-\x7e]/g, '?').slice(0, 20),
    read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
    write: (offset, from) => bytes.set(from, offset),
    flush: () => {},
    zero: (offset, length) => {
      bytes.fill(0, offset, offset + length)
    },
  }
}
