/**
 * Guest operating systems as a trace needs to know them: names of their devices, numbers of the system calls by which
 * processes come and go. A kernel says what it is in an ELF note (XEN_ELFNOTE_GUEST_OS); one that does not keeps the
 * machine's names and its numbers.
 */
import type { TracedDevice } from './call-events.ts'

export interface GuestSystem {
  deviceName(device: TracedDevice): string
}

const BOARD: Readonly<Record<TracedDevice['device'], string>> = {
  uart: 'com',
  'virtio-blk': 'virtio-blk',
  'virtio-net': 'virtio-net',
  'virtio-rng': 'virtio-rng',
  'virtio-console': 'virtio-console',
}
const PLAIN: GuestSystem = { deviceName: ({ device, unit }) => `${BOARD[device]}${unit}` }

/** com(4), ld(4), vioif(4), viornd(4), viocon(4); the first terminal of viocon0 is ttyVI00. */
const NETBSD_DEVICES: Readonly<Record<TracedDevice['device'], string>> = {
  uart: 'com',
  'virtio-blk': 'ld',
  'virtio-net': 'vioif',
  'virtio-rng': 'viornd',
  'virtio-console': 'viocon',
}
const NETBSD: GuestSystem = { deviceName: ({ device, unit }) => `${NETBSD_DEVICES[device]}${unit}` }

const LINUX: GuestSystem = {
  deviceName: ({ device, unit }) => {
    switch (device) {
      case 'uart':
        return `ttyS${unit}`
      case 'virtio-blk':
        return `vd${String.fromCharCode(97 + (unit % 26))}`
      case 'virtio-net':
        return `eth${unit}`
      case 'virtio-rng':
        return `virtio_rng.${unit}`
      case 'virtio-console':
        return `hvc${unit}`
    }
  },
}

const SYSTEMS: Readonly<Record<string, GuestSystem>> = { netbsd: NETBSD, linux: LINUX }
export const guestSystem = (os: string | undefined): GuestSystem => SYSTEMS[os ?? ''] ?? PLAIN
