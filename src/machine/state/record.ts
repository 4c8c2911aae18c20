/**
 * A decoded instruction, and where the engine keeps what it needs besides the architectural state.
 *
 * Each physical page that holds executed code owns a record array with one slot per byte offset, so an instruction's
 * record is found by arithmetic alone: the record of the next instruction is `next` bytes further, a branch inside the
 * page adds a constant, and forgetting an instruction (self-modifying code) is zeroing its slot. A zero slot means
 * "decode me". Slots past the page's last byte say "go on at the next page".
 *
 *   byte  0  u16 op       handler number; 0 = not decoded
 *         2  u16 next     bytes to the following record: instruction length * RECORD_BYTES
 *         4  u8  r1       register operands: byte offset of a slot in CpuState (general),
 *         5  u8  r2         or register number * 16 (vector, x87)
 *         6  u8  base     effective address: slot of the base register
 *         7  u8  index      slot of the index register
 *         8  i32 disp       displacement            } together one i64 where an instruction has a 64-bit
 *        12  i32 imm      immediate, sign-extended  } immediate or absolute address
 *        16  u8  scale    shift of the index
 *        17  u8  r3       third register operand
 *        18  u16 op2      what to run after the prefix handler in `op`
 *        20  u8  xbase    the address a prefix handler computes into SLOT_EA
 *        21  u8  xindex
 *        22  u8  xscale
 *        23  u8  segment  segment register number for the prefix handler
 *        24  i32 xdisp
 *        28  u16 op3      what to run after a second prefix handler
 *        30  u8  width    address size of the prefix handler: 16, 32 or 64
 *        31  u8  length   instruction length in bytes
 */
export const RECORD_BYTES = 32
export const RECORD_SHIFT = 5
export const REC_OP = 0
export const REC_NEXT = 2
export const REC_R1 = 4
export const REC_R2 = 5
export const REC_BASE = 6
export const REC_INDEX = 7
export const REC_DISP = 8
export const REC_IMM = 12
export const REC_SCALE = 16
export const REC_R3 = 17
export const REC_OP2 = 18
export const REC_XBASE = 20
export const REC_XINDEX = 21
export const REC_XSCALE = 22
export const REC_SEGMENT = 23
export const REC_XDISP = 24
export const REC_OP3 = 28
export const REC_WIDTH = 30
export const REC_LENGTH = 31

/** Slots past the page for instructions that end in the next page (at most 15 bytes long). */
export const PAGE_SLOTS = 4096 + 16
export const RECORD_PAGE_BYTES = PAGE_SLOTS * RECORD_BYTES

// The engine's own memory, addresses in the machine's memory. Guest RAM follows the record pages.

/**
 * Soft TLB: for each access context a read and a write array of TLB_ENTRIES entries, direct-mapped by page number:
 *   i64 tag      linear page address, or bytes of TLB_EMPTY_BYTE
 *   i32 addend   machine-memory address of the byte = low 32 bits of the linear address + addend
 *   i32 global   in the read array: not 0 for a page that a new CR3 leaves (SDM 3A §4.10.4.1)
 */
export const TLB_ENTRY_BYTES = 16
export const TLB_ENTRIES = 4096
/** Offset into an entry, also of the code TLB. */
export const TLB_GLOBAL = 12
export const TLB_WRITE = TLB_ENTRIES * TLB_ENTRY_BYTES
export const TLB_CONTEXT_BYTES = 2 * TLB_WRITE
export const TLB = 0x10000
/** Byte that fills an empty TLB: a tag of such bytes is never a page address. */
export const TLB_EMPTY_BYTE = 0x01

/** Access contexts: who may touch what differs between them, so each has its own TLB. */
export const TlbContext = {
  Supervisor: 0,
  /** CR4.SMAP with RFLAGS.AC clear: user pages fault. */
  SupervisorSmap: 1,
  User: 2,
  /** CPL 3 with alignment checks on: nothing is ever cached, every access is checked. */
  UserAligned: 3,
} as const
export type TlbContext = (typeof TlbContext)[keyof typeof TlbContext]
export const TLB_CONTEXTS = 4

/** Code TLB, one for supervisor and one for user: i64 tag, i32 address of the record page. */
export const CODE_TLB = TLB + TLB_CONTEXTS * TLB_CONTEXT_BYTES
export const CODE_TLB_ENTRIES = 1024
export const CODE_TLB_BYTES = CODE_TLB_ENTRIES * 16

/** Call events on their way to TypeScript (call-event.ts), 512 KiB. */
export const TRACE_RING = 0x100000
export const TRACE_RING_END = 0x180000

/** Record pages. */
export const RECORDS = 0x180000
export const RECORD_PAGES = 1536

/** Handler number of a slot past the page (isa/handler.ts). */
export const OP_NEXT_PAGE = 1
