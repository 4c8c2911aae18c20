/**
 * Our own file: everything a trace has, as JSON. docs/trace-format.md is its description; FORMAT and VERSION say which
 * one a file is. A file from a newer version is refused in a sentence, an older one is brought forward step by step.
 */
import { ProblemError, problem, type Result } from '../../base/problem.ts'
import type { Setting } from '../../settings/setting.ts'
import { SETTING_NAMES, SETTINGS } from '../../settings/settings.ts'
import { LANE_KINDS } from '../model/lanes.ts'
import { functionTable } from '../model/stacks.ts'
import { OTHER, SUBSYSTEMS } from '../model/subsystems.ts'
import {
  type FunctionTable,
  type Lane,
  type Mark,
  NO_FUNCTION,
  NO_STACK,
  type Pruned,
  RAN,
  type SaidSettings,
  type StageRow,
  type Trace,
  type TraceMeta,
} from '../model/trace.ts'
import { amount, column, count, fail, guarded, LIMITS, list, object, optionalText, parseJson, text } from './read.ts'

export const FORMAT = 'netbsd-microvm-trace'
export const VERSION = 1

/** Files of version k to k + 1; index 0 brings 1 to 2. */
const UPGRADERS: readonly ((file: Record<string, unknown>) => Record<string, unknown>)[] = []

/** Whole numbers where they are whole: most are. */
const written = (value: number): number => (Number.isInteger(value) ? value : Math.round(value * 1000) / 1000)
const numbers = (values: ArrayLike<number>): number[] => Array.from(values, written)
/** No function, no parent: null would be longer, and -1 is no index. */
const indices = (values: ArrayLike<number>, none: number): number[] => Array.from(values, (v) => (v === none ? -1 : v))

export const writeTrace = (trace: Trace): string => {
  const { spans, stacks, functions, clock } = trace
  return JSON.stringify({
    format: FORMAT,
    version: VERSION,
    meta: trace.meta,
    // As its spans are: none may end after it.
    end: written(trace.end),
    endInstructions: written(trace.endInstructions),
    clock: {
      instructions: numbers(clock.instructions),
      guestNs: numbers(clock.guestNs),
      wallNs: numbers(clock.wallNs),
    },
    lanes: trace.lanes,
    functions: { name: functions.names, address: numbers(functions.address) },
    stacks: {
      parent: Array.from(stacks.parent),
      function: indices(stacks.func, NO_FUNCTION),
      lane: Array.from(stacks.lane),
      calls: numbers(stacks.calls),
      selfNs: numbers(stacks.self),
      selfInstructions: numbers(stacks.selfInstructions),
    },
    spans: {
      lane: Array.from(spans.lane),
      depth: Array.from(spans.depth),
      function: indices(spans.func, NO_FUNCTION),
      startNs: numbers(spans.start),
      endNs: numbers(spans.end),
      startInstructions: numbers(spans.startInstructions),
      endInstructions: numbers(spans.endInstructions),
      calls: Array.from(spans.calls),
    },
    stages: trace.stages,
    marks: trace.marks,
    ...(trace.pruned !== undefined && { sums: writtenSums(trace, trace.pruned) }),
  })
}

/** What a trace out of a link knows beyond its stacks. */
const writtenSums = ({ functions }: Trace, { ran, rest, leftOut }: Pruned) => ({
  ran: Array.from(ran),
  calls: numbers(functions.calls),
  selfNs: numbers(functions.self),
  totalNs: numbers(functions.total),
  selfInstructions: numbers(functions.selfInstructions),
  ...(leftOut !== undefined && { leftOut }),
  rest: rest.map(({ self, ...row }) => ({ ...row, selfNs: self })),
})

const readSums = (value: unknown, functions: FunctionTable): Pruned => {
  const sums = object(value, 'sums')
  const length = functions.length
  functions.calls.set(column(sums['calls'], 'sums.calls', length, amount))
  functions.self.set(column(sums['selfNs'], 'sums.selfNs', length, amount))
  functions.total.set(column(sums['totalNs'], 'sums.totalNs', length, amount))
  functions.selfInstructions.set(column(sums['selfInstructions'], 'sums.selfInstructions', length, amount))
  return {
    ran: Uint8Array.from(column(sums['ran'], 'sums.ran', length, (v, where) => count(v, where, RAN.leftOut))),
    leftOut: sums['leftOut'] === undefined ? undefined : count(sums['leftOut'], 'sums.leftOut', length - 1),
    rest: list(sums['rest'], 'sums.rest', SUBSYSTEMS.length + 1).map((row, k) => {
      const where = `sums.rest[${k}]`
      const of = object(row, where)
      const { subsystem } = of
      return {
        subsystem: subsystem === OTHER ? OTHER : count(subsystem, `${where}.subsystem`, SUBSYSTEMS.length - 1),
        functions: count(of['functions'], `${where}.functions`),
        calls: amount(of['calls'], `${where}.calls`),
        self: amount(of['selfNs'], `${where}.selfNs`),
        selfInstructions: amount(of['selfInstructions'], `${where}.selfInstructions`),
      }
    }),
  }
}

