/**
 * x87 instructions as the engine calls them (SDM 2A, 2B). A memory operand's value is at SCRATCH and its linear address
 * at SCRATCH + 16; ST(i) is the record's first register field. A store is two calls: the first computes into SCRATCH and
 * says at SCRATCH + 24 whether to store at all, and changes nothing; the second, after the store has not faulted, does
 * the rest. Waiting instructions call `x87.pending` first when FSW.ES is set.
 */

import { GuestFault, MF, NM } from '../../state/fault.ts'
import { FLAGS_ARITHMETIC, FLAGS_CF, FLAGS_PF, FLAGS_ZF } from '../../state/flags.ts'
import { CR0, CR0_MP, CR0_NE, CR0_TS, FCW, FSW, SCRATCH, STATE } from '../../state/layout.ts'
import { REC_R1 } from '../../state/record.ts'
import type { CpuCore } from '../core.ts'
import { named } from '../host-table.ts'
import {
  BINARY32,
  BINARY64,
  type Format,
  IE,
  OE,
  PE,
  pack,
  Rounding,
  UE,
  type Unpacked,
  unpack,
  zero,
} from '../softfloat/format.ts'
import { fldenv, fninit, frstor, fsave, fstenv } from '../system/fpu-state.ts'
import * as op from './arithmetic.ts'
import {
  type Context,
  fromInteger,
  INDEFINITE,
  isUnsupported,
  narrow,
  ONE,
  QUIET_BIT,
  toInteger,
  widen,
} from './f80.ts'
import { atan2, constant, cos, exp2m1, outOfRange, sin, tan, yLog2, yLog2p1 } from './transcendental.ts'
import { FCW_DEFINED, FCW_FIXED, FSW_B, FSW_C0, FSW_C2, FSW_C3, FSW_ES, FSW_EXCEPTIONS, FSW_SF, Unit } from './unit.ts'

export type X87Function = (core: CpuCore, record: number, bytes: DataView) => void

const VALUE = STATE + SCRATCH
const ADDRESS = VALUE + 16
/** u32: whether a store is to be made. */
const STORES = VALUE + 24
/** u32: whether the register stack is popped after it. */
const POPS = VALUE + 28

const unit = new Unit()
const registerOf = (record: number, bytes: DataView): number => bytes.getUint8(record + REC_R1) >> 4
const addressOf = (bytes: DataView): bigint => bytes.getBigUint64(ADDRESS, true)

type Source = (bytes: DataView) => Unpacked
const SOURCES = {
  m32: (bytes) => unpack(BINARY32, BigInt(bytes.getUint32(VALUE, true))),
  m64: (bytes) => unpack(BINARY64, bytes.getBigUint64(VALUE, true)),
  i16: (bytes) => fromInteger(BigInt(bytes.getInt16(VALUE, true))),
  i32: (bytes) => fromInteger(BigInt(bytes.getInt32(VALUE, true))),
  i64: (bytes) => fromInteger(bytes.getBigInt64(VALUE, true)),
} satisfies Record<string, Source>

/** Memory operands of arithmetic. */
const OPERANDS = ['m32', 'm64', 'i16', 'i32'] as const

type Binary = (a: Unpacked, b: Unpacked, c: Context) => Unpacked
const BINARIES = {
  fadd: op.add,
  fmul: op.multiply,
  fsub: op.subtract,
  fsubr: op.subtractReversed,
  fdiv: op.divide,
  fdivr: op.divideReversed,
} satisfies Record<string, Binary>
const BINARY_NAMES = Object.keys(BINARIES) as (keyof typeof BINARIES)[]

/** ST(0) = f(ST(0), memory). */
const withMemory =
  (f: Binary, source: Source): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    if (u.isEmpty(0)) u.underflow(() => u.set(0, INDEFINITE))
    else {
      const result = f(u.get(0), source(bytes), u)
      if (!u.blocked) u.set(0, result)
    }
    u.end(addressOf(bytes))
  }
