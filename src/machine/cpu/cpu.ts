/**
 * The CPU: owns the state, the generated interpreter and its caches, and everything the interpreter leaves to
 * TypeScript: page walks, device and page-crossing accesses, decoding, faults, interrupts, system instructions.
 *
 * Time does not exist here. The machine asks for a number of instructions and learns how many retired.
 */
import { assert } from '../../base/assert.ts'
import { hex } from '../../base/hex.ts'
import type { AccessSize, Bus } from '../bus.ts'
import {
  ARGUMENT_CARRY,
  ARGUMENT_CPL_SHIFT,
  ARGUMENT_CPL_VALID,
  ARGUMENT_RAX_SHIFT,
  ARGUMENT_SOFTWARE,
  CALL_EVENT_BYTES,
  CallEventKind,
} from '../call-event.ts'
import type { InterruptController } from '../devices/legacy/interrupt-controller.ts'
import { type EngineImports, engineFor, type GeneratedEngine, RunResult } from '../engine/engine.ts'
import { Translator, type TranslatorPolicy } from '../engine/regions/registry.ts'
import { Decoder, MAX_INSTRUCTION_BYTES, NEED_MORE } from '../isa/decoder.ts'
import { type Handler, Op } from '../isa/handler.ts'
import { ROWS } from '../isa/table.ts'
import type { HostMemory, MachineHost } from '../machine.ts'
import { type PartState, type SavedPart, StateReader } from '../part.ts'
import type { GuestRam } from '../ram.ts'
import type { CpuCore, LinearMemory } from '../semantics/core.ts'
import type { CpuModel } from '../semantics/system/cpu-model.ts'
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
import { AC, DB, GP, GuestFault, MF, NM, PF, SSF, UD } from '../state/fault.ts'
import { FLAGS_AC, FLAGS_CF, FLAGS_IF, FLAGS_RF, FLAGS_TF } from '../state/flags.ts'
import {
  ACCESS,
  ATTR_CODE,
  ATTR_DB,
  ATTR_DC,
  ATTR_P,
  ATTR_RW,
  ATTR_S,
  BUDGET,
  CodeMode,
  CR0,
  CR0_AM,
  CR0_EM,
  CR0_ET,
  CR0_NE,
  CR0_PE,
  CR0_TS,
  CR2,
  CR4,
  CR4_DE,
  CR4_OSFXSR,
  CS,
  DR0,
  DS,
  ES,
  FAULT,
  FAULT_ERROR,
  FCW,
  FETCH_FAULT,
  FS,
  FSW,
  FTW,
  GDTR_LIMIT,
  GS,
  IDTR_LIMIT,
  LDTR,
  MXCSR,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RECORD,
  RECORD_PAGE,
  RFLAGS_SYSTEM,
  RIP,
  RSP,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
  SLOT_PAGE,
  SLOT_SEGMENT_BASE,
  SS,
  STATE,
  TR,
  TRACE_END,
  TRACE_HEAD,
  XCR0,
} from '../state/layout.ts'
import {
  CODE_TLB,
  CODE_TLB_BASE,
  CODE_TLB_BYTES,
  CODE_TLB_ENTRIES,
  FPU_BLOCKED,
  REC_BASE,
  REC_INDEX,
  REC_LENGTH,
  REC_OP,
  REC_OP2,
  REC_OP3,
  REC_SEGMENT,
  REC_WIDTH,
  REC_XBASE,
  RECORD_BYTES,
  RECORD_SHIFT,
  REPEATING,
  SEGMENT_CLEAR,
  STACK_MASK,
  TLB,
  TLB_BASE,
  TLB_CONTEXT_BYTES,
  TLB_CONTEXTS,
  TLB_EMPTY_BYTE,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_GLOBAL,
  TLB_WRITE,
  TlbContext,
  TRACE_RING,
  TRACE_RING_END,
} from '../state/record.ts'
import { type CodePage, CodePages } from './code-pages.ts'
import { createHostFunctions, type HostFunction } from './host-functions.ts'
import { type AccessKind, Paging, type Translation } from './paging.ts'

/** What the CPU needs of the machine around it. */
export interface CpuSurroundings {
  readonly ram: GuestRam
  /** Machine memory that RAM is a window of. */
  readonly buffer: ArrayBufferLike
  /** What `buffer` belongs to. */
  readonly hostMemory: HostMemory
  readonly ramOffset: number
  readonly memory: Bus
  readonly ports: Bus
  readonly interrupts: InterruptController
  readonly host: MachineHost
  readonly model: CpuModel
  /** Instructions that a device access takes as long as (icount); 0 when time is not counted in instructions. */
  readonly accessCost: number
  /** Whether calls and returns are recorded. */
  readonly traced: boolean
  /** How hot code is found that is worth translating; undefined: interpret only. */
  readonly translate: TranslatorPolicy | undefined
  /** Takes recorded events out of the ring, which is written over when it returns. */
  readonly callEvents?: ((bytes: Uint8Array) => void) | undefined
  /** The call event of an entry to a handler or of a return from one has been recorded. */
  readonly levelChanged?: ((kind: CallEventKind, argument: number) => void) | undefined
  readTsc(): bigint
  /** A port or device is about to be accessed; `isClock`: the guest may read the time off it. */
  onAccess(isClock: boolean): void
  writeTsc(value: bigint): void
  apicBaseChanged(value: bigint): void
  readTscDeadline(): bigint
  writeTscDeadline(value: bigint): void
  random(): bigint
  log(line: string): void
}

/** Low half of an empty TLB entry's tag: enough for it never to be an address of a page. */
const TLB_EMPTY_TAG = TLB_EMPTY_BYTE * 0x01010101
const isEmptyTag = (low: number): boolean => (low & 1) !== 0
/** TLB entries of a context that are listed, to be flushed one by one; a kernel that flushes often fills a few dozen. */
const FILLED_MAX = 1024
const FILLED_MANY = FILLED_MAX + 1

/** Where a prepared write goes at commit. */
const Pending = { None: 0, Device: 1, Ram: 2, Split: 3 } as const

const NO_ACCESS = 0
/** Instructions, and what devices cost, that leave room to count on: some months. */
const RETIRED_MAX = 2 ** 52
/** Instructions for which STI and MOV SS hold something off: the next one, and itself while it runs. */
const INHIBITED_MAX = 2
/** Exceptions in excess of retired instructions after which `run` returns. */
const MAX_FRUITLESS_EXCEPTIONS = 10_000
const DR6_BS = 1 << 14
const FPU_BLOCKED_BIT = { sse: 1, mmx: 2, x87: 4 } as const
/** FXSAVE's, and more than XLATB reaches. Bit strings look for themselves (isa/rows/shift.ts). */
const LONGEST_ACCESS = 512

