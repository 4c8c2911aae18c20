/**
 * Committed vectors: for each row the seed and the outcomes. Inputs are made again by the generator; an outcome is what
 * differs from them. README.md describes the bytes.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import {
  CASE_FLAGS,
  CASE_FS_BASE,
  CASE_FX,
  CASE_GPR,
  CASE_GS_BASE,
  CASE_LENGTH,
  CASE_RFLAGS,
  CASE_RIP,
  CaseFlag,
  FX_BYTES,
  FX_FCW,
  FX_FSW,
  FX_FTW,
  FX_MXCSR,
  FX_ST,
  FX_XMM,
} from './case.ts'
import type { Descriptor } from './descriptor.ts'
import { COMPARED_FLAGS } from './engine.ts'
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

export const FORMAT = 1

export interface Group {
  readonly descriptor: Descriptor
  readonly bits: 64 | 32
  readonly count: number
  /** Length of the group's outcomes. */
  readonly bytes: number
  /** FNV-1a of the inputs: they must come out of the generator as they went into the recorder. */
  readonly inputs: number
}
export interface VectorFile {
  readonly format: number
  readonly processor: string
  readonly seed: number
  readonly groups: readonly Group[]
}

/** FNV-1a over bytes, continued from `h`. */
export const fnv = (h: number, bytes: Uint8Array): number => {
  let x = h
  for (let i = 0; i < bytes.length; i++) x = Math.imul(x ^ (bytes[i] as number), 0x01000193)
  return x >>> 0
}
export const FNV_START = 0x811c9dc5

/** Bytes one after the other. */
export class Sink {
  bytes = new Uint8Array(1 << 16)
  length = 0
  u8(value: number): void {
    if (this.length === this.bytes.length) {
      const bigger = new Uint8Array(this.bytes.length * 2)
      bigger.set(this.bytes)
      this.bytes = bigger
    }
    this.bytes[this.length++] = value
  }
  u16(value: number): void {
    this.u8(value & 0xff)
    this.u8((value >>> 8) & 0xff)
  }
  u32(value: number): void {
    this.u16(value & 0xffff)
    this.u16(value >>> 16)
  }
  all(bytes: Uint8Array, from = 0, length = bytes.length): void {
    for (let i = 0; i < length; i++) this.u8(bytes[from + i] as number)
  }
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

// The first byte: how it ended in bits 1:0, what follows in the others.
const END_NEXT = 0
const END_STEP = 1
const END_VECTOR = 2
const HAS_FLAGS = 4
const HAS_GPR = 8
const HAS_BASES = 16
const HAS_SELECTORS = 32
const HAS_FLOAT = 64
const HAS_MEMORY = 128
// Where RIP is after an exception.
const RIP_SAME = 0
const RIP_AFTER_INT3 = 1
const RIP_GIVEN = 2
// How a changed general register is given.
const GPR_LOW = 0
const GPR_HIGH = 1
const GPR_16 = 2
const GPR_32 = 3
const GPR_64 = 4
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17])
const PF = 14

/** Bytes of the FXSAVE image that count, x87 registers by their physical numbers so that pushing moves nothing. */
const physical = (fx: Uint8Array, into: Uint8Array): void => {
  into.fill(0)
  for (const at of [FX_FCW, FX_FCW + 1, FX_FSW, FX_FSW + 1, FX_FTW]) into[at] = fx[at] as number
  for (let i = 0; i < 4; i++) into[FX_MXCSR + i] = fx[FX_MXCSR + i] as number
  const top = ((fx[FX_FSW + 1] as number) >> 3) & 7
  for (let i = 0; i < 8; i++)
    for (let j = 0; j < 10; j++) into[FX_ST + ((top + i) & 7) * 16 + j] = fx[FX_ST + i * 16 + j] as number
  for (let i = FX_XMM; i < FX_BYTES; i++) into[i] = fx[i] as number
}
const stacked = (fx: Uint8Array, into: Uint8Array): void => {
  into.set(fx)
  const top = ((fx[FX_FSW + 1] as number) >> 3) & 7
  for (let i = 0; i < 8; i++)
    for (let j = 0; j < 16; j++) into[FX_ST + i * 16 + j] = fx[FX_ST + ((top + i) & 7) * 16 + j] as number
}
const before = new Uint8Array(FX_BYTES)
const after = new Uint8Array(FX_BYTES)

