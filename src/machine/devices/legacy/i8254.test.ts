import { beforeEach, describe, expect, test } from 'vitest'
import { I8254, I8254_HZ, nsOfTick, ticksAt } from './i8254.ts'
import { NMI_STATUS_OUT2, NMI_STATUS_REFRESH, NmiStatus } from './nmi-status.ts'
import { TestClock, TestLine } from './testing/bench.ts'

let clock: TestClock
let line: TestLine
let pit: I8254

const control = (value: number): void => pit.write(3, 1, value)
const load = (counter: number, count: number): void => {
  pit.write(counter, 1, count & 0xff)
  pit.write(counter, 1, count >> 8)
}
const read = (counter: number): number => pit.read(counter, 1) | (pit.read(counter, 1) << 8)
const latch = (counter: number): number => {
  control(counter << 6)
  return read(counter)
}
const status = (counter: number): number => {
  control(0xe0 | (2 << counter))
  return pit.read(counter, 1)
}
/** Moves to the first nanosecond of the tick `ticks` from now. */
const pass = (ticks: number): void => {
  clock.advance(nsOfTick(ticksAt(clock.ns) + ticks) - clock.ns)
}

beforeEach(() => {
  clock = new TestClock()
  line = new TestLine()
  pit = new I8254(line, clock.timers)
})

describe('ticks', () => {
  test('a tick is never seen before its first nanosecond, for 100 days', () => {
    for (const tick of [1, 2, 3, 1193182, 1193183, 7, 65536 * 12345, 1193182 * 86400, 1193182 * 8640000 + 1]) {
      expect(ticksAt(nsOfTick(tick))).toBe(tick)
      expect(ticksAt(nsOfTick(tick) - 1)).toBe(tick - 1)
    }
  })
})

describe('after reset', () => {
  test('counter 0 runs in mode 3 with 65536', () => {
    expect(status(0)).toBe(0x76 | 0x80)
    pass(1)
    expect(status(0)).toBe(0x36 | 0x80)
    expect(latch(0)).toBe(0)
    pass(1)
    expect(latch(0)).toBe(0xfffe)
  })
})

describe('mode 0, interrupt on terminal count', () => {
  test('OUT is low from the control word until the count has passed, then stays high', () => {
    control(0x30)
    expect(line.level).toBe(false)
    const edges = line.edges
    load(0, 1000)
    pass(1000)
    expect(line.level).toBe(false)
    pass(1)
    expect(line.level).toBe(true)
    clock.advance(1_000_000_000)
    expect(line.edges).toBe(edges + 1)
  })

  test('the counter goes on past zero from 0xffff', () => {
    control(0x30)
    load(0, 10)
    pass(12)
    expect(latch(0)).toBe(0xffff)
  })

  test('the first byte of a new count stops counting', () => {
    control(0x30)
    load(0, 10)
    pit.write(0, 1, 5)
    const edges = line.edges
    clock.advance(1_000_000)
    expect(line.edges).toBe(edges)
    pit.write(0, 1, 0)
    pass(6)
    expect(line.edges).toBe(edges + 1)
  })

  test('a count of one still makes an edge', () => {
    control(0x10)
    const edges = line.edges
    pit.write(0, 1, 1)
    pass(2)
    expect(line.edges).toBe(edges + 1)
  })
})

describe('mode 2, rate generator', () => {
  test('latched counts run from N to 1', () => {
    control(0x34)
    load(0, 1000)
    pass(1)
    expect(latch(0)).toBe(1000)
    pass(999)
    expect(latch(0)).toBe(1)
    expect(status(0) & 0x80).toBe(0)
    pass(1)
    expect(latch(0)).toBe(1000)
    expect(status(0) & 0x80).toBe(0x80)
  })

  test('100 Hz for an hour makes every edge at its tick, without drift', () => {
    control(0x34)
    load(0, 11932)
    const loaded = ticksAt(clock.ns) + 1
    const edges = line.edges
    let last = 0
    line.onEdge = () => {
      last = clock.ns
    }
    clock.advance(3600 * 1_000_000_000)
    const expected = Math.floor((3600 * I8254_HZ - loaded) / 11932)
    expect(line.edges - edges).toBe(expected)
    expect(last).toBe(nsOfTick(loaded + expected * 11932))
  })

  test('a new count waits for the end of the cycle', () => {
    control(0x34)
    load(0, 1000)
    pass(501)
    load(0, 100)
    expect(status(0) & 0x40).toBe(0x40)
    expect(latch(0)).toBe(500)
    const edges = line.edges
    pass(500)
    expect(line.edges).toBe(edges + 1)
    expect(status(0) & 0x40).toBe(0)
    expect(latch(0)).toBe(100)
    pass(100)
    expect(line.edges).toBe(edges + 2)
  })

  test('a count of 2 does not starve the machine', () => {
    control(0x14)
    pit.write(0, 1, 2)
    const edges = line.edges
    clock.advance(1_000_000)
    expect(line.edges - edges).toBeGreaterThan(90)
    expect(line.edges - edges).toBeLessThan(101)
  })

  test('21,000 latched polls never run backwards but at the reload', () => {
    control(0x34)
    load(0, 65535)
    pass(1)
    let wraps = 0
    let before = 65536
    for (let i = 0; i < 21_000; i++) {
      const now = latch(0)
      if (now > before) wraps++
      before = now
      clock.advance(4700)
    }
    expect(wraps).toBe(Math.floor(ticksAt(21_000 * 4700) / 65535))
  })
})

