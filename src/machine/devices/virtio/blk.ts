/**
 * virtio-blk. virtio 1.2 §5.2. Features, limits and geometry as QEMU 7.2's virtio-blk has them (hw/block/virtio-blk.c,
 * hw/block/hd-geometry.c): a driver sees the disk it knows.
 *
 *   Request, device-readable:  le32 type, le32 reserved, le64 sector, data of OUT, DISCARD, WRITE_ZEROES
 *            device-writable:  data of IN, GET_ID; u8 status, the last byte
 *
 * Requests are served at once, while the driver stands still. The framing is free (§2.7.4): what matters is bytes, not
 * how descriptors split them. Missing on purpose: F_MQ, SCSI commands, secure erase, GET_LIFETIME, zoned storage.
 */
import { assert } from '../../../base/assert.ts'
import type { AccessSize } from '../../bus.ts'
import type { DeviceRequest } from '../../call-event.ts'
import type { BlockBackend } from '../../machine.ts'
import type { PartState, StateReader } from '../../part.ts'
import type { VirtioDevice, VirtioTransport } from './device.ts'
import type { Chain } from './virtqueue.ts'

export const VIRTIO_BLK_F_SEG_MAX = 2
export const VIRTIO_BLK_F_GEOMETRY = 4
export const VIRTIO_BLK_F_RO = 5
export const VIRTIO_BLK_F_BLK_SIZE = 6
export const VIRTIO_BLK_F_FLUSH = 9
export const VIRTIO_BLK_F_TOPOLOGY = 10
export const VIRTIO_BLK_F_CONFIG_WCE = 11
export const VIRTIO_BLK_F_DISCARD = 13
export const VIRTIO_BLK_F_WRITE_ZEROES = 14

export const VIRTIO_BLK_T_IN = 0
export const VIRTIO_BLK_T_OUT = 1
export const VIRTIO_BLK_T_FLUSH = 4
export const VIRTIO_BLK_T_GET_ID = 8
export const VIRTIO_BLK_T_DISCARD = 11
export const VIRTIO_BLK_T_WRITE_ZEROES = 13

export const VIRTIO_BLK_S_OK = 0
export const VIRTIO_BLK_S_IOERR = 1
export const VIRTIO_BLK_S_UNSUPP = 2

// struct virtio_blk_config.
export const BLK_CONFIG_CAPACITY = 0
export const BLK_CONFIG_SEG_MAX = 12
export const BLK_CONFIG_GEOMETRY = 16
export const BLK_CONFIG_BLK_SIZE = 20
export const BLK_CONFIG_WRITEBACK = 32
export const BLK_CONFIG_NUM_QUEUES = 34
export const BLK_CONFIG_MAX_DISCARD_SECTORS = 36
export const BLK_CONFIG_MAX_DISCARD_SEG = 40
export const BLK_CONFIG_DISCARD_SECTOR_ALIGNMENT = 44
export const BLK_CONFIG_MAX_WRITE_ZEROES_SECTORS = 48
export const BLK_CONFIG_MAX_WRITE_ZEROES_SEG = 52
export const BLK_CONFIG_WRITE_ZEROES_MAY_UNMAP = 56
export const BLK_CONFIG_SIZE = 60

export const SECTOR = 512
/** Request header. */
const HEADER = 16
const ID_BYTES = 20
/** QEMU's default queue of 256 less header and status. */
const SEG_MAX = 254
/** QEMU's BDRV_REQUEST_MAX_SECTORS, 2 GiB less a sector. */
const REQUEST_MAX_SECTORS = 0x3fffff
/** struct virtio_blk_discard_write_zeroes: le64 sector, le32 num_sectors, le32 flags. */
const ZERO_SEGMENT = 16
const ZERO_FLAG_UNMAP = 1

export interface VirtioBlkOptions {
  readonly backend: BlockBackend
  /** Told of each request as it starts, for the timeline. */
  readonly onRequest?: (kind: DeviceRequest, bytes?: number, sector?: number) => void
}

export class VirtioBlk implements VirtioDevice {
  readonly id = 2
  readonly name = 'virtio-blk'
  readonly features: readonly number[]
  readonly notOnFirecracker: readonly number[]
  readonly queueCount = 1
  readonly config = new Uint8Array(BLK_CONFIG_SIZE)

