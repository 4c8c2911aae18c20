import { beforeEach, describe, expect, test } from 'vitest'
import { TestClock, TestLine } from './testing/bench.ts'
import { UART, Uart16550 } from './uart16550.ts'

/** Longer than typed-ahead bytes wait for a driver to settle. */
const SETTLE = 10_000_000

let clock: TestClock
let line: TestLine
let sent: number[]
let uart: Uart16550

const read = (offset: number): number => uart.read(offset, 1)
const write = (offset: number, value: number): void => uart.write(offset, 1, value)
const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => i & 0xff)

const CHARACTER = 86_806

beforeEach(() => {
  clock = new TestClock()
  line = new TestLine()
  sent = []
  uart = new Uart16550(line, clock.timers, { transmit: (byte) => sent.push(byte) })
})

describe('after reset', () => {
  test('registers read as a 16550A with a terminal attached', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(read)).toEqual([0, 1, 0, 0, 0x60, 0xb0, 0])
    expect(line.level).toBe(false)
  })
})

describe('divisor latch and scratch', () => {
  test('DLAB shows DLL and DLM instead of RBR and IER', () => {
    write(UART.LCR, 0x83)
    write(UART.DLL, 1)
    write(UART.DLM, 2)
    expect([read(0), read(1)]).toEqual([1, 2])
    write(UART.LCR, 0x03)
    expect([read(0), read(1)]).toEqual([0, 0])
    expect(sent).toEqual([])
  })

  test('SCR keeps what is written', () => {
    write(UART.SCR, 0x5a)
    expect(read(UART.SCR)).toBe(0x5a)
  })
})

describe('FIFO probe', () => {
  test('IIR shows the FIFOs once FCR enables them', () => {
    write(UART.FCR, 0x01)
    expect(read(UART.IIR)).toBe(0xc1)
    write(UART.FCR, 0x00)
    expect(read(UART.IIR)).toBe(0x01)
  })

  test('there is no 64-byte FIFO to find', () => {
    write(UART.LCR, 0x80)
    write(UART.FCR, 0x21)
    write(UART.LCR, 0)
    expect(read(UART.IIR)).toBe(0xc1)
  })

  test('a loopback count finds 16 bytes and an overrun', () => {
    write(UART.FCR, 0x01)
    write(UART.MCR, 0x10)
    for (let i = 0; i < 20; i++) write(UART.THR, i)
    expect(read(UART.LSR)).toBe(0x63)
    expect(read(UART.LSR)).toBe(0x61)
    const got: number[] = []
    while ((read(UART.LSR) & 1) !== 0) got.push(read(UART.RBR))
    expect(got).toEqual([...bytes(16)])
    expect(sent).toEqual([])
  })
})

describe('transmitter', () => {
  test('a byte in THR reaches the host at once', () => {
    write(UART.THR, 0x41)
    expect(sent).toEqual([0x41])
    expect(read(UART.LSR)).toBe(0x60)
  })

  test('THRE rises when IER enables it with THR empty', () => {
    write(UART.IER, 0x02)
    expect(line.level).toBe(true)
    expect(read(UART.IIR)).toBe(0x02)
    expect(line.level).toBe(false)
    expect(read(UART.IIR)).toBe(0x01)
  })

  test('THRE does not rise again when IER is written the same', () => {
    write(UART.IER, 0x02)
    read(UART.IIR)
    write(UART.IER, 0x02)
    expect(line.level).toBe(false)
    write(UART.IER, 0x00)
    write(UART.IER, 0x02)
    expect(line.level).toBe(true)
  })

  test('THRE rises when a byte written after IIR was read has gone', () => {
    write(UART.IER, 0x02)
    read(UART.IIR)
    const edges = line.edges
    for (let i = 0; i < 16; i++) write(UART.THR, i)
    expect(line.level).toBe(true)
    expect(line.edges).toBe(edges + 1)
  })

  test('reading IIR for a higher cause leaves THRE pending', () => {
    write(UART.IER, 0x03)
    uart.receive(bytes(1))
    expect(read(UART.IIR)).toBe(0x04)
    read(UART.RBR)
    expect(line.level).toBe(true)
    expect(read(UART.IIR)).toBe(0x02)
  })
})

