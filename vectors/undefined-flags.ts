/**
 * Flags that the manual leaves undefined, by instruction (SDM 2A, 2B, "Flags Affected"; 1 appendix A). `always` whatever
 * the operands; the count rules are those of shifts and rotates, whose flags depend on the masked count.
 */
import { FLAGS_AF, FLAGS_CF, FLAGS_OF, FLAGS_PF, FLAGS_SF, FLAGS_ZF } from '../src/machine/state/flags.ts'

interface Rule {
  readonly mnemonics: string
  /** Undefined always; of counted instructions, when the masked count is not 0. */
  readonly always: string
  /** Undefined unless the masked count is 0 or 1. */
  readonly unlessOne?: string
  /** Undefined when the masked count is at least the operand size. */
  readonly atSize?: string
  /** Undefined when the masked count is above the operand size. */
  readonly aboveSize?: string
}

const RULES: readonly Rule[] = [
  { mnemonics: 'AND OR XOR TEST', always: 'AF' },
  { mnemonics: 'MUL IMUL', always: 'SF ZF AF PF' },
  { mnemonics: 'DIV IDIV', always: 'CF PF AF ZF SF OF' },
  { mnemonics: 'SHL SHR SAR', always: 'AF', unlessOne: 'OF', atSize: 'CF' },
  { mnemonics: 'ROL ROR RCL RCR', always: '', unlessOne: 'OF' },
  { mnemonics: 'SHLD SHRD', always: 'AF', unlessOne: 'OF', aboveSize: 'CF PF AF ZF SF OF' },
  { mnemonics: 'BT BTS BTR BTC', always: 'OF SF AF PF' },
  { mnemonics: 'BSF BSR', always: 'CF OF SF AF PF' },
  { mnemonics: 'AAA AAS', always: 'OF SF ZF PF' },
  { mnemonics: 'AAM AAD', always: 'OF AF CF' },
  { mnemonics: 'DAA DAS', always: 'OF' },
]

const BITS: Readonly<Record<string, number>> = {
  CF: FLAGS_CF,
  PF: FLAGS_PF,
  AF: FLAGS_AF,
  ZF: FLAGS_ZF,
  SF: FLAGS_SF,
  OF: FLAGS_OF,
}
const maskOf = (names = ''): number =>
  names
    .split(' ')
    .filter((n) => n !== '')
    .reduce((mask, n) => mask | (BITS[n] as number), 0)

export interface UndefinedFlags {
  readonly always: number
  readonly counted: boolean
  readonly unlessOne: number
  readonly atSize: number
  readonly aboveSize: number
}
const byMnemonic = new Map<string, UndefinedFlags>()
for (const rule of RULES)
  for (const mnemonic of rule.mnemonics.split(' '))
    byMnemonic.set(mnemonic, {
      always: maskOf(rule.always),
      counted: rule.unlessOne !== undefined,
      unlessOne: maskOf(rule.unlessOne),
      atSize: maskOf(rule.atSize),
      aboveSize: maskOf(rule.aboveSize),
    })

/** Mask of the undefined flags; `count` is the unmasked count of shifts and rotates, `bits` the operand size. */
export const undefinedFlags = (mnemonic: string, bits: number, count: number): number => {
  const rule = byMnemonic.get(mnemonic)
  if (rule === undefined) return 0
  if (!rule.counted) return rule.always
  const masked = count & (bits === 64 ? 63 : 31)
  if (masked === 0) return 0
  let mask = rule.always
  if (masked !== 1) mask |= rule.unlessOne
  if (masked >= bits) mask |= rule.atSize
  if (masked > bits) mask |= rule.aboveSize
  return mask
}
