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

import { guestSystem } from '../../guests/systems/systems.ts'
import { functionTable } from '../model/stacks.ts'
import { computeStages, type StageSpec } from '../model/stages.ts'
import { cleanText } from '../model/text.ts'
import {
  emptyStacks,
  type FunctionTable,
  grown,
  type Mark,
  NO_FUNCTION,
  type SpanColumns,
  type SpanTable,
  type StackTable,
  type Trace,
  type TraceMeta,
} from '../model/trace.ts'
import {
  ARGUMENT_SOFTWARE,
  CALL_EVENT_WORDS,
  type CallEventBatch,
  CallEventKind,
  type TraceNote,
  wordsOf,
} from './call-events.ts'
import { CallingContexts } from './calling-contexts.ts'
import { ConsoleLines } from './console-lines.ts'
import { type Context, NODE, R, RUN_CALLS, SEG_CALLS, SEG_I, SEG_N, STRIDE } from './context.ts'
import { DeviceLanes } from './device-lanes.ts'
import { FunctionNames } from './function-names.ts'
import { EXCEPTION_VECTORS, vectorName } from './processes.ts'
import { SliceClock } from './slice-clock.ts'
import { longSpans, SpanSink } from './span-sink.ts'
import { address48, type CodeSymbol, fromBigint } from './symbols.ts'
import { NEAR, Threads } from './threads.ts'

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
const MAX_DEPTH = 2048
const MAX_MARKS = 20_000

/** INT 80h, as a program's system call. */
const SYSTEM_CALL_GATE = ARGUMENT_SOFTWARE | 0x80
const SYSTEM_CALL_GATE_MASK = ARGUMENT_SOFTWARE | 0xff

export class SpanBuilder {
  readonly #options: SpanBuilderOptions
  readonly #names: FunctionNames
  readonly #nodes: CallingContexts
  readonly #sink: SpanSink
  readonly #threads: Threads
  readonly #devices: DeviceLanes
  readonly #clock = new SliceClock()
  readonly #marks: Mark[] = []
  readonly #console = new ConsoleLines()
  #lastI = 0
  #lastN = 0
  #events = 0
  #pendingNotes: TraceNote[] = []

