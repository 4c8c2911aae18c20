/**
 * Local APIC of the one processor, xAPIC mode (Intel SDM 3A, chapter "Advanced Programmable Interrupt Controller").
 *
 * The timer counts a bus clock of 1 GHz, which is what QEMU (hw/intc/apic.c counts nanoseconds) and KVM
 * (APIC_BUS_CYCLE_NS 1) give, divided by DCR.
 *
 * Virtual wire: the i8259 pair's INT output is LINT0. LVT_LINT0 is ExtINT, unmasked, after reset, as QEMU leaves it on
 * the bootstrap processor, so a kernel that only enables the APIC keeps its i8259 interrupts. While the APIC is off (by
 * IA32_APIC_BASE.EN or by SVR) ExtINT passes straight to the processor; real hardware does so only for the former.
 *
 * Missing: x2APIC mode, a window over RAM (RAM is seen there), EOI-broadcast suppression, other processors (INIT, SIPI
 * and SMI are accepted and do nothing), LVT_CMCI, level-triggered fixed LINT pins. Every IPI is delivered at once, so
 * ICR's delivery status always reads idle.
 */
import { type AccessSize, type BusDevice, OPEN_BUS } from '../../bus.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { Timer, Timers } from '../../timers.ts'

export const LAPIC = {
  ID: 0x020,
  VERSION: 0x030,
  TPR: 0x080,
  APR: 0x090,
  PPR: 0x0a0,
  EOI: 0x0b0,
  RRD: 0x0c0,
  LDR: 0x0d0,
  DFR: 0x0e0,
  SVR: 0x0f0,
  ISR: 0x100,
  TMR: 0x180,
  IRR: 0x200,
  ESR: 0x280,
  ICR_LOW: 0x300,
  ICR_HIGH: 0x310,
  LVT_TIMER: 0x320,
  LVT_THERMAL: 0x330,
  LVT_PERF: 0x340,
  LVT_LINT0: 0x350,
  LVT_LINT1: 0x360,
  LVT_ERROR: 0x370,
  TIMER_ICR: 0x380,
  TIMER_CCR: 0x390,
  TIMER_DCR: 0x3e0,
} as const

/** Version 0x14 (Pentium 4 and later), highest LVT entry 5 (no CMCI), no EOI-broadcast suppression: as QEMU. */
const VERSION_VALUE = 0x0005_0014

export const IA32_APIC_BASE_BSP = 1 << 8
export const IA32_APIC_BASE_EN = 1 << 11

export const SVR_ENABLE = 1 << 8
const SVR_WRITABLE = 0x3ff

//  18 17   16    15   14    13   12   10-8   7-0
//  mode   mask  trig  rirr  pol  busy  mode  vector
export const LVT_MASKED = 1 << 16
const LVT_TIMER_MODE = 3 << 17
export const LVT_TIMER_PERIODIC = 1 << 17
export const LVT_TIMER_TSC_DEADLINE = 2 << 17
const LVT_TIMER_WRITABLE = 0x700ff
const LVT_LINT_WRITABLE = 0x1a7ff
const LVT_MODE_WRITABLE = 0x107ff
const LVT_ERROR_WRITABLE = 0x100ff

/** Delivery modes, the same numbers in LVT entries, ICR and the IOAPIC's redirection entries. */
export const DELIVERY = { FIXED: 0, LOWEST: 1, SMI: 2, NMI: 4, INIT: 5, SIPI: 6, EXTINT: 7 } as const

const ESR_SEND_ILLEGAL_VECTOR = 1 << 5
const ESR_RECEIVED_ILLEGAL_VECTOR = 1 << 6
const ESR_ILLEGAL_REGISTER = 1 << 7

const ICR_LOGICAL = 1 << 11
const ICR_WRITABLE = 0x000c_cfff
const SHORTHAND = { NONE: 0, SELF: 1, ALL: 2, OTHERS: 3 } as const

/** Vectors 0-15 are the processor's own; the APIC refuses to carry them (SDM 3A, "Valid Interrupt Vectors"). */
const LOWEST_VECTOR = 16

/**
 * Periodic interrupts closer together than this (guest ns) arrive merged, as they would on a machine too busy to take
 * them: a count of 1 would otherwise interrupt between any two instructions. KVM draws the same line, at 200 us.
 */
