/**
 * 8254 programmable interval timer: three 16-bit counters at 1,193,182 Hz (Intel 8254 datasheet). Counter 0's OUT is
 * IRQ 0, counter 1 once timed DRAM refresh, counter 2 is the speaker's, gated and read through port 0x61.
 *
 * Counts follow from guest time whenever somebody looks; only counter 0's rising edges cost a timer. The interrupt
 * controllers look at edges, so in the periodic modes the line falls just before it rises, not at OUT's own time;
 * status and port 0x61 show OUT exactly. Deadlines are ticks since power-on, hence no drift.
 *
 * After reset all counters run in mode 3 with count 65536, as QEMU's do.
 *
 * Missing: a count read in the one tick before it is loaded reads as the new count; a new count in mode 3 waits for the
 * end of the whole cycle, not of its half; counts of 1 in modes 2 and 3, which the datasheet forbids.
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import type { InterruptLine } from '../../interrupt-line.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { Timer, Timers } from '../../timers.ts'

export const I8254_HZ = 1_193_182

const CONTROL_PORT = 3

// Control word: 7-6 counter (3: read-back), 5-4 access (0: latch), 3-1 mode, 0 BCD.
const SELECT_READ_BACK = 3
const ACCESS_LATCH = 0
const ACCESS_LSB = 1
const ACCESS_MSB = 2
const ACCESS_LSB_MSB = 3
// Read-back command: a zero asks.
const READ_BACK_NOT_COUNT = 1 << 5
const READ_BACK_NOT_STATUS = 1 << 4
const STATUS_OUT = 1 << 7
const STATUS_NULL_COUNT = 1 << 6

/** Datasheet names: interrupt on terminal count, one-shot, rate generator, square wave, software and hardware strobe. */
const MODE = { TERMINAL_COUNT: 0, ONE_SHOT: 1, RATE: 2, SQUARE: 3, SOFTWARE_STROBE: 4, HARDWARE_STROBE: 5 } as const

/** Counter 0 edges closer together than this, 10 us, arrive merged: a count of 2 must not starve the machine. */
const SHORTEST_PERIOD_TICKS = 12

const NS = 1_000_000_000

/** Whole ticks at `ns`. Exact: the parts stay below 2^53, the product of the whole would not after 8 s. */
export const ticksAt = (ns: number): number => {
  const seconds = Math.floor(ns / NS)
  return seconds * I8254_HZ + Math.floor(((Math.floor(ns) - seconds * NS) * I8254_HZ) / NS)
}

/** The first nanosecond at which `tick` has come. */
export const nsOfTick = (tick: number): number => {
  const seconds = Math.floor(tick / I8254_HZ)
  return seconds * NS + Math.ceil(((tick - seconds * I8254_HZ) * NS) / I8254_HZ)
}

class Counter {
  mode: number = MODE.SQUARE
  access: number = ACCESS_LSB_MSB
  bcd = false
  gate = true

  /** The count in force, 1-65536. */
  #count = 65536
  /** The count last written, for modes that load it on a trigger. */
  #written = 65536
  /** The tick at which the counting element held `#count`; counting goes on from there. */
  #loadTick = 0
  /** A count is loaded and was not interrupted by a control word. */
  #counting = false
  /** A new count for modes 2 and 3 and the tick that loads it, Infinity when there is none. */
  #nextLoadTick = Infinity
  /** Ticks counted when GATE stopped modes 0 and 4. */
  #stoppedAt = 0

  #firstByte = -1
  #msbNext = false
  #latchedCount = -1
  #latchedStatus = -1

  reset(gate: boolean, tick: number): void {
    this.gate = gate
    this.control((ACCESS_LSB_MSB << 4) | (MODE.SQUARE << 1), tick)
    this.#load(0, tick)
  }

  /** A control word. Counting stops until a count is written. */
  control(value: number, tick: number): void {
    this.#settle(tick)
    this.access = (value >> 4) & 3
    const mode = (value >> 1) & 7
    this.mode = mode > 5 ? mode & 3 : mode // 6 and 7 mean 2 and 3
    this.bcd = (value & 1) !== 0
    this.#counting = false
    this.#nextLoadTick = Infinity
    this.#firstByte = -1
    this.#msbNext = false
    this.#latchedCount = -1
    this.#latchedStatus = -1
  }

  write(value: number, tick: number): void {
    this.#settle(tick)
    if (this.access === ACCESS_LSB) this.#load(value, tick)
    else if (this.access === ACCESS_MSB) this.#load(value << 8, tick)
    else if (this.#firstByte < 0) {
      this.#firstByte = value
      if (this.mode === MODE.TERMINAL_COUNT) this.#counting = false
    } else {
      const low = this.#firstByte
      this.#firstByte = -1
      this.#load((value << 8) | low, tick)
    }
  }

