/** `npm run -s boot` from its arguments to its exit status. Everything outside comes through BootIo. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ok, type Problem, problem, type Result, refuse, sentence } from '../base/problem.ts'
import { PLAYGROUND } from '../guests/catalogue.ts'
import { MemoryDisk } from '../machine/devices/virtio/memory-disk.ts'
import type { CrashReport, CreateMachine, MachineConfig, MachineHost } from '../machine/machine.ts'
import { DEFAULTS } from '../settings/settings.ts'
import type { TraceNote } from '../trace/call-events.ts'
import { exportTrace } from '../trace/export.ts'
import { type FileDisk, fileProblem, openDisk } from './file-disk.ts'
import { type ImageLocks, lockImages } from './image-lock.ts'
import { madeRoot } from './made-root.ts'
import { type Options, parseOptions, USAGE } from './options.ts'
import { exitStatus, Run, type RunIo, report } from './run.ts'
import { type ExportTrace, metaOf, stagesOf } from './trace.ts'

export interface BootIo {
  readonly createMachine: CreateMachine
  readonly host: MachineHost
  readonly now: () => number
  readonly stdout: (bytes: Uint8Array) => void
  readonly stderr: (text: string) => void
  readonly input: RunIo['input']
  readonly atTerminal: boolean
  /** The embedded guest's ELF. */
  readonly embedded: string
  readonly exportTrace?: ExportTrace
}

export const EMBEDDED = fileURLToPath(
  new URL(`../../public${PLAYGROUND.kernel.kind === 'bundled' ? PLAYGROUND.kernel.path : ''}`, import.meta.url),
)

export const bootMain = async (argv: readonly string[], io: BootIo): Promise<number> => {
  const refused = (p: Problem): number => {
    io.stderr(`${sentence(p)}\n`)
    return 2
  }
  const parsed = parseOptions(argv)
  if (!parsed.ok) return refused(parsed.problem)
  if (parsed.value.help) {
    io.stdout(Buffer.from(USAGE))
    return 0
  }
  const { options } = parsed.value

  // Found out before a long run, not after it.
  for (const file of [options.json, options.trace, options.saveDisk]) {
    if (file === undefined) continue
    const fault = checkWritable(file)
    if (fault !== undefined) return refused(fault)
  }
  const kernel = readKernel(options, io)
  if (!kernel.ok) return refused(kernel.problem)
  const root = makeRoot(options, kernel.value)
  if (!root.ok) return refused(root.problem)
  const disks: FileDisk[] = []
  let locks: ImageLocks | undefined
  try {
    const config = readConfig(options, io, kernel.value, root.value, disks)
    if (!config.ok) return refused(config.problem)
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
      },
      io,
    )
    const logged = new Set<string>()
    const created = io.createMachine(config.value, io.host, {
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
    const result = await run.of(machine)
    const { end, figures } = result
    for (const disk of disks) disk.flush()
    if (options.saveDisk !== undefined && root.value) writeFileSync(options.saveDisk, root.value.bytes)

    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report(result), null, 2)}\n`)
    if (options.trace !== undefined)
      writeFileSync(
        options.trace,
        (io.exportTrace ?? exportTrace)(
          {
            callEvents: new Uint8Array(Buffer.concat(callEvents)),
            notes,
            kernel: machine.kernel,
            guestNs: figures.guestNs,
            instructions: figures.instructions,
            wallMs: figures.wallMs,
            stages: stagesOf(options, machine.kernel),
            meta: metaOf(options, config.value, machine.kernel),
          },
          options.traceFormat,
        ),
      )
    if (io.atTerminal && !run.atLineStart) io.stdout(Buffer.from('\r\n'))
    if (end.reason === 'triple-fault') io.stderr(crashText(end.crash))
    if (end.reason === 'timeout')
      io.stderr(
        options.until === undefined
          ? `The guest was still running after ${options.timeoutSeconds} s.\n`
          : `The pattern of --until was not seen within ${options.timeoutSeconds} s.\n`,
      )
    else if (options.until !== undefined && end.reason !== 'until')
      io.stderr(`The guest ended (${end.reason}) before the pattern of --until was seen.\n`)
    return exitStatus(result, options.until !== undefined)
  } finally {
    for (const disk of disks) disk.close()
    locks?.release()
  }
}

const makeRoot = ({ adds, saveDisk }: Options, kernel: Uint8Array): Result<MemoryDisk | undefined> => {
  if (adds.length === 0 && saveDisk === undefined) return ok(undefined)
  const image = madeRoot(kernel, adds, saveDisk !== undefined)
  return image.ok ? ok(new MemoryDisk(image.value, { id: 'root' })) : image
}

const readKernel = (options: Options, io: BootIo): Result<Uint8Array> => {
  const kernel = readAll('kernel', options.kernel ?? io.embedded)
  return kernel.ok || options.kernel !== undefined
    ? kernel
    : refuse(
        problem(
          'no-embedded-guest',
          `the embedded guest is not built (${io.embedded} is missing)`,
          'a kernel to boot',
          'build it, or name one with --kernel FILE',
        ),
      )
}

const readConfig = (
  options: Options,
  io: BootIo,
  kernel: Uint8Array,
  root: MemoryDisk | undefined,
  disks: FileDisk[],
): Result<MachineConfig> => {
  const initrd = options.initrd === undefined ? undefined : readAll('initrd', options.initrd)
  if (initrd !== undefined && !initrd.ok) return initrd
  for (const option of options.disks) {
    const disk = openDisk(option)
    if (!disk.ok) return disk
    disks.push(disk.value)
  }
  const all = [...(root ? [root] : []), ...disks]
  const cmdline =
    options.kernel === undefined ? PLAYGROUND.cmdline : all.length > 0 ? DEFAULTS.cmdline : 'console=com -z'
  return ok({
    ...DEFAULTS,
    clock: io.atTerminal ? 'wall' : 'icount',
    cmdline,
    ...options.settings,
    trace: options.trace !== undefined,
    kernel,
    ...(initrd === undefined ? {} : { initrd: initrd.value }),
    disks: all,
  })
}

const readAll = (what: string, file: string): Result<Uint8Array> => {
  try {
    const bytes = readFileSync(file)
    return ok(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (e) {
    return refuse(fileProblem(what, file, e))
  }
}

const checkWritable = (file: string): Problem | undefined => {
  try {
    writeFileSync(file, '', { flag: 'a' })
    return undefined
  } catch (e) {
    return problem(
      'file',
      `${file} cannot be written (${(e as NodeJS.ErrnoException).code ?? String(e)})`,
      'a file in a directory that exists',
      'another name',
    )
  }
}

/** Three registers a line, then the stack, innermost first. */
export const crashText = (crash: CrashReport): string => {
  const registers = Object.entries(crash.registers).map(([name, value]) => `${name.padStart(6)} ${value}`)
  const lines = ['', `The guest crashed (triple fault): ${crash.cause}`]
  for (let i = 0; i < registers.length; i += 3) lines.push(registers.slice(i, i + 3).join('  '))
  if (crash.stack.length > 0) lines.push('stack, innermost first:', ...crash.stack.map((frame) => `  ${frame}`))
  return `${lines.join('\n')}\n`
}
