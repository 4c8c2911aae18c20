/**
 * Links of version 2: as version 1, and exact sums beside the spans that are left. Every function with a name in the link
 * has its calls, self and total time and self instructions; the others are summed by subsystem, so that nothing is
 * missing; stages begin at exact instructions.
 */

import { isCpuLane } from '../model/lanes.ts'
import { functionTable, StackColumns, stacksFromSpans } from '../model/stacks.ts'
import { functionSubsystems, OTHER, SUBSYSTEMS, subsystemTotals, whereRan } from '../model/subsystems.ts'
import {
  type FunctionTable,
  type Lane,
  NO_STACK,
  RAN,
  type RestRow,
  type StackTable,
  type Trace,
} from '../model/trace.ts'
import { type ByteReader, BytesError, type ByteWriter } from './bytes.ts'
import {
  decodeLink,
  encodeLink,
  type LinkDocument,
  STAGE_MARKS,
  STAGES_MAX,
  STRINGS_MAX,
  type SumsRead,
  TIME_MAX,
} from './link-bytes.ts'
import type { Draft } from './link-choose.ts'

/** Stands for all calls that are in no span of the link. */
const LEFT_OUT = '(short calls)'

const writeStages = (w: ByteWriter, { stages: all }: Trace, string: (text: string | undefined) => void): void => {
  const stages = all.slice(0, STAGES_MAX)
  w.varint(stages.length)
  let [ns, instructions] = [0, 0]
  for (const stage of stages) {
    string(stage.name)
    w.byte(STAGE_MARKS.indexOf(stage.mark))
    // Stages are few and their figures are read: to the nanosecond, to the instruction.
    w.varint(Math.max(0, Math.round(stage.start) - ns))
    w.varint(Math.max(0, Math.round(stage.startInstructions) - instructions))
    ns = Math.max(ns, Math.round(stage.start))
    instructions = Math.max(instructions, Math.round(stage.startInstructions))
  }
  // Is the last one where the boot arrived?
  w.byte(stages.length > 1 && stages.at(-1)!.share === 0 ? 1 : 0)
}

const writeSums = (w: ByteWriter, trace: Trace, named: readonly number[]): void => {
  const { functions } = trace
  const ran = whereRan(trace)
  const of = functionSubsystems(trace)
  const rounded = (column: Float64Array, func: number): number => Math.round(column[func])
  for (const func of named) w.varint(rounded(functions.calls, func))
  for (const func of named) w.byte(ran[func])
  for (const func of named) w.varint(rounded(functions.self, func))
  for (const func of named) w.varint(Math.max(0, rounded(functions.total, func) - rounded(functions.self, func)))
  for (const func of named) w.varint(rounded(functions.selfInstructions, func))

  // What is left of each subsystem.
  const rest = new Map(subsystemTotals(trace).map((row) => [row.subsystem, { ...row, functions: 0 }]))
  const isNamed = new Set(named)
  for (let func = 0; func < functions.length; func++) {
    if (ran[func] > RAN.user) continue
    const row = rest.get(of[func])
    if (row === undefined) continue
    if (isNamed.has(func)) {
      row.calls -= rounded(functions.calls, func)
      row.self -= rounded(functions.self, func)
      row.selfInstructions -= rounded(functions.selfInstructions, func)
    } else if (functions.calls[func] > 0 || functions.self[func] > 0) row.functions++
  }
  for (const { subsystem, functions: more } of trace.pruned?.rest ?? []) rest.get(subsystem)!.functions += more
  w.varint(rest.size)
  for (const row of rest.values()) {
    w.byte(row.subsystem - OTHER)
    w.varint(row.functions)
    for (const sum of [row.calls, row.self, row.selfInstructions]) w.varint(Math.max(0, Math.round(sum)))
  }
}

const readStages = (r: ByteReader, { end, endInstructions, string, counted }: StagesKnown) => {
  let [ns, instructions] = [0, 0]
  const begun = Array.from({ length: counted(STAGES_MAX) }, () => {
    const name = string() ?? ''
    const mark = STAGE_MARKS[r.byte()]
    if (mark === undefined) throw new BytesError('it has a stage of no known kind')
    ns = Math.min(end, ns + r.varint())
    instructions = Math.min(endInstructions, instructions + r.varint())
    return { name, start: ns, startInstructions: instructions, mark }
  })
  return { begun, arrival: r.byte() === 1 ? begun.at(-1)?.name : undefined }
}
interface StagesKnown {
  readonly end: number
  readonly endInstructions: number
  readonly string: () => string | undefined
  readonly counted: (max: number) => number
}

interface SumsKnown {
  readonly names: readonly string[]
  readonly counted: (max: number) => number
}

