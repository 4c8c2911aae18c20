/** Looks into disks and takes things out of them: those of the machine at hand, and kept ones that no machine uses. */
import { ok, ProblemError, problem, type Result, refuse } from '../base/problem.ts'
import { type ByteSource, type Ext2Image, openExt2 } from '../disk/ext2-reader.ts'
import { tarFolder } from '../disk/tar.ts'
import { OverlayDisk } from '../machine/index.ts'
import { readKeptDisk } from '../storage/kept-disks.ts'
import type { DiskPart, DiskRef, Folder, FolderEntry } from './protocol.ts'

/** FFS: the magic numbers of a superblock, at 0x55c in one of the places where NetBSD looks for it (sys/ufs/ffs/fs.h). */
const FFS_PLACES = [8192, 65536, 0, 262144]
const FFS_MAGIC_AT = 0x55c
const FFS_MAGICS = [0x011954, 0x19540119, 0x19012038]

export class DiskShelf {
  readonly #ofMachine: (index: number) => ByteSource | undefined
  /** The kept disk that was read last. */
  #kept: { readonly key: string; readonly disk: ByteSource } | undefined

  constructor(ofMachine: (index: number) => ByteSource | undefined) {
    this.#ofMachine = ofMachine
  }

  list(ref: DiskRef, path: string): Promise<Result<Folder>> {
    return attempt(async () => {
      const image = value(openFileSystem(await this.#find(ref)))
      const entries = value(image.list(path)).map(({ name, ino }): FolderEntry => {
        const { kind, size, mtime } = value(image.stat(ino))
        return { name, kind, size, mtime, ...(kind === 'symlink' && { target: value(image.readLink(ino)) }) }
      })
      return { path, entries: entries.toSorted(foldersFirst) }
    })
  }

  take(ref: DiskRef, part: DiskPart): Promise<Result<Blob>> {
    return attempt(async () => {
      const disk = await this.#find(ref)
      if (part.kind === 'image') {
        const bytes = new Uint8Array(disk.size)
        disk.read(0, bytes)
        return new Blob([bytes])
      }
      const image = value(openFileSystem(disk))
      const pieces = part.kind === 'file' ? [value(image.readFile(part.path))] : value(tarFolder(image, part.path))
      return new Blob(pieces as Uint8Array<ArrayBuffer>[])
    })
  }

  /** Gives back what a kept disk takes of memory; the next look reads it again. */
  forget(): void {
    this.#kept = undefined
  }

  async #find(ref: DiskRef): Promise<ByteSource> {
    if (ref.kind === 'machine') {
      const disk = this.#ofMachine(ref.index)
      if (disk) return disk
      throw new ProblemError(
        problem('no-disk', `the machine has no disk ld${ref.index}`, 'one that it has', 'boot it with that disk'),
      )
    }
    if (this.#kept?.key !== ref.key) {
      this.#kept = undefined
      await readKeptDisk(ref.key, (image, apply) => {
        const disk = new OverlayDisk(image)
        apply(({ offset, length, bytes }) => (bytes ? disk.write(offset, bytes) : disk.zero(offset, length)))
        this.#kept = { key: ref.key, disk }
      })
    }
    return (this.#kept as unknown as { readonly disk: ByteSource }).disk
  }
}

const foldersFirst = (a: FolderEntry, b: FolderEntry): number =>
  Number(b.kind === 'directory') - Number(a.kind === 'directory') || (a.name < b.name ? -1 : 1)

const openFileSystem = (disk: ByteSource): Result<Ext2Image> => {
  const image = openExt2(disk)
  if (image.ok || image.problem.kind !== 'not-ext2') return image
  return refuse(
    problem(
      'no-ext2',
      isFfs(disk) ? 'the disk holds FFS' : 'the disk holds no file system that this page knows',
      'ext2 over the whole disk, to look into it here',
      'download the disk as an image, or look into it in the guest',
    ),
  )
}

const isFfs = (disk: ByteSource): boolean =>
  FFS_PLACES.some((place) => {
    if (place + FFS_MAGIC_AT + 4 > disk.size) return false
    const bytes = new Uint8Array(4)
    disk.read(place + FFS_MAGIC_AT, bytes)
    const view = new DataView(bytes.buffer)
    return FFS_MAGICS.includes(view.getUint32(0, true)) || FFS_MAGICS.includes(view.getUint32(0))
  })

const value = <T>(result: Result<T>): T => {
  if (!result.ok) throw new ProblemError(result.problem)
  return result.value
}

const attempt = async <T>(work: () => Promise<T>): Promise<Result<T>> => {
  try {
    return ok(await work())
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem)
    if (error instanceof RangeError)
      return refuse(
        problem(
          'no-memory',
          `there was no memory for it (${error.message})`,
          'room for a copy in this tab',
          'close other tabs, or take less',
        ),
      )
    throw error
  }
}
