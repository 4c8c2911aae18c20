/**
 * docs/instructions.md, from the instruction table and the committed vectors:
 *   npx tsx vectors/instructions.ts        writes it
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROWS } from '../src/machine/isa/table.ts'
import { FAMILIES } from './corpus.ts'
import { type Descriptor, descriptorOf, keyOf, mnemonicOf } from './descriptor.ts'
import { exclusion } from './exclusions.ts'
import { unpack } from './store.ts'
import { MODEL, VENDORS, type Vendor } from './vendor.ts'

export const PAGE = join(import.meta.dirname, '../docs/instructions.md')

const modes = (d: Descriptor): string =>
  d.mode === '64' || d.osize === 64 ? '64' : d.mode === 'legacy' ? '16, 32' : 'all'

export const instructionsPage = (): string => {
  const recorded: Record<Vendor, Map<string, number>> = { intel: new Map(), amd: new Map() }
  const processors: string[] = []
  let sequences = 0
  for (const vendor of VENDORS)
    for (const family of FAMILIES) {
      const { header } = unpack(readFileSync(join(import.meta.dirname, 'data', vendor, `${family}.vectors`)))
      if (!processors.includes(header.processor)) processors.push(header.processor)
      for (const group of header.groups) {
        const key = keyOf(group.descriptor)
        if (family === 'sequences') sequences += group.count
        else recorded[vendor].set(key, (recorded[vendor].get(key) ?? 0) + group.count)
      }
    }
  interface Line {
    readonly encoding: string
    readonly text: string
    readonly modes: string
    readonly feature: string
    readonly why: string | undefined
    readonly cases: Record<Vendor, number>
  }
  // Rows that differ only in what prefixes choose (address size, repetition) share a line.
  const lines = new Map<string, Line>()
  for (const row of ROWS) {
    const d = descriptorOf(row)
    const key = `${d.text}|${d.encoding}|${modes(d)}`
    const of = (vendor: Vendor): number => recorded[vendor].get(keyOf(d)) ?? 0
    const line = lines.get(key)
    if (line === undefined)
      lines.set(key, {
        encoding: d.encoding,
        text: d.text,
        modes: modes(d),
        feature: d.feature ?? '',
        cases: { intel: of('intel'), amd: of('amd') },
        why: exclusion(d, MODEL),
      })
    else {
      for (const vendor of VENDORS) line.cases[vendor] += of(vendor)
    }
  }
  const total = VENDORS.flatMap((vendor) => [...recorded[vendor].values()]).reduce((a, b) => a + b, 0)
  const sorted = [...lines.values()].sort(
    (a, b) =>
      (a.text < b.text ? -1 : a.text > b.text ? 1 : 0) ||
      (a.encoding < b.encoding ? -1 : a.encoding > b.encoding ? 1 : 0),
  )
  const mnemonics = new Set(ROWS.map((row) => mnemonicOf(descriptorOf(row))))
  const note = (line: Line): string => {
    const { intel, amd } = line.cases
    return intel + amd > 0 ? `${intel} | ${amd}` : `${line.why ?? ''} |`
  }
  return `# Instructions

Generated from \`src/machine/isa/table.ts\` and \`vectors/data/\` by \`npx tsx vectors/instructions.ts\`; a test holds it
to them.

${mnemonics.size} mnemonics in ${ROWS.length} encodings. **Cases** were recorded on
${processors.map((p) => `${p}`).join(' and\n')}.
CI runs all of Intel's and one in four of AMD's on the interpreter, and one in 25 on the translator.
${total.toLocaleString('en')} cases of single instructions, ${sequences.toLocaleString('en')} of programs.
**Feature** is the switch of \`--cpu\`, or a feature that every model has. Where there are no cases the reason is given;
known differences are in [QUIRKS.md](QUIRKS.md).

| Instruction | Encoding | Modes | Feature | Intel | AMD |
|---|---|---|---|---|---|
${sorted.map((l) => `| ${l.text} | \`${l.encoding}\` | ${l.modes} | ${l.feature} | ${note(l)} |`).join('\n')}
`
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, instructionsPage())
