/**
 * Three clocks for one boot. The machine counts instructions; figures at the end of each slice, and HLT's events, say
 * what guest and wall time it was then. In between time is linear. Under icount a guest's nanosecond is an instruction
 * except in HLT, where guest time jumps and no instruction retires.
 */
import type { ClockTable } from './trace.ts'
import { grown } from './trace.ts'

export type Axis = 'guest' | 'instructions' | 'wall'

export interface ClockSample {
  readonly instructions: number
  readonly guestNs: number
  /** Host time since power-on, pauses left out; unknown: 0 throughout. */
  readonly wallNs: number
}

/** More are thinned: every second one goes. The two ends stay. */
const SAMPLES_MAX = 8192

export class ClockSamples implements ClockTable {
  length = 1
  instructions = new Float64Array(64)
  guestNs = new Float64Array(64)
  wallNs = new Float64Array(64)

  /** Samples that go backwards are held at the last one: a trace's clocks are monotonic. */
  add(instructions: number, guestNs: number, wallNs: number): void {
    const last = this.length - 1
    const i = Math.max(instructions, this.instructions[last])
    const n = Math.max(guestNs, this.guestNs[last])
    const w = Math.max(wallNs, this.wallNs[last])
    if (i === this.instructions[last] && n === this.guestNs[last] && w === this.wallNs[last]) return
    // Three in a row on one line: the middle one says nothing. Guest time is linear in instructions for whole slices.
    if (last > 0 && this.#onLine(last, i, n, w)) {
      this.#set(last, i, n, w)
      return
    }
    if (this.length === SAMPLES_MAX) this.#thin()
    if (this.length === this.instructions.length) {
      this.instructions = grown(this.instructions, this.length * 2)
      this.guestNs = grown(this.guestNs, this.length * 2)
      this.wallNs = grown(this.wallNs, this.length * 2)
    }
    this.#set(this.length++, i, n, w)
  }

  finish(): ClockTable {
    const { length } = this
    return {
      length,
      instructions: this.instructions.slice(0, length),
      guestNs: this.guestNs.slice(0, length),
      wallNs: this.wallNs.slice(0, length),
    }
  }

  #set(at: number, i: number, n: number, w: number): void {
    this.instructions[at] = i
    this.guestNs[at] = n
    this.wallNs[at] = w
  }

  #onLine(last: number, i: number, n: number, w: number): boolean {
    const dn = this.guestNs[last] - this.guestNs[last - 1]
    const di = this.instructions[last] - this.instructions[last - 1]
    const dw = this.wallNs[last] - this.wallNs[last - 1]
    if (dn <= 0) return false
    const f = (n - this.guestNs[last]) / dn
    return (
      Math.abs(this.instructions[last] + f * di - i) < 0.5 &&
      Math.abs(this.wallNs[last] + f * dw - w) <= 0.02 * (f * dw)
    )
  }

  #thin(): void {
    let kept = 1
    for (let i = 2; i < this.length - 1; i += 2)
      this.#set(kept++, this.instructions[i], this.guestNs[i], this.wallNs[i])
    const last = this.length - 1
    this.#set(kept++, this.instructions[last], this.guestNs[last], this.wallNs[last])
    this.length = kept
  }
}

/** One clock's reading when another one shows `value`; beyond the ends it stands still. */
const interpolate = (from: Float64Array, to: Float64Array, length: number, value: number): number => {
  if (length === 0) return value
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (from[middle] <= value) low = middle + 1
    else high = middle
  }
  if (low === 0) return to[0]
  if (low === length) return to[length - 1]
  const span = from[low] - from[low - 1]
  return span <= 0 ? to[low] : to[low - 1] + ((to[low] - to[low - 1]) * (value - from[low - 1])) / span
}

export const wallAt = (clock: ClockTable, guestNs: number): number =>
  interpolate(clock.guestNs, clock.wallNs, clock.length, guestNs)
export const instructionsAt = (clock: ClockTable, guestNs: number): number =>
  interpolate(clock.guestNs, clock.instructions, clock.length, guestNs)
export const guestNsAt = (clock: ClockTable, axis: Axis, value: number): number =>
  axis === 'guest'
    ? value
    : interpolate(axis === 'wall' ? clock.wallNs : clock.instructions, clock.guestNs, clock.length, value)
/** A moment of guest time on an axis. */
export const onAxis = (clock: ClockTable, axis: Axis, guestNs: number): number =>
  axis === 'guest' ? guestNs : axis === 'wall' ? wallAt(clock, guestNs) : instructionsAt(clock, guestNs)

/** Does the trace know wall time? Imported ones do not. */
export const hasWall = (clock: ClockTable): boolean => clock.length > 0 && clock.wallNs[clock.length - 1] > 0

/** A clock for traces that know one time only: instructions and wall as given, or the same and none. */
export const simpleClock = (endNs: number, endInstructions = endNs): ClockTable => ({
  length: 2,
  instructions: Float64Array.of(0, endInstructions),
  guestNs: Float64Array.of(0, endNs),
  wallNs: Float64Array.of(0, 0),
})
