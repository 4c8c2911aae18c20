/** What the next Boot will use: a guest's own settings until the person changes them. */
import { createStore, type StoreApi } from 'zustand/vanilla'
import { type MachineSettings, settingsOf } from '../settings/settings.ts'
import type { BootRequest, Keep } from '../worker/protocol.ts'
import type { Addition } from './added-files.ts'
import { type DiskSource, type FileSource, type GuestChoice, OWN_GUEST_ID } from './guest-choice.ts'

/** Before any boot of this guest told how long one takes. */
export const LIVE_NS = 500e6

/** Columns and rows are the terminal's own at the boot, whatever they are here. */
export interface BootForm extends MachineSettings {
  readonly guestId: string
  readonly kernel: FileSource | undefined
  readonly initrd: FileSource | undefined
  readonly disks: readonly DiskSource[]
  /** What becomes of what the guest writes to its disks. */
  readonly changes: 'discard' | 'keep'
  /** Put on the root that this page makes, where the guest has one. */
  readonly added: readonly Addition[]
}

export const formFor = (guest: GuestChoice): BootForm => ({
  ...settingsOf(guest),
  guestId: guest.id,
  kernel: guest.kernel,
  initrd: guest.initrd,
  disks: guest.disks,
  changes: 'discard',
  added: [],
})

/** The disk that added files are put on, or -1. */
export const rootOf = ({ disks }: Pick<BootForm, 'disks'>): number =>
  disks.findIndex(({ kind }) => kind === 'netbsd-root')

/** What the keys of a guest's kept disks begin with. */
export const keepPrefix = (guestId: string): string => `${guestId}.ld`

export interface BootOnce {
  /** What the page shows at once while it boots. */
  readonly liveNs?: number
  /** Disks go on with what was kept, over the images that they began with. */
  readonly asKept?: boolean
  /** Pauses once so many instructions have retired, exactly. */
  readonly stopAfter?: number
  /** At its prompt, where that is kept; else the boot leaves it kept. What the person set, unless said. */
  readonly resume?: boolean
}

/** Undefined while there is no kernel to boot. */
export const requestFrom = (
  form: BootForm,
  guest: GuestChoice,
  { liveNs = LIVE_NS, asKept = false, stopAfter }: BootOnce = {},
): BootRequest | undefined => {
  if (!form.kernel) return undefined
  const label = guest.id === OWN_GUEST_ID ? form.kernel.name : guest.name
  const root = rootOf(form)
  const keepOf = ({ kind, source }: DiskSource, index: number): Keep => ({
    key: `${keepPrefix(guest.id)}${index}`,
    guest: label,
    disk: `ld${index}`,
    image: kind === 'netbsd-root' ? 'ext2 root' : source.name,
    asKept,
  })
  return {
    ...settingsOf(form),
    label,
    kernel: form.kernel,
    ...(form.initrd && { initrd: form.initrd }),
    disks: form.disks.map((disk, index) => ({
      ...disk,
      ...(index === root && { added: form.added.flatMap(({ entries }) => entries) }),
      ...(form.changes === 'keep' && !disk.readOnly && { keep: keepOf(disk, index) }),
    })),
    entryStage: guest.entryStage,
    stages: guest.stages,
    stageMarks: guest.stageMarks,
    guest: guest.id,
    liveNs,
    expected: guest.expected,
    ...(stopAfter !== undefined && { stopAfter }),
  }
}

export type BootFormStore = StoreApi<BootForm>
export const createBootFormStore = (guest: GuestChoice): BootFormStore => createStore<BootForm>(() => formFor(guest))
