/**
 * A trace as data. Struct of arrays: a column per field, rows by index, so that 200,000 spans are a few typed arrays.
 * Nothing in it refers to the machine: it is the same whether it was recorded, read from a file or taken from a link.
 *
 *   functions ◄── spans.func           lanes ◄── spans.lane            stacks: parent ─► stacks (calling contexts)
 *                 spans.start, end: guest ns                                   func ─► functions, lane ─► lanes
 *                 spans.startInstructions, endInstructions
 */

import type { MachineSettings, SettingName } from '../../settings/settings.ts'
import type { LaneKind } from './lanes.ts'

export interface Lane {
  readonly kind: LaneKind
  readonly name: string
  /** Of a process: its identity in the kernel, where it could be known. */
  readonly pid?: number
  readonly path?: string
  /** CR3, 48 bits. */
  readonly addressSpace?: number
}

/** An index into `Trace.functions`; spans of the idle lane and of unknown functions have NO_FUNCTION. */
export const NO_FUNCTION = 0xffffffff

/**
 * Spans in the order in which they ended, so a child comes before its parent; spans still open at the end come last,
 * innermost first. Rows (one lane, one depth) never overlap and are in order of time.
 */
export interface SpanTable {
  readonly length: number
  readonly lane: Uint16Array
  readonly depth: Uint16Array
  readonly func: Uint32Array
  /** Guest nanoseconds since power-on. */
  readonly start: Float64Array
  readonly end: Float64Array
  readonly startInstructions: Float64Array
  readonly endInstructions: Float64Array
  /**
   * Calls it stands for: 1 as a rule; more when neighbours too short to keep were merged (`func` is then the longest of
   * them); 0 when it continues a call that was interrupted by a context switch.
   */
  readonly calls: Uint32Array
}

/** Exact for every function, whatever was merged or dropped among the spans. Totals count a recursion once. */
export interface FunctionTable {
  readonly length: number
  readonly names: readonly string[]
  /** 48-bit virtual address of its start, -1 when it has none. */
  readonly address: Float64Array
  readonly calls: Float64Array
  readonly self: Float64Array
  readonly total: Float64Array
  readonly selfInstructions: Float64Array
  readonly totalInstructions: Float64Array
}

/**
 * Calling contexts: one row per distinct stack, parents before children. A row without parent has the parent NO_STACK
 * and, where it stands for its whole lane, NO_FUNCTION. Time inside interrupts, exceptions and system calls belongs to
 * their own stacks and not to what they interrupted.
 */
export interface StackTable {
  readonly length: number
  readonly parent: Int32Array
  readonly func: Uint32Array
  readonly lane: Uint16Array
  readonly calls: Float64Array
  readonly self: Float64Array
  readonly selfInstructions: Float64Array
}
export const NO_STACK = -1

/** The same moment on three clocks; ascending, linear in between. */
export interface ClockTable {
  readonly length: number
  readonly instructions: Float64Array
  readonly guestNs: Float64Array
  readonly wallNs: Float64Array
}

export interface StageRow {
  readonly name: string
  readonly about?: string
  readonly start: number
  readonly end: number
  readonly startInstructions: number
  readonly endInstructions: number
  /** Of the boot, 0..1; the last stage, where a boot has arrived, has 0. */
  readonly share: number
  /** What told that it began. */
  readonly mark: 'entry' | 'call' | 'console' | 'user' | 'file'
}

/** A moment worth showing between the spans. */
export interface Mark {
  readonly kind: 'console' | 'exec' | 'device'
  readonly at: number
  readonly atInstructions: number
  /** A console line without its end, a path, or what was asked of a device: "ld0 read sector 64, 8192 bytes". */
  readonly text: string
}

/** What somebody else's page may say of a setting, older or newer than this one. */
type Said<T> = T extends string ? string : T
export type SaidSettings = { readonly [K in SettingName]?: Said<MachineSettings[K]> }

/** What was booted and how: shown beside the trace, carried by files, and as far as v1 goes by links. */
export interface TraceMeta extends SaidSettings {
  readonly title: string
  readonly guest?: string
  readonly engineVersion?: string
  /** Where it came from when it was not recorded here: 'chrome', 'speedscope', 'folded', 'tslog', 'link'. */
  readonly source?: string
  /** Sentences a reader must know: lost events, assumed frequencies, pruning. */
  readonly notes: readonly string[]
}

/** Where a function ran. */
export const RAN = { kernel: 0, user: 1, device: 2, leftOut: 3 } as const