describe('receiver', () => {
  test('without FIFOs, each byte is an interrupt', () => {
    write(UART.IER, 0x01)
    uart.receive(Uint8Array.of(0x61, 0x62))
    expect(read(UART.IIR)).toBe(0x04)
    expect(read(UART.RBR)).toBe(0x61)
    expect(line.level).toBe(false)
    uart.guestWaits()
    clock.advance(CHARACTER)
    expect(line.level).toBe(true)
    expect(read(UART.RBR)).toBe(0x62)
  })

  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])('FCR %i interrupts at %i bytes', (fcr, trigger) => {
    write(UART.FCR, fcr)
    write(UART.IER, 0x01)
    uart.receive(bytes(trigger - 1))
    expect(line.level).toBe(false)
    for (let i = 1; i < trigger; i++) read(UART.RBR)
    uart.guestWaits()
    clock.advance(100 * CHARACTER)
    uart.receive(bytes(trigger))
    expect(read(UART.IIR)).toBe(0xc4)
    read(UART.RBR)
    expect(line.level).toBe(false)
  })

  test('a character timeout comes four characters later, and reading ends it', () => {
    write(UART.FCR, 0xc1)
    write(UART.IER, 0x01)
    uart.receive(Uint8Array.of(0x61, 0x62))
    clock.advance(4 * CHARACTER - 1)
    expect(line.level).toBe(false)
    clock.advance(1)
    expect(read(UART.IIR)).toBe(0xcc)
    read(UART.RBR)
    expect(line.level).toBe(false)
    clock.advance(4 * CHARACTER)
    expect(read(UART.IIR)).toBe(0xcc)
    read(UART.RBR)
    clock.advance(10 * CHARACTER)
    expect(line.level).toBe(false)
  })

  test('resetting the FIFO drops its bytes', () => {
    write(UART.FCR, 0x01)
    uart.receive(bytes(5))
    write(UART.FCR, 0x03)
    expect(read(UART.LSR)).toBe(0x60)
  })

  test('a paste of 100 KB loses nothing', () => {
    write(UART.FCR, 0x81)
    write(UART.IER, 0x01)
    const paste = bytes(100 * 1024)
    uart.receive(paste.subarray(0, 1000))
    uart.receive(paste.subarray(1000))
    const got: number[] = []
    for (let quiet = 0; quiet < 2; ) {
      if (line.level) {
        read(UART.IIR)
        while ((read(UART.LSR) & 1) !== 0) got.push(read(UART.RBR))
        quiet = 0
      } else {
        uart.guestWaits()
        if (clock.timers.next === Infinity) quiet++
        else clock.advance(clock.timers.next - clock.ns)
      }
    }
    expect(got.length).toBe(paste.length)
    expect(got.every((byte, i) => byte === paste[i])).toBe(true)
    expect(clock.ns).toBeGreaterThan(8e9)
    expect(clock.ns).toBeLessThan(9.5e9)
  })

  test('a guest that has not come to rest is not run over: it gets 500 characters a second', () => {
    write(UART.FCR, 0x81)
    write(UART.IER, 0x01)
    uart.receive(bytes(1000))
    let got = 0
    const readFor = (ms: number) => {
      got = 0
      for (const end = clock.ns + ms * 1e6; clock.ns < end; clock.advance(20_000))
        for (; (read(UART.LSR) & 1) !== 0; got++) read(UART.RBR)
    }
    readFor(100)
    expect(got).toBeGreaterThanOrEqual(48)
    expect(got).toBeLessThanOrEqual(64)
    // It rests: the line's own pace from here on, once.
    uart.guestWaits()
    readFor(1)
    expect(got).toBe(16)
    readFor(10)
    expect(got).toBe(0)
  })

  test('a polling guest gets a queue as well', () => {
    uart.receive(bytes(3))
    const got: number[] = []
    for (let i = 0; i < 300; i++) {
      if ((read(UART.LSR) & 1) !== 0) got.push(read(UART.RBR))
      clock.advance(CHARACTER)
    }
    expect(got).toEqual([0, 1, 2])
  })

  test('clearing the FIFO gives unread bytes back to the host, which sends them again', () => {
    write(UART.FCR, 0x01)
    write(UART.IER, 0x01)
    uart.receive(bytes(20))
    read(UART.RBR)
    write(UART.FCR, 0x03)
    expect(read(UART.LSR) & 1).toBe(0)
    const got: number[] = []
    for (let i = 0; i < 300; i++) {
      uart.guestWaits()
      clock.advance(CHARACTER)
      while ((read(UART.LSR) & 1) !== 0) got.push(read(UART.RBR))
    }
    expect(got).toEqual(Array.from(bytes(20)).slice(1))
  })

  test('what is typed ahead of the driver waits until it listens, and outlives its reset of the FIFO', () => {
    uart.receive(bytes(3))
    write(UART.FCR, 0x07)
    expect(read(UART.LSR) & 1).toBe(0)
    write(UART.IER, 0x01)
    write(UART.FCR, 0x07)
    clock.advance(SETTLE)
    expect([read(UART.RBR), read(UART.RBR), read(UART.RBR)]).toEqual([0, 1, 2])
  })
})

