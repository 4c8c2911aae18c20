/**
 * Lengths of instructions by the decoder alone, to hold against objdump and against the processor, whose fetch of an
 * unmapped page tells where an instruction ends.
 */

import { Decoder } from '../src/machine/isa/decoder.ts'
import { HandlerTable, Op } from '../src/machine/isa/handler.ts'
import type { Row } from '../src/machine/isa/row.ts'
import { ROWS } from '../src/machine/isa/table.ts'
import { CodeMode } from '../src/machine/state/layout.ts'
import { REC_OP, RECORD_BYTES } from '../src/machine/state/record.ts'
import { type Case, CaseFlag } from './case.ts'
import { CODE_END, DATA } from './layout.ts'
import type { Batch } from './native.ts'
import { OUTCOME_CR2, OUTCOME_ERROR, OUTCOME_VECTOR } from './outcome.ts'
import { Random } from './random.ts'
import type { Vendor } from './vendor.ts'

export const MAX_BYTES = 15

export interface Length {
  /** Bytes; 0 when they are no instruction. */
  readonly length: number
  readonly undefined: boolean
  readonly row: Row | undefined
}

/** A verdict in a byte: 1 to 15 a length, 0 undefined, 255 too long. */
export const verdictByte = (v: Verdict): number => (v.kind === 'length' ? v.length : v.kind === 'undefined' ? 0 : 255)
export const verdictOfByte = (byte: number): Verdict =>
  byte === 0 ? { kind: 'undefined' } : byte === 255 ? { kind: 'too-long' } : { kind: 'length', length: byte }

/** A decoder with every feature on. */
export class Lengths {
  readonly #decoder: Decoder
  readonly #record = new ArrayBuffer(4 * RECORD_BYTES)
  readonly #words = new Int32Array(this.#record)
  readonly #view = new DataView(this.#record)

  constructor() {
    this.#decoder = new Decoder(ROWS, new HandlerTable(), () => true)
  }
  of(bytes: Uint8Array, at: number, available: number, bits: 64 | 32): Length {
    const mode = bits === 64 ? CodeMode.Bits64 : CodeMode.Bits32
    const length = this.#decoder.decode(bytes, at, available, mode, 0, this.#words, 0)
    if (length < 0) return { length: 0, undefined: false, row: undefined }
    const op = this.#view.getUint16(REC_OP, true)
    const bad = op === Op.Undefined || op === Op.TooLong
    return { length: bad ? 0 : length, undefined: op === Op.Undefined, row: bad ? undefined : this.#decoder.result.row }
  }
}

const PF = 14
const UD = 6
const GP = 13

/** Instructions that must not run natively: kernel entries, and what waits or is AMD's alone. */
const dangerous = (bytes: Uint8Array): boolean => {
  for (let i = 0; i < bytes.length; i++) {
    const b = bytes[i]
    if (b === 0xcd) return true
    // SYSCALL, SYSENTER; 0F 01 (MWAITX, CLZERO, ...); 0F 0D and 0F 0F (3DNow!).
    if (b === 0x0f && [0x05, 0x34, 0x01, 0x0d, 0x0f].includes(bytes[i + 1] as number)) return true
  }
  return false
}

/** Where the prefixes end. */
const opcodeAt = (bytes: Uint8Array, bits: 64 | 32): number => {
  let p = 0
  while (
    [0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf0].includes(bytes[p] as number) ||
    (bits === 64 && ((bytes[p] as number) & 0xf0) === 0x40)
  )
    p++
  return p
}

/** Instructions that the recorded processor has and the model does not offer, by what follows their prefixes. */
const NOT_OFFERED: readonly (readonly [what: string, opcode: RegExp])[] = [
  ['SHA', /^0f 38 c[89abcd]|^0f 3a cc/],
  ['GFNI', /^0f 38 cf|^0f 3a c[ef]/],
  ['AES, VAES', /^0f 38 d[bcdef]|^0f 3a df/],
  ['PCLMULQDQ', /^0f 3a 44/],
  ['MOVBE', /^0f 38 f[01]/],
  ['ADX, WRSS, CET', /^0f 38 f[56]/],
  ['MOVDIRI, MOVDIR64B', /^0f 38 f[89]/],
  ['SSE4A', /^0f (2b|78|79)/],
  ['RTM', /^c[67] f8/],
  ['XSAVEC, XSAVES, RDPID', /^0f c7/],
  ['CLWB, CLFLUSHOPT, INCSSP', /^0f ae/],
]

/**
 * What is known of a disagreement: a reason, or undefined when it is a bug. In 64-bit mode AMD's near branches obey a 66
 * prefix and Intel's, whom the model follows, do not.
 */
export const excuse = (
  vendor: Vendor,
  bytes: Uint8Array,
  bits: 64 | 32,
  verdict: Verdict,
  mine: Length,
): string | undefined => {
  const at = opcodeAt(bytes, bits)
  const text = [...bytes.subarray(at, at + 3)].map((b) => b.toString(16).padStart(2, '0')).join(' ')
  const amd = vendor === 'amd'
  if (amd && bits === 64 && bytes.subarray(0, at).includes(0x66) && /^(e[89]|0f 8|7|eb|c[23]|ff)/.test(text))
    return 'AMD: 66 before a near branch'
  if (amd && bytes.subarray(0, at).includes(0xf0) && /^0f 2[02]/.test(text)) return 'AMD: LOCK MOV CR0 is MOV CR8'
  if (mine.undefined && verdict.kind === 'length') return NOT_OFFERED.find(([, opcode]) => opcode.test(text))?.[0]
  return undefined
}

/** Whether decoder and processor agree. Instructions that are #UD by themselves are undefined to the processor. */
export const agrees = (verdict: Verdict, mine: Length): boolean => {
  if (verdict.kind === 'length') return mine.length === verdict.length
  if (verdict.kind === 'too-long') return mine.length === 0 && !mine.undefined
  return mine.undefined || /^(UD[012]|RSM|SYSRET)\b|[cd]reg/.test(mine.row?.text ?? '')
}

/**
 * A case for each number of bytes: the first n stand before the unmapped page. The smallest n whose fetch does not fault
 * is the length, as far as the processor looks.
 */
export const lengthCases = (c: Case, bytes: Uint8Array, bits: 64 | 32, batch: Batch): void => {
  for (let n = 1; n <= MAX_BYTES; n++) {
    c.clear(CaseFlag.Step | (bits === 32 ? CaseFlag.Legacy : 0))
    for (let i = 0; i < 16; i++) c.gpr[i] = BigInt(DATA + 0x1000 - 64 + i * 8)
    c.gpr[1] = 1n
    c.rflags = 0x202
    c.rip = CODE_END - n
    c.patch(CODE_END - n, bytes.subarray(0, n))
    batch.add(c.finish())
  }
}

export type Verdict =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'undefined' }
  | { readonly kind: 'too-long' }

