import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { NETBSD_COMMANDS } from '../src/disk/netbsd-root.ts'
import {
  architectures,
  type BuildRecord,
  build,
  commandNames,
  compilerVersion,
  initPath,
  recordPath,
  sha256,
  sourceFiles,
  sourcesHash,
  userlandDirectory,
} from './build.ts'

const again = 'run `npx tsx userland/build.ts` and commit public/guests/netbsd'
const record = JSON.parse(readFileSync(recordPath, 'utf8')) as BuildRecord
const compiler = compilerVersion()

/** e_machine, and where a class of ELF files has what is looked at below (System V ABI, chapters 4 and 5). */
const FORMATS = {
  amd64: { class: 2, machine: 62, headers: 64, headerBytes: 56, count: 56, offset: 8 },
  i386: { class: 1, machine: 3, headers: 52, headerBytes: 32, count: 44, offset: 4 },
} as const

describe.each(architectures)('the committed /sbin/init for %s', (architecture) => {
  const elf = readFileSync(initPath(architecture))

  test('was built from the sources beside this test', () => {
    expect(record.sources, again).toBe(sourcesHash())
    expect(record.elf[architecture], again).toBe(sha256(elf))
  })

  test('is under 150 KB', () => {
    expect(elf.length).toBeLessThan(150_000)
  })

  test.skipIf(compiler !== record.compiler)(`comes out of ${record.compiler} bit by bit`, () => {
    expect(sha256(build(architecture)), again).toBe(record.elf[architecture])
  })

  test('is a static program that bears the NetBSD note', () => {
    const format = FORMATS[architecture]
    const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
    expect([...elf.subarray(0, 5)]).toEqual([0x7f, 0x45, 0x4c, 0x46, format.class])
    expect(view.getUint16(16, true)).toBe(2) // ET_EXEC
    expect(view.getUint16(18, true)).toBe(format.machine)
    const headers = Array.from(
      { length: view.getUint16(format.count, true) },
      (_, i) => format.headers + i * format.headerBytes,
    )
    const types = headers.map((at) => view.getUint32(at, true))
    expect(types).not.toContain(2) // PT_DYNAMIC
    expect(types).not.toContain(3) // PT_INTERP
    const note = view.getUint32(headers[types.indexOf(4)]! + format.offset, true) // PT_NOTE
    expect([0, 4, 8].map((i) => view.getUint32(note + i, true))).toEqual([7, 4, 1])
    expect(elf.toString('latin1', note + 12, note + 18)).toBe('NetBSD')
  })
})

test('there is a link for each command, and the commands are in order', () => {
  expect(commandNames()).toEqual([...commandNames()].sort())
  expect([...NETBSD_COMMANDS].sort()).toEqual(commandNames())
})

/** say() and its like take every number as 64 bits, which is more than an argument of theirs is by itself on i386. */
test.skipIf(compiler === undefined)('numbers that are printed are passed as 64 bits', () => {
  const directory = mkdtempSync(join(tmpdir(), 'playground-formats-'))
  try {
    for (const name of sourceFiles()) {
      const text = readFileSync(join(userlandDirectory, name), 'utf8')
        .replace(/%([-0-9.*]*)([duxo])/g, '%$1ll$2')
        .replace(/^((void say|void complain|char \*print)\(.*\.\.\.\));/gm, '$1 __attribute__((format(printf, 1, 2)));')
      writeFileSync(join(directory, name), text)
    }
    const files = sourceFiles().filter((name) => name.endsWith('.c') && name !== 'i386.c')
    const { stderr } = spawnSync('gcc', ['-fsyntax-only', '-ffreestanding', '-fno-builtin', '-Wformat', ...files], {
      cwd: directory,
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
