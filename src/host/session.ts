/**
 * One machine and its run: slices of host time, sleep where the guest idles, waking for keys, the console with the pattern that
 * ends the run, time limit, interruption, and figures. A worker's emulator and the command line are built on it: what they
 * add is where bytes and figures go.
 *
 * A session begins before its machine: the console speaks from the machine's birth on.
 */
import type { Figures, Machine, MachineExit, Slice } from '../machine/index.ts'
import type { Pace } from './pace.ts'

export interface SessionOptions {
  readonly pace: Pace
  /** Milliseconds, monotonic. A host that holds its clock while the session is paused counts no pause. */
  readonly nowMs: () => number
  /** Host time of one slice: short enough for keys and interruptions to feel immediate. */
  readonly sliceMs: number
  /** The pace cannot sleep for less than this. */
  readonly shortestSleepMs: number
  /** What runs beside the machine is looked at again after so long. */
  readonly longestSleepMs: number
  /** The run ends once so many instructions have retired, exactly. */
  readonly stopAfter?: number | undefined
  /** Host time from power-on after which the run ends. */
  readonly timeoutMs?: number | undefined
  /** Ends the run: `push` gives the bytes up to and including the one that completed the match, or -1. */
  readonly until?: { push(chunk: Uint8Array): number } | undefined
  /** Console bytes of the run, to be copied before this returns. */
  readonly onConsole: (bytes: Uint8Array) => void
  /** Milliseconds to wait before the next slice, for what the machine does not know of; 0 runs it. */
  readonly holdMs?: () => number
  /** Where the guest waits under a clock that counts instructions, the host waits too. */
  readonly isPatient?: () => boolean
  readonly beforeSlice?: () => void
  readonly afterSlice?: (slice: Slice) => void
}

/** Why a run is over. `Why` is what its host interrupts it for. */
export type SessionEnd<Why extends string> = MachineExit | Reason<'until' | 'timeout' | 'stopped' | Why>
type Reason<R extends string> = R extends string ? { readonly reason: R } : never

export interface SessionFigures extends Figures {
  /** Host time since power-on, or since the machine was resumed. */
  readonly wallMs: number
  /** Instructions retired by then: 0 at power-on. */
  readonly begunAt: number
  readonly consoleBytes: number
  readonly firstConsoleByteMs: number | undefined
  readonly untilMs: number | undefined
  readonly untilInstructions: number | undefined
}

/** Since the sample before it. */
export interface Speed {
  /** Instructions per microsecond of host time spent executing; as before where next to none was. */
  readonly mips: number
  /** Share of host time spent executing, 0..1. */
  readonly busy: number
}

/** A sample with less execution says nothing of speed. */
const MIPS_SAMPLE_MS = 2
/** A slice is not shorter, however near the end: a machine that is never run gets nowhere. */
const SLICE_MIN_MS = 0.1

export class Session<Why extends string> {
  readonly #options: SessionOptions
  #machine: Machine | undefined
  #paused = false
  #end: SessionEnd<Why> | undefined
  #startedMs: number
  #executedMs = 0
  #begunAt = 0
  #consoleBytes = 0
  #firstConsoleByteMs: number | undefined
  #untilMs: number | undefined
  #untilInstructions: number | undefined
  #sample = { atMs: 0, instructions: 0, executedMs: 0 }
  #mips = 0

  constructor(options: SessionOptions) {
    this.#options = options
    this.#startedMs = options.nowMs()
  }

  /** The machine's console. What comes after the end belongs to no run: how much of it there is depends on the host's speed. */
  console(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#end !== undefined) return
    this.#firstConsoleByteMs ??= this.wallMs
    const matched = this.#options.until?.push(chunk) ?? -1
    const kept = matched < 0 ? chunk : chunk.subarray(0, matched)
    this.#consoleBytes += kept.length
    this.#options.onConsole(kept)
    if (matched < 0) return
    this.#untilMs = this.wallMs
    this.#untilInstructions = this.#machine?.figures().instructions
    this.#end = { reason: 'until' }
    this.#machine?.yield()
  }

