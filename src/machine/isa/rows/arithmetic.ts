/**
 * Integer arithmetic and logic: ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT, XADD CMPXCHG, MUL IMUL DIV IDIV,
 * sign extension, and the decimal adjustments of legacy modes. SDM 2A, 2B.
 */
import { i32, i64, select } from '../../../wasm/instructions.ts'
import type { I64 } from '../../../wasm/value.ts'
import { DE, GP } from '../../state/fault.ts'
import { RAX, RBX, RCX, RDX, SCRATCH } from '../../state/layout.ts'
import { type Builder, k, maskOf, state, storeInt } from '../builder.ts'
import { host } from '../host.ts'
import type { Meaning } from '../operand.ts'
import { type Row, row, sized } from '../row.ts'

const add: Meaning = (b, d, s) => {
  const x = d.read()
  const y = s.read()
  const z = b.let(i64.add(x, y))
  d.write(z)
  b.flagsAdd(x, y, z)
}
const adc: Meaning = (b, d, s) => {
  const x = d.read()
  const y = s.read()
  const z = b.let(i64.add(i64.add(x, y), b.carry()))
  d.write(z)
  b.flagsAdd(x, y, z)
}
const sub: Meaning = (b, d, s) => {
  const x = d.read()
  const y = s.read()
  const z = b.let(i64.sub(x, y))
  d.write(z)
  b.flagsSub(x, y, z)
}
const sbb: Meaning = (b, d, s) => {
  const x = d.read()
  const y = s.read()
  const z = b.let(i64.sub(i64.sub(x, y), b.carry()))
  d.write(z)
  b.flagsSub(x, y, z)
}
const cmp: Meaning = (b, d, s) => {
  const x = d.read()
  const y = s.read()
  b.flagsSub(x, y, b.let(i64.sub(x, y)))
}
const logic =
  (op: (x: I64, y: I64) => I64): Meaning =>
  (b, d, s) => {
    const z = b.let(op(d.read(), s.read()))
    d.write(z)
    b.flagsLogic(z)
  }
const and = logic(i64.and)
const or = logic(i64.or)
const xor = logic(i64.xor)
const test: Meaning = (b, d, s) => {
  b.flagsLogic(b.let(i64.and(d.read(), s.read())))
}
const inc: Meaning = (b, d) => {
  const x = d.read()
  const z = b.let(i64.add(x, k(1)))
  d.write(z)
  b.flagsStep(x, z, -1n << BigInt(b.bits - 1))
}
const dec: Meaning = (b, d) => {
  const x = d.read()
  const z = b.let(i64.sub(x, k(1)))
  d.write(z)
  b.flagsStep(x, z, (1n << BigInt(b.bits - 1)) - 1n)
}
const neg: Meaning = (b, d) => {
  const x = d.read()
  const z = b.let(i64.sub(k(0), x))
  d.write(z)
  b.flagsSub(k(0), x, z)
}
const not: Meaning = (_, d) => {
  d.write(i64.xor(d.read(), k(-1)))
}

const xadd: Meaning = (b, d, s) => {
  const x = d.read()
  const y = s.read()
  const z = b.let(i64.add(x, y))
  s.write(x)
  d.write(z)
  b.flagsAdd(x, y, z)
}
const cmpxchg: Meaning = (b, d, s) => {
  const x = d.read()
  const y = s.read()
  const accumulator = b.let(b.gpr(RAX))
  const equal = b.let(i64.eq(accumulator, x))
  // Memory is written either way; a register that compares unequal is not touched, its upper half neither.
  if (d.isMemory) d.write(select(y, x, equal))
  else b.f.if(equal, () => d.write(y))
  b.f.if(i32.eqz(equal), () => b.setGpr(RAX, x))
  b.flagsSub(accumulator, x, b.let(i64.sub(accumulator, x)))
}
/** CMPXCHG8B and CMPXCHG16B: compares EDX:EAX (RDX:RAX) with memory of twice the operand size. */
const cmpxchgPair: Meaning = (b, m) => {
  const half = b.bits
  if (half === 64) b.faultIf(i32.and(i32.wrap_i64(m.address()), i32.const(15)), GP)
  const at = b.modifyAddress(m.address(), half / 4)
  const low = b.let(half === 64 ? i64.load(at) : i64.load32_u(at))
  const high = b.let(half === 64 ? i64.load(at, 8) : i64.load32_u(at, 4))
  const equal = b.let(i32.and(i64.eq(low, b.gpr(RAX)), i64.eq(high, b.gpr(RDX))))
  b.f.if(
    equal,
    () => b.f.emit([storeInt(at, b.gpr(RBX), half), storeInt(at, b.gpr(RCX), half, half / 8)]),
    () => {
      b.setGpr(RAX, low)
      b.setGpr(RDX, high)
    },
  )
  b.finishModify(at)
  b.setZero(i64.extend_i32_u(equal))
}

