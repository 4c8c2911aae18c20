/**
 * Machines that this browser keeps as they were: a guest's at its prompt, and the last state of the one that runs. Each is a
 * directory with a record, machine.json, and the files that it names. Files are written first and the record last, so that
 * whoever reads finds one whole state, whatever happened to the tab that wrote the next.
 */
import { ProblemError } from '../base/problem.ts'
import { exclusively, isMissing, openRoom, readJson, storageProblem, writeFile } from './opfs.ts'

/** `state` is a .microvm file, `console` what was printed until then, `trace` the boot's recording, gzip'd native format. */
export type KeptPart = 'state' | 'console' | 'trace'

export interface KeptMachineRecord {
  readonly version: 1
  /** `last`, or `prompt.<guest's id>`. Also its directory's name. */
  readonly key: string
  /** For people. */
  readonly label: string
  /** The guest's id. */
  readonly guest: string
  readonly savedMs: number
  /** What it was made of and by. Where that is another now, the state is no use. */
  readonly identity: string
  /** What the page needs to know of it, as it wrote that. */
  readonly about: unknown
  /** Names of its files, and their sizes. */
  readonly parts: Readonly<Partial<Record<KeptPart, { readonly name: string; readonly bytes: number }>>>
}

const RECORD = 'machine.json'

const asRecord = (value: unknown): KeptMachineRecord | undefined => {
  const record = value as KeptMachineRecord
  const isWhole =
    record?.version === 1 &&
    [record.key, record.label, record.guest, record.identity, record.parts?.state?.name].every(
      (text) => typeof text === 'string',
    ) &&
    Object.values(record.parts).every(({ bytes }) => typeof bytes === 'number')
  return isWhole ? record : undefined
}

const recordIn = async (directory: FileSystemDirectoryHandle): Promise<KeptMachineRecord | undefined> => {
  try {
    return await readJson(await directory.getFileHandle(RECORD), asRecord)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

export const bytesOfMachine = ({ parts }: KeptMachineRecord): number =>
  Object.values(parts).reduce((sum, { bytes }) => sum + bytes, 0)

/** Newest first. Throws what openRoot() throws. */
export const listKeptMachines = async (): Promise<readonly KeptMachineRecord[]> => {
  const records: KeptMachineRecord[] = []
  for await (const handle of (await openRoom('machines')).values()) {
    const record = handle.kind === 'directory' ? await recordIn(handle as FileSystemDirectoryHandle) : undefined
    if (record) records.push(record)
  }
  return records.sort((a, b) => b.savedMs - a.savedMs)
}

export interface KeptMachine {
  readonly record: KeptMachineRecord
  /** Handles: nothing is read yet. */
  readonly files: Readonly<Partial<Record<KeptPart, File>>>
}

/** Undefined where nothing is kept under that key, or not all of it is there. */
export const openKeptMachine = async (key: string): Promise<KeptMachine | undefined> => {
  try {
    const directory = await (await openRoom('machines')).getDirectoryHandle(key)
    const record = await recordIn(directory)
    if (!record) return undefined
    const parts = Object.entries(record.parts) as [KeptPart, { readonly name: string; readonly bytes: number }][]
    const files = await Promise.all(
      parts.map(async ([part, { name }]) => [part, await (await directory.getFileHandle(name)).getFile()] as const),
    )
    if (files.some(([part, { size }]) => size !== record.parts[part]?.bytes)) return undefined
    return { record, files: Object.fromEntries(files) }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw new ProblemError(storageProblem('the kept machine', error))
  }
}

/** Replaces what is kept under that key. Throws a ProblemError, and what was kept before is still there. */
export const keepMachine = (
  record: Omit<KeptMachineRecord, 'version' | 'parts'>,
  blobs: Readonly<Partial<Record<KeptPart, Blob>>>,
): Promise<void> =>
  exclusively(async () => {
    try {
      const directory = await (await openRoom('machines')).getDirectoryHandle(record.key, { create: true })
      const parts: Record<string, { name: string; bytes: number }> = {}
      try {
        for (const [part, blob] of Object.entries(blobs)) {
          const name = `${part}-${record.savedMs}`
          parts[part] = { name, bytes: blob.size }
          await writeFile(directory, name, blob)
        }
        await writeFile(directory, RECORD, JSON.stringify({ ...record, version: 1, parts }))
      } finally {
        await sweep(directory)
      }
    } catch (error) {
      throw new ProblemError(storageProblem('the machine', error))
    }
  })

/** Deletes what the record does not name: what is older, or was not finished. */
const sweep = async (directory: FileSystemDirectoryHandle): Promise<void> => {
  const record = await recordIn(directory)
  const named = new Set([RECORD, ...Object.values(record?.parts ?? {}).map(({ name }) => name)])
  const others: string[] = []
  for await (const name of directory.keys()) if (!named.has(name)) others.push(name)
  // One that is being read stays until the next time.
  for (const name of others) await directory.removeEntry(name).catch(() => {})
}

export const deleteKeptMachine = (key: string): Promise<void> =>
  exclusively(async () => {
    try {
      await (await openRoom('machines')).removeEntry(key, { recursive: true })
    } catch (error) {
      if (!isMissing(error)) throw new ProblemError(storageProblem('the kept machine', error))
    }
  })
