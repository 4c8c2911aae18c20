import { describe, expect, it } from 'vitest'
import type { AccessSize } from '../../bus.ts'
import {
  ACKNOWLEDGE,
  DEVICE_NEEDS_RESET,
  DRIVER,
  DRIVER_OK,
  FAILED,
  FEATURES_OK,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
  type VirtioDevice,
  type VirtioTransport,
} from './device.ts'
import * as mmio from './mmio.ts'
import { bytesOf, FakeDriver } from './testing/driver.ts'

/** Echoes the readable part of each buffer into the writable part. */
class EchoDevice implements VirtioDevice {
  readonly id = 42
  readonly name = 'echo'
  readonly features: readonly number[] = [3]
  readonly queueCount = 2
  readonly config = Uint8Array.of(0x11, 0x22, 0x33, 0x44, 0x55, 0x66)
  readonly writes: [number, AccessSize, number][] = []
  notified: number[] = []
  resets = 0
  transport!: VirtioTransport
  connect(transport: VirtioTransport): void {
    this.transport = transport
  }
  notify(queue: number): void {
    this.notified.push(queue)
    this.transport.queue(queue).drain((chain) => {
      const bytes = new Uint8Array(chain.readable)
      chain.read(0, bytes)
      return chain.write(0, bytes)
    })
  }
  configWrite(offset: number, size: AccessSize, value: number): void {
    this.writes.push([offset, size, value])
  }
  reset(): void {
    this.resets++
  }
  save() {
    return {}
  }
  load() {}
}

const set = () => {
  const device = new EchoDevice()
  return { device, driver: new FakeDriver(device) }
}
const strict = () => {
  const device = new EchoDevice()
  return { device, driver: new FakeDriver(device, { personality: mmio.PERSONALITIES.firecracker }) }
}

describe('identity', () => {
  it('reads magic, version 2, DeviceID and the vendor QEMU', () => {
    const { driver } = set()
    expect(driver.read(mmio.MagicValue)).toBe(0x74726976)
    expect(driver.read(mmio.Version)).toBe(2)
    expect(driver.read(mmio.DeviceID)).toBe(42)
    expect(driver.read(mmio.VendorID)).toBe(0x554d4551)
  })

  it('shows 1024 for each queue that is there and 0 for others, as QEMU does', () => {
    const { driver } = set()
    for (const [index, max] of [
      [0, 1024],
      [1, 1024],
      [2, 0],
      [0xffffffff, 0],
    ]) {
      driver.write(mmio.QueueSel, index)
      expect(driver.read(mmio.QueueNumMax)).toBe(max)
    }
  })

  it('passes for Firecracker with its vendor, queue size and ring features', () => {
    const driver = new FakeDriver(new EchoDevice(), { personality: mmio.PERSONALITIES.firecracker })
    expect(driver.read(mmio.VendorID)).toBe(0)
    expect(driver.read(mmio.QueueNumMax)).toBe(256)
    expect(driver.offered()).toEqual([3, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1])
  })

  it('reads shared memory registers as ones', () => {
    const { driver } = set()
    for (const register of [mmio.SHMLenLow, mmio.SHMLenHigh, mmio.SHMBaseLow, mmio.SHMBaseHigh])
      expect(driver.read(register)).toBe(0xffffffff)
  })

  it('reads 0 from registers accessed other than 4 bytes wide, and logs it once', () => {
    const { driver } = set()
    expect(driver.transport.read(mmio.MagicValue, 1)).toBe(0)
    expect(driver.transport.read(mmio.MagicValue, 1)).toBe(0)
    expect(driver.log).toHaveLength(1)
  })
})

