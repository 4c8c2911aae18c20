/**
 * The x87 floating-point unit (SDM 2A, 2B; opcodes D8 to DF and 9B). What an instruction computes is in TypeScript
 * (semantics/x87/host.ts): a kernel executes few, and correctness comes before speed. What it does to memory is here.
 *
 * Text is the manual's; operands are only what the encoding holds, so ST(0) is none. 8087 and 287 instructions that
 * later processors ignore are NOPs that wait; undocumented aliases, which this does as processors do, are marked "alias".
 */
import { i32, i64 } from '../../../wasm/instructions.ts'
import type { I64 } from '../../../wasm/value.ts'
import type { X87Name } from '../../semantics/x87/host.ts'
import { FCW, FSW, SCRATCH, STATE } from '../../state/layout.ts'
import { type Bits, type Builder, type Condition, k, loadInt, state } from '../builder.ts'
import type { Meaning, Operand } from '../operand.ts'
import { type Row, type RowOptions, row } from '../row.ts'

/** What X87_HOST has, without its "x87.". */
type Name = X87Name extends infer N ? (N extends `x87.${infer Rest}` ? Rest : never) : never
type Environment = 'fldenv' | 'fnstenv' | 'frstor' | 'fnsave'

const FSW_ES = 0x80
const ADDRESS = SCRATCH + 16
const STORES = SCRATCH + 24

/** Waiting instructions report a pending exception before anything else. */
const waits = (b: Builder): void => {
  const pending = i32.and(i32.load16_u(i32.const(0), STATE + FSW), i32.const(FSW_ES))
  b.f.if(pending, () => b.host('x87.pending'))
}
const control =
  (name: Name): Meaning =>
  (b) =>
    b.host(`x87.${name}`)
const plain =
  (name: Name): Meaning =>
  (b) => {
    waits(b)
    b.host(`x87.${name}`)
  }
/** A memory operand into SCRATCH; 80 bits are one access. */
const fetch = (b: Builder, m: Operand): void => {
  const ea = m.address()
  const at = b.readAddress(ea, m.bits / 8)
  if (m.bits === 80) {
    const low = b.let(i64.load(at))
    b.f.emit([state.store64(SCRATCH + 8, i64.load16_u(at, 8)), state.store64(SCRATCH, low)])
  } else b.f.emit(state.store64(SCRATCH, loadInt(at, m.bits as Bits)))
  b.f.emit(state.store64(ADDRESS, ea))
}
const reads =
  (name: Name): Meaning =>
  (b, m) => {
    waits(b)
    fetch(b, m)
    b.host(`x87.${name}`)
  }
/** Computes, stores if there is something to store, and only then changes the unit. */
const stores =
  (name: Name): Meaning =>
  (b, m) => {
    waits(b)
    const ea = m.address()
    b.host(`x87.${name}`)
    // Without a store (an unmasked exception) memory is not looked at. 80 bits are two stores, the significand first: it
    // stands there when the second faults.
    b.f.if(state.load32(STORES), () => {
      const low = b.let(state.load64(SCRATCH))
      const high = b.let(state.load64(SCRATCH + 8))
      const part = (at: I64, value: I64, bits: Bits): void => {
        b.checkWrite(at, bits / 8)
        b.store(at, value, bits)
      }
      if (m.bits === 80) {
        part(ea, low, 64)
        part(b.let(i64.add(ea, k(8))), high, 16)
      } else part(ea, low, m.bits as Bits)
    })
    b.f.emit(state.store64(ADDRESS, ea))
    b.host('x87.store')
  }
/** The unit's whole state, or its environment, at an address. */
const environment =
  (name: Environment, waiting: boolean): Meaning =>
  (b, m) => {
    if (waiting) waits(b)
    b.f.emit(state.store64(ADDRESS, m.address()))
    b.host(`x87.${name}${b.bits === 16 ? 16 : 32}`)
  }
const moveIf =
  (condition: Condition): Meaning =>
  (b) => {
    waits(b)
    b.f.emit(state.store64(SCRATCH, i64.extend_i32_u(b.condition(condition))))
    b.host('x87.fcmov')
  }
/** These do not wait: a pending exception stays pending. */
const nop: Meaning = () => {}
const stored =
  (word: number): Meaning =>
  (_, d) =>
    d.write(i64.load16_u(i32.const(0), STATE + word), 16)

const x87 = (text: string, encoding: string, access: string, meaning: Meaning, options: RowOptions = {}): Row =>
  row(text, encoding, access, meaning, { unit: 'x87', ...options })
/** With ST(i) in ModRM.rm; `text` may name ST(0) beside it. */
const register = (text: string, encoding: string, access: string, meaning: Meaning, options: RowOptions = {}): Row => {
  const mnemonic = text.slice(0, text.indexOf(' '))
  return { ...x87(`${mnemonic} ST(i)`, encoding, access, meaning, options), text }
}
/** SDM 1 §8.1.10. */
const environmentBytes = (osize: Bits): number => (osize === 16 ? 14 : 28)
const unitBytes = (osize: Bits): number => environmentBytes(osize) + 80
/** 16-bit operand size first: the other row takes the rest. */
const sizedEnvironment = (
  text: string,
  encoding: string,
  name: Environment,
  waiting: boolean,
  options: RowOptions,
): Row[] => [
  x87(text, encoding, 'x', environment(name, waiting), { osize: 16, ...options }),
  x87(text, encoding, 'x', environment(name, waiting), options),
]

