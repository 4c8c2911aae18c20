import { beforeEach, expect, test } from 'vitest'
import { ConsoleSwitch } from './console-switch.ts'
import { TestClock, TestLine } from './devices/legacy/testing/bench.ts'
import { IER_ERBFI, UART, Uart16550 } from './devices/legacy/uart16550.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const MS = 1_000_000
let clock: TestClock
let uart: Uart16550
let virtio: string
let consoles: ConsoleSwitch

beforeEach(() => {
  clock = new TestClock()
  uart = new Uart16550(new TestLine(), clock.timers, { transmit: () => {} })
  virtio = ''
  consoles = new ConsoleSwitch(uart, { receive: (more) => void (virtio += Buffer.from(more)) }, clock.timers)
})

/** What the UART's driver reads in the next `ms`. */
const readUart = (ms: number): string => {
  let text = ''
  for (let i = 0; i < ms; i++) {
    clock.advance(MS)
    while ((uart.read(UART.LSR, 1) & 1) !== 0) text += String.fromCharCode(uart.read(UART.RBR, 1))
  }
  return text
}

test('what is typed before the guest speaks is at the console that it prompts on', () => {
  consoles.send(bytes('one\n'))
  consoles.spoke('virtio-console', bytes('kernel\n'))
  clock.advance(500 * MS)
  consoles.send(bytes('two\n'))
  consoles.spoke('virtio-console', bytes('more kernel\n# '))
  expect(virtio).toBe('')
  clock.advance(200 * MS)
  expect(virtio).toBe('one\ntwo\n')
})

test('while the guest speaks on, nothing goes to a console that nobody may have opened yet', () => {
  consoles.send(bytes('ps\n'))
  for (let i = 0; i < 100; i++) {
    consoles.spoke('virtio-console', bytes(i % 2 === 0 ? 'part of a line' : ' and the rest\n'))
    clock.advance(50 * MS)
  }
  expect(virtio).toBe('')
})

test('a program that reads without a prompt gets it too, a while later', () => {
  consoles.spoke('virtio-console', bytes('cat reads\n'))
  clock.advance(10_000 * MS)
  consoles.send(bytes('line\n'))
  clock.advance(10_000 * MS)
  expect(virtio).toBe('line\n')
})

test('a paste on the virtio console waits for the guest to come to rest between its pieces', () => {
  consoles.send(bytes('a'))
  consoles.spoke('virtio-console', bytes('# '))
  clock.advance(1000 * MS)
  const paste = 'abcdefghijklmno\n'.repeat(64)
  consoles.send(bytes(paste))
  expect(virtio.length).toBe(65)
  clock.advance(50 * MS)
  expect(virtio.length).toBe(65)
  consoles.guestWaits()
  clock.advance(0)
  expect(virtio.length).toBe(129)
  for (let i = 0; i < 20; i++) {
    consoles.guestWaits()
    clock.advance(6 * MS)
  }
  expect(virtio).toBe(`a${paste}`)
})

test('once it listens, keys pass at once', () => {
  consoles.send(bytes('a'))
  consoles.spoke('virtio-console', bytes('# '))
  clock.advance(200 * MS)
  consoles.spoke('virtio-console', bytes('a\n'))
  consoles.send(bytes('b'))
  expect(virtio).toBe('ab')
})

test('a guest that goes on at the UART takes along what was typed at the other', () => {
  consoles.send(bytes('typed '))
  consoles.spoke('virtio-console', bytes('early words\n'))
  consoles.send(bytes('ahead'))
  consoles.spoke('uart', bytes('login: '))
  uart.write(UART.IER, 1, IER_ERBFI)
  expect(readUart(50)).toBe('typed ahead')
  clock.advance(10_000 * MS)
  expect(virtio).toBe('')
})

test('what a driver of the UART listens to stays there', () => {
  uart.write(UART.IER, 1, IER_ERBFI)
  consoles.send(bytes('for com0'))
  consoles.spoke('virtio-console', bytes('by the way'))
  clock.advance(200 * MS)
  expect(readUart(50)).toBe('for com0')
  expect(virtio).toBe('')
})

test('a power cycle forgets what was typed', () => {
  consoles.spoke('virtio-console', bytes('# '))
  consoles.send(bytes('old'))
  consoles.reset()
  clock.advance(10_000 * MS)
  expect(virtio).toBe('')
})

test('goes on from a saved state', () => {
  consoles.spoke('virtio-console', bytes('# '))
  consoles.send(bytes('saved'))
  const state = consoles.save()
  consoles.reset()
  consoles.load(state)
  clock.advance(200 * MS)
  expect(virtio).toBe('saved')
})
