/**
 * Records the expected results from QEMU: `npx tsx system-tests/record.ts [SECTION...]`. Where this machine prints
 * something else, overrides.ts has to say who is right and by what authority; what it does not mention is taken from
 * QEMU, and system.test.ts then fails until the machine is put right.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { checksIn, expectedPath, type Line, NOTHING, render } from './expected.ts'
import { qemuVersion, runHere, runQemu, SECTIONS } from './machines.ts'
import { KNOWN, OVERRIDES } from './overrides.ts'

const only = process.argv.slice(2)
let checks = 0
let unsettled = 0
for (const s of SECTIONS.filter((x) => only.length === 0 || only.includes(x.name))) {
  const here = runHere(s).lines
  const qemu = runQemu(s).lines
  const lines: Line[] = []
  for (let i = 0; i < Math.max(here.length, qemu.length); i++) {
    const a = here[i] ?? NOTHING
    const b = qemu[i] ?? NOTHING
    const known = KNOWN.find((k) => k.section === s.name && k.here.test(a))
    const rule = OVERRIDES.find((o) => o.section === s.name && o.line.test(a))
    if (known !== undefined)
      lines.push({ text: known.right ?? b, here: a, ...(known.right ? { qemu: b } : {}), why: known.why })
    else if (a === b) lines.push({ text: a })
    else if (rule !== undefined) lines.push({ text: a, qemu: b, why: rule.why })
    else {
      unsettled++
      console.log(`${s.name}: not settled\n  here ${a}\n  qemu ${b}`)
      lines.push({ text: b })
    }
  }
  checks += checksIn(lines)
  mkdirSync(dirname(expectedPath(s.name)), { recursive: true })
  const header = [`Recorded from ${qemuVersion()} by system-tests/record.ts; see expected.ts for the notation.`]
  writeFileSync(expectedPath(s.name), render(lines, header))
}
console.log(`${checks} results, ${unsettled} unsettled`)
