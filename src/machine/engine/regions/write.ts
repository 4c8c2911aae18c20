/**
 * Writes a region's WebAssembly. Within it, general registers and flags are locals; they return to CpuState wherever the
 * region is left. A block counts its instructions when it begins, and begins only when the budget allows all of them:
 * otherwise the interpreter takes one (REGION_RESUME holds the replaced op). Faults, calls into TypeScript and interrupts
 * therefore find exactly the state and the count that the interpreter would have made.
 */
import { i32, i64 } from '../../../wasm/instructions.ts'
import { call, FunctionBuilder, type FunctionRef, type Label, type Local, ModuleBuilder } from '../../../wasm/module.ts'
import { type Code, type I32, type I64, u32leb } from '../../../wasm/value.ts'
import { type Bits, Builder, type Embedding, type EngineFunctions, k, maskOf, state } from '../../isa/builder.ts'
import { emitHandler, Op } from '../../isa/handler.ts'
import {
  BUDGET,
  FLAGS_AUX,
  FLAGS_CC,
  FLAGS_RES,
  FS,
  RECORD,
  REGION_RESUME,
  REGION_RETRY,
  REGION_STALE,
  SCRATCH,
  SLOT_EA,
  SLOT_PAGE,
  SLOT_SEGMENT_BASE,
  SLOT_ZERO,
  TLB_BASE,
} from '../../state/layout.ts'
import {
  REC_BASE,
  REC_DISP,
  REC_IMM,
  REC_INDEX,
  REC_OP,
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
} from '../../state/record.ts'

import { flagBit, flagUseOf, unseenFlags } from './flow.ts'
import type { Instruction, Region } from './region.ts'

/** RAX to R15, then the flag words. */
const REGISTERS = 16
const FLAG_WORDS = [FLAGS_RES, FLAGS_CC, FLAGS_AUX] as const
const SLOTS = [...Array.from({ length: REGISTERS }, (_, n) => n * 8), ...FLAG_WORDS]

const segmentBase = (segment: number): I64 => state.load64(SLOT_SEGMENT_BASE + segment * 8)

/** The region's module: imports the engine's functions, exports one function, "region". */
export const regionModule = (
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
  /** Registers whose upper half is known to be 0 here, and how deep the block's instructions are. */
  readonly #zeroExtended = new Set<number>()
  #depth = 0

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
      f.set(this.#result, state.load32(REGION_RETRY))
      f.emit(state.store32(REGION_RETRY, i32.const(0)))
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
      this.#depth = f.depth
      f.if(i32.lt_s(this.#budget, i32.const(count)), () => {
        const { record, op } = instructions[0]!
        f.emit(state.store32(REGION_RESUME, i32.const(op)))
        this.#leaveTo(i32.const(record | 1), this.#budget)
      })
      f.set(this.#budget, i32.sub(this.#budget, i32.const(count)))
      const unseen = unseenFlags(instructions.map(flagUseOf))
      this.#zeroExtended.clear()
      instructions.forEach((instruction, i) => {
        f.scope(() => this.#writeInstruction(instruction, n, count - 1 - i, i === count - 1, unseen[i]!))
      })
    })
  }

  /**
   * `rest`: instructions of the block after this one, which are already counted. `unseen`: flag words that others set before
   * anybody could see what this one makes of them.
   */
  #writeInstruction(instruction: Instruction, n: number, rest: number, isLast: boolean, unseen: number): void {
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
      setFlagWord: (word, value) => {
        if ((unseen & flagBit(word)) === 0)
          this.#write(REGISTERS + FLAG_WORDS.indexOf(word as (typeof FLAG_WORDS)[number]), value)
      },
      clearCarries: () => {
        if ((unseen & flagBit(FLAGS_CC)) === 0) this.#write(REGISTERS + 1, k(0))
        if ((unseen & flagBit(FLAGS_AUX)) === 0) this.#write(REGISTERS + 2, k(0))
      },
      effectiveAddress: () =>
        this.#sum(byte(REC_BASE), byte(REC_INDEX), byte(REC_SCALE), this.#view.getInt32(record + REC_DISP, true)),
      tlbBase: () => this.#tlb,
      nextLinear: () => onPage(offset + length),
      targetLinear: () => onPage(target),
      fault,
      // Of RAM, or the region is left: nothing else can have changed.
      slow: (address, access, linear, bytes) => {
        f.set(address, call(this.#functions[access], linear, i32.const(bytes), i32.const(record), remaining()))
        f.brIf(this.#fault, i32.eqz(address))
      },
      commit: undefined,
      beforeCall: spill,
      afterCall: refill,
      beforeHost: () => {
        this.#store()
        spill()
      },
      afterHost: () => {
        this.#load()
        this.#zeroExtended.clear()
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
    if (bits === 32 && this.#zeroExtended.has(slot >> 3)) return whole
    const value = (slot & 7) === 1 ? i64.shr_u(whole, k(8)) : whole
    return bits === 64 ? value : i64.and(value, k(maskOf(bits)))
  }
  /** 32-bit writes clear the upper half, narrower ones keep the rest (SDM 1 §3.4.1.1). */
  #setGpr(slot: number, value: I64, bits: Bits): void {
    const n = slot >> 3
    // What is written on one of two ways says nothing of the other.
    if (bits === 32 && this.#f.depth === this.#depth) this.#zeroExtended.add(n)
    else if (bits === 64) this.#zeroExtended.delete(n)
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
