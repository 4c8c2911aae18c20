/**
 * The CPU: owns the state, the generated interpreter and its caches, and everything the interpreter leaves to
 * TypeScript: page walks, device and page-crossing accesses, decoding, faults, interrupts, system instructions.
 *
 * Time does not exist here. The machine asks for a number of instructions and learns how many retired.
 */

import { hex } from '../../base/hex.ts'
import type { Bus } from '../bus.ts'
import type { InterruptController } from '../devices/legacy/interrupt-controller.ts'
import { RunResult } from '../engine/engine.ts'
import type { Translator } from '../engine/regions/registry.ts'
import { Decoder } from '../isa/decoder.ts'
import { Op } from '../isa/handler.ts'
import { ROWS } from '../isa/table.ts'
import { type PartState, type SavedPart, StateReader } from '../part.ts'
import type { CpuCore, Outside } from '../semantics/core.ts'
import {
  deliverBreakpoint,
  deliverException,
  deliverInterrupt,
  deliverNmi,
  deliverTrap,
  eventName,
} from '../semantics/system/exceptions.ts'
import { loadRegisters, saveRegisters } from '../semantics/system/saved-registers.ts'
import { SystemState } from '../semantics/system/system-state.ts'
import { CpuState } from '../state/cpu-state.ts'
import { DB, GP, UD } from '../state/fault.ts'
import { FLAGS_RF, FLAGS_TF } from '../state/flags.ts'
import {
  CodeMode,
  FAULT,
  FAULT_ERROR,
  FETCH_FAULT,
  RECORD,
  RECORD_PAGE,
  REPEATING,
  RFLAGS_SYSTEM,
  RIP,
  TRACE_HEAD,
} from '../state/layout.ts'
import { TRACE_RING } from '../state/record.ts'
import { type AttachedEngine, attachEngine } from './attach-engine.ts'
import { CallTrace } from './call-trace.ts'
import { CodeFetch } from './code-fetch.ts'
import { CodePages } from './code-pages.ts'
import { DebugRegisters } from './debug-registers.ts'
import { HostCalls } from './host-calls.ts'
import { InstructionCount } from './instruction-count.ts'
import { InterruptWindow } from './interrupt-window.ts'
import { CpuMemory } from './linear-memory.ts'
import { Mode } from './mode.ts'
import { Paging } from './paging.ts'
import { Place } from './place.ts'
import { enterAsPvh } from './pvh-entry.ts'
import { SegmentCheck } from './segment-check.ts'
import type { CpuSurroundings } from './surroundings.ts'
import { Tlb } from './tlb.ts'
import { type CpuCounters, type CpuWorkings, newCounters } from './workings.ts'

/** Instructions, and what devices cost, that leave room to count on: some months. */
const RETIRED_MAX = 2 ** 52
/** Exceptions in excess of retired instructions after which `run` returns. */
const MAX_FRUITLESS_EXCEPTIONS = 10_000
const DR6_BS = 1 << 14

export class Cpu implements CpuCore, SavedPart {
  readonly name = 'cpu'
  readonly state: CpuState
  readonly system: SystemState
  readonly memory: CpuMemory
  readonly ports: Bus
  readonly outside: Outside
  readonly interrupts: InterruptController

  readonly #around: CpuSurroundings
  readonly #view: DataView
  readonly #mode: Mode
  readonly #debug: DebugRegisters
  readonly #tlb: Tlb
  readonly #code: CodeFetch
  readonly #segments: SegmentCheck
  readonly #calls: CallTrace
  readonly #engine: AttachedEngine
  readonly #count: InstructionCount
  readonly #window: InterruptWindow
  readonly #place: Place
  readonly #host: HostCalls
  readonly #logged = new Set<string>()
  readonly #translator: Translator | undefined

  /** Whether a single-step trap follows the current instruction, when that is not what TF said before it. */
  #stepAfter: boolean | undefined

  halted = false
  /** Set by a triple fault. */
  shutdownCause: string | undefined
  /** Something outside asked the current slice to end. */
  #breakRequested = false

  readonly counters: CpuCounters = newCounters()

