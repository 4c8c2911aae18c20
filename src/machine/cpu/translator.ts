/**
 * The translator: hot code becomes WebAssembly functions of its own, made of the same meanings as the interpreter.
 *
 * A region is a set of basic blocks of one code page, not in 16-bit mode. Its function is a handler like any other: it takes
 * a record and answers with the next one, so the dispatch loop calls it without knowing. The first record of each block
 * has the region's op in place of its own, and the block's number in REC_OP3, which only Cross uses otherwise.
 *
 * Within a region, general registers and flags are locals; they return to CpuState wherever the region is left. A
 * block counts its instructions when it begins, and begins only when the budget allows all of them: otherwise the
 * interpreter takes one (REGION_RESUME holds the replaced op). Faults, calls into TypeScript and interrupts
 * therefore find exactly the state and the count that the interpreter would have made.
 *
 * Which code is hot is found by looking, every few thousand instructions, where execution stands: the interpreter has
 * no counters.
 */
import { i32, i64 } from '../../wasm/instructions.ts'
import { call, FunctionBuilder, type FunctionRef, type Label, type Local, ModuleBuilder } from '../../wasm/module.ts'
import { type Code, type I32, type I64, u32leb } from '../../wasm/value.ts'
import { type Bits, Builder, type Embedding, type EngineFunctions, k, maskOf, state } from '../isa/builder.ts'
import { emitHandler, type Handler, Op } from '../isa/handler.ts'
import {
  REC_BASE,
  REC_DISP,
  REC_IMM,
  REC_INDEX,
  REC_LENGTH,
  REC_OP,
  REC_OP2,
  REC_OP3,
  REC_SCALE,
  REC_SEGMENT,
  REC_WIDTH,
  REC_XBASE,
  REC_XDISP,
  REC_XINDEX,
  REC_XSCALE,
  RECORD_BYTES,
  RECORD_SHIFT,
  TLB_BASE,
} from './record.ts'
import {
  BUDGET,
  FLAGS_AUX,
  FLAGS_CC,
  FLAGS_RES,
  FS,
  RECORD,
  REGION_RESUME,
  REGION_STALE,
  SCRATCH,
  SLOT_EA,
  SLOT_PAGE,
  SLOT_SEGMENT_BASE,
  SLOT_ZERO,
  STATE,
} from './state.ts'

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
  /** Translates whatever a slice begins with, for tests. */
  readonly eager?: boolean
}
export const POLICY: TranslatorPolicy = { period: 8192, looks: 40 }
export const EAGER: TranslatorPolicy = { period: 0x7fffffff, looks: 1, eager: true }

/** Regions that live at once; the oldest give way. */
export const MAX_REGIONS = 1024
const MAX_INSTRUCTIONS = 240
const MAX_BLOCKS = 48
/** Code without a loop must be so many times hotter, and so many instructions long: entering a region is not free. */
const STRAIGHT = 4
const MIN_STRAIGHT = 24
/** Bytes of the longest instruction (SDM 2A §2.3.11). */
const INSTRUCTION_MAX = 15
/** Looks are counted by 64 bytes of code. */
const WINDOW_SHIFT = RECORD_SHIFT + 6
/** A page whose regions died this often is left to the interpreter. */
const MAX_DEATHS = 8

/** RAX to R15, then the flag words. */
const REGISTERS = 16
const FLAG_WORDS = [FLAGS_RES, FLAGS_CC, FLAGS_AUX] as const
const SLOTS = [...Array.from({ length: REGISTERS }, (_, n) => n * 8), ...FLAG_WORDS]

interface Instruction {
  readonly record: number
  readonly offset: number
  readonly length: number
  /** What the record said before any region. */
  readonly op: number
  readonly handler: Handler
  /** The prefix handler that computes its address, if it takes one. */
  readonly prefix: typeof Op.Address64 | typeof Op.AddressLegacy | undefined
}

interface Block {
  readonly first: number
  readonly instructions: Instruction[]
}

interface Region {
  readonly op: number
  /** Machine address of the page's records. */
  readonly records: number
  readonly blocks: readonly Block[]
  /** Where its bytes are, offsets into the page. */
  readonly ranges: readonly { readonly first: number; readonly end: number }[]
}

