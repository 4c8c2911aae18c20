/**
 * The page's end of the wires. One worker holds one machine; a fresh worker stands by, loaded and warm, so that Boot need
 * not wait for one. Powering off or booting another machine ends the worker that held the old one, and with it every
 * byte of its memory; what a dead worker still had in flight is dropped.
 *
 * Beside it the trace worker makes spans. It is the page's and not the emulator worker's own: it starts while that one is
 * busy making its engine, outlives it (code that has run once is fast for the next boot), and its end is heard here. One
 * that dies takes the recording with it and not the boot.
 */
import * as Comlink from 'comlink'
import { problem, type Result, refuse } from '../base/problem.ts'
import { createRingBuffer, EventRing, RECORDS_BRIEF, RECORDS_LONG } from './event-ring.ts'
import type {
  BootRequest,
  DiskPart,
  DiskRef,
  EmulatorControl,
  EmulatorEvent,
  FileSource,
  Folder,
  PageMessage,
  SnapshotSummary,
  TraceAsk,
  TraceAttachment,
  TraceEvent,
} from './protocol.ts'

/** A machine that boots keeps two busy: its own thread, and the browser's for the page and for compiling. */
const CORES_TO_SPARE = 4

export interface Workers {
  readonly machine: () => Worker
  readonly trace: () => Worker
}

interface Seat {
  readonly worker: Worker
  readonly control: Comlink.Remote<EmulatorControl>
  readonly port: MessagePort
  readonly tracePort: MessagePort
  readonly ring: EventRing
  /** Once: the trace worker is there and has its ends. */
  readonly attachTrace: () => void
  used: boolean
}

export class EmulatorClient {
  readonly #spawn: Workers
  readonly #onEvent: (event: EmulatorEvent) => void
  #seat: Seat | undefined
  #traceWorker: Worker | undefined

  constructor(spawn: Workers, onEvent: (event: EmulatorEvent) => void) {
    this.#spawn = spawn
    this.#onEvent = onEvent
  }

  /**
   * Brings a worker up before it is needed, and makes what Boot would otherwise wait for while the person reads. `traced`: a boot is
   * recorded, a machine that goes on is not.
   */
  standBy(traced = true): void {
    this.#seat ??= this.#open(traced)
  }

  /** Replaces whatever machine there is by this one. */
  boot(request: BootRequest): void {
    this.leave(request.trace)
    const seat = this.#seat
    if (!seat) return
    seat.used = true
    if (request.trace) seat.attachTrace()
    if (request.trace && seat.ring.isClosed) this.#traceLost('it could not start')
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
    this.leave()
    this.#onEvent({ type: 'state', state: { name: 'off' } })
  }

