/** A machine as a file, in a worker: what the browser adds to the machine's own format. */
import { deflateSync, inflateSync } from 'fflate'
import { joined } from '../base/bytes.ts'
import { ok, type Problem, ProblemError, type Result, refuse } from '../base/problem.ts'
import { type Machine, type Packing, readSnapshot, stateImage, writeSnapshot } from '../machine/index.ts'
import { fetchFile } from './fetch-file.ts'
import type { FileSource, KeptFile, SnapshotSummary } from './protocol.ts'

/** Hexadecimal. */
export const sha256 = async (bytes: Uint8Array): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export const saveMachine = (machine: Machine, kernelSha256: string): Result<Blob> => {
  const file = writeSnapshot(machine.save(kernelSha256))
  return file.ok ? ok(new Blob([file.value as Uint8Array<ArrayBuffer>])) : file
}

/** Of CPU, RAM and parts: equal for equal machines, whatever runs them. */
export const stateHash = async (machine: Machine): Promise<string> => {
  // A browser's SHA-256 takes no stream: pieces are put together, which are overwritten and shared.
  const pieces = Array.from(stateImage(machine.save('')), (piece) => Uint8Array.from(piece))
  return sha256(joined(pieces))
}

/** What this browser keeps is not made smaller: it is written while a guest waits, and read while a person does. */
const UNPACKED: Packing = {
  deflate: (bytes) => deflateSync(bytes, { level: 0 }),
  inflate: (bytes, length) => inflateSync(bytes, { out: new Uint8Array(length) }),
}

export const machineToKeep = (machine: Machine, kernelSha256: string): Result<KeptFile> => {
  const file = writeSnapshot(machine.save(kernelSha256), UNPACKED)
  return file.ok ? ok({ blob: new Blob([file.value as Uint8Array<ArrayBuffer>]), kernelSha256 }) : file
}

export const lookAtSnapshot = async (source: FileSource): Promise<Result<SnapshotSummary>> => {
  try {
    const bytes = await fetchFile(source, () => {})
    const snapshot = readSnapshot(bytes)
    if (!snapshot.ok) return snapshot
    const { settings, kernel, instructions, guestNs } = snapshot.value
    const file = source.kind === 'blob' ? source.blob : new Blob([bytes as Uint8Array<ArrayBuffer>])
    return ok({ settings, kernelSha256: kernel.sha256, cmdline: kernel.info.cmdline, instructions, guestNs, file })
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem satisfies Problem)
    throw error
  }
}
