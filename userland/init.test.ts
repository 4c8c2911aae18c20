import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { NETBSD_COMMANDS } from '../src/disk/netbsd-root.ts'
import {
  type BuildRecord,
  build,
  commandNames,
  compilerVersion,
  initPath,
  recordPath,
  sha256,
  sourcesHash,
} from './build.ts'

const again = 'run `npx tsx userland/build.ts` and commit public/guests/netbsd'
const elf = readFileSync(initPath)
const record = JSON.parse(readFileSync(recordPath, 'utf8')) as BuildRecord

describe('the committed /sbin/init', () => {
  test('was built from the sources beside this test', () => {
    expect(record.sources, again).toBe(sourcesHash())
    expect(record.elf, again).toBe(sha256(elf))
  })

  test('is under 150 KB and has a link for each of its commands, which are in order', () => {
    expect(elf.length).toBeLessThan(150_000)
    expect(commandNames()).toEqual([...commandNames()].sort())
    expect([...NETBSD_COMMANDS].sort()).toEqual(commandNames())
  })

  const compiler = compilerVersion()
  test.skipIf(compiler !== record.compiler)(`comes out of ${record.compiler} bit by bit`, () => {
    expect(sha256(build()), again).toBe(record.elf)
  })

  test('is a static x86-64 program that bears the NetBSD note', () => {
    const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
    expect(elf.subarray(0, 5).toString('latin1')).toBe('\x7fELF\x02')
    expect(view.getUint16(16, true)).toBe(2) // ET_EXEC
    expect(view.getUint16(18, true)).toBe(62) // EM_X86_64
    const headers = Array.from({ length: view.getUint16(56, true) }, (_, i) => 64 + i * 56)
    const types = headers.map((at) => view.getUint32(at, true))
    expect(types).not.toContain(2) // PT_DYNAMIC
    expect(types).not.toContain(3) // PT_INTERP
    const note = Number(view.getBigUint64(headers[types.indexOf(4)]! + 8, true)) // PT_NOTE
    expect([0, 4, 8].map((i) => view.getUint32(note + i, true))).toEqual([7, 4, 1])
    expect(elf.toString('latin1', note + 12, note + 18)).toBe('NetBSD')
  })
})
