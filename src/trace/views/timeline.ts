/**
 * Rows to draw. A row is one depth of one lane: spans side by side, sorted, never overlapping, so that binary search
 * finds what is visible and what is under the pointer.
 *
 * Each row has levels like a mip-map: level 0 has every span; a level further up joins neighbours that are closer and
 * narrower than its resolution, four times coarser each, so that a query touches about as many boxes as there are
 * pixels, however many spans lie below them.
 *
 *   level 2   [==========]    [=]          resolution 16 u
 *   level 1   [==][=][===]    [=]          resolution  4 u
 *   level 0   [==][=]|||||    [=]          every span
 *
 * Coordinates are times on one axis (guest ns, instructions or wall ns), named so here; pixels belong to whoever draws.
 */
import { type Axis, onAxis } from '../model/clock.ts'
import { isCpuLane } from '../model/lanes.ts'
import { functionSubsystems, OTHER, SUBSYSTEMS, whereRan } from '../model/subsystems.ts'
import { NO_FUNCTION, RAN, type Trace } from '../model/trace.ts'

export interface TimelineRow {
  readonly lane: number
  readonly depth: number
}

interface Level {
  readonly resolution: number
  readonly length: number
  readonly start: Float64Array
  readonly end: Float64Array
  /** The span, or the longest of those joined, and its width: kept here, where a query reads it in order. */
  readonly span: Uint32Array
  readonly width: Float32Array
  /** Spans joined: 1 for one drawn by itself. */
  readonly joined: Uint32Array
}

/** What a query fills: boxes of one row from left to right. Reused from query to query; read `length` of them. */
export class Boxes {
  length = 0
  start = new Float64Array(256)
  end = new Float64Array(256)
  span = new Uint32Array(256)
  joined = new Uint32Array(256)

  reserve(capacity: number): void {
    if (capacity <= this.start.length) return
    const length = Math.max(capacity, this.start.length * 2)
    const copy = <T extends Float64Array | Uint32Array>(from: T, to: T): T => {
      to.set(from as never)
      return to
    }
    this.start = copy(this.start, new Float64Array(length))
    this.end = copy(this.end, new Float64Array(length))
    this.span = copy(this.span, new Uint32Array(length))
    this.joined = copy(this.joined, new Uint32Array(length))
  }
}

const LEVEL_FACTOR = 4
const LEVELS_MAX = 24

export class Timeline {
  readonly trace: Trace
  readonly axis: Axis
  /** The whole range on the axis. */
  readonly start: number
  readonly end: number
  /** Lane by lane, outermost depth first. */
  readonly rows: readonly TimelineRow[]
  /** Per lane, index of its first row, and one more for the end. */
  readonly laneRows: Uint32Array
  /** Starts and ends of every span on the axis. */
  readonly spanStart: Float64Array
  readonly spanEnd: Float64Array
  readonly #levels: Level[][]

  constructor(trace: Trace, axis: Axis = 'guest') {
    this.trace = trace
    this.axis = axis
    const { spans, clock } = trace
    this.start = onAxis(clock, axis, trace.start)
    this.end = axis === 'instructions' ? trace.endInstructions : onAxis(clock, axis, trace.end)
    if (axis === 'guest') {
      this.spanStart = spans.start
      this.spanEnd = spans.end
    } else if (axis === 'instructions') {
      this.spanStart = spans.startInstructions
      this.spanEnd = spans.endInstructions
    } else {
      this.spanStart = Float64Array.from(spans.start, (t) => onAxis(clock, axis, t))
      this.spanEnd = Float64Array.from(spans.end, (t) => onAxis(clock, axis, t))
    }

    const depths = new Uint32Array(trace.lanes.length)
    for (let k = 0; k < spans.length; k++) {
      const lane = spans.lane[k]
      if (spans.depth[k] >= depths[lane]) depths[lane] = spans.depth[k] + 1
    }
    this.laneRows = new Uint32Array(trace.lanes.length + 1)
    const rows: TimelineRow[] = []
    for (let lane = 0; lane < depths.length; lane++) {
      this.laneRows[lane] = rows.length
      for (let depth = 0; depth < depths[lane]; depth++) rows.push({ lane, depth })
    }
    this.laneRows[depths.length] = rows.length
    this.rows = rows

    // Counting sort into rows keeps the order of time within each.
    const first = new Uint32Array(rows.length + 1)
    for (let k = 0; k < spans.length; k++) first[this.laneRows[spans.lane[k]] + spans.depth[k] + 1]++
    for (let r = 0; r < rows.length; r++) first[r + 1] += first[r]
    const next = first.slice()
    const order = new Uint32Array(spans.length)
    for (let k = 0; k < spans.length; k++) order[next[this.laneRows[spans.lane[k]] + spans.depth[k]]++] = k
    this.#levels = rows.map((_, r) => [this.#base(order.subarray(first[r], first[r + 1]))])
  }

