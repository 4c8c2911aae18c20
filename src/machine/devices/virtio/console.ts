/**
 * virtio-console with one port, port 0, which is a console. virtio 1.2 §5.3.
 *
 *   Queue 0 receiveq(port 0)   1 transmitq(port 0)   2 control receiveq   3 control transmitq   4 receiveq(port 1) ...
 *   Control message: le32 id, le16 event, le16 value, then the name or the new size
 *
 * With room for one port there is no F_MULTIPORT, as in QEMU with max_ports=1, which is how smolBSD starts it: its driver
 * looks for control queues behind port 0 and before port 1. Without F_MULTIPORT the port is open from DRIVER_OK on; with it,
 * from the driver's PORT_OPEN on. Input waits for the guest without limit. QEMU 7.2 offers no F_SIZE; here a terminal's
 * size is worth having.
 * RESIZE carries cols, then rows, as §5.3.6.2 says; Linux and NetBSD's headers have rows first.
 * A device reset drops input that the guest had not taken.
 * Missing on purpose: further ports, PORT_REMOVE.
 */
import { joined } from '../../../base/bytes.ts'
import type { AccessSize } from '../../bus.ts'
import type { PartState, StateReader } from '../../part.ts'
import type { VirtioDevice, VirtioTransport } from './device.ts'
import type { Chain } from './virtqueue.ts'

export const VIRTIO_CONSOLE_F_SIZE = 0
export const VIRTIO_CONSOLE_F_MULTIPORT = 1
export const VIRTIO_CONSOLE_F_EMERG_WRITE = 2

// struct virtio_console_config.
export const CONSOLE_CONFIG_COLS = 0
export const CONSOLE_CONFIG_ROWS = 2
export const CONSOLE_CONFIG_MAX_NR_PORTS = 4
export const CONSOLE_CONFIG_EMERG_WR = 8
export const CONSOLE_CONFIG_SIZE = 12

export const VIRTIO_CONSOLE_DEVICE_READY = 0
export const VIRTIO_CONSOLE_PORT_ADD = 1
export const VIRTIO_CONSOLE_PORT_READY = 3
export const VIRTIO_CONSOLE_CONSOLE_PORT = 4
export const VIRTIO_CONSOLE_RESIZE = 5
export const VIRTIO_CONSOLE_PORT_OPEN = 6
export const VIRTIO_CONSOLE_PORT_NAME = 7

export const RECEIVEQ = 0
export const TRANSMITQ = 1
export const CONTROL_RECEIVEQ = 2
export const CONTROL_TRANSMITQ = 3

const CONTROL_SIZE = 8
/** Control messages that wait for buffers, at most. */
const CONTROL_WAITING = 64
/** Output is handed on in pieces of at most this. */
const TRANSMIT_CHUNK = 0x10000

export interface ConsoleBackend {
  /** Bytes the guest wrote; the backend may keep them. */
  transmit(bytes: Uint8Array): void
}

export interface VirtioConsoleOptions {
  readonly backend: ConsoleBackend
  /** More than one brings F_MULTIPORT. */
  readonly maxPorts?: number
  /** PORT_NAME, ASCII. */
  readonly portName?: string
  readonly cols?: number
  readonly rows?: number
}

export class VirtioConsole implements VirtioDevice {
  readonly id = 3
  readonly name = 'virtio-console'
  readonly features: readonly number[]
  readonly queueCount: number
  readonly config = new Uint8Array(CONSOLE_CONFIG_SIZE)

  readonly #view = new DataView(this.config.buffer)
  readonly #backend: ConsoleBackend
  readonly #portName: string
  readonly #transmit = (chain: Chain): number => this.#transmitted(chain)
  readonly #control = (chain: Chain): number => this.#controlled(chain)
  readonly #message = new Uint8Array(CONTROL_SIZE)
  #transport!: VirtioTransport
  /** Input not yet taken by the guest; `#taken` bytes of the first piece are. */
  #input: Uint8Array[] = []
  #taken = 0
  /** Control messages that wait for a buffer. */
  #controlOut: Uint8Array[] = []
  /** With F_MULTIPORT: the driver sent PORT_READY, and has the port open. */
  #portReady = false
  #portOpen = false

