/** Reads a file that a boot needs whole: a file, standard input, a pipe, or a device, which may have no end. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { isatty } from 'node:tty'
import { ok, problem, type Result, refuse } from '../base/problem.ts'
import { fileProblem } from './file-disk.ts'

const MiB = 2 ** 20
/** Asked for at once of what does not say how long it is. */
const PIECE = MiB
/** Node reads no more at once, and holds no more in one array that fs fills. */
const FILE_MAX = 2 ** 31 - 1
/** What magic numbers need. */
const HEAD_BYTES = 8
const PAUSE = new Int32Array(new SharedArrayBuffer(4))

export interface InputLimits {
  /** Most that is taken of what is no regular file. */
  readonly streamMax: number
  /** Whether the first bytes could be what is wanted; the rest of a stream is not read otherwise. */
  readonly couldBe?: (head: Uint8Array) => boolean
}

/** `-` is standard input. */
export const readInputFile = (what: string, name: string, limits: InputLimits): Result<Uint8Array> => {
  const isStdin = name === '-'
  let fd: number | undefined
  try {
    fd = isStdin ? 0 : openSync(name, constants.O_RDONLY)
    const stat = fstatSync(fd)
    if (stat.isDirectory()) return refuse(fileProblem(what, name, { code: 'EISDIR' }))
    const isFile = stat.isFile()
    if (isStdin && isatty(fd))
      return refuse(
        problem(
          'input-is-terminal',
          `the ${what} is to come from standard input, which is a terminal`,
          'a file or a pipe',
          `< FILE, or --${what} FILE`,
        ),
      )
    if (isFile && stat.size > FILE_MAX) return refuse(fileProblem(what, name, { code: 'ERR_FS_FILE_TOO_LARGE' }))
    const limit = isFile ? FILE_MAX : limits.streamMax
    const parts: Buffer[] = []
    let length = 0
    for (;;) {
      // A file of /proc has no length and yet something in it.
      const piece = Buffer.allocUnsafe(
        Math.min(limit + 1 - length, isFile && stat.size > length ? stat.size - length : PIECE),
      )
      const got = readSome(fd, piece)
      if (got === 0) break
      parts.push(piece.subarray(0, got))
      length += got
      if (length > limit)
        return refuse(
          problem(
            'endless-file',
            `the ${what} ${isStdin ? 'on standard input' : name} does not end within ${Math.round(limit / MiB)} MiB`,
            `a ${what}`,
            `check that it is the ${what}`,
          ),
        )
      if (
        !isFile &&
        length >= HEAD_BYTES &&
        length - got < HEAD_BYTES &&
        limits.couldBe?.(Buffer.concat(parts)) === false
      )
        break
    }
    const bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    return ok(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (e) {
    return refuse(fileProblem(what, isStdin ? 'on standard input' : name, e))
  } finally {
    if (fd !== undefined && !isStdin) closeSync(fd)
  }
}

const readSome = (fd: number, into: Buffer): number => {
  for (;;)
    try {
      return readSync(fd, into)
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException
      // Windows says so where a pipe ends.
      if (code === 'EOF') return 0
      if (code !== 'EAGAIN') throw e
      Atomics.wait(PAUSE, 0, 0, 5)
    }
}