  readonly #backend: BlockBackend
  readonly #onRequest: VirtioBlkOptions['onRequest']
  readonly #sectors: number
  readonly #header = new Uint8Array(HEADER)
  readonly #headerView = new DataView(this.#header.buffer)
  readonly #serve = (chain: Chain): number => this.#request(chain)
  #transport!: VirtioTransport
  /** Bytes written to the chain at hand, from its start on, without the status byte. */
  #filled = 0

  constructor({ backend, onRequest }: VirtioBlkOptions) {
    assert(backend.size % SECTOR === 0, `a disk is whole sectors: ${backend.size} bytes`)
    this.#backend = backend
    this.#onRequest = onRequest
    this.#sectors = backend.size / SECTOR
    this.features = [
      VIRTIO_BLK_F_SEG_MAX,
      VIRTIO_BLK_F_GEOMETRY,
      ...(backend.readOnly ? [VIRTIO_BLK_F_RO] : []),
      VIRTIO_BLK_F_BLK_SIZE,
      VIRTIO_BLK_F_FLUSH,
      VIRTIO_BLK_F_TOPOLOGY,
      VIRTIO_BLK_F_CONFIG_WCE,
      VIRTIO_BLK_F_DISCARD,
      VIRTIO_BLK_F_WRITE_ZEROES,
    ]
    // Of cache type Unsafe.
    this.notOnFirecracker = this.features.filter((feature) => feature !== VIRTIO_BLK_F_RO)
    const view = new DataView(this.config.buffer)
    view.setBigUint64(BLK_CONFIG_CAPACITY, BigInt(this.#sectors), true)
    view.setUint32(BLK_CONFIG_SEG_MAX, SEG_MAX, true)
    // 16 heads of 63 sectors, 2 to 16383 cylinders.
    view.setUint16(BLK_CONFIG_GEOMETRY, Math.min(16383, Math.max(2, Math.floor(this.#sectors / (16 * 63)))), true)
    view.setUint8(BLK_CONFIG_GEOMETRY + 2, 16)
    view.setUint8(BLK_CONFIG_GEOMETRY + 3, 63)
    view.setUint32(BLK_CONFIG_BLK_SIZE, SECTOR, true)
    view.setUint16(BLK_CONFIG_NUM_QUEUES, 1, true)
    view.setUint32(BLK_CONFIG_MAX_DISCARD_SECTORS, REQUEST_MAX_SECTORS, true)
    view.setUint32(BLK_CONFIG_MAX_DISCARD_SEG, 1, true)
    view.setUint32(BLK_CONFIG_DISCARD_SECTOR_ALIGNMENT, 1, true)
    view.setUint32(BLK_CONFIG_MAX_WRITE_ZEROES_SECTORS, REQUEST_MAX_SECTORS, true)
    view.setUint32(BLK_CONFIG_MAX_WRITE_ZEROES_SEG, 1, true)
    view.setUint8(BLK_CONFIG_WRITE_ZEROES_MAY_UNMAP, 1)
    this.reset()
  }

  connect(transport: VirtioTransport): void {
    this.#transport = transport
  }

  notify(queue: number): void {
    this.#transport.queue(queue).drain(this.#serve)
  }

  configWrite(offset: number, size: AccessSize, value: number): void {
    if (offset === BLK_CONFIG_WRITEBACK && size === 1 && this.#transport.has(VIRTIO_BLK_F_CONFIG_WCE)) {
      this.config[BLK_CONFIG_WRITEBACK] = value & 1
      // §5.2.5.1: going from writeback to writethrough makes what was written durable.
      if ((value & 1) === 0) this.#flush()
    } else this.#transport.log('configuration space written elsewhere than writeback')
  }

  reset(): void {
    this.config[BLK_CONFIG_WRITEBACK] = 1
  }

  save(): PartState {
    return { writeback: this.config[BLK_CONFIG_WRITEBACK] }
  }

  load(state: StateReader): void {
    this.config[BLK_CONFIG_WRITEBACK] = state.integer('writeback', 0, 1)
    state.end()
  }

  #request(chain: Chain): number {
    if (chain.read(0, this.#header) < HEADER || chain.writable < 1) {
      this.#transport.needsReset('a request without room for header and status')
      return 0
    }
    const type = this.#headerView.getUint32(0, true)
    const sector = this.#headerView.getUint32(8, true) + 0x100000000 * this.#headerView.getUint32(12, true)
    this.#filled = 0
    let status = VIRTIO_BLK_S_IOERR
    try {
      status = this.#perform(chain, type, sector)
    } catch (error) {
      // A backend that fails is a disk that fails.
      this.#transport.log(`the disk failed: ${String(error)}`)
    }
    chain.writeU8(chain.writable - 1, status)
    // §2.7.8: only bytes known to be written count, without gaps from the start.
    return this.#filled === chain.writable - 1 ? chain.writable : this.#filled
  }

  #perform(chain: Chain, type: number, sector: number): number {
    switch (type) {
      case VIRTIO_BLK_T_IN: {
        const length = chain.writable - 1
        this.#onRequest?.('read', length, sector)
        if (!this.#inside(sector, length)) return VIRTIO_BLK_S_IOERR
        chain.writeFrom(0, length, this.#backend, sector * SECTOR)
        this.#filled = length
        return VIRTIO_BLK_S_OK
      }
      case VIRTIO_BLK_T_OUT: {
        const length = chain.readable - HEADER
        this.#onRequest?.('write', length, sector)
        if (this.#backend.readOnly || !this.#inside(sector, length)) return VIRTIO_BLK_S_IOERR
        chain.readTo(HEADER, length, this.#backend, sector * SECTOR)
        if (!this.#writeback) this.#backend.flush()
        return VIRTIO_BLK_S_OK
      }
      case VIRTIO_BLK_T_FLUSH:
        this.#onRequest?.('flush')
        this.#backend.flush()
        return VIRTIO_BLK_S_OK
      case VIRTIO_BLK_T_GET_ID: {
        this.#onRequest?.('get-id', ID_BYTES)
        const id = new Uint8Array(Math.min(ID_BYTES, chain.writable - 1))
        for (let i = 0; i < Math.min(id.length, this.#backend.id.length); i++) id[i] = this.#backend.id.charCodeAt(i)
        this.#filled = chain.write(0, id)
        return VIRTIO_BLK_S_OK
      }
      case VIRTIO_BLK_T_DISCARD:
        return this.#zero(chain, 'discard', VIRTIO_BLK_F_DISCARD, 0)
      case VIRTIO_BLK_T_WRITE_ZEROES:
        return this.#zero(chain, 'write-zeroes', VIRTIO_BLK_F_WRITE_ZEROES, ZERO_FLAG_UNMAP)
      default:
        return VIRTIO_BLK_S_UNSUPP
    }
  }

  /** §5.2.6.2: one segment (max_*_seg); flags that the command does not have are not supported. */
  #zero(chain: Chain, kind: 'discard' | 'write-zeroes', feature: number, flagsKnown: number): number {
    if (!this.#transport.has(feature)) return VIRTIO_BLK_S_UNSUPP
    if (chain.readable - HEADER !== ZERO_SEGMENT) return VIRTIO_BLK_S_IOERR
    const segment = new Uint8Array(HEADER + ZERO_SEGMENT)
    chain.read(0, segment)
    const view = new DataView(segment.buffer, HEADER)
    const sector = view.getUint32(0, true) + 0x100000000 * view.getUint32(4, true)
    const count = view.getUint32(8, true)
    this.#onRequest?.(kind, count * SECTOR, sector)
    if ((view.getUint32(12, true) & ~flagsKnown) !== 0) return VIRTIO_BLK_S_UNSUPP
    if (this.#backend.readOnly || count > REQUEST_MAX_SECTORS || !this.#inside(sector, count * SECTOR))
      return VIRTIO_BLK_S_IOERR
    this.#backend.zero(sector * SECTOR, count * SECTOR)
    if (!this.#writeback) this.#backend.flush()
    return VIRTIO_BLK_S_OK
  }

  #inside(sector: number, length: number): boolean {
    return length >= 0 && length % SECTOR === 0 && sector + length / SECTOR <= this.#sectors
  }

  /** §5.2.5.2: without CONFIG_WCE, FLUSH decides; a driver that cannot flush gets writethrough. */
  get #writeback(): boolean {
    if (this.#transport.has(VIRTIO_BLK_F_CONFIG_WCE)) return this.config[BLK_CONFIG_WRITEBACK] === 1
    return this.#transport.has(VIRTIO_BLK_F_FLUSH)
  }

  #flush(): void {
    try {
      this.#backend.flush()
    } catch (error) {
      this.#transport.log(`the disk failed: ${String(error)}`)
    }
  }
}
