import { describe, expect, it } from 'vitest'
import * as con from './console.ts'
import { DEVICE_NEEDS_RESET, VIRTIO_F_VERSION_1 } from './device.ts'
import * as mmio from './mmio.ts'
import { bytesOf, type DriverQueue, FakeDriver, type Request, textOf } from './testing/driver.ts'

const control = (event: number, value: number, id = 0): Uint8Array => {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, id, true)
  view.setUint16(4, event, true)
  view.setUint16(6, value, true)
  return bytes
}

/** [event, value, rest as text] of the messages in the control receive queue. */
const messages = (driver: FakeDriver, queue: DriverQueue, requests: Request[]): [number, number, string][] =>
  queue.takeUsed().map(({ id, len }) => {
    const { address } = requests.find(({ head }) => head === id)!.writable[0]
    const bytes = driver.ram.read(address, len)
    const view = new DataView(bytes.buffer)
    return [view.getUint16(4, true), view.getUint16(6, true), textOf(bytes.subarray(8))]
  })

const set = (features: readonly number[]) => {
  const sent: string[] = []
  const device = new con.VirtioConsole({
    backend: { transmit: (bytes) => sent.push(textOf(bytes)) },
    maxPorts: features.includes(con.VIRTIO_CONSOLE_F_MULTIPORT) ? 2 : 1,
    cols: 100,
    rows: 30,
  })
  const driver = new FakeDriver(device)
  const queues = driver.start({ features, queues: device.queueCount })
  return { sent, device, driver, queues }
}

const readText = (driver: FakeDriver, queue: DriverQueue, requests: Request[]): string =>
  queue
    .takeUsed()
    .map(({ id, len }) => textOf(driver.ram.read(requests.find(({ head }) => head === id)!.writable[0].address, len)))
    .join('|')

