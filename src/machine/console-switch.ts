/**
 * Which of a board's consoles what is typed goes to, and when (docs/decisions/0013): to the one that the guest spoke on last,
 * since a guest prompts where it listens; the UART, until the guest has said something on the virtio console.
 *
 * The UART itself keeps what is typed ahead until a driver listens: receive interrupts tell. On the virtio console nothing
 * tells. NetBSD's viocon gives receive buffers when it attaches, and drops what comes before a program opens the tty; so
 * what is typed ahead stays here until the guest has spoken on it and fallen silent: shortly behind an unfinished line, which
 * is a prompt, and for longer behind a finished one. From then on bytes pass as they come.
 *
 * What waits at one console while the guest moves to the other goes with it.
 */
import { joined } from '../base/bytes.ts'
import { type Part, type PartState, StateReader } from './part.ts'
import type { Timer, Timers } from './timers.ts'

/** Silence behind an unfinished line. A kernel that pauses in the midst of a line does so for less. */
const PROMPT_NS = 100_000_000
/** Silence behind a finished line: a program that reads without having asked. Kernels wait for devices for a second or two. */
const SILENCE_NS = 3_000_000_000
const NEWLINE = 10

export type Speaker = 'uart' | 'virtio-console'

/** A console's way in. */
interface ConsoleInput {
  receive(bytes: Uint8Array): void
}

export class ConsoleSwitch implements Part {
  readonly name = 'console-switch'
  readonly #uart: ConsoleInput & { takeUnheard(): Uint8Array }
  readonly #virtio: ConsoleInput | undefined
  readonly #timers: Timers
  readonly #silence: Timer
  #speaker: Speaker = 'uart'
  /** The guest has been silent on the virtio console since it spoke there. */
  #virtioListens = false
  #midLine = false
  /** Typed ahead on the virtio console. */
  #ahead: Uint8Array[] = []

  constructor(uart: ConsoleInput & { takeUnheard(): Uint8Array }, virtio: ConsoleInput | undefined, timers: Timers) {
    this.#uart = uart
    this.#virtio = virtio
    this.#timers = timers
    this.#silence = timers.create(() => this.#listen())
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
    else if (this.#virtioListens) this.#virtio?.receive(bytes.slice())
    else {
      this.#ahead.push(bytes.slice())
      if (this.#silence.deadline === Infinity) this.#await()
    }
  }

  /** What was typed at the machine as it was is not for the one that starts. */
  reset(): void {
    this.#speaker = 'uart'
    this.#virtioListens = false
    this.#midLine = false
    this.#ahead = []
    this.#silence.cancel()
  }

  save(): PartState {
    return {
      speaker: this.#speaker,
      virtioListens: this.#virtioListens,
      midLine: this.#midLine,
      ahead: joined(this.#ahead),
      silence: this.#silence.deadline,
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
    s.end()
  }

  #move(to: Speaker): void {
    this.#speaker = to
    if (to === 'uart') {
      this.#silence.cancel()
      const ahead = joined(this.#ahead)
      this.#ahead = []
      this.#uart.receive(ahead)
      return
    }
    const unheard = this.#uart.takeUnheard()
    if (unheard.length === 0) return
    if (this.#virtioListens) this.#virtio?.receive(unheard)
    else this.#ahead.push(unheard)
  }

  #await(): void {
    if (this.#ahead.length > 0) this.#silence.arm(this.#timers.now() + (this.#midLine ? PROMPT_NS : SILENCE_NS))
  }

  #listen(): void {
    this.#virtioListens = true
    for (const bytes of this.#ahead.splice(0)) this.#virtio?.receive(bytes)
  }
}
