/**
 * Known differences between the engine and the recorded processors, each with its reason and the vendors it holds for;
 * docs/QUIRKS.md tells them. The model is Intel's: what Intel does is done, unless the deviation says why not. A mismatch
 * that none of these covers is a bug.
 */
import type { Plan } from './corpus.ts'
import { mnemonicOf } from './descriptor.ts'

export type Vendor = 'intel' | 'amd'
const VENDORS: Readonly<Record<string, Vendor>> = { GenuineIntel: 'intel', AuthenticAMD: 'amd' }
/** Of a processor as native.ts's `hostProcessor` and the headers of vectors name it. */
export const vendorOf = (processor: string): Vendor => {
  const vendor = VENDORS[processor.split(' ')[0] as string]
  if (vendor === undefined) throw new Error(`deviations are known for Intel and AMD, not for ${processor}`)
  return vendor
}

export interface Deviation {
  readonly id: string
  readonly on: readonly Vendor[]
  readonly why: string
  /** `lines` is what compare.ts says differs. */
  readonly covers: (plan: Plan, lines: readonly string[]) => boolean
}

const only = (lines: readonly string[], pattern: RegExp): boolean => lines.every((line) => pattern.test(line))
const named = (plan: Plan, pattern: RegExp): boolean => pattern.test(mnemonicOf(plan.descriptor))

const AMD: readonly Vendor[] = ['amd']
const BOTH: readonly Vendor[] = ['intel', 'amd']

