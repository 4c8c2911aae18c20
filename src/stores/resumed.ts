/** A machine that goes on instead of booting: where it came from, and what boots its guest anew. */
import { type Problem, problem } from '../base/problem.ts'
import type { MachineSettings } from '../settings/settings.ts'
import type { BootMark } from '../worker/protocol.ts'
import { type BootForm, formFor } from './boot-form-store.ts'
import type { FileSource, GuestChoice } from './guest-choice.ts'

export interface Resumed {
  /** A saved machine's file; what this browser keeps of a guest at its prompt; the last state it kept of one that ran. */
  readonly from: 'file' | 'prompt' | 'last'
  readonly settings: MachineSettings
  /** Of the kernel's file, hexadecimal. */
  readonly kernelSha256: string
  /** What booted it, where that is known. */
  readonly form?: BootForm
  readonly savedMs?: number
  /** The moment its boot was over. */
  readonly ready?: BootMark
}

export const noKernel: Problem = problem(
  'no-kernel-file',
  'the machine came out of a file that has no kernel in it, and it is none of the guests’ here',
  'a guest of the list, to boot anew with',
  'choose that kernel under Next boot and boot it, or open the saved machine again',
)

/** What boots the guest whose kernel that is: undefined where none of `guests` has it. Kernels are fetched to be looked at. */
export const formOfKernel = async (
  { kernelSha256, settings }: Pick<Resumed, 'kernelSha256' | 'settings'>,
  guests: readonly GuestChoice[],
): Promise<BootForm | undefined> => {
  const sums = new Map<string, Promise<string>>()
  for (const guest of guests) {
    if (!guest.kernel) continue
    const name = guest.kernel.kind === 'url' ? guest.kernel.url : guest.id
    if (!sums.has(name)) sums.set(name, sha256Of(guest.kernel))
    if ((await sums.get(name)) === kernelSha256) return { ...formFor(guest), ...settings }
  }
  return undefined
}

/** Empty for a file that cannot be had. */
const sha256Of = async (source: FileSource): Promise<string> => {
  try {
    return await hexSha256(source.kind === 'blob' ? source.blob : await read(source.url))
  } catch {
    return ''
  }
}

export const hexSha256 = async (blob: Blob): Promise<string> => {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

const read = async (url: string): Promise<Blob> => {
  const response = await fetch(url, { credentials: 'omit' })
  if (!response.ok) throw new Error(`${response.status}`)
  return response.blob()
}