/** What the outcomes of lengthCases say. */
export const verdictOf = (outcomes: readonly Uint8Array[]): Verdict => {
  for (let n = 1; n <= MAX_BYTES; n++) {
    const o = outcomes[n - 1] as Uint8Array
    const v = new DataView(o.buffer, o.byteOffset)
    const vector = o[OUTCOME_VECTOR]
    const fetch =
      vector === PF &&
      v.getBigUint64(OUTCOME_CR2, true) === BigInt(CODE_END) &&
      (v.getUint32(OUTCOME_ERROR, true) & 0x10) !== 0
    if (fetch) {
      // RIP still at the instruction: the fetch went past n bytes.
      const rip = v.getBigUint64(24, true)
      if (rip === BigInt(CODE_END - n)) continue
    }
    if (vector === UD) return { kind: 'undefined' }
    if (vector === GP && n === MAX_BYTES) return { kind: 'too-long' }
    return { kind: 'length', length: n }
  }
  return { kind: 'too-long' }
}

/** Random bytes, some of them likely prefixes and escapes; not VEX, EVEX or XOP. */
export const randomBytes = (r: Random, bits: 64 | 32): Uint8Array => {
  for (;;) {
    const bytes = new Uint8Array(MAX_BYTES)
    for (let i = 0; i < MAX_BYTES; i++) bytes[i] = r.u32()
    let at = 0
    while (r.chance(30) && at < 4) bytes[at++] = r.pick([0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x64, 0x40, 0x48, 0x4f, 0xf0])
    if (r.chance(40)) {
      bytes[at++] = 0x0f
      if (r.chance(30)) bytes[at++] = r.pick([0x38, 0x3a])
    }
    if (dangerous(bytes)) continue
    const opcode = bytes[opcodeAt(bytes, bits)] as number
    if ([0xc4, 0xc5, 0x62, 0x8f].includes(opcode)) continue
    return bytes
  }
}

export const LENGTHS_COMMITTED = 20_000
export const lengthStream = (bits: 64 | 32, seed: number): Random => new Random(0x1e46, bits, seed)
