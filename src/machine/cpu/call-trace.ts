/** Call events that TypeScript notes beside those of the traced engine (call-event.ts), in the same ring. */
import {
  ARGUMENT_CARRY,
  ARGUMENT_CPL_SHIFT,
  ARGUMENT_CPL_VALID,
  ARGUMENT_RAX_SHIFT,
  ARGUMENT_SOFTWARE,
  CALL_EVENT_BYTES,
  CallEventKind,
} from '../call-event.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { FLAGS_CF } from '../state/flags.ts'
import { RAX, RSP, TRACE_HEAD } from '../state/layout.ts'
import { TRACE_RING, TRACE_RING_END } from '../state/record.ts'

export interface CallTraceEvents {
  /** Takes recorded events out of the ring, which is written over when it returns. */
  readonly callEvents?: ((bytes: Uint8Array) => void) | undefined
  /** The call event of an entry to a handler or of a return from one has been recorded. */
  readonly levelChanged?: ((kind: CallEventKind, argument: number) => void) | undefined
}

export class CallTrace {
  readonly #state: CpuState
  readonly #view: DataView
  readonly #bytes: Uint8Array
  readonly #events: CallTraceEvents

  constructor(state: CpuState, view: DataView, events: CallTraceEvents) {
    this.#state = state
    this.#view = view
    this.#bytes = new Uint8Array(view.buffer)
    this.#events = events
  }

  note(kind: number, argument: number, address: bigint, retired: number): void {
    const s = this.#state
    if (s.get32(TRACE_HEAD) >= TRACE_RING_END) this.flush()
    const head = s.get32(TRACE_HEAD)
    const view = this.#view
    view.setUint32(head, kind, true)
    const entersOrLeaves = kind >= CallEventKind.Interrupt && kind <= CallEventKind.SyscallReturn
    view.setUint32(head + 4, entersOrLeaves ? argument | this.#levelAndResult(kind, argument) : argument, true)
    view.setBigUint64(head + 8, BigInt.asUintN(64, address), true)
    view.setBigUint64(head + 16, s.get64(RSP), true)
    view.setBigUint64(head + 24, BigInt(retired), true)
    s.set32(TRACE_HEAD, head + CALL_EVENT_BYTES)
    if (entersOrLeaves) this.#events.levelChanged?.(kind as CallEventKind, argument)
  }
  /** The argument's upper bits, see call-event.ts. */
  #levelAndResult(kind: number, argument: number): number {
    const s = this.#state
    const { cpl } = s
    let bits = ARGUMENT_CPL_VALID | (cpl << ARGUMENT_CPL_SHIFT)
    const returns = kind === CallEventKind.InterruptReturn || kind === CallEventKind.SyscallReturn
    if (returns && cpl !== 3) return bits
    if (kind === CallEventKind.Interrupt && (argument & ARGUMENT_SOFTWARE) === 0) return bits
    if (returns && (s.rflags & FLAGS_CF) !== 0) bits |= ARGUMENT_CARRY
    const rax = s.get64(RAX)
    return rax < 0xffffn ? bits | ((Number(rax) + 1) << ARGUMENT_RAX_SHIFT) : bits
  }
  /** Empties the ring of call events. */
  flush(): void {
    const head = this.#state.get32(TRACE_HEAD)
    if (head === TRACE_RING) return
    this.#state.set32(TRACE_HEAD, TRACE_RING)
    this.#events.callEvents?.(this.#bytes.subarray(TRACE_RING, head))
  }
}
