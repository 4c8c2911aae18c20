/**
 * The CPU: owns the state, the generated interpreter and its caches, and everything the interpreter leaves to
 * TypeScript: page walks, device and page-crossing accesses, decoding, faults, interrupts, system instructions.
 *
 * Time does not exist here. The machine asks for a number of instructions and learns how many retired.
 */

import { assert } from '../../base/assert.ts'
import { hex } from '../../base/hex.ts'
import type { Bus } from '../bus.ts'
import type { InterruptController } from '../devices/legacy/interrupt-controller.ts'
import { type EngineImports, engineFor, type GeneratedEngine, RunResult } from '../engine/engine.ts'
import { Translator, type TranslatorPolicy } from '../engine/regions/registry.ts'
import { Decoder } from '../isa/decoder.ts'
import { Op } from '../isa/handler.ts'
import { ROWS } from '../isa/table.ts'
import { type PartState, type SavedPart, StateReader } from '../part.ts'
import type { CpuCore } from '../semantics/core.ts'
import {
  deliverBreakpoint,
  deliverException,
  deliverInterrupt,
  deliverNmi,
  deliverTrap,
  eventName,
} from '../semantics/system/exceptions.ts'
import { fpuFault, updateFpu } from '../semantics/system/fpu-blocked.ts'
import { loadRegisters, saveRegisters } from '../semantics/system/saved-registers.ts'
import { SystemState } from '../semantics/system/system-state.ts'
import { CpuState } from '../state/cpu-state.ts'
import { DB, GP, GuestFault, UD } from '../state/fault.ts'
import { FLAGS_IF, FLAGS_RF, FLAGS_TF } from '../state/flags.ts'
import {
  BUDGET,
  CodeMode,
  FAULT,
  FAULT_ERROR,
  FETCH_FAULT,
  RECORD,
  RECORD_PAGE,
  RFLAGS_SYSTEM,
  RIP,
  SLOT_PAGE,
  TRACE_END,
  TRACE_HEAD,
} from '../state/layout.ts'
import { REC_LENGTH, RECORD_SHIFT, REPEATING, TRACE_RING } from '../state/record.ts'
import { CallTrace } from './call-trace.ts'
import { CodeFetch } from './code-fetch.ts'
import { CodePages } from './code-pages.ts'
import { DebugRegisters } from './debug-registers.ts'
import { createHostFunctions, type HostFunction } from './host-functions.ts'
import { CpuMemory } from './linear-memory.ts'
import { Mode } from './mode.ts'
import { Paging } from './paging.ts'
import { enterAsPvh } from './pvh-entry.ts'
import { SegmentCheck } from './segment-check.ts'
import type { CpuSurroundings } from './surroundings.ts'
import { Tlb } from './tlb.ts'
import { type CpuCounters, type CpuWorkings, newCounters } from './workings.ts'

/** Instructions, and what devices cost, that leave room to count on: some months. */
const RETIRED_MAX = 2 ** 52
/** Instructions for which STI and MOV SS hold something off: the next one, and itself while it runs. */
const INHIBITED_MAX = 2
/** Exceptions in excess of retired instructions after which `run` returns. */
const MAX_FRUITLESS_EXCEPTIONS = 10_000
const DR6_BS = 1 << 14
export class Cpu implements CpuCore, SavedPart {
  readonly name = 'cpu'
  readonly state: CpuState
  readonly system: SystemState
  readonly memory: CpuMemory
  readonly ports: Bus
  readonly interrupts: InterruptController

  readonly #around: CpuSurroundings
  readonly #view: DataView
  readonly #mode: Mode
  readonly #debug: DebugRegisters
  readonly #tlb: Tlb
  readonly #code: CodeFetch
  readonly #segments: SegmentCheck
  readonly #calls: CallTrace
  readonly #run: () => number
  readonly #enter: (linear: bigint) => number
  readonly #hostFunctions: readonly HostFunction[]
  readonly #logged = new Set<string>()
  readonly #translator: Translator | undefined

