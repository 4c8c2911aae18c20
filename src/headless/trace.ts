/** The way to the trace room, which names spans and knows the file formats. */
import { basename } from 'node:path'
import { PLAYGROUND } from '../guests/catalogue.ts'
import type { Stage } from '../guests/guest.ts'
import { NETBSD_STAGES } from '../guests/stages.ts'
import type { KernelInfo } from '../machine/index.ts'
import { type MachineSettings, settingsOf } from '../settings/settings.ts'
import type { TraceFormat } from '../trace/formats/export.ts'
import type { TraceMeta } from '../trace/model/trace.ts'
import type { TraceNote } from '../trace/spans/call-events.ts'
import type { Options } from './options.ts'

export interface TraceInput {
  /** CALL_EVENT_BYTES each, in order. */
  readonly callEvents: Uint8Array
  readonly notes: readonly TraceNote[]
  readonly kernel: KernelInfo
  readonly guestNs: number
  readonly instructions: number
  readonly wallMs: number
  readonly stages: readonly Stage[]
  readonly meta: TraceMeta
}

/** `exportTrace` of src/trace/formats/export.ts; tests give their own. */
export type ExportTrace = (input: TraceInput, format: TraceFormat) => Uint8Array | string

/** A kernel of the embedded guest's or NetBSD's has stages; what others do at boot is not known. */
export const stagesOf = (options: Options, kernel: KernelInfo): readonly Stage[] =>
  options.kernel === undefined && options.snapshot === undefined
    ? PLAYGROUND.stages
    : kernel.os === 'netbsd'
      ? NETBSD_STAGES
      : []

/** What the trace says of itself. */
export const metaOf = (options: Options, config: MachineSettings, kernel: KernelInfo): TraceMeta => {
  const file = options.kernel ?? options.snapshot
  const name = file === undefined ? PLAYGROUND.name : basename(file)
  return {
    title: `${name} on ${config.profile}`,
    guest: name,
    ...settingsOf(config),
    cmdline: kernel.cmdline,
    notes: [],
  }
}
