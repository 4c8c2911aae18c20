/**
 * Known differences between the engine and the recorded processors, each with its reason and the vendors it holds for;
 * docs/QUIRKS.md tells them. The model is Intel's: what Intel does is done, unless the deviation says why not. A mismatch
 * that none of these covers is a bug.
 */
import type { Plan } from './corpus.ts'
import { mnemonicOf } from './descriptor.ts'
import type { Vendor } from './vendor.ts'

export interface Deviation {
  readonly id: string
  readonly on: readonly Vendor[]
  readonly why: string
  /** Whether it accounts for `line`, one of those in which compare.ts says what differs. */
  readonly explains: (plan: Plan, line: string, lines: readonly string[]) => boolean
}

const BOTH: readonly Vendor[] = ['intel', 'amd']
const AMD: readonly Vendor[] = ['amd']

const named = (plan: Plan, pattern: RegExp): boolean => pattern.test(mnemonicOf(plan.descriptor))
const repeats = ({ descriptor: d }: Plan): boolean => d.repeat === 'F3' || d.repeat === 'F2'
/** Lines that come with a fault of one of the two: where RIP is, RF in the frame. */
const AFTERMATH = /^(rip|flags)/
const faultsDiffer = (lines: readonly string[], pattern: RegExp): boolean => pattern.test(lines[0] as string)

/** What a line says of one place. */
const valuesOf = (line: string): readonly [name: string, processor: string, engine: string] => {
  const parts = /^(.+): processor (.*), engine (.*)$/.exec(line)
  return parts === null ? [line, '', ''] : [parts[1] as string, parts[2] as string, parts[3] as string]
}
/** The flags in which both differ. */
const differentFlags = (line: string): string[] => {
  const [, processor, engine] = valuesOf(line)
  const a = new Set(processor.split(' '))
  const b = new Set(engine.split(' '))
  return [...a, ...b].filter((flag) => flag !== '-' && a.has(flag) !== b.has(flag))
}
/** The numbers of `bytes` bytes each in two registers. */
const lanesOf = (line: string, bytes: 4 | 8): (readonly [processor: number, engine: number])[] => {
  const [, processor, engine] = valuesOf(line)
  const numbers = (hex: string): number[] => {
    const buffer = Buffer.from(hex, 'hex')
    return Array.from({ length: buffer.length / bytes }, (_, i) =>
      bytes === 4 ? buffer.readFloatBE(i * bytes) : buffer.readDoubleBE(i * bytes),
    )
  }
  const mine = numbers(engine)
  return numbers(processor).map((value, i) => [value, mine[i] as number])
}

