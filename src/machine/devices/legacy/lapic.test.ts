import { beforeEach, describe, expect, test } from 'vitest'
import { DELIVERY, LAPIC, Lapic, LVT_MASKED, LVT_TIMER_PERIODIC, LVT_TIMER_TSC_DEADLINE } from './lapic.ts'
import { TestClock } from './testing/bench.ts'

let clock: TestClock
let lapic: Lapic
let nmis: number
let ended: number[]

const read = (register: number): number => lapic.read(register, 4)
const write = (register: number, value: number): void => lapic.write(register, 4, value)

beforeEach(() => {
  clock = new TestClock()
  lapic = new Lapic({ id: 0, base: 0xfee00000 }, clock.timers)
  nmis = 0
  ended = []
  lapic.onNmi = () => nmis++
  lapic.onEoi = (vector) => ended.push(vector)
})

const enable = (): void => write(LAPIC.SVR, 0x1ff)

describe('after reset', () => {
  test('registers read as QEMU has them', () => {
    expect(read(LAPIC.ID)).toBe(0)
    expect(read(LAPIC.VERSION)).toBe(0x00050014)
    expect(read(LAPIC.SVR)).toBe(0xff)
    expect(read(LAPIC.DFR)).toBe(0xffffffff)
    expect(read(LAPIC.LVT_TIMER)).toBe(LVT_MASKED)
    expect(read(LAPIC.LVT_LINT0)).toBe(0x700)
    expect(lapic.IA32_APIC_BASE).toBe(0xfee00900)
  })

  test('ExtINT passes before and after software enables the APIC', () => {
    expect(lapic.acceptsExtInt).toBe(true)
    enable()
    expect(lapic.acceptsExtInt).toBe(true)
    write(LAPIC.LVT_LINT0, 0x10700)
    expect(lapic.acceptsExtInt).toBe(false)
  })

  test('messages are lost while software has not enabled it', () => {
    lapic.deliver(DELIVERY.FIXED, 0x40, false)
    enable()
    expect(lapic.requesting).toBe(false)
  })
})

describe('requests', () => {
  beforeEach(enable)

  test('the highest vector is taken first and EOI ends it', () => {
    lapic.deliver(DELIVERY.FIXED, 0x41, false)
    lapic.deliver(DELIVERY.FIXED, 0x92, false)
    expect(read(LAPIC.IRR + 0x20)).toBe(1 << 1)
    expect(lapic.acknowledge()).toBe(0x92)
    expect(read(LAPIC.ISR + 0x40)).toBe(1 << 18)
    expect(read(LAPIC.PPR)).toBe(0x90)
    expect(lapic.requesting).toBe(false)
    write(LAPIC.EOI, 0)
    expect(lapic.requesting).toBe(true)
    expect(lapic.acknowledge()).toBe(0x41)
  })

  test('vectors of one class wait for each other', () => {
    lapic.deliver(DELIVERY.FIXED, 0x91, false)
    lapic.acknowledge()
    lapic.deliver(DELIVERY.FIXED, 0x9f, false)
    expect(lapic.requesting).toBe(false)
    lapic.deliver(DELIVERY.FIXED, 0xa0, false)
    expect(lapic.requesting).toBe(true)
  })

  test('TPR holds back its class and those below', () => {
    lapic.setTpr(0x40)
    lapic.deliver(DELIVERY.FIXED, 0x4f, false)
    expect(lapic.requesting).toBe(false)
    write(LAPIC.TPR, 0x30)
    expect(lapic.requesting).toBe(true)
    expect(read(LAPIC.PPR)).toBe(0x30)
  })

  test('a request withdrawn by TPR answers with the spurious vector', () => {
    lapic.deliver(DELIVERY.FIXED, 0x40, false)
    lapic.setTpr(0xf0)
    expect(lapic.acknowledge()).toBe(0xff)
    expect(read(LAPIC.ISR + 0x70)).toBe(0)
  })

  test('EOI of a level vector is broadcast, of an edge vector is not', () => {
    lapic.deliver(DELIVERY.FIXED, 0x50, true)
    expect(read(LAPIC.TMR + 0x20)).toBe(1 << 16)
    lapic.acknowledge()
    write(LAPIC.EOI, 0)
    lapic.deliver(DELIVERY.FIXED, 0x50, false)
    lapic.acknowledge()
    write(LAPIC.EOI, 0)
    expect(ended).toEqual([0x50])
  })
})

