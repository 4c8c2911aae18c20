import { crc32 as zlibCrc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import { random } from '../disk/testing/random-tree.ts'
import { crc32 } from './crc32.ts'
import { type BaseIdentity, type Change, type LogFiles, OverlayLog } from './overlay-log.ts'
import { CrashingFiles, MemoryFile } from './testing/crashing-file.ts'

const SECTORS = 24
const SIZE = SECTORS * 512
const base: BaseIdentity = { size: SIZE, digest: new Uint8Array(32).fill(7) }

const bytesOf = (fill: number, length = 512) => new Uint8Array(length).fill(fill)
const write = (sector: number, fill: number, sectors = 1): Change => ({
  offset: sector * 512,
  length: sectors * 512,
  bytes: bytesOf(fill, sectors * 512),
})

const applied = (disk: Uint8Array, { offset, length, bytes }: Change): void => {
  if (bytes) disk.set(bytes, offset)
  else disk.fill(0, offset, offset + length)
}

/** The log, and the disk that it makes of a base of ones. */
const open = (files: LogFiles, over = base) => {
  const disk = bytesOf(1, SIZE)
  const log = OverlayLog.open(files, over, (change) => applied(disk, change))
  if (!log.ok) throw new Error(sentence(log.problem))
  return { log: log.value, disk }
}

const refused = (files: LogFiles, over = base): string => {
  const log = OverlayLog.open(files, over, () => {})
  if (log.ok) throw new Error('it was opened')
  return log.problem.kind
}

test('the sum is zlib’s', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) & 255)
  expect(crc32(bytes)).toBe(zlibCrc32(bytes))
  expect(crc32(bytes.subarray(400), crc32(bytes.subarray(0, 400)))).toBe(zlibCrc32(bytes))
})

test('what was appended is there again, in order', () => {
  const files = [new MemoryFile(), new MemoryFile()] as const
  const { log } = open(files)
  log.append([write(1, 10), write(2, 11, 3)])
  log.append([{ offset: 1024, length: 512, bytes: undefined }])
  log.append([write(1, 12)])
  const { log: again, disk } = open(files)
  expect([disk[0], disk[512], disk[1024], disk[1536], disk[2560]]).toEqual([1, 12, 0, 11, 1])
  expect(again.bytes).toBe(files[0].bytes.length)
})

test('a change larger than a record comes back whole', () => {
  const size = 3 * 1024 * 1024
  const big: BaseIdentity = { ...base, size }
  const files = [new MemoryFile(), new MemoryFile()] as const
  open(files, big).log.append([
    { offset: 512, length: size - 512, bytes: Uint8Array.from({ length: size - 512 }, (_, i) => i & 255) },
  ])
  const disk = new Uint8Array(size)
  OverlayLog.open(files, big, (change) => applied(disk, change))
  expect(disk.subarray(512).every((byte, i) => byte === (i & 255))).toBe(true)
})

test('rewriting keeps the disk and drops what was overwritten', () => {
  const files = [new MemoryFile(), new MemoryFile()] as const
  const { log } = open(files)
  for (let i = 0; i < 50; i++) log.append([write(3, i)])
  log.rewrite([write(3, 49)])
  expect(files.map((file) => file.bytes.length)).toEqual([0, 128 + 24 + 512])
  log.append([write(4, 50)])
  log.rewrite([write(3, 49), write(4, 50)])
  const { disk } = open(files)
  expect([disk[3 * 512], disk[4 * 512]]).toEqual([49, 50])
})

test('another base, a later version and what is no log are refused and left alone', () => {
  const files = [new MemoryFile(), new MemoryFile()] as const
  open(files).log.append([write(1, 2)])
  const before = files[0].bytes.slice()
  expect(refused(files, { ...base, size: SIZE + 512 })).toBe('overlay-other-base')
  expect(refused(files, { ...base, digest: new Uint8Array(32) })).toBe('overlay-other-base')
  const later = before.slice()
  new DataView(later.buffer).setUint32(8, 2, true)
  new DataView(later.buffer).setUint32(124, crc32(later.subarray(0, 124)), true)
  files[0].bytes = later
  expect(refused(files)).toBe('overlay-newer')
  files[0].bytes = before.slice()
  files[0].bytes[30] ^= 1
  expect(refused(files)).toBe('overlay-damaged')
  expect(files[0].bytes.length).toBe(before.length)
})

