/** Where an instruction goes after it, and whether a region can hold it: what finding blocks asks of a handler. */
import { i32 } from '../../../wasm/instructions.ts'
import { FunctionBuilder, type FunctionRef } from '../../../wasm/module.ts'
import type { I32 } from '../../../wasm/value.ts'
import { Builder, type Embedding, type EngineFunctions, k } from '../../isa/builder.ts'
import { emitHandler, type Facts, type Handler } from '../../isa/handler.ts'

export type Flow = Facts['flow'] | 'breaks'

export const isIndirectJump = ({ facts, operands: [target] }: Handler): boolean =>
  facts.flow === 'ends' && (target?.form === 'gpr' || target?.form === 'mem')

const flows = new WeakMap<Handler, Flow>()
/** Where an instruction goes, by its row; whether a region can hold it, by what its meaning asks for. */
export const flowOf = (handler: Handler): Flow => {
  let flow = flows.get(handler)
  if (flow === undefined) flows.set(handler, (flow = breaks(handler) ? 'breaks' : handler.facts.flow))
  return flow
}
/**
 * Whether the meaning always goes through TypeScript, or stays where it is (repeated strings): the interpreter does such
 * instructions as well as a region could.
 */
const breaks = (handler: Handler): boolean => {
  const f = new FunctionBuilder('probe', ['i32'] as const, ['i32']) as unknown as FunctionBuilder
  let broken = false
  const nothing = (): void => {}
  const no = (): void => {
    broken = true
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
    flagWord: () => k(0),
    setFlagWord: nothing,
    clearCarries: nothing,
    effectiveAddress: () => k(0),
    tlbBase: number,
    nextLinear: () => k(0),
    targetLinear: () => k(0),
    fault: nothing,
    slow: nothing,
    commit: nothing,
    beforeCall: nothing,
    afterCall: nothing,
    beforeHost: () => {
      if (f.depth === 0) broken = true
    },
    afterHost: nothing,
    gotoTarget: nothing,
    gotoLinear: nothing,
    goto: no,
    gotoOrFault: nothing,
    next: nothing,
    budget: number,
    spend: no,
  }
  emitHandler(new Builder(embedding, functions, handler.bits, handler.long), handler)
  return broken
}
