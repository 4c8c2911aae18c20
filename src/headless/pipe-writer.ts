/**
 * Writes to a file descriptor without ever waiting in the system call for a reader, so that signals, the timeout and keys are
 * still heard while nobody reads. What did not go out waits here.
 *
 * A pipe is opened once more by its name in /proc, for O_NONBLOCK belongs to an open file and would be seen by everybody who
 * shares ours. A socket cannot be: Node makes it non-blocking. Files and terminals are written to as they are.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'

/** How often a full pipe is tried again. */
export const FULL_MS = 2

export class PipeWriter {
  readonly #fd: number
  #waiting: Uint8Array[] = []

  /** `fd` may be a pipe that others write to as well. */
  constructor(fd: number) {
    this.#fd = ownPipe(fd) ?? fd
  }

  /** Something has not gone out yet, though it was tried again. Throws what the system says. */
  isFull(): boolean {
    this.#push()
    return this.#waiting.length > 0
  }

  /** Throws what the system says. */
  write(bytes: Uint8Array): void {
    this.#waiting.push(bytes)
    this.#push()
  }

  /** Resolves when all is out, or once `giveUp` does; rejects with what the system says. */
  async drain(giveUp: Promise<unknown> = new Promise(() => {})): Promise<void> {
    const given = giveUp.then(() => true)
    while (this.isFull())
      if (await Promise.race([given, new Promise<false>((again) => setTimeout(() => again(false), FULL_MS))])) return
  }

  #push(): void {
    for (let bytes = this.#waiting[0]; bytes !== undefined; bytes = this.#waiting[0])
      try {
        const written = bytes.length === 0 ? 0 : writeSync(this.#fd, bytes)
        if (written === bytes.length) this.#waiting.shift()
        else this.#waiting[0] = bytes.subarray(written)
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code === 'EAGAIN') return
        this.#waiting = []
        throw e
      }
  }
}

const ownPipe = (fd: number): number | undefined => {
  try {
    const stat = fstatSync(fd)
    if (stat.isSocket()) new Socket({ fd, readable: false, writable: true }).unref()
    if (!stat.isFIFO()) return undefined
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}
