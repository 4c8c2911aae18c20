import { readFileSync } from 'node:fs'
import { deflateSync } from 'fflate'
import { expect, test } from 'vitest'
import { type Result, sentence } from '../../base/problem.ts'
import { processorMs } from '../../base/testing/processor-time.ts'
import { subsystemTotals } from '../model/subsystems.ts'
import { RAN, type Trace } from '../model/trace.ts'
import { SpanBuilder } from '../spans/span-builder.ts'
import { drawTrace, picture, traceFromPicture } from '../testing/drawn.ts'
import { randomNumbers, syntheticEvents, syntheticTrace } from '../testing/synthetic.ts'
import { compareTraces } from '../views/compare.ts'
import { sandwich } from '../views/merged-stacks.ts'
import { ByteReader, ByteWriter, fromBase64url, toBase64url } from './bytes.ts'
import { isLink, LINK_BUDGET, readLink, readVersioned, SHORT_BUDGET, writeComparison, writeLink } from './link.ts'
import { readTrace, writeTrace } from './trace-file.ts'

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
const said = (fragment: string): string => {
  const result = readLink(fragment)
  return result.ok ? 'no problem' : sentence(result.problem)
}
const fragmentWith = (payload: Uint8Array, version = 2): string =>
  `#v=${version}&d=${toBase64url(deflateSync(payload))}`

test('numbers and base64url go there and back', () => {
  const w = new ByteWriter()
  const numbers = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1]
  for (const n of numbers) w.varint(n)
  const r = new ByteReader(w.finish())
  for (const n of numbers) expect(r.varint()).toBe(n)
  expect(() => r.byte()).toThrow('ends too early')
  for (const length of [0, 1, 2, 3, 4, 5, 100]) {
    const bytes = Uint8Array.from({ length }, (_, k) => (k * 77 + 200) & 255)
    expect(fromBase64url(toBase64url(bytes))).toEqual(bytes)
  }
  expect(fromBase64url('ab+d')).toBeUndefined()
  expect(fromBase64url('abcde')).toBeUndefined()
})

test('a small trace comes back whole, with stages, console lines and switches', () => {
  const trace: Trace = {
    ...traceFromPicture(PICTURE, 100, {
      title: 'Playground',
      guest: 'playground',
      memoryMiB: 64,
      cpu: { smap: false },
    }),
    stages: [
      { name: 'start_pvh', start: 0, end: 800, startInstructions: 0, endInstructions: 800, share: 0.25, mark: 'entry' },
      { name: 'main', start: 800, end: 3200, startInstructions: 800, endInstructions: 3200, share: 0.75, mark: 'call' },
      {
        name: 'prompt',
        start: 3200,
        end: 3600,
        startInstructions: 3200,
        endInstructions: 3600,
        share: 0,
        mark: 'console',
      },
    ],
    marks: [{ kind: 'console', at: 1200, atInstructions: 1200, text: 'NetBSD microVM playground' }],
  }
  const { fragment, spans, pruned } = writeLink(trace, {
    view: { from: 500, to: 2500.5, axis: 'instructions', selected: 0 },
  })
  expect([spans, pruned]).toEqual([trace.spans.length, 0])
  expect(isLink(fragment)).toBe(true)
  const { trace: back, view } = value(readLink(fragment))
  expect(drawTrace(back, 100)).toBe(picture(PICTURE))
  expect(back.stages).toEqual(trace.stages)
  expect(back.marks).toEqual(trace.marks)
  expect(back.meta).toEqual({ ...trace.meta, source: 'link' })
  expect(back.functions.names.toSorted()).toEqual(trace.functions.names.toSorted())
  expect(view).toMatchObject({ from: 500, to: 2501, axis: 'instructions' })
  const name = (t: Trace, k: number) => t.functions.names[t.spans.func[k]!]
  expect(name(back, view.selected!)).toBe(name(trace, 0))
  expect(back.spans.start[view.selected!]).toBe(trace.spans.start[0])
})

