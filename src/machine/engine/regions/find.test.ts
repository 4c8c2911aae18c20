import { expect, test } from 'vitest'
import type { Handler } from '../../isa/handler.ts'
import { beginningOf, findBlocks, goesTo, hasLoop, type ReadCode } from './find.ts'
import type { Flow } from './flow.ts'
import type { Instruction } from './region.ts'

const handler = { facts: { flow: 'next' }, operands: [] } as unknown as Handler
const indirect = { facts: { flow: 'ends' }, operands: [{ form: 'gpr' }] } as unknown as Handler
/** A page drawn as its instructions: offset, length, flow, target; `*` for an indirect jump. */
const drawn = (text: string): ReadCode => {
  const code = new Map<number, Instruction>()
  for (const line of text.trim().split('\n')) {
    const [offset, length, flow, target] = line.trim().split(/\s+/)
    const at = Number(offset)
    code.set(at, {
      record: at * 32,
      offset: at,
      length: Number(length),
      op: 100,
      handler: target === '*' ? indirect : handler,
      prefix: undefined,
      flow: flow as Flow,
      target: target === undefined || target === '*' ? undefined : Number(target),
    })
  }
  return (offset) => code.get(offset)
}
const nobody = (): boolean => false
const offsets = (blocks: ReturnType<typeof findBlocks>): number[][] =>
  blocks.map(({ instructions }) => instructions.map(({ offset }) => offset))

const LOOP = drawn(`
  10 2 next
  12 3 next
  15 2 conditional 12
  17 1 ends`)

test('a branch back makes two blocks of what was straight, and a loop', () => {
  const blocks = findBlocks(LOOP, [10], nobody)
  expect(offsets(blocks)).toEqual([[10], [12, 15], [17]])
  expect(hasLoop(blocks)).toBe(true)
})
test('straight code is no loop', () => {
  expect(hasLoop(findBlocks(drawn('10 2 next\n12 1 ends'), [10], nobody))).toBe(false)
})
test('what another region has stays its own', () => {
  expect(offsets(findBlocks(LOOP, [10], ({ offset }) => offset === 12))).toEqual([[10], [17]])
})
test('an instruction that no region can hold ends a block, and the next one begins behind it', () => {
  const page = drawn('0 1 next\n1 4 breaks\n5 1 ends')
  expect(offsets(findBlocks(page, [0], nobody))).toEqual([[0], [5]])
})
test('targets in other pages are no blocks', () => {
  const page = drawn('0 2 conditional 5000\n2 2 conditional -8\n4 1 ends')
  expect(offsets(findBlocks(page, [0], nobody))).toEqual([[0], [2], [4]])
})
test('behind a jump is where an indirect one may have gone', () => {
  expect(offsets(findBlocks(drawn('0 2 ends *\n2 1 next\n3 1 ends'), [0], nobody))).toEqual([[0], [2, 3]])
  expect(offsets(findBlocks(drawn('0 2 ends 3\n2 1 next\n3 1 ends'), [0], nobody))).toEqual([[0], [3]])
})
test('straight code is followed back to its beginning, not over a branch', () => {
  expect(beginningOf(LOOP, 15)).toBe(10)
  expect(beginningOf(LOOP, 17)).toBe(17)
})
test('blocks go to others by their branch or by going on', () => {
  const [first, loop, last] = findBlocks(LOOP, [10], nobody)
  expect([goesTo([first!], [loop!]), goesTo([loop!], [last!]), goesTo([last!], [first!])]).toEqual([true, true, false])
})