  constructor({ backend, maxPorts = 1, portName = 'console', cols = 80, rows = 25 }: VirtioConsoleOptions) {
    this.features = [
      VIRTIO_CONSOLE_F_SIZE,
      ...(maxPorts > 1 ? [VIRTIO_CONSOLE_F_MULTIPORT] : []),
      VIRTIO_CONSOLE_F_EMERG_WRITE,
    ]
    this.queueCount = maxPorts > 1 ? 2 * (maxPorts + 1) : 2
    this.#backend = backend
    this.#portName = portName
    this.#view.setUint16(CONSOLE_CONFIG_COLS, cols, true)
    this.#view.setUint16(CONSOLE_CONFIG_ROWS, rows, true)
    this.#view.setUint32(CONSOLE_CONFIG_MAX_NR_PORTS, maxPorts, true)
  }

  /** Whether a driver has the port open: input sent now will be read. */
  get open(): boolean {
    if (!this.#transport.queue(RECEIVEQ).running) return false
    return this.#portOpen || !this.#transport.has(VIRTIO_CONSOLE_F_MULTIPORT)
  }

  /** Bytes typed at the console. They wait until the guest takes them; the device keeps the array. */
  receive(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#input.push(bytes)
    this.#deliver()
  }

  /** The terminal's size in characters. */
  resize(cols: number, rows: number): void {
    if (
      this.#view.getUint16(CONSOLE_CONFIG_COLS, true) === cols &&
      this.#view.getUint16(CONSOLE_CONFIG_ROWS, true) === rows
    )
      return
    this.#view.setUint16(CONSOLE_CONFIG_COLS, cols, true)
    this.#view.setUint16(CONSOLE_CONFIG_ROWS, rows, true)
    if (this.#transport.has(VIRTIO_CONSOLE_F_SIZE)) this.#transport.configChanged()
    if (this.#portReady) this.#sendResize()
  }

  connect(transport: VirtioTransport): void {
    this.#transport = transport
  }

  notify(queue: number): void {
    if (queue === RECEIVEQ) this.#deliver()
    else if (queue === TRANSMITQ) this.#transport.queue(queue).drain(this.#transmit)
    else if (queue === CONTROL_RECEIVEQ) this.#deliverControl()
    else if (queue === CONTROL_TRANSMITQ) this.#transport.queue(queue).drain(this.#control)
  }

  /** §5.3.4: an emergency write works before anything is set up, negotiated or not. */
  configWrite(offset: number, _size: AccessSize, value: number): void {
    if (offset === CONSOLE_CONFIG_EMERG_WR) this.#backend.transmit(Uint8Array.of(value))
    else this.#transport.log('configuration space written elsewhere than emerg_wr')
  }

  reset(): void {
    this.#input = []
    this.#taken = 0
    this.#controlOut = []
    this.#portReady = false
    this.#portOpen = false
  }

  save(): PartState {
    return {
      cols: this.#view.getUint16(CONSOLE_CONFIG_COLS, true),
      rows: this.#view.getUint16(CONSOLE_CONFIG_ROWS, true),
      input: joined(this.#input.map((piece, i) => (i === 0 ? piece.subarray(this.#taken) : piece))),
      controlOut: this.#controlOut.map((message) => message.slice()),
      portReady: this.#portReady,
      portOpen: this.#portOpen,
    }
  }

  load(state: StateReader): void {
    this.#view.setUint16(CONSOLE_CONFIG_COLS, state.u16('cols'), true)
    this.#view.setUint16(CONSOLE_CONFIG_ROWS, state.u16('rows'), true)
    const input = state.bytesUpTo('input', Infinity)
    this.#input = input.length > 0 ? [input.slice()] : []
    this.#taken = 0
    this.#controlOut = state.byteStrings('controlOut', CONTROL_WAITING, 256).map((message) => message.slice())
    this.#portReady = state.flag('portReady')
    this.#portOpen = state.flag('portOpen')
    // One port has no control queues to speak of it.
    if ((this.#portReady || this.#portOpen) && this.queueCount === 2) state.refuse('portReady', 'false, with one port')
    state.end()
  }

  #transmitted(chain: Chain): number {
    for (let done = 0; done < chain.readable; ) {
      const bytes = new Uint8Array(Math.min(TRANSMIT_CHUNK, chain.readable - done))
      done += chain.read(done, bytes)
      this.#backend.transmit(bytes)
    }
    return 0
  }

  #deliver(): void {
    if (this.#input.length === 0 || !this.open) return
    const queue = this.#transport.queue(RECEIVEQ)
    let pieces = 0
    while (pieces < this.#input.length) {
      const chain = queue.pop()
      if (chain === undefined) break
      if (chain.writable === 0) {
        this.#transport.needsReset('a receive buffer that the device may not write')
        break
      }
      let filled = 0
      while (filled < chain.writable && pieces < this.#input.length) {
        const piece = this.#input[pieces]
        const wrote = chain.write(filled, piece.subarray(this.#taken))
        filled += wrote
        this.#taken += wrote
        if (this.#taken === piece.length) {
          this.#taken = 0
          pieces++
        }
      }
      queue.push(chain.head, filled)
    }
    this.#input.splice(0, pieces)
    queue.interrupt()
  }

  #controlled(chain: Chain): number {
    if (chain.read(0, this.#message) < CONTROL_SIZE) {
      this.#transport.log('a control message shorter than 8 bytes')
      return 0
    }
    const view = new DataView(this.#message.buffer)
    const id = view.getUint32(0, true)
    const event = view.getUint16(4, true)
    const value = view.getUint16(6, true)
    if (event === VIRTIO_CONSOLE_DEVICE_READY) {
      if (value === 1) this.#sendControl(VIRTIO_CONSOLE_PORT_ADD, 1)
    } else if (id !== 0) this.#transport.log(`control message for port ${id}; there is port 0`)
    else if (event === VIRTIO_CONSOLE_PORT_READY) this.#ready(value === 1)
    else if (event === VIRTIO_CONSOLE_PORT_OPEN) {
      this.#portOpen = value === 1
      this.#deliver()
    } else this.#transport.log(`control message with event ${event}`)
    return 0
  }

  #ready(ready: boolean): void {
    this.#portReady = ready
    if (!ready) return
    this.#sendControl(VIRTIO_CONSOLE_CONSOLE_PORT, 1)
    if (this.#transport.has(VIRTIO_CONSOLE_F_SIZE)) this.#sendResize()
    this.#sendControl(
      VIRTIO_CONSOLE_PORT_NAME,
      1,
      Uint8Array.from(this.#portName, (c) => c.charCodeAt(0)),
    )
    this.#sendControl(VIRTIO_CONSOLE_PORT_OPEN, 1)
  }

  #sendResize(): void {
    // Columns, then rows: the configuration space's first four bytes.
    this.#sendControl(VIRTIO_CONSOLE_RESIZE, 0, this.config.slice(CONSOLE_CONFIG_COLS, CONSOLE_CONFIG_COLS + 4))
  }

  #sendControl(event: number, value: number, rest: Uint8Array = new Uint8Array(0)): void {
    const bytes = new Uint8Array(CONTROL_SIZE + rest.length)
    const view = new DataView(bytes.buffer)
    view.setUint16(4, event, true)
    view.setUint16(6, value, true)
    bytes.set(rest, CONTROL_SIZE)
    // A driver that asks and never takes the answers gets the first of them.
    if (this.#controlOut.length < CONTROL_WAITING) this.#controlOut.push(bytes)
    this.#deliverControl()
  }

  #deliverControl(): void {
    const queue = this.#transport.queue(CONTROL_RECEIVEQ)
    let sent = 0
    while (sent < this.#controlOut.length) {
      const chain = queue.pop()
      if (chain === undefined) break
      queue.push(chain.head, chain.write(0, this.#controlOut[sent]))
      sent++
    }
    this.#controlOut.splice(0, sent)
    queue.interrupt()
  }
}