/** Values of `size` bytes where a register differs: what the processor has, what the engine. */
const lanesOf = (line: string, size: 4 | 8): (readonly [processor: number, engine: number])[] => {
  const both = /^xmm\d+: processor ([0-9a-f]{32}), engine ([0-9a-f]{32})$/.exec(line)
  if (both === null) return [[Number.NaN, 0]]
  const values = (hex: string): number[] => {
    const bytes = Buffer.from(hex, 'hex')
    return Array.from({ length: 16 / size }, (_, i) =>
      size === 4 ? bytes.readFloatBE(i * size) : bytes.readDoubleBE(i * size),
    )
  }
  const engine = values(both[2] as string)
  return values(both[1] as string).map((value, i) => [value, engine[i] as number])
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    id: 'wide-access-order',
    on: AMD,
    why:
      'Instructions that touch many bytes (FXSAVE, FXRSTOR, FNSAVE, FRSTOR, FNSTENV, FLDENV, RETF) ' +
      'reach a bad page at another byte than AMD does: CR2 differs within the operand, and what was ' +
      'written before the fault may too.',
    covers: (plan, lines) =>
      named(plan, /^(FXSAVE|FXSAVE64|FXRSTOR|FXRSTOR64|FNSAVE|FRSTOR|FNSTENV|FLDENV|RETF)$/) &&
      only(lines, /^(cr2|error code|\[0x)/) &&
      lines.some((line) => /^(cr2|error code)/.test(line)),
  },
  {
    id: 'masked-move-faults',
    on: AMD,
    why:
      'MASKMOVQ and MASKMOVDQU fault for the bytes they store only, and store those before the bad page. AMD faults for ' +
      'any byte of the operand and then stores none. Both are allowed (SDM 2B MASKMOVDQU).',
    covers: (plan, lines) =>
      named(plan, /^MASKMOV/) &&
      lines.some((line) => /^(fsw|ftw|cr2|error code|processor #PF, engine completed|\[0x20002f)/.test(line)),
  },
  {
    id: 'iret-checks',
    on: AMD,
    why:
      'IRET with several things wrong: AMD reads and checks the frame in another order, so another fault, error code or ' +
      'CR2 comes first.',
    covers: (plan, lines) => named(plan, /^IRET$/) && only(lines, /^(cr2|error code|processor #PF, engine #GP)/),
  },
  {
    id: 'popa-partial',
    on: AMD,
    why: 'POPA that faults changes no register; on AMD those popped before the fault have changed.',
    covers: (plan, lines) => named(plan, /^POPA$/) && only(lines, /^e/),
  },
  {
    id: 'bit-string-far',
    on: AMD,
    why:
      'BT, BTS, BTR and BTC whose bit lies across the address space from the operand: AMD #GP where the address itself is ' +
      'canonical. With 32-bit addresses the bit offset is added after the address was cut to 32 bits.',
    covers: (plan, lines) => named(plan, /^BT[SRC]?$/) && only(lines, /^(processor #GP, engine #PF|cr2)/),
  },
  {
    id: 'arpl-code-segment',
    on: AMD,
    why: 'ARPL on memory of a code segment (CS override) that has something to write: the segment is not asked.',
    covers: (plan, lines) => named(plan, /^ARPL$/) && lines[0] === 'processor #GP, engine completed',
  },
  {
    id: 'repeated-compare-order',
    on: AMD,
    why: 'REPE CMPSB with two bad operands: AMD reads rSI first there, ES:rDI first in all other forms.',
    covers: (plan, lines) => named(plan, /^CMPS/) && plan.descriptor.repeat !== 'none' && only(lines, /^cr2/),
  },
  {
    id: 'mmx-transition-at-fault',
    on: AMD,
    why:
      'An instruction with an MMX operand that faults (#PF, #XM) leaves the x87 registers alone; AMD has already made ' +
      'them MMX registers. CVTPI2PS from memory makes them so here, and waits for a pending #MF, as Intel documents; on ' +
      'AMD it does neither.',
    covers: (plan, lines) =>
      named(plan, /^(CVTPI2PS|CVTT?P[SD]2PI)$/) &&
      ((only(lines, /^(fsw|ftw|st\d)/) && lines.some((line) => /^(fsw|ftw)/.test(line))) ||
        (named(plan, /^CVTPI2PS$/) && /engine #MF$/.test(lines[0] as string))),
  },
  {
    id: 'approximation',
    on: AMD,
    why:
      'RCPPS and RSQRTPS are bit for bit those of Intel; the manual wants a relative error below 1.5 * 2^-12 and AMD has ' +
      'another approximation within it.',
    covers: (plan, lines) =>
      named(plan, /^R(CP|SQRT)[PS]S$/) &&
      lines.every((line) =>
        lanesOf(line, 4).every(
          ([x, y]) => Object.is(x, y) || Math.abs(x - y) <= Math.max((3 * Math.abs(x)) / 4096, 2 ** -126),
        ),
      ),
  },
  {
    id: 'dot-product-nan',
    on: AMD,
    why: 'DPPS and DPPD with NaNs in several lanes: every lane has the one that Intel takes; AMD takes the same for all.',
    covers: (plan, lines) =>
      named(plan, /^DPP[SD]$/) &&
      lines.every((line) => lanesOf(line, named(plan, /^DPPS$/) ? 4 : 8).every(([x, y]) => Object.is(x, y))),
  },
  {
    id: 'remainder-by-infinity',
    on: AMD,
    why: 'FPREM and FPREM1 of a denormal by infinity with UE unmasked: it stays as it is; AMD calls it an underflow.',
    covers: (plan, lines) => named(plan, /^FPREM1?$/) && only(lines, /^(fsw|st0: processor .{4}.{16}, engine [08]000)/),
  },
  {
    id: 'transcendental-last-bit',
    on: BOTH,
    why:
      'F2XM1, FSIN, FCOS, FSINCOS, FPTAN, FPATAN, FYL2X and FYL2XP1 may differ from a processor in the last bit of the ' +
      'result and in C1, which tells how it was rounded. Processors differ from each other there.',
    covers: (plan, lines) =>
      named(plan, /^(F2XM1|FSIN|FCOS|FSINCOS|FPTAN|FPATAN|FYL2X|FYL2XP1)$/) && only(lines, /^(fsw|st[017])/),
  },
  {
    id: 'retf-priority',
    on: AMD,
    why: 'RETF n to a bad selector: AMD reads the outer stack first and may #PF, the engine finds #GP first.',
    covers: (plan, lines) => named(plan, /^RETF$/) && only(lines, /^processor #PF, engine #GP$/),
  },
  {
    id: 'canonical-priority',
    on: AMD,
    why:
      'With an address by the stack that is not canonical and another #GP due (CALL to a target that is not canonical, ' +
      'FXSAVE and its like not aligned): the stack goes first on AMD, the #GP here.',
    covers: (plan, lines) =>
      named(plan, /^(CALL|PUSH|POP|FXSAVE|FXSAVE64|FXRSTOR|FXRSTOR64|CMPXCHG16B)$/) &&
      only(lines, /^processor #(SS|PF), engine #GP$/),
  },
  {
    id: 'segment-check-first',
    on: AMD,
    why:
      'In legacy modes an operand is checked against a segment that is not flat before anything else of the instruction, ' +
      'and once: #GP and #SS come before #MF and before the page fault of the other operand, and a bit string or a ' +
      'string instruction is checked at its first byte only.',
    covers: (plan, lines) =>
      plan.bits === 32 && only(lines, /^processor #(MF|PF|UD|XM|GP|SS), engine #(GP|SS|PF|BR)$/) && lines.length === 1,
  },
  {
    id: 'segment-check-size',
    on: AMD,
    why:
      'Near the limit of a segment that is not flat, the operand checked is not the one accessed: XLATB is checked at ' +
      'rBX without AL, MOV from a segment register at its operand size, a bit string at its first word.',
    covers: (plan, lines) =>
      plan.bits === 32 &&
      (named(plan, /^(XLATB|BT[SRC]?)$/) || plan.descriptor.text.endsWith('sreg')) &&
      /^processor (completed|#GP), engine (completed|#GP)$/.test(lines[0] as string),
  },
  {
    id: 'offset-not-canonical',
    on: AMD,
    why: 'An offset that is not canonical and becomes so by the base of FS or GS: AMD #GP, here the sum alone counts.',
    covers: (plan, lines) => plan.bits === 64 && only(lines, /^processor #GP, engine #PF$/),
  },
  {
    id: 'empty-repeat-segment',
    on: AMD,
    why:
      'A repeated string instruction with a count of 0 in legacy modes still checks its source against a segment that is ' +
      'not flat.',
    covers: (plan, lines) =>
      plan.bits === 32 &&
      plan.descriptor.repeat !== undefined &&
      plan.descriptor.repeat !== 'none' &&
      lines[0] === 'processor completed, engine #GP',
  },
]

export const deviationOf = (vendor: Vendor, plan: Plan, lines: readonly string[]): Deviation | undefined =>
  DEVIATIONS.find((d) => d.on.includes(vendor) && d.covers(plan, lines))