  constructor(around: CpuSurroundings) {
    this.#around = around
    this.#view = new DataView(around.buffer)
    this.ports = around.ports
    this.outside = around
    this.interrupts = around.interrupts
    this.state = new CpuState(around.buffer)
    this.system = new SystemState(around.model)
    this.#count = new InstructionCount(this.state, around.traced)
    this.#window = new InterruptWindow(this.interrupts, this.system, this.state, this.#count)
    const engine = attachEngine(around, this.#view, {
      readSlow: (low, high, size) => this.memory.readSlow(low, high, size),
      writeSlow: (low, high, size) => this.memory.writeSlow(low, high, size, false),
      modifySlow: (low, high, size) => this.memory.writeSlow(low, high, size, true),
      commit: () => this.memory.commit(),
      enterSlow: (low, high) => this.#code.enterSlow(low, high),
      decode: (record) => this.#code.decode(record),
      cross: (record) => this.#code.cross(record),
      retry: (record) => this.#code.retry(record),
      host: (number, record) => this.#host.call(number, record),
      traceFull: () => this.flushCallEvents(),
    })
    this.#engine = engine
    this.#translator = engine.translator
    const workings: CpuWorkings = {
      state: this.state,
      view: this.#view,
      ram: around.ram,
      ramOffset: around.ramOffset,
      bus: around.memory,
      handlers: engine.handlers.list,
      paging: new Paging(this.state, around.ram),
      counters: this.counters,
      fill: engine.fill,
      log: (line) => this.log(line),
    }
    const pages = new CodePages(
      around.buffer,
      around.ram.size,
      (address, length) => workings.fill(address, 0, length),
      (records, offset, length) => this.#translator?.invalidate(records, offset, length),
    )
    const decoder = new Decoder(ROWS, engine.handlers, (feature) => around.model.has(feature))
    this.#mode = new Mode(workings)
    this.#place = new Place(this.state, this.#view, this.#mode)
    this.#debug = new DebugRegisters(this.state)
    this.#tlb = new Tlb(workings, this.#mode, this.#debug, pages.watched)
    this.#code = new CodeFetch(workings, pages, this.#mode, this.#tlb, decoder, this.#translator)
    this.memory = new CpuMemory(workings, this.#mode, this.#tlb, this.#debug, this.#code, pages.watched)
    this.#segments = new SegmentCheck(workings, this.memory)
    this.#calls = new CallTrace(this.state, this.#view, around)
    this.#host = new HostCalls(workings, this, this.#place, this.#mode, this.#count, this.#window, engine)
    around.memory.onAccess = around.ports.onAccess = (isClock) => this.#charge(isClock)
    around.ram.onWrite = (address, length) => this.#code.written(address, length)
    this.interrupts.onChange = () => this.interruptsChanged()
  }

  // ── running ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Instructions retired since power-on, exact at any moment. */
  get retired(): number {
    return this.#count.retired
  }

  /** Starts at `entry`: flat 32-bit protected mode, paging off, as PVH has it (Xen, docs/misc/pvh.pandoc). */
  resetToPvh(entry: number, startInfo: number): void {
    const s = this.state
    s.u8.fill(0)
    s.set32(TRACE_HEAD, TRACE_RING)
    this.system.reset()
    enterAsPvh(s, entry, startInfo)
    this.#count.begin(0)
    this.charged = 0
    this.#window.open()
    this.#debug.hits = 0
    this.halted = false
    this.#begin()
  }

