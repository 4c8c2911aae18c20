/** A machine as a file, in a worker: what the browser adds to the machine's own format. */
import { ok, type Problem, ProblemError, type Result, refuse } from '../base/problem.ts'
import { type Machine, readSnapshot, writeSnapshot } from '../machine/index.ts'
import { fetchFile } from './fetch-file.ts'
import type { FileSource, SnapshotSummary } from './protocol.ts'

/** Hexadecimal. */
export const sha256 = async (bytes: Uint8Array): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export const saveMachine = (machine: Machine, kernelSha256: string): Result<Blob> => {
  const file = writeSnapshot(machine.save(kernelSha256))
  return file.ok ? ok(new Blob([Uint8Array.from(file.value)])) : file
}

export const lookAtSnapshot = async (source: FileSource): Promise<Result<SnapshotSummary>> => {
  try {
    const bytes = await fetchFile(source, () => {})
    const snapshot = readSnapshot(bytes)
    if (!snapshot.ok) return snapshot
    const { settings, kernel, instructions, guestNs } = snapshot.value
    const file = source.kind === 'blob' ? source.blob : new Blob([Uint8Array.from(bytes)])
    return ok({ settings, cmdline: kernel.info.cmdline, instructions, guestNs, file })
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem satisfies Problem)
    throw error
  }
}
