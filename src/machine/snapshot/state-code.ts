/**
 * States as bytes and back: CBOR (RFC 8949), of which only what a PartState can hold. One value has one encoding here:
 * lengths are definite and shortest, names stay in the order in which a part gives them. A number that is a whole one is an
 * integer, any other a binary64; a bigint is always a bignum (tags 2 and 3), so that it comes back as one.
 *
 * Reading allocates nothing that the bytes do not pay for, and refuses what is not of this kind.
 */
import { ProblemError, problem } from '../../base/problem.ts'
import { utf8Decode, utf8Encode } from '../../base/utf8.ts'
import type { PartState, StateValue } from '../part.ts'

const UNSIGNED = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const TAG = 6
const SIMPLE = 7

const BIGNUM = 2
const NEGATIVE_BIGNUM = 3
const FALSE = 20
const TRUE = 21
const BINARY64 = 27

/** States are trees of records and lists; deeper than this is none of ours. */
const DEPTH_MAX = 12
/** A bigint of a state has 64 bits. */
const BIGNUM_BYTES_MAX = 9

class Writer {
  #bytes = new Uint8Array(1024)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(more: number): number {
    const at = this.#length
    this.#length += more
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length))
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }

  head(major: number, argument: number): void {
    const first = major << 5
    const at = this.#reserve(9)
    const view = this.#view
    if (argument < 24) {
      view.setUint8(at, first | argument)
      this.#length = at + 1
    } else if (argument < 0x100) {
      view.setUint16(at, ((first | 24) << 8) | argument)
      this.#length = at + 2
    } else if (argument < 0x1_0000) {
      view.setUint8(at, first | 25)
      view.setUint16(at + 1, argument)
      this.#length = at + 3
    } else if (argument < 0x1_0000_0000) {
      view.setUint8(at, first | 26)
      view.setUint32(at + 1, argument)
      this.#length = at + 5
    } else {
      view.setUint8(at, first | 27)
      view.setBigUint64(at + 1, BigInt(argument))
    }
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  binary64(value: number): void {
    const at = this.#reserve(9)
    this.#view.setUint8(at, (SIMPLE << 5) | BINARY64)
    this.#view.setFloat64(at + 1, value)
  }

  value(value: StateValue): void {
    if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'boolean') this.head(SIMPLE, value ? TRUE : FALSE)
    else if (typeof value === 'bigint') this.#bigint(value)
    else if (typeof value === 'string') this.#text(value)
    else if (value instanceof Uint8Array) {
      this.head(BYTES, value.length)
      this.raw(value)
    } else if (Array.isArray(value)) {
      this.head(ARRAY, value.length)
      for (const one of value) this.value(one)
    } else this.#map(value as PartState)
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.binary64(value)
    else if (value >= 0) this.head(UNSIGNED, value)
    else this.head(NEGATIVE, -1 - value)
  }

  #bigint(value: bigint): void {
    const negative = value < 0n
    let left = negative ? -1n - value : value
    const bytes: number[] = []
    for (; left > 0n; left >>= 8n) bytes.unshift(Number(left & 0xffn))
    this.head(TAG, negative ? NEGATIVE_BIGNUM : BIGNUM)
    this.head(BYTES, bytes.length)
    this.raw(Uint8Array.from(bytes))
  }

  #text(value: string): void {
    const bytes = utf8Encode(value)
    this.head(TEXT, bytes.length)
    this.raw(bytes)
  }

  #map(value: PartState): void {
    const entries = Object.entries(value)
    this.head(MAP, entries.length)
    for (const [name, one] of entries) {
      this.#text(name)
      this.value(one)
    }
  }
}

/** In memory of its own. */
export const encodeState = (value: StateValue): Uint8Array => {
  const writer = new Writer()
  writer.value(value)
  return writer.bytes
}

/** The state that `bytes` are. Throws a ProblemError of kind 'snapshot-state' where they are none. Byte strings are views. */
export const decodeState = (bytes: Uint8Array): StateValue => {
  const reader = new Reader(bytes)
  const value = reader.value(0)
  if (!reader.atEnd) reader.refuse('there are bytes behind it')
  return value
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    // Whatever array it is: a Buffer's `slice` is no copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  refuse(why: string): never {
    throw new ProblemError(
      problem(
        'snapshot-state',
        `a saved state cannot be read at byte ${this.#at}: ${why}`,
        'CBOR as a snapshot has it',
        'take another copy of the snapshot: this one is damaged or made up',
      ),
    )
  }

  value(depth: number): StateValue {
    if (depth > DEPTH_MAX) this.refuse('it is nested too deeply')
    const first = this.#u8()
    const major = first >> 5
    const info = first & 31
    if (major === SIMPLE) return this.#simple(info)
    const argument = this.#argument(info)
    switch (major) {
      case UNSIGNED:
        return argument
      case NEGATIVE:
        return -1 - argument
      case BYTES:
        return this.#take(argument)
      case TEXT:
        return this.#text(argument)
      case ARRAY:
        return this.#array(argument, depth)
      case MAP:
        return this.#map(argument, depth)
      default:
        return this.#bignum(argument)
    }
  }

  #u8(): number {
    if (this.#at >= this.#bytes.length) this.refuse('it ends early')
    return this.#view.getUint8(this.#at++)
  }

  #skip(length: number): number {
    const at = this.#at
    if (length > this.#bytes.length - at) this.refuse('it ends early')
    this.#at += length
    return at
  }

  #argument(info: number): number {
    if (info < 24) return info
    if (info === 24) return this.#u8()
    if (info === 25) return this.#view.getUint16(this.#skip(2))
    if (info === 26) return this.#view.getUint32(this.#skip(4))
    if (info !== 27) this.refuse('a length is not given')
    const argument = Number(this.#view.getBigUint64(this.#skip(8)))
    if (!Number.isSafeInteger(argument)) this.refuse('a number is too large')
    return argument
  }

  #simple(info: number): StateValue {
    if (info === FALSE) return false
    if (info === TRUE) return true
    if (info === BINARY64) return this.#view.getFloat64(this.#skip(8))
    return this.refuse('a value is of an unknown kind')
  }

  #take(length: number): Uint8Array {
    const at = this.#skip(length)
    return this.#bytes.subarray(at, at + length)
  }

  #text(length: number): string {
    return utf8Decode(this.#take(length))
  }

  #array(count: number, depth: number): StateValue[] {
    // Each takes a byte at least.
    if (count > this.#bytes.length - this.#at) this.refuse('a list is longer than the file')
    const values: StateValue[] = []
    for (let i = 0; i < count; i++) values.push(this.value(depth + 1))
    return values
  }

  #map(count: number, depth: number): PartState {
    if (2 * count > this.#bytes.length - this.#at) this.refuse('a record is longer than the file')
    const record: Record<string, StateValue> = {}
    for (let i = 0; i < count; i++) {
      const name = this.value(depth + 1)
      if (typeof name !== 'string' || name === '__proto__' || Object.hasOwn(record, name))
        return this.refuse('a name is none, or is there twice')
      record[name] = this.value(depth + 1)
    }
    return record
  }

  #bignum(tag: number): bigint {
    if (tag !== BIGNUM && tag !== NEGATIVE_BIGNUM) this.refuse('a tag is unknown')
    const bytes = this.value(DEPTH_MAX)
    if (!(bytes instanceof Uint8Array) || bytes.length > BIGNUM_BYTES_MAX)
      return this.refuse('a bignum is none of 64 bits')
    let value = 0n
    for (const byte of bytes) value = (value << 8n) | BigInt(byte)
    return tag === BIGNUM ? value : -1n - value
  }
}
