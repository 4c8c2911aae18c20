/** Looking into a disk: which one, which folder, what it holds. */
import { createStore, type StoreApi } from 'zustand/vanilla'
import type { Problem, Result } from '../base/problem.ts'
import type { DiskPart, DiskRef, Folder, FolderEntry } from '../worker/protocol.ts'
import { saveFile } from './save-file.ts'

export type { DiskPart, DiskRef, Folder, FolderEntry }

/** What looks into disks: the worker's client. */
export interface DiskReader {
  listFolder(disk: DiskRef, path: string): Promise<Result<Folder>>
  takeFrom(disk: DiskRef, part: DiskPart): Promise<Result<Blob>>
  forgetDisk(): void
}

export interface ShownDisk {
  readonly ref: DiskRef
  /** For people: "ld0 of NetBSD". */
  readonly title: string
  /** Of the files that are made of it. */
  readonly name: string
}

export interface DiskView {
  /** Undefined while nobody looks. */
  readonly shown: ShownDisk | undefined
  readonly path: string
  readonly folder: Folder | undefined
  readonly problem: Problem | undefined
  /** What is being read: a path, or the disk. */
  readonly busy: string | undefined
}

const CLOSED: DiskView = { shown: undefined, path: '/', folder: undefined, problem: undefined, busy: undefined }

const nameIn = (path: string): string => path.split('/').filter(Boolean).at(-1) ?? 'root'

export class DiskBrowser {
  readonly store: StoreApi<DiskView> = createStore<DiskView>(() => CLOSED)
  readonly #reader: DiskReader

  constructor(reader: DiskReader) {
    this.#reader = reader
  }

  open(shown: ShownDisk): void {
    this.store.setState({ ...CLOSED, shown })
    void this.go('/')
  }

  /** Reads the folder anew each time: a guest may have changed it. */
  async go(path: string): Promise<void> {
    const { shown } = this.store.getState()
    if (!shown) return
    this.store.setState({ path, busy: path, problem: undefined })
    const folder = await this.#reader.listFolder(shown.ref, path)
    const now = this.store.getState()
    // Somebody has gone on meanwhile.
    if (now.shown !== shown || now.path !== path) return
    if (folder.ok) this.store.setState({ folder: folder.value, busy: undefined })
    else this.store.setState({ folder: undefined, problem: folder.problem, busy: undefined })
  }

  /** To the browser's downloads: a file, a folder as an archive. */
  async save(kind: 'file' | 'folder', path: string): Promise<void> {
    const { shown } = this.store.getState()
    if (!shown) return
    this.store.setState({ busy: path, problem: undefined })
    const taken = await this.#reader.takeFrom(shown.ref, { kind, path })
    if (this.store.getState().shown !== shown) return
    this.store.setState({ busy: undefined, problem: taken.ok ? undefined : taken.problem })
    const name = path === '/' ? shown.name : nameIn(path)
    if (taken.ok) saveFile(taken.value, kind === 'folder' ? `${name}.tar` : name)
  }

  /** The whole disk as it is now, to the downloads. */
  async saveImage({ ref, name }: ShownDisk): Promise<Problem | undefined> {
    const taken = await this.#reader.takeFrom(ref, { kind: 'image' })
    // A kept disk that nobody looks into is not needed in memory any more.
    if (!this.store.getState().shown) this.#reader.forgetDisk()
    if (!taken.ok) return taken.problem
    saveFile(taken.value, `${name}.img`)
    return undefined
  }

  close(): void {
    if (!this.store.getState().shown) return
    this.store.setState(CLOSED, true)
    this.#reader.forgetDisk()
  }
}
