/**
 * Call events to spans, incrementally, while a guest boots.
 *
 * Frames are matched by the stack pointer. A CALL pushes its return address at rsp and opens a frame there; a RET that
 * pops it leaves rsp 8 higher. On one stack, whatever lies below rsp is dead: frames left by longjmp, by a fault handler
 * or by lost events are closed by the next event that shows a higher rsp.
 *
 * One CPU has many stacks. Each is a Context with open frames of its own:
 *
 *   kernel thread   its stack is met by a RET to an rsp that no open frame explains (cpu_switchto of a new lwp), or by a
 *                   CALL far from the last one (locore's first stack, NetBSD's soft interrupts)
 *   user            one per user stack and address space, in the process's lane
 *   on top          interrupt, exception, system call: entered from the context below, which waits for its return
 *
 *      user ─► system call ─► interrupt        a chain: only its tip runs
 *
 * A context switch is a RET that exactly pops the innermost frame of a chain that was put aside (it called cpu_switchto
 * then). The chain left is put aside with its frames open; the spans drawn for them end there and go on, as further spans
 * of 0 calls, when the chain comes back: a lane shows what the CPU does at each moment.
 *
 * Time is attributed at every event to the calling context that was running: exact for every function and every stack,
 * whatever happens to the spans. Spans shorter than a threshold are merged with their neighbours or dropped, and the
 * threshold doubles whenever there are too many.
 *
 * Deliberately missing: frames of functions entered by a jump (tail calls run under their caller's name), more than one
 * CPU, and user-level threads that switch stacks by themselves (their frames unwind as if by longjmp).
 */

import { ClockSamples } from '../model/clock.ts'
import { functionTable } from '../model/stacks.ts'
import { computeStages, type StageSpec } from '../model/stages.ts'
import { cleanText } from '../model/text.ts'
import {
  grown,
  type Lane,
  type Mark,
  NO_FUNCTION,
  NO_STACK,
  SpanColumns,
  type StackTable,
  type Trace,
  type TraceMeta,
} from '../model/trace.ts'
import {
  ARGUMENT_CPL_SHIFT,
  ARGUMENT_CPL_VALID,
  ARGUMENT_RAX_SHIFT,
  ARGUMENT_SOFTWARE,
  CALL_EVENT_WORDS,
  type CallEventBatch,
  CallEventKind,
  type TracedDevice,
  type TraceNote,
  wordsOf,
} from './call-events.ts'
import { ConsoleLines } from './console-lines.ts'
import { EXCEPTION_VECTORS, type Process, Processes, type SystemCall, type UserEntry, vectorName } from './processes.ts'
import { address48, type CodeSymbol, fromBigint, SymbolIndex, showAddress, UPPER_HALF } from './symbols.ts'
import { type GuestSystem, guestSystem } from './systems.ts'

export interface SpanBuilderOptions {
  readonly symbols?: readonly CodeSymbol[]
  /** Symbols of user programs, all in one table. */
  readonly userSymbols?: readonly CodeSymbol[]
  /** Address of the first instruction. */
  readonly entry?: number | bigint
  /** What the kernel's ELF note says it is: 'netbsd', 'linux'. Names devices and system calls. */
  readonly os?: string
  readonly stages?: readonly StageSpec[]
  readonly meta?: Partial<TraceMeta>
  /** Spans kept; beyond, the shortest are merged or dropped. */
  readonly maxSpans?: number
  /** Guest ns below which a span is merged from the start. */
  readonly minSpanNs?: number
}

const MAX_SPANS = 300_000
const MIN_SPAN_NS = 32
const MAX_NODES = 1 << 19
const MAX_FUNCTIONS = 1 << 17
const MAX_DEPTH = 2048
/** Stacks put aside; NetBSD has under a hundred at boot. They are searched one by one, but only at switches. */
const MAX_CONTEXTS = 512
const MAX_CHAIN = 64
const MAX_DEVICE_SPANS = 32768
const MAX_DEVICE_DEPTH = 32
const MAX_MARKS = 20_000

/**
 * A CALL at most this far below the last one is on the same stack: kernels' stacks are small (NetBSD's have 12 to 20 KiB)
 * and their compilers refuse larger frames. Further down begins another stack: NetBSD's lie close to each other.
 */
const NEAR = 4096

/** Fields of a frame in Context.frames. */
const STRIDE = 12
const R = 0
const NODE = 1
const SEG_I = 2
const SEG_N = 3
const SEG_CALLS = 4
/** Short neighbours among the frame's children, waiting to become one span. */
const RUN_I0 = 5
const RUN_I1 = 6
const RUN_N0 = 7
const RUN_N1 = 8
const RUN_CALLS = 9
const RUN_FUNC = 10
const RUN_LONGEST = 11

type ContextKind = 'thread' | 'user' | 'interrupt' | 'syscall'

class Context {
  kind: ContextKind = 'thread'
  lane = 0
  /** Depth in the lane of its first frame. */
  baseDepth = 0
  frames = new Float64Array(24 * STRIDE)
  depth = 0
  /** The first frame stands for the way in and has no return address on this stack: no RET pops it. */
  rooted = false
  /** Stack pointers seen; lo > hi: none yet. */
  lo = Infinity
  hi = -Infinity
  /** rsp at entry, interrupts only. */
  entryRsp = 0
  parent: Context | undefined
  child: Context | undefined
  suspended = false
  key = -1
  space = -1
  /** Of a user context. */
  process: Process | undefined
  /** Of a system call. */
  call: SystemCall | undefined
  /** Of a user context in a system call: depth of the frame that stands for it in the process's lane. */
  callDepth = -1

  reset(kind: ContextKind, lane: number): this {
    this.kind = kind
    this.lane = lane
    this.baseDepth = 0
    this.depth = 0
    this.rooted = false
    this.lo = Infinity
    this.hi = -Infinity
    this.entryRsp = 0
    this.parent = undefined
    this.child = undefined
    this.suspended = false
    this.key = -1
    this.space = -1
    this.process = undefined
    this.call = undefined
    this.callDepth = -1
    return this
  }
}

