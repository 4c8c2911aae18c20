/**
 * Moves of XMM registers (SDM 1 §10.4.1, §11.4.1, §12.3), between XMM, MMX and general registers, non-temporal stores,
 * prefetches, and MXCSR's load and store. Non-temporal hints mean nothing here: memory is strongly ordered.
 */
import { i8x16, i32, i32x4, i64, i64x2 } from '../../../wasm/instructions.ts'
import type { I32, I64, V128 } from '../../../wasm/value.ts'
import { DS, MXCSR, RDI, SLOT_SEGMENT_BASE, STATE, XMM } from '../../state/layout.ts'
import { type Builder, k, state } from '../builder.ts'
import { enterMmx, type Meaning, type Operand } from '../operand.ts'
import { type Row, type RowOptions, row } from '../row.ts'
import { lanes32, lanes64, ZERO } from './vector.ts'

const moveVector: Meaning = (_, x, y) => x.writeV(y.readV())
const zeroExtended = (value: I64): V128 => i64x2.replace_lane(ZERO, 0, value)

/** The low `bits`; a load clears the rest of the register, a move between registers keeps it. */
const moveScalar =
  (bits: 32 | 64): Meaning =>
  (_, x, y) => {
    if (y.isMemory) x.writeV(y.readV())
    else x.write(y.read(bits), bits)
  }
/** From a general register or memory; the rest of the XMM register is cleared. */
const moveIn =
  (bits: 32 | 64): Meaning =>
  (_, x, y) =>
    x.writeV(zeroExtended(y.read(bits)))
const moveOut =
  (bits: 32 | 64): Meaning =>
  (_, x, y) =>
    x.write(y.read(bits), bits)
// Made once, so that rows share handlers.
const MOVE_IN_32 = moveIn(32)
const MOVE_IN_64 = moveIn(64)
const MOVE_OUT_32 = moveOut(32)
const MOVE_OUT_64 = moveOut(64)
const MOVE_SCALAR_32 = moveScalar(32)
const MOVE_SCALAR_64 = moveScalar(64)

/** MOVQ to a register clears the upper half. */
const moveQuad: Meaning = (_, x, y) => {
  if (x.isMemory) x.write(y.read(64), 64)
  else x.writeV(zeroExtended(y.read(64)))
}

const readHigh = (b: Builder, operand: Operand): I64 => b.let(i64.load(operand.number(), STATE + XMM + 8))
const writeHigh = (b: Builder, operand: Operand, value: I64): void =>
  b.f.emit(i64.store(operand.number(), value, STATE + XMM + 8))
const loadLow: Meaning = (_, x, y) => x.write(y.read(64), 64)
const loadHigh: Meaning = (b, x, y) => writeHigh(b, x, y.read(64))
const storeHigh: Meaning = (b, x, y) => x.write(readHigh(b, y), 64)
const highToLow: Meaning = (b, x, y) => x.write(readHigh(b, y), 64)

const duplicate =
  (pick: (value: V128) => V128): Meaning =>
  (_, x, y) =>
    x.writeV(pick(y.readV()))

/** Rows with an MMX and an XMM operand name the SSE unit and check the MMX unit here. */
const toMmx: Meaning = (b, x, y) => {
  b.checkFpu('mmx')
  enterMmx(b)
  x.writeMm(y.read(64))
}
const fromMmx: Meaning = (b, x, y) => {
  b.checkFpu('mmx')
  enterMmx(b)
  x.writeV(zeroExtended(y.read(64)))
}

/**
 * DS:rDI, where masked moves store. The record has no address for an implicit operand: segment overrides and the 67
 * prefix are not honoured.
 */
const implicitAddress = (b: Builder): I64 =>
  b.long ? b.gpr(RDI, 64) : i64.and(i64.add(state.load64(SLOT_SEGMENT_BASE + DS * 8), b.gpr(RDI, 32)), k(0xffffffff))
/**
 * Stores the bytes whose mask byte has bit 7 set. Every byte of the operand must be writable, those too that are not
 * stored (the SDM leaves it open): quadwords are checked before anything is stored, the upper one first.
 */
