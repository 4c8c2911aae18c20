/**
 * The wires between the page, the machine's worker and the trace worker, as plain data.
 *
 *              Comlink, EmulatorEvent, PageMessage
 *   page ◄───────────────────────────────────────────► emulator worker
 *     ▲                                                      │ MachineToTrace
 *     │ TraceEvent, 'show'                                   │ call events (event-ring.ts)
 *     └────────────────► trace worker ◄──────────────────────┘
 *
 * Control (boot, pause, resume, reset, resize) is Comlink on the worker's own port: rare, awaited, answered.
 * Everything else travels on one MessagePort of its own: `EmulatorEvent` down, `PageMessage` up. Console bytes are
 * batched, one transferable message per slice at most, and paid for with credits: the page acknowledges what its
 * terminal has parsed and the emulator stops running while CONSOLE_CREDIT bytes are unacknowledged, so a guest that
 * floods the console neither fills the page's memory nor makes Ctrl-C late.
 *
 * Why not a ring in a SharedArrayBuffer: measured in Chromium 156 on a shared 2-core machine, 3000 batches each, two
 * rounds: 4 KiB batches took 232/137 ms as messages and 217/100 ms through a ring with a wake-up message, 64 KiB 412/283
 * against 542/204. The same within noise, and there are 125 batches a second at most. The ring needs the wake-up anyway,
 * since a page may not block and not every browser has Atomics.waitAsync.
 */
import type { Problem, Result } from '../base/problem.ts'
import type { Ext2Kind } from '../disk/ext2-reader.ts'
import type { Stage } from '../guests/guest.ts'
import type { TraceNote } from '../machine/call-event.ts'
import type { KernelSymbol, MachineExit, Registers } from '../machine/index.ts'
import type { MachineSettings } from '../settings/settings.ts'
import type { DiskNames } from '../storage/kept-disks.ts'
import type { ClockSample } from '../trace/model/clock.ts'
import type { Trace, TraceMeta } from '../trace/model/trace.ts'

export type { MachineExit, Problem }

/** Unacknowledged console bytes at which the emulator stops running, and the level at which it goes on. */
export const CONSOLE_CREDIT = 512 * 1024
export const CONSOLE_RESUME = 128 * 1024

/** A file the worker reads: by an absolute URL, or as a Blob the person chose (a handle: no bytes are copied here). */
export type FileSource =
  | {
      readonly kind: 'url'
      readonly name: string
      readonly url: string
      /** What to try when it cannot be had. */
      readonly hint?: string
    }
  | { readonly kind: 'blob'; readonly name: string; readonly blob: Blob }

/** A file that a person puts on a root disk; a folder where there are no bytes. */
export interface AddedEntry {
  /** Absolute, on the disk. */
  readonly path: string
  readonly blob: Blob | undefined
  /** Seconds since 1970. */
  readonly mtime: number
}

/** Under which name a disk's changes are kept in this browser. */
export interface Keep extends DiskNames {
  /** Go on with what was kept, whatever image the disk has now. */
  readonly asKept: boolean
}

export interface DiskSource {
  /** An image's bytes as they are, or an ext2 root made around this file, our static init. */
  readonly kind: 'image' | 'netbsd-root'
  readonly source: FileSource
  /** The init for a 32-bit kernel. */
  readonly source32?: FileSource
  readonly readOnly: boolean
  /** What is put on a root. */
  readonly added?: readonly AddedEntry[]
  /** Without it the changes last as long as the machine. */
  readonly keep?: Keep
}

/** A disk of the machine at hand, or one that is kept and that no machine uses. */
export type DiskRef =
  | { readonly kind: 'machine'; readonly index: number }
  | { readonly kind: 'kept'; readonly key: string }

export interface DiskSummary {
  /** What it holds, for people. */
  readonly name: string
  readonly size: number
  readonly readOnly: boolean
  /** Keep's key. */
  readonly kept: string | undefined
}

export interface FolderEntry {
  readonly name: string
  readonly kind: Ext2Kind
  readonly size: number
  /** Seconds since 1970. */
  readonly mtime: number
  /** Of a symbolic link. */
  readonly target?: string
}

/** A folder of a disk: folders first, by name. */
export interface Folder {
  readonly path: string
  readonly entries: readonly FolderEntry[]
}

