/** One headless run of a machine: slices, console, input, pattern, timeout; the figures at its end. */
import type { Figures, Machine, MachineExit } from '../machine/machine.ts'
import { type Pattern, Until } from './until.ts'

/** Host time of one slice: short enough for input to feel immediate, long enough to cost nothing. */
const SLICE_MS = 5
/** setTimeout's resolution; shorter waits only yield. */
const SHORTEST_SLEEP_MS = 1
const LONGEST_SLEEP_MS = 60_000

export interface RunOptions {
  readonly send: Uint8Array
  readonly until: Pattern | undefined
  readonly timeoutMs: number | undefined
}

export interface RunIo {
  /** Milliseconds, monotonic. */
  now(): number
  stdout(bytes: Uint8Array): void
  /** Calls back with what the person or the pipe sends, until the returned function is called. */
  input(data: (bytes: Uint8Array) => void, quit: () => void): () => void
}

/** `quit` is Ctrl-A x, which only a person at a terminal can type. */
export type ExitReason = 'until' | 'guest-exit' | 'halt' | 'reset' | 'triple-fault' | 'timeout' | 'quit'

export interface RunResult {
  readonly exit: ExitReason
  readonly guestExit: MachineExit | undefined
  readonly figures: Figures
  readonly wallMs: number
  readonly firstConsoleByteMs: number | undefined
  readonly untilMs: number | undefined
  readonly untilInstructions: number | undefined
  readonly consoleBytes: number
}

/** Takes console bytes from the machine's birth on, before there is a machine to ask for figures. */
export class ConsoleTap {
  readonly #io: RunIo
  readonly #until: Until | undefined
  #pending: Uint8Array[] = []
  machine: Machine | undefined
  startedAt: number
  bytes = 0
  /** The cursor stands at the start of a line. */
  atLineStart = true
  firstByteMs: number | undefined
  untilMs: number | undefined
  untilInstructions: number | undefined

  constructor(io: RunIo, until: Pattern | undefined) {
    this.#io = io
    this.#until = until && new Until(until)
    this.startedAt = io.now()
  }

  get untilSeen(): boolean {
    return this.#until?.seen === true
  }

  /** Output after the match belongs to no run: how much of it there is depends on the host's speed. */
  take(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.untilSeen) return
    this.firstByteMs ??= this.#io.now() - this.startedAt
    const matched = this.#until?.push(chunk) ?? -1
    const kept = (matched < 0 ? chunk : chunk.subarray(0, matched)).slice()
    this.bytes += kept.length
    this.atLineStart = kept.at(-1) === 10
    this.#pending.push(kept)
    if (matched >= 0) {
      this.untilMs = this.#io.now() - this.startedAt
      this.untilInstructions = this.machine?.figures().instructions
      this.machine?.yield()
    }
    // A line is out when it is complete, not at the slice's end: whoever times our output reads true times.
    if (kept.includes(10)) this.flush()
  }

  flush(): void {
    if (this.#pending.length === 0) return
    this.#io.stdout(this.#pending.length === 1 ? this.#pending[0]! : new Uint8Array(Buffer.concat(this.#pending)))
    this.#pending = []
  }
}

export const runMachine = async (
  machine: Machine,
  tap: ConsoleTap,
  options: RunOptions,
  io: RunIo,
): Promise<RunResult> => {
  let wake: (() => void) | undefined
  let quit = false
  const stopInput = io.input(
    (bytes) => {
      machine.send(bytes)
      wake?.()
    },
    () => {
      quit = true
      wake?.()
    },
  )
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (ms < SHORTEST_SLEEP_MS) {
        setImmediate(resolve)
        return
      }
      const timer = setTimeout(done, Math.min(ms, LONGEST_SLEEP_MS))
      function done(): void {
        clearTimeout(timer)
        wake = undefined
        resolve()
      }
      wake = done
    })

  const started = io.now()
  tap.machine = machine
  tap.startedAt = started
  const deadline = started + (options.timeoutMs ?? Infinity)
  let exit: ExitReason | undefined
  let guestExit: MachineExit | undefined
  try {
    if (options.send.length > 0) machine.send(options.send)
    while (exit === undefined) {
      const slice = machine.run(Math.max(0.1, Math.min(SLICE_MS, deadline - io.now())))
      tap.flush()
      if (tap.untilSeen) exit = 'until'
      else if (slice.state === 'stopped' && slice.exit !== undefined) {
        guestExit = slice.exit
        exit = guestExit.reason
      } else if (quit) exit = 'quit'
      else if (io.now() >= deadline) exit = 'timeout'
      else await sleep(slice.state === 'idle' ? Math.min(slice.sleepNs / 1e6, deadline - io.now()) : 0)
    }
  } finally {
    stopInput()
  }
  return {
    exit,
    guestExit,
    figures: machine.figures(),
    wallMs: io.now() - started,
    firstConsoleByteMs: tap.firstByteMs,
    untilMs: tap.untilMs,
    untilInstructions: tap.untilInstructions,
    consoleBytes: tap.bytes,
  }
}

/** isa-debug-exit's code for a guest that wrote 0: (0 << 1) | 1. */
const GUEST_EXIT_SUCCESS = 1

/** With a pattern only seeing it is success; without one a guest that ends by itself, unless it says otherwise. */
export const exitStatus = (result: RunResult, hasUntil: boolean): number => {
  switch (result.exit) {
    case 'until':
      return 0
    case 'timeout':
      return 3
    case 'triple-fault':
      return 4
    case 'quit':
    case 'halt':
    case 'reset':
      return hasUntil ? 1 : 0
    case 'guest-exit':
      return hasUntil || (result.guestExit?.reason === 'guest-exit' && result.guestExit.code !== GUEST_EXIT_SUCCESS)
        ? 1
        : 0
  }
}

/** What --json writes. Absent figures are null, so that every field is always there. */
export const report = (result: RunResult): Readonly<Record<string, unknown>> => ({
  exit: result.exit,
  guestExitCode: result.guestExit?.reason === 'guest-exit' ? result.guestExit.code : null,
  instructions: result.figures.instructions,
  wallMs: result.wallMs,
  guestNs: result.figures.guestNs,
  mips: result.wallMs > 0 ? result.figures.instructions / result.wallMs / 1000 : 0,
  firstConsoleByteMs: result.firstConsoleByteMs ?? null,
  untilMs: result.untilMs ?? null,
  untilInstructions: result.untilInstructions ?? null,
  engine: result.figures.engine,
  consoleBytes: result.consoleBytes,
  ...(result.guestExit?.reason === 'triple-fault' ? { crash: result.guestExit.crash } : {}),
})