test('without room, the log is what it was, and goes on when there is room', () => {
  const files = [new MemoryFile(), new MemoryFile()] as const
  const { log } = open(files)
  log.append([write(1, 10)])
  const full = files[0].bytes.length
  files[0].limit = full + 700
  files[1].limit = 300
  expect(() => log.append([write(2, 11), write(3, 12)])).toThrow('no room')
  expect(() => log.rewrite([write(1, 10)])).toThrow('no room')
  expect(files.map((file) => file.bytes.length)).toEqual([full, 0])
  for (const answer of [0, 2 ** 32 - 8]) {
    files[0].full = answer
    expect(() => log.append([write(2, 11), write(3, 12)])).toThrow('takes no more')
    expect(files[0].bytes.length).toBe(full)
  }
  files[0].limit = Number.POSITIVE_INFINITY
  log.append([write(2, 11), write(3, 12)])
  const { disk } = open(files)
  expect([disk[512], disk[1024], disk[1536]]).toEqual([10, 11, 12])
})

/** Random work on a log; `states` are the disks after each change, `durable` the state that each flush promised. */
const work = (seed: number) => {
  const pick = random(seed)
  const crashing = new CrashingFiles()
  const { log, disk } = open(crashing.files)
  const states = [{ operations: 0, disk: disk.slice() }]
  const promises: { operations: number; state: number }[] = []
  const remember = () => states.push({ operations: crashing.operations.length, disk: disk.slice() })
  for (let step = 0; step < 40; step++) {
    const what = pick(12)
    if (what === 0) {
      log.flush()
      promises.push({ operations: crashing.operations.length, state: states.length - 1 })
    } else if (what === 1) {
      log.rewrite(
        Array.from({ length: SECTORS }, (_, i) => ({
          offset: i * 512,
          length: 512,
          bytes: disk.slice(i * 512, i * 512 + 512),
        })),
      )
      promises.push({ operations: crashing.operations.length, state: states.length - 1 })
    } else {
      const changes = Array.from({ length: 1 + (what === 2 ? pick(4) : 0) }, () => {
        const sectors = 1 + pick(4)
        const change = write(pick(SECTORS - sectors), pick(256), sectors)
        return pick(5) === 0 ? { ...change, bytes: undefined } : change
      })
      log.append(changes)
      for (const change of changes) applied(disk, change)
      remember()
    }
  }
  return { pick, crashing, states, promises }
}

/** Which of the states a reopened log shows; it must take more work too. */
const stateOf = (files: LogFiles, states: readonly { disk: Uint8Array }[], from: number): number => {
  const { log, disk } = open(files)
  const found = states.findIndex((state, index) => index >= from && Buffer.compare(state.disk, disk) === 0)
  log.append([write(0, 99)])
  log.flush()
  expect(open(files).disk[0]).toBe(99)
  return found
}

describe('a crash at any moment', () => {
  test('of the tab loses no change that was made', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { pick, crashing, states } = work(seed)
      for (let count = 0; count <= crashing.operations.length; count++) {
        const made = states.filter(({ operations }) => operations <= count).length - 1
        const found = stateOf(crashing.afterTabCrash(count, pick(100) / 100), states, made)
        expect(found, `seed ${seed}, operation ${count}`).toBeGreaterThanOrEqual(made)
        expect(found).toBeLessThanOrEqual(made + 1)
      }
    }
  })

  test('of the computer loses nothing that was flushed, and leaves a state that was', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { pick, crashing, states, promises } = work(seed)
      for (let count = 0; count <= crashing.operations.length; count++) {
        const promised = Math.max(0, ...promises.filter(({ operations }) => operations <= count).map((p) => p.state))
        const files = crashing.afterPowerCut(count, () => pick(3) > 0)
        expect(stateOf(files, states, promised), `seed ${seed}, operation ${count}`).toBeGreaterThanOrEqual(promised)
      }
    }
  })

  test('garbage for a log ends and never throws', () => {
    const { crashing, pick } = work(5)
    for (let round = 0; round < 300; round++) {
      const files = crashing.afterTabCrash(crashing.operations.length, 0)
      for (const file of files)
        for (let i = 0; i < 5 && file.bytes.length > 0; i++) file.bytes[pick(file.bytes.length)] = pick(256)
      const disk = new Uint8Array(SIZE)
      OverlayLog.open(files, base, (change) => applied(disk, change))
    }
  })
})
