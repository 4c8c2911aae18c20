import { describe, expect, it } from 'vitest'
import { SeededEntropy } from '../entropy.ts'
import {
  checksum,
  DNS_IP,
  DNS_MAC,
  GATEWAY_IP,
  GATEWAY_MAC,
  GUEST_IP,
  LEASE_TIME,
  NETWORK_MASK,
  transportChecksum,
  UserNetwork,
} from './user-network.ts'

const GUEST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]
const BROADCAST_MAC = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
const ELSEWHERE = 0x5db8d822
const BROADCAST = 0xffffffff

const be16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff]
const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value)]
const get16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1]
const get32 = (bytes: Uint8Array, at: number): number => ((get16(bytes, at) << 16) | get16(bytes, at + 2)) >>> 0

const ethernet = (to: readonly number[], type: number, payload: ArrayLike<number>): Uint8Array =>
  Uint8Array.from([...to, ...GUEST_MAC, ...be16(type), ...Array.from(payload)])

const withChecksum = (bytes: number[], at: number, value: number): number[] => {
  const copy = [...bytes]
  copy.splice(at, 2, ...be16(value))
  return copy
}

interface IpOptions {
  from?: number
  mac?: readonly number[]
  options?: number[]
  fragment?: number
}
const ip = (
  to: number,
  protocol: number,
  payload: readonly number[],
  { from = GUEST_IP, mac = GATEWAY_MAC, options = [], fragment = 0 }: IpOptions = {},
): Uint8Array => {
  const ihl = 5 + options.length / 4
  const header = [0x40 | ihl, 0, ...be16(4 * ihl + payload.length), 0, 1, ...be16(fragment), 64, protocol, 0, 0]
  const whole = [...header, ...be32(from), ...be32(to), ...options]
  return ethernet(mac, 0x0800, [...withChecksum(whole, 10, checksum(Uint8Array.from(whole))), ...payload])
}

const icmp = (type: number, code: number, rest: readonly number[]): number[] => {
  const bytes = [type, code, 0, 0, ...rest]
  return withChecksum(bytes, 2, checksum(Uint8Array.from(bytes)))
}

const udp = (from: number, to: number, source: number, destination: number, data: readonly number[]): number[] => {
  const bytes = [...be16(source), ...be16(destination), ...be16(8 + data.length), 0, 0, ...data]
  return withChecksum(bytes, 6, transportChecksum(from, to, 17, Uint8Array.from(bytes)))
}

const tcp = (to: number, flags: number, seq: number, ack: number, data: readonly number[] = []): number[] => {
  const bytes = [...be16(40000), ...be16(80), ...be32(seq), ...be32(ack), 0x50, flags, 0xff, 0xff, 0, 0, 0, 0, ...data]
  return withChecksum(bytes, 16, transportChecksum(GUEST_IP, to, 6, Uint8Array.from(bytes)))
}

const exchange = (...frames: Uint8Array[]): Uint8Array[] => {
  const answers: Uint8Array[] = []
  const network = new UserNetwork((frame) => answers.push(frame))
  for (const frame of frames) network.send(frame)
  return answers
}

/** The one answer, taken apart, with its IPv4 checksum checked. */
const answerTo = (frame: Uint8Array) => {
  const answers = exchange(frame)
  expect(answers).toHaveLength(1)
  const [answer] = answers
  const packet = answer.subarray(14)
  expect(get16(answer, 12)).toBe(0x0800)
  expect(checksum(packet.subarray(0, 20))).toBe(0)
  expect(get16(packet, 2)).toBe(packet.length)
  return {
    toMac: [...answer.subarray(0, 6)],
    fromMac: [...answer.subarray(6, 12)],
    protocol: packet[9],
    from: get32(packet, 12),
    to: get32(packet, 16),
    payload: packet.subarray(20),
  }
}

