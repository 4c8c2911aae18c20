/** Guest time within a slice, whose events carry instruction counts: what is known of it, and straight lines in between. */
import { ClockSamples } from '../model/clock.ts'
import type { ClockTable } from '../model/trace.ts'
import { CALL_EVENT_WORDS, type CallEventBatch, CallEventKind } from './call-events.ts'

export class SliceClock {
  readonly #samples = new ClockSamples()
  /** Record offset of each idle event that has a knot, by knot; -1 for the slice's end. */
  knotEvent: readonly number[] = []

  table(): ClockTable {
    return this.#samples.finish()
  }

  /** Where guest time is known in this slice: at clock readings, at HLT's events if they say so, and at the end. */
  knots(
    words: Uint32Array,
    clock: CallEventBatch['clock'],
    sinceI: number,
    sinceN: number,
  ): readonly [readonly number[], readonly number[]] {
    const knotI: number[] = []
    const knotN: number[] = []
    const knotEvent: number[] = []
    const { length } = words
    const lastI = length > 0 ? words[length - 1] * 4294967296 + words[length - 2] : 0
    const endI = Math.max(sinceI, clock?.instructions ?? 0, lastI)
    const endN = clock?.guestNs
    /** HLT left without a time, and where it was entered. */
    const untold: { readonly enter: number; readonly leave: number }[] = []
    let enter = -1
    for (let at = 0; at < length; at += CALL_EVENT_WORDS) {
      if (words[at] < CallEventKind.IdleEnter) continue
      if (words[at] > CallEventKind.Clock) continue
      const ns = words[at + 3] * 4294967296 + words[at + 2]
      const i = words[at + 7] * 4294967296 + words[at + 6]
      if (ns > 0) {
        const before = knotN.at(-1) ?? sinceN
        knotI.push(Math.max(i, knotI.at(-1) ?? sinceI))
        knotN.push(Math.max(before, endN === undefined ? ns : Math.min(ns, endN)))
        knotEvent.push(at)
      } else if (words[at] === CallEventKind.IdleEnter) enter = at
      else if (words[at] === CallEventKind.IdleLeave) {
        untold.push({ enter, leave: at })
        enter = -1
      }
    }
    if (knotI.length === 0 && untold.length > 0 && endN !== undefined) {
      // HLT's share is what instructions do not explain, at a nanosecond each, in equal parts.
      const gap = Math.max(0, endN - sinceN - (endI - sinceI)) / untold.length
      for (const [k, { enter, leave }] of untold.entries()) {
        const i = Math.max(words[leave + 7] * 4294967296 + words[leave + 6], sinceI)
        knotI.push(i, i)
        knotN.push(sinceN + (i - sinceI) + gap * k, sinceN + (i - sinceI) + gap * (k + 1))
        knotEvent.push(enter, leave)
      }
    }
    knotI.push(Math.max(endI, knotI.at(-1) ?? 0))
    const since = (knotN.at(-1) ?? sinceN) + (endI - (knotI.at(-2) ?? sinceI))
    knotN.push(endN === undefined ? since : Math.max(endN, knotN.at(-1) ?? sinceN))
    knotEvent.push(-1)
    this.knotEvent = knotEvent

    const wall0 = this.#samples.wallNs[this.#samples.length - 1]
    const wall1 = Math.max(wall0, clock?.wallNs ?? 0)
    const n0 = sinceN
    const n1 = knotN.at(-1)!
    for (let k = 0; k < knotI.length; k++) {
      const n = knotN[k]!
      this.#samples.add(knotI[k]!, n, n1 > n0 ? wall0 + ((wall1 - wall0) * (n - n0)) / (n1 - n0) : wall1)
    }
    return [knotI, knotN]
  }

  /** Guest ns at an instruction count of this slice or an earlier one. */
  nsAt(instructions: number): number {
    const { length, instructions: xs, guestNs } = this.#samples
    let low = 0
    let high = length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (xs[middle] <= instructions) low = middle + 1
      else high = middle
    }
    if (low === 0) return 0
    if (low === length) return guestNs[length - 1]
    return (
      guestNs[low - 1] + ((guestNs[low] - guestNs[low - 1]) * (instructions - xs[low - 1])) / (xs[low] - xs[low - 1])
    )
  }
}