type Flow = 'next' | 'conditional' | 'call' | 'ends' | 'breaks'

export class Translator {
  readonly #around: TranslatorSurroundings
  readonly #policy: TranslatorPolicy
  readonly #firstOp: number
  readonly #regions: (Region | undefined)[] = []
  #nextSlot = 0
  readonly #byPage = new Map<number, Set<Region>>()
  readonly #looks = new Map<number, number>()
  readonly #deaths = new Map<number, number>()
  readonly #flows = new Map<Handler, Flow>()

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
    const blocks = this.#discover(records, [(record - records) >>> RECORD_SHIFT], [])
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
    const window = record >>> WINDOW_SHIFT
    const looks = (this.#looks.get(window) ?? 0) + 1
    this.#looks.set(window, looks)
    const isStraightToo = looks === this.#policy.looks * STRAIGHT
    if (looks !== this.#policy.looks && !isStraightToo) return
    if ((this.#deaths.get(records) ?? 0) >= MAX_DEATHS) return
    const offset = (record - records) >>> RECORD_SHIFT
    if (offset >= 4096) return
    if (this.#covered(records, offset)) {
      this.#looks.delete(window)
      return
    }
    const start = this.#beginning(records, offset)
    const blocks = this.#discover(records, [start], [])
    const neighbours = this.#neighbours(records, blocks)
    if (neighbours.length > 0) {
      // What a region left out, since nobody had been there yet, is the other half of a loop: one region of all.
      const starts = [start, ...neighbours.flatMap((region) => region.blocks.map((block) => block.first))]
      const joined = this.#discover(records, starts, neighbours)
      for (const region of neighbours) this.#kill(region)
      this.#looks.delete(window)
      this.#translate(records, joined)
      return
    }
    if (!this.#hasLoop(blocks) && !(isStraightToo && instructionsOf(blocks) >= MIN_STRAIGHT)) return
    this.#looks.delete(window)
    this.#translate(records, blocks)
  }

  /** Where the straight code begins that leads to `offset`, as far as it was decoded. */
  #beginning(records: number, offset: number): number {
    for (let start = offset, at = start - 1; ; at--) {
      if (at < 0 || at < start - INSTRUCTION_MAX) return start
      const before = this.#read(records, at)
      if (before !== undefined && at + before.length === start && this.#flowOf(before.handler) === 'next') start = at
    }
  }

  /** Regions of the page that some of the blocks go to or come from, while all together are small enough for one. */
  #neighbours(records: number, blocks: readonly Block[]): Region[] {
    const firstsOf = (of: readonly Block[]): ReadonlySet<number> => new Set(of.map((block) => block.first))
    const goes = (from: readonly Block[], to: ReadonlySet<number>): boolean =>
      from.some(({ instructions }) => {
        const last = instructions.at(-1)!
        const goesOn = this.#flowOf(last.handler) !== 'ends' && to.has(last.offset + last.length)
        return goesOn || to.has(this.#targetOf(last) ?? -1)
      })
    const found: Region[] = []
    let room = MAX_INSTRUCTIONS - instructionsOf(blocks)
    let places = MAX_BLOCKS - blocks.length
    for (const region of this.#byPage.get(records) ?? []) {
      if (!goes(blocks, firstsOf(region.blocks)) && !goes(region.blocks, firstsOf(blocks))) continue
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
  }

  clear(): void {
    for (const region of this.#regions) if (region !== undefined) this.#kill(region)
    this.#looks.clear()
    this.#deaths.clear()
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

  /** Whether a branch or call goes back to one of the blocks: time is spent inside the region, not on its threshold. */
  #hasLoop(blocks: readonly Block[]): boolean {
    const firsts = new Set(blocks.map((block) => block.first))
    return blocks.some(({ instructions }) => {
      const last = instructions.at(-1)!
      const target = this.#targetOf(last)
      return target !== undefined && target <= last.offset && firsts.has(target)
    })
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

  /**
   * The blocks that can be reached inside the page from `starts`, nearest first, in the order of their addresses. Blocks
   * of regions other than `joined` stay theirs.
   */
  #discover(records: number, starts: readonly number[], joined: readonly Region[]): Block[] {
    const found = new Map<number, Instruction>()
    const leaders = new Set(starts)
    const queue = [...leaders]
    const lead = (offset: number): void => {
      if (offset < 0 || offset >= 4096 || leaders.has(offset) || leaders.size >= MAX_BLOCKS) return
      leaders.add(offset)
      queue.push(offset)
    }
    for (;;) {
      // Nobody says where an indirect jump goes: what was decoded behind a jump is where one has gone.
      if (queue.length === 0 && [...found.values()].some(({ handler }) => isIndirectJump(handler)))
        for (const { handler, offset, length } of found.values())
          if (this.#flowOf(handler) === 'ends' && this.#read(records, offset + length)) lead(offset + length)
      const offset = queue.shift()
      if (offset === undefined) break
      for (let at: number = offset; found.size < MAX_INSTRUCTIONS && !found.has(at); ) {
        const instruction = this.#read(records, at)
        if (instruction === undefined) break
        const flow = this.#flowOf(instruction.handler)
        const next = at + instruction.length
        if (flow === 'breaks') {
          lead(next)
          break
        }
        found.set(at, instruction)
        const target = this.#targetOf(instruction)
        if (target !== undefined) lead(target)
        if (flow === 'conditional' || flow === 'call') lead(next)
        if (flow !== 'next') break
        at = next
      }
    }
    const blocks: Block[] = []
    for (const first of [...leaders].sort((a, b) => a - b)) {
      const instructions: Instruction[] = []
      for (let at = first; ; ) {
        const instruction = found.get(at)
        if (instruction === undefined || (at !== first && leaders.has(at))) break
        instructions.push(instruction)
        if (this.#flowOf(instruction.handler) !== 'next') break
        at += instruction.length
      }
      if (instructions.length === 0) continue
      const owner = this.#around.view.getUint16(instructions[0]!.record + REC_OP, true)
      if (owner < this.#firstOp || joined.some((region) => region.op === owner)) blocks.push({ first, instructions })
    }
    return blocks
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
    return { record, offset, length: view.getUint8(record + REC_LENGTH), op, handler, prefix }
  }

  #targetOf({ handler, record, offset }: Instruction): number | undefined {
    if (!handler.operands.some((o) => o.form === 'relpage')) return undefined
    return offset + this.#around.view.getInt32(record + REC_IMM, true) / RECORD_BYTES
  }

  #flowOf(handler: Handler): Flow {
    let flow = this.#flows.get(handler)
    if (flow === undefined) this.#flows.set(handler, (flow = flowOf(handler)))
    return flow
  }
}

const instructionsOf = (blocks: readonly Block[]): number =>
  blocks.reduce((sum, block) => sum + block.instructions.length, 0)

const segmentBase = (segment: number): I64 => state.load64(SLOT_SEGMENT_BASE + segment * 8)

const overlaps = ({ ranges }: Region, offset: number, length: number): boolean =>
  ranges.some((range) => offset < range.end && offset + length > range.first)

const rangesOf = (blocks: readonly Block[]): { first: number; end: number }[] => {
  const ranges: { first: number; end: number }[] = []
  for (const { first, instructions } of blocks) {
    const last = instructions.at(-1)!
    const end = last.offset + last.length
    const before = ranges.at(-1)
    if (before !== undefined && before.end >= first) before.end = Math.max(before.end, end)
    else ranges.push({ first, end })
  }
  return ranges
}

const isIndirectJump = ({ name, operands }: Handler): boolean =>
  name.startsWith('JMP_') && operands.every(({ form }) => form === 'gpr' || form === 'mem')

/** Where an instruction goes, by its mnemonic; whether a region can hold it, by what its meaning asks for. */
const flowOf = (handler: Handler): Flow => {
  const mnemonic = handler.name.split('_')[0]!
  const flow: Flow =
    mnemonic === 'JMP' || mnemonic === 'RET'
      ? 'ends'
      : mnemonic === 'CALL'
        ? 'call'
        : /^(J|LOOP)/.test(mnemonic)
          ? 'conditional'
          : 'next'
  return breaks(handler) ? 'breaks' : flow
}

/**
 * Whether the meaning always goes through TypeScript, or stays where it is (repeated strings): the interpreter does such
 * instructions as well as a region could.
 */
const breaks = (handler: Handler): boolean => {
  const f = new FunctionBuilder('probe', ['i32'] as const, ['i32']) as unknown as FunctionBuilder
  let broken = false
  const nothing = (): void => {}
  const no = (): void => {
    broken = true
  }
  const number = (): I32 => i32.const(0)
  const ref: FunctionRef = { name: '', index: 0, params: [], results: ['i32'] }
  const functions: EngineFunctions = {
    slowRead: ref,
    slowWrite: ref,
    slowModify: ref,
    commit: ref,
    enter: { ...ref, params: ['i64'] },
    host: { ...ref, params: ['i32', 'i32'] },
    hostNumber: () => 0,
    traceFull: undefined,
  }
  const embedding: Embedding = {
    f,
    record: i32.const(0),
    field8: number,
    imm: () => k(0),
    imm64: () => k(0),
    gpr: () => k(0),
    setGpr: nothing,
    gprIn: () => k(0),
    setGprIn: nothing,
    flagWord: () => k(0),
    setFlagWord: nothing,
    clearCarries: nothing,
    effectiveAddress: () => k(0),
    tlbBase: number,
    nextLinear: () => k(0),
    targetLinear: () => k(0),
    fault: nothing,
    slow: nothing,
    commit: nothing,
    beforeCall: nothing,
    afterCall: nothing,
    beforeHost: () => {
      if (f.depth === 0) broken = true
    },
    afterHost: nothing,
    gotoTarget: nothing,
    gotoLinear: nothing,
    goto: no,
    gotoOrFault: nothing,
    next: nothing,
    budget: number,
    spend: no,
  }
  emitHandler(new Builder(embedding, functions, handler.bits, handler.long), handler)
  return broken
}

/** The region's module: imports the engine's functions, exports one function, "region". */
const regionModule = (
  region: Region,
  view: DataView,
  traced: boolean,
  hostNumber: (name: string) => number,
): Uint8Array => {
  const m = new ModuleBuilder()
  const slow = (name: string): FunctionRef => m.importFunction('engine', name, ['i64', 'i32', 'i32', 'i32'], ['i32'])
  const functions: EngineFunctions = {
    slowRead: slow('slowRead'),
    slowWrite: slow('slowWrite'),
    slowModify: slow('slowModify'),
    commit: m.importFunction('engine', 'commit', ['i32'], []),
    enter: m.importFunction('engine', 'enter', ['i64'], ['i32']),
    host: m.importFunction('engine', 'host', ['i32', 'i32'], ['i32']),
    hostNumber,
    traceFull: traced ? m.importFunction('engine', 'traceFull', [], []) : undefined,
  }
  m.export('region', m.define(new RegionWriter(region, view, functions).write()))
  return m.encode()
}

class RegionWriter {
  readonly #region: Region
  readonly #view: DataView
  readonly #functions: EngineFunctions
  readonly #f: FunctionBuilder
  readonly #record: Local<'i32'>
  readonly #budget: Local<'i32'>
  /** Not 0: leave after this instruction. */
  readonly #leave: Local<'i32'>
  readonly #result: Local<'i32'>
  /** Budget to leave with. */
  readonly #left: Local<'i32'>
  readonly #block: Local<'i32'>
  readonly #page: Local<'i64'>
  readonly #tlb: Local<'i32'>
  readonly #ea: Local<'i64'>
  readonly #locals: readonly Local<'i64'>[]
  readonly #used = new Set<number>()
  readonly #written = new Set<number>()
  /** Filled when it is known which registers are used and written. */
  readonly #loads: Code[][] = []
  readonly #stores: Code[][] = []
  readonly #index = new Map<number, number>()
  #exit!: Label
  #fault!: Label
  #dispatch!: Label
  #labels: Label[] = []
  #self: Label | undefined

  constructor(region: Region, view: DataView, functions: EngineFunctions) {
    this.#region = region
    this.#view = view
    this.#functions = functions
    const f = new FunctionBuilder('region', ['i32'] as const, ['i32'])
    this.#record = f.param(0)
    this.#f = f as unknown as FunctionBuilder
    this.#budget = f.local('i32')
    this.#leave = f.local('i32')
    this.#result = f.local('i32')
    this.#left = f.local('i32')
    this.#block = f.local('i32')
    this.#page = f.local('i64')
    this.#tlb = f.local('i32')
    this.#ea = f.local('i64')
    this.#locals = SLOTS.map(() => f.local('i64'))
    region.blocks.forEach((block, n) => {
      this.#index.set(block.first, n)
    })
  }

  write(): FunctionBuilder {
    const f = this.#f
    const { blocks } = this.#region
    this.#load()
    // The dispatch loop has counted one instruction, for the region.
    f.set(this.#budget, i32.add(state.load32(BUDGET), i32.const(1)))
    f.emit(state.store32(REGION_STALE, i32.const(0)))
    f.set(this.#page, state.load64(SLOT_PAGE))
    f.set(this.#tlb, state.load32(TLB_BASE))
    f.set(this.#block, i32.load16_u(this.#record, REC_OP3))
    f.block((exit) => {
      this.#exit = exit
      f.block((fault) => {
        this.#fault = fault
        f.loop((dispatch) => {
          this.#dispatch = dispatch
          const nest = (n: number): void => {
            if (n === blocks.length) {
              f.brTable(this.#labels, this.#labels.at(-1)!, this.#block)
              return
            }
            f.block((label) => {
              this.#labels[blocks.length - 1 - n] = label
              nest(n + 1)
            })
            this.#writeBlock(blocks.length - 1 - n)
          }
          nest(0)
          f.unreachable()
        })
      })
      // RECORD and BUDGET have been stored.
      f.set(this.#left, state.load32(BUDGET))
      f.set(this.#result, i32.const(0))
    })
    this.#store()
    f.emit(state.store32(BUDGET, this.#left))
    f.return(this.#result)
    for (const slot of this.#written) this.#used.add(slot)
    for (const loads of this.#loads)
      for (const n of this.#used) loads.push([state.load64(SLOTS[n]!).code, 0x21, u32leb(this.#locals[n]!.index)])
    for (const stores of this.#stores)
      for (const n of this.#written) stores.push(state.store64(SLOTS[n]!, this.#locals[n]!))
    return f
  }
  #load(): void {
    this.#loads.push(this.#f.later())
  }
  #store(): void {
    this.#stores.push(this.#f.later())
  }

  #writeBlock(n: number): void {
    const f = this.#f
    const { instructions } = this.#region.blocks[n]!
    const count = instructions.length
    f.loop((self) => {
      this.#self = self
      f.if(i32.lt_s(this.#budget, i32.const(count)), () => {
        const { record, op } = instructions[0]!
        f.emit(state.store32(REGION_RESUME, i32.const(op)))
        this.#leaveTo(i32.const(record | 1), this.#budget)
      })
      f.set(this.#budget, i32.sub(this.#budget, i32.const(count)))
      instructions.forEach((instruction, i) => {
        f.scope(() => this.#writeInstruction(instruction, n, count - 1 - i, i === count - 1))
      })
    })
  }

  /** `rest`: instructions of the block after this one, which are already counted. */
  #writeInstruction(instruction: Instruction, n: number, rest: number, isLast: boolean): void {
    const f = this.#f
    const { handler, record, offset, length } = instruction
    let calls = false
    const remaining = (): I32 => (rest === 0 ? this.#budget : i32.add(this.#budget, i32.const(rest)))
    const spill = (): void => {
      calls = true
      f.emit([state.store32(RECORD, i32.const(record)), state.store32(BUDGET, remaining())])
    }
    const refill = (): void => {
      f.set(this.#budget, i32.sub(state.load32(BUDGET), i32.const(rest)))
      f.set(this.#leave, i32.or(state.load32(REGION_STALE), i32.lt_s(this.#budget, i32.const(0))))
    }
    const fault = (): void => {
      f.emit([state.store32(RECORD, i32.const(record)), state.store32(BUDGET, remaining())])
      f.br(this.#fault)
    }
    const goTo = (target: number): void => {
      const to = this.#region.records + target * RECORD_BYTES
      const index = this.#index.get(target)
      if (calls) f.if(this.#leave, () => this.#leaveTo(i32.const(to), remaining()))
      if (index === undefined) this.#leaveTo(i32.const(to), remaining())
      else if (index === n) f.br(this.#self!)
      else if (index > n) f.br(this.#labels[index]!)
      else {
        f.set(this.#block, i32.const(index))
        f.br(this.#dispatch)
      }
    }
    const gotoRecord = (r: I32): void => {
      f.set(this.#record, r)
      f.if(
        i32.and(i32.eqz(this.#leave), i32.eq(i32.load16_u(this.#record, REC_OP), i32.const(this.#region.op))),
        () => {
          f.set(this.#block, i32.load16_u(this.#record, REC_OP3))
          f.set(this.#page, state.load64(SLOT_PAGE))
          f.br(this.#dispatch)
        },
      )
      this.#leaveTo(this.#record, remaining())
    }
    const int = (at: number): number => this.#view.getInt32(record + at, true)
    const byte = (at: number): number => this.#byte(record, at)
    const onPage = (at: number): I64 => i64.add(this.#page, k(at))
    const target = offset + int(REC_IMM) / RECORD_BYTES
    const embedding: Embedding = {
      f,
      record: i32.const(record),
      field8: (at) => i32.const(byte(at)),
      imm: () => k(int(REC_IMM)),
      imm64: () => k(this.#view.getBigInt64(record + REC_DISP, true)),
      gpr: (slot, bits) => this.#gpr(slot, bits),
      setGpr: (slot, value, bits) => this.#setGpr(slot, value, bits),
      gprIn: (field, bits) => this.#gpr(byte(field), bits),
      setGprIn: (field, value, bits) => this.#setGpr(byte(field), value, bits),
      flagWord: (word) => this.#read(REGISTERS + FLAG_WORDS.indexOf(word as (typeof FLAG_WORDS)[number])),
      setFlagWord: (word, value) =>
        this.#write(REGISTERS + FLAG_WORDS.indexOf(word as (typeof FLAG_WORDS)[number]), value),
      clearCarries: () => {
        this.#write(REGISTERS + 1, k(0))
        this.#write(REGISTERS + 2, k(0))
      },
      effectiveAddress: () =>
        this.#sum(byte(REC_BASE), byte(REC_INDEX), byte(REC_SCALE), this.#view.getInt32(record + REC_DISP, true)),
      tlbBase: () => this.#tlb,
      nextLinear: () => onPage(offset + length),
      targetLinear: () => onPage(target),
      fault,
      slow: (address, access, linear, bytes) => {
        calls = true
        f.set(address, call(this.#functions[access], linear, i32.const(bytes), i32.const(record), remaining()))
        f.brIf(this.#fault, i32.eqz(address))
        refill()
      },
      commit: (address) => {
        f.emit(call(this.#functions.commit, address).code)
        refill()
      },
      beforeCall: spill,
      afterCall: refill,
      beforeHost: () => {
        this.#store()
        spill()
      },
      afterHost: () => {
        this.#load()
        refill()
      },
      gotoTarget: () => goTo(target),
      gotoLinear: (linear) => {
        const to = f.let(linear)
        const r = f.local('i32')
        f.if(
          i64.eq(i64.and(to, k(-4096)), this.#page),
          () =>
            f.set(
              r,
              i32.add(
                i32.const(this.#region.records),
                i32.shl(i32.and(i32.wrap_i64(to), i32.const(4095)), i32.const(RECORD_SHIFT)),
              ),
            ),
          () => {
            f.set(r, call(this.#functions.enter, to))
            f.if(i32.eqz(r), fault)
          },
        )
        gotoRecord(r)
      },
      goto: (r) => this.#leaveTo(r, remaining()),
      gotoOrFault: (r) => {
        f.if(i32.eqz(r), fault)
        this.#leaveTo(r, remaining())
      },
      next: () => {},
      budget: remaining,
      spend: () => {
        throw new Error('invariant broken: a repeated instruction is not translated')
      },
    }
    const b = new Builder(embedding, this.#functions, handler.bits, handler.long)
    if (instruction.prefix === Op.Address64) this.#computeAddress(record)
    if (instruction.prefix === Op.AddressLegacy) this.#computeLegacyAddress(record, b)
    emitHandler(b, handler)
    if (b.branched) return
    if (isLast) goTo(offset + length)
    else if (calls)
      f.if(this.#leave, () =>
        this.#leaveTo(i32.const(this.#region.records + (offset + length) * RECORD_BYTES), remaining()),
      )
  }

  /** What the prefix handler Op.Address64 does. */
  #computeAddress(record: number): void {
    const sum = this.#prefixSum(record)
    const offset = this.#byte(record, REC_WIDTH) === 32 ? i64.and(sum, k(0xffffffff)) : sum
    const segment = this.#byte(record, REC_SEGMENT)
    this.#f.set(this.#ea, segment >= FS ? i64.add(offset, segmentBase(segment)) : offset)
  }
  /** What the prefix handler Op.AddressLegacy does. */
  #computeLegacyAddress(record: number, b: Builder): void {
    const mask = this.#byte(record, REC_WIDTH) === 16 ? 0xffff : 0xffffffff
    const offset = b.let(i64.and(this.#prefixSum(record), k(mask)))
    const segment = this.#byte(record, REC_SEGMENT)
    this.#f.if(i32.eqz(b.isClear(i32.const(segment), offset)), () => {
      this.#f.emit(state.store64(SCRATCH, offset))
      b.host('checkSegment')
    })
    this.#f.set(this.#ea, i64.and(i64.add(offset, segmentBase(segment)), k(0xffffffff)))
  }
  #prefixSum(record: number): I64 {
    const byte = (at: number): number => this.#byte(record, at)
    return this.#sum(byte(REC_XBASE), byte(REC_XINDEX), byte(REC_XSCALE), this.#view.getInt32(record + REC_XDISP, true))
  }
  #byte(record: number, at: number): number {
    return this.#view.getUint8(record + at)
  }

  #leaveTo(result: I32, left: I32): void {
    this.#f.set(this.#left, left)
    this.#f.set(this.#result, result)
    this.#f.br(this.#exit)
  }

  #sum(base: number, index: number, scale: number, displacement: number): I64 {
    const parts: I64[] = []
    if (base !== SLOT_ZERO) parts.push(this.#slot(base))
    if (index !== SLOT_ZERO) parts.push(scale === 0 ? this.#slot(index) : i64.shl(this.#slot(index), k(scale)))
    if (displacement !== 0 || parts.length === 0) parts.push(k(displacement))
    return parts.reduce((sum, part) => i64.add(sum, part))
  }
  /** One of the slots an address can be made of. */
  #slot(slot: number): I64 {
    if (slot < REGISTERS * 8) return this.#gpr(slot, 64)
    if (slot === SLOT_PAGE) return this.#page
    if (slot === SLOT_EA) return this.#ea
    return state.load64(slot)
  }

  #read(n: number): I64 {
    this.#used.add(n)
    return this.#locals[n]!
  }
  #write(n: number, value: I64): void {
    this.#written.add(n)
    this.#f.set(this.#locals[n]!, value)
  }
  #gpr(slot: number, bits: Bits): I64 {
    const whole = this.#read(slot >> 3)
    const value = (slot & 7) === 1 ? i64.shr_u(whole, k(8)) : whole
    return bits === 64 ? value : i64.and(value, k(maskOf(bits)))
  }
  /** 32-bit writes clear the upper half, narrower ones keep the rest (SDM 1 §3.4.1.1). */
  #setGpr(slot: number, value: I64, bits: Bits): void {
    const n = slot >> 3
    if (bits === 64) this.#write(n, value)
    else if (bits === 32) this.#write(n, i64.and(value, k(maskOf(32))))
    else {
      const shift = (slot & 7) === 1 ? 8n : 0n
      const field = maskOf(bits) << shift
      const cut = i64.and(value, k(maskOf(bits)))
      const placed = shift === 0n ? cut : i64.shl(cut, k(shift))
      this.#write(n, i64.or(i64.and(this.#read(n), k(~field)), placed))
    }
  }
}
