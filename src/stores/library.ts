/** What this browser keeps for a person, and the verbs that change it: guests of their own, changes to disks. */
import { createStore, type StoreApi } from 'zustand/vanilla'
import { type Problem, ProblemError } from '../base/problem.ts'
import { NETBSD_STAGES } from '../guests/stages.ts'
import { settingsOf } from '../settings/settings.ts'
import {
  bytesOf,
  deleteGuest,
  deleteUnused,
  type FileToStore,
  type GuestFile,
  type LocalGuest,
  listGuests,
  renameGuest,
  saveGuest,
  storedBytes,
} from '../storage/guest-library.ts'
import { deleteKeptDisk, type KeptDisk, listKeptDisks } from '../storage/kept-disks.ts'
import {
  deleteKeptMachine,
  type KeptMachineRecord,
  type KeptPart,
  keepMachine,
  listKeptMachines,
} from '../storage/kept-machines.ts'
import { exclusively, type StorageFigures, storageFigures, storageProblem } from '../storage/opfs.ts'
import { type BootForm, keepPrefix } from './boot-form-store.ts'
import { type DiskSource, type FileSource, type GuestChoice, type InitSources, ownGuest } from './guest-choice.ts'

export type { KeptDisk, KeptMachineRecord, StorageFigures }

export interface KeptGuest {
  readonly guest: LocalGuest
  readonly choice: GuestChoice
  /** Stored here for it. */
  readonly bytes: number
}

export interface LibraryView {
  /** `looking` until the browser has answered, `none` where it keeps nothing. */
  readonly state: 'looking' | 'ready' | 'none'
  /** Why there is none, or what failed last. */
  readonly problem: Problem | undefined
  readonly guests: readonly KeptGuest[]
  readonly disks: readonly KeptDisk[]
  readonly machines: readonly KeptMachineRecord[]
  readonly figures: StorageFigures | undefined
  /** Bytes stored so far of a guest that is being kept. */
  readonly saving: { readonly done: number; readonly total: number } | undefined
}

/** Sizes of disks that a machine writes are looked at this often. */
const AGAIN_MS = 2000

export class Library {
  readonly store: StoreApi<LibraryView> = createStore<LibraryView>(() => ({
    state: 'looking',
    problem: undefined,
    guests: [],
    disks: [],
    machines: [],
    figures: undefined,
    saving: undefined,
  }))
  /** Our init, for guests whose root this page makes. */
  readonly #init: InitSources
  #firstLook: Promise<void> | undefined
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(init: InitSources) {
    this.#init = init
  }

  get view(): LibraryView {
    return this.store.getState()
  }

  /** Resolves when it is known what is kept; the first to ask makes it look. */
  looked(): Promise<void> {
    this.#firstLook ??= this.refresh()
    return this.#firstLook
  }

