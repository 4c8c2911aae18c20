/**
 * The state block: everything of a processor that the engine and TypeScript share, allocated by name and size in one table.
 * Places follow the table's order, each aligned to its size. What a snapshot keeps, and as what, is a column of it.
 */

/**
 * How a snapshot has a field, under the field's name unless `as` says another:
 *   u64, u16   a number without sign
 *   level      0 to 3
 *   flag       whether it is not 0
 *   bytes      as they lie there
 *   rflags     RFLAGS, of which this is the part that is not arithmetic
 *   segments   a group of the visible and hidden parts for each segment register
 */
export type Kept = 'u64' | 'u16' | 'level' | 'flag' | 'bytes' | 'rflags' | 'segments'

interface Field {
  readonly bytes: number
  /** Its size, at most 8, where nothing is said. */
  readonly align?: number
  readonly kept?: Kept
  readonly as?: string
}

const register: Field = { bytes: 8, kept: 'u64' }
const word: Field = { bytes: 2, kept: 'u16' }
const i64: Field = { bytes: 8 }
const i32: Field = { bytes: 4 }

export const BLOCK = {
  // The slots, which a decoded record names by a byte: general registers in the encoding's order, and a few quantities that an
  // effective address may be based on. AH, CH, DH, BH are the byte after AL, CL, DL, BL.
  RAX: register,
  RCX: register,
  RDX: register,
  RBX: register,
  RSP: register,
  RBP: register,
  RSI: register,
  RDI: register,
  R8: register,
  R9: register,
  R10: register,
  R11: register,
  R12: register,
  R13: register,
  R14: register,
  R15: register,
  /** Always zero: the base or index of an address that has none. */
  SLOT_ZERO: i64,
  /** Linear address of the start of the code page being executed: the base of RIP-relative addresses. */
  SLOT_PAGE: i64,
  /** An effective address computed ahead of the instruction (prefixed forms). */
  SLOT_EA: i64,
  /** Segment bases, in segment-register order: ES CS SS DS, then FS and GS. */
  SLOT_SEGMENT_BASE: { bytes: 4 * 8 },
  SLOT_FS_BASE: i64,
  SLOT_GS_BASE: i64,

  /** Exact whenever TypeScript runs: the current instruction's address in its code segment (not linear). */
  RIP: register,
  CR0: register,
  CR2: register,
  CR3: register,
  CR4: register,
  EFER: register,
  XCR0: register,
  GDTR_BASE: register,
  IDTR_BASE: register,
  /** Last x87 instruction and data pointers; their selectors are FCS and FDS. */
  FIP: register,
  FDP: register,
  GDTR_LIMIT: { bytes: 4, kept: 'u16' },
  IDTR_LIMIT: { bytes: 4, kept: 'u16' },
  /** x87 control word, status word (TOP in bits 11-13), tag word (full two-bit form), last opcode. */
  FCW: word,
  FSW: word,
  FTW: word,
  FOP: word,
  FCS: word,
  FDS: word,
  /** RFLAGS without the arithmetic flags, which are in the next three (see flags.ts). */
  RFLAGS_SYSTEM: { bytes: 4, kept: 'rflags', as: 'RFLAGS' },
  FLAGS_RES: i64,
  FLAGS_CC: i64,
  FLAGS_AUX: i64,
  DR0: register,
  DR1: register,
  DR2: register,
  DR3: register,
  /** DR4 and DR5 are other names of DR6 and DR7. */
  DR4: i64,
  DR5: i64,
  DR6: register,
  DR7: register,
  /**
   * Visible and hidden parts of ES CS SS DS FS GS TR LDTR, each u16 selector, u16 attributes (descriptor bits 40..55: type S DPL
   * P ... AVL L D G), u32 limit in bytes, u64 base (TR and LDTR only).
   */
  SEGMENTS: { bytes: 8 * 16, kept: 'segments' },
  CPL: { bytes: 4, kept: 'level' },
  /** XMM0..XMM15. */
  XMM: { bytes: 16 * 16, align: 16, kept: 'bytes' },
  /** x87 physical registers R0..R7, 16 bytes each: u64 significand, u16 sign and exponent. MM0..MM7 are the significands. */
  FPR: { bytes: 8 * 16, align: 16, kept: 'bytes', as: 'ST' },
  MXCSR: { bytes: 4, kept: 'u16' },
  /**
   * Not 0: the last instruction was an iteration of a repeated string instruction and not its last one, so that an
   * interrupt or trap taken now has RF set in its frame (SDM 3B §18.3.1.1).
   */
  REPEATING: { bytes: 4, kept: 'flag', as: 'repeating' },

  // Between the engine and TypeScript: derived, or of one instruction.
  /** Pending fault: vector + 1, 0 when none. */
  FAULT: i32,
  FAULT_ERROR: i32,
  /** The pending fault arose fetching at RIP, not in the instruction of RECORD. */
  FETCH_FAULT: i32,
  /** Address of the record being executed. */
  RECORD: i32,
  /** Address of the record array of the code page being executed. */
  RECORD_PAGE: i32,
  /** Instructions that may still retire in this slice. */
  BUDGET: i32,
  /** Address of the TLB context in force. */
  TLB_BASE: i32,
  /** Address of the code TLB in force. */
  CODE_TLB_BASE: i32,
  /** CR0.TS or CR0.EM or CR4.OSFXSR clear: vector instructions fault. Bit 0 SSE, bit 1 MMX, bit 2 x87. */
  FPU_BLOCKED: i32,
  /** Address the last slow access handed out, when it was ACCESS: what to do at commit. */
  PENDING_WRITE: i32,
  /** What a region asks the interpreter to run in place of itself. */
  REGION_RESUME: i32,
  /** Not 0: a region has died since the running one was entered. */
  REGION_STALE: i32,
  /** Not 0: the access under way is a region's. */
  REGION_ACCESS: i32,
  /** Where a region that leaves without a fault goes on, as its function answers: the instruction is the interpreter's. */
  REGION_RETRY: i32,
  /** Mask of the stack pointer in force: 2^16-1, 2^32-1 or all ones. */
  STACK_MASK: i64,
  /** Legacy modes: an access of any size and kind below this offset of segment n needs no check; 2^32 for none. */
  SEGMENT_CLEAR: { bytes: 6 * 8 },
  /** Instructions that will have retired when the slice's budget is used up. */
  TRACE_END: i64,
  /** Where the traced engine writes the next call event. */
  TRACE_HEAD: i32,
  /** Values on their way between the engine and TypeScript. */
  SCRATCH: { bytes: 64, align: 64 },
  /** Stands in for memory that cannot be touched directly (devices, two pages at once, watched code). */
  ACCESS: { bytes: 64, align: 64 },
} satisfies Record<string, Field>

