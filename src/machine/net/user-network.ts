/**
 * A network for one guest, inside the machine: what QEMU's user network looks like from the guest, as far as a guest
 * can tell without an outside. ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP, DHCP (RFC 2131, 2132), and TCP
 * resets (RFC 9293 §3.10.7.1).
 *
 *   10.0.2.0/24   gateway and DHCP server 10.0.2.2   DNS 10.0.2.3   the guest 10.0.2.15
 *
 * An answer comes before `send` returns, so a run under icount repeats exactly. What is malformed is dropped without a
 * word, like on a wire. Missing on purpose: an outside (connections are reset, datagrams unreachable), a name server
 * behind 10.0.2.3, fragments, IPv6, plain BOOTP.
 */
import { type Part, type PartState, StateReader } from '../part.ts'

export const GATEWAY_IP = 0x0a000202
export const DNS_IP = 0x0a000203
export const GUEST_IP = 0x0a00020f
export const NETWORK_IP = 0x0a000200
export const NETWORK_MASK = 0xffffff00
const BROADCAST_IP = 0xffffffff
/** Seconds: a day, QEMU's. */
export const LEASE_TIME = 86400

/** The addresses that QEMU gives its gateway and name server: 52:55 and the IPv4 address. */
export const GATEWAY_MAC: readonly number[] = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02]
export const DNS_MAC: readonly number[] = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x03]

const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_ARP = 0x0806
const ETHERNET_HEADER = 14
const ARP_LENGTH = 28
const ARP_REQUEST = 1
const ARP_REPLY = 2

const PROTOCOL_ICMP = 1
const PROTOCOL_TCP = 6
const PROTOCOL_UDP = 17
const IP_HEADER = 20
const TTL = 64

const ICMP_HEADER = 8
const ICMP_ECHO_REPLY = 0
const ICMP_UNREACHABLE = 3
const ICMP_ECHO = 8
const UNREACHABLE_NET = 0
const UNREACHABLE_HOST = 1
const UNREACHABLE_PROTOCOL = 2
const UNREACHABLE_PORT = 3

const UDP_HEADER = 8
const TCP_HEADER = 20
const TCP_FIN = 1
const TCP_SYN = 2
const TCP_RST = 4
const TCP_ACK = 16

const DHCP_SERVER_PORT = 67
const DHCP_CLIENT_PORT = 68
/** Fixed part with the magic cookie; options follow. */
const DHCP_FIXED = 240
const DHCP_COOKIE = 0x63825363
/** RFC 1542 §2.1: the shortest BOOTP message that every client takes. */
const DHCP_MIN = 300
const DHCP_FLAG_BROADCAST = 0x8000
const DHCPDISCOVER = 1
const DHCPOFFER = 2
const DHCPREQUEST = 3
const DHCPACK = 5
const DHCPNAK = 6
const DHCPINFORM = 8
const OPTION_PAD = 0
const OPTION_MASK = 1
const OPTION_ROUTER = 3
const OPTION_DNS = 6
const OPTION_REQUESTED_IP = 50
const OPTION_LEASE_TIME = 51
const OPTION_MESSAGE_TYPE = 53
const OPTION_SERVER_ID = 54
const OPTION_END = 255

