/**
 * Who has a disk image open: one run that writes, or any number that read. Nothing is left behind by a run that is killed.
 *
 * Linux: Node has no file locks, so a lock is a socket of ours in the abstract namespace (unix(7)), whose name is the file's
 * device and inode; the kernel takes it back when the process is gone, and /proc/net/unix lists those of others. QEMU's locks
 * are seen in /proc/locks: it holds bytes 100 + n of an image for what it does to it and 200 + n for what it lets nobody else
 * do, where n = 1 is writing (block/file-posix.c, RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE; include/block/block-common.h,
 * BLK_PERM_WRITE). Missing on purpose: QEMU does not see our locks, and other systems have none.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { type Problem, problem } from '../base/problem.ts'
import { shellWord } from '../disk/disk-image.ts'
import type { FileDisk } from './file-disk.ts'

const QEMU_WRITES = 101
const QEMU_LETS_NOBODY_WRITE = 201

export interface ImageLocks {
  release(): void
}

/** Of all disks of a run, or why not. */
export const lockImages = async (disks: readonly FileDisk[]): Promise<ImageLocks | Problem> => {
  const sockets: Server[] = []
  const release = (): void => {
    for (const socket of sockets) socket.close()
  }
  const seen = new Map<string, FileDisk>()
  for (const disk of disks) {
    const other = seen.get(disk.identity)
    if (other === undefined) seen.set(disk.identity, disk)
    else if (!disk.readOnly || !other.readOnly) {
      release()
      return problem(
        'disk-in-use',
        `the disk image ${disk.file} is two disks of this run${other.file === disk.file ? '' : `, as ${other.file} too`}`,
        'an image for each disk that is written to',
        `a copy of it for one of them, or --disk ${shellWord(`${disk.file},ro`)} for both`,
      )
    } else continue
    const lock = await lockImage(disk)
    if (lock !== undefined) sockets.push(lock)
    else {
      release()
      return problem(
        'disk-in-use',
        `the disk image ${disk.file} is in use by another machine${disk.readOnly ? ', which writes to it' : ''}`,
        disk.readOnly ? 'an image that nobody writes to' : 'an image that nobody else has open',
        'end that machine, or give this one a copy',
      )
    }
  }
  return { release }
}

let readers = 0

/** Undefined when somebody else has it. First the lock, then the look at others': of two that come at once one is refused. */
const lockImage = async ({ identity, readOnly }: FileDisk): Promise<Server | undefined> => {
  if (process.platform !== 'linux') return createServer()
  const base = `netbsd-microvm-playground/${identity}/`
  // Some number of readers, none of whom needs to know of another.
  const name = readOnly ? `${base}${process.pid}.${readers++}` : `${base}writes`
  const socket = await bind(`\0${name}`)
  if (socket === undefined) return undefined
  const others = listOf('/proc/net/unix', (line) => line.match(/ @(.*?)@*$/)?.[1]).filter(
    (other) => other.startsWith(base) && other !== name,
  )
  const isTaken = readOnly ? others.includes(`${base}writes`) : others.length > 0
  if (!isTaken && !isQemus(identity, readOnly)) return socket
  socket.close()
  return undefined
}

const bind = (path: string): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const socket = createServer((connection) => connection.destroy())
    socket.unref()
    // What cannot have sockets has no locks.
    socket.once('error', (e: NodeJS.ErrnoException) => resolve(e.code === 'EADDRINUSE' ? undefined : createServer()))
    socket.listen(path, () => resolve(socket))
  })

/** `1: OFDLCK ADVISORY READ -1 08:01:131 101 101`: device in hexadecimal, inode and range in decimal. */
const isQemus = (identity: string, readOnly: boolean): boolean => {
  const [device, inode] = identity.split(':').map(BigInt) as [bigint, bigint]
  const [major, minor] = [
    ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn),
    (device & 0xffn) | ((device >> 12n) & ~0xffn),
  ]
  const bytes = listOf('/proc/locks', (line) => {
    const lock = /(?:OFDLCK|POSIX) +\w+ +\w+ +-?\d+ ([0-9a-f]+):([0-9a-f]+):(\d+) (\d+) (\d+|EOF)$/.exec(line)
    if (lock === null) return undefined
    const [, hexMajor, hexMinor, at, first, last] = lock as unknown as string[]
    const isThis =
      BigInt(`0x${hexMajor}`) === major && BigInt(`0x${hexMinor}`) === minor && BigInt(at as string) === inode
    return isThis ? { first: Number(first), last: last === 'EOF' ? Infinity : Number(last) } : undefined
  })
  return [QEMU_WRITES, ...(readOnly ? [] : [QEMU_LETS_NOBODY_WRITE])].some((byte) =>
    bytes.some(({ first, last }) => first <= byte && byte <= last),
  )
}

const listOf = <T>(file: string, of: (line: string) => T | undefined): readonly T[] => {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line) => of(line.trimEnd()) ?? [])
  } catch {
    return []
  }
}