export const maskedMove =
  (bytes: 8 | 16, register: (b: Builder, operand: Operand) => I32): Meaning =>
  (b, x, y) => {
    if (x.form === 'mm') enterMmx(b)
    const address = b.let(implicitAddress(b))
    const mask = b.let(i8x16.bitmask(y.readV()))
    const source = b.let(register(b, x))
    for (let at = bytes - 8; at >= 0; at -= 8) b.probeWrite(i64.add(address, k(at)), 8)
    for (let i = 0; i < bytes; i++)
      b.f.if(i32.and(mask, i32.const(1 << i)), () => b.store(i64.add(address, k(i)), i64.load8_u(source, i), 8))
  }

/** Bits 31:16 are reserved (MXCSR_MASK 0000FFFF): #GP. */
const loadMxcsr: Meaning = (b, x) => {
  const value = x.read(32)
  b.faultIf(i32.wrap_i64(i64.shr_u(value, k(16))), 13)
  b.f.emit(state.store32(MXCSR, i32.wrap_i64(value)))
}
const storeMxcsr: Meaning = (_, x) => x.write(i64.extend_i32_u(state.load32(MXCSR)), 32)

const nothing: Meaning = () => {}

const signs =
  (mask: (value: V128) => I32): Meaning =>
  (_, x, y) =>
    x.write(i64.extend_i32_u(mask(y.readV())))

/** Load, move and store of a whole register. */
const whole = (mnemonic: string, load: string, store: string, feature: string, more: RowOptions): Row[] => [
  row(`${mnemonic} xmm, xmm/m128`, `${load} /r`, 'w r', moveVector, { feature, ...more }),
  row(`${mnemonic} xmm/m128, xmm`, `${store} /r`, 'w r', moveVector, { feature, ...more }),
]
const half = (mnemonic: string, load: string, store: string, feature: string, high: boolean): Row[] => [
  row(`${mnemonic} xmm, m64`, `${load} /r`, 'rw r', high ? loadHigh : loadLow, { feature }),
  row(`${mnemonic} m64, xmm`, `${store} /r`, 'w r', high ? storeHigh : MOVE_OUT_64, { feature }),
]

