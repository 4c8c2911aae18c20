/**
 * Which of a board's consoles what is typed goes to: the one that the guest spoke on last, since a guest prompts where it
 * listens. The UART, until the guest has said something on the virtio console.
 */
import { type Part, type PartState, StateReader } from './part.ts'

/** A console's way in. */
interface ConsoleInput {
  receive(bytes: Uint8Array): void
}

export class ConsoleSwitch implements Part {
  readonly name = 'console-switch'
  #virtioSpoke = false

  spoke(on: 'uart' | 'virtio-console'): void {
    this.#virtioSpoke = on === 'virtio-console'
  }

  send(bytes: Uint8Array, uart: ConsoleInput, virtio: ConsoleInput | undefined): void {
    if (this.#virtioSpoke) virtio?.receive(bytes)
    else uart.receive(bytes)
  }

  reset(): void {
    this.#virtioSpoke = false
  }

  save(): PartState {
    return { virtioSpoke: this.#virtioSpoke }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#virtioSpoke = s.flag('virtioSpoke')
    s.end()
  }
}
