/**
 * A disk image file as a BlockBackend. Reads and writes go straight to the file, as with QEMU: what the guest wrote is
 * there afterwards, however the run ended. `flush` makes it durable.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
import { ok, problem, type Result, refuse } from '../base/problem.ts'
import type { BlockBackend } from '../machine/machine.ts'

const SECTOR = 512
const ZEROES = new Uint8Array(64 * 1024)

export interface FileDisk extends BlockBackend {
  close(): void
}

export const openDisk = (file: string, readOnly: boolean): Result<FileDisk> => {
  let fd: number
  try {
    fd = openSync(file, readOnly ? 'r' : 'r+')
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
      return refuse(
        problem(
          'disk-not-writable',
          `the disk image ${file} cannot be ${readOnly ? 'read' : 'written'} (${code})`,
          `a file to ${readOnly ? 'read' : 'read and write'}`,
          readOnly ? 'change its permissions' : `--disk ${file},ro`,
        ),
      )
    return refuse(fileProblem('disk image', file, e))
  }
  const stat = fstatSync(fd)
  const fail = (kind: string, saw: string, expected: string, hint: string) => {
    closeSync(fd)
    return refuse(problem(kind, saw, expected, hint))
  }
  if (!stat.isFile()) return fail('disk-not-file', `${file} is not a regular file`, 'a raw disk image', 'name a file')
  if (stat.size === 0)
    return fail('disk-empty', `the disk image ${file} is empty`, 'at least 512 bytes', 'make it first')
  if (stat.size % SECTOR !== 0)
    return fail(
      'disk-size',
      `the disk image ${file} has ${stat.size} bytes`,
      'a raw image, a multiple of 512 bytes',
      `truncate -s ${Math.ceil(stat.size / SECTOR) * SECTOR} ${file}, if it is a raw image`,
    )
  return ok({
    size: stat.size,
    readOnly,
    id: basename(file)
      .replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 20),
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
      ? `there is no ${what} ${file}`
      : code === 'EISDIR'
        ? `${file} is a directory`
        : `the ${what} ${file} cannot be read (${code ?? String(e)})`
  return problem('file', saw, 'a file that can be read', 'check its name and permissions')
}
