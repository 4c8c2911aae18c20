/**
 * The bytes of a link as docs/trace-format.md has them, section by section, written and read beside each other where one
 * version does both. Sections that changed between versions are in link-v1.ts and link-v2.ts.
 */
import { utf8Decode, utf8Encode } from '../../base/utf8.ts'
import { instructionsAt } from '../model/clock.ts'
import { LANES, laneKindOfWire } from '../model/lanes.ts'
import { stageRows } from '../model/stages.ts'
import { cleanText } from '../model/text.ts'
import {
  type ClockTable,
  type Lane,
  type Mark,
  NO_FUNCTION,
  SpanColumns,
  type SpanTable,
  type StageRow,
  type Trace,
  type TraceMeta,
} from '../model/trace.ts'
import { ByteReader, BytesError, ByteWriter } from './bytes.ts'
import { type Draft, laneTree, linkOrder } from './link-choose.ts'

// ── limits on what is read ───────────────────────────────────────────────────────────────────────────────────────────

export const STRINGS_MAX = 20_000
const STRING_BYTES_MAX = 1024
const SPANS_MAX = 100_000
const DEPTH_MAX = 2048
const LANES_MAX = 512
export const STAGES_MAX = 256
const MARKS_MAX = 4096
const CLOCK_MAX = 4096
const CPU_MAX = 128
const NOTES_MAX = 16
export const TIME_MAX = 2 ** 52

/** The order is part of the format. */
export const STAGE_MARKS: readonly StageRow['mark'][] = ['entry', 'call', 'console', 'user', 'file']
const META_TEXTS = ['title', 'guest', 'cmdline', 'profile', 'clock', 'engine', 'engineVersion'] as const
const MARK_KINDS: readonly Mark['kind'][] = ['console', 'exec', 'device']

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface OwnWriters {
  readonly stages: (w: ByteWriter, trace: Trace, string: (text: string | undefined) => void) => void
  /** `named`: functions in the order of the link's names. */
  readonly sums: (w: ByteWriter, trace: Trace, named: readonly number[]) => void
}

/** The largest of 1, 2, 5, 10, ... ns that keeps three figures of the shortest span. */
const tickFor = (shortest: number): number => {
  let tick = 1
  for (const step of [2, 2.5, 2]) {
    if (tick * step > shortest / 100) return tick
    tick *= step
  }
  while (tick * 10 <= shortest / 100) tick *= 10
  return tick
}