/** f(ST(0), ST(i)) into ST(0) or ST(i). */
const withRegister =
  (f: Binary, toRegister: boolean, pops: boolean): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    const i = registerOf(record, bytes)
    const to = toRegister ? i : 0
    const finish = (result: Unpacked): void => {
      u.set(to, result)
      if (pops) u.pop()
    }
    if (u.isEmpty(0) || u.isEmpty(i)) u.underflow(() => finish(INDEFINITE))
    else {
      const result = f(u.get(0), u.get(i), u)
      if (!u.blocked) finish(result)
    }
    u.end()
  }
/** ST(0) = f(ST(0)). */
const unary =
  (f: (a: Unpacked, c: Context) => Unpacked): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    if (u.isEmpty(0)) u.underflow(() => u.set(0, INDEFINITE))
    else {
      const result = f(u.get(0), u)
      if (!u.blocked) u.set(0, result)
    }
    u.end()
  }
/** f(ST(1), ST(0)) into ST(1), and pop. */
const binaryPop =
  (f: Binary): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    const finish = (result: Unpacked): void => {
      u.set(1, result)
      u.pop()
    }
    if (u.isEmpty(0) || u.isEmpty(1)) u.underflow(() => finish(INDEFINITE))
    else {
      const result = f(u.get(1), u.get(0), u)
      if (!u.blocked) finish(result)
    }
    u.end()
  }

// ── comparison ───────────────────────────────────────────────────────────────────────────────────────────────────────

const UNORDERED = FSW_C0 | FSW_C2 | FSW_C3
const CONDITION: Readonly<Record<op.Relation, number>> = {
  greater: 0,
  less: FSW_C0,
  equal: FSW_C3,
  unordered: UNORDERED,
}
const EFLAGS: Readonly<Record<op.Relation, number>> = {
  greater: 0,
  less: FLAGS_CF,
  equal: FLAGS_ZF,
  unordered: FLAGS_CF | FLAGS_PF | FLAGS_ZF,
}

/** An unmasked IE or DE keeps the stack as it is; the condition is told all the same (the SDM says not for IE). */
const comparison =
  (
    right: (u: Unit, record: number, bytes: DataView) => Unpacked | undefined,
    signaling: boolean,
    pops: number,
    memory: boolean,
  ): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    const b = right(u, record, bytes)
    const finish = (relation: op.Relation): void => {
      u.condition(CONDITION[relation])
      if (!u.blocked) for (let i = 0; i < pops; i++) u.pop()
    }
    if (u.isEmpty(0) || b === undefined) {
      u.underflow(() => {})
      finish('unordered')
    } else finish(op.compare(u.get(0), b, signaling, u))
    u.end(memory ? addressOf(bytes) : undefined)
  }
const inRegister = (u: Unit, record: number, bytes: DataView): Unpacked | undefined => {
  const i = registerOf(record, bytes)
  return u.isEmpty(i) ? undefined : u.get(i)
}
const inMemory =
  (source: Source) =>
  (_: Unit, _record: number, bytes: DataView): Unpacked =>
    source(bytes)

/** FCOMI and its kin: the relation into ZF, PF and CF; OF, SF and AF are cleared. */
const comparisonToFlags =
  (signaling: boolean, pops: boolean): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    const finish = (relation: op.Relation): void => {
      core.state.rflags = (core.state.rflags & ~FLAGS_ARITHMETIC) | EFLAGS[relation]
      if (pops && !u.blocked) u.pop()
    }
    u.keepC1()
    const b = inRegister(u, record, bytes)
    if (u.isEmpty(0) || b === undefined) {
      u.underflow(() => {})
      finish('unordered')
    } else finish(op.compare(u.get(0), b, signaling, u))
    u.end()
  }