export type FieldName = keyof typeof BLOCK
/** In the encoding's order, which is that of their slots. */
export const GENERAL = (Object.keys(BLOCK) as FieldName[]).slice(0, 16)

const allocate = (fields: Readonly<Record<string, Field>>): { places: Record<string, number>; bytes: number } => {
  const places: Record<string, number> = {}
  let end = 0
  for (const [name, { bytes, align = Math.min(bytes, 8) }] of Object.entries(fields)) {
    const at = Math.ceil(end / align) * align
    places[name] = at
    end = at + bytes
  }
  return { places, bytes: Math.ceil(end / 64) * 64 }
}
const allocated = allocate(BLOCK)

/** Offsets from the block's beginning. */
export const PLACES = allocated.places as Readonly<Record<FieldName, number>>
export const STATE_BYTES = allocated.bytes

export interface KeptField {
  /** In a snapshot. */
  readonly name: string
  readonly at: number
  readonly bytes: number
  readonly kept: Kept
}
/** What a snapshot keeps, in the order in which it is written. */
export const KEPT: readonly KeptField[] = (Object.entries(BLOCK) as [FieldName, Field][]).flatMap(
  ([name, { bytes, kept, as = name }]) => (kept === undefined ? [] : [{ name: as, at: PLACES[name], bytes, kept }]),
)