  /** The machine there is goes, if any, and a worker stands by for the next one. */
  leave(traced = true): void {
    if (this.#seat?.used) this.#close()
    this.standBy(traced)
  }

  resizeConsole(columns: number, rows: number): void {
    if (this.#seat?.used) this.#ask(this.#seat, this.#seat.control.resizeConsole(columns, rows))
  }

  async registers(): Promise<Readonly<Record<string, bigint>>> {
    return this.#seat?.used ? await this.#seat.control.registers() : {}
  }

  /** Of the machine at hand, or of a kept disk: then the worker that stands by reads it. */
  listFolder(disk: DiskRef, path: string): Promise<Result<Folder>> {
    return this.#read((control) => control.listFolder(disk, path))
  }

  takeFrom(disk: DiskRef, part: DiskPart): Promise<Result<Blob>> {
    return this.#read((control) => control.takeFrom(disk, part))
  }

  /** The machine at hand as a file. */
  save(): Promise<Result<Blob>> {
    return this.#read((control) => control.save())
  }

  /** Empty without a machine. */
  async stateHash(): Promise<string> {
    return this.#seat?.used ? await this.#seat.control.stateHash() : ''
  }

  /** The same for the browser to keep; it comes as an event. */
  keep(): void {
    if (this.#seat?.used) this.#ask(this.#seat, this.#seat.control.keep())
  }

  lookAtSnapshot(file: FileSource): Promise<Result<SnapshotSummary>> {
    return this.#read((control) => control.lookAtSnapshot(file))
  }

  forgetDisk(): void {
    if (this.#seat) this.#ask(this.#seat, this.#seat.control.forgetDisk())
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
    if (this.#seat?.used) this.#seat.tracePort.postMessage('show' satisfies TraceAsk)
  }

  /** Gives back the kept trace of the boot that the machine goes on from; it comes as an event. */
  adoptTrace(kept: Blob): void {
    if (!this.#seat?.used) return
    this.#seat.attachTrace()
    this.#seat.tracePort.postMessage({ kept } satisfies TraceAsk)
  }

  async #read<T>(ask: (control: Comlink.Remote<EmulatorControl>) => Promise<Result<T>>): Promise<Result<T>> {
    try {
      this.standBy()
    } catch (error) {
      return refuse(
        problem(
          'no-worker',
          `no worker could start (${error instanceof Error ? error.message : String(error)})`,
          'shared memory, which a worker of this page needs',
          'what the page says about shared memory',
        ),
      )
    }
    const { control } = this.#seat as Seat
    return ask(control)
  }

  #open(traced: boolean): Seat {
    const worker = this.#spawn.machine()
    const control = Comlink.wrap<EmulatorControl>(worker)
    const events = new MessageChannel()
    const traces = new MessageChannel()
    const callEvents = new MessageChannel()
    const eager = navigator.hardwareConcurrency >= CORES_TO_SPARE
    const ring = createRingBuffer(eager ? RECORDS_BRIEF : RECORDS_LONG)
    let isAttached = false
    const attachTrace = () => {
      if (isAttached) return
      isAttached = true
      this.#traceWorker ??= this.#openTrace()
      const attachment: TraceAttachment = { ring, eager, machine: callEvents.port2, page: traces.port2 }
      this.#traceWorker.postMessage(attachment, [callEvents.port2, traces.port2])
    }
    const seat: Seat = {
      worker,
      control,
      port: events.port1,
      tracePort: traces.port1,
      ring: new EventRing(ring),
      attachTrace,
      used: false,
    }
    const onEvent = ({ data }: MessageEvent<EmulatorEvent | TraceEvent>) => {
      if (this.#seat === seat) this.#onEvent(data)
    }
    seat.port.onmessage = onEvent
    seat.tracePort.onmessage = onEvent
    // It warms itself, which a machine that goes on would wait for.
    if (traced) attachTrace()
    worker.onerror = (event) => {
      event.preventDefault()
      this.#lost(seat, event.message || 'the worker could not start', `${event.filename ?? ''}:${event.lineno ?? 0}`)
    }
    const line = Comlink.transfer({ ring, eager, port: callEvents.port1 }, [callEvents.port1])
    this.#ask(seat, control.connect(Comlink.transfer(events.port2, [events.port2]), line))
    this.#ask(seat, control.warm(traced))
    return seat
  }

  #openTrace(): Worker {
    const worker = this.#spawn.trace()
    worker.onerror = (event) => {
      event.preventDefault()
      if (this.#traceWorker !== worker) return
      this.#traceWorker = undefined
      worker.terminate()
      // The machine may be waiting for room in it.
      this.#seat?.ring.close()
      if (this.#seat?.used) this.#traceLost(event.message || 'it could not start')
    }
    return worker
  }

  #traceLost(why: string): void {
    const saw = `the trace worker ended (${why}), and this boot goes on untraced`
    const expected = 'a recording to the prompt'
    this.#onEvent({ type: 'trace-lost', problem: problem('trace-lost', saw, expected, 'boot again') })
  }

  #close(): void {
    const seat = this.#seat
    this.#seat = undefined
    if (!seat) return
    seat.port.close()
    seat.tracePort.close()
    seat.ring.close()
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
