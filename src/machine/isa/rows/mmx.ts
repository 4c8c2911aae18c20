/**
 * MMX registers: MMX, and what SSE, SSE2 and SSSE3 added to them (SDM 1 chapter 9, §10.4.4, §11.4.2, §12.6). The packed
 * operations are sse-integer.ts's.
 */
import { i32, i64 } from '../../../wasm/instructions.ts'
import { FPR, FTW, STATE } from '../../state/layout.ts'
import { clearTop, enterMmx, type Meaning } from '../operand.ts'
import { type Row, row } from '../row.ts'
import {
  alignRight,
  PACKED,
  SHIFTS,
  shiftByImmediate,
  shiftByRegister,
  shuffleLowWords,
  signsOfBytes,
} from './sse-integer.ts'
import { maskedMove } from './sse-move.ts'
import { combine, imm8 } from './vector.ts'

/** Into an MMX register: memory is read before the registers change. */
const moveIn =
  (bits: 32 | 64): Meaning =>
  (b, x, y) => {
    const value = y.read(bits)
    enterMmx(b)
    x.writeMm(value)
  }
const moveOut =
  (bits: 32 | 64): Meaning =>
  (b, x, y) => {
    clearTop(b)
    x.write(y.read(bits), bits)
    enterMmx(b)
  }
// Made once, so that rows share handlers.
const MOVE_IN_32 = moveIn(32)
const MOVE_IN_64 = moveIn(64)
const MOVE_OUT_32 = moveOut(32)
const MOVE_OUT_64 = moveOut(64)

/** TOP becomes 0 here too, though the manual names only the tags (SDM 2A EMMS). */
const emms: Meaning = (b) => {
  clearTop(b)
  b.f.emit(i32.store16(i32.const(0), i32.const(0xffff), STATE + FTW))
}

const insertWord: Meaning = (b, x, y) => {
  const value = y.read(16)
  enterMmx(b)
  x.writeMm(x.read(64))
  const lane = i32.shl(i32.and(imm8(b), i32.const(3)), i32.const(1))
  b.f.emit(i64.store16(i32.add(x.number(), lane), value, STATE + FPR))
}
const extractWord: Meaning = (b, x, y) => {
  enterMmx(b)
  const lane = i32.shl(i32.and(imm8(b), i32.const(3)), i32.const(1))
  x.write(i64.load16_u(i32.add(y.number(), lane), STATE + FPR))
}
const signsOfMmx: Meaning = (b, x, y) => {
  enterMmx(b)
  signsOfBytes(b, x, y, x, x)
}

export const MMX_ROWS: readonly Row[] = [
  row('MOVQ mm, r/m64', 'NP REX.W + 0F 6E /r', 'w r', MOVE_IN_64, { feature: 'mmx' }),
  row('MOVD mm, r/m32', 'NP 0F 6E /r', 'w r', MOVE_IN_32, { feature: 'mmx' }),
  row('MOVQ r/m64, mm', 'NP REX.W + 0F 7E /r', 'w r', MOVE_OUT_64, { feature: 'mmx' }),
  row('MOVD r/m32, mm', 'NP 0F 7E /r', 'w r', MOVE_OUT_32, { feature: 'mmx' }),
  row('MOVQ mm, mm/m64', 'NP 0F 6F /r', 'w r', MOVE_IN_64, { feature: 'mmx' }),
  row('MOVQ mm/m64, mm', 'NP 0F 7F /r', 'w r', MOVE_OUT_64, { feature: 'mmx' }),
  row('MOVNTQ m64, mm', 'NP 0F E7 /r', 'w r', MOVE_OUT_64, { feature: 'sse' }),
  row('EMMS', 'NP 0F 77', '', emms, { feature: 'mmx', unit: 'mmx' }),

  ...PACKED.flatMap((p) =>
    p.mmx === undefined
      ? []
      : [
          row(
            `${p.mnemonic} mm, ${p.mmxSource}`,
            `NP 0F ${p.opcode} /r`,
            p.writes ? 'w r' : 'rw r',
            combine(p.mmxOperation),
            { feature: p.mmx },
          ),
        ],
  ),
  ...SHIFTS.flatMap((s) => [
    row(`${s.mnemonic} mm, mm/m64`, `NP 0F ${s.opcode} /r`, 'rw r', shiftByRegister(s.operation), { feature: 'mmx' }),
    row(`${s.mnemonic} mmrm, imm8`, `NP 0F ${s.immediate} ib`, 'rw r', shiftByImmediate(s.operation), {
      feature: 'mmx',
    }),
  ]),

  row('PSHUFW mm, mm/m64, imm8', 'NP 0F 70 /r ib', 'w r r', shuffleLowWords, { feature: 'sse' }),
  row('PALIGNR mm, mm/m64, imm8', 'NP 0F 3A 0F /r ib', 'rw r r', alignRight(8), { feature: 'ssse3' }),
  row('PINSRW mm, reg32, imm8', 'NP 0F C4 /r ib', 'rw r r', insertWord, { feature: 'sse' }),
  row('PINSRW mm, m16, imm8', 'NP 0F C4 /r ib', 'rw r r', insertWord, { feature: 'sse' }),
  row('PEXTRW r32, mmrm, imm8', 'NP 0F C5 /r ib', 'w r r', extractWord, { feature: 'sse' }),
  row('PMOVMSKB r32, mmrm', 'NP 0F D7 /r', 'w r', signsOfMmx, { feature: 'sse' }),
  row(
    'MASKMOVQ mm, mmrm',
    'NP 0F F7 /r',
    'r r',
    maskedMove(8, (b, x) => b.mmAddress(x.field)),
    {
      feature: 'sse',
      modal: true,
    },
  ),
]