/** INT 80h, as a program's system call. */
const SYSTEM_CALL_GATE = ARGUMENT_SOFTWARE | 0x80
const SYSTEM_CALL_GATE_MASK = ARGUMENT_SOFTWARE | 0xff

const USER_KEY = 2 ** 49
interface Device {
  readonly lane: number
  /** When the last request at each depth was done. */
  readonly ends: number[]
}

const KERNEL_LANE = 0
const INTERRUPT_LANE = 1

export class SpanBuilder {
  readonly #options: SpanBuilderOptions
  readonly #system: GuestSystem
  readonly #maxSpans: number
  #minSpanNs: number

  // Functions.
  readonly #symbols: SymbolIndex
  readonly #userSymbols: SymbolIndex
  readonly #names: string[] = []
  readonly #functionAddress: number[] = []
  readonly #firstInstructions: number[] = []
  readonly #firstNs: number[] = []
  readonly #functionByStart = new Map<number, number>()
  readonly #functionByName = new Map<string, number>()
  /** Call target -> function, open addressing. */
  #targetKeys = new Float64Array(1 << 14).fill(-1)
  #targetValues = new Int32Array(1 << 14)
  #targets = 0

  // Calling contexts.
  #nodes = 0
  #nodeParent = new Int32Array(4096)
  #nodeFunc = new Uint32Array(4096)
  #nodeLane = new Uint16Array(4096)
  #nodeCalls = new Float64Array(4096)
  #nodeSelf = new Float64Array(4096)
  #nodeSelfInstructions = new Float64Array(4096)
  #nodeLastChild = new Int32Array(4096)
  /** Target by which the node was last called: makes the last child found without a look-up. */
  #nodeTarget = new Float64Array(4096)
  /** (parent, func) -> node, open addressing; 0 is free. */
  #nodeTable = new Int32Array(1 << 14)

  readonly #lanes: Lane[] = []
  readonly #laneNode: number[] = []
  readonly #processes: Processes
  #idleLane = -1
  readonly #devices = new Map<string, Device>()
  readonly #deviceLanes = new Set<number>()
  #deviceSpans = 0

  readonly #spans = new SpanColumns(4096)
  #dropped = 0
  readonly #marks: Mark[] = []
  readonly #console = new ConsoleLines()
  readonly #clock = new ClockSamples()

  // What runs.
  #context: Context
  #node: number
  #lastI = 0
  #lastN = 0
  #space = 0
  #upper = false
  #entryLow = false
  #idleSince = -1
  #idleSinceI = 0
  #firstUser: { readonly instructions: number; readonly ns: number } | undefined
  /** What the next system call is given to execute. */
  #execPath: string | undefined

  readonly #pool: Context[] = []
  /** Tips of chains put aside, oldest first, and the same by the return address slot of their innermost frame. */
  readonly #aside = new Set<Context>()
  readonly #tops = new Map<number, Context>()

  #isSnapshot = false
  #events = 0
  #pendingNotes: TraceNote[] = []

  constructor(options: SpanBuilderOptions = {}) {
    this.#options = options
    this.#system = guestSystem(options.os)
    this.#maxSpans = options.maxSpans ?? MAX_SPANS
    this.#minSpanNs = options.minSpanNs ?? MIN_SPAN_NS
    this.#symbols = new SymbolIndex(options.symbols ?? [])
    this.#userSymbols = new SymbolIndex(options.userSymbols ?? [])
    this.#processes = new Processes(this.#lanes, this.#system)
    this.#nodes = 1 // Node 0 is none: the table's free mark.
    this.#addLane({ kind: 'kernel', name: 'kernel' })
    this.#addLane({ kind: 'interrupts', name: 'interrupts' })
    this.#context = new Context().reset('thread', KERNEL_LANE)
    this.#node = this.#laneNode[KERNEL_LANE]!
    if (options.entry !== undefined) {
      const entry = typeof options.entry === 'bigint' ? fromBigint(options.entry) : options.entry
      this.#entryLow = entry < UPPER_HALF
      this.#openRoot(this.#context, this.#functionAt(entry, false), Infinity, 0, 0)
    }
  }

  /** Call events taken so far. */
  get events(): number {
    return this.#events
  }
  /** Spans kept so far. */
  get spans(): number {
    return this.#spans.length
  }
  get minSpanNs(): number {
    return this.#minSpanNs
  }

