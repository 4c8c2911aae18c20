/** From a linear address to decoded records: code TLB misses, decoding, instructions that reach into a second page. */
import { hex } from '../../base/hex.ts'
import type { Translator } from '../engine/regions/registry.ts'
import { type Decoder, MAX_INSTRUCTION_BYTES, NEED_MORE } from '../isa/decoder.ts'
import { Op } from '../isa/handler.ts'
import type { GuestRam } from '../ram.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { GP, PF, UD } from '../state/fault.ts'
import {
  BUDGET,
  CODE_TLB_BASE,
  CodeMode,
  CR2,
  FAULT,
  FAULT_ERROR,
  FETCH_FAULT,
  RECORD,
  RECORD_PAGE,
  REGION_RESUME,
  REGION_RETRY,
  RIP,
  SLOT_PAGE,
} from '../state/layout.ts'
import {
  CODE_TLB,
  CODE_TLB_ENTRIES,
  REC_OP,
  REC_OP3,
  RECORD_BYTES,
  RECORD_SHIFT,
  TLB_EMPTY_BYTE,
  TLB_GLOBAL,
} from '../state/record.ts'
import type { CodePage, CodePages } from './code-pages.ts'
import type { Mode } from './mode.ts'
import type { Paging } from './paging.ts'
import type { Tlb } from './tlb.ts'
import { type CpuCounters, type CpuWorkings, canonical } from './workings.ts'

export class CodeFetch {
  readonly #state: CpuState
  readonly #view: DataView
  readonly #words: Int32Array
  readonly #ram: GuestRam
  readonly #paging: Paging
  readonly #counters: CpuCounters
  readonly #fill: CpuWorkings['fill']
  readonly #log: CpuWorkings['log']
  readonly #pages: CodePages
  readonly #mode: Mode
  readonly #tlb: Tlb
  readonly #decoder: Decoder
  readonly #translator: Translator | undefined
  /** Physical page that an instruction at a record goes on in, as it was decoded. */
  readonly #crossings = new Map<number, number>()
  readonly #crossingBytes = new Uint8Array(32)

  constructor(
    workings: CpuWorkings,
    pages: CodePages,
    mode: Mode,
    tlb: Tlb,
    decoder: Decoder,
    translator: Translator | undefined,
  ) {
    this.#state = workings.state
    this.#view = workings.view
    this.#words = new Int32Array(workings.view.buffer)
    this.#ram = workings.ram
    this.#paging = workings.paging
    this.#counters = workings.counters
    this.#fill = workings.fill
    this.#log = workings.log
    this.#pages = pages
    this.#mode = mode
    this.#tlb = tlb
    this.#decoder = decoder
    this.#translator = translator
  }

  get evictions(): number {
    return this.#pages.evictions
  }
  /** Nothing that was decoded holds any more. */
  clear(): void {
    this.#translator?.clear()
    this.#pages.clear()
  }