test("a NetBSD boot's link has at least 300 spans in 8 KB", () => {
  for (const seed of [1, 2, 3]) {
    const trace = syntheticTrace(200_000, seed)
    const { fragment, spans } = writeLink(trace)
    expect(fragment.length).toBeLessThanOrEqual(LINK_BUDGET)
    expect(spans).toBeGreaterThanOrEqual(300)
    const back = value(readLink(fragment)).trace
    expect(back.spans.length).toBe(spans)
    expect(back.stages.map((s) => [s.name, s.start])).toEqual(trace.stages.map((s) => [s.name, s.start]))
    expect(back.meta.notes.at(-1)).toMatch(/^Opened from a link: \d+ of \d+ spans/)
    expect(writeLink(trace).fragment).toBe(fragment)
    // Three figures of what is shown.
    const longest = (t: Trace) => t.spans.end.reduce((most, end, k) => Math.max(most, end - t.spans.start[k]!), 0)
    expect(Math.abs(longest(back) / longest(trace) - 1)).toBeLessThan(0.001)
  }
})

test("the embedded guest's link fits in 4 KB", () => {
  const { fragment, spans } = writeLink(syntheticTrace(3000, 5, 8_000_000, 150), { budget: 4096 })
  expect(fragment.length).toBeLessThanOrEqual(4096)
  expect(spans).toBeGreaterThanOrEqual(100)
})

test('whatever fits: no spans when the budget is tiny', () => {
  const { fragment } = writeLink(syntheticTrace(2000), { budget: 600 })
  expect(value(readLink(fragment)).trace.stages.length).toBe(12)
})

test('the selection names the same span, however times are rounded', () => {
  const trace = syntheticTrace(4000, 9)
  const { spans } = trace
  const longest = Array.from(spans.lane.keys()).sort(
    (a, b) => spans.end[b]! - spans.start[b]! - spans.end[a]! + spans.start[a]!,
  )
  for (const selected of longest.slice(0, 20)) {
    const { trace: back, view } = value(readLink(writeLink(trace, { view: { selected } }).fragment))
    const k = view.selected!
    expect(back.functions.names[back.spans.func[k]!]).toBe(trace.functions.names[spans.func[selected]!])
    expect(Math.abs(back.spans.start[k]! - spans.start[selected]!)).toBeLessThan(1000)
  }
})

/** Calls from a made-up boot: interrupts, switches, devices beside the CPU, idle. */
const recorded = (seed: number): Trace => {
  const { symbols, slices } = syntheticEvents(60_000, seed)
  const builder = new SpanBuilder({
    symbols,
    os: 'netbsd',
    stages: [
      { name: 'entry', marks: [{ kind: 'entry' }] },
      ...symbols.slice(40, 200).map(({ name }) => ({ name, marks: [{ kind: 'call' as const, symbol: name }] })),
    ],
    // Spans are merged and dropped long before the link drops more.
    maxSpans: 8000,
  })
  for (const [k, slice] of slices.entries()) {
    const at = Math.floor(slice.clock.instructions / 2)
    builder.push({
      ...slice,
      notes:
        k > 0
          ? []
          : [
              {
                kind: 'device',
                device: 'virtio-blk',
                unit: 0,
                request: 'read',
                instructions: at,
                done: Math.floor(at * 1.5),
              },
            ],
    })
  }
  return builder.snapshot()
}
const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0)

