/** Functions as a table: where each of them stands, what is chosen of them, and what that adds up to. */
import { functionSubsystems, OTHER, SUBSYSTEMS, whereRan } from '../model/subsystems.ts'
import { RAN, type Trace } from '../model/trace.ts'
import type { FunctionSums } from './range-sums.ts'

export const FUNCTION_COLUMNS = ['name', 'self', 'total', 'calls', 'subsystem'] as const
export type FunctionColumn = (typeof FUNCTION_COLUMNS)[number]

export interface FunctionRow {
  /** -1: functions that a link has no names of, together. */
  readonly func: number
  readonly name: string
  readonly self: number
  /** undefined: not known. */
  readonly total: number | undefined
  readonly calls: number
  /** "memory", "other", or "device" for what ran beside the CPU. */
  readonly subsystem: string
}

export interface FunctionRows {
  readonly rows: readonly FunctionRow[]
  /** Over all rows, of CPU time. */
  readonly self: number
  readonly calls: number
}

const subsystemName = (subsystem: number): string => SUBSYSTEMS[subsystem] ?? 'other'

/**
 * Every function that ran, or those of `chosen`, by one column; times fall, names rise, unless `reversed`. With `sums` it
 * is what they took in a range.
 */
export const functionRows = (
  trace: Trace,
  measure: 'time' | 'instructions',
  by: FunctionColumn,
  reversed: boolean,
  chosen?: ReadonlySet<number>,
  sums?: FunctionSums,
): FunctionRows => {
  const { functions, pruned } = trace
  const took = sums ?? functions
  const of = functionSubsystems(trace)
  const ran = whereRan(trace)
  const self = measure === 'time' ? took.self : took.selfInstructions
  const total = measure === 'time' ? took.total : took.totalInstructions
  const rows: FunctionRow[] = []
  for (let func = 0; func < functions.length; func++) {
    if (ran[func] === RAN.leftOut || (took.calls[func] === 0 && total[func] === 0 && self[func] === 0)) continue
    if (chosen !== undefined && !chosen.has(func)) continue
    rows.push({
      func,
      name: functions.names[func]!,
      self: self[func],
      // A link has instructions of functions themselves only.
      total: measure === 'instructions' && pruned !== undefined && !sums ? undefined : total[func],
      calls: took.calls[func],
      subsystem: ran[func] === RAN.device ? 'device' : subsystemName(of[func]),
    })
  }
  if (chosen === undefined && !sums)
    for (const rest of pruned?.rest ?? []) {
      if (rest.functions === 0) continue
      const where = rest.subsystem === OTHER ? 'no subsystem' : subsystemName(rest.subsystem)
      rows.push({
        func: -1,
        name: `${rest.functions.toLocaleString('en')} more functions of ${where}`,
        self: measure === 'time' ? rest.self : rest.selfInstructions,
        total: undefined,
        calls: rest.calls,
        subsystem: subsystemName(rest.subsystem),
      })
    }
  const compare = (a: FunctionRow, b: FunctionRow): number => {
    const [x, y] = [a[by] ?? -1, b[by] ?? -1]
    if (typeof x === 'number' && typeof y === 'number') return y - x
    return x < y ? -1 : x > y ? 1 : 0
  }
  const sign = reversed ? -1 : 1
  rows.sort((a, b) => sign * compare(a, b) || b.self - a.self || a.func - b.func)
  const onCpu = rows.filter(({ subsystem }) => subsystem !== 'device')
  return {
    rows,
    self: onCpu.reduce((sum, row) => sum + row.self, 0),
    calls: onCpu.reduce((sum, row) => sum + row.calls, 0),
  }
}
