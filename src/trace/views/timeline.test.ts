import { expect, test } from 'vitest'
import { SUBSYSTEMS, subsystemOf, subsystemTotals } from '../model/subsystems.ts'
import type { Trace } from '../model/trace.ts'
import { traceFromPicture } from '../testing/drawn.ts'
import { syntheticTrace } from '../testing/synthetic.ts'
import { leftHeavy, neighbours, sandwich } from './merged-stacks.ts'
import { Boxes, marksBetween, search, spanAt, Timeline } from './timeline.ts'

const PICTURE = `
  kernel
    main================================
      alloc|alloc===|free     configure=
      a|a|a            b        mount===
  interrupts
            clock===
`
const drawn = (): Trace => traceFromPicture(PICTURE)

const name = (trace: Trace, span: number): string => trace.functions.names[trace.spans.func[span]!]!
const show = (timeline: Timeline, row: number, from: number, to: number, pixel: number): string[] => {
  const boxes = new Boxes()
  timeline.query(row, from, to, pixel, boxes)
  return Array.from({ length: boxes.length }, (_, k) => {
    const more = boxes.joined[k]! > 1 ? `x${boxes.joined[k]}` : ''
    return `${name(timeline.trace, boxes.span[k]!)}${more} ${boxes.start[k]}-${boxes.end[k]}`
  })
}

test('a row shows its spans in a range, those that reach into it too', () => {
  const timeline = new Timeline(drawn())
  expect(timeline.rows).toEqual([
    { lane: 0, depth: 0 },
    { lane: 0, depth: 1 },
    { lane: 0, depth: 2 },
    { lane: 1, depth: 0 },
  ])
  expect(show(timeline, 1, 0, 36, 0.1)).toEqual(['alloc 2-7', 'alloc 8-16', 'free 17-21', 'configure 26-36'])
  expect(show(timeline, 1, 10, 18, 0.1)).toEqual(['alloc 8-16', 'free 17-21'])
  expect(show(timeline, 1, 22, 25, 0.1)).toEqual([])
  expect(show(timeline, 9, 0, 36, 1)).toEqual([])
})

test('neighbours too narrow to see are one box that knows how many', () => {
  const timeline = new Timeline(drawn())
  expect(show(timeline, 2, 0, 36, 6)).toEqual(['ax3 2-7', 'b 19-20', 'mount 28-36'])
  // What can be seen by itself stays by itself.
  expect(show(timeline, 1, 0, 36, 4)).toEqual(['alloc 2-7', 'alloc 8-16', 'free 17-21', 'configure 26-36'])
})

test('what is prepared shows the same as what is not', () => {
  const trace = syntheticTrace(20_000)
  const prepared = new Timeline(trace)
  for (const _ of prepared.prepare(trace.end / 1000));
  const plain = new Timeline(trace)
  for (let row = 0; row < plain.rows.length; row++)
    for (const pixel of [trace.end / 1000, trace.end / 10_000])
      expect(show(prepared, row, 0, trace.end, pixel)).toEqual(show(plain, row, 0, trace.end, pixel))
})

test('hit, neighbours, parent and child', () => {
  const trace = drawn()
  const timeline = new Timeline(trace)
  const at = (row: number, time: number, slack?: number) => {
    const span = timeline.hit(row, time, slack)
    return span < 0 ? undefined : name(trace, span)
  }
  expect(at(0, 5)).toBe('main')
  expect(at(1, 7)).toBeUndefined()
  expect(at(2, 18)).toBeUndefined()
  expect(at(2, 18.5, 1)).toBe('b')
  expect(at(2, 20.6, 1)).toBe('b')
  expect(at(5, 1)).toBeUndefined()
  const free = timeline.hit(1, 18)
  expect(name(trace, timeline.parent(free))).toBe('main')
  expect(name(trace, timeline.child(free))).toBe('b')
  expect(name(trace, timeline.neighbour(free, 1))).toBe('configure')
  expect(timeline.neighbour(timeline.hit(1, 30), 1)).toBe(-1)
  expect(timeline.parent(timeline.hit(0, 1))).toBe(-1)
  expect(timeline.child(timeline.hit(3, 13))).toBe(-1)
  expect(name(trace, spanAt(timeline, 13))).toBe('clock')
})

test('every level of a large row shows all of it and nothing twice', () => {
  const timeline = new Timeline(syntheticTrace(20_000))
  const boxes = new Boxes()
  for (const pixels of [100, 1500, 1e6])
    for (const [row, { lane, depth }] of timeline.rows.entries()) {
      const pixel = timeline.end / pixels
      timeline.query(row, 0, timeline.end + 1, pixel, boxes)
      const spans = Array.from(timeline.trace.spans.lane.keys()).filter(
        (k) => timeline.trace.spans.lane[k] === lane && timeline.trace.spans.depth[k] === depth,
      )
      expect(boxes.joined.subarray(0, boxes.length).reduce((a, b) => a + b, 0)).toBe(spans.length)
      for (let k = 1; k < boxes.length; k++) expect(boxes.start[k]).toBeGreaterThanOrEqual(boxes.end[k - 1]!)
      // At most two boxes for a pixel: one too wide for it and one that begins in it.
      expect(boxes.length).toBeLessThanOrEqual(2 * pixels + 2)
    }
})