  /** Instructions retired before the current slice. */
  #retired = 0
  /** Budget given to the current slice. */
  #granted = 0
  #running = false
  #modeDirty = false
  #nextRip: bigint | undefined
  /** Retired count before which no maskable interrupt is taken. */
  #inhibitUntil = 0
  /** The record in RECORD is where execution continues; otherwise RIP is. */
  #atRecord = false
  /** Retired count before which no #DB is raised. */
  #holdDebugUntil = 0
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
    this.interrupts = around.interrupts
    this.state = new CpuState(around.buffer)
    this.system = new SystemState(around.model)
    const engine = engineFor(around.traced)
    const imports: EngineImports = {
      readSlow: (low, high, size) => this.memory.readSlow(low, high, size),
      writeSlow: (low, high, size) => this.memory.writeSlow(low, high, size, false),
      modifySlow: (low, high, size) => this.memory.writeSlow(low, high, size, true),
      commit: () => this.memory.commit(),
      enterSlow: (low, high) => this.#code.enterSlow(low, high),
      decode: (record) => this.#code.decode(record),
      cross: (record) => this.#code.cross(record),
      host: (number, record) => this.#host(number, record),
      traceFull: () => this.flushCallEvents(),
    }
    const exports = around.host.instantiate(engine.module, {
      cpu: imports as unknown as Record<string, unknown>,
      env: { memory: around.hostMemory },
    })
    this.#run = exports['run'] as () => number
    this.#enter = exports['enter'] as (linear: bigint) => number
    this.#translator = around.translate && this.#createTranslator(around.translate, engine, exports)
    const workings: CpuWorkings = {
      state: this.state,
      view: this.#view,
      ram: around.ram,
      ramOffset: around.ramOffset,
      bus: around.memory,
      handlers: engine.handlers.list,
      paging: new Paging(this.state, around.ram),
      counters: this.counters,
      fill: exports['fill'] as CpuWorkings['fill'],
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
    this.#debug = new DebugRegisters(this.state)
    this.#tlb = new Tlb(workings, this.#mode, this.#debug, pages.watched)
    this.#code = new CodeFetch(workings, pages, this.#mode, this.#tlb, decoder, this.#translator)
    this.memory = new CpuMemory(workings, this.#mode, this.#tlb, this.#debug, this.#code, pages.watched)
    this.#segments = new SegmentCheck(workings, this.memory)
    this.#calls = new CallTrace(this.state, this.#view, around)
    const functions = createHostFunctions(this, this.#view)
    this.#hostFunctions = engine.hostNames.map((name) => {
      const f = functions[name]
      assert(f !== undefined, `the host function '${name}' exists`)
      return f
    })
    around.memory.onAccess = around.ports.onAccess = (isClock) => this.#charge(isClock)
    around.ram.onWrite = (address, length) => this.#code.written(address, length)
    this.interrupts.onChange = () => this.interruptsChanged()
  }

