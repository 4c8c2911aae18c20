/** Console bytes to lines with times. */
import { utf8Decode } from '../../base/utf8.ts'
import { cleanText, TEXT_MAX } from '../model/text.ts'
import type { Mark } from '../model/trace.ts'

const LINES_MAX = 20_000
/** ECMA-48 control sequences, whole. */
const SEQUENCE = '\\u001b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)?|[@-Z\\\\-_])'
const CONTROL_SEQUENCE = new RegExp(SEQUENCE, 'g')

export class ConsoleLines {
  readonly #lines: Mark[] = []
  #bytes: number[] = []
  #at = 0
  #atInstructions = 0

  write(bytes: Uint8Array, at: number, atInstructions: number): void {
    for (const byte of bytes) {
      if (byte === 10) {
        if (this.#lines.length < LINES_MAX) this.#lines.push(this.#line())
        this.#bytes = []
        continue
      }
      if (this.#bytes.length === 0) {
        // A line happened when it began.
        this.#at = at
        this.#atInstructions = atInstructions
      }
      if (this.#bytes.length < TEXT_MAX * 4) this.#bytes.push(byte)
    }
  }

  /** The lines so far, an unfinished one (a prompt) too. */
  lines(): readonly Mark[] {
    return this.#bytes.length === 0 ? this.#lines : [...this.#lines, this.#line()]
  }

  #line(): Mark {
    const text = cleanText(utf8Decode(this.#bytes).replace(/\r/g, '').replace(CONTROL_SEQUENCE, ''))
    return { kind: 'console', at: this.#at, atInstructions: this.#atInstructions, text }
  }
}
