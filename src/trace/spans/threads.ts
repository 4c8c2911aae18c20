/**
 * The stacks that one CPU runs on, and which of them runs: what the innermost frame does not explain is settled here. See
 * span-builder.ts for the model; that file's loop takes what simply nests.
 */

import type { GuestSystem } from '../../guests/systems/system.ts'
import type { Moment } from '../model/stages.ts'
import { cleanText } from '../model/text.ts'
import { grown, type Mark, NO_FUNCTION } from '../model/trace.ts'
import { ARGUMENT_CPL_SHIFT, ARGUMENT_CPL_VALID, ARGUMENT_RAX_SHIFT } from './call-events.ts'
import type { CallingContexts } from './calling-contexts.ts'
import { Context, NODE, outermost, R, RUN_CALLS, SEG_CALLS, SEG_I, SEG_N, STRIDE } from './context.ts'
import type { FunctionNames } from './function-names.ts'
import { Processes, type UserEntry } from './processes.ts'
import type { SpanSink } from './span-sink.ts'
import { UPPER_HALF } from './symbols.ts'

/** Stacks put aside; NetBSD has under a hundred at boot. They are searched one by one, but only at switches. */
const MAX_CONTEXTS = 512
const MAX_CHAIN = 64

/**
 * A CALL at most this far below the last one is on the same stack: kernels' stacks are small (NetBSD's have 12 to 20 KiB)
 * and their compilers refuse larger frames. Further down begins another stack: NetBSD's lie close to each other.
 */
export const NEAR = 4096

export const KERNEL_LANE = 0
const INTERRUPT_LANE = 1

export class Threads {
  /** What runs: the tip of its chain, and the calling context that time goes to. */
  context: Context
  node: number
  /** CR3's page tables. */
  space = 0
  idleLane = -1
  /** Guest ns at which the CPU went to sleep, -1 while it is awake. */
  idleSince = -1
  idleSinceI = 0
  firstUser: Moment | undefined
  /** What the next system call is given to execute. */
  execPath: string | undefined
  readonly processes: Processes
  readonly #nodes: CallingContexts
  readonly #names: FunctionNames
  readonly #sink: SpanSink
  readonly #system: GuestSystem
  readonly #onMark: (mark: Mark) => void
  readonly #entryLow: boolean
  #upper = false
  readonly #pool: Context[] = []
  /** Tips of chains put aside, oldest first, and the same by the return address slot of their innermost frame. */
  readonly #aside = new Set<Context>()
  readonly #tops = new Map<number, Context>()

  /** `entry`: address of the first instruction. */
  constructor(
    nodes: CallingContexts,
    names: FunctionNames,
    sink: SpanSink,
    system: GuestSystem,
    onMark: (mark: Mark) => void,
    entry: number | undefined,
  ) {
    this.#nodes = nodes
    this.#names = names
    this.#sink = sink
    this.#system = system
    this.#onMark = onMark
    this.processes = new Processes(nodes.lanes, system)
    nodes.addLane({ kind: 'kernel', name: 'kernel' })
    nodes.addLane({ kind: 'interrupts', name: 'interrupts' })
    this.context = new Context().reset('thread', KERNEL_LANE)
    this.node = nodes.laneNode[KERNEL_LANE]!
    this.#entryLow = entry !== undefined && entry < UPPER_HALF
    if (entry !== undefined) this.openRoot(this.context, names.at(entry, false), Infinity, 0, 0)
  }

  topNode(context: Context): number {
    return context.depth > 0 ? context.frames[(context.depth - 1) * STRIDE + NODE] : this.#nodes.laneNode[context.lane]!
  }

  openRoot(context: Context, func: number, r: number, i: number, n: number): void {
    const node = this.#nodes.of(this.#nodes.laneNode[context.lane]!, func, context.lane, i, n)
    this.#nodes.calls[node]++
    this.#openFrame(context, r, node, i, n)
    context.rooted = true
    this.node = node
  }

