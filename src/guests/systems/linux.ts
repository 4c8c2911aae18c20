/** Linux on x86-64: its devices' names, and the system calls that make and end processes. */
import { bareNumber, type DeviceNames, type GuestSystem, numbered } from './system.ts'

const LINUX_DEVICES: DeviceNames = {
  uart: 'ttyS',
  'virtio-blk': 'vd',
  'virtio-net': 'eth',
  'virtio-rng': 'virtio_rng.',
  'virtio-console': 'hvc',
}
/** arch/x86/entry/syscalls/syscall_64.tbl: fork, vfork, clone, clone3, execve, execveat, exit_group, getpid, wait4. */
export const LINUX: GuestSystem = {
  deviceName: (device) =>
    device.device === 'virtio-blk'
      ? `vd${String.fromCharCode('a'.charCodeAt(0) + (device.unit % 26))}`
      : numbered(LINUX_DEVICES)(device),
  syscallName: bareNumber,
  processCalls: new Map([
    [39, 'getpid'],
    [56, 'clone'],
    [57, 'fork'],
    [58, 'fork'],
    [59, 'exec'],
    [61, 'wait'],
    [231, 'exit'],
    [322, 'exec'],
    [435, 'clone'],
  ]),
  failsByCarry: false,
}
