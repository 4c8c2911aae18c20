/** A machine that plays a script: each step is one slice. For tests of everything around the machine. */
import { ok, type Problem, refuse } from '../../base/problem.ts'
import type { CreateMachine, Figures, Machine, MachineConfig, MachineExit, Slice } from '../../machine/index.ts'

export interface FakeGuest {
  print(text: string): void
  /** What was typed so far, taken. */
  typed(): string
  instructions: number
  callEvents(bytes: Uint8Array): void
}

export type Step = (guest: FakeGuest) => Slice | undefined

export const running: Slice = { state: 'running', sleepNs: 0 }
export const idle = (sleepNs = Infinity): Slice => ({ state: 'idle', sleepNs })
export const stopped = (exit: MachineExit): Slice => ({ state: 'stopped', sleepNs: 0, exit })

/** Plays `steps`, then the last one again and again. */
export const fakeMachine = (
  steps: readonly Step[],
  seen: { config?: MachineConfig } = {},
  problem?: Problem,
): CreateMachine => {
  return (config, _host, events) => {
    seen.config = config
    if (problem !== undefined) return refuse(problem)
    let typed = ''
    let at = 0
    const guest: FakeGuest = {
      print: (text) => events.console(Buffer.from(text)),
      typed: () => {
        const taken = typed
        typed = ''
        return taken
      },
      instructions: 0,
      callEvents: (bytes) => events.callEvents?.(bytes),
    }
    const machine: Machine = {
      kernel: { entry: 0, elfClass: 64, bytes: config.kernel.length, cmdline: config.cmdline, symbols: [] },
      disks: [],
      run: () => {
        guest.instructions += 1000
        const step = steps[Math.min(at++, steps.length - 1)]!
        return step(guest) ?? running
      },
      send: (bytes) => {
        typed += Buffer.from(bytes).toString('latin1')
      },
      reset: () => {},
      figures: (): Figures => ({
        instructions: guest.instructions,
        guestNs: guest.instructions,
        engine: { slices: at },
      }),
      registers: () => ({}),
      yield: () => {},
      stopAfter: () => {},
      save: (sha256) => ({
        settings: config,
        kernel: { sha256, info: machine.kernel },
        instructions: guest.instructions,
        guestNs: guest.instructions,
        parts: {},
        ram: new Uint8Array(0),
        disks: [],
      }),
      resizeConsole: () => {},
    }
    return ok(machine)
  }
}