const defaultSelectors = (legacy: boolean): readonly number[] =>
  legacy ? [0x2b, 0x2b, 0x07, 0x0f, 0x23, 0x2b] : [0x2b, 0x2b, 0, 0, 0x33, 0x2b]

/** Appends what the processor made of a case. */
export const encodeOutcome = (sink: Sink, c: Uint8Array, native: Uint8Array, undefinedMask: number): void => {
  const cv = view(c)
  const n = view(native)
  const flags = c[CASE_FLAGS] as number
  const legacy = (flags & CaseFlag.Legacy) !== 0
  const rip = n.getBigUint64(OUTCOME_RIP, true)
  const caseRip = BigInt(cv.getUint32(CASE_RIP, true))
  const next = caseRip + BigInt(c[CASE_LENGTH] as number)
  const vector = native[OUTCOME_VECTOR] as number
  const headAt = sink.length
  let head = vector !== VECTOR_STEP || (flags & CaseFlag.Step) === 0 ? END_VECTOR : rip === next ? END_NEXT : END_STEP
  sink.u8(0)
  const u64 = (value: bigint): void => {
    sink.u32(Number(value & 0xffffffffn))
    sink.u32(Number(value >> 32n))
  }
  if (head === END_STEP) u64(rip)
  else if (head === END_VECTOR) {
    sink.u8(vector)
    const where = rip === caseRip ? RIP_SAME : rip === next + 1n ? RIP_AFTER_INT3 : RIP_GIVEN
    sink.u8(where)
    if (where === RIP_GIVEN) u64(rip)
    if (WITH_ERROR.has(vector)) sink.u16(n.getUint16(OUTCOME_ERROR, true))
    if (vector === PF) u64(n.getBigUint64(OUTCOME_CR2, true))
  }
  const changed =
    (n.getUint32(OUTCOME_RFLAGS, true) ^ cv.getUint32(CASE_RFLAGS, true)) & COMPARED_FLAGS & ~undefinedMask
  if (changed !== 0) {
    head |= HAS_FLAGS
    sink.u16(changed & 0xffff)
    sink.u8(changed >>> 16)
  }
  let mask = 0
  for (let i = 0; i < (legacy ? 8 : 16); i++) {
    const same =
      n.getUint32(OUTCOME_GPR + i * 8, true) === cv.getUint32(CASE_GPR + i * 8, true) &&
      (legacy || n.getUint32(OUTCOME_GPR + i * 8 + 4, true) === cv.getUint32(CASE_GPR + i * 8 + 4, true))
    if (!same) mask |= 1 << i
  }
  if (mask !== 0) {
    head |= HAS_GPR
    sink.u16(mask)
    for (let i = 0; i < 16; i++) {
      if ((mask & (1 << i)) === 0) continue
      const at = OUTCOME_GPR + i * 8
      const low = n.getUint32(at, true)
      const high = n.getUint32(at + 4, true)
      const x = low ^ cv.getUint32(CASE_GPR + i * 8, true)
      const kept = legacy || high === cv.getUint32(CASE_GPR + i * 8 + 4, true)
      if (kept && x >>> 8 === 0) {
        sink.u8(GPR_LOW)
        sink.u8(low & 0xff)
      } else if (kept && (x & ~0xff00) === 0) {
        sink.u8(GPR_HIGH)
        sink.u8((low >>> 8) & 0xff)
      } else if (kept && x >>> 16 === 0) {
        sink.u8(GPR_16)
        sink.u16(low & 0xffff)
      } else if (legacy || high === 0) {
        sink.u8(GPR_32)
        sink.u32(low)
      } else {
        sink.u8(GPR_64)
        sink.u32(low)
        sink.u32(high)
      }
    }
  }
  if (
    !legacy &&
    (n.getBigUint64(OUTCOME_FS_BASE, true) !== cv.getBigUint64(CASE_FS_BASE, true) ||
      n.getBigUint64(OUTCOME_GS_BASE, true) !== cv.getBigUint64(CASE_GS_BASE, true))
  ) {
    head |= HAS_BASES
    sink.all(native, OUTCOME_FS_BASE, 16)
  }
  const selectors = defaultSelectors(legacy)
  if (selectors.some((s, i) => n.getUint16(OUTCOME_SELECTORS + i * 2, true) !== s)) {
    head |= HAS_SELECTORS
    sink.all(native, OUTCOME_SELECTORS, 12)
  }
  const float = (flags & CaseFlag.Float) !== 0
  if (float) {
    physical(c.subarray(CASE_FX, CASE_FX + FX_BYTES), before)
    physical(native.subarray(OUTCOME_FX, OUTCOME_FX + FX_BYTES), after)
    const runs: number[] = []
    for (let i = 0; i < FX_BYTES; i++) {
      if (before[i] === after[i]) continue
      let end = i + 1
      for (let j = i + 1; j < Math.min(FX_BYTES, end + 3) && j - i < 250; j++) if (before[j] !== after[j]) end = j + 1
      runs.push(i, end - i)
      i = end - 1
    }
    if (runs.length > 0) {
      head |= HAS_FLOAT
      sink.u8(runs.length / 2)
      for (let i = 0; i < runs.length; i += 2) {
        sink.u16(runs[i] as number)
        sink.u8(runs[i + 1] as number)
        sink.all(after, runs[i], runs[i + 1])
      }
    }
  }
  const differences = native[OUTCOME_DIFFERENCES] as number
  if (differences > 0) {
    head |= HAS_MEMORY
    sink.u8(differences)
    let at = OUTCOME_FX + (float ? FX_BYTES : 0)
    for (let i = 0; i < differences; i++) {
      const length = n.getUint32(at + 8, true)
      sink.u32(n.getUint32(at, true))
      sink.u16(length)
      sink.all(native, at + DIFFERENCE_HEADER, length)
      at += DIFFERENCE_HEADER + ((length + 7) & ~7)
    }
  }
  sink.bytes[headAt] = head
}

