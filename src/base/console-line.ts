/**
 * A line of a serial console: what ends it, and what a terminal shows of it. Guests go back over what they printed (a
 * carriage return and other figures, NetBSD's twiddle: a character and a backspace), so a line's text is not its bytes
 * in a row. Whoever cuts console bytes into lines does it here, so that the stages, the trace and the terminal agree.
 *
 * Controls as in ECMA-48: BS, HT (columns of 8), CR, CUF, CUB, CHA, EL, ED; other sequences are left out.
 * Missing on purpose: a terminal's width. A line that wraps is one line.
 */
const LF = 10
const CR = 13

/** Control sequences, whole: CSI with its parameters and final byte, OSC, and two-character ones. */
const SEQUENCE = '\\u001b(?:\\[([0-?]*)[ -/]*([@-~])|\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)?|[@-Z\\\\-_])'
const CONTROLS = '[\\u0000-\\u001f\\u007f]'
const CONTROL = new RegExp(CONTROLS)
const PART = new RegExp(`${SEQUENCE}|[^]`, 'gu')

const TAB_COLUMNS = 8
/** Where a sequence may move to: text beyond is no line. */
const COLUMNS_MAX = 4096

/** What a terminal shows of a line, given as it was printed and without its LF. */
export const shownLine = (line: string): string => {
  // A carriage return where the line begins or ends changes nothing, and nearly every line has one.
  let first = 0
  let end = line.length
  while (line.charCodeAt(first) === CR) first++
  while (end > first && line.charCodeAt(end - 1) === CR) end--
  const printed = line.slice(first, end)
  if (!CONTROL.test(printed)) return printed
  const cells: string[] = []
  let column = 0
  const moveTo = (to: number): void => {
    column = Math.max(0, Math.min(to, COLUMNS_MAX))
  }
  for (const [part, parameters, final] of printed.matchAll(PART)) {
    if (final !== undefined) {
      const given = Number.parseInt(parameters ?? '', 10)
      if (final === 'C') moveTo(column + (given || 1))
      else if (final === 'D') moveTo(column - (given || 1))
      else if (final === 'G') moveTo((given || 1) - 1)
      else if (final === 'K' || final === 'J') {
        if (given === 1) cells.fill(' ', 0, column + 1)
        else cells.length = Math.min(cells.length, given === 2 ? 0 : column)
      }
    } else if (part === '\r') column = 0
    else if (part === '\b') moveTo(column - 1)
    else if (part === '\t') moveTo(column - (column % TAB_COLUMNS) + TAB_COLUMNS)
    else if (part.length === 1 && CONTROL.test(part)) continue
    else if (!part.startsWith('\u001b')) {
      while (cells.length < column) cells.push(' ')
      cells[column++] = part
    }
  }
  return cells.join('')
}

/** Console bytes, however they are cut, to lines. A line is text of a character a byte: what they say is the reader's. */
export class ConsoleCutter {
  readonly #longest: number
  readonly #onLine: (line: string) => void
  #line = ''

  /** Of a line with more bytes the rest is left out. */
  constructor(longest: number, onLine: (line: string) => void) {
    this.#longest = longest
    this.#onLine = onLine
  }

  /** The line that has not ended yet: a prompt. */
  get unfinished(): string {
    return this.#line
  }

  write(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (byte === LF) {
        const line = this.#line
        this.#line = ''
        this.#onLine(line)
      } else if (this.#line.length < this.#longest) this.#line += String.fromCharCode(byte)
    }
  }
}
