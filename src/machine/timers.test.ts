import { expect, test } from 'vitest'
import { Timers } from './timers.ts'

test('a timer that does not move on takes nobody the loop away', () => {
  const timers = new Timers(() => 1000)
  let fired = 0
  const timer = timers.create(() => {
    fired++
    timer.arm(1000)
  })
  timer.arm(1000)
  timers.expire()
  expect(fired).toBeGreaterThan(0)
  expect(fired).toBeLessThan(10_000)
})
