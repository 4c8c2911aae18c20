/**
 * What became of a case, as the recorder writes it (recorder/recorder.c):
 *
 *   0 u32 size of the whole record   4 u8 vector   5 u8 memory differences
 *   8 u64 error code   16 u64 cr2   24 u64 rip   32 u64[16] general registers   160 u64 rflags
 *   168 u64 fs base   176 u64 gs base   184 u16 ds es fs gs cs ss
 *   200 u8[416] FXSAVE image, of cases with one
 *   then differences to memory before: u64 address, u64 length, bytes padded to 8
 *
 * Vector 1 is the single step that ends a case of one instruction.
 */
export const OUTCOME_VECTOR = 4
export const OUTCOME_DIFFERENCES = 5
export const OUTCOME_ERROR = 8
export const OUTCOME_CR2 = 16
export const OUTCOME_RIP = 24
export const OUTCOME_GPR = 32
export const OUTCOME_RFLAGS = 160
export const OUTCOME_FS_BASE = 168
export const OUTCOME_GS_BASE = 176
export const OUTCOME_SELECTORS = 184
export const OUTCOME_FX = 200
export const DIFFERENCE_HEADER = 16
export const VECTOR_STEP = 1
export const VECTOR_TIMEOUT = 255
