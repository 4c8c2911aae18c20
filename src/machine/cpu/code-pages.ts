/**
 * Decoded code, by physical page and code mode: hands out record pages (record.ts), remembers which physical pages hold
 * code so that writes to them are watched, and forgets records when their bytes change.
 */

import type { CodeMode } from '../state/layout.ts'
import {
  OP_NEXT_PAGE,
  PAGE_SLOTS,
  REC_LENGTH,
  REC_OP,
  RECORD_BYTES,
  RECORD_PAGE_BYTES,
  RECORD_PAGES,
  RECORDS,
} from '../state/record.ts'

export interface CodePage {
  /** Machine address of the record array. */
  readonly records: number
  readonly physicalPage: number
  readonly mode: CodeMode
}

/** Writes to a page of code after which it is taken for data, at first; each time it was code after all, twice as many. */
const WRITES_TO_CODE = 64
const MAX_WRITES_TO_CODE = 1 << 20

export class CodePages {
  readonly #view: DataView
  /** By (physical page * 4 + mode). */
  readonly #byKey = new Map<number, CodePage>()
  /** By index of the record page. */
  readonly #slots: (CodePage | undefined)[] = new Array(RECORD_PAGES)
  #next = 0
  #used = 0
  /** Indices of record pages given back. */
  readonly #free: number[] = []
  /** By physical page: writes so far, and how many it may have. */
  readonly #writes = new Map<number, { count: number; most: number }>()
  /** 1 for each physical page of RAM that holds decoded code. */
  readonly watched: Uint8Array
  /** Records of instructions that reach into a physical page from the page before. */
  readonly #crossing = new Map<number, Set<number>>()
  evictions = 0
  invalidations = 0

  readonly #zero: (address: number, length: number) => void
  readonly #forget: (records: number, offset: number, length: number) => void

  /** `forget` hears which bytes of a page's records are about to be forgotten. */
  constructor(
    buffer: ArrayBufferLike,
    ramBytes: number,
    zero: (address: number, length: number) => void,
    forget: (records: number, offset: number, length: number) => void,
  ) {
    this.#zero = zero
    this.#forget = forget
    this.#view = new DataView(buffer)
    this.watched = new Uint8Array(ramBytes >>> 12)
  }

  find(physicalPage: number, mode: CodeMode): CodePage | undefined {
    return this.#byKey.get(physicalPage * 4 + mode)
  }

  at(records: number): CodePage {
    return this.#slots[(records - RECORDS) / RECORD_PAGE_BYTES] as CodePage
  }

  /** A record page for code in `physicalPage`; `keep` is the one being executed, `evicted` hears of a victim. */
  create(physicalPage: number, mode: CodeMode, keep: number, evicted: (page: CodePage) => void): CodePage {
    let index = this.#free.pop() ?? this.#used
    if (index < this.#used) {
      // One that was given back.
    } else if (index < RECORD_PAGES) this.#used++
    else {
      do {
        index = this.#next
        this.#next = (this.#next + 1) % RECORD_PAGES
      } while (RECORDS + index * RECORD_PAGE_BYTES === keep)
      const victim = this.#slots[index] as CodePage
      this.#byKey.delete(victim.physicalPage * 4 + victim.mode)
      this.#zero(victim.records, RECORD_PAGE_BYTES)
      this.#unwatch(victim.physicalPage)
      this.evictions++
      evicted(victim)
    }
    const records = RECORDS + index * RECORD_PAGE_BYTES
    for (let slot = 4096; slot < PAGE_SLOTS; slot++)
      this.#view.setUint16(records + slot * RECORD_BYTES, OP_NEXT_PAGE, true)
    const page: CodePage = { records, physicalPage, mode }
    this.#slots[index] = page
    this.#byKey.set(physicalPage * 4 + mode, page)
    this.watched[physicalPage] = 1
    return page
  }

  #unwatch(physicalPage: number): void {
    for (let mode = 0; mode < 3; mode++) if (this.#byKey.has(physicalPage * 4 + mode)) return
    if (this.#crossing.has(physicalPage)) return
    this.watched[physicalPage] = 0
  }

  /**
   * Whether a page was written so often that it is data by now: code was there once. One that is executed again later
   * may be written more often before it is taken for data again.
   */
  isData(physicalPage: number): boolean {
    let writes = this.#writes.get(physicalPage)
    if (writes === undefined) this.#writes.set(physicalPage, (writes = { count: 0, most: WRITES_TO_CODE }))
    if (++writes.count < writes.most) return false
    writes.count = 0
    writes.most = Math.min(writes.most * 2, MAX_WRITES_TO_CODE)
    return true
  }

  /** Forgets all code of a page and watches it no longer; nothing if `keep`, being executed, is its records. */
  drop(physicalPage: number, keep: number, dropped: (page: CodePage) => void): void {
    const pages: CodePage[] = []
    for (let mode = 0; mode < 3; mode++) {
      const page = this.#byKey.get(physicalPage * 4 + mode)
      if (page?.records === keep) return
      if (page !== undefined) pages.push(page)
    }
    for (const page of pages) {
      const index = (page.records - RECORDS) / RECORD_PAGE_BYTES
      this.#byKey.delete(physicalPage * 4 + page.mode)
      this.#slots[index] = undefined
      this.#free.push(index)
      dropped(page)
      this.#zero(page.records, RECORD_PAGE_BYTES)
    }
    for (const record of this.#crossing.get(physicalPage) ?? []) this.#view.setUint16(record, 0, true)
    this.#crossing.delete(physicalPage)
    this.watched[physicalPage] = 0
  }

  /** The instruction at `record` reaches into `physicalPage`. True when the page was not watched before. */
  addCrossing(physicalPage: number, record: number): boolean {
    let set = this.#crossing.get(physicalPage)
    if (set === undefined) this.#crossing.set(physicalPage, (set = new Set()))
    set.add(record)
    if (this.watched[physicalPage] === 1) return false
    this.watched[physicalPage] = 1
    return true
  }

  /** Bytes [offset, offset+length) of a physical page changed: every instruction that holds one of them is forgotten. */
  invalidate(physicalPage: number, offset: number, length: number): void {
    this.invalidations++
    const last = Math.min(4096, offset + length)
    for (let mode = 0; mode < 3; mode++) {
      const page = this.#byKey.get(physicalPage * 4 + mode)
      if (page === undefined) continue
      this.#forget(page.records, offset, length)
      for (let slot = Math.max(0, offset - 14); slot < last; slot++) {
        const record = page.records + slot * RECORD_BYTES
        // Before the change, only instructions long enough to reach it.
        if (slot < offset && slot + this.#view.getUint8(record + REC_LENGTH) <= offset) continue
        // Just the op: an instruction that changes itself still needs to know what follows it.
        this.#view.setUint16(record + REC_OP, 0, true)
      }
    }
    if (offset < 15) {
      const set = this.#crossing.get(physicalPage)
      if (set !== undefined) {
        // A record page may have been given to another page since, where decoding again does no harm.
        for (const record of set) this.#view.setUint16(record, 0, true)
        this.#crossing.delete(physicalPage)
        this.#unwatch(physicalPage)
      }
    }
  }

  clear(): void {
    for (const page of this.#byKey.values()) this.#zero(page.records, RECORD_PAGE_BYTES)
    this.#byKey.clear()
    this.#slots.fill(undefined)
    this.#crossing.clear()
    this.watched.fill(0)
    this.#next = 0
    this.#used = 0
    this.#free.length = 0
    this.#writes.clear()
  }
}
