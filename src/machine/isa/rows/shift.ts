/**
 * Shifts and rotates, and the instructions on single bits: SHL SHR SAR ROL ROR RCL RCR SHLD SHRD, BT BTS BTR BTC, BSF
 * BSR POPCNT BSWAP. SDM 2A, 2B. Counts are masked to 5 bits, 6 for 64-bit operands; a masked count of 0 leaves the flags.
 *
 * Flags that the manual leaves undefined are those of Intel's processors: OF of a shift or rotate by more than 1 is what
 * one by 1 would make it, but ROL and ROR of a register by an immediate leave it; BSF and BSR have the PF of the index.
 */
import { i64, select } from '../../../wasm/instructions.ts'
import type { I64 } from '../../../wasm/value.ts'
import { type Builder, k, loadInt, storeInt } from '../builder.ts'
import type { Meaning, Operand } from '../operand.ts'
import { type Row, row, sized } from '../row.ts'

const countOf = (b: Builder, s: Operand): I64 => b.let(i64.and(s.read(8), k(b.bits === 64 ? 63 : 31)))
const whenCounted = (b: Builder, count: I64, flags: () => void): void => b.f.if(i64.ne(count, k(0)), flags)
const bitOf = (value: I64, n: number): I64 => i64.and(i64.shr_u(value, k(n)), k(1))

const shl: Meaning = (b, d, s) => {
  const x = d.read()
  const c = countOf(b, s)
  const z = b.let(i64.shl(x, c))
  d.write(z)
  whenCounted(b, c, () => {
    // x << (c - 1) at the word's top: CF, and the result's sign, which is CF ^ OF of a shift by 1.
    const out = b.let(i64.shl(i64.shl(x, i64.sub(c, k(1))), k(64 - b.bits)))
    if (s.form === 'one') b.flagsResultCc(z, out)
    else b.flagsResult(z, i64.shr_u(out, k(63)), topBitsDiffer(x, b.bits))
  })
}
/** OF of a shift or rotation to the left by 1. */
const topBitsDiffer = (x: I64, n: number): I64 => i64.xor(bitOf(x, n - 1), bitOf(x, n - 2))
const shr: Meaning = (b, d, s) => {
  const x = d.read()
  const c = countOf(b, s)
  const z = b.let(i64.shr_u(x, c))
  d.write(z)
  whenCounted(b, c, () => b.flagsResult(z, i64.and(i64.shr_u(x, i64.sub(c, k(1))), k(1)), bitOf(x, b.bits - 1)))
}
const sar: Meaning = (b, d, s) => {
  const x = b.let(b.sext(d.read()))
  const c = countOf(b, s)
  const z = b.let(i64.shr_s(x, c))
  d.write(z)
  whenCounted(b, c, () => b.flagsResult(z, i64.and(i64.shr_s(x, i64.sub(c, k(1))), k(1)), k(0)))
}

/** x rotated left by `c` (below the operand size) within the operand size. */
const rotateLeft = (b: Builder, x: I64, c: I64): I64 =>
  b.bits === 64 ? i64.rotl(x, c) : b.trunc(i64.or(i64.shl(x, c), i64.shr_u(x, i64.sub(k(b.bits), c))))
