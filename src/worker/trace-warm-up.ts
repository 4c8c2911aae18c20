/**
 * Makes trace sessions fast before the first boot: a JavaScript engine optimises what has run often, and a boot is over
 * before that. What it assumed while optimising it throws away when something new comes, so everything comes here once:
 * calls on several stacks, system calls, interrupts, exceptions, sleep, clock readings, and notes of every shape.
 */
import { CALL_EVENT_BYTES, CallEventKind, type TraceNote } from '../machine/call-event.ts'
import { createRingBuffer, EventRing } from './event-ring.ts'
import type { MachineToTrace } from './protocol.ts'
import { TraceSession } from './trace-session.ts'

const BOOTS = 3
const SLICES_OF_A_BOOT = 6
const RECORDS_OF_A_SLICE = 12_288
const RING_RECORDS = 16_384
const FUNCTIONS = 2000
const FUNCTION_BYTES = 256
const DEPTH_MAX = 24
const PAGE_FAULT = 14
const DEVICE = 0x60
/** Upper halves of addresses as NetBSD has them. */
const KERNEL_TEXT = 0xffffffff
const KERNEL_STACK = 0xffff8000
const USER_STACK = 0x7f7f
const STACK_BYTES = 0x10000
const STACKS = 4
const PAGE_TABLE = 0xa01000
const USER_CODE = 0x401000

interface Stack {
  rsp: number
  /** Return address slots; negative: the stack pointer that an interrupt found. */
  readonly frames: number[]
}
const newStack = (rsp: number): Stack => ({ rsp, frames: [] })

class MadeUpEvents {
  readonly #words = new Uint32Array((RECORDS_OF_A_SLICE * CALL_EVENT_BYTES) / 4)
  readonly #kernel = Array.from({ length: STACKS }, (_, k) => newStack((k + 1) * STACK_BYTES))
  readonly #user = newStack(STACKS * 2 * STACK_BYTES)
  #at = 0
  #random = 1
  #thread = this.#kernel[0]!
  #isUser = false
  instructions = 0

  slice(): Uint8Array {
    this.#at = 0
    while (this.#at < this.#words.length - 16) this.#step()
    return new Uint8Array(this.#words.buffer, 0, this.#at * 4)
  }

  get #stack(): Stack {
    return this.#isUser ? this.#user : this.#thread
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
    words[at + 4] = this.#stack.rsp
    words[at + 5] = this.#isUser ? USER_STACK : KERNEL_STACK
    words[at + 6] = this.instructions
    words[at + 7] = 0
  }

  #step(): void {
    this.instructions += 1 + this.#below(60)
    const { instructions } = this
    const depth = this.#stack.frames.length
    const dice = this.#below(1000)
    if (dice === 0) this.#event(CallEventKind.Clock, instructions, 0)
    else if (dice === 1) {
      this.#event(CallEventKind.IdleEnter, instructions, 0)
      this.#event(CallEventKind.IdleLeave, instructions + 10, 0)
    } else if (dice === 2) this.#event(CallEventKind.AddressSpace, PAGE_TABLE + this.#below(3) * 4096, 0)
    else if (dice < 6 && depth < DEPTH_MAX) this.#interrupt(dice === 3 ? PAGE_FAULT : DEVICE)
    else if (dice < 10 && !this.#isUser) this.#switch()
    else if (dice < 14 && this.#isUser) this.#cross(CallEventKind.Syscall)
    else if (dice < 100 && depth === 0 && !this.#isUser) this.#cross(CallEventKind.SyscallReturn)
    else if (depth === 0 || (depth < DEPTH_MAX && dice < 500)) this.#call()
    else this.#return()
  }

  #call(): void {
    const stack = this.#stack
    stack.rsp -= 8
    stack.frames.push(stack.rsp)
    const callee = ((stack.frames.length * 37) % FUNCTIONS) + this.#below(8)
    this.#event(CallEventKind.Call, callee * FUNCTION_BYTES, this.#isUser ? 0 : KERNEL_TEXT)
    stack.rsp -= 8 * this.#below(12)
  }

  #return(): void {
    const stack = this.#stack
    const slot = stack.frames.pop()
    if (slot !== undefined) stack.rsp = slot < 0 ? -slot : slot + 8
    const kind = slot !== undefined && slot < 0 ? CallEventKind.InterruptReturn : CallEventKind.Return
    this.#event(kind, 0, this.#isUser ? 0 : KERNEL_TEXT)
  }

  #interrupt(vector: number): void {
    const stack = this.#stack
    stack.frames.push(-stack.rsp)
    stack.rsp -= 40
    this.#event(CallEventKind.Interrupt, 0, KERNEL_TEXT, vector)
  }

