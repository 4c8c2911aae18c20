/**
 * Where RDRAND, RDSEED and virtio-rng get their bytes: the host under the wall clock, a seeded generator under icount,
 * so that the same inputs give the same run.
 */
import { type Part, type PartState, StateReader } from './part.ts'

export interface EntropySource {
  /** Fills `into`, which may be any length and must not be shared memory. */
  fill(into: Uint8Array): void
}

/** The host's entropy, unchanged. */
export const hostEntropy = (host: { entropy(into: Uint8Array): void }): EntropySource => ({
  fill: (into) => host.entropy(into),
})

/**
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018): 32-bit arithmetic
 * only, period 2^128 - 1. Its state comes from SplitMix32 over the seed. Repeatable, not secret: whoever knows the
 * seed knows every byte. Bytes are the generator's 32-bit outputs, little endian, and no byte is thrown away between
 * calls: the stream does not depend on how it is cut into calls.
 */
export class SeededEntropy implements EntropySource, Part {
  readonly name: string
  readonly #seed: number
  readonly #stream: number
  readonly #s = new Uint32Array(4)
  #word = 0
  #left = 0

  /** Different `stream`s of one seed are independent: give each device its own. */
  constructor(seed: number, stream = 0) {
    this.name = `entropy${stream}`
    this.#seed = seed
    this.#stream = stream
    this.reset()
  }

  /** Back to the seed, for a power cycle. */
  reset(): void {
    // All 53 bits of the seed matter.
    let x = (this.#seed ^ Math.imul(Math.floor(this.#seed / 0x100000000), 0x9e3779b1)) >>> 0
    x = (x ^ Math.imul(this.#stream + 1, 0x85ebca6b)) >>> 0
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0
      let z = x
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      this.#s[i] = z ^ (z >>> 15)
    }
    // The one state that never moves.
    if (this.#s.every((word) => word === 0)) this.#s[0] = 1
    this.#left = 0
  }

  save(): PartState {
    return { s: [...this.#s], word: this.#word, left: this.#left }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#s.set(s.u32s('s', 4))
    this.#word = s.u32('word')
    this.#left = s.integer('left', 0, 4)
    s.end()
  }

  fill(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) {
      if (this.#left === 0) {
        this.#word = this.next()
        this.#left = 4
      }
      into[i] = this.#word
      this.#word >>>= 8
      this.#left--
    }
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    const s = this.#s
    const product = Math.imul(s[1], 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const t = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = (s[3] << 11) | (s[3] >>> 21)
    return result
  }
}