const SHORTEST_PERIOD_NS = 10_000

/** What carries interrupt messages to local APICs: the IOAPIC's view of this device. */
export interface ApicBus {
  /** Whether `destination` (8 bits) names this APIC. */
  isDestination(destination: number, logical: boolean): boolean
  /** Delivers a message; `level` sets TMR, so that EOI is broadcast. */
  deliver(mode: number, vector: number, level: boolean): void
}

/** 256 bits, eight words, as ISR, TMR and IRR show them. */
class VectorBits {
  readonly words = new Uint32Array(8)
  set(vector: number): void {
    this.words[vector >> 5] |= 1 << (vector & 31)
  }
  clear(vector: number): void {
    this.words[vector >> 5] &= ~(1 << (vector & 31))
  }
  has(vector: number): boolean {
    return ((this.words[vector >> 5] >>> (vector & 31)) & 1) !== 0
  }
  /** The highest vector set, -1 when none is. */
  highest(): number {
    for (let i = 7; i >= 0; i--) if (this.words[i] !== 0) return i * 32 + 31 - Math.clz32(this.words[i])
    return -1
  }
}

export interface LapicOptions {
  readonly id: number
  /** Where the window is from reset on. */
  readonly base: number
  /** Guest ns at which the TSC reaches `tsc`. Default: a 1 GHz TSC that starts at 0. */
  readonly tscToNs?: (tsc: number) => number
}

export class Lapic implements BusDevice, ApicBus, Part {
  readonly name = 'lapic'
  readonly tellsTime = true
  IA32_APIC_BASE = 0
  ID = 0
  TPR = 0
  PPR = 0
  LDR = 0
  DFR = 0
  SVR = 0
  readonly ISR = new VectorBits()
  readonly TMR = new VectorBits()
  readonly IRR = new VectorBits()
  ESR = 0
  ICR_LOW = 0
  ICR_HIGH = 0
  LVT_TIMER = 0
  LVT_THERMAL = 0
  LVT_PERF = 0
  LVT_LINT0 = 0
  LVT_LINT1 = 0
  LVT_ERROR = 0
  TIMER_ICR = 0
  TIMER_DCR = 0

  /** An interrupt in IRR outranks PPR. */
  requesting = false
  /** `requesting` or `acceptsExtInt` may have changed. */
  onChange: () => void = () => {}
  onNmi: () => void = () => {}
  /** The window is at `base` now (SDM 3A §10.4.5). */
  onMoved: (base: number) => void = () => {}
  /** EOI of a level-triggered vector, for the IOAPIC. */
  onEoi: (vector: number) => void = () => {}

  readonly #options: LapicOptions
  readonly #timers: Timers
  readonly #timer: Timer
  readonly #tscToNs: (tsc: number) => number
  /** Guest ns at which the current count was TIMER_ICR. */
  #countStart = 0
  /** A one-shot count came to 0 and the mode has changed since: it stays there until TIMER_ICR is written. */
  #spent = false
  #tscDeadlineLow = 0
  #tscDeadlineHigh = 0
  /** Errors since ESR was last written. */
  #errors = 0
  #lint0 = false
  #lint1 = false

  constructor(options: LapicOptions, timers: Timers) {
    this.#options = options
    this.#timers = timers
    this.#tscToNs = options.tscToNs ?? ((tsc) => tsc)
    this.#timer = timers.create(() => this.#timerExpired())
    this.reset()
  }

  /** IA32_APIC_BASE.EN. */
  get enabled(): boolean {
    return (this.IA32_APIC_BASE & IA32_APIC_BASE_EN) !== 0
  }

  /** EN and SVR's enable bit. */
  get softwareEnabled(): boolean {
    return this.enabled && (this.SVR & SVR_ENABLE) !== 0
  }

  /** Whether the i8259's INT reaches the processor through LINT0. */
  get acceptsExtInt(): boolean {
    if (!this.softwareEnabled) return true
    return (this.LVT_LINT0 & LVT_MASKED) === 0 && deliveryMode(this.LVT_LINT0) === DELIVERY.EXTINT
  }

