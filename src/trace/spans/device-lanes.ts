/** What devices were asked, in lanes of their own: beside the CPU, so that none of it is the CPU's time. */

import type { GuestSystem } from '../../guests/systems/system.ts'
import type { Mark } from '../model/trace.ts'
import type { TracedDevice, TraceNote } from './call-events.ts'
import type { CallingContexts } from './calling-contexts.ts'
import type { FunctionNames } from './function-names.ts'
import type { SpanSink } from './span-sink.ts'

const MAX_DEVICE_SPANS = 32768
const MAX_DEVICE_DEPTH = 32

interface Device {
  readonly lane: number
  /** When the last request at each depth was done. */
  readonly ends: number[]
}

export class DeviceLanes {
  readonly #devices = new Map<string, Device>()
  readonly #nodes: CallingContexts
  readonly #names: FunctionNames
  readonly #sink: SpanSink
  readonly #system: GuestSystem
  readonly #nsAt: (instructions: number) => number
  readonly #onMark: (mark: Mark) => void
  readonly #lanes: Set<number>
  #count = 0

  /** Adds its lanes to `lanes`. */
  constructor(
    nodes: CallingContexts,
    names: FunctionNames,
    sink: SpanSink,
    system: GuestSystem,
    nsAt: (instructions: number) => number,
    onMark: (mark: Mark) => void,
    lanes: Set<number>,
  ) {
    this.#nodes = nodes
    this.#names = names
    this.#sink = sink
    this.#system = system
    this.#nsAt = nsAt
    this.#onMark = onMark
    this.#lanes = lanes
  }

  request(note: Extract<TraceNote, { kind: 'device' }>): void {
    const { request, sector, bytes, instructions } = note
    const place = sector === undefined ? '' : ` sector ${sector}`
    const size = bytes === undefined ? '' : `, ${bytes} bytes`
    const text = `${this.#system.deviceName(note)} ${request}${place}${size}`
    this.#onMark({ kind: 'device', at: this.#nsAt(instructions), atInstructions: instructions, text })
    this.span(note, request)
  }

  /** In the device's own lane; requests under way at once lie below each other. */
  span(of: Extract<TraceNote, TracedDevice>, request: string): void {
    const name = this.#system.deviceName(of)
    let device = this.#devices.get(name)
    if (device === undefined) {
      device = { lane: this.#nodes.addLane({ kind: 'devices', name }), ends: [] }
      this.#devices.set(name, device)
      this.#lanes.add(device.lane)
    }
    const { lane, ends } = device
    const { instructions } = of
    const done = Math.max(of.done, instructions)
    const start = this.#nsAt(instructions)
    const end = this.#nsAt(done)
    const func = this.#names.pseudo(`${name} ${request}`)
    const node = this.#nodes.of(this.#nodes.laneNode[lane]!, func, lane, instructions, start)
    this.#nodes.calls[node]++
    this.#nodes.self[node] += end - start
    this.#nodes.selfInstructions[node] += done - instructions
    if (++this.#count > MAX_DEVICE_SPANS) return
    let depth = 0
    while (depth < ends.length && ends[depth]! > start) depth++
    if (depth >= MAX_DEVICE_DEPTH) return
    ends[depth] = end
    this.#sink.push(lane, depth, func, instructions, done, start, end, 1)
  }
}
