/** A clock for device tests that moves only when told, and lines and transmitters that remember. */
import type { InterruptLine } from '../../../interrupt-line.ts'
import { Timers } from '../../../timers.ts'

export class TestClock {
  ns = 0
  readonly timers = new Timers(() => this.ns)

  /** Guest time goes on by `ns`, stopping at every deadline on the way. */
  advance(ns: number): void {
    const end = this.ns + ns
    while (this.timers.next <= end) {
      this.ns = Math.max(this.ns, this.timers.next)
      this.timers.expire()
    }
    this.ns = end
  }
}

export class TestLine implements InterruptLine {
  level = false
  /** Rising edges so far. */
  edges = 0
  /** Called at each rising edge. */
  onEdge: () => void = () => {}

  set(level: boolean): void {
    const rises = level && !this.level
    this.level = level
    if (!rises) return
    this.edges++
    this.onEdge()
  }
}
