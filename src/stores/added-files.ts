/** Files and folders that a person puts on a root disk before it boots: gathered from a picker or a drop, held to limits. */
import { ok, type Problem, problem, type Result, refuse } from '../base/problem.ts'
import type { AddedEntry } from '../worker/protocol.ts'

export type { AddedEntry }

/** What was added together: a file, or a folder with all in it. */
export interface Addition {
  /** Absolute, on the disk. */
  readonly path: string
  readonly kind: 'file' | 'folder'
  readonly entries: readonly AddedEntry[]
  readonly bytes: number
}

/** A file before it is known where it will be: its path begins with its own name. */
export interface Gathered {
  readonly path: string
  readonly file: File | undefined
}

/** ext2 as we write it counts a file's bytes in 32 bits. */
const FILE_BYTES_MAX = 2 ** 32 - 1
/** The files, the disk that is made of them and the guest's own memory are in this tab at once. */
const TOTAL_BYTES_MAX = 2 ** 30
const FILES_MAX = 20_000

/** Where added files are put, unless somebody says otherwise. */
export const HOME = '/root'

const told = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`

/** "/root/" and "root" are the same folder; "." and ".." name none. */
export const targetOf = (text: string): Result<string> => {
  const names = text.trim().split('/').filter(Boolean)
  if (names.some((name) => name === '.' || name === '..'))
    return refuse(problem('bad-path', `the folder is "${text}"`, 'an absolute path on the disk', HOME))
  return ok(`/${names.join('/')}`)
}

const tooMuch = (additions: readonly Addition[]): Problem | undefined => {
  const entries = additions.flatMap((addition) => addition.entries)
  const large = entries.find(({ blob }) => (blob?.size ?? 0) > FILE_BYTES_MAX)
  if (large)
    return problem(
      'file-too-large',
      `the file ${large.path} has ${told(large.blob?.size ?? 0)}`,
      'files of less than 4 GiB, which is what the root’s file system holds',
      `cut it to what the guest needs of it, ${told(TOTAL_BYTES_MAX)} at most`,
    )
  const total = additions.reduce((sum, { bytes }) => sum + bytes, 0)
  if (total > TOTAL_BYTES_MAX)
    return problem(
      'files-too-large',
      `the files have ${told(total)} together`,
      `${told(TOTAL_BYTES_MAX)} at most, since the disk is made in this tab’s memory`,
      'add less, or put them on a disk image and choose that',
    )
  if (entries.length > FILES_MAX)
    return problem(
      'files-too-many',
      `these are more than ${FILES_MAX} files and folders`,
      'no more than that',
      'add an archive of them instead',
    )
  return undefined
}

/** `before` with what was gathered put below `target`; what has the same path is replaced. */
export const addTo = (
  before: readonly Addition[],
  gathered: readonly Gathered[],
  target: string,
  nowMs: number,
): Result<readonly Addition[]> => {
  const place = targetOf(target)
  if (!place.ok) return place
  const tops = new Map<string, AddedEntry[]>()
  for (const { path, file } of gathered) {
    const top = path.split('/')[0] ?? path
    const entry = {
      path: `${place.value === '/' ? '' : place.value}/${path}`,
      blob: file,
      mtime: Math.max(0, Math.floor((file?.lastModified ?? nowMs) / 1000)),
    }
    const entries = tops.get(top)
    if (entries) entries.push(entry)
    else tops.set(top, [entry])
  }
  const added = [...tops].map(([top, entries]): Addition => {
    const path = `${place.value === '/' ? '' : place.value}/${top}`
    const isFile = entries.length === 1 && entries[0]?.path === path && entries[0].blob !== undefined
    const bytes = entries.reduce((sum, { blob }) => sum + (blob?.size ?? 0), 0)
    return { path, kind: isFile ? 'file' : 'folder', entries, bytes }
  })
  const paths = new Set(added.map(({ path }) => path))
  const after = [...before.filter(({ path }) => !paths.has(path)), ...added]
  const problem = tooMuch(after)
  return problem ? refuse(problem) : ok(after)
}

/** A picker's files; those of a folder know where in it they were. */
export const gatherPicked = (files: Iterable<File>): readonly Gathered[] =>
  [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }))

/** The parts of https://wicg.github.io/entries-api/ that are asked here. */
interface DroppedEntry {
  readonly name: string
  readonly isFile: boolean
  file?(found: (file: File) => void, failed: (error: unknown) => void): void
  createReader?(): { readEntries(found: (entries: DroppedEntry[]) => void, failed: (error: unknown) => void): void }
}

/** What was dropped, folders too; called before the drop's event is over, since its items are gone after that. */
export const gatherDropped = async (items: Iterable<DataTransferItem>): Promise<Result<readonly Gathered[]>> => {
  const entries: DroppedEntry[] = []
  const gathered: Gathered[] = []
  for (const item of items) {
    if (item.kind !== 'file') continue
    const entry = item.webkitGetAsEntry() as DroppedEntry | null
    // Files that a program drops are in no file system.
    const file = entry ? null : item.getAsFile()
    if (entry) entries.push(entry)
    else if (file) gathered.push({ path: file.name, file })
  }
  try {
    await walk(entries, '', gathered)
    return ok(gathered)
  } catch (error) {
    return refuse(
      problem(
        'file-unreachable',
        `the browser could not read what was dropped (${error instanceof Error ? error.message : String(error)})`,
        'files and folders that may be read',
        'choose them with Files or Folder',
      ),
    )
  }
}

/** Ends early with more than may be added: who drops a whole disk need not wait for all of it to be counted. */
const walk = async (entries: readonly DroppedEntry[], below: string, gathered: Gathered[]): Promise<void> => {
  for (const entry of entries) {
    if (gathered.length > FILES_MAX) return
    const path = `${below}${entry.name}`
    if (entry.isFile) {
      const file = await new Promise<File>((found, failed) => entry.file?.(found, failed))
      gathered.push({ path, file })
      continue
    }
    gathered.push({ path, file: undefined })
    const reader = entry.createReader?.()
    // It gives a hundred at a time.
    for (;;) {
      const children = await new Promise<DroppedEntry[]>((found, failed) => reader?.readEntries(found, failed))
      if (children.length === 0) break
      await walk(children, `${path}/`, gathered)
    }
  }
}
