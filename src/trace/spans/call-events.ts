/**
 * The machine's call events, and the notes that go with them (src/machine/call-event.ts has the wire). Notes are stamped
 * with the instruction count, so that the two can be put in order; a note may come later than the events around it.
 */
import { CALL_EVENT_BYTES, CallEventKind, type TraceNote } from '../../machine/call-event.ts'
import type { ClockSample } from '../model/clock.ts'

export {
  ARGUMENT_CARRY,
  ARGUMENT_CPL_SHIFT,
  ARGUMENT_CPL_VALID,
  ARGUMENT_RAX_SHIFT,
  ARGUMENT_SOFTWARE,
  type TracedDevice,
  type TraceNote,
} from '../../machine/call-event.ts'
export { CALL_EVENT_BYTES, CallEventKind }
export const CALL_EVENT_WORDS = CALL_EVENT_BYTES / 4

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
