/** Makes the notes of a traced machine (call-event.ts): console bytes to lines, requests to spans of time. */
import type { DeviceRequest, TracedDevice, TraceNote } from './call-event.ts'
import { type Part, type PartState, StateReader } from './part.ts'

/** A console line without an end is passed on in parts of this many bytes. */
const LINE_MAX = 512
/** Requests of one device without an answer that are remembered. */
const ASKED_MAX = 1024
/** Devices that requests can be asked of. */
const DEVICES_MAX = 64

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

export class TraceNotes implements Part {
  readonly name = 'trace-notes'
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

  /** Requests that wait for their answer; lines are passed on before a run ends. */
  save(): PartState {
    const asked = [...this.#asked].filter(([, list]) => list.length > 0)
    return {
      asked: asked.map(([of, list]) => ({
        of,
        list: list.map(({ instructions, request, sector = -1, bytes = -1 }) => ({
          instructions,
          request,
          sector,
          bytes,
        })),
      })),
    }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.reset()
    for (const device of s.groups('asked', DEVICES_MAX)) {
      const of = device.text('of', 40)
      const list = device.groups('list', ASKED_MAX).map((one): Asked => {
        const instructions = one.integer('instructions', 0, Number.MAX_SAFE_INTEGER)
        const request = one.text('request', 20) as DeviceRequest
        const sector = one.integer('sector', -1, Number.MAX_SAFE_INTEGER)
        const bytes = one.integer('bytes', -1, Number.MAX_SAFE_INTEGER)
        one.end()
        return {
          instructions,
          request,
          sector: sector < 0 ? undefined : sector,
          bytes: bytes < 0 ? undefined : bytes,
        }
      })
      device.end()
      this.#asked.set(of, list)
    }
    s.end()
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
