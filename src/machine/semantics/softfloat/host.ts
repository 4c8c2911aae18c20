/**
 * The host functions of SSE rows. A handler puts its operands into SCRATCH and calls; the result comes back in SCRATCH.
 *
 *   SCRATCH + 0   first operand, then the result
 *          + 16   second operand
 *          + 32   i32 operation, an index into OPERATIONS
 *          + 36   i32 immediate
 */

import type { CpuState } from '../../state/cpu-state.ts'
import { GuestFault, UD, XM } from '../../state/fault.ts'
import { CR4, CR4_OSXMMEXCPT, MXCSR, SCRATCH } from '../../state/layout.ts'
import type { Context } from './arithmetic.ts'
import { PRE_COMPUTATION, type Rounding } from './format.ts'
import { reciprocal, reciprocalSquareRoot } from './reciprocal.ts'
import { type Lanes, OPERATIONS } from './sse-operations.ts'
import { compareStrings } from './strings.ts'

export const FLOAT_SECOND = SCRATCH + 16
export const FLOAT_OPERATION = SCRATCH + 32
export const FLOAT_IMMEDIATE = SCRATCH + 36

// MXCSR, SDM 1 §10.2.3.
export const MXCSR_FLAGS = 0x003f
export const MXCSR_DAZ = 1 << 6
export const MXCSR_MASKS_SHIFT = 7
export const MXCSR_RC_SHIFT = 13
export const MXCSR_FTZ = 1 << 15

/** The cut of the CPU that these functions need. */
export interface SseHost {
  readonly state: CpuState
}

const lane = (view: DataView, at: number, bits: 32 | 64, i: number): bigint =>
  bits === 32 ? BigInt(view.getUint32(at + 4 * i, true)) : view.getBigUint64(at + 8 * i, true)

/**
 * Flags are MXCSR's afterwards even when an exception is raised. Unmasked pre-computation exceptions of any lane come
 * first, and then nothing of the computation shows (SDM 1 §11.5.2).
 */
const float = ({ state }: SseHost): boolean => {
  const { view } = state
  const operation = OPERATIONS[state.get32(FLOAT_OPERATION)]!
  const mxcsr = state.get32(MXCSR)
  const masks = (mxcsr >> MXCSR_MASKS_SHIFT) & MXCSR_FLAGS
  const lanes: Lanes = {
    a: (bits, i) => lane(view, SCRATCH, bits, i),
    b: (bits, i) => lane(view, FLOAT_SECOND, bits, i),
    imm: state.get32(FLOAT_IMMEDIATE),
    denormalsAreZero: (mxcsr & MXCSR_DAZ) !== 0,
  }
  const context: Context = {
    rounding: ((mxcsr >> MXCSR_RC_SHIFT) & 3) as Rounding,
    masks,
    flushToZero: (mxcsr & MXCSR_FTZ) !== 0,
    flags: 0,
    // The first operand's, of two.
    chooseNan: (a) => a,
  }
  const results: bigint[] = []
  for (let i = 0; i < operation.lanes; i++) results.push(operation.lane(lanes, i, context))
  let flags = context.flags
  if ((flags & PRE_COMPUTATION & ~masks) !== 0) flags &= PRE_COMPUTATION
  state.set32(MXCSR, mxcsr | flags)
  if ((flags & ~masks) !== 0) throw new GuestFault((state.get32(CR4) & CR4_OSXMMEXCPT) !== 0 ? XM : UD)
  results.forEach((value, i) => {
    if (operation.resultBits === 32) view.setUint32(SCRATCH + 4 * i, Number(value), true)
    else view.setBigUint64(SCRATCH + 8 * i, value, true)
  })
  return true
}

/** Four lanes at once; a scalar form takes the first. */
const approximation =
  (function_: (bits: number) => number) =>
  ({ state }: SseHost): boolean => {
    for (let i = 0; i < 4; i++) state.set32(SCRATCH + 4 * i, function_(state.get32(FLOAT_SECOND + 4 * i)))
    return true
  }

export const SSE_HOST = {
  'sse.float': float,
  'sse.rcp': approximation(reciprocal),
  'sse.rsqrt': approximation(reciprocalSquareRoot),
  'sse.strings': compareStrings,
} satisfies Record<string, (cpu: SseHost, record: number) => boolean>
