/**
 * MC146818 real-time clock with 114 bytes of CMOS RAM (Motorola MC146818A datasheet), index port and data port. The
 * century is byte 0x32, as the PC/AT keeps it and QEMU does.
 *
 * Time comes from the host's clock plus the difference the guest has set. The registers roll over with the second; for
 * the 244 us before and the 1984 us of the update cycle that the datasheet gives a 32,768 Hz crystal, UIP is set, and
 * the old time can still be read. Flags follow from time whenever somebody looks; a timer runs only for enabled ones.
 *
 * Missing: daylight saving (DSE), the square wave (no pin), a day of the week that disagrees with the date (writes to
 * register 6 do nothing), power loss (VRT is always set), NMI mask (index bit 7).
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import type { InterruptLine } from '../../interrupt-line.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { Timer, Timers } from '../../timers.ts'

export const RTC = {
  SECONDS: 0x00,
  SECONDS_ALARM: 0x01,
  MINUTES: 0x02,
  MINUTES_ALARM: 0x03,
  HOURS: 0x04,
  HOURS_ALARM: 0x05,
  DAY_OF_WEEK: 0x06,
  DAY_OF_MONTH: 0x07,
  MONTH: 0x08,
  YEAR: 0x09,
  A: 0x0a,
  B: 0x0b,
  C: 0x0c,
  D: 0x0d,
  CENTURY: 0x32,
} as const

export const A_UIP = 1 << 7
export const B_SET = 1 << 7
export const B_PIE = 1 << 6
export const B_AIE = 1 << 5
export const B_UIE = 1 << 4
export const B_DM = 1 << 2
export const B_24 = 1 << 1
export const C_IRQF = 1 << 7
export const C_PF = 1 << 6
export const C_AF = 1 << 5
export const C_UF = 1 << 4
const D_VRT = 1 << 7

const HOURS_PM = 0x80
/** An alarm byte with both top bits set matches anything. */
const ALARM_ANY = 0xc0

const NS = 1_000_000_000
const UIP_NS = 244_000 + 1_984_000
const DAY = 86_400

/** Seconds and nanoseconds since 1970-01-01 UTC: one number would not hold both exactly. */
export interface UnixTime {
  readonly seconds: number
  readonly nanoseconds: number
}

export interface WallClock {
  now(): UnixTime
}

/** Registers that show the time; the alarm bytes are plain memory. */
const TIME_REGISTERS: readonly number[] = [
  RTC.SECONDS,
  RTC.MINUTES,
  RTC.HOURS,
  RTC.DAY_OF_WEEK,
  RTC.DAY_OF_MONTH,
  RTC.MONTH,
  RTC.YEAR,
  RTC.CENTURY,
]

export class Mc146818 implements BusDevice, Part {
  readonly name = 'rtc'
  readonly tellsTime = true
  INDEX = 0
  /** All 128 bytes. The time registers are current only while the clock is stopped; A has no UIP, C is the flags. */
  readonly CMOS = new Uint8Array(128)

  readonly #irq: InterruptLine
  readonly #timers: Timers
  readonly #clock: WallClock
  readonly #timer: Timer
  /** The guest's time less the host's. */
  #offset: UnixTime = { seconds: 0, nanoseconds: 0 }
  /** Up to here events have become flags. */
  #seen: UnixTime

  constructor(irq: InterruptLine, timers: Timers, clock: WallClock) {
    this.#irq = irq
    this.#timers = timers
    this.#clock = clock
    this.#timer = timers.create(() => this.#update())
    this.#seen = clock.now()
    this.CMOS[RTC.A] = 0x26 // 32,768 Hz crystal, 1024 Hz: what a PC's BIOS leaves
    this.CMOS[RTC.B] = B_24
    this.reset()
  }

