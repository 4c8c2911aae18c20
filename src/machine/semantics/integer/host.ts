/** Integer instructions that are too rare or too intricate for the engine (SDM 2A AAA ... DAS, DIV, IDIV, SAHF, CMC). */
import type { CpuState } from '../../state/cpu-state.ts'
import { DE, GuestFault } from '../../state/fault.ts'
import { FLAGS_AF, FLAGS_ARITHMETIC, FLAGS_CF, FLAGS_OF, FLAGS_PF, FLAGS_SF, FLAGS_ZF } from '../../state/flags.ts'
import { RAX, RDX } from '../../state/layout.ts'
import { type HostFunction, immediate, in0 } from '../host-table.ts'

const al = (s: CpuState): number => s.u8[RAX]
const ah = (s: CpuState): number => s.u8[RAX + 1]

/** Flags from an 8-bit result, CF and AF given; OF stays 0. */
const decimalFlags = (s: CpuState, result: number, cf: boolean, af: boolean): void => {
  let ones = 0
  for (let i = 0; i < 8; i++) ones += (result >> i) & 1
  const flags =
    (cf ? FLAGS_CF : 0) |
    (af ? FLAGS_AF : 0) |
    (result === 0 ? FLAGS_ZF : 0) |
    ((result & 0x80) !== 0 ? FLAGS_SF : 0) |
    ((ones & 1) === 0 ? FLAGS_PF : 0)
  s.rflags = (s.rflags & ~FLAGS_ARITHMETIC) | flags
}
const adjustPacked =
  (sign: 1 | -1): HostFunction =>
  ({ state: s }) => {
    const old = al(s)
    const flags = s.rflags
    let value = old
    let cf = false
    let af = false
    if ((old & 15) > 9 || (flags & FLAGS_AF) !== 0) {
      const moved = value + sign * 6
      cf = (flags & FLAGS_CF) !== 0 || moved > 0xff || moved < 0
      value = moved & 0xff
      af = true
    }
    if (old > 0x99 || (flags & FLAGS_CF) !== 0) {
      value = (value + sign * 0x60) & 0xff
      cf = true
    } else if (sign === 1) cf = false
    s.u8[RAX] = value
    decimalFlags(s, value, cf, af)
  }
const adjustUnpacked =
  (sign: 1 | -1): HostFunction =>
  ({ state: s }) => {
    const adjust = (al(s) & 15) > 9 || (s.rflags & FLAGS_AF) !== 0
    if (adjust) {
      const ax = ((ah(s) << 8) | al(s)) + sign * 0x106
      s.u8[RAX] = ax & 15
      s.u8[RAX + 1] = (ax >> 8) & 0xff
    } else s.u8[RAX] = al(s) & 15
    decimalFlags(s, al(s), adjust, adjust)
  }

export const INTEGER_HOST = {
  div128: ({ state: s }) => {
    const y = in0(s)
    const dividend = (s.get64(RDX) << 64n) | s.get64(RAX)
    s.set64(RAX, dividend / y)
    s.set64(RDX, dividend % y)
  },
  idiv128: ({ state: s }) => {
    const y = BigInt.asIntN(64, in0(s))
    const dividend = BigInt.asIntN(128, (s.get64(RDX) << 64n) | s.get64(RAX))
    const quotient = dividend / y
    if (BigInt.asIntN(64, quotient) !== quotient) throw new GuestFault(DE)
    s.set64(RAX, BigInt.asUintN(64, quotient))
    s.set64(RDX, BigInt.asUintN(64, dividend % y))
  },
  daa: adjustPacked(1),
  das: adjustPacked(-1),
  aaa: adjustUnpacked(1),
  aas: adjustUnpacked(-1),
  aam: ({ state: s }, record, bytes) => {
    const base = immediate(bytes, record) & 0xff
    if (base === 0) throw new GuestFault(DE)
    const value = al(s)
    s.u8[RAX + 1] = Math.floor(value / base)
    s.u8[RAX] = value % base
    decimalFlags(s, al(s), false, false)
  },
  aad: ({ state: s }, record, bytes) => {
    const tens = (ah(s) * (immediate(bytes, record) & 0xff)) & 0xff
    const ones = al(s)
    const value = (tens + ones) & 0xff
    s.u8[RAX] = value
    s.u8[RAX + 1] = 0
    // CF, AF and OF, which the manual leaves undefined, are the sum's (Intel).
    decimalFlags(s, value, tens + ones > 0xff, ((tens ^ ones ^ value) & 0x10) !== 0)
    if (((tens ^ value) & (ones ^ value) & 0x80) !== 0) s.rflags |= FLAGS_OF
  },
  salc: ({ state: s }) => {
    s.u8[RAX] = (s.rflags & FLAGS_CF) !== 0 ? 0xff : 0
  },
  sahf: ({ state: s }) => {
    const mask = FLAGS_SF | FLAGS_ZF | FLAGS_AF | FLAGS_PF | FLAGS_CF
    s.rflags = (s.rflags & ~mask) | (ah(s) & mask)
  },
  cmc: ({ state: s }) => {
    s.rflags ^= FLAGS_CF
  },
} satisfies Record<string, HostFunction>
