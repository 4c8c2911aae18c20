import { beforeEach, describe, expect, test } from 'vitest'
import { I8259 } from './i8259.ts'

let pic: I8259

const command = (value: number): void => pic.master.write(0, 1, value)
const mask = (): number => pic.master.read(1, 1)
const isr = (): number => {
  command(0x0b)
  return pic.master.read(0, 1)
}
const irr = (): number => {
  command(0x0a)
  return pic.master.read(0, 1)
}

/** Vectors 0x20 and 0x28, everything unmasked. */
const initialise = (icw4 = 0x01): void => {
  for (const [chip, base, icw3] of [
    [pic.master, 0x20, 4],
    [pic.slave, 0x28, 2],
  ] as const) {
    chip.write(0, 1, 0x11)
    chip.write(1, 1, base)
    chip.write(1, 1, icw3)
    chip.write(1, 1, icw4)
  }
}

beforeEach(() => {
  pic = new I8259()
})

describe('after reset', () => {
  test('the pair is initialised and masked but for the cascade, as firmware leaves it', () => {
    expect(mask()).toBe(0xfb)
    expect(pic.slave.read(1, 1)).toBe(0xff)
    pic.setInput(0, true)
    pic.setInput(8, true)
    expect(pic.int).toBe(false)
    pic.master.write(1, 1, 0)
    expect(pic.acknowledge()).toBe(0x08)
  })
})

describe('initialisation', () => {
  test('ICW1-4 set the vector and clear the mask', () => {
    initialise()
    expect(mask()).toBe(0)
    pic.setInput(3, true)
    expect(pic.int).toBe(true)
    expect(pic.acknowledge()).toBe(0x23)
  })

  test('ICW1 forgets requests: an edge input must rise anew', () => {
    initialise()
    pic.setInput(3, true)
    initialise()
    expect(pic.int).toBe(false)
    pic.setInput(3, false)
    pic.setInput(3, true)
    expect(pic.int).toBe(true)
  })

  test('without IC4, the byte after ICW3 is the mask', () => {
    pic.master.write(0, 1, 0x10)
    pic.master.write(1, 1, 0x40)
    pic.master.write(1, 1, 0x04)
    pic.master.write(1, 1, 0xaa)
    expect(mask()).toBe(0xaa)
  })

  test('a single chip has no ICW3', () => {
    pic.master.write(0, 1, 0x12)
    pic.master.write(1, 1, 0x40)
    pic.master.write(1, 1, 0xbb)
    expect(mask()).toBe(0xbb)
  })
})

describe('priorities', () => {
  beforeEach(() => initialise())

  test('lower numbers go first', () => {
    pic.setInput(5, true)
    pic.setInput(1, true)
    expect(pic.acknowledge()).toBe(0x21)
    expect(pic.int).toBe(false)
    command(0x20)
    expect(pic.acknowledge()).toBe(0x25)
  })

  test('a better request interrupts one in service', () => {
    pic.setInput(5, true)
    pic.acknowledge()
    pic.setInput(1, true)
    expect(pic.int).toBe(true)
    expect(pic.acknowledge()).toBe(0x21)
    expect(isr()).toBe(0x22)
    command(0x20)
    expect(isr()).toBe(0x20)
  })

  test('a masked request is remembered and comes when unmasked', () => {
    pic.master.write(1, 1, 0x08)
    pic.setInput(3, true)
    expect(pic.int).toBe(false)
    expect(irr()).toBe(0x08)
    pic.master.write(1, 1, 0)
    expect(pic.int).toBe(true)
  })

  test('rotation on non-specific EOI makes the ended input the lowest', () => {
    pic.setInput(0, true)
    pic.acknowledge()
    command(0xa0)
    pic.setInput(0, false)
    pic.setInput(0, true)
    pic.setInput(7, true)
    expect(pic.acknowledge()).toBe(0x27)
  })

  test('set priority names the lowest input', () => {
    command(0xc4)
    pic.setInput(4, true)
    pic.setInput(5, true)
    expect(pic.acknowledge()).toBe(0x25)
  })

  test('rotation on specific EOI ends and rotates', () => {
    pic.setInput(2 + 1, true)
    pic.acknowledge()
    command(0xe3)
    expect(isr()).toBe(0)
    pic.setInput(3, false)
    pic.setInput(3, true)
    pic.setInput(6, true)
    expect(pic.acknowledge()).toBe(0x26)
  })

  test('special mask lets lower priorities through once the one in service is masked', () => {
    pic.setInput(1, true)
    pic.acknowledge()
    pic.setInput(6, true)
    expect(pic.int).toBe(false)
    command(0x68)
    pic.master.write(1, 1, 0x02)
    expect(pic.acknowledge()).toBe(0x26)
    command(0x20)
    expect(isr()).toBe(0x02)
    command(0x61)
    expect(isr()).toBe(0)
  })
})

