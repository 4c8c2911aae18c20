import { describe, expect, it } from 'vitest'
import {
  DEVICE_NEEDS_RESET,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  type VirtioDevice,
  type VirtioTransport,
} from './device.ts'
import * as mmio from './mmio.ts'
import { bytesOf, FakeDriver, textOf } from './testing/driver.ts'
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from './virtqueue.ts'

/** Echoes, and counts what it saw. */
class EchoDevice implements VirtioDevice {
  readonly id = 42
  readonly name = 'echo'
  readonly features: readonly number[] = []
  readonly queueCount = 1
  readonly config = new Uint8Array(0)
  served = 0
  transport!: VirtioTransport
  connect(transport: VirtioTransport): void {
    this.transport = transport
  }
  notify(queue: number): void {
    this.transport.queue(queue).drain((chain) => {
      this.served++
      const bytes = new Uint8Array(chain.readable)
      chain.read(0, bytes)
      return chain.write(0, bytes)
    })
  }
  reset(): void {}
  save() {
    return {}
  }
  load() {}
}

const started = (features: readonly number[] = [VIRTIO_F_INDIRECT_DESC], size = 16) => {
  const device = new EchoDevice()
  const driver = new FakeDriver(device)
  const [queue] = driver.start({ features, queues: 1, size })
  return { device, driver, queue }
}