test('sums are the same before and after the link: of every subsystem, every stage, every function it names', () => {
  for (const seed of [1, 2, 3]) {
    const trace = recorded(seed)
    for (const budget of [8000, 3000, 900]) {
      const { fragment, pruned } = writeLink(trace, { budget })
      expect(pruned).toBeGreaterThan(0)
      const back = value(readLink(fragment)).trace
      const before = new Map(subsystemTotals(trace).map((row) => [row.subsystem, row]))
      const after = subsystemTotals(back)
      expect(after.length).toBe(before.size)
      for (const row of after) {
        const was = before.get(row.subsystem)!
        expect(row.calls).toBe(was.calls)
        expect(row.selfInstructions).toBe(was.selfInstructions)
        expect(Math.abs(row.self - was.self)).toBeLessThanOrEqual(1)
      }
      expect(back.stages.length).toBe(trace.stages.length)
      for (const [k, stage] of back.stages.entries()) {
        const was = trace.stages[k]!
        expect([stage.name, stage.startInstructions, stage.endInstructions]).toEqual([
          was.name,
          was.startInstructions,
          was.endInstructions,
        ])
        expect(Math.abs(stage.end - stage.start - was.end + was.start)).toBeLessThanOrEqual(1)
      }
      for (const [func, name] of back.functions.names.entries()) {
        if (func === back.pruned?.leftOut) continue
        const was = trace.functions.names.indexOf(name)
        expect([name, back.functions.calls[func], back.functions.selfInstructions[func]]).toEqual([
          name,
          trace.functions.calls[was],
          trace.functions.selfInstructions[was],
        ])
        expect(Math.abs(back.functions.self[func]! - trace.functions.self[was]!)).toBeLessThanOrEqual(0.5)
        expect(Math.abs(back.functions.total[func]! - trace.functions.total[was]!)).toBeLessThanOrEqual(1)
      }
    }
  }
})

test('CPU time of all subsystems and idle time are the whole trace, in the link too; a device works beside them', () => {
  const trace = recorded(4)
  const back = value(readLink(writeLink(trace).fragment)).trace
  expect(trace.lanes.map(({ kind }) => kind)).toContain('devices')
  for (const of of [trace, back]) {
    const idle = of.stacks.self.reduce(
      (all, ns, k) => all + (of.lanes[of.stacks.lane[k]!]!.kind === 'idle' ? ns : 0),
      0,
    )
    // Idle spans' ends are rounded in a link.
    expect(Math.abs(sum(subsystemTotals(of).map(({ self }) => self)) + idle - of.end)).toBeLessThan(of.end / 1000)
  }
})

test('a function out of a link: its sandwich is as large as all its calls, its own time as its own time was', () => {
  const trace = recorded(5)
  const back = value(readLink(writeLink(trace).fragment)).trace
  const lengths = back.spans.end.map((end, k) => end - back.spans.start[k]!).filter((ns) => ns > 0)
  const interrupted = sum(
    Array.from(trace.stacks.self, (ns, k) => (trace.lanes[trace.stacks.lane[k]!]!.kind === 'interrupts' ? ns : 0)),
  )
  const tick = Math.max(1, lengths.reduce((a, b) => Math.min(a, b)) / 100)
  for (const [func, name] of back.functions.names.entries()) {
    if (func === back.pruned?.leftOut || back.pruned?.ran[func] === RAN.device) continue
    const known = {
      self: back.functions.self[func]!,
      total: back.functions.total[func]!,
      leftOut: back.pruned!.leftOut!,
    }
    const made = sandwich(back.stacks, func, 'time', known)
    const was = trace.functions.names.indexOf(name)
    // Each drawn span is rounded to the tick, at most a hundredth of the shortest, at both its ends; and spans go on
    // through interrupts, whose time is none of the function's.
    const near = 1 + 2 * tick * back.spans.func.reduce((count, of) => count + (of === func ? 1 : 0), 0)
    expect(made.total - trace.functions.total[was]!).toBeGreaterThan(-near)
    expect(made.total - trace.functions.total[was]!).toBeLessThan(near + interrupted)
    expect(made.self).toBeLessThanOrEqual(trace.functions.self[was]! + 1)
    expect(made.callers.total).toBeCloseTo(made.total)
    expect(made.callees.total).toBeCloseTo(made.total)
  }
})

test('a link of a trace that came by a link keeps its sums, and so does a file', () => {
  const once = value(readLink(writeLink(recorded(6), { budget: 3000 }).fragment)).trace
  const again = value(readLink(writeLink(once).fragment)).trace
  const file = value(readTrace(writeTrace(once)))
  expect(subsystemTotals(again)).toEqual(subsystemTotals(once))
  expect(subsystemTotals(file)).toEqual(subsystemTotals(once))
  expect(again.spans.length).toBe(once.spans.length)
  expect([...file.functions.self]).toEqual([...once.functions.self])
  const main = (trace: Trace): number => trace.functions.total[trace.functions.names.indexOf(once.functions.names[0]!)]!
  expect(main(again)).toBe(main(once))
})