  read(offset: number, _size: AccessSize): number {
    if (offset === 0) return 0xff // the index is write only
    switch (this.INDEX) {
      case RTC.A:
        return this.CMOS[RTC.A] | (this.#updateInProgress() ? A_UIP : 0)
      case RTC.C:
        return this.#takeFlags()
      case RTC.D:
        return D_VRT
      default:
        if (TIME_REGISTERS.includes(this.INDEX)) this.#refresh()
        return this.CMOS[this.INDEX]
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const byte = value & 0xff
    if (offset === 0) {
      this.INDEX = byte & 0x7f
      return
    }
    this.#catchUp()
    switch (this.INDEX) {
      case RTC.A:
        this.#writeA(byte & ~A_UIP)
        break
      case RTC.B:
        this.#writeB(byte)
        break
      case RTC.C:
      case RTC.D:
        break // read only
      default:
        if (TIME_REGISTERS.includes(this.INDEX)) this.#writeTime(this.INDEX, byte)
        else this.CMOS[this.INDEX] = byte
    }
    this.#update()
  }

  /** The RESET pin: interrupts off, flags clear; the time goes on. */
  reset(): void {
    this.INDEX = 0
    this.CMOS[RTC.B] &= ~(B_PIE | B_AIE | B_UIE)
    this.CMOS[RTC.C] = 0
    this.#update()
  }

  save(): PartState {
    return {
      INDEX: this.INDEX,
      CMOS: this.CMOS.slice(),
      offset: { ...this.#offset },
      seen: { ...this.#seen },
      timer: this.#timer.deadline,
    }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.INDEX = s.u8('INDEX') & 0x7f
    this.CMOS.set(s.bytes('CMOS', this.CMOS.length))
    this.#offset = readTime(s.group('offset'))
    this.#seen = readTime(s.group('seen'))
    this.#timer.load(s.nsOrNever('timer'))
    s.end()
  }

  /** The clock counts: SET is clear and the divider is not held in reset. */
  get #running(): boolean {
    return (this.CMOS[RTC.B] & B_SET) === 0 && (this.CMOS[RTC.A] & 0x60) !== 0x60
  }

  #updateInProgress(): boolean {
    return this.#running && this.#now().nanoseconds >= NS - UIP_NS
  }

  /** Reading C clears it and releases the line. */
  #takeFlags(): number {
    this.#update()
    const flags = this.CMOS[RTC.C]
    this.CMOS[RTC.C] = 0
    this.#update()
    return flags
  }

  /** Stopping freezes the bytes. A divider that leaves reset makes its first update 500 ms later. */
  #writeA(value: number): void {
    const was = this.#running
    if (was) this.#refresh()
    this.CMOS[RTC.A] = value
    if (!was && this.#running) this.#setTime(this.#decode(), NS / 2)
  }

  #writeB(value: number): void {
    const was = this.#running
    if (was) this.#refresh()
    // A rising SET clears UIE (datasheet, "SET").
    this.CMOS[RTC.B] = (value & B_SET) !== 0 ? value & ~B_UIE : value
    if (!was && this.#running) this.#setTime(this.#decode(), this.#now().nanoseconds)
  }

  #writeTime(register: number, value: number): void {
    if (!this.#running) {
      this.CMOS[register] = value
      return
    }
    this.#refresh()
    this.CMOS[register] = value
    this.#setTime(this.#decode(), this.#now().nanoseconds)
  }

  // Time.

  #now(): UnixTime {
    return add(this.#clock.now(), this.#offset)
  }

