/**
 * A virtio driver for tests: it lays rings out in RAM, walks the status machine and exchanges buffers, all through the
 * registers and memory that a guest would use.
 */
import { GuestRam } from '../../../ram.ts'
import {
  ACKNOWLEDGE,
  DRIVER,
  DRIVER_OK,
  FEATURES_OK,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_VERSION_1,
  type VirtioDevice,
} from '../device.ts'
import * as mmio from '../mmio.ts'
import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from '../virtqueue.ts'

export interface Used {
  readonly id: number
  readonly len: number
}

/** A request in flight: where its writable buffers lie. */
export interface Request {
  readonly head: number
  readonly readable: readonly number[]
  readonly writable: readonly { readonly address: number; readonly length: number }[]
}

export interface AddOptions {
  readonly indirect?: boolean
}

export class DriverQueue {
  readonly desc: number
  readonly avail: number
  readonly used: number
  readonly size: number
  readonly #driver: FakeDriver
  readonly #index: number
  #nextDescriptor = 0
  #usedSeen = 0

  constructor(driver: FakeDriver, index: number, size: number) {
    this.#driver = driver
    this.#index = index
    this.size = size
    this.desc = driver.allocate(16 * size, 16)
    this.avail = driver.allocate(6 + 2 * size, 2)
    this.used = driver.allocate(6 + 8 * size, 4)
  }

  /** Writes one descriptor. */
  describe(at: number, address: number, length: number, flags: number, next = 0): void {
    const { ram } = this.#driver
    ram.writeU64(at, BigInt(address))
    ram.writeU32(at + 8, length)
    ram.writeU16(at + 12, flags)
    ram.writeU16(at + 14, next)
  }