  /** The handler number at a record, whatever region has taken its place. */
  op(record: number): number {
    return this.#translator?.original(record) ?? this.#view.getUint16(record + REC_OP, true)
  }
  /** A region leaves the instruction at `record`, which it has counted, to the interpreter. */
  retry(record: number): void {
    const s = this.#state
    s.set32(REGION_RESUME, this.op(record))
    s.set32(REGION_RETRY, record | 1)
    s.set32(BUDGET, s.get32(BUDGET) + 1)
    this.#translator?.retried(record, s.get32(RECORD_PAGE))
  }
  /** With an eager translator: makes a region of what begins at RECORD. */
  translateHere(): void {
    const translator = this.#translator
    if (translator?.isEager !== true) return
    const record = this.#state.get32(RECORD)
    const records = this.#state.get32(RECORD_PAGE)
    if (record > records + (4096 - MAX_INSTRUCTION_BYTES) * RECORD_BYTES) return
    if (this.op(record) === Op.Decode) this.decode(record)
    translator.force(record, records)
  }
  /** The code TLB missed. */
  enterSlow(low: number, high: number): number {
    this.#counters.pageEntries++
    const s = this.#state
    const fail = (vector: number, errorCode: number): number => {
      s.set32(FAULT, vector + 1)
      s.set32(FAULT_ERROR, errorCode)
      s.set32(FETCH_FAULT, 1)
      s.set32(RIP, this.#mode.code === CodeMode.Bits64 ? low : this.#mode.codeOffset(low))
      s.set32(RIP + 4, high >>> 0)
      return 0
    }
    if (this.#mode.code === CodeMode.Bits64 ? !canonical(high) : this.#mode.codeOffset(low) > this.#mode.codeLimit)
      return fail(GP, 0)
    const t = this.#paging.walk(high, low, 'execute', this.#mode.user, true)
    if (t.physical < 0) {
      s.set32(CR2, low)
      s.set32(CR2 + 4, high)
      return fail(PF, t.errorCode)
    }
    if (t.physical >= this.#ram.size) {
      this.#log(`execution at guest-physical ${hex(t.physical)}, where there is no RAM`)
      return fail(UD, 0)
    }
    this.#tlb.noteLarge(t, high, low)
    const page = this.#codePage(Math.floor(t.physical / 4096))
    const entry = s.get32(CODE_TLB_BASE) + ((low >>> 12) & (CODE_TLB_ENTRIES - 1)) * 16
    this.#view.setUint32(entry, low & 0xfffff000, true)
    this.#view.setUint32(entry + 4, high, true)
    this.#view.setUint32(entry + 8, page.records, true)
    this.#view.setUint32(entry + TLB_GLOBAL, t.global ? 1 : 0, true)
    return page.records
  }
  #codePage(physicalPage: number): CodePage {
    const found = this.#pages.find(physicalPage, this.#mode.code)
    if (found !== undefined) return found
    const watched = this.#pages.watched[physicalPage] === 1
    const page = this.#pages.create(physicalPage, this.#mode.code, this.#state.get32(RECORD_PAGE), (victim) =>
      this.#forgetEntry(victim),
    )
    if (!watched) this.#tlb.dropWritable(physicalPage)
    return page
  }
  /** Removes a record page that is given up from the code TLBs. */
  #forgetEntry(victim: CodePage): void {
    this.#translator?.forgetPage(victim.records)
    for (let i = 0; i < 2 * CODE_TLB_ENTRIES; i++) {
      const entry = CODE_TLB + i * 16
      if (this.#view.getUint32(entry + 8, true) === victim.records) this.#fill(entry, TLB_EMPTY_BYTE, 8)
    }
  }
  /** Decodes at an empty slot, and on along the straight line. Returns the record, 0 with a fault pending. */
  decode(record: number): number {
    const s = this.#state
    const records = s.get32(RECORD_PAGE)
    const page = this.#pages.at(records)
    const code = this.#ram.bytes
    const start = page.physicalPage * 4096
    let offset = (record - records) >>> RECORD_SHIFT
    let at = record
    for (let i = 0; i < 24; i++) {
      const length = this.#decoder.decode(code, start + offset, 4096 - offset, page.mode, offset, this.#words, at)
      if (length === NEED_MORE) return i === 0 ? this.#decodeCrossing(record, page, offset) : record
      this.#counters.decoded++
      offset += length
      at += length * RECORD_BYTES
      if (this.#decoder.result.ends || offset >= 4096) break
      if (this.#view.getUint16(at, true) !== 0) break
    }
    return record
  }
  /** Physical page that follows the current code page in linear memory, -1 with a fault pending. */
  #nextCodePage(): number {
    const s = this.#state
    let low = (s.get32(SLOT_PAGE) + 4096) >>> 0
    let high = s.get32(SLOT_PAGE + 4)
    if (low === 0) high = this.#mode.code === CodeMode.Bits64 ? (high + 1) >>> 0 : 0
    if (this.#mode.code === CodeMode.Bits64 ? !canonical(high) : this.#mode.codeOffset(low) > this.#mode.codeLimit) {
      s.set32(FAULT, GP + 1)
      s.set32(FAULT_ERROR, 0)
      return -1
    }
    const t = this.#paging.walk(high, low, 'execute', this.#mode.user, true)
    if (t.physical < 0) {
      s.set32(CR2, low)
      s.set32(CR2 + 4, high)
      s.set32(FAULT, PF + 1)
      s.set32(FAULT_ERROR, t.errorCode)
      return -1
    }
    low = Math.floor(t.physical / 4096)
    return low
  }
  #decodeCrossing(record: number, page: CodePage, offset: number): number {
    const next = this.#nextCodePage()
    if (next < 0) return 0
    const first = 4096 - offset
    const bytes = this.#crossingBytes
    const from = page.physicalPage * 4096 + offset
    bytes.fill(0xff)
    for (let i = 0; i < first; i++) bytes[i] = this.#ram.bytes[from + i]
    for (let i = first; i < MAX_INSTRUCTION_BYTES; i++) bytes[i] = this.#ram.bytes[next * 4096 + i - first] ?? 0xff
    this.#decoder.decode(bytes, 0, MAX_INSTRUCTION_BYTES, page.mode, offset, this.#words, record)
    this.#counters.decoded++
    const op = this.#view.getUint16(record + REC_OP, true)
    this.#view.setUint16(record + REC_OP3, op, true)
    this.#view.setUint16(record + REC_OP, Op.Cross, true)
    this.#crossings.set(record, next)
    if (next < this.#pages.watched.length && this.#pages.addCrossing(next, record)) this.#tlb.dropWritable(next)
    return record
  }
  /** An instruction in two pages is about to run: the second page must be the one it was decoded from. */
  cross(record: number): number {
    const next = this.#nextCodePage()
    if (next < 0) return 0
    if (this.#crossings.get(record) === next) return 1
    const records = this.#state.get32(RECORD_PAGE)
    return this.#decodeCrossing(record, this.#pages.at(records), (record - records) >>> RECORD_SHIFT) === 0 ? 0 : 1
  }
  /** A device wrote to RAM. */
  written(address: number, length: number): void {
    const last = (address + length - 1) >>> 12
    for (let page = address >>> 12; page <= last; page++)
      if (this.#pages.watched[page] === 1) {
        const from = Math.max(address, page * 4096)
        const to = Math.min(address + length, (page + 1) * 4096)
        this.#pages.invalidate(page, from - page * 4096, to - from)
      }
  }
  /** An instruction has written into a page that is watched. */
  overwritten(page: number, offset: number, size: number): void {
    this.#counters.codeWrites++
    this.#pages.invalidate(page, offset, size)
    if (this.#pages.isData(page))
      this.#pages.drop(page, this.#state.get32(RECORD_PAGE), (dropped) => this.#forgetEntry(dropped))
  }
}
