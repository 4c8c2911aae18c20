/** Rows against this machine's own CPU: same bytes, same inputs, same outputs. */

import { CR4, CR4_OSXMMEXCPT, FPR, FTW, MXCSR, RDI, SLOT_ZERO, XMM } from '../../state/layout.ts'
import { REC_BASE, REC_IMM, REC_INDEX } from '../../state/record.ts'
import type { Row } from '../row.ts'
import {
  CASE_BYTES,
  CASE_GPR,
  CASE_MEMORY,
  CASE_MM,
  CASE_MXCSR,
  CASE_RFLAGS,
  CASE_SIGNAL,
  CASE_XMM,
  type NativeGroup,
  runNative,
} from './native.ts'
import {
  buildHandler,
  DATA_ADDRESS,
  fieldsOf,
  formsOf,
  type HostFunctions,
  isRegisterForm,
  RECORD_ADDRESS,
} from './single-handler.ts'

/** Register numbers of the operand in ModRM.reg and of the one in ModRM.rm; `same` makes them one. */
const REG = 1
const RM = 2
export type Placement = 'register' | 'same' | 'memory'

/** The instruction's bytes, its memory operand at [RDI]. */
export const encodeRow = (row: Row, placement: Placement, imm: number): number[] => {
  const e = row.encoding
  const out: number[] = []
  if (row.options.osize === 16) out.push(0x66)
  if (e.prefix !== undefined && e.prefix !== 'NP') out.push(Number.parseInt(e.prefix, 16))
  if (e.rexW) out.push(0x48)
  if (e.map > 0) out.push(0x0f)
  if (e.map === 2) out.push(0x38)
  if (e.map === 3) out.push(0x3a)
  out.push(e.opcode)
  if (e.modrm) {
    const reg = e.digit ?? REG
    const rm = placement === 'memory' ? 7 : 0xc0 | (placement === 'same' ? REG : RM)
    out.push((reg << 3) | rm)
  }
  if (e.immediates.includes('ib')) out.push(imm & 0xff)
  return out
}

/** Deterministic random numbers (xorshift32). */
export class Random {
  #x: number
  constructor(seed: number) {
    this.#x = seed | 1
  }
  next(): number {
    let x = this.#x
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#x = x
    return x >>> 0
  }
  below(n: number): number {
    return this.next() % n
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }
}

export type Fill = (random: Random, view: DataView, at: number, bytes: number) => void

/** Integers: lanes of one width per operand, many of them corners. */
export const integers: Fill = (random, view, at, bytes) => {
  const kind = random.below(6)
  if (kind === 0) for (let i = 0; i < bytes; i++) view.setUint8(at + i, random.next())
  else if (kind === 1)
    for (let i = 0; i < bytes; i++) view.setUint8(at + i, random.pick([0, 1, 0x7f, 0x80, 0x81, 0xff]))
  else if (kind === 2)
    for (let i = 0; i < bytes; i += 2)
      view.setUint16(
        at + i,
        random.pick([0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xffff, random.next()]),
        true,
      )
  else if (kind === 3)
    for (let i = 0; i < bytes; i += 4)
      view.setUint32(
        at + i,
        random.pick([0, 1, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, random.next()]),
        true,
      )
  else if (kind === 4)
    // A small count in each quadword.
    for (let i = 0; i < bytes; i += 8) view.setBigUint64(at + i, BigInt(random.below(70)), true)
  else
    for (let i = 0; i < bytes; i++)
      view.setUint8(at + i, i < 2 ? random.next() : random.pick([0, 0xff, view.getUint8(at)]))
}

export interface VerifyOptions {
  readonly hosts?: HostFunctions
  readonly fill?: Fill
  readonly memoryFill?: Fill
  readonly mxcsr?: (random: Random) => number
  readonly cases?: number
  readonly seed?: number
  /** Immediates to try; default all 256 where there is one. */
  readonly immediates?: readonly number[]
  /** Leave a case out (documented deviations). */
  readonly except?: (view: DataView, at: number, imm: number) => boolean
  /** Makes `got` what the CPU has where the manual allows both. */
  readonly forgive?: (want: DataView, got: DataView) => void
}

