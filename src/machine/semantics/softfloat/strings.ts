/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (SDM 2 §4.1): both operands in SCRATCH, lengths in elements
 * at +48 and +52 for the explicit forms, the immediate at +36.
 *
 * Result: the intermediate IntRes2 at SCRATCH + 0; flags at +4: bit 0 CF, 1 ZF, 2 SF, 3 OF.
 */

import type { CpuState } from '../../state/cpu-state.ts'
import { SCRATCH } from '../../state/layout.ts'

const IMMEDIATE = SCRATCH + 36
export const STRING_LENGTH_1 = SCRATCH + 48
export const STRING_LENGTH_2 = SCRATCH + 52
/** i32: 1 when the lengths are explicit. */
export const STRING_EXPLICIT = SCRATCH + 56

export const compareStrings = ({ state }: { readonly state: CpuState }): boolean => {
  const imm = state.get32(IMMEDIATE)
  const words = (imm & 1) !== 0
  const signed = (imm & 2) !== 0
  const count = words ? 8 : 16
  const element = (at: number, i: number): number =>
    words
      ? signed
        ? state.view.getInt16(at + 2 * i, true)
        : state.view.getUint16(at + 2 * i, true)
      : signed
        ? state.view.getInt8(at + i)
        : state.view.getUint8(at + i)
  const a = Array.from({ length: count }, (_, i) => element(SCRATCH, i))
  const b = Array.from({ length: count }, (_, i) => element(SCRATCH + 16, i))
  const explicit = state.get32(STRING_EXPLICIT) !== 0
  const length = (values: readonly number[], at: number): number => {
    if (explicit) return Math.min(state.get32(at), count)
    const end = values.indexOf(0)
    return end < 0 ? count : end
  }
  const lengthA = length(a, STRING_LENGTH_1)
  const lengthB = length(b, STRING_LENGTH_2)

  // IntRes1, SDM 2 §4.1.6: how elements past a string's end compare depends on the aggregation.
  let result = 0
  for (let j = 0; j < count; j++) {
    let bit: boolean
    switch ((imm >> 2) & 3) {
      case 0: // equal any: b[j] is among a
        bit = j < lengthB && a.slice(0, lengthA).includes(b[j]!)
        break
      case 1: // ranges: b[j] lies in one of a's pairs
        bit = false
        if (j < lengthB) for (let i = 0; i + 1 < lengthA; i += 2) if (b[j]! >= a[i]! && b[j]! <= a[i + 1]!) bit = true
        break
      case 2: // equal each
        bit = j < lengthA && j < lengthB ? a[j] === b[j] : j >= lengthA && j >= lengthB
        break
      default: // equal ordered: a begins at b[j]
        bit = true
        for (let i = 0; i < lengthA && i + j < count; i++) if (i + j >= lengthB || a[i] !== b[i + j]) bit = false
    }
    if (bit) result |= 1 << j
  }
  // Polarity: bit 4 negates, bit 5 only elements that b has.
  const all = (1 << count) - 1
  if ((imm & 0x10) !== 0) result ^= (imm & 0x20) !== 0 ? (1 << lengthB) - 1 : all
  state.set32(SCRATCH, result & all)
  state.set32(
    SCRATCH + 4,
    (result !== 0 ? 1 : 0) | (lengthB < count ? 2 : 0) | (lengthA < count ? 4 : 0) | ((result & 1) !== 0 ? 8 : 0),
  )
  return true
}
