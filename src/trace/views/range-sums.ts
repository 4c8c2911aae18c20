/**
 * What functions took within a range of the trace: a stage, or what is visible. From the spans, cut at the range's ends:
 * of calls that were drawn as one it says what their span says. Spans of a lane go on while an interrupt is served and
 * while the CPU is halted; that time is not theirs, as it is not in the sums of the whole trace.
 */
import { onAxis } from '../model/clock.ts'
import { isCpuLane, type LaneKind } from '../model/lanes.ts'
import { forEachSpan, openingOrder } from '../model/stacks.ts'
import { type FunctionTable, NO_FUNCTION, type Trace } from '../model/trace.ts'

export type FunctionSums = Pick<FunctionTable, 'calls' | 'self' | 'total' | 'selfInstructions' | 'totalInstructions'>

/** Lanes whose spans lie over another lane's. */
const OVER: ReadonlySet<LaneKind> = new Set(['interrupts', 'idle'])

/** Time before a moment that was spent over other lanes. */
type Spent = (before: number) => number

interface Prepared {
  readonly order: Uint32Array
  readonly spentNs: Spent
  readonly spentInstructions: Spent
}

const spentOver = (trace: Trace, order: Uint32Array, start: Float64Array, end: Float64Array): Spent => {
  const { spans, lanes } = trace
  const outermost: number[] = []
  forEachSpan(
    spans,
    (span, around) => {
      if (around < 0 && OVER.has(lanes[spans.lane[span]]!.kind)) outermost.push(span)
    },
    undefined,
    { order },
  )
  outermost.sort((a, b) => start[a] - start[b])
  const from: number[] = []
  const to: number[] = []
  /** Before `from`. */
  const sum: number[] = []
  for (const span of outermost) {
    const last = to.length - 1
    if (last >= 0 && start[span] <= to[last]!) {
      to[last] = Math.max(to[last]!, end[span])
      continue
    }
    sum.push(last < 0 ? 0 : sum[last]! + to[last]! - from[last]!)
    from.push(start[span])
    to.push(end[span])
  }
  return (before) => {
    let low = 0
    let high = from.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (from[middle]! < before) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : sum[low - 1]! + Math.min(before, to[low - 1]!) - from[low - 1]!
  }
}

const prepared = new WeakMap<Trace, Prepared>()

const prepare = (trace: Trace): Prepared => {
  let made = prepared.get(trace)
  if (made) return made
  const { spans } = trace
  const order = openingOrder(spans)
  made = {
    order,
    spentNs: spentOver(trace, order, spans.start, spans.end),
    spentInstructions: spentOver(trace, order, spans.startInstructions, spans.endInstructions),
  }
  prepared.set(trace, made)
  return made
}

/** Guest ns. A call counts where it began. */
export const functionsBetween = (trace: Trace, fromNs: number, toNs: number): FunctionSums => {
  const { functions, spans, clock, lanes } = trace
  const { order, spentNs, spentInstructions } = prepare(trace)
  const column = (): Float64Array => new Float64Array(functions.length)
  const sums = {
    calls: column(),
    self: column(),
    total: column(),
    selfInstructions: column(),
    totalInstructions: column(),
  }
  const fromI = onAxis(clock, 'instructions', fromNs)
  const toI = onAxis(clock, 'instructions', toNs)
  const within = (start: number, end: number, from: number, to: number, spent: Spent | undefined): number => {
    const a = Math.max(start, from)
    const b = Math.min(end, to)
    return b <= a ? 0 : b - a - (spent ? spent(b) - spent(a) : 0)
  }
  /** Calls of a function that are open: what a recursive one takes is in the outermost already. */
  const open = new Uint32Array(functions.length)
  forEachSpan(
    spans,
    (span, around) => {
      const func = spans.func[span]
      const lane = lanes[spans.lane[span]]!
      const isUnder = isCpuLane(lane) && !OVER.has(lane.kind)
      const { start, end, startInstructions: startI, endInstructions: endI } = spans
      const ns = within(start[span], end[span], fromNs, toNs, isUnder ? spentNs : undefined)
      const instructions = within(startI[span], endI[span], fromI, toI, isUnder ? spentInstructions : undefined)
      const outer = around < 0 ? NO_FUNCTION : spans.func[around]
      if (outer !== NO_FUNCTION) {
        sums.self[outer] -= ns
        sums.selfInstructions[outer] -= instructions
      }
      if (func === NO_FUNCTION) return
      sums.self[func] += ns
      sums.selfInstructions[func] += instructions
      if (open[func]++ === 0) {
        sums.total[func] += ns
        sums.totalInstructions[func] += instructions
      }
      if (start[span] >= fromNs && start[span] < toNs) sums.calls[func] += spans.calls[span]
    },
    (span) => {
      const func = spans.func[span]
      if (func !== NO_FUNCTION) open[func]--
    },
    { order },
  )
  return sums
}
