/**
 * The x87 unit around its arithmetic (SDM 1 ch. 8): register stack, tags, status and control words, the pointers to the
 * last instruction and its operand, stack faults, and what masked and unmasked exceptions leave behind.
 *
 * FIP, FCS and for memory operands FDP, FDS follow every non-control instruction. FOP is found, from the instruction's
 * bytes, only when an unmasked exception makes it worth having, as processors since the Pentium 4 do
 * (SDM 1 §8.1.9.1). FCS and FDS are kept although newer processors store zeros.
 *
 * Where the manual differs, this is what processors do: a load with an unmasked DE pushes, a comparison with an
 * unmasked IE or DE sets its condition but does not pop, FCOMI and FCMOV leave C1 alone.
 */

import {
  CodeMode,
  CR2,
  CS,
  DS,
  FCS,
  FCW,
  FDP,
  FDS,
  FIP,
  FOP,
  FPR,
  FS,
  FSW,
  FTW,
  GS,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
} from '../../state/layout.ts'
import { REC_BASE, REC_INDEX, REC_LENGTH, REC_SEGMENT, REC_WIDTH } from '../../state/record.ts'
import type { CpuCore } from '../core.ts'
import type { Unpacked } from '../softfloat/format.ts'
import { IE, PRE_COMPUTATION, Rounding } from '../softfloat/format.ts'
import { type Context, INDEFINITE, pack80, unpack80 } from './f80.ts'

// Status word, SDM 1 figure 8-4.
export const FSW_SF = 1 << 6
export const FSW_ES = 1 << 7
export const FSW_C0 = 1 << 8
export const FSW_C1 = 1 << 9
export const FSW_C2 = 1 << 10
export const FSW_TOP_SHIFT = 11
export const FSW_TOP = 7 << FSW_TOP_SHIFT
export const FSW_C3 = 1 << 14
export const FSW_B = 1 << 15
export const FSW_EXCEPTIONS = 0x3f
/** Control bits that can be set; bit 6 always is (SDM 1 figure 8-6). */
export const FCW_DEFINED = 0x1f3f
export const FCW_FIXED = 0x40

const TAG_EMPTY = 3
/** By precision control's encoding; 1 is reserved. */
const PRECISIONS = [24, 64, 53, 64]
const ROUNDINGS = [Rounding.Nearest, Rounding.Down, Rounding.Up, Rounding.Zero]

/** One instruction on its way: the words as they will be, written back by `end`. Reused; instructions do not overlap. */
export class Unit implements Context {
  rounding: Rounding = Rounding.Nearest
  precision = 64
  masks = 0x3f
  flags = 0
  c1 = false
  core!: CpuCore
  view!: DataView
  record = 0
  bytes!: DataView
  fsw = 0
  ftw = 0

  begin(core: CpuCore, record: number, bytes: DataView): this {
    this.core = core
    this.record = record
    this.bytes = bytes
    this.view = core.state.view
    const fcw = this.view.getUint16(FCW, true)
    this.rounding = ROUNDINGS[(fcw >> 10) & 3]!
    this.precision = PRECISIONS[(fcw >> 8) & 3]!
    this.masks = fcw & FSW_EXCEPTIONS
    this.flags = 0
    this.c1 = false
    this.fsw = this.view.getUint16(FSW, true) & ~FSW_C1
    this.ftw = this.view.getUint16(FTW, true)
    return this
  }

