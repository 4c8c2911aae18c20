/**
 * npm run vectors -- --lockstep KERNEL [--disk FILE] [--initrd FILE] [--cmdline S] [--instructions N]
 *
 * One boot by the interpreter and one by the translator, side by side under icount and traced. Every STEP instructions memory, all parts,
 * the console and the call events must be the same. Where they are not, both go on from what was saved a step before, half a step
 * at a time, to the first instruction behind which they differ.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { stateHash } from '../src/headless/snapshot-file.ts'
import { createMachine, type MachineConfig, OverlayDisk, restoreMachine, type Snapshot } from '../src/machine/index.ts'
import { DEFAULTS } from '../src/settings/settings.ts'
import { carried, host, type Running, running, runTo } from './running.ts'

const STEP = 2_000_000
/** What is met twice is translated. */
const SOON = { period: 997, looks: 1 }
const ENGINES = ['interp', 'auto'] as const
type Engine = (typeof ENGINES)[number]

export interface LockstepOptions {
  readonly kernel: string
  readonly disk: string | undefined
  readonly initrd: string | undefined
  readonly cmdline: string | undefined
  /** Since power-on. */
  readonly instructions: number
}

interface Traced extends Running {
  /** SHA-256 of the call events so far. */
  events(): string
}
const traced = (make: (events: Parameters<typeof createMachine>[2]) => ReturnType<typeof createMachine>): Traced => {
  const hash = createHash('sha256')
  const one = running((console) =>
    make({ console, log: () => {}, callEvents: (bytes) => void hash.update(Uint8Array.from(bytes)) }),
  )
  return Object.assign(one, { events: () => hash.copy().digest('hex') })
}

const begin = (options: LockstepOptions, engine: Engine): Traced => {
  const config: MachineConfig = {
    ...DEFAULTS,
    clock: 'icount',
    trace: true,
    engine,
    cmdline: options.cmdline ?? (options.disk === undefined ? 'console=com' : 'console=com root=ld0a'),
    kernel: readFileSync(options.kernel),
    ...(options.initrd !== undefined && { initrd: readFileSync(options.initrd) }),
    disks: options.disk === undefined ? [] : [new OverlayDisk(readFileSync(options.disk), { id: 'root' })],
  }
  return traced((events) => createMachine(config, host, events))
}
const resume = (snapshot: Snapshot, engine: Engine): Traced =>
  traced((events) => restoreMachine({ snapshot, disks: [], engine, translation: SOON, trace: true }, host, events))

/** Names of what differs. */
const differences = (one: Traced, other: Traced): string[] => {
  const found: string[] = []
  if (one.text !== other.text) found.push('console')
  if (one.events() !== other.events()) found.push('call events')
  if (stateHash(one.machine) === stateHash(other.machine)) return found
  const [a, b] = [one.machine.save(''), other.machine.save('')]
  for (const [part, state] of Object.entries(a.parts))
    for (const [key, value] of Object.entries(state))
      if (!isDeepStrictEqual(value, b.parts[part]?.[key])) found.push(`${part}.${key}`)
  if (found.every((name) => !name.includes('.'))) found.push('memory')
  return found
}

/** Where the two first differ, in (from, to], code translated at once; undefined where they do not. */
const narrow = (snapshot: Snapshot, from: number, to: number): { at: number; names: string[] } | undefined => {
  let names: string[] = []
  let state = snapshot
  let [good, bad] = [from, Number.NaN]
  for (let at = to; good + 1 < bad || Number.isNaN(bad); at = good + Math.max(1, Math.floor((bad - good) / 2))) {
    const [one, other] = ENGINES.map((engine) => resume(state, engine))
    runTo(one!.machine, at)
    runTo(other!.machine, at)
    const found = differences(one!, other!)
    if (found.length > 0) {
      bad = at
      names = found
    } else if (Number.isNaN(bad)) return undefined
    else {
      good = at
      state = carried(one!.machine)
    }
  }
  return { at: bad, names }
}

/** Whether both did the same. */
export const lockstep = (options: LockstepOptions): boolean => {
  const [one, other] = ENGINES.map((engine) => begin(options, engine)) as [Traced, Traced]
  let saved = carried(one.machine)
  for (let from = 0; from < options.instructions; ) {
    const to = Math.min(options.instructions, from + STEP)
    const goOn = [runTo(one.machine, to), runTo(other.machine, to)]
    const found = differences(one, other)
    if (found.length > 0) {
      console.log(`differ behind instruction ${to}, not behind ${from}: ${found.join(', ')}`)
      const first = narrow(saved, from, to)
      if (first === undefined)
        console.log('  resumed at the latter they do not: it takes what was translated as it was')
      else console.log(`  first behind instruction ${first.at}: ${first.names.join(', ')}`)
      return false
    }
    from = to
    if (!goOn.includes(true)) break
    saved = carried(one.machine)
  }
  const { instructions, engine } = other.machine.figures()
  console.log(
    `${options.kernel}: ${instructions} instructions in lock-step, ${engine['translated']} translated, the same`,
  )
  return true
}
