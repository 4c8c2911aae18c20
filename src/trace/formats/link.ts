/**
 * A trace in a link: `#v=1&t=<start>-<end>&s=<span>&a=<axis>&d=<data>`. Self-contained: no server sees it (a fragment is
 * not sent), no boot is needed to open it. docs/trace-format.md describes the bytes.
 *
 * The data are deflated (raw) and written in base64url. Spans are chosen by duration until the link would outgrow its
 * budget: a span's parents are at least as long, so what is kept is whole from the bottom up. Times are rounded to a
 * tick that keeps three figures of the shortest span; instructions follow from the clock.
 *
 * `v` names the version and stays readable for ever: each version has its reader, whose result is brought forward step
 * by step. A link may come from anybody: everything read is bounded and checked.
 */
import { deflateSync, Inflate } from 'fflate'
import { ok, type Problem, problem, type Result, refuse } from '../../base/problem.ts'
import { utf8Decode, utf8Encode } from '../../base/utf8.ts'
import type { Axis } from '../model/clock.ts'
import { instructionsAt } from '../model/clock.ts'
import { functionTable, stacksFromSpans } from '../model/stacks.ts'
import { stageRows } from '../model/stages.ts'
import {
  type ClockTable,
  type FunctionTable,
  type Lane,
  type LaneKind,
  type Mark,
  NO_FUNCTION,
  SpanColumns,
  type SpanTable,
  type StageRow,
  type Trace,
  type TraceMeta,
} from '../model/trace.ts'
import { cleanText } from '../spans/console-lines.ts'
import { ByteReader, BytesError, ByteWriter, fromBase64url, toBase64url } from './bytes.ts'

export const LINK_VERSION = 1

/** Characters, fragment included. Mail and chat programs break longer links; 8 KiB is what servers take of a URL. */
export const LINK_BUDGET = 8000
/** A trace of fewer spans needs less room; shorter links survive more chat programs. */
const SMALL_TRACE = 5000
const SMALL_BUDGET = 4000
export const linkBudget = ({ spans }: Trace): number => (spans.length < SMALL_TRACE ? SMALL_BUDGET : LINK_BUDGET)

export interface LinkView {
  /** Visible range in guest ns; undefined: all. */
  readonly from?: number
  readonly to?: number
  readonly axis?: Axis
  /** The selected span: in the linked trace, by `selectionOf`. */
  readonly selected?: number
}

export interface LinkContent {
  readonly trace: Trace
  readonly view: LinkView
}

// ── limits on what is read ───────────────────────────────────────────────────────────────────────────────────────────

const FRAGMENT_MAX = 256 * 1024
const INFLATED_MAX = 4 * 1024 * 1024
const STRINGS_MAX = 20_000
const STRING_BYTES_MAX = 1024
const SPANS_MAX = 100_000
const DEPTH_MAX = 2048
const LANES_MAX = 512
const STAGES_MAX = 256
const MARKS_MAX = 4096
const CLOCK_MAX = 4096
const CPU_MAX = 128
const NOTES_MAX = 16
const TIME_MAX = 2 ** 52

// ── what a version-1 link says ───────────────────────────────────────────────────────────────────────────────────────

/** The order is part of the format. */
const LANE_KINDS: readonly LaneKind[] = ['kernel', 'interrupts', 'process', 'devices', 'idle', 'thread']
const STAGE_MARKS: readonly StageRow['mark'][] = ['entry', 'call', 'console', 'user', 'file']
const META_TEXTS = ['title', 'guest', 'cmdline', 'profile', 'clock', 'engine', 'engineVersion'] as const
const MARK_KINDS: readonly Mark['kind'][] = ['console', 'exec', 'device']
const AXES: readonly Axis[] = ['guest', 'instructions', 'wall']

const NAMES_WORTH_SUMS = 48
const MARKS_KEPT = 48
const CLOCK_KEPT = 24
/** A span takes more than a character. */
const SPANS_KEPT_MAX = LINK_BUDGET

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LinkOptions {
  /** Characters of the fragment; linkBudget() when left out. */
  readonly budget?: number
  readonly view?: LinkView
}

export interface WrittenLink {
  /** '#v=1&...' */
  readonly fragment: string
  readonly spans: number
  /** Spans left out. */
  readonly pruned: number
}