describe('ARP', () => {
  const request = (target: number, sender = GUEST_IP): Uint8Array =>
    ethernet(BROADCAST_MAC, 0x0806, [
      0,
      1,
      8,
      0,
      6,
      4,
      0,
      1,
      ...GUEST_MAC,
      ...be32(sender),
      0,
      0,
      0,
      0,
      0,
      0,
      ...be32(target),
    ])

  it.each([
    ['gateway', GATEWAY_IP, GATEWAY_MAC],
    ['name server', DNS_IP, DNS_MAC],
  ])('finds the %s', (_, address, mac) => {
    const [answer] = exchange(request(address))
    expect([...answer]).toEqual([
      ...GUEST_MAC,
      ...mac,
      ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
      ...mac,
      ...be32(address),
      ...GUEST_MAC,
      ...be32(GUEST_IP),
    ])
  })

  it('answers neither for others, so that a probe for the own address finds nobody, nor what is not a request', () => {
    const reply = request(GATEWAY_IP)
    reply[21] = 2
    const tokenRing = request(GATEWAY_IP)
    tokenRing[15] = 6
    expect(exchange(request(GUEST_IP, 0), request(GATEWAY_IP + 7), reply, tokenRing)).toEqual([])
    expect(exchange(request(GATEWAY_IP).subarray(0, 30))).toEqual([])
  })
})

describe('DHCP', () => {
  interface Message {
    type: number
    options?: number[]
    ciaddr?: number
    flags?: number
    to?: number
    from?: number
  }
  const message = ({ type, options = [], ciaddr = 0, flags = 0, to = BROADCAST, from = 0 }: Message): Uint8Array => {
    const fixed = new Array<number>(240).fill(0)
    fixed.splice(0, 12, 1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, ...be16(flags))
    fixed.splice(12, 4, ...be32(ciaddr))
    fixed.splice(28, 6, ...GUEST_MAC)
    fixed.splice(236, 4, 0x63, 0x82, 0x53, 0x63)
    const bytes = [...fixed, 0, 53, 1, type, ...options, 255]
    return ip(to, 17, udp(from, to, 68, 67, bytes), { from, mac: to === BROADCAST ? BROADCAST_MAC : GATEWAY_MAC })
  }
  const REQUESTED = [50, 4, ...be32(GUEST_IP)]
  const SERVER = [54, 4, ...be32(GATEWAY_IP)]

  const reply = (frame: Uint8Array) => {
    const answer = answerTo(frame)
    expect(answer.protocol).toBe(17)
    expect(answer.from).toBe(GATEWAY_IP)
    expect(transportChecksum(answer.from, answer.to, 17, answer.payload)).toBe(0)
    expect([get16(answer.payload, 0), get16(answer.payload, 2)]).toEqual([67, 68])
    const dhcp = answer.payload.subarray(8)
    expect(dhcp.length).toBeGreaterThanOrEqual(300)
    expect([...dhcp.subarray(0, 8)]).toEqual([2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef])
    expect([...dhcp.subarray(28, 34)]).toEqual(GUEST_MAC)
    const options: Record<number, number> = {}
    for (let i = 240; dhcp[i] !== 255; i += 2 + dhcp[i + 1])
      options[dhcp[i]] = dhcp[i + 1] === 1 ? dhcp[i + 2] : get32(dhcp, i + 2)
    return { ...answer, yiaddr: get32(dhcp, 16), options }
  }
  const LEASE = { 1: NETWORK_MASK, 3: GATEWAY_IP, 6: DNS_IP, 51: LEASE_TIME, 54: GATEWAY_IP }

  it('DISCOVER is offered 10.0.2.15 with mask, router, name server and a lease', () => {
    const offer = reply(message({ type: 1 }))
    expect(offer.yiaddr).toBe(GUEST_IP)
    expect(offer.options).toEqual({ ...LEASE, 53: 2 })
    expect([offer.to, offer.toMac]).toEqual([GUEST_IP, GUEST_MAC])
  })

  it('answers by broadcast where the client asks for it', () => {
    const offer = reply(message({ type: 1, flags: 0x8000 }))
    expect([offer.to, offer.toMac]).toEqual([BROADCAST, BROADCAST_MAC])
  })

  it('REQUEST for the address is acknowledged', () => {
    const ack = reply(message({ type: 3, options: [...REQUESTED, ...SERVER] }))
    expect(ack.yiaddr).toBe(GUEST_IP)
    expect(ack.options).toEqual({ ...LEASE, 53: 5 })
  })

  it('renewal, by ciaddr to the server alone, is acknowledged to that address', () => {
    const ack = reply(message({ type: 3, ciaddr: GUEST_IP, from: GUEST_IP, to: GATEWAY_IP }))
    expect(ack.options[53]).toBe(5)
    expect(ack.to).toBe(GUEST_IP)
  })

  it('REQUEST for another address is refused, by broadcast, without an address', () => {
    const nak = reply(message({ type: 3, options: [50, 4, 192, 168, 1, 2] }))
    expect(nak.options).toEqual({ 53: 6, 54: GATEWAY_IP })
    expect(nak.yiaddr).toBe(0)
    expect(nak.to).toBe(BROADCAST)
  })

  it('INFORM gets the network without address or lease', () => {
    const ack = reply(message({ type: 8, ciaddr: GUEST_IP, from: GUEST_IP, to: GATEWAY_IP }))
    const { 51: _, ...network } = LEASE
    expect(ack.options).toEqual({ ...network, 53: 5 })
    expect(ack.yiaddr).toBe(0)
  })

  it('RELEASE, DECLINE, requests to another server and truncated options get no answer', () => {
    expect(exchange(message({ type: 7, ciaddr: GUEST_IP }), message({ type: 4 }))).toEqual([])
    expect(exchange(message({ type: 3, options: [...REQUESTED, 54, 4, 1, 2, 3, 4] }))).toEqual([])
    expect(exchange(message({ type: 1, options: [61, 200, 1] }))).toEqual([])
  })
})