test('axes: instructions stand still where guest time goes on, wall time where it is known', () => {
  const base = drawn()
  const trace: Trace = {
    ...base,
    clock: {
      length: 3,
      instructions: Float64Array.of(0, 18, 18),
      guestNs: Float64Array.of(0, 18, 36),
      wallNs: Float64Array.of(0, 180, 200),
    },
  }
  const wall = new Timeline(trace, 'wall')
  expect(wall.end).toBe(200)
  expect(show(wall, 3, 0, 200, 1)).toEqual(['clock 80-160'])
  expect(new Timeline(trace, 'instructions').end).toBe(36)
})

test('search finds functions by part of their name or by a pattern', () => {
  const trace = drawn()
  expect(search(trace, 'ALL').spans.length).toBe(2)
  expect([...search(trace, '/^(free|b)$/').functions].map((f) => trace.functions.names[f])).toEqual(['free', 'b'])
  expect(search(trace, '').functions.size).toBe(0)
  expect(search(trace, '/(/').functions.size).toBe(0)
  expect(search(trace, 'alloc').self).toBe(10)
  expect(marksBetween({ ...trace, marks: [{ kind: 'console', at: 5, atInstructions: 5, text: 'x' }] }, 0, 9)).toEqual([
    0,
  ])
})

test('left-heavy merges stacks, heaviest first', () => {
  const trace = drawn()
  const merged = leftHeavy(trace.stacks)
  const rows = Array.from({ length: merged.length }, (_, k) => [
    merged.depth[k],
    trace.functions.names[merged.func[k]!],
    merged.start[k],
    merged.end[k],
    merged.calls[k],
  ])
  expect(rows).toEqual([
    [0, 'main', 0, 36, 1],
    [1, 'alloc', 0, 13, 2],
    [2, 'a', 0, 3, 3],
    [1, 'configure', 13, 23, 1],
    [2, 'mount', 13, 21, 1],
    [1, 'free', 23, 27, 1],
    [2, 'b', 23, 24, 1],
    [0, 'clock', 36, 44, 1],
  ])
})

test('a sandwich has callers above and callees below; recursion counts once', () => {
  const trace = traceFromPicture(`
    kernel
      main==================
        f========= g========
        g======      f====
          f===         h=
  `)
  const func = (n: string) => trace.functions.names.indexOf(n)
  const f = sandwich(trace.stacks, func('f'))
  expect([f.calls, f.self, f.total]).toEqual([3, 3 + 4 + 3, 10 + 5])
  expect(trace.functions.total[func('f')]).toBe(15)
  const tree = (m: typeof f.callees) =>
    Array.from(
      { length: m.length },
      (_, k) => `${m.depth[k]} ${trace.functions.names[m.func[k]!]} ${m.end[k]! - m.start[k]!}`,
    )
  expect(tree(f.callees)).toEqual(['0 f 15', '1 g 7', '2 f 4', '1 h 2'])
  expect(tree(f.callers)).toEqual(['0 f 15', '1 main 10', '1 g 5', '2 main 5'])
  const n = neighbours(trace.stacks, func('f'))
  expect(n.callers.map((c) => [trace.functions.names[c.func], c.calls, c.total])).toEqual([
    ['main', 1, 10],
    ['g', 2, 5],
  ])
  expect(n.callees.map((c) => [trace.functions.names[c.func], c.calls, c.total])).toEqual([
    ['g', 1, 7],
    ['h', 1, 2],
  ])
})

test('subsystems follow from names', () => {
  const of = (n: string) => SUBSYSTEMS[subsystemOf(n)]
  expect(
    [
      'uvm_pagefree',
      'memset',
      'config_attach',
      'virtio_reset_vq',
      'vfs_mountroot',
      'ip_output',
      'SHA256_Transform',
    ].map(of),
  ).toEqual(['memory', 'memory', 'autoconf', 'virtio', 'file systems', 'network', 'crypto'])
  expect(['sha256_selftest', 'cpu_switchto', 'mutex_enter', 'start_init', '__memset'].map(of)).toEqual([
    'crypto',
    'scheduling',
    'scheduling',
    'user',
    'memory',
  ])
  expect(subsystemOf('main')).toBe(-1)
  expect(SUBSYSTEMS.length).toBeLessThanOrEqual(8)
  expect(subsystemTotals(drawn()).reduce((sum, row) => sum + row.self, 0)).toBe(44)
})
