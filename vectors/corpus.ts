/** Which rows and modes have vectors, how many, and in which file. */
import { ROWS } from '../src/machine/isa/table.ts'
import type { Case } from './case.ts'
import { type Descriptor, descriptorOf, keyOf, mnemonicOf, parse } from './descriptor.ts'
import { exclusion } from './exclusions.ts'
import { Generator } from './generate/generator.ts'
import { SEQUENCE_KINDS, SequenceGenerator } from './sequences.ts'
import type { Vendor } from './vendor.ts'

/** Cases of each row in each mode it exists in. */
export const CASES_PER_GROUP = 200
export const COMMITTED_SEED = 1
export const CASES_PER_SEQUENCE = 2000
/** Where a row has its encoding. */
const SEQUENCE = 'sequence'

export interface Plan {
  readonly descriptor: Descriptor
  readonly bits: 64 | 32
}

/** The modes in which a row can be recorded. */
export const modesOf = (d: Descriptor): (64 | 32)[] => {
  const modes: (64 | 32)[] = []
  if (d.mode !== 'legacy' && d.asize !== 16) modes.push(64)
  if (d.mode !== '64' && d.osize !== 64 && d.asize !== 64 && !d.encoding.includes('REX.W')) modes.push(32)
  return modes
}

/** Everything that can be recorded of the instruction table as it is, on a processor of `vendor`. */
export const plans = (vendor: Vendor): Plan[] =>
  ROWS.map(descriptorOf).flatMap((descriptor) =>
    exclusion(descriptor, vendor) === undefined ? modesOf(descriptor).map((bits) => ({ descriptor, bits })) : [],
  )

export const planKey = (p: Plan): string => `${keyOf(p.descriptor)}|${p.bits}`

export const FAMILIES = ['integer', 'string', 'system', 'mmx', 'sse', 'x87', 'sequences'] as const
export type Family = (typeof FAMILIES)[number]

export const familyOf = (d: Descriptor): Family => {
  if (d.encoding === SEQUENCE) return 'sequences'
  const row = parse(d)
  const { map, opcode } = row.encoding
  if (map === 0 && opcode >= 0xd8 && opcode <= 0xdf) return 'x87'
  if (/^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS)[BWDQ]$/.test(mnemonicOf(d)) && map === 0) return 'string'
  if (row.operands.some((o) => o.class === 'mm' || o.class === 'mmrm')) return 'mmx'
  if (row.operands.some((o) => o.class === 'xmm' || o.class === 'xmmrm') || /sse/.test(d.feature ?? '')) return 'sse'
  if (
    /^(L[DEFGS]S|LLDT|LTR|LGDT|LIDT|LMSW|INVLPG|SWAPGS|MONITOR|MWAIT|CLAC|STAC|XSETBV|INV|CLTS|WB|WRM|RDM|RSM|CLI|STI|HLT)/.test(
      d.text,
    ) ||
    /\b([scd]reg|ES|CS|SS|DS|FS|GS|far|IN|OUT|SYS|FXSAVE|FXRSTOR|FXSAVE64|FXRSTOR64|XSAVE\w*|XRSTOR\w*|IRET|RETF)\b/.test(
      d.text,
    )
  )
    return 'system'
  return 'integer'
}

/** Sequences as if they were rows. */
export const sequencePlans = (): Plan[] =>
  SEQUENCE_KINDS.flatMap((kind) =>
    ([64, 32] as const).map((bits) => ({
      descriptor: { text: `SEQUENCE ${kind}`, operands: [], encoding: SEQUENCE },
      bits,
    })),
  )

/** What makes the cases of a plan. */
export interface CaseMaker {
  readonly mnemonic: string
  /** Undefined flags of the case made last. */
  readonly undefined: number
  /** Address of its memory operand. */
  ea: bigint
  make(c: Case, seed: number, index: number): void
}
export const makerOf = (p: Plan, vendor: Vendor): CaseMaker =>
  p.descriptor.encoding === SEQUENCE
    ? new SequenceGenerator(p.descriptor.text.slice('SEQUENCE '.length), p.bits, vendor)
    : new Generator(p.descriptor, p.bits, vendor)
export const countOf = (p: Plan): number => (p.descriptor.encoding === SEQUENCE ? CASES_PER_SEQUENCE : CASES_PER_GROUP)