export const readTrace = (source: string): Result<Trace> => guarded(() => traceFromJson(parseJson(source)))

export const traceFromJson = (json: unknown): Trace => {
  let file = object(json, 'the file')
  if (file['format'] !== FORMAT) return fail('format', file['format'], `"${FORMAT}"`)
  const version = count(file['version'], 'version', 1e6)
  if (version > VERSION)
    throw new ProblemError(
      problem(
        'trace-newer',
        `the file has version ${version} of the trace format`,
        `version ${VERSION} or older`,
        'reload this page to get its newest version, or open the file where it was made',
      ),
    )
  if (version < 1) return fail('version', version, `a whole number from 1 to ${VERSION}`)
  for (const upgrade of UPGRADERS.slice(version - 1)) file = upgrade(file)

  const end = amount(file['end'], 'end')
  const endInstructions = amount(file['endInstructions'], 'endInstructions')
  const lanes = list(file['lanes'], 'lanes', LIMITS.lanes).map((v, k) => readLane(v, `lanes[${k}]`))
  const functions = object(file['functions'], 'functions')
  const names = list(functions['name'], 'functions.name', LIMITS.functions).map((v, k) =>
    text(v, `functions.name[${k}]`),
  )
  const address = column(functions['address'], 'functions.address', names.length, (v, where) =>
    v === -1 ? -1 : count(v, where, 2 ** 48 - 1),
  )
  const index = (length: number, none?: number) => (v: unknown, where: string) =>
    none !== undefined && v === -1 ? none : count(v, where, length - 1)
  const lengthOf = (table: Record<string, unknown>, name: string, max: number): number =>
    list(table['lane'], `${name}.lane`, max).length

  const s = object(file['stacks'], 'stacks')
  const stackCount = lengthOf(s, 'stacks', LIMITS.stacks)
  const parent = Int32Array.from(
    column(s['parent'], 'stacks.parent', stackCount, (v, where) => (v === NO_STACK ? NO_STACK : count(v, where))),
  )
  for (let k = 0; k < stackCount; k++)
    if (parent[k] >= k) return fail(`stacks.parent[${k}]`, parent[k], 'a parent that stands before its child, or -1')
  const stacks = {
    length: stackCount,
    parent,
    func: Uint32Array.from(column(s['function'], 'stacks.function', stackCount, index(names.length, NO_FUNCTION))),
    lane: Uint16Array.from(column(s['lane'], 'stacks.lane', stackCount, index(lanes.length))),
    calls: column(s['calls'], 'stacks.calls', stackCount, amount),
    self: column(s['selfNs'], 'stacks.selfNs', stackCount, amount),
    selfInstructions: column(s['selfInstructions'], 'stacks.selfInstructions', stackCount, amount),
  }
  checkDepth(parent)

  const t = object(file['spans'], 'spans')
  const n = lengthOf(t, 'spans', LIMITS.spans)
  const time = (most: number) => (v: unknown, where: string) => {
    const at = amount(v, where)
    return at <= most ? at : fail(where, at, `at most ${most}, the end of the trace`)
  }
  const spans = {
    length: n,
    lane: Uint16Array.from(column(t['lane'], 'spans.lane', n, index(lanes.length))),
    depth: Uint16Array.from(column(t['depth'], 'spans.depth', n, (v, where) => count(v, where, LIMITS.depth))),
    func: Uint32Array.from(column(t['function'], 'spans.function', n, index(names.length, NO_FUNCTION))),
    start: column(t['startNs'], 'spans.startNs', n, time(end)),
    end: column(t['endNs'], 'spans.endNs', n, time(end)),
    startInstructions: column(t['startInstructions'], 'spans.startInstructions', n, time(endInstructions)),
    endInstructions: column(t['endInstructions'], 'spans.endInstructions', n, time(endInstructions)),
    calls: Uint32Array.from(column(t['calls'], 'spans.calls', n, (v, where) => count(v, where, 0xffffffff))),
  }
  for (let k = 0; k < n; k++)
    if (spans.end[k] < spans.start[k] || spans.endInstructions[k] < spans.startInstructions[k])
      return fail(`spans.endNs[${k}]`, spans.end[k], 'an end that is not before the start')

  const c = object(file['clock'], 'clock')
  const clockLength = list(c['guestNs'], 'clock.guestNs', LIMITS.clock).length
  const ascending = (name: string): Float64Array => {
    const values = column(c[name], `clock.${name}`, clockLength, amount)
    for (let k = 1; k < clockLength; k++)
      if (values[k] < values[k - 1]) return fail(`clock.${name}[${k}]`, values[k], 'times that do not go back')
    return values
  }
  const clock = {
    length: clockLength,
    instructions: ascending('instructions'),
    guestNs: ascending('guestNs'),
    wallNs: ascending('wallNs'),
  }
  const table = functionTable(stacks, names, address)
  return {
    meta: readMeta(file['meta']),
    start: 0,
    end,
    endInstructions,
    clock,
    lanes,
    functions: table,
    spans,
    stacks,
    stages: list(file['stages'], 'stages', LIMITS.stages).map((v, k) => readStage(v, `stages[${k}]`)),
    marks: list(file['marks'], 'marks', LIMITS.marks).map((v, k) => readMark(v, `marks[${k}]`)),
    ...(file['sums'] !== undefined && { pruned: readSums(file['sums'], table) }),
  }
}

