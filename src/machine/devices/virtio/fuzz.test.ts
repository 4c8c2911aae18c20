/**
 * Hostile guests, seeded: random registers at random widths, random rings, descriptors that point anywhere. Nothing may
 * throw, nothing outside RAM may change, and afterwards a reset gives a device that works.
 */
import { describe, expect, it } from 'vitest'
import { SeededEntropy } from '../../entropy.ts'
import { GuestRam } from '../../ram.ts'
import * as mmio from './mmio.ts'
import { SUBJECTS } from './testing/subjects.ts'

const RAM = 0x10000
const GUARD = 0x1000
const ITERATIONS = 20000
const REGISTERS: readonly number[] = Object.values(mmio)
  .filter((value) => typeof value === 'number')
  .filter((value) => value % 4 === 0 && value < mmio.Config)

describe.each(Object.keys(SUBJECTS))('%s, handled by a hostile guest', (name) => {
  it(`survives ${ITERATIONS} steps without throwing or touching anything but RAM`, () => {
    const random = new SeededEntropy(0xb5d, name.length)
    const pick = (below: number): number => random.next() % below
    const memory = new Uint8Array(new SharedArrayBuffer(GUARD + RAM + GUARD)).fill(0xa5)
    const ram = new GuestRam(memory.buffer, GUARD, RAM)
    ram.bytes.fill(0)
    ram.onWrite = (address, length) => {
      if (!ram.contains(address, length)) throw new Error(`onWrite outside RAM: ${address}+${length}`)
    }
    let level = false
    const { device, poke = () => {} } = SUBJECTS[name]([])
    const transport = new mmio.VirtioMmio({ ram, device, line: { set: (to) => (level = to) } })
    const seen = { running: 0, used: 0, needsReset: 0 }

    /** Mostly small, sometimes at an edge, sometimes anything. */
    const length = (): number => [pick(64), 512, 513, 16, 1, pick(0x2000), 0, random.next()][pick(8)]
    const address = (): number =>
      [pick(RAM), pick(RAM) & ~15, RAM - pick(64), random.next()][pick(20) < 18 ? pick(2) : 2 + pick(2)]
    const flags = (): number => [0, 1, 2, 3, 1, 3, 4, pick(0x10000)][pick(8)]

    /** Proper rings, so that what is in them gets looked at; sometimes over one another. */
    const rings = Array.from({ length: device.queueCount }, (_, i) => 0x400 * i)
    const setUp = (): void => {
      transport.write(mmio.Status, 4, 0)
      transport.write(mmio.Status, 4, 3)
      for (const word of [0, 1]) {
        transport.write(mmio.DeviceFeaturesSel, 4, word)
        const offered = transport.read(mmio.DeviceFeatures, 4)
        transport.write(mmio.DriverFeaturesSel, 4, word)
        transport.write(mmio.DriverFeatures, 4, word === 1 ? offered : (offered & random.next()) >>> 0)
      }
      transport.write(mmio.Status, 4, 11)
      for (let i = 0; i < device.queueCount; i++) {
        transport.write(mmio.QueueSel, 4, i)
        transport.write(mmio.QueueNum, 4, 16)
        rings[i] = pick(10) === 0 ? pick(RAM) & ~15 : 0x400 * i
        ram.fill(0x400 * i, 0x400, 0)
        transport.write(mmio.QueueDescLow, 4, rings[i])
        transport.write(mmio.QueueDriverLow, 4, rings[i] + (pick(20) === 0 ? 0 : 0x100))
        transport.write(mmio.QueueDeviceLow, 4, rings[i] + (pick(20) === 0 ? 0x100 : 0x200))
        transport.write(mmio.QueueReady, 4, 1)
      }
      transport.write(mmio.Status, 4, 15)
    }
    const put = (at: number, write: () => void, size: number): void => {
      if (ram.contains(at, size)) write()
    }
    const describeAt = (at: number): void =>
      put(
        at,
        () => {
          ram.writeU32(at, address())
          ram.writeU32(at + 4, pick(50) === 0 ? 1 : 0)
          ram.writeU32(at + 8, length())
          ram.writeU16(at + 12, flags())
          ram.writeU16(at + 14, pick(40) === 0 ? pick(0x10000) : pick(16))
        },
        16,
      )
    /** A chain that is nearly right. */
    const chain = (at: number, head: number): void => {
      const count = 1 + pick(4)
      const writableFrom = pick(count + 1)
      for (let i = 0; i < count; i++) {
        const d = at + 16 * ((head + i) % 16)
        put(
          d,
          () => {
            const buffer = 0x2000 + pick(0xd000)
            ram.writeU32(d, buffer)
            ram.writeU32(d + 4, 0)
            ram.writeU32(d + 8, i === 0 && writableFrom > 0 ? 16 : [1, 512, 513, 1024, 64, 12][pick(6)])
            ram.writeU16(d + 12, (i < count - 1 ? 1 : 0) | (i >= writableFrom ? 2 : 0))
            ram.writeU16(d + 14, (head + i + 1) % 16)
            if (i < writableFrom) {
              ram.writeU32(buffer, [0, 1, 4, 8, 11, 13, pick(20)][pick(7)])
              ram.writeU32(buffer + 4, (pick(8) << 0) | (pick(2) << 16))
              ram.writeU32(buffer + 8, pick(70))
              ram.writeU32(buffer + 12, pick(9) === 0 ? random.next() : 0)
            }
          },
          16,
        )
      }
    }

    for (let step = 0; step < ITERATIONS; step++) {
      const queue = pick(device.queueCount)
      const at = rings[queue]
      switch (pick(16)) {
        case 0:
          transport.write(pick(0x200), ([1, 2, 4] as const)[pick(3)], [pick(4), pick(256)][pick(2)])
          break
        case 1:
          transport.read(pick(0x200), ([1, 2, 4] as const)[pick(3)])
          break
        case 2:
          if (pick(4) === 0) transport.write(REGISTERS[pick(REGISTERS.length)], 4, [pick(20), random.next()][pick(2)])
          break
        case 3:
          transport.write(mmio.InterruptACK, 4, 3)
          break
        case 4:
          poke(random)
          break
        case 5:
          if (pick(20) === 0) setUp()
          else describeAt(at + 16 * pick(16))
          break
        case 6:
          if (pick(10) === 0) put(at + 0x100, () => ram.writeU32(at + 0x100, random.next()), 4)
          break
        default: {
          if ((transport.read(mmio.Status, 4) & 0xff) !== 15) {
            if ((transport.read(mmio.Status, 4) & 64) !== 0) seen.needsReset++
            setUp()
          }
          const head = pick(16)
          if (pick(8) === 0) describeAt(at + 16 * head)
          else chain(at, head)
          const avail = at + 0x100
          put(
            avail,
            () => {
              const idx = ram.readU16(avail + 2)
              ram.writeU16(avail + 4 + 2 * (idx & 15), head)
              ram.writeU16(avail + 2, (idx + 1) & 0xffff)
            },
            0x40,
          )
          if (transport.queue(queue).running) seen.running++
          transport.write(mmio.QueueNotify, 4, pick(20) === 0 ? random.next() : queue)
          if (ram.contains(at + 0x200, 4) && ram.readU16(at + 0x202) !== 0) seen.used++
        }
      }
      if (level !== (transport.read(mmio.InterruptStatus, 4) !== 0))
        throw new Error(`step ${step}: line and status differ`)
    }

    expect(memory.subarray(0, GUARD).every((byte) => byte === 0xa5)).toBe(true)
    expect(memory.subarray(GUARD + RAM).every((byte) => byte === 0xa5)).toBe(true)
    // The fuzz reached what it is meant to reach.
    expect(seen.running).toBeGreaterThan(ITERATIONS / 10)
    expect(seen.used).toBeGreaterThan(ITERATIONS / 50)
    expect(seen.needsReset).toBeGreaterThan(20)
    setUp()
    expect(transport.read(mmio.Status, 4) & 15).toBe(15)
  })
})
