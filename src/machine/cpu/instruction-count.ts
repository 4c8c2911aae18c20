/** How many instructions have retired, exact at any moment, and how many more may before the loop looks up. */
import type { CpuState } from '../state/cpu-state.ts'
import { BUDGET, TRACE_END } from '../state/layout.ts'

export class InstructionCount {
  readonly #state: CpuState
  readonly #traced: boolean
  /** Retired before the current slice. */
  #before = 0
  /** Budget given to the current slice. */
  #granted = 0
  /** The engine has the budget: between `grant` and `settle`. */
  running = false

  constructor(state: CpuState, traced: boolean) {
    this.#state = state
    this.#traced = traced
  }

  /** Since power-on. */
  get retired(): number {
    return this.running ? this.#before + this.#granted - this.#state.get32(BUDGET) : this.#before
  }
  /** So many have, and nothing is granted. */
  begin(retired: number): void {
    this.#before = retired
    this.#granted = 0
  }
  /** The next slice may retire `n`. */
  grant(n: number): void {
    this.#state.set32(BUDGET, n)
    this.#granted = n
    this.#tellTrace()
  }
  /** The slice has ended: what it used is retired. */
  settle(): void {
    this.#before += this.#granted - this.#state.get32(BUDGET)
  }
  /** The loop has counted what did not retire. */
  uncount(): void {
    this.#before--
  }
  /** What is left of the running slice, to be used up by something that is no instruction. */
  get left(): number {
    return this.#state.get32(BUDGET)
  }
  /** Of the running slice at most `to` is left. */
  shorten(to: number): void {
    const { left } = this
    if (!this.running || left <= to) return
    this.#granted -= left - to
    this.#state.set32(BUDGET, to)
    this.#tellTrace()
  }
  #tellTrace(): void {
    if (this.#traced) this.#state.set64(TRACE_END, BigInt(this.#before + this.#granted))
  }
}
