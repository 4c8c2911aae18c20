import { expect, test } from 'vitest'
import { stale } from './docs.ts'

test('what the documentation repeats of the code is what the code says; `npm run docs` writes it', () => {
  expect(stale()).toEqual([])
})
