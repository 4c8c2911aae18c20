/**
 * Frames of rubbish for the user network: good ones of each protocol, changed, with their checksums put right or not.
 * What must hold: nothing is thrown, and what comes back is a frame that fits Ethernet.
 */
import { checksum, DNS_IP, GATEWAY_IP, GATEWAY_MAC, GUEST_IP, UserNetwork } from '../src/machine/net/user-network.ts'
import { Random } from '../vectors/random.ts'
import type { Family } from './family.ts'

const GUEST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]
const MAX_FRAME = 1514

const u16 = (n: number): number[] => [(n >>> 8) & 0xff, n & 0xff]
const u32 = (n: number): number[] => [...u16(n >>> 16), ...u16(n)]
const bytesOf = (r: Random, length: number): number[] => Array.from({ length }, () => r.below(256))

const ICMP = 1
const TCP = 6
const UDP = 17
const FRAMES_A_ROUND = 200

export class PacketFuzzer implements Family {
  #sent = 0
  #received = 0

  get done(): string {
    return `${this.#sent} frames sent, ${this.#received} received`
  }

  round(seed: number, index: number): void {
    const r = new Random(0x9ac, seed, index)
    const network = new UserNetwork((frame) => {
      this.#received++
      if (frame.length < 14 || frame.length > MAX_FRAME) throw new Error(`a frame of ${frame.length} bytes came back`)
    })
    for (let i = 0; i < FRAMES_A_ROUND; i++) {
      const frame = Uint8Array.from(r.chance(5) ? bytesOf(r, r.below(80)) : this.#frame(r))
      for (let n = r.below(4); n > 0 && r.chance(60); n--) frame[r.below(Math.max(1, frame.length))] = r.u32()
      if (r.chance(60)) this.#settle(frame)
      this.#sent++
      network.send(r.chance(10) ? frame.subarray(0, r.below(frame.length + 1)) : frame)
      if (r.chance(1)) network.reset()
    }
  }

  #frame(r: Random): number[] {
    const to = r.chance(80) ? GATEWAY_MAC : r.chance(50) ? new Array<number>(6).fill(0xff) : bytesOf(r, 6)
    const header = [...to, ...GUEST_MAC]
    if (r.chance(15))
      return [
        ...header,
        ...[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, r.below(4), ...GUEST_MAC, ...u32(GUEST_IP), 0, 0, 0, 0, 0, 0],
        ...u32(r.pick([GATEWAY_IP, DNS_IP, GUEST_IP, r.u32()])),
      ]
    const protocol = r.pick([ICMP, TCP, UDP, UDP, UDP, r.below(256)])
    const payload = this.#payload(r, protocol)
    const length = r.chance(90) ? 20 + payload.length : r.below(0x10000)
    const target = r.pick([GATEWAY_IP, DNS_IP, 0xffffffff, 0x0a0002ff, 0x08080808, r.u32()])
    const fragment = r.chance(90) ? 0x4000 : r.below(0x10000)
    return [
      ...[...header, 0x08, 0x00, r.chance(95) ? 0x45 : r.below(256), 0, ...u16(length), ...u16(r.below(0x10000))],
      ...[...u16(fragment), r.chance(90) ? 64 : r.below(3), protocol, 0, 0, ...u32(GUEST_IP), ...u32(target)],
      ...payload,
    ]
  }

  #payload(r: Random, protocol: number): number[] {
    const length = r.pick([0, 1, 8, 56, 300, 1400])
    if (protocol === ICMP) return [r.pick([8, 8, 0, 3, 13]), 0, 0, 0, ...bytesOf(r, length)]
    if (protocol === TCP)
      return [
        ...u16(1234),
        ...u16(r.pick([80, 7, 22])),
        ...u32(r.u32()),
        ...u32(0),
        0x50,
        r.below(64),
        ...bytesOf(r, 6),
      ]
    if (protocol !== UDP) return bytesOf(r, length)
    const port = r.pick([53, 67, 69, 123, 7, r.below(0x10000)])
    const data = port === 67 ? this.#dhcp(r) : port === 53 ? this.#dns(r) : bytesOf(r, length)
    const said = r.chance(90) ? data.length + 8 : r.below(0x10000)
    return [...u16(port === 67 ? 68 : 4000), ...u16(port), ...u16(said), 0, 0, ...data]
  }
  #dhcp(r: Random): number[] {
    const options: number[] = [53, 1, r.pick([1, 3, 4, 7, 8, r.below(256)])]
    for (let i = r.below(5); i > 0; i--) options.push(r.below(256), r.below(256), ...bytesOf(r, r.below(6)))
    if (r.chance(80)) options.push(255)
    return [...[1, 1, 6, 0], ...u32(r.u32()), ...bytesOf(r, 228), 0x63, 0x82, 0x53, 0x63, ...options]
  }
  #dns(r: Random): number[] {
    const name = r.chance(70) ? [3, 119, 119, 119, 0] : r.chance(50) ? [0xc0, 12] : bytesOf(r, r.below(70))
    return [
      ...u16(r.below(0x10000)),
      ...u16(0x100),
      ...u16(r.pick([0, 1, 2, 0xffff])),
      0,
      0,
      0,
      0,
      0,
      0,
      ...name,
      0,
      1,
      0,
      1,
    ]
  }

  /** Puts the IPv4 header's checksum right, so that more is looked at. */
  #settle(frame: Uint8Array): void {
    const length = (frame[14]! & 15) * 4
    if (frame.length < 14 + length || length < 20) return
    frame[24] = 0
    frame[25] = 0
    const sum = checksum(frame.subarray(14, 14 + length))
    frame[24] = sum >>> 8
    frame[25] = sum & 0xff
  }
}
