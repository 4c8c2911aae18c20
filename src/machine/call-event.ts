/**
 * What the traced engine appends at every CALL and RET: fixed 32-byte records in a ring. Plain data, the one part of
 * the machine that the trace room may import.
 *
 *   byte 0   u32  kind (CallEventKind)
 *   byte 4   u32  argument: vector for Interrupt, 0 otherwise
 *   byte 8   u64  address: call target, or the address returned to
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
  /** HLT or MWAIT entered, and left. */
  IdleEnter: 8,
  IdleLeave: 9,
  /** A reading of the clocks: address is guest nanoseconds. */
  Clock: 10,
} as const
export type CallEventKind = (typeof CallEventKind)[keyof typeof CallEventKind]