/** The high 64 bits of an unsigned product, by 32-bit halves. */
const mulHigh = (b: Builder, x: I64, y: I64): I64 => {
  const low32 = (v: I64): I64 => i64.and(v, k(0xffffffffn))
  const xl = b.let(low32(x))
  const xh = b.let(i64.shr_u(x, k(32)))
  const yl = b.let(low32(y))
  const yh = b.let(i64.shr_u(y, k(32)))
  const lh = b.let(i64.add(i64.mul(xh, yl), i64.shr_u(i64.mul(xl, yl), k(32))))
  const hl = b.let(i64.add(i64.mul(xl, yh), low32(lh)))
  return b.let(i64.add(i64.add(i64.mul(xh, yh), i64.shr_u(lh, k(32))), i64.shr_u(hl, k(32))))
}
const mulHighSigned = (b: Builder, x: I64, y: I64): I64 => {
  const unsigned = mulHigh(b, x, y)
  const correction = i64.add(i64.and(i64.shr_s(x, k(63)), y), i64.and(i64.shr_s(y, k(63)), x))
  return b.let(i64.sub(unsigned, correction))
}
/** Writes a double-width product: AX, DX:AX, EDX:EAX or RDX:RAX. */
const setProduct = (b: Builder, low: I64, high: I64): void => {
  if (b.bits === 8) b.setGpr(RAX, i64.or(i64.shl(high, k(8)), i64.and(low, k(0xff))), 16)
  else {
    b.setGpr(RAX, low)
    b.setGpr(RDX, high)
  }
}
/** SF and PF are the lower half's, AF and ZF are 0: the manual leaves them undefined, Intel's processors do this. */
const flagsProduct = (b: Builder, low: I64, overflow: I64): void => {
  // 3 has the sign and parity of 0.
  b.flagsResult(b.let(select(low, k(3), i64.ne(b.trunc(low), k(0)))), overflow, overflow)
}
const mul: Meaning = (b, s) => {
  const y = s.read()
  const x = b.let(b.gpr(RAX))
  const low = b.let(i64.mul(x, y))
  const high = b.bits === 64 ? mulHigh(b, x, y) : b.let(i64.shr_u(low, k(b.bits)))
  setProduct(b, low, high)
  const overflow = b.let(i64.extend_i32_u(i64.ne(high, k(0))))
  flagsProduct(b, low, overflow)
}
const imulWide: Meaning = (b, s) => {
  const y = b.let(b.sext(s.read()))
  const x = b.let(b.sext(b.gpr(RAX)))
  const low = b.let(i64.mul(x, y))
  const high = b.bits === 64 ? mulHighSigned(b, x, y) : b.let(i64.shr_s(low, k(b.bits)))
  setProduct(b, low, high)
  const overflow = b.let(
    i64.extend_i32_u(b.bits === 64 ? i64.ne(high, i64.shr_s(low, k(63))) : i64.ne(b.sext(low), low)),
  )
  flagsProduct(b, low, overflow)
}
const imulInto = (b: Builder, x: I64, y: I64): { product: I64; overflow: I64 } => {
  const product = b.let(i64.mul(x, y))
  const lost =
    b.bits === 64 ? i64.ne(mulHighSigned(b, x, y), i64.shr_s(product, k(63))) : i64.ne(b.sext(product), product)
  return { product, overflow: b.let(i64.extend_i32_u(lost)) }
}
const imul2: Meaning = (b, d, s) => {
  const y = b.let(b.sext(s.read()))
  const { product, overflow } = imulInto(b, b.let(b.sext(d.read())), y)
  d.write(product)
  flagsProduct(b, product, overflow)
}
const imul3: Meaning = (b, d, s, i) => {
  const x = b.let(b.sext(s.read()))
  const { product, overflow } = imulInto(b, x, b.let(b.sext(i.read())))
  d.write(product)
  flagsProduct(b, product, overflow)
}

