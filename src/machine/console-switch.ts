/**
 * Which of a board's consoles what is typed goes to, and when (docs/decisions/0013): to the one that the guest spoke on last,
 * since a guest prompts where it listens; the UART, until the guest has said something on the virtio console.
 *
 * The UART itself keeps what is typed ahead until a driver listens: receive interrupts tell. On the virtio console nothing
 * tells. NetBSD's viocon gives receive buffers when it attaches, and drops what comes before a program opens the tty; so
 * what is typed ahead stays here until the guest has spoken on it and fallen silent: shortly behind an unfinished line, which
 * is a prompt, and for longer behind a finished one. From then on bytes pass, at `InputPace`'s pace.
 *
 * What waits at one console while the guest moves to the other goes with it.
 */
import { joined } from '../base/bytes.ts'
import { InputPace } from './input-pace.ts'
import { type Part, type PartState, StateReader } from './part.ts'
import type { Timer, Timers } from './timers.ts'

/** Silence behind an unfinished line. A kernel that pauses in the midst of a line does so for less. */
const PROMPT_NS = 100_000_000
/** Silence behind a finished line: a program that reads without having asked. Kernels wait for devices for a second or two. */
const SILENCE_NS = 3_000_000_000
const NEWLINE = 10
/** What the virtio console is given at once. */
const BURST = 64

export type Speaker = 'uart' | 'virtio-console'

interface VirtioInput {
  receive(bytes: Uint8Array): void
}
interface UartInput {
  receive(bytes: Uint8Array): void
  takeUnheard(): Uint8Array
  guestWaits(): void
}

export class ConsoleSwitch implements Part {
  readonly name = 'console-switch'
  readonly #uart: UartInput
  readonly #virtio: VirtioInput | undefined
  readonly #timers: Timers
  readonly #silence: Timer
  readonly #pace: InputPace
  #speaker: Speaker = 'uart'
  /** The guest has been silent on the virtio console since it spoke there. */
  #virtioListens = false
  #midLine = false
  /** What the virtio console has not been given. */
  #ahead: Uint8Array[] = []

  constructor(uart: UartInput, virtio: VirtioInput | undefined, timers: Timers) {
    this.#uart = uart
    this.#virtio = virtio
    this.#timers = timers
    this.#silence = timers.create(() => this.#listen())
    this.#pace = new InputPace(timers, () => this.#carry())
  }

  /** The guest has written `bytes`. */
  spoke(on: Speaker, bytes: Uint8Array): void {
    if (on !== this.#speaker) this.#move(on)
    if (on === 'uart' || this.#virtioListens) return
    this.#midLine = bytes.at(-1) !== NEWLINE
    this.#await()
  }

  /** The host sends; the array stays the caller's. */
  send(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.#speaker === 'uart') this.#uart.receive(bytes)
    else {
      this.#ahead.push(bytes.slice())
      if (this.#virtioListens) this.#carry()
      else if (this.#silence.deadline === Infinity) this.#await()
    }
  }

  /** The CPU halts until something happens. */
  guestWaits(): void {
    this.#uart.guestWaits()
    this.#pace.guestWaits()
  }

  /** What was typed at the machine as it was is not for the one that starts. */
  reset(): void {
    this.#speaker = 'uart'
    this.#virtioListens = false
    this.#midLine = false
    this.#ahead = []
    this.#silence.cancel()
    this.#pace.reset()
  }

  save(): PartState {
    return {
      speaker: this.#speaker,
      virtioListens: this.#virtioListens,
      midLine: this.#midLine,
      ahead: joined(this.#ahead),
      silence: this.#silence.deadline,
      pace: this.#pace.save(),
    }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#speaker = s.oneOf('speaker', ['uart', 'virtio-console'] as const)
    this.#virtioListens = s.flag('virtioListens')
    this.#midLine = s.flag('midLine')
    const ahead = s.bytesUpTo('ahead', Infinity)
    this.#ahead = ahead.length > 0 ? [ahead.slice()] : []
    this.#silence.load(s.nsOrNever('silence'))
    this.#pace.reset()
    if (s.has('pace')) {
      const pace = s.group('pace')
      this.#pace.load(pace)
      pace.end()
    }
    s.end()
  }

  #move(to: Speaker): void {
    this.#speaker = to
    if (to === 'uart') {
      this.#silence.cancel()
      this.#pace.cancel()
      const ahead = joined(this.#ahead)
      this.#ahead = []
      this.#uart.receive(ahead)
      return
    }
    const unheard = this.#uart.takeUnheard()
    if (unheard.length === 0) return
    this.#ahead.push(unheard)
    if (this.#virtioListens) this.#carry()
  }

  #await(): void {
    if (this.#ahead.length > 0) this.#silence.arm(this.#timers.now() + (this.#midLine ? PROMPT_NS : SILENCE_NS))
  }

  #listen(): void {
    this.#virtioListens = true
    this.#carry()
  }

  #carry(): void {
    while (this.#ahead.length > 0 && this.#pace.ask()) {
      const burst = this.#take(BURST)
      this.#virtio?.receive(burst)
      this.#pace.carried(burst.length)
    }
  }

  /** The next `most` bytes that wait, or all. */
  #take(most: number): Uint8Array {
    const pieces: Uint8Array[] = []
    for (let left = most; left > 0 && this.#ahead.length > 0; ) {
      const [first] = this.#ahead
      const piece = first.subarray(0, left)
      pieces.push(piece)
      left -= piece.length
      if (piece.length < first.length) this.#ahead[0] = first.subarray(piece.length)
      else this.#ahead.shift()
    }
    return joined(pieces)
  }
}