  /** One slice's events, in order. */
  push(batch: CallEventBatch): void {
    const words = wordsOf(batch.events)
    const end = words.length
    this.#events += end / CALL_EVENT_WORDS
    const [knotI, knotN] = this.#knots(words, batch)
    let knot = 0
    let aI = this.#lastI
    let aN = this.#lastN
    let bI = knotI[0]!
    let slope = bI > aI ? (knotN[0]! - aN) / (bI - aI) : 0

    const notes = [...this.#pendingNotes, ...(batch.notes ?? [])]
    this.#pendingNotes = []
    let note = 0
    let noteAt = notes.length > 0 ? notes[0]!.instructions : Infinity

    let context = this.#context
    let frames = context.frames
    let top = (context.depth - 1) * STRIDE
    let node = this.#node
    let lastI = this.#lastI
    let lastN = this.#lastN
    // Columns may move when a node is added: taken anew after anything that may add one.
    let nodeSelf = this.#nodeSelf
    let nodeSelfInstructions = this.#nodeSelfInstructions

    for (let at = 0; at < end; at += CALL_EVENT_WORDS) {
      const kind = words[at]
      const rsp = address48(words[at + 4], words[at + 5])
      let i = words[at + 7] * 4294967296 + words[at + 6]
      if (i < lastI) i = lastI
      while (i > bI && knot < knotI.length - 1) {
        aI = bI
        aN = knotN[knot]!
        knot++
        bI = knotI[knot]!
        slope = bI > aI ? (knotN[knot]! - aN) / (bI - aI) : 0
      }
      let n = aN + (i - aI) * slope
      if (n < lastN) n = lastN

      if (i >= noteAt) {
        this.#node = node
        this.#lastI = lastI
        this.#lastN = lastN
        while (note < notes.length && notes[note]!.instructions <= i) this.#note(notes[note++]!)
        noteAt = note < notes.length ? notes[note]!.instructions : Infinity
        node = this.#node
        nodeSelf = this.#nodeSelf
        nodeSelfInstructions = this.#nodeSelfInstructions
      }

      nodeSelfInstructions[node] += i - lastI
      nodeSelf[node] += n - lastN
      lastI = i
      lastN = n

      if (kind === CallEventKind.Call) {
        const topR = top >= 0 ? frames[top + R] : -1
        if (!(rsp < topR && topR - rsp < NEAR)) {
          // Another stack, dead frames above, or the first call in a context.
          this.#node = node
          this.#callSlow(rsp, i, n)
          nodeSelf = this.#nodeSelf
          nodeSelfInstructions = this.#nodeSelfInstructions
          context = this.#context
          frames = context.frames
          node = this.#node
        }
        if (context.depth >= MAX_DEPTH) continue
        const target = address48(words[at + 2], words[at + 3])
        const last = this.#nodeLastChild[node]
        if (last !== 0 && this.#nodeTarget[last] === target) node = last
        else {
          node = this.#child(node, target, context, i, n)
          nodeSelf = this.#nodeSelf
          nodeSelfInstructions = this.#nodeSelfInstructions
        }
        this.#nodeCalls[node]++
        if (rsp < context.lo) context.lo = rsp
        top = context.depth++ * STRIDE
        if (top + STRIDE > frames.length) frames = context.frames = grown(frames, frames.length * 2)
        frames[top + R] = rsp
        frames[top + NODE] = node
        frames[top + SEG_I] = i
        frames[top + SEG_N] = n
        frames[top + SEG_CALLS] = 1
        frames[top + RUN_CALLS] = 0
        continue
      }
      if (kind === CallEventKind.Return && top >= 0 && frames[top + R] === rsp - 8) {
        this.#endSegment(context, top, i, n)
        context.depth--
        top -= STRIDE
        node = top >= 0 ? frames[top + NODE] : this.#laneNode[context.lane]!
        continue
      }

      this.#node = node
      const argument = words[at + 1]
      switch (kind) {
        case CallEventKind.Return:
          this.#returnSlow(rsp, address48(words[at + 2], words[at + 3]), i, n)
          break
        case CallEventKind.Interrupt:
          if ((argument & SYSTEM_CALL_GATE_MASK) === SYSTEM_CALL_GATE && this.#context.kind === 'user')
            this.#systemCall(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          else this.#enter('interrupt', vectorName(argument & 0xff), (argument & 0xff) < EXCEPTION_VECTORS, rsp, i, n)
          break
        case CallEventKind.InterruptReturn:
          this.#interruptReturn(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          break
        case CallEventKind.Syscall:
          this.#systemCall(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          break
        case CallEventKind.SyscallReturn:
          this.#toUser(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          break
        case CallEventKind.AddressSpace:
          this.#space = Math.floor(address48(words[at + 2], words[at + 3]) / 4096) * 4096
          break
        case CallEventKind.IdleEnter:
        case CallEventKind.IdleLeave: {
          // Its own knot: HLT takes time and no instructions.
          const own = this.#knotEvent.indexOf(at, knot)
          if (own >= 0) {
            knot = own
            aI = bI = knotI[knot]!
            aN = Math.max(lastN, knotN[knot]!)
            this.#nodeSelf[node] += aN - lastN
            lastN = n = aN
            if (knot < knotI.length - 1) {
              knot++
              bI = knotI[knot]!
              slope = bI > aI ? (knotN[knot]! - aN) / (bI - aI) : 0
            }
          }
          if (kind === CallEventKind.IdleEnter) this.#idleEnter(i, n)
          else this.#idleLeave(i, n)
          break
        }
        default:
          break
      }
      context = this.#context
      frames = context.frames
      nodeSelf = this.#nodeSelf
      nodeSelfInstructions = this.#nodeSelfInstructions
      // Whatever comes while the CPU is said to sleep takes the slow way, which wakes it.
      top = this.#idleSince >= 0 ? -STRIDE : (context.depth - 1) * STRIDE
      node = this.#node
    }

    this.#node = node
    this.#lastI = lastI
    this.#lastN = lastN
    // To the end of the slice.
    const last = knotI.length - 1
    const endI = Math.max(lastI, knotI[last]!)
    const endN = Math.max(lastN, knotN[last]!)
    while (note < notes.length && notes[note]!.instructions <= endI) {
      this.#note(notes[note++]!)
    }
    this.#nodeSelfInstructions[this.#node] += endI - lastI
    this.#nodeSelf[this.#node] += endN - lastN
    this.#lastI = endI
    this.#lastN = endN
    this.#pendingNotes = notes.slice(note)
    if (this.#spans.length > this.#maxSpans) this.#compact()
  }

  /** The trace so far: spans still open end now. What is pushed later does not show in it. */
  snapshot(): Trace {
    const i = this.#lastI
    const n = this.#lastN
    const length = this.#spans.length
    // Open spans go to the end and are taken back afterwards; running merges are copied, not flushed.
    const idle = this.#idleSince
    this.#isSnapshot = true
    if (idle >= 0) this.#pushSpan(this.#idleLane, 0, NO_FUNCTION, this.#idleSinceI, i, idle, n, 1)
    for (let context: Context | undefined = this.#context; context !== undefined; context = context.parent) {
      const { frames } = context
      for (let top = (context.depth - 1) * STRIDE; top >= 0; top -= STRIDE) {
        this.#emitRun(context, top)
        const depth = context.baseDepth + top / STRIDE
        const func = this.#nodeFunc[frames[top + NODE]]
        const calls = frames[top + SEG_CALLS]
        this.#pushSpan(context.lane, depth, func, frames[top + SEG_I], i, frames[top + SEG_N], n, calls)
      }
    }
    const spans = this.#spans.finish()
    this.#spans.length = length
    this.#isSnapshot = false

    const stacks = this.#stacks()
    const functions = functionTable(stacks, this.#names, Float64Array.from(this.#functionAddress))
    const marks = this.#allMarks()
    const stages = computeStages(this.#options.stages ?? [], {
      end: n,
      endInstructions: i,
      firstCall: (symbol) => {
        const func = this.#functionByName.get(symbol)
        const at = func === undefined ? -1 : this.#firstInstructions[func]!
        return at < 0 ? undefined : { instructions: at, ns: this.#firstNs[func!]! }
      },
      firstUser: this.#firstUser,
      marks,
    })
    const notes = [...(this.#options.meta?.notes ?? [])]
    if (this.#dropped > 0)
      notes.push(
        `${this.#dropped.toLocaleString('en')} spans shorter than ${this.#minSpanNs} ns are merged or left out; all sums are exact.`,
      )
    return {
      meta: { title: 'boot', ...this.#options.meta, notes },
      start: 0,
      end: n,
      endInstructions: i,
      clock: this.#clock.finish(),
      lanes: [...this.#lanes],
      functions,
      spans,
      stacks,
      stages,
      marks,
    }
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Record offset of each idle event that has a knot, by knot; -1 for the slice's end. */
  #knotEvent: number[] = []

  /** Where guest time is known in this slice: at clock readings, at HLT's events if they say so, and at the end. */
  #knots(words: Uint32Array, { clock }: CallEventBatch): readonly [readonly number[], readonly number[]] {
    const knotI: number[] = []
    const knotN: number[] = []
    const knotEvent: number[] = []
    const { length } = words
    const lastI = length > 0 ? words[length - 1] * 4294967296 + words[length - 2] : 0
    const endI = Math.max(this.#lastI, clock?.instructions ?? 0, lastI)
    const endN = clock?.guestNs
    /** HLT left without a time, and where it was entered. */
    const untold: { readonly enter: number; readonly leave: number }[] = []
    let enter = -1
    for (let at = 0; at < length; at += CALL_EVENT_WORDS) {
      if (words[at] < CallEventKind.IdleEnter) continue
      if (words[at] > CallEventKind.Clock) continue
      const ns = words[at + 3] * 4294967296 + words[at + 2]
      const i = words[at + 7] * 4294967296 + words[at + 6]
      if (ns > 0) {
        const before = knotN.at(-1) ?? this.#lastN
        knotI.push(Math.max(i, knotI.at(-1) ?? this.#lastI))
        knotN.push(Math.max(before, endN === undefined ? ns : Math.min(ns, endN)))
        knotEvent.push(at)
      } else if (words[at] === CallEventKind.IdleEnter) enter = at
      else if (words[at] === CallEventKind.IdleLeave) {
        untold.push({ enter, leave: at })
        enter = -1
      }
    }
    if (knotI.length === 0 && untold.length > 0 && endN !== undefined) {
      // HLT's share is what instructions do not explain, at a nanosecond each, in equal parts.
      const gap = Math.max(0, endN - this.#lastN - (endI - this.#lastI)) / untold.length
      for (const [k, { enter, leave }] of untold.entries()) {
        const i = Math.max(words[leave + 7] * 4294967296 + words[leave + 6], this.#lastI)
        knotI.push(i, i)
        knotN.push(this.#lastN + (i - this.#lastI) + gap * k, this.#lastN + (i - this.#lastI) + gap * (k + 1))
        knotEvent.push(enter, leave)
      }
    }
    knotI.push(Math.max(endI, knotI.at(-1) ?? 0))
    const since = (knotN.at(-1) ?? this.#lastN) + (endI - (knotI.at(-2) ?? this.#lastI))
    knotN.push(endN === undefined ? since : Math.max(endN, knotN.at(-1) ?? this.#lastN))
    knotEvent.push(-1)
    this.#knotEvent = knotEvent

    const wall0 = this.#clock.wallNs[this.#clock.length - 1]
    const wall1 = Math.max(wall0, clock?.wallNs ?? 0)
    const n0 = this.#lastN
    const n1 = knotN.at(-1)!
    for (let k = 0; k < knotI.length; k++) {
      const n = knotN[k]!
      this.#clock.add(knotI[k]!, n, n1 > n0 ? wall0 + ((wall1 - wall0) * (n - n0)) / (n1 - n0) : wall1)
    }
    return [knotI, knotN]
  }

  /** Guest ns at an instruction count of this slice or an earlier one. */
  #nsAt(instructions: number): number {
    const { length, instructions: xs, guestNs } = this.#clock
    let low = 0
    let high = length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (xs[middle] <= instructions) low = middle + 1
      else high = middle
    }
    if (low === 0) return 0
    if (low === length) return guestNs[length - 1]
    return (
      guestNs[low - 1] + ((guestNs[low] - guestNs[low - 1]) * (instructions - xs[low - 1])) / (xs[low] - xs[low - 1])
    )
  }

  // ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #named(name: string, address: number): number {
    if (this.#names.length >= MAX_FUNCTIONS) {
      const other = this.#functionByName.get('(other functions)')
      if (other !== undefined) return other
      name = '(other functions)'
      address = -1
    }
    const func = this.#names.length
    this.#names.push(name)
    this.#functionAddress.push(address)
    this.#firstInstructions.push(-1)
    this.#firstNs.push(-1)
    if (!this.#functionByName.has(name)) this.#functionByName.set(name, func)
    return func
  }

  /** A function that is no address: an interrupt, a system call. */
  #pseudo(name: string): number {
    return this.#functionByName.get(name) ?? this.#named(name, -1)
  }

  #functionAt(address: number, user: boolean): number {
    const found = user ? this.#userSymbols.find(address) : this.#symbols.find(address)
    const start = (found?.address ?? address) + (user ? USER_KEY : 0)
    let func = this.#functionByStart.get(start)
    if (func === undefined) {
      func = this.#named(found?.name ?? showAddress(address), found?.address ?? address)
      this.#functionByStart.set(start, func)
    }
    return func
  }

  #functionOf(target: number, user: boolean): number {
    const key = target + (user ? USER_KEY : 0)
    const mask = this.#targetKeys.length - 1
    let slot = (Math.imul(target >>> 0, 0x9e3779b1) >>> 12) & mask
    for (;;) {
      const found = this.#targetKeys[slot]
      if (found === key) return this.#targetValues[slot]
      if (found === -1) break
      slot = (slot + 1) & mask
    }
    const func = this.#functionAt(target, user)
    // Past the cap targets are looked up each time: slow, and bounded.
    if (this.#targets >= MAX_FUNCTIONS) return func
    this.#targetKeys[slot] = key
    this.#targetValues[slot] = func
    if (++this.#targets * 2 > this.#targetKeys.length) this.#growTargets()
    return func
  }

  #growTargets(): void {
    const keys = this.#targetKeys
    const values = this.#targetValues
    const mask = keys.length * 4 - 1
    this.#targetKeys = new Float64Array(mask + 1).fill(-1)
    this.#targetValues = new Int32Array(mask + 1)
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === -1) continue
      let slot = (Math.imul((keys[i] % USER_KEY) >>> 0, 0x9e3779b1) >>> 12) & mask
      while (this.#targetKeys[slot] !== -1) slot = (slot + 1) & mask
      this.#targetKeys[slot] = keys[i]
      this.#targetValues[slot] = values[i]
    }
  }

  // ── calling contexts ─────────────────────────────────────────────────────────────────────────────────────────────

  #child(parent: number, target: number, context: Context, i: number, n: number): number {
    const node = this.#childOf(parent, this.#functionOf(target, context.kind === 'user'), context.lane, i, n)
    this.#nodeLastChild[parent] = node
    this.#nodeTarget[node] = target
    return node
  }

  #childOf(parent: number, func: number, lane: number, i: number, n: number): number {
    let table = this.#nodeTable
    let mask = table.length - 1
    let slot = (Math.imul(parent, 0x9e3779b1) ^ Math.imul(func, 0x85ebca6b)) >>> 8
    for (slot &= mask; ; slot = (slot + 1) & mask) {
      const found = table[slot]
      if (found === 0) break
      if (this.#nodeParent[found] === parent && this.#nodeFunc[found] === func) return found
    }
    // Too many distinct stacks: the function hangs from its lane, its own sums stay exact.
    const flat = this.#laneNode[lane]!
    if (this.#nodes >= MAX_NODES && parent !== flat) return this.#childOf(flat, func, lane, i, n)
    const node = this.#newNode(parent, func, lane)
    if (this.#firstInstructions[func]! < 0) {
      this.#firstInstructions[func] = i
      this.#firstNs[func] = n
    }
    table[slot] = node
    if (this.#nodes * 2 > table.length) {
      table = this.#nodeTable = new Int32Array(table.length * 4)
      mask = table.length - 1
      for (let k = 1; k < this.#nodes; k++) {
        if (this.#nodeParent[k] === NO_STACK) continue
        slot = (Math.imul(this.#nodeParent[k], 0x9e3779b1) ^ Math.imul(this.#nodeFunc[k], 0x85ebca6b)) >>> 8
        for (slot &= mask; table[slot] !== 0; ) slot = (slot + 1) & mask
        table[slot] = k
      }
    }
    return node
  }

  #newNode(parent: number, func: number, lane: number): number {
    const node = this.#nodes++
    if (node >= this.#nodeParent.length) {
      const length = this.#nodeParent.length * 2
      this.#nodeParent = grown(this.#nodeParent, length)
      this.#nodeFunc = grown(this.#nodeFunc, length)
      this.#nodeLane = grown(this.#nodeLane, length)
      this.#nodeCalls = grown(this.#nodeCalls, length)
      this.#nodeSelf = grown(this.#nodeSelf, length)
      this.#nodeSelfInstructions = grown(this.#nodeSelfInstructions, length)
      this.#nodeLastChild = grown(this.#nodeLastChild, length)
      this.#nodeTarget = grown(this.#nodeTarget, length)
    }
    this.#nodeParent[node] = parent
    this.#nodeFunc[node] = func
    this.#nodeLane[node] = lane
    return node
  }

  #stacks(): StackTable {
    const n = this.#nodes
    const parent = this.#nodeParent.slice(1, n)
    for (let k = 0; k < parent.length; k++) if (parent[k] > 0) parent[k]--
    return {
      length: n - 1,
      parent,
      func: this.#nodeFunc.slice(1, n),
      lane: this.#nodeLane.slice(1, n),
      calls: this.#nodeCalls.slice(1, n),
      self: this.#nodeSelf.slice(1, n),
      selfInstructions: this.#nodeSelfInstructions.slice(1, n),
    }
  }

  #addLane(lane: Lane): number {
    this.#lanes.push(lane)
    this.#laneNodes()
    return this.#lanes.length - 1
  }

  #laneNodes(): void {
    while (this.#laneNode.length < this.#lanes.length)
      this.#laneNode.push(this.#newNode(NO_STACK, NO_FUNCTION, this.#laneNode.length))
  }

  #topNode(context: Context): number {
    return context.depth > 0 ? context.frames[(context.depth - 1) * STRIDE + NODE] : this.#laneNode[context.lane]!
  }

  // ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #openRoot(context: Context, func: number, r: number, i: number, n: number): void {
    const node = this.#childOf(this.#laneNode[context.lane]!, func, context.lane, i, n)
    this.#nodeCalls[node]++
    this.#openFrame(context, r, node, i, n)
    context.rooted = true
    this.#node = node
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

  /** The frame's span is over: kept, or merged into its parent's run of short ones. */
  #endSegment(context: Context, top: number, i: number, n: number): void {
    const { frames } = context
    const start = frames[top + SEG_N]
    const ns = n - start
    const min = this.#minSpanNs
    if (ns >= min) {
      if (frames[top + RUN_CALLS] > 0) this.#emitRun(context, top)
      if (top > 0 && frames[top - STRIDE + RUN_CALLS] > 0) this.#flushRun(context, top - STRIDE)
      const func = this.#nodeFunc[frames[top + NODE]]
      const depth = context.baseDepth + top / STRIDE
      this.#pushSpan(context.lane, depth, func, frames[top + SEG_I], i, start, n, frames[top + SEG_CALLS])
      return
    }
    this.#dropped++
    if (top === 0) return
    const run = top - STRIDE
    if (frames[run + RUN_CALLS] > 0) {
      if (start - frames[run + RUN_N1] < min) {
        frames[run + RUN_I1] = i
        frames[run + RUN_N1] = n
        frames[run + RUN_CALLS] += frames[top + SEG_CALLS]
        if (ns > frames[run + RUN_LONGEST]) {
          frames[run + RUN_LONGEST] = ns
          frames[run + RUN_FUNC] = this.#nodeFunc[frames[top + NODE]]
        }
        return
      }
      this.#flushRun(context, run)
    }
    frames[run + RUN_I0] = frames[top + SEG_I]
    frames[run + RUN_I1] = i
    frames[run + RUN_N0] = start
    frames[run + RUN_N1] = n
    frames[run + RUN_CALLS] = frames[top + SEG_CALLS]
    frames[run + RUN_FUNC] = this.#nodeFunc[frames[top + NODE]]
    frames[run + RUN_LONGEST] = ns
  }

  #flushRun(context: Context, top: number): void {
    this.#emitRun(context, top)
    context.frames[top + RUN_CALLS] = 0
  }

  #emitRun(context: Context, top: number): void {
    const { frames } = context
    const calls = frames[top + RUN_CALLS]
    const start = frames[top + RUN_N0]
    const end = frames[top + RUN_N1]
    if (calls === 0 || end - start < this.#minSpanNs) return
    const depth = context.baseDepth + top / STRIDE + 1
    const func = frames[top + RUN_FUNC]
    this.#pushSpan(context.lane, depth, func, frames[top + RUN_I0], frames[top + RUN_I1], start, end, calls)
  }

  #pushSpan(
    lane: number,
    depth: number,
    func: number,
    startI: number,
    endI: number,
    start: number,
    end: number,
    calls: number,
  ): void {
    this.#spans.push(lane, depth, func, start, end, startI, endI, calls)
    if (this.#isSnapshot) return
    // Inside one slice too: a slice may bring any number of events.
    if (this.#spans.length >= this.#maxSpans * 2) this.#compact()
  }

  /** Closes frames until `depth` are left. */
  #unwind(context: Context, depth: number, i: number, n: number): void {
    while (context.depth > depth) {
      const top = (context.depth - 1) * STRIDE
      this.#endSegment(context, top, i, n)
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
  #callSlow(rsp: number, i: number, n: number): void {
    this.#idleLeave(i, n)
    let context = this.#context
    if (rsp >= UPPER_HALF) this.#upper = true
    if (context.kind !== 'user' && !this.#owns(context, rsp)) context = this.#findStack(rsp, i, n)
    this.#closeBelow(context, rsp + 1, i, n)
    if (rsp > context.hi) context.hi = rsp
    if (rsp < context.lo) context.lo = rsp
    // The way in reaches down to its first call.
    if (context.rooted && !(context.frames[R] > rsp && context.frames[R] < Infinity)) context.frames[R] = rsp + 0.5
    this.#node = this.#topNode(context)
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
    const context = this.#context
    for (let p = context.parent; p !== undefined && p.kind !== 'user'; p = p.parent) {
      // Above the stack pointer at the interrupt: it will not come back by IRET.
      if (p.lo <= p.hi && rsp >= p.lo && rsp <= p.hi && rsp > context.hi) {
        while (this.#context !== p) this.#leave(i, n)
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
    this.#context = thread
    this.#node = this.#topNode(thread)
    return thread
  }

  /** A RET that does not pop the innermost frame. */
  #returnSlow(rsp: number, address: number, i: number, n: number): void {
    this.#idleLeave(i, n)
    const context = this.#context
    const { frames, depth } = context
    const floor = context.rooted ? 1 : 0
    if (context.kind === 'user') {
      this.#closeBelow(context, rsp, i, n)
      this.#node = this.#topNode(context)
      return
    }
    // 32-bit code pushes 4 bytes. A deeper frame popped exactly: those above it were left without RET.
    for (let k = depth - 1; k >= floor && frames[k * STRIDE + R] < rsp; k--) {
      const r = frames[k * STRIDE + R]
      if (r !== rsp - 8 && r !== rsp - 4) continue
      this.#unwind(context, k, i, n)
      this.#node = this.#topNode(context)
      return
    }
    const other = this.#tops.get(rsp - 8)
    if (other !== undefined) {
      this.#switchTo(other, i, n)
      this.#unwind(other, other.depth - 1, i, n)
      this.#node = this.#topNode(other)
      return
    }
    // Out of an interrupt or a system call without its return: our own embedded guest's user_exit does so.
    for (let p = context.parent; p !== undefined; p = p.parent) {
      if (p.kind === 'user') continue
      for (let k = p.depth - 1; k >= (p.rooted ? 1 : 0); k--) {
        if (p.frames[k * STRIDE + R] !== rsp - 8) continue
        while (this.#context !== p) this.#leave(i, n)
        this.#unwind(p, k, i, n)
        this.#node = this.#topNode(p)
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
      const at = this.#context
      this.#closeBelow(at, rsp, i, n)
      // What is returned to was not seen called: a new thread's first function, after cpu_switchto's own calls.
      if (at.kind === 'thread' && at.depth === 0) this.#openRoot(at, this.#functionAt(address, false), rsp + 0.5, i, n)
      this.#node = this.#topNode(at)
      return
    }
    if (context.lo > context.hi && !(this.#entryLow && rsp >= UPPER_HALF)) return
    const thread = this.#newThread(i, n)
    thread.lo = thread.hi = rsp
    this.#openRoot(thread, this.#functionAt(address, false), rsp + 0.5, i, n)
  }

  /** An interrupt, exception or system call on top of what runs. */
  #enter(kind: 'interrupt' | 'syscall', name: string, inKernel: boolean, rsp: number, i: number, n: number): void {
    this.#idleLeave(i, n)
    let links = 0
    for (let p: Context | undefined = this.#context; p !== undefined; p = p.parent) links++
    if (links >= MAX_CHAIN) while (this.#context.parent !== undefined) this.#leave(i, n)
    const below = this.#context
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
    this.#context = context
    // Half a byte off: no RET can pop it.
    this.#openRoot(context, this.#pseudo(name), rsp - 0.5, i, n)
  }

  /** The running context is over; the one below goes on. */
  #leave(i: number, n: number): void {
    const context = this.#context
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
    this.#context = below
    this.#node = this.#topNode(below)
  }

  #interruptReturn(rsp: number, address: number, argument: number, i: number, n: number): void {
    this.#idleLeave(i, n)
    const toUser =
      (argument & ARGUMENT_CPL_VALID) !== 0
        ? ((argument >>> ARGUMENT_CPL_SHIFT) & 3) === 3
        : this.#upper && address < UPPER_HALF
    if (toUser) {
      this.#toUser(rsp, address, argument, i, n)
      return
    }
    const matches = (c: Context): boolean => c.kind === 'interrupt' && rsp - c.entryRsp >= 24 && rsp - c.entryRsp <= 72
    if (!matches(this.#context)) {
      for (const tip of this.#aside) {
        if (!matches(tip)) continue
        this.#switchTo(tip, i, n)
        break
      }
    }
    if (this.#context.kind !== 'interrupt') {
      this.#returnSlow(rsp, address, i, n)
      return
    }
    this.#leave(i, n)
    const context = this.#context
    // A fault handler may go on further up the stack.
    if (context.kind !== 'user' && rsp <= context.hi) this.#closeBelow(context, rsp, i, n)
    this.#node = this.#topNode(context)
  }

  /** A program asks the kernel for something. In its lane a frame stands for the call until it returns. */
  #systemCall(rsp: number, address: number, argument: number, i: number, n: number): void {
    const number = (argument >>> ARGUMENT_RAX_SHIFT) - 1
    const path = this.#execPath
    this.#execPath = undefined
    this.#idleLeave(i, n)
    const user = this.#context
    this.#enter('syscall', number < 0 ? 'system call' : this.#system.syscallName(number), true, Infinity, i, n)
    if (user.kind !== 'user' || user.process === undefined) return
    const call = this.#context
    call.call = this.#processes.called(user.process, number, path, { space: user.space, address, rsp })
    if (call.call.kind === 'spawn' && path !== undefined)
      this.#mark({ kind: 'exec', at: n, atInstructions: i, text: cleanText(path) })
    user.callDepth = user.depth
    // No RET pops it, and its time is the call's.
    this.#openFrame(user, Infinity, call.frames[NODE], i, n)
  }

  /** User mode goes on, or begins. */
  #toUser(rsp: number, address: number, argument: number, i: number, n: number): void {
    this.#idleLeave(i, n)
    this.#firstUser ??= { instructions: i, ns: n }
    const space = this.#space
    let user: Context = this.#context
    while (user.parent !== undefined) user = user.parent
    if (user.kind === 'user' && user.process !== undefined) {
      const call = user.child?.call
      while (this.#context.parent !== undefined) this.#leave(i, n)
      if (call !== undefined) {
        if (this.#processes.returned(user.process, call, argument)) this.#becomes(user, i, n)
        if (call.kind === 'wait') this.#forgetEnded()
      }
      if (user.space !== space) this.#processes.moved(user.process, space)
      user.space = space
    } else user = this.#newUser({ space, address, rsp }, i, n)
    if (rsp > user.hi) user.hi = rsp
    if (rsp < user.lo) user.lo = rsp
    this.#closeBelow(user, rsp, i, n)
    this.#node = this.#topNode(user)
  }

  /** The kernel thread that runs enters user mode for the first time. */
  #newUser(entry: UserEntry, i: number, n: number): Context {
    const thread = this.#context
    // It has nothing left but its way in, and its stack will be used from the top again.
    if (thread.parent === undefined && thread.rooted && thread.depth === 1) this.#unwind(thread, 0, i, n)
    this.#putAside(i, n)
    const process = this.#processes.entered(entry)
    this.#laneNodes()
    const user = (this.#pool.pop() ?? new Context()).reset('user', process.lane)
    user.space = entry.space
    user.process = process
    this.#context = user
    this.#openRoot(user, this.#pseudo(process.path ?? 'user'), Infinity, i, n)
    return user
  }

  /** execve: the old program is gone. */
  #becomes(user: Context, i: number, n: number): void {
    const path = user.process?.path ?? 'user'
    this.#mark({ kind: 'exec', at: n, atInstructions: i, text: path })
    this.#unwind(user, 0, i, n)
    user.lo = Infinity
    user.hi = -Infinity
    this.#openRoot(user, this.#pseudo(path), Infinity, i, n)
  }

  /** The running chain waits; its spans end here. */
  #putAside(i: number, n: number): void {
    const tip = this.#context
    for (let context: Context | undefined = tip; context !== undefined; context = context.parent) {
      const { frames } = context
      for (let top = (context.depth - 1) * STRIDE; top >= 0; top -= STRIDE) {
        this.#flushRun(context, top)
        this.#endSegment(context, top, i, n)
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
    this.#context = tip
    this.#node = this.#topNode(tip)
  }

  // ── idle, devices, notes ─────────────────────────────────────────────────────────────────────────────────────────

  #idleEnter(i: number, n: number): void {
    if (this.#idleSince >= 0) return
    if (this.#idleLane < 0) this.#idleLane = this.#addLane({ kind: 'idle', name: 'idle' })
    this.#idleSince = n
    this.#idleSinceI = i
    this.#node = this.#laneNode[this.#idleLane]!
    this.#nodeCalls[this.#node]++
  }

  #idleLeave(i: number, n: number): void {
    if (this.#idleSince < 0) return
    this.#pushSpan(this.#idleLane, 0, NO_FUNCTION, this.#idleSinceI, i, this.#idleSince, n, 1)
    this.#idleSince = -1
    this.#node = this.#topNode(this.#context)
  }

  #note(note: TraceNote): void {
    const { instructions } = note
    const at = this.#nsAt(instructions)
    switch (note.kind) {
      case 'console':
        this.#console.write(note.bytes, at, instructions)
        this.#deviceSpan(note, 'write')
        return
      case 'init':
        this.#processes.first(note.path)
        this.#mark({ kind: 'exec', at, atInstructions: instructions, text: cleanText(note.path) })
        return
      case 'exec':
        this.#execPath = note.path
        return
      case 'device':
        this.#device(note)
        return
    }
  }

  #device(note: Extract<TraceNote, { kind: 'device' }>): void {
    const { request, sector, bytes, instructions } = note
    const place = sector === undefined ? '' : ` sector ${sector}`
    const size = bytes === undefined ? '' : `, ${bytes} bytes`
    const text = `${this.#system.deviceName(note)} ${request}${place}${size}`
    this.#mark({ kind: 'device', at: this.#nsAt(instructions), atInstructions: instructions, text })
    this.#deviceSpan(note, request)
  }

  /** In the device's own lane; requests under way at once lie below each other. */
  #deviceSpan(of: Extract<TraceNote, TracedDevice>, request: string): void {
    const name = this.#system.deviceName(of)
    let device = this.#devices.get(name)
    if (device === undefined) {
      device = { lane: this.#addLane({ kind: 'devices', name }), ends: [] }
      this.#devices.set(name, device)
      this.#deviceLanes.add(device.lane)
    }
    const { lane, ends } = device
    const { instructions } = of
    const done = Math.max(of.done, instructions)
    const start = this.#nsAt(instructions)
    const end = this.#nsAt(done)
    const func = this.#pseudo(`${name} ${request}`)
    const node = this.#childOf(this.#laneNode[lane]!, func, lane, instructions, start)
    this.#nodeCalls[node]++
    this.#nodeSelf[node] += end - start
    this.#nodeSelfInstructions[node] += done - instructions
    if (++this.#deviceSpans > MAX_DEVICE_SPANS) return
    let depth = 0
    while (depth < ends.length && ends[depth]! > start) depth++
    if (depth >= MAX_DEVICE_DEPTH) return
    ends[depth] = end
    this.#pushSpan(lane, depth, func, instructions, done, start, end, 1)
  }

  #mark(mark: Mark): void {
    if (this.#marks.length < MAX_MARKS) this.#marks.push(mark)
  }

  #allMarks(): Mark[] {
    return [...this.#marks, ...this.#console.lines()].sort((a, b) => a.at - b.at)
  }

  // ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Doubles the threshold until two thirds of the room suffice, merging neighbours that are now too short. */
  #compact(): void {
    const goal = Math.floor(this.#maxSpans * 0.66)
    for (let rounds = 0; this.#spans.length > goal && rounds < 64; rounds++) {
      this.#minSpanNs *= 2
      this.#dropped += mergeShort(this.#spans, this.#minSpanNs, this.#deviceLanes)
    }
  }
}

/** Where the context's first call returned to on its stack; 0 without calls. */
const outermost = ({ frames, depth, rooted }: Context): number => {
  const first = rooted ? 1 : 0
  return depth > first ? frames[first * STRIDE + R] : 0
}

/** Merges neighbours shorter than `min` ns, in place; answers how many spans that saved. Lanes in `keep` are left alone. */
const mergeShort = (spans: SpanColumns, min: number, keep: ReadonlySet<number>): number => {
  const { length, lane, depth, func, start, end, startInstructions, endInstructions, calls } = spans
  let out = 0
  /** Per lane, pending runs by depth: indices of rows below `out`'s reach are free, so they are kept as values. */
  const pending: (number[] | undefined)[][] = []
  const put = (row: readonly number[]): void => {
    lane[out] = row[0]!
    depth[out] = row[1]!
    func[out] = row[2]!
    start[out] = row[3]!
    end[out] = row[4]!
    startInstructions[out] = row[5]!
    endInstructions[out] = row[6]!
    calls[out] = row[7]!
    out++
  }
  const flushFrom = (runs: (number[] | undefined)[], from: number): void => {
    for (let d = runs.length - 1; d >= from; d--) {
      const run = runs[d]
      if (run !== undefined && run[4]! - run[3]! >= min) put(run)
    }
    if (runs.length > from) runs.length = from
  }
  for (let k = 0; k < length; k++) {
    const l = lane[k]
    const d = depth[k]
    const ns = end[k] - start[k]
    let runs = pending[l]
    if (runs === undefined) runs = pending[l] = []
    if (runs.length > d + 1) flushFrom(runs, d + 1)
    if (ns >= min || keep.has(l)) {
      flushFrom(runs, d)
      put([l, d, func[k], start[k], end[k], startInstructions[k], endInstructions[k], calls[k]])
      continue
    }
    const run = runs[d]
    if (run !== undefined && start[k] - run[4]! < min) {
      run[4] = end[k]
      run[6] = endInstructions[k]
      run[7]! += calls[k]
      if (ns > run[8]!) {
        run[8] = ns
        run[2] = func[k]
      }
      continue
    }
    flushFrom(runs, d)
    while (runs.length < d) runs.push(undefined)
    runs[d] = [l, d, func[k], start[k], end[k], startInstructions[k], endInstructions[k], calls[k], ns]
  }
  for (const runs of pending) if (runs !== undefined) flushFrom(runs, 0)
  spans.length = out
  return length - out
}
