/** A kind of hostile guest or file. A round depends on nothing but the seed and its index. */
export interface Family {
  /** Throws when something is wrong with the host's side. */
  round(seed: number, index: number): void
  /** What the rounds so far did, for a person. */
  readonly done: string
}

/** Fails when the host's side was busy for too long: a guest may waste its own time, not the host's. */
export class Stopwatch {
  longestMs = 0
  readonly #limitMs: number

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  time<T>(what: string, work: () => T): T {
    const start = performance.now()
    const result = work()
    const ms = performance.now() - start
    this.longestMs = Math.max(this.longestMs, ms)
    if (ms > this.#limitMs) throw new Error(`${what} took ${ms.toFixed(0)} ms`)
    return result
  }
}
