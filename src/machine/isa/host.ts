/**
 * Meanings that live in TypeScript: system instructions, and what is too rare or too intricate for the engine. Values
 * travel in SCRATCH: operand n of the row at SCRATCH + 8n, read operands by value, address operands (access x) by linear
 * address; a written first operand comes back in SCRATCH + 0. The functions are in cpu/host-functions.ts.
 */
import { SCRATCH } from '../state/layout.ts'
import { type Bits, state } from './builder.ts'
import type { Meaning, Operand } from './operand.ts'

export const host =
  (name: string): Meaning =>
  (b, ...operands) => {
    ;(operands as (Operand | undefined)[]).forEach((operand, n) => {
      if (operand === undefined || operand.access === 'w') return
      const value = operand.access === 'x' ? operand.address() : operand.read()
      b.f.emit(state.store64(SCRATCH + 8 * n, value))
    })
    const first = operands[0] as Operand | undefined
    if (first !== undefined && (first.access === 'w' || first.access === 'rw'))
      b.host(name, () => first.write(b.let(state.load64(SCRATCH)), (first.bits || 64) as Bits))
    else b.host(name)
  }

/** As `host`; the operation's name is completed by the operand size: 'lgdt' -> 'lgdt16'. */
export const hostSized =
  (name: string): Meaning =>
  (b, x, y, z, w) =>
    host(`${name}${b.bits}`)(b, x, y, z, w)
