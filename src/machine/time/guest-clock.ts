/**
 * Guest time: nanoseconds since power-on, which the TSC, the timers of all devices and the RTC follow, so that a guest that
 * holds one against the other finds them agreed. Two implementations (docs/decisions/0011-clocks.md):
 *
 * `CountedClock` (icount): instructions, what device accesses are charged, and what HLT jumped over.
 * `WallClock` (wall): the host's monotonic time, made fit for a guest to look at.
 */
import type { MachineSettings } from '../../settings/settings.ts'
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
  /** Whole guest nanoseconds since power-on, as of the last `look`. */
  now(): number
  /**
   * The machine is run again, or asked something while it is not: the host was elsewhere meanwhile. `deadline`: of the next
   * timer, with `halted`, when the CPU waits in HLT.
   */
  resume(halted: boolean, deadline: number): void
  /** The machine acts on the time next. */
  look(): void
  /** The guest sees the time next: it reads the TSC, or a device that tells time. */
  show(): void
  /** How long the CPU may run, in instructions and charges, until the machine looks again. At least 1. */
  chunk(deadline: number): number
  /** The CPU halts; nothing can happen before `deadline`. */
  rest(deadline: number): Rest
  /** Seconds and nanoseconds since 1970-01-01 UTC, for the RTC. */
  unix(): { readonly seconds: number; readonly nanoseconds: number }
}

/** The clock that a machine is set to. `count` has nothing to say before there is a CPU; `deadline` is the next timer's. */
export const guestClock = (
  { clock, epoch }: Pick<MachineSettings, 'clock' | 'epoch'>,
  host: Pick<MachineHost, 'monotonicNs' | 'unixMs'>,
  count: () => InstructionCount | undefined,
  deadline: () => number,
): GuestClock => (clock === 'wall' ? new WallClock(host, count, deadline) : new CountedClock(count, epoch))

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
  resume(): void {}
  look(): void {}
  show(): void {}
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

/** What is taken for an instruction's and a device access's time, until the pace says how long they really take. */
const INSTRUCTION_NS = 10
const WALL_ACCESS_NS = 100
/** Guest time between two looks of the machine, also its timers' granularity while the guest computes. */
const CHUNK_NS = 2e5
const CHUNK_LEAST = 500
const CHUNK_MOST = 20_000
/** HLT for less than this is waited out: no host sleeps that briefly. */
const SPIN_NS = 20_000
/** A host that comes back later than this slept: the guest did too, and is not given all its timer ticks after the fact. */
const SLEPT_NS = 600e9
/** The pace is measured over so much host time, which one measurement may change by so much. */
const PACE_NS = 5e6
const PACE_STEP = 1.5
/** Guest time that is behind or ahead by this much goes twice as fast, or stops; by half of it 1.5 times, and so on. */
const LAG_NS = 20e6
const SLOWEST = 0.2
/**
 * From one look at a clock to the next, a loop that polls one takes so long, or more in proportion to what it does; more than
 * that only once guest time is far behind. A guest's reckoning (NetBSD takes the time of an empty delay from that of a
 * thousand others) wants equal turns more than right ones.
 */
const POLL_NS = 200
const POLL_WORK = 50_000
const POLL_PACE = 1
const POLL_LAG_NS = 400e6
/**
 * While guest time is behind by less than this it stops at every deadline on its way too, so that no tick of a timer is merged
 * with the next. A guest whose timer is faster than its handler would never catch up.
 */
const EVERY_TICK_NS = 10e9
/** The RTC follows guest time while both are so close, and the host's calendar when that was set or the machine stood still. */
const CALENDAR_MS = 1500

/**
 * Guest time goes on with what the guest does, instructions and device accesses, at a pace that keeps it with the host's
 * monotonic time. A kernel that counts turns of a loop, reads of an i8254 or of its TSC finds them even, whatever the host does
 * meanwhile: that it was busy elsewhere for 30 ms, or had to decode and compile, shows as nothing in the guest's arithmetic,
 * and is caught up over the next tens of milliseconds. (Read straight off the host such pauses let whole periods of a timer
 * go by between two reads: NetBSD took a TSC of 1 GHz for one of 1.1 to 4.2.) In HLT there is nothing to count: there guest
 * time is the host's, but stops at every deadline, so that a late host delivers all ticks of a timer.
 *
 * The host's clock may tick as coarsely as browsers please: every 5 us, every millisecond (WebKit), every 100 ms (Firefox
 * resisting fingerprinting).
 */