/** SDM 2A table 3-36; C1 is the sign, also of an empty register. */
const fxam: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  u.c1 = u.rawSignExponent(0) >> 15 !== 0
  u.condition(u.isEmpty(0) ? FSW_C3 | FSW_C0 : classOf(u.get(0)))
  u.end()
}
const classOf = (a: Unpacked): number => {
  switch (a.kind) {
    case 'zero':
      return FSW_C3
    case 'infinity':
      return FSW_C2 | FSW_C0
    case 'nan':
      return isUnsupported(a) ? 0 : FSW_C0
    case 'finite':
      return a.denormal ? FSW_C3 | FSW_C2 : FSW_C2
  }
}

// ── loads and stores ─────────────────────────────────────────────────────────────────────────────────────────────────

/** An unmasked DE is reported after the push (the SDM has it before, and the operand not loaded). */
const load =
  (source: Source): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    if (!u.isEmpty(-1)) u.overflow()
    else {
      const value = widen(source(bytes), u)
      if (!u.invalidRaised) u.push(value)
    }
    u.end(addressOf(bytes))
  }
/** Bits as they are: unsupported encodings and signaling NaNs too. */
const loadExtended: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  if (!u.isEmpty(-1)) u.overflow()
  else {
    u.moveTop(-1)
    u.setRaw(0, bytes.getBigUint64(VALUE, true), bytes.getUint16(VALUE + 8, true))
  }
  u.end(addressOf(bytes))
}
const DIGITS = 18
const loadDecimal: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  u.pushOrOverflow(() => {
    let value = 0n
    // Digits above 9 are undefined by the manual; they count as what they are.
    for (let i = DIGITS - 1; i >= 0; i--)
      value = value * 10n + BigInt((bytes.getUint8(VALUE + (i >> 1)) >> ((i & 1) * 4)) & 15)
    const negative = bytes.getUint8(VALUE + 9) >> 7 !== 0
    if (value === 0n) return zero(negative ? 1 : 0)
    return fromInteger(negative ? -value : value)
  })
  u.end(addressOf(bytes))
}
const loadRegister: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  const i = registerOf(record, bytes)
  if (u.isEmpty(i)) {
    u.underflow(() => {
      u.moveTop(-1)
      u.set(0, INDEFINITE)
    })
  } else if (!u.isEmpty(-1)) u.overflow()
  else {
    const significand = u.rawSignificand(i)
    const signExponent = u.rawSignExponent(i)
    u.moveTop(-1)
    u.setRaw(0, significand, signExponent)
  }
  u.end()
}
const loadConstant =
  (value: (rounding: Rounding) => Unpacked): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    u.pushOrOverflow(() => value(u.rounding))
    u.end()
  }

/** First half of a store: `compute` writes the value, or answers false to leave memory alone. */
const store =
  (empty: (bytes: DataView) => void, compute: (u: Unit, bytes: DataView) => boolean, pops: boolean): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    let stores = false
    if (u.isEmpty(0)) {
      u.underflow(() => {
        empty(bytes)
        stores = true
      })
    } else stores = compute(u, bytes)
    bytes.setUint32(STORES, stores ? 1 : 0, true)
    bytes.setUint32(POPS, stores && pops ? 1 : 0, true)
  }
/** Second half. */
const commitStore: X87Function = (_core, _record, bytes) => {
  if (bytes.getUint32(POPS, true) !== 0) unit.pop()
  unit.end(addressOf(bytes))
}
/** An unmasked exception keeps memory and stack as they are; an unmasked PE does not. */
const storable = (u: Unit): boolean => (u.flags & ~u.masks & STORE_BLOCKING) === 0
const STORE_BLOCKING = IE | OE | UE
/** What was not stored was not rounded either. */
const unstored = (u: Unit): false => {
  u.flags &= ~PE
  u.c1 = false
  return false
}

const putFloat = (format: Format, bytes: DataView, value: Unpacked): void =>
  bytes.setBigUint64(VALUE, pack(format, value), true)
const storeFloat = (format: Format, pops: boolean): X87Function =>
  store(
    (bytes) => putFloat(format, bytes, INDEFINITE),
    (u, bytes) => {
      const value = narrow(u.get(0), format, u)
      if (!storable(u)) return unstored(u)
      putFloat(format, bytes, value)
      return true
    },
    pops,
  )
