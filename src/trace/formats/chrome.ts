/**
 * Chrome's trace-event JSON ("Trace Event Format"), which Perfetto opens. Times are microseconds. A lane is a thread of
 * one process; stages are a thread of their own on top, marks are instant events.
 */
import type { Result } from '../../base/problem.ts'
import { laneKindNamed } from '../model/lanes.ts'
import { openingOrder } from '../model/stacks.ts'
import { stageRows } from '../model/stages.ts'
import { functionSubsystems, SUBSYSTEMS } from '../model/subsystems.ts'
import { cleanText } from '../model/text.ts'
import { NO_FUNCTION, type StageRow, spanName, type Trace } from '../model/trace.ts'
import { TraceMaker } from './make-trace.ts'
import { fail, guarded, isObject, LIMITS, list, parseJson } from './read.ts'

const EXPORTER = 'netbsd-microvm-playground'
const PID = 1
const STAGES_TID = 1
const FIRST_LANE_TID = 2
const NS_PER_US = 1000

const us = (ns: number): number => ns / NS_PER_US

export const writeChrome = (trace: Trace): string => {
  const { spans } = trace
  const events: string[] = []
  const put = (event: object): void => void events.push(JSON.stringify(event))
  const name = (what: string, tid: number, args: object): void => put({ ph: 'M', pid: PID, tid, name: what, args })
  name('process_name', 0, { name: trace.meta.title })
  if (trace.stages.length > 0) name('thread_name', STAGES_TID, { name: 'stages' })
  if (trace.stages.length > 0) name('thread_sort_index', STAGES_TID, { sort_index: 0 })
  for (const [k, lane] of trace.lanes.entries()) {
    name('thread_name', FIRST_LANE_TID + k, { name: lane.name })
    name('thread_sort_index', FIRST_LANE_TID + k, { sort_index: k + 1 })
  }
  for (const stage of trace.stages)
    put({
      ph: 'X',
      pid: PID,
      tid: STAGES_TID,
      name: stage.name,
      cat: 'stage',
      ts: us(stage.start),
      dur: us(stage.end - stage.start),
    })
  const subsystems = functionSubsystems(trace)
  for (const k of openingOrder(spans)) {
    const func = spans.func[k]
    const subsystem = func === NO_FUNCTION ? -1 : subsystems[func]
    put({
      ph: 'X',
      pid: PID,
      tid: FIRST_LANE_TID + spans.lane[k],
      name: spanName(trace, func),
      cat: SUBSYSTEMS[subsystem] ?? 'other',
      ts: us(spans.start[k]),
      dur: us(spans.end[k] - spans.start[k]),
      args: {
        instructions: spans.endInstructions[k] - spans.startInstructions[k],
        ...(spans.calls[k] !== 1 && { calls: spans.calls[k] }),
      },
    })
  }
  for (const mark of trace.marks)
    put({ ph: 'i', s: 'p', pid: PID, tid: STAGES_TID, name: mark.text, cat: mark.kind, ts: us(mark.at) })
  const { notes: _, ...meta } = trace.meta
  const otherData = { exporter: EXPORTER, ...meta }
  return `{"displayTimeUnit":"ns","otherData":${JSON.stringify(otherData)},"traceEvents":[\n${events.join(',\n')}\n]}\n`
}

export const isChrome = (json: unknown): boolean =>
  (isObject(json) && Array.isArray(json['traceEvents'])) ||
  (Array.isArray(json) && isObject(json[0]) && typeof json[0]['ph'] === 'string')

/** Complete (X), begin and end (B, E), instant (i, I) and naming (M) events; others are left out. */
export const readChrome = (source: string): Result<Trace> => guarded(() => chromeFromJson(parseLoose(source)))

/** The list form may end early: whoever wrote it may have died. */
const parseLoose = (source: string): unknown => {
  const trimmed = source.trim()
  if (!trimmed.startsWith('[') || trimmed.endsWith(']')) return parseJson(source)
  return parseJson(`${trimmed.replace(/,\s*$/, '')}]`)
}

interface Event {
  readonly ph: string
  readonly name: string
  readonly ts: number
  readonly dur: number
  readonly key: string
  readonly category: string
}

