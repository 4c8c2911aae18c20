/** A machine in a test: typed at, waited for. Time is the guest's; only a guest that says nothing costs the test time. */
import { type Result, sentence } from '../../base/problem.ts'
import { createMachine, type Machine, type MachineConfig, type MachineExit } from '../../machine/index.ts'
import { nodeHost } from '../node-host.ts'

const SLICE_MS = 5
/** Wall time that a wait may take, on a machine shared with others. */
const PATIENCE_MS = 30_000

export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

export class GuestSession {
  readonly machine: Machine
  readonly #patienceMs: number
  #unread = ''
  #all = ''
  exit: MachineExit | undefined

  constructor(config: MachineConfig, patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs
    this.machine = value(
      createMachine(config, nodeHost(), {
        console: (bytes) => {
          this.#unread += Buffer.from(bytes).toString('latin1')
        },
        log: () => {},
      }),
    )
  }

  /** All that the console has shown, with bare newlines. */
  get text(): string {
    return this.#all + bare(this.#unread)
  }

  type(keys: string): void {
    this.machine.send(Buffer.from(keys, 'latin1'))
  }

  /** Runs until the console shows `pattern`, or the machine stops; gives what it showed since the last time. */
  until(pattern: RegExp): string {
    const deadline = performance.now() + this.#patienceMs
    for (;;) {
      const shown = bare(this.#unread)
      if (pattern.test(shown) || this.exit !== undefined) {
        this.#unread = ''
        this.#all += shown
        return shown
      }
      if (performance.now() > deadline) throw new Error(`no ${pattern} in: ${JSON.stringify(shown)}`)
      this.exit = this.machine.run(SLICE_MS).exit
    }
  }
}

const bare = (text: string): string => text.replaceAll('\r\n', '\n')