  /** Puts a chain into the available ring: buffers the device reads, then lengths of buffers it writes. */
  add(
    readable: readonly Uint8Array[],
    writable: readonly number[] = [],
    { indirect = false }: AddOptions = {},
  ): Request {
    const driver = this.#driver
    const buffers = [
      ...readable.map((bytes) => {
        const address = driver.allocate(bytes.length)
        driver.ram.write(address, bytes)
        return { address, length: bytes.length, flags: 0 }
      }),
      ...writable.map((length) => {
        const address = driver.allocate(length)
        driver.ram.fill(address, length, 0xee)
        return { address, length, flags: VIRTQ_DESC_F_WRITE }
      }),
    ]
    const table = indirect ? driver.allocate(16 * buffers.length, 16) : this.desc
    const slots = buffers.map((_, i) => (indirect ? i : (this.#nextDescriptor + i) % this.size))
    buffers.forEach((buffer, i) => {
      const last = i === buffers.length - 1
      const flags = buffer.flags | (last ? 0 : VIRTQ_DESC_F_NEXT)
      this.describe(table + 16 * slots[i], buffer.address, buffer.length, flags, last ? 0 : slots[i + 1])
    })
    const head = this.#nextDescriptor
    if (indirect) this.describe(this.desc + 16 * head, table, 16 * buffers.length, VIRTQ_DESC_F_INDIRECT)
    this.#nextDescriptor = (head + (indirect ? 1 : buffers.length)) % this.size
    this.offer(head)
    return {
      head,
      readable: buffers.filter((b) => b.flags === 0).map((b) => b.address),
      writable: buffers.filter((b) => b.flags !== 0),
    }
  }

  /** Makes a descriptor that is there already available. */
  offer(head: number): void {
    const { ram } = this.#driver
    const idx = ram.readU16(this.avail + 2)
    ram.writeU16(this.avail + 4 + 2 * (idx % this.size), head)
    ram.writeU16(this.avail + 2, (idx + 1) & 0xffff)
  }

  kick(): void {
    this.#driver.write(mmio.QueueNotify, this.#index)
  }

  /** used_event, the driver's side of EVENT_IDX. */
  set usedEvent(idx: number) {
    this.#driver.ram.writeU16(this.avail + 4 + 2 * this.size, idx)
  }
  get availEvent(): number {
    return this.#driver.ram.readU16(this.used + 4 + 8 * this.size)
  }
  set availFlags(flags: number) {
    this.#driver.ram.writeU16(this.avail, flags)
  }

  /** Chains used since the last call. */
  takeUsed(): Used[] {
    const { ram } = this.#driver
    const idx = ram.readU16(this.used + 2)
    const taken: Used[] = []
    for (; this.#usedSeen !== idx; this.#usedSeen = (this.#usedSeen + 1) & 0xffff) {
      const at = this.used + 4 + 8 * (this.#usedSeen % this.size)
      taken.push({ id: ram.readU32(at), len: ram.readU32(at + 4) })
    }
    return taken
  }

  /** One request, there and back: what the device wrote. */
  exchange(readable: readonly Uint8Array[], writable: readonly number[] = [], options: AddOptions = {}): Exchange {
    const request = this.add(readable, writable, options)
    this.kick()
    const [used] = this.takeUsed()
    return { used, written: request.writable.map(({ address, length }) => this.#driver.ram.read(address, length)) }
  }
}

export interface Exchange {
  readonly used: Used | undefined
  readonly written: readonly Uint8Array[]
}

export interface FakeDriverOptions {
  readonly ramSize?: number
  readonly personality?: mmio.Personality
}

export class FakeDriver {
  readonly ram: GuestRam
  readonly transport: mmio.VirtioMmio
  readonly log: string[] = []
  /** The interrupt line. */
  level = false
  /** How many times it rose. */
  interrupts = 0
  #heap = 0x1000

  constructor(device: VirtioDevice, { ramSize = 0x200000, personality }: FakeDriverOptions = {}) {
    this.ram = new GuestRam(new SharedArrayBuffer(ramSize), 0, ramSize)
    this.transport = new mmio.VirtioMmio({
      ram: this.ram,
      device,
      line: {
        set: (level) => {
          if (level && !this.level) this.interrupts++
          this.level = level
        },
      },
      log: (line) => this.log.push(line),
      ...(personality === undefined ? {} : { personality }),
    })
  }

  read(register: number): number {
    return this.transport.read(register, 4)
  }
  write(register: number, value: number): void {
    this.transport.write(register, 4, value)
  }

  allocate(length: number, align = 1): number {
    const address = Math.ceil(this.#heap / align) * align
    this.#heap = address + length
    if (this.#heap > this.ram.size) throw new Error('the fake driver ran out of RAM')
    return address
  }

  /** Where allocation goes on; set it back to reuse the buffers of requests that are done. */
  get mark(): number {
    return this.#heap
  }
  set mark(address: number) {
    this.#heap = address
  }

  /** All feature bits offered. */
  offered(): number[] {
    const bits: number[] = []
    for (const word of [0, 1]) {
      this.write(mmio.DeviceFeaturesSel, word)
      const value = this.read(mmio.DeviceFeatures)
      for (let bit = 0; bit < 32; bit++) if (((value >>> bit) & 1) !== 0) bits.push(32 * word + bit)
    }
    return bits
  }

  accept(features: readonly number[]): void {
    for (const word of [0, 1]) {
      this.write(mmio.DriverFeaturesSel, word)
      let value = 0
      for (const bit of features) if (bit >> 5 === word) value |= 1 << (bit & 31)
      this.write(mmio.DriverFeatures, value >>> 0)
    }
  }

  setStatus(bits: number): void {
    this.write(mmio.Status, this.read(mmio.Status) | bits)
  }

  /** Reset to FEATURES_OK. By default every feature offered but EVENT_IDX. */
  negotiate(features: readonly number[] = this.offered().filter((bit) => bit !== VIRTIO_F_EVENT_IDX)): void {
    this.write(mmio.Status, 0)
    this.setStatus(ACKNOWLEDGE)
    this.setStatus(DRIVER)
    this.accept([...features, VIRTIO_F_VERSION_1])
    this.setStatus(FEATURES_OK)
  }

  setUpQueue(index: number, size = 64): DriverQueue {
    const queue = new DriverQueue(this, index, size)
    this.write(mmio.QueueSel, index)
    this.write(mmio.QueueNum, size)
    this.write(mmio.QueueDescLow, queue.desc)
    this.write(mmio.QueueDescHigh, 0)
    this.write(mmio.QueueDriverLow, queue.avail)
    this.write(mmio.QueueDriverHigh, 0)
    this.write(mmio.QueueDeviceLow, queue.used)
    this.write(mmio.QueueDeviceHigh, 0)
    this.write(mmio.QueueReady, 1)
    return queue
  }

  /** The whole way from reset to DRIVER_OK. */
  start({ features, queues, size }: { features?: readonly number[]; queues: number; size?: number }): DriverQueue[] {
    this.negotiate(features)
    const all = Array.from({ length: queues }, (_, i) => this.setUpQueue(i, size))
    this.setStatus(DRIVER_OK)
    return all
  }

  /** Reads InterruptStatus and acknowledges it, as an interrupt handler does. */
  acknowledge(): number {
    const status = this.read(mmio.InterruptStatus)
    this.write(mmio.InterruptACK, status)
    return status
  }
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
export const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
