import { expect, test } from 'vitest'
import { FAMILIES, type FamilyName } from './families.ts'
import type { Family } from './family.ts'

const SEED = 1
/** A few seconds each. */
const ROUNDS: Readonly<Record<FamilyName, number>> = { cpu: 100, board: 40, kernels: 200, images: 200, packets: 100 }

test.each(Object.entries(ROUNDS))('hostile %s, %d rounds', (name, rounds) => {
  const family: Family = FAMILIES[name as FamilyName]()
  for (let round = 0; round < rounds; round++) family.round(SEED, round)
  expect(family.done).not.toBe('')
})
