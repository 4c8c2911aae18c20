/**
 * The virtio devices that a board may have, a row each, in the order in which they are plugged: which of them the settings
 * ask for, and what each is given of the rest of the board. What a device is like stands in its own file (devices/virtio);
 * nothing else here names it.
 */
import type { DeviceRequest } from '../call-event.ts'
import { VirtioBlk } from '../devices/virtio/blk.ts'
import { VirtioConsole } from '../devices/virtio/console.ts'
import type { VirtioDevice } from '../devices/virtio/device.ts'
import { VirtioNet } from '../devices/virtio/net.ts'
import { VirtioRng } from '../devices/virtio/rng.ts'
import type { EntropySource } from '../entropy.ts'
import type { MachineConfig } from '../machine.ts'
import { UserNetwork } from '../net/user-network.ts'
import type { Part } from '../part.ts'

/** Told of a request as it reaches a device; sectors are of 512 bytes. */
export type Asked = (request: DeviceRequest, bytes?: number, sector?: number) => void

/** What the board has for its virtio devices. */
export interface VirtioNeeds {
  /** For the timeline: `unit` is which of the row's devices, from 0. */
  asked(unit: number): Asked
  /** Chance of the device's own: two streams of one number are alike. */
  entropy(stream: number): EntropySource
  /** What stands behind a device and remembers something. */
  add(part: Part): void
  /** The guest has written to the virtio console. */
  consoleSpoke(bytes: Uint8Array): void
  /** Keys and the terminal's size go there. */
  consoleListens(console: ConsoleInput): void
}

export type ConsoleInput = Pick<VirtioConsole, 'receive' | 'resize'>

export interface VirtioRow {
  /** In traces and log lines: the device's `name`. */
  readonly name: string
  /** On Firecracker's board before all others. */
  readonly isFirstOnFirecracker?: boolean
  plug(config: MachineConfig, board: VirtioNeeds): readonly VirtioDevice[]
}

export const VIRTIO_DEVICES: readonly VirtioRow[] = [
  {
    name: 'virtio-blk',
    plug: ({ disks }, board) => disks.map((backend, unit) => new VirtioBlk({ backend, onRequest: board.asked(unit) })),
  },
  {
    name: 'virtio-net',
    plug: ({ net }, board) => {
      if (net === 'none') return []
      const network: UserNetwork = new UserNetwork((frame) => card.receive(frame))
      const card: VirtioNet = new VirtioNet({ segment: network, onFrame: board.asked(0) })
      board.add(network)
      return [card]
    },
  },
  {
    name: 'virtio-rng',
    plug: ({ rng }, board) => {
      if (!rng) return []
      const asked = board.asked(0)
      return [new VirtioRng(board.entropy(1), (bytes) => asked('read', bytes))]
    },
  },
  {
    name: 'virtio-console',
    // smolBSD's early console looks only into the page of the first device it is told of. On that board each device has a
    // page of its own, and no place in the order that the real one would have given it.
    isFirstOnFirecracker: true,
    plug: ({ virtioConsole, columns, rows }, board) => {
      if (!virtioConsole) return []
      const backend = { transmit: (bytes: Uint8Array) => board.consoleSpoke(bytes) }
      const device = new VirtioConsole({ backend, cols: columns, rows })
      board.consoleListens(device)
      return [device]
    },
  },
]
