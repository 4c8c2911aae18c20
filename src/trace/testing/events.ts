/** Writes call events the way the machine does, for tests: stacks and functions by name. */
import {
  ARGUMENT_CARRY,
  ARGUMENT_CPL_SHIFT,
  ARGUMENT_CPL_VALID,
  ARGUMENT_RAX_SHIFT,
  CALL_EVENT_BYTES,
  CallEventKind,
} from '../../machine/call-event.ts'
import type { CodeSymbol } from '../spans/symbols.ts'

/** Stacks of 16 KiB in the upper half, each name its own; 'user...' in the lower half. */
const STACK_BYTES = 0x4000
const FUNCTION_BYTES = 0x100

/** Where user programs are. */
const PROGRAM = 0x40_1000n

/** CPL and RAX as an event's argument says them. */
const level = (cpl: number, rax?: number): number =>
  ARGUMENT_CPL_VALID | (cpl << ARGUMENT_CPL_SHIFT) | (rax === undefined ? 0 : ((rax + 1) << ARGUMENT_RAX_SHIFT) >>> 0)

export class EventWriter {
  #bytes = new Uint8Array(1024 * CALL_EVENT_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #length = 0
  readonly #functions = new Map<string, bigint>()
  readonly #stacks = new Map<string, { base: bigint; rsp: bigint; slots: bigint[] }>()
  #stack = 'lwp0'
  now = 0

  at(instructions: number): this {
    this.now = instructions
    return this
  }

  /** Functions named so far, as the loader's symbols. */
  get symbols(): CodeSymbol[] {
    return this.#named(false)
  }
  get userSymbols(): CodeSymbol[] {
    return this.#named(true)
  }
  #named(user: boolean): CodeSymbol[] {
    return [...this.#functions]
      .filter(([name]) => name.startsWith('user') === user)
      .map(([name, address]) => ({ name, address, size: FUNCTION_BYTES }))
      .sort((a, b) => (a.address < b.address ? -1 : 1))
  }

  addressOf(name: string): bigint {
    let address = this.#functions.get(name)
    if (address === undefined) {
      const base = name.startsWith('user') ? 0x40_0000n : 0xffff_ffff_8020_0000n
      address = base + BigInt(this.#functions.size * FUNCTION_BYTES)
      this.#functions.set(name, address)
    }
    return address
  }

  /** What follows runs on this stack; no event by itself. */
  on(name: string): this {
    this.#stack = name
    return this
  }

  get rsp(): bigint {
    return this.#top().rsp
  }
  set rsp(rsp: bigint) {
    this.#top().rsp = rsp
  }

  call(name: string, locals = 32): this {
    const stack = this.#top()
    stack.rsp -= 8n
    stack.slots.push(stack.rsp)
    this.raw(CallEventKind.Call, 0, this.addressOf(name), stack.rsp)
    stack.rsp -= BigInt(locals)
    return this
  }

  ret(): this {
    const stack = this.#top()
    const slot = stack.slots.pop()
    if (slot === undefined) throw new Error('nothing to return from')
    stack.rsp = slot + 8n
    return this.raw(CallEventKind.Return, 0, 0xffff_ffff_8020_0001n, stack.rsp)
  }

  /** Leaves frames without RET, as longjmp does. */
  drop(frames: number): this {
    const stack = this.#top()
    for (let k = 0; k < frames; k++) stack.rsp = stack.slots.pop()! + 8n
    return this
  }

  /** A stack is given to a new thread. */
  renew(name: string): this {
    this.#stacks.get(name)!.slots.length = 0
    this.#stacks.get(name)!.rsp = this.#stacks.get(name)!.base
    return this
  }

  /** cpu_switchto's RET: onto another stack, popping the call it went to sleep in, or into a new thread's function. */
  switchTo(name: string, fresh?: string): this {
    this.on(name)
    const stack = this.#top()
    if (fresh === undefined) return this.ret()
    return this.raw(CallEventKind.Return, 0, this.addressOf(fresh), stack.rsp)
  }

  interrupt(vector: number, stack?: string): this {
    if (stack !== undefined) this.on(stack)
    const top = this.#top()
    top.slots.push(top.rsp)
    top.rsp = (top.rsp & ~15n) - 40n
    return this.raw(CallEventKind.Interrupt, vector, this.addressOf(`Xintr${vector}`), top.rsp)
  }

  /** `at` and `rax` where user mode goes on. */
  iret(to?: string, at = PROGRAM, rax = 0): this {
    const top = this.#top()
    top.rsp = top.slots.pop() ?? top.rsp
    if (to !== undefined) this.on(to)
    const rsp = this.#top().rsp
    return this.#stack.startsWith('user')
      ? this.raw(CallEventKind.InterruptReturn, level(3, rax), at, rsp)
      : this.raw(CallEventKind.InterruptReturn, level(0), this.addressOf('x'), rsp)
  }

  /** `site`: of the instruction after the call. */
  syscall(kernelStack: string, number?: number, site = PROGRAM): this {
    this.raw(CallEventKind.Syscall, level(0, number), site, this.rsp)
    return this.on(kernelStack)
  }

  /** What the call came back with: a result, or an error number with the carry flag set. */
  sysret(userStack: string, rax = 0, carry = false, at = PROGRAM): this {
    this.on(userStack)
    return this.raw(CallEventKind.SyscallReturn, level(3, rax) | (carry ? ARGUMENT_CARRY : 0), at, this.rsp)
  }

  cr3(value: bigint): this {
    return this.raw(CallEventKind.AddressSpace, 0, value, this.rsp)
  }

  idle(enterNs: number, leave: number, leaveNs: number): this {
    this.raw(CallEventKind.IdleEnter, 0, BigInt(enterNs), this.rsp)
    this.now = leave
    return this.raw(CallEventKind.IdleLeave, 0, BigInt(leaveNs), this.rsp)
  }

  raw(kind: number, argument: number, address: bigint, rsp: bigint): this {
    const at = this.#length * CALL_EVENT_BYTES
    if (at === this.#bytes.length) {
      const longer = new Uint8Array(at * 2)
      longer.set(this.#bytes)
      this.#bytes = longer
      this.#view = new DataView(longer.buffer)
    }
    this.#length++
    this.#view.setUint32(at, kind, true)
    this.#view.setUint32(at + 4, argument, true)
    this.#view.setBigUint64(at + 8, address, true)
    this.#view.setBigUint64(at + 16, rsp, true)
    this.#view.setBigUint64(at + 24, BigInt(this.now), true)
    return this
  }

  /** What was written since the last take. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length * CALL_EVENT_BYTES)
    this.#length = 0
    return bytes
  }

  #top(): { base: bigint; rsp: bigint; slots: bigint[] } {
    let stack = this.#stacks.get(this.#stack)
    if (stack === undefined) {
      const half = this.#stack.startsWith('user') ? 0x7fff_0000_0000n : 0xffff_8000_1000_0000n
      const base = half + BigInt((this.#stacks.size + 1) * STACK_BYTES) - 0x100n
      this.#stacks.set(this.#stack, (stack = { base, rsp: base, slots: [] }))
    }
    return stack
  }
}
