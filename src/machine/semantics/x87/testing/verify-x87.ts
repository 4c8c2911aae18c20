/** x87 rows, through the WebAssembly of their meanings, against this machine's own unit. */

import type { Row } from '../../../isa/row.ts'
import { buildHandler, DATA_ADDRESS, RECORD_ADDRESS } from '../../../isa/testing/single-handler.ts'
import { Random } from '../../../isa/testing/verify.ts'
import { FCW, FDP, FIP, FOP, FPR, FSW, FTW, RAX, RDI, SLOT_ZERO } from '../../../state/layout.ts'
import { REC_BASE, REC_INDEX, REC_LENGTH, REC_R1 } from '../../../state/record.ts'
import type { CpuCore } from '../../core.ts'
import { fullTagWord } from '../../system/fpu-state.ts'
import { X87_HOST } from '../host.ts'
import { FSW_ES } from '../unit.ts'
import {
  CASE_BYTES,
  CASE_FCW,
  CASE_FDP_RELATIVE,
  CASE_FIP_RELATIVE,
  CASE_FOP,
  CASE_FSW,
  CASE_FTW,
  CASE_MEMORY,
  CASE_RAX,
  CASE_RFLAGS,
  CASE_SIGNAL,
  CASE_ST,
  fdpByExceptionsOnly,
  runX87,
} from './native-x87.ts'

export type Extended = readonly [significand: bigint, signExponent: number]
export type Operands = (random: Random) => readonly [st0: Extended, other: Extended]

const ONE_BIT = 1n << 63n
const ALL = 0xffffffffffffffffn
const random64 = (r: Random): bigint => (BigInt(r.next()) << 32n) | BigInt(r.next())

/** Significands with the integer bit: patterns that carry, cancel and tie. */
export const significand = (r: Random): bigint => {
  switch (r.below(8)) {
    case 0:
      return ONE_BIT
    case 1:
      return ALL
    case 2:
      return ONE_BIT | (1n << BigInt(r.below(64)))
    case 3:
      return (ALL << BigInt(r.below(64))) & ALL
    case 4:
      return ONE_BIT | BigInt(r.below(16))
    case 5:
      // Ties and near ties of 24 and 53 bits.
      return ONE_BIT | ((random64(r) >> 1n) & ~0x7ffn) | BigInt(r.pick([0x3ff, 0x400, 0x401, 0x200, 0]))
    case 6:
      return (
        ONE_BIT | ((random64(r) >> 1n) & ~0xffffffffffn) | BigInt(r.pick([0, 0x8000000000, 0x8000000001, 0x7fffffffff]))
      )
    default:
      return ONE_BIT | random64(r)
  }
}
const SPECIALS: readonly Extended[] = [
  [0n, 0],
  [ONE_BIT, 0x7fff], // infinity
  [0xc000000000000000n, 0x7fff],
  [0xc000000000000001n, 0x7fff],
  [0xffffffffffffffffn, 0x7fff],
  [0x8000000000000001n, 0x7fff], // signaling
  [0xbfffffffffffffffn, 0x7fff],
  [1n, 0], // denormals
  [0x7fffffffffffffffn, 0],
  [0x4000000000000000n, 0],
  [0x8000000000000000n, 0], // pseudo-denormals
  [0xc000000000000001n, 0],
  [0x8000000000000000n, 1],
  [ALL, 0x7ffe],
  [0x4000000000000000n, 0x3fff], // unnormal
  [0n, 0x4000],
  [0n, 0x7fff], // pseudo-infinity
  [0x4000000000000001n, 0x7fff], // pseudo-NaN
]
export const special = (r: Random): Extended => {
  const [s, e] = r.pick(SPECIALS)
  return [s, e | (r.below(2) << 15)]
}
const withExponent = (r: Random, e: number): Extended => [
  significand(r),
  Math.min(0x7ffe, Math.max(1, e)) | (r.below(2) << 15),
]
export const number = (r: Random): Extended => {
  switch (r.below(6)) {
    case 0:
      return withExponent(r, r.below(0x8000))
    case 1:
      return withExponent(r, r.pick([1, 2, 3, 40, 64, 65, 0x7ffe, 0x7ffd, 0x7fc0]))
    case 2:
      return [random64(r) >> BigInt(1 + r.below(60)), r.below(2) << 15]
    default:
      return withExponent(r, 0x3fff - 70 + r.below(140))
  }
}
/** Any two numbers, often of related exponents, sometimes special. */
export const anyOperands: Operands = (r) => {
  const a = r.below(5) === 0 ? special(r) : number(r)
  if (r.below(5) === 0) return [a, special(r)]
  if (r.below(3) !== 0) return [a, number(r)]
  const b = withExponent(r, (a[1] & 0x7fff) + r.below(7) - 3)
  return r.below(2) === 0 ? [a, b] : [b, a]
}

