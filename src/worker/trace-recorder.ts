/**
 * Call events to traces for the page. Events become spans here, in the worker; the page gets what it can draw: while the
 * boot grows, spans wide enough to be seen at its live scale, a few times a second; when it is over, everything.
 *
 * Under the wall clock the machine returns to its host to sleep, and HLT leaves no event: the recorder writes one.
 */
import { CALL_EVENT_BYTES, CallEventKind } from '../machine/call-event.ts'
import type { Figures, Machine } from '../machine/machine.ts'
import type { TraceNote } from '../trace/call-events.ts'
import { SpanBuilder } from '../trace/span-builder.ts'
import { SpanColumns, type SpanTable, type StackTable, type Trace } from '../trace/trace.ts'
import type { BootRequest, TraceUpdate } from './protocol.ts'

/** At 4 lanes and 60 frames a second a page draws this many. */
const SPANS_MAX = 200_000
/** Share of the worker's time that live updates may take. */
const LIVE_SHARE = 0.04
const LIVE_MS = 100
/** A live update's spans; more are thinned by length. */
const LIVE_SPANS = 8000
/** Pixels of a wide screen, times two: what is shorter than its share of the live window is not sent. */
const LIVE_PARTS = 3000
/** A guest without a known end stops being recorded here. */
const RECORD_NS = 120e9

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

export class TraceRecorder {
  readonly #builder: SpanBuilder
  readonly #machine: Machine
  readonly #post: PostTrace
  readonly #nowMs: () => number
  readonly #leastNs: number
  #notes: TraceNote[] = []
  #asleep = false
  #extra: Uint8Array[] = []
  #names = 0
  #dueMs = 0
  #isDone = false

  constructor(machine: Machine, request: BootRequest, nowMs: () => number, post: PostTrace) {
    this.#machine = machine
    this.#post = post
    this.#nowMs = nowMs
    this.#leastNs = request.liveNs / LIVE_PARTS
    const { kernel } = machine
    this.#builder = new SpanBuilder({
      symbols: kernel.symbols,
      entry: kernel.entry,
      ...(kernel.os !== undefined && { os: kernel.os }),
      stages: request.stageMarks,
      maxSpans: SPANS_MAX,
      meta: {
        title: request.label,
        guest: request.guest,
        cmdline: kernel.cmdline,
        profile: request.profile,
        clock: request.clock,
        engine: request.engine,
        memoryMiB: request.memoryMiB,
        cpu: request.cpu,
        notes: [],
      },
    })
  }

  get isDone(): boolean {
    return this.#isDone
  }

  note(note: TraceNote): void {
    if (!this.#isDone) this.#notes.push(note)
  }

  /** Before a slice: the machine may have slept. */
  wake(): void {
    if (!this.#asleep || this.#isDone) return
    this.#asleep = false
    this.#idleEvent(CallEventKind.IdleLeave, this.#machine.figures())
  }

  /** From the machine's ring, which is written over afterwards. */
  events(bytes: Uint8Array): void {
    if (!this.#isDone) this.#extra.push(bytes.slice())
  }

  /** After a slice. */
  take(isIdle: boolean, wallMs: number): void {
    if (this.#isDone) return
    const figures = this.#machine.figures()
    if (isIdle) {
      this.#asleep = true
      this.#idleEvent(CallEventKind.IdleEnter, figures)
    }
    this.#builder.push({
      events: joined(this.#extra),
      notes: this.#notes,
      clock: { instructions: figures.instructions, guestNs: figures.guestNs, wallNs: wallMs * 1e6 },
    })
    this.#extra = []
    this.#notes = []
    if (figures.guestNs > RECORD_NS) this.finish()
    else this.#live()
  }

  /** A full trace now. */
  send(): void {
    if (!this.#isDone) this.#postFull(false)
  }

  /** The last trace; what happens later is not recorded. */
  finish(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#postFull(true)
  }

  #live(): void {
    const before = this.#nowMs()
    if (before < this.#dueMs || this.#builder.events === 0) return
    const trace = this.#builder.snapshot()
    const update: TraceUpdate = {
      trace: {
        ...trace,
        spans: seenSpans(trace.spans, this.#leastNs),
        stacks: NO_STACKS,
        functions: { ...trace.functions, names: trace.functions.names.slice(this.#names) },
      },
      namesFrom: this.#names,
      full: false,
      done: false,
    }
    this.#names = trace.functions.length
    this.#post(update, buffersOf(update.trace))
    const after = this.#nowMs()
    this.#dueMs = after + Math.max(LIVE_MS, (after - before) / LIVE_SHARE)
  }

  #postFull(done: boolean): void {
    const trace = this.#builder.snapshot()
    this.#names = trace.functions.length
    this.#post({ trace, namesFrom: 0, full: true, done }, buffersOf(trace))
  }

  #idleEvent(kind: number, { instructions, guestNs }: Figures): void {
    const record = new Uint8Array(CALL_EVENT_BYTES)
    const view = new DataView(record.buffer)
    view.setUint32(0, kind, true)
    view.setBigUint64(8, BigInt(Math.floor(guestNs)), true)
    view.setBigUint64(24, BigInt(instructions), true)
    this.#extra.push(record)
  }
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  if (parts.length === 1) return parts[0]!
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
