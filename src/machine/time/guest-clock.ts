/**
 * Guest time: nanoseconds since power-on, which the TSC, the timers of all devices and the RTC follow, so that a guest that
 * holds one against the other finds them agreed. Two implementations (docs/decisions/0011-clocks.md):
 *
 * `CountedClock` (icount): instructions, what device accesses are charged, and what HLT jumped over.
 * `WallClock` (wall): the host's monotonic time, made fit for a guest to look at.
 */
import type { MachineHost } from '../machine.ts'

/** What a clock needs to know of the CPU. */
export interface InstructionCount {
  /** Instructions since power-on. */
  readonly retired: number
  /** Nanoseconds charged for device accesses since power-on. */
  readonly charged: number
}

/** Time that went by in HLT. */
export interface Rest {
  /** Guest nanoseconds that have gone by. */
  readonly passedNs: number
  /** Host nanoseconds to sleep before there is anything to do; 0: go on at once. */
  readonly sleepNs: number
  /** Guest time jumped ahead of the host's, which may want to wait for it. */
  readonly jumped: boolean
}

export interface GuestClock {
  /** Nanoseconds that a device access takes besides its instruction. */
  readonly accessCost: number
  /** Guest time begins at `ns`: 0 at power-on. */
  start(ns: number): void
  /** Guest nanoseconds since power-on, as of the last `look`. */
  now(): number
  /** A guest is about to see the time, or the machine to act on it. */
  look(): void
  /** How long the CPU may run, in instructions and charges, until the machine looks again. At least 1. */
  chunk(deadline: number): number
  /** The CPU halts; nothing can happen before `deadline`. */
  rest(deadline: number): Rest
  /** Seconds and nanoseconds since 1970-01-01 UTC, for the RTC. */
  unix(): { readonly seconds: number; readonly nanoseconds: number }
}

/** Guest time is exact in whole nanoseconds up to here, 2^53 ns or 104 days: a machine that comes so far has come to its end. */
export const LAST_NS = Number.MAX_SAFE_INTEGER - 1e12

/** Time between two looks at the host's clock, which tells `run` when to return: 0.2 to 1 ms. */
const COUNTED_CHUNK = 100_000
/**
 * What a device access takes under icount: the exit to a VMM and back, about a microsecond on real microVMs. Delay loops
 * that poll a timer then cost what they cost there, and not a host's whole millisecond per guest millisecond.
 */
const COUNTED_ACCESS_NS = 1000

export class CountedClock implements GuestClock {
  readonly accessCost = COUNTED_ACCESS_NS
  readonly #count: () => InstructionCount | undefined
  readonly #epoch: number
  #skipped = 0

  /** `count` has nothing to say before there is a CPU; `epoch` is the RTC's start, seconds since 1970 UTC. */
  constructor(count: () => InstructionCount | undefined, epoch: number) {
    this.#count = count
    this.#epoch = epoch
  }

