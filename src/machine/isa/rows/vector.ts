/**
 * What vector rows have in common: constants, byte shuffles, and meanings made from an operation on whole vectors.
 * MMX registers are read as vectors whose upper half is zero and written from the lower half, so a lane-wise operation
 * serves both; operations that move data between lanes have one version each.
 */
import { i8x16, i16x8, i32, i64, select, v128 } from '../../../wasm/instructions.ts'
import type { I32, I64, V128 } from '../../../wasm/value.ts'
import { REC_IMM } from '../../state/record.ts'
import type { Builder } from '../builder.ts'
import { enterMmx, type Meaning, type Operand } from '../operand.ts'

export type Binary = (a: V128, b: V128) => V128
export type Unary = (a: V128) => V128

// ── constants ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A constant from little-endian lanes, repeated to fill the vector. */
const lanes = (width: number, values: readonly (number | bigint)[]): V128 => {
  const bytes: number[] = []
  while (bytes.length < 16)
    for (const value of values)
      for (let i = 0; i < width; i++) bytes.push(Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * i)) & 0xffn))
  return v128.const(bytes)
}
export const c8 = (...values: number[]): V128 => lanes(1, values)
export const c16 = (...values: number[]): V128 => lanes(2, values)
export const c32 = (...values: number[]): V128 => lanes(4, values)
export const c64 = (...values: (number | bigint)[]): V128 => lanes(8, values)
export const ZERO = c8(0)
const IDENTITY = c8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

// ── immediates and shuffles by immediate ─────────────────────────────────────────────────────────────────────────────

/** An 8-bit immediate, zero-extended. */
export const imm8 = (b: Builder): I32 => b.field8(REC_IMM)

/**
 * Swizzle controls from an immediate of four two-bit fields. Multiplying brings field i of lane i to bits 7:6; what
 * follows turns the field into byte indices.
 */
const controls = (imm: I32, fields: readonly number[], step: number, base: readonly number[]): V128 =>
  i16x8.add(
    i16x8.mul(v128.and(i16x8.shr_u(i16x8.mul(i16x8.splat(imm), c16(...fields)), i32.const(6)), c16(3)), c16(step)),
    c16(...base),
  )
/** Four 32-bit lanes (PSHUFD, SHUFPS). */
export const control32 = (imm: I32): V128 => controls(imm, [64, 64, 16, 16, 4, 4, 1, 1], 0x0404, [0x0100, 0x0302])
/** The lower four 16-bit lanes, the upper four staying (PSHUFLW, PSHUFW). */
export const controlLow16 = (imm: I32): V128 =>
  controls(imm, [64, 16, 4, 1, 0, 0, 0, 0], 0x0202, [0x0100, 0x0100, 0x0100, 0x0100, 0x0908, 0x0b0a, 0x0d0c, 0x0f0e])
/** The upper four 16-bit lanes, the lower four staying (PSHUFHW). */
export const controlHigh16 = (imm: I32): V128 =>
  controls(imm, [0, 0, 0, 0, 64, 16, 4, 1], 0x0202, [0x0100, 0x0302, 0x0504, 0x0706, 0x0908, 0x0908, 0x0908, 0x0908])

/** Bytes moved down (towards byte 0) by `count`, zeros coming in; a count of -128 to 111, negative moves up. */
export const moveDown = (value: V128, count: I32): V128 => i8x16.swizzle(value, i8x16.add(IDENTITY, i8x16.splat(count)))
export const atMost = (value: I32, limit: number): I32 =>
  select(value, i32.const(limit), i32.lt_u(value, i32.const(limit)))

/** Elements of `a` and `b` alternating, from byte `start` on, `bytes` of result. */
export const interleave =
  (width: number, start: number, bytes = 16): Binary =>
  (a, b) => {
    const indices: number[] = []
    for (let at = start; indices.length < bytes; at += width) {
      for (let i = 0; i < width; i++) indices.push(at + i)
      for (let i = 0; i < width; i++) indices.push(16 + at + i)
    }
    while (indices.length < 16) indices.push(0)
    return i8x16.shuffle(a, b, indices)
  }
/** Every second element of `a` then of `b`, `bytes` of each, starting with element `first`. */
export const everySecond =
  (width: number, first: 0 | 1, bytes = 16): Binary =>
  (a, b) => {
    const indices: number[] = []
    for (const source of [0, 16])
      for (let at = first * width; at < bytes; at += 2 * width)
        for (let i = 0; i < width; i++) indices.push(source + at + i)
    while (indices.length < 16) indices.push(0)
    return i8x16.shuffle(a, b, indices)
  }
export const lanes32 = (a: V128, b: V128, ...indices: number[]): V128 =>
  i8x16.shuffle(
    a,
    b,
    indices.flatMap((n) => [4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3]),
  )
export const lanes64 = (a: V128, b: V128, first: number, second: number): V128 =>
  lanes32(a, b, 2 * first, 2 * first + 1, 2 * second, 2 * second + 1)
/** The lower half of `a`, then that of `b`. */
export const lowHalves: Binary = (a, b) => lanes64(a, b, 0, 2)

// ── shifts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Shift by a 64-bit count: counts past the lane give zero (SDM PSLLW). */
export const shiftOrZero =
  (width: 16 | 32 | 64, shift: (a: V128, count: I32) => V128) =>
  (a: V128, count: I64): V128 =>
    select(shift(a, i32.wrap_i64(count)), ZERO, i64.lt_u(count, i64.const(BigInt(width))))
/** Arithmetic shift: counts past the lane fill it with the sign. */
export const shiftOrSign =
  (width: 16 | 32, shift: (a: V128, count: I32) => V128) =>
  (a: V128, count: I64): V128 =>
    shift(a, select(i32.wrap_i64(count), i32.const(width - 1), i64.lt_u(count, i64.const(BigInt(width)))))

// ── meanings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** After memory was read: an instruction with an MMX operand makes the x87 registers MMX registers. */
export const enteringMmx = (b: Builder, ...operands: Operand[]): void => {
  if (operands.some((operand) => operand.form === 'mm')) enterMmx(b)
}
const combinations = new Map<Binary, Meaning>()
/** x = operation(x, y). One meaning for each operation, so that PAND and ANDPS share their handlers. */
export const combine = (operation: Binary): Meaning => {
  const made = combinations.get(operation)
  if (made !== undefined) return made
  const meaning: Meaning = (b, x, y) => {
    const right = y.readV()
    enteringMmx(b, x, y)
    x.writeV(operation(x.readV(), right))
  }
  combinations.set(operation, meaning)
  return meaning
}
/** The first operand is inverted, as PANDN has it. */
export const andNot: Binary = (a, b) => v128.andnot(b, a)
export const LOW_DWORDS = interleave(4, 0)
export const HIGH_DWORDS = interleave(4, 8)
export const LOW_QWORDS = interleave(8, 0)
export const HIGH_QWORDS = interleave(8, 8)
/** x = operation(y). */
export const derive =
  (operation: Unary): Meaning =>
  (b, x, y) => {
    const value = y.readV()
    enteringMmx(b, x, y)
    x.writeV(operation(value))
  }
/** x = operation(x, y, 8-bit immediate); the immediate is in a local. */
export const combineByImmediate =
  (operation: (a: V128, b: V128, imm: I32) => V128): Meaning =>
  (b, x, y) => {
    const right = y.readV()
    enteringMmx(b, x, y)
    x.writeV(operation(x.readV(), right, b.let(imm8(b))))
  }

/** All lanes of a mask are zero. */
export const none = (mask: V128): I32 => i32.eqz(v128.any_true(mask))
