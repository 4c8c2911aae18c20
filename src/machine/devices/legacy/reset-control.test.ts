import { expect, test } from 'vitest'
import { ResetControl } from './reset-control.ts'

test('0x02 then 0x06 resets, 0x02 alone does not', () => {
  let resets = 0
  const device = new ResetControl({ reset: () => resets++ })
  device.write(0, 1, 0x02)
  expect(resets).toBe(0)
  expect(device.read(0, 1)).toBe(0x02)
  device.write(0, 1, 0x06)
  expect(resets).toBe(1)
})
