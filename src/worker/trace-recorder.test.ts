import { describe, expect, it } from 'vitest'
import { CALL_EVENT_BYTES, CallEventKind } from '../machine/call-event.ts'
import type { Machine } from '../machine/machine.ts'
import { SpanColumns } from '../trace/trace.ts'
import type { BootRequest, TraceUpdate } from './protocol.ts'
import { seenSpans, TraceRecorder } from './trace-recorder.ts'

const record = (kind: number, address: number, rsp: number, instructions: number): Uint8Array => {
  const bytes = new Uint8Array(CALL_EVENT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, kind, true)
  view.setBigUint64(8, BigInt(address), true)
  view.setBigUint64(16, BigInt(rsp), true)
  view.setBigUint64(24, BigInt(instructions), true)
  return bytes
}

const recording = () => {
  const figures = { instructions: 0, guestNs: 0, engine: {} }
  const machine = {
    kernel: {
      entry: 0x1000,
      elfClass: 64,
      bytes: 0,
      cmdline: 'console=com',
      symbols: [
        { name: 'start', address: 0x1000n, size: 0x100 },
        { name: 'work', address: 0x2000n, size: 0x100 },
      ],
    },
    figures: () => figures,
  } as unknown as Machine
  const request = { label: 'made', guest: 'made', stageMarks: [], liveNs: 3000 } as unknown as BootRequest
  const updates: TraceUpdate[] = []
  let now = 0
  const recorder = new TraceRecorder(
    machine,
    request,
    () => now,
    (update) => updates.push(update),
  )
  return {
    recorder,
    updates,
    slice: (events: Uint8Array[], instructions: number, guestNs: number, idle = false) => {
      recorder.wake()
      for (const bytes of events) recorder.events(bytes)
      figures.instructions = instructions
      figures.guestNs = guestNs
      recorder.take(idle, guestNs / 1e6)
    },
    sleep: (ns: number) => {
      figures.guestNs += ns
    },
    later: (ms: number) => {
      now += ms
    },
  }
}

describe('the trace recorder', () => {
  it('sends what has come, names once, and everything at the end', () => {
    const { recorder, updates, slice, later } = recording()
    slice([record(CallEventKind.Call, 0x2000, 0x8000, 1000)], 1500, 1500)
    expect(updates).toHaveLength(1)
    expect(updates[0]).toMatchObject({ full: false, done: false, namesFrom: 0 })
    const known = updates[0]!.trace.functions.names.length
    later(1)
    slice([], 1600, 1600)
    expect(updates).toHaveLength(1)
    later(1000)
    slice([record(CallEventKind.Return, 0x1010, 0x8008, 2000)], 2500, 2500)
    expect(updates[1]).toMatchObject({ namesFrom: known })
    expect(updates[1]!.trace.functions.names).toEqual([])
    recorder.finish()
    const last = updates.at(-1)!
    expect(last).toMatchObject({ full: true, done: true })
    expect(last.trace.functions.names).toContain('work')
    const work = last.trace.functions.names.indexOf('work')
    expect(last.trace.functions.total[work]).toBeCloseTo(1000)
    slice([], 9000, 9000)
    recorder.finish()
    expect(updates.at(-1)).toBe(last)
  })

  it('knows that the machine slept, though no event says so', () => {
    const { recorder, updates, slice, sleep } = recording()
    slice([record(CallEventKind.Call, 0x2000, 0x8000, 1000)], 2000, 2000, true)
    sleep(50_000)
    slice([record(CallEventKind.Return, 0x1010, 0x8008, 2500)], 3000, 53_000)
    recorder.finish()
    const { trace } = updates.at(-1)!
    const idle = trace.lanes.findIndex(({ kind }) => kind === 'idle')
    expect(idle).toBeGreaterThan(0)
    const slept = Array.from({ length: trace.spans.length }, (_, k) => k)
      .filter((k) => trace.spans.lane[k] === idle)
      .reduce((sum, k) => sum + trace.spans.end[k]! - trace.spans.start[k]!, 0)
    expect(slept).toBeCloseTo(50_000, -3)
  })

  it('thins a live update by length', () => {
    const spans = new SpanColumns()
    for (let k = 0; k < 20_000; k++) spans.push(0, 0, 0, k * 10, k * 10 + (k % 10) + 1, 0, 0, 1)
    const seen = seenSpans(spans, 1)
    expect(seen.length).toBeLessThanOrEqual(8000)
    expect(seen.length).toBeGreaterThan(0)
  })
})