const rotated = (b: Builder, c: I64, d: Operand, s: Operand, cf: I64, of: I64): void => {
  if (d.isMemory || s.form !== 'imm') b.setCarryOverflow(cf, of)
  else
    b.f.if(
      i64.eq(c, k(1)),
      () => b.setCarryOverflow(cf, of),
      () => b.setCarry(cf),
    )
}
const rol: Meaning = (b, d, s) => {
  const x = d.read()
  const c = countOf(b, s)
  const z = b.let(rotateLeft(b, x, b.let(i64.and(c, k(b.bits - 1)))))
  d.write(z)
  whenCounted(b, c, () => rotated(b, c, d, s, b.let(i64.and(z, k(1))), topBitsDiffer(x, b.bits)))
}
const ror: Meaning = (b, d, s) => {
  const x = d.read()
  const c = countOf(b, s)
  const left = b.let(i64.and(i64.sub(k(b.bits), c), k(b.bits - 1)))
  const z = b.let(rotateLeft(b, x, left))
  d.write(z)
  whenCounted(b, c, () =>
    rotated(b, c, d, s, b.let(bitOf(z, b.bits - 1)), i64.xor(bitOf(x, b.bits - 1), i64.and(x, k(1)))),
  )
}
/** RCL and RCR rotate the operand with CF as its top neighbour: bits + 1 places, and all the way round is not at all. */
const rcl: Meaning = (b, d, s) => {
  const x = d.read()
  const c = countOf(b, s)
  const n = b.bits
  const cf = b.let(b.carry())
  if (n === 64) {
    const z = b.let(
      select(
        i64.or(i64.or(i64.shl(x, c), i64.shl(cf, i64.sub(c, k(1)))), i64.shr_u(i64.shr_u(x, k(1)), i64.sub(k(64), c))),
        x,
        i64.ne(c, k(0)),
      ),
    )
    d.write(z)
    whenCounted(b, c, () => {
      const out = b.let(i64.and(i64.shr_u(x, i64.sub(k(64), c)), k(1)))
      b.setCarryOverflow(out, topBitsDiffer(x, 64))
    })
    return
  }
  const places = n === 32 ? c : b.let(i64.rem_u(c, k(n + 1)))
  const wide = b.let(i64.or(x, i64.shl(cf, k(n))))
  const z = b.let(i64.or(i64.shl(wide, places), i64.shr_u(wide, i64.sub(k(n + 1), places))))
  d.write(z)
  whenCounted(b, places, () => b.setCarryOverflow(b.let(bitOf(z, n)), topBitsDiffer(x, n)))
}
const rcr: Meaning = (b, d, s) => {
  const x = d.read()
  const c = countOf(b, s)
  const n = b.bits
  const cf = b.let(b.carry())
  if (n === 64) {
    const up = b.let(i64.sub(k(64), c))
    const z = b.let(
      select(i64.or(i64.or(i64.shr_u(x, c), i64.shl(cf, up)), i64.shl(i64.shl(x, k(1)), up)), x, i64.ne(c, k(0))),
    )
    d.write(z)
    whenCounted(b, c, () => {
      const out = b.let(i64.and(i64.shr_u(x, i64.sub(c, k(1))), k(1)))
      b.setCarryOverflow(out, i64.xor(bitOf(x, 63), cf))
    })
    return
  }
  const places = n === 32 ? c : b.let(i64.rem_u(c, k(n + 1)))
  const wide = b.let(i64.or(x, i64.shl(cf, k(n))))
  const z = b.let(i64.or(i64.shr_u(wide, places), i64.shl(wide, i64.sub(k(n + 1), places))))
  d.write(z)
  whenCounted(b, places, () => b.setCarryOverflow(b.let(bitOf(z, n)), i64.xor(bitOf(x, n - 1), cf)))
}

