/**
 * Reads the console as it is written and says when a stage begins: console lines mark stages where nothing better does.
 * Stages match in order: a later stage found first skips the ones before it, none matches twice.
 */
import type { StagePattern } from './protocol.ts'

/** A line longer than this is not searched past it. */
const LINE_MAX = 512
const LF = 10
const CR = 13

export type Found = (kind: 'stage' | 'ready', name: string) => void

export class StageWatcher {
  readonly #stages: readonly { readonly name: string; readonly pattern: RegExp }[]
  readonly #expected: readonly RegExp[]
  readonly #found: Found
  #next = 0
  #seen = 0
  #line = ''

  constructor(stages: readonly StagePattern[], expected: readonly string[], found: Found) {
    this.#stages = stages.map(({ name, pattern }) => ({ name, pattern: new RegExp(pattern) }))
    this.#expected = expected.map((pattern) => new RegExp(pattern))
    this.#found = found
  }

  get isReady(): boolean {
    return this.#expected.length > 0 && this.#seen === this.#expected.length
  }

  /** The boot is over: bytes need not be read any more. */
  get isDone(): boolean {
    return this.#seen === this.#expected.length && (this.#seen > 0 || this.#next === this.#stages.length)
  }

  write(bytes: Uint8Array): void {
    if (this.isDone) return
    for (const byte of bytes) {
      if (byte === LF || byte === CR) {
        if (this.#line !== '') {
          this.#matchStage()
          this.#matchExpected()
        }
        this.#line = ''
      } else if (this.#line.length < LINE_MAX) this.#line += String.fromCharCode(byte)
    }
    // A prompt has no line end, and the guest may write byte by byte: try at each.
    this.#matchExpected()
  }

  /** Once per slice: an unfinished line may begin a stage too. */
  poll(): void {
    if (!this.isDone && this.#line !== '') this.#matchStage()
  }

  #matchStage(): void {
    for (let i = this.#next; i < this.#stages.length; i++) {
      const stage = this.#stages[i]
      if (stage?.pattern.test(this.#line)) {
        this.#next = i + 1
        this.#found('stage', stage.name)
        break
      }
    }
  }

  #matchExpected(): void {
    const last = this.#expected.length - 1
    if (this.#seen > last) return
    // A quiet kernel (-z) leaves lines out: a later one does for those before it. The prompt alone is too common a
    // text for that, and counts only behind its predecessor.
    for (let i = this.#seen; i < last; i++)
      if (this.#expected[i]?.test(this.#line)) {
        this.#seen = i + 1
        return
      }
    if (this.#seen < last || !this.#expected[last]?.test(this.#line)) return
    this.#seen++
    this.#matchStage()
    this.#found('ready', 'ready')
  }
}
