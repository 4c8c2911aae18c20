/**
 * The console's bytes on their way from the worker to whoever draws or reads them. Not state: no byte ever makes React
 * render. Keeps a transcript, so that a terminal that appears late shows what was printed, and a reader with a cursor
 * for programs that wait for text (expect's semantics: a match is consumed).
 */
export type ConsoleSink = (bytes: Uint8Array, done: () => void) => void

export interface ConsoleOptions {
  readonly send: (bytes: Uint8Array<ArrayBuffer>) => void
  readonly acknowledge: (bytes: number) => void
}

const TRANSCRIPT_MAX = 4 * 1024 * 1024
const TEXT_MAX = 4 * 1024 * 1024

interface Waiter {
  readonly pattern: RegExp
  readonly settle: (text: string) => void
}

export class ConsoleStream {
  readonly #send: ConsoleOptions['send']
  readonly #acknowledge: ConsoleOptions['acknowledge']
  readonly #encoder = new TextEncoder()
  #decoder = new TextDecoder()
  #sink: ConsoleSink | undefined
  #onClear: (() => void) | undefined
  #chunks: Uint8Array[] = []
  #held = 0
  #text = ''
  #cursor = 0
  #isDeaf = false
  #waiters: Waiter[] = []

  constructor({ send, acknowledge }: ConsoleOptions) {
    this.#send = send
    this.#acknowledge = acknowledge
  }

  /** Bytes from the guest. */
  feed(bytes: Uint8Array): void {
    this.#keep(bytes)
    if (this.#sink) this.#sink(bytes, () => this.#acknowledge(bytes.length))
    else this.#acknowledge(bytes.length)
    this.#text += this.#decoder.decode(bytes, { stream: true })
    if (this.#text.length > TEXT_MAX) {
      const cut = this.#text.length - TEXT_MAX / 2
      this.#text = this.#text.slice(cut)
      this.#cursor = Math.max(0, this.#cursor - cut)
    }
    this.#match()
  }

  /** A line of ours between the guest's, not part of the transcript's text. */
  note(text: string): void {
    const bytes = this.#encoder.encode(text)
    this.#keep(bytes)
    this.#sink?.(bytes, () => {})
  }

  /** What was printed before the machine was saved, for it to go on below. */
  replay(bytes: Uint8Array): void {
    this.#keep(bytes)
    this.#sink?.(bytes, () => {})
    this.#text += this.#decoder.decode(bytes, { stream: true })
  }

  /** All that was printed, as far as it is remembered. */
  transcript(): Blob {
    return new Blob(this.#chunks as Uint8Array<ArrayBuffer>[])
  }

  /** One terminal at a time; it is given what was printed before it came. */
  attach(sink: ConsoleSink, onClear: () => void): () => void {
    this.#sink = sink
    this.#onClear = onClear
    for (const chunk of this.#chunks) sink(chunk, () => {})
    return () => {
      if (this.#sink !== sink) return
      this.#sink = undefined
      this.#onClear = undefined
    }
  }

  clear(): void {
    this.#chunks = []
    this.#held = 0
    this.#text = ''
    this.#cursor = 0
    this.#isDeaf = false
    this.#decoder = new TextDecoder()
    this.#onClear?.()
  }

  /** Bytes to the guest. */
  send(data: string | Uint8Array): void {
    // A copy: the bytes are transferred.
    this.#send(typeof data === 'string' ? this.#encoder.encode(data) : new Uint8Array(data))
  }

  text(): string {
    return this.#text
  }

  /** What was printed before now has been read: a power-on begins. */
  skip(): void {
    this.#cursor = this.#text.length
    this.#isDeaf = false
  }

  /** A reset was asked for: until the power-on comes, what the old run still prints matches nothing. */
  deafen(): void {
    this.#isDeaf = true
  }

  /** Resolves with the text up to and including the match, which is then consumed. */
  waitForText(pattern: string | RegExp, timeoutMs: number): Promise<string> {
    const source = typeof pattern === 'string' ? pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : pattern.source
    const flags = typeof pattern === 'string' ? '' : pattern.flags.replace(/[gy]/g, '')
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        pattern: new RegExp(source, flags),
        settle: (text) => {
          clearTimeout(timer)
          resolve(text)
        },
      }
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        const tail = this.#text.slice(this.#cursor).slice(-400)
        reject(
          new Error(`${pattern} was not printed within ${timeoutMs} ms; the console ends: ${JSON.stringify(tail)}`),
        )
      }, timeoutMs)
      this.#waiters.push(waiter)
      this.#match()
    })
  }

  #match(): void {
    if (this.#isDeaf) return
    for (const waiter of [...this.#waiters]) {
      const unread = this.#text.slice(this.#cursor)
      const match = waiter.pattern.exec(unread)
      if (!match) continue
      const end = match.index + match[0].length
      this.#cursor += end
      this.#waiters = this.#waiters.filter((other) => other !== waiter)
      waiter.settle(unread.slice(0, end))
    }
  }

  #keep(bytes: Uint8Array): void {
    this.#chunks.push(bytes)
    this.#held += bytes.length
    while (this.#held > TRANSCRIPT_MAX && this.#chunks.length > 1) this.#held -= this.#chunks.shift()?.length ?? 0
  }
}
