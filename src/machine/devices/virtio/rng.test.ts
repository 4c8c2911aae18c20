import { expect, it } from 'vitest'
import { SeededEntropy } from '../../entropy.ts'
import { RNG_CHUNK, VirtioRng } from './rng.ts'
import { FakeDriver } from './testing/driver.ts'

const set = () => {
  const driver = new FakeDriver(new VirtioRng(new SeededEntropy(1)))
  return driver.start({ queues: 1 })[0]
}

it('fills every buffer with the source, across descriptors', () => {
  const { used, written } = set().exchange([], [10, 22])
  expect(used).toEqual({ id: 0, len: 32 })
  const expected = new Uint8Array(32)
  new SeededEntropy(1).fill(expected)
  expect([...written[0], ...written[1]]).toEqual([...expected])
})

it('returns at most a chunk at once', () => {
  expect(set().exchange([], [10000]).used?.len).toBe(RNG_CHUNK)
})

it('returns a buffer that it may not write untouched', () => {
  expect(set().exchange([new Uint8Array(8)], []).used?.len).toBe(0)
})
