/**
 * Meanings that live in TypeScript: system instructions, and what is too rare or too intricate for the engine. Values
 * travel in SCRATCH: operand n of the row at SCRATCH + 8n, read operands by value, address operands (access x) by linear
 * address; a written first operand comes back in SCRATCH + 0. The functions are in semantics/host.ts.
 */
import type { HostName, SizedHostName } from '../semantics/host.ts'
import { SCRATCH } from '../state/layout.ts'
import { type Bits, state } from './builder.ts'
import type { Meaning, Operand } from './operand.ts'

export const host =
  (name: HostName): Meaning =>
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
  (name: SizedHostName): Meaning =>
  (b, x, y, z, w) =>
    host(sizedName(name, b.bits))(b, x, y, z, w)

/** The function for an operand size; a row has no size that its function has not. */
export const sizedName = (name: SizedHostName, bits: Bits): HostName => `${name}${bits}` as HostName