export const SSE_MOVE_ROWS: readonly Row[] = [
  ...whole('MOVAPS', 'NP 0F 28', 'NP 0F 29', 'sse', { hot: true }),
  ...whole('MOVUPS', 'NP 0F 10', 'NP 0F 11', 'sse', { unaligned: true, hot: true }),
  ...whole('MOVDQA', '66 0F 6F', '66 0F 7F', 'sse2', { hot: true }),
  ...whole('MOVDQU', 'F3 0F 6F', 'F3 0F 7F', 'sse2', { unaligned: true, hot: true }),
  ...whole('MOVAPD', '66 0F 28', '66 0F 29', 'sse2', {}),
  ...whole('MOVUPD', '66 0F 10', '66 0F 11', 'sse2', { unaligned: true }),
  row('LDDQU xmm, m128', 'F2 0F F0 /r', 'w r', moveVector, { feature: 'sse3', unaligned: true }),

  row('MOVSS xmm, xmm/m32', 'F3 0F 10 /r', 'rw r', MOVE_SCALAR_32, { feature: 'sse' }),
  row('MOVSS xmm/m32, xmm', 'F3 0F 11 /r', 'w r', MOVE_OUT_32, { feature: 'sse' }),
  row('MOVSD xmm, xmm/m64', 'F2 0F 10 /r', 'rw r', MOVE_SCALAR_64, { feature: 'sse2' }),
  row('MOVSD xmm/m64, xmm', 'F2 0F 11 /r', 'w r', MOVE_OUT_64, { feature: 'sse2' }),

  row('MOVQ xmm, r/m64', '66 REX.W + 0F 6E /r', 'w r', MOVE_IN_64, { feature: 'sse2', hot: true }),
  row('MOVD xmm, r/m32', '66 0F 6E /r', 'w r', MOVE_IN_32, { feature: 'sse2', hot: true }),
  row('MOVQ r/m64, xmm', '66 REX.W + 0F 7E /r', 'w r', MOVE_OUT_64, { feature: 'sse2', hot: true }),
  row('MOVD r/m32, xmm', '66 0F 7E /r', 'w r', MOVE_OUT_32, { feature: 'sse2', hot: true }),
  row('MOVQ xmm, xmm/m64', 'F3 0F 7E /r', 'w r', moveQuad, { feature: 'sse2', hot: true }),
  row('MOVQ xmm/m64, xmm', '66 0F D6 /r', 'w r', moveQuad, { feature: 'sse2', hot: true }),

  ...half('MOVLPS', 'NP 0F 12', 'NP 0F 13', 'sse', false),
  ...half('MOVHPS', 'NP 0F 16', 'NP 0F 17', 'sse', true),
  ...half('MOVLPD', '66 0F 12', '66 0F 13', 'sse2', false),
  ...half('MOVHPD', '66 0F 16', '66 0F 17', 'sse2', true),
  row('MOVHLPS xmm, xmmrm', 'NP 0F 12 /r', 'rw r', highToLow, { feature: 'sse' }),
  row('MOVLHPS xmm, xmmrm', 'NP 0F 16 /r', 'rw r', loadHigh, { feature: 'sse' }),

  row(
    'MOVSLDUP xmm, xmm/m128',
    'F3 0F 12 /r',
    'w r',
    duplicate((v) => lanes32(v, v, 0, 0, 2, 2)),
    { feature: 'sse3' },
  ),
  row(
    'MOVSHDUP xmm, xmm/m128',
    'F3 0F 16 /r',
    'w r',
    duplicate((v) => lanes32(v, v, 1, 1, 3, 3)),
    { feature: 'sse3' },
  ),
  row(
    'MOVDDUP xmm, xmm/m64',
    'F2 0F 12 /r',
    'w r',
    duplicate((v) => lanes64(v, v, 0, 0)),
    { feature: 'sse3' },
  ),

  row('MOVMSKPS r32, xmmrm', 'NP 0F 50 /r', 'w r', signs(i32x4.bitmask), { feature: 'sse' }),
  row('MOVMSKPD r32, xmmrm', '66 0F 50 /r', 'w r', signs(i64x2.bitmask), { feature: 'sse2' }),

  row('MOVNTPS m128, xmm', 'NP 0F 2B /r', 'w r', moveVector, { feature: 'sse' }),
  row('MOVNTPD m128, xmm', '66 0F 2B /r', 'w r', moveVector, { feature: 'sse2' }),
  row('MOVNTDQ m128, xmm', '66 0F E7 /r', 'w r', moveVector, { feature: 'sse2' }),
  row('MOVNTDQA xmm, m128', '66 0F 38 2A /r', 'w r', moveVector, { feature: 'sse4.1' }),
  row('MOVNTI m64, r64', 'NP REX.W + 0F C3 /r', 'w r', MOVE_OUT_64, { feature: 'sse2', hot: true }),
  row('MOVNTI m32, r32', 'NP 0F C3 /r', 'w r', MOVE_OUT_32, { feature: 'sse2', hot: true }),
  row(
    'MASKMOVDQU xmm, xmmrm',
    '66 0F F7 /r',
    'r r',
    maskedMove(16, (b, x) => b.xmmAddress(x.field)),
    {
      feature: 'sse2',
      modal: true,
    },
  ),

  row('MOVDQ2Q mm, xmmrm', 'F2 0F D6 /r', 'w r', toMmx, { feature: 'sse2', unit: 'sse' }),
  row('MOVQ2DQ xmm, mmrm', 'F3 0F D6 /r', 'w r', fromMmx, { feature: 'sse2', unit: 'sse' }),

  row('LDMXCSR m32', 'NP 0F AE /2', 'r', loadMxcsr, { feature: 'sse', unit: 'sse' }),
  row('STMXCSR m32', 'NP 0F AE /3', 'w', storeMxcsr, { feature: 'sse', unit: 'sse' }),

  row('PREFETCHNTA m8', '0F 18 /0', 'x', nothing, { unit: 'none', addressOnly: true }),
  row('PREFETCHT0 m8', '0F 18 /1', 'x', nothing, { unit: 'none', addressOnly: true }),
  row('PREFETCHT1 m8', '0F 18 /2', 'x', nothing, { unit: 'none', addressOnly: true }),
  row('PREFETCHT2 m8', '0F 18 /3', 'x', nothing, { unit: 'none', addressOnly: true }),
  row('PREFETCH m8', '0F 0D /0', 'x', nothing, { unit: 'none', addressOnly: true }),
  row('PREFETCHW m8', '0F 0D /1', 'x', nothing, { unit: 'none', addressOnly: true }),
  row('PREFETCHWT1 m8', '0F 0D /2', 'x', nothing, { unit: 'none', addressOnly: true }),
]
