/** Holds the engine's outcome against the processor's. */

import { FLAGS_RF } from '../src/machine/state/flags.ts'
import { CASE_FLAGS, CaseFlag, FX_BYTES, FX_FSW, FX_MXCSR, FX_ST, FX_XMM } from './case.ts'
import { COMPARED_FLAGS, type Engine } from './engine.ts'
import { CODE_PAGES, imageOffset, PAGE } from './layout.ts'
import {
  DIFFERENCE_HEADER,
  OUTCOME_CR2,
  OUTCOME_DIFFERENCES,
  OUTCOME_ERROR,
  OUTCOME_FS_BASE,
  OUTCOME_FX,
  OUTCOME_GPR,
  OUTCOME_GS_BASE,
  OUTCOME_RFLAGS,
  OUTCOME_RIP,
  OUTCOME_SELECTORS,
  OUTCOME_VECTOR,
  VECTOR_STEP,
} from './outcome.ts'

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ')
const SELECTORS = 'ds es fs gs cs ss'.split(' ')
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [1, 'CF'],
  [4, 'PF'],
  [16, 'AF'],
  [64, 'ZF'],
  [128, 'SF'],
  [0x400, 'DF'],
  [0x800, 'OF'],
  [0x4000, 'NT'],
  [0x10000, 'RF'],
  [0x40000, 'AC'],
  [0x200000, 'ID'],
]
export const flagNames = (flags: number): string =>
  FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0)
    .map(([, name]) => name)
    .join(' ') || '-'

const PF = 14
const EXCEPTIONS = 'DE DB NMI BP OF BR UD NM DF CSO TS NP SS GP PF 15 MF AC MC XM'.split(' ')
export const vectorName = (vector: number): string =>
  vector === VECTOR_STEP ? 'completed' : vector === 255 ? 'does not end' : `#${EXCEPTIONS[vector] ?? vector}`

const hex = (v: number | bigint): string => `0x${v.toString(16)}`

export interface Comparison {
  /** Undefined flags. */
  readonly undefined: number
  /** Image places (start, end pairs) whose contents are not compared. */
  readonly ignored?: readonly number[]
}

/**
 * Runs the case and lists what differs, at most a few lines; undefined when nothing does. `native` is the processor's
 * outcome in the recorder's layout.
 */
