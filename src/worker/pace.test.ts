import { describe, expect, it, vi } from 'vitest'
import { createPace, type WaitAsync } from './pace.ts'

const real = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync.bind(Atomics)
const isSettled = async (promise: Promise<void>): Promise<boolean> => {
  let settled = false
  void promise.then(() => {
    settled = true
  })
  await Promise.resolve()
  await Promise.resolve()
  return settled
}
/** The proof takes a millisecond. */
const proved = () => new Promise((resolve) => setTimeout(resolve, 20))

/** As in WebKitGTK 2.50: a timeout never comes. */
const neverEnds: WaitAsync = (cell, index, value) => real(cell, index, value)

describe('a sleep', () => {
  for (const [name, waitAsync] of [
    ['by a waitAsync that ends', real],
    ['where waitAsync never times out', neverEnds],
    ['where there is no waitAsync', undefined],
  ] as const) {
    it(`ends ${name}`, async () => {
      const pace = createPace(waitAsync)
      for (const ms of [0.3, 2, 5]) await pace.sleep(ms)
      await proved()
      for (const ms of [0.3, 2, 5]) await pace.sleep(ms)
    })

    it(`is ended by a wake ${name}`, async () => {
      const pace = createPace(waitAsync)
      await proved()
      vi.useFakeTimers()
      const sleep = pace.sleep(500)
      pace.wake()
      await sleep
      // One that comes early is for nobody.
      pace.wake()
      const next = pace.sleep(500)
      expect(await isSettled(next)).toBe(false)
      pace.wake()
      await next
      vi.useRealTimers()
    })
  }

  it('ends where waitAsync stops to time out after it was seen to, and waits there no more', async () => {
    let works = true
    let asked = 0
    const pace = createPace((cell, index, value, timeout) => {
      asked++
      return works ? real(cell, index, value, timeout) : real(cell, index, value)
    })
    await proved()
    works = false
    await pace.sleep(1)
    // The sleep, the proof before it and the one after it.
    expect(asked).toBe(3)
    await pace.sleep(1)
    expect(asked).toBe(3)
    works = true
  })

  it('is not begun by waitAsync before the proof', async () => {
    let asked = 0
    const pace = createPace((cell, index, value) => {
      asked++
      return real(cell, index, value)
    })
    await pace.sleep(1)
    expect(asked).toBe(1)
  })
})
