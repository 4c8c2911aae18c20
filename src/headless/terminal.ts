/** Standard input as the guest's keyboard. At a terminal every key goes to the guest, except after Ctrl-A, as in QEMU. */
import type { ReadStream } from 'node:tty'

const CTRL_A = 1

/** Splits typed bytes into what the guest gets and what is ours: Ctrl-A x quits, Ctrl-A Ctrl-A is Ctrl-A. */
export class EscapeKey {
  #pending = false

  feed(bytes: Uint8Array): { readonly send: Uint8Array; readonly quit: boolean } {
    const send: number[] = []
    for (const byte of bytes) {
      if (this.#pending) {
        this.#pending = false
        if (byte === 0x78 || byte === 0x58) return { send: Uint8Array.from(send), quit: true }
        if (byte === CTRL_A) send.push(CTRL_A)
        else send.push(CTRL_A, byte)
      } else if (byte === CTRL_A) this.#pending = true
      else send.push(byte)
    }
    return { send: Uint8Array.from(send), quit: false }
  }
}

/** End of file ends the input, not the guest. */
export const readInput = (
  stdin: NodeJS.ReadStream | ReadStream,
  data: (bytes: Uint8Array) => void,
  quit: () => void,
): (() => void) => {
  const tty = stdin.isTTY === true
  const keys = new EscapeKey()
  const onData = (chunk: Buffer): void => {
    if (!tty) {
      data(chunk)
      return
    }
    const { send, quit: quits } = keys.feed(chunk)
    if (send.length > 0) data(send)
    if (quits) quit()
  }
  // A closed or unreadable standard input is one without keys.
  const onError = (): void => {}
  stdin.on('error', onError)
  stdin.on('data', onData)
  const raw = tty && rawMode(stdin as ReadStream)
  stdin.resume()
  return () => {
    if (raw) raw()
    stdin.off('data', onData)
    stdin.pause()
  }
}

/** Every key comes through, until the returned function is called; stopped (kill -TSTP), the terminal is the shell's meanwhile. */
const rawMode = (terminal: ReadStream): (() => void) => {
  const set = (on: boolean): void => {
    try {
      terminal.setRawMode(on)
    } catch {
      // It has hung up.
    }
  }
  const onStop = (): void => {
    set(false)
    process.kill(process.pid, 'SIGSTOP')
  }
  const onContinue = (): void => set(true)
  process.on('SIGTSTP', onStop)
  process.on('SIGCONT', onContinue)
  set(true)
  return () => {
    process.off('SIGTSTP', onStop)
    process.off('SIGCONT', onContinue)
    set(false)
  }
}
