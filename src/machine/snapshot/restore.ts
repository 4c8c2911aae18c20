/** Puts what a file has into a machine that was made of its settings: RAM, disks, and each part's state by its name. */
import { type Problem, ProblemError, problem } from '../../base/problem.ts'
import type { BlockBackend } from '../machine.ts'
import type { SavedPart } from '../part.ts'
import { isTracePart, type Snapshot } from './snapshot.ts'

export interface Restored {
  /** In an order in which they can be loaded. */
  readonly parts: readonly SavedPart[]
  readonly ram: Uint8Array
  readonly disks: readonly BlockBackend[]
}

/** Throws a ProblemError where the file is of another machine, or lies; what is restored is then unusable. */
export const loadSnapshot = (snapshot: Snapshot, { parts, ram, disks }: Restored): void => {
  for (const name of Object.keys(snapshot.parts))
    if (!parts.some((part) => part.name === name) && !isTracePart(name))
      throw new ProblemError(unlike(`has a part '${name.slice(0, 40)}'`))
  if (snapshot.ramBytes !== ram.length) throw new ProblemError(unlike(`has ${snapshot.ramBytes} bytes of RAM`))
  snapshot.blocks((disk, offset, bytes) => {
    if (disk < 0) ram.set(bytes, offset)
    else {
      const backend = disks[disk]
      backend.write(offset, bytes.subarray(0, Math.min(bytes.length, backend.size - offset)))
    }
  })
  for (const part of parts) {
    const state = snapshot.parts[part.name]
    // A machine that was not traced may be from here on.
    if (state === undefined && isTracePart(part.name)) continue
    if (state === undefined) throw new ProblemError(unlike(`has no part '${part.name}'`))
    part.load(state)
  }
}

const unlike = (saw: string): Problem =>
  problem(
    'snapshot-unlike',
    `the snapshot ${saw}, unlike a machine of its settings`,
    'a snapshot as this release writes it',
    'take another copy of it: this one is damaged or made up',
  )