  /** Whether a pin, by its LVT entry, is an NMI. LINT1 has nothing connected on these boards. */
  get routesNmi(): boolean {
    if (!this.softwareEnabled) return false
    return (this.LVT_LINT0 & LVT_MASKED) === 0 && deliveryMode(this.LVT_LINT0) === DELIVERY.NMI
  }

  read(offset: number, size: AccessSize): number {
    if (!this.enabled) return OPEN_BUS[size]
    const value = (offset & 0xc) === 0 ? this.#readRegister(offset & 0xff0) : 0
    return narrow(value >>> ((offset & 3) * 8), size)
  }

  #readRegister(register: number): number {
    if (register >= LAPIC.ISR && register < LAPIC.ISR + 0x80) return this.ISR.words[(register >> 4) & 7]
    if (register >= LAPIC.TMR && register < LAPIC.TMR + 0x80) return this.TMR.words[(register >> 4) & 7]
    if (register >= LAPIC.IRR && register < LAPIC.IRR + 0x80) return this.IRR.words[(register >> 4) & 7]
    switch (register) {
      case LAPIC.ID:
        return this.ID
      case LAPIC.VERSION:
        return VERSION_VALUE
      case LAPIC.TPR:
        return this.TPR
      case LAPIC.APR:
        return 0 // no arbitration since the Pentium 4
      case LAPIC.PPR:
        return this.PPR
      case LAPIC.EOI:
        return 0 // write only
      case LAPIC.RRD:
        return 0 // remote read is gone since the Pentium 4
      case LAPIC.LDR:
        return this.LDR
      case LAPIC.DFR:
        return this.DFR
      case LAPIC.SVR:
        return this.SVR
      case LAPIC.ESR:
        return this.ESR
      case LAPIC.ICR_LOW:
        return this.ICR_LOW
      case LAPIC.ICR_HIGH:
        return this.ICR_HIGH
      case LAPIC.LVT_TIMER:
        return this.LVT_TIMER
      case LAPIC.LVT_THERMAL:
        return this.LVT_THERMAL
      case LAPIC.LVT_PERF:
        return this.LVT_PERF
      case LAPIC.LVT_LINT0:
        return this.LVT_LINT0
      case LAPIC.LVT_LINT1:
        return this.LVT_LINT1
      case LAPIC.LVT_ERROR:
        return this.LVT_ERROR
      case LAPIC.TIMER_ICR:
        return this.TIMER_ICR
      case LAPIC.TIMER_CCR:
        return this.#currentCount()
      case LAPIC.TIMER_DCR:
        return this.TIMER_DCR
      default:
        this.#raiseError(ESR_ILLEGAL_REGISTER)
        return 0
    }
  }

  /** Only aligned 32-bit writes are defined (SDM 3A, "APIC Register Address Space"); others do nothing. */
  write(offset: number, size: AccessSize, value: number): void {
    if (!this.enabled || size !== 4 || (offset & 0xf) !== 0) return
    switch (offset) {
      case LAPIC.ID:
        this.ID = (value & 0xff00_0000) >>> 0
        this.onChange()
        break
      case LAPIC.TPR:
        this.setTpr(value & 0xff)
        break
      case LAPIC.EOI:
        this.#endOfInterrupt()
        break
      case LAPIC.LDR:
        this.LDR = (value & 0xff00_0000) >>> 0
        this.onChange()
        break
      case LAPIC.DFR:
        this.DFR = (value | 0x0fff_ffff) >>> 0
        this.onChange()
        break
      case LAPIC.SVR:
        this.#writeSvr(value)
        break
      case LAPIC.ESR:
        this.ESR = this.#errors
        this.#errors = 0
        break
      case LAPIC.ICR_LOW:
        this.ICR_LOW = value & ICR_WRITABLE
        this.#sendIpi()
        break
      case LAPIC.ICR_HIGH:
        this.ICR_HIGH = (value & 0xff00_0000) >>> 0
        break
      case LAPIC.LVT_TIMER:
        this.#writeLvtTimer(this.#lvt(value, LVT_TIMER_WRITABLE))
        break
      case LAPIC.LVT_THERMAL:
        this.LVT_THERMAL = this.#lvt(value, LVT_MODE_WRITABLE)
        break
      case LAPIC.LVT_PERF:
        this.LVT_PERF = this.#lvt(value, LVT_MODE_WRITABLE)
        break
      case LAPIC.LVT_LINT0:
        this.LVT_LINT0 = this.#lvt(value, LVT_LINT_WRITABLE)
        this.onChange()
        break
      case LAPIC.LVT_LINT1:
        this.LVT_LINT1 = this.#lvt(value, LVT_LINT_WRITABLE)
        break
      case LAPIC.LVT_ERROR:
        this.LVT_ERROR = this.#lvt(value, LVT_ERROR_WRITABLE)
        break
      case LAPIC.TIMER_ICR:
        this.#writeTimerIcr(value)
        break
      case LAPIC.TIMER_DCR:
        this.#writeTimerDcr(value & 0xb)
        break
      case LAPIC.VERSION:
      case LAPIC.APR:
      case LAPIC.PPR:
      case LAPIC.RRD:
      case LAPIC.TIMER_CCR:
        break // read only
      default:
        if (offset < LAPIC.ISR || offset >= LAPIC.ESR) this.#raiseError(ESR_ILLEGAL_REGISTER)
    }
  }

  /** WRMSR IA32_APIC_BASE. False asks for #GP(0): x2APIC is not offered, addresses have 40 bits. */
  writeApicBase(low: number, high: number): boolean {
    if (((low & 0x6ff) | (high & ~0xff)) !== 0) return false
    const was = this.enabled
    this.#setBase(high * 2 ** 32 + (low >>> 0))
    if (was && !this.enabled) this.#resetRegisters()
    this.onChange()
    return true
  }

  /** WRMSR IA32_TSC_DEADLINE: zero disarms; ignored outside TSC-deadline mode. */
  writeTscDeadline(low: number, high: number): void {
    if (this.#timerMode() !== LVT_TIMER_TSC_DEADLINE) return
    this.#tscDeadlineLow = low >>> 0
    this.#tscDeadlineHigh = high >>> 0
    this.scheduleTimer()
  }

  /** RDMSR IA32_TSC_DEADLINE: zero when disarmed or past. */
  readTscDeadline(): { readonly low: number; readonly high: number } {
    return { low: this.#tscDeadlineLow, high: this.#tscDeadlineHigh }
  }

  /** Also what MOV to CR8 writes, shifted left by 4. */
  setTpr(value: number): void {
    this.TPR = value
    this.#updateRequest()
  }

  /** LINT0 carries the i8259's INT. ExtINT is a level the InterruptController asks for; other modes take the edge. */
  setLint0(level: boolean): void {
    const rose = level && !this.#lint0
    this.#lint0 = level
    if (rose && this.softwareEnabled && deliveryMode(this.LVT_LINT0) !== DELIVERY.EXTINT)
      this.#localInterrupt(this.LVT_LINT0)
  }

  /** LINT1 is the NMI pin while the APIC is off. */
  setLint1(level: boolean): void {
    const rose = level && !this.#lint1
    this.#lint1 = level
    if (!rose) return
    if (this.enabled) this.#localInterrupt(this.LVT_LINT1)
    else this.onNmi()
  }

  /** The processor takes the highest request: IRR to ISR. The spurious vector when the request has gone. */
  acknowledge(): number {
    if (!this.requesting) return this.SVR & 0xff
    const vector = this.IRR.highest()
    this.IRR.clear(vector)
    this.ISR.set(vector)
    this.#updateRequest()
    return vector
  }

  isDestination(destination: number, logical: boolean): boolean {
    if (!logical) return destination === 0xff || destination === this.ID >>> 24
    const ldr = this.LDR >>> 24
    if (this.DFR >>> 28 === 0xf) return (destination & ldr) !== 0
    // Cluster model: the high nibble names the cluster, 0xf all of them.
    const cluster = destination >> 4
    return (cluster === 0xf || cluster === ldr >> 4) && (destination & ldr & 0xf) !== 0
  }

  deliver(mode: number, vector: number, level: boolean): void {
    if (mode === DELIVERY.FIXED || mode === DELIVERY.LOWEST) this.#accept(vector, level)
    else if (mode === DELIVERY.NMI) this.onNmi()
  }

  reset(): void {
    this.#setBase((this.#options.base | IA32_APIC_BASE_EN | IA32_APIC_BASE_BSP) >>> 0)
    this.#resetRegisters()
    this.onChange()
  }

  #setBase(value: number): void {
    this.IA32_APIC_BASE = value
    this.onMoved(value - (value % 4096))
  }

  save(): PartState {
    return {
      IA32_APIC_BASE: this.IA32_APIC_BASE,
      ID: this.ID,
      TPR: this.TPR,
      LDR: this.LDR,
      DFR: this.DFR,
      SVR: this.SVR,
      ISR: [...this.ISR.words],
      TMR: [...this.TMR.words],
      IRR: [...this.IRR.words],
      ESR: this.ESR,
      ICR_LOW: this.ICR_LOW,
      ICR_HIGH: this.ICR_HIGH,
      LVT_TIMER: this.LVT_TIMER,
      LVT_THERMAL: this.LVT_THERMAL,
      LVT_PERF: this.LVT_PERF,
      LVT_LINT0: this.LVT_LINT0,
      LVT_LINT1: this.LVT_LINT1,
      LVT_ERROR: this.LVT_ERROR,
      TIMER_ICR: this.TIMER_ICR,
      TIMER_DCR: this.TIMER_DCR,
      countStart: this.#countStart,
      spent: this.#spent,
      IA32_TSC_DEADLINE: [this.#tscDeadlineLow, this.#tscDeadlineHigh],
      errors: this.#errors,
      lint0: this.#lint0,
      lint1: this.#lint1,
      timer: this.#timer.deadline,
    }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#setBase(s.integer('IA32_APIC_BASE', 0, 2 ** 40 - 1))
    this.ID = s.u32('ID')
    this.TPR = s.u8('TPR')
    this.LDR = s.u32('LDR')
    this.DFR = s.u32('DFR')
    this.SVR = s.u32('SVR') & SVR_WRITABLE
    this.ISR.words.set(s.u32s('ISR', 8))
    this.TMR.words.set(s.u32s('TMR', 8))
    this.IRR.words.set(s.u32s('IRR', 8))
    this.ESR = s.u8('ESR')
    this.ICR_LOW = s.u32('ICR_LOW') & ICR_WRITABLE
    this.ICR_HIGH = s.u32('ICR_HIGH')
    this.LVT_TIMER = s.u32('LVT_TIMER') & LVT_TIMER_WRITABLE
    this.LVT_THERMAL = s.u32('LVT_THERMAL') & LVT_MODE_WRITABLE
    this.LVT_PERF = s.u32('LVT_PERF') & LVT_MODE_WRITABLE
    this.LVT_LINT0 = s.u32('LVT_LINT0') & LVT_LINT_WRITABLE
    this.LVT_LINT1 = s.u32('LVT_LINT1') & LVT_LINT_WRITABLE
    this.LVT_ERROR = s.u32('LVT_ERROR') & LVT_ERROR_WRITABLE
    this.TIMER_ICR = s.u32('TIMER_ICR')
    this.TIMER_DCR = s.u8('TIMER_DCR') & 0xb
    // A count at the slowest rate may have begun before power-on, on paper.
    this.#countStart = s.integer('countStart', -(2 ** 40), Number.MAX_SAFE_INTEGER)
    this.#spent = s.flag('spent')
    ;[this.#tscDeadlineLow, this.#tscDeadlineHigh] = s.u32s('IA32_TSC_DEADLINE', 2) as [number, number]
    this.#errors = s.u8('errors')
    this.#lint0 = s.flag('lint0')
    this.#lint1 = s.flag('lint1')
    this.#timer.load(s.nsOrNever('timer'))
    s.end()
    this.#prioritise()
  }

  #resetRegisters(): void {
    this.ID = (this.#options.id << 24) >>> 0
    this.TPR = 0
    this.LDR = 0
    this.DFR = 0xffff_ffff
    this.SVR = 0xff
    this.ISR.words.fill(0)
    this.TMR.words.fill(0)
    this.IRR.words.fill(0)
    this.ESR = 0
    this.#errors = 0
    this.ICR_LOW = 0
    this.ICR_HIGH = 0
    this.LVT_TIMER = LVT_MASKED
    this.LVT_THERMAL = LVT_MASKED
    this.LVT_PERF = LVT_MASKED
    this.LVT_LINT0 = DELIVERY.EXTINT << 8
    this.LVT_LINT1 = LVT_MASKED
    this.LVT_ERROR = LVT_MASKED
    this.TIMER_ICR = 0
    this.#spent = false
    this.TIMER_DCR = 0
    this.#disarmDeadline()
    this.#timer.cancel()
    this.#updateRequest()
  }

  /** While SVR disables the APIC, every LVT entry is masked and stays so (SDM 3A, "Local APIC State After It Has
   * Been Software Disabled"). */
  #lvt(value: number, writable: number): number {
    const lvt = value & writable
    return this.softwareEnabled ? lvt : lvt | LVT_MASKED
  }

  #writeSvr(value: number): void {
    const was = this.softwareEnabled
    this.SVR = value & SVR_WRITABLE
    if (was && !this.softwareEnabled) {
      this.LVT_TIMER |= LVT_MASKED
      this.LVT_THERMAL |= LVT_MASKED
      this.LVT_PERF |= LVT_MASKED
      this.LVT_LINT0 |= LVT_MASKED
      this.LVT_LINT1 |= LVT_MASKED
      this.LVT_ERROR |= LVT_MASKED
      this.scheduleTimer()
    }
    this.#updateRequest()
    this.onChange()
  }

  #sendIpi(): void {
    const mode = deliveryMode(this.ICR_LOW)
    const vector = this.ICR_LOW & 0xff
    if (mode <= DELIVERY.LOWEST && vector < LOWEST_VECTOR) {
      this.#raiseError(ESR_SEND_ILLEGAL_VECTOR)
      return
    }
    const shorthand = (this.ICR_LOW >> 18) & 3
    if (shorthand === SHORTHAND.OTHERS) return
    const forUs =
      shorthand !== SHORTHAND.NONE || this.isDestination(this.ICR_HIGH >>> 24, (this.ICR_LOW & ICR_LOGICAL) !== 0)
    if (forUs) this.deliver(mode, vector, false)
  }

  #endOfInterrupt(): void {
    const vector = this.ISR.highest()
    if (vector < 0) return
    this.ISR.clear(vector)
    this.#updateRequest()
    if (this.TMR.has(vector)) this.onEoi(vector)
  }

  /** A message or a local source asks for `vector`. */
  #accept(vector: number, level: boolean): void {
    if (!this.softwareEnabled) return
    if (vector < LOWEST_VECTOR) {
      this.#raiseError(ESR_RECEIVED_ILLEGAL_VECTOR)
      return
    }
    this.IRR.set(vector)
    if (level) this.TMR.set(vector)
    else this.TMR.clear(vector)
    this.#updateRequest()
  }

  #localInterrupt(lvt: number): void {
    if ((lvt & LVT_MASKED) === 0) this.deliver(deliveryMode(lvt), lvt & 0xff, false)
  }

  #raiseError(bit: number): void {
    const isNew = (this.#errors & bit) === 0
    this.#errors |= bit
    // An LVT_ERROR that itself has an illegal vector must not raise errors for ever.
    if (isNew && (this.LVT_ERROR & 0xff) >= LOWEST_VECTOR) this.#localInterrupt(this.LVT_ERROR)
  }

  #updateRequest(): void {
    const was = this.requesting
    this.#prioritise()
    if (was !== this.requesting) this.onChange()
  }

  /** SDM 3A, "Task and Processor Priorities". */
  #prioritise(): void {
    const inService = Math.max(this.ISR.highest(), 0) & 0xf0
    this.PPR = (this.TPR & 0xf0) >= inService ? this.TPR : inService
    const requested = Math.max(this.IRR.highest(), 0) & 0xf0
    this.requesting = this.softwareEnabled && requested > (this.PPR & 0xf0)
  }

  // Timer.

  #timerMode(): number {
    return this.LVT_TIMER & LVT_TIMER_MODE
  }

  /** Nanoseconds for one count: bus clocks of 1 ns, divided by 1, 2, 4 ... 128. */
  #countNs(): number {
    const code = ((this.TIMER_DCR & 8) >> 1) | (this.TIMER_DCR & 3)
    return code === 7 ? 1 : 2 << code
  }

  #currentCount(): number {
    if (this.TIMER_ICR === 0 || this.#spent || this.#timerMode() === LVT_TIMER_TSC_DEADLINE) return 0
    const elapsed = Math.floor((this.#timers.now() - this.#countStart) / this.#countNs())
    if (this.#timerMode() === LVT_TIMER_PERIODIC) return this.TIMER_ICR - (elapsed % this.TIMER_ICR)
    return Math.max(0, this.TIMER_ICR - elapsed)
  }

  /**
   * From one-shot to periodic and back the count in progress goes on from where it is; one that has come to 0 stays there
   * until TIMER_ICR is written (SDM 3A §10.5.4; kvm-unit-tests, on processors).
   */
  #writeLvtTimer(value: number): void {
    this.#takeDue()
    const changed = (this.LVT_TIMER ^ value) & LVT_TIMER_MODE
    if (changed === LVT_TIMER_PERIODIC && this.TIMER_ICR !== 0) {
      const period = this.TIMER_ICR * this.#countNs()
      const periods = Math.floor((this.#timers.now() - this.#countStart) / period)
      if (this.#timerMode() === LVT_TIMER_PERIODIC) this.#countStart += periods * period
      else if (periods > 0) this.#spent = true
    }
    this.LVT_TIMER = value
    if ((changed & LVT_TIMER_TSC_DEADLINE) !== 0) {
      this.TIMER_ICR = 0
      this.#disarmDeadline()
    }
    this.scheduleTimer()
  }

  #writeTimerIcr(value: number): void {
    if (this.#timerMode() === LVT_TIMER_TSC_DEADLINE) return
    this.#takeDue()
    this.TIMER_ICR = value
    this.#spent = false
    this.#countStart = Math.floor(this.#timers.now())
    this.scheduleTimer()
  }

  /** The count in progress goes on at the new rate. */
  #writeTimerDcr(value: number): void {
    this.#takeDue()
    const counted = this.TIMER_ICR - this.#currentCount()
    this.TIMER_DCR = value
    this.#countStart = Math.floor(this.#timers.now()) - counted * this.#countNs()
    this.scheduleTimer()
  }

  #disarmDeadline(): void {
    this.#tscDeadlineLow = 0
    this.#tscDeadlineHigh = 0
  }

  /** An expiry that is due but that the engine has not yet called for happens before the register changes. */
  #takeDue(): void {
    if (this.#timer.deadline > this.#timers.now()) return
    this.#timer.cancel()
    this.#timerExpired()
  }

  /** A masked timer counts on paper only: nobody is woken for it. The CPU calls this when it moves the TSC. */
  scheduleTimer(): void {
    this.#timer.cancel()
    if ((this.LVT_TIMER & LVT_MASKED) !== 0) return
    const now = this.#timers.now()
    if (this.#timerMode() === LVT_TIMER_TSC_DEADLINE) {
      const tsc = this.#tscDeadlineHigh * 0x1_0000_0000 + this.#tscDeadlineLow
      if (tsc !== 0) this.#timer.arm(this.#tscToNs(tsc))
      return
    }
    if (this.TIMER_ICR === 0 || this.#spent) return
    const period = this.TIMER_ICR * this.#countNs()
    if (this.#timerMode() === LVT_TIMER_PERIODIC) {
      // Whole periods from the start: no drift, and what a late host missed is merged.
      const step = period * Math.ceil(SHORTEST_PERIOD_NS / period)
      this.#timer.arm(this.#countStart + (Math.floor((now - this.#countStart) / step) + 1) * step)
    } else if (this.#countStart + period > now) {
      this.#timer.arm(this.#countStart + period)
    }
  }

  #timerExpired(): void {
    if (this.#timerMode() === LVT_TIMER_TSC_DEADLINE) this.#disarmDeadline()
    if (this.#timerMode() === LVT_TIMER_PERIODIC) this.scheduleTimer()
    this.#localInterrupt(this.LVT_TIMER & ~0x700)
  }
}

const deliveryMode = (lvt: number): number => (lvt >> 8) & 7

const narrow = (value: number, size: AccessSize): number => (value & OPEN_BUS[size]) >>> 0
