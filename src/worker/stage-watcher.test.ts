import { describe, expect, it } from 'vitest'
import { StageWatcher } from './stage-watcher.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

const watch = (stages: [string, string][], expected: string[]) => {
  const found: string[] = []
  const watcher = new StageWatcher(
    stages.map(([name, pattern]) => ({ name, pattern })),
    expected,
    (kind, name) => found.push(kind === 'ready' ? 'READY' : name),
  )
  return { watcher, found }
}

describe('the stage watcher', () => {
  it('finds stages in order, however the bytes are cut', () => {
    const { watcher, found } = watch(
      [
        ['main', '^NetBSD'],
        ['root', 'root on'],
      ],
      ['# $'],
    )
    for (const byte of bytes('NetBSD 11\r\nroot on ld0a\r\n# ')) watcher.write(Uint8Array.of(byte))
    expect(found).toEqual(['main', 'root', 'READY'])
  })

  it('skips a stage that was never printed and ignores it when it comes late', () => {
    const { watcher, found } = watch(
      [
        ['one', 'one'],
        ['two', 'two'],
      ],
      [],
    )
    watcher.write(bytes('two\none\n'))
    expect(found).toEqual(['two'])
    expect(watcher.isDone).toBe(true)
    expect(watcher.isReady).toBe(false)
  })

  it('is ready only when everything expected was seen in order', () => {
    const { watcher, found } = watch([], ['hello', '^boot:', '> $'])
    watcher.write(bytes('a -> b > '))
    watcher.write(bytes('\nhello\n'))
    expect(watcher.isReady).toBe(false)
    watcher.write(bytes('boot: 3 us\nplayground> '))
    expect(watcher.isReady).toBe(true)
    expect(found).toEqual(['READY'])
  })

  it('lets a quiet kernel leave lines out, but never all before the prompt', () => {
    const { watcher } = watch([], ['NetBSD', 'root on', 'INIT', '# $'])
    watcher.write(bytes('# NetBSD 11 # '))
    expect(watcher.isReady).toBe(false)
    watcher.write(bytes('\nINIT: hello\n# '))
    expect(watcher.isReady).toBe(true)
  })

  it('sees a stage begin in an unfinished line once a slice', () => {
    const { watcher, found } = watch([['ask', 'device\\?']], ['never'])
    watcher.write(bytes('root device? '))
    expect(found).toEqual([])
    watcher.poll()
    watcher.poll()
    expect(found).toEqual(['ask'])
  })
})