/** D8 /0 to /7 in order; the same digits in D9 to DE's neighbours, where ST(i) as destination swaps the reversed ones. */
const ARITHMETIC = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'] as const
const upper = (name: string): string => name.toUpperCase()
/** What the manual calls the operation when ST(i) is the destination. */
const REVERSED: Readonly<Partial<Record<string, string>>> = {
  fsub: 'fsubr',
  fsubr: 'fsub',
  fdiv: 'fdivr',
  fdivr: 'fdiv',
}

const arithmetic = ARITHMETIC.flatMap((name, digit): Row[] => {
  const compares = name === 'fcom' || name === 'fcomp'
  const integer = `FI${upper(name).slice(1)}`
  const rows = [
    x87(`${upper(name)} m32`, `D8 /${digit}`, 'r', reads(`${name}.m32`)),
    x87(`${upper(name)} m64`, `DC /${digit}`, 'r', reads(`${name}.m64`)),
    x87(`${integer} m32`, `DA /${digit}`, 'r', reads(`${name}.i32`)),
    x87(`${integer} m16`, `DE /${digit}`, 'r', reads(`${name}.i16`)),
  ]
  if (compares) return [...rows, register(`${upper(name)} ST(i)`, `D8 /${digit}`, 'r', plain(`${name}.st`))]
  const mirrored = upper(REVERSED[name] ?? name)
  return [
    ...rows,
    register(`${upper(name)} ST(0), ST(i)`, `D8 /${digit}`, 'r', plain(`${name}.st0`)),
    register(`${mirrored} ST(i), ST(0)`, `DC /${digit}`, 'rw', plain(`${name}.sti`)),
    register(`${mirrored}P ST(i), ST(0)`, `DE /${digit}`, 'rw', plain(`${name}p`)),
  ]
})

const literal = (text: Uppercase<Name>, encoding: string): Row =>
  x87(text, encoding, '', plain(text.toLowerCase() as Name))

