/**
 * WebAssembly values as expressions under construction (WebAssembly Core 2.0, §5 "Binary Format").
 *
 * An expression is a typed rope of instruction bytes: composing two costs nothing, and the bytes are flattened once,
 * when the module is written. An expression is evaluated wherever it is placed, as often as it is placed: to use a
 * result twice, put it in a local (`FunctionBuilder.let`).
 */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

export type Code = readonly (number | Code)[]

export interface Value<T extends ValueType = ValueType> {
  readonly type: T
  readonly code: Code
}

export type I32 = Value<'i32'>
export type I64 = Value<'i64'>
export type F32 = Value<'f32'>
export type F64 = Value<'f64'>
export type V128 = Value<'v128'>

export const VALUE_TYPE_BYTE: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
}

/** Encodings of small numbers, made once: most numbers are offsets into a small state, and local indices. */
const SMALL = 1 << 14
const unsigned: Code[] = []
const signed: Code[] = []

/** Unsigned LEB128. */
export const u32leb = (value: number): Code => {
  if (value >= SMALL || value < 0) return encodeUnsigned(value)
  unsigned[value] ??= encodeUnsigned(value)
  return unsigned[value]
}
const encodeUnsigned = (value: number): Code => {
  const out: number[] = []
  let v = value >>> 0
  do {
    const byte = v & 0x7f
    v >>>= 7
    out.push(v === 0 ? byte : byte | 0x80)
  } while (v !== 0)
  return out
}

/** Signed LEB128 of a 32-bit number. */
export const s32leb = (value: number): Code => {
  if (value >= SMALL || value < 0) return encodeSigned(value)
  signed[value] ??= encodeSigned(value)
  return signed[value]
}
const encodeSigned = (value: number): Code => {
  const out: number[] = []
  let v = value | 0
  for (;;) {
    const byte = v & 0x7f
    v >>= 7
    if ((v === 0 && (byte & 0x40) === 0) || (v === -1 && (byte & 0x40) !== 0)) {
      out.push(byte)
      return out
    }
    out.push(byte | 0x80)
  }
}

/** Signed LEB128 of a 64-bit bigint. */
export const s64leb = (value: bigint): Code => {
  const small = Number(value)
  if (small === (small | 0)) return s32leb(small)
  const out: number[] = []
  let v = BigInt.asIntN(64, value)
  for (;;) {
    const byte = Number(v & 0x7fn)
    v >>= 7n
    if ((v === 0n && (byte & 0x40) === 0) || (v === -1n && (byte & 0x40) !== 0)) {
      out.push(byte)
      return out
    }
    out.push(byte | 0x80)
  }
}

/** Bytes being written, growing as needed. */
export class ByteWriter {
  #bytes: Uint8Array
  length = 0

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity)
  }

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#grow(1)
    this.#bytes[this.length++] = value
  }
  /** Appends a rope, flattened. */
  code(code: Code): void {
    for (let i = 0; i < code.length; i++) {
      const part = code[i] as number | Code
      if (typeof part === 'number') this.byte(part)
      else this.code(part)
    }
  }
  bytes(source: Uint8Array): void {
    if (this.length + source.length > this.#bytes.length) this.#grow(source.length)
    this.#bytes.set(source, this.length)
    this.length += source.length
  }
  /** What has been written, a view that the next write may outdate. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }
  #grow(by: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + by))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}
