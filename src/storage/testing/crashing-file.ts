/** Files that remember what was done to them in order, so that a test may let the power fail at any moment. */
import type { LogFile } from '../overlay-log.ts'

type Operation =
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'truncate'; readonly file: number; readonly size: number }
  | { readonly kind: 'flush'; readonly file: number }

export class MemoryFile implements LogFile {
  bytes = new Uint8Array(0)
  /** Bytes it takes at most. */
  limit = Number.POSITIVE_INFINITY
  /** What `write` returns when it takes no byte; without it, it throws. */
  full: number | undefined
  readonly onOperation: (operation: Operation) => void
  readonly index: number

  constructor(index = 0, onOperation: (operation: Operation) => void = () => {}) {
    this.index = index
    this.onOperation = onOperation
  }

  getSize(): number {
    return this.bytes.length
  }

  read(into: Uint8Array<ArrayBuffer>, { at }: { readonly at: number }): number {
    const part = this.bytes.subarray(at, at + into.length)
    into.set(part)
    return part.length
  }

  write(bytes: Uint8Array<ArrayBuffer>, { at }: { readonly at: number }): number {
    const taken = bytes.subarray(0, Math.max(0, this.limit - at))
    if (taken.length === 0 && bytes.length > 0 && this.full !== undefined) return this.full
    if (taken.length === 0 && bytes.length > 0) throw new DOMException('no room', 'QuotaExceededError')
    this.onOperation({ kind: 'write', file: this.index, at, bytes: taken.slice() })
    if (at + taken.length > this.bytes.length) this.#resize(at + taken.length)
    this.bytes.set(taken, at)
    return taken.length
  }

  truncate(size: number): void {
    this.onOperation({ kind: 'truncate', file: this.index, size })
    this.#resize(size)
  }

  flush(): void {
    this.onOperation({ kind: 'flush', file: this.index })
  }

  #resize(size: number): void {
    const resized = new Uint8Array(size)
    resized.set(this.bytes.subarray(0, size))
    this.bytes = resized
  }
}

/** Two files and everything that was done to them. */
export class CrashingFiles {
  readonly operations: Operation[] = []
  readonly files: readonly [MemoryFile, MemoryFile] = [
    new MemoryFile(0, (operation) => this.operations.push(operation)),
    new MemoryFile(1, (operation) => this.operations.push(operation)),
  ]

  /** The files as they are when the tab dies after `count` operations and `part` of the next one, 0..1. */
  afterTabCrash(count: number, part: number): readonly [MemoryFile, MemoryFile] {
    const files = [new MemoryFile(), new MemoryFile()] as const
    this.operations.slice(0, count).forEach((operation) => {
      perform(files, operation)
    })
    const next = this.operations[count]
    if (next?.kind === 'write')
      perform(files, { ...next, bytes: next.bytes.slice(0, Math.floor(next.bytes.length * part)) })
    return files
  }

  /**
   * The files when the computer loses power then: of what was not flushed, only what `survives` says has reached the
   * medium, and of a write perhaps only some sectors.
   */
  afterPowerCut(count: number, survives: () => boolean): readonly [MemoryFile, MemoryFile] {
    const done = this.operations.slice(0, count)
    const files = [new MemoryFile(), new MemoryFile()] as const
    done.forEach((operation, index) => {
      const isFlushed = done.slice(index).some(({ kind, file }) => kind === 'flush' && file === operation.file)
      if (isFlushed) perform(files, operation)
      else if (operation.kind === 'write') {
        for (let at = 0; at < operation.bytes.length; at += 512)
          if (survives())
            perform(files, { ...operation, at: operation.at + at, bytes: operation.bytes.slice(at, at + 512) })
      } else if (survives()) perform(files, operation)
    })
    return files
  }
}

const perform = (files: readonly [MemoryFile, MemoryFile], operation: Operation): void => {
  const file = files[operation.file as 0 | 1]
  if (operation.kind === 'write' && operation.bytes.length > 0) file.write(operation.bytes, { at: operation.at })
  else if (operation.kind === 'truncate') file.truncate(operation.size)
}