export interface X87Options {
  readonly cases?: number
  readonly seed?: number
  readonly operands?: Operands
  /** Unmasked exceptions, empty registers and stack faults, too. */
  readonly masked?: boolean
  readonly allValid?: boolean
  /** Condition and flag bits of FSW to compare. */
  readonly fswMask?: number
  /** 10 bytes of memory; default by the operand's kind. */
  readonly memory?: (r: Random, view: DataView, at: number) => void
  /** Also FIP, FDP and FOP. */
  readonly pointers?: boolean
  readonly register?: number
  /** Leave a case out: what other processors do otherwise. */
  readonly except?: (before: DataView) => boolean
  /** Only significands that differ by no more than this count as the same. */
  readonly ulps?: number
}
export interface X87Verdict {
  readonly cases: number
  readonly different: number
  readonly failures: readonly string[]
}

const memoryOf = (row: Row): ((r: Random, view: DataView, at: number) => void) => {
  const spec = row.operands.find((o) => o.class === 'mem')
  const integer = /^F(I|BLD)/.test(row.mnemonic)
  const e80 = (r: Random, view: DataView, at: number): void => {
    const [s, e] = r.below(4) === 0 ? special(r) : number(r)
    view.setBigUint64(at, s, true)
    view.setUint16(at + 8, e, true)
  }
  if (row.mnemonic === 'FBLD')
    return (r, view, at) => {
      const zeros = r.below(19)
      for (let i = 0; i < 18; i += 2)
        view.setUint8(at + (i >> 1), i >= zeros && r.below(3) !== 0 ? (r.below(10) << 4) | r.below(10) : 0)
      view.setUint8(at + 9, r.next())
    }
  if (integer)
    return (r, view, at) => {
      view.setBigUint64(at, r.below(3) === 0 ? BigInt.asUintN(64, BigInt(r.below(9) - 4)) : random64(r), true)
      if (r.below(6) === 0) view.setBigUint64(at, ONE_BIT >> BigInt(64 - (spec?.bits ?? 64)), true)
    }
  if (spec?.bits === 32)
    return (r, view, at) => {
      const exponent = r.pick([0, 1, 2, 126, 127, 128, 150, 254, 255, r.below(256)])
      const fraction = r.pick([0, 1, 0x3fffff, 0x400000, 0x400001, 0x7fffff, r.below(0x800000)])
      view.setUint32(at, ((r.below(2) << 31) | (exponent << 23) | fraction) >>> 0, true)
    }
  if (spec?.bits === 64)
    return (r, view, at) => {
      const exponent = r.pick([0, 1, 2, 1022, 1023, 1024, 1076, 2046, 2047, r.below(2048)])
      const fraction = r.pick([
        0n,
        1n,
        (1n << 51n) - 1n,
        1n << 51n,
        (1n << 51n) + 1n,
        (1n << 52n) - 1n,
        random64(r) >> 12n,
      ])
      view.setBigUint64(at, (BigInt(r.below(2)) << 63n) | (BigInt(exponent) << 52n) | fraction, true)
    }
  return e80
}

/** The instruction's bytes: memory at [RDI]. */
export const encodeX87 = (row: Row, register: number): number[] => {
  const e = row.encoding
  if (e.literalModrm !== undefined) return [e.opcode, e.literalModrm]
  if (!e.modrm) return [e.opcode]
  const rm = row.operands.some((o) => o.class === 'mem') ? 7 : 0xc0 | register
  return [...(row.options.osize === 16 ? [0x66] : []), e.opcode, (e.digit! << 3) | rm]
}

const hex = (n: number | bigint, digits: number): string => n.toString(16).padStart(digits, '0')
const picture = (c: DataView): string[] => [
  ...[0, 1, 2, 7, 3, 4, 5, 6].map(
    (i) =>
      `st${i}=${hex(c.getUint16(CASE_ST + 10 * i + 8, true), 4)}.${hex(c.getBigUint64(CASE_ST + 10 * i, true), 16)}`,
  ),
  `memory=${hex(c.getUint16(CASE_MEMORY + 8, true), 4)}.${hex(c.getBigUint64(CASE_MEMORY, true), 16)}`,
  `fcw=${hex(c.getUint16(CASE_FCW, true), 4)}`,
  `fsw=${hex(c.getUint16(CASE_FSW, true), 4)}`,
  `ftw=${hex(c.getUint16(CASE_FTW, true), 4)}`,
  `rax=${hex(c.getBigUint64(CASE_RAX, true), 16)}`,
  `rflags=${hex(c.getUint16(CASE_RFLAGS, true) & 0x8d5, 4)}`,
  `signal=${c.getUint32(CASE_SIGNAL, true)}`,
  `fip=${hex(c.getUint32(CASE_FIP_RELATIVE, true), 8)}`,
  `fdp=${hex(c.getUint32(CASE_FDP_RELATIVE, true), 8)}`,
  `fop=${hex(c.getUint16(CASE_FOP, true) & 0x7ff, 3)}`,
]
/** Lines of `picture` before the pointers. */
const WITHOUT_POINTERS = 15