  /**
   * Fills `boxes` with what shows of a row in [from, to] when a pixel is `pixel` wide: spans, and for neighbours too
   * narrow to see one box with their number. Boxes reach out of the range where spans do.
   */
  query(row: number, from: number, to: number, pixel: number, boxes: Boxes): void {
    boxes.length = 0
    if (row < 0 || row >= this.rows.length) return
    const level = this.#level(row, pixel)
    const { start, end, span, width, joined, length } = level
    let k = firstEndingAfter(end, length, from)
    while (k < length && start[k] < to) {
      if (boxes.length === boxes.start.length) boxes.reserve(boxes.length + 1)
      const out = boxes.length++
      let boxEnd = end[k]
      let longest = span[k]
      let count = joined[k]
      let most = width[k]
      const boxStart = start[k]
      k++
      // The level is at most four times finer than the pixel: the rest is joined here.
      if (boxEnd - boxStart < pixel) {
        while (k < length && end[k] - boxStart < pixel && start[k] - boxEnd < pixel) {
          boxEnd = end[k]
          count += joined[k]
          if (width[k] > most) {
            most = width[k]
            longest = span[k]
          }
          k++
        }
      }
      boxes.start[out] = boxStart
      boxes.end[out] = boxEnd
      boxes.span[out] = longest
      boxes.joined[out] = count
    }
  }

  /** Makes what queries at `pixel` or narrower need, row by row: the first frame is no long one then. */
  *prepare(pixel: number): Generator<void, void> {
    for (let row = 0; row < this.rows.length; row++) {
      this.#level(row, pixel)
      yield
    }
  }

  /** The span of a row at a time, or -1. With a `slack`, the nearest within it: fingers and one-pixel spans. */
  hit(row: number, time: number, slack = 0): number {
    const level = this.#levels[row]?.[0]
    if (level === undefined) return -1
    const { start, end, span, length } = level
    const k = firstEndingAfter(end, length, time)
    if (k < length && start[k] <= time) return span[k]
    const after = k < length ? start[k] - time : Infinity
    const before = k > 0 ? time - end[k - 1] : Infinity
    const nearest = Math.min(after, before)
    if (slack <= 0 || nearest > slack) return -1
    return span[before <= after ? k - 1 : k]
  }

  /** A span's row. */
  rowOf(span: number): number {
    const { lane, depth } = this.trace.spans
    return this.laneRows[lane[span]] + depth[span]
  }

  /** The span of the same row before (-1) or after (1) this one, or -1: keys. */
  neighbour(span: number, step: -1 | 1): number {
    const level = this.#levels[this.rowOf(span)]![0]!
    const at = this.#indexIn(level, span) + step
    return at < 0 || at >= level.length ? -1 : level.span[at]
  }

  /** The span one row up that holds this one, or -1. */
  parent(span: number): number {
    const { depth, lane } = this.trace.spans
    for (let d = depth[span] - 1; d >= 0; d--) {
      const found = this.hit(this.laneRows[lane[span]] + d, (this.spanStart[span] + this.spanEnd[span]) / 2)
      if (found >= 0) return found
    }
    return -1
  }

  /** The first span one row down inside this one, or -1. */
  child(span: number): number {
    const row = this.rowOf(span) + 1
    if (this.rows[row]?.lane !== this.trace.spans.lane[span]) return -1
    const { start, end, span: spans, length } = this.#levels[row]![0]!
    const k = firstEndingAfter(end, length, this.spanStart[span])
    return k < length && start[k] < this.spanEnd[span] ? spans[k] : -1
  }

