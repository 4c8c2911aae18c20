/**
 * Guest time for devices. `now` is the machine's clock (icount or wall, devices cannot tell); a Timer calls back once
 * guest time reaches its deadline. Nothing here knows real time.
 */
export interface Timer {
  /** Guest nanoseconds since power-on at which to fire; replaces an earlier deadline. */
  arm(deadline: number): void
  cancel(): void
  /** Infinity when not armed. */
  readonly deadline: number
  /** The deadline that `save` gave, Infinity for none. */
  load(deadline: number): void
}

const FIRED_MOST = 1000

export class Timers {
  /** Guest nanoseconds since power-on. */
  readonly now: () => number
  /** Called when the earliest deadline may have moved closer; the engine shortens its slice. */
  onArmed: () => void = () => {}
  readonly #timers: TimerSlot[] = []

  constructor(now: () => number) {
    this.now = now
  }

  create(fire: () => void): Timer {
    const slot = new TimerSlot(fire, () => this.onArmed())
    this.#timers.push(slot)
    return slot
  }

  /** The earliest deadline, Infinity when no timer is armed. */
  get next(): number {
    let next = Infinity
    for (const t of this.#timers) if (t.deadline < next) next = t.deadline
    return next
  }

  /**
   * Fires every timer whose deadline has come, earliest first; a callback may arm again. One that has a lot to catch up with,
   * or does not move on at all, is left for the next time: nobody may take the host's loop away.
   */
  expire(): void {
    for (let fired = 0; fired < FIRED_MOST; fired++) {
      let due: TimerSlot | undefined
      for (const t of this.#timers) if (t.deadline < (due?.deadline ?? Infinity)) due = t
      if (due === undefined || due.deadline > this.now()) return
      due.cancel()
      due.fire()
    }
  }
}

class TimerSlot implements Timer {
  deadline = Infinity
  readonly fire: () => void
  readonly #armed: () => void
  constructor(fire: () => void, armed: () => void) {
    this.fire = fire
    this.#armed = armed
  }
  arm(deadline: number): void {
    this.deadline = deadline
    this.#armed()
  }
  cancel(): void {
    this.deadline = Infinity
  }
  load(deadline: number): void {
    this.deadline = deadline
  }
}
