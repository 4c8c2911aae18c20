/** The disks that a boot asks for, put together in this worker's memory: images, roots with a person's files, kept changes. */
import { ProblemError } from '../base/problem.ts'
import { diskId, IMAGE_HEAD_BYTES, IMAGE_TAIL_BYTES, imageProblem } from '../disk/disk-image.ts'
import { isProgram, KEPT_FREE_BYTES, netbsdRoot } from '../disk/netbsd-root.ts'
import { directory, file, type TreeNode } from '../disk/tree.ts'
import { type BlockBackend, OverlayDisk } from '../machine/index.ts'
import { openKeptDisk } from '../storage/kept-disks.ts'
import { createKeptDisk } from './kept-disk.ts'
import type { AddedEntry, DiskSource, DiskSummary, FileSource, Problem } from './protocol.ts'

export interface DiskHost {
  readonly load: (source: FileSource) => Promise<Uint8Array>
  /** Of the kernel that the disks are for. */
  readonly is32Bit: () => Promise<boolean>
  /** Of the files that are added to a disk. */
  readonly onAdded: (done: number, total: number) => void
  readonly onFailure: (problem: Problem) => void
}

export interface HostedDisk {
  readonly backend: BlockBackend
  readonly summary: DiskSummary
  /** Gives back what it holds of the browser's files. */
  close(): void
}

/** All of them or, when one cannot be had, none. Throws ProblemErrors. */
export const openDisks = async (sources: readonly DiskSource[], host: DiskHost): Promise<readonly HostedDisk[]> => {
  const opened = await Promise.allSettled(sources.map((source) => openDisk(source, host)))
  const disks = opened.flatMap((disk) => (disk.status === 'fulfilled' ? [disk.value] : []))
  const failed = opened.find((disk) => disk.status === 'rejected')
  if (!failed) return disks
  for (const disk of disks) disk.close()
  throw failed.reason
}

const openDisk = async (source: DiskSource, host: DiskHost): Promise<HostedDisk> => {
  const { keep, kind, readOnly, added = [] } = source
  const name = kind === 'netbsd-root' ? 'ext2 root' : source.source.name
  const image = () => imageOf(source, host)
  if (!keep || readOnly) {
    const backend = new OverlayDisk(await image(), { id: diskId(source.source.name), readOnly })
    return { backend, summary: { name, size: backend.size, readOnly, kept: undefined }, close: () => {} }
  }
  // A root is made anew with each release of this page: what was kept goes on with the one it began with. An image or
  // files that a person chose must be those.
  const isGiven = (kind === 'image' || added.length > 0) && !keep.asKept
  const files = await openKeptDisk(keep, image, isGiven)
  try {
    const parts = { ...files, id: keep.disk, onFailure: host.onFailure }
    const disk = createKeptDisk(parts)
    if (!disk.ok) throw new ProblemError(disk.problem)
    const { value: backend } = disk
    return {
      backend,
      summary: { name, size: backend.size, readOnly, kept: keep.key },
      close: files.close,
    }
  } catch (error) {
    files.close()
    throw error
  }
}

const imageOf = async (disk: DiskSource, host: DiskHost): Promise<Uint8Array> => {
  const { kind, source, source32, added = [], keep } = disk
  // Most kernels have 64 bits: no waiting for the kernel to say so.
  const usual = host.load(source)
  usual.catch(() => {})
  const bytes = source32 && (await host.is32Bit()) ? await host.load(source32) : await usual
  if (kind === 'image') {
    const [head, tail] = [bytes.subarray(0, IMAGE_HEAD_BYTES), bytes.subarray(-IMAGE_TAIL_BYTES)]
    const wrong = imageProblem(source.name, bytes.length, head, tail)
    if (wrong) throw new ProblemError(wrong)
    return bytes
  }
  const files = await nodesOf(added, host.onAdded)
  const root = netbsdRoot(bytes, { files, ...(keep && { free: KEPT_FREE_BYTES }) })
  if (!root.ok) throw new ProblemError(root.problem)
  return root.value
}

/** Browsers know no modes: programs can be run. */
const nodesOf = async (
  added: readonly AddedEntry[],
  onBytes: (done: number, total: number) => void,
): Promise<ReadonlyMap<string, TreeNode>> => {
  const total = added.reduce((sum, { blob }) => sum + (blob?.size ?? 0), 0)
  const nodes = new Map<string, TreeNode>()
  let done = 0
  for (const { path, blob, mtime } of added) {
    if (!blob) {
      nodes.set(path, directory({}, { mtime }))
      continue
    }
    const bytes = await bytesOf(path, blob)
    nodes.set(path, file(bytes, { mode: isProgram(bytes) ? 0o755 : 0o644, mtime }))
    done += bytes.length
    onBytes(done, total)
  }
  return nodes
}

const bytesOf = async (path: string, blob: Blob): Promise<Uint8Array> => {
  try {
    return new Uint8Array(await blob.arrayBuffer())
  } catch (error) {
    throw new ProblemError({
      kind: 'file-unreachable',
      saw: `the browser could not read the file for ${path} (${error instanceof Error ? error.message : String(error)})`,
      expected: 'a file that has not moved or changed since it was added',
      hint: 'remove it from the list and add it again',
    })
  }
}
