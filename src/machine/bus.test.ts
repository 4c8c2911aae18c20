import { expect, test } from 'vitest'
import { Bus, type BusDevice } from './bus.ts'

const device = (name: number): BusDevice => ({ read: (offset) => name * 0x100 + offset, write: () => {} })

test('a window that moves answers where it is now, before those that were attached after it', () => {
  const bus = new Bus()
  const [apic, other] = [device(1), device(2)]
  bus.attach(0x1000, 0x1000, apic)
  bus.attach(0x4000, 0x1000, other)
  expect([bus.read(0x1020, 4), bus.read(0x4020, 4)]).toEqual([0x120, 0x220])
  bus.move(apic, 0x4000)
  expect([bus.read(0x1020, 4), bus.read(0x4020, 4)]).toEqual([0xffffffff, 0x120])
  bus.move(apic, 2 ** 39)
  expect([bus.read(2 ** 39 + 0x10, 4), bus.read(0x4020, 4)]).toEqual([0x110, 0x220])
})
