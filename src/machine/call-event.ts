/**
 * What a traced machine says of its run: fixed 32-byte records in a ring for what is numerous, notes for what is rare
 * and has text. Plain data, the one part of the machine that the trace room may import.
 *
 *   byte 0   u32  kind (CallEventKind)
 *   byte 4   u32  argument
 *                 bits 0-7    vector of Interrupt
 *                 bits 8-9    CPL after the event, where bit 10 is set: Interrupt, InterruptReturn, Syscall, SyscallReturn
 *                 bit 11      carry flag after a return to CPL 3: how NetBSD says that a system call failed
 *                 bit 12      Interrupt: raised by INT n, which a program may use for system calls
 *                 bits 16-31  RAX plus 1, 0 where that does not fit: the number at Syscall and at INT n, the result at
 *                             returns to CPL 3
 *   byte 8   u64  address: of the function called, or of the instruction returned to; at Syscall and Interrupt of the
 *                 instruction to go on with afterwards (0 at SYSENTER, which does not say)
 *   byte 16  u64  rsp after the push (CALL, Interrupt) or after the pop (RET, Iret)
 *   byte 24  u64  retired instructions when it happened
 */
export const CALL_EVENT_BYTES = 32

export const CallEventKind = {
  Call: 1,
  Return: 2,
  Interrupt: 3,
  InterruptReturn: 4,
  Syscall: 5,
  SyscallReturn: 6,
  /** CR3 written: address is the new CR3, an address space's identity. */
  AddressSpace: 7,
  /** HLT or MWAIT entered, and left: address is guest nanoseconds. */
  IdleEnter: 8,
  IdleLeave: 9,
  /** A reading of the clocks: address is guest nanoseconds. */
  Clock: 10,
} as const
export type CallEventKind = (typeof CallEventKind)[keyof typeof CallEventKind]

export const ARGUMENT_CPL_SHIFT = 8
export const ARGUMENT_CPL_VALID = 1 << 10
export const ARGUMENT_CARRY = 1 << 11
export const ARGUMENT_SOFTWARE = 1 << 12
export const ARGUMENT_RAX_SHIFT = 16

/** A device as the machine knows it ('uart', 'virtio-blk'), and which of its kind, from 0. Guests have names of their own. */
export interface TracedDevice {
  readonly device: string
  readonly unit: number
}
export type DeviceRequest = 'read' | 'write' | 'flush' | 'discard' | 'write-zeroes' | 'get-id' | 'send' | 'receive'

/** Rare events, in the order in which they became known. `instructions`: retired when it happened, or began. */
export type TraceNote =
  /** Bytes the guest wrote to a console: a line, or what there is of one. */
  | (TracedDevice & {
      readonly kind: 'console'
      readonly instructions: number
      readonly bytes: Uint8Array
      /** Instructions when the last byte was written. */
      readonly done: number
    })
  /**
   * A program is to be executed: the path that the system call made at this instruction count was given. Whether it was
   * executed shows when the call returns.
   */
  | { readonly kind: 'exec'; readonly instructions: number; readonly path: string }
  /** The first program of all, which no system call asked for: found on its stack when user mode was first entered. */
  | { readonly kind: 'init'; readonly instructions: number; readonly path: string }
  /** What a device was asked and when its driver took the answer. */
  | (TracedDevice & {
      readonly kind: 'device'
      readonly instructions: number
      readonly request: DeviceRequest
      /** Of disks, in units of 512 bytes. */
      readonly sector?: number
      readonly bytes?: number
      /** Instructions when the driver acknowledged the device's interrupt; the same as `instructions` without one. */
      readonly done: number
    })
