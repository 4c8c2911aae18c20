/**
 * The page's end of the wire. One worker holds one machine; a fresh worker stands by, loaded and warm, so that Boot need
 * not wait for one. Powering off or booting another machine ends the worker that held the old one, and with it every
 * byte of its memory; what a dead worker still had in flight is dropped.
 */
import * as Comlink from 'comlink'
import type { BootRequest, EmulatorControl, EmulatorEvent, PageMessage } from './protocol.ts'

interface Seat {
  readonly worker: Worker
  readonly control: Comlink.Remote<EmulatorControl>
  readonly port: MessagePort
  used: boolean
}

export class EmulatorClient {
  readonly #spawn: () => Worker
  readonly #onEvent: (event: EmulatorEvent) => void
  #seat: Seat | undefined

  constructor(spawn: () => Worker, onEvent: (event: EmulatorEvent) => void) {
    this.#spawn = spawn
    this.#onEvent = onEvent
  }

  /** Brings a worker up before it is needed. */
  standBy(): void {
    this.#seat ??= this.#open()
  }

  /** Replaces whatever machine there is by this one. */
  boot(request: BootRequest): void {
    if (this.#seat?.used) this.#close()
    this.standBy()
    const seat = this.#seat
    if (!seat) return
    seat.used = true
    this.#ask(seat, seat.control.boot(request))
  }

  pause(): void {
    if (this.#seat?.used) this.#ask(this.#seat, this.#seat.control.pause())
  }

  resume(): void {
    if (this.#seat?.used) this.#ask(this.#seat, this.#seat.control.resume())
  }

  reset(): void {
    if (this.#seat?.used) this.#ask(this.#seat, this.#seat.control.reset())
  }

  powerOff(): void {
    if (!this.#seat?.used) return
    this.#close()
    this.#onEvent({ type: 'state', state: { name: 'off' } })
    this.standBy()
  }

  resizeConsole(columns: number, rows: number): void {
    if (this.#seat?.used) this.#ask(this.#seat, this.#seat.control.resizeConsole(columns, rows))
  }

  async registers(): Promise<Readonly<Record<string, string>>> {
    return this.#seat?.used ? await this.#seat.control.registers() : {}
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#seat?.used || bytes.length === 0) return
    this.#seat.port.postMessage({ type: 'input', bytes } satisfies PageMessage, [bytes.buffer])
  }

  acknowledge(bytes: number): void {
    this.#seat?.port.postMessage({ type: 'acknowledge', bytes } satisfies PageMessage)
  }

  /** Asks for a full trace; it comes as an event. */
  askTrace(): void {
    if (this.#seat?.used) this.#seat.port.postMessage({ type: 'trace' } satisfies PageMessage)
  }

  #open(): Seat {
    const worker = this.#spawn()
    const control = Comlink.wrap<EmulatorControl>(worker)
    const { port1, port2 } = new MessageChannel()
    const seat: Seat = { worker, control, port: port1, used: false }
    port1.onmessage = ({ data }: MessageEvent<EmulatorEvent>) => {
      if (this.#seat === seat) this.#onEvent(data)
    }
    worker.onerror = (event) => {
      event.preventDefault()
      this.#lost(seat, event.message || 'the worker could not start', `${event.filename ?? ''}:${event.lineno ?? 0}`)
    }
    this.#ask(seat, control.connect(Comlink.transfer(port2, [port2])))
    return seat
  }

  #close(): void {
    const seat = this.#seat
    this.#seat = undefined
    if (!seat) return
    seat.port.close()
    seat.worker.terminate()
  }

  /** Control calls answer with events; a rejection is a defect of ours. */
  #ask(seat: Seat, answer: Promise<unknown>): void {
    answer.catch((error: unknown) =>
      this.#lost(seat, error instanceof Error ? error.message : String(error), (error as Error)?.stack ?? ''),
    )
  }

  #lost(seat: Seat, message: string, stack: string): void {
    if (this.#seat !== seat) return
    this.#close()
    this.#onEvent({
      type: 'state',
      state: {
        name: 'fault',
        report: { message, stack, label: '', cmdline: '', instructions: 0, registers: {}, log: [] },
      },
    })
  }
}
