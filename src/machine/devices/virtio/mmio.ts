/**
 * virtio over MMIO, version 2 ("modern"): registers, status machine, feature negotiation, interrupts.
 * virtio 1.2 §4.2, §2.1, §3.1.
 *
 * Which profile's hardware it passes for is its Personality: QEMU's virtio-mmio shows 1024 for every queue, whatever
 * size the device asked for, vendor 'QEMU', and takes any status; Firecracker shows 256 and vendor 0, offers less, and holds
 * drivers to the order of §3.1.1.
 * Missing on purpose: version 1 ("legacy"), shared memory regions, notification data.
 */
import { assert } from '../../../base/assert.ts'
import { hex } from '../../../base/hex.ts'
import type { ProfileName } from '../../../settings/settings.ts'
import { type AccessSize, type BusDevice, OPEN_BUS } from '../../bus.ts'
import type { InterruptLine } from '../../interrupt-line.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { GuestRam } from '../../ram.ts'
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
import { VIRTQUEUE_MAX_SIZE, Virtqueue, type VirtqueueOwner } from './virtqueue.ts'

// Registers, virtio 1.2 §4.2.2.
export const MagicValue = 0x000
export const Version = 0x004
export const DeviceID = 0x008
export const VendorID = 0x00c
export const DeviceFeatures = 0x010
export const DeviceFeaturesSel = 0x014
export const DriverFeatures = 0x020
export const DriverFeaturesSel = 0x024
export const QueueSel = 0x030
export const QueueNumMax = 0x034
export const QueueNum = 0x038
export const QueueReady = 0x044
export const QueueNotify = 0x050
export const InterruptStatus = 0x060
export const InterruptACK = 0x064
export const Status = 0x070
export const QueueDescLow = 0x080
export const QueueDescHigh = 0x084
export const QueueDriverLow = 0x090
export const QueueDriverHigh = 0x094
export const QueueDeviceLow = 0x0a0
export const QueueDeviceHigh = 0x0a4
export const SHMSel = 0x0ac
export const SHMLenLow = 0x0b0
export const SHMLenHigh = 0x0b4
export const SHMBaseLow = 0x0b8
export const SHMBaseHigh = 0x0bc
export const QueueReset = 0x0c0
export const ConfigGeneration = 0x0fc
export const Config = 0x100

/** 'virt', little endian. */
export const MAGIC = 0x74726976
export const VERSION = 2

// InterruptStatus.
export const USED_BUFFER = 1
export const CONFIG_CHANGE = 2

/**
 * What the driver may write to Status next, virtio 1.2 §3.1.1. FAILED may come at any time, 0 is a reset, and writing
 * what is there already changes nothing; the rest is refused.
 */
const VALID_TRANSITIONS: readonly (readonly [from: number, to: number])[] = [
  [0, ACKNOWLEDGE],
  [ACKNOWLEDGE, ACKNOWLEDGE | DRIVER],
  [ACKNOWLEDGE | DRIVER, ACKNOWLEDGE | DRIVER | FEATURES_OK],
  [ACKNOWLEDGE | DRIVER | FEATURES_OK, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK],
]

export interface Personality {
  readonly vendorId: number
  /** QueueNumMax of every queue that the device has. */
  readonly queueNumMax: number
  /** Feature bits of the ring, offered by every device. */
  readonly ringFeatures: readonly number[]
  /** Devices offer what Firecracker's do, and not all that they have. */
  readonly likeFirecracker: boolean
  /**
   * Whether Status moves by the steps of §3.1.1 alone and FEATURES_OK needs features that were offered. Otherwise every
   * status is taken, and features that were not offered are not had: drivers that were only ever tried on QEMU rely on it.
   */
  readonly strict: boolean
}

export const PERSONALITIES: Readonly<Record<ProfileName, Personality>> = {
  /** QEMU 7.2, hw/virtio/virtio-mmio.c and include/hw/virtio/virtio.h. */
  microvm: {
    vendorId: 0x554d4551,
    queueNumMax: VIRTQUEUE_MAX_SIZE,
    ringFeatures: [VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1, VIRTIO_F_RING_RESET],
    likeFirecracker: false,
    strict: false,
  },
  /** Firecracker, src/vmm/src/devices/virtio: no indirect descriptors. */
  firecracker: {
    vendorId: 0,
    queueNumMax: 256,
    ringFeatures: [VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1],
    likeFirecracker: true,
    strict: true,
  },
}

export interface VirtioMmioOptions {
  /** The part's. */
  readonly name?: string
  readonly ram: GuestRam
  readonly line: InterruptLine
  readonly device: VirtioDevice
  readonly personality?: Personality
  readonly log?: (line: string) => void
  /** All that was asked of the device so far is answered: the driver has acknowledged it, or does not want to be told. */
  readonly onAnswered?: () => void
}

