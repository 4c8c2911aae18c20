/** The soft TLBs of data accesses (record.ts) and the code TLBs' forgetting: filled by slow accesses, read by the engine. */
import {
  CODE_TLB,
  CODE_TLB_BYTES,
  CODE_TLB_ENTRIES,
  TLB,
  TLB_CONTEXT_BYTES,
  TLB_CONTEXTS,
  TLB_EMPTY_BYTE,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_GLOBAL,
  TLB_WRITE,
  TlbContext,
} from '../state/record.ts'
import type { DebugRegisters } from './debug-registers.ts'
import type { Mode } from './mode.ts'
import type { Translation } from './paging.ts'
import type { CpuCounters, CpuWorkings } from './workings.ts'

/** Low half of an empty TLB entry's tag: enough for it never to be an address of a page. */
const TLB_EMPTY_TAG = TLB_EMPTY_BYTE * 0x01010101
const isEmptyTag = (low: number): boolean => (low & 1) !== 0
/** TLB entries of a context that are listed, to be flushed one by one; a kernel that flushes often fills a few dozen. */
const FILLED_MAX = 1024
const FILLED_MANY = FILLED_MAX + 1

export class Tlb {
  readonly #view: DataView
  readonly #ramOffset: number
  readonly #counters: CpuCounters
  readonly #fill: CpuWorkings['fill']
  readonly #mode: Mode
  readonly #debug: DebugRegisters
  /** Not 0 for physical pages that hold decoded code: writes to them are watched (code-pages.ts). */
  readonly #watched: Uint8Array
  /**
   * Numbers of the TLB entries that have been filled in each context since it was flushed, and how many there are; apart those of
   * global pages, which a new CR3 leaves (SDM 3A §4.10.4.1). An entry that was both is in both lists.
   */
  readonly #filled = Array.from({ length: 2 * TLB_CONTEXTS }, () => new Uint16Array(FILLED_MAX))
  readonly #filledCount = new Array<number>(2 * TLB_CONTEXTS).fill(FILLED_MANY)
  readonly #largePages = new Set<number>()
  #hugePages = false

  constructor(workings: CpuWorkings, mode: Mode, debug: DebugRegisters, watched: Uint8Array) {
    this.#view = workings.view
    this.#ramOffset = workings.ramOffset
    this.#counters = workings.counters
    this.#fill = workings.fill
    this.#mode = mode
    this.#debug = debug
    this.#watched = watched
  }

