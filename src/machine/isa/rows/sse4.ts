/**
 * SSE4.1 and SSE4.2 (SDM 1 §12.8 to §12.12). POPCNT stands with the integer rows, MOVNTDQA with the moves.
 * Lane numbers in immediates address the register's memory.
 */
import { i8x16, i16x8, i32, i32x4, i64, i64x2, select, v128 } from '../../../wasm/instructions.ts'
import type { I32, I64, V128 } from '../../../wasm/value.ts'
import { FLOAT_IMMEDIATE, FLOAT_SECOND } from '../../semantics/softfloat/host.ts'
import { STRING_EXPLICIT, STRING_LENGTH_1, STRING_LENGTH_2 } from '../../semantics/softfloat/strings.ts'
import { MXCSR, RAX, RCX, RDX, SCRATCH, STATE, XMM } from '../../state/layout.ts'
import { type Bits, type Builder, k, loadInt, state, storeInt } from '../builder.ts'
import type { Meaning, Operand } from '../operand.ts'
import { type Row, row } from '../row.ts'
import { DOUBLE, dotProduct, either, type LaneType, lowLane, readSplat, SINGLE } from './sse-float.ts'
import { mulEvenSigned } from './sse-integer.ts'
import {
  type Binary,
  c8,
  c16,
  c32,
  c64,
  combine,
  combineByImmediate,
  derive,
  imm8,
  lanes32,
  moveDown,
  none,
  type Unary,
  ZERO,
} from './vector.ts'

// ── lanes to and from registers and memory ───────────────────────────────────────────────────────────────────────────

const laneAddress = (b: Builder, operand: Operand, bits: number): I32 => {
  const bytes = bits / 8
  const lane = i32.and(imm8(b), i32.const(128 / bits - 1))
  return i32.add(operand.number(), bytes === 1 ? lane : i32.shl(lane, i32.const(Math.log2(bytes))))
}
const insert =
  (bits: Bits): Meaning =>
  (b, x, y) => {
    const value = y.read(bits)
    b.f.emit(storeInt(laneAddress(b, x, bits), value, bits, STATE + XMM))
  }
const extract =
  (bits: Bits): Meaning =>
  (b, x, y) => {
    const value = b.let(loadInt(laneAddress(b, y, bits), bits, STATE + XMM))
    if (x.isMemory) x.write(value, bits)
    else x.write(value)
  }
/** Immediate: bits 7:6 the source's lane (a register's), 5:4 the destination's, 3:0 lanes to clear. */
const insertFloat: Meaning = (b, x, y) => {
  const imm = b.let(imm8(b))
  const field = (shift: number): I32 => i32.and(i32.shr_u(imm, i32.const(shift)), i32.const(12))
  const value = y.isMemory ? y.read(32) : b.let(i64.load32_u(i32.add(y.number(), field(4)), STATE + XMM))
  b.f.emit(i64.store32(i32.add(x.number(), field(2)), value, STATE + XMM))
  const bits = c32(1, 2, 4, 8)
  const cleared = i32x4.eq(v128.and(i32x4.splat(imm), bits), bits)
  x.writeV(v128.andnot(x.readV(), cleared))
}

// ── blends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** By the bits of an immediate, one for each lane. */
const blendByImmediate = (width: 16 | 32 | 64): Meaning =>
  combineByImmediate((a, b, imm) => {
    if (width === 16) {
      const bits = c16(1, 2, 4, 8, 16, 32, 64, 128)
      return v128.bitselect(b, a, i16x8.eq(v128.and(i16x8.splat(imm), bits), bits))
    }
    const bits = width === 32 ? c32(1, 2, 4, 8) : c64(1, 2)
    const chosen = v128.and(i32x4.splat(imm), bits)
    return v128.bitselect(b, a, width === 32 ? i32x4.eq(chosen, bits) : i64x2.eq(chosen, bits))
  })
/** By the sign bits of XMM0's lanes. */
const blendBySign =
  (signs: Unary): Meaning =>
  (_, x, y, mask) => {
    const right = y.readV()
    x.writeV(v128.bitselect(right, x.readV(), signs(mask.readV())))
  }

// ── widening, tests, minimum position ────────────────────────────────────────────────────────────────────────────────

