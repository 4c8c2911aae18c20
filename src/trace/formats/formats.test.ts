import { expect, test } from 'vitest'
import type { Result } from '../../base/problem.ts'
import { sentence } from '../../base/problem.ts'
import type { Trace } from '../model/trace.ts'
import { drawTrace, picture, traceFromPicture } from '../testing/drawn.ts'
import { EventWriter } from '../testing/events.ts'
import { syntheticTrace } from '../testing/synthetic.ts'
import { compareTraces } from '../views/compare.ts'
import { exportTrace, TRACE_FORMATS } from './export.ts'
import { importTrace } from './import-trace.ts'
import { readTslog } from './tslog.ts'

const PICTURE = `
  kernel
    main================================
      alloc=alloc=== free     configure=
                       b        mount===
  interrupts
            clock===
`
const value = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}
const said = (result: Result<unknown>): string => (result.ok ? 'no problem' : sentence(result.problem))

/** A native file with one place changed. */
const edited = (trace: Trace, path: string, to: unknown): unknown => {
  const file = JSON.parse(exportTrace(trace, 'native')) as Record<string, unknown>
  const steps = path.split('.')
  const last = steps.pop()!
  let at = file
  for (const step of steps) at = at[step] as Record<string, unknown>
  at[last] = to
  return file
}

test('our own format keeps everything', () => {
  const trace = syntheticTrace(2000)
  expect(value(importTrace(exportTrace(trace, 'native')))).toEqual(trace)
})

test('a trace that ends between two nanoseconds is read again', () => {
  const trace = syntheticTrace(200, 1, 3068134734.2998147)
  expect(trace.end).not.toBe(Math.round(trace.end * 1000) / 1000)
  expect(value(importTrace(exportTrace(trace, 'native'))).end).toBe(3068134734.3)
})

test('Chrome and speedscope keep the picture', () => {
  const trace = traceFromPicture(PICTURE)
  for (const format of ['chrome', 'speedscope'] as const) {
    const back = value(importTrace(exportTrace(trace, format)))
    expect(drawTrace(back)).toBe(picture(PICTURE))
    expect(back.meta.source).toBe(format)
  }
})

test('large traces survive every format with the same sums', () => {
  const trace = syntheticTrace(5000)
  const kernel = (t: Trace) => t.functions.names.reduce((sum, _, f) => sum + t.functions.self[f]!, 0)
  for (const format of TRACE_FORMATS) {
    const back = value(importTrace(exportTrace(trace, format)))
    expect(Math.abs(kernel(back) - kernel(trace)) / kernel(trace)).toBeLessThan(1e-4)
  }
  expect(value(importTrace(exportTrace(trace, 'chrome'))).stages.map((s) => s.name)).toEqual(
    trace.stages.map((s) => s.name),
  )
})

test('folded stacks: heaviest leftmost, and names cannot break the format', () => {
  const trace = traceFromPicture(PICTURE)
  expect(exportTrace(trace, 'folded')).toBe(
    ['kernel;main 9', 'kernel;main;alloc 14', 'kernel;main;free 3', 'kernel;main;free;b 1', 'kernel;main;configure 2']
      .concat(['kernel;main;configure;mount 8', 'interrupts;clock 8', ''])
      .join('\n')
      .replace('main 9', `main ${36 - 14 - 4 - 10}`),
  )
  const odd: Trace = { ...trace, functions: { ...trace.functions, names: trace.functions.names.map((n) => `${n};x`) } }
  expect(value(importTrace(exportTrace(odd, 'folded'))).functions.names).toContain('main:x')
})

test('Chrome: begin and end events, other programs, lists that end early', () => {
  const trace = value(
    importTrace(`[
      {"ph":"B","pid":1,"tid":2,"ts":1000.5,"name":"outer"},
      {"ph":"B","pid":1,"tid":2,"ts":1000.508,"name":"inner"},
      {"ph":"E","pid":1,"tid":2,"ts":1000.512},
      {"ph":"E","pid":1,"tid":2,"ts":1000.52},
      {"ph":"C","pid":1,"tid":2,"ts":1000.6,"name":"counter"},`),
  )
  expect(drawTrace(trace)).toBe('thread 1/2\n  outer===============\n          inne')
})

test('speedscope: sampled profiles', () => {
  const trace = value(
    importTrace(
      JSON.stringify({
        shared: { frames: [{ name: 'a' }, { name: 'b' }] },
        profiles: [
          {
            type: 'sampled',
            name: 'p',
            unit: 'nanoseconds',
            startValue: 0,
            endValue: 9,
            samples: [[0], [0, 1], [0]],
            weights: [3, 2, 4],
          },
        ],
      }),
    ),
  )
  expect(drawTrace(trace)).toBe('p\n  a========\n     b=')
})

test('TSLOG dumps of FreeBSD and NetBSD', () => {
  const dump = `
0x0 1000 ENTER main
0x0 1004 ENTER uvm_init
0x0 1010 EXIT uvm_init
0x0 1012 EVENT WAIT mountroot
0x7 1013 THREAD aiodoned
0x7 1014 ENTER aiodoned
0x0 1016 ENTER left
0x0 1030 EXIT main
1  0  1012  0  "/sbin/init"  "/etc/rc"
`
  expect(drawTrace(value(importTrace(dump)))).toBe(
    [
      'thread 0x0',
      '  main==========================',
      '      uvm_in      left==========',
      'aiodoned',
      '                aiodoned========',
      '/sbin/init (1)',
      '              /sbin/init========',
    ].join('\n'),
  )
  expect(value(readTslog(dump, 2e9)).end).toBe(15)
  expect(value(importTrace('0x0 500 ENTER a\n0x0 100 EXIT a\n')).end).toBe(1)
  expect(said(readTslog(dump, 0))).toMatch(/frequency is 0 Hz/)
})