const storeExtended = store(
  (bytes) => {
    bytes.setBigUint64(VALUE, (1n << 63n) | QUIET_BIT, true)
    bytes.setUint16(VALUE + 8, 0xffff, true)
  },
  (u, bytes) => {
    bytes.setBigUint64(VALUE, u.rawSignificand(0), true)
    bytes.setUint16(VALUE + 8, u.rawSignExponent(0), true)
    return true
  },
  true,
)
const integerIndefinite = (bits: number): bigint => -(1n << BigInt(bits - 1))
const storeInteger = (bits: number, pops: boolean, truncates: boolean): X87Function =>
  store(
    (bytes) => bytes.setBigInt64(VALUE, integerIndefinite(bits), true),
    (u, bytes) => {
      const value = toInteger(u.get(0), bits, truncates ? Rounding.Zero : u.rounding, u)
      if (!storable(u)) return unstored(u)
      bytes.setBigInt64(VALUE, value ?? integerIndefinite(bits), true)
      return true
    },
    pops,
  )
const putDecimalIndefinite = (bytes: DataView): void => {
  bytes.setBigUint64(VALUE, 0xc000000000000000n, true)
  bytes.setUint16(VALUE + 8, 0xffff, true)
}
const DECIMAL_LIMIT = 10n ** BigInt(DIGITS)
const storeDecimal = store(
  putDecimalIndefinite,
  (u, bytes) => {
    const a = u.get(0)
    let value = toInteger(a, 64, u.rounding, u)
    if (value !== undefined && (value >= DECIMAL_LIMIT || value <= -DECIMAL_LIMIT)) {
      value = undefined
      u.flags = IE
      u.c1 = false
    }
    if (!storable(u)) return unstored(u)
    if (value === undefined) putDecimalIndefinite(bytes)
    else {
      let rest = value < 0n ? -value : value
      for (let i = 0; i < DIGITS / 2; i++) {
        const two = Number(rest % 100n)
        rest /= 100n
        bytes.setUint8(VALUE + i, (Math.floor(two / 10) << 4) | (two % 10))
      }
      bytes.setUint8(VALUE + 9, a.sign << 7)
    }
    return true
  },
  true,
)
const storeRegister =
  (pops: boolean): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    const i = registerOf(record, bytes)
    const finish = (significand: bigint, signExponent: number): void => {
      u.setRaw(i, significand, signExponent)
      if (pops) u.pop()
    }
    if (u.isEmpty(0)) u.underflow(() => finish((1n << 63n) | QUIET_BIT, 0xffff))
    else finish(u.rawSignificand(0), u.rawSignExponent(0))
    u.end()
  }
/** FSTP's alias D9 D8+i: an empty ST(0) is popped and nothing else. */
const storeUnlessEmpty: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  if (!u.isEmpty(0)) u.setRaw(registerOf(record, bytes), u.rawSignificand(0), u.rawSignExponent(0))
  u.pop()
  u.end()
}
const exchange: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  const i = registerOf(record, bytes)
  const swap = (): void => {
    const significand = u.rawSignificand(0)
    const signExponent = u.rawSignExponent(0)
    u.setRaw(0, u.rawSignificand(i), u.rawSignExponent(i))
    u.setRaw(i, significand, signExponent)
  }
  if (u.isEmpty(0) || u.isEmpty(i)) {
    u.underflow(() => {
      if (u.isEmpty(0)) u.set(0, INDEFINITE)
      if (u.isEmpty(i)) u.set(i, INDEFINITE)
      swap()
    })
  } else swap()
  u.end()
}
/** FCMOVcc; the condition is at VALUE. */
const conditionalMove: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  const i = registerOf(record, bytes)
  u.keepC1()
  if (u.isEmpty(0) || u.isEmpty(i)) u.underflow(() => u.set(0, INDEFINITE))
  else if (bytes.getUint32(VALUE, true) !== 0) u.setRaw(0, u.rawSignificand(i), u.rawSignExponent(i))
  u.end()
}

