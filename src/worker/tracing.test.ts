/** The feed and the session together: what the machine's thread says, and what the page gets. */
import { describe, expect, it } from 'vitest'
import { CALL_EVENT_BYTES, CallEventKind } from '../machine/call-event.ts'
import type { KernelInfo } from '../machine/index.ts'
import { SpanColumns } from '../trace/model/trace.ts'
import { longSpans } from '../trace/spans/span-sink.ts'
import { createRingBuffer, EventRing } from './event-ring.ts'
import type { BootRequest, MachineToTrace, Problem, TraceUpdate } from './protocol.ts'
import { TraceFeed } from './trace-feed.ts'
import { TraceSession } from './trace-session.ts'

const record = (kind: number, address: number, rsp: number, instructions: number): Uint8Array => {
  const bytes = new Uint8Array(CALL_EVENT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, kind, true)
  view.setBigUint64(8, BigInt(address), true)
  view.setBigUint64(16, BigInt(rsp), true)
  view.setBigUint64(24, BigInt(instructions), true)
  return bytes
}
const call = (instructions: number) => record(CallEventKind.Call, 0x2000, 0x8000, instructions)
const ret = (instructions: number) => record(CallEventKind.Return, 0x1010, 0x8008, instructions)

const kernel: KernelInfo = {
  entry: 0x1000,
  elfClass: 64,
  bytes: 0,
  cmdline: 'console=com',
  symbols: [
    { name: 'start', address: 0x1000n, size: 0x100 },
    { name: 'work', address: 0x2000n, size: 0x100 },
  ],
}
const request = { label: 'made', guest: 'made', stageMarks: [], liveNs: 3000 } as unknown as BootRequest

/** `looking`: what each look at the clock costs, in its milliseconds; `eager` as TraceSession has it. */
const tracing = ({ records = 1024, hears = true, eager = true, looking = 0 } = {}) => {
  const buffer = createRingBuffer(records)
  const updates: TraceUpdate[] = []
  const lost: Problem[] = []
  let now = 0
  let messages = 0
  const session = new TraceSession({
    ring: new EventRing(buffer),
    eager,
    nowMs: () => (now += looking),
    post: (update) => updates.push(update),
  })
  const feed = new TraceFeed(
    new EventRing(buffer, 1),
    eager,
    (message: MachineToTrace) => {
      messages++
      if (hears) session.take(structuredClone(message))
    },
    (what) => lost.push(what),
  )
  feed.begin(1, kernel, request)
  let figures = { instructions: 0, guestNs: 0, engine: {} }
  let wallMs = 0
  return {
    feed,
    session,
    updates,
    lost,
    messages: () => messages,
    /** A slice of `ms` on the host. */
    slice: (events: Uint8Array[], instructions: number, guestNs: number, { idle = false, ms = 100 } = {}) => {
      feed.wake(() => figures)
      for (const bytes of events) feed.events(bytes)
      figures = { instructions, guestNs, engine: {} }
      wallMs += ms
      now += ms
      feed.take(idle, figures, wallMs)
    },
    sleep: (ns: number) => {
      figures = { ...figures, guestNs: figures.guestNs + ns }
    },
  }
}