/** Reads outcomes back into the recorder's layout. */
export class OutcomeReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  at: number
  /** The outcome read last. */
  readonly outcome = new Uint8Array(16384)
  readonly #out = new DataView(this.outcome.buffer)

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#view = view(bytes)
    this.at = at
  }
  #u8(): number {
    return this.#bytes[this.at++] as number
  }
  #u16(): number {
    this.at += 2
    return this.#view.getUint16(this.at - 2, true)
  }
  #u32(): number {
    this.at += 4
    return this.#view.getUint32(this.at - 4, true)
  }
  #u64(): bigint {
    this.at += 8
    return this.#view.getBigUint64(this.at - 8, true)
  }

  read(c: Uint8Array): Uint8Array {
    const cv = view(c)
    const o = this.#out
    const out = this.outcome
    const flags = c[CASE_FLAGS] as number
    const legacy = (flags & CaseFlag.Legacy) !== 0
    const float = (flags & CaseFlag.Float) !== 0
    const head = this.#u8()
    const caseRip = cv.getUint32(CASE_RIP, true)
    const next = caseRip + (c[CASE_LENGTH] as number)
    out[OUTCOME_VECTOR] = VECTOR_STEP
    o.setBigUint64(OUTCOME_ERROR, 0n, true)
    o.setBigUint64(OUTCOME_CR2, 0n, true)
    o.setBigUint64(OUTCOME_RIP, BigInt(next), true)
    if ((head & 3) === END_STEP) o.setBigUint64(OUTCOME_RIP, this.#u64(), true)
    else if ((head & 3) === END_VECTOR) {
      const vector = this.#u8()
      const where = this.#u8()
      out[OUTCOME_VECTOR] = vector
      o.setBigUint64(
        OUTCOME_RIP,
        where === RIP_GIVEN ? this.#u64() : BigInt(where === RIP_SAME ? caseRip : next + 1),
        true,
      )
      if (WITH_ERROR.has(vector)) o.setBigUint64(OUTCOME_ERROR, BigInt(this.#u16()), true)
      if (vector === PF) o.setBigUint64(OUTCOME_CR2, this.#u64(), true)
    }
    let changed = 0
    if ((head & HAS_FLAGS) !== 0) {
      changed = this.#u16()
      changed |= this.#u8() << 16
    }
    o.setBigUint64(OUTCOME_RFLAGS, BigInt(cv.getUint32(CASE_RFLAGS, true) ^ changed), true)
    out.set(c.subarray(CASE_GPR, CASE_GPR + 128), OUTCOME_GPR)
    if ((head & HAS_GPR) !== 0) {
      const mask = this.#u16()
      for (let i = 0; i < 16; i++) {
        if ((mask & (1 << i)) === 0) continue
        const at = OUTCOME_GPR + i * 8
        switch (this.#u8()) {
          case GPR_LOW:
            out[at] = this.#u8()
            break
          case GPR_HIGH:
            out[at + 1] = this.#u8()
            break
          case GPR_16:
            o.setUint16(at, this.#u16(), true)
            break
          case GPR_32:
            o.setUint32(at, this.#u32(), true)
            o.setUint32(at + 4, 0, true)
            break
          default:
            o.setUint32(at, this.#u32(), true)
            o.setUint32(at + 4, this.#u32(), true)
        }
      }
    }
    if ((head & HAS_BASES) !== 0) {
      o.setBigUint64(OUTCOME_FS_BASE, this.#u64(), true)
      o.setBigUint64(OUTCOME_GS_BASE, this.#u64(), true)
    } else out.set(c.subarray(CASE_FS_BASE, CASE_FS_BASE + 16), OUTCOME_FS_BASE)
    const selectors = defaultSelectors(legacy)
    const given = (head & HAS_SELECTORS) !== 0
    for (let i = 0; i < 6; i++)
      o.setUint16(OUTCOME_SELECTORS + i * 2, given ? this.#u16() : (selectors[i] as number), true)
    if (float) {
      physical(c.subarray(CASE_FX, CASE_FX + FX_BYTES), before)
      if ((head & HAS_FLOAT) !== 0) {
        for (let runs = this.#u8(); runs > 0; runs--) {
          const at = this.#u16()
          const length = this.#u8()
          before.set(this.#bytes.subarray(this.at, this.at + length), at)
          this.at += length
        }
      }
      stacked(before, out.subarray(OUTCOME_FX, OUTCOME_FX + FX_BYTES))
    }
    let at = OUTCOME_FX + (float ? FX_BYTES : 0)
    out[OUTCOME_DIFFERENCES] = 0
    if ((head & HAS_MEMORY) !== 0) {
      const differences = this.#u8()
      out[OUTCOME_DIFFERENCES] = differences
      for (let i = 0; i < differences; i++) {
        o.setBigUint64(at, BigInt(this.#u32()), true)
        const length = this.#u16()
        o.setBigUint64(at + 8, BigInt(length), true)
        out.set(this.#bytes.subarray(this.at, this.at + length), at + DIFFERENCE_HEADER)
        this.at += length
        at += DIFFERENCE_HEADER + ((length + 7) & ~7)
      }
    }
    return out
  }
}

export const pack = (header: VectorFile, outcomes: Uint8Array): Uint8Array => {
  const json = new TextEncoder().encode(JSON.stringify(header))
  const bytes = new Uint8Array(4 + json.length + outcomes.length)
  view(bytes).setUint32(0, json.length, true)
  bytes.set(json, 4)
  bytes.set(outcomes, 4 + json.length)
  return brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 24 },
  })
}
/** The header, the whole bytes, and where the outcomes begin in them. */
export const unpack = (packed: Uint8Array): { header: VectorFile; bytes: Uint8Array; at: number } => {
  const bytes = new Uint8Array(brotliDecompressSync(packed))
  const length = view(bytes).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as VectorFile
  return { header, bytes, at: 4 + length }
}
