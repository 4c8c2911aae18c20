/** Saved machines as the command line reads and writes them: Node's zlib and SHA-256 for what the machine's room leaves to its host. */
import { createHash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Result } from '../base/problem.ts'
import { type Machine, type Packing, readSnapshot, type Snapshot, stateImage, writeSnapshot } from '../machine/index.ts'
import { readInputFile } from './input-file.ts'

/** Guest pages pack to little more at level 1 than at 6, in a third of the time. */
const LEVEL = 1
/** Most of a snapshot that comes out of a pipe. */
const STREAM_MAX = 4 * 2 ** 30

const PACKING: Packing = {
  deflate: (bytes) => deflateRawSync(bytes, { level: LEVEL }),
  inflate: (bytes, length) => inflateRawSync(bytes, { maxOutputLength: Math.max(1, length) }),
}

export const readSnapshotFile = (file: string): Result<Snapshot> => {
  const bytes = readInputFile('snapshot', file, { streamMax: STREAM_MAX })
  return bytes.ok ? readSnapshot(bytes.value, PACKING) : bytes
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export const snapshotOf = (machine: Machine, kernelSha256: string): Result<Uint8Array> =>
  writeSnapshot(machine.save(kernelSha256), PACKING)

/** Of CPU, RAM and parts: equal for equal machines, whatever ran them. */
export const stateHash = (machine: Machine): string => {
  const hash = createHash('sha256')
  // Node's hash takes no shared memory.
  for (const piece of stateImage(machine.save(''))) hash.update(Uint8Array.from(piece))
  return hash.digest('hex')
}