export class Cpu implements CpuCore, LinearMemory, SavedPart {
  readonly name = 'cpu'
  readonly state: CpuState
  readonly system: SystemState
  readonly memory: LinearMemory = this
  readonly ports: Bus
  readonly interrupts: InterruptController

  readonly #around: CpuSurroundings
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #words: Int32Array
  readonly #ram: GuestRam
  readonly #ramOffset: number
  readonly #bus: Bus
  readonly #paging: Paging
  readonly #code: CodePages
  readonly #decoder: Decoder
  readonly #handlers: readonly Handler[]
  readonly #run: () => number
  readonly #enter: (linear: bigint) => number
  readonly #fill: (address: number, value: number, length: number) => void
  readonly #hostFunctions: readonly HostFunction[]
  readonly #logged = new Set<string>()
  readonly #translator: Translator | undefined

  /** Instructions retired before the current slice. */
  #retired = 0
  /** Budget given to the current slice. */
  #granted = 0
  #running = false
  #context: TlbContext = TlbContext.Supervisor
  #mode: CodeMode = CodeMode.Bits32
  #user = false
  #smapOff = true
  /**
   * CS's limit (SDM 3A §5.3). Pages of linear memory beyond it are never entered: those in the code TLBs are all within. Where
   * it is in the middle of a page, every instruction is checked, one at a time.
   */
  #codeLimit = 0xffffffff
  #codeStepped = false
  #modeDirty = false
  #nextRip: bigint | undefined
  /** Retired count before which no maskable interrupt is taken. */
  #inhibitUntil = 0
  /** The record in RECORD is where execution continues; otherwise RIP is. */
  #atRecord = false
  /**
   * Numbers of the TLB entries that have been filled in each context since it was flushed, and how many there are; apart those of
   * global pages, which a new CR3 leaves (SDM 3A §4.10.4.1). An entry that was both is in both lists.
   */
  readonly #filled = Array.from({ length: 2 * TLB_CONTEXTS }, () => new Uint16Array(FILLED_MAX))
  readonly #filledCount = new Array<number>(2 * TLB_CONTEXTS).fill(FILLED_MANY)
  /** What each code TLB was filled under, supervisor's and user's. */
  readonly #codeContexts = [
    { mode: CodeMode.Bits32 as CodeMode, base: 0, limit: 0 },
    { mode: CodeMode.Bits32 as CodeMode, base: 0, limit: 0 },
  ] as const
  #largePages = new Set<number>()
  #hugePages = false

  halted = false
  /** Set by a triple fault. */
  shutdownCause: string | undefined
  /** Something outside asked the current slice to end. */
  #breakRequested = false

  // The write that commit() finishes.
  #pending: number = Pending.None
  #pendingPhysical = 0
  #pendingPhysical2 = 0
  #pendingSize = 0
  #pendingSplit = 0

  // Counters for developers.
  readonly counters = {
    slowReads: 0,
    slowWrites: 0,
    deviceAccesses: 0,
    decoded: 0,
    pageEntries: 0,
    exceptions: 0,
    interrupts: 0,
    tlbFlushes: 0,
    codeWrites: 0,
    hostCalls: 0,
  }

  constructor(around: CpuSurroundings) {
    this.#around = around
    this.#bytes = new Uint8Array(around.buffer)
    this.#view = new DataView(around.buffer)
    this.#words = new Int32Array(around.buffer)
    this.#ram = around.ram
    this.#ramOffset = around.ramOffset
    this.#bus = around.memory
    this.ports = around.ports
    this.interrupts = around.interrupts
    this.state = new CpuState(around.buffer)
    this.system = new SystemState(around.model)
    const engine = engineFor(around.traced)
    this.#handlers = engine.handlers.list
    this.#decoder = new Decoder(ROWS, engine.handlers, (feature) => around.model.has(feature))
    const imports: EngineImports = {
      readSlow: (low, high, size) => this.#readSlow(low, high, size),
      writeSlow: (low, high, size) => this.#writeSlow(low, high, size, false),
      modifySlow: (low, high, size) => this.#writeSlow(low, high, size, true),
      commit: () => this.#commit(),
      enterSlow: (low, high) => this.#enterSlow(low, high),
      decode: (record) => this.#decode(record),
      cross: (record) => this.#cross(record),
      host: (number, record) => this.#host(number, record),
      traceFull: () => this.flushCallEvents(),
    }
    const exports = around.host.instantiate(engine.module, {
      cpu: imports as unknown as Record<string, unknown>,
      env: { memory: around.hostMemory },
    })
    this.#run = exports['run'] as () => number
    this.#enter = exports['enter'] as (linear: bigint) => number
    this.#fill = exports['fill'] as (address: number, value: number, length: number) => void
    this.#translator = around.translate && this.#createTranslator(around.translate, engine, exports)
    this.#code = new CodePages(
      around.buffer,
      around.ram.size,
      (address, length) => this.#fill(address, 0, length),
      (records, offset, length) => this.#translator?.invalidate(records, offset, length),
    )
    this.#paging = new Paging(this.state, around.ram)
    const functions = createHostFunctions(this, this.#view)
    this.#hostFunctions = engine.hostNames.map((name) => {
      const f = functions[name]
      assert(f !== undefined, `the host function '${name}' exists`)
      return f
    })
    around.memory.onAccess = around.ports.onAccess = (isClock) => this.#charge(isClock)
    around.ram.onWrite = (address, length) => this.#deviceWrote(address, length)
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
    s.set64(CR0, BigInt(CR0_PE | CR0_ET))
    s.set64(DR0 + 6 * 8, 0xffff0ff0n)
    s.set64(DR0 + 7 * 8, 0x400n)
    s.set64(XCR0, 1n)
    s.rflags = 2
    s.setSegment(CS, 0x8, 0xc09b, 0xffffffff, 0n)
    for (const segment of [ES, SS, DS, FS, GS]) s.setSegment(segment, 0x10, 0xc093, 0xffffffff, 0n)
    s.setSegment(TR, 0x18, 0x008b, 0x67, 0n)
    s.setSegment(LDTR, 0, 0x0082, 0xffff, 0n)
    s.set32(IDTR_LIMIT, 0xffff)
    s.set32(GDTR_LIMIT, 0xffff)
    s.view.setUint16(FCW, 0x37f, true)
    s.view.setUint16(FTW, 0xffff, true)
    s.set32(MXCSR, 0x1f80)
    s.set64(RBX, BigInt(startInfo))
    s.rip = BigInt(entry)
    this.#retired = 0
    this.charged = 0
    this.#inhibitUntil = 0
    this.#holdDebugUntil = 0
    this.#debugHits = 0
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
    this.#translator?.clear()
    this.#code.clear()
    this.#paging.configure()
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
      debugHits: this.#debugHits,
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
    this.#debugHits = from.integer('debugHits', 0, 15)
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
      if (stepping || this.#debugging || this.#codeStepped || (system & FLAGS_RF) !== 0) n = 1
      else if (this.#inhibitUntil > this.#retired && this.interrupts.pending())
        n = Math.min(n, this.#inhibitUntil - this.#retired)
      this.#slice(n, stepping)
      if (this.#atRecord && this.#mode !== CodeMode.Bits16 && !this.#codeStepped)
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
    else if (this.#codeBreakpoints.length > 0 && this.#holdDebugUntil <= this.#retired && s.get32(REPEATING) === 0) {
      const hit = this.#codeBreakpointHit()
      if (hit !== 0) {
        this.#deliver(() => deliverBreakpoint(this, hit))
        return
      }
    }
    const limited = this.#codeStepped
    if (limited) {
      this.#settleRip()
      this.#atRecord = false
      if (s.get32(RIP) > this.#codeLimit) {
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
        if (this.#op(record) === Op.Decode && this.#decode(record) === 0) {
          this.#raiseFault(false)
          return
        }
        if (s.get32(RIP) + this.#view.getUint8(record + REC_LENGTH) - 1 > this.#codeLimit) {
          this.#deliver(() => deliverException(this, GP, 0))
          return
        }
      }
    }
    if (this.#translator?.isEager === true && this.#mode !== CodeMode.Bits16) this.#translateHere(this.#translator)
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
    const done = !faulted || (s.get32(FETCH_FAULT) !== 0 && this.#op(s.get32(RECORD)) !== Op.NextPage)
    const step = this.#stepAfter ?? stepping
    this.#stepAfter = undefined
    const hits = this.#debugHits
    this.#debugHits = 0
    if (done && (step || hits !== 0) && this.shutdownCause === undefined) {
      if (this.#holdDebugUntil > this.#retired) {
        // MOV SS and POP SS put it off until after the following instruction (SDM 3A §6.8.3).
        this.#debugHits = hits
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
  #translateHere(translator: Translator): void {
    const record = this.state.get32(RECORD)
    const records = this.state.get32(RECORD_PAGE)
    if (record > records + (4096 - MAX_INSTRUCTION_BYTES) * RECORD_BYTES) return
    if (this.#op(record) === Op.Decode) this.#decode(record)
    translator.force(record, records)
  }
  #op(record: number): number {
    return this.#translator?.original(record) ?? this.#view.getUint16(record + REC_OP, true)
  }

  // ── debug registers, SDM 3B chapter 18 ─────────────────────────────────────────────────────────────────────────────

  /** DR7 enables something: one instruction at a time, and watched pages stay out of the TLB. */
  #debugging = false
  #codeBreakpoints: Breakpoint[] = []
  #dataBreakpoints: Breakpoint[] = []
  #portBreakpoints: Breakpoint[] = []
  /** DR6 bits of data and port breakpoints that the current instruction met. */
  #debugHits = 0
  /** Retired count before which no #DB is raised. */
  #holdDebugUntil = 0
  /** Whether a single-step trap follows the current instruction, when that is not what TF said before it. */
  #stepAfter: boolean | undefined

  debugRegistersChanged(): void {
    const s = this.state
    const dr7 = s.get32(DR0 + 7 * 8)
    const all: Breakpoint[] = []
    for (let i = 0; i < 4; i++) {
      if (((dr7 >>> (i * 2)) & 3) === 0) continue
      const control = (dr7 >>> (16 + i * 4)) & 15
      const length = BREAKPOINT_BYTES[control >> 2] as number
      const address = s.get64(DR0 + i * 8)
      all.push({ bit: 1 << i, kind: control & 3, first: address - (address % BigInt(length)), length })
    }
    const ports = (s.get32(CR4) & CR4_DE) !== 0
    this.#codeBreakpoints = all.filter((b) => b.kind === 0)
    this.#dataBreakpoints = all.filter((b) => b.kind === 1 || b.kind === 3)
    this.#portBreakpoints = all.filter((b) => b.kind === 2 && ports)
    this.#debugging = all.length > 0
    this.flushTlb(true)
    if (this.#running && this.#debugging) this.#shorten(0)
  }
  #codeBreakpointHit(): number {
    this.#settleRip()
    const s = this.state
    const linear = this.#mode === CodeMode.Bits64 ? s.rip : (s.get64(SLOT_SEGMENT_BASE + CS * 8) + s.rip) & 0xffffffffn
    let hits = 0
    for (const b of this.#codeBreakpoints) if (b.first === linear) hits |= b.bit
    return hits
  }
  #watch(high: number, low: number, size: number, write: boolean): void {
    const linear = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
    for (const b of this.#dataBreakpoints)
      if ((write || b.kind === 3) && linear < b.first + BigInt(b.length) && linear + BigInt(size) > b.first)
        this.#debugHits |= b.bit
  }
  portAccessed(port: number, size: number): void {
    for (const b of this.#portBreakpoints)
      if (BigInt(port) < b.first + BigInt(b.length) && BigInt(port + size) > b.first) this.#debugHits |= b.bit
  }
  stepAfter(step: boolean): void {
    this.#stepAfter = step
  }
  takeDebugHits(): number {
    const hits = this.#debugHits
    this.#debugHits = 0
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
      if (counted && this.#op(s.get32(RECORD)) === Op.NextPage) this.#retired--
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
      const linear = s.rip + (this.#mode === CodeMode.Bits64 ? 0n : s.base(CS))
      for (let i = 0; i < 8; i++)
        bytes.push(
          Number(this.readSystem(linear + BigInt(i), 1))
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
    if (this.#mode !== CodeMode.Bits64) {
      low = this.#codeOffset(low)
      high = 0
    }
    s.set32(RIP, low)
    s.set32(RIP + 4, high)
  }

  /** Legacy modes: where a linear address is in CS. */
  #codeOffset(low: number): number {
    return (low - this.state.get32(SLOT_SEGMENT_BASE + CS * 8)) >>> 0
  }

  /** Record of instruction pointer `rip`; 0 with a fault pending whose RIP it is. */
  #enterRip(rip: bigint): number {
    const linear =
      this.#mode === CodeMode.Bits64 ? rip : (this.state.get64(SLOT_SEGMENT_BASE + CS * 8) + rip) & 0xffffffffn
    return this.#enter(linear)
  }

  /** The code TLB missed. */
  #enterSlow(low: number, high: number): number {
    this.counters.pageEntries++
    const s = this.state
    const fail = (vector: number, errorCode: number): number => {
      s.set32(FAULT, vector + 1)
      s.set32(FAULT_ERROR, errorCode)
      s.set32(FETCH_FAULT, 1)
      s.set32(RIP, this.#mode === CodeMode.Bits64 ? low : this.#codeOffset(low))
      s.set32(RIP + 4, high >>> 0)
      return 0
    }
    if (this.#mode === CodeMode.Bits64 ? !canonical(high) : this.#codeOffset(low) > this.#codeLimit) return fail(GP, 0)
    const t = this.#paging.walk(high, low, 'execute', this.#user, true)
    if (t.physical < 0) {
      s.set32(CR2, low)
      s.set32(CR2 + 4, high)
      return fail(PF, t.errorCode)
    }
    if (t.physical >= this.#ram.size) {
      this.log(`execution at guest-physical ${hex(t.physical)}, where there is no RAM`)
      return fail(UD, 0)
    }
    this.#noteLarge(t, high, low)
    const page = this.#codePage(Math.floor(t.physical / 4096))
    const entry = s.get32(CODE_TLB_BASE) + ((low >>> 12) & (CODE_TLB_ENTRIES - 1)) * 16
    this.#view.setUint32(entry, low & 0xfffff000, true)
    this.#view.setUint32(entry + 4, high, true)
    this.#view.setUint32(entry + 8, page.records, true)
    this.#view.setUint32(entry + TLB_GLOBAL, t.global ? 1 : 0, true)
    return page.records
  }

  #codePage(physicalPage: number): CodePage {
    const found = this.#code.find(physicalPage, this.#mode)
    if (found !== undefined) return found
    const watched = this.#code.watched[physicalPage] === 1
    const page = this.#code.create(physicalPage, this.#mode, this.state.get32(RECORD_PAGE), (victim) =>
      this.#forgetEntry(victim),
    )
    if (!watched) this.#dropWritable(physicalPage)
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
  /** Removes a physical page from every write TLB: from now on writes to it are watched. */
  #dropWritable(physicalPage: number): void {
    const address = this.#ramOffset + physicalPage * 4096
    for (let context = 0; context < TLB_CONTEXTS; context++)
      this.#eachFilled(context, (read) => {
        const entry = read + TLB_WRITE
        const tag = this.#view.getInt32(entry, true)
        if (!isEmptyTag(tag) && (tag + this.#view.getInt32(entry + 8, true)) >>> 0 === address)
          this.#view.setInt32(entry, TLB_EMPTY_TAG, true)
      })
  }

  /** Decodes at an empty slot, and on along the straight line. Returns the record, 0 with a fault pending. */
  #decode(record: number): number {
    const s = this.state
    const records = s.get32(RECORD_PAGE)
    const page = this.#code.at(records)
    const code = this.#ram.bytes
    const start = page.physicalPage * 4096
    let offset = (record - records) >>> RECORD_SHIFT
    let at = record
    for (let i = 0; i < 24; i++) {
      const length = this.#decoder.decode(code, start + offset, 4096 - offset, page.mode, offset, this.#words, at)
      if (length === NEED_MORE) return i === 0 ? this.#decodeCrossing(record, page, offset) : record
      this.counters.decoded++
      offset += length
      at += length * RECORD_BYTES
      if (this.#decoder.result.ends || offset >= 4096) break
      if (this.#view.getUint16(at, true) !== 0) break
    }
    return record
  }

  /** Physical page that follows the current code page in linear memory, -1 with a fault pending. */
  #nextCodePage(): number {
    const s = this.state
    let low = (s.get32(SLOT_PAGE) + 4096) >>> 0
    let high = s.get32(SLOT_PAGE + 4)
    if (low === 0) high = this.#mode === CodeMode.Bits64 ? (high + 1) >>> 0 : 0
    if (this.#mode === CodeMode.Bits64 ? !canonical(high) : this.#codeOffset(low) > this.#codeLimit) {
      s.set32(FAULT, GP + 1)
      s.set32(FAULT_ERROR, 0)
      return -1
    }
    const t = this.#paging.walk(high, low, 'execute', this.#user, true)
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
  readonly #crossings = new Map<number, number>()
  readonly #crossingBytes = new Uint8Array(32)

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
    this.counters.decoded++
    const op = this.#view.getUint16(record + REC_OP, true)
    this.#view.setUint16(record + REC_OP3, op, true)
    this.#view.setUint16(record + REC_OP, Op.Cross, true)
    this.#crossings.set(record, next)
    if (next < this.#code.watched.length && this.#code.addCrossing(next, record)) this.#dropWritable(next)
    return record
  }
  /** An instruction in two pages is about to run: the second page must be the one it was decoded from. */
  #cross(record: number): number {
    const next = this.#nextCodePage()
    if (next < 0) return 0
    if (this.#crossings.get(record) === next) return 1
    const records = this.state.get32(RECORD_PAGE)
    return this.#decodeCrossing(record, this.#code.at(records), (record - records) >>> RECORD_SHIFT) === 0 ? 0 : 1
  }

  #deviceWrote(address: number, length: number): void {
    const last = (address + length - 1) >>> 12
    for (let page = address >>> 12; page <= last; page++)
      if (this.#code.watched[page] === 1) {
        const from = Math.max(address, page * 4096)
        const to = Math.min(address + length, (page + 1) * 4096)
        this.#code.invalidate(page, from - page * 4096, to - from)
      }
  }

  // ── memory ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #setFault(vector: number, errorCode: number): number {
    this.state.set32(FAULT, vector + 1)
    this.state.set32(FAULT_ERROR, errorCode)
    return NO_ACCESS
  }
  #pageFault(high: number, low: number, errorCode: number): number {
    this.state.set32(CR2, low)
    this.state.set32(CR2 + 4, high)
    return this.#setFault(PF, errorCode)
  }
  /** A non-canonical data address: #SS when it came by the stack, else #GP (SDM 3A §6.15). */
  #nonCanonical(high: number, low: number): number {
    return this.#setFault(this.#nonCanonicalVector(high, low), 0)
  }
  #nonCanonicalVector(high: number, low: number): number {
    const record = this.state.get32(RECORD)
    let op = this.#op(record)
    let base = this.#view.getUint8(record + REC_BASE)
    const index = this.#view.getUint8(record + REC_INDEX)
    let overridden = index === SLOT_FS_BASE || index === SLOT_GS_BASE
    if (op === Op.Cross) op = this.#view.getUint16(record + REC_OP3, true)
    if (op === Op.Address64) {
      op = this.#view.getUint16(record + REC_OP2, true)
      base = this.#view.getUint8(record + REC_XBASE)
      overridden = true
    }
    const handler = this.#handlers[op - Op.First]
    const uses = handler?.facts.stack === true
    const operand = handler?.operands.find((o) => o.form === 'mem')
    if (operand === undefined) return uses ? SSF : GP
    // Near PUSH, POP and CALL of memory: which of their accesses it was, its address tells.
    const pushed = this.state.get64(RSP) - ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))
    if (uses && operand.spec.class === 'rm' && (pushed === 0n || pushed === BigInt(handler!.bits / 8))) return SSF
    return !overridden && (base === RSP || base === RBP) ? SSF : GP
  }

  #translate(high: number, low: number, kind: AccessKind): Translation {
    return this.#paging.walk(high, low, kind, this.#user, this.#smapOff)
  }
  #noteLarge(t: Translation, high: number, low: number): void {
    if (t.pageShift === 12) return
    // Halves from the engine are signed.
    if (t.pageShift === 21) this.#largePages.add((high >>> 0) * 2048 + (low >>> 21))
    else this.#hugePages = true
  }
  #fillTlb(t: Translation, high: number, low: number, write: boolean): void {
    this.#noteLarge(t, high, low)
    if (this.#context === TlbContext.UserAligned) return
    if (this.#dataBreakpoints.length > 0) {
      const page = ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) >> 12n
      if (this.#dataBreakpoints.some((b) => b.first >> 12n === page)) return
    }
    const number = (low >>> 12) & (TLB_ENTRIES - 1)
    const entry = TLB + this.#context * TLB_CONTEXT_BYTES + number * TLB_ENTRY_BYTES
    const tag = low & 0xfffff000
    const pageAddress = t.physical - (low & 0xfff)
    const addend = (this.#ramOffset + pageAddress - (tag >>> 0)) | 0
    const wasEmpty = isEmptyTag(this.#view.getInt32(entry, true))
    const wasGlobal = !wasEmpty && this.#view.getInt32(entry + TLB_GLOBAL, true) !== 0
    if (wasEmpty || wasGlobal !== t.global) this.#noteFilled(this.#context + (t.global ? TLB_CONTEXTS : 0), number)
    this.#view.setInt32(entry + TLB_GLOBAL, t.global ? 1 : 0, true)
    const put = (at: number): void => {
      this.#view.setInt32(at, tag, true)
      this.#view.setInt32(at + 4, high, true)
      this.#view.setInt32(at + 8, addend, true)
    }
    put(entry)
    if ((write || t.writable) && this.#code.watched[pageAddress / 4096] === 0) put(entry + TLB_WRITE)
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

  #readSlow(low: number, high: number, size: number): number {
    this.counters.slowReads++
    if (this.#mode === CodeMode.Bits64 && (!canonical(high) || leavesLowerHalf(high, low, size)))
      return this.#nonCanonical(high, low)
    if (this.#context === TlbContext.UserAligned && (low & alignmentMask(size)) !== 0) return this.#setFault(AC, 0)
    if (this.#dataBreakpoints.length > 0) this.#watch(high, low, size, false)
    const t = this.#translate(high, low, 'read')
    if (t.physical < 0) return this.#pageFault(high, low, t.errorCode)
    const room = 4096 - (low & 0xfff)
    if (size <= room) {
      if (t.physical + size <= this.#ram.size) {
        this.#fillTlb(t, high, low, false)
        return this.#ramOffset + t.physical
      }
      this.#readPhysical(t.physical, size, STATE + ACCESS)
      return STATE + ACCESS
    }
    const first = t.physical
    const low2 = (low + room) >>> 0
    const high2 = low2 === 0 && this.#mode === CodeMode.Bits64 ? (high + 1) >>> 0 : high
    if (this.#mode === CodeMode.Bits64 && !canonical(high2)) return this.#nonCanonical(high2, low2)
    const t2 = this.#translate(high2, low2, 'read')
    if (t2.physical < 0) return this.#pageFault(high2, low2, t2.errorCode)
    const second = t2.physical
    this.#readPhysical(first, room, STATE + ACCESS)
    this.#readPhysical(second, size - room, STATE + ACCESS + room)
    return STATE + ACCESS
  }

  #writeSlow(low: number, high: number, size: number, modify: boolean): number {
    this.counters.slowWrites++
    if (this.#mode === CodeMode.Bits64 && (!canonical(high) || leavesLowerHalf(high, low, size)))
      return this.#nonCanonical(high, low)
    if (this.#context === TlbContext.UserAligned && (low & alignmentMask(size)) !== 0) return this.#setFault(AC, 0)
    if (this.#dataBreakpoints.length > 0) this.#watch(high, low, size, true)
    const t = this.#translate(high, low, 'write')
    if (t.physical < 0) return this.#pageFault(high, low, t.errorCode)
    const room = 4096 - (low & 0xfff)
    this.#pending = Pending.None
    this.#pendingSize = size
    this.#pendingPhysical = t.physical
    if (size <= room) {
      if (t.physical + size <= this.#ram.size) {
        this.#fillTlb(t, high, low, true)
        if (this.#code.watched[Math.floor(this.#pendingPhysical / 4096)] === 0)
          return this.#ramOffset + this.#pendingPhysical
        this.#pending = Pending.Ram
      } else this.#pending = Pending.Device
      if (modify) this.#readPhysical(this.#pendingPhysical, size, STATE + ACCESS)
      return STATE + ACCESS
    }
    const low2 = (low + room) >>> 0
    const high2 = low2 === 0 && this.#mode === CodeMode.Bits64 ? (high + 1) >>> 0 : high
    if (this.#mode === CodeMode.Bits64 && !canonical(high2)) return this.#nonCanonical(high2, low2)
    const t2 = this.#translate(high2, low2, 'write')
    if (t2.physical < 0) return this.#pageFault(high2, low2, t2.errorCode)
    this.#pendingPhysical2 = t2.physical
    this.#pendingSplit = room
    this.#pending = Pending.Split
    if (modify) {
      this.#readPhysical(this.#pendingPhysical, room, STATE + ACCESS)
      this.#readPhysical(this.#pendingPhysical2, size - room, STATE + ACCESS + room)
    }
    return STATE + ACCESS
  }

  /** Finishes a write whose bytes stand in ACCESS. */
  #commit(): void {
    const pending = this.#pending
    this.#pending = Pending.None
    if (pending === Pending.None) return
    if (pending === Pending.Split) {
      this.#writePhysical(this.#pendingPhysical, this.#pendingSplit, STATE + ACCESS)
      this.#writePhysical(
        this.#pendingPhysical2,
        this.#pendingSize - this.#pendingSplit,
        STATE + ACCESS + this.#pendingSplit,
      )
    } else this.#writePhysical(this.#pendingPhysical, this.#pendingSize, STATE + ACCESS)
  }

  /** Copies guest-physical bytes, RAM or devices, to machine address `to`. Does not cross a page. */
  #readPhysical(physical: number, size: number, to: number): void {
    if (physical + size <= this.#ram.size) {
      for (let i = 0; i < size; i++) this.#bytes[to + i] = this.#ram.bytes[physical + i]
      return
    }
    for (let i = 0; i < size; ) {
      const n = deviceAccess(physical + i, size - i)
      const value = this.#bus.read(physical + i, n)
      for (let j = 0; j < n; j++) this.#bytes[to + i + j] = (value >>> (8 * j)) & 0xff
      i += n
    }
  }
  #writePhysical(physical: number, size: number, from: number): void {
    if (physical + size <= this.#ram.size) {
      for (let i = 0; i < size; i++) this.#ram.bytes[physical + i] = this.#bytes[from + i]
      const page = Math.floor(physical / 4096)
      if (this.#code.watched[page] === 1) {
        this.counters.codeWrites++
        this.#code.invalidate(page, physical & 0xfff, size)
        if (this.#code.isData(page))
          this.#code.drop(page, this.state.get32(RECORD_PAGE), (dropped) => this.#forgetEntry(dropped))
      }
      return
    }
    for (let i = 0; i < size; ) {
      const n = deviceAccess(physical + i, size - i)
      let value = 0
      for (let j = 0; j < n; j++) value |= this.#bytes[from + i + j] << (8 * j)
      this.#bus.write(physical + i, n, value >>> 0)
      i += n
    }
  }

  // LinearMemory, for system code.

  /** Guest-physical address of a byte for system code; throws the fault. `explicit`: the instruction's own operand. */
  #physical(linear: bigint, kind: AccessKind, user: boolean, smapOff: boolean, explicit = false): number {
    const low = Number(linear & 0xffffffffn)
    const high = Number((linear >> 32n) & 0xffffffffn)
    if (this.state.longMode && !canonical(high))
      throw new GuestFault(explicit ? this.#nonCanonicalVector(high, low) : GP)
    const t = this.#paging.walk(high, low, kind, user, smapOff)
    if (t.physical < 0) {
      this.state.set32(CR2, low)
      this.state.set32(CR2 + 4, high)
      throw new GuestFault(PF, t.errorCode)
    }
    return t.physical
  }
  #readLinear(linear: bigint, size: number, user: boolean, smapOff: boolean): bigint {
    const room = 4096 - Number(linear & 0xfffn)
    const at = STATE + ACCESS
    const first = this.#physical(linear, 'read', user, smapOff)
    if (size <= room) {
      if (first + 8 <= this.#ram.size) {
        if (size === 8) return this.#ram.readU64(first)
        if (size === 4) return BigInt(this.#ram.readU32(first))
      }
      this.#readPhysical(first, size, at)
    } else {
      const second = this.#physical(BigInt.asUintN(64, linear + BigInt(room)), 'read', user, smapOff)
      this.#readPhysical(first, room, at)
      this.#readPhysical(second, size - room, at + room)
    }
    return BigInt.asUintN(size * 8, this.#view.getBigUint64(at, true))
  }
  #writeLinear(linear: bigint, size: number, value: bigint, user: boolean, smapOff: boolean): void {
    const room = 4096 - Number(linear & 0xfffn)
    const first = this.#physical(linear, 'write', user, smapOff)
    const second = size <= room ? -1 : this.#physical(BigInt.asUintN(64, linear + BigInt(room)), 'write', user, smapOff)
    const at = STATE + ACCESS
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), true)
    this.#writePhysical(first, Math.min(size, room), at)
    if (second >= 0) this.#writePhysical(second, size - room, at + room)
  }
  /** What an instruction's own access meets besides paging: alignment checks and data breakpoints. */
  #explicit(linear: bigint, size: number, write: boolean): void {
    if (this.#context === TlbContext.UserAligned && (Number(linear & 7n) & (size - 1)) !== 0) throw new GuestFault(AC)
    if (this.#dataBreakpoints.length > 0)
      this.#watch(Number((linear >> 32n) & 0xffffffffn), Number(linear & 0xffffffffn), size, write)
  }
  read(linear: bigint, size: 1 | 2 | 4 | 8): bigint {
    this.#explicit(linear, size, false)
    return this.#readLinear(linear, size, this.#user, this.#smapOff)
  }
  write(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void {
    this.#explicit(linear, size, true)
    this.#writeLinear(linear, size, value, this.#user, this.#smapOff)
  }
  readSystem(linear: bigint, size: 1 | 2 | 4 | 8): bigint {
    return this.#readLinear(linear, size, false, false)
  }
  writeSystem(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void {
    this.#writeLinear(linear, size, value, false, false)
  }
  readAs(linear: bigint, size: 1 | 2 | 4 | 8, cpl: number): bigint {
    return this.#readLinear(linear, size, cpl === 3, false)
  }
  writeAs(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint, cpl: number): void {
    this.#writeLinear(linear, size, value, cpl === 3, false)
  }
  readBlock(linear: bigint, into: Uint8Array): void {
    into.fill(0xff)
    this.#block(linear, into.length, 'read', (physical, offset, n) => {
      into.set(this.#ram.bytes.subarray(physical, physical + n), offset)
    })
  }
  writeBlock(linear: bigint, from: Uint8Array): void {
    this.#block(linear, from.length, 'write', (physical, offset, n) =>
      this.#ram.write(physical, from.subarray(offset, offset + n)),
    )
  }
  /** At most two pages, both translated before anything is copied. Devices have no blocks: ones, and nothing. */
  #block(
    linear: bigint,
    length: number,
    kind: AccessKind,
    copy: (physical: number, offset: number, n: number) => void,
  ): void {
    // Of blocks only FPU environments are subject to alignment checks (table 6-7; FXSAVE may be).
    const alignment = length === 28 || length === 108 ? 3 : length === 14 || length === 94 ? 1 : 0
    if (this.#context === TlbContext.UserAligned && (Number(linear & 7n) & alignment) !== 0) throw new GuestFault(AC)
    if (this.#dataBreakpoints.length > 0)
      this.#watch(Number((linear >> 32n) & 0xffffffffn), Number(linear & 0xffffffffn), length, kind === 'write')
    const room = Math.min(length, 4096 - Number(linear & 0xfffn))
    const first = this.#physical(linear, kind, this.#user, this.#smapOff, true)
    const second =
      room === length
        ? 0
        : this.#physical(BigInt.asUintN(64, linear + BigInt(room)), kind, this.#user, this.#smapOff, true)
    if (first + room <= this.#ram.size) copy(first, 0, room)
    if (room < length && second + length - room <= this.#ram.size) copy(second, room, length - room)
  }
  misaligned(linear: bigint): GuestFault {
    const high = Number((linear >> 32n) & 0xffffffffn)
    return new GuestFault(
      this.state.longMode && !canonical(high) ? this.#nonCanonicalVector(high, Number(linear & 0xffffffffn)) : GP,
    )
  }
  probe(linear: bigint, size: number, write: boolean): void {
    const kind = write ? 'write' : 'read'
    const room = 4096 - Number(linear & 0xfffn)
    this.#physical(linear, kind, this.#user, this.#smapOff, true)
    if (size > room) this.#physical(BigInt.asUintN(64, linear + BigInt(room)), kind, this.#user, this.#smapOff, true)
  }
  probeWrite(linear: bigint, size: number, cpl: number): void {
    this.#physical(linear, 'write', cpl === 3, false)
    const last = BigInt.asUintN(64, linear + BigInt(size - 1))
    if (last >> 12n !== linear >> 12n) this.#physical(last & ~0xfffn, 'write', cpl === 3, false)
  }

  // ── CpuCore ────────────────────────────────────────────────────────────────────────────────────────────────────────

  get nextRip(): bigint {
    if (this.#nextRip !== undefined) return this.#nextRip
    const length = this.#atRecord ? this.#view.getUint8(this.state.get32(RECORD) + REC_LENGTH) : 0
    const next = this.state.rip + BigInt(length)
    return this.#mode === CodeMode.Bits64 ? BigInt.asUintN(64, next) : next & 0xffffffffn
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
    const s = this.state
    this.#paging.configure()
    const mode = s.codeMode
    this.#mode = mode
    this.#user = s.cpl === 3
    const system = s.get32(RFLAGS_SYSTEM)
    this.#smapOff = (system & FLAGS_AC) !== 0
    const aligned = this.#user && (system & FLAGS_AC) !== 0 && (s.get32(CR0) & CR0_AM) !== 0
    this.#context = this.#user
      ? aligned
        ? TlbContext.UserAligned
        : TlbContext.User
      : this.#paging.smap && !this.#smapOff
        ? TlbContext.SupervisorSmap
        : TlbContext.Supervisor
    s.set32(TLB_BASE, TLB + this.#context * TLB_CONTEXT_BYTES)
    const codeContext = this.#user ? 1 : 0
    s.set32(CODE_TLB_BASE, CODE_TLB + codeContext * CODE_TLB_BYTES)
    const base = mode === CodeMode.Bits64 ? 0 : s.get32(SLOT_SEGMENT_BASE + CS * 8)
    const limit = mode === CodeMode.Bits64 ? 0xffffffff : s.limit(CS)
    const filled = this.#codeContexts[codeContext]
    if (filled.mode !== mode || filled.base !== base || filled.limit !== limit) {
      Object.assign(filled, { mode, base, limit })
      this.#fill(CODE_TLB + codeContext * CODE_TLB_BYTES, TLB_EMPTY_BYTE, CODE_TLB_BYTES)
    }
    this.#codeLimit = limit
    this.#codeStepped = limit !== 0xffffffff && ((base | (limit + 1)) & 0xfff) !== 0
    if (this.#codeStepped && this.#running) this.#shorten(0)
    if (mode !== CodeMode.Bits64) {
      s.set64(STACK_MASK, (s.attributes(SS) & ATTR_DB) !== 0 ? 0xffffffffn : 0xffffn)
      for (let segment = 0; segment <= GS; segment++) s.set64(SEGMENT_CLEAR + segment * 8, this.#clearBelow(segment))
    }
    this.updateFpu()
  }
  /**
   * Offsets below it pass `checkSegment` in any size: of data that can be written and grows up, all but the last before the
   * limit. Kernels have their processor's variables in a small segment, and user mode's may end below the kernel. Without a
   * limit even an access that wraps passes, as it may (SDM 3A §5.3).
   */
  #clearBelow(segment: number): bigint {
    const s = this.state
    const wanted = ATTR_P | ATTR_S | ATTR_RW
    if ((s.attributes(segment) & (wanted | ATTR_CODE | ATTR_DC)) !== wanted) return 0n
    const limit = s.limit(segment)
    return limit === 0xffffffff ? 1n << 32n : BigInt(Math.max(0, limit + 1 - (LONGEST_ACCESS - 1)))
  }
  /** Legacy segmentation: the offset in SCRATCH against the segment's limit and type (SDM 3A §5.3). */
  checkSegment(segment: number, offset: number, size: number, write: boolean): void {
    const s = this.state
    const attributes = s.attributes(segment)
    const vector = segment === SS ? SSF : GP
    if ((attributes & ATTR_P) === 0 || (attributes & ATTR_S) === 0) throw new GuestFault(GP)
    const code = (attributes & ATTR_CODE) !== 0
    if (code ? write || (attributes & ATTR_RW) === 0 : write && (attributes & ATTR_RW) === 0)
      throw new GuestFault(vector)
    const last = offset + Math.max(size, 1) - 1
    const limit = s.limit(segment)
    if (!code && (attributes & ATTR_DC) !== 0) {
      const top = (attributes & ATTR_DB) !== 0 ? 0xffffffff : 0xffff
      if (offset <= limit || last > top) throw new GuestFault(vector)
    } else if (last > limit) throw new GuestFault(vector)
  }
  /**
   * The memory operand of the instruction at `record`, its effective address being `address`, against its segment. In
   * legacy modes that comes before the instruction itself; what must come first nevertheless is here.
   */
  checkOperand(record: number, address: number): void {
    const handler = this.#handlers[this.#view.getUint16(record + REC_OP2, true) - Op.First]
    const operand = handler?.operands.find((o) => o.form === 'mem')
    if (handler === undefined || operand === undefined) return
    const s = this.state
    const mask = this.#view.getUint8(record + REC_WIDTH) === 16 ? 0xffff : 0xffffffff
    const { repeats, unit, facts } = handler
    if (repeats && (s.get32(RCX) & mask) === 0) return
    const { bytes: size, writes: write, waits, pops, readsDestination, plus } = facts
    const other = handler.operands.find((o) => o.form === 'gpr' || o.form === 'mm')

    if (unit !== 'none') {
      const blocked = s.get32(FPU_BLOCKED)
      if ((blocked & FPU_BLOCKED_BIT[unit]) !== 0) this.fpuFault(unit)
      if (other?.form === 'mm' && (blocked & FPU_BLOCKED_BIT.mmx) !== 0) this.fpuFault('mmx')
      const pending = (s.get32(CR0) & CR0_NE) !== 0 && (s.u8[FSW] & 0x80) !== 0
      if (waits && pending) throw new GuestFault(MF)
      // A store that an exception keeps from storing does not look at its operand (isa/rows/x87.ts).
      if (waits && write) return
      // A store of an MMX register has changed TOP before it faults (isa/operand.ts).
      if (write && other?.form === 'mm') s.view.setUint16(FSW, s.view.getUint16(FSW, true) & ~0x3800, true)
    } else if (readsDestination) {
      // ES:rDI is read first.
      const offset = (s.get32(RDI) & mask) >>> 0
      this.checkSegment(ES, offset, size, false)
      this.probe((s.base(ES) + BigInt(offset)) & 0xffffffffn, size, false)
    } else if (pops) {
      const sp = s.get64(RSP) & s.get64(STACK_MASK)
      this.checkSegment(SS, Number(sp), size, false)
      this.probe((s.base(SS) + sp) & 0xffffffffn, size, false)
    }

    let offset = address
    if (plus === 'AL') offset += s.u8[RAX]
    else if (plus === 'bit' && other !== undefined) {
      // The word that holds the bit.
      const register = this.#view.getUint8(record + other.field)
      const bit = handler.bits === 16 ? s.view.getInt16(register, true) : s.view.getInt32(register, true)
      offset += Math.floor(bit / handler.bits) * (handler.bits / 8)
    }
    this.checkSegment(this.#view.getUint8(record + REC_SEGMENT), (offset & mask) >>> 0, size, write)
  }
  updateFpu(): void {
    const s = this.state
    const cr0 = s.get32(CR0)
    const ts = (cr0 & CR0_TS) !== 0
    const em = (cr0 & CR0_EM) !== 0
    const pending = (cr0 & CR0_NE) !== 0 && (s.u8[FSW] & 0x80) !== 0
    const sse = ts || em || (s.get32(CR4) & CR4_OSFXSR) === 0
    s.set32(FPU_BLOCKED, (sse ? 1 : 0) | (ts || em || pending ? 2 : 0) | (ts || em ? 4 : 0))
  }
  /** Why a vector or x87 instruction may not run (SDM 3A tables 2-2, 14-1): throws it. */
  fpuFault(kind: 'sse' | 'mmx' | 'x87'): void {
    const s = this.state
    const cr0 = s.get32(CR0)
    if (kind === 'sse' && ((cr0 & CR0_EM) !== 0 || (s.get32(CR4) & CR4_OSFXSR) === 0)) throw new GuestFault(UD)
    if (kind === 'mmx' && (cr0 & CR0_EM) !== 0) throw new GuestFault(UD)
    if ((cr0 & (CR0_TS | CR0_EM)) !== 0) throw new GuestFault(NM)
    // Waiting x87 instructions look for themselves (isa/rows/x87.ts): FNSTSW and its like do not wait.
    if (kind === 'mmx' && (s.u8[FSW] & 0x80) !== 0) throw new GuestFault(MF)
  }

  flushTlb(global: boolean): void {
    this.counters.tlbFlushes++
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
    this.#modeDirty = true
  }
  invalidatePage(linear: bigint): void {
    const low = Number(linear & 0xffffffffn)
    const high = Number((linear >> 32n) & 0xffffffffn)
    if (this.#hugePages || this.#largePages.has(high * 2048 + (low >>> 21))) {
      this.flushTlb(true)
      return
    }
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      const entry = TLB + context * TLB_CONTEXT_BYTES + ((low >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES
      this.#view.setInt32(entry, TLB_EMPTY_TAG, true)
      this.#view.setInt32(entry + TLB_WRITE, TLB_EMPTY_TAG, true)
    }
    for (let context = 0; context < 2; context++)
      this.#fill(CODE_TLB + context * CODE_TLB_BYTES + ((low >>> 12) & (CODE_TLB_ENTRIES - 1)) * 16, TLB_EMPTY_BYTE, 8)
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
  trace(kind: number, argument: number, address: bigint): void {
    if (!this.#around.traced) return
    const s = this.state
    if (s.get32(TRACE_HEAD) >= TRACE_RING_END) this.flushCallEvents()
    const head = s.get32(TRACE_HEAD)
    const view = this.#view
    view.setUint32(head, kind, true)
    const entersOrLeaves = kind >= CallEventKind.Interrupt && kind <= CallEventKind.SyscallReturn
    view.setUint32(head + 4, entersOrLeaves ? argument | this.#levelAndResult(kind, argument) : argument, true)
    view.setBigUint64(head + 8, BigInt.asUintN(64, address), true)
    view.setBigUint64(head + 16, s.get64(RSP), true)
    view.setBigUint64(head + 24, BigInt(this.retired), true)
    s.set32(TRACE_HEAD, head + CALL_EVENT_BYTES)
    if (entersOrLeaves) this.#around.levelChanged?.(kind as CallEventKind, argument)
  }
  /** The argument's upper bits, see call-event.ts. */
  #levelAndResult(kind: number, argument: number): number {
    const s = this.state
    const { cpl } = s
    let bits = ARGUMENT_CPL_VALID | (cpl << ARGUMENT_CPL_SHIFT)
    const returns = kind === CallEventKind.InterruptReturn || kind === CallEventKind.SyscallReturn
    if (returns && cpl !== 3) return bits
    if (kind === CallEventKind.Interrupt && (argument & ARGUMENT_SOFTWARE) === 0) return bits
    if (returns && (s.rflags & FLAGS_CF) !== 0) bits |= ARGUMENT_CARRY
    const rax = s.get64(RAX)
    return rax < 0xffffn ? bits | ((Number(rax) + 1) << ARGUMENT_RAX_SHIFT) : bits
  }
  /** Empties the ring of call events. */
  flushCallEvents(): void {
    const head = this.state.get32(TRACE_HEAD)
    if (head === TRACE_RING) return
    this.state.set32(TRACE_HEAD, TRACE_RING)
    this.#around.callEvents?.(this.#bytes.subarray(TRACE_RING, head))
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

  /** Bytes at a linear address as a debugger sees them: nothing changes. Answers how many there were. */
  peek(linear: bigint, into: Uint8Array): number {
    let done = 0
    while (done < into.length) {
      const at = BigInt.asUintN(64, linear + BigInt(done))
      const physical = this.#paging.peek(at)
      const length = Math.min(into.length - done, 4096 - Number(at & 0xfffn))
      if (physical < 0 || physical + length > this.#ram.size) break
      into.set(this.#ram.bytes.subarray(physical, physical + length), done)
      done += length
    }
    return done
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

/** Bits 63..47 of an address all alike, from its upper half. */
const canonical = (high: number): boolean => {
  const top = high >>> 15
  return top === 0 || top === 0x1ffff
}

/** An access that begins below the hole in the middle of the address space and ends in it. */
const leavesLowerHalf = (high: number, low: number, size: number): boolean =>
  high === 0x7fff && (low >>> 0) + size > 0x100000000

/** One of DR0-DR3 that DR7 enables. */
interface Breakpoint {
  /** In DR6. */
  readonly bit: number
  /** DR7.R/W: 0 execution, 1 writes, 2 ports, 3 reads and writes. */
  readonly kind: number
  readonly first: bigint
  readonly length: number
}
/** DR7.LEN. */
const BREAKPOINT_BYTES = [1, 2, 8, 4]

/** What RFLAGS.AC demands of an operand's address (SDM 3A table 6-7): tbyte as qword, far pointers without the selector. */
const alignmentMask = (size: number): number => (size === 10 ? 7 : size === 6 ? 3 : size - 1)

/** The largest naturally aligned device access at `address` within `left` bytes. */
const deviceAccess = (address: number, left: number): AccessSize => {
  if (left >= 4 && (address & 3) === 0) return 4
  if (left >= 2 && (address & 1) === 0) return 2
  return 1
}
