/**
 * The origin private file system, https://fs.spec.whatwg.org/:
 *
 *   playground/files/<digest>          bytes that never change: kernels, disk images
 *   playground/guests/<id>.json        a person's guests
 *   playground/disks/<key>/            a kept disk: disk.json, log-a, log-b
 *   playground/machines/<key>/         a machine as it was: machine.json and the files that it names
 *
 * Who stores a file and then names it, or deletes what nobody names, does so under one lock for all tabs.
 */
import { type Problem, ProblemError, problem } from '../base/problem.ts'
import { digestName, digestOf } from './identity.ts'

export interface StoredFile {
  /** The name of its bytes: digestName(). */
  readonly digest: string
  readonly size: number
}

export const NO_STORAGE = problem(
  'no-storage',
  'this browser keeps no files for this page',
  'an origin private file system (OPFS) that pages may write',
  'a current browser outside a private window; all else works without',
)

/** What the browser's refusals mean to a person. Passes Problems on. */
export const storageProblem = (what: string, error: unknown): Problem => {
  if (error instanceof ProblemError) return error.problem
  const name = error instanceof Error || error instanceof DOMException ? error.name : ''
  if (name === 'QuotaExceededError')
    return problem(
      'storage-full',
      `the browser’s storage for this page is full, and ${what} was not stored`,
      'room for it; all that was stored before is still there',
      'delete something under Kept in this browser, or free space on this device',
    )
  if (name === 'SecurityError' || name === 'NotAllowedError' || name === 'TypeError') return NO_STORAGE
  if (name === 'NoModificationAllowedError' || name === 'InvalidStateError')
    return problem(
      'in-use',
      `${what} is in use by a machine, here or in another tab`,
      'a disk that no machine writes to',
      'power that machine off first',
    )
  return problem(
    'storage-failed',
    `the browser failed at ${what} (${error instanceof Error ? error.message : String(error)})`,
    'its storage to work',
    'once more, or reload the page',
  )
}

/** Throws a ProblemError where there is none. */
export const openRoot = async (): Promise<FileSystemDirectoryHandle> => {
  const isThere = typeof navigator.storage?.getDirectory === 'function' && typeof FileSystemFileHandle === 'function'
  if (!isThere || !('createWritable' in FileSystemFileHandle.prototype)) throw new ProblemError(NO_STORAGE)
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle('playground', { create: true })
  } catch (error) {
    throw new ProblemError(storageProblem('opening its storage', error))
  }
}

export type Room = 'files' | 'guests' | 'disks' | 'machines'

export const openRoom = async (room: Room): Promise<FileSystemDirectoryHandle> =>
  (await openRoot()).getDirectoryHandle(room, { create: true })

/** One at a time, over all tabs. */
export const exclusively = <T>(work: () => Promise<T>): Promise<T> =>
  navigator.locks.request('playground-storage', work) as Promise<T>

export const isMissing = (error: unknown): boolean => error instanceof DOMException && error.name === 'NotFoundError'

/** The bytes by their name, or undefined. */
export const storedFile = async (digest: string): Promise<File | undefined> => {
  try {
    return await (await (await openRoom('files')).getFileHandle(digest)).getFile()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The file appears whole or not at all: a writable stream replaces what is there when it is closed. */
export const writeFile = async (
  directory: FileSystemDirectoryHandle,
  name: string,
  bytes: Blob | string,
): Promise<void> => {
  const handle = await directory.getFileHandle(name, { create: true })
  const stream = await handle.createWritable()
  try {
    await stream.write(bytes)
    await stream.close()
  } catch (error) {
    await stream.abort().catch(() => {})
    // An empty file of that name was made above, if none was there.
    if ((await handle.getFile()).size === 0) await directory.removeEntry(name).catch(() => {})
    throw error
  }
}

/** Call within `exclusively`. */
export const storeFile = async (blob: Blob, onBytes?: (done: number) => void): Promise<StoredFile> => {
  const digest = digestName(await digestOf(blob, onBytes))
  if ((await storedFile(digest))?.size !== blob.size) await writeFile(await openRoom('files'), digest, blob)
  return { digest, size: blob.size }
}

/** Every JSON file of a directory that says what `read` takes. */
export const readJson = async <T>(
  handle: FileSystemFileHandle,
  read: (value: unknown) => T | undefined,
): Promise<T | undefined> => {
  try {
    return read(JSON.parse(await (await handle.getFile()).text()))
  } catch {
    return undefined
  }
}

export interface StorageFigures {
  /** Bytes that this origin uses, and may use, as the browser says. */
  readonly usage: number
  readonly quota: number
  /** The browser will not delete it by itself. */
  readonly persisted: boolean
}

export const storageFigures = async (): Promise<StorageFigures | undefined> => {
  try {
    const [{ usage = 0, quota = 0 }, persisted] = await Promise.all([
      navigator.storage.estimate(),
      navigator.storage.persisted(),
    ])
    return { usage, quota, persisted }
  } catch {
    return undefined
  }
}
