/** Accesses of legacy modes against a segment's limit and type (SDM 3A §5.3, §5.5). */
import type { CpuState } from '../../state/cpu-state.ts'
import { GP, GuestFault, SSF } from '../../state/fault.ts'
import { ATTR_CODE, ATTR_DB, ATTR_DC, ATTR_P, ATTR_RW, ATTR_S, SS } from '../../state/layout.ts'

/** FXSAVE's, and more than XLATB reaches. Bit strings look for themselves (isa/rows/shift.ts). */
const LONGEST_ACCESS = 512

/**
 * Offsets below it pass `checkSegment` in any size: of data that can be written and grows up, all but the last before the
 * limit. Kernels have their processor's variables in a small segment, and user mode's may end below the kernel. Without a
 * limit even an access that wraps passes, as it may (SDM 3A §5.3).
 */
export const clearBelow = (s: CpuState, segment: number): bigint => {
  const wanted = ATTR_P | ATTR_S | ATTR_RW
  if ((s.attributes(segment) & (wanted | ATTR_CODE | ATTR_DC)) !== wanted) return 0n
  const limit = s.limit(segment)
  return limit === 0xffffffff ? 1n << 32n : BigInt(Math.max(0, limit + 1 - (LONGEST_ACCESS - 1)))
}

/** Throws what an access of `size` bytes at `offset` of a segment raises. */
export const checkSegment = (s: CpuState, segment: number, offset: number, size: number, write: boolean): void => {
  const attributes = s.attributes(segment)
  const vector = segment === SS ? SSF : GP
  if ((attributes & ATTR_P) === 0 || (attributes & ATTR_S) === 0) throw new GuestFault(GP)
  const code = (attributes & ATTR_CODE) !== 0
  if (code ? write || (attributes & ATTR_RW) === 0 : write && (attributes & ATTR_RW) === 0) throw new GuestFault(vector)
  const last = offset + Math.max(size, 1) - 1
  const limit = s.limit(segment)
  if (!code && (attributes & ATTR_DC) !== 0) {
    const top = (attributes & ATTR_DB) !== 0 ? 0xffffffff : 0xffff
    if (offset <= limit || last > top) throw new GuestFault(vector)
  } else if (last > limit) throw new GuestFault(vector)
}
