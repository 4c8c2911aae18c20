import { describe, expect, it } from 'vitest'
import { SeededEntropy } from '../../entropy.ts'
import { OverlayDisk } from './overlay-disk.ts'

const read = (disk: { read(offset: number, into: Uint8Array): void }, offset: number, length: number) => {
  const into = new Uint8Array(length).fill(0xee)
  disk.read(offset, into)
  return into
}

/** Far quicker than toEqual on thousands of bytes. */
const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

describe('OverlayDisk', () => {
  it('never changes its base', () => {
    const base = new Uint8Array(8192).fill(1)
    const disk = new OverlayDisk(base)
    disk.write(100, Uint8Array.of(2, 3))
    disk.zero(4096, 4096)
    expect(base.every((byte) => byte === 1)).toBe(true)
    expect([...read(disk, 99, 4)]).toEqual([1, 2, 3, 1])
  })

  it('does as plain memory does, for thousands of random operations', () => {
    const random = new SeededEntropy(7)
    const size = 16 * 512 - 100
    const base = new Uint8Array(size)
    random.fill(base)
    const plain = new Uint8Array(16 * 512)
    plain.set(base)
    const disk = new OverlayDisk(base, { blockSize: 1024 })
    expect(disk.size).toBe(16 * 512)
    for (let i = 0; i < 5000; i++) {
      const offset = random.next() % disk.size
      const length = random.next() % Math.min(disk.size - offset + 1, 3000)
      const kind = random.next() % 4
      if (kind === 0) {
        disk.zero(offset, length)
        plain.fill(0, offset, offset + length)
      } else if (kind === 1) {
        const bytes = new Uint8Array(length)
        random.fill(bytes)
        disk.write(offset, bytes)
        plain.set(bytes, offset)
      } else expect(same(read(disk, offset, length), plain.subarray(offset, offset + length))).toBe(true)
      if (kind === 3 && i % 1000 === 0) {
        const copy = new OverlayDisk(base, { blockSize: 1024 })
        copy.restore(disk.dirtyBlocks())
        expect(same(read(copy, 0, copy.size), plain)).toBe(true)
      }
    }
  })

  it('lists its dirty blocks by offset, the last cut at the disk end', () => {
    const disk = new OverlayDisk(new Uint8Array(4096 + 512))
    disk.write(4500, Uint8Array.of(1))
    disk.write(0, Uint8Array.of(1))
    expect(disk.dirtyBlocks().map(({ offset, bytes }) => [offset, bytes.length])).toEqual([
      [0, 4096],
      [4096, 512],
    ])
  })

  it('is its base again after discard', () => {
    const disk = new OverlayDisk(new Uint8Array(4096).fill(9))
    disk.write(5, Uint8Array.of(1))
    disk.discard()
    expect(disk.dirtyCount).toBe(0)
    expect(read(disk, 5, 1)[0]).toBe(9)
  })

  it('takes a block zeroed whole, and writes to it later', () => {
    const disk = new OverlayDisk(new Uint8Array(12288).fill(9))
    disk.zero(0, 8192)
    disk.write(4096, Uint8Array.of(7))
    expect([...read(disk, 4095, 3)]).toEqual([0, 7, 0])
    expect(read(disk, 0, 1)[0]).toBe(0)
  })
})

it('a disk holds whole sectors', () => {
  expect(new OverlayDisk(new Uint8Array(100)).size).toBe(512)
  expect(() => new OverlayDisk(new Uint8Array(512)).read(500, new Uint8Array(13))).toThrow('disk range')
})

it('lies over anything that can be read, and over another of its kind', () => {
  const under = new OverlayDisk(new Uint8Array(8192).fill(1))
  under.write(0, Uint8Array.of(2))
  const disk = new OverlayDisk(under)
  disk.write(1, Uint8Array.of(3))
  disk.zero(4096, 4096)
  expect([...read(disk, 0, 3)]).toEqual([2, 3, 1])
  expect([...read(under, 0, 3)]).toEqual([2, 1, 1])
  expect(read(disk, 4096, 1)[0]).toBe(0)
})

it('says what it lies over, and what changed, only where that can be found again', () => {
  const none = new OverlayDisk(new Uint8Array(8192))
  expect([none.base, none.changes]).toEqual([undefined, undefined])
  const disk = new OverlayDisk(new Uint8Array(8192), { identity: 'sha256:ab' })
  disk.write(5000, Uint8Array.of(1))
  expect(disk.base?.()).toBe('sha256:ab')
  expect(disk.changes?.().map(({ offset }) => offset)).toEqual([4096])
})
