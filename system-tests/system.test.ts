import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  type BuildRecord,
  build,
  compilerVersion,
  elfPath,
  PROGRAMS,
  recordPath,
  sha256,
  sourcesHash,
} from './build.ts'
import { hereLines, load, NOTHING, qemuLines } from './expected.ts'
import { qemuVersion, runHere, runQemu, SECTIONS } from './machines.ts'

const record = JSON.parse(readFileSync(recordPath, 'utf8')) as BuildRecord
const rebuild = 'run `npx tsx system-tests/build.ts`, and `npx tsx system-tests/record.ts` where QEMU is'

describe('the committed test programs', () => {
  it('were built from these sources', () => {
    expect(sourcesHash(), `system-tests/ changed after the programs were built; ${rebuild}`).toBe(record.sources)
    for (const program of PROGRAMS) expect(sha256(readFileSync(elfPath(program))), rebuild).toBe(record.elfs[program])
  })

  const here = compilerVersion()
  const why = here === record.compiler ? '' : ` (skipped: built with "${record.compiler}", here is "${here ?? 'none'}")`
  it.skipIf(why !== '')(`come out of the same compiler byte for byte${why}`, () => {
    for (const program of PROGRAMS) expect(sha256(build(program)), program).toBe(record.elfs[program])
  })
})

describe('this machine prints what is expected', () => {
  it.each(SECTIONS.map((s) => [s.name, s] as const))('%s', (name, s) => {
    expect(runHere(s).lines).toEqual(hereLines(load(name)))
  })
  it.each(SECTIONS.map((s) => [s.name, s] as const))('%s, translated', (name, s) => {
    expect(runHere(s, { period: 997, looks: 1, eager: true }).lines).toEqual(hereLines(load(name)))
  })
})

const recorded = 'QEMU emulator version 7.2.'
const version = spawnSync('qemu-system-x86_64', ['--version']).error === undefined ? qemuVersion() : undefined
const title = version?.startsWith(recorded)
  ? `${version} prints what was recorded`
  : `QEMU 7.2 prints what was recorded (skipped: here is ${version ?? 'no QEMU'})`
// QEMU runs in real time: on a busy host an interrupt may come late.
describe.skipIf(!version?.startsWith(recorded))(title, { retry: 2 }, () => {
  it.each(SECTIONS.map((s) => [s.name, s] as const))('%s', (name, s) => {
    const lines = load(name)
    const expected = qemuLines(lines)
    // How a program ends that QEMU does not survive is chance, and can take a minute.
    if (lines.some((l) => l.qemu === NOTHING)) return
    expect(runQemu(s).lines).toEqual(expected)
  })
})
