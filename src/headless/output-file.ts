/**
 * A file that a run writes at its end. Before the run it is only looked at; it is made, whole, when there is something to put
 * into it: a run that is refused or killed leaves neither an empty file nor half of one, and what was there stays until then.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Problem, problem } from '../base/problem.ts'
import { PipeWriter } from './pipe-writer.ts'

/** Links followed before the file system would say ELOOP. */
const LINKS_MAX = 40
/** How often somebody is looked for at the other end of a FIFO. */
const AGAIN_MS = 10

const STREAMS: Readonly<Record<string, number>> = { '-': 1, '/dev/stdout': 1, '/dev/stderr': 2 }

export class OutputFile {
  /** As the person named it. */
  readonly name: string
  /** A descriptor that we have already; undefined for a file. */
  readonly #stream: number | undefined
  /** Where links lead to. */
  readonly #path: string

  constructor(name: string) {
    this.name = name
    const numbered = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(name)?.[1]
    this.#stream = STREAMS[name] ?? (numbered === undefined ? undefined : Number(numbered))
    this.#path = followed(name)
  }

  /** The same for two names of one file that can be written only once; undefined for streams. */
  get identity(): string | undefined {
    if (this.#stream !== undefined) return undefined
    const stat = statSync(this.#path, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) return resolve(this.#path)
    return stat.isFile() ? `${stat.dev}:${stat.ino}` : undefined
  }

  /** Why it cannot be written, as far as can be told without touching it. */
  check(): Problem | undefined {
    try {
      if (this.name === '') return cannotWrite('a file without a name', 'ENOENT')
      if (this.#stream !== undefined) {
        fstatSync(this.#stream)
        return undefined
      }
      const stat = statSync(this.#path, { throwIfNoEntry: false })
      if (stat?.isDirectory() || (stat === undefined && /[/\\]$/.test(this.name)))
        return cannotWrite(`the file ${this.name}`, 'EISDIR')
      if (stat === undefined) accessSync(dirname(resolve(this.#path)), constants.W_OK | constants.X_OK)
      else accessSync(this.#path, constants.W_OK)
      return undefined
    } catch (e) {
      return cannotWrite(`the file ${this.name}`, codeOf(e))
    }
  }

  /** Puts `bytes` into it; waits for the reader of a pipe until `giveUp` resolves. */
  async write(bytes: Uint8Array, giveUp?: Promise<unknown>): Promise<Problem | undefined> {
    try {
      if (this.#stream !== undefined) await writeStream(this.#stream, bytes, giveUp)
      else {
        const stat = statSync(this.#path, { throwIfNoEntry: false })
        if (stat?.isFIFO()) await this.#writeFifo(bytes, giveUp)
        else if (stat !== undefined && !isReplaceable(stat)) writeAt(this.#path, 'w', bytes)
        else this.#replace(bytes, stat?.mode)
      }
      return undefined
    } catch (e) {
      return cannotWrite(`the file ${this.name}`, codeOf(e))
    }
  }

  /** Beside it, then in its place. A folder that takes no new files, or not ours, is written into as before. */
  #replace(bytes: Uint8Array, mode: number | undefined): void {
    const mine = join(dirname(this.#path), `.boot-${process.pid}-${Math.random().toString(36).slice(2)}`)
    try {
      writeAt(mine, 'wx', bytes)
      if (mode !== undefined) chmodSync(mine, mode & 0o777)
      renameSync(mine, this.#path)
    } catch (e) {
      rmSync(mine, { force: true })
      if (mode === undefined || !['EACCES', 'EPERM', 'EROFS', 'EXDEV', 'EBUSY'].includes(codeOf(e))) throw e
      writeAt(this.#path, 'w', bytes)
    }
  }

  async #writeFifo(bytes: Uint8Array, giveUp?: Promise<unknown>): Promise<void> {
    let stop = false
    void giveUp?.then(() => {
      stop = true
    })
    for (;;)
      try {
        const fd = openSync(this.#path, constants.O_WRONLY | constants.O_NONBLOCK)
        try {
          await writeStream(fd, bytes, giveUp)
        } finally {
          closeSync(fd)
        }
        return
      } catch (e) {
        // Nobody reads yet.
        if (codeOf(e) !== 'ENXIO' || stop) throw e
        await new Promise((again) => setTimeout(again, AGAIN_MS))
      }
  }
}

const writeStream = async (fd: number, bytes: Uint8Array, giveUp?: Promise<unknown>): Promise<void> => {
  const pipe = new PipeWriter(fd)
  pipe.write(bytes)
  await pipe.drain(giveUp)
}

/** One of ours that nobody knows by another name: another file in its place is the same to everybody. */
const isReplaceable = (stat: Stats): boolean =>
  stat.isFile() && stat.nlink === 1 && (process.getuid === undefined || stat.uid === process.getuid())

const writeAt = (path: string, flags: string, bytes: Uint8Array): void => {
  const fd = openSync(path, flags)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
  } finally {
    closeSync(fd)
  }
}

/** A link stays one: what it leads to is replaced, which need not be there yet. */
const followed = (name: string): string => {
  let path = name
  for (let i = 0; i < LINKS_MAX; i++)
    try {
      path = resolve(dirname(path), readlinkSync(path))
    } catch {
      return path
    }
  return name
}

const codeOf = (e: unknown): string => (e as NodeJS.ErrnoException).code ?? String(e)

const WHY: Readonly<Record<string, readonly [why: string, expected: string, hint: string]>> = {
  ENOSPC: ['no space is left there', 'room for it', 'make room, or write it elsewhere'],
  EDQUOT: ['the quota there is used up', 'room for it', 'make room, or write it elsewhere'],
  EFBIG: ['it is larger than files may be there', 'a place for large files', 'write it elsewhere'],
  ENOENT: ['there is no such folder', 'a file in a folder that exists', 'make the folder, or another name'],
  ENOTDIR: ['there is no such folder', 'a file in a folder that exists', 'make the folder, or another name'],
  EISDIR: ['that is a folder', 'the name of a file', 'a name in that folder'],
  EACCES: ['that is not allowed', 'a place that you may write to', 'another name'],
  EPERM: ['that is not allowed', 'a place that you may write to', 'another name'],
  EROFS: ['that file system is read-only', 'a place that you may write to', 'another name'],
  EPIPE: ['its reader has gone', 'a reader that takes all of it', 'a file instead'],
  ENXIO: ['nobody reads from it', 'a reader at its other end', 'a file instead'],
  EBADF: ['that descriptor is not open for it', 'a descriptor that the shell opened', 'a file instead'],
}

/** `what` is a noun with its article. */
export const cannotWrite = (what: string, code: string): Problem => {
  const [why, expected, hint] = WHY[code] ?? ['', 'a file that can be written', 'another name']
  return problem('not-writable', `${what} cannot be written${why === '' ? '' : `, ${why}`} (${code})`, expected, hint)
}
