/**
 * Guest operating systems as a trace needs to know them: the names of their devices and system calls, and by which calls
 * processes come, go and become other programs. A kernel says what it is in an ELF note (XEN_ELFNOTE_GUEST_OS); one that
 * does not keeps the machine's names and bare numbers.
 */
import type { TracedDevice } from './call-events.ts'
import { netbsdSyscallName } from './netbsd-syscalls.ts'

/** What a system call does to processes. A clone's child may have a stack of its own; a spawned one runs another program. */
export type ProcessCall = 'fork' | 'clone' | 'spawn' | 'exec' | 'exit' | 'getpid' | 'wait'

export interface GuestSystem {
  deviceName(device: TracedDevice): string
  /** "write", or "system call 512". */
  syscallName(number: number): string
  readonly processCalls: ReadonlyMap<number, ProcessCall>
  /** The carry flag says that a call failed; otherwise a result that is no small number does. */
  readonly failsByCarry: boolean
}

type DeviceNames = Readonly<Record<TracedDevice['device'], string>>
const numbered =
  (names: DeviceNames) =>
  ({ device, unit }: TracedDevice): string =>
    `${names[device]}${unit}`
const bareNumber = (number: number): string => `system call ${number}`

const PLAIN: GuestSystem = {
  deviceName: numbered({
    uart: 'com',
    'virtio-blk': 'virtio-blk',
    'virtio-net': 'virtio-net',
    'virtio-rng': 'virtio-rng',
    'virtio-console': 'virtio-console',
  }),
  syscallName: bareNumber,
  processCalls: new Map(),
  failsByCarry: false,
}

/** com(4), ld(4), vioif(4), viornd(4), viocon(4); sys/kern/syscalls.master. */
const NETBSD: GuestSystem = {
  deviceName: numbered({
    uart: 'com',
    'virtio-blk': 'ld',
    'virtio-net': 'vioif',
    'virtio-rng': 'viornd',
    'virtio-console': 'viocon',
  }),
  syscallName: (number) => netbsdSyscallName(number) ?? bareNumber(number),
  processCalls: new Map([
    [1, 'exit'],
    [2, 'fork'],
    [7, 'wait'],
    [20, 'getpid'],
    [59, 'exec'],
    [66, 'fork'],
    [282, 'fork'],
    [287, 'clone'],
    [449, 'wait'],
    [474, 'spawn'],
    [481, 'wait'],
  ]),
  failsByCarry: true,
}

const LINUX_DEVICES: DeviceNames = {
  uart: 'ttyS',
  'virtio-blk': 'vd',
  'virtio-net': 'eth',
  'virtio-rng': 'virtio_rng.',
  'virtio-console': 'hvc',
}
/** arch/x86/entry/syscalls/syscall_64.tbl: fork, vfork, clone, clone3, execve, execveat, exit_group, getpid, wait4. */
const LINUX: GuestSystem = {
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

const SYSTEMS: Readonly<Record<string, GuestSystem>> = { netbsd: NETBSD, linux: LINUX }
export const guestSystem = (os: string | undefined): GuestSystem => SYSTEMS[os ?? ''] ?? PLAIN
