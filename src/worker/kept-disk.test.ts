import { describe, expect, test } from 'vitest'
import type { Problem } from '../base/problem.ts'
import type { BaseIdentity } from '../storage/overlay-log.ts'
import { MemoryFile } from '../storage/testing/crashing-file.ts'
import { createKeptDisk } from './kept-disk.ts'

const SIZE = 256 * 1024
const identity: BaseIdentity = { size: SIZE, digest: new Uint8Array(32) }

const open = (logs = [new MemoryFile(), new MemoryFile()] as const) => {
  const problems: Problem[] = []
  const made = createKeptDisk({
    id: 'ld0',
    image: new Uint8Array(SIZE).fill(1),
    identity,
    logs,
    onFailure: (problem) => problems.push(problem),
  })
  if (!made.ok) throw new Error(made.problem.saw)
  const disk = made.value
  const at = (offset: number) => {
    const into = new Uint8Array(1)
    disk.read(offset, into)
    return into[0]
  }
  return { disk, at, logs, problems }
}

describe('a kept disk', () => {
  test('is the image and its changes, again and again', () => {
    const { disk, at, logs } = open()
    disk.write(512, new Uint8Array(1024).fill(7))
    disk.zero(2048, 512)
    expect([at(0), at(512), at(1535), at(1536), at(2048)]).toEqual([1, 7, 7, 1, 0])
    const again = open(logs)
    expect([again.at(0), again.at(512), again.at(1535), again.at(1536), again.at(2048)]).toEqual([1, 7, 7, 1, 0])
    again.disk.write(512, new Uint8Array(512).fill(8))
    expect(open(logs).at(512)).toBe(8)
  })

  test('keeps its log near the size of what was changed, however often that changes', () => {
    const { disk, logs } = open()
    for (let round = 0; round < 600; round++) disk.write((round % 8) * 32768, new Uint8Array(32768).fill(round))
    expect(Math.max(...logs.map(({ bytes }) => bytes.length))).toBeLessThan(9 * 1024 * 1024)
    const { at } = open(logs)
    expect([at(0), at(7 * 32768)]).toEqual([592 & 255, 599 & 255])
  })

  test('without room it fails the write, says so, and is as it was', () => {
    const { disk, at, logs, problems } = open()
    disk.write(0, new Uint8Array(512).fill(2))
    logs[0].limit = logs[0].bytes.length + 100
    expect(() => disk.write(0, new Uint8Array(512).fill(3))).toThrow()
    expect(problems.map(({ kind }) => kind)).toEqual(['storage-full'])
    expect(at(0)).toBe(2)
    expect(open(logs).at(0)).toBe(2)
    logs[0].limit = Number.POSITIVE_INFINITY
    disk.write(0, new Uint8Array(512).fill(4))
    expect(open(logs).at(0)).toBe(4)
  })

  test('a rewrite that finds no room fails no write', () => {
    const { disk, logs, problems } = open()
    logs[1].limit = 100
    for (let round = 0; round < 300; round++) disk.write(0, new Uint8Array(32768).fill(round))
    expect(problems).toEqual([])
    expect(open(logs).at(0)).toBe(299 & 255)
  })

  test('another image is refused', () => {
    const { disk, logs } = open()
    disk.write(0, new Uint8Array(512))
    const other = createKeptDisk({
      id: 'ld0',
      image: new Uint8Array(SIZE),
      identity: { size: SIZE, digest: new Uint8Array(32).fill(1) },
      logs,
      onFailure: () => {},
    })
    expect(other).toMatchObject({ ok: false, problem: { kind: 'overlay-other-base' } })
  })
})
