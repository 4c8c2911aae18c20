/**
 * SSE's floating-point operations lane by lane, as soft-float computes them: what runs when the fast path of a handler
 * (isa/rows/sse-float.ts) declines. An operation is named by what it does and its lanes, "add.32x4", "sqrt.64x1"; its
 * place in OPERATIONS is the code that the handler passes.
 */
import {
  add,
  type Context,
  compare,
  convert,
  divide,
  fromInteger,
  multiply,
  type Relation,
  roundToIntegral,
  squareRoot,
  subtract,
  toInteger,
} from './arithmetic.ts'
import { BINARY32, BINARY64, type Format, IE, pack, Rounding, type Unpacked, unpack, zero } from './format.ts'

/** Operands as bits, and what comes out. */
export interface Lanes {
  /** Lane `i` of the first or second operand. */
  a(bits: 32 | 64, i: number): bigint
  b(bits: 32 | 64, i: number): bigint
  readonly imm: number
  readonly denormalsAreZero: boolean
}
/** A result lane's bits. */
export type Operation = {
  readonly name: string
  readonly resultBits: 32 | 64
  readonly lanes: number
  readonly lane: (lanes: Lanes, i: number, context: Context) => bigint
}

const formatOf = (bits: 32 | 64): Format => (bits === 32 ? BINARY32 : BINARY64)
const take = (bits: 32 | 64, value: bigint, lanes: Lanes): Unpacked => {
  const number = unpack(formatOf(bits), value)
  return number.denormal && lanes.denormalsAreZero ? zero(number.sign) : number
}

type Arithmetic = (a: Unpacked, b: Unpacked, format: Format, context: Context, lane: number) => Unpacked
const arithmetic = (name: string, bits: 32 | 64, lanes: number, compute: Arithmetic): Operation => ({
  name: `${name}.${bits}x${lanes}`,
  resultBits: bits,
  lanes,
  lane: (l, i, context) =>
    pack(formatOf(bits), compute(take(bits, l.a(bits, i), l), take(bits, l.b(bits, i), l), formatOf(bits), context, i)),
})

/** The second operand unless the relation holds; any NaN is invalid (SDM 2 MINPS). */
const extremum =
  (wanted: Relation): Arithmetic =>
  (a, b, _, context) =>
    compare(a, b, context, true) === wanted ? a : b

const PREDICATES: readonly ((r: Relation) => boolean)[] = [
  (r) => r === 'equal',
  (r) => r === 'less',
  (r) => r === 'less' || r === 'equal',
  (r) => r === 'unordered',
]
const comparison = (bits: 32 | 64, lanes: number): Operation => ({
  name: `cmp.${bits}x${lanes}`,
  resultBits: bits,
  lanes,
  lane: (l, i, context) => {
    const predicate = l.imm & 3
    const signaling = predicate === 1 || predicate === 2
    const relation = compare(take(bits, l.a(bits, i), l), take(bits, l.b(bits, i), l), context, signaling)
    const holds = PREDICATES[predicate]!(relation) !== ((l.imm & 4) !== 0)
    return holds ? (1n << BigInt(bits)) - 1n : 0n
  },
})
/** Bit 0 CF, bit 1 ZF, bit 2 PF. */
const FLAGS: Readonly<Record<Relation, bigint>> = { greater: 0n, less: 1n, equal: 2n, unordered: 7n }
const flagsComparison = (name: string, bits: 32 | 64, signaling: boolean): Operation => ({
  name: `${name}.${bits}x1`,
  resultBits: 64,
  lanes: 1,
  lane: (l, _, context) => FLAGS[compare(take(bits, l.a(bits, 0), l), take(bits, l.b(bits, 0), l), context, signaling)],
})