describe('features and status', () => {
  it('offers the device features with those of the ring, selected by word', () => {
    const { driver } = set()
    expect(driver.offered()).toEqual([
      3,
      VIRTIO_F_INDIRECT_DESC,
      VIRTIO_F_EVENT_IDX,
      VIRTIO_F_VERSION_1,
      VIRTIO_F_RING_RESET,
    ])
    driver.write(mmio.DeviceFeaturesSel, 2)
    expect(driver.read(mmio.DeviceFeatures)).toBe(0)
  })

  it('walks ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK', () => {
    const { driver } = set()
    let status = 0
    for (const bit of [ACKNOWLEDGE, DRIVER]) {
      driver.write(mmio.Status, (status |= bit))
      expect(driver.read(mmio.Status)).toBe(status)
    }
    driver.accept([VIRTIO_F_VERSION_1])
    for (const bit of [FEATURES_OK, DRIVER_OK]) {
      driver.write(mmio.Status, (status |= bit))
      expect(driver.read(mmio.Status)).toBe(status)
    }
    expect(driver.log).toEqual([])
  })

  it('on Firecracker, refuses FEATURES_OK without VIRTIO_F_VERSION_1', () => {
    const { driver } = strict()
    driver.setStatus(ACKNOWLEDGE)
    driver.setStatus(DRIVER)
    driver.accept([3])
    driver.setStatus(FEATURES_OK)
    expect(driver.read(mmio.Status)).toBe(ACKNOWLEDGE | DRIVER)
    expect(driver.log[0]).toContain('VIRTIO_F_VERSION_1')
  })

  it('on Firecracker, refuses FEATURES_OK for a feature that was not offered, and takes a second try', () => {
    const { driver } = strict()
    driver.setStatus(ACKNOWLEDGE)
    driver.setStatus(DRIVER)
    driver.accept([7, VIRTIO_F_VERSION_1])
    driver.setStatus(FEATURES_OK)
    expect(driver.read(mmio.Status) & FEATURES_OK).toBe(0)
    driver.accept([VIRTIO_F_VERSION_1])
    driver.setStatus(FEATURES_OK)
    expect(driver.read(mmio.Status) & FEATURES_OK).toBe(FEATURES_OK)
  })

  it('ignores DriverFeatures after FEATURES_OK', () => {
    const { device, driver } = set()
    driver.negotiate([])
    driver.accept([3, VIRTIO_F_VERSION_1])
    expect(device.transport.has(3)).toBe(false)
    expect(device.transport.has(VIRTIO_F_VERSION_1)).toBe(true)
  })

  it('on Firecracker, ignores a status that skips a step or clears a bit', () => {
    const { driver } = strict()
    for (const status of [DRIVER_OK, ACKNOWLEDGE | DRIVER, 15]) {
      driver.write(mmio.Status, status)
      expect(driver.read(mmio.Status)).toBe(0)
    }
    driver.setStatus(ACKNOWLEDGE)
    driver.setStatus(DRIVER)
    driver.write(mmio.Status, ACKNOWLEDGE)
    expect(driver.read(mmio.Status)).toBe(ACKNOWLEDGE | DRIVER)
  })

  // Read off qemu-system-x86_64 7.2 -M microvm by a kernel that wrote the same.
  it.each([
    ['all steps at once', [15], 15],
    ['DRIVER_OK without FEATURES_OK', [1, 3, 7], 7],
    ['DRIVER_OK before all else', [4], 4],
    ['a step back', [1, 3, 11, 15, 11], 11],
    ['a bit that no step sets', [1, 3, 0x13], 0x13],
    ['more than eight bits', [0x1ff], 0xff],
    ['FAILED, and none of it', [1, 3, 131, 3], 3],
    ['a reset', [15, 0], 0],
  ])('on microvm, takes a status as QEMU does: %s', (_, writes, read) => {
    const { driver } = set()
    for (const status of writes) driver.write(mmio.Status, status)
    expect(driver.read(mmio.Status)).toBe(read)
  })

  it('on microvm, lets a driver accept what was not offered, and does not give it that', () => {
    const { device, driver } = set()
    driver.setStatus(ACKNOWLEDGE | DRIVER)
    driver.accept([3, 7, 20, 32, 33, 63])
    driver.setStatus(FEATURES_OK)
    expect(driver.read(mmio.Status)).toBe(ACKNOWLEDGE | DRIVER | FEATURES_OK)
    expect([3, 7, 20, 32, 33, 63].filter((bit) => device.transport.has(bit))).toEqual([3, 32])
  })

  it('on microvm, serves a driver that skipped all negotiation', () => {
    const { device, driver } = set()
    const queue = driver.setUpQueue(0)
    driver.write(mmio.Status, ACKNOWLEDGE | DRIVER | DRIVER_OK)
    expect(queue.exchange([bytesOf('hi')], [2]).used).toEqual({ id: 0, len: 2 })
    expect(device.transport.has(VIRTIO_F_VERSION_1)).toBe(false)
  })

  it('keeps FAILED until a reset, and stops the queues', () => {
    const { device, driver } = set()
    const [queue] = driver.start({ queues: 1 })
    driver.setStatus(FAILED)
    queue.add([bytesOf('x')], [1])
    queue.kick()
    expect(queue.takeUsed()).toEqual([])
    expect(driver.read(mmio.Status) & FAILED).toBe(FAILED)
    driver.write(mmio.Status, 0)
    expect(driver.read(mmio.Status)).toBe(0)
    expect(device.resets).toBe(2)
  })

  it('forgets queues, features and interrupts at reset, and goes on counting ConfigGeneration', () => {
    const { device, driver } = set()
    const [queue] = driver.start({ queues: 1 })
    queue.exchange([bytesOf('x')], [1])
    device.transport.configChanged()
    expect(driver.level).toBe(true)
    driver.write(mmio.Status, 0)
    expect(driver.level).toBe(false)
    expect(driver.read(mmio.InterruptStatus)).toBe(0)
    expect(driver.read(mmio.QueueReady)).toBe(0)
    expect(device.transport.has(VIRTIO_F_VERSION_1)).toBe(false)
    expect(driver.read(mmio.ConfigGeneration)).toBe(1)
  })
})