// ── sign, remainder, parts ───────────────────────────────────────────────────────────────────────────────────────────

const changeSign =
  (change: (signExponent: number) => number): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    if (u.isEmpty(0)) u.underflow(() => u.set(0, INDEFINITE))
    else u.setRaw(0, u.rawSignificand(0), change(u.rawSignExponent(0)))
    u.end()
  }

const remainder =
  (nearest: boolean): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    u.fsw &= ~FSW_C2
    if (u.isEmpty(0) || u.isEmpty(1)) u.underflow(() => u.set(0, INDEFINITE))
    else {
      const { value, quotient, partial } = op.remainder(u.get(0), u.get(1), nearest, u)
      if (!u.blocked) {
        u.set(0, value)
        // Quotient bits 2, 1, 0 are in C0, C3, C1; a NaN has none.
        if (value.kind !== 'nan')
          u.condition(
            (partial ? FSW_C2 : 0) | ((quotient & 4) !== 0 ? FSW_C0 : 0) | ((quotient & 2) !== 0 ? FSW_C3 : 0),
          )
        u.c1 = (quotient & 1) !== 0
      }
    }
    u.end()
  }
const scale: X87Function = (core, record, bytes) => {
  const u = unit.begin(core, record, bytes)
  if (u.isEmpty(0) || u.isEmpty(1)) u.underflow(() => u.set(0, INDEFINITE))
  else {
    const result = op.scale(u.get(0), u.get(1), u)
    if (!u.blocked) u.set(0, result)
  }
  u.end()
}

/** Replaces ST(0) by one value and pushes another. */
const split =
  (f: (a: Unpacked, u: Unit) => { readonly under: Unpacked; readonly top: Unpacked } | undefined): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    const finish = (under: Unpacked, top: Unpacked): void => {
      u.set(0, under)
      u.push(top)
    }
    if (u.isEmpty(0)) u.underflow(() => finish(INDEFINITE, INDEFINITE))
    else if (!u.isEmpty(-1)) {
      u.overflow()
      if (!u.invalidUnmasked) u.set(1, INDEFINITE)
    } else {
      const result = f(u.get(0), u)
      if (result !== undefined && !u.blocked) finish(result.under, result.top)
    }
    u.end()
  }
const extract = split((a, u) => {
  const { exponent, significand } = op.extract(a, u)
  return { under: exponent, top: significand }
})

// ── trigonometry: C2 says that the argument was out of range and nothing was done ─────────────────────────────────────

const trigonometric =
  (f: (a: Unpacked, c: Context) => Unpacked): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    u.fsw &= ~FSW_C2
    if (u.isEmpty(0)) u.underflow(() => u.set(0, INDEFINITE))
    else {
      const a = u.get(0)
      if (outOfRange(a)) u.fsw |= FSW_C2
      else {
        const result = f(a, u)
        if (!u.blocked) u.set(0, result)
      }
    }
    u.end()
  }
const inRange =
  (f: (a: Unpacked, u: Unit) => { readonly under: Unpacked; readonly top: Unpacked }) =>
  (a: Unpacked, u: Unit): { readonly under: Unpacked; readonly top: Unpacked } | undefined => {
    if (!outOfRange(a)) return f(a, u)
    u.fsw |= FSW_C2
    return undefined
  }
/** C2 is cleared even by a stack fault. */
const clearingC2 =
  (f: X87Function): X87Function =>
  (core, record, bytes) => {
    const { view } = core.state
    view.setUint16(FSW, view.getUint16(FSW, true) & ~FSW_C2, true)
    f(core, record, bytes)
  }
const fptan = split(
  inRange((a, u) => {
    const under = tan(a, u)
    return { under, top: under.kind === 'nan' ? under : ONE }
  }),
)
const fsincos = split(
  inRange((a, u) => {
    const under = sin(a, u)
    const { c1 } = u
    const top = cos(a, u)
    // C1 is the sine's.
    u.c1 = c1
    return { under, top }
  }),
)

