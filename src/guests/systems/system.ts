/**
 * Guest operating systems as a trace needs to know them: the names of their devices and system calls, and by which calls
 * processes come, go and become other programs. A kernel says what it is in an ELF note (XEN_ELFNOTE_GUEST_OS); one that
 * does not keeps the machine's names and bare numbers.
 */

/** A device as the machine knows it ('uart', 'virtio-blk'), and which of its kind, from 0. */
export interface NumberedDevice {
  readonly device: string
  readonly unit: number
}

/** What a system call does to processes. A clone's child may have a stack of its own; a spawned one runs another program. */
export type ProcessCall = 'fork' | 'clone' | 'spawn' | 'exec' | 'exit' | 'getpid' | 'wait'

export interface GuestSystem {
  deviceName(device: NumberedDevice): string
  /** "write", or "system call 512". */
  syscallName(number: number): string
  readonly processCalls: ReadonlyMap<number, ProcessCall>
  /** The carry flag says that a call failed; otherwise a result that is no small number does. */
  readonly failsByCarry: boolean
}

/** What a system calls the machine's devices; one that is not there keeps the machine's name. */
export type DeviceNames = Readonly<Record<string, string>>
export const numbered =
  (names: DeviceNames) =>
  ({ device, unit }: NumberedDevice): string =>
    `${names[device] ?? device}${unit}`
export const bareNumber = (number: number): string => `system call ${number}`

/** Keeps the machine's names. */
export const PLAIN: GuestSystem = {
  deviceName: numbered({ uart: 'com' }),
  syscallName: bareNumber,
  processCalls: new Map(),
  failsByCarry: false,
}