export class WallClock implements GuestClock {
  readonly accessCost = WALL_ACCESS_NS
  readonly #host: Pick<MachineHost, 'monotonicNs' | 'unixMs'>
  readonly #count: () => InstructionCount | undefined
  readonly #deadline: () => number
  /** Host time at guest time 0. */
  #origin = 0
  #now = 0
  /** What the guest had done at the last look, in the nanoseconds that it is taken for. */
  #done = 0
  /** The guest saw the time then. */
  #wasShown = false
  /** Guest nanoseconds for one of those. */
  #pace = 1
  /** Host time of the last look. */
  #looked = 0
  /** What the pace is measured by: host time outside of HLT, and what was done in it. */
  #tookHost = 0
  #tookDone = 0
  /** The CPU halted since the last look: no time to take the pace from. */
  #rested = false
  /** Milliseconds since 1970 at guest time 0. */
  #calendar = 0

  /** `deadline` is the next timer's, Infinity without one. */
  constructor(
    host: Pick<MachineHost, 'monotonicNs' | 'unixMs'>,
    count: () => InstructionCount | undefined,
    deadline: () => number = () => Infinity,
  ) {
    this.#host = host
    this.#count = count
    this.#deadline = deadline
    this.start(0)
  }

  start(ns: number): void {
    this.#origin = this.#host.monotonicNs() - ns
    this.#now = ns
    this.#calendar = this.#host.unixMs() - ns / 1e6
    this.#measureFrom(ns)
  }
  now(): number {
    return this.#now
  }

  resume(halted: boolean, deadline: number): void {
    const host = this.#hostTime()
    if (halted) this.#now = Math.max(this.#now, Math.min(host, Math.ceil(deadline)))
    // Time outside of the machine says nothing of its pace.
    this.#measureFrom(host)
  }
  look(): void {
    this.#goOn(false)
  }
  show(): void {
    this.#goOn(true)
  }

  #goOn(isShown: boolean): void {
    const host = this.#hostTime()
    const done = this.#work()
    if (this.#rested) this.#measureFrom(host)
    else this.#measure(host, done)
    const lag = host - this.#now
    const work = done - this.#done
    let step = work * this.#pace * Math.max(SLOWEST, 1 + lag / LAG_NS)
    if (isShown || (this.#wasShown && work < POLL_WORK))
      step = Math.min(step, Math.max(POLL_NS, work * POLL_PACE) * Math.max(1, lag / POLL_LAG_NS))
    if (lag < EVERY_TICK_NS) {
      const left = this.#deadline() - this.#now
      if (left > 0) step = Math.min(step, left)
    }
    // Nobody sees the same time twice, as two RDTSC do not.
    this.#now += Math.max(1, Math.floor(step))
    this.#done = done
    this.#wasShown = isShown
  }

  chunk(): number {
    return Math.min(CHUNK_MOST, Math.max(CHUNK_LEAST, Math.floor(CHUNK_NS / (INSTRUCTION_NS * this.#pace))))
  }

  rest(deadline: number): Rest {
    const before = this.#now
    this.resume(true, deadline)
    this.#rested = true
    const left = deadline - this.#hostTime()
    return { passedNs: this.#now - before, sleepNs: left > SPIN_NS ? left : 0, jumped: false }
  }

  unix() {
    const behindMs = (this.#hostTime() - this.#now) / 1e6
    const calendar = this.#host.unixMs() - behindMs - this.#now / 1e6
    if (Math.abs(calendar - this.#calendar) > CALENDAR_MS) this.#calendar = calendar
    const ms = this.#calendar + this.#now / 1e6
    return { seconds: Math.floor(ms / 1000), nanoseconds: Math.floor((ms % 1000) * 1e6) }
  }

  #work(): number {
    const count = this.#count()
    return count === undefined ? 0 : count.retired * INSTRUCTION_NS + count.charged
  }

  #measureFrom(host: number): void {
    this.#rested = false
    this.#done = this.#work()
    this.#looked = host
  }
  /** A guest that works for a moment between two rests is measured over many of them. */
  #measure(host: number, done: number): void {
    this.#tookHost += host - this.#looked
    this.#tookDone += done - this.#done
    this.#looked = host
    if (this.#tookHost < PACE_NS) return
    const measured = this.#tookHost / Math.max(1, this.#tookDone)
    this.#pace = Math.min(this.#pace * PACE_STEP, Math.max(this.#pace / PACE_STEP, measured))
    this.#tookHost = 0
    this.#tookDone = 0
  }

  #hostTime(): number {
    const host = Math.floor(this.#host.monotonicNs() - this.#origin)
    if (host < this.#now + SLEPT_NS) return host
    this.#origin += host - this.#now
    this.#looked = this.#now
    return this.#now
  }
}
