/**
 * How fast a console carries what the host sends: as a line of 115,200 bit/s while the guest keeps up, and much slower while
 * it has more to do. Neither a 16550A nor a virtio console tells the other side to stop, and behind each is a driver's buffer
 * of some hundred bytes that loses what it can't hold: a paste of 100 KB must not run ahead of a guest that is slow in its
 * own time, as any is under the wall clock on a busy host. A guest that has dealt with all it got waits in HLT: that is the
 * sign to go on.
 */
import type { StateReader } from './part.ts'
import type { Timer, Timers } from './timers.ts'

/** Ten bits at 115,200 bit/s. */
export const CHARACTER_NS = 86_806
/** For a guest that never waits: 500 characters a second, more than anyone types. */
export const BUSY_CHARACTER_NS = 2_000_000

export class InputPace {
  readonly #timers: Timers
  readonly #timer: Timer
  /** Guest ns at which the line has carried what it was given. */
  #lineFree = 0
  /** Guest ns from which the guest is taken to have dealt with it, unless it says so before. */
  #busyUntil = 0

  /** `go`: the next may be carried. */
  constructor(timers: Timers, go: () => void) {
    this.#timers = timers
    this.#timer = timers.create(go)
  }

  /** Whether more may be carried now; `go` is called once it may. */
  ask(): boolean {
    const free = Math.max(this.#lineFree, this.#busyUntil)
    if (this.#timers.now() >= free) return true
    this.#timer.arm(free)
    return false
  }

  carried(characters: number): void {
    const now = this.#timers.now()
    this.#lineFree = now + characters * CHARACTER_NS
    this.#busyUntil = now + characters * BUSY_CHARACTER_NS
  }

  /** Nothing is carried for so long. */
  hold(ns: number): void {
    this.#lineFree = Math.max(this.#lineFree, this.#timers.now() + ns)
  }

  /** The guest has nothing more to do. */
  guestWaits(): void {
    if (this.#busyUntil === 0) return
    this.#busyUntil = 0
    if (this.#timer.deadline !== Infinity) this.#timer.arm(Math.max(this.#lineFree, this.#timers.now()))
  }

  /** Nobody waits to be called. */
  cancel(): void {
    this.#timer.cancel()
  }

  reset(): void {
    this.#lineFree = 0
    this.#busyUntil = 0
    this.#timer.cancel()
  }

  save() {
    return { lineFree: this.#lineFree, busyUntil: this.#busyUntil, lineTimer: this.#timer.deadline }
  }

  load(state: StateReader): void {
    this.#lineFree = state.ns('lineFree')
    // Files of before 2026-12 know no busy guest.
    this.#busyUntil = state.has('busyUntil') ? state.ns('busyUntil') : 0
    this.#timer.load(state.nsOrNever('lineTimer'))
  }
}