export const check = (
  engine: Engine,
  bytes: Uint8Array,
  native: Uint8Array,
  undefinedMask: number,
): string[] | undefined => {
  engine.run(bytes)
  const n = new DataView(native.buffer, native.byteOffset, native.length)
  const o = engine.outcome.view
  const flags = bytes[CASE_FLAGS] as number
  const legacy = (flags & CaseFlag.Legacy) !== 0
  const float = (flags & CaseFlag.Float) !== 0
  let bad: string[] | undefined
  const say = (line: string): void => {
    bad ??= []
    if (bad.length < 12) bad.push(line)
  }
  const differ = (name: string, expected: number | bigint, got: number | bigint): void =>
    say(`${name}: processor ${hex(expected)}, engine ${hex(got)}`)

  const vector = native[OUTCOME_VECTOR] as number
  const mine = engine.outcome.bytes[OUTCOME_VECTOR] as number
  const rip = n.getBigUint64(OUTCOME_RIP, true)
  const myRip = o.getBigUint64(OUTCOME_RIP, true)
  // A branch retires and traps; the engine finds its target's page at once, and faults there.
  const fetched =
    vector === VECTOR_STEP &&
    mine === PF &&
    rip === myRip &&
    o.getBigUint64(OUTCOME_CR2, true) === rip &&
    (o.getUint32(OUTCOME_ERROR, true) & 0x14) === 0x14
  if (!fetched) {
    if (vector !== mine) say(`processor ${vectorName(vector)}, engine ${vectorName(mine)}`)
    else if (vector !== VECTOR_STEP) {
      // Linux hides from programs whether a page of the kernel's half is present.
      const hidden = vector === PF && n.getUint32(OUTCOME_CR2 + 4, true) >= 0x7fff ? 1 : 0
      if (((n.getUint32(OUTCOME_ERROR, true) ^ o.getUint32(OUTCOME_ERROR, true)) & ~hidden) !== 0)
        differ('error code', n.getUint32(OUTCOME_ERROR, true), o.getUint32(OUTCOME_ERROR, true))
      if (vector === PF && n.getBigUint64(OUTCOME_CR2, true) !== o.getBigUint64(OUTCOME_CR2, true))
        differ('cr2', n.getBigUint64(OUTCOME_CR2, true), o.getBigUint64(OUTCOME_CR2, true))
    }
    if (rip !== myRip) differ('rip', rip, myRip)
  }
  // The engine's fault at the target has RF in its frame, the processor's step has not.
  const mask = COMPARED_FLAGS & ~undefinedMask & ~(fetched ? FLAGS_RF : 0)
  const nf = n.getUint32(OUTCOME_RFLAGS, true) & mask
  const of = o.getUint32(OUTCOME_RFLAGS, true) & mask
  if (nf !== of) say(`flags: processor ${flagNames(nf)}, engine ${flagNames(of)}`)
  for (let i = 0; i < (legacy ? 8 : 16); i++) {
    const at = OUTCOME_GPR + i * 8
    const low = n.getUint32(at, true) === o.getUint32(at, true)
    if (low && (legacy || n.getUint32(at + 4, true) === o.getUint32(at + 4, true))) continue
    if (legacy) differ(`e${(NAMES[i] as string).slice(1)}`, n.getUint32(at, true), o.getUint32(at, true))
    else differ(NAMES[i] as string, n.getBigUint64(at, true), o.getBigUint64(at, true))
  }
  if (!legacy)
    for (const [name, at] of [
      ['fs base', OUTCOME_FS_BASE],
      ['gs base', OUTCOME_GS_BASE],
    ] as const)
      if (n.getBigUint64(at, true) !== o.getBigUint64(at, true))
        differ(name, n.getBigUint64(at, true), o.getBigUint64(at, true))
  for (let i = 0; i < 6; i++) {
    const at = OUTCOME_SELECTORS + i * 2
    // The kernel's IRET makes a null selector 0, whatever its RPL was.
    if (n.getUint16(at, true) < 4 && o.getUint16(at, true) < 4) continue
    if (n.getUint16(at, true) !== o.getUint16(at, true))
      differ(SELECTORS[i] as string, n.getUint16(at, true), o.getUint16(at, true))
  }
  if (float) compareFloat(n, o, say)

  // Memory: what the processor changed, over what there was.
  const written: number[] = []
  let at = OUTCOME_FX + (float ? FX_BYTES : 0)
  for (let i = native[OUTCOME_DIFFERENCES] as number; i > 0; i--) {
    const place = imageOffset(Number(n.getBigUint64(at, true)))
    const length = n.getUint32(at + 8, true)
    engine.expected.set(native.subarray(at + DIFFERENCE_HEADER, at + DIFFERENCE_HEADER + length), place)
    written.push(place, length)
    at += DIFFERENCE_HEADER + ((length + 7) & ~7)
  }
  const agrees = engine.memoryAgrees()
  if (!agrees) {
    const { image, expected } = engine
    for (let i = 0; i < image.length && (bad?.length ?? 0) < 12; i++)
      if (image[i] !== expected[i]) {
        const address = i < CODE_PAGES * PAGE ? 0x10001000 + i : 0x20001000 + i - CODE_PAGES * PAGE
        say(`[${hex(address)}]: processor ${hex(expected[i] as number)}, engine ${hex(image[i] as number)}`)
      }
  }
  engine.settle(bytes, written, !agrees)
  return bad
}

const compareFloat = (n: DataView, o: DataView, say: (line: string) => void): void => {
  const at = OUTCOME_FX
  const word = (name: string, offset: number): void => {
    const a = n.getUint16(at + offset, true)
    const b = o.getUint16(at + offset, true)
    if (a !== b) say(`${name}: processor ${hex(a)}, engine ${hex(b)}`)
  }
  word('fcw', 0)
  word('fsw', FX_FSW)
  if (n.getUint8(at + 4) !== o.getUint8(at + 4))
    say(`ftw: processor ${hex(n.getUint8(at + 4))}, engine ${hex(o.getUint8(at + 4))}`)
  const mx = n.getUint32(at + FX_MXCSR, true)
  const my = o.getUint32(at + FX_MXCSR, true)
  if (mx !== my) say(`mxcsr: processor ${hex(mx)}, engine ${hex(my)}`)
  const block = (name: string, offset: number, length: number): void => {
    let same = true
    for (let i = 0; i < length; i += 2)
      if (n.getUint16(at + offset + i, true) !== o.getUint16(at + offset + i, true)) same = false
    if (same) return
    const text = (v: DataView): string => {
      let s = ''
      for (let i = length - 1; i >= 0; i--)
        s += v
          .getUint8(at + offset + i)
          .toString(16)
          .padStart(2, '0')
      return s
    }
    say(`${name}: processor ${text(n)}, engine ${text(o)}`)
  }
  for (let i = 0; i < 8; i++) block(`st${i}`, FX_ST + i * 16, 10)
  for (let i = 0; i < 16; i++) block(`xmm${i}`, FX_XMM + i * 16, 16)
}