describe('interprocessor interrupts', () => {
  beforeEach(enable)

  test('self, all including self, and our own ID reach us', () => {
    write(LAPIC.ICR_LOW, 0x40041)
    write(LAPIC.ICR_LOW, 0x80052)
    write(LAPIC.ICR_HIGH, 0)
    write(LAPIC.ICR_LOW, 0x63)
    expect([lapic.acknowledge(), lapic.acknowledge(), lapic.acknowledge()]).toEqual([0x63, 0xff, 0xff])
    write(LAPIC.EOI, 0)
    expect(lapic.acknowledge()).toBe(0x52)
  })

  test('all but self, and other IDs, do not', () => {
    write(LAPIC.ICR_LOW, 0xc0041)
    write(LAPIC.ICR_HIGH, 0x05000000)
    write(LAPIC.ICR_LOW, 0x41)
    expect(lapic.requesting).toBe(false)
  })

  test('NMI is an NMI; INIT and SIPI do nothing', () => {
    write(LAPIC.ICR_LOW, 0x80400)
    expect(nmis).toBe(1)
    write(LAPIC.ICR_LOW, 0x88500)
    write(LAPIC.ICR_LOW, 0x80608)
    expect(read(LAPIC.SVR)).toBe(0x1ff)
    expect(lapic.requesting).toBe(false)
  })

  test('logical destinations match by LDR, flat and clustered', () => {
    write(LAPIC.LDR, 0x12000000)
    expect(lapic.isDestination(0x02, true)).toBe(true)
    expect(lapic.isDestination(0x04, true)).toBe(false)
    write(LAPIC.DFR, 0x0fffffff)
    expect(lapic.isDestination(0x12, true)).toBe(true)
    expect(lapic.isDestination(0x22, true)).toBe(false)
    expect(lapic.isDestination(0xff, true)).toBe(true)
  })
})

describe('errors', () => {
  test('an illegal vector sets ESR once ESR is written, and raises LVT_ERROR', () => {
    enable()
    write(LAPIC.LVT_ERROR, 0x60)
    write(LAPIC.ICR_LOW, 0x40003)
    expect(read(LAPIC.ESR)).toBe(0)
    write(LAPIC.ESR, 0)
    expect(read(LAPIC.ESR)).toBe(0x20)
    expect(lapic.acknowledge()).toBe(0x60)
    write(LAPIC.ESR, 0)
    expect(read(LAPIC.ESR)).toBe(0)
  })

  test('a register that does not exist is bit 7', () => {
    enable()
    read(0x040)
    write(LAPIC.ESR, 0)
    expect(read(LAPIC.ESR)).toBe(0x80)
  })
})

describe('switching it off', () => {
  test('SVR masks every LVT entry and keeps it masked', () => {
    enable()
    write(LAPIC.LVT_LINT1, 0x400)
    write(LAPIC.SVR, 0xff)
    expect(read(LAPIC.LVT_LINT0)).toBe(0x10700)
    write(LAPIC.LVT_LINT1, 0x400)
    expect(read(LAPIC.LVT_LINT1)).toBe(0x10400)
    expect(lapic.acceptsExtInt).toBe(true)
  })

  test('IA32_APIC_BASE.EN resets it, hides its registers and passes ExtINT', () => {
    enable()
    write(LAPIC.LVT_LINT0, 0x10000)
    expect(lapic.writeApicBase(0xfee00100, 0)).toBe(true)
    expect(read(LAPIC.ID)).toBe(0xffffffff)
    expect(lapic.acceptsExtInt).toBe(true)
    expect(lapic.writeApicBase(0xfee00900, 0)).toBe(true)
    expect(read(LAPIC.SVR)).toBe(0xff)
  })

  test('IA32_APIC_BASE moves the window, and a reset brings it back', () => {
    const seen: number[] = []
    lapic.onMoved = (base) => seen.push(base)
    expect(lapic.writeApicBase(0x42000900, 0)).toBe(true)
    expect(lapic.writeApicBase(0x00001900, 0x12)).toBe(true)
    const state = lapic.save()
    lapic.reset()
    lapic.load(state)
    expect(seen).toEqual([0x42000000, 0x12_0000_1000, 0xfee00000, 0x12_0000_1000])
  })

  test('x2APIC and reserved bits are refused', () => {
    expect(lapic.writeApicBase(0xfee00d00, 0)).toBe(false)
    expect(lapic.writeApicBase(0xfee00901, 0)).toBe(false)
  })
})

