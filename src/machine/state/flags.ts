/**
 * RFLAGS (SDM 1 §3.4.3): masks, and how the engine keeps the six arithmetic flags between instructions.
 *
 * Arithmetic flags are lazy. Three words of CpuState hold enough to find any of them without knowing which instruction
 * or operand size wrote them:
 *
 *   FLAGS_RES  i64  the result, sign-extended from the operand size     ZF = RES == 0, SF = RES < 0, PF = parity(RES & ff)
 *   FLAGS_CC   i64  bit 63 = CF, bit 62 = CF ^ OF; the rest is garbage
 *   FLAGS_AUX  i64  bit 4 = AF; bit 2 = PF is inverted; bit 7 = SF is inverted; the rest is garbage in every bit but these
 *
 * Bits 63 and 62 of CC are the carries out of the operand's two top bits, which an adder yields for nothing. The inversion
 * bits let POPF and SAHF set combinations that no result has (ZF with SF); arithmetic leaves them 0.
 */
export const FLAGS_CF = 1 << 0
export const FLAGS_PF = 1 << 2
export const FLAGS_AF = 1 << 4
export const FLAGS_ZF = 1 << 6
export const FLAGS_SF = 1 << 7
export const FLAGS_TF = 1 << 8
export const FLAGS_IF = 1 << 9
export const FLAGS_DF = 1 << 10
export const FLAGS_OF = 1 << 11
export const FLAGS_IOPL = 3 << 12
export const FLAGS_IOPL_SHIFT = 12
export const FLAGS_NT = 1 << 14
export const FLAGS_RF = 1 << 16
export const FLAGS_VM = 1 << 17
export const FLAGS_AC = 1 << 18
export const FLAGS_VIF = 1 << 19
export const FLAGS_VIP = 1 << 20
export const FLAGS_ID = 1 << 21
/** Bit 1 always reads 1. */
export const FLAGS_FIXED = 1 << 1

export const FLAGS_ARITHMETIC = FLAGS_CF | FLAGS_PF | FLAGS_AF | FLAGS_ZF | FLAGS_SF | FLAGS_OF
/** Every defined flag that is not arithmetic. */
export const FLAGS_SYSTEM =
  FLAGS_TF |
  FLAGS_IF |
  FLAGS_DF |
  FLAGS_IOPL |
  FLAGS_NT |
  FLAGS_RF |
  FLAGS_VM |
  FLAGS_AC |
  FLAGS_VIF |
  FLAGS_VIP |
  FLAGS_ID

/** Inversion bits in FLAGS_AUX. */
export const AUX_PF_INVERTED = 1 << 2
export const AUX_AF = 1 << 4
export const AUX_SF_INVERTED = 1 << 7