/** Sums walk up from each stack: a chain a million deep would never end. */
const checkDepth = (parent: Int32Array): void => {
  const depth = new Uint16Array(parent.length)
  for (let k = 0; k < parent.length; k++) {
    if (parent[k] === NO_STACK) continue
    depth[k] = depth[parent[k]] + 1
    if (depth[k] > LIMITS.depth + 64) fail(`stacks.parent[${k}]`, parent[k], `stacks at most ${LIMITS.depth} deep`)
  }
}

export const readLane = (value: unknown, where: string): Lane => {
  const lane = object(value, where)
  const kind = LANE_KINDS.find((k) => k === lane['kind']) ?? fail(`${where}.kind`, lane['kind'], LANE_KINDS.join(', '))
  const path = optionalText(lane['path'], `${where}.path`)
  return {
    kind,
    name: text(lane['name'], `${where}.name`),
    ...(lane['pid'] !== undefined && { pid: count(lane['pid'], `${where}.pid`, 0xffffffff) }),
    ...(path !== undefined && { path }),
    ...(lane['addressSpace'] !== undefined && { addressSpace: count(lane['addressSpace'], `${where}.addressSpace`) }),
  }
}

export const readMeta = (value: unknown): TraceMeta => {
  const meta = object(value, 'meta')
  const texts: Record<string, string> = {}
  for (const name of ['guest', 'engineVersion', 'source']) {
    const found = optionalText(meta[name], `meta.${name}`)
    if (found !== undefined) texts[name] = found
  }
  return {
    title: text(meta['title'] ?? 'trace', 'meta.title'),
    ...texts,
    ...readSaid(meta),
    notes: list(meta['notes'] ?? [], 'meta.notes', 100).map((v, k) => text(v, `meta.notes[${k}]`)),
  }
}

/** What was recorded of the settings, which another version may know otherwise: their types hold, not their limits. */
const readSaid = (meta: Readonly<Record<string, unknown>>): SaidSettings => {
  const said: Record<string, unknown> = {}
  for (const name of SETTING_NAMES) {
    const value = meta[name]
    const where = `meta.${name}`
    const setting: Setting = SETTINGS[name]
    if (value === undefined || value === null) continue
    if (setting.type === 'whole') said[name] = count(value, where, Math.max(setting.max, WHOLE_MAX))
    else if (setting.type === 'switches') said[name] = readSwitches(value, where)
    else if (setting.type === 'on-off') said[name] = isOn(value, where)
    else said[name] = text(value, where)
  }
  return said
}
const WHOLE_MAX = 1 << 20

const isOn = (value: unknown, where: string): boolean =>
  typeof value === 'boolean' ? value : fail(where, value, 'true or false')

const readSwitches = (value: unknown, where: string): Readonly<Record<string, boolean>> => {
  const entries = Object.entries(object(value, where))
  if (entries.length > 256) fail(where, value, 'at most 256 switches')
  const switches: Record<string, boolean> = {}
  for (const [name, on] of entries) {
    const key = text(name, where, 40)
    const isSwitched = isOn(on, `${where}.${key}`)
    if (name !== '__proto__') switches[key] = isSwitched
  }
  return switches
}

const STAGE_MARKS: readonly StageRow['mark'][] = ['entry', 'call', 'console', 'user', 'file']

const readStage = (value: unknown, where: string): StageRow => {
  const stage = object(value, where)
  const about = optionalText(stage['about'], `${where}.about`)
  const start = amount(stage['start'], `${where}.start`)
  const share = amount(stage['share'], `${where}.share`)
  if (share > 1) return fail(`${where}.share`, share, 'a share from 0 to 1')
  return {
    name: text(stage['name'], `${where}.name`),
    ...(about !== undefined && { about }),
    start,
    end: Math.max(start, amount(stage['end'], `${where}.end`)),
    startInstructions: amount(stage['startInstructions'], `${where}.startInstructions`),
    endInstructions: amount(stage['endInstructions'], `${where}.endInstructions`),
    share,
    mark: STAGE_MARKS.find((m) => m === stage['mark']) ?? 'file',
  }
}

const MARK_KINDS: readonly Mark['kind'][] = ['console', 'exec', 'device']

const readMark = (value: unknown, where: string): Mark => {
  const mark = object(value, where)
  return {
    kind: MARK_KINDS.find((k) => k === mark['kind']) ?? fail(`${where}.kind`, mark['kind'], MARK_KINDS.join(', ')),
    at: amount(mark['at'], `${where}.at`),
    atInstructions: amount(mark['atInstructions'], `${where}.atInstructions`),
    text: text(mark['text'], `${where}.text`),
  }
}
