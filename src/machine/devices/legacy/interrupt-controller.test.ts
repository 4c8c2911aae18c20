import { beforeEach, describe, expect, test } from 'vitest'
import type { InterruptLine } from '../../interrupt-line.ts'
import { I8259 } from './i8259.ts'
import { InterruptController } from './interrupt-controller.ts'
import { IOAPIC, IOREGSEL, IOWIN, Ioapic, REDIRECTION_LEVEL } from './ioapic.ts'
import { IsaInterrupts } from './isa-interrupts.ts'
import { LAPIC, Lapic } from './lapic.ts'
import { TestClock } from './testing/bench.ts'

let lapic: Lapic
let ioapic: Ioapic
let i8259: I8259
let controller: InterruptController
let isa: IsaInterrupts
let changes: number

const redirect = (pin: number, value: number): void => {
  ioapic.write(IOREGSEL, 4, IOAPIC.REDTBL + 2 * pin)
  ioapic.write(IOWIN, 4, value)
}
const startI8259 = (): void => {
  for (const [chip, base] of [
    [i8259.master, 0x20],
    [i8259.slave, 0x28],
  ] as const) {
    chip.write(0, 1, 0x11)
    chip.write(1, 1, base)
    chip.write(1, 1, base === 0x20 ? 4 : 2)
    chip.write(1, 1, 1)
  }
}
const startLapic = (): void => lapic.write(LAPIC.SVR, 4, 0x1ff)

beforeEach(() => {
  const clock = new TestClock()
  lapic = new Lapic({ id: 0, base: 0xfee00000 }, clock.timers)
  ioapic = new Ioapic(2, lapic)
  i8259 = new I8259()
  controller = new InterruptController(lapic, ioapic, i8259)
  isa = new IsaInterrupts(i8259, ioapic)
  changes = 0
  controller.onChange = () => changes++
})

describe('a kernel that uses only the i8259s', () => {
  test('gets their vectors with the APIC never touched', () => {
    startI8259()
    const line = isa.line(4, 'device')
    line.set(true)
    expect(controller.pending()).toBe(true)
    expect(changes).toBe(1)
    expect(controller.acknowledge()).toBe(0x24)
    expect(controller.pending()).toBe(false)
    line.set(false)
    i8259.master.write(0, 1, 0x20)
    line.set(true)
    expect(controller.pending()).toBe(true)
  })

  test('is not held back by TPR', () => {
    startI8259()
    controller.cr8 = 15
    isa.line(4, 'device').set(true)
    expect(controller.pending()).toBe(true)
  })

  test('gets them with the APIC enabled and LINT0 as reset left it', () => {
    startI8259()
    startLapic()
    isa.line(11, 'device').set(true)
    expect(controller.acknowledge()).toBe(0x2b)
  })

  test('gets them through the IOAPIC in ExtINT mode when LINT0 is masked', () => {
    startI8259()
    startLapic()
    lapic.write(LAPIC.LVT_LINT0, 4, 0x10000)
    isa.line(4, 'device').set(true)
    expect(controller.pending()).toBe(false)
    redirect(0, 0x700)
    expect(controller.pending()).toBe(true)
    expect(controller.acknowledge()).toBe(0x24)
  })
})

describe('a kernel that uses only the APICs', () => {
  test('hears nothing from i8259s that it never initialised', () => {
    startLapic()
    isa.line(0, 'device').set(true)
    expect(controller.pending()).toBe(false)
  })

  test('gets IRQ 0 on IOAPIC input 2', () => {
    startLapic()
    redirect(2, 0x60)
    isa.line(0, 'device').set(true)
    expect(controller.acknowledge()).toBe(0x60)
  })

  test('gets a level interrupt again after EOI until the device lets go', () => {
    startLapic()
    redirect(5, 0x71 | REDIRECTION_LEVEL)
    const line = isa.line(5, 'device')
    line.set(true)
    expect(controller.acknowledge()).toBe(0x71)
    expect(controller.pending()).toBe(false)
    lapic.write(LAPIC.EOI, 4, 0)
    expect(controller.pending()).toBe(true)
    controller.acknowledge()
    line.set(false)
    lapic.write(LAPIC.EOI, 4, 0)
    expect(controller.pending()).toBe(false)
  })

  test('shares TPR with CR8', () => {
    startLapic()
    redirect(5, 0x71)
    controller.cr8 = 7
    expect(lapic.read(LAPIC.TPR, 4)).toBe(0x70)
    isa.line(5, 'device').set(true)
    expect(controller.pending()).toBe(false)
    controller.tpr = 0x6f
    expect(controller.cr8).toBe(6)
    expect(controller.pending()).toBe(true)
  })
})

test('an NMI stays pending until it is taken', () => {
  startLapic()
  lapic.write(LAPIC.ICR_LOW, 4, 0x80400)
  expect(controller.nmiPending).toBe(true)
  expect(changes).toBe(1)
  controller.takeNmi()
  expect(controller.nmiPending).toBe(false)
})

describe('shared ISA lines', () => {
  test('are ORed', () => {
    startLapic()
    redirect(10, 0x71 | REDIRECTION_LEVEL)
    const lines: InterruptLine[] = [isa.line(10, 'one'), isa.line(10, 'other')]
    lines[0].set(true)
    lines[1].set(true)
    lines[0].set(false)
    controller.acknowledge()
    lapic.write(LAPIC.EOI, 4, 0)
    expect(controller.pending()).toBe(true)
    lines[1].set(false)
    controller.acknowledge()
    lapic.write(LAPIC.EOI, 4, 0)
    expect(controller.pending()).toBe(false)
  })

  test('the cascade is nobody to share with', () => {
    expect(() => isa.line(2, 'device')).toThrow('0-15 without 2')
  })
})