export const X87_ROWS: readonly Row[] = [
  ...arithmetic,

  // D9: loads and stores.
  x87('FLD m32', 'D9 /0', 'r', reads('fld.m32')),
  register('FLD ST(i)', 'D9 /0', 'r', plain('fld.st')),
  register('FXCH ST(i)', 'D9 /1', 'rw', plain('fxch')),
  x87('FST m32', 'D9 /2', 'w', stores('fst.m32')),
  x87('FSTP m32', 'D9 /3', 'w', stores('fstp.m32')),
  register('FSTPNCE ST(i)', 'D9 /3', 'w', plain('fstpnce')), // alias, no stack fault
  ...sizedEnvironment('FLDENV m', 'D9 /4', 'fldenv', true, { bytes: environmentBytes }),
  x87('FLDCW m16', 'D9 /5', 'r', (b, m) => {
    waits(b)
    fetch(b, m)
    b.host('x87.fldcw')
  }),
  ...sizedEnvironment('FNSTENV m', 'D9 /6', 'fnstenv', false, { bytes: environmentBytes, writes: true, waits: false }),
  x87('FNSTCW m16', 'D9 /7', 'w', stored(FCW), { waits: false }),
  literal('FNOP', 'D9 D0'),
  literal('FCHS', 'D9 E0'),
  literal('FABS', 'D9 E1'),
  literal('FTST', 'D9 E4'),
  literal('FXAM', 'D9 E5'),
  literal('FLD1', 'D9 E8'),
  literal('FLDL2T', 'D9 E9'),
  literal('FLDL2E', 'D9 EA'),
  literal('FLDPI', 'D9 EB'),
  literal('FLDLG2', 'D9 EC'),
  literal('FLDLN2', 'D9 ED'),
  literal('FLDZ', 'D9 EE'),
  literal('F2XM1', 'D9 F0'),
  literal('FYL2X', 'D9 F1'),
  literal('FPTAN', 'D9 F2'),
  literal('FPATAN', 'D9 F3'),
  literal('FXTRACT', 'D9 F4'),
  literal('FPREM1', 'D9 F5'),
  literal('FDECSTP', 'D9 F6'),
  literal('FINCSTP', 'D9 F7'),
  literal('FPREM', 'D9 F8'),
  literal('FYL2XP1', 'D9 F9'),
  literal('FSQRT', 'D9 FA'),
  literal('FSINCOS', 'D9 FB'),
  literal('FRNDINT', 'D9 FC'),
  literal('FSCALE', 'D9 FD'),
  literal('FSIN', 'D9 FE'),
  literal('FCOS', 'D9 FF'),

  // DA and DB.
  register('FCMOVB ST(0), ST(i)', 'DA /0', 'r', moveIf('B')),
  register('FCMOVE ST(0), ST(i)', 'DA /1', 'r', moveIf('E')),
  register('FCMOVBE ST(0), ST(i)', 'DA /2', 'r', moveIf('BE')),
  register('FCMOVU ST(0), ST(i)', 'DA /3', 'r', moveIf('P')),
  literal('FUCOMPP', 'DA E9'),
  register('FCMOVNB ST(0), ST(i)', 'DB /0', 'r', moveIf('AE')),
  register('FCMOVNE ST(0), ST(i)', 'DB /1', 'r', moveIf('NE')),
  register('FCMOVNBE ST(0), ST(i)', 'DB /2', 'r', moveIf('A')),
  register('FCMOVNU ST(0), ST(i)', 'DB /3', 'r', moveIf('NP')),
  x87('FILD m32', 'DB /0', 'r', reads('fild.i32')),
  x87('FISTTP m32', 'DB /1', 'w', stores('fisttp.i32'), { feature: 'sse3' }),
  x87('FIST m32', 'DB /2', 'w', stores('fist.i32')),
  x87('FISTP m32', 'DB /3', 'w', stores('fistp.i32')),
  x87('FLD m80', 'DB /5', 'r', reads('fld.m80')),
  x87('FSTP m80', 'DB /7', 'w', stores('fstp.m80')),
  x87('FENI', 'DB E0', '', nop), // 8087
  x87('FDISI', 'DB E1', '', nop), // 8087
  x87('FNCLEX', 'DB E2', '', control('fnclex'), { waits: false }),
  x87('FNINIT', 'DB E3', '', control('fninit'), { waits: false }),
  x87('FSETPM', 'DB E4', '', nop), // 287
  register('FUCOMI ST(0), ST(i)', 'DB /5', 'r', plain('fucomi')),
  register('FCOMI ST(0), ST(i)', 'DB /6', 'r', plain('fcomi')),

  // DC and DD.
  register('FCOM ST(i)', 'DC /2', 'r', plain('fcom.st')), // alias
  register('FCOMP ST(i)', 'DC /3', 'r', plain('fcomp.st')), // alias
  x87('FLD m64', 'DD /0', 'r', reads('fld.m64')),
  x87('FISTTP m64', 'DD /1', 'w', stores('fisttp.i64'), { feature: 'sse3' }),
  x87('FST m64', 'DD /2', 'w', stores('fst.m64')),
  x87('FSTP m64', 'DD /3', 'w', stores('fstp.m64')),
  ...sizedEnvironment('FRSTOR m', 'DD /4', 'frstor', true, { bytes: unitBytes }),
  ...sizedEnvironment('FNSAVE m', 'DD /6', 'fnsave', false, { bytes: unitBytes, writes: true, waits: false }),
  x87('FNSTSW m16', 'DD /7', 'w', stored(FSW), { waits: false }),
  register('FFREE ST(i)', 'DD /0', 'w', plain('ffree')),
  register('FXCH ST(i)', 'DD /1', 'rw', plain('fxch')), // alias
  register('FST ST(i)', 'DD /2', 'w', plain('fst.st')),
  register('FSTP ST(i)', 'DD /3', 'w', plain('fstp.st')),
  register('FUCOM ST(i)', 'DD /4', 'r', plain('fucom.st')),
  register('FUCOMP ST(i)', 'DD /5', 'r', plain('fucomp.st')),

  // DE and DF.
  register('FCOMP ST(i)', 'DE /2', 'r', plain('fcomp.st')), // alias
  literal('FCOMPP', 'DE D9'),
  x87('FILD m16', 'DF /0', 'r', reads('fild.i16')),
  x87('FISTTP m16', 'DF /1', 'w', stores('fisttp.i16'), { feature: 'sse3' }),
  x87('FIST m16', 'DF /2', 'w', stores('fist.i16')),
  x87('FISTP m16', 'DF /3', 'w', stores('fistp.i16')),
  x87('FBLD m80', 'DF /4', 'r', reads('fbld')),
  x87('FILD m64', 'DF /5', 'r', reads('fild.i64')),
  x87('FBSTP m80', 'DF /6', 'w', stores('fbstp')),
  x87('FISTP m64', 'DF /7', 'w', stores('fistp.i64')),
  register('FFREEP ST(i)', 'DF /0', 'w', plain('ffreep')),
  register('FXCH ST(i)', 'DF /1', 'rw', plain('fxch')), // alias
  register('FSTP ST(i)', 'DF /2', 'w', plain('fstp.st')), // alias
  register('FSTP ST(i)', 'DF /3', 'w', plain('fstp.st')), // alias
  x87('FNSTSW AX', 'DF E0', 'w', stored(FSW), { waits: false }),
  register('FUCOMIP ST(0), ST(i)', 'DF /5', 'r', plain('fucomip')),
  register('FCOMIP ST(0), ST(i)', 'DF /6', 'r', plain('fcomip')),

  row('WAIT', '9B', '', (b) => b.host('x87.wait'), { unit: 'none' }),
]