export const CODE_ADDRESS = 0x5000
/** What the runner reports for a pointer that is zero, as FRSTOR loaded it. */
const UNTOUCHED = 0xffffffff
/** An instruction that really leaves FIP alone does so more often than tasks are switched. */
const SWITCHES = 5
const relative = (pointer: number, base: number): number => (pointer === 0 ? UNTOUCHED : pointer - base)
/** Runs `row` on random states here and there; reports the first few differences. */
export const verifyX87 = (row: Row, options: X87Options = {}): X87Verdict => {
  const random = new Random(options.seed ?? 4711)
  const n = options.cases ?? 3000
  const operands = options.operands ?? anyOperands
  const register = options.register ?? 1
  const memory = row.operands.some((o) => o.class === 'mem')
  const fillMemory = options.memory ?? memoryOf(row)
  const fswMask = options.fswMask ?? 0xffff
  const cases = new Uint8Array(n * CASE_BYTES)
  for (let i = 0; i < n; i++) {
    const c = new DataView(cases.buffer, i * CASE_BYTES, CASE_BYTES)
    const masks = options.masked || random.below(5) < 3 ? 0x3f : random.below(3) === 0 ? 0 : random.below(64)
    const precision = random.below(3) === 0 ? random.below(4) : 3
    c.setUint16(CASE_FCW, 0x40 | masks | (precision << 8) | (random.below(4) << 10), true)
    const top = random.below(8)
    const flags = random.below(4) === 0 ? random.next() & masks : 0
    c.setUint16(CASE_FSW, flags | (random.below(2) << 6) | (top << 11) | (random.next() & 0x4700), true)
    // Usually ST(0) to ST(3) are there and the rest free.
    let tags = 0
    for (let k = 0; k < 8; k++) {
      const empty = options.allValid ? k > 3 : random.below(12) === 0 ? random.below(2) === 0 : k > 3
      if (empty) tags |= 3 << (((top + k) & 7) * 2)
    }
    c.setUint16(CASE_FTW, tags, true)
    const [st0, other] = operands(random)
    for (let k = 0; k < 8; k++) {
      const [s, e] = k === 0 ? st0 : k === register || k === 1 ? other : number(random)
      c.setBigUint64(CASE_ST + 10 * k, s, true)
      c.setUint16(CASE_ST + 10 * k + 8, e, true)
    }
    fillMemory(random, c, CASE_MEMORY)
    c.setBigUint64(CASE_RAX, random64(random), true)
    c.setBigUint64(CASE_RFLAGS, BigInt((random.next() & 0x8d5) | 2), true)
  }
  const code = encodeX87(row, register)
  const expected = runX87(code, cases)

  const core = {
    memory: { readBlock: (_: bigint, into: Uint8Array) => into.set(code.slice(0, into.length)) },
    log: () => {},
  } as unknown as { -readonly [K in keyof CpuCore]: CpuCore[K] }
  let bytes: DataView
  const hosts = Object.fromEntries(
    Object.entries(X87_HOST).map(([name, f]) => [
      name,
      (_: unknown, record: number) => {
        f(core, record, bytes)
        return true
      },
    ]),
  )
  const handler = buildHandler(row, memory, hosts)
  bytes = new DataView(handler.memory)
  const { state } = handler
  core.state = state
  bytes.setUint8(RECORD_ADDRESS + REC_BASE, RDI)
  bytes.setUint8(RECORD_ADDRESS + REC_INDEX, SLOT_ZERO)
  bytes.setUint8(RECORD_ADDRESS + REC_R1, register * 16)
  bytes.setUint8(RECORD_ADDRESS + REC_LENGTH, code.length)
  if (row.operands[0]?.source === 'fixed') bytes.setUint8(RECORD_ADDRESS + REC_R1, RAX)
  const v = state.view
  const failures: string[] = []
  let different = 0
  let switches = 0
  for (let i = 0; i < n; i++) {
    const c = new DataView(cases.buffer, i * CASE_BYTES, CASE_BYTES)
    if (options.except?.(c) === true) continue
    const before = picture(c)
    const fsw = c.getUint16(CASE_FSW, true)
    v.setUint16(FCW, c.getUint16(CASE_FCW, true), true)
    v.setUint16(FSW, fsw, true)
    v.setUint16(FTW, c.getUint16(CASE_FTW, true), true)
    v.setUint16(FOP, 0, true)
    state.set64(FIP, 0n)
    state.set64(FDP, 0n)
    for (let k = 0; k < 8; k++) {
      const at = FPR + (((fsw >> 11) + k) & 7) * 16
      v.setBigUint64(at, c.getBigUint64(CASE_ST + 10 * k, true), true)
      v.setUint16(at + 8, c.getUint16(CASE_ST + 10 * k + 8, true), true)
    }
    for (let k = 0; k < 16; k++) bytes.setUint8(DATA_ADDRESS + k, c.getUint8(CASE_MEMORY + k))
    state.set64(RAX, c.getBigUint64(CASE_RAX, true))
    state.rflags = Number(c.getBigUint64(CASE_RFLAGS, true))
    state.set64(RDI, BigInt(DATA_ADDRESS))
    state.rip = BigInt(CODE_ADDRESS)
    const fault = handler.run()

    c.setUint16(CASE_FCW, v.getUint16(FCW, true), true)
    const after = v.getUint16(FSW, true)
    c.setUint16(CASE_FSW, after & fswMask, true)
    c.setUint16(CASE_FTW, fullTagWord(state), true)
    for (let k = 0; k < 8; k++) {
      const at = FPR + (((after >> 11) + k) & 7) * 16
      c.setBigUint64(CASE_ST + 10 * k, v.getBigUint64(at, true), true)
      c.setUint16(CASE_ST + 10 * k + 8, v.getUint16(at + 8, true), true)
    }
    for (let k = 0; k < 16; k++) c.setUint8(CASE_MEMORY + k, bytes.getUint8(DATA_ADDRESS + k))
    c.setBigUint64(CASE_RAX, state.get64(RAX), true)
    c.setUint32(CASE_RFLAGS, state.rflags, true)
    c.setUint32(CASE_SIGNAL, fault < 0 ? 0 : fault === 6 ? 4 : 8, true)
    c.setUint32(CASE_FIP_RELATIVE, relative(v.getUint32(FIP, true), CODE_ADDRESS), true)
    c.setUint32(CASE_FDP_RELATIVE, relative(v.getUint32(FDP, true), DATA_ADDRESS), true)
    c.setUint16(CASE_FOP, v.getUint16(FOP, true), true)

    const e = new DataView(expected.buffer, i * CASE_BYTES, CASE_BYTES)
    e.setUint16(CASE_FSW, e.getUint16(CASE_FSW, true) & fswMask, true)
    if (options.ulps !== undefined) forgive(c, e, options.ulps)
    // FOP is kept for unmasked exceptions only; this CPU always knows it.
    if ((after & FSW_ES) === 0) for (const state of [c, e]) state.setUint16(CASE_FOP, 0, true)
    // Where the host's FDP needs one, it is held to that instead: it still is what FRSTOR loaded.
    if (fdpByExceptionsOnly() && (after & FSW_ES) === 0) c.setUint32(CASE_FDP_RELATIVE, UNTOUCHED, true)
    // Linux on AMD restores no pointers when it switches tasks between the instruction and FNSAVE.
    if (
      options.pointers &&
      switches < SWITCHES &&
      e.getUint32(CASE_FIP_RELATIVE, true) === UNTOUCHED &&
      c.getUint32(CASE_FIP_RELATIVE, true) !== UNTOUCHED
    ) {
      switches++
      for (const at of [CASE_FIP_RELATIVE, CASE_FDP_RELATIVE, CASE_FOP])
        c.setUint32(at & ~3, e.getUint32(at & ~3, true), true)
    }
    const count = options.pointers ? undefined : WITHOUT_POINTERS
    const here = picture(c).slice(0, count)
    const there = picture(e).slice(0, count)
    if (here.join() === there.join()) continue
    different++
    if (failures.length < 6) {
      const lines = there.flatMap((line, k) => (line === here[k] ? [] : [`${line}   here: ${here[k]}`]))
      failures.push(
        [`${row.text} [${code.map((x) => hex(x, 2)).join(' ')}]`, before.join(' '), ...lines].join('\n    '),
      )
    }
  }
  return { cases: n, different, failures }
}

/** Registers that are no further apart than `ulps` are made the same. */
const forgive = (here: DataView, there: DataView, ulps: number): void => {
  for (let k = 0; k < 8; k++) {
    const at = CASE_ST + 10 * k
    const value = (c: DataView): bigint =>
      // Neighbours across a binade have neighbouring values here too.
      (BigInt(c.getUint16(at + 8, true)) << 63n) + (c.getBigUint64(at, true) & (ONE_BIT - 1n))
    const distance = value(here) - value(there)
    if (distance !== 0n && distance <= BigInt(ulps) && distance >= BigInt(-ulps)) {
      here.setBigUint64(at, there.getBigUint64(at, true), true)
      here.setUint16(at + 8, there.getUint16(at + 8, true), true)
    }
  }
}