  #physical(i: number): number {
    return ((this.fsw >> FSW_TOP_SHIFT) + i) & 7
  }
  isEmpty(i: number): boolean {
    return ((this.ftw >> (this.#physical(i) * 2)) & 3) === TAG_EMPTY
  }
  /** ST(i). */
  get(i: number): Unpacked {
    const at = FPR + this.#physical(i) * 16
    return unpack80(this.view.getBigUint64(at, true), this.view.getUint16(at + 8, true))
  }
  rawSignificand(i: number): bigint {
    return this.view.getBigUint64(FPR + this.#physical(i) * 16, true)
  }
  rawSignExponent(i: number): number {
    return this.view.getUint16(FPR + this.#physical(i) * 16 + 8, true)
  }
  set(i: number, value: Unpacked): void {
    const [significand, signExponent] = pack80(value)
    this.setRaw(i, significand, signExponent)
  }
  /** The tag says only "not empty"; the other values are found from the contents when the word is stored. */
  setRaw(i: number, significand: bigint, signExponent: number): void {
    const register = this.#physical(i)
    this.view.setBigUint64(FPR + register * 16, significand, true)
    this.view.setUint16(FPR + register * 16 + 8, signExponent, true)
    this.ftw &= ~(3 << (register * 2))
  }
  free(i: number): void {
    this.ftw |= TAG_EMPTY << (this.#physical(i) * 2)
  }
  moveTop(by: number): void {
    this.fsw = (this.fsw & ~FSW_TOP) | ((this.fsw + (by << FSW_TOP_SHIFT)) & FSW_TOP)
  }
  pop(): void {
    this.free(0)
    this.moveTop(1)
  }
  push(value: Unpacked): void {
    this.moveTop(-1)
    this.set(0, value)
  }
  /** For instructions that leave C1 alone. */
  keepC1(): void {
    this.c1 = (this.view.getUint16(FSW, true) & FSW_C1) !== 0
  }
  condition(bits: number): void {
    this.fsw = (this.fsw & ~(FSW_C0 | FSW_C2 | FSW_C3)) | bits
  }

  /** Something was found in the operands that, unmasked, keeps the instruction from doing anything. */
  get blocked(): boolean {
    return (this.flags & ~this.masks & PRE_COMPUTATION) !== 0
  }
  get invalidRaised(): boolean {
    return (this.flags & ~this.masks & IE) !== 0
  }
  get invalidUnmasked(): boolean {
    return (this.masks & IE) === 0
  }
  /** An empty register was to be read. Calls `masked` for the masked response. */
  underflow(masked: () => void): void {
    this.flags |= IE
    this.fsw |= FSW_SF
    this.c1 = false
    if (!this.invalidUnmasked) masked()
  }
  /** A register that is not empty was to be pushed into. */
  overflow(): void {
    this.flags |= IE
    this.fsw |= FSW_SF
    this.c1 = true
    if (!this.invalidUnmasked) this.push(INDEFINITE)
  }
  pushOrOverflow(value: () => Unpacked): void {
    if (!this.isEmpty(-1)) {
      this.overflow()
      return
    }
    const v = value()
    if (!this.blocked) this.push(v)
  }

  /** Writes the words back. Unmasked exceptions become pending: the next waiting instruction faults. */
  end(memory?: bigint): void {
    const { view } = this
    let fsw = this.fsw | this.flags
    if (this.c1) fsw |= FSW_C1
    const pending = (fsw & ~this.masks & FSW_EXCEPTIONS) !== 0
    if (pending) fsw |= FSW_ES | FSW_B
    view.setUint16(FSW, fsw, true)
    view.setUint16(FTW, this.ftw, true)
    const { state } = this.core
    state.set64(FIP, state.rip)
    view.setUint16(FCS, state.selector(CS), true)
    if (memory !== undefined) {
      const segment = this.#dataSegment()
      const flat = segment !== FS && segment !== GS && state.codeMode === CodeMode.Bits64
      state.set64(FDP, flat ? memory : BigInt.asUintN(64, memory - state.base(segment)))
      view.setUint16(FDS, state.selector(segment), true)
    }
    if (pending) this.#findOpcode()
  }

  /** In 64-bit mode only FS and GS have bases, and the decoder folds them into the address. */
  #dataSegment(): number {
    const { bytes, record } = this
    if (bytes.getUint8(record + REC_WIDTH) !== 0) return bytes.getUint8(record + REC_SEGMENT)
    const base = bytes.getUint8(record + REC_BASE)
    const index = bytes.getUint8(record + REC_INDEX)
    if (base === SLOT_FS_BASE || index === SLOT_FS_BASE) return FS
    if (base === SLOT_GS_BASE || index === SLOT_GS_BASE) return GS
    return DS
  }

  /** FOP: the low three bits of the opcode's first byte, and the second (SDM 1 figure 8-8). */
  #findOpcode(): void {
    const { core, view } = this
    const linear = core.state.rip + core.state.base(CS)
    const length = this.bytes.getUint8(this.record + REC_LENGTH)
    const instruction = new Uint8Array(length)
    const cr2 = core.state.get64(CR2)
    try {
      core.memory.readBlock(BigInt.asUintN(64, linear), instruction)
    } catch {
      // Unmapped, or not readable as data, since it was decoded: FOP keeps its value.
      core.state.set64(CR2, cr2)
      return
    }
    const at = instruction.findIndex((byte) => byte >= 0xd8 && byte <= 0xdf)
    if (at >= 0 && at + 1 < length) view.setUint16(FOP, ((instruction[at]! & 7) << 8) | instruction[at + 1]!, true)
  }
}