const widen = (name: string, opcode: string, source: string, signed: Unary, unsigned: Unary): Row[] => [
  row(`PMOVSX${name} xmm, xmm/${source}`, `66 0F 38 2${opcode} /r`, 'w r', derive(signed), { feature: 'sse4.1' }),
  row(`PMOVZX${name} xmm, xmm/${source}`, `66 0F 38 3${opcode} /r`, 'w r', derive(unsigned), { feature: 'sse4.1' }),
]

/** ZF: no bit of x and y in common; CF: no bit of y outside x. */
const test: Meaning = (b, x, y) => {
  const right = y.readV()
  const left = x.readV()
  const zf = i64.extend_i32_u(none(v128.and(left, right)))
  const cf = i64.extend_i32_u(none(v128.andnot(right, left)))
  b.setFlags(k(0), k(0), zf, k(0), k(0), cf)
}

/** The least word and where it first stands: words carry their index along. */
const minimumPosition: Meaning = (b, x, y) => {
  const words = y.readV()
  const indexed = (half: V128, ...indices: number[]): V128 => v128.or(i32x4.shl(half, i32.const(16)), c32(...indices))
  const least = (a: V128, other: V128): V128 => b.let(i32x4.min_u(a, other))
  const four = least(
    indexed(i32x4.extend_low_i16x8_u(words), 0, 1, 2, 3),
    indexed(i32x4.extend_high_i16x8_u(words), 4, 5, 6, 7),
  )
  const two = least(four, lanes32(four, four, 2, 3, 0, 1))
  const one = least(two, lanes32(two, two, 1, 0, 3, 2))
  x.writeV(i64x2.replace_lane(ZERO, 0, i64.extend_i32_u(i32.rotl(i32x4.extract_lane(one, 0), i32.const(16)))))
}

/**
 * Eight sums of absolute differences of four bytes: a window of `x` sliding by one, from byte 0 or 4 (immediate bit 2),
 * against the four bytes of `y` that immediate bits 1:0 choose.
 */
const slidingDifferences: Meaning = (b, x, y) => {
  const right = y.readV()
  const imm = b.let(imm8(b))
  const block = b.let(moveDown(right, i32.shl(i32.and(imm, i32.const(3)), i32.const(2))))
  const window = b.let(moveDown(x.readV(), i32.and(imm, i32.const(4))))
  let sum: V128 = ZERO
  for (let i = 0; i < 4; i++) {
    const slid = b.let(i16x8.extend_low_i8x16_u(moveDown(window, i32.const(i))))
    const against = i16x8.splat(i8x16.extract_lane_u(block, i))
    sum = i16x8.add(sum, i16x8.abs(i16x8.sub(slid, against)))
  }
  x.writeV(sum)
}

// ── rounding ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Immediate bits 1:0 the rounding, bit 2 MXCSR's instead, bit 3 no precision exception. The fast path wants numbers, no
 * DAZ, and a result that is exact or may be inexact without being seen. No denormal exception.
 */
const round =
  (t: LaneType, scalar: boolean): Meaning =>
  (b, x, y) => {
    const value = scalar ? readSplat(b, y, t.bits) : y.readV()
    const imm = b.let(imm8(b))
    const mxcsr = b.let(state.load32(MXCSR))
    const fromMxcsr = i32.and(i32.shr_u(mxcsr, i32.const(13)), i32.const(3))
    const mode = b.let(select(fromMxcsr, i32.and(imm, i32.const(3)), i32.and(imm, i32.const(4))))
    const fast = b.let(t.float.nearest(value))
    b.f.if(i32.eq(mode, i32.const(1)), () => b.f.set(fast, t.float.floor(value)))
    b.f.if(i32.eq(mode, i32.const(2)), () => b.f.set(fast, t.float.ceil(value)))
    b.f.if(i32.eq(mode, i32.const(3)), () => b.f.set(fast, t.float.trunc(value)))
    const result = either(
      b,
      `round.${t.bits}x${scalar ? 1 : 128 / t.bits}`,
      value,
      value,
      fast,
      (rounded) =>
        i32.and(
          i32.and(i8x16.all_true(t.float.eq(value, value)), i32.eqz(i32.and(mxcsr, i32.const(1 << 6)))),
          i32.or(
            i8x16.all_true(t.float.eq(value, rounded)),
            i32.or(i32.and(imm, i32.const(8)), i32.eq(i32.and(mxcsr, i32.const(0x1020)), i32.const(0x1020))),
          ),
        ),
      imm,
    )
    if (scalar) x.write(lowLane(t.bits, result), t.bits)
    else x.writeV(result)
  }