/** What is taken out of a disk: a file as it is, a folder as a tar archive, the disk as a raw image. */
export type DiskPart = { readonly kind: 'file' | 'folder'; readonly path: string } | { readonly kind: 'image' }

/** What a saved machine says of itself, and the file, fetched if it was an address. */
export interface SnapshotSummary {
  readonly settings: MachineSettings
  /** Of the kernel's file, hexadecimal. */
  readonly kernelSha256: string
  readonly cmdline: string
  readonly instructions: number
  readonly guestNs: number
  readonly file: Blob
}

/** A stage begins when a console line matches. */
export interface StagePattern {
  readonly name: string
  /** Regular expression source, tried against each console line and against an unfinished last line. */
  readonly pattern: string
}

export interface BootRequest extends MachineSettings {
  readonly label: string
  readonly kernel: FileSource
  readonly initrd?: FileSource
  readonly disks: readonly DiskSource[]
  /** Pauses once so many instructions have retired since power-on, exactly. */
  readonly stopAfter?: number
  /** The machine at its prompt comes as an event, for the browser to keep: unless somebody has typed by then. */
  readonly keepAtPrompt?: boolean
  /** A saved machine that goes on, in place of a kernel that boots: kernel and disks are its own then. */
  readonly snapshot?: FileSource
  /** What the first stage, from power-on, is called. */
  readonly entryStage: string
  readonly stages: readonly StagePattern[]
  /** The same stages with all their marks, for the trace. */
  readonly stageMarks: readonly Stage[]
  /** Said with the trace: which guest, which switches. */
  readonly guest: string
  /** Guest time that the page shows at once while the boot grows. */
  readonly liveNs: number
  /** Regular expression sources, seen in this order; with the last one the boot is over. Empty: nobody knows. */
  readonly expected: readonly string[]
}

/**
 * The trace, as far as it has come. While the guest boots an update holds what shows at the page's live scale: spans of
 * at least a fraction of a pixel, names the page does not have yet, no stacks. A full one holds everything.
 */
export interface TraceUpdate {
  /** Power-ons of the machine until then, this boot's included. */
  readonly boot: number
  readonly trace: Trace
  /** `trace.functions.names` begins with this function. */
  readonly namesFrom: number
  readonly full: boolean
  /** Recording is over. */
  readonly done: boolean
}

export interface KernelSummary {
  readonly entry: number
  readonly elfClass: 32 | 64
  readonly bytes: number
  readonly cmdline: string
  /** What the kernel will not read of its command line. */
  readonly warnings: readonly Problem[]
}

/** Ours: the emulator broke an invariant. Everything a defect report needs, as text fields. */
export interface FaultReport {
  readonly message: string
  readonly stack: string
  readonly label: string
  readonly cmdline: string
  readonly instructions: number
  readonly registers: Registers
  readonly log: readonly string[]
}

export type MachineState =
  | { readonly name: 'off' }
  | { readonly name: 'loading' }
  | { readonly name: 'warming' }
  | { readonly name: 'running' }
  | { readonly name: 'paused' }
  | { readonly name: 'stopped'; readonly exit: MachineExit }
  | { readonly name: 'refused'; readonly problem: Problem }
  | { readonly name: 'fault'; readonly report: FaultReport }

/** Sampled about ten times a second while the machine runs, once a second while it sleeps. */
export interface LiveFigures {
  readonly instructions: number
  readonly guestNs: number
  /** Host time since power-on, pauses left out. */
  readonly wallMs: number
  /** Instructions per microsecond of host time spent executing, over the last sample. */
  readonly mips: number
  /** Share of host time spent executing over the last sample, 0..1. */
  readonly busy: number
  readonly engine: Readonly<Record<string, number>>
}

/** A moment of the boot: a stage began, or the console said the last of `expected`. */
export interface BootMark {
  readonly kind: 'power-on' | 'stage' | 'ready'
  /** Power-ons of the machine until then, this boot's included. */
  readonly boot: number
  readonly name: string
  readonly guestNs: number
  readonly wallMs: number
  readonly instructions: number
}

export interface KeptFile {
  readonly blob: Blob
  /** Of the kernel's file, hexadecimal. */
  readonly kernelSha256: string
}

/** At the end of its boot, or wherever it was. */
export type KeptAs = 'prompt' | 'last'

