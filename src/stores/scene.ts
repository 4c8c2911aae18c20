/**
 * What a flame view draws, whatever it shows: rows from top to bottom, boxes in each. Three scenes: spans along time by
 * lane, all stacks merged with the heaviest left, and one function between its callers and its callees.
 */
import type { Axis } from '../trace/model/clock.ts'
import { lanesInPlace } from '../trace/model/lanes.ts'
import { NO_FUNCTION, type Trace } from '../trace/model/trace.ts'
import { leftHeavy, type MergedStacks, sandwich } from '../trace/views/merged-stacks.ts'
import { Boxes, Timeline } from '../trace/views/timeline.ts'

export type Mode = 'time' | 'left-heavy' | 'sandwich'

export interface SceneRow {
  /** 'head' names a lane or a half and has no boxes. */
  readonly kind: 'head' | 'boxes'
  readonly text: string
  readonly lane: number
  /** To ask the scene with. */
  readonly row: number
}

export interface Scene {
  readonly mode: Mode
  readonly trace: Trace
  readonly start: number
  readonly end: number
  readonly unit: 'ns' | 'instructions'
  readonly rows: readonly SceneRow[]
  query(row: number, from: number, to: number, pixel: number, boxes: Boxes): void
  /** A box under a point, or -1. */
  hit(row: number, at: number, slack: number): number
  /** Function of a box, NO_FUNCTION for none. */
  funcOf(box: number): number
  startOf(box: number): number
  endOf(box: number): number
  rowOf(box: number): number
  /** From left to right, then from the top. */
  boxesOf(functions: ReadonlySet<number>): readonly number[]
}

export { Boxes }

const timelines = new WeakMap<Trace, Map<Axis, Timeline>>()

/** A trace's rows on an axis, made once. */
export const timelineOf = (trace: Trace, axis: Axis): Timeline => {
  let made = timelines.get(trace)
  if (!made) timelines.set(trace, (made = new Map()))
  let timeline = made.get(axis)
  if (!timeline) made.set(axis, (timeline = new Timeline(trace, axis)))
  return timeline
}

export const timeScene = (trace: Trace, axis: Axis, folded: ReadonlySet<number>): Scene => {
  const timeline = timelineOf(trace, axis)
  const { spans } = trace
  const rows: SceneRow[] = []
  for (const lane of lanesInPlace(trace.lanes)) {
    const first = timeline.laneRows[lane]!
    const last = timeline.laneRows[lane + 1]!
    if (first === last) continue
    const isFolded = folded.has(lane)
    rows.push({ kind: 'head', text: trace.lanes[lane]!.name, lane, row: -1 })
    for (let row = first; row < (isFolded ? Math.min(last, first + 1) : last); row++)
      rows.push({ kind: 'boxes', text: '', lane, row })
  }
  return {
    mode: 'time',
    trace,
    start: timeline.start,
    end: timeline.end,
    unit: axis === 'instructions' ? 'instructions' : 'ns',
    rows,
    query: (row, from, to, pixel, boxes) => timeline.query(row, from, to, pixel, boxes),
    hit: (row, at, slack) => timeline.hit(row, at, slack),
    funcOf: (span) => spans.func[span] ?? NO_FUNCTION,
    startOf: (span) => timeline.spanStart[span] ?? 0,
    endOf: (span) => timeline.spanEnd[span] ?? 0,
    rowOf: (span) => timeline.rowOf(span),
    boxesOf: (functions) =>
      [...spans.func.keys()]
        .filter((span) => functions.has(spans.func[span]!))
        .sort((a, b) => timeline.spanStart[a]! - timeline.spanStart[b]! || spans.depth[a]! - spans.depth[b]!),
  }
}

/** Boxes of one depth, from left to right. */
const byDepth = (merged: MergedStacks): Uint32Array[] => {
  const depths: number[][] = []
  for (let k = 0; k < merged.length; k++) (depths[merged.depth[k]!] ??= []).push(k)
  return depths.map((boxes) => Uint32Array.from(boxes.sort((a, b) => merged.start[a]! - merged.start[b]!)))
}

const firstEndingAfter = (boxes: Uint32Array, end: Float64Array, at: number): number => {
  let low = 0
  let high = boxes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (end[boxes[middle]!]! <= at) low = middle + 1
    else high = middle
  }
  return low
}