/** From the second operand, lane by lane. */
const conversion = (
  name: string,
  from: 32 | 64,
  to: 32 | 64,
  lanes: number,
  lane: (value: bigint, l: Lanes, context: Context) => bigint,
): Operation => ({
  name: `${name}.${from}to${to}x${lanes}`,
  resultBits: to,
  lanes,
  lane: (l, i, context) => lane(l.b(from, i), l, context),
})
const toFloat = (from: 32 | 64, to: 32 | 64, lanes: number): Operation =>
  conversion('float', from, to, lanes, (value, l, context) =>
    pack(formatOf(to), convert(take(from, value, l), formatOf(to), context)),
  )
const integerToFloat = (from: 32 | 64, to: 32 | 64, lanes: number): Operation =>
  conversion('integer', from, to, lanes, (value, _, context) =>
    pack(formatOf(to), fromInteger(BigInt.asIntN(from, value), formatOf(to), context)),
  )
const floatToInteger = (truncate: boolean, from: 32 | 64, to: 32 | 64, lanes: number): Operation =>
  conversion(truncate ? 'truncate' : 'toInteger', from, to, lanes, (value, l, context) =>
    BigInt.asUintN(to, toInteger(take(from, value, l), to, context, truncate ? Rounding.Zero : context.rounding)),
  )
/** ROUNDPS: immediate bits 1:0 rounding, bit 2 MXCSR's instead, bit 3 no precision exception. */
const rounding = (bits: 32 | 64, lanes: number): Operation => ({
  name: `round.${bits}x${lanes}`,
  resultBits: bits,
  lanes,
  lane: (l, i, context) => {
    const mode = (l.imm & 4) !== 0 ? context.rounding : ((l.imm & 3) as Rounding)
    const before = context.flags
    const result = roundToIntegral(take(bits, l.b(bits, i), l), context, mode)
    if ((l.imm & 8) !== 0) context.flags = before | (context.flags & IE)
    return pack(formatOf(bits), result)
  },
})

const SHAPES: readonly (readonly [bits: 32 | 64, lanes: number])[] = [
  [32, 4],
  [32, 1],
  [64, 2],
  [64, 1],
]

export const OPERATIONS: readonly Operation[] = [
  ...SHAPES.flatMap(([bits, lanes]) => [
    arithmetic('add', bits, lanes, add),
    arithmetic('sub', bits, lanes, subtract),
    arithmetic('mul', bits, lanes, multiply),
    arithmetic('div', bits, lanes, divide),
    arithmetic('sqrt', bits, lanes, (_, b, format, context) => squareRoot(b, format, context)),
    arithmetic('min', bits, lanes, extremum('less')),
    arithmetic('max', bits, lanes, extremum('greater')),
    // Even lanes are subtracted.
    arithmetic('addsub', bits, lanes, (a, b, format, context, lane) =>
      (lane & 1) === 0 ? subtract(a, b, format, context) : add(a, b, format, context),
    ),
    comparison(bits, lanes),
    rounding(bits, lanes),
  ]),
  ...([32, 64] as const).flatMap((bits) => [
    flagsComparison('ucomi', bits, false),
    flagsComparison('comi', bits, true),
  ]),
  ...[1, 2].flatMap((lanes) => [toFloat(32, 64, lanes), toFloat(64, 32, lanes)]),
  integerToFloat(32, 32, 4),
  integerToFloat(64, 32, 1),
  integerToFloat(64, 64, 1),
  ...[true, false].flatMap((truncate) => [
    floatToInteger(truncate, 32, 32, 4),
    floatToInteger(truncate, 32, 32, 2),
    floatToInteger(truncate, 32, 32, 1),
    floatToInteger(truncate, 32, 64, 1),
    floatToInteger(truncate, 64, 32, 2),
    floatToInteger(truncate, 64, 32, 1),
    floatToInteger(truncate, 64, 64, 1),
  ]),
]
const CODES = new Map(OPERATIONS.map((operation, code) => [operation.name, code]))
export const operationCode = (name: string): number => {
  const code = CODES.get(name)
  if (code === undefined) throw new Error(`invariant broken: '${name}' is one of the soft-float operations`)
  return code
}
