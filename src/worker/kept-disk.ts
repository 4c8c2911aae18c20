/**
 * A disk whose changes are kept: the image in memory with the log's changes over it, and every write in the log before it
 * is in memory. A write is in the log's file when the guest hears of it, so that it survives the tab; a flush makes it
 * survive the computer.
 *
 * The log is rewritten when it is much longer than the changes that still count.
 */
import type { Problem, Result } from '../base/problem.ts'
import { diskId } from '../disk/disk-image.ts'
import { type BlockBackend, OverlayDisk } from '../machine/index.ts'
import { storageProblem } from '../storage/opfs.ts'
import { type BaseIdentity, type Change, type LogFiles, OverlayLog } from '../storage/overlay-log.ts'

const SECTOR = 512
/**
 * A log longer than this much and twice what counts is rewritten: between two times the guest has then written at least
 * half of what rewriting writes, and what a log wastes is bounded by what it keeps.
 */
const SLACK = 8 * 1024 * 1024

export interface KeptDiskParts {
  readonly id: string
  readonly image: Uint8Array
  readonly identity: BaseIdentity
  readonly logs: LogFiles
  /** Told when a write could not be kept; the guest hears of an I/O error. */
  readonly onFailure: (problem: Problem) => void
}

export const createKeptDisk = ({ id, image, identity, logs, onFailure }: KeptDiskParts): Result<BlockBackend> => {
  const memory = new OverlayDisk(image, { id: diskId(id) })
  const changed = new Uint8Array(memory.size / SECTOR)
  let live = 0

  const apply = ({ offset, length, bytes }: Change): void => {
    if (bytes) memory.write(offset, bytes)
    else memory.zero(offset, length)
    for (let sector = offset / SECTOR; sector < (offset + length) / SECTOR; sector++) {
      live += SECTOR * (1 - (changed[sector] as number))
      changed[sector] = 1
    }
  }

  const opened = OverlayLog.open(logs, identity, apply)
  if (!opened.ok) return opened
  const log = opened.value
  // Where a rewrite failed for want of room, the log grows by as much again before the next one.
  let rewriteAbove = 0

  const rewrite = (): void => {
    try {
      log.rewrite(runs(changed, memory))
      rewriteAbove = 0
    } catch {
      rewriteAbove = 2 * log.bytes
    }
  }

  const append = (change: Change): void => {
    try {
      log.append([change])
    } catch (error) {
      onFailure(storageProblem(`a write to ${id}`, error))
      throw error
    }
    apply(change)
    if (log.bytes > Math.max(SLACK + 2 * live, rewriteAbove)) rewrite()
  }

  return {
    ok: true,
    value: {
      size: memory.size,
      readOnly: false,
      id: memory.id,
      read: (offset, into) => memory.read(offset, into),
      write: (offset, bytes) => append({ offset, length: bytes.length, bytes }),
      zero: (offset, length) => append({ offset, length, bytes: undefined }),
      flush: () => log.flush(),
    },
  }
}

/** What was changed, as it is now, in runs of sectors; a run of zeros takes no room. */
const runs = (changed: Uint8Array, disk: BlockBackend): Change[] => {
  const found: Change[] = []
  for (let first = changed.indexOf(1); first >= 0; ) {
    const next = changed.indexOf(0, first)
    const end = next < 0 ? changed.length : next
    const bytes = new Uint8Array((end - first) * SECTOR)
    disk.read(first * SECTOR, bytes)
    const isZero = bytes.every((byte) => byte === 0)
    found.push({ offset: first * SECTOR, length: bytes.length, bytes: isZero ? undefined : bytes })
    first = changed.indexOf(1, end)
  }
  return found
}
