/**
 * Where a case's code and data stand, the same in the recorder's process and in the engine's page tables:
 *
 *   10000000 not mapped     20000000 not mapped
 *   10001000 code  rwx      20001000 data  rw
 *   10002000 code  rwx      20002000 data  rw
 *   10003000 not mapped     20003000 data  r
 *                           20004000 not mapped
 *
 * Code pages are filled with INT3, data pages with a fixed pattern; a case's patches lie over that and are taken back.
 * In 32-bit cases FS has base 20000000 and no limit, GS base 20001000 and a limit of two pages.
 */
export const PAGE = 4096
export const CODE = 0x10001000
export const CODE_PAGES = 2
export const CODE_END = CODE + CODE_PAGES * PAGE
export const DATA = 0x20001000
export const DATA_PAGES = 3
export const DATA_WRITABLE_PAGES = 2
export const DATA_END = DATA + DATA_PAGES * PAGE
export const PAGES = CODE_PAGES + DATA_PAGES
export const IMAGE_BYTES = PAGES * PAGE
export const LEGACY_FS_BASE = DATA - PAGE
export const LEGACY_GS_BASE = DATA
export const LEGACY_GS_LIMIT = 2 * PAGE - 1

/** Place of a linear address in an image of all pages, -1 when it has none. */
export const imageOffset = (address: number): number => {
  if (address >= CODE && address < CODE_END) return address - CODE
  if (address >= DATA && address < DATA_END) return CODE_PAGES * PAGE + address - DATA
  return -1
}

/** What the pages hold before any case. */
export const goldenImage = (): Uint8Array => {
  const image = new Uint8Array(IMAGE_BYTES)
  image.fill(0xcc, 0, CODE_PAGES * PAGE)
  let x = 0x2545f491
  for (let i = CODE_PAGES * PAGE; i < IMAGE_BYTES; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    image[i] = x >>> 11
  }
  return image
}