/** The Internet checksum (RFC 1071) over some parts, each but the last of even length. */
export const checksum = (...parts: readonly Uint8Array[]): number => {
  let sum = 0
  for (const part of parts) {
    for (let i = 0; i + 1 < part.length; i += 2) sum += (part[i] << 8) | part[i + 1]
    if (part.length % 2 === 1) sum += part[part.length - 1] << 8
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

interface Packet {
  readonly sourceMac: Uint8Array
  readonly source: number
  readonly destination: number
  /** The whole IPv4 packet, header included. */
  readonly packet: Uint8Array
  readonly headerLength: number
  readonly payload: Uint8Array
  /** Sent to one host, not to a broadcast or multicast address: only then may ICMP errors answer (RFC 1122 §3.2.2). */
  readonly unicast: boolean
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

export class UserNetwork implements Part {
  readonly name = 'user-network'
  readonly #receive: (frame: Uint8Array) => void
  #identification = 0

  /** `receive` takes frames for the guest. */
  constructor(receive: (frame: Uint8Array) => void) {
    this.#receive = receive
  }

  /** A frame from the guest, without FCS. */
  send(frame: Uint8Array): void {
    if (frame.length < ETHERNET_HEADER) return
    const toUs = frame[0] % 2 === 1 || matches(frame, GATEWAY_MAC) || matches(frame, DNS_MAC)
    // A group address is nobody's source.
    if (!toUs || frame[6] % 2 === 1) return
    const type = (frame[12] << 8) | frame[13]
    if (type === ETHERTYPE_ARP) this.#arp(frame.subarray(ETHERNET_HEADER))
    else if (type === ETHERTYPE_IPV4) this.#ipv4(frame)
  }

  /** As at power-on. */
  reset(): void {
    this.#identification = 0
  }

  save(): PartState {
    return { identification: this.#identification }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#identification = s.u16('identification')
    s.end()
  }

  #arp(arp: Uint8Array): void {
    if (arp.length < ARP_LENGTH) return
    const request = view(arp)
    // Ethernet, IPv4, 6 and 4 bytes.
    if (request.getUint32(0) !== 0x00010800 || request.getUint16(4) !== 0x0604) return
    if (request.getUint16(6) !== ARP_REQUEST) return
    const target = request.getUint32(24)
    const mac = macOf(target)
    if (mac === undefined) return
    const sender = arp.subarray(8, 14)
    const reply = new Uint8Array(ARP_LENGTH)
    const out = view(reply)
    out.setUint32(0, 0x00010800)
    out.setUint16(4, 0x0604)
    out.setUint16(6, ARP_REPLY)
    reply.set(mac, 8)
    out.setUint32(14, target)
    reply.set(arp.subarray(8, 18), 18)
    this.#transmit(sender, mac, ETHERTYPE_ARP, reply)
  }

  #ipv4(frame: Uint8Array): void {
    const whole = frame.subarray(ETHERNET_HEADER)
    if (whole.length < IP_HEADER || whole[0] >> 4 !== 4) return
    const headerLength = (whole[0] & 15) * 4
    const header = view(whole)
    const total = header.getUint16(2)
    if (headerLength < IP_HEADER || total < headerLength || total > whole.length) return
    if (checksum(whole.subarray(0, headerLength)) !== 0) return
    // More fragments, or an offset.
    if ((header.getUint16(6) & 0x3fff) !== 0) return
    const packet = whole.subarray(0, total)
    const destination = header.getUint32(16)
    const given: Packet = {
      sourceMac: frame.subarray(6, 12),
      source: header.getUint32(12),
      destination,
      packet,
      headerLength,
      payload: packet.subarray(headerLength),
      unicast: frame[0] % 2 === 0 && destination < 0xe0000000 && destination !== NETWORK_IP + 255,
    }
    const protocol = whole[9]
    if (protocol === PROTOCOL_UDP) this.#udp(given)
    else if (protocol === PROTOCOL_ICMP) this.#icmp(given)
    else if (protocol === PROTOCOL_TCP) this.#tcp(given)
    else this.#unreachable(given, UNREACHABLE_PROTOCOL)
  }

  #icmp(given: Packet): void {
    const { payload, destination, source } = given
    if (payload.length < ICMP_HEADER || checksum(payload) !== 0) return
    if (payload[0] !== ICMP_ECHO || !given.unicast) return
    if (macOf(destination) === undefined) {
      this.#unreachable(given, UNREACHABLE_NET)
      return
    }
    const reply = payload.slice()
    reply[0] = ICMP_ECHO_REPLY
    this.#sendIcmp(given.sourceMac, destination, source, reply)
  }

  #udp(given: Packet): void {
    const { payload } = given
    if (payload.length < UDP_HEADER) return
    const header = view(payload)
    const length = header.getUint16(4)
    if (length < UDP_HEADER || length > payload.length) return
    const datagram = payload.subarray(0, length)
    // Checksum 0: the sender made none.
    if (header.getUint16(6) !== 0 && transportChecksum(given.source, given.destination, PROTOCOL_UDP, datagram) !== 0)
      return
    const isServer = given.destination === GATEWAY_IP || given.destination === BROADCAST_IP
    if (header.getUint16(2) === DHCP_SERVER_PORT && isServer) this.#dhcp(datagram.subarray(UDP_HEADER))
    else this.#unreachable(given, UNREACHABLE_PORT)
  }

  /** There is nobody to connect to: whatever comes is reset, with the numbers that the RFC gives. */
  #tcp(given: Packet): void {
    const { payload, source, destination } = given
    if (payload.length < TCP_HEADER || !given.unicast) return
    const segment = view(payload)
    const dataOffset = (payload[12] >> 4) * 4
    if (dataOffset < TCP_HEADER || dataOffset > payload.length) return
    if (transportChecksum(source, destination, PROTOCOL_TCP, payload) !== 0) return
    const flags = payload[13]
    if ((flags & TCP_RST) !== 0) return
    const reply = new Uint8Array(TCP_HEADER)
    const out = view(reply)
    out.setUint16(0, segment.getUint16(2))
    out.setUint16(2, segment.getUint16(0))
    if ((flags & TCP_ACK) !== 0) {
      out.setUint32(4, segment.getUint32(8))
      reply[13] = TCP_RST
    } else {
      const occupied = payload.length - dataOffset + (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0)
      out.setUint32(8, (segment.getUint32(4) + occupied) >>> 0)
      reply[13] = TCP_RST | TCP_ACK
    }
    reply[12] = (TCP_HEADER / 4) << 4
    out.setUint16(16, transportChecksum(destination, source, PROTOCOL_TCP, reply))
    this.#sendIpv4(given.sourceMac, destination, source, PROTOCOL_TCP, reply)
  }

  /** Our own hosts say which door is closed; for the rest of the world the gateway answers. */
  #unreachable(given: Packet, ownCode: number): void {
    if (!given.unicast || given.source === 0) return
    const own = macOf(given.destination) !== undefined
    const local = (given.destination & NETWORK_MASK) >>> 0 === NETWORK_IP
    const code = own ? ownCode : local ? UNREACHABLE_HOST : UNREACHABLE_NET
    const quote = given.packet.subarray(0, Math.min(given.packet.length, given.headerLength + 8))
    const message = new Uint8Array(ICMP_HEADER + quote.length)
    message[0] = ICMP_UNREACHABLE
    message[1] = code
    message.set(quote, ICMP_HEADER)
    this.#sendIcmp(given.sourceMac, own ? given.destination : GATEWAY_IP, given.source, message)
  }

  #dhcp(message: Uint8Array): void {
    if (message.length < DHCP_FIXED) return
    const request = view(message)
    // BOOTREQUEST, Ethernet, 6 bytes of hardware address.
    if (message[0] !== 1 || message[1] !== 1 || message[2] !== 6 || request.getUint32(236) !== DHCP_COOKIE) return
    let type = 0
    let requested = 0
    let server = 0
    for (let i = DHCP_FIXED; i < message.length && message[i] !== OPTION_END; ) {
      if (message[i] === OPTION_PAD) {
        i++
        continue
      }
      const start = i + 2
      if (start > message.length) return
      const length = message[i + 1]
      if (start + length > message.length) return
      if (message[i] === OPTION_MESSAGE_TYPE && length === 1) type = message[start]
      else if (message[i] === OPTION_REQUESTED_IP && length === 4) requested = request.getUint32(start)
      else if (message[i] === OPTION_SERVER_ID && length === 4) server = request.getUint32(start)
      i = start + length
    }
    if (server !== 0 && server !== GATEWAY_IP) return
    const ciaddr = request.getUint32(12)
    switch (type) {
      case DHCPDISCOVER:
        this.#dhcpReply(message, DHCPOFFER)
        break
      case DHCPREQUEST:
        // SELECTING and INIT-REBOOT name the address in an option, RENEWING and REBINDING in ciaddr.
        this.#dhcpReply(message, (requested || ciaddr) === GUEST_IP ? DHCPACK : DHCPNAK)
        break
      case DHCPINFORM:
        this.#dhcpReply(message, DHCPACK, true)
        break
      // DHCPRELEASE and DHCPDECLINE: nothing is kept, so there is nothing to free. There is one address to give.
    }
  }

  #dhcpReply(message: Uint8Array, type: number, inform = false): void {
    const request = view(message)
    const ciaddr = request.getUint32(12)
    const flags = request.getUint16(10)
    const reply = new Uint8Array(DHCP_MIN)
    const out = view(reply)
    reply[0] = 2
    // htype, hlen; hops stay 0.
    reply.set(message.subarray(1, 3), 1)
    // xid.
    reply.set(message.subarray(4, 8), 4)
    out.setUint16(10, flags)
    if (type !== DHCPNAK) {
      if (type === DHCPACK) out.setUint32(12, ciaddr)
      if (!inform) out.setUint32(16, GUEST_IP)
      out.setUint32(20, GATEWAY_IP)
    }
    // giaddr and chaddr.
    reply.set(message.subarray(24, 44), 24)
    out.setUint32(236, DHCP_COOKIE)
    let at = DHCP_FIXED
    const option = (code: number, value: number): void => {
      reply[at] = code
      reply[at + 1] = 4
      out.setUint32(at + 2, value)
      at += 6
    }
    reply.set([OPTION_MESSAGE_TYPE, 1, type], at)
    at += 3
    option(OPTION_SERVER_ID, GATEWAY_IP)
    if (type !== DHCPNAK) {
      if (!inform) option(OPTION_LEASE_TIME, LEASE_TIME)
      option(OPTION_MASK, NETWORK_MASK)
      option(OPTION_ROUTER, GATEWAY_IP)
      option(OPTION_DNS, DNS_IP)
    }
    reply[at] = OPTION_END

    const datagram = new Uint8Array(UDP_HEADER + reply.length)
    const udp = view(datagram)
    udp.setUint16(0, DHCP_SERVER_PORT)
    udp.setUint16(2, DHCP_CLIENT_PORT)
    udp.setUint16(4, datagram.length)
    datagram.set(reply, UDP_HEADER)
    // RFC 2131 §4.1: to an address in use; else by broadcast if asked for or refusing; else to the address given.
    const broadcast = type === DHCPNAK || (ciaddr === 0 && (flags & DHCP_FLAG_BROADCAST) !== 0)
    const to = broadcast ? BROADCAST_IP : ciaddr !== 0 ? ciaddr : GUEST_IP
    const mac = broadcast ? BROADCAST_MAC : message.subarray(28, 34)
    udp.setUint16(6, transportChecksum(GATEWAY_IP, to, PROTOCOL_UDP, datagram) || 0xffff)
    this.#sendIpv4(mac, GATEWAY_IP, to, PROTOCOL_UDP, datagram)
  }

  /** Fills in the checksum. */
  #sendIcmp(mac: Uint8Array, from: number, to: number, message: Uint8Array): void {
    message[2] = 0
    message[3] = 0
    view(message).setUint16(2, checksum(message))
    this.#sendIpv4(mac, from, to, PROTOCOL_ICMP, message)
  }

  #sendIpv4(mac: Uint8Array, from: number, to: number, protocol: number, payload: Uint8Array): void {
    const packet = new Uint8Array(IP_HEADER + payload.length)
    const header = view(packet)
    packet[0] = 0x45
    header.setUint16(2, packet.length)
    header.setUint16(4, this.#identification)
    this.#identification = (this.#identification + 1) & 0xffff
    packet[8] = TTL
    packet[9] = protocol
    header.setUint32(12, from)
    header.setUint32(16, to)
    header.setUint16(10, checksum(packet.subarray(0, IP_HEADER)))
    packet.set(payload, IP_HEADER)
    this.#transmit(mac, macOf(from) ?? GATEWAY_MAC, ETHERTYPE_IPV4, packet)
  }

  #transmit(to: Uint8Array, from: readonly number[], type: number, payload: Uint8Array): void {
    const frame = new Uint8Array(ETHERNET_HEADER + payload.length)
    frame.set(to)
    frame.set(from, 6)
    frame[12] = type >> 8
    frame[13] = type & 0xff
    frame.set(payload, ETHERNET_HEADER)
    this.#receive(frame)
  }
}

const BROADCAST_MAC = new Uint8Array(6).fill(0xff)

const matches = (frame: Uint8Array, mac: readonly number[]): boolean => mac.every((byte, i) => frame[i] === byte)

/** Who we are at this address. */
const macOf = (ip: number): readonly number[] | undefined =>
  ip === GATEWAY_IP ? GATEWAY_MAC : ip === DNS_IP ? DNS_MAC : undefined

/** The checksum of UDP and TCP, over the pseudo header too; 0 over a segment that carries its own right one. */
export const transportChecksum = (
  source: number,
  destination: number,
  protocol: number,
  segment: Uint8Array,
): number => {
  const pseudo = new Uint8Array(12)
  const out = view(pseudo)
  out.setUint32(0, source)
  out.setUint32(4, destination)
  pseudo[9] = protocol
  out.setUint16(10, segment.length)
  return checksum(pseudo, segment)
}