describe('mode 3, square wave', () => {
  test('an even count is high for one half, two by two', () => {
    control(0x36)
    load(0, 1000)
    pass(1)
    expect(latch(0)).toBe(1000)
    pass(1)
    expect(latch(0)).toBe(998)
    expect(status(0) & 0x80).toBe(0x80)
    pass(499)
    expect(latch(0)).toBe(1000)
    expect(status(0) & 0x80).toBe(0)
  })

  test('an odd count is high one tick longer than low', () => {
    control(0x36)
    load(0, 5)
    pass(1)
    const out = [0, 1, 2, 3, 4, 5].map(() => {
      const high = (status(0) & 0x80) !== 0
      const count = latch(0)
      pass(1)
      return `${high ? 'H' : 'L'}${count}`
    })
    expect(out.join(' ')).toBe('H4 H2 H0 L4 L2 H4')
  })

  test('each period is one edge', () => {
    control(0x36)
    load(0, 1193)
    const edges = line.edges
    pass(1 + 1193 * 10)
    expect(line.edges - edges).toBe(10)
  })
})

describe('modes 4 and 5, strobes', () => {
  test('mode 4 strobes low for one tick after the count', () => {
    control(0x38)
    load(0, 100)
    const edges = line.edges
    pass(101)
    expect(status(0) & 0x80).toBe(0)
    pass(1)
    expect(status(0) & 0x80).toBe(0x80)
    expect(line.edges).toBe(edges + 1)
    clock.advance(1_000_000_000)
    expect(line.edges).toBe(edges + 1)
  })

  test('mode 5 waits for GATE to rise', () => {
    control(0xba)
    load(2, 100)
    pass(500)
    expect(pit.out2).toBe(true)
    pit.setGate2(true)
    pass(101)
    expect(pit.out2).toBe(false)
    pass(1)
    expect(pit.out2).toBe(true)
  })

  test('mode 1 is low for the count after GATE rises, and again when it rises again', () => {
    control(0xb2)
    load(2, 100)
    expect(pit.out2).toBe(true)
    pit.setGate2(true)
    pass(100)
    expect(pit.out2).toBe(false)
    pit.setGate2(false)
    pit.setGate2(true)
    pass(100)
    expect(pit.out2).toBe(false)
    pass(1)
    expect(pit.out2).toBe(true)
  })
})

describe('access', () => {
  test('a latched count holds still until both bytes are read', () => {
    control(0x34)
    load(0, 0x1234)
    pass(1)
    control(0x00)
    pass(100)
    control(0x00)
    expect(read(0)).toBe(0x1234)
    expect(read(0)).toBe(0x1234 - 100)
  })

  test('LSB only and MSB only', () => {
    control(0x14)
    pit.write(0, 1, 200)
    pass(1)
    expect(pit.read(0, 1)).toBe(200)
    control(0x24)
    pit.write(0, 1, 3)
    pass(1)
    expect(pit.read(0, 1)).toBe(3)
    pass(1)
    expect(pit.read(0, 1)).toBe(2)
  })

  test('read-back latches status before count, for each counter it names', () => {
    control(0x34)
    load(0, 500)
    control(0xb4)
    load(2, 600)
    pass(1)
    control(0xc0 | 2 | 8)
    expect(pit.read(0, 1)).toBe(0x34 | 0x80)
    expect(read(0)).toBe(500)
    expect(pit.read(2, 1)).toBe(0x34 | 0x80)
  })

  test('BCD counts in decimal', () => {
    control(0x35)
    load(0, 0x1000)
    pass(2)
    expect(latch(0)).toBe(0x0999)
    control(0x31)
    load(0, 0)
    pass(2)
    expect(latch(0)).toBe(0x9999)
  })

  test('the control port reads as ones', () => {
    expect(pit.read(3, 1)).toBe(0xff)
  })
})

describe('counter 2 and port 0x61', () => {
  let port61: NmiStatus
  beforeEach(() => {
    port61 = new NmiStatus(pit, clock.timers)
  })

  test('a calibration loop: gate up, mode 0, wait for OUT2', () => {
    port61.write(0, 1, (port61.read(0, 1) & ~0x02) | 0x01)
    control(0xb0)
    load(2, 11932)
    expect(port61.read(0, 1) & NMI_STATUS_OUT2).toBe(0)
    pass(11932)
    expect(port61.read(0, 1) & NMI_STATUS_OUT2).toBe(0)
    pass(1)
    expect(port61.read(0, 1) & NMI_STATUS_OUT2).toBe(NMI_STATUS_OUT2)
  })

  test('a low gate stops mode 0 where it is', () => {
    port61.write(0, 1, 1)
    control(0xb0)
    load(2, 1000)
    pass(101)
    expect(latch(2)).toBe(900)
    port61.write(0, 1, 0)
    pass(5000)
    expect(latch(2)).toBe(900)
    port61.write(0, 1, 1)
    pass(900)
    expect(pit.out2).toBe(true)
  })

  test('the refresh bit toggles every 15 us', () => {
    let toggles = 0
    let before = port61.read(0, 1)
    for (let i = 0; i < 1000; i++) {
      clock.advance(1000)
      const now = port61.read(0, 1)
      if (((now ^ before) & NMI_STATUS_REFRESH) !== 0) toggles++
      before = now
    }
    expect(toggles).toBe(66)
  })
})
