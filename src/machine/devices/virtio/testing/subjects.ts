/** Every virtio device with what a test needs to drive it at random: what comes from outside, and what remembers beside it. */
import { SeededEntropy } from '../../../entropy.ts'
import { UserNetwork } from '../../../net/user-network.ts'
import type { Part } from '../../../part.ts'
import { VirtioBlk } from '../blk.ts'
import { VirtioConsole } from '../console.ts'
import type { VirtioDevice } from '../device.ts'
import { VirtioNet } from '../net.ts'
import { OverlayDisk } from '../overlay-disk.ts'
import { VirtioRng } from '../rng.ts'

export interface Subject {
  readonly device: VirtioDevice
  /** Something from outside. */
  readonly poke?: (random: SeededEntropy) => void
  /** What stands behind the device and remembers something. */
  readonly parts?: readonly Part[]
  readonly disk?: OverlayDisk
}

const bytesOf = (random: SeededEntropy, most: number): Uint8Array => {
  const bytes = new Uint8Array(random.next() % most)
  random.fill(bytes)
  return bytes
}

const consoleOf =
  (maxPorts: number) =>
  (seen: unknown[]): Subject => {
    const device = new VirtioConsole({ backend: { transmit: (bytes) => seen.push(...bytes) }, maxPorts })
    return {
      device,
      poke: (random) =>
        random.next() % 2 === 0
          ? device.receive(bytesOf(random, 300))
          : device.resize(random.next() & 0xffff, random.next() & 0xffff),
    }
  }

/** Ethernet, IPv4 and ICMP echo request from 10.0.2.15 to 10.0.2.2. */
const PING = Uint8Array.from(
  '5255 0a00 0202 5254 0012 3456 0800 4500 001c 0000 0000 4001 62cf 0a00 020f 0a00 0202 0800 f7ff 0000 0000'
    .replaceAll(' ', '')
    .match(/../g) as string[],
  (digits) => Number.parseInt(digits, 16),
)

/** By the names of their rows (board/virtio-devices.ts), and what else there is of one. `seen` takes what leaves the device. */
export const SUBJECTS: Readonly<Record<string, (seen: unknown[]) => Subject>> = {
  'virtio-blk': () => {
    const disk = new OverlayDisk(new Uint8Array(64 * 512))
    return { device: new VirtioBlk({ backend: disk }), disk }
  },
  'virtio-rng': () => {
    const source = new SeededEntropy(7, 1)
    return { device: new VirtioRng(source), parts: [source] }
  },
  'virtio-console': consoleOf(1),
  'virtio-console with more ports': consoleOf(2),
  'virtio-net': (seen) => {
    const network = new UserNetwork((frame) => device.receive(frame))
    const device: VirtioNet = new VirtioNet({
      segment: {
        send: (frame) => {
          seen.push(frame.length)
          network.send(frame)
        },
      },
    })
    return {
      device,
      parts: [network],
      poke: (random) => {
        // An ICMP echo to the gateway, so that the network answers and counts, or a frame from nowhere.
        if (random.next() % 2 === 0) device.receive(bytesOf(random, 1515))
        else network.send(PING)
      },
    }
  },
}