export const chromeFromJson = (json: unknown): Trace => {
  const holder = isObject(json) ? json : undefined
  const raw = list(holder === undefined ? json : holder['traceEvents'], 'traceEvents', LIMITS.spans)
  const threadNames = new Map<string, string>()
  const processNames = new Map<string, string>()
  const sortIndex = new Map<string, number>()
  const events: Event[] = []
  let earliest = Infinity
  for (const [k, value] of raw.entries()) {
    if (!isObject(value)) return fail(`traceEvents[${k}]`, value, 'an event')
    const { ph } = value
    const id = (v: unknown): string => (typeof v === 'number' || typeof v === 'string' ? cleanText(String(v), 40) : '')
    const pid = id(value['pid'])
    const key = `${pid}/${id(value['tid'])}`
    if (ph === 'M') {
      const args = isObject(value['args']) ? value['args'] : {}
      const label = typeof args['name'] === 'string' ? cleanText(args['name']) : ''
      if (value['name'] === 'thread_name') threadNames.set(key, label)
      if (value['name'] === 'process_name') processNames.set(pid, label)
      if (value['name'] === 'thread_sort_index' && typeof args['sort_index'] === 'number')
        sortIndex.set(key, args['sort_index'])
      continue
    }
    if (typeof ph !== 'string' || !'XBEiI'.includes(ph)) continue
    const ts = time(value['ts'], `traceEvents[${k}].ts`)
    const dur = ph === 'X' ? time(value['dur'] ?? 0, `traceEvents[${k}].dur`) : 0
    if (dur < 0) return fail(`traceEvents[${k}].dur`, value['dur'], 'a duration that is not negative')
    if (ts < earliest) earliest = ts
    const label = typeof value['name'] === 'string' ? cleanText(value['name']) : '(no name)'
    const category = typeof value['cat'] === 'string' ? value['cat'] : ''
    events.push({ ph, name: label, ts, dur, key, category })
  }
  if (events.length === 0) return fail('traceEvents', raw, 'a list with at least one event that has a time')
  // Our own traces begin at power-on; others anywhere.
  const other = holder !== undefined && isObject(holder['otherData']) ? holder['otherData'] : undefined
  const isOurs = other?.['exporter'] === EXPORTER
  const zero = isOurs ? 0 : earliest
  const at = (ts: number): number => Math.round((ts - zero) * NS_PER_US)

  const maker = new TraceMaker()
  const lanes = new Map<string, number>()
  const open = new Map<string, Event[]>()
  const stages: Pick<StageRow, 'name' | 'start' | 'startInstructions' | 'mark'>[] = []
  const isStages = (key: string): boolean => threadNames.get(key) === 'stages'
  const keys = [...new Set(events.map((e) => e.key))].filter((key) => !isStages(key))
  keys.sort((a, b) => (sortIndex.get(a) ?? 0) - (sortIndex.get(b) ?? 0))
  for (const key of keys) {
    const name = threadNames.get(key) ?? `thread ${key}`
    const process = processNames.get(key.slice(0, key.indexOf('/')))
    const kind = laneKindNamed(name)
    lanes.set(key, maker.lane({ kind, name: isOurs || process === undefined ? name : `${process} / ${name}` }))
  }
  events.sort((a, b) => a.ts - b.ts || (a.ph === 'E' ? -1 : 0) - (b.ph === 'E' ? -1 : 0))
  for (const event of events) {
    const start = at(event.ts)
    if (isStages(event.key) && event.ph === 'X') {
      stages.push({ name: event.name, start, startInstructions: start, mark: 'file' })
      continue
    }
    if (event.ph === 'i' || event.ph === 'I') {
      const kind = event.category === 'exec' || event.category === 'device' ? event.category : 'console'
      maker.marks.push({ kind, at: start, atInstructions: start, text: event.name })
      continue
    }
    const lane = lanes.get(event.key)!
    if (event.ph === 'X') {
      const isIdle = maker.lanes[lane]!.kind === 'idle' && event.name === 'idle'
      maker.span(lane, isIdle ? NO_FUNCTION : maker.func(event.name), start, at(event.ts + event.dur))
      continue
    }
    let stack = open.get(event.key)
    if (stack === undefined) open.set(event.key, (stack = []))
    if (event.ph === 'B') stack.push(event)
    else {
      const begin = stack.pop()
      if (begin !== undefined) maker.span(lane, maker.func(begin.name), at(begin.ts), start)
    }
  }
  // Never ended: until the last event.
  const last = at(events.at(-1)!.ts)
  for (const [key, stack] of open)
    for (const begin of stack) maker.span(lanes.get(key)!, maker.func(begin.name), at(begin.ts), last)
  const end = maker.end
  const title = other !== undefined && typeof other['title'] === 'string' ? cleanText(other['title']) : 'Chrome trace'
  return maker.finish(
    { title, source: 'chrome', notes: ['Read from a Chrome trace: instructions are not known.'] },
    stageRows(stages, end, end, 'prompt'),
  )
}

/** Chrome's times may be negative, but not infinite or so large that a microsecond is lost. */
const time = (value: unknown, where: string): number => {
  const number = typeof value === 'string' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && Math.abs(number) < 2 ** 53 / NS_PER_US
    ? number
    : fail(where, value, 'a time in microseconds')
}
