/** A person's own guests: which files make them and how they are booted. */

import { readRecord } from '../settings/read-settings.ts'
import { type MachineSettings, SETTINGS } from '../settings/settings.ts'
import { referencedByDisks } from './kept-disks.ts'
import {
  exclusively,
  isMissing,
  openRoom,
  readJson,
  type StoredFile,
  storedFile,
  storeFile,
  writeFile,
} from './opfs.ts'

/** A file by its name: its bytes are stored here, or are fetched at each boot. */
export type GuestFile =
  | ({ readonly kind: 'stored'; readonly name: string } & StoredFile)
  | { readonly kind: 'url'; readonly name: string; readonly url: string }

export interface LocalDisk<File> {
  readonly kind: 'image' | 'netbsd-root'
  readonly file: File
  readonly readOnly: boolean
}

/** Settings that were kept by an earlier page are those that it knew. */
export interface LocalGuest extends Partial<MachineSettings> {
  readonly version: 1
  readonly id: string
  readonly name: string
  readonly createdMs: number
  readonly kernel: GuestFile
  readonly initrd?: GuestFile
  /** A `netbsd-root` is made anew around this page's own init, whatever `file` says. */
  readonly disks: readonly LocalDisk<GuestFile>[]
}

/** What is in a file that somebody else may have written. */
const isGuestFile = (value: unknown): value is GuestFile => {
  const file = value as Partial<Record<string, unknown>> | undefined
  if (typeof file?.['name'] !== 'string') return false
  if (file['kind'] === 'url') return typeof file['url'] === 'string'
  return file['kind'] === 'stored' && typeof file['digest'] === 'string' && typeof file['size'] === 'number'
}

const asGuest = (value: unknown): LocalGuest | undefined => {
  const guest = value as LocalGuest
  const isWhole =
    guest?.version === 1 &&
    typeof guest.id === 'string' &&
    typeof guest.name === 'string' &&
    isGuestFile(guest.kernel) &&
    (guest.initrd === undefined || isGuestFile(guest.initrd)) &&
    Array.isArray(guest.disks) &&
    guest.disks.every(({ kind, file }) => (kind === 'image' || kind === 'netbsd-root') && isGuestFile(file))
  if (!isWhole) return undefined
  const others = Object.fromEntries(
    Object.entries(guest).filter(([key]) => !Object.hasOwn(SETTINGS, key)),
  ) as unknown as LocalGuest
  return { ...others, ...readRecord(guest).settings }
}

export const filesOf = ({ kernel, initrd, disks }: LocalGuest): readonly GuestFile[] => [
  kernel,
  ...(initrd ? [initrd] : []),
  ...disks.map(({ file }) => file),
]

/** Bytes that it takes here; a file that two guests share counts for each. */
export const storedBytes = (guest: LocalGuest): number =>
  filesOf(guest).reduce((sum, file) => sum + (file.kind === 'stored' ? file.size : 0), 0)

/** By age, oldest first. Throws what openRoot() throws. */
export const listGuests = async (): Promise<readonly LocalGuest[]> => {
  const guests: LocalGuest[] = []
  for await (const handle of (await openRoom('guests')).values()) {
    const guest = handle.kind === 'file' ? await readJson(handle as FileSystemFileHandle, asGuest) : undefined
    if (guest) guests.push(guest)
  }
  return guests.sort((a, b) => a.createdMs - b.createdMs)
}

export type FileToStore = { readonly name: string } & ({ readonly blob: Blob } | { readonly url: string })

export interface GuestToSave extends Omit<LocalGuest, 'version' | 'kernel' | 'initrd' | 'disks'> {
  readonly kernel: FileToStore
  readonly initrd?: FileToStore
  readonly disks: readonly LocalDisk<FileToStore>[]
}

/** Stores what is not stored yet and replaces the guest of that id. `onBytes`: read so far, of all files. */
export const saveGuest = (guest: GuestToSave, onBytes: (done: number) => void = () => {}): Promise<LocalGuest> =>
  exclusively(async () => {
    let before = 0
    const store = async (file: FileToStore): Promise<GuestFile> => {
      if ('url' in file) return { kind: 'url', name: file.name, url: file.url }
      const stored = await storeFile(file.blob, (done) => onBytes(before + done))
      before += file.blob.size
      return { kind: 'stored', name: file.name, ...stored }
    }
    try {
      const { kernel, initrd, disks, ...rest } = guest
      const saved: LocalGuest = {
        ...rest,
        version: 1,
        kernel: await store(kernel),
        ...(initrd && { initrd: await store(initrd) }),
        disks: await inOrder(disks, async ({ kind, file, readOnly }) => ({ kind, file: await store(file), readOnly })),
      }
      await writeGuest(saved)
      return saved
    } finally {
      // What replaced files held, and what was stored for nothing.
      await deleteUnused()
    }
  })

const inOrder = async <A, B>(items: readonly A[], work: (item: A) => Promise<B>): Promise<B[]> => {
  const done: B[] = []
  for (const item of items) done.push(await work(item))
  return done
}

const writeGuest = async (guest: LocalGuest): Promise<void> =>
  writeFile(await openRoom('guests'), `${guest.id}.json`, JSON.stringify(guest))

export const renameGuest = (guest: LocalGuest, name: string): Promise<void> =>
  exclusively(() => writeGuest({ ...guest, name }))

export const deleteGuest = (id: string): Promise<void> =>
  exclusively(async () => {
    await (await openRoom('guests')).removeEntry(`${id}.json`).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
    await deleteUnused()
  })

/** The file's bytes: a handle, nothing is read yet. Undefined when the browser has deleted them. */
export const bytesOf = async (file: GuestFile): Promise<File | undefined> =>
  file.kind === 'stored' ? storedFile(file.digest) : undefined

/** Deletes bytes that no guest and no kept disk names. Call within `exclusively`. */
export const deleteUnused = async (): Promise<void> => {
  const used = new Set(await referencedByDisks())
  for (const guest of await listGuests())
    for (const file of filesOf(guest)) if (file.kind === 'stored') used.add(file.digest)
  const files = await openRoom('files')
  const unused: string[] = []
  for await (const name of files.keys()) if (!used.has(name)) unused.push(name)
  // One that a machine is reading stays until the next time.
  for (const name of unused) await files.removeEntry(name).catch(() => {})
}
