/**
 * Traces as text pictures, to write and to compare: one character is `unit` ns, a row is one depth of a lane.
 *
 *   kernel
 *     main================
 *       .alloc==...        leading spaces are time before it; a name is cut to its span; '=' fills it up
 */
import { simpleClock } from '../model/clock.ts'
import type { LaneKind } from '../model/lanes.ts'
import { functionTable, stacksFromSpans } from '../model/stacks.ts'
import { type Lane, NO_FUNCTION, SpanColumns, type Trace, type TraceMeta } from '../model/trace.ts'

const INDENT = 2

/** The trace as a picture. */
export const drawTrace = (trace: Trace, unit = 1): string => {
  const lines: string[] = []
  for (const [lane, { name }] of trace.lanes.entries()) {
    const rows: string[] = []
    for (let k = 0; k < trace.spans.length; k++) {
      if (trace.spans.lane[k] !== lane) continue
      const depth = trace.spans.depth[k]!
      while (rows.length <= depth) rows.push('')
      const from = Math.round(trace.spans.start[k]! / unit)
      const to = Math.round(trace.spans.end[k]! / unit)
      const func = trace.spans.func[k]!
      const label = func === NO_FUNCTION ? '' : trace.functions.names[func]!
      rows[depth] = rows[depth]!.padEnd(from) + label.slice(0, to - from).padEnd(to - from, '=')
    }
    if (rows.length === 0) continue
    lines.push(name, ...rows.map((row) => (' '.repeat(INDENT) + row).trimEnd()))
  }
  return lines.join('\n')
}

/** A picture without its common indentation and outer empty lines, to compare with drawTrace. */
export const picture = (text: string): string => {
  const lines = text.split('\n')
  while (lines[0]?.trim() === '') lines.shift()
  while (lines.at(-1)?.trim() === '') lines.pop()
  const indent = Math.min(...lines.filter((l) => l.trim() !== '').map((l) => l.search(/\S/)))
  return lines.map((l) => l.slice(indent).trimEnd()).join('\n')
}

const kindOf = (name: string): LaneKind =>
  name === 'kernel' || name === 'interrupts' || name === 'devices' || name === 'idle' ? name : 'process'

/** A picture to a trace: names are followed by '=' up to their end; '|' ends a span and begins the next one. */
export const traceFromPicture = (text: string, unit = 1, meta: Partial<TraceMeta> = {}): Trace => {
  const lanes: Lane[] = []
  const names: string[] = []
  const found: { lane: number; depth: number; func: number; start: number; end: number }[] = []
  let depth = 0
  for (const line of picture(text).split('\n')) {
    if (!line.startsWith(' ')) {
      lanes.push({ kind: kindOf(line.trim()), name: line.trim() })
      depth = 0
      continue
    }
    const row = line.slice(INDENT)
    for (const match of row.matchAll(/[^\s|=][^\s|=]*=*/g)) {
      const name = match[0].replace(/=+$/, '')
      let func = names.indexOf(name)
      if (func < 0) func = names.push(name) - 1
      const start = match.index * unit
      found.push({ lane: lanes.length - 1, depth, func, start, end: start + match[0].length * unit })
    }
    depth++
  }
  found.sort((a, b) => a.end - b.end || b.depth - a.depth)
  const spans = new SpanColumns()
  for (const s of found) spans.push(s.lane, s.depth, s.func, s.start, s.end, s.start, s.end, 1)
  const end = Math.max(0, ...found.map((s) => s.end))
  const table = spans.finish()
  const stacks = stacksFromSpans(table, lanes)
  return {
    meta: { title: 'drawn', notes: [], ...meta },
    start: 0,
    end,
    endInstructions: end,
    clock: simpleClock(end),
    lanes,
    functions: functionTable(stacks, names, new Float64Array(names.length).fill(-1)),
    spans: table,
    stacks,
    stages: [],
    marks: [],
  }
}