  /** cpu_switchto: called on one stack, returns on another. */
  #switch(): void {
    this.#call()
    this.#thread = this.#kernel[this.#below(STACKS)]!
    this.#return()
  }

  #cross(kind: CallEventKind): void {
    this.#isUser = kind === CallEventKind.SyscallReturn
    this.#event(kind, USER_CODE, 0)
  }
}

const madeUpNotes = (from: number, to: number): TraceNote[] => {
  const uart = { device: 'uart', unit: 0 } as const
  const disk = { device: 'virtio-blk', unit: 0 } as const
  const at = (share: number) => Math.floor(from + (to - from) * share)
  const bytes = new TextEncoder().encode('virtio0 at mainbus0\r\n')
  return [
    { ...uart, kind: 'console', instructions: at(0.1), bytes, done: at(0.2) },
    { kind: 'init', instructions: at(0.3), path: '/sbin/init' },
    { ...disk, kind: 'device', instructions: at(0.4), request: 'read', sector: 64, bytes: 8192, done: at(0.5) },
    { ...disk, kind: 'device', instructions: at(0.5), request: 'flush', done: at(0.6) },
    { ...disk, kind: 'device', instructions: at(0.6), request: 'send', bytes: 60, done: at(0.7) },
    { kind: 'exec', instructions: at(0.8), path: '/bin/sh' },
  ]
}

const symbols = () =>
  Array.from({ length: FUNCTIONS }, (_, k) => ({
    name: `f${k}`,
    address: (BigInt(KERNEL_TEXT) << 32n) + BigInt(k * FUNCTION_BYTES),
    size: FUNCTION_BYTES,
  }))

/** Each step is one slice of events: a few milliseconds, and tens at first. */
export function* warmUp(): Generator<void, void> {
  const ring = new EventRing(createRingBuffer(RING_RECORDS))
  let nowMs = 0
  const session = new TraceSession({ ring, eager: true, nowMs: () => nowMs, post: () => {} })
  // As they come out of a message: an engine tells such objects from those that a program makes.
  const take = (message: MachineToTrace): void => session.take(structuredClone(message))
  // Several boots, as several will follow: what holds for the first does not for the second.
  for (let boot = 1; boot <= BOOTS; boot++) {
    const made = new MadeUpEvents()
    const meta = { title: 'made up', notes: [] }
    const about = { entry: 0x200000, os: 'netbsd', stages: [], liveNs: 1e6, meta }
    take({ type: 'begin', begin: { boot, from: ring.written, symbols: symbols(), ...about } })
    let wallNs = 0
    for (let slice = 0; slice < SLICES_OF_A_BOOT; slice++) {
      const before = made.instructions
      ring.write(made.slice(), () => {})
      const { instructions } = made
      nowMs += 1000
      wallNs += instructions * (1 + slice)
      const clock = { instructions, guestNs: instructions + 10, wallNs }
      take({
        type: 'slices',
        slices: [{ to: ring.written, notes: madeUpNotes(before, instructions), clock, sleeps: false }],
      })
      yield
    }
    take({ type: 'end' })
  }
}