  async refresh(): Promise<void> {
    this.#lookedMs = performance.now()
    try {
      const [local, disks, machines, figures] = await Promise.all([
        listGuests(),
        listKeptDisks(),
        listKeptMachines(),
        storageFigures(),
      ])
      const guests = await Promise.all(local.map((guest) => this.#keptGuest(guest)))
      this.store.setState({ state: 'ready', guests, disks, machines, figures })
    } catch (error) {
      this.store.setState({
        state: 'none',
        problem: storageProblem('what is kept', error),
        guests: [],
        disks: [],
        machines: [],
      })
    }
  }

  /** What a machine that writes changes. */
  refreshSoon(): void {
    if (this.view.state !== 'ready' || performance.now() - this.#lookedMs < AGAIN_MS) return
    this.#lookedMs = performance.now()
    void Promise.all([listKeptDisks(), storageFigures()]).then(
      ([disks, figures]) => this.store.setState({ disks, figures }),
      () => void this.refresh(),
    )
  }

  /** A browser may delete what it was not asked to keep; some ask the person. */
  async persist(): Promise<void> {
    if (this.view.figures?.persisted === false) await navigator.storage.persist?.().catch(() => false)
  }

  /** Stores the form's files and settings: a new guest of that name, or those of the kept one that it is. Undefined when that failed. */
  async keepGuest(form: BootForm, name: string): Promise<KeptGuest | undefined> {
    const { kernel } = form
    if (!kernel) return undefined
    const sources = [kernel, ...(form.initrd ? [form.initrd] : []), ...form.disks.map(({ source }) => source)]
    const total = sources.reduce((sum, source) => sum + (source.kind === 'blob' ? source.blob.size : 0), 0)
    this.store.setState({ saving: { done: 0, total } })
    const before = this.view.guests.find(({ guest }) => guest.id === form.guestId)?.guest
    return this.#attempt('the guest', async () => {
      const guest = await saveGuest(
        {
          ...settingsOf(form),
          id: before?.id ?? crypto.randomUUID(),
          name: before?.name ?? name,
          createdMs: before?.createdMs ?? Date.now(),
          kernel: fileToStore(kernel),
          ...(form.initrd && { initrd: fileToStore(form.initrd) }),
          disks: form.disks.map(({ kind, source, readOnly }) => ({ kind, file: fileToStore(source), readOnly })),
        },
        (done) => this.store.setState({ saving: { done, total } }),
      )
      await this.persist()
      return this.#keptGuest(guest)
    })
  }

  rename(guest: LocalGuest, name: string): Promise<unknown> {
    return this.#attempt('the guest’s name', () => renameGuest(guest, name))
  }

  /** And the changes kept of its disks, which nothing else can boot. */
  deleteGuest({ id }: LocalGuest): Promise<unknown> {
    return this.#attempt('the guest', async () => {
      for (const { key } of this.view.disks) if (key.startsWith(keepPrefix(id))) await deleteKeptDisk(key)
      await deleteGuest(id)
    })
  }

  /** Undefined when a machine uses the disk, with the problem in the view. */
  discardDisk(key: string): Promise<true | undefined> {
    return this.#attempt('the kept disk', async () => {
      await deleteKeptDisk(key)
      await exclusively(deleteUnused)
      return true as const
    })
  }

  /** Undefined when that failed, with the problem in the view. */
  keepMachine(
    record: Omit<KeptMachineRecord, 'version' | 'parts'>,
    blobs: Readonly<Partial<Record<KeptPart, Blob>>>,
  ): Promise<true | undefined> {
    return this.#attempt('the machine', async () => {
      await keepMachine(record, blobs)
      return true as const
    })
  }

  forgetMachine(key: string): Promise<unknown> {
    return this.#attempt('the kept machine', () => deleteKeptMachine(key))
  }

  dismissProblem(): void {
    this.store.setState({ problem: undefined })
  }

  /** Runs a verb and looks again; what fails is the view's problem. */
  async #attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await work()
      this.store.setState({ problem: undefined })
      return done
    } catch (error) {
      this.store.setState({ problem: error instanceof ProblemError ? error.problem : storageProblem(what, error) })
      return undefined
    } finally {
      this.store.setState({ saving: undefined })
      if (this.view.state !== 'none') await this.refresh()
    }
  }

  async #keptGuest(guest: LocalGuest): Promise<KeptGuest> {
    const kernel = await sourceOf(guest.kernel)
    const initrd = guest.initrd && (await sourceOf(guest.initrd))
    const disks: DiskSource[] = []
    for (const { kind, file, readOnly } of guest.disks) {
      if (kind === 'netbsd-root') disks.push({ kind, ...this.#init, readOnly })
      else {
        const source = await sourceOf(file)
        if (source) disks.push({ kind, source, readOnly })
      }
    }
    const isWhole = kernel && disks.length === guest.disks.length && (!guest.initrd || initrd)
    const { id, name } = guest
    const choice: GuestChoice = {
      ...ownGuest,
      ...settingsOf(guest),
      id,
      name,
      summary: isWhole
        ? `Kept in this browser since ${new Date(guest.createdMs).toLocaleDateString('en')}`
        : 'This browser has deleted files of this guest; delete it and keep it again',
      kernel: isWhole ? kernel : undefined,
      ...(initrd && { initrd }),
      disks,
      stageMarks: NETBSD_STAGES,
    }
    return { guest, choice, bytes: storedBytes(guest) }
  }
}

const fileToStore = (source: FileSource): FileToStore =>
  source.kind === 'blob' ? { name: source.name, blob: source.blob } : { name: source.name, url: source.url }

/** Undefined when the browser has deleted it. */
const sourceOf = async (file: GuestFile): Promise<FileSource | undefined> => {
  if (file.kind === 'url') return file
  const blob = await bytesOf(file)
  return blob && { kind: 'blob', name: file.name, blob }
}
