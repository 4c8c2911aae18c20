/**
 * Split virtqueue, the device's side. virtio 1.2 §2.7.
 *
 *   Descriptor table, 16 bytes each        Driver area (available)      Device area (used)
 *   +0  le64 addr                          +0 le16 flags                +0 le16 flags
 *   +8  le32 len                           +2 le16 idx                  +2 le16 idx
 *   +12 le16 flags                         +4 le16 ring[QueueNum]       +4 { le32 id, le32 len }[QueueNum]
 *   +14 le16 next                          +4+2*QueueNum used_event     +4+8*QueueNum avail_event
 *
 * The guest does not run while the device looks, so there are no barriers and nothing is read twice for safety's sake:
 * a chain is copied out of the table and checked before any of its buffers is touched. A rule broken by the driver
 * fails the queue (and so the device, §2.1.2); it never throws.
 * Missing on purpose: packed virtqueues, VIRTIO_F_IN_ORDER, VIRTQ_USED_F_NO_NOTIFY.
 */
import { hex } from '../../../base/hex.ts'
import type { PartState, StateReader } from '../../part.ts'
import type { GuestRam } from '../../ram.ts'

export const VIRTQ_DESC_F_NEXT = 1
export const VIRTQ_DESC_F_WRITE = 2
export const VIRTQ_DESC_F_INDIRECT = 4
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1

export const VIRTQ_DESC_SIZE = 16
/** Largest QueueNum, and the longest chain taken, direct or indirect: QEMU's VIRTQUEUE_MAX_SIZE. */
export const VIRTQUEUE_MAX_SIZE = 1024

/** What a queue tells its transport. */
export interface VirtqueueOwner {
  /** Buffers were used and the driver did not suppress the interrupt. */
  usedBuffers(): void
  queueFailed(index: number, reason: string): void
}

/** Where a device's bytes come from. A BlockBackend is one. */
export interface ByteSource {
  read(offset: number, into: Uint8Array): void
}
export interface ByteSink {
  write(offset: number, bytes: Uint8Array): void
}

/**
 * One descriptor chain: the device-readable bytes, then the device-writable ones, each as one run of positions from 0.
 * A queue has one, loaded again by each pop.
 */
export class Chain {
  /** Index of the first descriptor, the chain's name in the used ring. */
  head = 0
  /** Device-readable bytes. */
  readable = 0
  /** Device-writable bytes. */
  writable = 0
  readonly #ram: GuestRam
  readonly #address = new Uint32Array(VIRTQUEUE_MAX_SIZE)
  readonly #length = new Uint32Array(VIRTQUEUE_MAX_SIZE)
  #count = 0
  #firstWritable = 0

  constructor(ram: GuestRam) {
    this.#ram = ram
  }