export const DEVIATIONS: readonly Deviation[] = [
  // ── Intel's too ────────────────────────────────────────────────────────────────────────────────────────────────────
  {
    id: 'transcendental-last-bit',
    on: BOTH,
    why:
      'F2XM1, FSIN, FCOS, FSINCOS, FPTAN, FPATAN, FYL2X and FYL2XP1 may differ from a processor in the last bit of the ' +
      'result and in C1, which tells how it was rounded. Processors differ from each other there.',
    explains: (plan, line) =>
      named(plan, /^(F2XM1|FSIN|FCOS|FSINCOS|FPTAN|FPATAN|FYL2X|FYL2XP1)$/) && /^(fsw|st[017])/.test(line),
  },

  // ── AMD's: the model is Intel's ────────────────────────────────────────────────────────────────────────────────────
  {
    id: 'approximation',
    on: AMD,
    why:
      'RCPPS and RSQRTPS are bit for bit those of Intel. The manual wants a relative error below 1.5 * 2^-12; AMD has ' +
      'another approximation within it.',
    explains: (plan, line) =>
      named(plan, /^R(CP|SQRT)[PS]S$/) &&
      line.startsWith('xmm') &&
      lanesOf(line, 4).every(([x, y]) => Object.is(x, y) || Math.abs(x - y) <= (3 * Math.abs(x)) / 4096),
  },
  {
    id: 'dot-product-nan',
    on: AMD,
    why: 'DPPS and DPPD with NaNs in several lanes: every lane has the one that Intel takes; AMD takes the same for all.',
    explains: (plan, line) =>
      named(plan, /^DPP[SD]$/) &&
      line.startsWith('xmm') &&
      lanesOf(line, named(plan, /^DPPS$/) ? 4 : 8).every(([x, y]) => Object.is(x, y)),
  },
  {
    id: 'remainder-by-infinity',
    on: AMD,
    why: 'FPREM and FPREM1 of a denormal by infinity with UE unmasked: it stays as it is; AMD calls it an underflow.',
    explains: (plan, line) => named(plan, /^FPREM1?$/) && /^(fsw|st0: .* engine [08]000)/.test(line),
  },
  {
    id: 'repeat-resume-flag',
    on: AMD,
    why:
      'A trap within a repeated string instruction has RF in its frame (SDM 3B §18.3.1.1); on AMD it has not. A case of ' +
      'one step ends in such a trap.',
    explains: (plan, line) => repeats(plan) && line.startsWith('flags') && differentFlags(line).join() === 'RF',
  },
  {
    id: 'repeat-compare-flags',
    on: AMD,
    why:
      'Repeated CMPS and SCAS write the flags when they end (SDM 2B REP); AMD after each iteration, which a trap or a ' +
      'fault between them shows.',
    explains: (plan, line) =>
      ((repeats(plan) && named(plan, /^(CMPS|SCAS)/)) || plan.descriptor.text === 'SEQUENCE string faults') &&
      line.startsWith('flags'),
  },
  {
    id: 'repeat-cuts-registers',
    on: AMD,
    why:
      'With 32-bit addresses in 64-bit mode a repeated string instruction cuts RCX to 32 bits, MOVS and STOS rSI and rDI ' +
      'too, even if no iteration was made or completed; on AMD those then keep their upper halves.',
    explains: (plan, line) => {
      const [name, processor, engine] = valuesOf(line)
      return (
        plan.bits === 64 &&
        plan.descriptor.asize === 32 &&
        repeats(plan) &&
        /^r(cx|si|di)$/.test(name) &&
        BigInt.asUintN(32, BigInt(processor)) === BigInt(engine)
      )
    },
  },
  {
    id: 'repeated-compare-order',
    on: AMD,
    why: 'REPE CMPSB with two bad operands: AMD reads rSI first there, ES:rDI first in all other forms.',
    explains: (plan, line) => named(plan, /^CMPS/) && repeats(plan) && /^(cr2|processor #GP, engine #PF)/.test(line),
  },
  {
    id: 'push-segment-width',
    on: AMD,
    why: 'PUSH of a segment register with 32-bit operands writes two bytes (SDM 2B PUSH); on AMD four.',
    explains: (plan, line) => /^PUSH [C-G]?S|^PUSH ES/.test(plan.descriptor.text) && line.startsWith('[0x'),
  },
  {
    id: 'pop-segment-width',
    on: AMD,
    why: 'POP of a segment register reads two bytes; on AMD as many as the operand size says.',
    explains: (plan, line, lines) =>
      /^POP [DEFGS]S$/.test(plan.descriptor.text) &&
      faultsDiffer(lines, /^processor #PF, engine/) &&
      (line === lines[0] || AFTERMATH.test(line) || /^(.sp|.s base|[defgs]s):/.test(line)),
  },
  {
    id: 'call-stores-first',
    on: AMD,
    why: 'CALL to a target that is not canonical: the return address has been written to the stack; on AMD it has not.',
    explains: (plan, line) => named(plan, /^CALL$/) && plan.bits === 64 && line.startsWith('[0x'),
  },
  {
    id: 'x87-store-blocked',
    on: AMD,
    why:
      'An x87 store that an unmasked exception keeps from storing does not look at its operand; on AMD it may fault. ' +
      'FSTP and FBSTP of 80 bits store the significand before the rest faults; AMD stores nothing.',
    explains: (plan, line, lines) =>
      named(plan, /^(FISTT?P?|FSTP?|FBSTP)$/) &&
      (line.startsWith('[0x') ||
        (faultsDiffer(lines, /^processor #(PF, engine (completed|#(GP|SS))|(GP|SS), engine completed)$/) &&
          (line === lines[0] || AFTERMATH.test(line) || line.startsWith('fsw')))),
  },
  {
    id: 'mmx-store-top',
    on: AMD,
    why: 'A store of an MMX register that faults has cleared TOP; on AMD it has changed nothing.',
    explains: (plan, line) => named(plan, /^MOV(D|Q|NTQ)$/) && /^(fsw|st\d)/.test(line),
  },
  {
    id: 'masked-move-order',
    on: AMD,
    why: 'MASKMOVDQU over two bad pages: the upper eight bytes are looked at first; on AMD the lower.',
    explains: (plan, line) => named(plan, /^MASKMOVDQU$/) && /^(cr2|error code)/.test(line),
  },
  {
    id: 'far-return-order',
    on: AMD,
    why:
      'IRET and RETF read the frame from above, a selector as two bytes. AMD reads it in another order, and the outer ' +
      'stack before it looks at the selector: another fault or CR2 comes first.',
    explains: (plan, line) => named(plan, /^(IRET|RETF)$/) && /^(cr2|error code|processor #PF, engine #GP)/.test(line),
  },
  {
    id: 'bound-order',
    on: AMD,
    why: 'BOUND with an index below the lower bound does not look at the upper bound, which on AMD may #PF.',
    explains: (plan, line) => named(plan, /^BOUND$/) && line === 'processor #PF, engine #BR',
  },
]

/** The deviations that account for a mismatch; none when any of its lines is left. */
export const deviationsOf = (vendor: Vendor, plan: Plan, lines: readonly string[]): readonly Deviation[] => {
  const found = lines.map((line) => DEVIATIONS.find((d) => d.on.includes(vendor) && d.explains(plan, line, lines)))
  return found.includes(undefined) ? [] : [...new Set(found as Deviation[])]
}
