/**
 * A trace from spans alone, for formats that have no more: stacks and sums are derived, rows are put in order, and what
 * overlaps within a row is moved one down.
 */

import { simpleClock } from '../model/clock.ts'
import { functionTable, stacksFromSpans } from '../model/stacks.ts'
import { type Lane, type Mark, SpanColumns, type StageRow, type Trace, type TraceMeta } from '../model/trace.ts'
import { fail, LIMITS } from './read.ts'

export class TraceMaker {
  readonly lanes: Lane[] = []
  readonly marks: Mark[] = []
  readonly #names: string[] = []
  readonly #functions = new Map<string, number>()
  readonly #rows: { lane: number; func: number; start: number; end: number; order: number; calls: number }[] = []
  end = 0

  lane(lane: Lane): number {
    if (this.lanes.length >= LIMITS.lanes) fail('the number of lanes', LIMITS.lanes + 1, `at most ${LIMITS.lanes}`)
    return this.lanes.push(lane) - 1
  }

  func(name: string): number {
    let func = this.#functions.get(name)
    if (func === undefined) {
      func = this.#names.push(name) - 1
      if (func >= LIMITS.functions) fail('the number of functions', func, `at most ${LIMITS.functions}`)
      this.#functions.set(name, func)
    }
    return func
  }

  span(lane: number, func: number, start: number, end: number, calls = 1): void {
    const order = this.#rows.length
    if (order >= LIMITS.spans) fail('the number of spans', order, `at most ${LIMITS.spans}`)
    this.#rows.push({ lane, func, start, end: Math.max(start, end), order, calls })
    if (end > this.end) this.end = end
  }

  /** Depth follows from nesting; a span that begins in another and outlasts it is cut at the other's end. */
  finish(meta: TraceMeta, stages: readonly StageRow[] = []): Trace {
    const rows = this.#rows
    rows.sort((a, b) => a.lane - b.lane || a.start - b.start || b.end - a.end || a.order - b.order)
    const columns = new SpanColumns(Math.max(1, rows.length))
    const open: { row: (typeof rows)[number]; depth: number }[] = []
    const close = (): void => {
      const { row, depth } = open.pop()!
      columns.push(row.lane, depth, row.func, row.start, row.end, row.start, row.end, row.calls)
    }
    for (const row of rows) {
      while (open.length > 0 && (open.at(-1)!.row.lane !== row.lane || open.at(-1)!.row.end <= row.start)) {
        // A span of no length at the very end of another still lies in it.
        const top = open.at(-1)!.row
        if (top.lane === row.lane && top.end === row.start && row.end === row.start && top.start < row.start) break
        close()
      }
      const top = open.at(-1)
      if (top !== undefined && row.end > top.row.end) row.end = top.row.end
      if (open.length >= LIMITS.depth) continue
      open.push({ row, depth: open.length })
    }
    while (open.length > 0) close()
    const spans = columns.finish()
    const stacks = stacksFromSpans(spans, this.lanes)
    const address = new Float64Array(this.#names.length).fill(-1)
    return {
      meta,
      start: 0,
      end: this.end,
      endInstructions: this.end,
      clock: simpleClock(this.end),
      lanes: this.lanes,
      functions: functionTable(stacks, this.#names, address),
      spans,
      stacks,
      stages,
      marks: this.marks.slice(0, LIMITS.marks).sort((a, b) => a.at - b.at),
    }
  }
}
