/**
 * Whether anything but the guest's own memory was written. In the machine's linear memory what lies before the CPU's
 * state, between the engine's records and RAM, and after RAM is nobody's: it holds a pattern, compared after each round.
 * And since the engine reaches memory by its TLBs alone, each of their entries must point into RAM, and each entry of
 * the code TLBs at a record page.
 */

import { STATE } from '../src/machine/state/layout.ts'
import {
  CODE_TLB,
  CODE_TLB_BYTES,
  RECORD_PAGE_BYTES,
  RECORD_PAGES,
  RECORDS,
  TLB,
  TLB_CONTEXT_BYTES,
  TLB_CONTEXTS,
  TLB_EMPTY_BYTE,
  TLB_ENTRY_BYTES,
} from '../src/machine/state/record.ts'

const PATTERN = 0xa5a5a5a5
const EMPTY = TLB_EMPTY_BYTE * 0x01010101

/** Bytes of guard to be had behind RAM. */
export const GUARD_BYTES = 0x10000

export class Guards {
  readonly #words: Uint32Array
  readonly #ramOffset: number
  readonly #ramBytes: number
  /** Nobody's memory, as pairs of word indexes. */
  readonly #guarded: readonly (readonly [from: number, to: number])[]

  /** `buffer` is the machine's memory with GUARD_BYTES more than it asked for. */
  constructor(buffer: ArrayBufferLike, ramOffset: number, ramBytes: number) {
    this.#words = new Uint32Array(buffer)
    this.#ramOffset = ramOffset
    this.#ramBytes = ramBytes
    this.#guarded = [
      [0, STATE / 4],
      [(RECORDS + RECORD_PAGES * RECORD_PAGE_BYTES) / 4, ramOffset / 4],
      [(ramOffset + ramBytes) / 4, this.#words.length],
    ]
    for (const [from, to] of this.#guarded) this.#words.fill(PATTERN, from, to)
  }

  /** Throws with `what` in its words. */
  check(what: string): void {
    const words = this.#words
    for (const [from, to] of this.#guarded)
      for (let i = from; i < to; i++)
        if (words[i] !== PATTERN) throw new Error(`${what}: ${hex(i * 4)} was written, which is not the guest's`)
    for (let at = TLB; at < TLB + TLB_CONTEXTS * TLB_CONTEXT_BYTES; at += TLB_ENTRY_BYTES) {
      const tag = words[at / 4] as number
      if (tag === EMPTY) continue
      const page = (tag + (words[at / 4 + 2] as number)) >>> 0
      if ((tag & 0xfff) !== 0 || page < this.#ramOffset || page > this.#ramOffset + this.#ramBytes - 4096)
        throw new Error(`${what}: the TLB has ${hex(tag)} at ${hex(page)}, outside RAM`)
    }
    for (let at = CODE_TLB; at < CODE_TLB + 2 * CODE_TLB_BYTES; at += 16) {
      if (words[at / 4] === EMPTY) continue
      const records = words[at / 4 + 2] as number
      if (records < RECORDS || (records - RECORDS) % RECORD_PAGE_BYTES !== 0)
        throw new Error(`${what}: the code TLB has ${hex(records)}, no record page`)
    }
  }
}

const hex = (n: number): string => `0x${n.toString(16)}`