// ── CRC32 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** CRC-32C: polynomial 11EDC6F41, bits reflected. */
const crc32 =
  (bits: Bits): Meaning =>
  (b, x, y) => {
    const value = y.read(bits)
    const crc = b.let(i64.xor(b.trunc(x.read(32), 32), value))
    const left = b.let(i32.const(bits))
    b.f.loop((again) => {
      const reduced = i64.and(i64.sub(k(0), i64.and(crc, k(1))), k(0x82f63b78))
      b.f.set(crc, i64.xor(i64.shr_u(crc, k(1)), reduced))
      b.f.brIf(again, b.f.tee(left, i32.sub(left, i32.const(1))))
    })
    x.write(b.trunc(crc, 32))
  }

// ── string comparison ────────────────────────────────────────────────────────────────────────────────────────────────

/** |EAX| or, with REX.W, |RAX|, at most 16. */
const explicitLength = (b: Builder, slot: number, wide: boolean): I32 => {
  const value = b.let(wide ? b.gpr(slot, 64) : i64.extend32_s(b.gpr(slot, 32)))
  const sign = i64.shr_s(value, k(63))
  const magnitude = b.let(i64.sub(i64.xor(value, sign), sign))
  return i32.wrap_i64(select(magnitude, k(16), i64.lt_u(magnitude, k(16))))
}
/** The comparison is done in TypeScript (semantics/softfloat/strings.ts); here its index or mask, and the flags. */
const compareStrings =
  (lengths: 'explicit' | 'explicit64' | 'implicit', result: 'index' | 'mask'): Meaning =>
  (b, x, y) => {
    const right = y.readV()
    const zero = i32.const(0)
    const imm = b.let(imm8(b))
    b.f.emit([
      v128.store(zero, x.readV(), STATE + SCRATCH),
      v128.store(zero, right, STATE + FLOAT_SECOND),
      state.store32(FLOAT_IMMEDIATE, imm),
      state.store32(STRING_EXPLICIT, i32.const(lengths === 'implicit' ? 0 : 1)),
    ])
    if (lengths !== 'implicit') {
      b.f.emit(state.store32(STRING_LENGTH_1, explicitLength(b, RAX, lengths === 'explicit64')))
      b.f.emit(state.store32(STRING_LENGTH_2, explicitLength(b, RDX, lengths === 'explicit64')))
    }
    b.host('sse.strings')
    const found = b.let(state.load32(SCRATCH))
    const flags = b.let(state.load32(SCRATCH + 4))
    const words = i32.and(imm, i32.const(1))
    const other = i32.and(imm, i32.const(0x40))
    if (result === 'index') {
      const count = i32.shr_u(i32.const(16), words)
      const most = i32.sub(i32.const(31), i32.clz(found))
      const index = select(count, select(most, i32.ctz(found), other), i32.eqz(found))
      b.setGpr(RCX, i64.extend_i32_u(index), 32)
    } else {
      const bytes = i8x16.ne(v128.and(i8x16.swizzle(i32x4.splat(found), spreadBytes), bitOfByte), ZERO)
      const wide = i16x8.ne(v128.and(i16x8.splat(found), c16(1, 2, 4, 8, 16, 32, 64, 128)), ZERO)
      const expanded = select(wide, bytes, words)
      const plain = i64x2.replace_lane(ZERO, 0, i64.extend_i32_u(found))
      b.f.emit(v128.store(zero, select(expanded, plain, other), STATE + XMM))
    }
    const bit = (n: number): I64 => i64.extend_i32_u(i32.and(i32.shr_u(flags, i32.const(n)), i32.const(1)))
    b.setFlags(bit(3), bit(2), bit(1), k(0), k(0), bit(0))
  }
const spreadBytes = c8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
const bitOfByte = c8(1, 2, 4, 8, 16, 32, 64, 128)

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const packed = (mnemonic: string, opcode: string, operation: Binary, feature = 'sse4.1'): Row =>
  row(`${mnemonic} xmm, xmm/m128`, `66 0F 38 ${opcode} /r`, 'rw r', combine(operation), { feature })

