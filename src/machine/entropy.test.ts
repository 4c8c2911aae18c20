import { describe, expect, it } from 'vitest'
import { SeededEntropy } from './entropy.ts'

const take = (source: SeededEntropy, length: number): number[] => {
  const bytes = new Uint8Array(length)
  source.fill(bytes)
  return [...bytes]
}

describe('SeededEntropy', () => {
  it('gives the same bytes for the same seed, however the calls are cut', () => {
    const [a, b] = [new SeededEntropy(42), new SeededEntropy(42)]
    expect([...take(a, 3), ...take(a, 1), ...take(a, 13)]).toEqual(take(b, 17))
  })

  it('gives other bytes for another seed, another stream, and seeds that differ above bit 32', () => {
    const first = [
      new SeededEntropy(1),
      new SeededEntropy(2),
      new SeededEntropy(1, 1),
      new SeededEntropy(1 + 2 ** 40),
      new SeededEntropy(0),
    ].map((source) => take(source, 16).join())
    expect(new Set(first).size).toBe(first.length)
  })

  it('starts again at reset', () => {
    const source = new SeededEntropy(5)
    const before = take(source, 9)
    source.reset()
    expect(take(source, 9)).toEqual(before)
  })

  it('has every byte about as often', () => {
    const counts = new Array<number>(256).fill(0)
    for (const byte of take(new SeededEntropy(3), 256000)) counts[byte]++
    expect(Math.min(...counts)).toBeGreaterThan(800)
    expect(Math.max(...counts)).toBeLessThan(1200)
  })
})
