/**
 * Makes the span builder fast before the first boot: a JavaScript engine optimises what has run often, and a boot is
 * over before that. In Node 20 the spans of a NetBSD boot took 870 ms of CPU time without and 500 ms with this.
 *
 * The events are made up in the shape of a kernel's: deep, short, the same few callees again and again, with system
 * calls, interrupts, sleep and clock readings between them.
 */
import { CALL_EVENT_BYTES, CallEventKind, type TraceNote } from '../machine/call-event.ts'
import { SpanBuilder } from '../trace/span-builder.ts'

const BOOTS = 3
const BATCHES_OF_A_BOOT = 5
const RECORDS_OF_A_BATCH = 12_288
const FUNCTIONS = 2000
const FUNCTION_BYTES = 256
const DEPTH_MAX = 24
const VECTOR = 0x60
/** Upper halves of addresses as NetBSD has them. */
const KERNEL_TEXT = 0xffffffff
const KERNEL_STACK = 0xffff8000
const USER_STACK = 0x7f7f
const STACK_TOP = 0x100000
const PAGE_TABLE = 0xa01000

class MadeUpEvents {
  readonly #words = new Uint32Array((RECORDS_OF_A_BATCH * CALL_EVENT_BYTES) / 4)
  #at = 0
  #random = 1
  #instructions = 0
  #rsp = STACK_TOP
  #isUser = false
  /** Return address slots; negative: the stack pointer that an interrupt found. */
  #frames: number[] = []

  get instructions(): number {
    return this.#instructions
  }

  batch(): Uint8Array {
    this.#at = 0
    while (this.#at < this.#words.length - 16) this.#step()
    return new Uint8Array(this.#words.buffer, 0, this.#at * 4)
  }

  #below(limit: number): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0
    return (this.#random >>> 8) % limit
  }

  #event(kind: CallEventKind, address: number, addressHigh: number, argument = 0): void {
    const words = this.#words
    const at = this.#at
    this.#at += CALL_EVENT_BYTES / 4
    words[at] = kind
    words[at + 1] = argument
    words[at + 2] = address
    words[at + 3] = addressHigh
    words[at + 4] = this.#rsp
    words[at + 5] = this.#isUser ? USER_STACK : KERNEL_STACK
    words[at + 6] = this.#instructions
    words[at + 7] = 0
  }

  #step(): void {
    this.#instructions += 1 + this.#below(60)
    const depth = this.#frames.length
    const dice = this.#below(1000)
    if (dice === 0) this.#event(CallEventKind.Clock, this.#instructions, 0)
    else if (dice === 1) {
      this.#event(CallEventKind.IdleEnter, this.#instructions, 0)
      this.#event(CallEventKind.IdleLeave, this.#instructions + 10, 0)
    } else if (dice === 2) this.#event(CallEventKind.AddressSpace, PAGE_TABLE + this.#below(3) * 4096, 0)
    else if (dice < 6 && depth < DEPTH_MAX) {
      this.#frames.push(-this.#rsp)
      this.#rsp -= 40
      this.#event(CallEventKind.Interrupt, 0, KERNEL_TEXT, VECTOR)
    } else if (depth === 0 && dice < 100) {
      this.#isUser = !this.#isUser
      this.#event(this.#isUser ? CallEventKind.SyscallReturn : CallEventKind.Syscall, 0x401000, 0)
    } else if (depth === 0 || (depth < DEPTH_MAX && dice < 500)) {
      this.#rsp -= 8
      this.#frames.push(this.#rsp)
      const callee = ((depth * 37) % FUNCTIONS) + this.#below(8)
      this.#event(CallEventKind.Call, callee * FUNCTION_BYTES, this.#isUser ? 0 : KERNEL_TEXT)
      this.#rsp -= 8 * this.#below(12)
    } else this.#return()
  }

  #return(): void {
    const slot = this.#frames.pop()!
    this.#rsp = slot < 0 ? -slot : slot + 8
    this.#event(slot < 0 ? CallEventKind.InterruptReturn : CallEventKind.Return, 0, this.#isUser ? 0 : KERNEL_TEXT)
  }
}

/** One of each shape, as they come out of a message: an engine tells objects apart by that. */
const madeUpNotes = (from: number, to: number): TraceNote[] => {
  const uart = { device: 'uart', unit: 0 } as const
  const disk = { device: 'virtio-blk', unit: 0 } as const
  const at = (share: number) => Math.floor(from + (to - from) * share)
  const bytes = new TextEncoder().encode('virtio0 at mainbus0\r\n')
  return structuredClone<TraceNote[]>([
    { ...uart, kind: 'console', instructions: at(0.1), bytes, done: at(0.2) },
    { kind: 'init', instructions: at(0.3), path: '/sbin/init' },
    { ...disk, kind: 'device', instructions: at(0.4), request: 'read', sector: 64, bytes: 8192, done: at(0.5) },
    { ...disk, kind: 'device', instructions: at(0.5), request: 'flush', done: at(0.6) },
    { ...disk, kind: 'device', instructions: at(0.6), request: 'send', bytes: 60, done: at(0.7) },
    { kind: 'exec', instructions: at(0.8), path: '/bin/sh' },
  ])
}

/** Each step is one batch of events: a few milliseconds, and tens at first. */
export function* warmUp(): Generator<void, void> {
  const symbols = Array.from({ length: FUNCTIONS }, (_, k) => ({
    name: `f${k}`,
    address: (BigInt(KERNEL_TEXT) << 32n) + BigInt(k * FUNCTION_BYTES),
    size: FUNCTION_BYTES,
  }))
  // Several boots, as several will follow: what an engine assumes of the first does not hold for the second.
  for (let boot = 0; boot < BOOTS; boot++) {
    const made = new MadeUpEvents()
    const builder = new SpanBuilder({ symbols, entry: 0x200000, os: 'netbsd', maxSpans: 10_000 })
    for (let batch = 0; batch < BATCHES_OF_A_BOOT; batch++) {
      const before = made.instructions
      const events = made.batch()
      const { instructions } = made
      const clock = { instructions, guestNs: instructions + 10, wallNs: instructions }
      builder.push({ events, notes: madeUpNotes(before, instructions), clock })
      yield
    }
    builder.snapshot()
  }
}