/** SHLD and SHRD shift bits of the second operand in. 16-bit counts above 16 go on with the first operand's bits. */
const shld: Meaning = (b, d, s, count) => {
  const x = d.read()
  const y = s.read()
  const c = countOf(b, count)
  const n = b.bits
  if (n === 64) {
    const z = b.let(select(i64.or(i64.shl(x, c), i64.shr_u(y, i64.sub(k(64), c))), x, i64.ne(c, k(0))))
    d.write(z)
    whenCounted(b, c, () => b.flagsResult(z, b.let(bitAt(x, i64.sub(k(64), c))), topBitsDiffer(x, 64)))
    return
  }
  // x:y (and x again for 16 bits) as one number, x on top.
  const wide = n === 32 ? i64.or(i64.shl(x, k(32)), y) : i64.or(i64.or(i64.shl(x, k(32)), i64.shl(y, k(16))), x)
  const all = b.let(wide)
  const shifted = b.let(i64.shl(all, c))
  const z = b.let(b.trunc(i64.shr_u(shifted, k(32))))
  d.write(z)
  whenCounted(b, c, () => b.flagsResult(z, b.let(bitAt(all, i64.sub(k(32 + n), c))), topBitsDiffer(x, n)))
}
const bitAt = (value: I64, n: I64): I64 => i64.and(i64.shr_u(value, n), k(1))
const shrd: Meaning = (b, d, s, count) => {
  const x = d.read()
  const y = s.read()
  const c = countOf(b, count)
  const n = b.bits
  if (n === 64) {
    const z = b.let(select(i64.or(i64.shr_u(x, c), i64.shl(y, i64.sub(k(64), c))), x, i64.ne(c, k(0))))
    d.write(z)
    whenCounted(b, c, () =>
      b.flagsResult(z, b.let(bitAt(x, i64.sub(c, k(1)))), i64.xor(bitOf(x, 63), i64.and(y, k(1)))),
    )
    return
  }
  const wide = n === 32 ? i64.or(i64.shl(y, k(32)), x) : i64.or(i64.or(i64.shl(x, k(32)), i64.shl(y, k(16))), x)
  const all = b.let(wide)
  const z = b.let(b.trunc(i64.shr_u(all, c)))
  d.write(z)
  whenCounted(b, c, () =>
    b.flagsResult(z, b.let(bitAt(all, i64.sub(c, k(1)))), i64.xor(bitOf(x, n - 1), i64.and(y, k(1)))),
  )
}

/** BT, BTS, BTR, BTC: only CF changes. A register offset into memory reaches beyond the operand. */
const bitTest =
  (change?: (value: I64, bit: I64) => I64): Meaning =>
  (b, d, s) => {
    const n = b.bits
    const offset = s.read()
    const bit = b.let(i64.and(offset, k(n - 1)))
    const apply = (value: I64, write: (v: I64) => void): void => {
      const x = b.let(value)
      if (change !== undefined) write(change(x, i64.shl(k(1), bit)))
      b.setCarry(b.let(i64.and(i64.shr_u(x, bit), k(1))))
    }
    if (!d.isMemory || s.form === 'imm') {
      apply(d.read(), (v) => d.write(v))
      return
    }
    const words = i64.shr_s(b.sext(offset), k({ 8: 3, 16: 4, 32: 5, 64: 6 }[n]))
    const moved = b.let(i64.mul(words, k(n / 8)))
    if (!b.long) b.checkMoved(d.address(), moved)
    const ea = b.displaced(d.address(), moved)
    if (change === undefined) apply(b.load(ea), () => {})
    else {
      const at = b.modifyAddress(ea, n / 8)
      apply(loadInt(at, n), (v) => b.f.emit(storeInt(at, v, n)))
      b.finishModify(at)
    }
  }

/** BSF and BSR of 0 set ZF and leave the destination (AMD documents it, Intel does it). */
const bitScan =
  (index: (b: Builder, x: I64) => I64): Meaning =>
  (b, d, s) => {
    const x = s.read()
    const i = b.let(index(b, x))
    b.f.if(i64.ne(x, k(0)), () => d.write(i))
    // An index of 0 is not a zero: bit 8 keeps ZF clear and PF alone.
    b.flagsLogic(b.let(select(i64.or(i, k(0x100)), k(0), i64.ne(x, k(0)))))
  }
