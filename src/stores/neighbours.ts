/** A function's callers and callees, remembered for the last one asked: sums over 500,000 stacks take milliseconds. */

import type { Trace } from '../trace/model/trace.ts'
import { type Neighbour, neighbours } from '../trace/views/merged-stacks.ts'

export interface Around {
  readonly callers: readonly Neighbour[]
  readonly callees: readonly Neighbour[]
}

let last: { readonly trace: Trace; readonly func: number; readonly around: Around } | undefined

/** Undefined while the trace has no stacks yet. */
export const neighboursOf = (trace: Trace, func: number): Around | undefined => {
  if (trace.stacks.length === 0) return undefined
  if (last?.trace !== trace || last.func !== func) last = { trace, func, around: neighbours(trace.stacks, func) }
  return last.around
}
