/** The time-stamp counter: guest time in nanoseconds, one a tick (leaf 15H says so), from where the guest has set it (SDM 3B 17.17). */
export class Tsc {
  readonly #now: () => number
  /** What the guest's writes have put it ahead of guest time. */
  offset = 0n

  /** `now` is guest nanoseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  read(): bigint {
    return BigInt(Math.floor(this.#now())) + this.offset
  }
  write(value: bigint): void {
    this.offset = value - BigInt(Math.floor(this.#now()))
  }
  /** The guest time at which it reads so. */
  toNs(tsc: number): number {
    return tsc - Number(this.offset)
  }
}
