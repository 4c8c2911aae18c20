/**
 * The translator: hot code becomes WebAssembly functions of its own, made of the same meanings as the interpreter.
 *
 * A region is a set of basic blocks of one code page, not in 16-bit mode. Its function is a handler like any other: it takes
 * a record and answers with the next one, so the dispatch loop calls it without knowing. The first record of each block
 * has the region's op in place of its own, and the block's number in REC_OP3, which only Cross uses otherwise.
 *
 * Which code is hot is found by looking, every few thousand instructions, where execution stands: the interpreter has
 * no counters.
 */
import { type Handler, Op } from '../../isa/handler.ts'
import { REGION_STALE, STATE } from '../../state/layout.ts'
import { REC_IMM, REC_LENGTH, REC_OP, REC_OP2, REC_OP3, RECORD_BYTES, RECORD_SHIFT } from '../../state/record.ts'
import { beginningOf, findBlocks, goesTo, hasLoop, MAX_BLOCKS, MAX_INSTRUCTIONS, type ReadCode } from './find.ts'
import { flowOf } from './flow.ts'
import { type Block, type Instruction, instructionsOf, overlaps, type Region, rangesOf } from './region.ts'
import { regionModule } from './write.ts'

/** What the translator needs of the engine it adds to. */
export interface TranslatorSurroundings {
  readonly view: DataView
  readonly handlers: readonly Handler[]
  readonly traced: boolean
  /** The number of a TypeScript function. */
  hostNumber(name: string): number
  /** Compiles a region's module and puts its function into the engine's table. */
  install(slot: number, module: Uint8Array): void
}

export interface TranslatorPolicy {
  /** Instructions between two looks at where execution stands. */
  readonly period: number
  /** Looks at which a piece of code is hot. */
  readonly looks: number
  /** Likewise in a run that has gone on for so many. Translating pays later, and what has run for long runs on. */
  readonly later?: { readonly after: number; readonly looks: number }
  /** Translates whatever a slice begins with, for tests. */
  readonly eager?: boolean
}
export const POLICY: TranslatorPolicy = { period: 8192, looks: 40, later: { after: 16_384, looks: 10 } }
export const EAGER: TranslatorPolicy = { period: 0x7fffffff, looks: 1, eager: true }

/** Regions that live at once; the oldest give way. */
export const MAX_REGIONS = 4096
/** Code without a loop must be so many times hotter, and so many instructions long: entering a region is not free. */
const STRAIGHT = 4
const MIN_STRAIGHT = 24
/** Looks are counted by 64 bytes of code. */
const WINDOW_SHIFT = RECORD_SHIFT + 6
/**
 * An instruction that regions leave to the interpreter this often within so many looks is none of theirs: it polls a device. One of a
 * copy across page boundaries comes to some 200.
 */
const MAX_RETRIES = 256
const RETRY_LOOKS = 64
/** A page whose regions died this often is left to the interpreter. */
const MAX_DEATHS = 8

export class Translator {
  readonly #around: TranslatorSurroundings
  readonly #policy: TranslatorPolicy
  readonly #firstOp: number
  readonly #regions: (Region | undefined)[] = []
  #nextSlot = 0
  readonly #byPage = new Map<number, Set<Region>>()
  readonly #looks = new Map<number, number>()
  #looked = 0
  readonly #deaths = new Map<number, number>()
  /** By record: how often lately, and which are the interpreter's. */
  readonly #retries = new Map<number, number>()
  readonly #apart = new Set<number>()

  readonly counters = { regions: 0, translated: 0, regionDeaths: 0 }

  constructor(around: TranslatorSurroundings, policy: TranslatorPolicy) {
    this.#around = around
    this.#policy = policy
    this.#firstOp = Op.First + around.handlers.length
  }

  get period(): number {
    return this.#policy.period
  }

  get isEager(): boolean {
    return this.#policy.eager === true
  }

