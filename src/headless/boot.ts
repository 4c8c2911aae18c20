/** `npm run -s boot` from its arguments to its exit status. Everything outside comes through BootIo. */

import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { hex } from '../base/hex.ts'
import { ok, type Problem, problem, type Result, refuse, sentence } from '../base/problem.ts'
import { registerText } from '../base/registers.ts'
import { PLAYGROUND } from '../guests/catalogue.ts'
import {
  type CrashReport,
  type CreateMachine,
  isElf,
  isGzip,
  KERNEL_MAX,
  type Machine,
  type MachineConfig,
  type MachineEvents,
  type MachineHost,
  OverlayDisk,
  type RestoreMachine,
} from '../machine/index.ts'
import { DEFAULTS, type MachineSettings, memoryBytes } from '../settings/settings.ts'
import { exportTrace } from '../trace/formats/export.ts'
import type { TraceNote } from '../trace/spans/call-events.ts'
import { type FileDisk, openDisk } from './file-disk.ts'
import { type ImageLocks, lockImages } from './image-lock.ts'
import { readInputFile } from './input-file.ts'
import { madeRoot } from './made-root.ts'
import { type Options, parseOptions, USAGE } from './options.ts'
import { cannotWrite, OutputFile } from './output-file.ts'
import { exitStatus, FILE_STATUS, outputStatus, Run, type RunEnd, type RunIo, type RunResult, report } from './run.ts'
import { readSnapshotFile, sha256, snapshotOf, stateHash } from './snapshot-file.ts'
import { type ExportTrace, metaOf, stagesOf } from './trace.ts'

