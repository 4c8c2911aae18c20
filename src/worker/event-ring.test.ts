import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { CALL_EVENT_BYTES } from '../machine/call-event.ts'
import { createRingBuffer, EventRing } from './event-ring.ts'

/** Records numbered from `first`, in their first word. */
const records = (first: number, count: number): Uint8Array => {
  const bytes = new Uint8Array(count * CALL_EVENT_BYTES)
  const view = new DataView(bytes.buffer)
  for (let k = 0; k < count; k++) view.setUint32(k * CALL_EVENT_BYTES, first + k, true)
  return bytes
}
const numbers = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / CALL_EVENT_BYTES }, (_, k) => view.getUint32(k * CALL_EVENT_BYTES, true))
}
const never = () => {
  throw new Error('the ring had room')
}
const upTo = (from: number, to: number) => Array.from({ length: to - from }, (_, k) => from + k)

describe('the event ring', () => {
  it('hands records over in order, round and round', () => {
    const ring = new EventRing(createRingBuffer(8))
    for (let at = 0; at < 60; at += 6) {
      expect(ring.write(records(at, 6), never)).toBe('taken')
      expect(numbers(ring.peek(ring.written))).toEqual(upTo(at, at + 6))
      ring.release(ring.written)
    }
  })

  it('hands over as far as it is asked to', () => {
    const ring = new EventRing(createRingBuffer(8))
    ring.write(records(0, 3), never)
    const slice = ring.written
    ring.write(records(3, 3), never)
    expect(numbers(ring.peek(slice))).toEqual([0, 1, 2])
    ring.release(slice)
    expect(numbers(ring.peek(ring.written))).toEqual([3, 4, 5])
  })

  it('says that it is full, and goes on when somebody reads', () => {
    const ring = new EventRing(createRingBuffer(8))
    const read: number[] = []
    const outcome = ring.write(records(0, 30), () => {
      read.push(...numbers(ring.peek(ring.written)))
      ring.release(ring.written)
    })
    read.push(...numbers(ring.peek(ring.written)))
    expect(outcome).toBe('taken')
    expect(read).toEqual(upTo(0, 30))
  })

  it('waits for a reader on another thread, and loses nothing', async () => {
    const buffer = createRingBuffer(64)
    const ring = new EventRing(buffer)
    // The reader frees a record at a time, as slowly as it likes; it holds by the layout that event-ring.ts describes.
    const reader = new Worker(
      `const { workerData: buffer, parentPort } = require('node:worker_threads')
       const header = new Int32Array(buffer, 0, 16)
       const words = new Uint32Array(buffer, 64)
       const seen = []
       for (let read = 0; read < 1000; read++) {
         while (Atomics.load(header, 0) === read) Atomics.wait(header, 0, read, 1)
         seen.push(words[(read & 63) * 8])
         Atomics.store(header, 1, read + 1)
         Atomics.add(header, 3, 1)
         Atomics.notify(header, 3)
       }
       parentPort.postMessage(seen)`,
      { eval: true, workerData: buffer },
    )
    const seen = new Promise<number[]>((resolve) => reader.once('message', resolve))
    for (let at = 0; at < 1000; at += 100) expect(ring.write(records(at, 100), () => {})).toBe('taken')
    expect(await seen).toEqual(upTo(0, 1000))
    await reader.terminate()
  })

  it('lets the writer go when it is closed, or when nobody reads', () => {
    const closed = new EventRing(createRingBuffer(8))
    expect(closed.write(records(0, 9), () => closed.close())).toBe('closed')
    expect(closed.write(records(0, 1), never)).toBe('closed')
    const abandoned = new EventRing(createRingBuffer(8), 1)
    expect(abandoned.write(records(0, 9), () => {})).toBe('abandoned')
    expect(abandoned.isClosed).toBe(true)
  })

  it('counts past 2^32 records', () => {
    const buffer = createRingBuffer(8)
    new Int32Array(buffer).set([-3, -3])
    const ring = new EventRing(buffer)
    for (let at = 0; at < 12; at += 4) {
      ring.write(records(at, 4), never)
      expect(numbers(ring.peek(ring.written))).toEqual(upTo(at, at + 4))
      ring.release(ring.written)
    }
    expect(ring.written).toBe(9)
  })
})