describe('LINT pins', () => {
  beforeEach(enable)

  test('LINT0 in fixed mode takes the i8259 output as an edge', () => {
    write(LAPIC.LVT_LINT0, 0x44)
    lapic.setLint0(true)
    lapic.setLint0(true)
    expect(lapic.acceptsExtInt).toBe(false)
    expect(lapic.acknowledge()).toBe(0x44)
    write(LAPIC.EOI, 0)
    expect(lapic.requesting).toBe(false)
  })

  test('LINT1 in NMI mode raises an NMI unless masked', () => {
    lapic.setLint1(true)
    expect(nmis).toBe(0)
    lapic.setLint1(false)
    write(LAPIC.LVT_LINT1, 0x400)
    lapic.setLint1(true)
    expect(nmis).toBe(1)
  })
})

describe('timer', () => {
  beforeEach(enable)

  test('one-shot counts 1 GHz through the divider, fires once and rests at zero', () => {
    write(LAPIC.TIMER_DCR, 0x3) // divide by 16
    write(LAPIC.LVT_TIMER, 0x40)
    write(LAPIC.TIMER_ICR, 1000)
    clock.advance(15_999)
    expect(read(LAPIC.TIMER_CCR)).toBe(1)
    expect(lapic.requesting).toBe(false)
    clock.advance(1)
    expect(read(LAPIC.TIMER_CCR)).toBe(0)
    expect(lapic.acknowledge()).toBe(0x40)
    write(LAPIC.EOI, 0)
    clock.advance(1_000_000)
    expect(lapic.requesting).toBe(false)
    expect(clock.timers.next).toBe(Infinity)
  })

  test.each([
    [0x0, 2],
    [0x1, 4],
    [0x2, 8],
    [0x3, 16],
    [0x8, 32],
    [0x9, 64],
    [0xa, 128],
    [0xb, 1],
  ])('DCR %i divides by %i', (dcr, divisor) => {
    write(LAPIC.TIMER_DCR, dcr)
    write(LAPIC.TIMER_ICR, 1_000_000)
    clock.advance(divisor * 100)
    expect(read(LAPIC.TIMER_CCR)).toBe(999_900)
  })

  test('periodic at 100 Hz does not drift', () => {
    write(LAPIC.TIMER_DCR, 0xb)
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_PERIODIC)
    write(LAPIC.TIMER_ICR, 10_000_000)
    let fired = 0
    for (let i = 0; i < 1000; i++) {
      clock.advance(10_000_000)
      if (lapic.requesting && lapic.acknowledge() === 0x40) fired++
      write(LAPIC.EOI, 0)
    }
    expect(fired).toBe(1000)
    expect(clock.timers.next).toBe(10_010_000_000)
  })

  test('periods that a late host missed are merged, and the beat stays', () => {
    write(LAPIC.TIMER_DCR, 0xb)
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_PERIODIC)
    write(LAPIC.TIMER_ICR, 10_000_000)
    clock.ns = 35_000_000
    clock.timers.expire()
    expect(clock.timers.next).toBe(40_000_000)
    expect(lapic.acknowledge()).toBe(0x40)
  })

  test('a period of one bus clock does not starve the machine', () => {
    write(LAPIC.TIMER_DCR, 0xb)
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_PERIODIC)
    write(LAPIC.TIMER_ICR, 1)
    expect(clock.timers.next - clock.ns).toBe(10_000)
  })

  test('a masked timer counts without waking anybody, and unmasking keeps its beat', () => {
    write(LAPIC.TIMER_DCR, 0xb)
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_PERIODIC | LVT_MASKED)
    write(LAPIC.TIMER_ICR, 1_000_000)
    expect(clock.timers.next).toBe(Infinity)
    clock.advance(2_500_000)
    expect(read(LAPIC.TIMER_CCR)).toBe(500_000)
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_PERIODIC)
    expect(clock.timers.next).toBe(3_000_000)
  })

  test('an expiry that is due is not lost when LVT is written first', () => {
    write(LAPIC.TIMER_DCR, 0xb)
    write(LAPIC.LVT_TIMER, 0x40)
    write(LAPIC.TIMER_ICR, 100)
    clock.ns = 120
    write(LAPIC.LVT_TIMER, 0x40)
    expect(lapic.requesting).toBe(true)
  })

  test('writing zero stops it', () => {
    write(LAPIC.LVT_TIMER, 0x40)
    write(LAPIC.TIMER_ICR, 1000)
    write(LAPIC.TIMER_ICR, 0)
    expect(clock.timers.next).toBe(Infinity)
    expect(read(LAPIC.TIMER_CCR)).toBe(0)
  })

  test('a one-shot count that has come to 0 stays there when the mode becomes periodic, until it is written', () => {
    write(LAPIC.TIMER_DCR, 0xb)
    write(LAPIC.LVT_TIMER, 0x40)
    write(LAPIC.TIMER_ICR, 1_000_000)
    clock.advance(3_300_000)
    expect(lapic.acknowledge()).toBe(0x40)
    write(LAPIC.EOI, 0)
    for (const mode of [LVT_TIMER_PERIODIC, 0, LVT_TIMER_PERIODIC]) {
      write(LAPIC.LVT_TIMER, 0x40 | mode)
      expect(read(LAPIC.TIMER_CCR)).toBe(0)
      clock.advance(5_000_000)
      expect(lapic.requesting).toBe(false)
    }
    write(LAPIC.TIMER_ICR, 1_000_000)
    clock.advance(1_000_000)
    expect(lapic.requesting).toBe(true)
  })

  test('a count in progress goes on through a change of mode, and periods begin or end with it', () => {
    write(LAPIC.TIMER_DCR, 0x3)
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_PERIODIC)
    write(LAPIC.TIMER_ICR, 1000)
    clock.advance(16_000 * 2 + 4008)
    expect(lapic.acknowledge()).toBe(0x40)
    write(LAPIC.EOI, 0)
    write(LAPIC.LVT_TIMER, 0x40)
    expect(read(LAPIC.TIMER_CCR)).toBe(750)
    expect(clock.timers.next).toBe(48_000)
    clock.advance(4000)
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_PERIODIC)
    expect(read(LAPIC.TIMER_CCR)).toBe(500)
    clock.advance(16_000)
    expect(read(LAPIC.TIMER_CCR)).toBe(500)
    expect(clock.timers.next).toBe(64_000)
  })

  test('TSC-deadline fires once, then the MSR reads zero', () => {
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_TSC_DEADLINE)
    lapic.writeTscDeadline(5000, 0)
    expect(lapic.readTscDeadline()).toEqual({ low: 5000, high: 0 })
    write(LAPIC.TIMER_ICR, 7)
    expect(read(LAPIC.TIMER_CCR)).toBe(0)
    clock.advance(5000)
    expect(lapic.acknowledge()).toBe(0x40)
    expect(lapic.readTscDeadline()).toEqual({ low: 0, high: 0 })
  })

  test('a TSC deadline in the past fires at once', () => {
    clock.ns = 9000
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_TSC_DEADLINE)
    lapic.writeTscDeadline(5000, 0)
    clock.timers.expire()
    expect(lapic.requesting).toBe(true)
  })

  test('leaving TSC-deadline mode disarms', () => {
    write(LAPIC.LVT_TIMER, 0x40 | LVT_TIMER_TSC_DEADLINE)
    lapic.writeTscDeadline(5000, 1)
    write(LAPIC.LVT_TIMER, 0x40)
    expect(clock.timers.next).toBe(Infinity)
    lapic.writeTscDeadline(5000, 0)
    expect(lapic.readTscDeadline()).toEqual({ low: 0, high: 0 })
  })
})