interface Half {
  readonly merged: MergedStacks
  readonly depths: readonly Uint32Array[]
  /** Added to a box's index. */
  readonly base: number
}

const mergedScene = (
  trace: Trace,
  mode: Mode,
  parts: readonly { readonly text: string; readonly merged: MergedStacks; readonly upsideDown: boolean }[],
): Scene => {
  const rows: SceneRow[] = []
  const lookup: { readonly half: Half; readonly depth: number }[] = []
  const halves: Half[] = []
  let base = 0
  for (const { text, merged, upsideDown } of parts) {
    const half: Half = { merged, depths: byDepth(merged), base }
    halves.push(half)
    base += merged.length
    if (text !== '') rows.push({ kind: 'head', text, lane: -1, row: -1 })
    const order = [...half.depths.keys()]
    if (upsideDown) order.reverse()
    for (const depth of order) {
      rows.push({ kind: 'boxes', text: '', lane: -1, row: lookup.length })
      lookup.push({ half, depth })
    }
  }
  const halfOf = (box: number): Half => halves.findLast((half) => box >= half.base) ?? halves[0]!
  return {
    mode,
    trace,
    start: 0,
    end: Math.max(1, ...parts.map(({ merged }) => merged.total)),
    unit: 'ns',
    rows,
    query: (row, from, to, pixel, boxes) => {
      boxes.length = 0
      const at = lookup[row]
      if (!at) return
      const { merged, depths, base: first } = at.half
      const list = depths[at.depth]!
      for (let k = firstEndingAfter(list, merged.end, from); k < list.length; k++) {
        const box = list[k]!
        if (merged.start[box]! >= to) break
        const out = boxes.length
        if (out > 0 && merged.end[box]! - boxes.start[out - 1]! < pixel) {
          boxes.end[out - 1] = merged.end[box]!
          boxes.joined[out - 1]!++
          continue
        }
        if (out === boxes.start.length) boxes.reserve(out + 1)
        boxes.start[out] = merged.start[box]!
        boxes.end[out] = merged.end[box]!
        boxes.span[out] = box + first
        boxes.joined[out] = 1
        boxes.length++
      }
    },
    hit: (row, at, slack) => {
      const found = lookup[row]
      if (!found) return -1
      const { merged, depths, base: first } = found.half
      const list = depths[found.depth]!
      const k = firstEndingAfter(list, merged.end, at)
      if (k < list.length && merged.start[list[k]!]! <= at + slack) return list[k]! + first
      return -1
    },
    funcOf: (box) => halfOf(box).merged.func[box - halfOf(box).base] ?? NO_FUNCTION,
    startOf: (box) => halfOf(box).merged.start[box - halfOf(box).base] ?? 0,
    endOf: (box) => halfOf(box).merged.end[box - halfOf(box).base] ?? 0,
    rowOf: (box) => {
      const half = halfOf(box)
      const depth = half.merged.depth[box - half.base]
      return lookup.findIndex((at) => at.half === half && at.depth === depth)
    },
    boxesOf: (functions) =>
      halves.flatMap(({ merged, base: first }) =>
        [...merged.func.keys()]
          .filter((box) => functions.has(merged.func[box]!))
          .sort((a, b) => merged.start[a]! - merged.start[b]! || merged.depth[a]! - merged.depth[b]!)
          .map((box) => box + first),
      ),
  }
}

export const leftHeavyScene = (trace: Trace): Scene =>
  mergedScene(trace, 'left-heavy', [{ text: '', merged: leftHeavy(trace.stacks), upsideDown: false }])

export const sandwichScene = (trace: Trace, func: number): Scene => {
  const { stacks, functions, pruned } = trace
  const known =
    pruned?.leftOut === undefined || func === NO_FUNCTION || func === pruned.leftOut
      ? undefined
      : { self: functions.self[func]!, total: functions.total[func]!, leftOut: pruned.leftOut }
  const { callers, callees } = sandwich(stacks, func, 'time', known)
  return mergedScene(trace, 'sandwich', [
    { text: 'callers', merged: callers, upsideDown: true },
    { text: 'callees', merged: callees, upsideDown: false },
  ])
}
