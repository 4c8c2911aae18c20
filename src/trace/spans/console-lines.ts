/** Console bytes to lines with times. */
import { ConsoleCutter, shownLine } from '../../base/console-line.ts'
import { utf8Decode } from '../../base/utf8.ts'
import { cleanText, TEXT_MAX } from '../model/text.ts'
import type { Mark } from '../model/trace.ts'

const LINES_MAX = 20_000
/** UTF-8 has four bytes for a character at most. */
const BYTES_MAX = TEXT_MAX * 4

type Moment = Pick<Mark, 'at' | 'atInstructions'>

export class ConsoleLines {
  readonly #lines: Mark[] = []
  readonly #cutter = new ConsoleCutter(BYTES_MAX, (line) => {
    if (this.#lines.length < LINES_MAX) this.#lines.push(this.#line(line))
    this.#began = this.#now
  })
  /** Of the bytes that are being written, and of the first of the line they belong to. */
  #now: Moment = { at: 0, atInstructions: 0 }
  #began: Moment = this.#now

  /** Bytes that were printed at one moment. */
  write(bytes: Uint8Array, at: number, atInstructions: number): void {
    // A line happened when it began.
    this.#now = { at, atInstructions }
    if (this.#cutter.unfinished === '') this.#began = this.#now
    this.#cutter.write(bytes)
  }

  /** The lines so far, an unfinished one (a prompt) too. */
  lines(): readonly Mark[] {
    const { unfinished } = this.#cutter
    return unfinished === '' ? this.#lines : [...this.#lines, this.#line(unfinished)]
  }

  #line(line: string): Mark {
    const bytes = Uint8Array.from(line, (byte) => byte.charCodeAt(0))
    const text = cleanText(shownLine(utf8Decode(bytes)))
    return { kind: 'console', ...this.#began, text }
  }
}
