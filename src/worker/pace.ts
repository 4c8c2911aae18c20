/**
 * A worker's pace. setTimeout is clamped to 4 ms once nested, longer than many guests' timers; Atomics.waitAsync is not
 * clamped, so it sleeps where it has been seen to end: in WebKitGTK 2.50 it is there, answers notify, and never times out.
 * Until that proof is there, and again whenever a sleep had to be ended for it, sleeps are setTimeout's.
 */
import type { Pace } from '../host/pace.ts'

/** Atomics.waitAsync; TypeScript's library for our target does not know it. */
export type WaitAsync = (
  cell: Int32Array,
  index: number,
  value: number,
  timeout?: number,
) => { readonly async: boolean; readonly value: string | Promise<string> }

const ofThisHost = (): WaitAsync | undefined =>
  typeof SharedArrayBuffer === 'undefined'
    ? undefined
    : (Atomics as { readonly waitAsync?: WaitAsync }).waitAsync?.bind(Atomics)

/** Longer sleeps are cut here and taken again: a late or lost wake-up then costs at most this. */
const SLEEP_MAX_MS = 1000
/** How long a waitAsync may be overdue before setTimeout ends the sleep. Less than a busy host delays both. */
const OVERDUE_MS = 20
const PROOF_MS = 1

export const createPace = (waitAsync = ofThisHost()): Pace => {
  const channel = new MessageChannel()
  let onTurn: (() => void) | undefined
  channel.port1.onmessage = () => {
    const resolve = onTurn
    onTurn = undefined
    resolve?.()
  }

  const cell = new Int32Array(typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(4) : new SharedArrayBuffer(4))
  let endsByItself = false
  /** Ends the sleep at hand. */
  let end: (() => void) | undefined

  const prove = async (): Promise<void> => {
    endsByItself = false
    // A cell of its own, that nobody notifies: there is one way for this to end.
    const waited = waitAsync?.(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PROOF_MS)
    endsByItself = (await waited?.value) === 'timed-out'
  }
  void prove()

  return {
    turn: () =>
      new Promise<void>((resolve) => {
        onTurn = resolve
        channel.port2.postMessage(0)
      }),
    sleep: (ms) =>
      new Promise<void>((resolve) => {
        const timeout = Math.min(ms, SLEEP_MAX_MS)
        const waits = endsByItself
        const timer = setTimeout(
          () => {
            end?.()
            if (waits) void prove()
          },
          waits ? timeout + OVERDUE_MS : timeout,
        )
        const ended = () => {
          clearTimeout(timer)
          if (end === ended) end = undefined
          resolve()
        }
        end = ended
        if (waits) void Promise.resolve(waitAsync?.(cell, 0, 0, timeout).value).then(ended)
      }),
    wake: () => {
      Atomics.notify(cell, 0)
      end?.()
    },
  }
}