  /** Copies the chain at `head` out of the table. Returns the rule broken, if one was. */
  load(table: number, size: number, head: number, indirectAllowed: boolean): string | undefined {
    const ram = this.#ram
    this.head = head
    this.readable = 0
    this.writable = 0
    this.#count = 0
    this.#firstWritable = 0
    let index = head
    let left = size
    let indirect = false
    for (;;) {
      if (left-- === 0) return 'a descriptor chain loops'
      const descriptor = table + VIRTQ_DESC_SIZE * index
      const address = ram.readU32(descriptor)
      const length = ram.readU32(descriptor + 8)
      const flags = ram.readU16(descriptor + 12)
      if (length === 0) return 'a descriptor has length 0'
      if (ram.readU32(descriptor + 4) !== 0 || !ram.contains(address, length))
        return `a descriptor points outside RAM: ${hex(ram.readU64(descriptor))}, ${hex(length)} bytes`

      if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
        // §2.7.5.3: the WRITE flag of the descriptor that points to the table is ignored.
        if (!indirectAllowed) return 'an indirect descriptor, though VIRTIO_F_INDIRECT_DESC was not negotiated'
        if (indirect) return 'an indirect descriptor inside an indirect table'
        if ((flags & VIRTQ_DESC_F_NEXT) !== 0) return 'a descriptor with both INDIRECT and NEXT'
        if (length % VIRTQ_DESC_SIZE !== 0) return `an indirect table of ${length} bytes, not a multiple of 16`
        indirect = true
        table = address
        size = left = length / VIRTQ_DESC_SIZE
        index = 0
        continue
      }

      const count = this.#count
      if (count === VIRTQUEUE_MAX_SIZE) return `a descriptor chain longer than ${VIRTQUEUE_MAX_SIZE}`
      this.#address[count] = address
      this.#length[count] = length
      this.#count = count + 1
      if ((flags & VIRTQ_DESC_F_WRITE) !== 0) this.writable += length
      else {
        if (this.writable !== 0) return 'a device-readable descriptor after a device-writable one'
        this.readable += length
        this.#firstWritable = count + 1
      }
      // §2.7.5 allows 2^32 bytes; more than RAM holds is the same buffer many times over.
      if (this.readable + this.writable > ram.size) return 'a descriptor chain of more bytes than RAM'
      if ((flags & VIRTQ_DESC_F_NEXT) === 0) return undefined
      index = ram.readU16(descriptor + 14)
      if (index >= size) return `a descriptor's next is ${index}, beyond a table of ${size}`
    }
  }

  /** Readable bytes from `position` on into `into`, as many as there are; returns how many. */
  read(position: number, into: Uint8Array): number {
    const length = Math.min(into.length, this.readable - position)
    let done = 0
    for (let i = 0; i < this.#firstWritable && done < length; i++) {
      const size = this.#length[i]
      if (position >= size) {
        position -= size
        continue
      }
      const take = Math.min(size - position, length - done)
      const from = this.#address[i] + position
      into.set(this.#ram.bytes.subarray(from, from + take), done)
      done += take
      position = 0
    }
    return done
  }

  /** Writes `bytes` at writable `position`, as much as fits; returns how much did. */
  write(position: number, bytes: Uint8Array): number {
    const length = Math.min(bytes.length, this.writable - position)
    let done = 0
    for (let i = this.#firstWritable; i < this.#count && done < length; i++) {
      const size = this.#length[i]
      if (position >= size) {
        position -= size
        continue
      }
      const take = Math.min(size - position, length - done)
      this.#ram.write(this.#address[i] + position, take === bytes.length ? bytes : bytes.subarray(done, done + take))
      done += take
      position = 0
    }
    return done
  }

  writeU8(position: number, value: number): void {
    for (let i = this.#firstWritable; i < this.#count; i++) {
      const size = this.#length[i]
      if (position < size) {
        this.#ram.writeU8(this.#address[i] + position, value)
        return
      }
      position -= size
    }
  }

  /** Hands `length` readable bytes from `position` on to `sink`, as views of RAM, one a buffer. */
  readTo(position: number, length: number, sink: ByteSink, offset: number): void {
    for (let i = 0; i < this.#firstWritable && length > 0; i++) {
      const size = this.#length[i]
      if (position >= size) {
        position -= size
        continue
      }
      const take = Math.min(size - position, length)
      const from = this.#address[i] + position
      sink.write(offset, this.#ram.bytes.subarray(from, from + take))
      offset += take
      length -= take
      position = 0
    }
  }

  /** Has `source` fill `length` writable bytes from `position` on, in place: no copy between. */
  writeFrom(position: number, length: number, source: ByteSource, offset: number): void {
    const ram = this.#ram
    for (let i = this.#firstWritable; i < this.#count && length > 0; i++) {
      const size = this.#length[i]
      if (position >= size) {
        position -= size
        continue
      }
      const take = Math.min(size - position, length)
      const at = this.#address[i] + position
      try {
        source.read(offset, ram.bytes.subarray(at, at + take))
      } finally {
        ram.onWrite(at, take)
      }
      offset += take
      length -= take
      position = 0
    }
  }
}

export class Virtqueue {
  readonly index: number
  /** The registers, as the driver wrote them. */
  QueueNum = 0
  QueueReady = 0
  QueueDescLow = 0
  QueueDescHigh = 0
  QueueDriverLow = 0
  QueueDriverHigh = 0
  QueueDeviceLow = 0
  QueueDeviceHigh = 0

  /** DRIVER_OK, QueueReady and nothing wrong: the transport keeps this. Otherwise the queue has no buffers. */
  running = false
  /** Negotiated features. */
  eventIdx = false
  indirect = false

  readonly #ram: GuestRam
  readonly #owner: VirtqueueOwner
  readonly #chain: Chain
  #mask = 0
  #desc = 0
  #avail = 0
  #used = 0
  /** Next entry of the available ring, modulo 2^16. */
  #availIdx = 0
  /** Our `used.idx`. */
  #usedIdx = 0
  /** `used.idx` when the driver was last interrupted or found not to want it. */
  #signalledIdx = 0
  /** What `avail_event` says now. */
  #availEvent = 0

  constructor(ram: GuestRam, index: number, owner: VirtqueueOwner) {
    this.#ram = ram
    this.index = index
    this.#owner = owner
    this.#chain = new Chain(ram)
  }

  /** QueueReady was set: takes the addresses. Returns what is wrong with them, if something is. */
  enable(): string | undefined {
    const wrong = this.#wrong()
    if (wrong !== undefined) return wrong
    this.#take()
    this.#availIdx = 0
    this.#usedIdx = 0
    this.#signalledIdx = 0
    this.#availEvent = 0
    this.QueueReady = 1
    return undefined
  }

  #wrong(): string | undefined {
    const num = this.QueueNum
    if (num === 0 || num > VIRTQUEUE_MAX_SIZE || (num & (num - 1)) !== 0)
      return `QueueNum ${num} is not a power of 2 up to ${VIRTQUEUE_MAX_SIZE}`
    return (
      this.#misplaced('descriptor table', this.QueueDescLow, this.QueueDescHigh, 16, 16 * num) ??
      this.#misplaced('driver area', this.QueueDriverLow, this.QueueDriverHigh, 2, 6 + 2 * num) ??
      this.#misplaced('device area', this.QueueDeviceLow, this.QueueDeviceHigh, 4, 6 + 8 * num)
    )
  }

  #take(): void {
    this.#mask = this.QueueNum - 1
    this.#desc = this.QueueDescLow
    this.#avail = this.QueueDriverLow
    this.#used = this.QueueDeviceLow
  }

  /** The next available chain, valid until the next pop; undefined when there is none. */
  pop(): Chain | undefined {
    if (!this.running) return undefined
    const ram = this.#ram
    const at = this.#availIdx
    const pending = (ram.readU16(this.#avail + 2) - at) & 0xffff
    if (pending === 0) {
      // §2.7.10: ask for a notification of the next buffer. Until the queue runs dry, none is needed.
      if (this.eventIdx && this.#availEvent !== at) {
        this.#availEvent = at
        ram.writeU16(this.#used + 4 + 8 * this.QueueNum, at)
      }
      return undefined
    }
    if (pending > this.QueueNum) return this.fail(`avail.idx is ${pending} ahead in a queue of ${this.QueueNum}`)
    const head = ram.readU16(this.#avail + 4 + 2 * (at & this.#mask))
    if (head >= this.QueueNum) return this.fail(`the available ring names descriptor ${head} of ${this.QueueNum}`)
    const broken = this.#chain.load(this.#desc, this.QueueNum, head, this.indirect)
    if (broken !== undefined) return this.fail(broken)
    this.#availIdx = (at + 1) & 0xffff
    return this.#chain
  }

  /** Gives the chain popped last back, unused: the next pop returns it again. */
  unpop(): void {
    this.#availIdx = (this.#availIdx - 1) & 0xffff
  }

  /** Returns a chain to the driver. `written`: bytes written from the start of its writable part on. */
  push(head: number, written: number): void {
    if (!this.running) return
    const ram = this.#ram
    const element = this.#used + 4 + 8 * (this.#usedIdx & this.#mask)
    ram.writeU32(element, head)
    ram.writeU32(element + 4, written)
    this.#usedIdx = (this.#usedIdx + 1) & 0xffff
    ram.writeU16(this.#used + 2, this.#usedIdx)
  }

  /** After pushes: interrupts the driver unless it asked not to be. §2.7.7 */
  interrupt(): void {
    const used = this.#usedIdx
    const since = (used - this.#signalledIdx) & 0xffff
    if (since === 0 || !this.running) return
    this.#signalledIdx = used
    const wanted = this.eventIdx
      ? ((used - this.#ram.readU16(this.#avail + 4 + 2 * this.QueueNum) - 1) & 0xffff) < since
      : (this.#ram.readU16(this.#avail) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0
    if (wanted) this.#owner.usedBuffers()
  }

  /** Serves every available chain, then interrupts. `serve` returns the bytes it wrote. */
  drain(serve: (chain: Chain) => number): void {
    // The driver stands still meanwhile. More chains than the queue has entries can only come of rings that overlap.
    for (let left = this.QueueNum; ; left--) {
      const chain = this.pop()
      if (chain === undefined) break
      if (left === 0) {
        this.fail('the available ring refills itself')
        break
      }
      this.push(chain.head, serve(chain))
    }
    this.interrupt()
  }

  fail(reason: string): undefined {
    this.running = false
    this.#owner.queueFailed(this.index, reason)
    return undefined
  }

  reset(): void {
    this.running = false
    this.QueueNum = 0
    this.QueueReady = 0
    this.QueueDescLow = 0
    this.QueueDescHigh = 0
    this.QueueDriverLow = 0
    this.QueueDriverHigh = 0
    this.QueueDeviceLow = 0
    this.QueueDeviceHigh = 0
  }

  save(): PartState {
    const ready = this.QueueReady !== 0
    return {
      QueueNum: this.QueueNum,
      QueueReady: this.QueueReady,
      QueueDescLow: this.QueueDescLow,
      QueueDescHigh: this.QueueDescHigh,
      QueueDriverLow: this.QueueDriverLow,
      QueueDriverHigh: this.QueueDriverHigh,
      QueueDeviceLow: this.QueueDeviceLow,
      QueueDeviceHigh: this.QueueDeviceHigh,
      // A queue that is not ready begins anew when it is.
      availIdx: ready ? this.#availIdx : 0,
      usedIdx: ready ? this.#usedIdx : 0,
      signalledIdx: ready ? this.#signalledIdx : 0,
      availEvent: ready ? this.#availEvent : 0,
    }
  }

  /** Whether it runs, and how, is the transport's to say. */
  load(s: StateReader): void {
    this.QueueNum = s.u32('QueueNum')
    this.QueueReady = s.integer('QueueReady', 0, 1)
    this.QueueDescLow = s.u32('QueueDescLow')
    this.QueueDescHigh = s.u32('QueueDescHigh')
    this.QueueDriverLow = s.u32('QueueDriverLow')
    this.QueueDriverHigh = s.u32('QueueDriverHigh')
    this.QueueDeviceLow = s.u32('QueueDeviceLow')
    this.QueueDeviceHigh = s.u32('QueueDeviceHigh')
    this.#availIdx = s.u16('availIdx')
    this.#usedIdx = s.u16('usedIdx')
    this.#signalledIdx = s.u16('signalledIdx')
    this.#availEvent = s.u16('availEvent')
    s.end()
    if (this.QueueReady === 0) return
    const wrong = this.#wrong()
    if (wrong !== undefined) s.refuse('QueueReady', `a queue that can be: ${wrong}`)
    this.#take()
  }

  #misplaced(what: string, low: number, high: number, align: number, length: number): string | undefined {
    if (high === 0 && low % align === 0 && this.#ram.contains(low, length)) return undefined
    return `the ${what} at ${hex((BigInt(high) << 32n) | BigInt(low))} is outside RAM or not aligned to ${align}`
  }
}