describe('automatic end of interrupt', () => {
  test('leaves nothing in service', () => {
    initialise(0x03)
    pic.setInput(4, true)
    pic.acknowledge()
    expect(isr()).toBe(0)
  })

  test('rotates when told to', () => {
    initialise(0x03)
    command(0x80)
    pic.setInput(0, true)
    pic.acknowledge()
    pic.setInput(0, false)
    pic.setInput(0, true)
    pic.setInput(1, true)
    expect(pic.acknowledge()).toBe(0x21)
  })
})

describe('spurious interrupts', () => {
  beforeEach(() => initialise())

  test('an input that falls before INTA becomes IRQ 7, with nothing in service', () => {
    pic.setInput(3, true)
    pic.setInput(3, false)
    expect(pic.int).toBe(false)
    expect(pic.acknowledge()).toBe(0x27)
    expect(isr()).toBe(0)
  })

  test('on the slave, falling between the two INTA pulses, it becomes IRQ 15 with the cascade in service', () => {
    pic.setInput(9, true)
    pic.onInt = (level) => {
      if (!level) pic.setInput(9, false)
    }
    expect(pic.acknowledge()).toBe(0x2f)
    expect(isr()).toBe(0x04)
  })
})

describe('the cascade', () => {
  beforeEach(() => initialise())

  test('a slave input comes through master input 2', () => {
    pic.setInput(12, true)
    expect(pic.acknowledge()).toBe(0x2c)
    expect(isr()).toBe(0x04)
  })

  test('a second slave input waits for both EOIs', () => {
    pic.setInput(12, true)
    pic.acknowledge()
    pic.setInput(14, true)
    expect(pic.int).toBe(false)
    pic.slave.write(0, 1, 0x20)
    expect(pic.int).toBe(false)
    command(0x20)
    expect(pic.acknowledge()).toBe(0x2e)
  })

  test('special fully nested mode lets a better slave input through', () => {
    initialise(0x11)
    pic.setInput(12, true)
    pic.acknowledge()
    pic.setInput(8, true)
    expect(pic.int).toBe(true)
    expect(pic.acknowledge()).toBe(0x28)
  })
})

describe('level inputs', () => {
  beforeEach(() => {
    initialise()
    pic.elcr.write(0, 1, 0xff)
    pic.elcr.write(1, 1, 0xff)
  })

  test('ELCR keeps the timer, keyboard, cascade, RTC and FPU on edges', () => {
    expect(pic.elcr.read(0, 1)).toBe(0xf8)
    expect(pic.elcr.read(1, 1)).toBe(0xde)
  })

  test('a level that stays asks again after EOI', () => {
    pic.setInput(5, true)
    pic.acknowledge()
    expect(pic.int).toBe(false)
    command(0x20)
    expect(pic.int).toBe(true)
    pic.acknowledge()
    pic.setInput(5, false)
    command(0x20)
    expect(pic.int).toBe(false)
  })

  test('an edge that stays does not', () => {
    pic.setInput(0, true)
    pic.acknowledge()
    command(0x20)
    expect(pic.int).toBe(false)
  })
})

test('the poll command makes the next read an acknowledge', () => {
  initialise()
  command(0x0c)
  expect(pic.master.read(0, 1)).toBe(0)
  pic.setInput(4, true)
  command(0x0c)
  expect(pic.master.read(0, 1)).toBe(0x84)
  expect(isr()).toBe(0x10)
})
