/**
 * The CPU's architectural state: where each register lives in the machine's memory, and a view of it for TypeScript.
 * The generated engine addresses the same bytes by the same constants. Everything is little endian.
 *
 * The first 256 bytes are the "slots" that a decoded record names by a byte offset: the general registers and a few
 * quantities that an effective address may be based on.
 */
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

/** Where the state begins in the machine's memory. */
export const STATE = 0x1000

// General registers, slot offsets. AH, CH, DH, BH are the byte after AL, CL, DL, BL.
export const RAX = 0x00
export const RCX = 0x08
export const RDX = 0x10
export const RBX = 0x18
export const RSP = 0x20
export const RBP = 0x28
export const RSI = 0x30
export const RDI = 0x38
export const R8 = 0x40
export const R11 = 0x58

/** Always zero: the base or index of an address that has none. */
export const SLOT_ZERO = 0x80
/** Linear address of the start of the code page being executed: the base of RIP-relative addresses. */
export const SLOT_PAGE = 0x88
/** An effective address computed ahead of the instruction (prefixed forms). */
export const SLOT_EA = 0x90
/** Segment bases, in segment-register order ES CS SS DS FS GS. */
export const SLOT_SEGMENT_BASE = 0x98
export const SLOT_FS_BASE = 0xb8
export const SLOT_GS_BASE = 0xc0

// Beyond the slots, offsets from STATE.
/** i64. Exact whenever TypeScript runs: the current instruction's address in its code segment (not linear). */
export const RIP = 0x100
/** i32. RFLAGS without the arithmetic flags (see flags.ts). */
export const RFLAGS_SYSTEM = 0x108
export const FLAGS_RES = 0x110
export const FLAGS_CC = 0x118
export const FLAGS_AUX = 0x120
/** i32. Next instruction's address is RIP + this, set before a system instruction runs in TypeScript. */
export const NEXT_LENGTH = 0x128

// Control registers, i64 each.
export const CR0 = 0x180
export const CR2 = 0x188
export const CR3 = 0x190
export const CR4 = 0x198
export const EFER = 0x1a0
export const XCR0 = 0x1a8
export const DR0 = 0x1b0 // DR0..DR7, 8 bytes each

// Segment registers' visible and hidden parts: for each of ES CS SS DS FS GS TR LDTR 16 bytes:
//   u16 selector, u16 attributes (descriptor bits 40..55: type S DPL P ... AVL L D G), u32 limit in bytes, u64 base (TR, LDTR only)
export const SEGMENTS = 0x200
export const SEGMENT_BYTES = 16
export const GDTR_BASE = 0x280
export const GDTR_LIMIT = 0x288
export const IDTR_BASE = 0x290
export const IDTR_LIMIT = 0x298
/** i32. Current privilege level. */
export const CPL = 0x2a0

// Engine scratch shared with TypeScript.
/** i32. Pending fault: vector + 1, 0 when none. */
export const FAULT = 0x2c0
/** i32. Its error code. */
export const FAULT_ERROR = 0x2c4
/** i32. Address of the record being executed. */
export const RECORD = 0x2c8
/** i32. Instructions that may still retire in this slice. */
export const BUDGET = 0x2cc
/** i32. Address of the record array of the code page being executed. */
export const RECORD_PAGE = 0x2d0
/** 64 bytes, aligned: values on their way between the engine and TypeScript. */
export const SCRATCH = 0x300
/** 64 bytes: stands in for memory that cannot be touched directly (devices, two pages at once, watched code). */
export const ACCESS = 0x340
/** i32. The pending fault arose fetching at RIP, not in the instruction of RECORD. */
export const FETCH_FAULT = 0x380
/** i32. Where the traced engine writes the next call event. */
export const TRACE_HEAD = 0x384
/** i64. Instructions that will have retired when the slice's budget is used up. */
export const TRACE_END = 0x388
/** i32. What a region asks the interpreter to run in place of itself. */
export const REGION_RESUME = 0x3f0
/** i32. Not 0: a region has died since the running one was entered. */
export const REGION_STALE = 0x3f4

// Vector and floating-point registers.
/** XMM0..XMM15, 16 bytes each. */
export const XMM = 0x400
/** Upper halves of YMM0..YMM15, kept for a later AVX. */
export const YMM_HIGH = 0x500
/** x87 physical registers R0..R7, 16 bytes each: u64 significand, u16 sign and exponent. MM0..MM7 are the significands. */
export const FPR = 0x600
/** u16 each: control word, status word (TOP in bits 11-13), tag word (full two-bit form), last opcode. */
export const FCW = 0x680
export const FSW = 0x682
export const FTW = 0x684
export const FOP = 0x686
/** Last instruction and data pointers: u64 offset, u16 selector. */
export const FIP = 0x688
export const FDP = 0x690
export const FCS = 0x698
export const FDS = 0x69a
export const MXCSR = 0x6a0
export const STATE_BYTES = 0x800

/** Segment register numbers, the encoding's order. */
export const ES = 0
export const CS = 1
export const SS = 2
export const DS = 3
export const FS = 4
export const GS = 5
export const TR = 6
export const LDTR = 7

// Segment attribute bits as stored (descriptor bits 40..55).
export const ATTR_TYPE = 0x000f
export const ATTR_ACCESSED = 0x0001
/** Data: writable. Code: readable. */
export const ATTR_RW = 0x0002
/** Data: expand down. Code: conforming. */
export const ATTR_DC = 0x0004
export const ATTR_CODE = 0x0008
/** 1: code or data, 0: system. */
export const ATTR_S = 0x0010
export const ATTR_DPL = 0x0060
export const ATTR_DPL_SHIFT = 5
export const ATTR_P = 0x0080
export const ATTR_AVL = 0x1000
export const ATTR_L = 0x2000
export const ATTR_DB = 0x4000
export const ATTR_G = 0x8000

export const CR0_PE = 1 << 0
export const CR0_MP = 1 << 1
export const CR0_EM = 1 << 2
export const CR0_TS = 1 << 3
export const CR0_ET = 1 << 4
export const CR0_NE = 1 << 5
export const CR0_WP = 1 << 16
export const CR0_AM = 1 << 18
export const CR0_NW = 1 << 29
export const CR0_CD = 1 << 30
/** Bit 31: use unsigned. */
export const CR0_PG = 0x80000000

export const CR4_VME = 1 << 0
export const CR4_PVI = 1 << 1
export const CR4_TSD = 1 << 2
export const CR4_DE = 1 << 3
export const CR4_PSE = 1 << 4
export const CR4_PAE = 1 << 5
export const CR4_MCE = 1 << 6
export const CR4_PGE = 1 << 7
export const CR4_PCE = 1 << 8
export const CR4_OSFXSR = 1 << 9
export const CR4_OSXMMEXCPT = 1 << 10
export const CR4_UMIP = 1 << 11
export const CR4_FSGSBASE = 1 << 16
export const CR4_PCIDE = 1 << 17
export const CR4_OSXSAVE = 1 << 18
export const CR4_SMEP = 1 << 20
export const CR4_SMAP = 1 << 21

export const EFER_SCE = 1 << 0
export const EFER_LME = 1 << 8
export const EFER_LMA = 1 << 10
export const EFER_NXE = 1 << 11

/** How instructions are decoded: what CS and EFER.LMA say. */
export const CodeMode = { Bits16: 0, Bits32: 1, Bits64: 2 } as const
export type CodeMode = (typeof CodeMode)[keyof typeof CodeMode]

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