/** DIV and IDIV leave the flags as they were. */
const div: Meaning = (b, s) => {
  const y = s.read()
  b.faultIf(i64.eqz(y), DE)
  if (b.bits === 64) {
    const high = b.let(b.gpr(RDX))
    const low = b.let(b.gpr(RAX))
    b.faultIf(i64.ge_u(high, y), DE)
    b.f.if(
      i64.eqz(high),
      () => {
        b.setGpr(RAX, i64.div_u(low, y))
        b.setGpr(RDX, i64.rem_u(low, y))
      },
      () => {
        b.f.emit(state.store64(SCRATCH, y))
        b.host('div128')
      },
    )
    return
  }
  const dividend = b.let(b.bits === 8 ? b.gpr(RAX, 16) : i64.or(i64.shl(b.gpr(RDX), k(b.bits)), b.gpr(RAX)))
  const quotient = b.let(i64.div_u(dividend, y))
  b.faultIf(i64.gt_u(quotient, k(maskOf(b.bits))), DE)
  setProduct(b, quotient, b.let(i64.rem_u(dividend, y)))
}
const idiv: Meaning = (b, s) => {
  const y = b.let(b.sext(s.read()))
  b.faultIf(i64.eqz(y), DE)
  if (b.bits === 64) {
    const high = b.let(b.gpr(RDX))
    const low = b.let(b.gpr(RAX))
    const simple = i32.and(i64.eq(high, i64.shr_s(low, k(63))), i32.or(i64.ne(y, k(-1)), i64.ne(low, k(1n << 63n))))
    b.f.if(
      simple,
      () => {
        b.setGpr(RAX, i64.div_s(low, y))
        b.setGpr(RDX, i64.rem_s(low, y))
      },
      () => {
        b.f.emit(state.store64(SCRATCH, y))
        b.host('idiv128')
      },
    )
    return
  }
  const dividend = b.let(
    b.bits === 8
      ? i64.extend16_s(b.gpr(RAX, 16))
      : b.bits === 16
        ? i64.extend32_s(i64.or(i64.shl(b.gpr(RDX), k(16)), b.gpr(RAX)))
        : i64.or(i64.shl(b.gpr(RDX), k(32)), b.gpr(RAX)),
  )
  // The one 64-bit quotient wasm traps on; it does not fit 32 bits either.
  if (b.bits === 32) b.faultIf(i32.and(i64.eq(y, k(-1)), i64.eq(dividend, k(1n << 63n))), DE)
  const quotient = b.let(i64.div_s(dividend, y))
  b.faultIf(i64.ne(b.sext(quotient), quotient), DE)
  setProduct(b, quotient, b.let(i64.rem_s(dividend, y)))
}

/** CBW CWDE CDQE: the accumulator's lower half sign-extended into all of it. */
const extendAccumulator: Meaning = (b) => {
  const half = (b.bits / 2) as 8 | 16 | 32
  b.setGpr(RAX, b.sext(b.gpr(RAX, half), half))
}
/** CWD CDQ CQO: rDX becomes the accumulator's sign. */
const extendIntoDx: Meaning = (b) => {
  b.setGpr(RDX, i64.shr_s(b.sext(b.gpr(RAX)), k(63)))
}

/** The eight two-operand operations share their encodings, from `base` in steps of 8 (SDM 2D table A-2). */
const family = (name: string, base: number, meaning: Meaning): Row[] => {
  const op = (n: number): string => (base + n).toString(16).toUpperCase().padStart(2, '0')
  const access = name === 'CMP' ? 'r r' : 'rw r'
  const options = { lock: name !== 'CMP', hot: true }
  const digit = base >> 3
  return [
    row(`${name} r/m8, r8`, `${op(0)} /r`, access, meaning, options),
    ...sized(`${name} r/mv, rv`, `${op(1)} /r`, access, meaning, options),
    row(`${name} r8, r/m8`, `${op(2)} /r`, access, meaning, { hot: true }),
    ...sized(`${name} rv, r/mv`, `${op(3)} /r`, access, meaning, { hot: true }),
    row(`${name} AL, imm8`, `${op(4)} ib`, access, meaning, { hot: true }),
    ...sized(`${name} rAX, immv`, `${op(5)} iv`, access, meaning, { hot: true }),
    row(`${name} r/m8, imm8`, `80 /${digit} ib`, access, meaning, options),
    ...sized(`${name} r/mv, immv`, `81 /${digit} iv`, access, meaning, options),
    row(`${name} r/m8, imm8`, `82 /${digit} ib`, access, meaning, { ...options, mode: 'legacy' }),
    ...sized(`${name} r/mv, imm8`, `83 /${digit} ib`, access, meaning, options),
  ]
}

