/**
 * What a virtio device is to its transport, and the transport to its device. virtio 1.2 §2, §6.
 * Feature bits are bit numbers, as the specification gives them.
 */
import type { AccessSize } from '../../bus.ts'
import type { PartState, StateReader } from '../../part.ts'
import type { Virtqueue } from './virtqueue.ts'

// Device status, virtio 1.2 §2.1.
export const ACKNOWLEDGE = 1
export const DRIVER = 2
export const DRIVER_OK = 4
export const FEATURES_OK = 8
export const DEVICE_NEEDS_RESET = 64
export const FAILED = 128

// Feature bits of every device, virtio 1.2 §6.
export const VIRTIO_F_INDIRECT_DESC = 28
export const VIRTIO_F_EVENT_IDX = 29
export const VIRTIO_F_VERSION_1 = 32
export const VIRTIO_F_RING_RESET = 40

export interface VirtioTransport {
  /** Whether the driver accepted the feature; false until FEATURES_OK. */
  has(feature: number): boolean
  queue(index: number): Virtqueue
  /** The device changed its configuration space: ConfigGeneration moves and the driver is interrupted. */
  configChanged(): void
  /** The driver broke a rule that leaves the device without a way on: DEVICE_NEEDS_RESET, and one line in the log. */
  needsReset(reason: string): void
  /** For the developer, once each. */
  log(line: string): void
}

export interface VirtioDevice {
  /** DeviceID, virtio 1.2 §5. */
  readonly id: number
  /** In log lines and traces: 'virtio-blk'. */
  readonly name: string
  /** Device-specific feature bits offered. The transport adds those of the ring. */
  readonly features: readonly number[]
  /** Those of them, and of the ring's, that Firecracker's device does not offer (src/vmm/src/devices/virtio). */
  readonly notOnFirecracker?: readonly number[]
  readonly queueCount: number
  /** Device-specific configuration space, little endian, as the driver reads it now. */
  readonly config: Uint8Array
  /** Called once, before anything else. */
  connect(transport: VirtioTransport): void
  /** The driver set DRIVER_OK. */
  start?(): void
  /** The driver made buffers available in a queue that runs. */
  notify(queue: number): void
  /** The driver wrote inside the configuration space. Without this, the space is read-only. */
  configWrite?(offset: number, size: AccessSize, value: number): void
  /** Device reset: back to what it was at power-on. */
  reset(): void
  /** As a Part's; its transport saves features, status and queues. */
  save(): PartState
  load(state: StateReader): void
}
