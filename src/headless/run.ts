/** One headless run of a machine: a session with Node's streams at its ends, and what comes of it. */
import { registerText } from '../base/registers.ts'
import type { Pace } from '../host/pace.ts'
import { Session, type SessionEnd, type SessionFigures } from '../host/session.ts'
import type { Machine, MachineEvents } from '../machine/index.ts'
import { FULL_MS } from './pipe-writer.ts'
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
  readonly stopAfter: number | undefined
}

export interface RunIo {
  /** Milliseconds, monotonic. */
  now(): number
  /** Takes all of it, and throws the system's error when nobody takes it any more. */
  stdout(bytes: Uint8Array): void
  /** Whether more should wait until what stdout took is out; throws as it does. */
  isFull?(): boolean
  /** Calls back with what the person or the pipe sends, until the returned function is called. */
  input(data: (bytes: Uint8Array) => void, quit: () => void): () => void
  /** Calls back with the terminal's new size, until the returned function is called. */
  resized?(to: (columns: number, rows: number) => void): () => void
}

/**
 * `quit` is Ctrl-A x, which only a person at a terminal can type; `interrupted` a signal that asks the process to end;
 * `output-failed` that standard output takes no more.
 */
export type RunEnd = SessionEnd<'quit' | 'interrupted' | 'output-failed'>

export interface RunResult {
  readonly end: RunEnd
  readonly figures: SessionFigures
}

const nodePace = (): Pace => {
  let woken: (() => void) | undefined
  return {
    turn: () => new Promise<void>((resolve) => setImmediate(resolve)),
    sleep: (ms) =>
      new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          woken = undefined
          resolve()
        }
        const timer = setTimeout(done, ms)
        woken = done
      }),
    wake: () => woken?.(),
  }
}

export class Run {
  readonly #options: RunOptions
  readonly #io: RunIo
  readonly #session: Session<'quit' | 'interrupted' | 'output-failed'>
  #pending: Uint8Array[] = []
  /** The cursor stands at the start of a line. */
  #atLineStart = true
  /** Why standard output took no more: 'EPIPE' when its reader has gone, or another of the system's words. */
  outputFault: string | undefined

  constructor(options: RunOptions, io: RunIo) {
    this.#options = options
    this.#io = io
    this.#session = new Session({
      pace: nodePace(),
      nowMs: () => io.now(),
      sliceMs: SLICE_MS,
      shortestSleepMs: SHORTEST_SLEEP_MS,
      longestSleepMs: LONGEST_SLEEP_MS,
      timeoutMs: options.timeoutMs,
      stopAfter: options.stopAfter,
      until: options.until && new Until(options.until),
      onConsole: (bytes) => this.#print(bytes),
      holdMs: () => (this.#isFull() ? FULL_MS : 0),
      afterSlice: () => this.#flush(),
    })
  }

  /** What the machine says, from its birth on. */
  readonly console: MachineEvents['console'] = (bytes) => this.#session.console(bytes)

  async of(machine: Machine): Promise<RunResult> {
    const session = this.#session
    session.powerOn(machine)
    const stopInput = this.#io.input(
      (bytes) => session.send(bytes),
      () => session.interrupt('quit'),
    )
    const stopSizes = this.#io.resized?.((columns, rows) => {
      machine.resizeConsole(columns, rows)
      session.wake()
    })
    try {
      if (this.#options.send.length > 0) machine.send(this.#options.send)
      const end = await session.run()
      return { end, figures: session.figures() as SessionFigures }
    } finally {
      stopInput()
      stopSizes?.()
    }
  }

  /** The process was asked to end. */
  interrupt(): void {
    this.#session.interrupt('interrupted')
  }

  /** What has gone out no more belongs to no run. */
  failOutput(e: unknown): void {
    this.outputFault ??= (e as NodeJS.ErrnoException).code ?? String(e)
    this.#session.interrupt('output-failed')
  }

  /** What is said next, by us or by a shell, begins a line. */
  endLine(): void {
    if (!this.#atLineStart) this.#print(Buffer.from('\r\n'))
  }

  #print(bytes: Uint8Array): void {
    this.#atLineStart = bytes.at(-1) === 10
    this.#pending.push(bytes.slice())
    // A line is out when it is complete, not at the slice's end: whoever times our output reads true times.
    if (bytes.includes(10)) this.#flush()
  }

  #flush(): void {
    if (this.#pending.length === 0) return
    const bytes = this.#pending.length === 1 ? this.#pending[0]! : new Uint8Array(Buffer.concat(this.#pending))
    this.#pending = []
    if (this.outputFault !== undefined) return
    try {
      this.#io.stdout(bytes)
    } catch (e) {
      this.failOutput(e)
    }
  }

  #isFull(): boolean {
    try {
      return this.outputFault === undefined && this.#io.isFull?.() === true
    } catch (e) {
      this.failOutput(e)
      return false
    }
  }
}

/** isa-debug-exit's code for a guest that wrote 0: (0 << 1) | 1. */
const GUEST_EXIT_SUCCESS = 1

/** As a shell says of a process that a signal has ended. */
export const SIGNALLED = 128
/** What is wrong with files, of which standard output is one. */
export const FILE_STATUS = 2
const SIGPIPE = 13

/** When standard output took no more: as of a process that SIGPIPE has ended, which most tools are where their reader goes. */
export const outputStatus = (fault: string | undefined): number =>
  fault === 'EPIPE' ? SIGNALLED + SIGPIPE : FILE_STATUS

/** With a pattern only seeing it is success; without one a guest that ends by itself, unless it says otherwise. */
export const exitStatus = ({ end }: RunResult, hasUntil: boolean, signal = 0, outputFault?: string): number => {
  switch (end.reason) {
    case 'until':
      return 0
    case 'interrupted':
      return SIGNALLED + signal
    case 'output-failed':
      return outputStatus(outputFault)
    case 'timeout':
    case 'clock-end':
      return 3
    case 'triple-fault':
      return 4
    case 'quit':
    case 'stopped':
    case 'halt':
    case 'reset':
      return hasUntil ? 1 : 0
    case 'guest-exit':
      return hasUntil || end.code !== GUEST_EXIT_SUCCESS ? 1 : 0
  }
}

/** What --json writes. Absent figures are null, so that every field is always there. */
export const report = ({ end, figures }: RunResult, stateHash: string): Readonly<Record<string, unknown>> => ({
  exit: end.reason,
  guestExitCode: end.reason === 'guest-exit' ? end.code : null,
  instructions: figures.instructions,
  wallMs: figures.wallMs,
  guestNs: figures.guestNs,
  mips: figures.wallMs > 0 ? (figures.instructions - figures.begunAt) / figures.wallMs / 1000 : 0,
  firstConsoleByteMs: figures.firstConsoleByteMs ?? null,
  untilMs: figures.untilMs ?? null,
  untilInstructions: figures.untilInstructions ?? null,
  engine: figures.engine,
  consoleBytes: figures.consoleBytes,
  stateHash,
  ...(end.reason === 'triple-fault' && { crash: { ...end.crash, registers: registerText(end.crash.registers) } }),
})
