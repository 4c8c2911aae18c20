/**
 * Handlers: what the engine is generated from. A row gives one handler per form (register or memory operand, branch in
 * or out of its page, 64-bit mode or not); rows that mean the same with the same kinds of operands share one, so
 * "ADD r/m32, r32" and "ADD r32, r/m32" between registers are the same handler.
 */
import { assert } from '../../base/assert.ts'
import { OP_NEXT_PAGE, REC_R1, REC_R2, REC_R3 } from '../state/record.ts'
import type { Bits, Builder } from './builder.ts'
import { type Form, type Meaning, Operand } from './operand.ts'
import type { OperandSpec, Row, RowOptions } from './row.ts'

/** Handler numbers the engine keeps for itself. */
export const Op = {
  /** The slot has not been decoded. */
  Decode: 0,
  /** The slot lies past the page: go on at the next one. */
  NextPage: OP_NEXT_PAGE,
  /** The instruction reaches into the next page: check that it still does, then `op3`. */
  Cross: 2,
  /** Computes SLOT_EA in 64-bit mode, then `op2`. */
  Address64: 3,
  /** Computes SLOT_EA in the other modes, then `op2`. */
  AddressLegacy: 4,
  /** #UD. */
  Undefined: 5,
  /** #GP(0): longer than 15 bytes. */
  TooLong: 6,
  First: 8,
} as const

export interface OperandForm {
  readonly spec: OperandSpec
  readonly form: Form
  readonly field: number
}

export interface Handler {
  readonly op: number
  readonly name: string
  readonly meaning: Meaning
  readonly bits: Bits
  readonly long: boolean
  readonly operands: readonly OperandForm[]
  readonly aligned: boolean
  readonly unit: 'sse' | 'mmx' | 'x87' | 'none'
  readonly hot: boolean
  /** A repeated string instruction: with a count of 0 it does nothing. */
  readonly repeats: boolean
  readonly facts: Facts
}

/** What the row says about the instruction for those who do not run it: see RowOptions. */
export interface Facts {
  readonly flow: NonNullable<RowOptions['flow']> | 'next'
  readonly stack: boolean
  readonly pops: boolean
  readonly readsDestination: boolean
  readonly plus: RowOptions['plus']
  readonly waits: boolean
  /** Bytes at its memory operand. */
  readonly bytes: number
  /** Whether it writes its memory operand. */
  readonly writes: boolean
}

export type RowForm = 'register' | 'memory' | 'in-page' | 'absolute'

const meaningIds = new Map<Meaning, number>()
const meaningId = (m: Meaning): number => {
  let id = meaningIds.get(m)
  if (id === undefined) meaningIds.set(m, (id = meaningIds.size))
  return id
}

const bitsOf = (row: Row): Bits => {
  if (typeof row.options.parameter === 'number') return row.options.parameter as Bits
  const first = row.operands[0]
  if (first?.bits === 8 && row.options.osize === undefined) return 8
  return (row.options.osize ?? (first?.bits || 32)) as Bits
}

const formsOf = (row: Row, rowForm: RowForm): OperandForm[] => {
  let registers = 0
  const field = (): number => [REC_R1, REC_R2, REC_R3][registers++]!
  const form = (spec: OperandSpec): OperandForm => {
    switch (spec.class) {
      case 'gpr':
        return { spec, form: 'gpr', field: field() }
      case 'rm':
        return rowForm === 'memory' ? { spec, form: 'mem', field: 0 } : { spec, form: 'gpr', field: field() }
      case 'mem':
        return { spec, form: 'mem', field: 0 }
      case 'moffs':
        return { spec, form: rowForm === 'absolute' ? 'moffs' : 'mem', field: 0 }
      case 'imm':
        return { spec, form: spec.bits === 64 ? 'imm64' : 'imm', field: 0 }
      case 'one':
        return { spec, form: 'one', field: 0 }
      case 'rel':
        return { spec, form: rowForm === 'in-page' ? 'relpage' : 'rel', field: 0 }
      case 'far':
        return { spec, form: 'imm', field: 0 }
      case 'number':
        return { spec, form: 'number', field: field() }
      case 'xmm':
        return { spec, form: 'xmm', field: field() }
      case 'xmmrm':
        return rowForm === 'memory' ? { spec, form: 'mem', field: 0 } : { spec, form: 'xmm', field: field() }
      case 'mm':
        return { spec, form: 'mm', field: field() }
      case 'mmrm':
        return rowForm === 'memory' ? { spec, form: 'mem', field: 0 } : { spec, form: 'mm', field: field() }
      case 'st':
        return { spec, form: 'st', field: field() }
    }
  }
  return row.operands.map(form)
}