  constructor(options: SpanBuilderOptions = {}) {
    this.#options = options
    const { entry, symbols = [], userSymbols = [], maxSpans = MAX_SPANS, minSpanNs = MIN_SPAN_NS } = options
    const system = guestSystem(options.os)
    const mark = (made: Mark): void => this.#mark(made)
    const deviceLanes = new Set<number>()
    this.#names = new FunctionNames(symbols, userSymbols)
    this.#nodes = new CallingContexts(this.#names)
    this.#sink = new SpanSink(this.#nodes, maxSpans, minSpanNs, deviceLanes)
    this.#threads = new Threads(
      this.#nodes,
      this.#names,
      this.#sink,
      system,
      mark,
      typeof entry === 'bigint' ? fromBigint(entry) : entry,
    )
    const nsAt = (instructions: number): number => this.#clock.nsAt(instructions)
    this.#devices = new DeviceLanes(this.#nodes, this.#names, this.#sink, system, nsAt, mark, deviceLanes)
  }

  /** Call events taken so far. */
  get events(): number {
    return this.#events
  }
  /** Spans kept so far. */
  get spans(): number {
    return this.#sink.spans.length
  }
  get minSpanNs(): number {
    return this.#sink.minSpanNs
  }

  /** One slice's events, in order. */
  push(batch: CallEventBatch): void {
    const nodes = this.#nodes
    const threads = this.#threads
    const sink = this.#sink
    const words = wordsOf(batch.events)
    const end = words.length
    this.#events += end / CALL_EVENT_WORDS
    const [knotI, knotN] = this.#clock.knots(words, batch.clock, this.#lastI, this.#lastN)
    let knot = 0
    let aI = this.#lastI
    let aN = this.#lastN
    let bI = knotI[0]!
    let slope = bI > aI ? (knotN[0]! - aN) / (bI - aI) : 0

    const notes = [...this.#pendingNotes, ...(batch.notes ?? [])]
    this.#pendingNotes = []
    let note = 0
    let noteAt = notes.length > 0 ? notes[0]!.instructions : Infinity

    let context = threads.context
    let frames = context.frames
    let top = (context.depth - 1) * STRIDE
    let node = threads.node
    let lastI = this.#lastI
    let lastN = this.#lastN
    // Columns may move when a node is added: taken anew after anything that may add one.
    let nodeSelf = nodes.self
    let nodeSelfInstructions = nodes.selfInstructions

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
        threads.node = node
        this.#lastI = lastI
        this.#lastN = lastN
        while (note < notes.length && notes[note]!.instructions <= i) this.#note(notes[note++]!)
        noteAt = note < notes.length ? notes[note]!.instructions : Infinity
        node = threads.node
        nodeSelf = nodes.self
        nodeSelfInstructions = nodes.selfInstructions
      }

      nodeSelfInstructions[node] += i - lastI
      nodeSelf[node] += n - lastN
      lastI = i
      lastN = n

      if (kind === CallEventKind.Call) {
        const topR = top >= 0 ? frames[top + R] : -1
        if (!(rsp < topR && topR - rsp < NEAR)) {
          // Another stack, dead frames above, or the first call in a context.
          threads.node = node
          threads.call(rsp, i, n)
          nodeSelf = nodes.self
          nodeSelfInstructions = nodes.selfInstructions
          context = threads.context
          frames = context.frames
          node = threads.node
        }
        if (context.depth >= MAX_DEPTH) continue
        const target = address48(words[at + 2], words[at + 3])
        const last = nodes.lastChild[node]
        if (last !== 0 && nodes.target[last] === target) node = last
        else {
          node = nodes.child(node, target, context, i, n)
          nodeSelf = nodes.self
          nodeSelfInstructions = nodes.selfInstructions
        }
        nodes.calls[node]++
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
        sink.endSegment(context, top, i, n)
        context.depth--
        top -= STRIDE
        node = top >= 0 ? frames[top + NODE] : nodes.laneNode[context.lane]!
        continue
      }

      threads.node = node
      const argument = words[at + 1]
      switch (kind) {
        case CallEventKind.Return:
          threads.return(rsp, address48(words[at + 2], words[at + 3]), i, n)
          break
        case CallEventKind.Interrupt:
          if ((argument & SYSTEM_CALL_GATE_MASK) === SYSTEM_CALL_GATE && threads.context.kind === 'user')
            threads.systemCall(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          else threads.enter('interrupt', vectorName(argument & 0xff), (argument & 0xff) < EXCEPTION_VECTORS, rsp, i, n)
          break
        case CallEventKind.InterruptReturn:
          threads.interruptReturn(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          break
        case CallEventKind.Syscall:
          threads.systemCall(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          break
        case CallEventKind.SyscallReturn:
          threads.toUser(rsp, address48(words[at + 2], words[at + 3]), argument, i, n)
          break
        case CallEventKind.AddressSpace:
          threads.space = Math.floor(address48(words[at + 2], words[at + 3]) / 4096) * 4096
          break
        case CallEventKind.IdleEnter:
        case CallEventKind.IdleLeave: {
          // Its own knot: HLT takes time and no instructions.
          const own = this.#clock.knotEvent.indexOf(at, knot)
          if (own >= 0) {
            knot = own
            aI = bI = knotI[knot]!
            aN = Math.max(lastN, knotN[knot]!)
            nodes.self[node] += aN - lastN
            lastN = n = aN
            if (knot < knotI.length - 1) {
              knot++
              bI = knotI[knot]!
              slope = bI > aI ? (knotN[knot]! - aN) / (bI - aI) : 0
            }
          }
          if (kind === CallEventKind.IdleEnter) threads.idleEnter(i, n)
          else threads.idleLeave(i, n)
          break
        }
        default:
          break
      }
      context = threads.context
      frames = context.frames
      nodeSelf = nodes.self
      nodeSelfInstructions = nodes.selfInstructions
      // Whatever comes while the CPU is said to sleep takes the slow way, which wakes it.
      top = threads.idleSince >= 0 ? -STRIDE : (context.depth - 1) * STRIDE
      node = threads.node
    }

    threads.node = node
    this.#lastI = lastI
    this.#lastN = lastN
    // To the end of the slice.
    const last = knotI.length - 1
    const endI = Math.max(lastI, knotI[last]!)
    const endN = Math.max(lastN, knotN[last]!)
    while (note < notes.length && notes[note]!.instructions <= endI) {
      this.#note(notes[note++]!)
    }
    nodes.selfInstructions[threads.node] += endI - lastI
    nodes.self[threads.node] += endN - lastN
    this.#lastI = endI
    this.#lastN = endN
    this.#pendingNotes = notes.slice(note)
    sink.settle()
  }

  /** The trace so far: spans still open end now. What is pushed later does not show in it. */
  snapshot(): Trace {
    const notes = [...(this.#options.meta?.notes ?? [])]
    const { dropped, minSpanNs } = this.#sink
    if (dropped > 0)
      notes.push(
        `${dropped.toLocaleString('en')} spans shorter than ${minSpanNs} ns are merged or left out; all sums are exact.`,
      )
    const stacks = this.#nodes.table()
    return {
      ...this.#outline(notes),
      functions: this.#functions(stacks),
      spans: this.#withOpenSpans((spans) => spans.finish()),
      stacks,
    }
  }

  /**
   * What can be drawn of it: spans of at least `leastNs`, fewer yet where they are more than `most`, names of functions
   * from `namesFrom` on, and no stacks. Copies no span that is not drawn.
   */
  live(leastNs: number, most: number, namesFrom: number): Trace {
    const functions = this.#functions(this.#nodes.table())
    return {
      ...this.#outline([...(this.#options.meta?.notes ?? [])]),
      functions: { ...functions, names: functions.names.slice(namesFrom) },
      spans: this.#withOpenSpans((spans) => longSpans(spans, leastNs, most)),
      stacks: emptyStacks(),
    }
  }

  #functions(stacks: StackTable): FunctionTable {
    return functionTable(stacks, this.#names.names, Float64Array.from(this.#names.address))
  }

  #outline(notes: readonly string[]): Omit<Trace, 'functions' | 'spans' | 'stacks'> {
    const end = this.#lastN
    const endInstructions = this.#lastI
    const marks = this.#allMarks()
    const { firstUser } = this.#threads
    const firstCall = (symbol: string) => this.#names.firstCall(symbol)
    const stages = computeStages(this.#options.stages ?? [], { end, endInstructions, firstCall, firstUser, marks })
    return {
      meta: { title: 'boot', ...this.#options.meta, notes },
      start: 0,
      end,
      endInstructions,
      clock: this.#clock.table(),
      lanes: [...this.#nodes.lanes],
      stages,
      marks,
    }
  }

  /** Open spans end now and are taken back afterwards; running merges are copied, not flushed. */
  #withOpenSpans(taken: (spans: SpanColumns) => SpanTable): SpanTable {
    const i = this.#lastI
    const n = this.#lastN
    const sink = this.#sink
    const { length } = sink.spans
    const { idleSince, idleSinceI, idleLane } = this.#threads
    sink.isSnapshot = true
    if (idleSince >= 0) sink.push(idleLane, 0, NO_FUNCTION, idleSinceI, i, idleSince, n, 1)
    for (let context: Context | undefined = this.#threads.context; context !== undefined; context = context.parent) {
      const { frames } = context
      for (let top = (context.depth - 1) * STRIDE; top >= 0; top -= STRIDE) {
        sink.emitRun(context, top)
        const depth = context.baseDepth + top / STRIDE
        const func = this.#nodes.func[frames[top + NODE]]
        const calls = frames[top + SEG_CALLS]
        sink.push(context.lane, depth, func, frames[top + SEG_I], i, frames[top + SEG_N], n, calls)
      }
    }
    const spans = taken(sink.spans)
    sink.spans.length = length
    sink.isSnapshot = false
    return spans
  }

  #note(note: TraceNote): void {
    const { instructions } = note
    const at = this.#clock.nsAt(instructions)
    switch (note.kind) {
      case 'console':
        this.#console.write(note.bytes, at, instructions)
        this.#devices.span(note, 'write')
        return
      case 'init':
        this.#threads.processes.first(note.path)
        this.#mark({ kind: 'exec', at, atInstructions: instructions, text: cleanText(note.path) })
        return
      case 'exec':
        this.#threads.execPath = note.path
        return
      case 'device':
        this.#devices.request(note)
        return
    }
  }

  #mark(mark: Mark): void {
    if (this.#marks.length < MAX_MARKS) this.#marks.push(mark)
  }

  #allMarks(): Mark[] {
    return [...this.#marks, ...this.#console.lines()].sort((a, b) => a.at - b.at)
  }
}
