/**
 * Watches console output for a pattern, byte by byte, so that the moment of a match depends on the output alone and not on
 * how it was cut into pieces: under icount it is the same instruction in every run.
 *
 * Patterns are JavaScript's without lookahead and backreferences, as RE2 (https://github.com/google/re2/wiki/Syntax) has them: a byte costs the same whatever the pattern and whatever came
 * before, so that no pattern can hold up a run, and a match may be of any length. Bytes stand for themselves: a pattern is
 * its UTF-8. `^` and `$` are a line's start and end; the end of what was printed so far is a line's end too, as at a prompt.
 */
import { createRequire } from 'node:module'
import { ok, problem, type Result, refuse } from '../base/problem.ts'

/** An automaton of re2js: what is used of its class DFA, whose whole-text search would begin anew at each byte. */
interface Automaton {
  readonly failed: boolean
  readonly numClasses: number
  runeClass(rune: number): number
  start(input: { context(at: number): number }, at: number): State | null
  /** The state after `rune`; null when its memory is full and has to be given back first. */
  step(state: State, runeClass: number, rune: number, anchor: number): State | null
  resetCache(current: State): State | null
}
interface State {
  /** A match ended before the rune that led here. */
  readonly isMatch: boolean
}
type Re2 = typeof import('re2js')

// re2js's own numbers: RE2Flags.UNANCHORED, its end of text, and Utils.EMPTY_BEGIN_LINE | EMPTY_BEGIN_TEXT.
const UNANCHORED = 0
const END_TEXT = -1
const BEGIN = 1 | 4

const CR = 13
const LF = 10

/** A regular expression that was found to be one. */
export interface Pattern {
  /** One character a byte. */
  readonly source: string
}

/** It takes 20 ms to load, and most runs have no pattern. */
const re2js = (): Re2 => createRequire(import.meta.url)('re2js')

const automatonOf = (source: string): Automaton => {
  const { RE2JS } = re2js()
  return (RE2JS.compile(source, RE2JS.MULTILINE) as unknown as { re2(): { dfa: Automaton } }).re2().dfa
}

/** `\u20ac` as the character: its UTF-8 is what the guest prints. */
const written = (text: string): string =>
  text.replace(/(?<!\\)((?:\\\\)*)\\u(?:\{([0-9a-f]{1,6})\}|([0-9a-f]{4}))/gi, (all, before, braced, plain) => {
    const codePoint = Number.parseInt(braced ?? plain, 16)
    return codePoint < 0x80 || codePoint > 0x10ffff ? all : `${before}${String.fromCodePoint(codePoint)}`
  })

export const parsePattern = (text: string): Result<Pattern> => {
  try {
    const source = re2js().RE2JS.translateRegExp(Buffer.from(written(text)).toString('latin1'))
    automatonOf(source)
    return ok({ source })
  } catch (e) {
    const why = (e as Error).message.replace('error parsing regexp: ', '')
    return refuse(
      problem(
        'bad-pattern',
        `--until "${text}" is not a regular expression (${Buffer.from(why, 'latin1')})`,
        'one without lookahead and backreferences, in the syntax of JavaScript or RE2',
        'put a backslash before ( ) [ ] { } * + ? . ^ $ | that stand for themselves',
      ),
    )
  }
}

export class Until {
  readonly #automaton: Automaton
  /** The pattern speaks of carriage returns; to all others a line ends in LF, whatever the guest writes beside it. */
  readonly #raw: boolean
  #state: State
  #atLineStart = true
  #carriageReturn = false
  seen = false

  /** Throws when the pattern is none: parsePattern says why. */
  constructor({ source }: Pattern) {
    this.#automaton = automatonOf(source)
    this.#raw = /\r|\\r|\\x0d|\\x\{0*d\}|\\015/i.test(source)
    this.#state = this.#automaton.start({ context: () => BEGIN }, 0) as State
  }

  /** Bytes of `chunk` up to and including the one that completed the match, or -1. */
  push(chunk: Uint8Array): number {
    for (let i = 0; i < chunk.length; i++)
      if (this.#take(chunk[i] as number)) {
        this.seen = true
        return i + 1
      }
    return -1
  }

  /** CR LF on most serial lines, LF CR from NetBSD's kernel, and a bare CR that begins a line again: all end a line, once. */
  #take(byte: number): boolean {
    if (this.#raw || byte === LF) {
      this.#carriageReturn = false
      return this.#step(byte)
    }
    if (byte === CR) {
      this.#carriageReturn = !this.#atLineStart
      return false
    }
    if (this.#carriageReturn) {
      this.#carriageReturn = false
      if (this.#step(LF)) return true
    }
    return this.#step(byte)
  }

  /** Whether a match ended before `byte`, which may be what it takes to know (\B), or ends with it. */
  #step(byte: number): boolean {
    this.#atLineStart = byte === LF
    const automaton = this.#automaton
    this.#state = this.#next(automaton.runeClass(byte), byte)
    return this.#state.isMatch || this.#next(automaton.numClasses, END_TEXT).isMatch
  }

  #next(runeClass: number, rune: number): State {
    const automaton = this.#automaton
    const next = automaton.step(this.#state, runeClass, rune, UNANCHORED)
    if (next) return next
    // Its memory is full: it begins anew with the state at hand.
    this.#state = automaton.resetCache(this.#state) ?? this.#state
    const again = automaton.step(this.#state, runeClass, rune, UNANCHORED)
    if (again) return again
    throw new Error(
      `${this.#automaton.numClasses} classes of characters are more than the pattern's automaton can hold`,
    )
  }
}
