/** Bytes for the link: little numbers in few of them, and base64url. */

/** Longer is no number of ours: 2^53 fits in 8 bytes of 7 bits. */
const VARINT_BYTES_MAX = 8

export class ByteWriter {
  #bytes = new Uint8Array(1024)
  length = 0

  byte(value: number): void {
    if (this.length === this.#bytes.length) {
      const longer = new Uint8Array(this.length * 2)
      longer.set(this.#bytes)
      this.#bytes = longer
    }
    this.#bytes[this.length++] = value
  }

  /** LEB128: seven bits a byte, lowest first. A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.byte((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    this.byte(rest)
  }

  bytes(values: ArrayLike<number>): void {
    for (let k = 0; k < values.length; k++) this.byte(values[k]!)
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length)
  }
}

/** Thrown by readers where bytes end or a number is none; the link's door makes a Problem of it. */
export class BytesError extends Error {}

export class ByteReader {
  readonly #bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.at
  }

  byte(): number {
    if (this.at >= this.#bytes.length) throw new BytesError('it ends too early')
    return this.#bytes[this.at++]
  }

  varint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let scale = 1
    for (let k = 0; k < VARINT_BYTES_MAX; k++) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) {
        if (value > max) throw new BytesError(`it has the number ${value} where at most ${max} fits`)
        return value
      }
      scale *= 128
    }
    throw new BytesError('it has a number without an end')
  }

  bytes(length: number): Uint8Array {
    if (length > this.left) throw new BytesError('it ends too early')
    return this.#bytes.subarray(this.at, (this.at += length))
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const VALUES = new Int8Array(128).fill(-1)
for (let k = 0; k < ALPHABET.length; k++) VALUES[ALPHABET.charCodeAt(k)] = k

export const toBase64url = (bytes: Uint8Array): string => {
  const parts: string[] = []
  for (let k = 0; k < bytes.length; k += 3) {
    const word = (bytes[k] << 16) | ((bytes[k + 1] ?? 0) << 8) | (bytes[k + 2] ?? 0)
    const characters = Math.min(4, bytes.length - k + 1)
    for (let c = 0; c < characters; c++) parts.push(ALPHABET[(word >> (18 - 6 * c)) & 63]!)
  }
  return parts.join('')
}

/** Undefined when a character does not belong there. */
export const fromBase64url = (text: string): Uint8Array | undefined => {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let out = 0
  let word = 0
  let bits = 0
  for (let k = 0; k < text.length; k++) {
    const code = text.charCodeAt(k)
    const value = code < 128 ? VALUES[code] : -1
    if (value < 0) return undefined
    word = ((word << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[out++] = (word >> bits) & 255
    }
  }
  return text.length % 4 === 1 ? undefined : bytes
}