// ── control ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An exception is pending and a waiting instruction has come. */
const pending: X87Function = (core) => {
  if ((core.state.get32(CR0) & CR0_NE) !== 0) throw new GuestFault(MF)
  core.log('x87: an exception with CR0.NE clear is reported by IRQ 13, which is not connected; it is ignored')
}
const wait: X87Function = (core, record, bytes) => {
  if ((core.state.get32(CR0) & (CR0_MP | CR0_TS)) === (CR0_MP | CR0_TS)) throw new GuestFault(NM)
  if ((core.state.view.getUint16(FSW, true) & FSW_ES) !== 0) pending(core, record, bytes)
}
const loadControl: X87Function = (core, _record, bytes) => {
  const { view } = core.state
  const control = (bytes.getUint16(VALUE, true) & FCW_DEFINED) | FCW_FIXED
  const status = view.getUint16(FSW, true)
  view.setUint16(FCW, control, true)
  const unmasked = (status & ~control & FSW_EXCEPTIONS) !== 0
  view.setUint16(FSW, unmasked ? status | FSW_ES | FSW_B : status & ~(FSW_ES | FSW_B), true)
}
const clearExceptions: X87Function = (core) => {
  const { view } = core.state
  view.setUint16(FSW, view.getUint16(FSW, true) & ~(FSW_EXCEPTIONS | FSW_SF | FSW_ES | FSW_B), true)
}
/** FNOP only moves the instruction pointer. */
const nop: X87Function = (core, record, bytes) => {
  unit.begin(core, record, bytes)
  unit.keepC1()
  unit.end()
}
const rotate =
  (by: number): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    u.moveTop(by)
    u.end()
  }
const free =
  (pops: boolean): X87Function =>
  (core, record, bytes) => {
    const u = unit.begin(core, record, bytes)
    u.free(registerOf(record, bytes))
    if (pops) u.pop()
    u.end()
  }
const environment =
  (f: (core: CpuCore, linear: bigint, operandBytes: 2 | 4) => void, operandBytes: 2 | 4): X87Function =>
  (core, _record, bytes) =>
    f(core, addressOf(bytes), operandBytes)

