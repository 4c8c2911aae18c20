/** Accesses of legacy modes against their segments (SDM 3A §5.3). */
import { type Handler, Op } from '../isa/handler.ts'
import type { LinearMemory } from '../semantics/core.ts'
import { fpuFault } from '../semantics/system/fpu-blocked.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { GP, GuestFault, MF, SSF } from '../state/fault.ts'
import {
  ATTR_CODE,
  ATTR_DB,
  ATTR_DC,
  ATTR_P,
  ATTR_RW,
  ATTR_S,
  CR0,
  CR0_NE,
  ES,
  FSW,
  RAX,
  RCX,
  RDI,
  RSP,
  SS,
} from '../state/layout.ts'
import { FPU_BLOCKED, REC_OP2, REC_SEGMENT, REC_WIDTH, STACK_MASK } from '../state/record.ts'
import type { CpuWorkings } from './workings.ts'

const FPU_BLOCKED_BIT = { sse: 1, mmx: 2, x87: 4 } as const
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

export class SegmentCheck {
  readonly #state: CpuState
  readonly #view: DataView
  readonly #handlers: readonly Handler[]
  readonly #memory: LinearMemory

  constructor({ state, view, handlers }: CpuWorkings, memory: LinearMemory) {
    this.#state = state
    this.#view = view
    this.#handlers = handlers
    this.#memory = memory
  }

  /** Legacy segmentation: the offset in SCRATCH against the segment's limit and type (SDM 3A §5.3). */
  segment(segment: number, offset: number, size: number, write: boolean): void {
    const s = this.#state
    const attributes = s.attributes(segment)
    const vector = segment === SS ? SSF : GP
    if ((attributes & ATTR_P) === 0 || (attributes & ATTR_S) === 0) throw new GuestFault(GP)
    const code = (attributes & ATTR_CODE) !== 0
    if (code ? write || (attributes & ATTR_RW) === 0 : write && (attributes & ATTR_RW) === 0)
      throw new GuestFault(vector)
    const last = offset + Math.max(size, 1) - 1
    const limit = s.limit(segment)
    if (!code && (attributes & ATTR_DC) !== 0) {
      const top = (attributes & ATTR_DB) !== 0 ? 0xffffffff : 0xffff
      if (offset <= limit || last > top) throw new GuestFault(vector)
    } else if (last > limit) throw new GuestFault(vector)
  }
  /**
   * The memory operand of the instruction at `record`, its effective address being `address`, against its segment. In
   * legacy modes that comes before the instruction itself; what must come first nevertheless is here.
   */
  operand(record: number, address: number): void {
    const handler = this.#handlers[this.#view.getUint16(record + REC_OP2, true) - Op.First]
    const operand = handler?.operands.find((o) => o.form === 'mem')
    if (handler === undefined || operand === undefined) return
    const s = this.#state
    const mask = this.#view.getUint8(record + REC_WIDTH) === 16 ? 0xffff : 0xffffffff
    const { repeats, unit, facts } = handler
    if (repeats && (s.get32(RCX) & mask) === 0) return
    const { bytes: size, writes: write, waits, pops, readsDestination, plus } = facts
    const other = handler.operands.find((o) => o.form === 'gpr' || o.form === 'mm')

    if (unit !== 'none') {
      const blocked = s.get32(FPU_BLOCKED)
      if ((blocked & FPU_BLOCKED_BIT[unit]) !== 0) fpuFault(s, unit)
      if (other?.form === 'mm' && (blocked & FPU_BLOCKED_BIT.mmx) !== 0) fpuFault(s, 'mmx')
      const pending = (s.get32(CR0) & CR0_NE) !== 0 && (s.u8[FSW] & 0x80) !== 0
      if (waits && pending) throw new GuestFault(MF)
      // A store that an exception keeps from storing does not look at its operand (isa/rows/x87.ts).
      if (waits && write) return
      // A store of an MMX register has changed TOP before it faults (isa/operand.ts).
      if (write && other?.form === 'mm') s.view.setUint16(FSW, s.view.getUint16(FSW, true) & ~0x3800, true)
    } else if (readsDestination) {
      // ES:rDI is read first.
      const offset = (s.get32(RDI) & mask) >>> 0
      this.segment(ES, offset, size, false)
      this.#memory.probe((s.base(ES) + BigInt(offset)) & 0xffffffffn, size, false)
    } else if (pops) {
      const sp = s.get64(RSP) & s.get64(STACK_MASK)
      this.segment(SS, Number(sp), size, false)
      this.#memory.probe((s.base(SS) + sp) & 0xffffffffn, size, false)
    }

    let offset = address
    if (plus === 'AL') offset += s.u8[RAX]
    else if (plus === 'bit' && other !== undefined) {
      // The word that holds the bit.
      const register = this.#view.getUint8(record + other.field)
      const bit = handler.bits === 16 ? s.view.getInt16(register, true) : s.view.getInt32(register, true)
      offset += Math.floor(bit / handler.bits) * (handler.bits / 8)
    }
    this.segment(this.#view.getUint8(record + REC_SEGMENT), (offset & mask) >>> 0, size, write)
  }
}