const readSums = (r: ByteReader, { names, counted }: SumsKnown): SumsRead => {
  const column = (): Float64Array => Float64Array.from(names, () => r.varint(TIME_MAX))
  const calls = column()
  const ran = Uint8Array.from([...names, LEFT_OUT], (_, k) => {
    if (k === names.length) return RAN.leftOut
    const where = r.byte()
    if (where > RAN.device) throw new BytesError('it has a function that ran in no known place')
    return where
  })
  const self = column()
  const total = column().map((more, func) => more + self[func])
  const selfInstructions = column()
  const rest: RestRow[] = Array.from({ length: counted(SUBSYSTEMS.length + 1) }, () => {
    const subsystem = r.byte() + OTHER
    if (subsystem >= SUBSYSTEMS.length) throw new BytesError('it has a subsystem that is not known')
    const functions = r.varint(STRINGS_MAX * 64)
    return { subsystem, functions, calls: r.varint(), self: r.varint(TIME_MAX), selfInstructions: r.varint(TIME_MAX) }
  })
  return {
    notes: (spans, recorded) =>
      recorded > spans
        ? [
            `Opened from a link: ${spans} of ${recorded} spans, the longest. Sums of functions, subsystems and stages are exact.`,
          ]
        : [],
    tables: (spans, lanes) => {
      // Several short calls drawn as one bear the longest one's name, and are not all of its function.
      const func = spans.func.map((named, k) => (spans.calls[k] > 1 ? names.length : named))
      const drawn = stacksFromSpans({ ...spans, func }, lanes)
      const { stacks, isAny } = withLeftOut(drawn, lanes, { length: names.length, self, selfInstructions })
      const all = isAny ? [...names, LEFT_OUT] : names
      const functions: FunctionTable = functionTable(stacks, all, new Float64Array(all.length).fill(-1))
      if (isAny) for (const sum of sumsOf(functions)) sum[names.length] = 0
      functions.calls.set(calls)
      functions.self.set(self)
      functions.total.set(total)
      functions.selfInstructions.set(selfInstructions)
      return {
        functions,
        stacks,
        pruned: { ran: ran.subarray(0, all.length), rest, leftOut: isAny ? names.length : undefined },
      }
    },
  }
}

const sumsOf = (functions: FunctionTable): readonly Float64Array[] => [
  functions.calls,
  functions.self,
  functions.total,
  functions.selfInstructions,
  functions.totalInstructions,
]

/**
 * The time between a span and those drawn in it is its own only as far as its function's exact sum goes. The rest went
 * to calls that were left out: a stack of theirs takes it.
 */
const withLeftOut = (
  drawn: StackTable,
  lanes: readonly Lane[],
  exact: Pick<FunctionTable, 'length' | 'self' | 'selfInstructions'>,
): { readonly stacks: StackTable; readonly isAny: boolean } => {
  const uncovered = { self: new Float64Array(exact.length), selfInstructions: new Float64Array(exact.length) }
  for (let k = 0; k < drawn.length; k++) {
    const func = drawn.func[k]
    if (func >= exact.length) continue
    uncovered.self[func] += drawn.self[k]
    uncovered.selfInstructions[func] += drawn.selfInstructions[k]
  }
  const columns = new StackColumns()
  let isAny = false
  const placed = new Int32Array(drawn.length)
  for (let k = 0; k < drawn.length; k++) {
    const parent = drawn.parent[k]
    const func = drawn.func[k]
    const lane = drawn.lane[k]
    const at = columns.child(parent === NO_STACK ? NO_STACK : placed[parent], func, lane)
    placed[k] = at
    columns.calls[at] = drawn.calls[k]
    if (func >= exact.length || !isCpuLane(lanes[lane])) {
      isAny ||= func === exact.length
      columns.self[at] = drawn.self[k]
      columns.selfInstructions[at] = drawn.selfInstructions[k]
      continue
    }
    const left = { self: 0, selfInstructions: 0 }
    for (const measure of ['self', 'selfInstructions'] as const) {
      const all = uncovered[measure][func]
      const own = drawn[measure][k] * (all > exact[measure][func] ? exact[measure][func] / all : 1)
      columns[measure][at] = own
      left[measure] = drawn[measure][k] - own
    }
    if (left.self <= 0 && left.selfInstructions <= 0) continue
    isAny = true
    const stack = columns.child(at, exact.length, lane)
    columns.self[stack] = left.self
    columns.selfInstructions[stack] = left.selfInstructions
  }
  return { stacks: columns.finish(), isAny }
}

export const encodeV2 = (trace: Trace, draft: Draft, chosen: Uint32Array, marksKept: number): Uint8Array =>
  encodeLink(trace, draft, chosen, marksKept, { stages: writeStages, sums: writeSums })

export const decodeV2 = (payload: Uint8Array): LinkDocument =>
  decodeLink(payload, { stages: readStages, sums: readSums })