const unitOf = (row: Row): Handler['unit'] => {
  if (row.options.unit !== undefined) return row.options.unit
  const classes = row.operands.map((o) => o.class)
  if (classes.some((c) => c === 'xmm' || c === 'xmmrm')) return 'sse'
  if (classes.some((c) => c === 'mm' || c === 'mmrm')) return 'mmx'
  if (classes.includes('st')) return 'x87'
  return 'none'
}

const factsOf = (row: Row, bits: Bits, operands: readonly OperandForm[]): Facts => {
  const { flow = 'next', stack = false, pops = false, readsDestination = false, plus, writes, bytes } = row.options
  const memory = operands.find((o) => o.form === 'mem')?.spec
  // A segment register is stored in two bytes whatever the operand size.
  const plain = operands.some((o) => o.form === 'number') ? 2 : (memory?.bits || bits) / 8
  return {
    flow,
    stack,
    pops,
    readsDestination,
    plus,
    waits: unitOf(row) === 'x87' && row.options.waits !== false,
    bytes: typeof bytes === 'function' ? bytes(bits) : (bytes ?? plain),
    writes: writes ?? (memory?.access === 'w' || memory?.access === 'rw'),
  }
}

/** Collects handlers and gives each its number. Hot ones, which the dispatch loop holds, come first. */
export class HandlerTable {
  readonly #byKey = new Map<string, Handler>()
  readonly list: Handler[] = []
  /** The engine has been generated: there can be no more handlers. */
  frozen = false

  handlerFor(row: Row, rowForm: RowForm, long: boolean): Handler {
    const operands = formsOf(row, rowForm)
    const bits = bitsOf(row)
    const modal = row.options.modal === true
    const unit = unitOf(row)
    const aligned = row.options.unaligned !== true
    const facts = factsOf(row, bits, operands)
    const key = [
      meaningId(row.meaning),
      bits,
      modal ? long : '-',
      unit,
      aligned,
      row.options.parameter ?? '-',
      Object.values(facts).join(),
      ...operands.map((o) => `${o.form}/${o.spec.bits}/${o.field}/${o.spec.access}`),
    ].join(' ')
    let handler = this.#byKey.get(key)
    if (handler === undefined) {
      assert(!this.frozen, `the engine has a handler for ${row.text} (${rowForm}, ${long ? 'long' : 'legacy'})`)
      const name = `${row.mnemonic}${operands.map((o) => `_${o.form}${o.spec.bits || ''}`).join('')}_${bits}${modal ? (long ? '_long' : '_legacy') : ''}`
      const hot = row.options.hot === true && bits !== 16 && (long || !modal)
      handler = {
        op: Op.First + this.list.length,
        name,
        meaning: row.meaning,
        bits,
        long: modal ? long : true,
        operands,
        aligned,
        unit,
        hot,
        facts,
        repeats: row.options.repeat === 'F3' || row.options.repeat === 'F2',
      }
      this.#byKey.set(key, handler)
      this.list.push(handler)
    }
    return handler
  }
}

/** Emits one handler's body: unit check, meaning, and on to the next instruction. */
export const emitHandler = (b: Builder, h: Handler): void => {
  if (h.unit !== 'none') b.checkFpu(h.unit)
  const operands = h.operands.map((o) => new Operand(b, o.form, o.spec.bits, o.field, o.spec.access, h.aligned))
  ;(h.meaning as (b: Builder, ...operands: Operand[]) => void)(b, ...operands)
  if (!b.branched) b.at.next()
}
