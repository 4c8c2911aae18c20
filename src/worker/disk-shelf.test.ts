import { describe, expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import { makeExt2 } from '../disk/ext2.ts'
import { directory, file, symlink } from '../disk/tree.ts'
import { OverlayDisk } from '../machine/index.ts'
import { DiskShelf } from './disk-shelf.ts'
import type { DiskRef } from './protocol.ts'

const image = makeExt2(
  directory({
    etc: directory({ motd: file(Buffer.from('hello\n'), { mtime: 1_234_567_890 }) }),
    zeta: directory({}),
    link: symlink('etc/motd'),
    alpha: file(Buffer.from('a')),
  }),
)
if (!image.ok) throw new Error(sentence(image.problem))

const disk = new OverlayDisk(image.value)
const shelf = new DiskShelf((index) => [disk, new OverlayDisk(new Uint8Array(8192))][index])
const ld = (index: number): DiskRef => ({ kind: 'machine', index })

describe('looking into a machine’s disks', () => {
  test('lists folders first, by name, and where links lead', async () => {
    const listed = await shelf.list(ld(0), '/')
    if (!listed.ok) throw new Error(sentence(listed.problem))
    expect(listed.value.entries.map(({ name }) => name)).toEqual(['etc', 'lost+found', 'zeta', 'alpha', 'link'])
    expect(listed.value.entries[4]).toMatchObject({ kind: 'symlink', target: 'etc/motd' })
    expect(await shelf.list(ld(0), '/etc')).toMatchObject({
      value: { path: '/etc', entries: [{ name: 'motd', size: 6, mtime: 1_234_567_890 }] },
    })
  })

  test('takes files, folders and the disk as they are now', async () => {
    const taken = await shelf.take(ld(0), { kind: 'file', path: '/etc/motd' })
    expect(taken.ok && (await taken.value.text())).toBe('hello\n')
    const tar = await shelf.take(ld(0), { kind: 'folder', path: '/etc' })
    expect(tar.ok && (await tar.value.text())).toContain('etc/motd')
    disk.write(0, new Uint8Array(512).fill(9))
    const whole = await shelf.take(ld(0), { kind: 'image' })
    expect(whole.ok && new Uint8Array(await whole.value.arrayBuffer()).slice(0, 2)).toEqual(Uint8Array.of(9, 9))
  })

  test('says what it cannot do', async () => {
    expect(await shelf.list(ld(0), '/nowhere')).toMatchObject({ problem: { kind: 'no-such-file' } })
    expect(await shelf.list(ld(1), '/')).toMatchObject({ problem: { kind: 'no-ext2' } })
    expect(await shelf.list(ld(2), '/')).toMatchObject({ problem: { kind: 'no-disk' } })
  })
})