describe('ICMP', () => {
  const ping = icmp(8, 0, [0x12, 0x34, 0, 7, 1, 2, 3])

  it.each([
    ['gateway', GATEWAY_IP, GATEWAY_MAC],
    ['name server', DNS_IP, DNS_MAC],
  ])('echo to the %s comes back with its data', (_, to, mac) => {
    const answer = answerTo(ip(to, 1, ping, { mac }))
    expect([answer.from, answer.to, answer.toMac, answer.fromMac]).toEqual([to, GUEST_IP, GUEST_MAC, mac])
    expect([...answer.payload]).toEqual(icmp(0, 0, [0x12, 0x34, 0, 7, 1, 2, 3]))
  })

  it('echo through IPv4 options works', () => {
    expect(answerTo(ip(GATEWAY_IP, 1, ping, { options: [1, 1, 1, 0] })).payload[0]).toBe(0)
  })

  it('echo to elsewhere is unreachable, told by the gateway with the packet quoted', () => {
    const frame = ip(ELSEWHERE, 1, ping)
    const answer = answerTo(frame)
    expect(answer.from).toBe(GATEWAY_IP)
    expect([...answer.payload.subarray(0, 2)]).toEqual([3, 0])
    expect(checksum(answer.payload)).toBe(0)
    expect(answer.payload.subarray(8)).toEqual(frame.subarray(14, 14 + 28))
  })

  it('messages other than echo, and broadcast echo, get no answer', () => {
    expect(exchange(ip(GATEWAY_IP, 1, icmp(0, 0, [0, 0, 0, 0])), ip(ELSEWHERE, 1, icmp(3, 0, [0, 0, 0, 0])))).toEqual(
      [],
    )
    expect(exchange(ip(BROADCAST, 1, ping, { mac: BROADCAST_MAC }))).toEqual([])
  })
})

describe('UDP', () => {
  it.each([
    ['a closed port here', GATEWAY_IP, GATEWAY_IP, 3],
    ['the name server', DNS_IP, DNS_IP, 3],
    ['another host of the network', GATEWAY_IP + 50, GATEWAY_IP, 1],
    ['elsewhere', ELSEWHERE, GATEWAY_IP, 0],
  ])('to %s is unreachable', (_, to, from, code) => {
    const answer = answerTo(ip(to, 17, udp(GUEST_IP, to, 5000, 53, [1, 2, 3])))
    expect([answer.protocol, answer.from, answer.to]).toEqual([1, from, GUEST_IP])
    expect([...answer.payload.subarray(0, 2)]).toEqual([3, code])
  })

  it('may come without a checksum', () => {
    const datagram = withChecksum(udp(GUEST_IP, ELSEWHERE, 1, 2, [3]), 6, 0)
    expect(exchange(ip(ELSEWHERE, 17, datagram))).toHaveLength(1)
  })
})

