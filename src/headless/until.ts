/**
 * Watches console output for a pattern. It is tried after every byte, so that the moment of the match depends on the
 * output alone and not on how it was cut into pieces: under icount it is the same instruction in every run.
 */

/** A match may span this many bytes. Bounds the work for one byte: a few hundred nanoseconds. */
const WINDOW = 256

export class Until {
  readonly #pattern: RegExp
  #window = ''
  seen = false

  constructor(pattern: RegExp) {
    this.#pattern = pattern
  }

  /** Bytes of `chunk` up to and including the one that completed the match, or -1. */
  push(chunk: Uint8Array): number {
    for (let i = 0; i < chunk.length; i++) {
      this.#window += String.fromCharCode(chunk[i]!)
      if (this.#window.length > 2 * WINDOW) this.#window = this.#window.slice(-WINDOW)
      if (this.#pattern.test(this.#window)) {
        this.seen = true
        return i + 1
      }
    }
    return -1
  }
}
