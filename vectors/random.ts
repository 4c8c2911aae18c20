/** sfc32 (PractRand): small, fast, and the same on every host. */
export class Random {
  #a: number
  #b: number
  #c: number
  #n = 1

  constructor(a: number, b: number, c = 0) {
    this.#a = a | 0
    this.#b = b | 0
    this.#c = c | 0
    for (let i = 0; i < 8; i++) this.u32()
  }
  /** 32 bits, unsigned. */
  u32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#n) | 0
    this.#n = (this.#n + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return t >>> 0
  }
  /** An integer from 0 to n-1; n at most 2^24. */
  below(n: number): number {
    return Math.floor(((this.u32() >>> 8) * n) / 0x1000000)
  }
  /** True in `percent` of cases. */
  chance(percent: number): boolean {
    return (this.u32() >>> 8) * 100 < percent * 0x1000000
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }
}

/** FNV-1a. */
export const hash32 = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}
