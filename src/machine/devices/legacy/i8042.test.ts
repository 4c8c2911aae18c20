import { beforeEach, expect, test } from 'vitest'
import { I8042 } from './i8042.ts'

let resets: number
let device: I8042

beforeEach(() => {
  resets = 0
  device = new I8042({ reset: () => resets++ })
})

test('command 0xfe pulses RESET; 0xff pulses nothing, 0xf0 everything', () => {
  device.command.write(0, 1, 0xfe)
  expect(resets).toBe(1)
  device.command.write(0, 1, 0xff)
  expect(resets).toBe(1)
  device.command.write(0, 1, 0xf0)
  expect(resets).toBe(2)
})

test('nobody waits for the input buffer', () => {
  expect(device.command.read(0, 1) & 0x02).toBe(0)
})

test('a self-test is answered at once and wrongly', () => {
  device.command.write(0, 1, 0xaa)
  expect(device.command.read(0, 1) & 0x01).toBe(0x01)
  expect(device.data.read(0, 1)).toBe(0xff)
  expect(resets).toBe(0)
})
