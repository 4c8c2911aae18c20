/**
 * Hosts one machine: fetches its files, creates it, runs it in slices and lets its thread go between them. Knows no
 * worker: it posts events to a function and is paced by a Pace, so that tests run it under Node with a fake machine.
 *
 * One emulator boots one machine. Power-off and replacement end the worker (client.ts): no other way gives gigabytes of
 * shared memory back at once and for certain.
 */
import { ProblemError, problem, type Result, refuse } from '../base/problem.ts'
import type { ByteSource } from '../disk/ext2-reader.ts'
import type { Pace } from '../host/pace.ts'
import { Session } from '../host/session.ts'
import type { TraceNote } from '../machine/call-event.ts'
import {
  type CreateMachine,
  is32BitKernel,
  type Machine,
  type MachineConfig,
  type MachineEvents,
  type MachineHost,
  type Registers,
  type RestoreMachine,
  readSnapshot,
  type Slice,
} from '../machine/index.ts'
import { settingsOf, type TerminalSize } from '../settings/settings.ts'
import { type HostedDisk, openDisks } from './disks.ts'
import { fetchFile } from './fetch-file.ts'
import {
  type BootRequest,
  CONSOLE_CREDIT,
  CONSOLE_RESUME,
  type EmulatorEvent,
  type FileSource,
  type KeptAs,
  type Problem,
} from './protocol.ts'
import { machineToKeep, saveMachine, sha256, stateHash } from './saved-machine.ts'
import { StageWatcher } from './stage-watcher.ts'
import type { TraceFeed } from './trace-feed.ts'

/** Short enough that keys, Pause and Ctrl-C feel immediate; V8 replaces running wasm only when it returns. */
const SLICE_MS = 8
const FIGURES_MS = 100
/** Faster while the number counts. */
const BOOT_FIGURES_MS = 50
const IDLE_FIGURES_MS = 1000
const PROGRESS_MS = 50
/** Rate is measured over this much time. */
const RATE_WINDOW_MS = 1000
const LOG_LINES = 200
/** Shorter sleeps cost more in wake-ups than they save. */
const SLEEP_MIN_MS = 0.2

export interface HoldableHost extends MachineHost {
  nowMs(): number
  /** Resolves when a machine with that engine can be created at once. */
  makeEngine?(traced: boolean): Promise<void>
  hold(): void
  release(): void
}

export type Post = (event: EmulatorEvent, transfer?: Transferable[]) => void

type Phase = 'new' | 'starting' | 'on' | 'ended'

type MakeMachine = (events: MachineEvents) => Result<Machine>

const NO_MACHINE = problem('no-machine', 'there is no machine', 'one that runs', 'boot a guest first')
export class Emulator {
  readonly #createMachine: CreateMachine
  readonly #restoreMachine: RestoreMachine | undefined
  readonly #host: HoldableHost
  readonly #pace: Pace
  readonly #session: Session<'over'>
  readonly #post: Post

  #phase: Phase = 'new'
  #request: BootRequest | undefined
  #machine: Machine | undefined
  /** As last heard: a machine that is not there yet begins with it. */
  #terminal: TerminalSize | undefined
  #watcher: StageWatcher | undefined
  #feed: TraceFeed | undefined
  #kernel: Uint8Array = new Uint8Array(0)
  #kernelSha256: string | undefined
  #typedAt = false
  #stopsAfter = Number.POSITIVE_INFINITY
  #keepsAtPrompt = false
  #disks: readonly HostedDisk[] = []
  readonly #failures = new Set<string>()
  #boots = 0
  #announced: 'running' | 'paused' | undefined

  #console = new Uint8Array(4096)
  #consoleLength = 0
  #unacknowledged = 0
  #typedAhead: Uint8Array[] = []
  #log: string[] = []

