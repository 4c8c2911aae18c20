/**
 * Call events on their way from the machine's thread to the trace worker: a ring in shared memory with one writer and one
 * reader. It knows no message and no worker; the two sides tell each other by other means that there is something to do.
 *
 *   header   Int32   records written, records read (both modulo 2^32), closed, changes that a writer waits for
 *   records  CALL_EVENT_BYTES each, `written` modulo their number is where the next one goes
 *
 * A writer that finds no room waits for the reader: memory is bounded and nothing is lost while somebody reads. Whoever
 * sees that the reader is gone closes the ring, and the writer goes on without it.
 *
 * Why shared memory and not messages: in Chromium 156 the 64 MB of a NetBSD boot took 3 ms to copy into a ring that had
 * been touched before, and 50 to 270 ms into buffers of their own, which is what a message would carry.
 */
import { assert } from '../base/assert.ts'
import { CALL_EVENT_BYTES } from '../machine/call-event.ts'

/** 16 MiB: a fifth of a second of the densest boot, for a reader that is held up. */
export const RECORDS_BRIEF = 1 << 19
/** 64 MiB: a whole boot of NetBSD, for a reader that puts it off. */
export const RECORDS_LONG = 1 << 21
const HEADER_BYTES = 64
const WRITTEN = 0
const READ = 1
const CLOSED = 2
const CHANGES = 3
const PAGE_BYTES = 4096

/** A reader that takes nothing for so long is not going to. */
const PATIENCE_MS = 5000

export const createRingBuffer = (records: number): SharedArrayBuffer =>
  new SharedArrayBuffer(HEADER_BYTES + records * CALL_EVENT_BYTES)

export class EventRing {
  readonly #header: Int32Array
  readonly #bytes: Uint8Array
  /** A power of two. */
  readonly #records: number
  readonly #patienceMs: number

  constructor(buffer: SharedArrayBuffer, patienceMs = PATIENCE_MS) {
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4)
    this.#bytes = new Uint8Array(buffer, HEADER_BYTES)
    this.#records = this.#bytes.length / CALL_EVENT_BYTES
    this.#patienceMs = patienceMs
    assert((this.#records & (this.#records - 1)) === 0, `a ring has a power of two of records (${this.#records})`)
  }

  /** Has the system back every page now: its first use costs more than the copying. From any thread, at any time. */
  touch(): void {
    for (let at = 0; at < this.#bytes.length; at += PAGE_BYTES) Atomics.or(this.#bytes, at, 0)
  }

  /** Records written so far, modulo 2^32. */
  get written(): number {
    return Atomics.load(this.#header, WRITTEN) >>> 0
  }

  /** Share of it that waits to be read. */
  get fill(): number {
    return ((this.written - Atomics.load(this.#header, READ)) >>> 0) / this.#records
  }

  get isClosed(): boolean {
    return Atomics.load(this.#header, CLOSED) !== 0
  }

  /** From any thread, at any time: nobody reads any more. */
  close(): void {
    Atomics.store(this.#header, CLOSED, 1)
    this.#changed()
  }

  /**
   * Appends whole records. Where there is no room, `whenFull` is called, which tells the reader, and this thread waits.
   * 'closed': nobody reads any more. 'abandoned': nobody read for too long, and the ring is closed now.
   */
  write(bytes: Uint8Array, whenFull: () => void): 'taken' | 'closed' | 'abandoned' {
    let at = 0
    while (at < bytes.length) {
      const changes = Atomics.load(this.#header, CHANGES)
      if (this.isClosed) return 'closed'
      const written = this.written
      const read = Atomics.load(this.#header, READ)
      const room = this.#records - ((written - read) >>> 0)
      if (room === 0) {
        whenFull()
        if (Atomics.wait(this.#header, CHANGES, changes, this.#patienceMs) !== 'timed-out') continue
        this.close()
        return 'abandoned'
      }
      const index = written & (this.#records - 1)
      const count = Math.min(room, this.#records - index, (bytes.length - at) / CALL_EVENT_BYTES)
      this.#bytes.set(bytes.subarray(at, at + count * CALL_EVENT_BYTES), index * CALL_EVENT_BYTES)
      Atomics.store(this.#header, WRITTEN, (written + count) | 0)
      at += count * CALL_EVENT_BYTES
    }
    return 'taken'
  }

  /** Records up to `to` (a count as `written` says it) in one piece, copied only where they wrap; good until `release`. */
  peek(to: number): Uint8Array {
    const read = Atomics.load(this.#header, READ)
    const count = (to - read) >>> 0
    const index = read & (this.#records - 1)
    const start = index * CALL_EVENT_BYTES
    const tail = Math.min(count, this.#records - index)
    const bytes = this.#bytes.subarray(start, start + tail * CALL_EVENT_BYTES)
    if (tail === count) return bytes
    const whole = new Uint8Array(count * CALL_EVENT_BYTES)
    whole.set(bytes)
    whole.set(this.#bytes.subarray(0, (count - tail) * CALL_EVENT_BYTES), tail * CALL_EVENT_BYTES)
    return whole
  }

  /** The reader is done with the records up to `to`. */
  release(to: number): void {
    Atomics.store(this.#header, READ, to | 0)
    this.#changed()
  }

  #changed(): void {
    Atomics.add(this.#header, CHANGES, 1)
    Atomics.notify(this.#header, CHANGES)
  }
}