export interface BootIo extends RunIo {
  readonly createMachine: CreateMachine
  readonly restoreMachine?: RestoreMachine
  readonly host: MachineHost
  readonly stderr: (text: string) => void
  readonly atTerminal: boolean
  /** Its size in characters, where there is one. */
  readonly terminal?: { readonly columns: number; readonly rows: number } | undefined
  /** Calls back with the number of each signal that asks the process to end, until the returned function is called. */
  readonly signals?: (ask: (signal: number) => void) => () => void
  /** Resolves when all that stdout took is out, or once `giveUp` does; rejects as stdout throws. */
  readonly drain?: (giveUp: Promise<unknown>) => Promise<void>
  /** The embedded guest's ELF. */
  readonly embedded: string
  readonly exportTrace?: ExportTrace
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export const EMBEDDED = fileURLToPath(
  new URL(`../../public${PLAYGROUND.kernel.kind === 'bundled' ? PLAYGROUND.kernel.path : ''}`, import.meta.url),
)

export const bootMain = async (argv: readonly string[], io: BootIo): Promise<number> => {
  const refused = (p: Problem): number => {
    io.stderr(`${sentence(p)}\n`)
    return 2
  }
  const parsed = parseOptions(argv, io.environment)
  if (!parsed.ok) return refused(parsed.problem)
  if (parsed.value.help) {
    try {
      io.stdout(Buffer.from(USAGE))
      await io.drain?.(new Promise(() => {}))
      return 0
    } catch (e) {
      return outputStatus((e as NodeJS.ErrnoException).code)
    }
  }
  const { options } = parsed.value

  // Found out before a long run, not after it.
  const outputs = outputsOf(options)
  const unwritable = checkOutputs(outputs, options)
  if (unwritable !== undefined) return refused(unwritable)
  const disks: FileDisk[] = []
  let locks: ImageLocks | undefined
  try {
    const begun = options.snapshot === undefined ? fromKernel(options, io, disks) : fromSnapshot(options, io, disks)
    if (!begun.ok) return refused(begun.problem)
    const { settings, kernelSha256, root } = begun.value
    const locked = await lockImages(disks)
    if (!('release' in locked)) return refused(locked)
    locks = locked

    const callEvents: Uint8Array[] = []
    const notes: TraceNote[] = []
    const run = new Run(
      {
        send: options.send,
        until: options.until,
        timeoutMs: options.timeoutSeconds === undefined ? undefined : options.timeoutSeconds * 1000,
        stopAfter: options.stopAfter,
      },
      io,
    )
    let signal: number | undefined
    let stopSignals: (() => void) | undefined
    const asked = new Promise<void>((resolve) => {
      stopSignals = io.signals?.((number) => {
        signal ??= number
        run.interrupt()
        resolve()
      })
    })
    try {
      const logged = new Set<string>()
      const created = begun.value.machine({
        console: run.console,
        log: (line) => {
          if (logged.has(line)) return
          logged.add(line)
          io.stderr(`[playground] ${line}\n`)
        },
        ...(options.trace !== undefined && {
          callEvents: (bytes: Uint8Array) => callEvents.push(bytes.slice()),
          note: (note: TraceNote) => notes.push(note),
        }),
      })
      if (!created.ok) return refused(created.problem)
      const machine = created.value
      for (const warning of machine.kernel.warnings ?? []) io.stderr(`${sentence(warning)}\n`)
      const running = run.of(machine)
      // Heard while the machine was made.
      if (signal !== undefined) run.interrupt()
      const result = await running
      const { end, figures } = result
      await drained(run, end, io, asked)

      const faults: Problem[] = []
      for (const disk of disks) faults.push(...flushed(disk))
      const contents: Record<keyof Outputs, () => Uint8Array | string | undefined> = {
        saveDisk: () => (root === undefined ? '' : bytesOf(root)),
        json: () => `${JSON.stringify(report(result, stateHash(machine)), null, 2)}\n`,
        saveSnapshot: () => {
          const saved = snapshotOf(machine, kernelSha256())
          if (saved.ok) return saved.value
          faults.push(saved.problem)
          return undefined
        },
        trace: () =>
          (io.exportTrace ?? exportTrace)(
            {
              callEvents: new Uint8Array(Buffer.concat(callEvents)),
              notes,
              kernel: machine.kernel,
              guestNs: figures.guestNs,
              instructions: figures.instructions,
              wallMs: figures.wallMs,
              stages: stagesOf(options, machine.kernel),
              meta: metaOf(options, settings, machine.kernel),
            },
            options.traceFormat,
          ),
      }
      for (const name of ['saveDisk', 'saveSnapshot', 'json', 'trace'] as const) {
        const content = outputs[name] && contents[name]()
        const bytes = typeof content === 'string' ? Buffer.from(content) : content
        const fault = bytes && (await outputs[name]?.write(bytes, asked))
        if (fault) faults.push(fault)
      }

      if (io.atTerminal) run.endLine()
      io.stderr(lastWords(result, options, machine, signal))
      if (run.outputFault !== undefined && run.outputFault !== 'EPIPE')
        faults.push(cannotWrite('standard output', run.outputFault))
      for (const fault of faults) io.stderr(`${sentence(fault)}\n`)
      if (faults.length > 0) return FILE_STATUS
      // A reader that went away at the very end has not had everything either.
      if (run.outputFault !== undefined && end.reason !== 'until') return outputStatus(run.outputFault)
      return exitStatus(result, options.until !== undefined, signal)
    } finally {
      stopSignals?.()
    }
  } finally {
    for (const disk of disks) disk.close()
    locks?.release()
  }
}

/** How long a reader that does not read is waited for when the run's time is up. */
const LAST_CALL_MS = 1000

/** The console is out before anything else is written, if somebody takes it. */
const drained = async (run: Run, end: RunEnd, io: BootIo, asked: Promise<void>): Promise<void> => {
  if (run.outputFault !== undefined) return
  let timer: ReturnType<typeof setTimeout> | undefined
  const lastCall = new Promise<void>((resolve) => {
    if (end.reason === 'timeout') timer = setTimeout(resolve, LAST_CALL_MS)
  })
  try {
    await io.drain?.(Promise.race([asked, lastCall]))
  } catch (e) {
    run.failOutput(e)
  } finally {
    clearTimeout(timer)
  }
}

const flushed = (disk: FileDisk): readonly Problem[] => {
  try {
    disk.flush()
    return []
  } catch (e) {
    return [cannotWrite(`the disk image ${disk.file}`, (e as NodeJS.ErrnoException).code ?? String(e))]
  }
}

type Outputs = { readonly [Name in 'saveDisk' | 'saveSnapshot' | 'json' | 'trace']: OutputFile | undefined }

const outputsOf = ({ saveDisk, saveSnapshot, json, trace }: Options): Outputs => {
  const file = (name: string | undefined) => (name === undefined ? undefined : new OutputFile(name))
  return { saveDisk: file(saveDisk), saveSnapshot: file(saveSnapshot), json: file(json), trace: file(trace) }
}

/** None of them takes the place of another, nor of a file that the run reads. */
const checkOutputs = (outputs: Outputs, { kernel, initrd, disks, snapshot }: Options): Problem | undefined => {
  const taken = new Map<string, string>()
  for (const file of [kernel, initrd, snapshot, ...disks.map((disk) => disk.file)])
    if (file !== undefined) taken.set(new OutputFile(file).identity ?? '', file)
  for (const output of Object.values(outputs)) {
    if (output === undefined) continue
    const fault = output.check()
    if (fault !== undefined) return fault
    const { identity, name } = output
    if (identity === undefined) continue
    const other = taken.get(identity)
    if (other !== undefined)
      return problem(
        'one-file-twice',
        `the file ${name} is to be written, and ${other === name ? 'is' : `${other} is`} a file of this run already`,
        'a file for each',
        'another name for one of them',
      )
    taken.set(identity, name)
  }
  return undefined
}

/** What there is to say of the end, on standard error. */
const lastWords = (
  { end, figures }: RunResult,
  options: Options,
  machine: Machine,
  signal: number | undefined,
): string => {
  const { until, timeoutSeconds } = options
  const words = end.reason === 'triple-fault' ? crashText(end.crash) : ''
  if (end.reason === 'output-failed') return words
  if (end.reason === 'timeout')
    return until === undefined
      ? `The guest was still running after ${timeoutSeconds} s.\n`
      : `The pattern of --until was not seen within ${timeoutSeconds} s.\n`
  if (end.reason === 'interrupted') return `The run was ended by ${signalName(signal)}.\n`
  if (until !== undefined)
    return end.reason === 'until'
      ? words
      : `${words}The guest ended (${end.reason}) before the pattern of --until was seen.\n`
  const isSilent = figures.consoleBytes === 0 && (end.reason === 'halt' || end.reason === 'reset')
  return isSilent ? silentEnd(end.reason, figures.instructions, machine) : words
}

const silentEnd = (reason: 'halt' | 'reset', instructions: number, machine: Machine): string => {
  const { rip } = machine.registers()
  const where = rip === undefined ? '' : ` at ${hex(rip)}`
  const after = `after ${instructions.toLocaleString('en')} instruction${instructions === 1 ? '' : 's'}`
  return `The guest ${reason === 'halt' ? 'halted with interrupts off' : 'asked for a reset'}${where} ${after}, without having said a word.\n`
}

const signalName = (number: number | undefined): string =>
  Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`

const makeRoot = ({ adds, saveDisk }: Options, kernel: Uint8Array): Result<OverlayDisk | undefined> => {
  if (adds.length === 0 && saveDisk === undefined) return ok(undefined)
  const image = madeRoot(kernel, adds, saveDisk !== undefined)
  return image.ok ? ok(new OverlayDisk(image.value, { id: 'root' })) : image
}

const readKernel = (options: Options, io: BootIo): Result<Uint8Array> => {
  const kernel = readInputFile('kernel', options.kernel ?? io.embedded, {
    streamMax: KERNEL_MAX,
    couldBe: (head) => isElf(head) || isGzip(head),
  })
  return kernel.ok || options.kernel !== undefined
    ? kernel
    : refuse(
        problem(
          'no-embedded-guest',
          `the embedded guest is not built (${io.embedded} is missing)`,
          'a kernel to boot',
          'npx tsx guest/build.ts, or name a kernel with --kernel FILE',
        ),
      )
}

/** Where a run begins. */
interface Beginning {
  readonly settings: MachineSettings
  readonly kernelSha256: () => string
  /** The root disk that was made for the run. */
  readonly root: OverlayDisk | undefined
  readonly machine: (events: MachineEvents) => Result<Machine>
}

const fromKernel = (options: Options, io: BootIo, disks: FileDisk[]): Result<Beginning> => {
  const kernel = readKernel(options, io)
  if (!kernel.ok) return kernel
  const root = makeRoot(options, kernel.value)
  if (!root.ok) return root
  const config = readConfig(options, io, kernel.value, root.value, disks)
  if (!config.ok) return config
  return ok({
    settings: config.value,
    kernelSha256: () => sha256(kernel.value),
    root: root.value,
    machine: (events) => io.createMachine(config.value, io.host, events),
  })
}

const fromSnapshot = (options: Options, io: BootIo, disks: FileDisk[]): Result<Beginning> => {
  const snapshot = readSnapshotFile(options.snapshot!)
  if (!snapshot.ok) return snapshot
  const opened = openDisks(options, disks)
  if (!opened.ok) return opened
  const { engine = snapshot.value.settings.engine } = options.settings
  const trace = options.trace !== undefined
  return ok({
    settings: { ...snapshot.value.settings, engine, trace },
    kernelSha256: () => snapshot.value.kernel.sha256,
    root: undefined,
    machine: (events) => io.restoreMachine!({ snapshot: snapshot.value, disks, engine, trace }, io.host, events),
  })
}

const openDisks = (options: Options, disks: FileDisk[]): Result<undefined> => {
  for (const option of options.disks) {
    const disk = openDisk(option)
    if (!disk.ok) return disk
    disks.push(disk.value)
  }
  return ok(undefined)
}

const readConfig = (
  options: Options,
  io: BootIo,
  kernel: Uint8Array,
  root: OverlayDisk | undefined,
  disks: FileDisk[],
): Result<MachineConfig> => {
  const initrd =
    options.initrd === undefined
      ? undefined
      : readInputFile('initrd', options.initrd, { streamMax: memoryBytes(options.settings) })
  if (initrd !== undefined && !initrd.ok) return initrd
  const opened = openDisks(options, disks)
  if (!opened.ok) return opened
  const all = [...(root ? [root] : []), ...disks]
  const cmdline =
    options.kernel === undefined ? PLAYGROUND.cmdline : all.length > 0 ? DEFAULTS.cmdline : 'console=com -z'
  return ok({
    ...DEFAULTS,
    clock: io.atTerminal ? 'wall' : 'icount',
    cmdline,
    // Runs that count instructions repeat in any window.
    ...(options.settings.clock !== 'icount' && io.terminal),
    ...options.settings,
    trace: options.trace !== undefined,
    kernel,
    ...(initrd === undefined ? {} : { initrd: initrd.value }),
    disks: all,
  })
}

/** As the guest leaves it. */
const bytesOf = (disk: OverlayDisk): Uint8Array => {
  const bytes = new Uint8Array(disk.size)
  disk.read(0, bytes)
  return bytes
}

/** Three registers a line, then the stack, innermost first. */
export const crashText = (crash: CrashReport): string => {
  const registers = Object.entries(registerText(crash.registers)).map(([name, value]) => `${name.padStart(6)} ${value}`)
  const lines = ['', `The guest crashed (triple fault): ${crash.cause}`]
  for (let i = 0; i < registers.length; i += 3) lines.push(registers.slice(i, i + 3).join('  '))
  if (crash.stack.length > 0) lines.push('stack, innermost first:', ...crash.stack.map((frame) => `  ${frame}`))
  return `${lines.join('\n')}\n`
}