export class VirtioMmio implements BusDevice, Part, VirtioTransport, VirtqueueOwner {
  readonly name: string
  DeviceFeaturesSel = 0
  DriverFeaturesSel = 0
  QueueSel = 0
  InterruptStatus = 0
  Status = 0
  ConfigGeneration = 0

  readonly #line: InterruptLine
  readonly #device: VirtioDevice
  readonly #personality: Personality
  readonly #queues: Virtqueue[] = []
  /** 64 bits as two words, index Device/DriverFeaturesSel. */
  readonly #deviceFeatures = new Uint32Array(2)
  readonly #driverFeatures = new Uint32Array(2)
  readonly #log: (line: string) => void
  readonly #onAnswered: (() => void) | undefined
  readonly #logged = new Set<string>()
  #level = false

  constructor({
    name = 'virtio',
    ram,
    line,
    device,
    personality = PERSONALITIES.microvm,
    log = () => {},
    onAnswered,
  }: VirtioMmioOptions) {
    assert(device.queueCount > 0 && device.queueCount <= 64, `a device has 1 to 64 queues: ${device.queueCount}`)
    this.name = name
    this.#line = line
    this.#device = device
    this.#personality = personality
    this.#log = log
    this.#onAnswered = onAnswered
    const withheld = (personality.likeFirecracker && device.notOnFirecracker) || []
    for (const bit of [...device.features, ...personality.ringFeatures])
      if (!withheld.includes(bit)) this.#deviceFeatures[bit >> 5] |= 1 << (bit & 31)
    for (let i = 0; i < device.queueCount; i++) this.#queues.push(new Virtqueue(ram, i, this))
    device.connect(this)
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= Config) return this.#readConfig(offset - Config, size)
    if (size !== 4 || (offset & 3) !== 0) {
      this.log(`register ${hex(offset)} read ${size} bytes wide; they are 4 bytes wide`)
      return 0
    }
    const queue = this.#queues[this.QueueSel]
    switch (offset) {
      case MagicValue:
        return MAGIC
      case Version:
        return VERSION
      case DeviceID:
        return this.#device.id
      case VendorID:
        return this.#personality.vendorId
      case DeviceFeatures:
        return this.#deviceFeatures[this.DeviceFeaturesSel] ?? 0
      case QueueNumMax:
        return queue === undefined ? 0 : this.#personality.queueNumMax
      case QueueReady:
        return queue?.QueueReady ?? 0
      case InterruptStatus:
        return this.InterruptStatus
      case Status:
        return this.Status
      // §4.2.2.1: a shared memory region that does not exist has length -1.
      case SHMLenLow:
      case SHMLenHigh:
      case SHMBaseLow:
      case SHMBaseHigh:
        return 0xffffffff
      // A queue reset is over by the time the driver can ask.
      case QueueReset:
        return 0
      case ConfigGeneration:
        return this.ConfigGeneration
      default:
        this.log(`register ${hex(offset)} read; it is write-only or not there`)
        return 0
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= Config) {
      this.#writeConfig(offset - Config, size, value)
      return
    }
    if (size !== 4 || (offset & 3) !== 0) {
      this.log(`register ${hex(offset)} written ${size} bytes wide; they are 4 bytes wide`)
      return
    }
    switch (offset) {
      case DeviceFeaturesSel:
        this.DeviceFeaturesSel = value
        break
      case DriverFeatures:
        this.#acceptFeatures(value)
        break
      case DriverFeaturesSel:
        this.DriverFeaturesSel = value
        break
      case QueueSel:
        this.QueueSel = value
        break
      case QueueNum:
        this.#setUp((queue) => (queue.QueueNum = value))
        break
      case QueueReady:
        this.#setReady(value)
        break
      case QueueNotify:
        this.#notify(value)
        break
      case InterruptACK:
        this.#setInterrupt(this.InterruptStatus & ~value)
        if ((value & USED_BUFFER) !== 0) this.#onAnswered?.()
        break
      case Status:
        this.#setStatus(value & 0xff)
        break
      case QueueDescLow:
        this.#setUp((queue) => (queue.QueueDescLow = value))
        break
      case QueueDescHigh:
        this.#setUp((queue) => (queue.QueueDescHigh = value))
        break
      case QueueDriverLow:
        this.#setUp((queue) => (queue.QueueDriverLow = value))
        break
      case QueueDriverHigh:
        this.#setUp((queue) => (queue.QueueDriverHigh = value))
        break
      case QueueDeviceLow:
        this.#setUp((queue) => (queue.QueueDeviceLow = value))
        break
      case QueueDeviceHigh:
        this.#setUp((queue) => (queue.QueueDeviceHigh = value))
        break
      case SHMSel:
        break
      case QueueReset:
        this.#resetQueue(value)
        break
      default:
        this.log(`register ${hex(offset)} written; it is read-only or not there`)
    }
  }

  /** Device reset, by the driver or by power. ConfigGeneration goes on counting. */
  reset(): void {
    this.Status = 0
    this.DeviceFeaturesSel = 0
    this.DriverFeaturesSel = 0
    this.QueueSel = 0
    this.#driverFeatures.fill(0)
    for (const queue of this.#queues) queue.reset()
    this.#applyFeatures()
    this.#device.reset()
    this.#setInterrupt(0)
  }

  save(): PartState {
    return {
      DeviceID: this.#device.id,
      DeviceFeaturesSel: this.DeviceFeaturesSel,
      DriverFeaturesSel: this.DriverFeaturesSel,
      DriverFeatures: [...this.#driverFeatures],
      QueueSel: this.QueueSel,
      InterruptStatus: this.InterruptStatus,
      Status: this.Status,
      ConfigGeneration: this.ConfigGeneration,
      queues: this.#queues.map((queue) => queue.save()),
      device: this.#device.save(),
    }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    s.oneOf('DeviceID', [this.#device.id])
    this.DeviceFeaturesSel = s.u32('DeviceFeaturesSel')
    this.DriverFeaturesSel = s.u32('DriverFeaturesSel')
    this.#driverFeatures.set(s.u32s('DriverFeatures', 2))
    this.QueueSel = s.u32('QueueSel')
    this.InterruptStatus = s.u32('InterruptStatus') & (USED_BUFFER | CONFIG_CHANGE)
    this.Status = s.u8('Status')
    this.ConfigGeneration = s.u32('ConfigGeneration')
    if ((this.Status & FEATURES_OK) !== 0 && this.#driverFeatures.some((word, i) => word & ~this.#deviceFeatures[i]))
      s.refuse('DriverFeatures', 'features that the device offers')
    const queues = s.groups('queues', this.#queues.length)
    if (queues.length !== this.#queues.length) s.refuse('queues', `${this.#queues.length} queues`)
    this.#queues.forEach((queue, i) => {
      queue.load(queues[i])
    })
    this.#level = this.InterruptStatus !== 0
    this.#applyFeatures()
    this.#applyStatus()
    this.#device.load(s.group('device'))
    s.end()
  }

  // VirtioTransport

  has(feature: number): boolean {
    return (this.Status & FEATURES_OK) !== 0 && ((this.#driverFeatures[feature >> 5] >>> (feature & 31)) & 1) !== 0
  }

  queue(index: number): Virtqueue {
    return this.#queues[index]
  }

  configChanged(): void {
    this.ConfigGeneration = (this.ConfigGeneration + 1) >>> 0
    if ((this.Status & DRIVER_OK) !== 0) this.#setInterrupt(this.InterruptStatus | CONFIG_CHANGE)
  }

  /** §2.1.2: once DRIVER_OK is set, the driver is told by a configuration change. */
  needsReset(reason: string): void {
    this.log(`${reason}: the device needs a reset`)
    if ((this.Status & DEVICE_NEEDS_RESET) !== 0) return
    this.Status |= DEVICE_NEEDS_RESET
    this.#applyStatus()
    if ((this.Status & DRIVER_OK) !== 0) this.#setInterrupt(this.InterruptStatus | CONFIG_CHANGE)
  }

  log(line: string): void {
    // Bounded, since some lines carry the driver's numbers.
    if (this.#logged.has(line) || this.#logged.size >= 64) return
    this.#logged.add(line)
    this.#log(`${this.#device.name}: ${line}`)
  }

  // VirtqueueOwner

  usedBuffers(): void {
    this.#setInterrupt(this.InterruptStatus | USED_BUFFER)
  }

  queueFailed(index: number, reason: string): void {
    this.needsReset(`queue ${index}: ${reason}`)
  }

  #setInterrupt(status: number): void {
    this.InterruptStatus = status
    const level = status !== 0
    if (level === this.#level) return
    this.#level = level
    this.#line.set(level)
  }

  #acceptFeatures(value: number): void {
    if ((this.Status & FEATURES_OK) !== 0) {
      this.log('DriverFeatures written after FEATURES_OK')
      return
    }
    if (this.DriverFeaturesSel < 2) this.#driverFeatures[this.DriverFeaturesSel] = value
    else if (value !== 0)
      this.log(`DriverFeatures ${hex(value)} written for bits from ${32 * this.DriverFeaturesSel} on`)
  }

  /** §2.2.2: a subset of what was offered, and VIRTIO_F_VERSION_1, which a modern transport needs (§6.2). */
  #featuresAcceptable(): boolean {
    const [offered, accepted] = [this.#deviceFeatures, this.#driverFeatures]
    for (const i of [0, 1])
      if ((accepted[i] & ~offered[i]) !== 0) {
        this.log(`FEATURES_OK refused: features ${hex(accepted[i])} of word ${i}, offered ${hex(offered[i])}`)
        return false
      }
    if ((accepted[1] & 1) !== 0) return true
    this.log('FEATURES_OK refused: VIRTIO_F_VERSION_1 is missing')
    return false
  }

  #setStatus(value: number): void {
    if (value === 0) {
      this.reset()
      return
    }
    const ours = this.Status & DEVICE_NEEDS_RESET
    const wanted = value & ~DEVICE_NEEDS_RESET
    const old = this.Status & ~DEVICE_NEEDS_RESET
    if ((wanted & ~old & FAILED) !== 0) this.log('the driver gave up (FAILED)')
    if (!this.#personality.strict) {
      this.#takeStatus(value | ours)
      return
    }
    if ((wanted & FAILED) !== 0) {
      this.Status |= FAILED
      this.#applyStatus()
      return
    }
    if (wanted === old) return
    if (!VALID_TRANSITIONS.some(([from, to]) => from === old && to === wanted)) {
      this.log(`Status ${hex(wanted)} written after ${hex(old)}`)
      return
    }
    if ((wanted & ~old & FEATURES_OK) !== 0) {
      if (!this.#featuresAcceptable()) return
      this.Status = wanted | ours
      this.#applyFeatures()
      return
    }
    this.Status = wanted | ours
    this.#applyStatus()
    if ((wanted & ~old & DRIVER_OK) !== 0) this.#start()
  }

  /** QEMU, hw/virtio/virtio-mmio.c and virtio.c: whatever the driver says, without VIRTIO_F_VERSION_1 too. */
  #takeStatus(status: number): void {
    const risen = status & ~this.Status
    if ((risen & FEATURES_OK) !== 0) for (const i of [0, 1]) this.#driverFeatures[i] &= this.#deviceFeatures[i]
    this.Status = status
    this.#applyFeatures()
    this.#applyStatus()
    if ((risen & DRIVER_OK) !== 0) this.#start()
  }

  #applyFeatures(): void {
    const eventIdx = this.has(VIRTIO_F_EVENT_IDX)
    const indirect = this.has(VIRTIO_F_INDIRECT_DESC)
    for (const queue of this.#queues) {
      queue.eventIdx = eventIdx
      queue.indirect = indirect
    }
  }

  #applyStatus(): void {
    const live = (this.Status & (DRIVER_OK | DEVICE_NEEDS_RESET | FAILED)) === DRIVER_OK
    for (const queue of this.#queues) queue.running = live && queue.QueueReady !== 0
  }

  /** Buffers may have been made available, and even notified of, before DRIVER_OK. */
  #start(): void {
    this.#device.start?.()
    for (const queue of this.#queues) if (queue.running) this.#device.notify(queue.index)
  }

  #notify(index: number): void {
    if (this.#queues[index]?.running === true) {
      this.#device.notify(index)
      if ((this.InterruptStatus & USED_BUFFER) === 0) this.#onAnswered?.()
    } else if (index >= this.#queues.length) this.log(`QueueNotify ${index}; there are ${this.#queues.length} queues`)
  }

  /** §4.2.2.2: these registers are for a queue that is not ready. */
  #setUp(set: (queue: Virtqueue) => void): void {
    const queue = this.#queues[this.QueueSel]
    if (queue === undefined) this.log(`queue ${this.QueueSel} set up; there are ${this.#queues.length}`)
    else if (queue.QueueReady !== 0) this.log(`queue ${queue.index} set up while QueueReady`)
    else set(queue)
  }

  #setReady(value: number): void {
    const queue = this.#queues[this.QueueSel]
    if (queue === undefined) return
    if ((value & 1) === 0) queue.QueueReady = 0
    else if (queue.QueueReady === 0) {
      const wrong =
        queue.QueueNum > this.#personality.queueNumMax
          ? `QueueNum ${queue.QueueNum} is more than QueueNumMax`
          : queue.enable()
      if (wrong !== undefined) this.needsReset(`queue ${queue.index}: ${wrong}`)
    }
    this.#applyStatus()
  }

  #resetQueue(value: number): void {
    if (value !== 1) return
    if (this.has(VIRTIO_F_RING_RESET)) this.#queues[this.QueueSel]?.reset()
    else this.log('QueueReset written, though VIRTIO_F_RING_RESET was not negotiated')
  }

  #readConfig(offset: number, size: AccessSize): number {
    const config = this.#device.config
    if (offset + size > config.length) return OPEN_BUS[size]
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + config[offset + i]
    return value
  }

  #writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset + size > this.#device.config.length || this.#device.configWrite === undefined)
      this.log(`configuration space written at ${hex(offset)}, where it is read-only or not there`)
    else this.#device.configWrite(offset, size, value)
  }
}
