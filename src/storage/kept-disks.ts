/**
 * Disks whose changes are kept. A kept disk is whole in itself: the image it began with is stored beside its log, so that
 * it still boots when that image's address, file or recipe has changed.
 */
import { ProblemError, problem } from '../base/problem.ts'
import { digestName, digestOf } from './identity.ts'
import {
  exclusively,
  isMissing,
  openRoom,
  readJson,
  type StoredFile,
  storageProblem,
  storedFile,
  storeFile,
  writeFile,
} from './opfs.ts'
import {
  type BaseIdentity,
  type Change,
  HEADER_BYTES,
  isSameBase,
  type LogFiles,
  OverlayLog,
  readLogHeader,
} from './overlay-log.ts'

export interface KeptDiskRecord {
  readonly version: 1
  /** Which disk of which guest: `netbsd-microvm.ld0`. Also its directory's name. */
  readonly key: string
  /** For people. */
  readonly guest: string
  readonly disk: string
  readonly image: string
  readonly base: StoredFile
  readonly createdMs: number
}

export interface KeptDisk extends KeptDiskRecord {
  /** Bytes of its changes, as its log has them. */
  readonly logBytes: number
}

const LOGS = ['log-a', 'log-b'] as const
const RECORD = 'disk.json'
/** A worker that was just ended lets its files go a little later. */
const RELEASE_MS = 2000
const RETRY_MS = 50

const asRecord = (value: unknown): KeptDiskRecord | undefined => {
  const record = value as KeptDiskRecord
  const isWhole =
    record?.version === 1 &&
    [record.key, record.guest, record.disk, record.image, record.base?.digest].every((text) => typeof text === 'string')
  return isWhole ? record : undefined
}

const recordOf = async (directory: FileSystemDirectoryHandle): Promise<KeptDiskRecord | undefined> => {
  try {
    return await readJson(await directory.getFileHandle(RECORD), asRecord)
  } catch {
    return undefined
  }
}

const sizeOf = async (directory: FileSystemDirectoryHandle, name: string): Promise<number> => {
  try {
    return (await (await directory.getFileHandle(name)).getFile()).size
  } catch {
    return 0
  }
}

/** By age, oldest first. Throws what openRoot() throws. */
export const listKeptDisks = async (): Promise<readonly KeptDisk[]> => {
  const disks: KeptDisk[] = []
  for await (const handle of (await openRoom('disks')).values()) {
    if (handle.kind !== 'directory') continue
    const directory = handle as FileSystemDirectoryHandle
    const record = await recordOf(directory)
    if (!record) continue
    const [a, b] = await Promise.all(LOGS.map((name) => sizeOf(directory, name)))
    disks.push({ ...record, logBytes: Math.max(a ?? 0, b ?? 0, HEADER_BYTES) - HEADER_BYTES })
  }
  return disks.sort((a, b) => a.createdMs - b.createdMs)
}

export const referencedByDisks = async (): Promise<readonly string[]> =>
  (await listKeptDisks()).map(({ base }) => base.digest)

/** Throws the Problem 'in-use' while a machine writes it. The image's bytes go with deleteUnused(). */
export const deleteKeptDisk = async (key: string): Promise<void> => {
  const disks = await openRoom('disks')
  try {
    const directory = await disks.getDirectoryHandle(key)
    // The logs first: they are what a machine holds, and without them there is nothing to keep.
    for (const name of LOGS)
      await whenFree(async () => {
        await directory.removeEntry(name).catch((error: unknown) => {
          if (!isMissing(error)) throw error
        })
      })
    await disks.removeEntry(key, { recursive: true })
  } catch (error) {
    if (!isMissing(error)) throw new ProblemError(storageProblem('the kept disk', error))
  }
}

