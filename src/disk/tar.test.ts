import { mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { extract } from 'tar-stream'
import { expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import { makeExt2 } from './ext2.ts'
import { openExt2 } from './ext2-reader.ts'
import { tarFolder } from './tar.ts'
import { installed, run, withScratch } from './testing/e2fsprogs.ts'
import { random, randomTree } from './testing/random-tree.ts'
import { directory, file, symlink, type TreeNode } from './tree.ts'

const archive = (tree: Parameters<typeof makeExt2>[0], path = '/'): Uint8Array<ArrayBuffer> => {
  const made = makeExt2(tree)
  if (!made.ok) throw new Error(sentence(made.problem))
  const image = openExt2(made.value)
  if (!image.ok) throw new Error(sentence(image.problem))
  const pieces = tarFolder(image.value, path)
  if (!pieces.ok) throw new Error(sentence(pieces.problem))
  return new Uint8Array(Buffer.concat(pieces.value))
}

interface Unpacked {
  readonly type: string | null | undefined
  readonly mode: number | undefined
  readonly uid: number | undefined
  readonly mtime: number
  readonly target: string | null | undefined
  readonly bytes: Buffer
}

const unpack = async (bytes: Uint8Array): Promise<ReadonlyMap<string, Unpacked>> => {
  const entries = new Map<string, Unpacked>()
  const stream = extract()
  stream.end(bytes)
  for await (const entry of stream) {
    const parts: Buffer[] = []
    for await (const part of entry) parts.push(part as Buffer)
    const { name, type, mode, uid, mtime, linkname, pax } = entry.header
    entries.set(name, {
      type,
      mode,
      // tar-stream leaves this one to its reader.
      uid: Number((pax as Record<string, string> | null)?.['uid'] ?? uid),
      mtime: (mtime?.getTime() ?? 0) / 1000,
      target: linkname,
      bytes: Buffer.concat(parts),
    })
  }
  return entries
}

const bytesOf = (node: TreeNode): Buffer => {
  if (node.kind !== 'file') return Buffer.alloc(0)
  const bytes = Buffer.alloc(node.size)
  for (const piece of node.pieces) bytes.set(piece.bytes, piece.offset)
  return bytes
}

test('a tree by chance comes out of its archive as it was', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const tree = randomTree(random(seed), 60)
    const entries = await unpack(archive(directory({ top: tree }), '/top'))
    let count = 0
    const check = (node: TreeNode, name: string) => {
      count++
      const found = entries.get(node.kind === 'directory' ? `${name}/` : name)
      expect(found, `seed ${seed}: ${name}`).toBeDefined()
      if (node.mode !== undefined) expect(found?.mode).toBe(node.mode)
      if (node.uid !== undefined) expect(found?.uid).toBe(node.uid)
      if (node.mtime !== undefined) expect(found?.mtime).toBe(node.mtime)
      if (node.kind === 'symlink') expect(found?.target).toBe(node.target)
      if (node.kind === 'file') expect(Buffer.compare(found!.bytes, bytesOf(node))).toBe(0)
      if (node.kind === 'directory') for (const [child, below] of node.entries) check(below, `${name}/${child}`)
    }
    check(tree, 'top')
    expect(entries.size).toBe(count)
  }
})

test.skipIf(!installed('tar'))('tar(1) unpacks it', () => {
  withScratch((scratch) => {
    const long = 'long '.repeat(40)
    const tree = directory({
      root: directory({
        'hello.sh': file(Buffer.from('#!/bin/sh\necho hello\n'), { mode: 0o755, mtime: 1_234_567_890 }),
        [long]: file(Buffer.from('long'), { mode: 0o600 }),
        ünï: directory({ empty: directory({}) }),
        link: symlink('hello.sh'),
      }),
    })
    writeFileSync(join(scratch, 'a.tar'), archive(tree, '/root'))
    mkdirSync(join(scratch, 'out'))
    expect(run('tar', ['-xf', join(scratch, 'a.tar'), '-C', join(scratch, 'out')])).toMatchObject({ status: 0 })
    const out = (name: string) => join(scratch, 'out/root', name)
    expect(readFileSync(out('hello.sh'), 'utf8')).toBe('#!/bin/sh\necho hello\n')
    expect(statSync(out('hello.sh')).mode & 0o777).toBe(0o755)
    expect(statSync(out('hello.sh')).mtimeMs).toBe(1_234_567_890_000)
    expect(readFileSync(out(long), 'utf8')).toBe('long')
    expect(statSync(out('ünï/empty')).isDirectory()).toBe(true)
    expect(readlinkSync(out('link'))).toBe('hello.sh')
  })
})
