/**
 * The way to the trace room, which names spans and knows the file formats. It is looked for when --trace is given; until
 * it is there, that is one sentence.
 */
import { ok, problem, type Result, refuse } from '../base/problem.ts'
import type { KernelInfo } from '../machine/machine.ts'
import type { TraceFormat } from './options.ts'

export interface TraceInput {
  /** CALL_EVENT_BYTES each, in order. */
  readonly callEvents: Uint8Array
  readonly kernel: KernelInfo
  readonly guestNs: number
  readonly instructions: number
  readonly wallMs: number
}

/** `exportTrace` of src/trace/export.ts. */
export type ExportTrace = (input: TraceInput, format: TraceFormat) => Uint8Array | string

export const loadTraceExport = async (): Promise<Result<ExportTrace>> => {
  // Not a literal: the module need not be there when this one is compiled.
  const where = new URL('../trace/export.ts', import.meta.url).href
  try {
    const module = (await import(where)) as { readonly exportTrace?: ExportTrace }
    if (module.exportTrace !== undefined) return ok(module.exportTrace)
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw e
  }
  return refuse(
    problem('no-trace', 'this version cannot export traces yet', 'a run without --trace', 'leave --trace out'),
  )
}
