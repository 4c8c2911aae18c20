import { expect, test } from 'vitest'
import { traceFromPicture } from '../testing/drawn.ts'
import { functionsBetween } from './range-sums.ts'

const trace = traceFromPicture(`
  kernel
    main====================
      f========= g========
      g======      f====
        f===         h=
  interrupts
             clock=
  idle
                        halt==
  devices
    disk==========
`)
/** What is drawn begins where main does. */
const at = trace.spans.start.reduce((a, b) => Math.min(a, b))
const between = (from: number, to: number, name: string) => {
  const func = trace.functions.names.indexOf(name)
  const sums = functionsBetween(trace, at + from, at + to)
  return { self: sums.self[func], total: sums.total[func], calls: sums.calls[func] }
}

test('all of a trace that has all spans, one over another nowhere, is what its functions took', () => {
  const one = traceFromPicture(`
    kernel
      main====================
        f========= g========
        g======      f====
          f===         h=
  `)
  const sums = functionsBetween(one, one.start, one.end)
  for (const column of ['calls', 'self', 'total', 'selfInstructions', 'totalInstructions'] as const)
    expect(sums[column]).toEqual(one.functions[column])
})

test('spans are cut where the range begins and ends, and a call counts where it began', () => {
  // h from 17 to 19.
  expect(between(0, 24, 'h')).toEqual({ self: 2, total: 2, calls: 1 })
  expect(between(0, 18, 'h')).toEqual({ self: 1, total: 1, calls: 1 })
  expect(between(18, 24, 'h')).toEqual({ self: 1, total: 1, calls: 0 })
  expect(between(20, 24, 'h')).toEqual({ self: 0, total: 0, calls: 0 })
})

test('a call within itself counts once in the total', () => {
  // f from 2 to 12, g in it from 2 to 9, f in that from 4 to 8; the clock interrupts from 9 on.
  expect(between(0, 12, 'f')).toEqual({ self: 4, total: 7, calls: 2 })
})

test('an interrupt’s time is not the interrupted function’s, and a device takes nobody’s', () => {
  expect(between(9, 14, 'clock')).toEqual({ self: 5, total: 5, calls: 1 })
  expect(between(0, 24, 'disk')).toEqual({ self: 14, total: 14, calls: 1 })
  const { total } = between(0, 24, 'main')
  expect(total).toBe(24 - 6 - 4)
})
