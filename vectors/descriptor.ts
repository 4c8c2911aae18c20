/**
 * What the generator knows of a row of the instruction table: its notation, and nothing that may change without the
 * encoding changing. Committed vectors carry descriptors, so they stay good while the table is being worked on.
 */
import { type OperandSpec, type Row, row } from '../src/machine/isa/row.ts'

export interface Descriptor {
  readonly text: string
  readonly operands: readonly string[]
  readonly encoding: string
  readonly osize?: number
  readonly asize?: number
  readonly repeat?: string
  readonly mode?: '64' | 'legacy'
  /** The operand size is 64 in 64-bit mode without REX.W. */
  readonly default64?: boolean
  readonly feature?: string
}

export const descriptorOf = (r: Row): Descriptor => {
  const { osize, asize, repeat, mode, default64, force64, feature } = r.options
  return {
    text: r.text,
    operands: r.operands.map((o) => o.text),
    encoding: r.encoding.text,
    ...(osize === undefined ? {} : { osize }),
    ...(asize === undefined ? {} : { asize }),
    ...(repeat === undefined ? {} : { repeat }),
    ...(mode === undefined ? {} : { mode }),
    ...(default64 || force64 ? { default64: true } : {}),
    ...(feature === undefined ? {} : { feature }),
  }
}

/** Tells rows apart; stable as long as the encoding is. */
export const keyOf = (d: Descriptor): string =>
  [d.text, d.encoding, d.osize ?? '', d.asize ?? '', d.repeat ?? '', d.mode ?? ''].join('|')

/** The descriptor parsed again; its meaning is empty. */
export const parse = (d: Descriptor): Row => {
  const mnemonic = mnemonicOf(d)
  const text = d.operands.length === 0 ? mnemonic : `${mnemonic} ${d.operands.join(', ')}`
  return row(text, d.encoding, d.operands.map(() => 'r').join(' '), () => {})
}
export const mnemonicOf = (d: Descriptor): string => d.text.split(' ')[0] as string

export type { OperandSpec }
