/** Memory operands of legacy modes against their segments, in the order in which an instruction's checks come (SDM 3A §5.3, §6.9). */
import { type Handler, Op } from '../isa/handler.ts'
import type { LinearMemory } from '../semantics/core.ts'
import { fpuFault } from '../semantics/system/fpu-blocked.ts'
import { checkSegment } from '../semantics/system/segment-limits.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { GuestFault, MF } from '../state/fault.ts'
import { CR0, CR0_NE, ES, FPU_BLOCKED, FSW, RAX, RCX, RDI, RSP, SS, STACK_MASK } from '../state/layout.ts'
import { REC_OP2, REC_SEGMENT, REC_WIDTH } from '../state/record.ts'
import type { CpuWorkings } from './workings.ts'

const FPU_BLOCKED_BIT = { sse: 1, mmx: 2, x87: 4 } as const
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
      checkSegment(s, ES, offset, size, false)
      this.#memory.probe((s.base(ES) + BigInt(offset)) & 0xffffffffn, size, false)
    } else if (pops) {
      const sp = s.get64(RSP) & s.get64(STACK_MASK)
      checkSegment(s, SS, Number(sp), size, false)
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
    checkSegment(s, this.#view.getUint8(record + REC_SEGMENT), (offset & mask) >>> 0, size, write)
  }
}
