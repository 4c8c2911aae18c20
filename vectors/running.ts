/** Machines that are run to exact instructions, saved and resumed, for comparisons. */
import { nodeHost } from '../src/headless/node-host.ts'
import { snapshotOf } from '../src/headless/snapshot-file.ts'
import { type createMachine, type Machine, readSnapshot, type Snapshot } from '../src/machine/index.ts'

/** A machine and what it has said. */
export interface Running {
  readonly machine: Machine
  text: string
}

export const host = nodeHost()

export const running = (make: (console: (bytes: Uint8Array) => void) => ReturnType<typeof createMachine>): Running => {
  let text = ''
  const made = make((bytes) => {
    text += Buffer.from(bytes).toString('latin1')
  })
  if (!made.ok) throw new Error(JSON.stringify(made.problem))
  return {
    machine: made.value,
    get text() {
      return text
    },
    set text(to) {
      text = to
    },
  }
}

/** As a file would carry it. */
export const carried = (machine: Machine): Snapshot => {
  const bytes = snapshotOf(machine, '')
  const snapshot = bytes.ok ? readSnapshot(bytes.value) : bytes
  if (!snapshot.ok) throw new Error(JSON.stringify(snapshot.problem))
  return snapshot.value
}

/** Runs exactly to there; false where the guest waits for ever before. */
export const runTo = (machine: Machine, instructions: number): boolean => {
  machine.stopAfter(instructions)
  while (machine.figures().instructions < instructions) {
    const slice = machine.run(50)
    if (slice.state === 'stopped' || slice.sleepNs === Infinity) return false
  }
  return true
}
