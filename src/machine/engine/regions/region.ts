/** A region's blocks and instructions as data. */
import type { Handler, Op } from '../../isa/handler.ts'
import type { Flow } from './flow.ts'

export interface Instruction {
  readonly record: number
  readonly offset: number
  readonly length: number
  /** What the record said before any region. */
  readonly op: number
  readonly handler: Handler
  /** The prefix handler that computes its address, if it takes one. */
  readonly prefix: typeof Op.Address64 | typeof Op.AddressLegacy | undefined
  readonly flow: Flow
  /** Offset that it branches to, or calls, in its own page; what is outside [0, 4096) is in another. */
  readonly target: number | undefined
}

export interface Block {
  readonly first: number
  readonly instructions: Instruction[]
}

export interface Region {
  readonly op: number
  /** Machine address of the page's records. */
  readonly records: number
  readonly blocks: readonly Block[]
  /** Where its bytes are, offsets into the page. */
  readonly ranges: readonly { readonly first: number; readonly end: number }[]
}

export const instructionsOf = (blocks: readonly Block[]): number =>
  blocks.reduce((sum, block) => sum + block.instructions.length, 0)

export const overlaps = ({ ranges }: Region, offset: number, length: number): boolean =>
  ranges.some((range) => offset < range.end && offset + length > range.first)

export const rangesOf = (blocks: readonly Block[]): { first: number; end: number }[] => {
  const ranges: { first: number; end: number }[] = []
  for (const { first, instructions } of blocks) {
    const last = instructions.at(-1)!
    const end = last.offset + last.length
    const before = ranges.at(-1)
    if (before !== undefined && before.end >= first) before.end = Math.max(before.end, end)
    else ranges.push({ first, end })
  }
  return ranges
}
