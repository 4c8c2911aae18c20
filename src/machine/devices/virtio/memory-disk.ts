/**
 * Disks in memory: plain bytes, and a copy-on-write overlay over bytes that never change (an image that was fetched
 * once and is shared by many boots). The overlay's blocks can be listed, to be stored, and thrown away.
 */
import { assert } from '../../../base/assert.ts'
import { hex } from '../../../base/hex.ts'
import type { BlockBackend } from '../../machine.ts'

const SECTOR = 512

export interface DiskOptions {
  readonly readOnly?: boolean
  /** At most 20 ASCII bytes. */
  readonly id?: string
}

/** The machine's devices check ranges; a range outside the disk here is a defect. */
const assertInside = (size: number, offset: number, length: number): void =>
  assert(
    offset >= 0 && length >= 0 && offset + length <= size,
    `disk range ${hex(offset)}+${hex(length)} in ${hex(size)}`,
  )

export class MemoryDisk implements BlockBackend {
  readonly size: number
  readonly readOnly: boolean
  readonly id: string
  readonly bytes: Uint8Array

  /** `bytes` is the disk, not a copy: writes change it. A multiple of 512 long. */
  constructor(bytes: Uint8Array, { readOnly = false, id = '' }: DiskOptions = {}) {
    assert(bytes.length % SECTOR === 0, `a disk is whole sectors: ${bytes.length} bytes`)
    this.bytes = bytes
    this.size = bytes.length
    this.readOnly = readOnly
    this.id = id
  }

  read(offset: number, into: Uint8Array): void {
    assertInside(this.size, offset, into.length)
    into.set(this.bytes.subarray(offset, offset + into.length))
  }

  write(offset: number, bytes: Uint8Array): void {
    assertInside(this.size, offset, bytes.length)
    this.bytes.set(bytes, offset)
  }

  flush(): void {}

  zero(offset: number, length: number): void {
    assertInside(this.size, offset, length)
    this.bytes.fill(0, offset, offset + length)
  }
}

export interface OverlayOptions extends DiskOptions {
  /** Granularity of copying: a power of 2, at least 512. */
  readonly blockSize?: number
  /** The disk's, where the base is shorter. A multiple of 512. */
  readonly size?: number
}

export interface DirtyBlock {
  /** Byte offset on the disk. */
  readonly offset: number
  /** The block as it is now; shorter than blockSize at the disk's end. Not to be changed. */
  readonly bytes: Uint8Array
}

export class OverlayDisk implements BlockBackend {
  /** The base's length, up to a whole sector, unless given. What the base lacks of it reads as zeroes. */
  readonly size: number
  readonly readOnly: boolean
  readonly id: string
  readonly blockSize: number
  readonly #base: Uint8Array
  readonly #dirty = new Map<number, Uint8Array>()
  /** Stands for every block that was zeroed whole; copied before it is written. */
  readonly #zeroes: Uint8Array

  constructor(base: Uint8Array, { readOnly = false, id = '', blockSize = 4096, size }: OverlayOptions = {}) {
    assert(blockSize >= SECTOR && (blockSize & (blockSize - 1)) === 0, `an overlay's block size: ${blockSize}`)
    this.#base = base
    this.size = size ?? Math.ceil(base.length / SECTOR) * SECTOR
    this.readOnly = readOnly
    this.id = id
    this.blockSize = blockSize
    this.#zeroes = new Uint8Array(blockSize)
  }

  read(offset: number, into: Uint8Array): void {
    assertInside(this.size, offset, into.length)
    // One copy from the base, then the dirty blocks over it: most reads meet none.
    const end = offset + into.length
    const fromBase = Math.min(end, this.#base.length) - offset
    if (fromBase > 0) into.set(this.#base.subarray(offset, offset + fromBase))
    if (fromBase < into.length) into.fill(0, Math.max(fromBase, 0))
    if (this.#dirty.size === 0) return
    for (let index = this.#index(offset); index * this.blockSize < end; index++) {
      const block = this.#dirty.get(index)
      if (block === undefined) continue
      const start = index * this.blockSize
      const from = Math.max(offset, start)
      const to = Math.min(end, start + this.blockSize)
      into.set(block.subarray(from - start, to - start), from - offset)
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    assertInside(this.size, offset, bytes.length)
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done
      const within = at & (this.blockSize - 1)
      const take = Math.min(this.blockSize - within, bytes.length - done)
      this.#own(this.#index(at), take < this.blockSize).set(bytes.subarray(done, done + take), within)
      done += take
    }
  }

  flush(): void {}

  zero(offset: number, length: number): void {
    assertInside(this.size, offset, length)
    for (let done = 0; done < length; ) {
      const at = offset + done
      const within = at & (this.blockSize - 1)
      const take = Math.min(this.blockSize - within, length - done)
      const index = this.#index(at)
      if (take === this.blockSize) this.#dirty.set(index, this.#zeroes)
      else this.#own(index, true).fill(0, within, within + take)
      done += take
    }
  }

  /** How many blocks differ, or may, from the base. */
  get dirtyCount(): number {
    return this.#dirty.size
  }

  /** The blocks that may differ from the base, by offset. */
  dirtyBlocks(): DirtyBlock[] {
    return [...this.#dirty.keys()]
      .sort((a, b) => a - b)
      .map((index) => {
        const offset = index * this.blockSize
        const block = this.#dirty.get(index)!
        return { offset, bytes: block.subarray(0, Math.min(this.blockSize, this.size - offset)) }
      })
  }

  /** Puts stored blocks back. */
  restore(blocks: readonly DirtyBlock[]): void {
    for (const block of blocks) this.write(block.offset, block.bytes)
  }

  /** Back to the base. */
  discard(): void {
    this.#dirty.clear()
  }

  #index(offset: number): number {
    return Math.floor(offset / this.blockSize)
  }

  /** The overlay's own copy of a block, with the old bytes in it where they matter. */
  #own(index: number, keep: boolean): Uint8Array {
    const present = this.#dirty.get(index)
    if (present !== undefined && present !== this.#zeroes) return present
    const block = new Uint8Array(this.blockSize)
    if (keep && present === undefined) {
      const start = index * this.blockSize
      block.set(this.#base.subarray(start, Math.min(start + this.blockSize, this.#base.length)))
    }
    this.#dirty.set(index, block)
    return block
  }
}
