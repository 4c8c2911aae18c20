/**
 * The committed vectors: every one of the model's vendor, one in OTHERS of the others' (VECTORS=all: every one), and
 * that every instruction has some.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { EAGER } from '../src/machine/engine/regions/registry.ts'
import { Case } from './case.ts'
import { check } from './compare.ts'
import { CASES_PER_GROUP, COMMITTED_SEED, FAMILIES, makerOf, planKey, plans, sequencePlans } from './corpus.ts'
import { deviationsOf } from './deviations.ts'
import { Engine } from './engine.ts'
import {
  agrees,
  excuse,
  LENGTHS_COMMITTED,
  Lengths,
  lengthStream,
  MAX_BYTES,
  randomBytes,
  verdictOfByte,
} from './lengths.ts'
import { compareWithObjdump } from './objdump.ts'
import { FNV_START, FORMAT, fnv, OutcomeReader, unpack } from './store.ts'
import { MODEL, VENDORS, type Vendor, vendorOf } from './vendor.ts'

const DATA = join(import.meta.dirname, 'data')
const interpreter = new Engine()
const translator = new Engine(EAGER)
/** Compiling a region takes about a millisecond: one case in so many runs translated. */
const TRANSLATED = 25
const OTHERS = process.env['VECTORS'] === 'all' ? 1 : 4
const recorded: Readonly<Record<Vendor, Set<string>>> = { intel: new Set(), amd: new Set() }
const total: Record<Vendor, number> = { intel: 0, amd: 0 }

test.each(VENDORS.flatMap((vendor) => FAMILIES.map((family) => [vendor, family] as const)))(
  'both engines do what a processor of %s did: %s',
  (vendor, family) => {
    const { header, bytes, at } = unpack(readFileSync(join(DATA, vendor, `${family}.vectors`)))
    expect(header.format).toBe(FORMAT)
    expect(vendorOf(header.processor)).toBe(vendor)
    const share = vendor === MODEL ? 1 : OTHERS
    const c = new Case()
    const bad: string[] = []
    let from = at
    for (const group of header.groups) {
      const generator = makerOf(group, vendor)
      const reader = new OutcomeReader(bytes, from)
      let inputs = FNV_START
      for (let index = 0; index < group.count; index++) {
        generator.make(c, header.seed, index)
        const record = c.finish()
        inputs = fnv(inputs, record)
        const outcome = reader.read(record)
        if (index % share !== 0) continue
        for (const engine of index % TRANSLATED === 0 ? [interpreter, translator] : [interpreter]) {
          const lines = check(engine, record, outcome, generator.undefined)
          if (lines !== undefined && deviationsOf(vendor, group, lines).length === 0 && bad.length < 20)
            bad.push(`${planKey(group)} #${index}${engine === translator ? ' translated' : ''}: ${lines.join('; ')}`)
        }
      }
      from += group.bytes
      expect(reader.at, `${planKey(group)}: outcomes end where the next begin`).toBe(from)
      expect(inputs, `${planKey(group)}: the generator makes the inputs that were recorded`).toBe(group.inputs)
      recorded[vendor].add(planKey(group))
      total[vendor] += group.count
    }
    expect(bad).toEqual([])
  },
)

test('the translator has had its share', () => {
  expect(translator.cpu.translation['regions']).toBeGreaterThan(5000)
})

test.each(VENDORS)('every row that can be recorded has vectors of %s', (vendor) => {
  const missing = [...plans(vendor), ...sequencePlans()].map(planKey).filter((key) => !recorded[vendor].has(key))
  expect(missing).toEqual([])
  expect(CASES_PER_GROUP).toBeGreaterThanOrEqual(200)
  expect(total[vendor]).toBeGreaterThan(500_000)
  expect(readdirSync(join(DATA, vendor)).length).toBe(FAMILIES.length + 1)
})

test.each(VENDORS)('random bytes have the length that a processor of %s found, or are undefined', (vendor) => {
  const verdicts = brotliDecompressSync(readFileSync(join(DATA, vendor, 'lengths.verdicts')))
  const lengths = new Lengths()
  const bad: string[] = []
  let at = 0
  for (const bits of [64, 32] as const) {
    const r = lengthStream(bits, COMMITTED_SEED)
    for (let i = 0; i < LENGTHS_COMMITTED; i++) {
      const bytes = randomBytes(r, bits)
      const verdict = verdictOfByte(verdicts[at++] as number)
      const mine = lengths.of(bytes, 0, MAX_BYTES, bits)
      if (!agrees(verdict, mine) && excuse(vendor, bytes, bits, verdict, mine) === undefined)
        bad.push(`${Buffer.from(bytes).toString('hex')} ${bits} ${JSON.stringify(verdict)} ${mine.length}`)
    }
  }
  expect(bad).toEqual([])
})

const LIBC = '/lib/x86_64-linux-gnu/libc.so.6'
test.skipIf(!existsSync('/usr/bin/objdump') || !existsSync(LIBC))(
  'instructions of an installed library end where objdump has them end',
  async () => {
    const { instructions, disagreements, unknown } = await compareWithObjdump(LIBC, new Lengths(), 100_000)
    expect(disagreements).toEqual([])
    expect(instructions).toBe(100_000)
    // What is not in the table is what no guest is offered.
    expect(
      [...unknown.keys()].filter(
        (m) =>
          !/^(v|k(mov|ortest|test|unpck|or|xnor|and)|x(test|abort|begin|end)|(rd|wr)pkru|bls|bzhi|sarx|shlx|shrx|movbe|andn|pdep|pext|rdpid|xsavec|xrstors)/.test(
            m,
          ),
      ),
    ).toEqual([])
  },
)
