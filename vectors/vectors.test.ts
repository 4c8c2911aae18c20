/** Every committed vector, and that every instruction has some. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Case } from './case.ts'
import { check } from './compare.ts'
import { CASES_PER_GROUP, FAMILIES, makerOf, planKey, plans, sequencePlans } from './corpus.ts'
import { deviationOf } from './deviations.ts'
import { Engine } from './engine.ts'
import { FNV_START, FORMAT, fnv, OutcomeReader, unpack } from './store.ts'

const DATA = join(import.meta.dirname, 'data')
const engine = new Engine()
const recorded = new Set<string>()
let total = 0

test.each(FAMILIES)('the engine does what the processor did: %s', (family) => {
  const { header, bytes, at } = unpack(readFileSync(join(DATA, `${family}.vectors`)))
  expect(header.format).toBe(FORMAT)
  const c = new Case()
  const bad: string[] = []
  let from = at
  for (const group of header.groups) {
    const generator = makerOf(group)
    const reader = new OutcomeReader(bytes, from)
    let inputs = FNV_START
    for (let index = 0; index < group.count; index++) {
      generator.make(c, header.seed, index)
      const record = c.finish()
      inputs = fnv(inputs, record)
      const lines = check(engine, record, reader.read(record), generator.undefined)
      if (lines !== undefined && deviationOf(group, lines) === undefined && bad.length < 20)
        bad.push(`${planKey(group)} #${index}: ${lines.join('; ')}`)
    }
    from += group.bytes
    expect(reader.at, `${planKey(group)}: outcomes end where the next begin`).toBe(from)
    expect(inputs, `${planKey(group)}: the generator makes the inputs that were recorded`).toBe(group.inputs)
    recorded.add(planKey(group))
    total += group.count
  }
  expect(bad).toEqual([])
})

test('every row that can be recorded has vectors', () => {
  const missing = [...plans(), ...sequencePlans()].map(planKey).filter((key) => !recorded.has(key))
  expect(missing).toEqual([])
  expect(CASES_PER_GROUP).toBeGreaterThanOrEqual(200)
  expect(total).toBeGreaterThan(500_000)
  expect(readdirSync(DATA).length).toBe(FAMILIES.length)
})