const strings = (mnemonic: string, opcode: string, explicit: boolean, result: 'index' | 'mask'): Row[] => [
  ...(explicit
    ? [
        row(
          `${mnemonic} xmm, xmm/m128, imm8`,
          `66 REX.W + 0F 3A ${opcode} /r ib`,
          'r r r',
          compareStrings('explicit64', result),
          {
            feature: 'sse4.2',
            unaligned: true,
          },
        ),
      ]
    : []),
  row(
    `${mnemonic} xmm, xmm/m128, imm8`,
    `66 0F 3A ${opcode} /r ib`,
    'r r r',
    compareStrings(explicit ? 'explicit' : 'implicit', result),
    { feature: 'sse4.2', unaligned: true },
  ),
]

export const SSE4_ROWS: readonly Row[] = [
  packed('PACKUSDW', '2B', i16x8.narrow_i32x4_u),
  packed('PCMPEQQ', '29', i64x2.eq),
  packed('PCMPGTQ', '37', i64x2.gt_s, 'sse4.2'),
  packed('PMAXSB', '3C', i8x16.max_s),
  packed('PMAXSD', '3D', i32x4.max_s),
  packed('PMAXUW', '3E', i16x8.max_u),
  packed('PMAXUD', '3F', i32x4.max_u),
  packed('PMINSB', '38', i8x16.min_s),
  packed('PMINSD', '39', i32x4.min_s),
  packed('PMINUW', '3A', i16x8.min_u),
  packed('PMINUD', '3B', i32x4.min_u),
  packed('PMULDQ', '28', mulEvenSigned),
  packed('PMULLD', '40', i32x4.mul),
  row('PTEST xmm, xmm/m128', '66 0F 38 17 /r', 'r r', test, { feature: 'sse4.1' }),
  row('PHMINPOSUW xmm, xmm/m128', '66 0F 38 41 /r', 'w r', minimumPosition, { feature: 'sse4.1' }),
  row('MPSADBW xmm, xmm/m128, imm8', '66 0F 3A 42 /r ib', 'rw r r', slidingDifferences, { feature: 'sse4.1' }),

  ...widen('BW', '0', 'm64', i16x8.extend_low_i8x16_s, i16x8.extend_low_i8x16_u),
  ...widen(
    'BD',
    '1',
    'm32',
    (v) => i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v)),
    (v) => i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v)),
  ),
  ...widen(
    'BQ',
    '2',
    'm16',
    (v) => i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v))),
    (v) => i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v))),
  ),
  ...widen('WD', '3', 'm64', i32x4.extend_low_i16x8_s, i32x4.extend_low_i16x8_u),
  ...widen(
    'WQ',
    '4',
    'm32',
    (v) => i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(v)),
    (v) => i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(v)),
  ),
  ...widen('DQ', '5', 'm64', i64x2.extend_low_i32x4_s, i64x2.extend_low_i32x4_u),

  row(
    'PBLENDVB xmm, xmm/m128, XMM0',
    '66 0F 38 10 /r',
    'rw r r',
    blendBySign((v) => i8x16.lt_s(v, ZERO)),
    {
      feature: 'sse4.1',
    },
  ),
  row(
    'BLENDVPS xmm, xmm/m128, XMM0',
    '66 0F 38 14 /r',
    'rw r r',
    blendBySign((v) => i32x4.lt_s(v, ZERO)),
    {
      feature: 'sse4.1',
    },
  ),
  row(
    'BLENDVPD xmm, xmm/m128, XMM0',
    '66 0F 38 15 /r',
    'rw r r',
    blendBySign((v) => i64x2.lt_s(v, ZERO)),
    {
      feature: 'sse4.1',
    },
  ),
  row('BLENDPS xmm, xmm/m128, imm8', '66 0F 3A 0C /r ib', 'rw r r', blendByImmediate(32), { feature: 'sse4.1' }),
  row('BLENDPD xmm, xmm/m128, imm8', '66 0F 3A 0D /r ib', 'rw r r', blendByImmediate(64), { feature: 'sse4.1' }),
  row('PBLENDW xmm, xmm/m128, imm8', '66 0F 3A 0E /r ib', 'rw r r', blendByImmediate(16), { feature: 'sse4.1' }),

  // A register destination of PEXTRB and PEXTRW is zero-extended: separate rows for register and memory.
  row('PEXTRB reg32, xmm, imm8', '66 0F 3A 14 /r ib', 'w r r', extract(8), { feature: 'sse4.1' }),
  row('PEXTRB m8, xmm, imm8', '66 0F 3A 14 /r ib', 'w r r', extract(8), { feature: 'sse4.1' }),
  row('PEXTRW reg32, xmm, imm8', '66 0F 3A 15 /r ib', 'w r r', extract(16), { feature: 'sse4.1' }),
  row('PEXTRW m16, xmm, imm8', '66 0F 3A 15 /r ib', 'w r r', extract(16), { feature: 'sse4.1' }),
  row('PEXTRQ r/m64, xmm, imm8', '66 REX.W + 0F 3A 16 /r ib', 'w r r', extract(64), { feature: 'sse4.1' }),
  row('PEXTRD r/m32, xmm, imm8', '66 0F 3A 16 /r ib', 'w r r', extract(32), { feature: 'sse4.1' }),
  row('EXTRACTPS r/m32, xmm, imm8', '66 0F 3A 17 /r ib', 'w r r', extract(32), { feature: 'sse4.1' }),
  row('PINSRB xmm, reg32, imm8', '66 0F 3A 20 /r ib', 'rw r r', insert(8), { feature: 'sse4.1' }),
  row('PINSRB xmm, m8, imm8', '66 0F 3A 20 /r ib', 'rw r r', insert(8), { feature: 'sse4.1' }),
  row('PINSRQ xmm, r/m64, imm8', '66 REX.W + 0F 3A 22 /r ib', 'rw r r', insert(64), { feature: 'sse4.1' }),
  row('PINSRD xmm, r/m32, imm8', '66 0F 3A 22 /r ib', 'rw r r', insert(32), { feature: 'sse4.1' }),
  row('INSERTPS xmm, xmm/m32, imm8', '66 0F 3A 21 /r ib', 'rw r r', insertFloat, { feature: 'sse4.1' }),

  row('ROUNDPS xmm, xmm/m128, imm8', '66 0F 3A 08 /r ib', 'w r r', round(SINGLE, false), { feature: 'sse4.1' }),
  row('ROUNDPD xmm, xmm/m128, imm8', '66 0F 3A 09 /r ib', 'w r r', round(DOUBLE, false), { feature: 'sse4.1' }),
  row('ROUNDSS xmm, xmm/m32, imm8', '66 0F 3A 0A /r ib', 'rw r r', round(SINGLE, true), { feature: 'sse4.1' }),
  row('ROUNDSD xmm, xmm/m64, imm8', '66 0F 3A 0B /r ib', 'rw r r', round(DOUBLE, true), { feature: 'sse4.1' }),
  row('DPPS xmm, xmm/m128, imm8', '66 0F 3A 40 /r ib', 'rw r r', dotProduct(SINGLE), { feature: 'sse4.1' }),
  row('DPPD xmm, xmm/m128, imm8', '66 0F 3A 41 /r ib', 'rw r r', dotProduct(DOUBLE), { feature: 'sse4.1' }),

  ...strings('PCMPESTRM', '60', true, 'mask'),
  ...strings('PCMPESTRI', '61', true, 'index'),
  ...strings('PCMPISTRM', '62', false, 'mask'),
  ...strings('PCMPISTRI', '63', false, 'index'),

  row('CRC32 r32, r/m8', 'F2 0F 38 F0 /r', 'rw r', crc32(8), { feature: 'sse4.2', unit: 'none' }),
  row('CRC32 r64, r/m8', 'F2 REX.W + 0F 38 F0 /r', 'rw r', crc32(8), { feature: 'sse4.2', unit: 'none' }),
  row('CRC32 r32, r/m16', 'F2 0F 38 F1 /r', 'rw r', crc32(16), { feature: 'sse4.2', unit: 'none', osize: 16 }),
  row('CRC32 r32, r/m32', 'F2 0F 38 F1 /r', 'rw r', crc32(32), { feature: 'sse4.2', unit: 'none', osize: 32 }),
  row('CRC32 r64, r/m64', 'F2 REX.W + 0F 38 F1 /r', 'rw r', crc32(64), { feature: 'sse4.2', unit: 'none', osize: 64 }),
]