  #createTranslator(
    policy: TranslatorPolicy,
    { handlers, hostNames }: GeneratedEngine,
    exports: Record<string, unknown>,
  ): Translator {
    const { host, hostMemory, traced } = this.#around
    const table = exports['table'] as { set(slot: number, f: unknown): void }
    return new Translator(
      {
        view: this.#view,
        handlers: handlers.list,
        traced,
        hostNumber: (name) => hostNames.indexOf(name),
        install: (slot, module) =>
          table.set(slot, host.instantiate(module, { engine: exports, env: { memory: hostMemory } })['region']),
      },
      policy,
    )
  }

  // ── running ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Instructions retired since power-on, exact at any moment. */
  get retired(): number {
    return this.#running ? this.#retired + this.#granted - this.state.get32(BUDGET) : this.#retired
  }

  /** Starts at `entry`: flat 32-bit protected mode, paging off, as PVH has it (Xen, docs/misc/pvh.pandoc). */
  resetToPvh(entry: number, startInfo: number): void {
    const s = this.state
    s.u8.fill(0)
    s.set32(TRACE_HEAD, TRACE_RING)
    this.system.reset()
    enterAsPvh(s, entry, startInfo)
    this.#retired = 0
    this.charged = 0
    this.#inhibitUntil = 0
    this.#holdDebugUntil = 0
    this.#debug.hits = 0
    this.halted = false
    this.#begin()
  }

  /** The registers are others, and so is memory: nothing that was found out before holds. */
  #begin(): void {
    this.#granted = 0
    this.#stepAfter = undefined
    this.debugRegistersChanged()
    this.#atRecord = false
    this.shutdownCause = undefined
    this.#code.clear()
    this.flushTlb(true)
    this.#applyMode()
  }

  save(): PartState {
    this.#settleRip()
    return {
      ...saveRegisters(this.state, this.system),
      retired: this.#retired,
      charged: this.charged,
      halted: this.halted,
      // Exactly 0 counts too: of two inhibiting instructions in a row only the first inhibits.
      interruptsInhibitedFor: Math.max(-1, this.#inhibitUntil - this.#retired),
      debugHeldFor: Math.max(0, this.#holdDebugUntil - this.#retired),
      debugHits: this.#debug.hits,
    }
  }

  load(state: PartState): void {
    const from = new StateReader(state, this.name)
    this.state.u8.fill(0)
    this.state.set32(TRACE_HEAD, TRACE_RING)
    loadRegisters(from, this.state, this.system)
    this.#retired = from.integer('retired', 0, RETIRED_MAX)
    this.charged = from.integer('charged', 0, RETIRED_MAX)
    this.halted = from.flag('halted')
    this.#inhibitUntil = this.#retired + from.integer('interruptsInhibitedFor', -1, INHIBITED_MAX)
    this.#holdDebugUntil = this.#retired + from.integer('debugHeldFor', 0, INHIBITED_MAX)
    this.#debug.hits = from.integer('debugHits', 0, 15)
    from.end()
    this.#begin()
  }

  /** Whether a halted CPU goes on now: an interrupt waits that it would take (SDM 2A, HLT). */
  get wakes(): boolean {
    const { interrupts, system, state } = this
    if (interrupts.nmiPending && !system.nmiBlocked) return true
    return interrupts.pending() && (state.get32(RFLAGS_SYSTEM) & FLAGS_IF) !== 0
  }
  /** Whether anything could wake a halted CPU: with IF clear only an NMI. */
  get canWake(): boolean {
    if ((this.state.get32(RFLAGS_SYSTEM) & FLAGS_IF) !== 0) return true
    return !this.system.nmiBlocked && (this.interrupts.nmiPending || this.interrupts.routesNmi)
  }

  /** Nanoseconds charged for device accesses since power-on; see CpuSurroundings.accessCost. */
  charged = 0
  #charge(isClock: boolean): void {
    this.counters.deviceAccesses++
    this.#around.onAccess(isClock)
    const cost = this.#around.accessCost
    if (cost === 0) return
    this.charged += cost
    if (this.#running) this.#shorten(Math.max(0, this.state.get32(BUDGET) - cost))
  }

  /** The current slice ends before the next instruction. */
  requestBreak(): void {
    this.#breakRequested = true
    if (this.#running) this.#shorten(0)
  }

  #shorten(to: number): void {
    const left = this.state.get32(BUDGET)
    if (left <= to) return
    this.#granted -= left - to
    this.state.set32(BUDGET, to)
    if (this.#around.traced) this.state.set64(TRACE_END, BigInt(this.#retired + this.#granted))
  }

  /**
   * Runs for at most `time`: instructions, and what device accesses were charged as. Fewer when the CPU halts, shuts down
   * or a break is requested. Returns how many instructions retired.
   */
  run(time: number): number {
    const start = this.#retired
    const end = start + this.charged + time
    this.#breakRequested = false
    const exceptions = this.counters.exceptions
    while (this.#retired + this.charged < end && this.shutdownCause === undefined && !this.#breakRequested) {
      // A guest whose handlers fault at once retires nothing for ever: its host must get a word in.
      if (this.counters.exceptions - exceptions - (this.#retired - start) > MAX_FRUITLESS_EXCEPTIONS) break
      if (this.#takeInterrupt()) continue
      if (this.halted) break
      const system = this.state.get32(RFLAGS_SYSTEM)
      const stepping = (system & FLAGS_TF) !== 0
      let n = Math.min(end - this.#retired - this.charged, this.#translator?.period ?? 0x7fffffff)
      if (stepping || this.#debug.active || this.#mode.codeStepped || (system & FLAGS_RF) !== 0) n = 1
      else if (this.#inhibitUntil > this.#retired && this.interrupts.pending())
        n = Math.min(n, this.#inhibitUntil - this.#retired)
      this.#slice(n, stepping)
      if (this.#atRecord && this.#mode.code !== CodeMode.Bits16 && !this.#mode.codeStepped)
        this.#translator?.look(this.state.get32(RECORD), this.state.get32(RECORD_PAGE))
    }
    return this.#retired - start
  }

  #takeInterrupt(): boolean {
    const { interrupts, system, state } = this
    if (interrupts.nmiPending && !system.nmiBlocked) {
      this.halted = false
      interrupts.takeNmi()
      this.#deliver(() => deliverNmi(this))
      return true
    }
    if (!interrupts.pending() || (state.get32(RFLAGS_SYSTEM) & FLAGS_IF) === 0) return false
    if (this.#inhibitUntil > this.#retired) return false
    this.halted = false
    const vector = interrupts.acknowledge()
    this.counters.interrupts++
    this.#deliver(() => deliverInterrupt(this, vector))
    return true
  }

  /** Runs event delivery, which sets nextRip, from the current RIP. */
  #deliver(event: () => void): void {
    this.#settleRip()
    this.#nextRip = undefined
    event()
    if (this.#nextRip !== undefined) this.state.rip = this.#nextRip
    this.#nextRip = undefined
    this.#applyMode()
    this.#atRecord = false
    this.#inhibitUntil = 0
    this.#holdDebugUntil = 0
    this.state.set32(REPEATING, 0)
  }

  #slice(n: number, stepping: boolean): void {
    const s = this.state
    const system = s.get32(RFLAGS_SYSTEM)
    // RF holds off an instruction breakpoint for one instruction (SDM 3A §2.3). Iterations of one are not fetched anew.
    if ((system & FLAGS_RF) !== 0) s.set32(RFLAGS_SYSTEM, system & ~FLAGS_RF)
    else if (this.#debug.watchesCode && this.#holdDebugUntil <= this.#retired && s.get32(REPEATING) === 0) {
      this.#settleRip()
      const hit = this.#debug.codeHits(this.#mode.linear(s.rip))
      if (hit !== 0) {
        this.#deliver(() => deliverBreakpoint(this, hit))
        return
      }
    }
    const limited = this.#mode.codeStepped
    if (limited) {
      this.#settleRip()
      this.#atRecord = false
      if (s.get32(RIP) > this.#mode.codeLimit) {
        this.#deliver(() => deliverException(this, GP, 0))
        return
      }
    }
    if (!this.#atRecord) {
      const record = this.#enterRip(s.rip)
      if (record === 0) {
        this.#raiseFault(false)
        return
      }
      s.set32(RECORD, record)
      this.#atRecord = true
      if (limited) {
        if (this.#code.op(record) === Op.Decode && this.#code.decode(record) === 0) {
          this.#raiseFault(false)
          return
        }
        if (s.get32(RIP) + this.#view.getUint8(record + REC_LENGTH) - 1 > this.#mode.codeLimit) {
          this.#deliver(() => deliverException(this, GP, 0))
          return
        }
      }
    }
    if (this.#mode.code !== CodeMode.Bits16) this.#code.translateHere()
    s.set32(BUDGET, n)
    this.#granted = n
    if (this.#around.traced) s.set64(TRACE_END, BigInt(this.#retired + n))
    this.#running = true
    let result: number
    try {
      result = this.#run()
    } finally {
      this.#running = false
    }
    this.#retired += this.#granted - s.get32(BUDGET)
    const faulted = result === RunResult.Fault
    const done = !faulted || (s.get32(FETCH_FAULT) !== 0 && this.#code.op(s.get32(RECORD)) !== Op.NextPage)
    const step = this.#stepAfter ?? stepping
    this.#stepAfter = undefined
    const hits = this.#debug.hits
    this.#debug.hits = 0
    if (done && (step || hits !== 0) && this.shutdownCause === undefined) {
      if (this.#holdDebugUntil > this.#retired) {
        // MOV SS and POP SS put it off until after the following instruction (SDM 3A §6.8.3).
        this.#debug.hits = hits
        if (faulted) this.#raiseFault(true)
        return
      }
      if (faulted) {
        // The trap comes first; what follows is fetched again later.
        s.set32(FAULT, 0)
        s.set32(FETCH_FAULT, 0)
        this.#atRecord = false
      }
      this.halted = false
      this.#deliver(() => deliverTrap(this, DB, hits | (step ? DR6_BS : 0)))
    } else if (faulted) this.#raiseFault(true)
  }

  // ── debug registers ────────────────────────────────────────────────────────────────────────────────────────────────

  debugRegistersChanged(): void {
    this.#debug.changed()
    this.flushTlb(true)
    if (this.#running && this.#debug.active) this.#shorten(0)
  }
  portAccessed(port: number, size: number): void {
    this.#debug.portAccessed(port, size)
  }
  stepAfter(step: boolean): void {
    this.#stepAfter = step
  }
  takeDebugHits(): number {
    const hits = this.#debug.hits
    this.#debug.hits = 0
    return hits
  }

  /** Delivers the pending fault. `counted`: the loop has counted the instruction that did not retire. */
  #raiseFault(counted: boolean): void {
    const s = this.state
    const vector = s.get32(FAULT) - 1
    const errorCode = s.get32(FAULT_ERROR)
    s.set32(FAULT, 0)
    if (vector < 0) {
      // A host function asked to leave without a fault: shutdown.
      if (counted) this.#atRecord = false
      return
    }
    if (s.get32(FETCH_FAULT) !== 0) {
      // RIP is the branch target; the branch itself retired, but going on at a new page is no instruction.
      s.set32(FETCH_FAULT, 0)
      if (counted && this.#code.op(s.get32(RECORD)) === Op.NextPage) this.#retired--
      this.#atRecord = false
    } else if (counted) this.#retired--
    this.counters.exceptions++
    if (vector === UD) this.#logUndefined()
    this.#deliver(() => deliverException(this, vector, errorCode))
  }

  #logUndefined(): void {
    const s = this.state
    this.#settleRip()
    const bytes: string[] = []
    try {
      const linear = this.#mode.linear(s.rip)
      for (let i = 0; i < 8; i++)
        bytes.push(
          Number(this.memory.readSystem(linear + BigInt(i), 1))
            .toString(16)
            .padStart(2, '0'),
        )
    } catch {
      bytes.push('(unreadable)')
    }
    this.log(`undefined opcode at ${hex(s.rip)}: ${bytes.join(' ')}`)
  }

  // ── RIP and records ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes state.rip exact from the record. */
  #settleRip(): void {
    if (!this.#atRecord) return
    this.#ripFrom(this.state.get32(RECORD))
  }
  #ripFrom(record: number): void {
    const s = this.state
    const offset = (record - s.get32(RECORD_PAGE)) >>> RECORD_SHIFT
    let low = s.get32(SLOT_PAGE) + offset
    let high = s.get32(SLOT_PAGE + 4)
    if (low > 0xffffffff) high = (high + 1) >>> 0
    low = low >>> 0
    if (this.#mode.code !== CodeMode.Bits64) {
      low = this.#mode.codeOffset(low)
      high = 0
    }
    s.set32(RIP, low)
    s.set32(RIP + 4, high)
  }

  /** Record of instruction pointer `rip`; 0 with a fault pending whose RIP it is. */
  #enterRip(rip: bigint): number {
    return this.#enter(this.#mode.linear(rip))
  }

  // ── CpuCore ────────────────────────────────────────────────────────────────────────────────────────────────────────

  get nextRip(): bigint {
    if (this.#nextRip !== undefined) return this.#nextRip
    const length = this.#atRecord ? this.#view.getUint8(this.state.get32(RECORD) + REC_LENGTH) : 0
    const next = this.state.rip + BigInt(length)
    return this.#mode.code === CodeMode.Bits64 ? BigInt.asUintN(64, next) : next & 0xffffffffn
  }
  set nextRip(value: bigint) {
    this.#nextRip = value
  }
  modeChanged(): void {
    this.#modeDirty = true
  }
  /** Finds out again what decoding and access rights depend on. */
  #applyMode(): void {
    this.#modeDirty = false
    this.#mode.apply()
    if (this.#mode.codeStepped && this.#running) this.#shorten(0)
  }
  checkSegment(segment: number, offset: number, size: number, write: boolean): void {
    this.#segments.segment(segment, offset, size, write)
  }
  checkOperand(record: number, address: number): void {
    this.#segments.operand(record, address)
  }
  updateFpu(): void {
    updateFpu(this.state)
  }
  fpuFault(kind: 'sse' | 'mmx' | 'x87'): void {
    fpuFault(this.state, kind)
  }
  flushTlb(global: boolean): void {
    this.#tlb.flush(global)
    this.#modeDirty = true
  }
  invalidatePage(linear: bigint): void {
    if (this.#tlb.drop(linear)) this.#modeDirty = true
  }
  trace(kind: number, argument: number, address: bigint): void {
    if (this.#around.traced) this.#calls.note(kind, argument, address, this.retired)
  }
  flushCallEvents(): void {
    this.#calls.flush()
  }

  interruptsChanged(): void {
    if (!this.#running) return
    const system = this.state.get32(RFLAGS_SYSTEM)
    const deliverable =
      ((system & FLAGS_IF) !== 0 && this.interrupts.pending()) ||
      (this.interrupts.nmiPending && !this.system.nmiBlocked)
    if (!deliverable && (system & (FLAGS_TF | FLAGS_RF)) === 0) return
    this.#shorten(this.#inhibitUntil > this.retired ? 1 : 0)
  }
  inhibitInterrupts(debugToo = false): void {
    // Of several in a row only the first holds interrupts off (SDM 3A §6.8.3), or they could be held off for ever.
    if (this.#inhibitUntil !== this.retired) this.#inhibitUntil = this.retired + 1
    if (debugToo) this.#holdDebugUntil = this.retired + 1
  }
  halt(): void {
    this.halted = true
    this.#shorten(0)
  }
  shutdown(cause: string): void {
    this.shutdownCause = cause
    if (this.#running) this.#shorten(0)
  }
  readTsc(): bigint {
    return this.#around.readTsc()
  }
  writeTsc(value: bigint): void {
    this.#around.writeTsc(value)
  }
  apicBaseChanged(): void {
    this.#around.apicBaseChanged(this.system.apicBase)
  }
  readTscDeadline(): bigint {
    return this.#around.readTscDeadline()
  }
  writeTscDeadline(value: bigint): void {
    this.#around.writeTscDeadline(value)
  }
  random(): bigint {
    return this.#around.random()
  }
  log(line: string): void {
    if (this.#logged.has(line) || this.#logged.size > 500) return
    this.#logged.add(line)
    this.#around.log(line)
  }

  /** A TypeScript function called by the engine; see Builder.host. */
  #host(number: number, record: number): number {
    this.counters.hostCalls++
    const s = this.state
    s.set32(RECORD, record)
    this.#ripFrom(record)
    this.#nextRip = undefined
    this.#modeDirty = false
    try {
      ;(this.#hostFunctions[number] as HostFunction)(record)
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault
      this.#nextRip = undefined
      if (this.#modeDirty) this.#applyMode()
      s.set32(FAULT, fault.vector + 1)
      s.set32(FAULT_ERROR, fault.errorCode)
      return 0
    }
    if (!this.#modeDirty && this.#nextRip === undefined) return 1
    const next = this.nextRip
    this.#nextRip = undefined
    if (this.#modeDirty) this.#applyMode()
    if (this.shutdownCause !== undefined) {
      s.rip = next
      this.#atRecord = false
      return 0
    }
    return this.#enterRip(next)
  }

  // ── for people ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get rip(): bigint {
    this.#settleRip()
    return this.state.rip
  }
  /** Goes on there, in the mode in force. */
  set rip(value: bigint) {
    this.state.rip = value
    this.#atRecord = false
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
