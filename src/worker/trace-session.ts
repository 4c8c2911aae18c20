/**
 * The trace worker's part of one machine: call events become spans here, and the page gets what it can draw. While the
 * boot grows, that is spans wide enough to be seen at its live scale, a few times a second; when it is over, everything.
 */
import { SpanBuilder } from '../trace/span-builder.ts'
import { SpanColumns, type SpanTable, type StackTable, type Trace } from '../trace/trace.ts'
import type { EventRing } from './event-ring.ts'
import type { MachineToTrace, TraceBegin, TracedSlice, TraceUpdate } from './protocol.ts'

/** At 4 lanes and 60 frames a second a page draws this many. */
const SPANS_MAX = 200_000
/** Share of this thread's time that live updates may take: a machine waits when its events are not read. */
const LIVE_SHARE = 0.1
const LIVE_MS = 100
/** Where less than this is new (a guest idles), once a second will do. */
const LIVE_EVENTS = 2000
const LIVE_IDLE_MS = 1000
/** A live update's spans; more are thinned by length. */
const LIVE_SPANS = 8000
/** Pixels of a wide screen, times two: what is shorter than its share of the live window is not sent. */
const LIVE_PARTS = 3000

const NO_STACKS: StackTable = {
  length: 0,
  parent: new Int32Array(0),
  func: new Uint32Array(0),
  lane: new Uint16Array(0),
  calls: new Float64Array(0),
  self: new Float64Array(0),
  selfInstructions: new Float64Array(0),
}

export type PostTrace = (update: TraceUpdate, transfer: Transferable[]) => void

/** Every buffer once; what is empty or shared by two columns is not to be moved twice. */
export const buffersOf = ({ spans, functions, stacks, clock }: Trace): Transferable[] => {
  const buffers = new Set<ArrayBuffer>()
  for (const table of [spans, functions, stacks, clock])
    for (const column of Object.values(table))
      if (ArrayBuffer.isView(column) && column.buffer instanceof ArrayBuffer && column.byteLength > 0)
        buffers.add(column.buffer)
  return [...buffers]
}

/** Spans of at least `leastNs`, and fewer yet where there are too many. */
export const seenSpans = (spans: SpanTable, leastNs: number): SpanTable => {
  for (let least = leastNs; ; least *= 2) {
    let count = 0
    for (let k = 0; k < spans.length; k++) if (spans.end[k]! - spans.start[k]! >= least) count++
    if (count > LIVE_SPANS) continue
    const seen = new SpanColumns(Math.max(1, count))
    for (let k = 0; k < spans.length; k++)
      if (spans.end[k]! - spans.start[k]! >= least)
        seen.push(
          spans.lane[k]!,
          spans.depth[k]!,
          spans.func[k]!,
          spans.start[k]!,
          spans.end[k]!,
          spans.startInstructions[k]!,
          spans.endInstructions[k]!,
          spans.calls[k]!,
        )
    return seen.finish()
  }
}

interface Recording {
  readonly boot: number
  readonly builder: SpanBuilder
  readonly leastNs: number
  /** Functions whose names the page has. */
  names: number
  isOver: boolean
}

export class TraceSession {
  readonly #ring: EventRing
  readonly #nowMs: () => number
  readonly #post: PostTrace
  #recording: Recording | undefined
  #dueMs = 0
  #idleDueMs = 0
  #eventsShown = 0

  constructor(ring: EventRing, nowMs: () => number, post: PostTrace) {
    this.#ring = ring
    this.#nowMs = nowMs
    this.#post = post
  }

  take(message: MachineToTrace): void {
    switch (message.type) {
      case 'begin':
        this.#begin(message.begin)
        return
      case 'slices':
        for (const slice of message.slices) this.#slice(slice)
        this.#live()
        return
      case 'show':
        this.show()
        return
      case 'end':
        if (!this.#recording || this.#recording.isOver) return
        this.#recording.isOver = true
        this.#postFull(this.#recording)
        return
    }
  }

  /** A full trace of a boot that still goes on; the last one of a boot that is over has been posted already. */
  show(): void {
    if (this.#recording && !this.#recording.isOver) this.#postFull(this.#recording)
  }

  #begin({ boot, symbols, entry, os, stages, liveNs, meta }: TraceBegin): void {
    const builder = new SpanBuilder({
      symbols,
      entry,
      ...(os !== undefined && { os }),
      stages,
      maxSpans: SPANS_MAX,
      meta,
    })
    this.#recording = { boot, builder, leastNs: liveNs / LIVE_PARTS, names: 0, isOver: false }
    this.#dueMs = 0
    this.#idleDueMs = 0
    this.#eventsShown = 0
  }

  #slice({ to, notes, clock }: TracedSlice): void {
    const events = this.#ring.peek(to)
    this.#recording?.builder.push({ events, notes, ...(clock && { clock }) })
    this.#ring.release(to)
  }

  #live(): void {
    const recording = this.#recording
    if (!recording || recording.isOver) return
    const { builder, boot } = recording
    const before = this.#nowMs()
    const isBusy = builder.events - this.#eventsShown >= LIVE_EVENTS
    if (before < (isBusy ? this.#dueMs : this.#idleDueMs) || builder.events === 0) return
    this.#eventsShown = builder.events
    const trace = builder.snapshot()
    const update: TraceUpdate = {
      boot,
      trace: {
        ...trace,
        spans: seenSpans(trace.spans, recording.leastNs),
        stacks: NO_STACKS,
        functions: { ...trace.functions, names: trace.functions.names.slice(recording.names) },
      },
      namesFrom: recording.names,
      full: false,
      done: false,
    }
    recording.names = trace.functions.length
    this.#post(update, buffersOf(update.trace))
    const after = this.#nowMs()
    this.#dueMs = after + Math.max(LIVE_MS, (after - before) / LIVE_SHARE)
    this.#idleDueMs = Math.max(this.#dueMs, after + LIVE_IDLE_MS)
  }

  #postFull(recording: Recording): void {
    const { boot, builder, isOver } = recording
    const trace = builder.snapshot()
    recording.names = trace.functions.length
    this.#post({ boot, trace, namesFrom: 0, full: true, done: isOver }, buffersOf(trace))
  }
}