  /** The registers are others, and so is memory: nothing that was found out before holds. */
  #begin(): void {
    this.#stepAfter = undefined
    this.debugRegistersChanged()
    this.#place.atRecord = false
    this.shutdownCause = undefined
    this.#code.clear()
    this.flushTlb(true)
    this.#host.applyMode()
  }

  save(): PartState {
    this.#place.settle()
    return {
      ...saveRegisters(this.state, this.system),
      retired: this.retired,
      charged: this.charged,
      halted: this.halted,
      ...this.#window.save(),
      debugHits: this.#debug.hits,
    }
  }

  load(state: PartState): void {
    const from = new StateReader(state, this.name)
    this.state.u8.fill(0)
    this.state.set32(TRACE_HEAD, TRACE_RING)
    loadRegisters(from, this.state, this.system)
    this.#count.begin(from.integer('retired', 0, RETIRED_MAX))
    this.charged = from.integer('charged', 0, RETIRED_MAX)
    this.halted = from.flag('halted')
    this.#window.load(from)
    this.#debug.hits = from.integer('debugHits', 0, 15)
    from.end()
    this.#begin()
  }

  /** Whether a halted CPU goes on now. */
  get wakes(): boolean {
    return this.#window.wakes
  }
  /** Whether anything could wake a halted CPU. */
  get canWake(): boolean {
    return this.#window.canWake
  }

  /** Nanoseconds charged for device accesses since power-on; see CpuSurroundings.accessCost. */
  charged = 0
  #charge(isClock: boolean): void {
    this.counters.deviceAccesses++
    this.#around.onAccess(isClock)
    const cost = this.#around.accessCost
    if (cost === 0) return
    this.charged += cost
    this.#count.shorten(Math.max(0, this.#count.left - cost))
  }

  /** The current slice ends before the next instruction. */
  requestBreak(): void {
    this.#breakRequested = true
    this.#count.shorten(0)
  }

  /**
   * Runs for at most `time`: instructions, and what device accesses were charged as. Fewer when the CPU halts, shuts down
   * or a break is requested. Returns how many instructions retired.
   */
  run(time: number): number {
    const count = this.#count
    const start = count.retired
    const end = start + this.charged + time
    this.#breakRequested = false
    const exceptions = this.counters.exceptions
    while (count.retired + this.charged < end && this.shutdownCause === undefined && !this.#breakRequested) {
      // A guest whose handlers fault at once retires nothing for ever: its host must get a word in.
      if (this.counters.exceptions - exceptions - (count.retired - start) > MAX_FRUITLESS_EXCEPTIONS) break
      if (this.#takeInterrupt()) continue
      if (this.halted) break
      const system = this.state.get32(RFLAGS_SYSTEM)
      const stepping = (system & FLAGS_TF) !== 0
      let n = Math.min(end - count.retired - this.charged, this.#translator?.period ?? 0x7fffffff)
      if (stepping || this.#debug.active || this.#mode.codeStepped || (system & FLAGS_RF) !== 0) n = 1
      else n = this.#window.within(n)
      this.#slice(n, stepping)
      if (this.#place.atRecord && this.#mode.code !== CodeMode.Bits16 && !this.#mode.codeStepped)
        this.#translator?.look(this.state.get32(RECORD), this.state.get32(RECORD_PAGE))
    }
    return count.retired - start
  }

  #takeInterrupt(): boolean {
    const { interrupts } = this
    if (this.#window.nmi) {
      this.halted = false
      interrupts.takeNmi()
      this.#host.deliver(() => deliverNmi(this))
      return true
    }
    if (!this.#window.maskable || this.#window.inhibited) return false
    this.halted = false
    const vector = interrupts.acknowledge()
    this.counters.interrupts++
    this.#host.deliver(() => deliverInterrupt(this, vector))
    return true
  }

  #slice(n: number, stepping: boolean): void {
    const s = this.state
    const count = this.#count
    const place = this.#place
    const system = s.get32(RFLAGS_SYSTEM)
    // RF holds off an instruction breakpoint for one instruction (SDM 3A §2.3). Iterations of one are not fetched anew.
    if ((system & FLAGS_RF) !== 0) s.set32(RFLAGS_SYSTEM, system & ~FLAGS_RF)
    else if (this.#debug.watchesCode && !this.#window.debugHeld && s.get32(REPEATING) === 0) {
      place.settle()
      const hit = this.#debug.codeHits(this.#mode.linear(s.rip))
      if (hit !== 0) {
        this.#host.deliver(() => deliverBreakpoint(this, hit))
        return
      }
    }
    const limited = this.#mode.codeStepped
    if (limited) {
      place.settle()
      place.atRecord = false
      if (s.get32(RIP) > this.#mode.codeLimit) {
        this.#host.deliver(() => deliverException(this, GP, 0))
        return
      }
    }
    if (!place.atRecord) {
      const record = this.#engine.enter(this.#mode.linear(s.rip))
      if (record === 0) {
        this.#raiseFault(false)
        return
      }
      place.setRecord(record)
      if (limited) {
        if (this.#code.op(record) === Op.Decode && this.#code.decode(record) === 0) {
          this.#raiseFault(false)
          return
        }
        if (s.get32(RIP) + place.length - 1 > this.#mode.codeLimit) {
          this.#host.deliver(() => deliverException(this, GP, 0))
          return
        }
      }
    }
    if (this.#mode.code !== CodeMode.Bits16) this.#code.translateHere()
    count.grant(n)
    count.running = true
    let result: number
    try {
      result = this.#engine.run()
    } finally {
      count.running = false
    }
    count.settle()
    const faulted = result === RunResult.Fault
    const done = !faulted || (s.get32(FETCH_FAULT) !== 0 && this.#code.op(s.get32(RECORD)) !== Op.NextPage)
    const step = this.#stepAfter ?? stepping
    this.#stepAfter = undefined
    const hits = this.#debug.takeHits()
    if (done && (step || hits !== 0) && this.shutdownCause === undefined) {
      if (this.#window.debugHeld) {
        // MOV SS and POP SS put it off until after the following instruction (SDM 3A §6.8.3).
        this.#debug.hits = hits
        if (faulted) this.#raiseFault(true)
        return
      }
      if (faulted) {
        // The trap comes first; what follows is fetched again later.
        s.set32(FAULT, 0)
        s.set32(FETCH_FAULT, 0)
        place.atRecord = false
      }
      this.halted = false
      this.#host.deliver(() => deliverTrap(this, DB, hits | (step ? DR6_BS : 0)))
    } else if (faulted) this.#raiseFault(true)
  }

  // ── debug registers ────────────────────────────────────────────────────────────────────────────────────────────────

  debugRegistersChanged(): void {
    this.#debug.changed()
    this.flushTlb(true)
    if (this.#debug.active) this.#count.shorten(0)
  }
  portAccessed(port: number, size: number): void {
    this.#debug.portAccessed(port, size)
  }
  stepAfter(step: boolean): void {
    this.#stepAfter = step
  }
  takeDebugHits(): number {
    return this.#debug.takeHits()
  }

  /** Delivers the pending fault. `counted`: the loop has counted the instruction that did not retire. */
  #raiseFault(counted: boolean): void {
    const s = this.state
    const vector = s.get32(FAULT) - 1
    const errorCode = s.get32(FAULT_ERROR)
    s.set32(FAULT, 0)
    if (vector < 0) {
      // A host function asked to leave without a fault: shutdown.
      if (counted) this.#place.atRecord = false
      return
    }
    if (s.get32(FETCH_FAULT) !== 0) {
      // RIP is the branch target; the branch itself retired, but going on at a new page is no instruction.
      s.set32(FETCH_FAULT, 0)
      if (counted && this.#code.op(s.get32(RECORD)) === Op.NextPage) this.#count.uncount()
      this.#place.atRecord = false
    } else if (counted) this.#count.uncount()
    this.counters.exceptions++
    if (vector === UD) this.#logUndefined()
    this.#host.deliver(() => deliverException(this, vector, errorCode))
  }

  #logUndefined(): void {
    this.#place.settle()
    const { rip } = this.state
    const code = new Uint8Array(8)
    const bytes = [...code.subarray(0, this.memory.peek(this.#mode.linear(rip), code))]
    this.log(`undefined opcode at ${hex(rip)}: ${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}`)
  }

  // ── CpuCore ────────────────────────────────────────────────────────────────────────────────────────────────────────

  get nextRip(): bigint {
    return this.#host.nextRip
  }
  set nextRip(value: bigint) {
    this.#host.nextRip = value
  }
  modeChanged(): void {
    this.#host.modeChanged()
  }
  checkOperand(record: number, address: number): void {
    this.#segments.operand(record, address)
  }
  flushTlb(global: boolean): void {
    this.#tlb.flush(global)
    this.#host.modeChanged()
  }
  invalidatePage(linear: bigint): void {
    if (this.#tlb.drop(linear)) this.#host.modeChanged()
  }
  trace(kind: number, argument: number, address: bigint): void {
    if (this.#around.traced) this.#calls.note(kind, argument, address, this.retired)
  }
  flushCallEvents(): void {
    this.#calls.flush()
  }

  interruptsChanged(): void {
    if (!this.#count.running) return
    const stepping = (this.state.get32(RFLAGS_SYSTEM) & (FLAGS_TF | FLAGS_RF)) !== 0
    if (this.#window.wakes || stepping) this.#count.shorten(this.#window.inhibited ? 1 : 0)
  }
  inhibitInterrupts(debugToo = false): void {
    this.#window.inhibit(debugToo)
  }
  halt(): void {
    this.halted = true
    this.#count.shorten(0)
  }
  shutdown(cause: string): void {
    this.shutdownCause = cause
    this.#count.shorten(0)
  }
  log(line: string): void {
    if (this.#logged.has(line) || this.#logged.size > 500) return
    this.#logged.add(line)
    this.#around.log(line)
  }

  // ── for people ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get rip(): bigint {
    this.#place.settle()
    return this.state.rip
  }
  /** Goes on there, in the mode in force. */
  set rip(value: bigint) {
    this.#place.setRip(value)
  }
  get translation(): Readonly<Record<string, number>> {
    return this.#translator?.counters ?? {}
  }
  get evictions(): number {
    return this.#code.evictions
  }
  /** "#GP(0x10)". */
  static eventName(vector: number, errorCode: number): string {
    return eventName(vector, errorCode)
  }
}
