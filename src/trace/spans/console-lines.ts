/** Console bytes to lines with times, and text made fit to show. */
import { utf8Decode } from '../../base/utf8.ts'
import type { Mark } from '../model/trace.ts'

/** Longer text is cut. NetBSD's names and lines stay far below. */
export const TEXT_MAX = 256
const LINES_MAX = 20_000

/**
 * Controls, and the characters that reorder what is around them (Unicode's bidi overrides and isolates): a trace's text
 * comes from guests and strangers and is shown beside our own.
 */
const UNFIT_CHARACTERS =
  '[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff\\ud800-\\udfff]'
const UNFIT = new RegExp(UNFIT_CHARACTERS, 'gu')
/** ECMA-48 control sequences, whole. */
const SEQUENCE = '\\u001b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)?|[@-Z\\\\-_])'
const CONTROL_SEQUENCE = new RegExp(SEQUENCE, 'g')

export const cleanText = (text: string, max = TEXT_MAX): string => {
  const clean = text
    .slice(0, max * 4)
    .replace(/\t/g, ' ')
    .replace(UNFIT, '')
  return clean.length <= max ? clean : `${clean.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

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