test('a comparison travels in one link of at most 16,000 characters, a short one in 2,000', () => {
  const before = recorded(8)
  const after = recorded(9)
  for (const stagesOnly of [false, true]) {
    const fragment = writeComparison(before, after, { stagesOnly })
    expect(fragment.length).toBeLessThanOrEqual(16_000)
    const back = value(readLink(fragment))
    for (const [was, is] of [
      [before, back.before!],
      [after, back.trace],
    ] as const) {
      expect(subsystemTotals(is).map(({ calls }) => calls)).toEqual(subsystemTotals(was).map(({ calls }) => calls))
      expect(compareTraces(was, is).stages.every(({ change }) => Math.abs(change) <= 1)).toBe(true)
    }
  }
  expect(said(`${writeLink(after).fragment}&b=AAAA`)).toMatch(/unpacked|read/)
})

test('stages and sums alone are less than a thousand characters of a NetBSD boot', () => {
  const trace = syntheticTrace(200_000, 2)
  const { fragment, spans } = writeLink(trace, { budget: SHORT_BUDGET, stagesOnly: true })
  expect(fragment.length).toBeLessThanOrEqual(1000)
  expect(spans).toBe(0)
  const back = value(readLink(fragment)).trace
  expect(back.stages.length).toBe(trace.stages.length)
  expect(back.functions.length).toBe(0)
  const sums = (of: Trace): readonly number[] => subsystemTotals(of).map(({ calls }) => calls)
  expect(sums(back)).toEqual(sums(trace))
})

test('a comparison says nothing of functions that a link does not name', () => {
  const trace = recorded(7)
  const back = value(readLink(writeLink(trace, { budget: 3000 }).fragment)).trace
  const { functions } = compareTraces(trace, back)
  expect(functions.filter(({ status }) => status === 'removed' || status === 'added')).toEqual([])
  for (const row of functions) expect(Math.abs(row.change)).toBeLessThanOrEqual(1)
})

test('instructions follow from the clock, idle time too', () => {
  const { symbols, slices } = syntheticEvents(5000)
  const builder = new SpanBuilder({ symbols })
  for (const slice of slices) builder.push(slice)
  const trace = builder.snapshot()
  const back = value(readLink(writeLink(trace).fragment)).trace
  for (let k = 0; k < back.spans.length; k++)
    expect(Math.abs(back.spans.startInstructions[k]! - back.spans.start[k]!)).toBeLessThan(2)
  expect(back.clock.wallNs.at(-1)! / trace.clock.wallNs.at(-1)!).toBeCloseTo(1, 2)
})

test('links of all versions open for ever', () => {
  for (const [file, title, spans, stages] of [
    ['v1-small', 'Playground', 8, 3],
    ['v1-netbsd', 'NetBSD 11 MICROVM', 300, 12],
    ['v2-small', 'Playground', 8, 3],
    ['v2-netbsd', 'NetBSD 11 MICROVM', 300, 12],
  ] as const) {
    const fragment = readFileSync(new URL(`fixtures/${file}.link.txt`, import.meta.url), 'utf8').trim()
    const { trace } = value(readLink(fragment))
    expect(trace.meta.title).toBe(title)
    expect(trace.spans.length).toBeGreaterThanOrEqual(spans)
    expect(trace.stages.length).toBe(stages)
    expect(trace.functions.names.every((name) => name.length > 0)).toBe(true)
    if (file.endsWith('small')) expect(drawTrace(trace, 100)).toBe(picture(PICTURE))
  }
})

test('old documents are brought forward one version at a time', () => {
  const readers = { 1: () => ['1'], 2: () => ['2'] }
  const upgraders = [(d: never) => [...(d as string[]), '1 to 2'], (d: never) => [...(d as string[]), '2 to 3']]
  const none = new Uint8Array(0)
  expect(readVersioned(1, none, readers, upgraders)).toEqual(['1', '1 to 2', '2 to 3'])
  expect(readVersioned(2, none, readers, upgraders)).toEqual(['2', '2 to 3'])
})