  /** Removes a physical page from every write TLB: from now on writes to it are watched. */
  dropWritable(physicalPage: number): void {
    const address = this.#ramOffset + physicalPage * 4096
    for (let context = 0; context < TLB_CONTEXTS; context++)
      this.#eachFilled(context, (read) => {
        const entry = read + TLB_WRITE
        const tag = this.#view.getInt32(entry, true)
        if (!isEmptyTag(tag) && (tag + this.#view.getInt32(entry + 8, true)) >>> 0 === address)
          this.#view.setInt32(entry, TLB_EMPTY_TAG, true)
      })
  }
  noteLarge(t: Translation, high: number, low: number): void {
    if (t.pageShift === 12) return
    // Halves from the engine are signed.
    if (t.pageShift === 21) this.#largePages.add((high >>> 0) * 2048 + (low >>> 21))
    else this.#hugePages = true
  }
  /** The page of an address has been walked to: data accesses find it by themselves from now on. */
  add(t: Translation, high: number, low: number, write: boolean): void {
    this.noteLarge(t, high, low)
    if (this.#mode.context === TlbContext.UserAligned) return
    if (this.#debug.watchesData && this.#debug.watchesPage(high, low)) return
    const number = (low >>> 12) & (TLB_ENTRIES - 1)
    const entry = TLB + this.#mode.context * TLB_CONTEXT_BYTES + number * TLB_ENTRY_BYTES
    const tag = low & 0xfffff000
    const pageAddress = t.physical - (low & 0xfff)
    const addend = (this.#ramOffset + pageAddress - (tag >>> 0)) | 0
    const wasEmpty = isEmptyTag(this.#view.getInt32(entry, true))
    const wasGlobal = !wasEmpty && this.#view.getInt32(entry + TLB_GLOBAL, true) !== 0
    if (wasEmpty || wasGlobal !== t.global) this.#noteFilled(this.#mode.context + (t.global ? TLB_CONTEXTS : 0), number)
    this.#view.setInt32(entry + TLB_GLOBAL, t.global ? 1 : 0, true)
    const put = (at: number): void => {
      this.#view.setInt32(at, tag, true)
      this.#view.setInt32(at + 4, high, true)
      this.#view.setInt32(at + 8, addend, true)
    }
    put(entry)
    if ((write || t.writable) && this.#watched[pageAddress / 4096] === 0) put(entry + TLB_WRITE)
    // What another page left there would outlive its own flush.
    else if (wasGlobal !== t.global) this.#view.setInt32(entry + TLB_WRITE, TLB_EMPTY_TAG, true)
  }
  #noteFilled(list: number, number: number): void {
    const count = this.#filledCount[list]!
    if (count >= FILLED_MAX) this.#filledCount[list] = FILLED_MANY
    else {
      this.#filled[list]![count] = number
      this.#filledCount[list] = count + 1
    }
  }
  /** Calls back with the address of each entry of a context that may hold something. */
  #eachFilled(context: number, visit: (entry: number) => void): void {
    this.#eachOf(context, visit)
    this.#eachOf(context + TLB_CONTEXTS, visit)
  }
  #eachOf(list: number, visit: (entry: number) => void): void {
    const base = TLB + (list % TLB_CONTEXTS) * TLB_CONTEXT_BYTES
    const count = this.#filledCount[list]!
    if (count === FILLED_MANY) for (let n = 0; n < TLB_ENTRIES; n++) visit(base + n * TLB_ENTRY_BYTES)
    else for (let i = 0; i < count; i++) visit(base + this.#filled[list]![i]! * TLB_ENTRY_BYTES)
  }
  /** Forgets every translation; `global` pages too, or not. */
  flush(global: boolean): void {
    this.#counters.tlbFlushes++
    const view = this.#view
    const drop = (entry: number): void => {
      view.setInt32(entry, TLB_EMPTY_TAG, true)
      view.setInt32(entry + TLB_WRITE, TLB_EMPTY_TAG, true)
    }
    const dropOwn = (entry: number): void => {
      if (view.getInt32(entry + TLB_GLOBAL, true) === 0) drop(entry)
    }
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      const counts = this.#filledCount
      const isMany = counts[context] === FILLED_MANY || counts[context + TLB_CONTEXTS] === FILLED_MANY
      if (!global) this.#eachOf(context, dropOwn)
      else if (isMany) this.#fill(TLB + context * TLB_CONTEXT_BYTES, TLB_EMPTY_BYTE, TLB_CONTEXT_BYTES)
      else this.#eachFilled(context, drop)
      counts[context] = 0
      if (global) counts[context + TLB_CONTEXTS] = 0
    }
    if (!global)
      for (let entry = CODE_TLB; entry < CODE_TLB + CODE_TLB_BYTES; entry += 16)
        if (view.getInt32(entry + TLB_GLOBAL, true) === 0) view.setInt32(entry, TLB_EMPTY_TAG, true)
    // Global pages that user code runs in are not worth looking for.
    const from = global ? CODE_TLB : CODE_TLB + CODE_TLB_BYTES
    this.#fill(from, TLB_EMPTY_BYTE, CODE_TLB + 2 * CODE_TLB_BYTES - from)
    if (global) {
      this.#largePages.clear()
      this.#hugePages = false
    }
  }
  /** Forgets the page of an address. Answers whether that was everything. */
  drop(linear: bigint): boolean {
    const low = Number(linear & 0xffffffffn)
    const high = Number((linear >> 32n) & 0xffffffffn)
    if (this.#hugePages || this.#largePages.has(high * 2048 + (low >>> 21))) {
      this.flush(true)
      return true
    }
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      const entry = TLB + context * TLB_CONTEXT_BYTES + ((low >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES
      this.#view.setInt32(entry, TLB_EMPTY_TAG, true)
      this.#view.setInt32(entry + TLB_WRITE, TLB_EMPTY_TAG, true)
    }
    for (let context = 0; context < 2; context++)
      this.#fill(CODE_TLB + context * CODE_TLB_BYTES + ((low >>> 12) & (CODE_TLB_ENTRIES - 1)) * 16, TLB_EMPTY_BYTE, 8)
    return false
  }
}
