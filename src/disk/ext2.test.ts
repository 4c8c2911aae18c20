import { describe, expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import { type Ext2Options, makeExt2 } from './ext2.ts'
import { groupHasSuperblock } from './ext2-layout.ts'
import { type Ext2Image, openExt2 } from './ext2-reader.ts'
import { complaints, debugfs, installed } from './testing/e2fsprogs.ts'
import { random, randomTree } from './testing/random-tree.ts'
import {
  blockDevice,
  charDevice,
  type DirectoryNode,
  directory,
  type FileNode,
  file,
  sparseFile,
  symlink,
  type TreeNode,
} from './tree.ts'

const hasE2fsck = installed('e2fsck')
const hasDebugfs = installed('debugfs')
if (!hasE2fsck || !hasDebugfs) console.warn('e2fsck or debugfs is not installed: images are judged by our reader alone')

function made(tree: DirectoryNode, options?: Ext2Options): Uint8Array {
  const result = makeExt2(tree, options)
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

function refusal(tree: DirectoryNode, options?: Ext2Options): { kind: string; words: string } {
  const result = makeExt2(tree, options)
  if (result.ok) throw new Error('an image was made')
  return { kind: result.problem.kind, words: sentence(result.problem) }
}

function opened(image: Uint8Array): Ext2Image {
  const result = openExt2(image)
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

function value<T>(result: { ok: true; value: T } | { ok: false; problem: Parameters<typeof sentence>[0] }): T {
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

/** Nothing wrong by e2fsck, where it is installed. */
const expectSound = (image: Uint8Array): void => {
  if (hasE2fsck) expect(complaints(image)).toBe('')
}

function filled(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = 1 + (i % 255)
  return bytes
}

function contentsOf(node: FileNode): Uint8Array {
  const bytes = new Uint8Array(node.size)
  for (const piece of node.pieces) bytes.set(piece.bytes, piece.offset)
  return bytes
}

/** The image holds this node, by our reader. */
function expectNode(image: Ext2Image, path: string, node: TreeNode): void {
  const stat = value(image.stat(path))
  expect(stat.kind, path).toBe(node.kind)
  const { mode, uid = 0, gid = 0, mtime } = node
  if (mode !== undefined) expect(stat.mode, path).toBe(mode)
  if (mtime !== undefined) expect(stat.mtime, path).toBe(mtime)
  expect([stat.uid, stat.gid], path).toEqual([uid, gid])
  if (node.kind === 'file') {
    const bytes = value(image.readFile(path))
    expect(bytes.length, path).toBe(node.size)
    expect(Buffer.compare(bytes, contentsOf(node)), path).toBe(0)
  } else if (node.kind === 'symlink') expect(value(image.readLink(path)), path).toBe(node.target)
  else if (node.kind === 'directory') {
    const names = value(image.list(path)).map(({ name }) => name)
    const expected = [...node.entries.keys()]
    expect(names.filter((name) => path !== '/' || name !== 'lost+found').sort()).toEqual(expected.sort())
    for (const [name, child] of node.entries) expectNode(image, path === '/' ? `/${name}` : `${path}/${name}`, child)
  } else expect([stat.major, stat.minor], path).toEqual([node.major, node.minor])
}

describe('an ext2 image', () => {
  test.each([1024, 2048, 4096] as const)('of nothing, in blocks of %i bytes, is sound', (blockSize) => {
    const image = made(directory({}), { blockSize, free: 0 })
    expectSound(image)
    const reader = opened(image)
    expect(reader).toMatchObject({ blockSize, freeBytes: 0, clean: true })
    expect(value(reader.list('/')).map(({ name }) => name)).toEqual(['lost+found'])
  })

  test('is the same, byte for byte, for the same tree', () => {
    const tree = randomTree(random(7))
    expect(Buffer.compare(made(tree), made(tree))).toBe(0)
  })

  test('carries its label, its time and its UUID', () => {
    const uuid = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i)
    const image = made(directory({}), { label: 'sixteen letters!', time: 1_000_000_000, uuid })
    expect(opened(image).label).toBe('sixteen letters!')
    expect(value(opened(image).stat('/')).mtime).toBe(1_000_000_000)
    if (!hasDebugfs) return
    const words = debugfs(image, 'show_super_stats -h')
    expect(words).toContain('a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf')
    expect(words).toContain('Sun Sep  9 01:46:40 2001')
  })

  test('of a given size has that size, odd bytes included, and the rest is free', () => {
    const image = made(directory({ a: file(filled(10_000)) }), { size: 1024 * 1024 + 100 })
    expect(image.length).toBe(1024 * 1024 + 100)
    expect(opened(image).bytes).toBe(1024 * 1024)
    expect(opened(image).freeBytes).toBeGreaterThan(900_000)
    expectSound(image)
  })

  test('leaves at least the bytes free that were asked for', () => {
    for (const free of [0, 1, 100_000, 9_000_000]) {
      const image = made(directory({ a: file(filled(10_000)) }), { free, blockSize: 1024 })
      expect(opened(image).freeBytes).toBeGreaterThanOrEqual(free)
      expectSound(image)
    }
  })

  test('has the inodes that were asked for', () => {
    const image = made(directory({}), { inodes: 5000 })
    expect(opened(image).inodes).toBeGreaterThanOrEqual(5000)
    expectSound(image)
  })

  test('over many groups keeps superblock copies in 0, 1 and the powers of 3, 5 and 7', () => {
    expect(Array.from({ length: 50 }, (_, i) => i).filter(groupHasSuperblock)).toEqual([0, 1, 3, 5, 7, 9, 25, 27, 49])
    const image = made(directory({ big: file(filled(20_000_000)) }), { blockSize: 1024, size: 90 * 1024 * 1024 })
    expectSound(image)
    expectNode(opened(image), '/big', file(filled(20_000_000)))
    const copy = image.subarray((1 + 9 * 8192) * 1024)
    expect([copy[56], copy[57], copy[90]]).toEqual([0x53, 0xef, 9])
  })

  test('drops a last group that is too short for its own tables', () => {
    for (const extra of [1, 2, 5, 30, 100, 400]) {
      const image = made(directory({ a: file(filled(5000)) }), { blockSize: 1024, size: (8193 + extra) * 1024 })
      expectSound(image)
      expect(opened(image).bytes).toBeLessThanOrEqual((8193 + extra) * 1024)
    }
  })
})

describe('a file', () => {
  test.each([1024, 4096] as const)('goes through every kind of table in blocks of %i bytes', (blockSize) => {
    const perBlock = blockSize / 4
    const edges = [
      0,
      11,
      12,
      11 + perBlock,
      12 + perBlock,
      11 + perBlock + perBlock ** 2,
      12 + perBlock + perBlock ** 2,
    ]
    const places = edges.map((block) => block * blockSize).filter((offset) => offset < 2 ** 32 - blockSize)
    const pieces = places.map((offset) => ({ offset, bytes: filled(3) }))
    const node = sparseFile(places.at(-1)! + 3, pieces)
    const image = made(directory({ sparse: node }), { blockSize })
    expectSound(image)
    const stat = value(opened(image).stat('/sparse'))
    expect(stat.size).toBe(node.size)
    // One table leads to all singly indirect blocks; two, and three at the far end, to doubly ones; three to a triply one.
    const tables = blockSize === 1024 ? 1 + 3 + 3 : 1 + 2
    expect(stat.allocated).toBe((places.length + tables) * blockSize)
    if (blockSize === 1024) expectNode(opened(image), '/sparse', node)
  })

  test('of zeros takes no block', () => {
    const image = made(directory({ zeros: file(new Uint8Array(100_000)) }))
    expect(value(opened(image).stat('/zeros'))).toMatchObject({ size: 100_000, allocated: 0 })
    expectSound(image)
  })

  test('of 2 GiB and more turns large_file on', () => {
    const image = made(directory({ huge: sparseFile(2 ** 32 - 1, [{ offset: 3_000_000_000, bytes: filled(5000) }]) }))
    expect(value(opened(image).stat('/huge')).size).toBe(2 ** 32 - 1)
    expectSound(image)
    if (hasDebugfs) expect(debugfs(image, 'show_super_stats -h')).toContain('large_file')
  })

  test.skipIf(!hasDebugfs)('is what debugfs reads', () => {
    const image = made(
      directory({
        dir: directory({ näme: file(Buffer.from('text in it\n'), { mode: 0o4751, uid: 70_000, gid: 80_000 }) }),
        null: charDevice(2, 2),
        disk: blockDevice(19, 3, { mode: 0o640 }),
        short: symlink('/dir/target'),
        long: symlink('y'.repeat(300)),
      }),
    )
    expect(debugfs(image, 'cat /dir/näme')).toContain('text in it')
    expect(debugfs(image, 'stat /dir/näme')).toMatch(/Mode: {2}04751.*User: 70000 +Group: 80000/s)
    expect(debugfs(image, 'stat /null')).toContain('Device major/minor number: 02:02')
    expect(debugfs(image, 'stat /disk')).toMatch(/block special.*Device major\/minor number: 19:03/s)
    expect(debugfs(image, 'stat /short')).toContain('Fast link dest: "/dir/target"')
    expect(debugfs(image, 'cat /long')).toContain('y'.repeat(300))
  })
})

describe('a directory', () => {
  test('of many names takes many blocks', () => {
    const entries = Array.from({ length: 900 }, (_, i) => [`file number ${i}`, file(filled(i % 3))] as const)
    const tree = directory(Object.fromEntries(entries))
    const image = made(tree, { blockSize: 1024 })
    expectSound(image)
    expectNode(opened(image), '/', tree)
  })

  test('takes names of 255 bytes, and __proto__', () => {
    const tree: DirectoryNode = {
      kind: 'directory',
      entries: new Map([
        ['n'.repeat(255), file(filled(1))],
        ['é'.repeat(127), file(filled(2))],
        ['__proto__', file(filled(3))],
      ]),
    }
    const image = made(tree)
    expectSound(image)
    expectNode(opened(image), '/', tree)
  })

  test('keeps a lost+found that the tree brings', () => {
    const tree = directory({ 'lost+found': directory({ '#12': file(filled(9)) }, { mode: 0o750 }) })
    const image = made(tree)
    expectSound(image)
    expectNode(opened(image), '/lost+found', tree.entries.get('lost+found')!)
  })
})

test.each(Array.from({ length: 20 }, (_, batch) => batch))(
  'trees by chance, ten of batch %i, are sound and read back',
  (batch) => {
    for (let i = 0; i < 10; i++) {
      const pick = random(batch * 10 + i + 1)
      const blockSize = ([1024, 2048, 4096] as const)[pick(3)]!
      const tree = randomTree(pick)
      const image = made(tree, pick(2) === 0 ? { blockSize } : { blockSize, size: 12 * 1024 * 1024 })
      expectSound(image)
      expectNode(opened(image), '/', tree)
    }
  },
)

describe('what cannot be done is a sentence', () => {
  const cases: readonly (readonly [string, DirectoryNode, Ext2Options, RegExp])[] = [
    [
      'file-too-large',
      directory({ f: sparseFile(2 ** 32, []) }),
      {},
      /\/f has 4294967296 bytes; expected: less than 4 GiB/,
    ],
    ['name-too-long', directory({ ['é'.repeat(128)]: file(filled(1)) }), {}, /a name of 256 bytes.*at most 255/],
    ['bad-name', directory({ 'a/b': file(filled(1)) }), {}, /"a\/b"/],
    ['bad-name', directory({ d: directory({ '..': file(filled(1)) }) }), {}, /\/d holds an entry named "\.\."/],
    ['bad-name', directory({ 'lost+found': file(filled(1)) }), {}, /no directory/],
    ['name-not-unicode', directory({ '\ud800': file(filled(1)) }), {}, /surrogate/],
    ['bad-symlink', directory({ s: symlink('') }), {}, /a path of 0 bytes/],
    ['bad-symlink', directory({ s: symlink('z'.repeat(1024)) }), {}, /a path of 1024 bytes/],
    [
      'tree-over-size',
      directory({ f: file(filled(2_000_000)) }),
      { size: 1 << 20 },
      /Try: a size of at least \d+ bytes/,
    ],
    ['tree-over-size', directory({}), { size: 3000 }, /3000 bytes/],
    ['image-too-large', directory({}), { free: 2 ** 32 }, /at most 4 GiB/],
    ['bad-pieces', directory({ f: sparseFile(5, [{ offset: 3, bytes: filled(3) }]) }), {}, /3 bytes at 3/],
    ['number-out-of-range', directory({ f: file(filled(1), { mode: 0o10000 }) }), {}, /mode 4096/],
    ['number-out-of-range', directory({ f: charDevice(4096, 0) }), {}, /major 4096/],
    ['number-out-of-range', directory({ f: file(filled(1), { mtime: 2 ** 32 }) }), {}, /mtime/],
    ['bad-label', directory({}), { label: 'seventeen letters' }, /at most 16 bytes/],
    ['bad-uuid', directory({}), { uuid: filled(3) }, /3 bytes/],
  ]
  test.each(cases)('%s (%#)', (kind, tree, options, words) => {
    const refused = refusal(tree, options)
    expect(refused.kind).toBe(kind)
    expect(refused.words).toMatch(words)
  })

  test('the size that it proposes is enough', () => {
    const tree = directory({ f: file(filled(2_000_000)) })
    const size = Number(/at least (\d+)/.exec(refusal(tree, { size: 1 << 20 }).words)![1])
    expectSound(made(tree, { size }))
    expect(refusal(tree, { size: size - 4096 * 4 }).kind).toBe('tree-over-size')
  })

  test('too many directories in one', () => {
    const child = directory({})
    const entries = new Map(Array.from({ length: 32_000 }, (_, i) => [String(i), child] as const))
    expect(refusal({ kind: 'directory', entries }).kind).toBe('too-many-directories')
  })
})
