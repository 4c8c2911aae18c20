import { describe, expect, test } from 'vitest'
import { type Addition, addTo, type Gathered, gatherPicked, targetOf } from './added-files.ts'

const sized = (name: string, size: number, lastModified = 1_700_000_000_123): File =>
  ({ name, size, lastModified, webkitRelativePath: '' }) as File

const at = (path: string, size = 1): Gathered => ({ path, file: sized(path, size) })

const added = (gathered: readonly Gathered[], target = '/root', before: readonly Addition[] = []) => {
  const result = addTo(before, gathered, target, 0)
  if (!result.ok) throw new Error(result.problem.kind)
  return result.value
}
const refused = (gathered: readonly Gathered[], target = '/root') => {
  const result = addTo([], gathered, target, 0)
  return result.ok ? undefined : result.problem.kind
}

describe('files for a root', () => {
  test('a file is one, a folder is all that is in it', () => {
    const additions = added([at('a'), { path: 'src', file: undefined }, at('src/b', 2), at('src/deep/c', 3)])
    expect(additions.map(({ path, kind, bytes, entries }) => [path, kind, bytes, entries.length])).toEqual([
      ['/root/a', 'file', 1, 1],
      ['/root/src', 'folder', 5, 3],
    ])
    expect(additions[1]?.entries.map(({ path }) => path)).toEqual(['/root/src', '/root/src/b', '/root/src/deep/c'])
    expect(additions[0]?.entries[0]?.mtime).toBe(1_700_000_000)
  })

  test('what is added again replaces what was there', () => {
    const additions = added([at('a', 7)], '/root', added([at('a', 1), at('b', 2)]))
    expect(additions.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['/root/b', 2],
      ['/root/a', 7],
    ])
  })

  test('a picked folder’s files know where in it they were', () => {
    const file = { ...sized('b', 2), webkitRelativePath: 'src/b' } as File
    expect(gatherPicked([file, sized('a', 1)]).map(({ path }) => path)).toEqual(['src/b', 'a'])
  })

  test('targets are folders from the root', () => {
    expect(['/root/', 'home', '', '/'].map((text) => targetOf(text))).toEqual(
      ['/root', '/home', '/', '/'].map((value) => ({ ok: true, value })),
    )
    expect(added([at('a')], '/')[0]?.path).toBe('/a')
    expect(refused([at('a')], '/root/../etc')).toBe('bad-path')
  })

  test('what does not fit is refused, each with its reason', () => {
    expect(refused([at('a', 2 ** 32)])).toBe('file-too-large')
    expect(refused([at('a', 2 ** 29), at('b', 2 ** 29 + 1)])).toBe('files-too-large')
    expect(refused(Array.from({ length: 20_001 }, (_, i) => at(`d/${i}`)))).toBe('files-too-many')
  })
})
