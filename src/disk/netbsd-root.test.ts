import { describe, expect, test } from 'vitest'
import { type Result, sentence } from '../base/problem.ts'
import { openExt2 } from './ext2-reader.ts'
import { netbsdRoot } from './netbsd-root.ts'
import { complaints, installed } from './testing/e2fsprogs.ts'
import { directory, file, symlink, type TreeNode } from './tree.ts'

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

const init = Uint8Array.from({ length: 5000 }, (_, i) => i & 255)
const elf = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2)

describe('the NetBSD root', () => {
  const files = new Map([
    ['/etc/motd', Buffer.from('mine\n')],
    ['/root/new/dir/hello.txt', Buffer.from('hello\n')],
    ['/bin/tool', elf],
  ])
  const image = value(netbsdRoot(init, { files }))
  const root = value(openExt2(image))

  test('holds init, executable', () => {
    expect(Buffer.compare(value(root.readFile('/sbin/init')), init)).toBe(0)
    expect(value(root.stat('/sbin/init'))).toMatchObject({ mode: 0o555, uid: 0, gid: 0 })
  })

  test('holds the devices by the numbers of NetBSD/amd64 and i386', () => {
    const numbers = (name: string): unknown => {
      const { kind, major, minor } = value(root.stat(`/dev/${name}`))
      return [kind, major, minor]
    }
    expect(numbers('console')).toEqual(['char', 0, 0])
    expect(numbers('tty')).toEqual(['char', 1, 0])
    expect(numbers('null')).toEqual(['char', 2, 2])
    expect(numbers('zero')).toEqual(['char', 2, 12])
    expect(numbers('ld0a')).toEqual(['block', 19, 0])
    expect(numbers('rld1d')).toEqual(['char', 69, 19])
  })

  test('takes files by path, makes the directories on the way, and replaces what is there', () => {
    expect(Buffer.from(value(root.readFile('/etc/motd'))).toString()).toBe('mine\n')
    expect(Buffer.from(value(root.readFile('/root/new/dir/hello.txt'))).toString()).toBe('hello\n')
    expect(value(root.stat('/bin/tool')).mode).toBe(0o755)
    expect(value(root.list('/etc')).map(({ name }) => name)).toContain('fstab')
  })

  test('takes nodes with their attributes, and puts directories together', () => {
    const mixed = value(
      openExt2(
        value(
          netbsdRoot(init, {
            files: new Map<string, TreeNode>([
              ['/root', directory({ kept: symlink('/etc/motd') }, { mode: 0o711, mtime: 1_000_000_000 })],
              ['/root/made', directory({})],
              ['/root/made/here', file(elf, { mode: 0o640, mtime: 1_234_567_890 })],
              ['/etc', directory({ mine: file(elf) })],
            ]),
          }),
        ),
      ),
    )
    expect(value(mixed.stat('/root'))).toMatchObject({ mode: 0o711, mtime: 1_000_000_000 })
    expect(value(mixed.readLink('/root/kept'))).toBe('/etc/motd')
    expect(value(mixed.stat('/root/made/here'))).toMatchObject({ mode: 0o640, mtime: 1_234_567_890, size: 5 })
    expect(value(mixed.list('/etc')).map(({ name }) => name)).toEqual(expect.arrayContaining(['fstab', 'mine', 'rc']))
    const over = netbsdRoot(init, { files: new Map([['/etc/rc', directory({})]]) })
    expect(over.ok ? '' : over.problem.kind).toBe('bad-path')
  })

  test('leaves 4 MiB free', () => {
    expect(root.freeBytes).toBeGreaterThanOrEqual(4 * 1024 * 1024)
  })

  test('refuses a path through a file, and over a directory', () => {
    for (const path of ['/sbin/init/x', '/etc', '/']) {
      const result = netbsdRoot(init, { files: new Map([[path, elf]]) })
      expect(result.ok ? '' : sentence(result.problem)).toContain(`at "${path}"`)
    }
  })

  test.skipIf(!installed('e2fsck'))('is sound', () => expect(complaints(image)).toBe(''))
})
