/** A guest a person may choose, with everything Boot needs, whatever catalogue it came from. */

import { publishedFiles } from '../guests/catalogue.ts'
import type { Guest, PublishedFile, Stage } from '../guests/guest.ts'
import { NETBSD_STAGES } from '../guests/stages.ts'
import { DEFAULTS, type MachineSettings, settingsOf } from '../settings/settings.ts'
import type { DiskSource, FileSource, StagePattern } from '../worker/protocol.ts'

export type { DiskSource, FileSource, StagePattern }

/** Our init, for kernels of either width. */
export type InitSources = Required<Pick<DiskSource, 'source' | 'source32'>>

export interface GuestChoice extends MachineSettings {
  readonly id: string
  readonly name: string
  /** One line: what it is and what it costs to get. */
  readonly summary: string
  readonly kernel: FileSource | undefined
  readonly initrd?: FileSource
  readonly disks: readonly DiskSource[]
  /** Paths of the published files that it needs. */
  readonly files: readonly string[]
  readonly entryStage: string
  readonly stages: readonly StagePattern[]
  /** The same with every mark, for traces. */
  readonly stageMarks: readonly Stage[]
  readonly expected: readonly string[]
}

/** The choice for a person's own kernel. */
export const OWN_GUEST_ID = 'own'

const entryStageOf = (stages: readonly Stage[]): string =>
  stages.find(({ marks }) => marks.some(({ kind }) => kind === 'entry'))?.name ?? 'entry'

/** What the console alone can tell of the stages. */
const consoleStages = (stages: readonly Stage[]): readonly StagePattern[] =>
  stages.flatMap(({ name, marks }) =>
    marks.flatMap((mark) => (mark.kind === 'console' ? [{ name, pattern: mark.pattern }] : [])),
  )

/** A file that is shipped with the page; `base` is the address that bundled paths stand below. */
export const bundledSource = (path: string, base: string) => ({
  kind: 'url' as const,
  name: path.split('/').at(-1) ?? path,
  url: new URL(path.replace(/^\//, ''), base).href,
})

export const choiceOf = (guest: Guest, base: string): GuestChoice => {
  const bundled = (path: string) => bundledSource(path, base)
  const published = ({ path }: PublishedFile) => ({
    ...bundled(`guests/published/${path}`),
    hint: `fetch it with "npm run guests -- ${guest.id}", or choose a file of your own`,
  })
  const { id, name, about, kernel, stages, expected } = guest
  return {
    ...DEFAULTS,
    ...settingsOf(guest),
    id,
    name,
    summary: about,
    kernel: kernel.kind === 'bundled' ? bundled(kernel.path) : published(kernel.file),
    disks: guest.disks.map((disk) => ({
      kind: disk.kind,
      ...(disk.kind === 'image'
        ? { source: published(disk.file) }
        : { source: bundled(disk.init), source32: bundled(disk.init32) }),
      readOnly: disk.readOnly,
    })),
    files: publishedFiles(guest).map(({ path }) => path),
    entryStage: entryStageOf(stages),
    stages: consoleStages(stages),
    stageMarks: stages,
    expected,
  }
}

export const ownGuest: GuestChoice = {
  ...DEFAULTS,
  id: OWN_GUEST_ID,
  name: 'Your own kernel',
  summary: 'A PVH kernel from your disk or an address',
  kernel: undefined,
  disks: [],
  files: [],
  // Landmarks of NetBSD; other kernels print none of them and stay one stage.
  entryStage: 'entry',
  stages: consoleStages(NETBSD_STAGES),
  stageMarks: NETBSD_STAGES,
  // Nobody knows this kernel's prompt: its time just runs.
  expected: [],
}