  #openFrame(context: Context, r: number, node: number, i: number, n: number): void {
    const top = context.depth++ * STRIDE
    if (top + STRIDE > context.frames.length) context.frames = grown(context.frames, context.frames.length * 2)
    const { frames } = context
    frames[top + R] = r
    frames[top + NODE] = node
    frames[top + SEG_I] = i
    frames[top + SEG_N] = n
    frames[top + SEG_CALLS] = 1
    frames[top + RUN_CALLS] = 0
  }

  /** Closes frames until `depth` are left. */
  #unwind(context: Context, depth: number, i: number, n: number): void {
    while (context.depth > depth) {
      const top = (context.depth - 1) * STRIDE
      this.#sink.endSegment(context, top, i, n)
      context.depth--
    }
  }

  /** Closes the frames whose return address lies below `rsp`: they are dead. */
  #closeBelow(context: Context, rsp: number, i: number, n: number): void {
    const floor = context.rooted ? 1 : 0
    let depth = context.depth
    while (depth > floor && context.frames[(depth - 1) * STRIDE + R] < rsp) depth--
    this.#unwind(context, depth, i, n)
  }

  // ── stacks ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A CALL that does not simply nest in the innermost frame: settles the context it belongs to. */
  call(rsp: number, i: number, n: number): void {
    this.idleLeave(i, n)
    let context = this.context
    if (rsp >= UPPER_HALF) this.#upper = true
    if (context.kind !== 'user' && !this.#owns(context, rsp)) context = this.#findStack(rsp, i, n)
    this.#closeBelow(context, rsp + 1, i, n)
    if (rsp > context.hi) context.hi = rsp
    if (rsp < context.lo) context.lo = rsp
    // The way in reaches down to its first call.
    if (context.rooted && !(context.frames[R] > rsp && context.frames[R] < Infinity)) context.frames[R] = rsp + 0.5
    this.node = this.topNode(context)
  }

  #owns(context: Context, rsp: number): boolean {
    if (context.lo > context.hi) {
      // No stack known yet. The kernel's entry runs low and jumps high before the first call: that is another one.
      return !(context.kind === 'thread' && this.#entryLow && rsp >= UPPER_HALF)
    }
    return rsp > context.lo - NEAR && rsp <= context.hi
  }

  /** Makes the context of the stack that `rsp` lies on the running one: down the chain, put aside, or new. */
  #findStack(rsp: number, i: number, n: number): Context {
    const context = this.context
    for (let p = context.parent; p !== undefined && p.kind !== 'user'; p = p.parent) {
      // Above the stack pointer at the interrupt: it will not come back by IRET.
      if (p.lo <= p.hi && rsp >= p.lo && rsp <= p.hi && rsp > context.hi) {
        while (this.context !== p) this.#leave(i, n)
        return p
      }
    }
    const other = this.#asideAt(rsp)
    if (other !== undefined) {
      this.#switchTo(other, i, n)
      return other
    }
    // Just above and nobody else's: a return that was lost.
    if (context.lo <= context.hi && rsp >= context.lo && rsp <= context.hi + NEAR) return context
    return this.#newThread(i, n)
  }

  /** The chain put aside whose tip's stack holds `rsp`; of several, on a stack that was used again, the latest. */
  #asideAt(rsp: number): Context | undefined {
    let near: Context | undefined
    let on: Context | undefined
    for (const tip of this.#aside) {
      if (tip.kind === 'user' || rsp > tip.hi + 64 || rsp < tip.lo - NEAR) continue
      if (rsp >= tip.lo) on = tip
      else near = tip
    }
    return on ?? near
  }

  #newThread(i: number, n: number): Context {
    this.#putAside(i, n)
    const thread = (this.#pool.pop() ?? new Context()).reset('thread', KERNEL_LANE)
    this.context = thread
    this.node = this.topNode(thread)
    return thread
  }

  /** A RET that does not pop the innermost frame. */
  return(rsp: number, address: number, i: number, n: number): void {
    this.idleLeave(i, n)
    const context = this.context
    const { frames, depth } = context
    const floor = context.rooted ? 1 : 0
    if (context.kind === 'user') {
      this.#closeBelow(context, rsp, i, n)
      this.node = this.topNode(context)
      return
    }
    // 32-bit code pushes 4 bytes. A deeper frame popped exactly: those above it were left without RET.
    for (let k = depth - 1; k >= floor && frames[k * STRIDE + R] < rsp; k--) {
      const r = frames[k * STRIDE + R]
      if (r !== rsp - 8 && r !== rsp - 4) continue
      this.#unwind(context, k, i, n)
      this.node = this.topNode(context)
      return
    }
    const other = this.#tops.get(rsp - 8)
    if (other !== undefined) {
      this.#switchTo(other, i, n)
      this.#unwind(other, other.depth - 1, i, n)
      this.node = this.topNode(other)
      return
    }
    // Out of an interrupt or a system call without its return: our own embedded guest's user_exit does so.
    for (let p = context.parent; p !== undefined; p = p.parent) {
      if (p.kind === 'user') continue
      for (let k = p.depth - 1; k >= (p.rooted ? 1 : 0); k--) {
        if (p.frames[k * STRIDE + R] !== rsp - 8) continue
        while (this.context !== p) this.#leave(i, n)
        this.#unwind(p, k, i, n)
        this.node = this.topNode(p)
        return
      }
    }
    const here = context.lo <= context.hi && rsp > context.lo - NEAR && rsp <= context.hi + 64
    const unwound = here ? undefined : this.#asideAt(rsp)
    // All its calls lie below: their thread has died, and a new one begins on its stack.
    const isReused = unwound !== undefined && outermost(unwound) < rsp
    if (isReused) this.#forget(unwound)
    else if (here || unwound !== undefined) {
      if (unwound !== undefined) this.#switchTo(unwound, i, n)
      const at = this.context
      this.#closeBelow(at, rsp, i, n)
      // What is returned to was not seen called: a new thread's first function, after cpu_switchto's own calls.
      if (at.kind === 'thread' && at.depth === 0) this.openRoot(at, this.#names.at(address, false), rsp + 0.5, i, n)
      this.node = this.topNode(at)
      return
    }
    if (context.lo > context.hi && !(this.#entryLow && rsp >= UPPER_HALF)) return
    const thread = this.#newThread(i, n)
    thread.lo = thread.hi = rsp
    this.openRoot(thread, this.#names.at(address, false), rsp + 0.5, i, n)
  }

  /** An interrupt, exception or system call on top of what runs. */
  enter(kind: 'interrupt' | 'syscall', name: string, inKernel: boolean, rsp: number, i: number, n: number): void {
    this.idleLeave(i, n)
    let links = 0
    for (let p: Context | undefined = this.context; p !== undefined; p = p.parent) links++
    if (links >= MAX_CHAIN) while (this.context.parent !== undefined) this.#leave(i, n)
    const below = this.context
    const lane = inKernel ? KERNEL_LANE : INTERRUPT_LANE
    const context = (this.#pool.pop() ?? new Context()).reset(kind, lane)
    for (let p: Context | undefined = below; p !== undefined; p = p.parent) {
      if (p.lane !== lane) continue
      context.baseDepth = p.baseDepth + p.depth
      break
    }
    context.parent = below
    below.child = context
    if (kind === 'interrupt') context.lo = context.hi = context.entryRsp = rsp
    this.context = context
    // Half a byte off: no RET can pop it.
    this.openRoot(context, this.#names.pseudo(name), rsp - 0.5, i, n)
  }

  /** The running context is over; the one below goes on. */
  #leave(i: number, n: number): void {
    const context = this.context
    const below = context.parent
    this.#unwind(context, 0, i, n)
    context.parent = undefined
    if (below === undefined) return
    below.child = undefined
    if (below.callDepth >= 0) {
      this.#unwind(below, below.callDepth, i, n)
      below.callDepth = -1
    }
    this.#pool.push(context)
    this.context = below
    this.node = this.topNode(below)
  }

  interruptReturn(rsp: number, address: number, argument: number, i: number, n: number): void {
    this.idleLeave(i, n)
    const toUser =
      (argument & ARGUMENT_CPL_VALID) !== 0
        ? ((argument >>> ARGUMENT_CPL_SHIFT) & 3) === 3
        : this.#upper && address < UPPER_HALF
    if (toUser) {
      this.toUser(rsp, address, argument, i, n)
      return
    }
    const matches = (c: Context): boolean => c.kind === 'interrupt' && rsp - c.entryRsp >= 24 && rsp - c.entryRsp <= 72
    if (!matches(this.context)) {
      for (const tip of this.#aside) {
        if (!matches(tip)) continue
        this.#switchTo(tip, i, n)
        break
      }
    }
    if (this.context.kind !== 'interrupt') {
      this.return(rsp, address, i, n)
      return
    }
    this.#leave(i, n)
    const context = this.context
    // A fault handler may go on further up the stack.
    if (context.kind !== 'user' && rsp <= context.hi) this.#closeBelow(context, rsp, i, n)
    this.node = this.topNode(context)
  }

  /** A program asks the kernel for something. In its lane a frame stands for the call until it returns. */
  systemCall(rsp: number, address: number, argument: number, i: number, n: number): void {
    const number = (argument >>> ARGUMENT_RAX_SHIFT) - 1
    const path = this.execPath
    this.execPath = undefined
    this.idleLeave(i, n)
    const user = this.context
    this.enter('syscall', number < 0 ? 'system call' : this.#system.syscallName(number), true, Infinity, i, n)
    if (user.kind !== 'user' || user.process === undefined) return
    const call = this.context
    call.call = this.processes.called(user.process, number, path, { space: user.space, address, rsp })
    if (call.call.kind === 'spawn' && path !== undefined)
      this.#onMark({ kind: 'exec', at: n, atInstructions: i, text: cleanText(path) })
    user.callDepth = user.depth
    // No RET pops it, and its time is the call's.
    this.#openFrame(user, Infinity, call.frames[NODE], i, n)
  }

  /** User mode goes on, or begins. */
  toUser(rsp: number, address: number, argument: number, i: number, n: number): void {
    this.idleLeave(i, n)
    this.firstUser ??= { instructions: i, ns: n }
    const space = this.space
    let user: Context = this.context
    while (user.parent !== undefined) user = user.parent
    if (user.kind === 'user' && user.process !== undefined) {
      const call = user.child?.call
      while (this.context.parent !== undefined) this.#leave(i, n)
      if (call !== undefined) {
        if (this.processes.returned(user.process, call, argument)) this.#becomes(user, i, n)
        if (call.kind === 'wait') this.#forgetEnded()
      }
      if (user.space !== space) this.processes.moved(user.process, space)
      user.space = space
    } else user = this.#newUser({ space, address, rsp }, i, n)
    if (rsp > user.hi) user.hi = rsp
    if (rsp < user.lo) user.lo = rsp
    this.#closeBelow(user, rsp, i, n)
    this.node = this.topNode(user)
  }

  /** The kernel thread that runs enters user mode for the first time. */
  #newUser(entry: UserEntry, i: number, n: number): Context {
    const thread = this.context
    // It has nothing left but its way in, and its stack will be used from the top again.
    if (thread.parent === undefined && thread.rooted && thread.depth === 1) this.#unwind(thread, 0, i, n)
    this.#putAside(i, n)
    const process = this.processes.entered(entry)
    this.#nodes.laneNodes()
    const user = (this.#pool.pop() ?? new Context()).reset('user', process.lane)
    user.space = entry.space
    user.process = process
    this.context = user
    this.openRoot(user, this.#names.pseudo(process.path ?? 'user'), Infinity, i, n)
    return user
  }

  /** execve: the old program is gone. */
  #becomes(user: Context, i: number, n: number): void {
    const path = user.process?.path ?? 'user'
    this.#onMark({ kind: 'exec', at: n, atInstructions: i, text: path })
    this.#unwind(user, 0, i, n)
    user.lo = Infinity
    user.hi = -Infinity
    this.openRoot(user, this.#names.pseudo(path), Infinity, i, n)
  }

  /** The running chain waits; its spans end here. */
  #putAside(i: number, n: number): void {
    const tip = this.context
    for (let context: Context | undefined = tip; context !== undefined; context = context.parent) {
      const { frames } = context
      for (let top = (context.depth - 1) * STRIDE; top >= 0; top -= STRIDE) {
        this.#sink.flushRun(context, top)
        this.#sink.endSegment(context, top, i, n)
        frames[top + SEG_CALLS] = 0
      }
      if (context.depth > 0) context.frames[RUN_CALLS] = 0
    }
    // An empty stack with nothing below it has nothing to come back to.
    if (tip.depth === 0 && tip.parent === undefined && tip.kind === 'thread') {
      this.#pool.push(tip)
      return
    }
    tip.suspended = true
    this.#aside.add(tip)
    const r = tip.depth > 0 ? tip.frames[(tip.depth - 1) * STRIDE + R] : -1
    tip.key = Number.isInteger(r) ? r : -1
    if (tip.key >= 0) this.#tops.set(tip.key, tip)
    if (this.#aside.size > MAX_CONTEXTS) this.#forgetOldest()
  }

  #forgetOldest(): void {
    for (const tip of this.#aside) {
      this.#forget(tip)
      return
    }
  }

  /** A chain put aside will not come back. */
  #forget(tip: Context): void {
    this.#aside.delete(tip)
    if (this.#tops.get(tip.key) === tip) this.#tops.delete(tip.key)
  }

  /** Threads of processes that were reaped are gone. */
  #forgetEnded(): void {
    for (const tip of this.#aside) {
      let bottom = tip
      while (bottom.parent !== undefined) bottom = bottom.parent
      if (bottom.process?.ended === true) this.#forget(tip)
    }
  }

  #switchTo(tip: Context, i: number, n: number): void {
    this.#putAside(i, n)
    this.#resume(tip, i, n)
  }

  #resume(tip: Context, i: number, n: number): void {
    this.#forget(tip)
    tip.suspended = false
    tip.key = -1
    for (let context: Context | undefined = tip; context !== undefined; context = context.parent) {
      for (let top = (context.depth - 1) * STRIDE; top >= 0; top -= STRIDE) {
        context.frames[top + SEG_I] = i
        context.frames[top + SEG_N] = n
      }
    }
    this.context = tip
    this.node = this.topNode(tip)
  }

  idleEnter(i: number, n: number): void {
    if (this.idleSince >= 0) return
    if (this.idleLane < 0) this.idleLane = this.#nodes.addLane({ kind: 'idle', name: 'idle' })
    this.idleSince = n
    this.idleSinceI = i
    this.node = this.#nodes.laneNode[this.idleLane]!
    this.#nodes.calls[this.node]++
  }

  idleLeave(i: number, n: number): void {
    if (this.idleSince < 0) return
    this.#sink.push(this.idleLane, 0, NO_FUNCTION, this.idleSinceI, i, this.idleSince, n, 1)
    this.idleSince = -1
    this.node = this.topNode(this.context)
  }
}
