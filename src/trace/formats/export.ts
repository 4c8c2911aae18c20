/** One door for headless and the page: a trace, or a run's call events, to a file's text. */

import type { StageSpec } from '../model/stages.ts'
import type { Trace, TraceMeta } from '../model/trace.ts'
import type { TraceNote } from '../spans/call-events.ts'
import { SpanBuilder } from '../spans/span-builder.ts'
import type { CodeSymbol } from '../spans/symbols.ts'
import { writeChrome } from './chrome.ts'
import { writeFolded } from './folded.ts'
import { writeSpeedscope } from './speedscope.ts'
import { writeTrace } from './trace-file.ts'

export const TRACE_FORMATS = ['native', 'chrome', 'speedscope', 'folded'] as const
export type TraceFormat = (typeof TRACE_FORMATS)[number]

/** A finished run as headless has it. */
export interface RecordedRun {
  /** CALL_EVENT_BYTES each, in order. */
  readonly callEvents: Uint8Array
  readonly notes?: readonly TraceNote[]
  readonly kernel: { readonly symbols: readonly CodeSymbol[]; readonly entry: number; readonly os?: string }
  readonly guestNs: number
  readonly instructions: number
  readonly wallMs: number
  readonly stages?: readonly StageSpec[]
  readonly meta?: Partial<TraceMeta>
}

export const traceOfRun = (run: RecordedRun): Trace => {
  const builder = new SpanBuilder({
    symbols: run.kernel.symbols,
    entry: run.kernel.entry,
    ...(run.kernel.os !== undefined && { os: run.kernel.os }),
    ...(run.stages !== undefined && { stages: run.stages }),
    ...(run.meta !== undefined && { meta: run.meta }),
  })
  builder.push({
    events: run.callEvents,
    ...(run.notes !== undefined && { notes: run.notes }),
    clock: { instructions: run.instructions, guestNs: run.guestNs, wallNs: run.wallMs * 1e6 },
  })
  return builder.snapshot()
}

const WRITERS: Readonly<Record<TraceFormat, (trace: Trace) => string>> = {
  native: writeTrace,
  chrome: writeChrome,
  speedscope: writeSpeedscope,
  folded: writeFolded,
}

export const exportTrace = (source: Trace | RecordedRun, format: TraceFormat): string =>
  WRITERS[format]('callEvents' in source ? traceOfRun(source) : source)

/** File names as people know them. */
export const TRACE_EXTENSIONS: Readonly<Record<TraceFormat, string>> = {
  native: '.trace.json',
  chrome: '.chrome.json',
  speedscope: '.speedscope.json',
  folded: '.folded.txt',
}
