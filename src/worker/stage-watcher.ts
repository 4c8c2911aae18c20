/**
 * Reads the console as it is written and says when a stage begins: console lines mark stages where nothing better does.
 * Stages match in order: a later stage found first skips the ones before it, none matches twice.
 */
import { ConsoleCutter, shownLine } from '../base/console-line.ts'
import type { StagePattern } from './protocol.ts'

/** A line longer than this is not searched past it. */
const LINE_MAX = 512

export type Found = (kind: 'stage' | 'ready', name: string) => void

export class StageWatcher {
  readonly #stages: readonly { readonly name: string; readonly pattern: RegExp }[]
  readonly #expected: readonly RegExp[]
  readonly #found: Found
  #next = 0
  #seen = 0
  readonly #cutter = new ConsoleCutter(LINE_MAX, (printed) => {
    // Patterns are of ASCII: a byte is a character.
    const line = shownLine(printed)
    if (line === '' || this.isDone) return
    this.#matchStage(line)
    this.#matchExpected(line)
  })

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
    this.#cutter.write(bytes)
    // A prompt has no line end, and the guest may write byte by byte: try at each.
    this.#matchExpected(shownLine(this.#cutter.unfinished))
  }

  /** Once per slice: an unfinished line may begin a stage too. */
  poll(): void {
    const line = shownLine(this.#cutter.unfinished)
    if (!this.isDone && line !== '') this.#matchStage(line)
  }

  #matchStage(line: string): void {
    for (let i = this.#next; i < this.#stages.length; i++) {
      const stage = this.#stages[i]
      if (stage?.pattern.test(line)) {
        this.#next = i + 1
        this.#found('stage', stage.name)
        break
      }
    }
  }

  #matchExpected(line: string): void {
    const last = this.#expected.length - 1
    if (this.#seen > last) return
    // A quiet kernel (-z) leaves lines out: a later one does for those before it. The prompt alone is too common a
    // text for that, and counts only behind its predecessor.
    for (let i = this.#seen; i < last; i++)
      if (this.#expected[i]?.test(line)) {
        this.#seen = i + 1
        return
      }
    if (this.#seen < last || !this.#expected[last]?.test(line)) return
    this.#seen++
    this.#matchStage(line)
    this.#found('ready', 'ready')
  }
}
