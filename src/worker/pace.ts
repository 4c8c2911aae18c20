/**
 * A worker's pace. setTimeout is clamped to 4 ms once nested, longer than many guests' timers; Atomics.waitAsync is not
 * clamped, so it is used where it exists.
 */
import type { Pace } from '../host/pace.ts'

interface AsyncWaiter {
  waitAsync?: (
    cell: Int32Array,
    index: number,
    value: number,
    timeout?: number,
  ) => { readonly async: boolean; readonly value: string | Promise<string> }
}

/** Longer sleeps are cut here and taken again: a late or lost wake-up then costs at most this. */
const SLEEP_MAX_MS = 1000

export const createPace = (): Pace => {
  const channel = new MessageChannel()
  let onTurn: (() => void) | undefined
  channel.port1.onmessage = () => {
    const resolve = onTurn
    onTurn = undefined
    resolve?.()
  }

  const cell = new Int32Array(typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(4) : new SharedArrayBuffer(4))
  const { waitAsync } = Atomics as AsyncWaiter
  const canWaitAsync = waitAsync !== undefined && typeof SharedArrayBuffer !== 'undefined'
  let woken: (() => void) | undefined

  return {
    turn: () =>
      new Promise<void>((resolve) => {
        onTurn = resolve
        channel.port2.postMessage(0)
      }),
    sleep: (ms) => {
      const timeout = Math.min(ms, SLEEP_MAX_MS)
      if (canWaitAsync) {
        const waited = waitAsync.call(Atomics, cell, 0, Atomics.load(cell, 0), timeout)
        return waited.async ? Promise.resolve(waited.value).then(() => undefined) : Promise.resolve()
      }
      return new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeout)
        woken = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
    wake: () => {
      Atomics.add(cell, 0, 1)
      if (canWaitAsync) Atomics.notify(cell, 0)
      woken?.()
      woken = undefined
    },
  }
}
