/** A view of the state block (layout.ts) for TypeScript: registers by offset, segments, and RFLAGS put together. */
import {
  AUX_AF,
  AUX_PF_INVERTED,
  AUX_SF_INVERTED,
  FLAGS_AF,
  FLAGS_CF,
  FLAGS_FIXED,
  FLAGS_OF,
  FLAGS_PF,
  FLAGS_SF,
  FLAGS_SYSTEM,
  FLAGS_ZF,
} from './flags.ts'
import {
  ATTR_DB,
  ATTR_L,
  CodeMode,
  CPL,
  CS,
  EFER,
  EFER_LMA,
  FLAGS_AUX,
  FLAGS_CC,
  FLAGS_RES,
  GS,
  RFLAGS_SYSTEM,
  RIP,
  SEGMENT_BYTES,
  SEGMENTS,
  SLOT_SEGMENT_BASE,
  STATE,
  STATE_BYTES,
} from './layout.ts'

const parityEven = (byte: number): boolean => {
  let x = byte ^ (byte >> 4)
  x ^= x >> 2
  x ^= x >> 1
  return (x & 1) === 0
}

export class CpuState {
  readonly view: DataView
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly u64: BigUint64Array

  constructor(buffer: ArrayBufferLike) {
    this.view = new DataView(buffer, STATE, STATE_BYTES)
    this.u8 = new Uint8Array(buffer, STATE, STATE_BYTES)
    this.u32 = new Uint32Array(buffer, STATE, STATE_BYTES / 4)
    this.u64 = new BigUint64Array(buffer, STATE, STATE_BYTES / 8)
  }

  /** The i64 at a state offset (registers, control registers, bases), unsigned. */
  get64(offset: number): bigint {
    return this.u64[offset >> 3]
  }
  set64(offset: number, value: bigint): void {
    this.u64[offset >> 3] = value
  }
  /** The low 32 bits at a state offset, unsigned. */
  get32(offset: number): number {
    return this.u32[offset >> 2]
  }
  set32(offset: number, value: number): void {
    this.u32[offset >> 2] = value
  }

  /** Address of the current instruction (offset in CS). */
  get rip(): bigint {
    return this.get64(RIP)
  }
  set rip(value: bigint) {
    this.set64(RIP, value)
  }

  get cpl(): number {
    return this.get32(CPL)
  }

  selector(segment: number): number {
    return this.view.getUint16(SEGMENTS + segment * SEGMENT_BYTES, true)
  }
  attributes(segment: number): number {
    return this.view.getUint16(SEGMENTS + segment * SEGMENT_BYTES + 2, true)
  }
  limit(segment: number): number {
    return this.view.getUint32(SEGMENTS + segment * SEGMENT_BYTES + 4, true)
  }
  base(segment: number): bigint {
    return segment <= GS
      ? this.get64(SLOT_SEGMENT_BASE + segment * 8)
      : this.view.getBigUint64(SEGMENTS + segment * SEGMENT_BYTES + 8, true)
  }
  setBase(segment: number, base: bigint): void {
    if (segment <= GS) this.set64(SLOT_SEGMENT_BASE + segment * 8, base)
    else this.view.setBigUint64(SEGMENTS + segment * SEGMENT_BYTES + 8, base, true)
  }
  /** Fills a segment register, hidden part included. `limit` in bytes, `attributes` as in the descriptor. */
  setSegment(segment: number, selector: number, attributes: number, limit: number, base: bigint): void {
    const at = SEGMENTS + segment * SEGMENT_BYTES
    this.view.setUint16(at, selector, true)
    this.view.setUint16(at + 2, attributes, true)
    this.view.setUint32(at + 4, limit, true)
    this.setBase(segment, base)
  }

  get longMode(): boolean {
    return (this.get32(EFER) & EFER_LMA) !== 0
  }

  get codeMode(): CodeMode {
    const attributes = this.attributes(CS)
    if (this.longMode && (attributes & ATTR_L) !== 0) return CodeMode.Bits64
    return (attributes & ATTR_DB) !== 0 ? CodeMode.Bits32 : CodeMode.Bits16
  }

  /** RFLAGS whole, as PUSHF would see it (RF and VM included). */
  get rflags(): number {
    const res = BigInt.asIntN(64, this.get64(FLAGS_RES))
    const top = this.get32(FLAGS_CC + 4)
    const aux = this.get32(FLAGS_AUX)
    let flags = FLAGS_FIXED | (this.get32(RFLAGS_SYSTEM) & FLAGS_SYSTEM)
    const cf = top >>> 31
    if (cf !== 0) flags |= FLAGS_CF
    if ((cf ^ ((top >>> 30) & 1)) !== 0) flags |= FLAGS_OF
    if (res === 0n) flags |= FLAGS_ZF
    if (res < 0n !== ((aux & AUX_SF_INVERTED) !== 0)) flags |= FLAGS_SF
    if (parityEven(Number(res & 0xffn)) !== ((aux & AUX_PF_INVERTED) !== 0)) flags |= FLAGS_PF
    if ((aux & AUX_AF) !== 0) flags |= FLAGS_AF
    return flags
  }
  /** Sets every flag; reserved bits are ignored. Whoever changes IF, TF or AC tells the core (see core.ts). */
  set rflags(value: number) {
    this.set32(RFLAGS_SYSTEM, value & FLAGS_SYSTEM)
    const zf = (value & FLAGS_ZF) !== 0
    const sf = (value & FLAGS_SF) !== 0
    const pf = (value & FLAGS_PF) !== 0
    // RES is 0 (PF would be 1) or 1 (PF would be 0), never negative; the inversion bits correct the rest.
    this.set64(FLAGS_RES, zf ? 0n : 1n)
    let aux = (value & FLAGS_AF) !== 0 ? AUX_AF : 0
    if (sf) aux |= AUX_SF_INVERTED
    if (pf !== zf) aux |= AUX_PF_INVERTED
    this.set64(FLAGS_AUX, BigInt(aux))
    const cf = (value & FLAGS_CF) !== 0 ? 1 : 0
    const of = (value & FLAGS_OF) !== 0 ? 1 : 0
    this.set32(FLAGS_CC, 0)
    this.set32(FLAGS_CC + 4, ((cf << 31) | ((cf ^ of) << 30)) >>> 0)
  }
}
