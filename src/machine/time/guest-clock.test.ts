import { describe, expect, test } from 'vitest'
import { CountedClock, LAST_NS, WallClock } from './guest-clock.ts'

/** A host whose clock ticks every `tickMs`, at 100 million instructions a second but for what `late` says. */
const coarseHost = (tickMs: number) => {
  const count = { retired: 0, charged: 0 }
  let realNs = 0
  const host = {
    monotonicNs: () => Math.floor(realNs / (tickMs * 1e6)) * tickMs * 1e6,
    unixMs: () => 1_790_000_000_000 + Math.floor(realNs / 1e6),
  }
  const clock = new WallClock(host, () => count)
  return {
    clock,
    count,
    run: (instructions: number, nsEach = 10) => {
      count.retired += instructions
      realNs += instructions * nsEach
    },
    stall: (ns: number) => {
      realNs += ns
    },
    get realNs() {
      return realNs
    },
  }
}

describe.each([0.005, 1, 16.7, 100])('under a host clock that ticks every %f ms', (tickMs) => {
  test('guest time goes on between ticks, never back, and does not drift', () => {
    const { clock, run } = coarseHost(tickMs)
    let before = -1
    let back = 0
    let still = 0
    // Ten seconds.
    for (let i = 0; i < 1_000_000; i++) {
      run(1000)
      clock.look()
      if (clock.now() <= before || !Number.isInteger(clock.now())) back++
      if (clock.now() - before < 1000) still++
      before = clock.now()
    }
    expect(back).toBe(0)
    expect(still / 1_000_000).toBeLessThan(0.3)
    expect(Math.abs(clock.now() - 10e9)).toBeLessThan(2 * tickMs * 1e6 + 1e6)
  })

  test('no two looks are further apart than a millisecond, however late the host', () => {
    const machine = coarseHost(tickMs)
    let before = 0
    let most = 0
    for (let i = 0; i < 200_000; i++) {
      machine.run(2000)
      if (i % 5000 === 0) machine.stall(80e6)
      machine.clock.look()
      most = Math.max(most, machine.clock.now() - before)
      before = machine.clock.now()
    }
    expect(most).toBeLessThanOrEqual(1e6)
    expect(Math.abs(machine.clock.now() - machine.realNs)).toBeLessThan(2 * tickMs * 1e6 + 85e6)
  })
})

describe('under the wall clock', () => {
  test('a sleep that ended late gives the guest every tick of its timer, one after the other', () => {
    const machine = coarseHost(0.005)
    machine.run(1000)
    machine.clock.look()
    const first = machine.clock.now()
    machine.stall(35e6)
    const ticks: number[] = []
    for (let deadline = first + 10e6; ; deadline += 10e6) {
      const { sleepNs } = machine.clock.rest(deadline)
      if (sleepNs > 0) break
      ticks.push(Math.round((machine.clock.now() - first) / 1e6))
    }
    expect(ticks).toEqual([10, 20, 30])
  })

  test('a guest that was running while its host was busy elsewhere has every tick as well', () => {
    const count = { retired: 0, charged: 0 }
    let realNs = 0
    let deadline = 10e6
    const clock = new WallClock(
      { monotonicNs: () => realNs, unixMs: () => 0 },
      () => count,
      () => deadline,
    )
    let ticks = 0
    for (let i = 0; i < 20_000; i++) {
      count.retired += 20_000
      realNs += 200_000
      if (i % 500 === 7) realNs += 300e6 + (i % 7) * 1e6
      clock.look()
      if (clock.now() < deadline) continue
      ticks++
      expect(clock.now() - deadline).toBeLessThan(2)
      deadline += 10e6
    }
    expect(Math.abs(ticks - realNs / 10e6)).toBeLessThan(3)
  })

  test('being asked while it sleeps does not make the guest faster when it wakes', () => {
    const machine = coarseHost(0.005)
    machine.run(1000)
    machine.clock.look()
    for (let tick = 1; tick <= 500; tick++) {
      const deadline = machine.clock.now() + 10e6
      machine.clock.rest(deadline)
      // Somebody draws figures meanwhile.
      machine.stall(5e6)
      machine.clock.resume(true, deadline)
      machine.stall(5e6)
      machine.clock.resume(true, deadline)
      for (let i = 0; i < 3; i++) {
        machine.run(300)
        machine.clock.look()
      }
    }
    for (let i = 0; i < 1000; i++) {
      machine.run(2000)
      machine.clock.look()
    }
    expect(Math.abs(machine.clock.now() - machine.realNs)).toBeLessThan(2e6)
  })

  test('a guest that works for a moment at a time comes to its pace as well, after it was slow for once', () => {
    const machine = coarseHost(0.005)
    // Decoding, compiling: a hundred times slower.
    for (let i = 0; i < 100; i++) {
      machine.run(1000, 1000)
      machine.clock.look()
    }
    let most = 0
    for (let i = 0; i < 1000; i++) {
      const deadline = machine.clock.now() + 1e6
      const { sleepNs } = machine.clock.rest(deadline)
      machine.stall(sleepNs)
      machine.clock.resume(true, deadline)
      machine.clock.look()
      const before = machine.clock.now()
      machine.run(20_000)
      machine.clock.look()
      if (i >= 500) most = Math.max(most, machine.clock.now() - before)
    }
    expect(most).toBeLessThan(3e5)
  })

  test('the calendar agrees with guest time, and follows the host when that was set', () => {
    const machine = coarseHost(1)
    const { seconds } = machine.clock.unix()
    for (let i = 0; i < 100_000; i++) {
      machine.run(2000)
      machine.clock.look()
    }
    const now = machine.clock.unix()
    expect(now.seconds + now.nanoseconds / 1e9 - seconds).toBeCloseTo(machine.clock.now() / 1e9, 1)
  })

  test('a host that slept for an hour has not let guest time go on', () => {
    const machine = coarseHost(1)
    machine.stall(3600e9)
    machine.clock.look()
    expect(machine.clock.now()).toBeLessThan(1e6)
    expect(machine.clock.unix().seconds).toBe(1_790_000_000 + 3600)
  })
})

describe('under icount', () => {
  test('instructions, charges and what HLT jumped over are one time', () => {
    const count = { retired: 100, charged: 2000 }
    const clock = new CountedClock(() => count, 0)
    expect(clock.now()).toBe(2100)
    expect(clock.chunk(2500)).toBe(400)
    expect(clock.rest(10_000)).toEqual({ passedNs: 7900, sleepNs: 0, jumped: true })
    expect(clock.now()).toBe(10_000)
    expect(clock.rest(Infinity).sleepNs).toBe(Infinity)
  })

  test('HLT for ever comes to the end of what the clock counts exactly', () => {
    const clock = new CountedClock(() => ({ retired: 1, charged: 0 }), 0)
    clock.start(LAST_NS - 5)
    clock.rest(LAST_NS + 55e6)
    expect(clock.now()).toBe(LAST_NS + 1)
  })
})
