/**
 * The machine's end of the way to the trace worker. Call events go into the ring as they come; at the end of a slice a
 * message says how far they reach, what the clocks show and which notes there are. Nothing here looks at an event: the
 * spans are made on another thread, and none of the trace room's code is loaded on this one.
 *
 * Under the wall clock the machine returns to its host to sleep, and HLT leaves no event: the feed writes one.
 */
import { problem } from '../base/problem.ts'
import { CALL_EVENT_BYTES, CallEventKind, type TraceNote } from '../machine/call-event.ts'
import type { Figures, KernelInfo } from '../machine/index.ts'
import { settingsOf } from '../settings/settings.ts'
import type { EventRing } from './event-ring.ts'
import type { BootRequest, MachineToTrace, Problem, TracedSlice } from './protocol.ts'

/** Fewer events than this wait for the next slice's, for at most so long: a guest that idles wakes nobody often. */
const POST_RECORDS = 4096
const POST_MS = 50
/**
 * Where cores are few, nothing is said for so long unless the machine sleeps, is over or has no room: whatever the trace worker
 * does, and its code's compilation, takes a core that the boot wants. On two it cost NetBSD's a fifth of its time.
 */
const SILENT_MS = 1000
/** A guest without a known end stops being recorded here. */
const RECORD_NS = 120e9

const notTaken = problem(
  'trace-lost',
  'the trace worker took no call events for five seconds, and this boot goes on untraced',
  'a recording to the prompt',
  'boot again, with fewer programs at work beside the browser',
)

export class TraceFeed {
  readonly #ring: EventRing
  readonly #post: (message: MachineToTrace) => void
  readonly #onLost: (what: Problem) => void
  readonly #silentMs: number
  /** What was not said yet. */
  #begin: MachineToTrace | undefined
  #isOn = false
  #asleep = false
  #notes: TraceNote[] = []
  #slices: TracedSlice[] = []
  #posted = 0
  #postedMs = 0

  /**
   * `eager`: there are cores to spare. `onLost` hears that recording ended before its time because nobody takes the events.
   */
  constructor(
    ring: EventRing,
    eager: boolean,
    post: (message: MachineToTrace) => void,
    onLost: (what: Problem) => void,
  ) {
    this.#silentMs = eager ? 0 : SILENT_MS
    this.#ring = ring
    this.#post = post
    this.#onLost = onLost
  }

  /** There is something to take. */
  get isOn(): boolean {
    return this.#isOn
  }

  /** Power-on. `boot` tells this one from the ones before it on this machine. */
  begin(boot: number, kernel: KernelInfo, request: BootRequest): void {
    if (this.#ring.isClosed) return
    const { symbols, entry, os, cmdline } = kernel
    const { label, guest, stageMarks, liveNs } = request
    this.#begin = {
      type: 'begin',
      begin: {
        boot,
        from: this.#ring.written,
        symbols,
        entry,
        os,
        stages: stageMarks,
        liveNs,
        meta: { title: label, guest, ...settingsOf(request), cmdline, notes: [] },
      },
    }
    this.#isOn = true
    this.#asleep = false
    this.#notes = []
    this.#slices = []
    this.#posted = this.#ring.written
    this.#postedMs = 0
    if (this.#silentMs === 0) this.#send()
  }

  /** From the machine's ring, in the middle of a slice or at its end. */
  events(bytes: Uint8Array): void {
    if (!this.#isOn) return
    const outcome = this.#ring.write(bytes, () => this.#pressed())
    if (outcome === 'taken') return
    this.#isOn = false
    if (outcome === 'abandoned') this.#onLost(notTaken)
  }

  note(note: TraceNote): void {
    if (this.#isOn) this.#notes.push(note)
  }

  /** Before a slice: the machine may have slept. */
  wake(figures: () => Figures): void {
    if (!this.#asleep) return
    this.#asleep = false
    this.#idleEvent(CallEventKind.IdleLeave, figures())
  }

  /** After a slice. */
  take(isIdle: boolean, figures: Figures, wallMs: number): void {
    if (!this.#isOn) return
    if (isIdle) {
      this.#asleep = true
      this.#idleEvent(CallEventKind.IdleEnter, figures)
    }
    const { instructions, guestNs } = figures
    this.#slices.push({
      to: this.#ring.written,
      notes: this.#notes,
      clock: { instructions, guestNs, wallNs: wallMs * 1e6 },
      sleeps: isIdle,
    })
    this.#notes = []
    if (guestNs > RECORD_NS) this.finish()
    else if (wallMs < this.#silentMs && !isIdle) return
    else if ((this.#ring.written - this.#posted) >>> 0 >= POST_RECORDS || wallMs - this.#postedMs >= POST_MS) {
      this.#postedMs = wallMs
      this.#send()
    }
  }

  /** Asks for a full trace of what there is. */
  show(): void {
    if (!this.#isOn) return
    this.#send()
    this.#post({ type: 'show' })
  }

  /** The boot is over; what happens later is not recorded. */
  finish(): void {
    if (!this.#isOn) return
    this.#isOn = false
    this.#send()
    this.#post({ type: 'end' })
  }

  /** In the middle of a slice: the ring is full. */
  #pressed(): void {
    this.#slices.push({ to: this.#ring.written, notes: [], clock: undefined, sleeps: false })
    this.#send()
  }

  #send(): void {
    if (this.#begin) this.#post(this.#begin)
    this.#begin = undefined
    const slices = this.#slices
    this.#slices = []
    this.#posted = this.#ring.written
    if (slices.length > 0) this.#post({ type: 'slices', slices })
  }

  #idleEvent(kind: number, { instructions, guestNs }: Figures): void {
    const record = new Uint8Array(CALL_EVENT_BYTES)
    const view = new DataView(record.buffer)
    view.setUint32(0, kind, true)
    view.setBigUint64(8, BigInt(Math.floor(guestNs)), true)
    view.setBigUint64(24, BigInt(instructions), true)
    this.events(record)
  }
}
