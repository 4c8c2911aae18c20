/**
 * speedscope's file format (file-format-schema.json): frames shared by all, one evented profile for each lane. Evented
 * profiles balance opens and closes in order of time; sampled ones, which we read but do not write, weigh stacks.
 */

import { laneKindNamed } from '../model/lanes.ts'
import { forEachSpan } from '../model/stacks.ts'
import { cleanText } from '../model/text.ts'
import { NO_FUNCTION, spanName, type Trace } from '../model/trace.ts'
import { TraceMaker } from './make-trace.ts'
import { amount, count, fail, isObject, LIMITS, list, object, text } from './read.ts'

const SCHEMA = 'https://www.speedscope.app/file-format-schema.json'

export const writeSpeedscope = (trace: Trace): string => {
  const { spans, lanes } = trace
  const frames: { name: string }[] = []
  const frameOf = new Map<number, number>()
  const frame = (func: number): number => {
    let k = frameOf.get(func)
    if (k === undefined) {
      k = frames.push({ name: spanName(trace, func) }) - 1
      frameOf.set(func, k)
    }
    return k
  }
  const events: { type: 'O' | 'C'; frame: number; at: number }[][] = lanes.map(() => [])
  // Within what is around it, whatever rounding did.
  const last = lanes.map(() => 0)
  const ends = new Float64Array(spans.length)
  const put = (type: 'O' | 'C', k: number, at: number): void => {
    const lane = spans.lane[k]
    last[lane] = Math.max(last[lane]!, at)
    events[lane]!.push({ type, frame: frame(spans.func[k]), at: last[lane]! })
  }
  forEachSpan(
    spans,
    (k, around) => {
      ends[k] = around < 0 ? spans.end[k] : Math.min(spans.end[k], ends[around])
      put('O', k, spans.start[k])
    },
    (k) => put('C', k, ends[k]),
  )
  const profiles = lanes.flatMap(({ name }, k) =>
    events[k]!.length === 0
      ? []
      : [{ type: 'evented', name, unit: 'nanoseconds', startValue: 0, endValue: trace.end, events: events[k] }],
  )
  return JSON.stringify({
    $schema: SCHEMA,
    name: trace.meta.title,
    exporter: 'netbsd-microvm-playground',
    activeProfileIndex: 0,
    shared: { frames },
    // A file without profiles is none.
    profiles:
      profiles.length > 0
        ? profiles
        : [{ type: 'evented', name: 'kernel', unit: 'nanoseconds', startValue: 0, endValue: 0, events: [] }],
  })
}

export const isSpeedscope = (json: unknown): boolean =>
  isObject(json) && isObject(json['shared']) && Array.isArray(json['profiles'])

/** To nanoseconds; 'none' and 'bytes' count one each. */
const UNITS: Readonly<Record<string, number>> = {
  nanoseconds: 1,
  microseconds: 1e3,
  milliseconds: 1e6,
  seconds: 1e9,
  none: 1,
  bytes: 1,
}

export const speedscopeFromJson = (json: unknown): Trace => {
  const file = object(json, 'the file')
  const shared = object(file['shared'], 'shared')
  const names = list(shared['frames'], 'shared.frames', LIMITS.functions).map((f, k) =>
    text(object(f, `shared.frames[${k}]`)['name'], `shared.frames[${k}].name`),
  )
  const maker = new TraceMaker()
  const profiles = list(file['profiles'], 'profiles', LIMITS.lanes)
  if (profiles.length === 0) return fail('profiles', profiles, 'a list with at least one profile')
  const firsts = profiles.map((p) => (isObject(p) && typeof p['startValue'] === 'number' ? p['startValue'] : 0))
  const isOurs = file['exporter'] === 'netbsd-microvm-playground'
  for (const [p, value] of profiles.entries()) {
    const where = `profiles[${p}]`
    const profile = object(value, where)
    const scale =
      UNITS[String(profile['unit'])] ?? fail(`${where}.unit`, profile['unit'], Object.keys(UNITS).join(', '))
    const zero = isOurs ? 0 : Math.min(...firsts)
    const at = (v: unknown, place: string): number => {
      if (typeof v !== 'number' || !Number.isFinite(v)) return fail(place, v, 'a finite number')
      return amount(Math.round((v - zero) * scale), place)
    }
    const name = text(profile['name'] ?? `profile ${p + 1}`, `${where}.name`)
    const kind = laneKindNamed(name)
    const lane = maker.lane({ kind, name })
    const func = (v: unknown, place: string): number => {
      const frameName = names[count(v, place, names.length - 1)]!
      return kind === 'idle' && frameName === 'idle' ? NO_FUNCTION : maker.func(frameName)
    }
    if (profile['type'] === 'evented') {
      const open: { func: number; start: number }[] = []
      let last = 0
      for (const [k, e] of list(profile['events'], `${where}.events`, LIMITS.spans * 2).entries()) {
        const place = `${where}.events[${k}]`
        const event = object(e, place)
        const time = at(event['at'], `${place}.at`)
        if (time < last) return fail(`${place}.at`, event['at'], 'times that do not go back')
        last = time
        const f = func(event['frame'], `${place}.frame`)
        if (event['type'] === 'O') {
          open.push({ func: f, start: time })
          if (open.length > LIMITS.depth) return fail(place, open.length, `stacks at most ${LIMITS.depth} deep`)
        } else if (event['type'] === 'C') {
          const top = open.pop()
          if (top === undefined || top.func !== f)
            return fail(place, event['frame'], 'a close of the innermost open frame')
          maker.span(lane, f, top.start, time)
        } else return fail(`${place}.type`, event['type'], '"O" or "C"')
      }
      for (let top = open.pop(); top !== undefined; top = open.pop()) maker.span(lane, top.func, top.start, last)
      continue
    }
    if (profile['type'] !== 'sampled') return fail(`${where}.type`, profile['type'], '"evented" or "sampled"')
    const samples = list(profile['samples'], `${where}.samples`, LIMITS.spans)
    const weights = list(profile['weights'], `${where}.weights`, LIMITS.spans)
    if (weights.length !== samples.length) return fail(`${where}.weights`, weights, `a list of ${samples.length}`)
    const open: { func: number; start: number }[] = []
    let now = at(profile['startValue'] ?? 0, `${where}.startValue`)
    for (const [k, s] of samples.entries()) {
      const stack = list(s, `${where}.samples[${k}]`, LIMITS.depth).map((v) => func(v, `${where}.samples[${k}]`))
      let same = 0
      while (same < open.length && same < stack.length && open[same]!.func === stack[same]) same++
      while (open.length > same) {
        const top = open.pop()!
        maker.span(lane, top.func, top.start, now)
      }
      for (const f of stack.slice(same)) open.push({ func: f, start: now })
      now = amount(now + Math.round(amount(weights[k], `${where}.weights[${k}]`) * scale), `${where}.weights[${k}]`)
    }
    for (let top = open.pop(); top !== undefined; top = open.pop()) maker.span(lane, top.func, top.start, now)
  }
  const title = typeof file['name'] === 'string' ? cleanText(file['name']) : 'speedscope profile'
  return maker.finish({
    title,
    source: 'speedscope',
    notes: ['Read from a speedscope file: instructions are not known.'],
  })
}
