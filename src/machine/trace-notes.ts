/** Makes the notes of a traced machine (call-event.ts): console bytes to lines, requests to spans of time. */
import type { DeviceRequest, TracedDevice, TraceNote } from './call-event.ts'

/** A console line without an end is passed on in parts of this many bytes. */
const LINE_MAX = 512
/** Requests of one device without an answer that are remembered. */
const ASKED_MAX = 1024

interface Asked {
  readonly instructions: number
  readonly request: DeviceRequest
  readonly sector: number | undefined
  readonly bytes: number | undefined
}

interface Line extends TracedDevice {
  readonly instructions: number
  readonly bytes: number[]
  done: number
}

export class TraceNotes {
  readonly #retired: () => number
  readonly #note: (note: TraceNote) => void
  #line: Line | undefined
  readonly #asked = new Map<string, Asked[]>()

  /** `retired` says how many instructions have retired, `note` takes what is known. */
  constructor(retired: () => number, note: (note: TraceNote) => void) {
    this.#retired = retired
    this.#note = note
  }

  reset(): void {
    this.#line = undefined
    this.#asked.clear()
  }

  console(from: TracedDevice, bytes: Uint8Array): void {
    const now = this.#retired()
    for (const byte of bytes) {
      if (this.#line !== undefined && this.#line.device !== from.device) this.flush()
      this.#line ??= { device: from.device, unit: from.unit, instructions: now, bytes: [], done: now }
      this.#line.bytes.push(byte)
      this.#line.done = now
      if (byte === 10 || this.#line.bytes.length >= LINE_MAX) this.flush()
    }
  }

  /** A line that has not ended yet is passed on as far as it has come. */
  flush(): void {
    const line = this.#line
    this.#line = undefined
    if (line !== undefined) this.#note({ ...line, kind: 'console', bytes: Uint8Array.from(line.bytes) })
  }

  exec(kind: 'exec' | 'init', path: string): void {
    this.#note({ kind, instructions: this.#retired(), path })
  }

  /** A request has reached the device. */
  asked(of: TracedDevice, request: DeviceRequest, bytes?: number, sector?: number): void {
    const asked: Asked = { instructions: this.#retired(), request, bytes, sector }
    const key = `${of.device}${of.unit}`
    const list = this.#asked.get(key)
    if (list === undefined) this.#asked.set(key, [asked])
    else if (list.length < ASKED_MAX) list.push(asked)
  }

  /** The driver took the answers to all that was asked, or does not want to be told of them. */
  answered({ device, unit }: TracedDevice): void {
    const list = this.#asked.get(`${device}${unit}`)
    if (list === undefined) return
    const done = this.#retired()
    for (const { instructions, request, sector, bytes } of list)
      this.#note({
        kind: 'device',
        device,
        unit,
        instructions,
        request,
        ...(sector !== undefined && { sector }),
        ...(bytes !== undefined && { bytes }),
        done,
      })
    list.length = 0
  }
}