  start(ns: number): void {
    const count = this.#count()
    this.#skipped = count === undefined ? ns : ns - count.retired - count.charged
  }
  now(): number {
    const count = this.#count()
    return count === undefined ? 0 : count.retired + count.charged + this.#skipped
  }
  look(): void {}
  chunk(deadline: number): number {
    return Math.min(COUNTED_CHUNK, Math.max(1, Math.ceil(deadline - this.now())))
  }
  rest(deadline: number): Rest {
    if (deadline === Infinity) return { passedNs: 0, sleepNs: Infinity, jumped: false }
    const passedNs = Math.max(0, Math.ceil(Math.min(deadline, LAST_NS + 1) - this.now()))
    this.#skipped += passedNs
    return { passedNs, sleepNs: 0, jumped: true }
  }
  unix() {
    const ns = this.now()
    return { seconds: this.#epoch + Math.floor(ns / 1e9), nanoseconds: Math.floor(ns % 1e9) }
  }
}

/**
 * The most that guest time moves on between two looks while the guest runs. What a host that was busy elsewhere is late, the
 * guest is given in such steps: one that polls an i8254 of 10 ms sees no whole period go by between two reads, and its count
 * of them, and so its idea of the TSC's rate, stays right. Looks are at most CHUNK_NS apart, so it always catches up.
 */
const STEP_NS = 1e6
/** Guest time between two looks of the machine, also its timers' granularity while the guest computes. */
const CHUNK_NS = 2e5
const CHUNK_LEAST = 500
const CHUNK_MOST = 20_000
/** HLT for less than this is waited out: no host sleeps that briefly. */
const SPIN_NS = 20_000
/** A host that comes back later than this slept: the guest did too, and is not given all its timer ticks after the fact. */
const SLEPT_NS = 600e9
/** Nanoseconds an instruction takes until that has been measured. */
const FIRST_RATE = 10
/** How much of a new measurement goes into the rate. */
const RATE_WEIGHT = 1 / 8
/** The RTC follows guest time while both are so close, and the host's calendar when that was set or the machine stood still. */
const CALENDAR_MS = 1500

/**
 * The host's clock ticks as browsers allow: every 5 us, every millisecond (WebKit), every 100 ms (Firefox resisting
 * fingerprinting). Between two ticks guest time goes on with the instructions, at the rate that was measured over the last
 * ones, and never past where the next tick can be; so it is smooth, does not drift, and never goes back.
 */
export class WallClock implements GuestClock {
  readonly accessCost = 0
  readonly #host: Pick<MachineHost, 'monotonicNs' | 'unixMs'>
  readonly #count: () => InstructionCount | undefined
  /** Host time at guest time 0. */
  #origin = 0
  #now = 0
  /** The host's time when it last ticked, in guest time, and the instructions by then. */
  #tick = 0
  #retiredAtTick = 0
  /** The shortest step that the host's clock was seen to make. */
  #resolution = Infinity
  /** Nanoseconds an instruction takes. */
  #rate = FIRST_RATE
  /** The CPU halted since the last tick: the time since says nothing of the rate. */
  #rested = false
  /** Milliseconds since 1970 at guest time 0. */
  #calendar = 0

  constructor(host: Pick<MachineHost, 'monotonicNs' | 'unixMs'>, count: () => InstructionCount | undefined) {
    this.#host = host
    this.#count = count
    this.start(0)
  }

  start(ns: number): void {
    this.#origin = this.#host.monotonicNs() - ns
    this.#now = this.#tick = ns
    this.#retiredAtTick = this.#count()?.retired ?? 0
    this.#rested = true
    this.#calendar = this.#host.unixMs() - ns / 1e6
  }
  now(): number {
    return this.#now
  }

  look(): void {
    const target = this.#reached()
    // Two looks never see the same time, as two RDTSC do not.
    this.#now = Math.max(this.#now + 1, Math.min(target, this.#now + STEP_NS))
  }

  chunk(): number {
    return Math.min(CHUNK_MOST, Math.max(CHUNK_LEAST, Math.floor(CHUNK_NS / this.#rate)))
  }

  /** Goes on to the deadline or to the host's time, whichever comes first: a late host delivers every tick of a timer. */
  rest(deadline: number): Rest {
    this.#rested = true
    const before = this.#now
    const host = this.#reached()
    this.#now = Math.max(before, Math.min(host, deadline))
    const left = deadline - this.#now
    return { passedNs: this.#now - before, sleepNs: left > SPIN_NS ? left : 0, jumped: false }
  }

  unix() {
    const behindMs = (this.#host.monotonicNs() - this.#origin - this.#now) / 1e6
    const calendar = this.#host.unixMs() - behindMs - this.#now / 1e6
    if (Math.abs(calendar - this.#calendar) > CALENDAR_MS) this.#calendar = calendar
    const ms = this.#calendar + this.#now / 1e6
    return { seconds: Math.floor(ms / 1000), nanoseconds: Math.floor((ms % 1000) * 1e6) }
  }

  /** What the host's clock says, or would say between its ticks. */
  #reached(): number {
    const retired = this.#count()?.retired ?? 0
    const host = this.#host.monotonicNs() - this.#origin
    if (host > this.#now + SLEPT_NS) {
      this.#origin += host - this.#now
      this.#tick = this.#now
      this.#retiredAtTick = retired
      return this.#now
    }
    const step = host - this.#tick
    if (step > 0) {
      const instructions = retired - this.#retiredAtTick
      if (!this.#rested && instructions > 0) this.#rate += (step / instructions - this.#rate) * RATE_WEIGHT
      this.#resolution = Math.min(this.#resolution, step)
      this.#tick = host
      this.#retiredAtTick = retired
      this.#rested = false
      return host
    }
    const sinceTick = Math.min((retired - this.#retiredAtTick) * this.#rate, this.#resolution - 1)
    return this.#tick + Math.max(0, sinceTick)
  }
}
