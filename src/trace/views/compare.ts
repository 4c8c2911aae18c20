/** Two boots side by side: what each stage and each function took, sorted by what changed most. */
import type { Trace } from '../model/trace.ts'

export type CompareMeasure = 'time' | 'instructions'

export interface Difference {
  readonly name: string
  /** undefined: not in that trace. */
  readonly before: number | undefined
  readonly after: number | undefined
  /** after - before; a missing side counts 0. */
  readonly change: number
  /** after / before; undefined when either is missing or nothing. */
  readonly ratio: number | undefined
  readonly status: 'added' | 'removed' | 'changed' | 'same'
  /** Calls, for functions. */
  readonly callsBefore?: number
  readonly callsAfter?: number
}

export interface Comparison {
  readonly total: Difference
  /** In the order of the boot; what only one has stands where it came. */
  readonly stages: readonly Difference[]
  /** By self time, biggest change first. */
  readonly functions: readonly Difference[]
}

/** Changes below this share of the larger side are noise of rounding. */
const SAME = 1e-9

const difference = (name: string, before: number | undefined, after: number | undefined): Difference => {
  const change = (after ?? 0) - (before ?? 0)
  const isSame = Math.abs(change) <= SAME * Math.max(before ?? 0, after ?? 0)
  return {
    name,
    before,
    after,
    change,
    ratio: before !== undefined && after !== undefined && before > 0 ? after / before : undefined,
    status: before === undefined ? 'added' : after === undefined ? 'removed' : isSame ? 'same' : 'changed',
  }
}

export const compareTraces = (before: Trace, after: Trace, measure: CompareMeasure = 'time'): Comparison => {
  const stageOf = (trace: Trace): Map<string, number> => {
    const rows = new Map<string, number>()
    for (const s of trace.stages) {
      const spent = measure === 'time' ? s.end - s.start : s.endInstructions - s.startInstructions
      rows.set(s.name, (rows.get(s.name) ?? 0) + spent)
    }
    return rows
  }
  const a = stageOf(before)
  const b = stageOf(after)
  const functionsOf = (trace: Trace): Map<string, { self: number; calls: number }> => {
    const rows = new Map<string, { self: number; calls: number }>()
    const self = measure === 'time' ? trace.functions.self : trace.functions.selfInstructions
    for (const [func, name] of trace.functions.names.entries()) {
      const row = rows.get(name)
      // One name may be several static functions: they are compared as one.
      if (row === undefined) rows.set(name, { self: self[func], calls: trace.functions.calls[func] })
      else {
        row.self += self[func]
        row.calls += trace.functions.calls[func]
      }
    }
    for (const [name, row] of rows) if (row.calls === 0 && row.self === 0) rows.delete(name)
    return rows
  }
  const fa = functionsOf(before)
  const fb = functionsOf(after)
  // A function that a link left out is in its subsystem's sum: of that one nothing is known, not that it was not called.
  const isWhole = (trace: Trace): boolean => (trace.pruned?.rest ?? []).every((rest) => rest.functions === 0)
  const wholeBefore = isWhole(before)
  const wholeAfter = isWhole(after)
  const names = [...new Set([...fa.keys(), ...fb.keys()])].filter(
    (name) => (fa.has(name) || wholeBefore) && (fb.has(name) || wholeAfter),
  )
  const functions = names.map((name) => {
    const x = fa.get(name)
    const y = fb.get(name)
    return { ...difference(name, x?.self, y?.self), callsBefore: x?.calls ?? 0, callsAfter: y?.calls ?? 0 }
  })
  functions.sort((x, y) => Math.abs(y.change) - Math.abs(x.change) || (x.name < y.name ? -1 : x.name > y.name ? 1 : 0))
  return {
    total: difference('boot', bootLength(before, measure), bootLength(after, measure)),
    stages: mergeOrders([...a.keys()], [...b.keys()]).map((name) => difference(name, a.get(name), b.get(name))),
    functions,
  }
}

/** Until the prompt where one was reached, the whole trace otherwise. */
export const bootLength = (trace: Trace, measure: CompareMeasure = 'time'): number => {
  const last = trace.stages.at(-1)
  const arrived = trace.stages.length > 1 && last !== undefined && last.share === 0 && last.start > 0
  if (measure === 'time') return arrived ? last.start : trace.end
  return arrived ? last.startInstructions : trace.endInstructions
}

/** Both orders in one: a stage that only the second has follows what it follows there. */
const mergeOrders = (a: readonly string[], b: readonly string[]): readonly string[] => {
  const merged = [...a]
  let at = 0
  for (const name of b) {
    const known = merged.indexOf(name)
    if (known >= 0) at = Math.max(at, known + 1)
    else merged.splice(at++, 0, name)
  }
  return merged
}