/** By the names that rows/x87.ts uses. */
export const X87_HOST = {
  'x87.pending': pending,
  'x87.wait': wait,
  'x87.fnop': nop,
  'x87.fld.m32': load(SOURCES.m32),
  'x87.fld.m64': load(SOURCES.m64),
  'x87.fld.m80': loadExtended,
  'x87.fld.st': loadRegister,
  'x87.fild.i16': load(SOURCES.i16),
  'x87.fild.i32': load(SOURCES.i32),
  'x87.fild.i64': load(SOURCES.i64),
  'x87.fbld': loadDecimal,
  'x87.store': commitStore,
  'x87.fst.m32': storeFloat(BINARY32, false),
  'x87.fst.m64': storeFloat(BINARY64, false),
  'x87.fstp.m32': storeFloat(BINARY32, true),
  'x87.fstp.m64': storeFloat(BINARY64, true),
  'x87.fstp.m80': storeExtended,
  'x87.fst.st': storeRegister(false),
  'x87.fstp.st': storeRegister(true),
  'x87.fstpnce': storeUnlessEmpty,
  'x87.fbstp': storeDecimal,
  'x87.fxch': exchange,
  'x87.fcmov': conditionalMove,
  'x87.ftst': comparison(() => zero(0), true, 0, false),
  'x87.fxam': fxam,
  'x87.fchs': changeSign((x) => x ^ 0x8000),
  'x87.fabs': changeSign((x) => x & 0x7fff),
  'x87.fsqrt': unary(op.squareRoot),
  'x87.frndint': unary(op.roundToInteger),
  'x87.fscale': scale,
  'x87.fxtract': extract,
  'x87.fprem': remainder(false),
  'x87.fprem1': remainder(true),
  'x87.f2xm1': unary(exp2m1),
  'x87.fyl2x': binaryPop(yLog2),
  'x87.fyl2xp1': binaryPop(yLog2p1),
  'x87.fpatan': binaryPop(atan2),
  'x87.fsin': trigonometric(sin),
  'x87.fcos': trigonometric(cos),
  'x87.fptan': clearingC2(fptan),
  'x87.fsincos': clearingC2(fsincos),
  'x87.fcomi': comparisonToFlags(true, false),
  'x87.fcomip': comparisonToFlags(true, true),
  'x87.fucomi': comparisonToFlags(false, false),
  'x87.fucomip': comparisonToFlags(false, true),
  'x87.fcom.st': comparison(inRegister, true, 0, false),
  'x87.fcomp.st': comparison(inRegister, true, 1, false),
  'x87.fucom.st': comparison(inRegister, false, 0, false),
  'x87.fucomp.st': comparison(inRegister, false, 1, false),
  'x87.fcompp': comparison((u) => (u.isEmpty(1) ? undefined : u.get(1)), true, 2, false),
  'x87.fucompp': comparison((u) => (u.isEmpty(1) ? undefined : u.get(1)), false, 2, false),
  'x87.fld1': loadConstant(() => ONE),
  'x87.fldz': loadConstant(() => zero(0)),
  'x87.fldcw': loadControl,
  'x87.fnclex': clearExceptions,
  'x87.fninit': fninit,
  'x87.fincstp': rotate(1),
  'x87.fdecstp': rotate(-1),
  'x87.ffree': free(false),
  'x87.ffreep': free(true),
  'x87.fnsave16': environment(fsave, 2),
  'x87.fnsave32': environment(fsave, 4),
  'x87.frstor16': environment(frstor, 2),
  'x87.frstor32': environment(frstor, 4),
  'x87.fnstenv16': environment(fstenv, 2),
  'x87.fnstenv32': environment(fstenv, 4),
  'x87.fldenv16': environment(fldenv, 2),
  'x87.fldenv32': environment(fldenv, 4),
  ...named(
    ['fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2'],
    (name) => `x87.${name}` as const,
    (name) => loadConstant((rounding) => constant(name, rounding)),
  ),
  ...named(
    [16, 32],
    (bits) => `x87.fist.i${bits}` as const,
    (bits) => storeInteger(bits, false, false),
  ),
  ...named(
    [16, 32, 64],
    (bits) => `x87.fistp.i${bits}` as const,
    (bits) => storeInteger(bits, true, false),
  ),
  ...named(
    [16, 32, 64],
    (bits) => `x87.fisttp.i${bits}` as const,
    (bits) => storeInteger(bits, true, true),
  ),
  ...named(
    BINARY_NAMES,
    (name) => `x87.${name}.st0` as const,
    (name) => withRegister(BINARIES[name], false, false),
  ),
  ...named(
    BINARY_NAMES,
    (name) => `x87.${name}.sti` as const,
    (name) => withRegister(BINARIES[name], true, false),
  ),
  ...named(
    BINARY_NAMES,
    (name) => `x87.${name}p` as const,
    (name) => withRegister(BINARIES[name], true, true),
  ),
  ...named(
    BINARY_NAMES.flatMap((name) => OPERANDS.map((from) => ({ name, from }))),
    ({ name, from }) => `x87.${name}.${from}` as const,
    ({ name, from }) => withMemory(BINARIES[name], SOURCES[from]),
  ),
  ...named(
    OPERANDS,
    (from) => `x87.fcom.${from}` as const,
    (from) => comparison(inMemory(SOURCES[from]), true, 0, true),
  ),
  ...named(
    OPERANDS,
    (from) => `x87.fcomp.${from}` as const,
    (from) => comparison(inMemory(SOURCES[from]), true, 1, true),
  ),
} satisfies Record<string, X87Function>
export type X87Name = keyof typeof X87_HOST