test('two traces: what changed, what came, what went', () => {
  const before = traceFromPicture(`
    kernel
      main=================
        alloc==== free===
  `)
  const after = traceFromPicture(`
    kernel
      main============
        al grow===
  `)
  const { functions, total } = compareTraces(before, after)
  expect(functions.map((f) => [f.name, f.before, f.after, f.status])).toEqual([
    ['alloc', 9, undefined, 'removed'],
    ['free', 7, undefined, 'removed'],
    ['grow', undefined, 7, 'added'],
    ['al', undefined, 2, 'added'],
    ['main', 5, 7, 'changed'],
  ])
  expect(total).toMatchObject({ before: 21, after: 16, change: -5, status: 'changed' })
  const boot = syntheticTrace(500)
  const faster = {
    ...boot,
    stages: boot.stages.filter((s) => s.name !== 'isa0').map((s) => ({ ...s, end: s.end - 1000 })),
  }
  const { stages } = compareTraces(boot, faster)
  expect(stages.map((s) => s.name)).toEqual(boot.stages.map((s) => s.name))
  expect(stages.find((s) => s.name === 'isa0')?.status).toBe('removed')
  expect(stages[1]).toMatchObject({ change: -1000, status: 'changed' })
  expect(compareTraces(boot, boot).functions.every((f) => f.status === 'same')).toBe(true)
})

test('a finished run is exported from its call events', () => {
  const w = new EventWriter()
  w.at(2000).call('main').at(20000).ret()
  const run = {
    callEvents: w.take(),
    kernel: { symbols: w.symbols, entry: 0 },
    guestNs: 30000,
    instructions: 30000,
    wallMs: 1,
  }
  expect(exportTrace(run, 'folded')).toContain('main 18000')
})

test('hostile files give a sentence', () => {
  const bad: [string, RegExp][] = []
  const edit = (expected: RegExp, path: string, to: unknown): void => {
    bad.push([JSON.stringify(edited(traceFromPicture(PICTURE), path, to)), expected])
  }
  edit(/version 2 of the trace format/, 'version', 2)
  edit(/version is 0/, 'version', 0)
  edit(/end is null/, 'end', Number.NaN)
  edit(/end is -1/, 'end', -1)
  edit(/spans.lane\[0\] is 7/, 'spans.lane.0', 7)
  edit(/spans.startNs\[1\] is 1000000/, 'spans.startNs.1', 1e6)
  edit(/spans.endNs\[0\] is 0/, 'spans.endNs.0', 0)
  edit(/spans.calls is a list of 1/, 'spans.calls', [1])
  edit(/spans.function\[2\] is "x"/, 'spans.function.2', 'x')
  edit(/stacks.parent\[1\] is 1/, 'stacks.parent.1', 1)
  edit(/functions.name\[0\] is 5/, 'functions.name.0', 5)
  edit(/lanes\[0\].kind is "evil"/, 'lanes.0.kind', 'evil')
  edit(/clock.guestNs\[1\] is 0/, 'clock.guestNs', [5, 0])
  edit(/meta is a list of 0/, 'meta', [])
  edit(/marks is an object/, 'marks', {})
  edit(/memoryMiB is -3/, 'meta.memoryMiB', -3)
  bad.push(
    ['', /no trace known here/],
    ['MZ\u0000\u0001', /no trace known here/],
    ['{', /not JSON/],
    ['{}', /format is undefined/],
    ['null', /no trace known here/],
    ['{"traceEvents":[]}', /traceEvents is a list of 0/],
    ['{"traceEvents":[{"ph":"X","ts":1e999}]}', /ts is Infinity/],
    ['{"traceEvents":[{"ph":"X","ts":1,"dur":-5}]}', /not negative/],
    ['{"traceEvents":[7]}', /traceEvents\[0\] is 7/],
    ['{"shared":{"frames":[{}]},"profiles":[{}]}', /name is undefined/],
    ['{"shared":{"frames":[]},"profiles":[{"type":"evented","unit":"hours"}]}', /unit is "hours"/],
    [
      '{"shared":{"frames":[{"name":"a"}]},"profiles":[{"type":"evented","unit":"none","events":[{"type":"C","frame":0,"at":1}]}]}',
      /innermost open frame/,
    ],
    ['a;b 5\nc;d\n', /line 2 is "c;d"/],
  )
  for (const [source, expected] of bad) expect(said(importTrace(source))).toMatch(new RegExp(expected.source, 'i'))
  const deep = `${'['.repeat(100_000)}`
  expect(importTrace(deep).ok).toBe(false)
})

test('text from files is text: no controls, no reordering, no endless lines', () => {
  const file = edited(
    traceFromPicture(PICTURE),
    'functions.name.0',
    `<img src=x onerror=alert(1)>\u202e\u0000${'y'.repeat(1000)}`,
  )
  const [first] = value(importTrace(JSON.stringify(file))).functions.names
  expect(first).toMatch(/^<img src=x onerror=alert\(1\)>y+…$/)
  expect(first!.length).toBe(256)
})
