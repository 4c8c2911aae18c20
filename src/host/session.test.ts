import { expect, test } from 'vitest'
import { nodeHost } from '../headless/node-host.ts'
import { fakeMachine, idle, type Step, stopped } from '../headless/testing/fake-machine.ts'
import type { MachineConfig } from '../machine/index.ts'
import { DEFAULTS } from '../settings/settings.ts'
import { Session, type SessionOptions } from './session.ts'

const CONFIG: MachineConfig = { ...DEFAULTS, kernel: new Uint8Array(0), disks: [] }
const off = stopped({ reason: 'halt' })

/** A session on a clock that only sleeps move, by 1 ms each step too. */
const session = (steps: readonly Step[], options: Partial<SessionOptions> = {}) => {
  let nowMs = 1000
  let text = ''
  let woken: (() => void) | undefined
  const slept: number[] = []
  const one: Session<'quit'> = new Session<'quit'>({
    pace: {
      turn: async () => {},
      sleep: (ms) => {
        slept.push(ms)
        nowMs += ms
        return ms < 500 ? Promise.resolve() : new Promise((resolve) => (woken = resolve))
      },
      wake: () => woken?.(),
    },
    nowMs: () => nowMs,
    sliceMs: 5,
    shortestSleepMs: 1,
    longestSleepMs: 1000,
    onConsole: (bytes) => (text += Buffer.from(bytes).toString('latin1')),
    ...options,
  })
  const created = fakeMachine(
    steps.map((step) => (guest) => {
      nowMs += 1
      return step(guest)
    }),
  )(CONFIG, nodeHost(), { console: (bytes) => one.console(bytes), log: () => {} })
  if (!created.ok) throw new Error('no machine')
  one.powerOn(created.value)
  return { session: one, slept, text: () => text, machine: created.value }
}

test('runs slices until the machine stops, sleeping as long as it idles and turning where that is shorter than a sleep', async () => {
  const {
    session: one,
    slept,
    text,
  } = session([(g) => void g.print('a'), () => idle(0.5e6), () => idle(20e6), (g) => void g.print('b'), () => off])
  expect(await one.run()).toEqual({ reason: 'halt' })
  expect(text()).toBe('ab')
  expect(slept).toEqual([20])
  expect(one.figures()).toMatchObject({ instructions: 5000, wallMs: 25, consoleBytes: 2, firstConsoleByteMs: 1 })
})

test('a pattern ends the run: nothing after it is of the run, and the figures are those of the match', async () => {
  const { session: one, text } = session(
    [
      (g) => void g.print('hello'),
      (g) => {
        g.print('worldly')
        return off
      },
    ],
    { until: { push: (chunk) => (Buffer.from(chunk).includes('world') ? 5 : -1) } },
  )
  expect(await one.run()).toEqual({ reason: 'until' })
  one.console(Buffer.from('more'))
  expect(text()).toBe('helloworld')
  expect(one.figures()).toMatchObject({ consoleBytes: 10, untilMs: 2, untilInstructions: 2000 })
})

test('time is up at the limit, however long the guest would have idled', async () => {
  const { session: one, slept } = session([() => idle()], { timeoutMs: 50 })
  expect(await one.run()).toEqual({ reason: 'timeout' })
  expect(slept).toEqual([49])
})

test('an interruption wakes a sleeper, and no slice runs after it', async () => {
  let slices = 0
  const { session: one } = session([
    () => {
      slices++
      return idle()
    },
  ])
  const run = one.run()
  await Promise.resolve()
  one.interrupt('quit')
  expect(await run).toEqual({ reason: 'quit' })
  expect(slices).toBe(1)
})

test('a key wakes a guest that idles', async () => {
  const { session: one, text } = session([
    () => idle(),
    (g) => {
      g.print(g.typed())
      return off
    },
  ])
  const run = one.run()
  await Promise.resolve()
  one.send(Buffer.from('key'))
  expect(await run).toEqual({ reason: 'halt' })
  expect(text()).toBe('key')
})

test('paused, it runs nothing; held by its host, it waits and asks again', async () => {
  let held = 3
  const { session: one, slept } = session([() => off], { holdMs: () => (held-- > 0 ? 100 : 0) })
  one.pause()
  const run = one.run()
  await Promise.resolve()
  expect(slept).toEqual([1000])
  one.resume()
  expect(await run).toEqual({ reason: 'halt' })
  expect(slept).toEqual([1000, 100, 100, 100])
})

test('time is up, though the host holds the machine', async () => {
  const { session: one } = session([() => off], { holdMs: () => 20, timeoutMs: 50 })
  expect(await one.run()).toEqual({ reason: 'timeout' })
})

test('speed is of the time spent executing; a power cycle begins anew, and an end that was is none', async () => {
  const { session: one, machine } = session([
    () => idle(9e6),
    () => undefined,
    () => undefined,
    () => undefined,
    () => off,
  ])
  await one.run()
  // 5 slices of 1 ms and 1,000 instructions each, 9 ms of sleep.
  expect(one.sample()).toEqual({ mips: 1, busy: 5 / 14 })
  expect(one.sample()).toEqual({ mips: 1, busy: 0 })
  one.interrupt('quit')
  expect(await one.run()).toEqual({ reason: 'quit' })
  one.powerOn(machine)
  expect(await one.run()).toEqual({ reason: 'halt' })
  expect(one.figures()?.wallMs).toBe(1)
})

test('what the machine throws ends the run', async () => {
  const { session: one } = session([
    () => {
      throw new Error('invariant broken')
    },
  ])
  await expect(one.run()).rejects.toThrow('invariant broken')
})
