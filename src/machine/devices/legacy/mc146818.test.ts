import { beforeEach, describe, expect, test } from 'vitest'
import { A_UIP, B_24, B_AIE, B_DM, B_PIE, B_SET, B_UIE, Mc146818, RTC } from './mc146818.ts'
import { TestClock, TestLine } from './testing/bench.ts'

/** Wednesday 2025-01-15 10:20:30 UTC. */
const EPOCH = 1_736_936_430

let clock: TestClock
let line: TestLine
let rtc: Mc146818

const read = (register: number): number => {
  rtc.write(0, 1, register)
  return rtc.read(1, 1)
}
const write = (register: number, value: number): void => {
  rtc.write(0, 1, register)
  rtc.write(1, 1, value)
}
const seconds = (n: number): void => clock.advance(n * 1_000_000_000)
/** century year month day weekday hours minutes seconds, in hex digits as the registers have them. */
const shown = (): string =>
  [0x32, 9, 8, 7, 6, 4, 2, 0].map((register) => read(register).toString(16).padStart(2, '0')).join(' ')

const start = (epoch: number): void => {
  clock = new TestClock()
  line = new TestLine()
  rtc = new Mc146818(line, clock.timers, {
    now: () => ({ seconds: epoch + Math.floor(clock.ns / 1e9), nanoseconds: clock.ns % 1e9 }),
  })
}

beforeEach(() => start(EPOCH))

describe('time', () => {
  test('reads as QEMU shows it after reset: BCD, 24 hours', () => {
    expect(shown()).toBe('20 25 01 15 04 10 20 30')
    expect([10, 11, 12, 13].map(read)).toEqual([0x26, 0x02, 0x00, 0x80])
  })

  test('rolls over with the second', () => {
    clock.advance(999_999_999)
    expect(read(RTC.SECONDS)).toBe(0x30)
    clock.advance(1)
    expect(read(RTC.SECONDS)).toBe(0x31)
  })

  test('rolls over the leap day, the year and the century', () => {
    start(Date.UTC(2024, 1, 28, 23, 59, 59) / 1000)
    seconds(1)
    expect(shown()).toBe('20 24 02 29 05 00 00 00')
    start(Date.UTC(2099, 11, 31, 23, 59, 59) / 1000)
    seconds(1)
    expect(shown()).toBe('21 00 01 01 06 00 00 00')
  })

  test('binary and 12 hours, by register B', () => {
    write(RTC.B, B_DM)
    seconds(4 * 3600)
    expect(shown()).toBe('14 19 01 0f 04 82 14 1e')
    seconds(10 * 3600)
    expect(read(RTC.HOURS)).toBe(12)
    seconds(12 * 3600)
    expect(read(RTC.HOURS)).toBe(0x8c)
  })

  test('setting it: SET stops the registers, clearing SET starts them from there', () => {
    write(RTC.B, B_SET | B_24)
    for (const [register, value] of [
      [RTC.SECONDS, 0x58],
      [RTC.MINUTES, 0x59],
      [RTC.HOURS, 0x23],
      [RTC.DAY_OF_MONTH, 0x31],
      [RTC.MONTH, 0x12],
      [RTC.YEAR, 0x99],
      [RTC.CENTURY, 0x19],
    ] as const)
      write(register, value)
    seconds(10)
    expect(read(RTC.SECONDS)).toBe(0x58)
    write(RTC.B, B_24)
    seconds(2)
    expect(shown()).toBe('20 00 01 01 07 00 00 00')
  })

  test('one register written while it runs', () => {
    write(RTC.HOURS, 0x17)
    seconds(60)
    expect(shown()).toBe('20 25 01 15 04 17 21 30')
  })

  test('a divider that leaves reset updates 500 ms later', () => {
    write(RTC.A, 0x76)
    seconds(5)
    expect(read(RTC.SECONDS)).toBe(0x30)
    write(RTC.A, 0x26)
    clock.advance(499_999_999)
    expect(read(RTC.SECONDS)).toBe(0x30)
    clock.advance(1)
    expect(read(RTC.SECONDS)).toBe(0x31)
  })
})

