import { expect, test } from 'vitest'
import { Fuzzer } from './fuzzer.ts'

test('random machines neither crash nor hang nor touch what is not theirs', () => {
  const fuzzer = new Fuzzer()
  for (let round = 0; round < 200; round++) fuzzer.round(1, round, 5000)
  expect(fuzzer.instructions).toBeGreaterThan(10_000)
})
