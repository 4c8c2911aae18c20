/**
 * When the last state of the running machine is kept: once it has come to rest after something happened, now and then while it is
 * busy, and when the page goes out of sight. One tab's machine is the browser's last one: the tab holds a lock as long.
 */

/** No key and no console byte for so long. */
const REST_MS = 1000
/** Writing costs the guest a tenth of a second: not more often than this. */
const EVERY_MS = 5000
/** Of a machine that does not come to rest. */
const BUSY_EVERY_MS = 30_000
const TICK_MS = 500
/** A page that was just left lets its lock go a little later. */
const LOCK_WAIT_MS = 1000
const LOCK = 'playground-last-machine'

export interface LastStateParts {
  /** The person wants it, and the machine there is can be kept: it runs, and its disks are not kept by themselves. */
  readonly isWanted: () => boolean
  /** Asks the machine for its state; `took` is told when that has been stored, or could not be. */
  readonly ask: () => void
  /** Another tab's machine is the one that is kept. */
  readonly onTaken: () => void
}

export class LastState {
  readonly #parts: LastStateParts
  #changed = false
  #touchedMs = 0
  #keptMs = Number.NEGATIVE_INFINITY
  #isAsking = false
  #gaveUp = false
  #isStored = false
  #letGo: (() => void) | undefined

  constructor(parts: LastStateParts) {
    this.#parts = parts
    setInterval(() => void this.#keepIfDue(false), TICK_MS)
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') void this.#keepIfDue(true)
    })
  }

  /** All that has happened is kept. */
  get isSafe(): boolean {
    return this.#parts.isWanted() && this.#isStored && !this.#changed && !this.#isAsking
  }

  /** Another machine, or somebody changed their mind: what failed before may not now. */
  begin(): void {
    this.#changed = true
    this.#gaveUp = false
    this.#isStored = false
    this.#keptMs = performance.now() - EVERY_MS
  }

  /** It said or was told something. */
  touched(): void {
    this.#changed = true
    this.#touchedMs = performance.now()
  }

  /** It works in silence. */
  worked(): void {
    this.#changed = true
  }

  took(isStored: boolean): void {
    this.#isAsking = false
    this.#keptMs = performance.now()
    this.#isStored = isStored
    this.#gaveUp = !isStored
  }

  get isHolder(): boolean {
    return this.#letGo !== undefined
  }

  /** Resolves with whether this tab's machine is the one to keep. */
  async hold(): Promise<boolean> {
    if (this.#letGo) return true
    return new Promise((resolve) => {
      const signal = AbortSignal.timeout(LOCK_WAIT_MS)
      navigator.locks
        .request(LOCK, { signal }, () => {
          resolve(true)
          return new Promise<void>((letGo) => {
            this.#letGo = letGo
          })
        })
        .catch(() => resolve(false))
    })
  }

  async #keepIfDue(now: boolean): Promise<void> {
    if (!this.#changed || this.#isAsking || this.#gaveUp || !this.#parts.isWanted()) return
    const sinceMs = performance.now() - this.#keptMs
    const rests = performance.now() - this.#touchedMs >= REST_MS
    if (!now && sinceMs < (rests ? EVERY_MS : BUSY_EVERY_MS)) return
    this.#isAsking = true
    if (await this.hold()) {
      this.#changed = false
      this.#parts.ask()
      return
    }
    this.#isAsking = false
    this.#gaveUp = true
    this.#parts.onTaken()
  }
}