describe('UIP', () => {
  test('is set for the 2228 us before the registers change', () => {
    expect(read(RTC.A) & A_UIP).toBe(0)
    clock.advance(997_771_999)
    expect(read(RTC.A) & A_UIP).toBe(0)
    clock.advance(1)
    expect(read(RTC.A) & A_UIP).toBe(A_UIP)
    clock.advance(2_227_999)
    expect(read(RTC.A) & A_UIP).toBe(A_UIP)
    expect(read(RTC.SECONDS)).toBe(0x30)
    clock.advance(1)
    expect(read(RTC.A) & A_UIP).toBe(0)
    expect(read(RTC.SECONDS)).toBe(0x31)
  })

  test('is clear while SET is', () => {
    write(RTC.B, B_SET | B_24)
    clock.advance(999_000_000)
    expect(read(RTC.A) & A_UIP).toBe(0)
  })
})

describe('interrupts', () => {
  test('periodic at register A`s rate, one for each read of C', () => {
    write(RTC.A, 0x26) // 1024 Hz
    write(RTC.B, B_24 | B_PIE)
    let taken = 0
    line.onEdge = () => taken++
    while (clock.ns < 1_000_000_000) {
      if (line.level) expect(read(RTC.C) & 0xc0).toBe(0xc0)
      clock.advance(clock.timers.next - clock.ns)
    }
    expect(taken).toBe(1024)
  })

  test('the line stays until C is read, and costs no timer meanwhile', () => {
    write(RTC.B, B_24 | B_PIE)
    seconds(1)
    expect(line.edges).toBe(1)
    expect(clock.timers.next).toBe(Infinity)
    expect(read(RTC.C)).toBe(0xd0)
    expect(line.level).toBe(false)
    expect(read(RTC.C)).toBe(0)
  })

  test('update-ended comes with each second', () => {
    clock.advance(300_000_000)
    read(RTC.C)
    write(RTC.B, B_24 | B_UIE)
    expect(clock.timers.next).toBe(1_000_000_000)
    clock.advance(700_000_000)
    expect(line.level).toBe(true)
    expect(read(RTC.C) & 0x90).toBe(0x90)
  })

  test('the alarm comes at its time of day, or at each that its bytes allow', () => {
    write(RTC.HOURS_ALARM, 0x10)
    write(RTC.MINUTES_ALARM, 0x21)
    write(RTC.SECONDS_ALARM, 0x05)
    write(RTC.B, B_24 | B_AIE)
    seconds(34)
    expect(line.level).toBe(false)
    seconds(1)
    expect(read(RTC.C) & 0xa0).toBe(0xa0)
    write(RTC.HOURS_ALARM, 0xc0)
    write(RTC.MINUTES_ALARM, 0xff)
    seconds(60)
    expect(read(RTC.C) & 0xa0).toBe(0xa0)
  })

  test('flags are set without being enabled, and raise nothing', () => {
    seconds(1)
    expect(line.level).toBe(false)
    expect(clock.timers.next).toBe(Infinity)
    expect(read(RTC.C)).toBe(0x50)
  })

  test('enabling a flag that is already set raises the line', () => {
    seconds(1)
    write(RTC.B, B_24 | B_UIE)
    expect(line.level).toBe(true)
  })

  test('a host clock coarser than ours does not hang the machine', () => {
    clock = new TestClock()
    rtc = new Mc146818(line, clock.timers, {
      now: () => ({ seconds: EPOCH, nanoseconds: Math.floor(clock.ns / 1e6) * 1e6 + 0.25 }),
    })
    write(RTC.A, 0x23)
    write(RTC.B, B_24 | B_PIE)
    clock.advance(500_000)
    expect(line.level).toBe(false)
    clock.advance(2_000_000)
    expect(line.level).toBe(true)
  })
})

describe('CMOS RAM', () => {
  test('keeps its bytes through reset; index bit 7 is not part of the address', () => {
    write(0x8e, 0xa5)
    rtc.reset()
    expect(read(0x0e)).toBe(0xa5)
    expect(rtc.read(0, 1)).toBe(0xff)
  })

  test('reset turns interrupts off and keeps the time', () => {
    write(RTC.B, B_24 | B_PIE | B_UIE | B_AIE)
    seconds(1)
    rtc.reset()
    expect(line.level).toBe(false)
    expect(read(RTC.B)).toBe(B_24)
    expect(read(RTC.SECONDS)).toBe(0x31)
  })
})
