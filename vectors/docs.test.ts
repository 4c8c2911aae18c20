import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DEVIATIONS } from './deviations.ts'
import { instructionsPage, PAGE } from './instructions.ts'

test('docs/instructions.md is what the table and the vectors say (npx tsx vectors/instructions.ts)', () => {
  expect(readFileSync(PAGE, 'utf8')).toBe(instructionsPage())
})

test('docs/QUIRKS.md confesses every known deviation', () => {
  const page = readFileSync(join(PAGE, '../QUIRKS.md'), 'utf8')
  expect(DEVIATIONS.filter((d) => !page.includes(`[${d.id}]`)).map((d) => d.id)).toEqual([])
})
