import { expect, test } from 'vitest'
import { readLink, writeLink } from '../formats/link.ts'
import { SUBSYSTEMS, subsystemTotals } from '../model/subsystems.ts'
import { syntheticTrace } from '../testing/synthetic.ts'
import { functionRows } from './function-rows.ts'
import { inSubsystem, search } from './timeline.ts'

const trace = syntheticTrace(5000, 3)

test('rows add up to what subsystems add up to, in the trace and in its link', () => {
  const read = readLink(writeLink(trace, { budget: 3000 }).fragment)
  if (!read.ok) throw new Error(read.problem.saw)
  const all = subsystemTotals(trace).reduce((sum, { self }) => sum + self, 0)
  // A made-up trace has time of lanes that is no function's.
  const outside = trace.stacks.self.reduce(
    (sum, ns, k) =>
      sum + (trace.stacks.func[k] === 0xffffffff && trace.lanes[trace.stacks.lane[k]!]!.kind !== 'idle' ? ns : 0),
    0,
  )
  expect(functionRows(trace, 'time', 'self', false).self).toBeCloseTo(all - outside, 0)
  const linked = functionRows(read.value.trace, 'time', 'self', false)
  expect(Math.abs(linked.self - all)).toBeLessThan(20)
  expect(linked.rows.some(({ name }) => /^[\d,]+ more functions of /.test(name))).toBe(true)
})

test('rows are sorted by any column, both ways', () => {
  for (const column of ['self', 'total', 'calls'] as const) {
    const values = functionRows(trace, 'time', column, false).rows.map((row) => row[column]!)
    expect(values).toEqual(values.toSorted((a, b) => b - a))
    const reversed = functionRows(trace, 'time', column, true).rows.map((row) => row[column]!)
    expect(reversed).toEqual(values.toReversed())
  }
  const names = functionRows(trace, 'instructions', 'name', false).rows.map(({ name }) => name)
  expect(names).toEqual(names.toSorted())
})

test('a subsystem can be searched for, and its functions are those of its sum', () => {
  for (const { subsystem, self } of subsystemTotals(trace)) {
    if (subsystem < 0) continue
    const found = search(trace, inSubsystem(SUBSYSTEMS[subsystem]!))
    const { rows, self: sum } = functionRows(trace, 'time', 'self', false, found.functions)
    expect(rows.every((row) => row.subsystem === SUBSYSTEMS[subsystem])).toBe(true)
    expect(sum).toBeCloseTo(self, 0)
    expect(found.self).toBeCloseTo(self, 0)
  }
})