  /** Translates what can be reached from `record` without asking whether it is worth it. */
  force(record: number, records: number): void {
    const blocks = this.#find(records, [(record - records) >>> RECORD_SHIFT], [])
    if (blocks.length > 0) this.#translate(records, blocks)
  }

  /** What the record's op was before a region took its place. */
  original(record: number): number {
    const op = this.#around.view.getUint16(record + REC_OP, true)
    const region = op < this.#firstOp ? undefined : this.#regions[op - this.#firstOp]
    if (region === undefined) return op
    return region.blocks[this.#around.view.getUint16(record + REC_OP3, true)]?.instructions[0]?.op ?? op
  }

  /** Execution stands at `record`, of the page whose records begin at `records`. */
  look(record: number, records: number): void {
    if (++this.#looked % RETRY_LOOKS === 0) this.#retries.clear()
    const window = record >>> WINDOW_SHIFT
    const looks = (this.#looks.get(window) ?? 0) + 1
    this.#looks.set(window, looks)
    const { later } = this.#policy
    const isLate = later !== undefined && this.#looked > later.after
    const times = looks / (isLate ? later.looks : this.#policy.looks)
    // A short run does not try what it found too cold a second time.
    if (isLate ? !Number.isInteger(times) : times !== 1 && times !== STRAIGHT) return
    const isStraightToo = times >= STRAIGHT
    if ((this.#deaths.get(records) ?? 0) >= MAX_DEATHS) return
    const offset = (record - records) >>> RECORD_SHIFT
    if (offset >= 4096) return
    if (this.#covered(records, offset)) {
      this.#looks.delete(window)
      return
    }
    const start = beginningOf(this.#reader(records), offset)
    const blocks = this.#find(records, [start], [])
    const neighbours = this.#neighbours(records, blocks)
    if (neighbours.length > 0) {
      // What a region left out, since nobody had been there yet, is the other half of a loop: one region of all.
      const starts = [start, ...neighbours.flatMap((region) => region.blocks.map((block) => block.first))]
      const joined = this.#find(records, starts, neighbours)
      for (const region of neighbours) this.#kill(region)
      this.#looks.delete(window)
      this.#translate(records, joined)
      return
    }
    if (!hasLoop(blocks) && !(isStraightToo && instructionsOf(blocks) >= MIN_STRAIGHT)) return
    this.#looks.delete(window)
    this.#translate(records, blocks)
  }

  /** A region has left the instruction at `record` to the interpreter. */
  retried(record: number, records: number): void {
    const retries = (this.#retries.get(record) ?? 0) + 1
    this.#retries.set(record, retries)
    if (retries < MAX_RETRIES) return
    this.#apart.add(record)
    const offset = (record - records) >>> RECORD_SHIFT
    for (const region of this.#byPage.get(records) ?? []) if (overlaps(region, offset, 1)) this.#kill(region)
  }

  /** Regions of the page that some of the blocks go to or come from, while all together are small enough for one. */
  #neighbours(records: number, blocks: readonly Block[]): Region[] {
    const found: Region[] = []
    let room = MAX_INSTRUCTIONS - instructionsOf(blocks)
    let places = MAX_BLOCKS - blocks.length
    for (const region of this.#byPage.get(records) ?? []) {
      if (!goesTo(blocks, region.blocks) && !goesTo(region.blocks, blocks)) continue
      room -= instructionsOf(region.blocks)
      places -= region.blocks.length
      if (room < 0 || places < 0) break
      found.push(region)
    }
    return found
  }

  #covered(records: number, offset: number): boolean {
    const regions = this.#byPage.get(records)
    if (regions === undefined) return false
    for (const region of regions) if (overlaps(region, offset, 1)) return true
    return false
  }

  /** Bytes [offset, offset + length) of the page are about to be forgotten. */
  invalidate(records: number, offset: number, length: number): void {
    this.#forgetApart(records + offset * RECORD_BYTES, length)
    const regions = this.#byPage.get(records)
    if (regions === undefined) return
    for (const region of regions)
      if (overlaps(region, offset, length)) {
        this.#deaths.set(records, (this.#deaths.get(records) ?? 0) + 1)
        this.#kill(region)
      }
  }

  /** The record page is given to other code. */
  forgetPage(records: number): void {
    for (const region of this.#byPage.get(records) ?? []) this.#kill(region)
    this.#deaths.delete(records)
    this.#forgetApart(records, 4096)
  }

  clear(): void {
    for (const region of this.#regions) if (region !== undefined) this.#kill(region)
    this.#looks.clear()
    this.#deaths.clear()
    this.#apart.clear()
  }

  #forgetApart(first: number, length: number): void {
    for (const record of this.#apart)
      if (record >= first && record < first + length * RECORD_BYTES) this.#apart.delete(record)
  }

  #kill(region: Region): void {
    const { view } = this.#around
    for (const block of region.blocks) {
      const { record, op } = block.instructions[0]!
      if (view.getUint16(record + REC_OP, true) === region.op) view.setUint16(record + REC_OP, op, true)
    }
    this.#regions[region.op - this.#firstOp] = undefined
    const regions = this.#byPage.get(region.records)
    regions?.delete(region)
    if (regions?.size === 0) this.#byPage.delete(region.records)
    view.setUint32(STATE + REGION_STALE, 1, true)
    this.counters.regionDeaths++
  }

  #translate(records: number, blocks: readonly Block[]): void {
    const slot = this.#nextSlot
    this.#nextSlot = (slot + 1) % MAX_REGIONS
    const old = this.#regions[slot]
    if (old !== undefined) this.#kill(old)
    const op = this.#firstOp + slot
    const region: Region = { op, records, blocks, ranges: rangesOf(blocks) }
    this.#around.install(
      op - Op.First,
      regionModule(region, this.#around.view, this.#around.traced, (name) => this.#around.hostNumber(name)),
    )
    this.#regions[slot] = region
    let regions = this.#byPage.get(records)
    if (regions === undefined) this.#byPage.set(records, (regions = new Set()))
    regions.add(region)
    blocks.forEach((block, n) => {
      const { record } = block.instructions[0]!
      this.#around.view.setUint16(record + REC_OP3, n, true)
      this.#around.view.setUint16(record + REC_OP, op, true)
    })
    this.counters.regions++
    this.counters.translated += instructionsOf(blocks)
  }

  /** Blocks that can be reached from `starts`; those of regions other than `joined` stay theirs. */
  #find(records: number, starts: readonly number[], joined: readonly Region[]): Block[] {
    return findBlocks(this.#reader(records), starts, ({ record }) => {
      const owner = this.#around.view.getUint16(record + REC_OP, true)
      return owner >= this.#firstOp && !joined.some((region) => region.op === owner)
    })
  }
  #reader(records: number): ReadCode {
    return (offset) => this.#read(records, offset)
  }

  /** The instruction decoded at `offset`, when a region can hold it. */
  #read(records: number, offset: number): Instruction | undefined {
    if (offset >= 4096) return undefined
    const { view, handlers } = this.#around
    const record = records + offset * RECORD_BYTES
    const op = this.original(record)
    const prefix = op === Op.Address64 || op === Op.AddressLegacy ? op : undefined
    const handler = handlers[(prefix === undefined ? op : view.getUint16(record + REC_OP2, true)) - Op.First]
    if (handler === undefined) return undefined
    const isInPage = handler.operands.some((o) => o.form === 'relpage')
    return {
      record,
      offset,
      length: view.getUint8(record + REC_LENGTH),
      op,
      handler,
      prefix,
      flow: this.#apart.has(record) ? 'breaks' : flowOf(handler),
      target: isInPage ? offset + view.getInt32(record + REC_IMM, true) / RECORD_BYTES : undefined,
    }
  }
}