/** One-operand operations at F6/F7 and FE/FF. */
const unary = (name: string, byte: string, word: string, digit: number, meaning: Meaning, hot = false): Row[] => [
  row(`${name} r/m8`, `${byte} /${digit}`, 'rw', meaning, { lock: true, hot }),
  ...sized(`${name} r/mv`, `${word} /${digit}`, 'rw', meaning, { lock: true, hot }),
]
const accumulatorWith = (name: string, digit: number, meaning: Meaning): Row[] => [
  row(`${name} r/m8`, `F6 /${digit}`, 'r', meaning),
  ...sized(`${name} r/mv`, `F7 /${digit}`, 'r', meaning),
]

export const ARITHMETIC: readonly Row[] = [
  ...family('ADD', 0x00, add),
  ...family('OR', 0x08, or),
  ...family('ADC', 0x10, adc),
  ...family('SBB', 0x18, sbb),
  ...family('AND', 0x20, and),
  ...family('SUB', 0x28, sub),
  ...family('XOR', 0x30, xor),
  ...family('CMP', 0x38, cmp),
  row('TEST r/m8, r8', '84 /r', 'r r', test, { hot: true }),
  ...sized('TEST r/mv, rv', '85 /r', 'r r', test, { hot: true }),
  row('TEST AL, imm8', 'A8 ib', 'r r', test, { hot: true }),
  ...sized('TEST rAX, immv', 'A9 iv', 'r r', test, { hot: true }),
  ...[0, 1].flatMap((digit) => [
    row('TEST r/m8, imm8', `F6 /${digit} ib`, 'r r', test, { hot: true }),
    ...sized('TEST r/mv, immv', `F7 /${digit} iv`, 'r r', test, { hot: true }),
  ]),
  ...unary('INC', 'FE', 'FF', 0, inc, true),
  ...unary('DEC', 'FE', 'FF', 1, dec, true),
  ...unary('NOT', 'F6', 'F7', 2, not, true),
  ...unary('NEG', 'F6', 'F7', 3, neg, true),
  ...sized('INC rv', '40+r', 'rw', inc, { mode: 'legacy', hot: true }, [16, 32]),
  ...sized('DEC rv', '48+r', 'rw', dec, { mode: 'legacy', hot: true }, [16, 32]),
  ...accumulatorWith('MUL', 4, mul),
  ...accumulatorWith('IMUL', 5, imulWide),
  ...accumulatorWith('DIV', 6, div),
  ...accumulatorWith('IDIV', 7, idiv),
  ...sized('IMUL rv, r/mv', '0F AF /r', 'rw r', imul2, { hot: true }),
  ...sized('IMUL rv, r/mv, immv', '69 /r iv', 'w r r', imul3, { hot: true }),
  ...sized('IMUL rv, r/mv, imm8', '6B /r ib', 'w r r', imul3, { hot: true }),
  row('XADD r/m8, r8', '0F C0 /r', 'rw rw', xadd, { lock: true }),
  ...sized('XADD r/mv, rv', '0F C1 /r', 'rw rw', xadd, { lock: true }),
  row('CMPXCHG r/m8, r8', '0F B0 /r', 'rw r', cmpxchg, { lock: true }),
  ...sized('CMPXCHG r/mv, rv', '0F B1 /r', 'rw r', cmpxchg, { lock: true, hot: true }),
  // A 66 prefix means nothing to it.
  row('CMPXCHG8B m64', '0F C7 /1', 'x', cmpxchgPair, { lock: true, parameter: 32, writes: true }),
  row('CMPXCHG16B m128', 'REX.W + 0F C7 /1', 'x', cmpxchgPair, {
    lock: true,
    feature: 'cx16',
    osize: 64,
    writes: true,
  }),
  ...(['CBW', 'CWDE', 'CDQE'] as const).map((name, i) =>
    row(name, i === 2 ? 'REX.W + 98' : '98', '', extendAccumulator, { osize: ([16, 32, 64] as const)[i]!, hot: true }),
  ),
  ...(['CWD', 'CDQ', 'CQO'] as const).map((name, i) =>
    row(name, i === 2 ? 'REX.W + 99' : '99', '', extendIntoDx, { osize: ([16, 32, 64] as const)[i]!, hot: true }),
  ),
  row('DAA', '27', '', host('daa'), { mode: 'legacy' }),
  row('DAS', '2F', '', host('das'), { mode: 'legacy' }),
  row('AAA', '37', '', host('aaa'), { mode: 'legacy' }),
  row('AAS', '3F', '', host('aas'), { mode: 'legacy' }),
  row('AAM imm8', 'D4 ib', 'r', host('aam'), { mode: 'legacy' }),
  row('AAD imm8', 'D5 ib', 'r', host('aad'), { mode: 'legacy' }),
]
