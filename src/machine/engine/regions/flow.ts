/** Where an instruction goes after it, and whether a region can hold it: what finding blocks asks of a handler. */
import { i32 } from '../../../wasm/instructions.ts'
import { FunctionBuilder, type FunctionRef } from '../../../wasm/module.ts'
import type { I32 } from '../../../wasm/value.ts'
import { Builder, type Embedding, type EngineFunctions, k } from '../../isa/builder.ts'
import { emitHandler, type Facts, type Handler } from '../../isa/handler.ts'
import { FLAGS_AUX, FLAGS_CC, FLAGS_RES } from '../../state/layout.ts'
import type { Instruction } from './region.ts'

export type Flow = Facts['flow'] | 'breaks'

export const isIndirectJump = ({ facts, operands: [target] }: Handler): boolean =>
  facts.flow === 'ends' && (target?.form === 'gpr' || target?.form === 'mem')

/** What an instruction does with the three flag words, by `flagBit`. */
export interface FlagUse {
  /** Read as they were before it. */
  readonly reads: number
  /** Set in any case. */
  readonly sets: number
  /** It may leave, by a fault or by a call into TypeScript, where all words are seen as they were before it. */
  readonly leaves: boolean
}
const FLAG_WORDS: readonly number[] = [FLAGS_RES, FLAGS_CC, FLAGS_AUX]
const ALL_FLAGS = 7
export const flagBit = (word: number): number => 1 << FLAG_WORDS.indexOf(word)

interface Nature {
  readonly flow: Flow
  readonly flags: FlagUse
}
const natures = new WeakMap<Handler, Nature>()
const natureOf = (handler: Handler): Nature => {
  let nature = natures.get(handler)
  if (nature === undefined) natures.set(handler, (nature = probe(handler)))
  return nature
}

/** Where an instruction goes, by its row; whether a region can hold it, by what its meaning asks for. */
export const flowOf = (handler: Handler): Flow => natureOf(handler).flow
export const flagUseOf = ({ handler, prefix }: Pick<Instruction, 'handler' | 'prefix'>): FlagUse => {
  const { flags } = natureOf(handler)
  // The prefix handler may find an address beyond its segment.
  return prefix === undefined ? flags : { ...flags, leaves: true }
}

/** For each instruction of a block the flag words that nobody can see as it leaves them. Behind the block all are seen. */
export const unseenFlags = (uses: readonly FlagUse[]): number[] => {
  const unseen: number[] = new Array(uses.length).fill(0)
  let seen = ALL_FLAGS
  for (let i = uses.length - 1; i >= 0; i--) {
    const { reads, sets, leaves } = uses[i]!
    // A word that an instruction reads may be one that it has set before.
    unseen[i] = ALL_FLAGS & ~seen & ~reads
    seen = leaves ? ALL_FLAGS : (seen & ~sets) | reads
  }
  return unseen
}

/**
 * Asks a meaning what it does. A region does not hold what always goes through TypeScript, or stays where it is (repeated strings):
 * the interpreter does such instructions as well as a region could.
 */
const probe = (handler: Handler): Nature => {
  const f = new FunctionBuilder('probe', ['i32'] as const, ['i32']) as unknown as FunctionBuilder
  let broken = false
  let leaves = false
  let reads = 0
  let sets = 0
  const nothing = (): void => {}
  const no = (): void => {
    broken = true
  }
  const leave = (): void => {
    leaves = true
  }
  const set = (word: number): void => {
    if (f.depth === 0) sets |= flagBit(word)
  }
  const number = (): I32 => i32.const(0)
  const ref: FunctionRef = { name: '', index: 0, params: [], results: ['i32'] }
  const functions: EngineFunctions = {
    slowRead: ref,
    slowWrite: ref,
    slowModify: ref,
    commit: ref,
    enter: { ...ref, params: ['i64'] },
    host: { ...ref, params: ['i32', 'i32'] },
    hostNumber: () => 0,
    traceFull: undefined,
  }
  const embedding: Embedding = {
    f,
    record: i32.const(0),
    field8: number,
    imm: () => k(0),
    imm64: () => k(0),
    gpr: () => k(0),
    setGpr: nothing,
    gprIn: () => k(0),
    setGprIn: nothing,
    flagWord: (word) => {
      reads |= flagBit(word)
      return k(0)
    },
    setFlagWord: set,
    clearCarries: () => {
      set(FLAGS_CC)
      set(FLAGS_AUX)
    },
    effectiveAddress: () => k(0),
    tlbBase: number,
    nextLinear: () => k(0),
    targetLinear: () => k(0),
    fault: leave,
    slow: leave,
    commit: leave,
    beforeCall: leave,
    afterCall: nothing,
    beforeHost: () => {
      leaves = true
      if (f.depth === 0) broken = true
    },
    afterHost: nothing,
    gotoTarget: leave,
    gotoLinear: leave,
    goto: no,
    gotoOrFault: leave,
    next: nothing,
    budget: number,
    spend: no,
  }
  emitHandler(new Builder(embedding, functions, handler.bits, handler.long), handler)
  return { flow: broken ? 'breaks' : handler.facts.flow, flags: { reads, sets, leaves } }
}