/** Destination lanes of 32 or 64 bits that `allowed` says the manual allows count as the same. */
export const forgiveLanes =
  (bits: 32 | 64, allowed: (want: number, got: number) => boolean) =>
  (want: DataView, got: DataView): void => {
    const value = (v: DataView, at: number): number => (bits === 32 ? v.getFloat32(at, true) : v.getFloat64(at, true))
    const first = CASE_XMM + 16 * REG
    for (let at = first; at < first + 16; at += bits / 8)
      if (allowed(value(want, at), value(got, at)))
        for (let i = at; i < at + bits / 8; i++) got.setUint8(i, want.getUint8(i))
  }

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (x) => x.toString(16).padStart(2, '0'))
    .reverse()
    .join('')
    .replace(/(.{8})(?=.)/g, '$1_')

const picture = (c: Uint8Array): string => {
  const view = new DataView(c.buffer, c.byteOffset, c.length)
  const parts = [0, 1, 2, 3].map((i) => `xmm${i}=${hex(c.subarray(CASE_XMM + 16 * i, CASE_XMM + 16 * i + 16))}`)
  for (let i = 0; i < 4; i++) parts.push(`mm${i}=${hex(c.subarray(CASE_MM + 8 * i, CASE_MM + 8 * i + 8))}`)
  for (let i = 0; i < 4; i++)
    parts.push(`${['rax', 'rcx', 'rdx', 'rbx'][i]}=${hex(c.subarray(CASE_GPR + 8 * i, CASE_GPR + 8 * i + 8))}`)
  parts.push(`mem=${hex(c.subarray(CASE_MEMORY, CASE_MEMORY + 16))}`)
  parts.push(`mxcsr=${view.getUint32(CASE_MXCSR, true).toString(16)} signal=${view.getUint32(CASE_SIGNAL, true)}`)
  parts.push(`flags=${(view.getUint32(CASE_RFLAGS, true) & 0x8d5).toString(16)}`)
  return parts.join('\n    ')
}
const differing = (a: string, b: string): string => {
  const x = a.split('\n')
  const y = b.split('\n')
  return x.flatMap((line, i) => (line === y[i] ? [] : [`${line.trim()}   here: ${y[i]!.trim()}`])).join('\n    ')
}

const SIGNAL_OF_VECTOR: Readonly<Record<number, number>> = { 19: 8, 13: 11, 6: 4 }

export interface Verdict {
  readonly cases: number
  readonly failures: readonly string[]
}