export const writeLink = (trace: Trace, options: LinkOptions = {}): WrittenLink => {
  const budget = options.budget ?? linkBudget(trace)
  const draft = draftOf(trace)
  const write = (kept: number, marks: number): string => {
    const chosen = draft.longest.slice(0, kept)
    return fragmentOf(trace, chosen, encodeV1(trace, draft, chosen, marks), options.view)
  }
  const within = (marks: number): Fit | undefined =>
    mostThatFit(draft.longest.length, budget, (kept) => write(kept, marks))
  const { kept, fragment } = within(MARKS_KEPT) ?? within(0) ?? { kept: 0, fragment: write(0, 0) }
  return { fragment, spans: kept, pruned: trace.spans.length - kept }
}

/** What a trace's links have in common, whatever their length. */
interface Draft {
  /** Spans by length, longest first; at equal length the outer one. No more than a link can hold. */
  readonly longest: Uint32Array
  /** Functions whose sums are written, the heaviest first. */
  readonly heavy: readonly number[]
  /** Samples of the clock. */
  readonly clock: readonly number[]
}

/** The link and its QR code are written one after the other. */
const drafts = new WeakMap<Trace, Draft>()

const draftOf = (trace: Trace): Draft => {
  let draft = drafts.get(trace)
  if (draft === undefined) {
    const { self } = trace.functions
    const heavy = [...trace.functions.names.keys()].sort((a, b) => self[b] - self[a] || a - b)
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
const CHARACTERS_PER_SPAN = 4.5

interface Fit {
  readonly kept: number
  readonly fragment: string
}

/** As many spans as the budget holds, within a sixty-fourth: each try writes a link. Undefined: it is too long without any. */
const mostThatFit = (most: number, budget: number, write: (kept: number) => string): Fit | undefined => {
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
const linkOrder = (trace: Trace, chosen: Uint32Array): Uint32Array => {
  const { lane, start, depth } = trace.spans
  return chosen.slice().sort((a, b) => lane[a] - lane[b] || start[a] - start[b] || depth[a] - depth[b] || a - b)
}

const fragmentOf = (trace: Trace, chosen: Uint32Array, payload: Uint8Array, view: LinkView | undefined): string => {
  const parts = [`#v=${LINK_VERSION}`]
  if (view?.from !== undefined && view.to !== undefined)
    parts.push(`t=${Math.floor(view.from).toString(36)}-${Math.ceil(view.to).toString(36)}`)
  if (view?.axis !== undefined && view.axis !== 'guest') parts.push(`a=${view.axis}`)
  if (view?.selected !== undefined && view.selected >= 0) {
    const at = linkOrder(trace, chosen).indexOf(view.selected)
    if (at >= 0) parts.push(`s=${at.toString(36)}`)
  }
  parts.push(`d=${toBase64url(deflateSync(payload, { level: 9, mem: 8 }))}`)
  return parts.join('&')
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

const encodeV1 = (trace: Trace, draft: Draft, chosen: Uint32Array, marksKept: number): Uint8Array => {
  const { spans, functions } = trace
  const order = linkOrder(trace, chosen)
  const w = new ByteWriter()

  const marks = trace.marks.filter((m) => m.kind !== 'device').slice(0, marksKept)
  const used = new Map<number, number>()
  for (const k of order) if (spans.func[k] !== NO_FUNCTION) used.set(spans.func[k], 0)
  // Exact sums for the functions that matter most, drawn or not.
  const heavy = order.length === 0 ? [] : draft.heavy
  for (const func of heavy) used.set(func, 0)

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
    w.byte(LANE_KINDS.indexOf(lane.kind))
    string(lane.name)
    w.varint((lane.pid ?? -1) + 1)
    string(lane.path === lane.name ? undefined : lane.path)
  }

  const stages = trace.stages.slice(0, STAGES_MAX)
  w.varint(stages.length)
  let at = 0
  for (const stage of stages) {
    string(stage.name)
    w.byte(STAGE_MARKS.indexOf(stage.mark))
    // Stages are few and their figures are read: to the nanosecond.
    w.varint(Math.max(0, Math.round(stage.start) - at))
    at = Math.max(at, Math.round(stage.start))
  }
  // Is the last one where the boot arrived?
  w.byte(stages.length > 1 && stages.at(-1)!.share === 0 ? 1 : 0)

  // Exact sums: function, calls, self, total.
  w.varint(heavy.length)
  for (const func of heavy) {
    w.varint(used.get(func)!)
    w.varint(Math.round(functions.calls[func]))
    w.varint(Math.round(functions.self[func]))
    w.varint(Math.round(functions.total[func]))
  }

  // Spans by columns, which deflate better: depth steps, functions, gaps, lengths, calls.
  w.varint(order.length)
  const tree = laneTree(trace, order)
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
  at = 0
  for (const mark of marks) {
    w.byte(MARK_KINDS.indexOf(mark.kind))
    w.varint(Math.max(0, ticks(mark.at) - at))
    at = Math.max(at, ticks(mark.at))
    string(mark.text)
  }
  return w.finish()
}

/** Depth steps: 0 for one level deeper than the span before, k for k - 1 levels up from there. */
const laneTree = (trace: Trace, order: Uint32Array): { step: number[]; level: number[]; perLane: number[] } => {
  const { spans } = trace
  const perLane = trace.lanes.map(() => 0)
  const step: number[] = []
  const level: number[] = []
  const open: number[] = []
  let lane = -1
  for (const k of order) {
    if (spans.lane[k] !== lane) {
      lane = spans.lane[k]
      open.length = 0
    }
    const before = open.length
    while (open.length > 0) {
      const top = open.at(-1)!
      if (spans.depth[top] < spans.depth[k] && spans.end[top] >= spans.end[k] && open.length < DEPTH_MAX) break
      open.pop()
    }
    perLane[lane]!++
    level.push(open.length)
    step.push(before - open.length)
    open.push(k)
  }
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

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Is this address's fragment a link of ours? */
export const isLink = (fragment: string): boolean => /^#?v=\d/.test(fragment)

const broken = (saw: string): Problem =>
  problem(
    'link-broken',
    `the link ${saw}`,
    'a link as this page made it, whole',
    'copy the link again; mail and chat programs sometimes cut long ones',
  )

/** What the newest reader gives. */
interface LinkDocument {
  readonly trace: Trace
  /** Place in the link to index among the trace's spans. */
  readonly places: Uint32Array
}

/** What a reader of some version gives, before it is brought forward. */
type Readers = Readonly<Record<number, (payload: Uint8Array) => unknown>>
/** Index k brings version k + 1 to k + 2. */
type Upgraders = readonly ((document: never) => unknown)[]

const READERS: Readers = { 1: (payload) => decodeV1(payload) }
const UPGRADERS: Upgraders = []

/** Reads with the reader of `version` and brings the result to the newest. */
export const readVersioned = (
  version: number,
  payload: Uint8Array,
  readers: Readers,
  upgraders: Upgraders,
): unknown => {
  const reader = readers[version]
  if (reader === undefined) throw new BytesError(`has version ${version}, which never was`)
  let document = reader(payload)
  for (const upgrade of upgraders.slice(version - 1)) document = upgrade(document as never)
  return document
}

export const readLink = (fragment: string): Result<LinkContent> => {
  if (fragment.length > FRAGMENT_MAX)
    return refuse(broken(`has ${fragment.length} characters, more than ${FRAGMENT_MAX}`))
  const parts = new Map<string, string>()
  for (const part of fragment.replace(/^#/, '').split('&', 64)) {
    const equals = part.indexOf('=')
    if (equals > 0 && !parts.has(part.slice(0, equals))) parts.set(part.slice(0, equals), part.slice(equals + 1))
  }
  const versionText = parts.get('v') ?? ''
  if (!/^\d{1,6}$/.test(versionText)) return refuse(broken('has no version'))
  const version = Number(versionText)
  if (version > LINK_VERSION)
    return refuse(
      problem(
        'link-newer',
        `the link has version ${version} of the link format`,
        `version ${LINK_VERSION} or older`,
        'reload this page to get its newest version',
      ),
    )
  const data = parts.get('d')
  if (data === undefined || data === '') return refuse(broken('has no trace in it'))
  const deflated = fromBase64url(data)
  if (deflated === undefined) return refuse(broken('has characters that do not belong there'))
  const payload = inflate(deflated)
  if (typeof payload === 'string') return refuse(broken(payload))
  let document: LinkDocument
  try {
    document = readVersioned(version, payload, READERS, UPGRADERS) as LinkDocument
  } catch (error) {
    if (error instanceof BytesError) return refuse(broken(`cannot be read: ${error.message}`))
    throw error
  }
  return ok({ trace: document.trace, view: readView(parts, document) })
}

/** A view that does not fit its trace is left out: the trace matters more. */
const readView = (parts: ReadonlyMap<string, string>, { trace, places }: LinkDocument): LinkView => {
  const number = (text: string | undefined): number | undefined =>
    text !== undefined && /^[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text, 36) : undefined
  const [fromText, toText] = (parts.get('t') ?? '').split('-', 2)
  const from = number(fromText)
  const to = number(toText)
  const isRange = from !== undefined && to !== undefined && from < to && from < trace.end
  const axis = AXES.find((a) => a === parts.get('a'))
  const position = number(parts.get('s'))
  const selected = position === undefined ? undefined : places[position]
  return {
    ...(isRange && { from, to: Math.min(to, trace.end) }),
    ...(axis !== undefined && { axis }),
    ...(selected !== undefined && { selected }),
  }
}

/** Bounded at every step: a few bytes can stand for gigabytes. Answers what is wrong as a clause. */
const inflate = (deflated: Uint8Array): Uint8Array | string => {
  const chunks: Uint8Array[] = []
  let total = 0
  let isDone = false
  const stream = new Inflate((chunk, final) => {
    total += chunk.length
    chunks.push(chunk)
    isDone ||= final
  })
  try {
    const step = 256
    for (let at = 0; at < deflated.length; at += step) {
      stream.push(deflated.subarray(at, at + step), at + step >= deflated.length)
      if (total > INFLATED_MAX) return `unpacks to more than ${INFLATED_MAX} bytes`
    }
  } catch {
    return 'cannot be unpacked: part of it is missing or changed'
  }
  if (!isDone) return 'cannot be unpacked: its end is missing'
  const bytes = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

const decodeV1 = (payload: Uint8Array): LinkDocument => {
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
    const kind = LANE_KINDS[r.byte()]
    if (kind === undefined) throw new BytesError('it has a lane of no known kind')
    const name = string() ?? kind
    const pid = r.varint(2 ** 32)
    const path = string()
    lanes.push({ kind, name, ...(pid > 0 && { pid: pid - 1 }), ...(path !== undefined && { path }) })
  }

  const begun: Pick<StageRow, 'name' | 'start' | 'startInstructions' | 'mark'>[] = []
  let at = 0
  for (let left = counted(STAGES_MAX); left > 0; left--) {
    const name = string() ?? ''
    const mark = STAGE_MARKS[r.byte()]
    if (mark === undefined) throw new BytesError('it has a stage of no known kind')
    at = Math.min(end, at + r.varint())
    begun.push({ name, start: at, startInstructions: Math.min(endInstructions, instructionsAt(clock, at)), mark })
  }
  const arrival = r.byte() === 1 ? begun.at(-1)?.name : undefined

  const sums: { func: number; calls: number; self: number; total: number }[] = []
  for (let left = counted(STRINGS_MAX); left > 0; left--) {
    const func = r.varint(Math.max(0, names.length - 1))
    sums.push({ func, calls: r.varint(), self: r.varint(TIME_MAX), total: r.varint(TIME_MAX) })
  }
  if (sums.length > 0 && names.length === 0) throw new BytesError('it has sums without names')

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
  at = 0
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
  const { stacks } = stacksFromSpans(spans, lanes)
  if (recorded > spanCount)
    notes.push(`Opened from a link: ${spanCount} of ${recorded} spans, the longest; functions' sums are rounded.`)
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
    functions: linkedFunctions(names, sums, stacks),
    spans,
    stacks,
    stages: stageRows(begun, end, endInstructions, arrival),
    marks,
  }
  return { trace, places }
}

/** Exact sums where the link has them; from the spans that are left otherwise. */
const linkedFunctions = (
  names: readonly string[],
  sums: readonly { func: number; calls: number; self: number; total: number }[],
  stacks: Trace['stacks'],
): FunctionTable => {
  const table = functionTable(stacks, names, new Float64Array(names.length).fill(-1))
  for (const { func, calls, self, total } of sums) {
    table.calls[func] = calls
    table.self[func] = self
    table.total[func] = total
  }
  return table
}
