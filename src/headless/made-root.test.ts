import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { initPath } from '../../userland/build.ts'
import { sentence } from '../base/problem.ts'
import { openExt2 } from '../disk/ext2-reader.ts'
import { complaints, installed } from '../disk/testing/e2fsprogs.ts'
import { buildElf } from '../machine/boot/testing/elf-builder.ts'
import { madeRoot } from './made-root.ts'

let place = ''
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'made-root-'))
  mkdirSync(join(place, 'tools/deep'), { recursive: true })
  writeFileSync(join(place, 'tools/deep/run'), '#!/bin/sh\n')
  chmodSync(join(place, 'tools/deep/run'), 0o750)
  utimesSync(join(place, 'tools/deep/run'), 1_234_567_890, 1_234_567_890)
  symlinkSync('deep/run', join(place, 'tools/link'))
  writeFileSync(join(place, 'note'), 'noted\n')
})
afterAll(() => rmSync(place, { recursive: true, force: true }))

const root = (...adds: Parameters<typeof madeRoot>[1]) => {
  const made = madeRoot(buildElf(), adds, false)
  if (!made.ok) throw new Error(sentence(made.problem))
  return made.value
}

test('files and folders are on the root as they are here', () => {
  const image = root({ path: join(place, 'tools/'), target: '/usr/local/' }, { path: join(place, 'note'), target: '/' })
  const disk = openExt2(image)
  if (!disk.ok) throw new Error(sentence(disk.problem))
  const at = (path: string) => disk.value.stat(path)
  expect(at('/usr/local/tools/deep/run')).toMatchObject({ value: { mode: 0o750, mtime: 1_234_567_890, uid: 0 } })
  expect(disk.value.readLink('/usr/local/tools/link')).toEqual({ ok: true, value: 'deep/run' })
  expect(at('/note')).toMatchObject({ value: { kind: 'file', size: 6 } })
  expect(at('/sbin/init')).toMatchObject({ value: { kind: 'file' } })
  if (installed('e2fsck')) expect(complaints(image)).toBe('')
})

test.each([
  [64, 'amd64'],
  [32, 'i386'],
] as const)('init is for a kernel of %d bits', (bits, architecture) => {
  const made = madeRoot(buildElf({ bits }), [], true)
  const disk = openExt2(made.ok ? made.value : new Uint8Array(0))
  expect(disk.ok && disk.value.readFile('/sbin/init')).toEqual({
    ok: true,
    value: new Uint8Array(readFileSync(initPath(architecture))),
  })
})

test('what is not there, and what cannot be there, are sentences', () => {
  expect(() => root({ path: join(place, 'absent'), target: '/' })).toThrow(/there is no file for the root .*absent/i)
  expect(() => root({ path: '/dev/null', target: '/' })).toThrow(/is a device/)
  expect(() => root({ path: join(place, 'note'), target: '/sbin/init' })).toThrow(/to be put at/)
})
