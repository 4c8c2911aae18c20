/**
 * The trace worker's part of one machine: call events become spans here, and the page gets what it can draw. While the
 * boot grows, that is spans wide enough to be seen at its live scale, a few times a second; when it is over, everything.
 *
 * Where cores are few, making spans at once slows the boot that they tell of: on two, NetBSD's took 1.6 times as long. A
 * session that is not eager hears nothing of the first second (trace-feed.ts), makes some in a small share of the time from
 * then on, and the rest when the machine sleeps, the ring fills up or the boot is over.
 */

import type { Trace } from '../trace/model/trace.ts'
import { SpanBuilder } from '../trace/spans/span-builder.ts'
import type { EventRing } from './event-ring.ts'
import type { MachineToTrace, TraceBegin, TracedSlice, TraceUpdate } from './protocol.ts'

/** At 4 lanes and 60 frames a second a page draws this many. */
const SPANS_MAX = 200_000
/** Share of this thread's time that live updates may take: a machine waits when its events are not read. */
const LIVE_SHARE = 0.1
const LIVE_MS = 100
/** Drawing them costs the page more than making them does: where cores are few, fewer of them. */
const LIVE_THRIFTY_MS = 250
/** Where less than this is new (a guest idles), once a second will do. */
const LIVE_EVENTS = 2000
const LIVE_IDLE_MS = 1000
/** What a session that is not eager takes at once, so that the chart is there. */
const FIRST_MS = 5
/** Share of the time after that which such a session takes. */
const THRIFTY_SHARE = 0.08
/** Where more of the ring than this waits to be read, thrift ends. */
const HIGH_WATER = 0.75
/** A machine that said it sleeps has said nothing since: there is time. */
const ASLEEP_MS = 25
/** One that did not say so may only be short of time itself; so long, and it is held up by something else. */
const SILENT_MS = 500
/** One go at what was put off. */
const CATCH_UP_MS = 10
/** A live update's spans; more are thinned by length. */
const LIVE_SPANS = 8000
/** Pixels of a wide screen, times two: what is shorter than its share of the live window is not sent. */
const LIVE_PARTS = 3000

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

interface Recording {
  readonly boot: number
  readonly builder: SpanBuilder
  readonly leastNs: number
  /** Functions whose names the page has. */
  names: number
  isOver: boolean
}

export interface SessionOptions {
  readonly ring: EventRing
  /** There are cores to spare. */
  readonly eager: boolean
  readonly nowMs: () => number
  readonly post: PostTrace
}

export class TraceSession {
  readonly #ring: EventRing
  readonly #eager: boolean
  readonly #nowMs: () => number
  readonly #post: PostTrace
  #recording: Recording | undefined
  /** Told of and not looked at yet. */
  #waiting: TracedSlice[] = []
  #begunMs = 0
  #spentMs = 0
  #dueMs = 0
  #idleDueMs = 0
  #eventsShown = 0

  constructor({ ring, eager, nowMs, post }: SessionOptions) {
    this.#ring = ring
    this.#eager = eager
    this.#nowMs = nowMs
    this.#post = post
  }

  /** When to call `catchUp`, in milliseconds, unless a message comes before; undefined: there is nothing to do. */
  get quietMs(): number | undefined {
    const last = this.#waiting.at(-1)
    return last && (last.sleeps ? ASLEEP_MS : SILENT_MS)
  }

  take(message: MachineToTrace): void {
    const before = this.#nowMs()
    switch (message.type) {
      case 'begin':
        this.#begin(message.begin)
        return
      case 'slices':
        this.#waiting.push(...message.slices)
        this.#work()
        break
      case 'show':
        this.show()
        break
      case 'end':
        if (!this.#recording || this.#recording.isOver) break
        this.#recording.isOver = true
        this.#postFull(this.#recording)
        break
    }
    this.#spentMs += this.#nowMs() - before
  }

  /** The machine is quiet: some of what was put off. */
  catchUp(): void {
    const until = this.#nowMs() + CATCH_UP_MS
    while (this.#waiting.length > 0 && this.#nowMs() < until) this.#slice(this.#waiting.shift()!)
    this.#live()
  }

  /** A full trace of a boot that still goes on; the last one of a boot that is over has been posted already. */
  show(): void {
    if (this.#recording && !this.#recording.isOver) this.#postFull(this.#recording)
  }

  /** All of a boot that was recorded before this machine. */
  adopt(trace: Trace): void {
    this.#post({ boot: 1, trace, namesFrom: 0, full: true, done: true }, buffersOf(trace))
  }

  #work(): void {
    const began = this.#nowMs()
    const may = (): boolean => {
      if (this.#eager || this.#ring.fill > HIGH_WATER) return true
      const now = this.#nowMs()
      const share = (now - this.#begunMs) * THRIFTY_SHARE
      return this.#spentMs + now - began < FIRST_MS + share
    }
    while (this.#waiting.length > 0 && may()) {
      this.#slice(this.#waiting.shift()!)
      this.#live()
    }
  }

  #begin({ boot, from, symbols, entry, os, stages, liveNs, meta }: TraceBegin): void {
    const builder = new SpanBuilder({
      symbols,
      entry,
      ...(os !== undefined && { os }),
      stages,
      maxSpans: SPANS_MAX,
      meta,
    })
    this.#recording = { boot, builder, leastNs: liveNs / LIVE_PARTS, names: 0, isOver: false }
    // What the boot before left behind is nobody's.
    this.#ring.release(from)
    this.#waiting = []
    this.#begunMs = this.#nowMs()
    this.#spentMs = 0
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
    const trace = builder.live(recording.leastNs, LIVE_SPANS, recording.names)
    const update: TraceUpdate = { boot, trace, namesFrom: recording.names, full: false, done: false }
    recording.names = trace.functions.length
    this.#post(update, buffersOf(update.trace))
    const after = this.#nowMs()
    this.#dueMs = after + Math.max(this.#eager ? LIVE_MS : LIVE_THRIFTY_MS, (after - before) / LIVE_SHARE)
    this.#idleDueMs = Math.max(this.#dueMs, after + LIVE_IDLE_MS)
  }

  #postFull(recording: Recording): void {
    const { boot, builder, isOver } = recording
    for (const slice of this.#waiting) this.#slice(slice)
    this.#waiting = []
    const trace = builder.snapshot()
    recording.names = trace.functions.length
    this.#post({ boot, trace, namesFrom: 0, full: true, done: isOver }, buffersOf(trace))
  }
}
