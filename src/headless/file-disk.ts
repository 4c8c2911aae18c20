/**
 * A disk image file as a BlockBackend. Reads and writes go straight to the file, as with QEMU: what the guest wrote is
 * there afterwards, however the run ended. `flush` makes it durable. A last sector that the file holds only the start of
 * reads as zeros from there on; a write to it makes it whole.
 */
import { createHash } from 'node:crypto'
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { basename, isAbsolute } from 'node:path'
import { ok, type Problem, problem, type Result, refuse } from '../base/problem.ts'
import { diskBytes, diskId, IMAGE_HEAD_BYTES, IMAGE_TAIL_BYTES, imageProblem, shellWord } from '../disk/disk-image.ts'
import type { BlockBackend } from '../machine/index.ts'
import type { DiskOption } from './options.ts'

const HASH_PIECE = 2 ** 20
const ZEROES = new Uint8Array(64 * 1024)

export interface FileDisk extends BlockBackend {
  readonly file: string
  /** The same for two names of one file. */
  readonly identity: string
  close(): void
}

/** `raw`: its bytes are the disk's sectors, whatever they look like. */
export const openDisk = ({ file, readOnly, raw = false }: DiskOption): Result<FileDisk> => {
  let fd: number
  try {
    // A FIFO would wait for somebody at its other end before it could be refused.
    fd = openSync(file, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | (constants.O_NONBLOCK ?? 0))
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
      return refuse(
        problem(
          'disk-not-writable',
          `the disk image ${file} cannot be ${readOnly ? 'read' : 'written'} (${code})`,
          `a file to ${readOnly ? 'read' : 'read and write'}`,
          readOnly ? 'change its permissions' : `--disk ${shellWord(`${file},ro`)}`,
        ),
      )
    return refuse(code === 'EISDIR' ? folderProblem(file) : fileProblem('disk image', file, e))
  }
  const stat = fstatSync(fd, { bigint: true })
  if (stat.isDirectory()) {
    closeSync(fd)
    return refuse(folderProblem(file))
  }
  const bytes = Number(stat.size)
  const wrong = stat.isFile()
    ? imageFault(fd, file, bytes, raw)
    : problem(
        'disk-not-file',
        `the disk image ${file} is not a regular file`,
        'a raw disk image',
        'copy it into a file, and give that',
      )
  if (wrong !== undefined) {
    closeSync(fd)
    return refuse(wrong)
  }
  return ok({
    file,
    identity: `${stat.dev}:${stat.ino}`,
    size: diskBytes(bytes),
    readOnly,
    id: diskId(basename(file)),
    read(offset, into) {
      // Not straight into shared memory, which fs refuses.
      const bytes = Buffer.allocUnsafe(into.length)
      let got = 0
      while (got < bytes.length) {
        const n = readSync(fd, bytes, got, bytes.length - got, offset + got)
        if (n === 0) break
        got += n
      }
      into.set(bytes.fill(0, got))
    },
    write(offset, bytes) {
      const copy = Buffer.from(bytes)
      for (let put = 0; put < copy.length; ) put += writeSync(fd, copy, put, copy.length - put, offset + put)
    },
    base() {
      const hash = createHash('sha256')
      const piece = Buffer.allocUnsafe(HASH_PIECE)
      for (let at = 0; ; ) {
        const n = readSync(fd, piece, 0, piece.length, at)
        if (n === 0) return `sha256:${hash.digest('hex')}`
        hash.update(piece.subarray(0, n))
        at += n
      }
    },
    flush() {
      if (!readOnly) fdatasyncSync(fd)
    },
    zero(offset, length) {
      for (let at = 0; at < length; at += ZEROES.length)
        this.write(offset + at, ZEROES.subarray(0, Math.min(ZEROES.length, length - at)))
    },
    close() {
      closeSync(fd)
    },
  })
}

const folderProblem = (file: string): Problem =>
  problem(
    'disk-not-file',
    `the disk image ${file} is a folder`,
    'a raw disk image',
    `--add ${shellWord(file)}, which puts it on a disk`,
  )

const imageFault = (fd: number, file: string, bytes: number, raw: boolean): Problem | undefined => {
  const part = (from: number, length: number): Uint8Array => {
    const into = new Uint8Array(length)
    return into.subarray(0, readSync(fd, into, 0, length, from))
  }
  const head = part(0, IMAGE_HEAD_BYTES)
  const tail = part(Math.max(0, bytes - IMAGE_TAIL_BYTES), IMAGE_TAIL_BYTES)
  const wrong = imageProblem(file, bytes, head, tail)
  if (wrong?.kind !== 'disk-not-raw') return wrong
  return raw
    ? undefined
    : { ...wrong, hint: `${wrong.hint}; or --disk ${shellWord(`${file},raw`)} if those are its sectors` }
}

/** Why a file could not be opened or read, for people. */
export const fileProblem = (what: string, file: string, e: unknown) => {
  const code = (e as NodeJS.ErrnoException).code
  if (code === 'ERR_FS_FILE_TOO_LARGE')
    return problem(
      'file',
      `the ${what} ${file} is larger than 2 GiB`,
      'a file that fits in memory',
      `check that it is the ${what}`,
    )
  const saw =
    code === 'ENOENT'
      ? `there is no ${what} ${file}${isAbsolute(file) ? '' : ` in ${process.cwd()}`}`
      : code === 'EISDIR'
        ? `the ${what} ${file} is a directory`
        : `the ${what} ${file} cannot be read (${code ?? String(e)})`
  return problem('file', saw, 'a file that can be read', 'check its name and permissions')
}
