import { describe, expect, test } from 'vitest'
import { CpuState } from '../../state/cpu-state.ts'
import { GuestFault, UD, XM } from '../../state/fault.ts'
import { CR4, CR4_OSXMMEXCPT, MXCSR, SCRATCH } from '../../state/layout.ts'
import { add, type Context, divide, fromInteger, multiply, squareRoot, subtract, toInteger } from './arithmetic.ts'
import { BINARY32, BINARY64, bitLength, DE, IE, PE, pack, Rounding, UE, unpack } from './format.ts'
import { FLOAT_OPERATION, FLOAT_SECOND, SSE_HOST } from './host.ts'
import { operationCode } from './sse-operations.ts'

const context = (rounding: Rounding = Rounding.Nearest): Context => ({
  rounding,
  masks: 0x3f,
  flushToZero: false,
  flags: 0,
  chooseNan: (a) => a,
})
const view = new DataView(new ArrayBuffer(8))
const bitsOf = (value: number): bigint => {
  view.setFloat64(0, value)
  return view.getBigUint64(0)
}
const numberOf = (bits: bigint): number => {
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
}
const double = (value: number) => unpack(BINARY64, bitsOf(value))

let seed = 1
const random = (): number => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
  return seed / 2 ** 32
}
const someDouble = (): number => {
  const scale = [1, 2, 40, 1000, 1070][Math.trunc(random() * 5)]!
  return (random() < 0.5 ? -1 : 1) * (1 + random()) * 2 ** Math.round((random() * 2 - 1) * scale)
}

describe('binary64 rounds as JavaScript does', () => {
  const operations = {
    add: [add, (a: number, b: number) => a + b],
    subtract: [subtract, (a: number, b: number) => a - b],
    multiply: [multiply, (a: number, b: number) => a * b],
    divide: [divide, (a: number, b: number) => a / b],
  } as const
  test.each(Object.entries(operations))('%s', (_, [soft, native]) => {
    for (let i = 0; i < 5000; i++) {
      const [a, b] = [someDouble(), someDouble()]
      const got = pack(BINARY64, soft(double(a), double(b), BINARY64, context()))
      expect([a, b, numberOf(got)]).toEqual([a, b, native(a, b)])
    }
  })
  test('square root', () => {
    for (let i = 0; i < 5000; i++) {
      const a = Math.abs(someDouble())
      expect(numberOf(pack(BINARY64, squareRoot(double(a), BINARY64, context())))).toBe(Math.sqrt(a))
    }
  })
  test('narrowing to binary32', () => {
    for (let i = 0; i < 5000; i++) {
      const a = someDouble()
      const sum = add(double(a), double(0), BINARY32, context())
      view.setFloat32(0, a)
      expect(pack(BINARY32, sum)).toBe(BigInt(view.getUint32(0)))
    }
  })
})

describe('flags', () => {
  const flagsOf = (compute: (c: Context) => unknown): number => {
    const c = context()
    compute(c)
    return c.flags
  }
  test('an inexact sum is PE, an exact one nothing', () => {
    expect(flagsOf((c) => add(double(1), double(2 ** -60), BINARY64, c))).toBe(PE)
    expect(flagsOf((c) => add(double(1), double(2), BINARY64, c))).toBe(0)
  })
  test('a denormal operand is DE, a tiny inexact product UE and PE', () => {
    expect(flagsOf((c) => add(double(5e-324), double(0), BINARY64, c))).toBe(DE)
    expect(flagsOf((c) => multiply(double(1e-300), double(1e-20), BINARY64, c))).toBe(UE | PE)
  })
  test('infinity minus infinity is IE and the negative quiet NaN', () => {
    const c = context()
    expect(pack(BINARY64, subtract(double(Infinity), double(Infinity), BINARY64, c))).toBe(0xfff8000000000000n)
    expect(c.flags).toBe(IE)
  })
  test('an integer out of range is IE and 80...0', () => {
    const c = context()
    expect(toInteger(double(2 ** 31), 32, c)).toBe(-(2n ** 31n))
    expect(c.flags).toBe(IE)
  })
})

test('any precision: 64 bits of significand, for x87', () => {
  const extended = { precision: 64, emin: -16382, emax: 16383 }
  const c = context()
  const third = divide(double(1), double(3), extended, c)
  expect([third.significand, third.exponent, c.flags]).toEqual([0xaaaaaaaaaaaaaaabn, -65, PE])
  const big = fromInteger(0x7fffffffffffffffn, extended, context())
  expect(bitLength(big.significand) + big.exponent).toBe(63)
})

describe('unmasked exceptions', () => {
  const divideByZero = (cr4: number): { fault: unknown; mxcsr: number } => {
    const state = new CpuState(new ArrayBuffer(0x10000))
    state.set32(CR4, cr4)
    state.set32(MXCSR, 0x1f80 & ~0x200)
    state.set64(SCRATCH, bitsOf(1))
    state.set64(FLOAT_SECOND, 0n)
    state.set32(FLOAT_OPERATION, operationCode('div.64x1'))
    try {
      SSE_HOST['sse.float']({ state })
    } catch (fault) {
      return { fault, mxcsr: state.get32(MXCSR) }
    }
    return { fault: undefined, mxcsr: state.get32(MXCSR) }
  }
  test('raise #XM and set their flag', () => {
    expect(divideByZero(CR4_OSXMMEXCPT)).toEqual({ fault: new GuestFault(XM), mxcsr: 0x1d84 })
  })
  test('raise #UD when the operating system does not take #XM', () => {
    expect(divideByZero(0)).toEqual({ fault: new GuestFault(UD), mxcsr: 0x1d84 })
  })
})
