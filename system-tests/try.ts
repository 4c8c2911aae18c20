/**
 * For whoever writes tests: `npx tsx system-tests/try.ts [SECTION...]` runs both machines and prints where they differ;
 * with --all every line, with --here or --qemu only one machine.
 */
import { runHere, runQemu, SECTIONS } from './machines.ts'

const words = process.argv.slice(2)
const flags = new Set(words.filter((w) => w.startsWith('--')))
const names = words.filter((w) => !w.startsWith('--'))
for (const s of SECTIONS.filter((x) => names.length === 0 || names.includes(x.name))) {
  const here = flags.has('--qemu') ? undefined : runHere(s)
  const qemu = flags.has('--here') ? undefined : runQemu(s)
  console.log(`${s.name}: ${here?.lines.length ?? '-'} lines here, ${qemu?.lines.length ?? '-'} in QEMU`)
  for (const line of [...(here?.log ?? []), ...(qemu?.log ?? [])]) if (flags.has('--log')) console.log(`  ${line}`)
  const n = Math.max(here?.lines.length ?? 0, qemu?.lines.length ?? 0)
  for (let i = 0; i < n; i++) {
    const a = here?.lines[i]
    const b = qemu?.lines[i]
    if (here === undefined || qemu === undefined || (a === b && flags.has('--all'))) console.log(`    ${a ?? b}`)
    else if (a !== b) console.log(`  - here ${a ?? '(nothing)'}\n    qemu ${b ?? '(nothing)'}`)
  }
}
