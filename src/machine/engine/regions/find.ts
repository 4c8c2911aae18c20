/** Which code of a page makes a region: blocks and the ways between them. Pure: it sees instructions, by their offsets. */
import { isIndirectJump } from './flow.ts'
import type { Block, Instruction } from './region.ts'

/** The instruction decoded at an offset of the page, when there is one that a region can hold. */
export type ReadCode = (offset: number) => Instruction | undefined

export const MAX_INSTRUCTIONS = 240
export const MAX_BLOCKS = 48
/** Bytes of the longest instruction (SDM 2A §2.3.11). */
const INSTRUCTION_MAX = 15

/** Where the straight code begins that leads to `offset`, as far as it was decoded. */
export const beginningOf = (read: ReadCode, offset: number): number => {
  for (let start = offset, at = start - 1; ; at--) {
    if (at < 0 || at < start - INSTRUCTION_MAX) return start
    const before = read(at)
    if (before !== undefined && at + before.length === start && before.flow === 'next') start = at
  }
}

/**
 * The blocks that can be reached inside the page from `starts`, nearest first, in the order of their addresses. Blocks
 * that are `taken`, of other regions, stay theirs.
 */
export const findBlocks = (
  read: ReadCode,
  starts: readonly number[],
  taken: (instruction: Instruction) => boolean,
): Block[] => {
  const found = new Map<number, Instruction>()
  const leaders = new Set(starts)
  const queue = [...leaders]
  const lead = (offset: number): void => {
    if (offset < 0 || offset >= 4096 || leaders.has(offset) || leaders.size >= MAX_BLOCKS) return
    leaders.add(offset)
    queue.push(offset)
  }
  for (;;) {
    // Nobody says where an indirect jump goes: what was decoded behind a jump is where one has gone.
    if (queue.length === 0 && [...found.values()].some(({ handler }) => isIndirectJump(handler)))
      for (const { flow, offset, length } of found.values())
        if (flow === 'ends' && read(offset + length)) lead(offset + length)
    const offset = queue.shift()
    if (offset === undefined) break
    for (let at: number = offset; found.size < MAX_INSTRUCTIONS && !found.has(at); ) {
      const instruction = read(at)
      if (instruction === undefined) break
      const { flow, target } = instruction
      const next = at + instruction.length
      if (flow === 'breaks') {
        lead(next)
        break
      }
      found.set(at, instruction)
      if (target !== undefined) lead(target)
      if (flow === 'conditional' || flow === 'call') lead(next)
      if (flow !== 'next') break
      at = next
    }
  }
  const blocks: Block[] = []
  for (const first of [...leaders].sort((a, b) => a - b)) {
    const instructions: Instruction[] = []
    for (let at = first; ; ) {
      const instruction = found.get(at)
      if (instruction === undefined || (at !== first && leaders.has(at))) break
      instructions.push(instruction)
      if (instruction.flow !== 'next') break
      at += instruction.length
    }
    if (instructions.length === 0) continue
    if (!taken(instructions[0]!)) blocks.push({ first, instructions })
  }
  return blocks
}

/** Whether a branch or call goes back to one of the blocks: time is spent inside the region, not on its threshold. */
export const hasLoop = (blocks: readonly Block[]): boolean => {
  const firsts = new Set(blocks.map((block) => block.first))
  return blocks.some(({ instructions }) => {
    const { target, offset } = instructions.at(-1)!
    return target !== undefined && target <= offset && firsts.has(target)
  })
}

/** Whether some block of `from` goes to, or goes on at, the beginning of one of `to`. */
export const goesTo = (from: readonly Block[], to: readonly Block[]): boolean => {
  const firsts = new Set(to.map((block) => block.first))
  return from.some(({ instructions }) => {
    const { flow, offset, length, target } = instructions.at(-1)!
    return (flow !== 'ends' && firsts.has(offset + length)) || (target !== undefined && firsts.has(target))
  })
}