/** Functions that are not in the table, in a sum. */
export interface RestRow {
  /** Index into SUBSYSTEMS, or OTHER. */
  readonly subsystem: number
  readonly functions: number
  readonly calls: number
  readonly self: number
  readonly selfInstructions: number
}

/**
 * Of a trace that comes without most of its spans (a link): the function table is exact as always, the stacks are of the
 * spans that are left. What their short calls took is in stacks of one function that stands for them all.
 */
export interface Pruned {
  /** By function: one of RAN. */
  readonly ran: Uint8Array
  /** Together with the function table all CPU time and every call. */
  readonly rest: readonly RestRow[]
  /** The function that stands for calls too short to be in the link, if there were any; its row in the table is empty. */
  readonly leftOut: number | undefined
}

export interface Trace {
  readonly meta: TraceMeta
  /** The whole recorded range. */
  readonly start: number
  readonly end: number
  readonly endInstructions: number
  readonly clock: ClockTable
  readonly lanes: readonly Lane[]
  readonly functions: FunctionTable
  readonly spans: SpanTable
  readonly stacks: StackTable
  readonly stages: readonly StageRow[]
  readonly marks: readonly Mark[]
  readonly pruned?: Pruned
}

/** Spans being collected: columns that grow by doubling. */
export class SpanColumns implements SpanTable {
  length = 0
  lane: Uint16Array
  depth: Uint16Array
  func: Uint32Array
  start: Float64Array
  end: Float64Array
  startInstructions: Float64Array
  endInstructions: Float64Array
  calls: Uint32Array

  constructor(capacity = 1024) {
    this.lane = new Uint16Array(capacity)
    this.depth = new Uint16Array(capacity)
    this.func = new Uint32Array(capacity)
    this.start = new Float64Array(capacity)
    this.end = new Float64Array(capacity)
    this.startInstructions = new Float64Array(capacity)
    this.endInstructions = new Float64Array(capacity)
    this.calls = new Uint32Array(capacity)
  }

  get capacity(): number {
    return this.lane.length
  }

  push(
    lane: number,
    depth: number,
    func: number,
    start: number,
    end: number,
    startInstructions: number,
    endInstructions: number,
    calls: number,
  ): number {
    if (this.length === this.lane.length) this.reserve(this.length * 2)
    const i = this.length++
    this.lane[i] = lane
    this.depth[i] = depth
    this.func[i] = func
    this.start[i] = start
    this.end[i] = end
    this.startInstructions[i] = startInstructions
    this.endInstructions[i] = endInstructions
    this.calls[i] = calls
    return i
  }

  reserve(capacity: number): void {
    if (capacity <= this.lane.length) return
    this.lane = grown(this.lane, capacity)
    this.depth = grown(this.depth, capacity)
    this.func = grown(this.func, capacity)
    this.start = grown(this.start, capacity)
    this.end = grown(this.end, capacity)
    this.startInstructions = grown(this.startInstructions, capacity)
    this.endInstructions = grown(this.endInstructions, capacity)
    this.calls = grown(this.calls, capacity)
  }

  /** The rows so far, copied: what is pushed later does not show. */
  finish(): SpanTable {
    const n = this.length
    return {
      length: n,
      lane: this.lane.slice(0, n),
      depth: this.depth.slice(0, n),
      func: this.func.slice(0, n),
      start: this.start.slice(0, n),
      end: this.end.slice(0, n),
      startInstructions: this.startInstructions.slice(0, n),
      endInstructions: this.endInstructions.slice(0, n),
      calls: this.calls.slice(0, n),
    }
  }
}

type Column = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>

/** A longer copy. */
export const grown = <T extends Uint16Array | Uint32Array | Float64Array | Int32Array>(
  column: T,
  length: number,
): T => {
  const longer = new (column.constructor as new (length: number) => Column)(length)
  longer.set(column as never)
  return longer as unknown as T
}

export const emptyStacks = (): StackTable => ({
  length: 0,
  parent: new Int32Array(0),
  func: new Uint32Array(0),
  lane: new Uint16Array(0),
  calls: new Float64Array(0),
  self: new Float64Array(0),
  selfInstructions: new Float64Array(0),
})

/** A span's name as it is shown: idle spans have no function. */
export const spanName = (trace: Trace, func: number): string =>
  func === NO_FUNCTION ? 'idle' : (trace.functions.names[func] ?? '?')