test('a newer link says what to do', () => {
  expect(said('#v=3&d=AAAA')).toBe(
    'The link has version 3 of the link format; expected: version 2 or older. Try: reload this page to get its newest version.',
  )
})

test('broken links give a sentence', () => {
  const good = writeLink(traceFromPicture(PICTURE)).fragment
  for (const [fragment, expected] of [
    ['', /has no version/],
    ['#', /has no version/],
    ['#v=-1', /has no version/],
    ['#v=1', /has no trace/],
    ['#v=1&d=', /has no trace/],
    ['#v=0&d=AAAA', /link/],
    ['#v=1&d=<script>alert(1)</script>', /characters that do not belong/],
    ['#v=1&d=AAAA', /unpacked|read/],
    [good.slice(0, -10), /unpacked|read|do not belong/],
    [`${good.slice(0, 40)}${good.slice(60)}`, /unpacked|read|do not belong/],
    [`#v=1&d=${'A'.repeat(300_000)}`, /has 300007 characters/],
    [fragmentWith(new Uint8Array(0)), /ends too early/],
    [fragmentWith(Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 1)), /number/],
    [fragmentWith(new Uint8Array(3 * 1024 * 1024).fill(255)), /number/],
  ] as const)
    expect(said(fragment)).toMatch(expected)
})

test('an inflate bomb is stopped in time', () => {
  const bomb = fragmentWith(new Uint8Array(64 * 1024 * 1024))
  expect(bomb.length).toBeLessThan(100_000)
  const began = processorMs()
  expect(said(bomb)).toMatch(/unpacks to more than 4194304 bytes/)
  expect(processorMs() - began).toBeLessThan(1000)
})

test('any damage gives a trace or a sentence, within a second, and never numbers that are none', () => {
  const random = randomNumbers(7)
  const trace = syntheticTrace(1500, 3)
  const payloads = [writeLink(traceFromPicture(PICTURE)).fragment, writeLink(trace).fragment].map((fragment) => {
    const bytes = fromBase64url(fragment.split('d=')[1]!)!
    return bytes
  })
  // Damage to the deflated bytes, and to the bytes inside.
  for (let round = 0; round < 300; round++) {
    const bytes = payloads[round % 2]!.slice()
    for (let k = 0; k < 1 + random() * 4; k++) bytes[Math.floor(random() * bytes.length)] = random() * 256
    for (const version of [1, 2]) check(`#v=${version}&d=${toBase64url(bytes)}`)
  }
  for (let round = 0; round < 300; round++)
    for (const version of [1, 2])
      check(
        fragmentWith(
          Uint8Array.from({ length: 200 }, () => (random() < 0.5 ? random() * 8 : random() * 256)),
          version,
        ),
      )
})

const check = (fragment: string): void => {
  const began = processorMs()
  const result = readLink(fragment)
  expect(processorMs() - began).toBeLessThan(1000)
  if (!result.ok) {
    expect(sentence(result.problem).length).toBeLessThan(400)
    return
  }
  const { spans, end, lanes, functions } = result.value.trace
  for (let k = 0; k < spans.length; k++) {
    expect(spans.start[k]! >= 0 && spans.end[k]! >= spans.start[k]! && spans.end[k]! <= end).toBe(true)
    expect(spans.lane[k]).toBeLessThan(lanes.length)
    expect(spans.func[k] === 0xffffffff || spans.func[k]! < functions.length).toBe(true)
  }
}

test('a script in a name stays a name; a view that does not fit is left out', () => {
  const trace = traceFromPicture(PICTURE)
  const names = trace.functions.names.map((n) => `<script>${n}</script>\u202e`)
  const { fragment } = writeLink({ ...trace, functions: { ...trace.functions, names } })
  const back = value(readLink(`${fragment}&t=zz-1&s=zzzz&a=evil&x=javascript:1`))
  expect(back.trace.functions.names).toContain('<script>main</script>')
  expect(back.view).toEqual({})
})