describe('a boot that is traced', () => {
  it('shows what has come, names once, and everything at the end', () => {
    const { feed, updates, slice } = tracing()
    slice([call(1000)], 1500, 1500)
    expect(updates).toHaveLength(1)
    expect(updates[0]).toMatchObject({ boot: 1, full: false, done: false, namesFrom: 0 })
    const known = updates[0]!.trace.functions.names.length
    slice([], 1600, 1600, { ms: 1 })
    expect(updates).toHaveLength(1)
    slice([ret(2000)], 2500, 2500, { ms: 1000 })
    expect(updates[1]).toMatchObject({ namesFrom: known })
    expect(updates[1]!.trace.functions.names).toEqual([])
    feed.finish()
    const last = updates.at(-1)!
    expect(last).toMatchObject({ full: true, done: true })
    const work = last.trace.functions.names.indexOf('work')
    expect(last.trace.functions.total[work]).toBeCloseTo(1000)
    slice([call(3000)], 9000, 9000, { ms: 1000 })
    feed.finish()
    expect(updates.at(-1)).toBe(last)
  })

  it('shows everything when it is asked for, and goes on', () => {
    const { session, updates, slice } = tracing()
    slice([call(1000)], 1500, 1500)
    session.show()
    expect(updates.at(-1)).toMatchObject({ full: true, done: false })
    slice([ret(2000)], 2500, 2500, { ms: 1000 })
    expect(updates.at(-1)).toMatchObject({ full: false })
  })

  it('starts afresh at power-on', () => {
    const { feed, updates, slice } = tracing()
    slice([call(1000), call(1200)], 1500, 1500)
    feed.begin(2, kernel, request)
    slice([call(100)], 200, 200)
    feed.finish()
    expect(updates.at(-1)).toMatchObject({ boot: 2, done: true })
    const { calls, names } = updates.at(-1)!.trace.functions
    expect(calls[names.indexOf('work')]).toBe(1)
  })

  it('knows that the machine slept, though no event says so', () => {
    const { feed, updates, slice, sleep } = tracing()
    slice([call(1000)], 2000, 2000, { idle: true })
    sleep(50_000)
    slice([ret(2500)], 3000, 53_000)
    feed.finish()
    const { trace } = updates.at(-1)!
    const idle = trace.lanes.findIndex(({ kind }) => kind === 'idle')
    expect(idle).toBeGreaterThan(0)
    const slept = Array.from({ length: trace.spans.length }, (_, k) => k)
      .filter((k) => trace.spans.lane[k] === idle)
      .reduce((sum, k) => sum + trace.spans.end[k]! - trace.spans.start[k]!, 0)
    expect(slept).toBeCloseTo(50_000, -3)
  })

  it('counts every call of a slice that is longer than the ring', () => {
    const { feed, updates, slice } = tracing({ records: 16 })
    const events = Array.from({ length: 500 }, (_, k) => [call(k * 10 + 1), ret(k * 10 + 6)]).flat()
    slice(events, 6000, 6000)
    feed.finish()
    const { calls, names, total } = updates.at(-1)!.trace.functions
    expect(calls[names.indexOf('work')]).toBe(500)
    expect(total[names.indexOf('work')]).toBeCloseTo(2500)
  })

  it('goes on untraced, and says so once, when nobody takes the events', () => {
    const { feed, lost, slice, messages } = tracing({ records: 16, hears: false })
    slice(
      Array.from({ length: 40 }, (_, k) => call(k)),
      100,
      100,
    )
    slice([call(200)], 300, 300)
    expect(lost).toMatchObject([{ kind: 'trace-lost' }])
    expect(feed.isOn).toBe(false)
    const before = messages()
    slice([call(400)], 500, 500)
    expect(messages()).toBe(before)
  })

  it('wakes nobody for every tick of a guest that idles', () => {
    const { slice, messages } = tracing()
    const before = messages()
    for (let tick = 0; tick < 100; tick++)
      slice([call(tick * 20), ret(tick * 20 + 5)], tick * 20 + 10, 1e7 * tick, { idle: true, ms: 10 })
    expect(messages() - before).toBeLessThanOrEqual(20)
  })
})

describe('a boot on few cores', () => {
  const thrifty = { eager: false, looking: 5 }
  const busy = (from: number) =>
    Array.from({ length: 20 }, (_, k) => [call(from + k * 10 + 1), ret(from + k * 10 + 6)]).flat()
  const callsOf = ({ trace }: TraceUpdate) => trace.functions.calls[trace.functions.names.indexOf('work')]

  it('wakes nobody in its first second, and is made into spans when it is over', () => {
    const { feed, session, updates, slice, messages } = tracing(thrifty)
    for (let k = 0; k < 5; k++) slice(busy(k * 1000), (k + 1) * 1000, (k + 1) * 1000, { ms: 60 })
    expect(messages()).toBe(0)
    feed.finish()
    expect(callsOf(updates.at(-1)!)).toBe(100)
    expect(session.quietMs).toBeUndefined()
  })

  it('is caught up with while the machine sleeps', () => {
    const { session, updates, slice } = tracing(thrifty)
    for (let k = 0; k < 5; k++) slice(busy(k * 1000), (k + 1) * 1000, (k + 1) * 1000, { ms: 60, idle: k === 4 })
    expect(session.quietMs).toBeGreaterThan(0)
    while (session.quietMs !== undefined) session.catchUp()
    session.show()
    expect(callsOf(updates.at(-1)!)).toBe(100)
  })

  it('is read at once where the ring fills up', () => {
    const { feed, lost, updates, slice } = tracing({ ...thrifty, records: 64 })
    for (let k = 0; k < 5; k++) slice(busy(k * 1000), (k + 1) * 1000, (k + 1) * 1000, { ms: 60 })
    feed.finish()
    expect(lost).toEqual([])
    expect(callsOf(updates.at(-1)!)).toBe(100)
  })

  it('leaves nothing behind for the next one', () => {
    const { feed, updates, slice } = tracing(thrifty)
    for (let k = 0; k < 5; k++) slice(busy(k * 1000), (k + 1) * 1000, (k + 1) * 1000, { ms: 20 })
    feed.begin(2, kernel, request)
    slice(busy(0), 1000, 1000)
    feed.finish()
    expect(callsOf(updates.at(-1)!)).toBe(20)
  })
})

describe('a live update', () => {
  it('is thinned by length', () => {
    const spans = new SpanColumns()
    for (let k = 0; k < 20_000; k++) spans.push(0, 0, 0, k * 10, k * 10 + (k % 10) + 1, 0, 0, 1)
    const seen = longSpans(spans, 1, 8000)
    expect(seen.length).toBeLessThanOrEqual(8000)
    expect(seen.length).toBeGreaterThan(0)
  })
})
