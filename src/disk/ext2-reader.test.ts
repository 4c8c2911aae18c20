import { chmodSync, mkdirSync, readFileSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Problem, type Result, sentence } from '../base/problem.ts'
import { makeExt2 } from './ext2.ts'
import { type Ext2Image, openExt2 } from './ext2-reader.ts'
import { installed, run, withScratch } from './testing/e2fsprogs.ts'
import { random, randomTree } from './testing/random-tree.ts'

const hasMke2fs = installed('mke2fs')
const hasDebugfs = installed('debugfs')
if (!hasMke2fs || !hasDebugfs) console.warn('mke2fs or debugfs is not installed: only our own images are read')

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

function refusal<T>(result: Result<T>): Problem {
  if (result.ok) throw new Error('it was read')
  return result.problem
}

const filled = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255)
const sizes = [0, 1, 1024, 12 * 1024 + 1, 300_000, 1_400_000]

/** An image that mke2fs made of a directory on this machine, changed by debugfs commands. */
function mke2fs(args: readonly string[], commands: readonly string[] = []): Uint8Array {
  return withScratch((scratch) => {
    const tree = join(scratch, 'tree')
    mkdirSync(join(tree, 'sub/deeper'), { recursive: true })
    for (const size of sizes) writeFileSync(join(tree, `of-${size}`), filled(size))
    chmodSync(join(tree, 'of-1'), 0o751)
    utimesSync(join(tree, 'of-1'), 1_234_567_890, 1_234_567_890)
    writeFileSync(join(tree, 'sub/deeper/ünï.txt'), 'found\n')
    writeFileSync(join(tree, 'holes'), '')
    truncateSync(join(tree, 'holes'), 5_000_000)
    symlinkSync('sub/deeper', join(tree, 'short'))
    symlinkSync('l'.repeat(200), join(tree, 'long'))
    mkdirSync(join(tree, 'many'))
    for (let i = 0; i < 400; i++) writeFileSync(join(tree, `many/a rather long file name, number ${i}`), `${i}`)
    const image = join(scratch, 'image')
    const made = run('mke2fs', ['-q', '-F', '-t', 'ext2', ...args, '-d', tree, image, '24M'])
    if (made.status !== 0) throw new Error(made.output)
    for (const command of commands) run('debugfs', ['-w', '-R', command, image])
    return readFileSync(image)
  })
}

function expectTree(image: Ext2Image): void {
  for (const size of sizes)
    expect(Buffer.compare(value(image.readFile(`/of-${size}`)), filled(size)), `${size}`).toBe(0)
  expect(value(image.stat('of-1'))).toMatchObject({ kind: 'file', mode: 0o751, size: 1, mtime: 1_234_567_890 })
  expect(Buffer.from(value(image.readFile('/sub/./deeper//ünï.txt'))).toString()).toBe('found\n')
  expect(value(image.readFile('holes')).every((byte) => byte === 0)).toBe(true)
  expect(value(image.stat('holes')).allocated).toBe(0)
  expect(value(image.readLink('/short'))).toBe('sub/deeper')
  expect(value(image.readLink('/long'))).toBe('l'.repeat(200))
  expect(value(image.list('/many'))).toHaveLength(400)
  expect(Buffer.from(value(image.readFile('/many/a rather long file name, number 399'))).toString()).toBe('399')
  expect(value(image.stat('/sub')).kind).toBe('directory')
}

describe.skipIf(!hasMke2fs)('an image by mke2fs is read', () => {
  test.each([
    ['1 KiB blocks', ['-b', '1024']],
    ['2 KiB blocks', ['-b', '2048']],
    ['4 KiB blocks, 256-byte inodes', ['-b', '4096', '-I', '256']],
    ['4 KiB blocks, 128-byte inodes', ['-b', '4096', '-I', '128']],
    ['hashed directories', ['-b', '1024', '-O', 'dir_index']],
    ['no features at all', ['-b', '1024', '-O', 'none', '-I', '128']],
    ['revision 0', ['-r', '0', '-b', '1024', '-O', 'none', '-I', '128']],
  ])('%s', (_name, args) => expectTree(value(openExt2(mke2fs(args)))))

  test.skipIf(!hasDebugfs)('device nodes, removed files and owners', () => {
    const image = value(
      openExt2(
        mke2fs(
          ['-b', '1024'],
          ['mknod null c 2 2', 'mknod big b 259 7000', 'rm of-1', 'set_inode_field of-0 uid 4000', 'mknod pipe p'],
        ),
      ),
    )
    expect(value(image.stat('/null'))).toMatchObject({ kind: 'char', major: 2, minor: 2 })
    expect(value(image.stat('/big'))).toMatchObject({ kind: 'block', major: 259, minor: 7000 })
    expect(value(image.stat('/pipe')).kind).toBe('fifo')
    expect(value(image.stat('/of-0')).uid).toBe(4000)
    expect(refusal(image.stat('/of-1')).kind).toBe('no-such-file')
  })

  test('ext4 is refused by the names of its features', () => {
    const words = withScratch((scratch) => {
      const path = join(scratch, 'image')
      run('mke2fs', ['-q', '-F', '-t', 'ext4', path, '8M'])
      return sentence(refusal(openExt2(readFileSync(path))))
    })
    expect(words).toMatch(/The file system uses extents, 64bit, flex_bg; expected: plain ext2/)
  })
})

describe('what cannot be read is a sentence', () => {
  const image = value(makeExt2(randomTree(random(3))))
  const reader = value(openExt2(image))

  test('another file', () => {
    expect(refusal(openExt2(new Uint8Array(100))).kind).toBe('not-ext2')
    expect(refusal(openExt2(new Uint8Array(100_000))).kind).toBe('not-ext2')
  })

  test('a path that is not there, or not of that kind', () => {
    expect(sentence(refusal(reader.stat('/lost+found/x')))).toMatch(/\/lost\+found holds no "x"/)
    expect(refusal(reader.readFile('/')).kind).toBe('not-a-file')
    expect(refusal(reader.readLink('/')).kind).toBe('not-a-symlink')
  })

  test('a file system larger than its image', () => {
    expect(refusal(openExt2(image.subarray(0, image.length - 4096))).kind).toBe('ext2-broken')
  })

  test('any broken byte: it ends, and it never throws', () => {
    const pick = random(99)
    const look = (opened: Ext2Image, path: string, depth: number): void => {
      opened.readFile(path)
      opened.readLink(path)
      const entries = opened.list(path)
      if (entries.ok && depth < 4)
        for (const { name } of entries.value.slice(0, 40)) look(opened, `${path}/${name}`, depth + 1)
    }
    for (let round = 0; round < 150; round++) {
      const damaged = image.slice()
      // Mostly metadata, which comes first.
      for (let i = 0; i < 12; i++) damaged[pick(3) === 0 ? pick(damaged.length) : pick(40_000)] = pick(256)
      const opened = openExt2(damaged)
      if (opened.ok) look(opened.value, '', 0)
    }
  })
})