const popcnt: Meaning = (b, d, s) => {
  const x = s.read()
  d.write(i64.popcnt(x))
  // ZF alone may be set: PF and SF are 0, and RES = 1 has odd parity and no sign.
  b.flagsLogic(b.let(i64.extend_i32_u(i64.ne(x, k(0)))))
  b.f.if(i64.eqz(x), () => b.setFlags(k(0), k(0), k(1), k(0), k(0), k(0)))
}
const bswap: Meaning = (b, d) => {
  const x = d.read()
  const swap16 = b.let(
    i64.or(i64.and(i64.shr_u(x, k(8)), k(0x00ff00ff00ff00ffn)), i64.shl(i64.and(x, k(0x00ff00ff00ff00ffn)), k(8))),
  )
  const swap32 = b.let(
    i64.or(
      i64.and(i64.shr_u(swap16, k(16)), k(0x0000ffff0000ffffn)),
      i64.shl(i64.and(swap16, k(0x0000ffff0000ffffn)), k(16)),
    ),
  )
  // Of a 16-bit register it makes zero (undefined in the manual, so on every processor known).
  if (b.bits === 16) d.write(k(0))
  else d.write(b.bits === 32 ? swap32 : i64.rotl(swap32, k(32)))
}

const shifts = (name: string, digit: number, meaning: Meaning, hot: boolean): Row[] => [
  row(`${name} r/m8, imm8`, `C0 /${digit} ib`, 'rw r', meaning, { hot }),
  ...sized(`${name} r/mv, imm8`, `C1 /${digit} ib`, 'rw r', meaning, { hot }),
  row(`${name} r/m8, 1`, `D0 /${digit}`, 'rw r', meaning, { hot }),
  ...sized(`${name} r/mv, 1`, `D1 /${digit}`, 'rw r', meaning, { hot }),
  row(`${name} r/m8, CL`, `D2 /${digit}`, 'rw r', meaning, { hot }),
  ...sized(`${name} r/mv, CL`, `D3 /${digit}`, 'rw r', meaning, { hot }),
]
const doubleShift = (name: string, imm: string, cl: string, meaning: Meaning): Row[] => [
  ...sized(`${name} r/mv, rv, imm8`, `0F ${imm} /r ib`, 'rw r r', meaning),
  ...sized(`${name} r/mv, rv, CL`, `0F ${cl} /r`, 'rw r r', meaning),
]
const bitRows = (name: string, reg: string, digit: number, meaning: Meaning, access: string): Row[] => [
  ...sized(`${name} r/mv, rv`, `0F ${reg} /r`, access, meaning, { lock: access === 'rw r', modal: true, plus: 'bit' }),
  ...sized(`${name} r/mv, imm8`, `0F BA /${digit} ib`, access, meaning, { lock: access === 'rw r' }),
]

export const SHIFT: readonly Row[] = [
  ...shifts('ROL', 0, rol, true),
  ...shifts('ROR', 1, ror, true),
  ...shifts('RCL', 2, rcl, false),
  ...shifts('RCR', 3, rcr, false),
  ...shifts('SHL', 4, shl, true),
  ...shifts('SHR', 5, shr, true),
  ...shifts('SHL', 6, shl, false),
  ...shifts('SAR', 7, sar, true),
  ...doubleShift('SHLD', 'A4', 'A5', shld),
  ...doubleShift('SHRD', 'AC', 'AD', shrd),
  ...bitRows('BT', 'A3', 4, bitTest(), 'r r'),
  ...bitRows(
    'BTS',
    'AB',
    5,
    bitTest((x, bit) => i64.or(x, bit)),
    'rw r',
  ),
  ...bitRows(
    'BTR',
    'B3',
    6,
    bitTest((x, bit) => i64.and(x, i64.xor(bit, k(-1)))),
    'rw r',
  ),
  ...bitRows(
    'BTC',
    'BB',
    7,
    bitTest((x, bit) => i64.xor(x, bit)),
    'rw r',
  ),
  ...sized(
    'BSF rv, r/mv',
    '0F BC /r',
    'rw r',
    bitScan((_, x) => i64.ctz(x)),
  ),
  ...sized(
    'BSR rv, r/mv',
    '0F BD /r',
    'rw r',
    bitScan((_, x) => i64.sub(k(63), i64.clz(x))),
  ),
  ...sized('POPCNT rv, r/mv', 'F3 0F B8 /r', 'w r', popcnt, { feature: 'popcnt' }),
  ...sized('BSWAP rv', '0F C8+r', 'rw', bswap, { hot: true }),
]