describe('without F_MULTIPORT', () => {
  it('port 0 is open from DRIVER_OK on and transmits what the guest writes', () => {
    const { sent, device, queues } = set([])
    expect(device.open).toBe(true)
    expect(queues[con.TRANSMITQ].exchange([bytesOf('Net'), bytesOf('BSD')]).used).toEqual({ id: 0, len: 0 })
    expect(sent).toEqual(['NetBSD'])
  })

  it('input waits until the guest gives buffers, and fills them in order', () => {
    const { device, driver, queues } = set([])
    device.receive(bytesOf('hello '))
    device.receive(bytesOf('world'))
    const receiveq = queues[con.RECEIVEQ]
    const requests = [receiveq.add([], [4]), receiveq.add([], [64])]
    receiveq.kick()
    expect(readText(driver, receiveq, requests)).toBe('hell|o world')
    requests.push(receiveq.add([], [8]))
    receiveq.kick()
    expect(receiveq.takeUsed()).toEqual([])
    device.receive(bytesOf('!'))
    expect(readText(driver, receiveq, requests)).toBe('!')
  })

  it('more input than all buffers waits whole', () => {
    const { device, driver, queues } = set([])
    const text = Array.from({ length: 3000 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('')
    device.receive(bytesOf(text))
    const receiveq = queues[con.RECEIVEQ]
    let got = ''
    while (got.length < text.length) {
      const requests = [receiveq.add([], [128]), receiveq.add([], [128])]
      receiveq.kick()
      got += readText(driver, receiveq, requests).replace('|', '')
    }
    expect(got).toBe(text)
  })

  it('a receive buffer that cannot be written brings DEVICE_NEEDS_RESET', () => {
    const { device, driver, queues } = set([])
    queues[con.RECEIVEQ].add([bytesOf('x')])
    device.receive(bytesOf('y'))
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(DEVICE_NEEDS_RESET)
  })
})

describe('with F_MULTIPORT', () => {
  const features = [con.VIRTIO_CONSOLE_F_SIZE, con.VIRTIO_CONSOLE_F_MULTIPORT]

  it('the port is added, named, sized and opened by control messages', () => {
    const { device, driver, queues } = set(features)
    const receive = queues[con.CONTROL_RECEIVEQ]
    const requests = Array.from({ length: 8 }, () => receive.add([], [64]))
    receive.kick()
    const transmit = queues[con.CONTROL_TRANSMITQ]
    transmit.exchange([control(con.VIRTIO_CONSOLE_DEVICE_READY, 1)])
    expect(messages(driver, receive, requests)).toEqual([[con.VIRTIO_CONSOLE_PORT_ADD, 1, '']])
    transmit.exchange([control(con.VIRTIO_CONSOLE_PORT_READY, 1)])
    expect(messages(driver, receive, requests)).toEqual([
      [con.VIRTIO_CONSOLE_CONSOLE_PORT, 1, ''],
      [con.VIRTIO_CONSOLE_RESIZE, 0, '\x64\0\x1e\0'],
      [con.VIRTIO_CONSOLE_PORT_NAME, 1, 'console'],
      [con.VIRTIO_CONSOLE_PORT_OPEN, 1, ''],
    ])
    expect(device.open).toBe(false)
    transmit.exchange([control(con.VIRTIO_CONSOLE_PORT_OPEN, 1)])
    expect(device.open).toBe(true)
    device.resize(80, 24)
    expect(messages(driver, receive, requests)).toEqual([[con.VIRTIO_CONSOLE_RESIZE, 0, '\x50\0\x18\0']])
  })

  it('control messages wait for buffers', () => {
    const { driver, queues } = set(features)
    queues[con.CONTROL_TRANSMITQ].exchange([control(con.VIRTIO_CONSOLE_DEVICE_READY, 1)])
    const receive = queues[con.CONTROL_RECEIVEQ]
    const requests = [receive.add([], [64])]
    receive.kick()
    expect(messages(driver, receive, requests)).toEqual([[con.VIRTIO_CONSOLE_PORT_ADD, 1, '']])
  })

  it('input waits for PORT_OPEN', () => {
    const { device, driver, queues } = set(features)
    const receiveq = queues[con.RECEIVEQ]
    const requests = [receiveq.add([], [64])]
    receiveq.kick()
    device.receive(bytesOf('typed'))
    expect(receiveq.takeUsed()).toEqual([])
    queues[con.CONTROL_TRANSMITQ].exchange([control(con.VIRTIO_CONSOLE_PORT_OPEN, 1)])
    expect(readText(driver, receiveq, requests)).toBe('typed')
  })

  it('a message for another port, or an unknown or short one, is logged and no more', () => {
    const { driver, queues } = set(features)
    for (const message of [control(con.VIRTIO_CONSOLE_PORT_OPEN, 1, 7), control(55, 1), bytesOf('short')])
      expect(queues[con.CONTROL_TRANSMITQ].exchange([message]).used).toBeDefined()
    expect(driver.log).toHaveLength(3)
    expect(driver.read(mmio.Status) & DEVICE_NEEDS_RESET).toBe(0)
  })
})

describe('configuration', () => {
  it('has the size, one port, and a size change interrupts a driver that negotiated F_SIZE', () => {
    const { device, driver } = set([con.VIRTIO_CONSOLE_F_SIZE])
    const generation = driver.read(mmio.ConfigGeneration)
    expect(driver.transport.read(mmio.Config + con.CONSOLE_CONFIG_COLS, 2)).toBe(100)
    expect(driver.transport.read(mmio.Config + con.CONSOLE_CONFIG_MAX_NR_PORTS, 4)).toBe(1)
    expect(driver.offered()).not.toContain(con.VIRTIO_CONSOLE_F_MULTIPORT)
    device.resize(132, 43)
    expect(driver.transport.read(mmio.Config + con.CONSOLE_CONFIG_COLS, 4)).toBe(132 + (43 << 16))
    expect(driver.read(mmio.ConfigGeneration)).toBe(generation + 1)
    expect(driver.acknowledge()).toBe(mmio.CONFIG_CHANGE)
    device.resize(132, 43)
    expect(driver.acknowledge()).toBe(0)
  })

  it('emerg_wr writes a byte before any negotiation', () => {
    const { sent, driver } = set([])
    driver.write(mmio.Status, 0)
    driver.transport.write(mmio.Config + con.CONSOLE_CONFIG_EMERG_WR, 4, 0x41)
    expect(sent).toEqual(['A'])
    expect(driver.offered()).toContain(VIRTIO_F_VERSION_1)
  })
})