  /** The machine is there, and its clock starts; again after each power cycle. */
  powerOn(machine: Machine): void {
    this.#machine = machine
    this.#end = undefined
    this.#startedMs = this.#options.nowMs()
    this.#executedMs = 0
    this.#mips = 0
    this.#begunAt = machine.figures().instructions
    this.#sample = { atMs: this.#startedMs, instructions: this.#begunAt, executedMs: 0 }
  }

  /** Types at the console. */
  send(bytes: Uint8Array): void {
    this.#machine?.send(bytes)
    this.wake()
  }

  /** Ends the run after the slice at hand. */
  interrupt(why: Why): void {
    this.#end ??= { reason: why } as SessionEnd<Why>
    this.wake()
  }

  get isPaused(): boolean {
    return this.#paused
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.wake()
  }

  /** Something has happened that a sleeping run should look at. */
  wake(): void {
    this.#options.pace.wake()
  }

  get wallMs(): number {
    return this.#options.nowMs() - this.#startedMs
  }

  /** Undefined before there is a machine. */
  figures(): SessionFigures | undefined {
    return (
      this.#machine && {
        ...this.#machine.figures(),
        wallMs: this.wallMs,
        begunAt: this.#begunAt,
        consoleBytes: this.#consoleBytes,
        firstConsoleByteMs: this.#firstConsoleByteMs,
        untilMs: this.#untilMs,
        untilInstructions: this.#untilInstructions,
      }
    )
  }

  get sinceSampleMs(): number {
    return this.#options.nowMs() - this.#sample.atMs
  }

  sample(): Speed {
    const atMs = this.#options.nowMs()
    const instructions = this.#machine?.figures().instructions ?? 0
    const spanMs = atMs - this.#sample.atMs
    const executedMs = this.#executedMs - this.#sample.executedMs
    if (executedMs > MIPS_SAMPLE_MS) this.#mips = (instructions - this.#sample.instructions) / executedMs / 1000
    this.#sample = { atMs, instructions, executedMs: this.#executedMs }
    return { mips: this.#mips, busy: spanMs > 0 ? Math.min(1, executedMs / spanMs) : 0 }
  }

  /** Runs the machine until it stops or something ends the run. Throws what the machine throws, which is a defect of ours. */
  async run(): Promise<SessionEnd<Why>> {
    const {
      pace,
      nowMs,
      sliceMs,
      shortestSleepMs,
      longestSleepMs,
      stopAfter = Number.POSITIVE_INFINITY,
      timeoutMs = Number.POSITIVE_INFINITY,
    } = this.#options
    const machine = this.#machine
    if (machine === undefined) throw new Error('a session without a machine cannot run')
    if (stopAfter < Number.POSITIVE_INFINITY) machine.stopAfter(stopAfter)
    for (;;) {
      if (this.#end !== undefined) return this.#end
      const heldMs = this.#paused ? Number.POSITIVE_INFINITY : (this.#options.holdMs?.() ?? 0)
      const before = nowMs()
      const leftMs = timeoutMs - (before - this.#startedMs)
      if (heldMs > 0) {
        if (leftMs <= 0) return { reason: 'timeout' }
        await pace.sleep(Math.min(heldMs, longestSleepMs, leftMs))
        continue
      }
      this.#options.beforeSlice?.()
      const slice = machine.run(Math.max(SLICE_MIN_MS, Math.min(sliceMs, leftMs)), this.#options.isPatient?.())
      const after = nowMs()
      this.#executedMs += after - before
      this.#options.afterSlice?.(slice)
      if (this.#end !== undefined) return this.#end
      if (stopAfter < Number.POSITIVE_INFINITY && machine.figures().instructions >= stopAfter)
        return { reason: 'stopped' }
      if (slice.state === 'stopped') return slice.exit ?? { reason: 'halt' }
      const untilTimeoutMs = timeoutMs - (after - this.#startedMs)
      if (untilTimeoutMs <= 0) return { reason: 'timeout' }
      const sleepMs = slice.state === 'idle' ? Math.min(slice.sleepNs / 1e6, longestSleepMs, untilTimeoutMs) : 0
      if (sleepMs < shortestSleepMs) await pace.turn()
      else await pace.sleep(sleepMs)
    }
  }
}