export type EmulatorEvent =
  | { readonly type: 'state'; readonly state: MachineState }
  | {
      readonly type: 'loading'
      readonly file: string
      readonly loaded: number
      readonly total: number | undefined
      readonly bytesPerSecond: number
    }
  | { readonly type: 'kernel'; readonly kernel: KernelSummary }
  | { readonly type: 'disks'; readonly disks: readonly DiskSummary[] }
  /** A write could not be kept: the guest got an I/O error. Once for each kind of failure. */
  | { readonly type: 'disk-failed'; readonly problem: Problem }
  | { readonly type: 'console'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'mark'; readonly mark: BootMark }
  | { readonly type: 'figures'; readonly figures: LiveFigures }
  | { readonly type: 'log'; readonly line: string }
  /** The machine as it was when the console had said what came before this, for the browser to keep; or why not. */
  | { readonly type: 'kept'; readonly as: KeptAs; readonly file: Result<KeptFile> }
  | TraceEvent

/** From the trace worker straight to the page; the emulator's worker says the second one too. */
export type TraceEvent =
  | { readonly type: 'trace'; readonly update: TraceUpdate }
  /** Nobody records this boot any more. */
  | { readonly type: 'trace-lost'; readonly problem: Problem }

export type PageMessage =
  | { readonly type: 'input'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** That many console bytes have been parsed by the terminal. */
  | { readonly type: 'acknowledge'; readonly bytes: number }

/** The page's first message to the trace worker, and one for each machine after that: the one before it is forgotten. */
export interface TraceAttachment {
  readonly ring: SharedArrayBuffer
  /** There are cores to spare: spans are made while the machine runs. */
  readonly eager: boolean
  /** MachineToTrace comes in here. */
  readonly machine: MessagePort
  /** TraceEvent goes out here; TraceAsk comes in. */
  readonly page: MessagePort
}

/** A full trace, since somebody looks closely while it still grows; or the kept one of the boot that a machine goes on from. */
export type TraceAsk = 'show' | { readonly kept: Blob }

/** What the trace worker must know of a boot before its events. */
export interface TraceBegin {
  readonly boot: number
  /** Where its events begin in the ring. */
  readonly from: number
  readonly symbols: readonly KernelSymbol[]
  readonly entry: number
  readonly os: string | undefined
  readonly stages: readonly Stage[]
  readonly liveNs: number
  readonly meta: TraceMeta
}

/** Events in the ring up to `to`, as EventRing counts them. Without a clock the slice is not over, only the ring full. */
export interface TracedSlice {
  readonly to: number
  readonly notes: readonly TraceNote[]
  readonly clock: ClockSample | undefined
  /** The machine sleeps after it. */
  readonly sleeps: boolean
}

export type MachineToTrace =
  | { readonly type: 'begin'; readonly begin: TraceBegin }
  | { readonly type: 'slices'; readonly slices: readonly TracedSlice[] }
  | { readonly type: 'show' }
  | { readonly type: 'end' }

/** The emulator's end of the way to the trace worker. */
export interface TraceLine {
  readonly ring: SharedArrayBuffer
  /** There are cores to spare. */
  readonly eager: boolean
  readonly port: MessagePort
}

/** Comlink's side. Each returns when the state has changed; what happened arrives as events. */
export interface EmulatorControl {
  /** The port carries EmulatorEvent down and PageMessage up. */
  connect(port: MessagePort, trace: TraceLine): void
  /** Makes the engine before a machine needs it: that of a recorded boot, or the one of a machine that goes on. */
  warm(traced: boolean): void
  boot(request: BootRequest): Promise<void>
  pause(): void
  resume(): void
  reset(): void
  resizeConsole(columns: number, rows: number): void
  registers(): Registers
  /** Disks as they are between two slices, whether the machine runs or not. A kept one is read once, until `forgetDisk`. */
  listFolder(disk: DiskRef, path: string): Promise<Result<Folder>>
  takeFrom(disk: DiskRef, part: DiskPart): Promise<Result<Blob>>
  forgetDisk(): void
  /** The machine as a file, as it is between two slices. */
  save(): Promise<Result<Blob>>
  /** The same for the browser to keep, as an event. */
  keep(): Promise<void>
  /** Of all that the machine is, as `--json` has it; empty without one. */
  stateHash(): Promise<string>
  lookAtSnapshot(file: FileSource): Promise<Result<SnapshotSummary>>
}