/** The whole of a link's bytes; what differs from version to version is given. */
export const encodeLink = (
  trace: Trace,
  draft: Draft,
  chosen: Uint32Array,
  marksKept: number,
  own: OwnWriters,
): Uint8Array => {
  const { spans, functions } = trace
  const order = linkOrder(trace, chosen)
  const w = new ByteWriter()

  const marks = trace.marks.filter((m) => m.kind !== 'device').slice(0, marksKept)
  const used = new Map<number, number>()
  for (const k of order) if (spans.func[k] !== NO_FUNCTION) used.set(spans.func[k], 0)
  // Exact sums for the functions that matter most, drawn or not.
  for (const func of order.length === 0 ? [] : draft.heavy) used.set(func, 0)

  // Names, sorted so that neighbours share their beginnings.
  const sorted = [...used.keys()].sort((a, b) => {
    const x = functions.names[a]!
    const y = functions.names[b]!
    return x < y ? -1 : x > y ? 1 : a - b
  })
  w.varint(sorted.length)
  let previous: ArrayLike<number> = []
  for (const [k, func] of sorted.entries()) {
    used.set(func, k)
    const bytes = utf8Encode(cleanText(functions.names[func]!))
    let shared = 0
    while (shared < bytes.length && shared < previous.length && bytes[shared] === previous[shared]) shared++
    w.varint(shared)
    w.varint(bytes.length - shared)
    w.bytes(bytes.slice(shared))
    previous = bytes
  }

  const string = (text: string | undefined): void => {
    // 0: there is none; otherwise its length plus 1.
    if (text === undefined) {
      w.varint(0)
      return
    }
    const bytes = utf8Encode(cleanText(text))
    w.varint(bytes.length + 1)
    w.bytes(bytes)
  }
  for (const name of META_TEXTS) string(trace.meta[name])
  w.varint((trace.meta.memoryMiB ?? -1) + 1)
  const cpu = Object.entries(trace.meta.cpu ?? {}).slice(0, CPU_MAX)
  w.varint(cpu.length)
  for (const [name, on] of cpu) {
    string(name)
    w.byte(on ? 1 : 0)
  }
  w.varint(Math.min(trace.meta.notes.length, NOTES_MAX))
  for (const note of trace.meta.notes.slice(0, NOTES_MAX)) string(note)

  let shortest = Infinity
  for (const k of order) if (spans.end[k] > spans.start[k]) shortest = Math.min(shortest, spans.end[k] - spans.start[k])
  const tick = tickFor(Number.isFinite(shortest) ? shortest : 1)
  const ticks = (ns: number): number => Math.round(ns / tick)
  w.varint(tick)
  w.varint(Math.round(trace.end))
  w.varint(Math.round(trace.endInstructions))
  w.varint(spans.length)

  // The clock: the samples that bend it most.
  const { clock } = draft
  w.varint(clock.length)
  let [i0, n0, w0] = [0, 0, 0]
  for (const k of clock) {
    const i = Math.round(trace.clock.instructions[k])
    const n = Math.round(trace.clock.guestNs[k])
    const wall = Math.round(trace.clock.wallNs[k])
    w.varint(Math.max(0, i - i0))
    w.varint(Math.max(0, n - n0))
    w.varint(Math.max(0, wall - w0))
    i0 = Math.max(i, i0)
    n0 = Math.max(n, n0)
    w0 = Math.max(wall, w0)
  }

  w.varint(Math.min(trace.lanes.length, LANES_MAX))
  for (const lane of trace.lanes.slice(0, LANES_MAX)) {
    w.byte(LANES[lane.kind].wire)
    string(lane.name)
    w.varint((lane.pid ?? -1) + 1)
    string(lane.path === lane.name ? undefined : lane.path)
  }

  own.stages(w, trace, string)
  own.sums(w, trace, sorted)

  // Spans by columns, which deflate better: depth steps, functions, gaps, lengths, calls.
  w.varint(order.length)
  const tree = laneTree(trace, order, DEPTH_MAX)
  for (const lane of trace.lanes.keys()) if (lane < LANES_MAX) w.varint(tree.perLane[lane]!)
  for (let k = 0; k < order.length; k++) w.varint(tree.step[k]!)
  for (const k of order) w.varint(spans.func[k] === NO_FUNCTION ? 0 : used.get(spans.func[k])! + 1)
  // Start: after the end of the sibling before, or the start of the parent. Rounded ends never pass their parent's.
  const starts = new Float64Array(order.length)
  const ends = new Float64Array(order.length)
  const cursor: number[] = []
  const gaps: number[] = []
  const lengths: number[] = []
  let lane = -1
  const open: number[] = []
  for (let k = 0; k < order.length; k++) {
    const span = order[k]
    if (spans.lane[span] !== lane) {
      lane = spans.lane[span]
      open.length = 0
      cursor.length = 0
      cursor.push(0)
    }
    open.length = tree.level[k]!
    cursor.length = tree.level[k]! + 1
    const parent = open.at(-1)
    const from = cursor.at(-1)!
    const limit = parent === undefined ? Infinity : ends[parent]
    starts[k] = Math.min(limit, Math.max(from, ticks(spans.start[span])))
    ends[k] = Math.min(limit, Math.max(starts[k], ticks(spans.end[span])))
    gaps.push(starts[k] - from)
    lengths.push(ends[k] - starts[k])
    cursor[cursor.length - 1] = ends[k]
    open.push(k)
    cursor.push(starts[k])
  }
  for (const gap of gaps) w.varint(gap)
  for (const length of lengths) w.varint(length)
  for (const k of order) w.varint(spans.calls[k])

  w.varint(marks.length)
  let at = 0
  for (const mark of marks) {
    w.byte(MARK_KINDS.indexOf(mark.kind))
    w.varint(Math.max(0, ticks(mark.at) - at))
    at = Math.max(at, ticks(mark.at))
    string(mark.text)
  }
  return w.finish()
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LinkDocument {
  readonly trace: Trace
  /** Place in the link to index among the trace's spans. */
  readonly places: Uint32Array
}

type Begun = Pick<StageRow, 'name' | 'start' | 'startInstructions' | 'mark'>

export interface StagesRead {
  readonly begun: readonly Begun[]
  /** Name of the stage where the boot has arrived. */
  readonly arrival: string | undefined
}

export interface SumsRead {
  /** What a reader must know of a trace with so many spans of so many. */
  notes(spans: number, recorded: number): readonly string[]
  tables(spans: SpanTable, lanes: readonly Lane[]): Pick<Trace, 'functions' | 'stacks' | 'pruned'>
}

export interface OwnReaders {
  readonly stages: (
    r: ByteReader,
    known: {
      readonly end: number
      readonly endInstructions: number
      readonly clock: ClockTable
      readonly string: () => string | undefined
      readonly counted: (max: number) => number
    },
  ) => StagesRead
  readonly sums: (
    r: ByteReader,
    known: { readonly names: readonly string[]; readonly counted: (max: number) => number },
  ) => SumsRead
}

/** Reads a link's bytes; what differs from version to version is given. */
export const decodeLink = (payload: Uint8Array, own: OwnReaders): LinkDocument => {
  const r = new ByteReader(payload)
  /** Each entry takes at least a byte: a count beyond what is left is a lie, told before memory is taken. */
  const counted = (max: number): number => r.varint(Math.min(max, r.left))

  const names: string[] = []
  let previous: number[] = []
  for (let left = counted(STRINGS_MAX); left > 0; left--) {
    const shared = r.varint(previous.length)
    const more = r.varint(STRING_BYTES_MAX - shared)
    previous = [...previous.slice(0, shared), ...r.bytes(more)]
    names.push(cleanText(utf8Decode(previous)))
  }
  const string = (): string | undefined => {
    const length = r.varint(STRING_BYTES_MAX + 1)
    return length === 0 ? undefined : cleanText(utf8Decode(r.bytes(length - 1)))
  }
  const texts: Record<string, string> = {}
  for (const name of META_TEXTS) {
    const text = string()
    if (text !== undefined) texts[name] = text
  }
  const memory = r.varint(1 << 20)
  const cpu: Record<string, boolean> = {}
  const switches = counted(CPU_MAX)
  for (let k = 0; k < switches; k++) {
    const name = string() ?? ''
    const on = r.byte() === 1
    if (name !== '__proto__') cpu[name] = on
  }
  const notes: string[] = []
  for (let left = counted(NOTES_MAX); left > 0; left--) notes.push(string() ?? '')

  const tick = Math.max(1, r.varint(1e12))
  const end = r.varint(TIME_MAX)
  const endInstructions = r.varint(TIME_MAX)
  const recorded = r.varint()

  const clockLength = counted(CLOCK_MAX)
  const clock = {
    length: clockLength,
    instructions: new Float64Array(clockLength),
    guestNs: new Float64Array(clockLength),
    wallNs: new Float64Array(clockLength),
  }
  let [i, n, wall] = [0, 0, 0]
  const bounded = (value: number): number => {
    if (value > TIME_MAX) throw new BytesError('it has a time that is too large')
    return value
  }
  for (let k = 0; k < clockLength; k++) {
    clock.instructions[k] = i = bounded(i + r.varint())
    clock.guestNs[k] = n = bounded(n + r.varint())
    clock.wallNs[k] = wall = bounded(wall + r.varint())
  }

  const lanes: Lane[] = []
  for (let left = counted(LANES_MAX); left > 0; left--) {
    const kind = laneKindOfWire(r.byte())
    if (kind === undefined) throw new BytesError('it has a lane of no known kind')
    const name = string() ?? kind
    const pid = r.varint(2 ** 32)
    const path = string()
    lanes.push({ kind, name, ...(pid > 0 && { pid: pid - 1 }), ...(path !== undefined && { path }) })
  }

  const { begun, arrival } = own.stages(r, { end, endInstructions, clock, string, counted })
  const sums = own.sums(r, { names, counted })

  const spanCount = counted(SPANS_MAX)
  const lane = new Uint16Array(spanCount)
  let placed = 0
  for (let k = 0; k < lanes.length; k++) {
    const here = r.varint(spanCount - placed)
    lane.fill(k, placed, placed + here)
    placed += here
  }
  if (placed !== spanCount) throw new BytesError('it has spans without a lane')
  const level = new Uint16Array(spanCount)
  let depth = 0
  for (let k = 0; k < spanCount; k++) {
    if (k === 0 || lane[k] !== lane[k - 1]) depth = 0
    depth -= r.varint(depth)
    level[k] = depth++
    if (depth > DEPTH_MAX) throw new BytesError(`it has stacks deeper than ${DEPTH_MAX}`)
  }
  const func = new Uint32Array(spanCount)
  for (let k = 0; k < spanCount; k++) func[k] = (r.varint(names.length) || NO_FUNCTION + 1) - 1
  const gaps = new Float64Array(spanCount)
  for (let k = 0; k < spanCount; k++) gaps[k] = r.varint()
  const lengths = new Float64Array(spanCount)
  for (let k = 0; k < spanCount; k++) lengths[k] = r.varint()
  const starts = new Float64Array(spanCount)
  const ends = new Float64Array(spanCount)
  const cursor: number[] = [0]
  for (let k = 0; k < spanCount; k++) {
    if (k === 0 || lane[k] !== lane[k - 1]) cursor.splice(0, cursor.length, 0)
    cursor.length = level[k] + 1
    starts[k] = bounded(cursor[level[k]]! + gaps[k])
    ends[k] = bounded(starts[k] + lengths[k])
    cursor[level[k]] = ends[k]
    cursor.push(starts[k])
  }
  const calls = new Uint32Array(spanCount)
  for (let k = 0; k < spanCount; k++) calls[k] = r.varint(0xffffffff)

  const marks: Mark[] = []
  let at = 0
  for (let left = counted(MARKS_MAX); left > 0; left--) {
    const kind = MARK_KINDS[r.byte()]
    if (kind === undefined) throw new BytesError('it has a mark of no known kind')
    at = bounded(at + r.varint())
    const ns = Math.min(end, at * tick)
    marks.push({ kind, at: ns, atInstructions: instructionsAt(clock, ns), text: string() ?? '' })
  }

  // Closing order: a span follows what lies in it.
  const columns = new SpanColumns(Math.max(1, spanCount))
  const places = new Uint32Array(spanCount)
  const open: number[] = []
  const put = (k: number): void => {
    const start = Math.min(end, starts[k] * tick)
    const stop = Math.min(end, ends[k] * tick)
    const from = instructionsAt(clock, start)
    places[k] = columns.length
    columns.push(lane[k], level[k], func[k], start, stop, from, Math.max(from, instructionsAt(clock, stop)), calls[k])
  }
  for (let k = 0; k < spanCount; k++) {
    while (open.length > 0 && (lane[open.at(-1)!] !== lane[k] || level[open.at(-1)!] >= level[k])) put(open.pop()!)
    open.push(k)
  }
  while (open.length > 0) put(open.pop()!)
  const spans = columns.finish()
  notes.push(...sums.notes(spanCount, recorded))
  const meta: TraceMeta = {
    title: 'trace',
    ...texts,
    ...(memory > 0 && { memoryMiB: memory - 1 }),
    ...(switches > 0 && { cpu }),
    source: 'link',
    notes,
  }
  const trace: Trace = {
    meta,
    start: 0,
    end,
    endInstructions,
    clock,
    lanes,
    spans,
    stages: stageRows(begun, end, endInstructions, arrival),
    marks,
    ...sums.tables(spans, lanes),
  }
  return { trace, places }
}
