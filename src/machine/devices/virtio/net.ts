/**
 * virtio-net: one receive and one transmit queue, a MAC address, a link that is up. virtio 1.2 §5.1.
 *
 *   Each buffer: struct virtio_net_hdr, 12 bytes, 10 without VERSION_1, then the Ethernet frame without FCS
 *   +0 u8 flags  +1 u8 gso_type  +2 le16 hdr_len  +4 le16 gso_size  +6 le16 csum_start  +8 le16 csum_offset
 *   +10 le16 num_buffers
 *
 * Missing on purpose: checksum and segmentation offloads, F_MRG_RXBUF, the control queue (a driver then takes every
 * frame, and there are no others on this segment), F_MQ.
 */
import { assert } from '../../../base/assert.ts'
import type { PartState, StateReader } from '../../part.ts'
import { VIRTIO_F_VERSION_1, type VirtioDevice, type VirtioTransport } from './device.ts'
import type { Chain } from './virtqueue.ts'

export const VIRTIO_NET_F_MAC = 5
export const VIRTIO_NET_F_STATUS = 16

export const VIRTIO_NET_S_LINK_UP = 1

// struct virtio_net_config.
export const NET_CONFIG_MAC = 0
export const NET_CONFIG_STATUS = 6
export const NET_CONFIG_SIZE = 8

export const RECEIVEQ = 0
export const TRANSMITQ = 1

export const NET_HEADER = 12
/** Without VERSION_1 and F_MRG_RXBUF there is no num_buffers (§5.1.6.1). */
const NET_HEADER_LEGACY = 10
/** Ethernet header, and the largest frame: 1500 bytes, header and one VLAN tag. */
const FRAME_MIN = 14
const FRAME_MAX = 1518
/** Frames that wait for receive buffers; more are dropped, as on a wire. */
export const RECEIVE_LIMIT = 256

/** QEMU's first guest. */
export const DEFAULT_MAC: readonly number[] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]

/** The Ethernet segment that the device is plugged into. */
export interface EthernetSegment {
  /** A frame from the guest, without FCS; the segment may keep it. */
  send(frame: Uint8Array): void
}

export interface VirtioNetOptions {
  readonly segment: EthernetSegment
  readonly mac?: readonly number[]
  /** Told of each frame as it passes, for the timeline. */
  readonly onFrame?: (way: 'send' | 'receive', bytes: number) => void
}

export class VirtioNet implements VirtioDevice {
  readonly id = 1
  readonly name = 'virtio-net'
  readonly features: readonly number[] = [VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS]
  readonly notOnFirecracker = [VIRTIO_NET_F_STATUS]
  readonly queueCount = 2
  readonly config = new Uint8Array(NET_CONFIG_SIZE)
  /** Frames dropped for want of receive buffers, and frames the guest sent that are none. */
  dropped = 0

  readonly #segment: EthernetSegment
  readonly #onFrame: VirtioNetOptions['onFrame']
  readonly #transmit = (chain: Chain): number => this.#transmitted(chain)
  readonly #header = new Uint8Array(NET_HEADER)
  #transport!: VirtioTransport
  #waiting: Uint8Array[] = []

  constructor({ segment, mac = DEFAULT_MAC, onFrame }: VirtioNetOptions) {
    assert(mac.length === 6, `a MAC address has 6 bytes: ${mac.length}`)
    this.#segment = segment
    this.#onFrame = onFrame
    this.config.set(mac, NET_CONFIG_MAC)
    this.config[NET_CONFIG_STATUS] = VIRTIO_NET_S_LINK_UP
    // num_buffers is 1 without F_MRG_RXBUF (§5.1.6.3).
    this.#header[10] = 1
  }

  /** A frame for the guest, without FCS; the device keeps the array. */
  receive(frame: Uint8Array): void {
    if (!this.#transport.queue(RECEIVEQ).running || this.#waiting.length >= RECEIVE_LIMIT) {
      this.dropped++
      return
    }
    this.#waiting.push(frame)
    this.#deliver()
  }

  connect(transport: VirtioTransport): void {
    this.#transport = transport
  }

  notify(queue: number): void {
    if (queue === RECEIVEQ) this.#deliver()
    else this.#transport.queue(TRANSMITQ).drain(this.#transmit)
  }

  reset(): void {
    this.#waiting = []
    this.dropped = 0
  }

  get #headerBytes(): number {
    return this.#transport.has(VIRTIO_F_VERSION_1) ? NET_HEADER : NET_HEADER_LEGACY
  }

  save(): PartState {
    return { waiting: this.#waiting.map((frame) => frame.slice()), dropped: this.dropped }
  }

  load(state: StateReader): void {
    this.#waiting = state.byteStrings('waiting', RECEIVE_LIMIT, FRAME_MAX).map((frame) => frame.slice())
    this.dropped = state.integer('dropped', 0, Number.MAX_SAFE_INTEGER)
    state.end()
  }

  #transmitted(chain: Chain): number {
    const header = this.#headerBytes
    const length = chain.readable - header
    if (length < FRAME_MIN || length > FRAME_MAX) {
      this.dropped++
      this.#transport.log(`a frame of ${length} bytes sent`)
      return 0
    }
    const frame = new Uint8Array(length)
    chain.read(header, frame)
    this.#onFrame?.('send', length)
    this.#segment.send(frame)
    return 0
  }

  #deliver(): void {
    if (this.#waiting.length === 0) return
    const queue = this.#transport.queue(RECEIVEQ)
    const header = this.#headerBytes
    let done = 0
    for (; done < this.#waiting.length; done++) {
      const chain = queue.pop()
      if (chain === undefined) break
      const frame = this.#waiting[done]
      if (chain.writable < header + frame.length) {
        // Without F_MRG_RXBUF a frame cannot be split; the buffer serves a smaller one.
        queue.unpop()
        this.dropped++
        this.#transport.log(`a frame of ${frame.length} bytes did not fit a receive buffer of ${chain.writable}`)
        continue
      }
      this.#onFrame?.('receive', frame.length)
      chain.write(0, this.#header.subarray(0, header))
      chain.write(header, frame)
      queue.push(chain.head, header + frame.length)
    }
    this.#waiting.splice(0, done)
    queue.interrupt()
  }
}
