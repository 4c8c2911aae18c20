import { describe, expect, it } from 'vitest'
import { GATEWAY_IP, UserNetwork } from '../../net/user-network.ts'
import * as mmio from './mmio.ts'
import * as net from './net.ts'
import { bytesOf, FakeDriver, type Request } from './testing/driver.ts'

const set = () => {
  const sent: Uint8Array[] = []
  const device = new net.VirtioNet({ segment: { send: (frame) => sent.push(frame) } })
  const driver = new FakeDriver(device)
  const [receiveq, transmitq] = driver.start({ queues: 2 })
  return { sent, device, driver, receiveq, transmitq }
}
const frame = (fill: number, length = 60): Uint8Array => new Uint8Array(length).fill(fill)
const received = ({ driver, receiveq }: ReturnType<typeof set>, requests: Request[]): Uint8Array[] =>
  receiveq
    .takeUsed()
    .map(({ id, len }) => driver.ram.read(requests.find(({ head }) => head === id)!.writable[0].address, len))

describe('configuration', () => {
  it('has the MAC address and a link that is up', () => {
    const { driver } = set()
    const config = Array.from({ length: 8 }, (_, i) => driver.transport.read(mmio.Config + i, 1))
    expect(config).toEqual([...net.DEFAULT_MAC, 1, 0])
    expect(driver.offered()).toEqual(expect.arrayContaining([net.VIRTIO_NET_F_MAC, net.VIRTIO_NET_F_STATUS]))
  })
})

describe('transmission', () => {
  it('takes the frame behind the 12-byte header, however it is split', () => {
    const { sent, transmitq } = set()
    const whole = new Uint8Array([...new Uint8Array(net.NET_HEADER), ...frame(7)])
    transmitq.exchange([whole.slice(0, 12), whole.slice(12)])
    transmitq.exchange([whole])
    transmitq.exchange([whole.slice(0, 5), whole.slice(5, 20), whole.slice(20)])
    expect(sent).toEqual([frame(7), frame(7), frame(7)])
  })

  it('drops what is too short or too long to be a frame', () => {
    const { sent, device, transmitq } = set()
    expect(transmitq.exchange([bytesOf('tiny')]).used).toEqual({ id: 0, len: 0 })
    transmitq.exchange([new Uint8Array(2000)])
    expect(sent).toEqual([])
    expect(device.dropped).toBe(2)
  })
})

it('has a header of 10 bytes for a driver that did not take VERSION_1 (§5.1.6.1)', () => {
  const sent: Uint8Array[] = []
  const device = new net.VirtioNet({ segment: { send: (f) => sent.push(f) } })
  const driver = new FakeDriver(device)
  const [receiveq, transmitq] = [driver.setUpQueue(net.RECEIVEQ), driver.setUpQueue(net.TRANSMITQ)]
  driver.write(mmio.Status, 7)
  transmitq.exchange([new Uint8Array([...new Uint8Array(10), ...frame(3)])])
  expect(sent).toEqual([frame(3)])
  const request = receiveq.add([], [1524])
  receiveq.kick()
  device.receive(frame(4))
  const [used] = receiveq.takeUsed()
  expect(used?.len).toBe(70)
  expect(driver.ram.read(request.writable[0]!.address + 10, 60)).toEqual(frame(4))
})

describe('reception', () => {
  it('puts a header with num_buffers 1 before the frame', () => {
    const s = set()
    const requests = [s.receiveq.add([], [1526])]
    s.receiveq.kick()
    s.device.receive(frame(9))
    const [bytes] = received(s, requests)
    expect([...bytes.subarray(0, 12)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    expect(bytes.subarray(12)).toEqual(frame(9))
    expect(s.driver.acknowledge()).toBe(mmio.USED_BUFFER)
  })

  it('holds frames until buffers come, a bounded number of them', () => {
    const s = set()
    for (let i = 0; i < net.RECEIVE_LIMIT + 5; i++) s.device.receive(frame(i & 0xff))
    expect(s.device.dropped).toBe(5)
    const requests = [s.receiveq.add([], [100]), s.receiveq.add([], [100])]
    s.receiveq.kick()
    expect(received(s, requests).map((bytes) => bytes[12])).toEqual([0, 1])
  })

  it('drops a frame that does not fit the next buffer and keeps the buffer', () => {
    const s = set()
    const requests = [s.receiveq.add([], [100])]
    s.device.receive(frame(1, 1000))
    s.device.receive(frame(2))
    expect(received(s, requests).map((bytes) => bytes[12])).toEqual([2])
    expect(s.device.dropped).toBe(1)
  })

  it('drops frames while no driver runs', () => {
    const s = set()
    s.driver.write(mmio.Status, 0)
    s.device.receive(frame(1))
    expect(s.device.dropped).toBe(1)
  })
})

describe('on the user network', () => {
  it('an ARP request is answered before its transmission is over', () => {
    const network = new UserNetwork((bytes) => device.receive(bytes))
    const device: net.VirtioNet = new net.VirtioNet({ segment: network })
    const driver = new FakeDriver(device)
    const [receiveq, transmitq] = driver.start({ queues: 2 })
    const request = receiveq.add([], [1526])
    const gateway = [24, 16, 8, 0].map((shift) => (GATEWAY_IP >> shift) & 0xff)
    const arp = [0, 1, 8, 0, 6, 4, 0, 1, ...net.DEFAULT_MAC, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, ...gateway]
    const header = new Array<number>(net.NET_HEADER).fill(0)
    const sent = [...header, ...new Array<number>(6).fill(0xff), ...net.DEFAULT_MAC, 8, 6, ...arp]
    expect(transmitq.exchange([Uint8Array.from(sent)]).used).toEqual({ id: 0, len: 0 })
    expect(receiveq.takeUsed()).toEqual([{ id: request.head, len: 12 + 14 + 28 }])
    const answer = driver.ram.read(request.writable[0].address + 12, 42)
    expect([...answer.subarray(0, 6)]).toEqual([...net.DEFAULT_MAC])
    expect([...answer.subarray(28, 32)]).toEqual(gateway)
  })
})
