import { beforeEach, describe, expect, test } from 'vitest'
import {
  IOAPIC,
  IOEOI,
  IOREGSEL,
  IOWIN,
  Ioapic,
  REDIRECTION_LEVEL,
  REDIRECTION_LOGICAL,
  REDIRECTION_MASKED,
  REDIRECTION_REMOTE_IRR,
} from './ioapic.ts'

let delivered: [mode: number, vector: number, level: boolean][]
let ioapic: Ioapic

const read = (register: number): number => {
  ioapic.write(IOREGSEL, 4, register)
  return ioapic.read(IOWIN, 4)
}
const write = (register: number, value: number): void => {
  ioapic.write(IOREGSEL, 4, register)
  ioapic.write(IOWIN, 4, value)
}
const low = (pin: number): number => IOAPIC.REDTBL + 2 * pin

beforeEach(() => {
  delivered = []
  ioapic = new Ioapic(2, {
    isDestination: (destination, logical) => (logical ? (destination & 1) !== 0 : destination === 0),
    deliver: (mode, vector, level) => delivered.push([mode, vector, level]),
  })
})

test('it has an ID, version 0x20 and 24 masked entries', () => {
  expect(read(IOAPIC.ID)).toBe(0x02000000)
  expect(read(IOAPIC.VER)).toBe(0x00170020)
  expect(read(low(0))).toBe(0x10000)
  expect(read(low(23))).toBe(0x10000)
  expect(read(low(24))).toBe(0)
})

test('the busy and remote IRR bits of an entry are read only', () => {
  write(low(3), 0xffffffff)
  expect(read(low(3))).toBe(0x1afff)
  write(low(3) + 1, 0xffffffff)
  expect(read(low(3) + 1)).toBe(0xff000000)
})

describe('an edge entry', () => {
  test('sends one message for each rise', () => {
    write(low(4), 0x44)
    ioapic.setInput(4, true)
    ioapic.setInput(4, true)
    ioapic.setInput(4, false)
    ioapic.setInput(4, true)
    expect(delivered).toEqual([
      [0, 0x44, false],
      [0, 0x44, false],
    ])
    expect(read(low(4)) & REDIRECTION_REMOTE_IRR).toBe(0)
  })

  test('loses edges while masked', () => {
    ioapic.setInput(4, true)
    write(low(4), 0x44)
    expect(delivered).toEqual([])
  })

  test('sends NMIs', () => {
    write(low(4), 0x400)
    ioapic.setInput(4, true)
    expect(delivered).toEqual([[4, 0, false]])
  })
})

describe('a level entry', () => {
  beforeEach(() => write(low(5), 0x55 | REDIRECTION_LEVEL))

  test('sends once until EOI, then again while asserted', () => {
    ioapic.setInput(5, true)
    ioapic.setInput(5, false)
    ioapic.setInput(5, true)
    expect(delivered).toEqual([[0, 0x55, true]])
    expect(read(low(5)) & REDIRECTION_REMOTE_IRR).not.toBe(0)
    ioapic.endOfInterrupt(0x54)
    expect(delivered.length).toBe(1)
    ioapic.endOfInterrupt(0x55)
    expect(delivered.length).toBe(2)
    ioapic.setInput(5, false)
    ioapic.endOfInterrupt(0x55)
    expect(delivered.length).toBe(2)
    expect(read(low(5)) & REDIRECTION_REMOTE_IRR).toBe(0)
  })

  test('is ended by the EOI register too', () => {
    ioapic.setInput(5, true)
    ioapic.write(IOEOI, 4, 0x55)
    expect(delivered.length).toBe(2)
  })

  test('asserted while masked sends when unmasked', () => {
    write(low(5), 0x55 | REDIRECTION_LEVEL | REDIRECTION_MASKED)
    ioapic.setInput(5, true)
    expect(delivered).toEqual([])
    write(low(5), 0x55 | REDIRECTION_LEVEL)
    expect(delivered.length).toBe(1)
  })

  test('drops remote IRR when turned to edge and back', () => {
    ioapic.setInput(5, true)
    write(low(5), 0x55 | REDIRECTION_MASKED)
    write(low(5), 0x55 | REDIRECTION_LEVEL)
    expect(delivered.length).toBe(2)
  })

  test('waits while its destination is nobody', () => {
    write(low(5) + 1, 0x09000000)
    ioapic.setInput(5, true)
    expect(delivered).toEqual([])
    write(low(5) + 1, 0)
    expect(delivered.length).toBe(1)
  })
})

test('logical destinations are asked for as such', () => {
  write(low(6), 0x166 | REDIRECTION_LOGICAL)
  write(low(6) + 1, 0x03000000)
  ioapic.setInput(6, true)
  expect(delivered).toEqual([[1, 0x66, false]])
})

test('an ExtINT entry sends nothing and lets the i8259 through', () => {
  write(low(0), 0x700)
  expect(ioapic.acceptsExtInt).toBe(false)
  ioapic.setInput(0, true)
  expect(delivered).toEqual([])
  expect(ioapic.acceptsExtInt).toBe(true)
  write(low(0), 0x700 | REDIRECTION_MASKED)
  expect(ioapic.acceptsExtInt).toBe(false)
})