  #indexIn(level: Level, span: number): number {
    let k = firstEndingAfter(level.end, level.length, this.spanStart[span])
    if (k > 0 && level.span[k] !== span) k--
    while (k < level.length && level.span[k] !== span) k++
    return k
  }

  #base(spans: Uint32Array): Level {
    const length = spans.length
    let sorted = true
    for (let k = 1; k < length && sorted; k++) sorted = this.spanStart[spans[k]] >= this.spanStart[spans[k - 1]]
    // Ours are in order; other programs' files need not be.
    if (!sorted) spans.sort((a, b) => this.spanStart[a] - this.spanStart[b] || this.spanEnd[a] - this.spanEnd[b])
    const start = new Float64Array(length)
    const end = new Float64Array(length)
    const width = new Float32Array(length)
    let last = Number.NEGATIVE_INFINITY
    for (let k = 0; k < length; k++) {
      start[k] = this.spanStart[spans[k]]
      width[k] = this.spanEnd[spans[k]] - start[k]
      // Ends ascend too, or binary search would miss.
      end[k] = last = Math.max(last, this.spanEnd[spans[k]])
    }
    return { resolution: 0, length, start, end, span: spans, width, joined: new Uint32Array(length).fill(1) }
  }

  /** The coarsest level not coarser than a pixel; made when it is first asked for. */
  #level(row: number, pixel: number): Level {
    const levels = this.#levels[row]!
    let resolution = (this.end - this.start) / 2 ** 40
    let level = levels[0]!
    for (let k = 1; k < LEVELS_MAX; k++) {
      resolution *= LEVEL_FACTOR
      if (resolution > pixel || level.length < 64) break
      level = levels[k] ??= this.#coarser(level, resolution)
    }
    return level
  }

  #coarser(from: Level, resolution: number): Level {
    // Nothing to join: the level below serves.
    let joins = 0
    for (let k = 1; k < from.length; k++) if (from.end[k] - from.start[k - 1] < resolution) joins++
    if (joins * 8 < from.length) return from
    const start = new Float64Array(from.length)
    const end = new Float64Array(start.length)
    const span = new Uint32Array(start.length)
    const width = new Float32Array(start.length)
    const joined = new Uint32Array(start.length)
    let out = -1
    for (let k = 0; k < from.length; k++) {
      if (out >= 0 && from.end[k] - start[out] < resolution) {
        end[out] = from.end[k]
        joined[out] += from.joined[k]
        if (from.width[k] > width[out]) {
          width[out] = from.width[k]
          span[out] = from.span[k]
        }
        continue
      }
      out++
      start[out] = from.start[k]
      end[out] = from.end[k]
      span[out] = from.span[k]
      width[out] = from.width[k]
      joined[out] = from.joined[k]
    }
    const length = out + 1
    return {
      resolution,
      length,
      start: start.slice(0, length),
      end: end.slice(0, length),
      span: span.slice(0, length),
      width: width.slice(0, length),
      joined: joined.slice(0, length),
    }
  }
}

/** The first k with end[k] > time; ends ascend. */
const firstEndingAfter = (end: Float64Array, length: number, time: number): number => {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (end[middle] <= time) low = middle + 1
    else high = middle
  }
  return low
}

export interface SearchResult {
  /** Functions that match, by index. */
  readonly functions: ReadonlySet<number>
  /** Their spans, in order of time. */
  readonly spans: Uint32Array
  /** Exact sums over the functions found. */
  readonly calls: number
  readonly self: number
}

/** What to search for to find a subsystem's functions: 'in:memory'. 'in:other' finds those of none. */
export const inSubsystem = (name: string): string => `in:${name}`

const subsystemMatcher = (trace: Trace, text: string): ((name: string, func: number) => boolean) | undefined => {
  const subsystem = [OTHER, ...SUBSYSTEMS.keys()].find((k) => inSubsystem(SUBSYSTEMS[k] ?? 'other') === text.trim())
  if (subsystem === undefined) return undefined
  const of = functionSubsystems(trace)
  const ran = whereRan(trace)
  return (_, func) => of[func] === subsystem && ran[func] <= RAN.user
}

/**
 * Functions whose name contains the text, whatever its case; `/.../` asks for a regular expression, `in:memory` for all of
 * a subsystem.
 */
export const search = (trace: Trace, text: string): SearchResult => {
  const functions = new Set<number>()
  const matches = subsystemMatcher(trace, text) ?? matcher(text)
  let calls = 0
  let self = 0
  if (matches !== undefined)
    for (const [func, name] of trace.functions.names.entries()) {
      if (!matches(name, func)) continue
      functions.add(func)
      calls += trace.functions.calls[func]
      self += trace.functions.self[func]
    }
  const { spans } = trace
  const found: number[] = []
  if (functions.size > 0)
    for (let k = 0; k < spans.length; k++)
      if (spans.func[k] !== NO_FUNCTION && functions.has(spans.func[k])) found.push(k)
  found.sort((a, b) => spans.start[a] - spans.start[b] || spans.depth[a] - spans.depth[b])
  return { functions, spans: Uint32Array.from(found), calls, self }
}

const SEARCH_MAX = 200

const matcher = (text: string): ((name: string) => boolean) | undefined => {
  const wanted = text.trim().slice(0, SEARCH_MAX)
  if (wanted === '') return undefined
  const expression = /^\/(.+)\/$/.exec(wanted)?.[1]
  if (expression !== undefined) {
    try {
      const pattern = new RegExp(expression, 'i')
      return (name) => pattern.test(name)
    } catch {
      // Half-typed: searched for as it stands.
    }
  }
  const lower = wanted.toLowerCase()
  return (name) => name.toLowerCase().includes(lower)
}

/** Console lines and other marks within [from, to] of guest time. */
export const marksBetween = (trace: Trace, from: number, to: number): readonly number[] => {
  const found: number[] = []
  for (const [k, mark] of trace.marks.entries()) if (mark.at >= from && mark.at <= to) found.push(k)
  return found
}

/** The deepest span of any lane at a moment of guest time that a mark names: where the console line came from. */
export const spanAt = (timeline: Timeline, time: number): number => {
  let found = -1
  for (const [row, { lane }] of timeline.rows.entries()) {
    if (!isCpuLane(timeline.trace.lanes[lane])) continue
    const span = timeline.hit(row, time)
    if (span >= 0) found = span
  }
  return found
}