describe('TCP', () => {
  const segment = (frame: Uint8Array) => {
    const answer = answerTo(frame)
    expect(answer.protocol).toBe(6)
    expect(transportChecksum(answer.from, answer.to, 6, answer.payload)).toBe(0)
    const p = answer.payload
    return { from: answer.from, ports: [get16(p, 0), get16(p, 2)], seq: get32(p, 4), ack: get32(p, 8), flags: p[13] }
  }

  it('SYN is reset, acknowledging the SYN', () => {
    expect(segment(ip(ELSEWHERE, 6, tcp(ELSEWHERE, 2, 0xffffffff, 0)))).toEqual({
      from: ELSEWHERE,
      ports: [80, 40000],
      seq: 0,
      ack: 0,
      flags: 0x14,
    })
  })

  it('a segment with ACK is reset at the number it acknowledges', () => {
    const { seq, flags } = segment(ip(GATEWAY_IP, 6, tcp(GATEWAY_IP, 0x18, 100, 0x80000001, [1, 2])))
    expect([seq, flags]).toEqual([0x80000001, 4])
  })

  it('a reset is not answered', () => {
    expect(exchange(ip(ELSEWHERE, 6, tcp(ELSEWHERE, 4, 1, 0)))).toEqual([])
  })
})

describe('what is malformed', () => {
  it('is dropped: wrong checksums, lengths, versions, fragments, addresses', () => {
    const good = ip(ELSEWHERE, 17, udp(GUEST_IP, ELSEWHERE, 1, 2, [1, 2, 3, 4]))
    expect(exchange(good)).toHaveLength(1)
    const spoilt = (at: number, value: number): Uint8Array => {
      const frame = good.slice()
      frame[at] ^= value
      return frame
    }
    // Destination MAC, group source, version, header checksum, UDP length, UDP data.
    for (const [at, value] of [
      [0, 0x04],
      [6, 0x01],
      [14, 0x20],
      [24, 0x01],
      [39, 0x40],
      [42, 0x01],
    ])
      expect(exchange(spoilt(at, value))).toEqual([])
    for (let length = 0; length < good.length; length++) expect(exchange(good.slice(0, length))).toEqual([])
    expect(exchange(ip(ELSEWHERE, 17, udp(GUEST_IP, ELSEWHERE, 1, 2, []), { fragment: 0x2000 }))).toEqual([])
    expect(exchange(ethernet(GATEWAY_MAC, 0x86dd, new Uint8Array(60)))).toEqual([])
  })

  it('never throws, over 20000 frames with random bytes in them, and repeats exactly', () => {
    const run = (): string => {
      const random = new SeededEntropy(99)
      let summary = 0
      let answers = 0
      const network = new UserNetwork((frame) => {
        answers++
        for (const byte of frame) summary = (Math.imul(summary, 31) + byte) | 0
      })
      for (let i = 0; i < 20000; i++) {
        const payload = new Uint8Array(random.next() % 300)
        random.fill(payload)
        const to = [GATEWAY_IP, DNS_IP, ELSEWHERE, BROADCAST][random.next() % 4]
        const protocol = [1, 6, 17, random.next() & 0xff][random.next() % 4]
        const frame = ip(to, protocol, [...payload], { options: new Array((random.next() % 3) * 4).fill(1) })
        if (random.next() % 3 === 0) frame[random.next() % frame.length] = random.next()
        network.send(random.next() % 5 === 0 ? frame.subarray(0, random.next() % frame.length) : frame)
      }
      return `${answers} ${summary}`
    }
    const first = run()
    expect(Number(first.split(' ')[0])).toBeGreaterThan(500)
    expect(run()).toBe(first)
  })
})