describe('queues', () => {
  it('leaves buffers alone until DRIVER_OK, then serves those made available before', () => {
    const { device, driver } = set()
    driver.negotiate()
    const queue = driver.setUpQueue(1)
    queue.add([bytesOf('early')], [5])
    queue.kick()
    expect(queue.takeUsed()).toEqual([])
    driver.setStatus(DRIVER_OK)
    expect(queue.takeUsed()).toEqual([{ id: 0, len: 5 }])
    expect(device.notified).toEqual([1])
  })

  it('may be set up before FEATURES_OK, as NetBSD does when it starts an interface again', () => {
    const { driver } = set()
    driver.write(mmio.Status, 0)
    driver.setStatus(ACKNOWLEDGE)
    driver.setStatus(DRIVER)
    const queue = driver.setUpQueue(0, 16)
    driver.accept([VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1])
    driver.setStatus(FEATURES_OK)
    driver.setStatus(DRIVER_OK)
    expect(queue.exchange([bytesOf('ab')], [2], { indirect: true }).used).toEqual({ id: 0, len: 2 })
    expect(queue.availEvent).toBe(1)
    expect(driver.log).toEqual([])
  })

  it('ignores set-up registers while QueueReady', () => {
    const { driver } = set()
    const [queue] = driver.start({ queues: 1 })
    driver.write(mmio.QueueSel, 0)
    driver.write(mmio.QueueDescLow, 0x10)
    driver.write(mmio.QueueNum, 3)
    expect(queue.exchange([bytesOf('ok')], [2]).used).toEqual({ id: 0, len: 2 })
  })

  it('does not touch a queue after QueueReady was cleared', () => {
    const { driver } = set()
    const [queue] = driver.start({ queues: 1 })
    driver.write(mmio.QueueSel, 0)
    driver.write(mmio.QueueReady, 0)
    expect(driver.read(mmio.QueueReady)).toBe(0)
    expect(queue.exchange([bytesOf('ok')], [2]).used).toBeUndefined()
  })

  it.each([
    ['a size that is no power of 2', mmio.QueueNum, 48],
    ['a size beyond the maximum', mmio.QueueNum, 2048],
    ['size 0', mmio.QueueNum, 0],
    ['a table outside RAM', mmio.QueueDescLow, 0xfffffff0],
    ['a table above 4 GiB', mmio.QueueDescHigh, 1],
    ['a misaligned table', mmio.QueueDescLow, 0x1008],
    ['a misaligned driver area', mmio.QueueDriverLow, 0x1001],
    ['a misaligned device area', mmio.QueueDeviceLow, 0x1002],
  ])('answers %s with DEVICE_NEEDS_RESET when it is enabled', (_, register, value) => {
    const { driver } = set()
    driver.negotiate()
    driver.write(mmio.QueueNum, 64)
    driver.write(mmio.QueueDescLow, 0x1000)
    driver.write(mmio.QueueDriverLow, 0x2000)
    driver.write(mmio.QueueDeviceLow, 0x3000)
    driver.write(register, value)
    driver.write(mmio.QueueReady, 1)
    expect(driver.read(mmio.QueueReady)).toBe(0)
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
    expect(driver.log).toHaveLength(1)
  })

  it('starts a queue afresh after QueueReset', () => {
    const { driver } = set()
    const [queue] = driver.start({ queues: 1 })
    queue.exchange([bytesOf('a')], [1])
    driver.write(mmio.QueueSel, 0)
    driver.write(mmio.QueueReset, 1)
    expect(driver.read(mmio.QueueReset)).toBe(0)
    expect(driver.read(mmio.QueueReady)).toBe(0)
    const again = driver.setUpQueue(0)
    expect(again.exchange([bytesOf('b')], [1]).used).toEqual({ id: 0, len: 1 })
  })

  it('ignores QueueReset when VIRTIO_F_RING_RESET was not negotiated', () => {
    const { driver } = set()
    driver.start({ features: [], queues: 1 })
    driver.write(mmio.QueueSel, 0)
    driver.write(mmio.QueueReset, 1)
    expect(driver.read(mmio.QueueReady)).toBe(1)
  })
})

