/**
 * The CPU's architectural state: where each register lives in the machine's memory, and a view of it for TypeScript.
 * The generated engine addresses the same bytes by the same constants. Everything is little endian.
 *
 * The first 256 bytes are the "slots" that a decoded record names by a byte offset: the general registers and a few
 * quantities that an effective address may be based on.
 */

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
// 0x500: kept for the upper halves of YMM0..YMM15.
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
