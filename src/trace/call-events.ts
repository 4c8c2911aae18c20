/**
 * The machine's call events, and the notes that go with them.
 *
 * The ring's records are fixed and numerous; what is rare and has text (a path, a console line, a request to a disk)
 * travels beside it as a TraceNote, stamped with the instruction count so that the two can be put in order.
 *
 * Two fields that call-event.ts leaves at 0 are read here when they are not, and done without when they are:
 *
 *   argument, any kind       bits 0-7   vector of Interrupt, otherwise 0
 *                            bits 8-9   CPL after the event; bit 10 says that they are valid
 *                            bits 16-31 number of Syscall (RAX), plus 1; 0: not known
 *   address, Idle*           guest ns, so that HLT has a duration under icount
 */
import { CALL_EVENT_BYTES, CallEventKind } from '../machine/call-event.ts'
import type { ClockSample } from './clock.ts'

export { CALL_EVENT_BYTES, CallEventKind }
export const CALL_EVENT_WORDS = CALL_EVENT_BYTES / 4

export const ARGUMENT_CPL_SHIFT = 8
export const ARGUMENT_CPL_VALID = 0x400
export const ARGUMENT_SYSCALL_SHIFT = 16

/** Rare events, in order of `instructions`. */
export type TraceNote =
  /** Bytes the guest wrote to its console. */
  | { readonly kind: 'console'; readonly instructions: number; readonly bytes: Uint8Array }
  /** execve(2) was asked for; the process that next enters user mode on this path is it. pid where known. */
  | { readonly kind: 'exec'; readonly instructions: number; readonly path: string; readonly pid?: number }
  /** A process ended. */
  | { readonly kind: 'exit'; readonly instructions: number }
  /** A device took up a request and was done with it; the two may be the same moment. */
  | {
      readonly kind: 'device'
      readonly instructions: number
      /** What the guest knows it as, or the board: 'ld0', 'virtio-net'. */
      readonly device: string
      readonly request: 'read' | 'write' | 'flush' | 'discard' | 'send' | 'receive' | 'entropy'
      readonly sector?: number
      readonly bytes?: number
      /** Instructions when it was done; without it: at once. */
      readonly done?: number
    }

/** What one slice of the machine hands over. */
export interface CallEventBatch {
  /** Records of CALL_EVENT_BYTES, in order. A partial record at the end is ignored. */
  readonly events: Uint8Array
  readonly notes?: readonly TraceNote[]
  /** The clocks when the slice ended. Without it guest time is one nanosecond for an instruction. */
  readonly clock?: ClockSample
}

/** The records as words, little-endian as x86 and wasm are; copied only where the bytes are not aligned. */
export const wordsOf = (events: Uint8Array): Uint32Array => {
  const records = Math.floor(events.length / CALL_EVENT_BYTES)
  const aligned = events.byteOffset % 4 === 0 ? events : events.slice()
  return new Uint32Array(aligned.buffer, aligned.byteOffset, records * CALL_EVENT_WORDS)
}