describe('chains', () => {
  it('are one run of readable bytes and one of writable bytes, however they are split', () => {
    const { queue } = started()
    const { used, written } = queue.exchange([bytesOf('ab'), bytesOf('c'), bytesOf('defg')], [1, 5, 3])
    expect(used).toEqual({ id: 0, len: 7 })
    expect(written.map(textOf)).toEqual(['a', 'bcdef', 'g\xee\xee'])
  })

  it('may lie in an indirect table', () => {
    const { queue } = started()
    const { used, written } = queue.exchange([bytesOf('ab'), bytesOf('cd')], [4], { indirect: true })
    expect(used).toEqual({ id: 0, len: 4 })
    expect(written.map(textOf)).toEqual(['abcd'])
  })

  it('may go through descriptors into an indirect table, whose WRITE flag is ignored', () => {
    const { driver, queue } = started()
    const text = driver.allocate(2)
    driver.ram.write(text, bytesOf('hi'))
    const table = driver.allocate(32, 16)
    queue.describe(table, text, 2, VIRTQ_DESC_F_NEXT, 1)
    queue.describe(table + 16, text + 0x100, 4, VIRTQ_DESC_F_WRITE)
    queue.describe(queue.desc, text, 2, VIRTQ_DESC_F_NEXT, 5)
    queue.describe(queue.desc + 5 * 16, table, 32, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_WRITE)
    queue.offer(0)
    queue.kick()
    expect(queue.takeUsed()).toEqual([{ id: 0, len: 4 }])
    expect(textOf(driver.ram.read(text + 0x100, 4))).toBe('hihi')
  })

  it('tell RAM of every write, so that decoded code is dropped', () => {
    const { driver, queue } = started()
    const request = queue.add([bytesOf('abcd')], [3, 1])
    const told: [number, number][] = []
    driver.ram.onWrite = (address, length) => told.push([address, length])
    queue.kick()
    for (const { address, length } of request.writable) expect(told).toContainEqual([address, length])
  })

  it('go round the ring many times, past idx 65535', () => {
    const { device, driver, queue } = started()
    const mark = driver.mark
    for (let i = 0; i < 66000; i++) {
      driver.mark = mark
      queue.add([bytesOf('x')], [1])
      queue.kick()
      if (queue.takeUsed().length !== 1) throw new Error(`no answer to request ${i}`)
    }
    expect(device.served).toBe(66000)
  })

  const misdeeds: Record<string, (s: ReturnType<typeof started>) => void> = {
    'a loop of NEXT': ({ queue }) => {
      queue.describe(queue.desc, 0x1000, 1, VIRTQ_DESC_F_NEXT, 1)
      queue.describe(queue.desc + 16, 0x1000, 1, VIRTQ_DESC_F_NEXT, 0)
    },
    'a loop inside an indirect table': ({ driver, queue }) => {
      const table = driver.allocate(32, 16)
      queue.describe(table, 0x1000, 1, VIRTQ_DESC_F_NEXT, 1)
      queue.describe(table + 16, 0x1000, 1, VIRTQ_DESC_F_NEXT, 0)
      queue.describe(queue.desc, table, 32, VIRTQ_DESC_F_INDIRECT)
    },
    'a buffer outside RAM': ({ driver, queue }) => queue.describe(queue.desc, driver.ram.size - 1, 2, 0),
    'a buffer above 4 GiB': ({ queue }) => queue.describe(queue.desc, 0x1_0000_1000, 2, 0),
    'a buffer of length 0': ({ queue }) => queue.describe(queue.desc, 0x1000, 0, 0),
    'a next beyond the table': ({ queue }) => queue.describe(queue.desc, 0x1000, 1, VIRTQ_DESC_F_NEXT, 16),
    'readable after writable': ({ queue }) => {
      queue.describe(queue.desc, 0x1000, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1)
      queue.describe(queue.desc + 16, 0x1000, 1, 0)
    },
    'more bytes than RAM holds': ({ driver, queue }) => {
      queue.describe(queue.desc, 0, driver.ram.size, VIRTQ_DESC_F_NEXT, 1)
      queue.describe(queue.desc + 16, 0, 1, 0)
    },
    'INDIRECT with NEXT': ({ queue }) =>
      queue.describe(queue.desc, 0x1000, 16, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, 1),
    'an indirect table of 20 bytes': ({ queue }) => queue.describe(queue.desc, 0x1000, 20, VIRTQ_DESC_F_INDIRECT),
    'an indirect table outside RAM': ({ queue }) => queue.describe(queue.desc, 0xfffffff0, 16, VIRTQ_DESC_F_INDIRECT),
    'an indirect table inside another': ({ driver, queue }) => {
      const table = driver.allocate(16, 16)
      queue.describe(table, 0x1000, 16, VIRTQ_DESC_F_INDIRECT)
      queue.describe(queue.desc, table, 16, VIRTQ_DESC_F_INDIRECT)
    },
  }
  it.each(Object.keys(misdeeds))('with %s bring DEVICE_NEEDS_RESET and one line, and nothing is served', (name) => {
    const s = started()
    misdeeds[name](s)
    s.queue.offer(0)
    s.queue.kick()
    s.queue.kick()
    expect(s.driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
    expect(s.driver.acknowledge()).toBe(mmio.CONFIG_CHANGE)
    expect(s.driver.log).toHaveLength(1)
    expect(s.device.served).toBe(0)
    // A reset makes it whole.
    const [queue] = s.driver.start({ queues: 1 })
    expect(queue.exchange([bytesOf('x')], [1]).used).toEqual({ id: 0, len: 1 })
  })

  it('may not be indirect unless VIRTIO_F_INDIRECT_DESC was negotiated', () => {
    const { driver, queue } = started([])
    queue.exchange([bytesOf('ab')], [2], { indirect: true })
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
  })
})

describe('the available ring', () => {
  it('may not run ahead by more than the queue holds', () => {
    const { driver, queue } = started()
    driver.ram.writeU16(queue.avail + 2, 17)
    queue.kick()
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
  })

  it('may not name a descriptor beyond the table', () => {
    const { driver, queue } = started()
    queue.offer(16)
    queue.kick()
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
  })

  it('that refills itself, because buffers lie over it, ends in DEVICE_NEEDS_RESET', () => {
    const { device, driver, queue } = started()
    // Chain i has the device write avail.idx, one more than it is.
    for (let i = 0; i < 16; i += 2) {
      const value = driver.allocate(2)
      driver.ram.writeU16(value, 0)
      queue.describe(queue.desc + 16 * i, value, 2, VIRTQ_DESC_F_NEXT, i + 1)
      queue.describe(queue.desc + 16 * (i + 1), queue.avail + 2, 2, VIRTQ_DESC_F_WRITE)
      for (const slot of [i, i + 1]) driver.ram.writeU16(queue.avail + 4 + 2 * slot, i)
    }
    driver.ram.onWrite = (address) => {
      if (address === queue.avail + 2 && driver.ram.readU16(address) === 0)
        driver.ram.writeU16(address, device.served + 1)
    }
    driver.ram.writeU16(queue.avail + 2, 1)
    queue.kick()
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
    expect(driver.log).toEqual(['echo: queue 0: the available ring refills itself: the device needs a reset'])
    expect(device.served).toBe(16)
  })
})

describe('interrupt suppression', () => {
  it('honours VIRTQ_AVAIL_F_NO_INTERRUPT', () => {
    const { driver, queue } = started()
    queue.availFlags = VIRTQ_AVAIL_F_NO_INTERRUPT
    queue.exchange([bytesOf('x')], [1])
    expect(driver.interrupts).toBe(0)
    queue.availFlags = 0
    queue.exchange([bytesOf('x')], [1])
    expect(driver.interrupts).toBe(1)
  })

  it('interrupts once for all chains of one notification', () => {
    const { driver, queue } = started()
    for (let i = 0; i < 4; i++) queue.add([bytesOf('x')], [1])
    queue.kick()
    expect(queue.takeUsed()).toHaveLength(4)
    expect(driver.interrupts).toBe(1)
  })

  it('with EVENT_IDX interrupts when used.idx passes used_event, and ignores the flag', () => {
    const { driver, queue } = started([VIRTIO_F_EVENT_IDX])
    queue.availFlags = VIRTQ_AVAIL_F_NO_INTERRUPT
    queue.usedEvent = 2
    queue.exchange([bytesOf('x')], [1])
    queue.exchange([bytesOf('x')], [1])
    expect(driver.interrupts).toBe(0)
    queue.exchange([bytesOf('x')], [1])
    expect(driver.interrupts).toBe(1)
    driver.acknowledge()
    queue.exchange([bytesOf('x')], [1])
    expect(driver.interrupts).toBe(1)
  })

  it('with EVENT_IDX asks by avail_event for the next buffer once the queue is empty', () => {
    const { queue } = started([VIRTIO_F_EVENT_IDX])
    for (let i = 0; i < 3; i++) queue.add([bytesOf('x')], [1])
    queue.kick()
    expect(queue.availEvent).toBe(3)
  })
})