describe('interrupts', () => {
  it('holds the line while InterruptStatus has a bit that was not acknowledged', () => {
    const { device, driver } = set()
    const [queue] = driver.start({ queues: 1 })
    queue.exchange([bytesOf('x')], [1])
    device.transport.configChanged()
    expect(driver.read(mmio.InterruptStatus)).toBe(mmio.USED_BUFFER | mmio.CONFIG_CHANGE)
    driver.write(mmio.InterruptACK, mmio.USED_BUFFER)
    expect(driver.level).toBe(true)
    driver.write(mmio.InterruptACK, mmio.CONFIG_CHANGE)
    expect(driver.level).toBe(false)
    expect(driver.interrupts).toBe(1)
  })

  it('tells of DEVICE_NEEDS_RESET by a configuration interrupt once DRIVER_OK is set', () => {
    const { device, driver } = set()
    driver.start({ queues: 1 })
    device.transport.needsReset('test')
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
    expect(driver.acknowledge()).toBe(mmio.CONFIG_CHANGE)
    driver.setStatus(DRIVER_OK)
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
  })
})

describe('configuration space', () => {
  it('reads 1, 2 and 4 bytes wide, little endian, at any offset', () => {
    const { driver } = set()
    const { transport } = driver
    expect(transport.read(mmio.Config + 1, 1)).toBe(0x22)
    expect(transport.read(mmio.Config + 1, 2)).toBe(0x3322)
    expect(transport.read(mmio.Config + 2, 4)).toBe(0x66554433)
  })

  it('reads as ones past its end', () => {
    const { driver } = set()
    expect(driver.transport.read(mmio.Config + 6, 1)).toBe(0xff)
    expect(driver.transport.read(mmio.Config + 4, 4)).toBe(0xffffffff)
  })

  it('hands writes inside to the device and drops the others', () => {
    const { device, driver } = set()
    driver.transport.write(mmio.Config + 4, 2, 0xabcd)
    driver.transport.write(mmio.Config + 4, 4, 1)
    expect(device.writes).toEqual([[4, 2, 0xabcd]])
  })
})