  read(tick: number): number {
    if (this.#latchedStatus >= 0) {
      const status = this.#latchedStatus
      this.#latchedStatus = -1
      return status
    }
    const count = this.#latchedCount >= 0 ? this.#latchedCount : this.current(tick)
    if (this.access === ACCESS_LSB_MSB && !this.#msbNext) {
      this.#msbNext = true
      return count & 0xff
    }
    this.#msbNext = false
    this.#latchedCount = -1
    return this.access === ACCESS_LSB ? count & 0xff : count >> 8
  }

  /** A second latch before the first is read does nothing. */
  latchCount(tick: number): void {
    if (this.#latchedCount < 0) this.#latchedCount = this.current(tick)
  }

  latchStatus(tick: number): void {
    if (this.#latchedStatus >= 0) return
    const out = this.out(tick) ? STATUS_OUT : 0
    const isNull = !this.#counting || tick < this.#loadTick || this.#nextLoadTick !== Infinity ? STATUS_NULL_COUNT : 0
    this.#latchedStatus = out | isNull | (this.access << 4) | (this.mode << 1) | (this.bcd ? 1 : 0)
  }

  setGate(gate: boolean, tick: number): void {
    if (gate === this.gate) return
    this.#settle(tick)
    if (!gate) this.#stoppedAt = this.#elapsed(tick)
    this.gate = gate
    if (!gate) return
    if (this.mode === MODE.TERMINAL_COUNT || this.mode === MODE.SOFTWARE_STROBE) {
      this.#loadTick = tick - this.#stoppedAt
    } else {
      // The trigger of modes 1 and 5, the restart of 2 and 3.
      this.#count = this.#written
      this.#loadTick = tick + 1
      this.#counting = true
    }
  }

  /** The counting element as it reads, 16 bits. */
  current(tick: number): number {
    this.#settle(tick)
    const modulus = this.bcd ? 10_000 : 65_536
    const count = this.#element(this.#elapsed(tick))
    const value = ((count % modulus) + modulus) % modulus
    return this.bcd ? toBcd(value) : value
  }

  #element(elapsed: number): number {
    const n = this.#count
    if (this.mode === MODE.RATE) return n - (elapsed % n)
    if (this.mode !== MODE.SQUARE) return n - elapsed
    // Two per tick in each half; an odd count starts from the even number below it (datasheet, "Mode 3").
    const high = (n + 1) >> 1
    const inHalf = elapsed % n < high ? elapsed % n : (elapsed % n) - high
    return (n & ~1) - 2 * inHalf
  }

  out(tick: number): boolean {
    this.#settle(tick)
    if (!this.#counting) return this.mode !== MODE.TERMINAL_COUNT
    const elapsed = this.#elapsed(tick)
    const n = this.#count
    switch (this.mode) {
      case MODE.TERMINAL_COUNT:
      case MODE.ONE_SHOT:
        return elapsed >= n
      case MODE.RATE:
        return !this.gate || elapsed % n !== n - 1
      case MODE.SQUARE:
        return !this.gate || elapsed % n < (n + 1) >> 1
      default:
        return elapsed !== n
    }
  }

  /** The first tick after `tick` at which OUT rises; Infinity when it never will. */
  nextRise(tick: number): number {
    this.#settle(tick)
    if (!this.#counting || !this.gate) return Infinity
    const n = this.#count
    if (this.mode === MODE.RATE || this.mode === MODE.SQUARE) {
      const step = n * Math.ceil(SHORTEST_PERIOD_TICKS / n)
      const rise = this.#loadTick + (Math.floor(this.#elapsed(tick) / step) + 1) * step
      return Math.min(rise, this.#nextLoadTick)
    }
    const strobe = this.mode === MODE.SOFTWARE_STROBE || this.mode === MODE.HARDWARE_STROBE
    const rise = this.#loadTick + n + (strobe ? 1 : 0)
    return rise > tick ? rise : Infinity
  }

  /** A complete count has been written. It loads with the next tick, or when its mode says. */
  #load(raw: number, tick: number): void {
    const n = this.bcd ? fromBcd(raw) || 10_000 : raw || 65_536
    this.#written = n
    const triggered = this.mode === MODE.ONE_SHOT || this.mode === MODE.HARDWARE_STROBE
    const periodic = this.mode === MODE.RATE || this.mode === MODE.SQUARE
    if (triggered) return
    if (periodic && this.#counting && this.gate && tick >= this.#loadTick) {
      this.#nextLoadTick = this.#loadTick + (Math.floor(this.#elapsed(tick) / this.#count) + 1) * this.#count
      return
    }
    this.#count = n
    this.#loadTick = tick + 1
    this.#stoppedAt = 0
    this.#counting = true
  }

  /** Brings a count that waited for the end of its cycle into force. */
  #settle(tick: number): void {
    if (tick < this.#nextLoadTick) return
    this.#count = this.#written
    this.#loadTick = this.#nextLoadTick
    this.#nextLoadTick = Infinity
  }

  save(): PartState {
    return {
      mode: this.mode,
      access: this.access,
      bcd: this.bcd,
      gate: this.gate,
      count: this.#count,
      written: this.#written,
      loadTick: this.#loadTick,
      counting: this.#counting,
      nextLoadTick: this.#nextLoadTick,
      stoppedAt: this.#stoppedAt,
      firstByte: this.#firstByte,
      msbNext: this.#msbNext,
      latchedCount: this.#latchedCount,
      latchedStatus: this.#latchedStatus,
    }
  }

  load(s: StateReader): void {
    this.mode = s.integer('mode', 0, 5)
    this.access = s.integer('access', ACCESS_LSB, ACCESS_LSB_MSB)
    this.bcd = s.flag('bcd')
    this.gate = s.flag('gate')
    this.#count = s.integer('count', 1, 65536)
    this.#written = s.integer('written', 1, 65536)
    this.#loadTick = s.integer('loadTick', 0, Number.MAX_SAFE_INTEGER)
    this.#counting = s.flag('counting')
    this.#nextLoadTick = Math.floor(s.nsOrNever('nextLoadTick'))
    this.#stoppedAt = s.integer('stoppedAt', 0, Number.MAX_SAFE_INTEGER)
    this.#firstByte = s.integer('firstByte', -1, 0xff)
    this.#msbNext = s.flag('msbNext')
    this.#latchedCount = s.integer('latchedCount', -1, 0xffff)
    this.#latchedStatus = s.integer('latchedStatus', -1, 0xff)
    s.end()
  }

  /** Ticks counted since the load. */
  #elapsed(tick: number): number {
    if (!this.#counting) return 0
    const pausable = this.mode !== MODE.ONE_SHOT && this.mode !== MODE.HARDWARE_STROBE
    return this.gate || !pausable ? Math.max(0, tick - this.#loadTick) : this.#stoppedAt
  }
}

export class I8254 implements BusDevice, Part {
  readonly name = 'i8254'
  readonly tellsTime = true
  readonly #counters = [new Counter(), new Counter(), new Counter()] as const
  readonly #irq: InterruptLine
  readonly #timers: Timers
  readonly #rise: Timer

  constructor(irq: InterruptLine, timers: Timers) {
    this.#irq = irq
    this.#timers = timers
    this.#rise = timers.create(() => this.#risen())
    this.reset()
  }

  read(offset: number, _size: AccessSize): number {
    if (offset >= CONTROL_PORT) return 0xff // write only
    return this.#counters[offset].read(this.#now())
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const byte = value & 0xff
    if (offset === CONTROL_PORT) this.#control(byte)
    else {
      this.#counters[offset].write(byte, this.#now())
      if (offset === 0) this.#drive()
    }
  }

  /** Counter 2's GATE, port 0x61 bit 0. */
  setGate2(gate: boolean): void {
    this.#counters[2].setGate(gate, this.#now())
  }

  /** Counter 2's OUT, port 0x61 bit 5. */
  get out2(): boolean {
    return this.#counters[2].out(this.#now())
  }

  reset(): void {
    const tick = this.#now()
    this.#counters.forEach((counter, index) => {
      counter.reset(index !== 2, tick)
    })
    this.#drive()
  }

  save(): PartState {
    return { counters: this.#counters.map((counter) => counter.save()), rise: this.#rise.deadline }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    const counters = s.groups('counters', 3)
    if (counters.length !== 3) s.refuse('counters', 'three')
    this.#counters.forEach((counter, index) => {
      counter.load(counters[index])
    })
    this.#rise.load(s.nsOrNever('rise'))
    s.end()
  }

  #now(): number {
    return ticksAt(this.#timers.now())
  }

  #control(value: number): void {
    const select = value >> 6
    const tick = this.#now()
    if (select === SELECT_READ_BACK) this.#readBack(value, tick)
    else if (((value >> 4) & 3) === ACCESS_LATCH) this.#counters[select].latchCount(tick)
    else {
      this.#counters[select].control(value, tick)
      if (select === 0) this.#drive()
    }
  }

