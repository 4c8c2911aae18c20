/**
 * The CPU's state: where each register lives in the machine's memory, and the bits of those that have names. The generated engine
 * addresses the same bytes by the same constants. Everything is little endian.
 */
import { PLACES } from './block.ts'

export { STATE_BYTES } from './block.ts'

/** Where the state begins in the machine's memory. */
export const STATE = 0x1000

/** Offsets from STATE; what each is, block.ts says. The first are the slots, which a record names by a byte. */
export const {
  RAX,
  RCX,
  RDX,
  RBX,
  RSP,
  RBP,
  RSI,
  RDI,
  R11,
  SLOT_ZERO,
  SLOT_PAGE,
  SLOT_EA,
  SLOT_SEGMENT_BASE,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
  RIP,
  RFLAGS_SYSTEM,
  FLAGS_RES,
  FLAGS_CC,
  FLAGS_AUX,
  CR0,
  CR2,
  CR3,
  CR4,
  EFER,
  XCR0,
  DR0,
  SEGMENTS,
  GDTR_BASE,
  GDTR_LIMIT,
  IDTR_BASE,
  IDTR_LIMIT,
  CPL,
  FAULT,
  FAULT_ERROR,
  FETCH_FAULT,
  RECORD,
  RECORD_PAGE,
  BUDGET,
  TLB_BASE,
  CODE_TLB_BASE,
  STACK_MASK,
  PENDING_WRITE,
  FPU_BLOCKED,
  SEGMENT_CLEAR,
  REPEATING,
  SCRATCH,
  ACCESS,
  TRACE_HEAD,
  TRACE_END,
  REGION_RESUME,
  REGION_STALE,
  REGION_ACCESS,
  REGION_RETRY,
  XMM,
  FPR,
  FCW,
  FSW,
  FTW,
  FOP,
  FIP,
  FDP,
  FCS,
  FDS,
  MXCSR,
} = PLACES
export const SEGMENT_BYTES = 16

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
export const ATTR_L = 0x2000
export const ATTR_DB = 0x4000

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
