import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import { OutputFile } from './output-file.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'output-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const at = (name: string): string => join(dir, name)
const bytes = Buffer.from('after')
const text = (name: string): string => readFileSync(at(name), 'utf8')
const write = async (name: string): Promise<string> => {
  const file = new OutputFile(at(name))
  const wrong = file.check() ?? (await file.write(bytes))
  return wrong ? sentence(wrong) : ''
}

test('a look at it makes nothing and changes nothing', () => {
  writeFileSync(at('old'), 'before')
  for (const name of ['old', 'new']) expect(new OutputFile(at(name)).check()).toBeUndefined()
  expect(readdirSync(dir)).toEqual(['old'])
  expect(text('old')).toBe('before')
})

test.skipIf(process.platform === 'win32')('what never could be written is said before the run', () => {
  mkdirSync(at('folder'))
  writeFileSync(at('file'), '')
  symlinkSync('loop', at('loop'))
  for (const [name, words] of [
    [at('none/j'), /^The file .*none\/j cannot be written, there is no such folder \(ENOENT\)/],
    [at('folder'), /folder cannot be written, that is a folder/],
    [at('new/'), /that is a folder/],
    [at('file/j'), /no such folder/],
    [at('loop'), /cannot be written/],
    ['', /^A file without a name/],
    ['/dev/fd/7777', /that descriptor is not open/],
  ] as const) {
    const wrong = new OutputFile(name).check()
    expect([name, wrong && sentence(wrong)]).toEqual([name, expect.stringMatching(words)])
  }
})

test('it replaces what was there, whole, and leaves nothing beside it', async () => {
  for (const name of ['old', 'new']) {
    if (name === 'old') writeFileSync(at(name), 'before, and longer')
    expect(await write(name)).toBe('')
    expect(text(name)).toBe('after')
  }
  expect(readdirSync(dir).sort()).toEqual(['new', 'old'])
})

test.skipIf(process.platform === 'win32')(
  'links stay links, other names of it show the same, and its mode stays',
  async () => {
    writeFileSync(at('target'), 'before')
    chmodSync(at('target'), 0o606)
    symlinkSync('target', at('link'))
    symlinkSync(at('not-yet'), at('dangling'))
    writeFileSync(at('one'), 'before')
    linkSync(at('one'), at('two'))
    for (const name of ['link', 'dangling', 'two']) expect(await write(name)).toBe('')
    for (const name of ['target', 'not-yet', 'one']) expect(text(name)).toBe('after')
    expect(statSync(at('target')).mode & 0o777).toBe(0o606)
    for (const name of ['link', 'dangling']) expect(lstatSync(at(name)).isSymbolicLink()).toBe(true)
  },
)

test.skipIf(process.platform !== 'linux')('a full device is a sentence', async () => {
  const wrong = await new OutputFile('/dev/full').write(bytes)
  expect(wrong && sentence(wrong)).toMatch(/^The file \/dev\/full cannot be written, no space is left there \(ENOSPC\)/)
  expect(await new OutputFile('/dev/null').write(bytes)).toBeUndefined()
})

test('two names of one file are the same, streams are not', () => {
  writeFileSync(at('a'), '')
  linkSync(at('a'), at('b'))
  const identity = (name: string) => new OutputFile(name).identity
  expect(identity(at('a'))).toBe(identity(at('b')))
  expect(identity(at('c'))).toBe(identity(at('./c')))
  expect(identity(at('a'))).not.toBe(identity(at('c')))
  expect(['-', '/dev/stdout', '/dev/fd/3'].map(identity)).toEqual([undefined, undefined, undefined])
})
