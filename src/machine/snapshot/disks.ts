/** The disks of a saved machine: what of them goes into the file, and those that it is given again. */
import { ok, problem, type Result, refuse } from '../../base/problem.ts'
import { OverlayDisk } from '../devices/virtio/overlay-disk.ts'
import type { BlockBackend, RestoreConfig } from '../machine.ts'
import { PLACE_BYTES, type SnapshotSource } from './snapshot.ts'

/** A disk's blocks that a snapshot has: what changed over its base, or all. */
export const diskSource = (disk: BlockBackend): SnapshotSource['disks'][number] => ({
  id: disk.id,
  size: disk.size,
  readOnly: disk.readOnly,
  base: disk.base?.(),
  blocks: disk.base === undefined ? blocksOf(disk) : (disk.changes?.() ?? []),
})

function* blocksOf(disk: BlockBackend): Iterable<{ offset: number; bytes: Uint8Array }> {
  for (let offset = 0; offset < disk.size; offset += PLACE_BYTES) {
    const bytes = new Uint8Array(Math.min(PLACE_BYTES, disk.size - offset))
    disk.read(offset, bytes)
    yield { offset, bytes }
  }
}

/**
 * The disks of a snapshot: those that it has whole are made here, the others must be as they were. What the snapshot has over
 * one goes into memory: a file that it was saved over stays as it is, and the snapshot opens again.
 */
export const disksOf = ({ snapshot, disks }: RestoreConfig): Result<BlockBackend[]> => {
  const given = [...disks]
  const all: BlockBackend[] = []
  for (const disk of snapshot.disks) {
    if (disk.base === undefined) {
      all.push(new OverlayDisk(new Uint8Array(0), disk))
      continue
    }
    const one = given.shift()
    const was = `the disk as it was, ${disk.size} bytes, ${disk.base}${disk.readOnly ? ', read-only' : ''}`
    if (one === undefined)
      return refuse(
        problem('disk-missing', `the snapshot's disk ${disk.id} is not there`, was, `give the disk: --disk ${disk.id}`),
      )
    const base = one.base?.()
    if (one.size !== disk.size || base !== disk.base || (one.readOnly !== disk.readOnly && !disk.isChanged))
      return refuse(
        problem(
          'disk-changed',
          `the disk ${one.id} is of ${one.size} bytes${one.readOnly ? ', read-only' : ''}, ${base ?? 'nobody knows which'}`,
          `the snapshot's ${disk.id}: ${was}`,
          'give the disk that the machine was saved with, as it was then',
        ),
      )
    all.push(disk.isChanged ? new OverlayDisk(one, { ...disk, identity: disk.base }) : one)
  }
  if (given.length === 0) return ok(all)
  return refuse(
    problem(
      'disk-unknown',
      `the snapshot has no use for the disk ${given[0].id}`,
      `${snapshot.disks.length} disks, of which it has ${all.length - disks.length + given.length} itself`,
      'leave it out',
    ),
  )
}
