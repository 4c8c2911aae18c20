/** Where spans end: kept, or merged with short neighbours, so that there are never too many. */
import { SpanColumns, type SpanTable } from '../model/trace.ts'
import type { CallingContexts } from './calling-contexts.ts'
import {
  type Context,
  NODE,
  RUN_CALLS,
  RUN_FUNC,
  RUN_I0,
  RUN_I1,
  RUN_LONGEST,
  RUN_N0,
  RUN_N1,
  SEG_CALLS,
  SEG_I,
  SEG_N,
  STRIDE,
} from './context.ts'

export class SpanSink {
  readonly spans = new SpanColumns(4096)
  /** Shorter ones are merged or left out. */
  minSpanNs: number
  dropped = 0
  /** Open spans are being shown, to be taken back. */
  isSnapshot = false
  readonly #nodes: CallingContexts
  readonly #maxSpans: number
  /** Lanes whose spans are never merged. */
  readonly #kept: ReadonlySet<number>

  constructor(nodes: CallingContexts, maxSpans: number, minSpanNs: number, kept: ReadonlySet<number>) {
    this.#nodes = nodes
    this.#maxSpans = maxSpans
    this.minSpanNs = minSpanNs
    this.#kept = kept
  }

  /** The frame's span is over: kept, or merged into its parent's run of short ones. */
  endSegment(context: Context, top: number, i: number, n: number): void {
    const { frames } = context
    const start = frames[top + SEG_N]
    const ns = n - start
    const min = this.minSpanNs
    if (ns >= min) {
      if (frames[top + RUN_CALLS] > 0) this.emitRun(context, top)
      if (top > 0 && frames[top - STRIDE + RUN_CALLS] > 0) this.flushRun(context, top - STRIDE)
      const func = this.#nodes.func[frames[top + NODE]]
      const depth = context.baseDepth + top / STRIDE
      this.push(context.lane, depth, func, frames[top + SEG_I], i, start, n, frames[top + SEG_CALLS])
      return
    }
    this.dropped++
    if (top === 0) return
    const run = top - STRIDE
    if (frames[run + RUN_CALLS] > 0) {
      if (start - frames[run + RUN_N1] < min) {
        frames[run + RUN_I1] = i
        frames[run + RUN_N1] = n
        frames[run + RUN_CALLS] += frames[top + SEG_CALLS]
        if (ns > frames[run + RUN_LONGEST]) {
          frames[run + RUN_LONGEST] = ns
          frames[run + RUN_FUNC] = this.#nodes.func[frames[top + NODE]]
        }
        return
      }
      this.flushRun(context, run)
    }
    frames[run + RUN_I0] = frames[top + SEG_I]
    frames[run + RUN_I1] = i
    frames[run + RUN_N0] = start
    frames[run + RUN_N1] = n
    frames[run + RUN_CALLS] = frames[top + SEG_CALLS]
    frames[run + RUN_FUNC] = this.#nodes.func[frames[top + NODE]]
    frames[run + RUN_LONGEST] = ns
  }

  flushRun(context: Context, top: number): void {
    this.emitRun(context, top)
    context.frames[top + RUN_CALLS] = 0
  }

  emitRun(context: Context, top: number): void {
    const { frames } = context
    const calls = frames[top + RUN_CALLS]
    const start = frames[top + RUN_N0]
    const end = frames[top + RUN_N1]
    if (calls === 0 || end - start < this.minSpanNs) return
    const depth = context.baseDepth + top / STRIDE + 1
    const func = frames[top + RUN_FUNC]
    this.push(context.lane, depth, func, frames[top + RUN_I0], frames[top + RUN_I1], start, end, calls)
  }

  push(
    lane: number,
    depth: number,
    func: number,
    startI: number,
    endI: number,
    start: number,
    end: number,
    calls: number,
  ): void {
    this.spans.push(lane, depth, func, start, end, startI, endI, calls)
    if (this.isSnapshot) return
    // Inside one slice too: a slice may bring any number of events.
    if (this.spans.length >= this.#maxSpans * 2) this.compact()
  }

  /** Between slices. */
  settle(): void {
    if (this.spans.length > this.#maxSpans) this.compact()
  }

  /** Doubles the threshold until two thirds of the room suffice, merging neighbours that are now too short. */
  compact(): void {
    const goal = Math.floor(this.#maxSpans * 0.66)
    for (let rounds = 0; this.spans.length > goal && rounds < 64; rounds++) {
      this.minSpanNs *= 2
      this.dropped += mergeShort(this.spans, this.minSpanNs, this.#kept)
    }
  }
}

/** Merges neighbours shorter than `min` ns, in place; answers how many spans that saved. Lanes in `keep` are left alone. */
const mergeShort = (spans: SpanColumns, min: number, keep: ReadonlySet<number>): number => {
  const { length, lane, depth, func, start, end, startInstructions, endInstructions, calls } = spans
  let out = 0
  /** Per lane, pending runs by depth: indices of rows below `out`'s reach are free, so they are kept as values. */
  const pending: (number[] | undefined)[][] = []
  const put = (row: readonly number[]): void => {
    lane[out] = row[0]!
    depth[out] = row[1]!
    func[out] = row[2]!
    start[out] = row[3]!
    end[out] = row[4]!
    startInstructions[out] = row[5]!
    endInstructions[out] = row[6]!
    calls[out] = row[7]!
    out++
  }
  const flushFrom = (runs: (number[] | undefined)[], from: number): void => {
    for (let d = runs.length - 1; d >= from; d--) {
      const run = runs[d]
      if (run !== undefined && run[4]! - run[3]! >= min) put(run)
    }
    if (runs.length > from) runs.length = from
  }
  for (let k = 0; k < length; k++) {
    const l = lane[k]
    const d = depth[k]
    const ns = end[k] - start[k]
    let runs = pending[l]
    if (runs === undefined) runs = pending[l] = []
    if (runs.length > d + 1) flushFrom(runs, d + 1)
    if (ns >= min || keep.has(l)) {
      flushFrom(runs, d)
      put([l, d, func[k], start[k], end[k], startInstructions[k], endInstructions[k], calls[k]])
      continue
    }
    const run = runs[d]
    if (run !== undefined && start[k] - run[4]! < min) {
      run[4] = end[k]
      run[6] = endInstructions[k]
      run[7]! += calls[k]
      if (ns > run[8]!) {
        run[8] = ns
        run[2] = func[k]
      }
      continue
    }
    flushFrom(runs, d)
    while (runs.length < d) runs.push(undefined)
    runs[d] = [l, d, func[k], start[k], end[k], startInstructions[k], endInstructions[k], calls[k], ns]
  }
  for (const runs of pending) if (runs !== undefined) flushFrom(runs, 0)
  spans.length = out
  return length - out
}

/** Spans of at least `leastNs`, and fewer yet where they are more than `most`. */
export const longSpans = (spans: SpanTable, leastNs: number, most: number): SpanTable => {
  for (let least = leastNs; ; least *= 2) {
    let count = 0
    for (let k = 0; k < spans.length; k++) if (spans.end[k] - spans.start[k] >= least) count++
    if (count > most) continue
    const long = new SpanColumns(Math.max(1, count))
    const { lane, depth, func, start, end, startInstructions, endInstructions, calls } = spans
    for (let k = 0; k < spans.length; k++)
      if (end[k] - start[k] >= least)
        long.push(lane[k], depth[k], func[k], start[k], end[k], startInstructions[k], endInstructions[k], calls[k])
    return long.finish()
  }
}