  constructor(
    createMachine: CreateMachine,
    host: HoldableHost,
    pace: Pace,
    post: Post,
    restoreMachine?: RestoreMachine,
  ) {
    this.#createMachine = createMachine
    this.#restoreMachine = restoreMachine
    this.#host = host
    this.#pace = pace
    this.#post = post
    this.#session = new Session<'over'>({
      pace,
      nowMs: () => host.nowMs(),
      sliceMs: SLICE_MS,
      shortestSleepMs: SLEEP_MIN_MS,
      longestSleepMs: IDLE_FIGURES_MS,
      onConsole: (bytes) => this.#onConsole(bytes),
      holdMs: () => this.#waitForPage(),
      // A boot is as fast as it can be; a prompt waits for a person.
      isPatient: () => this.#watcher?.isReady === true,
      beforeSlice: () => this.#feed?.wake(() => (this.#machine as Machine).figures()),
      afterSlice: (slice) => this.#afterSlice(slice),
    })
  }

  /** Where what is recorded goes; before `boot`. */
  traceTo(feed: TraceFeed): void {
    this.#feed = feed
  }

  /** Resolves when the machine runs, or could not. */
  async boot(request: BootRequest): Promise<void> {
    if (this.#phase !== 'new') throw new Error('this emulator has booted a machine already')
    this.#phase = 'starting'
    this.#request = request
    try {
      this.#post({ type: 'state', state: { name: 'loading' } })
      const make = request.snapshot ? await this.#resumed(request, request.snapshot) : await this.#booted(request)
      this.#post({ type: 'state', state: { name: 'warming' } })
      // Let the event out before the thread is busy compiling.
      await this.#pace.turn()
      await this.#host.makeEngine?.(request.trace)
      const created = make({
        console: (bytes) => this.#session.console(bytes),
        log: (line) => this.#onLog(line),
        ...(request.trace && {
          callEvents: (bytes: Uint8Array) => this.#feed?.events(bytes),
          note: (note: TraceNote) => this.#feed?.note(note),
        }),
      })
      if (!created.ok) throw new ProblemError(created.problem)
      this.#machine = created.value
      if (request.snapshot) this.#takeUp(created.value)
      const { entry, elfClass, bytes, cmdline, warnings = [] } = created.value.kernel
      this.#post({ type: 'kernel', kernel: { entry, elfClass, bytes, cmdline, warnings } })
    } catch (error) {
      this.#phase = 'ended'
      for (const disk of this.#disks) disk.close()
      this.#disks = []
      if (error instanceof ProblemError)
        this.#post({ type: 'state', state: { name: 'refused', problem: error.problem } })
      else this.#fault(error)
      return
    }
    this.#phase = 'on'
    for (const bytes of this.#typedAhead) this.#machine.send(bytes)
    this.#typedAhead = []
    this.#powerOn()
    void this.#run()
  }

  pause(): void {
    if (this.#phase !== 'on' || this.#session.isPaused) return
    this.#session.pause()
    this.#host.hold()
    this.#figures()
    this.#feed?.show()
    this.#announce('paused')
  }

  resume(): void {
    if (!this.#session.isPaused) return
    this.#host.release()
    if (this.#phase === 'on') this.#announce('running')
    this.#session.resume()
  }

  /** Power-cycles the machine, also one that has stopped or crashed. */
  reset(): void {
    const machine = this.#machine
    // One that was resumed has no kernel here: the page boots its guest anew.
    if (!machine || this.#request?.snapshot) return
    const wasRunning = this.#phase === 'on'
    this.#host.release()
    this.#session.resume()
    this.#flushConsole()
    try {
      machine.reset()
    } catch (error) {
      this.#fault(error)
      return
    }
    this.#phase = 'on'
    this.#announced = undefined
    this.#powerOn()
    if (wasRunning) this.#session.wake()
    else void this.#run()
  }

  send(bytes: Uint8Array): void {
    this.#typedAt = true
    if (this.#machine) this.#session.send(bytes)
    else this.#typedAhead.push(bytes)
  }

  acknowledge(bytes: number): void {
    const wasOut = this.#unacknowledged >= CONSOLE_CREDIT
    this.#unacknowledged = Math.max(0, this.#unacknowledged - bytes)
    if (wasOut || this.#unacknowledged <= CONSOLE_RESUME) this.#session.wake()
  }

  resizeConsole(columns: number, rows: number): void {
    this.#terminal = { columns, rows }
    this.#machine?.resizeConsole(columns, rows)
  }

  registers(): Registers {
    return this.#machine?.registers() ?? {}
  }

  async save(): Promise<Result<Blob>> {
    const machine = this.#machine
    if (!machine) return refuse(NO_MACHINE)
    this.#kernelSha256 ??= await sha256(this.#kernel)
    // No slice runs from here on: what is saved is one moment.
    return saveMachine(machine, this.#kernelSha256)
  }

  async stateHash(): Promise<string> {
    return this.#machine ? stateHash(this.#machine) : ''
  }

  /** An event says the outcome, behind all that the console has said until then. */
  async keep(): Promise<void> {
    const machine = this.#machine
    if (!machine || this.#phase !== 'on') return
    this.#kernelSha256 ??= await sha256(this.#kernel)
    this.#keep('last', machine)
  }

  #keep(as: KeptAs, machine: Machine): void {
    this.#flushConsole()
    this.#post({ type: 'kept', as, file: machineToKeep(machine, this.#kernelSha256 ?? '') })
  }

  /** As the guest would read it now. */
  disk(index: number): ByteSource | undefined {
    return this.#disks[index]?.backend
  }

  async #resumed({ trace, engine }: BootRequest, source: FileSource): Promise<MakeMachine> {
    const snapshot = readSnapshot(await this.#loadFile(source))
    if (!snapshot.ok) throw new ProblemError(snapshot.problem)
    this.#kernelSha256 = snapshot.value.kernel.sha256
    const config = { snapshot: snapshot.value, disks: [], trace, engine }
    return (events) => (this.#restoreMachine ? this.#restoreMachine(config, this.#host, events) : refuse(NO_MACHINE))
  }

  /** What a machine that was booted has had from the beginning. */
  #takeUp(machine: Machine): void {
    // A guest that was saved with another terminal hears of this one.
    if (this.#terminal) machine.resizeConsole(this.#terminal.columns, this.#terminal.rows)
    this.#disks = machine.disks.map((backend) => ({
      backend,
      summary: { name: backend.id, size: backend.size, readOnly: backend.readOnly, kept: undefined },
      close: () => {},
    }))
    this.#post({ type: 'disks', disks: this.#disks.map(({ summary }) => summary) })
  }

  async #booted(request: BootRequest): Promise<MakeMachine> {
    const config = await this.#load(request)
    this.#kernel = config.kernel
    this.#keepsAtPrompt = request.keepAtPrompt === true
    if (this.#keepsAtPrompt) this.#kernelSha256 = await sha256(config.kernel)
    return (events) => this.#createMachine(config, this.#host, events)
  }

  async #load(request: BootRequest): Promise<MachineConfig> {
    const load = (source: FileSource) => this.#loadFile(source)
    const kernelFile = load(request.kernel)
    const disks = openDisks(request.disks, {
      load,
      is32Bit: async () => is32BitKernel(await kernelFile),
      onAdded: (loaded, total) =>
        this.#post({ type: 'loading', file: 'added files', loaded, total, bytesPerSecond: 0 }),
      onFailure: (problem) => this.#diskFailed(problem),
    }).then((opened) => {
      this.#disks = opened
    })
    const files = Promise.all([kernelFile, request.initrd && load(request.initrd)])
    // Also when a file cannot be had: disks that are open then must be closed.
    await Promise.allSettled([files, disks])
    const [[kernel, initrd]] = await Promise.all([files, disks])
    this.#post({ type: 'disks', disks: this.#disks.map(({ summary }) => summary) })
    return {
      ...settingsOf(request),
      ...this.#terminal,
      kernel,
      ...(initrd && { initrd }),
      disks: this.#disks.map(({ backend }) => backend),
    }
  }

  #diskFailed(problem: Problem): void {
    if (this.#failures.has(problem.kind)) return
    this.#failures.add(problem.kind)
    this.#post({ type: 'disk-failed', problem })
  }

  #loadFile(source: FileSource): Promise<Uint8Array> {
    const window: { atMs: number; loaded: number }[] = []
    let reportedMs = Number.NEGATIVE_INFINITY
    return fetchFile(source, (loaded, total) => {
      const atMs = performance.now()
      if (atMs - reportedMs < PROGRESS_MS && loaded !== total) return
      reportedMs = atMs
      window.push({ atMs, loaded })
      while (window.length > 2 && atMs - (window[0]?.atMs ?? atMs) > RATE_WINDOW_MS) window.shift()
      const first = window[0]
      const spanMs = first ? atMs - first.atMs : 0
      const bytesPerSecond = first && spanMs > 0 ? ((loaded - first.loaded) / spanMs) * 1000 : 0
      this.#post({ type: 'loading', file: source.name, loaded, total, bytesPerSecond })
    })
  }

  #powerOn(): void {
    this.#failures.clear()
    const request = this.#request
    this.#watcher = new StageWatcher(request?.stages ?? [], request?.expected ?? [], (kind, name) =>
      this.#mark(kind, name),
    )
    this.#boots++
    // Before the clock starts: a kernel's symbols take a moment to pass on.
    if (request?.trace && this.#machine) this.#feed?.begin(this.#boots, this.#machine.kernel, request)
    if (this.#machine) this.#session.powerOn(this.#machine)
    this.#stopAfter(request?.stopAfter ?? Number.POSITIVE_INFINITY)
    const name = request?.entryStage ?? 'entry'
    this.#post({
      type: 'mark',
      mark: { kind: 'power-on', boot: this.#boots, name, guestNs: 0, wallMs: 0, instructions: 0 },
    })
    this.#announce('running')
  }

  #stopAfter(instructions: number): void {
    this.#stopsAfter = instructions
    this.#machine?.stopAfter(instructions)
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const end = await this.#session.run()
        if (end.reason === 'over' || end.reason === 'until' || end.reason === 'timeout' || end.reason === 'stopped')
          return
        this.#figures()
        if (end.reason !== 'reset' || !this.#watcher?.isReady) {
          this.#phase = 'ended'
          this.#post({ type: 'state', state: { name: 'stopped', exit: end } })
          return
        }
        // The guest had finished booting and asks for a power cycle: a person typed reboot.
        this.reset()
      }
    } catch (error) {
      this.#flushConsole()
      this.#feed?.finish()
      this.#fault(error)
    }
  }

  /** The page has more to print than it can: it is waited for. */
  #waitForPage(): number {
    if (this.#unacknowledged < CONSOLE_CREDIT) return 0
    this.#sampleIfDue(FIGURES_MS)
    return FIGURES_MS
  }

  #afterSlice({ state }: Slice): void {
    this.#watcher?.poll()
    const machine = this.#machine as Machine
    if (machine.figures().instructions >= this.#stopsAfter) {
      this.#stopAfter(Number.POSITIVE_INFINITY)
      this.pause()
    }
    this.#record(machine, state)
    this.#flushConsole()
    if (this.#keepsAtPrompt && this.#watcher?.isReady) {
      this.#keepsAtPrompt = false
      // What somebody has typed ahead belongs to this run.
      if (state !== 'stopped' && !this.#typedAt) this.#keep('prompt', machine)
    }
    if (state !== 'stopped') this.#sampleIfDue(this.#watcher?.isDone ? FIGURES_MS : BOOT_FIGURES_MS)
  }

  /** A trace ends where the boot does, or the machine. */
  #record(machine: Machine, state: Slice['state']): void {
    const feed = this.#feed
    if (!feed?.isOn) return
    feed.take(state === 'idle', machine.figures(), this.#session.wallMs)
    if (state === 'stopped' || this.#watcher?.isReady) feed.finish()
  }

  #onConsole(bytes: Uint8Array): void {
    const needed = this.#consoleLength + bytes.length
    if (needed > this.#console.length) {
      const grown = new Uint8Array(Math.max(needed, this.#console.length * 2))
      grown.set(this.#console.subarray(0, this.#consoleLength))
      this.#console = grown
    }
    this.#console.set(bytes, this.#consoleLength)
    this.#consoleLength = needed
    this.#watcher?.write(bytes)
  }

  #flushConsole(): void {
    if (this.#consoleLength === 0) return
    const bytes = this.#console.slice(0, this.#consoleLength)
    this.#consoleLength = 0
    this.#unacknowledged += bytes.length
    this.#post({ type: 'console', bytes }, [bytes.buffer])
  }

  #onLog(line: string): void {
    if (this.#log.length < LOG_LINES) this.#log.push(line)
    this.#post({ type: 'log', line })
  }

  #mark(kind: 'stage' | 'ready', name: string): void {
    const figures = this.#machine?.figures()
    if (!figures) return
    this.#post({
      type: 'mark',
      mark: {
        kind,
        boot: this.#boots,
        name,
        guestNs: figures.guestNs,
        wallMs: this.#session.wallMs,
        instructions: figures.instructions,
      },
    })
  }

  #announce(name: 'running' | 'paused'): void {
    if (this.#announced === name) return
    this.#announced = name
    this.#post({ type: 'state', state: { name } })
  }

  #sampleIfDue(everyMs: number): void {
    if (this.#session.sinceSampleMs >= everyMs) this.#figures()
  }

  #figures(): void {
    const machine = this.#machine
    if (!machine) return
    const { instructions, guestNs, engine } = machine.figures()
    const figures = { instructions, guestNs, wallMs: this.#session.wallMs, ...this.#session.sample(), engine }
    this.#post({ type: 'figures', figures })
  }

  #fault(error: unknown): void {
    this.#phase = 'ended'
    this.#session.interrupt('over')
    let registers: Registers = {}
    let instructions = 0
    try {
      registers = this.#machine?.registers() ?? {}
      instructions = this.#machine?.figures().instructions ?? 0
    } catch {
      // The machine is broken; the report goes without.
    }
    this.#post({
      type: 'state',
      state: {
        name: 'fault',
        report: {
          message: error instanceof Error ? error.message : String(error),
          stack: error instanceof Error ? (error.stack ?? '') : '',
          label: this.#request?.label ?? '',
          cmdline: this.#request?.cmdline ?? '',
          instructions,
          registers,
          log: this.#log,
        },
      },
    })
  }
}