/** Runs a row's forms here and natively; reports the first few differences. */
export const verifyRow = (row: Row, options: VerifyOptions = {}): Verdict => {
  const random = new Random(options.seed ?? 12345)
  const fill = options.fill ?? integers
  const hasImmediate = row.encoding.immediates.includes('ib')
  const immediates = hasImmediate ? (options.immediates ?? Array.from({ length: 256 }, (_, i) => i)) : [0]
  const rm = row.operands.find((o) => o.source === 'rm')
  const placements: Placement[] = []
  if (rm === undefined || rm.register) placements.push('register')
  if (rm?.register === true && row.operands.some((o) => o.source === 'reg' && o.class[0] === rm.class[0]))
    placements.push('same')
  if (rm?.memory === true) placements.push('memory')
  const failures: string[] = []
  let total = 0
  for (const placement of placements) {
    const handler = buildHandler(row, placement === 'memory', options.hosts ?? {})
    const perGroup = Math.max(4, Math.ceil((options.cases ?? 1500) / immediates.length))
    const groups: NativeGroup[] = immediates.map((imm) => {
      const cases = new Uint8Array(perGroup * CASE_BYTES)
      const view = new DataView(cases.buffer)
      for (let i = 0; i < perGroup; i++) {
        const at = i * CASE_BYTES
        for (let r = 0; r < 4; r++) fill(random, view, at + CASE_XMM + 16 * r, 16)
        for (let r = 0; r < 4; r++) fill(random, view, at + CASE_MM + 8 * r, 8)
        for (let r = 0; r < 4; r++) integers(random, view, at + CASE_GPR + 8 * r, 8)
        ;(options.memoryFill ?? fill)(random, view, at + CASE_MEMORY, 64)
        view.setUint32(at + CASE_MXCSR, options.mxcsr?.(random) ?? 0x1f80, true)
        view.setBigUint64(at + CASE_RFLAGS, BigInt(0x202 | (random.next() & 0x8d5)), true)
      }
      return { code: encodeRow(row, placement, imm), cases }
    })
    const expected = runNative(groups)

    const forms = formsOf(row, placement === 'memory')
    const fields = fieldsOf(forms)
    const u8 = new Uint8Array(handler.memory)
    const data = new DataView(handler.memory)
    const record = RECORD_ADDRESS
    row.operands.forEach((spec, i) => {
      const form = forms[i]!
      if (!isRegisterForm(form)) return
      const number = spec.source === 'fixed' ? 0 : spec.source === 'rm' && placement !== 'same' ? RM : REG
      u8[record + fields[i]!] =
        spec.source === 'fixed' && form === 'gpr' ? spec.slot : number * (form === 'gpr' ? 8 : 16)
    })
    u8[record + REC_BASE] = RDI
    u8[record + REC_INDEX] = SLOT_ZERO
    const s = handler.state
    const usesMmx = forms.includes('mm')
    groups.forEach((group, g) => {
      const imm = immediates[g]!
      data.setInt32(record + REC_IMM, (imm << 24) >> 24, true)
      const want = expected[g]!
      const wantView = new DataView(want.buffer, want.byteOffset)
      const input = new DataView(group.cases.buffer)
      const got = new Uint8Array(CASE_BYTES)
      const gotView = new DataView(got.buffer)
      for (let i = 0; i < perGroup; i++) {
        const at = i * CASE_BYTES
        if (options.except?.(input, at, imm) === true) continue
        total++
        s.u8.set(group.cases.subarray(at, at + 64), XMM)
        for (let r = 0; r < 4; r++) {
          s.u8.set(group.cases.subarray(at + CASE_MM + 8 * r, at + CASE_MM + 8 * r + 8), FPR + 16 * r)
          s.set64(8 * r, input.getBigUint64(at + CASE_GPR + 8 * r, true))
        }
        s.set64(RDI, BigInt(DATA_ADDRESS))
        u8.set(group.cases.subarray(at + CASE_MEMORY, at + CASE_MEMORY + 64), DATA_ADDRESS)
        s.set32(MXCSR, input.getUint32(at + CASE_MXCSR, true))
        s.set32(CR4, CR4_OSXMMEXCPT)
        s.rflags = input.getUint32(at + CASE_RFLAGS, true)
        if (usesMmx) s.view.setUint16(FTW, 0xffff, true)

        const vector = handler.run()

        got.set(s.u8.subarray(XMM, XMM + 64), CASE_XMM)
        for (let r = 0; r < 4; r++) {
          got.set(s.u8.subarray(FPR + 16 * r, FPR + 16 * r + 8), CASE_MM + 8 * r)
          gotView.setBigUint64(CASE_GPR + 8 * r, s.get64(8 * r), true)
        }
        got.set(u8.subarray(DATA_ADDRESS, DATA_ADDRESS + 64), CASE_MEMORY)
        gotView.setUint32(CASE_MXCSR, s.get32(MXCSR), true)
        gotView.setUint32(CASE_SIGNAL, vector < 0 ? 0 : (SIGNAL_OF_VECTOR[vector] ?? 1000 + vector), true)
        gotView.setBigUint64(CASE_RFLAGS, BigInt(s.rflags & 0x8d5), true)
        wantView.setBigUint64(at + CASE_RFLAGS, BigInt(wantView.getUint32(at + CASE_RFLAGS, true) & 0x8d5), true)
        options.forgive?.(new DataView(want.buffer, want.byteOffset + at, CASE_BYTES), gotView)
        let equal = true
        for (let n = 0; n < 208; n++) if (got[n] !== want[at + n]) equal = false
        if (!equal && failures.length < 4) {
          const wanted = picture(want.subarray(at, at + CASE_BYTES))
          failures.push(
            `${row.text} (${placement}) imm ${imm.toString(16)}\n   in\n    ${picture(
              group.cases.subarray(at, at + CASE_BYTES),
            )}\n   out, CPU\n    ${differing(wanted, picture(got))}`,
          )
        }
        if (usesMmx && vector < 0 && !row.mnemonic.startsWith('CVTPI2PD') && s.view.getUint16(FTW, true) !== 0)
          failures.push(`${row.text} (${placement}) does not make the tags valid`)
      }
    })
  }
  return { cases: total, failures }
}