test('a power cycle forgets what was typed before it, and wakes nobody for it', () => {
  write(UART.IER, 0x01)
  uart.receive(bytes(40))
  clock.advance(CHARACTER)
  uart.reset()
  expect(clock.timers.next).toBe(Infinity)
  write(UART.IER, 0x01)
  clock.advance(SETTLE)
  expect(read(UART.LSR) & 1).toBe(0)
  uart.receive(bytes(1))
  clock.advance(SETTLE)
  expect(read(UART.LSR) & 1).toBe(1)
})

describe('line status', () => {
  test('an overrun is the first of causes and LSR ends it', () => {
    write(UART.MCR, 0x10)
    write(UART.IER, 0x07)
    write(UART.THR, 1)
    write(UART.THR, 2)
    expect(read(UART.IIR)).toBe(0x06)
    expect(read(UART.LSR) & 0x02).toBe(0x02)
    expect(read(UART.IIR)).toBe(0x04)
    expect(read(UART.RBR)).toBe(2)
    expect(read(UART.IIR)).toBe(0x02)
  })
})

describe('modem status', () => {
  test('loopback shows our own outputs, with deltas and an interrupt', () => {
    write(UART.IER, 0x08)
    write(UART.MCR, 0x1e)
    expect(line.level).toBe(true)
    expect(read(UART.IIR)).toBe(0x00)
    expect(read(UART.MSR)).toBe(0xd2)
    expect(line.level).toBe(false)
    expect(read(UART.MSR)).toBe(0xd0)
  })

  test.each([
    [0x11, 0x20],
    [0x12, 0x10],
    [0x14, 0x40],
    [0x18, 0x80],
  ])('MCR %i loops back as MSR %i', (mcr, msr) => {
    write(UART.MCR, mcr)
    expect(read(UART.MSR) & 0xf0).toBe(msr)
  })

  test('only the trailing edge of RI is a change', () => {
    write(UART.MCR, 0x1b)
    read(UART.MSR)
    write(UART.MCR, 0x1f)
    expect(read(UART.MSR) & 0x0f).toBe(0)
    write(UART.MCR, 0x1b)
    expect(read(UART.MSR) & 0x0f).toBe(0x04)
  })

  test('what the host sends waits while looping back', () => {
    write(UART.IER, 0x01)
    write(UART.MCR, 0x10)
    uart.receive(bytes(1))
    expect(read(UART.LSR) & 1).toBe(0)
    write(UART.MCR, 0x00)
    expect(read(UART.LSR) & 1).toBe(1)
  })
})