/** Tries again for as long as a worker that was just ended may hold its files. */
const whenFree = async <T>(work: () => Promise<T>): Promise<T> => {
  const deadline = performance.now() + RELEASE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const isTaken = error instanceof DOMException && error.name === 'NoModificationAllowedError'
      if (!isTaken || performance.now() >= deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

/** A kept disk's files, this worker's alone until `close`. */
export interface KeptFiles {
  /** What the disk began with. */
  readonly image: Uint8Array
  readonly identity: BaseIdentity
  readonly logs: LogFiles
  close(): void
}

type Logs = readonly [FileSystemSyncAccessHandle, FileSystemSyncAccessHandle]

/** Only in a worker: no other place gives synchronous files. */
const openLogs = (directory: FileSystemDirectoryHandle): Promise<Logs> =>
  whenFree(async () => {
    const logs: FileSystemSyncAccessHandle[] = []
    try {
      for (const name of LOGS)
        logs.push(await (await directory.getFileHandle(name, { create: true })).createSyncAccessHandle())
      return logs as unknown as Logs
    } catch (error) {
      for (const log of logs) log.close()
      throw error
    }
  })

const identityOf = async (bytes: Uint8Array): Promise<BaseIdentity> => ({
  size: bytes.length,
  digest: await digestOf(new Blob([bytes as Uint8Array<ArrayBuffer>])),
})

/** The image that a log stands over, as it was stored. */
const storedImage = async ({ size, digest }: BaseIdentity): Promise<Uint8Array> => {
  const file = await storedFile(digestName(digest))
  const bytes = file && new Uint8Array(await file.arrayBuffer())
  if (!bytes || !isSameBase(await identityOf(bytes), { size, digest }))
    throw new ProblemError(
      problem(
        'kept-image-missing',
        `the image that the kept changes stand over is ${bytes ? 'damaged' : 'not stored any more'}`,
        `${size} bytes that this page stored`,
        'discard the changes under Kept in this browser',
      ),
    )
  return bytes
}

/** What was stored reaches the medium before anything is written over it. */
const settle = async ({ digest }: StoredFile): Promise<void> => {
  try {
    const handle = await (await (await openRoom('files')).getFileHandle(digest)).createSyncAccessHandle()
    handle.flush()
    handle.close()
  } catch {
    // Somebody reads it: then it was settled before.
  }
}

export type DiskNames = Pick<KeptDiskRecord, 'key' | 'guest' | 'disk' | 'image'>

/**
 * Opens the kept disk of that key, or begins one over `image()`. `given`: the image is a person's own choice, so that
 * changes over another are not for it; one that this page makes is only made the first time. Throws ProblemErrors:
 * 'in-use', 'storage-full', 'kept-image-missing', 'no-storage'.
 */
export const openKeptDisk = async (
  names: DiskNames,
  image: () => Promise<Uint8Array>,
  given: boolean,
): Promise<KeptFiles> => {
  let logs: Logs | undefined
  try {
    const directory = await (await openRoom('disks')).getDirectoryHandle(names.key, { create: true })
    logs = await openLogs(directory)
    const files = logs
    const close = () => {
      for (const log of files) log.close()
    }
    const kept = readLogHeader(files)
    if (kept && !given) return { image: await storedImage(kept.base), identity: kept.base, logs: files, close }
    const bytes = await image()
    const identity = await identityOf(bytes)
    if (!kept)
      await exclusively(async () => {
        const base = await storeFile(new Blob([bytes as Uint8Array<ArrayBuffer>]))
        await settle(base)
        const record: KeptDiskRecord = { version: 1, ...names, base, createdMs: Date.now() }
        await writeFile(directory, RECORD, JSON.stringify(record))
      })
    return { image: bytes, identity, logs: files, close }
  } catch (error) {
    for (const log of logs ?? []) log.close()
    throw new ProblemError(storageProblem(names.disk, error))
  }
}

/** The disk as it was last written, for nobody to write. Throws as openKeptDisk() does. */
export const readKeptDisk = async (
  key: string,
  make: (image: Uint8Array, apply: (use: (change: Change) => void) => void) => void,
): Promise<void> => {
  let logs: Logs | undefined
  try {
    const directory = await (await openRoom('disks')).getDirectoryHandle(key)
    logs = await openLogs(directory)
    const files = logs
    const header = readLogHeader(files)
    if (!header)
      throw new ProblemError(
        problem('not-kept', `nothing is kept as ${key}`, 'a kept disk', 'boot once with its changes kept'),
      )
    make(await storedImage(header.base), (use) => {
      const read = OverlayLog.read(files, use)
      if (!read.ok) throw new ProblemError(read.problem)
    })
  } catch (error) {
    throw new ProblemError(storageProblem('the kept disk', error))
  } finally {
    for (const log of logs ?? []) log.close()
  }
}
