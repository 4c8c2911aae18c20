/**
 * A disk in memory: what was written, block by block, over a base that never changes (an image that was fetched once and is
 * shared by many boots, or a file). The blocks can be listed, to be stored, and thrown away.
 */
import { assert } from '../../../base/assert.ts'
import { hex } from '../../../base/hex.ts'
import type { BlockBackend } from '../../machine.ts'

const SECTOR = 512
const SNAPSHOT_BLOCK = 4096

/** The machine's devices check ranges; a range outside the disk here is a defect. */
const assertInside = (size: number, offset: number, length: number): void =>
  assert(
    offset >= 0 && length >= 0 && offset + length <= size,
    `disk range ${hex(offset)}+${hex(length)} in ${hex(size)}`,
  )

/** What an overlay lies over. */
export interface DiskBase {
  /** Bytes. */
  readonly size: number
  read(offset: number, into: Uint8Array): void
}

export interface OverlayOptions {
  readonly readOnly?: boolean
  /** At most 20 ASCII bytes. */
  readonly id?: string
  /**
   * What the base is ('sha256:...'), where whoever opens a snapshot can find it again: the snapshot then has what changed over
   * it, and not the disk whole. Blocks are of 4096 bytes then.
   */
  readonly identity?: string
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
  readonly base?: () => string
  readonly changes?: () => readonly DirtyBlock[]
  readonly #base: DiskBase
  readonly #dirty = new Map<number, Uint8Array>()
  /** Stands for every block that was zeroed whole; copied before it is written. */
  readonly #zeroes: Uint8Array

  constructor(
    base: Uint8Array | DiskBase,
    { readOnly = false, id = '', identity, blockSize = SNAPSHOT_BLOCK, size }: OverlayOptions = {},
  ) {
    assert(blockSize >= SECTOR && (blockSize & (blockSize - 1)) === 0, `an overlay's block size: ${blockSize}`)
    this.#base = base instanceof Uint8Array ? bytesBase(base) : base
    this.size = size ?? Math.ceil(this.#base.size / SECTOR) * SECTOR
    this.readOnly = readOnly
    this.id = id
    this.blockSize = blockSize
    this.#zeroes = new Uint8Array(blockSize)
    if (identity !== undefined) {
      assert(blockSize === SNAPSHOT_BLOCK, `a snapshot's blocks are of ${SNAPSHOT_BLOCK} bytes: ${blockSize}`)
      this.base = () => identity
      this.changes = () => this.dirtyBlocks()
    }
  }

  read(offset: number, into: Uint8Array): void {
    assertInside(this.size, offset, into.length)
    // One copy from the base, then the dirty blocks over it: most reads meet none.
    const end = offset + into.length
    const fromBase = Math.min(end, this.#base.size) - offset
    if (fromBase > 0) this.#base.read(offset, into.subarray(0, fromBase))
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
      const length = Math.min(this.blockSize, this.#base.size - start)
      if (length > 0) this.#base.read(start, block.subarray(0, length))
    }
    this.#dirty.set(index, block)
    return block
  }
}

const bytesBase = (bytes: Uint8Array): DiskBase => ({
  size: bytes.length,
  read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
})