  #setTime(seconds: number, nanoseconds: number): void {
    const host = this.#clock.now()
    this.#offset = add({ seconds, nanoseconds }, { seconds: -host.seconds, nanoseconds: -host.nanoseconds })
    this.#seen = { seconds, nanoseconds }
  }

  /** Writes the time into the registers, unless they stand still. */
  #refresh(): void {
    if (!this.#running) return
    const date = new Date(this.#now().seconds * 1000)
    this.CMOS[RTC.SECONDS] = this.#encode(date.getUTCSeconds())
    this.CMOS[RTC.MINUTES] = this.#encode(date.getUTCMinutes())
    this.CMOS[RTC.HOURS] = this.#encodeHours(date.getUTCHours())
    this.CMOS[RTC.DAY_OF_WEEK] = this.#encode(date.getUTCDay() + 1)
    this.CMOS[RTC.DAY_OF_MONTH] = this.#encode(date.getUTCDate())
    this.CMOS[RTC.MONTH] = this.#encode(date.getUTCMonth() + 1)
    this.CMOS[RTC.YEAR] = this.#encode(date.getUTCFullYear() % 100)
    this.CMOS[RTC.CENTURY] = this.#encode(Math.floor(date.getUTCFullYear() / 100))
  }

  /** Unix seconds of what the registers show. */
  #decode(): number {
    const value = (register: number): number => this.#decodeByte(this.CMOS[register])
    const year = value(RTC.CENTURY) * 100 + value(RTC.YEAR)
    const hours = this.#decodeHours(this.CMOS[RTC.HOURS])
    const date = new Date(0)
    date.setUTCFullYear(year, value(RTC.MONTH) - 1, value(RTC.DAY_OF_MONTH))
    date.setUTCHours(hours, value(RTC.MINUTES), value(RTC.SECONDS))
    return date.getTime() / 1000
  }

  #encode(value: number): number {
    return (this.CMOS[RTC.B] & B_DM) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10)
  }

  #decodeByte(byte: number): number {
    return (this.CMOS[RTC.B] & B_DM) !== 0 ? byte : (byte >> 4) * 10 + (byte & 15)
  }

  #encodeHours(hours: number): number {
    if ((this.CMOS[RTC.B] & B_24) !== 0) return this.#encode(hours)
    return this.#encode(hours % 12 || 12) | (hours >= 12 ? HOURS_PM : 0)
  }

  #decodeHours(byte: number): number {
    if ((this.CMOS[RTC.B] & B_24) !== 0) return this.#decodeByte(byte)
    return (this.#decodeByte(byte & ~HOURS_PM) % 12) + ((byte & HOURS_PM) !== 0 ? 12 : 0)
  }

  // Events.

  /** Flags for what has happened, the line, and the next enabled event. */
  #update(): void {
    this.#catchUp()
    const enabled = this.CMOS[RTC.B] & (C_PF | C_AF | C_UF) // each enable bit sits where its flag does
    const raised = (this.CMOS[RTC.C] & enabled) !== 0
    this.CMOS[RTC.C] = (this.CMOS[RTC.C] & ~C_IRQF) | (raised ? C_IRQF : 0)
    this.#irq.set(raised)

    let next = Infinity
    if (!raised) {
      const now = this.#now()
      if ((enabled & C_PF) !== 0) next = Math.min(next, until(now, this.#nextPeriodic(now)))
      if ((enabled & C_UF) !== 0) next = Math.min(next, until(now, this.#nextUpdate(now)))
      if ((enabled & C_AF) !== 0) next = Math.min(next, until(now, this.#nextAlarm(now)))
    }
    if (next === Infinity) this.#timer.cancel()
    else this.#timer.arm(this.#timers.now() + Math.max(1, next)) // the host's clock may be coarser than ours
  }

  #catchUp(): void {
    const now = this.#now()
    const flags = this.CMOS[RTC.C]
    const since = this.#seen
    if ((flags & C_PF) === 0 && !isAfter(this.#nextPeriodic(since), now)) this.CMOS[RTC.C] |= C_PF
    if ((flags & C_UF) === 0 && !isAfter(this.#nextUpdate(since), now)) this.CMOS[RTC.C] |= C_UF
    // The search for an alarm is long, and without a rolled second there is none.
    if ((flags & C_AF) === 0 && since.seconds !== now.seconds && !isAfter(this.#nextAlarm(since), now))
      this.CMOS[RTC.C] |= C_AF
    this.#seen = now
  }

  /** Register A's rate: 32768 >> (rate - 1) Hz; 1 and 2 repeat 8 and 9; 0 is none. It runs on under SET. */
  #nextPeriodic(after: UnixTime): UnixTime {
    const rate = this.CMOS[RTC.A] & 0xf
    if (rate === 0 || (this.CMOS[RTC.A] & 0x60) === 0x60) return NEVER
    const hz = 32_768 >> ((rate < 3 ? rate + 7 : rate) - 1)
    const beat = Math.floor((after.nanoseconds * hz) / NS) + 1
    return beat === hz
      ? { seconds: after.seconds + 1, nanoseconds: 0 }
      : { seconds: after.seconds, nanoseconds: Math.ceil((beat * NS) / hz) }
  }

  #nextUpdate(after: UnixTime): UnixTime {
    return this.#running ? { seconds: after.seconds + 1, nanoseconds: 0 } : NEVER
  }

  /** The next second within a day whose time of day matches the alarm bytes. */
  #nextAlarm(after: UnixTime): UnixTime {
    if (!this.#running) return NEVER
    const seconds = this.#alarm(RTC.SECONDS_ALARM)
    const minutes = this.#alarm(RTC.MINUTES_ALARM)
    const hours = this.#alarm(RTC.HOURS_ALARM)
    for (let t = after.seconds + 1; t <= after.seconds + DAY; t++) {
      const ofDay = ((t % DAY) + DAY) % DAY
      if (seconds >= 0 && ofDay % 60 !== seconds) continue
      if (minutes >= 0 && Math.floor(ofDay / 60) % 60 !== minutes) continue
      if (hours >= 0 && Math.floor(ofDay / 3600) !== hours) continue
      return { seconds: t, nanoseconds: 0 }
    }
    return NEVER
  }

  /** An alarm byte's value, -1 for any. */
  #alarm(register: number): number {
    const byte = this.CMOS[register]
    if ((byte & ALARM_ANY) === ALARM_ANY) return -1
    return register === RTC.HOURS_ALARM ? this.#decodeHours(byte) : this.#decodeByte(byte)
  }
}

const NEVER: UnixTime = { seconds: Infinity, nanoseconds: 0 }

/** Seconds that a Date can hold, either way. */
const SECONDS_MAX = 8.64e12

const readTime = (s: StateReader): UnixTime => {
  const seconds = s.integer('seconds', -SECONDS_MAX, SECONDS_MAX)
  const nanoseconds = s.integer('nanoseconds', 0, NS - 1)
  s.end()
  return { seconds, nanoseconds }
}

const add = (a: UnixTime, b: UnixTime): UnixTime => {
  const nanoseconds = a.nanoseconds + b.nanoseconds
  const carry = Math.floor(nanoseconds / NS)
  return { seconds: a.seconds + b.seconds + carry, nanoseconds: nanoseconds - carry * NS }
}

const isAfter = (a: UnixTime, b: UnixTime): boolean =>
  a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds)

/** Nanoseconds from `now` to `then`, Infinity for never. */
const until = (now: UnixTime, then: UnixTime): number =>
  then.seconds === Infinity ? Infinity : (then.seconds - now.seconds) * NS + then.nanoseconds - now.nanoseconds
