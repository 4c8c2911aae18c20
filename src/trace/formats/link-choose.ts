/**
 * What of a trace goes into a link: the longest spans (a span's parents are at least as long, so what is kept is whole
 * from the bottom up), the functions whose sums are worth their room, and the samples that bend the clock most.
 */
import { forEachSpan } from '../model/stacks.ts'
import type { ClockTable, SpanTable, Trace } from '../model/trace.ts'

/** Characters, fragment included. Mail and chat programs break longer links; 8 KiB is what servers take of a URL. */
export const LINK_BUDGET = 8000
/** A trace of fewer spans needs less room; shorter links survive more chat programs. */
const SMALL_TRACE = 5000
const SMALL_BUDGET = 4000
/** What came in a link is passed on whole. */
export const linkBudget = ({ spans, pruned }: Trace): number =>
  pruned === undefined && spans.length < SMALL_TRACE ? SMALL_BUDGET : LINK_BUDGET

const NAMES_WORTH_SUMS = 48
const CLOCK_KEPT = 24
/** A span takes more than a character. */
const SPANS_KEPT_MAX = LINK_BUDGET

/** What a trace's links have in common, whatever their length. */
export interface Draft {
  /** Spans by length, longest first; at equal length the outer one. No more than a link can hold. */
  readonly longest: Uint32Array
  /** Functions whose sums are written, drawn or not, the heaviest first. */
  readonly heavy: readonly number[]
  /** Samples of the clock. */
  readonly clock: readonly number[]
}

/** The link and its QR code are written one after the other. */
const drafts = new WeakMap<Trace, Draft>()

export const draftOf = (trace: Trace): Draft => {
  let draft = drafts.get(trace)
  if (draft === undefined) {
    const { self } = trace.functions
    const left = trace.pruned?.leftOut
    const heavy = [...trace.functions.names.keys()]
      .filter((func) => func !== left)
      .sort((a, b) => self[b] - self[a] || a - b)
    draft = {
      longest: longestSpans(trace.spans),
      heavy: heavy.slice(0, NAMES_WORTH_SUMS),
      clock: simplify(trace.clock),
    }
    drafts.set(trace, draft)
  }
  return draft
}

const longestSpans = ({ length, start, end, depth }: SpanTable): Uint32Array => {
  const ns = Float64Array.from({ length }, (_, k) => end[k] - start[k])
  // Numbers sort ten times faster than spans: find out first how long a span must be.
  const least = length > SPANS_KEPT_MAX ? ns.slice().sort()[length - SPANS_KEPT_MAX] : 0
  const candidates: number[] = []
  for (let k = 0; k < length; k++) if (ns[k] >= least) candidates.push(k)
  candidates.sort((a, b) => ns[b] - ns[a] || depth[a] - depth[b] || a - b)
  return Uint32Array.from(candidates.slice(0, SPANS_KEPT_MAX))
}

/** What a span takes in a real boot's link, roughly: where to look first. */
const CHARACTERS_PER_SPAN = 7

export interface Fit {
  readonly kept: number
  readonly fragment: string
}

/** As many spans as the budget holds, within a sixty-fourth: each try writes a link. Undefined: it is too long without any. */
export const mostThatFit = (most: number, budget: number, write: (kept: number) => string): Fit | undefined => {
  let [low, high] = [0, most]
  let best: Fit | undefined
  let next = Math.min(most, Math.floor(budget / CHARACTERS_PER_SPAN))
  for (;;) {
    const fragment = write(next)
    const room = budget - fragment.length
    if (room >= 0) {
      best = { kept: next, fragment }
      low = next + 1
    } else high = next - 1
    if (low > high || (best !== undefined && high - best.kept <= best.kept >> 6)) return best
    // Characters grow with spans, nearly in proportion; where the guess leaves what is possible, halving goes on.
    const guess = next + Math.floor(room / CHARACTERS_PER_SPAN)
    next = guess >= low && guess <= high ? guess : (low + high) >> 1
  }
}

/** Spans in the order in which the link has them: pre-order, lane by lane. */
export const linkOrder = (trace: Trace, chosen: Uint32Array): Uint32Array => {
  const { lane, start, depth } = trace.spans
  return chosen.slice().sort((a, b) => lane[a] - lane[b] || start[a] - start[b] || depth[a] - depth[b] || a - b)
}

/** Depth steps: 0 for one level deeper than the span before, k for k - 1 levels up from there. */
export const laneTree = (
  { lanes, spans }: Trace,
  order: Uint32Array,
  deepest: number,
): { readonly step: readonly number[]; readonly level: readonly number[]; readonly perLane: readonly number[] } => {
  const perLane = lanes.map(() => 0)
  const step: number[] = []
  const level: number[] = []
  let lane = -1
  let below = 0
  forEachSpan(
    spans,
    (k, _, at) => {
      if (spans.lane[k] !== lane) {
        lane = spans.lane[k]
        below = 0
      }
      perLane[lane]!++
      level.push(at)
      step.push(below - at)
      below = at + 1
    },
    undefined,
    { order, deepest },
  )
  return { step, level, perLane }
}

/** Up to CLOCK_KEPT samples, dropping those that a line between their neighbours explains best. */
const simplify = (clock: ClockTable): number[] => {
  const kept = Array.from({ length: clock.length }, (_, k) => k)
  const stride = Math.max(1, Math.floor(kept.length / 2048))
  let few = kept.filter((k) => k % stride === 0 || k === clock.length - 1)
  const error = (a: number, k: number, b: number): number => {
    const n = clock.guestNs
    const f = n[b] > n[a] ? (n[k] - n[a]) / (n[b] - n[a]) : 0
    const off = (values: Float64Array): number => Math.abs(values[a] + f * (values[b] - values[a]) - values[k])
    // Where guest time stands still (nothing to interpolate by) the instructions do not move either.
    return off(clock.instructions) + off(clock.wallNs) / 8
  }
  while (few.length > CLOCK_KEPT) {
    const errors = few.map((k, at) =>
      at === 0 || at === few.length - 1 ? Infinity : error(few[at - 1]!, k, few[at + 1]!),
    )
    const limit = errors.toSorted((a, b) => a - b)[Math.max(0, Math.floor((few.length - CLOCK_KEPT) / 2))]!
    let skipped = false
    const next = few.filter((_, at) => {
      // Never two neighbours at once: the second one's error was measured against the first.
      skipped = !skipped && errors[at]! <= limit
      return !skipped
    })
    if (next.length === few.length) break
    few = next
  }
  return few
}
