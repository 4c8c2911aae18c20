/** The way to the trace room, which names spans and knows the file formats. */
import type { KernelInfo } from '../machine/machine.ts'
import type { TraceNote } from '../trace/call-events.ts'
import type { TraceFormat } from './options.ts'

export interface TraceInput {
  /** CALL_EVENT_BYTES each, in order. */
  readonly callEvents: Uint8Array
  readonly notes: readonly TraceNote[]
  readonly kernel: KernelInfo
  readonly guestNs: number
  readonly instructions: number
  readonly wallMs: number
}

/** `exportTrace` of src/trace/export.ts; tests give their own. */
export type ExportTrace = (input: TraceInput, format: TraceFormat) => Uint8Array | string
