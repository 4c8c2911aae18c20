import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { diskBytes, IMAGE_TAIL_BYTES, imageProblem } from './disk-image.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'disk-image-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

const problemOf = (name: string, bytes: Uint8Array) =>
  imageProblem(name, bytes.length, bytes, bytes.subarray(-IMAGE_TAIL_BYTES))

test('a disk has whole sectors', () => {
  expect([0, 1, 512, 513, 2 ** 40 + 1].map(diskBytes)).toEqual([0, 512, 512, 1024, 2 ** 40 + 512])
})

test('raw sectors of any length will do, none will not', () => {
  expect(problemOf('d', new Uint8Array(1))).toBeUndefined()
  expect(problemOf('d', new Uint8Array(1048599))).toBeUndefined()
  expect(problemOf('d', new Uint8Array(0))?.kind).toBe('disk-empty')
})

test('the advice makes the image raw, whatever its name', () => {
  const sectors = Buffer.alloc(4096, 'sector')
  for (const name of ['d.img.gz', 'd.gz', 'd.raw', 'no ending', "it's.img.gz", '-rf'])
    try {
      const file = join(dir, name)
      writeFileSync(file, gzipSync(sectors))
      const hint = problemOf(file, readFileSync(file))?.hint ?? ''
      const command = hint.replace(/, then that file$/, '')
      expect(command).not.toBe(hint)
      execFileSync('sh', ['-c', command])
      expect(readFileSync(file)).toEqual(gzipSync(sectors))
      const raw = command
        .replace(/^.* > /, '')
        .replaceAll("'\\''", '\0')
        .replaceAll("'", '')
        .replaceAll('\0', "'")
      expect(readFileSync(raw)).toEqual(sectors)
    } finally {
      rmSync(dir, { recursive: true })
      execFileSync('mkdir', [dir])
    }
})

const QEMU_IMG = ['/usr/bin/qemu-img', '/usr/local/bin/qemu-img', '/opt/homebrew/bin/qemu-img'].some((at) =>
  existsSync(at),
)
test.skipIf(!QEMU_IMG).each([
  ['qcow2', []],
  ['vmdk', []],
  ['vhdx', []],
  ['vdi', []],
  ['vpc', []],
  ['vpc', ['-o', 'subformat=fixed,force_size=on']],
] as const)('and so it does for %s %j', (format, options) => {
  const [source, file] = [join(dir, 'source'), join(dir, 'disk.image')]
  const sectors = Buffer.alloc(1 << 20, 'sector')
  writeFileSync(source, sectors)
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', format, ...options, source, file])
  const problem = problemOf(file, readFileSync(file))
  expect(problem?.kind).toBe('disk-not-raw')
  execFileSync('sh', ['-c', problem?.hint.replace(/, then that file$/, '') ?? 'false'])
  expect(readFileSync(join(dir, 'disk.raw')).subarray(0, sectors.length).equals(sectors)).toBe(true)
})