  #readBack(value: number, tick: number): void {
    this.#counters.forEach((counter, index) => {
      if ((value & (2 << index)) === 0) return
      if ((value & READ_BACK_NOT_COUNT) === 0) counter.latchCount(tick)
      if ((value & READ_BACK_NOT_STATUS) === 0) counter.latchStatus(tick)
    })
  }

  /** Counter 0 was programmed. */
  #drive(): void {
    const tick = this.#now()
    this.#irq.set(this.#counters[0].out(tick))
    this.#schedule(tick)
  }

  #schedule(tick: number): void {
    const rise = this.#counters[0].nextRise(tick)
    if (rise === Infinity) this.#rise.cancel()
    else this.#rise.arm(nsOfTick(rise))
  }

  #risen(): void {
    this.#irq.set(false)
    this.#irq.set(true)
    this.#schedule(this.#now())
  }
}

const toBcd = (value: number): number => {
  let bcd = 0
  for (let shift = 0, rest = value; rest > 0; shift += 4, rest = Math.floor(rest / 10)) bcd |= (rest % 10) << shift
  return bcd
}

const fromBcd = (bcd: number): number =>
  (bcd >> 12) * 1000 + ((bcd >> 8) & 15) * 100 + ((bcd >> 4) & 15) * 10 + (bcd & 15)
