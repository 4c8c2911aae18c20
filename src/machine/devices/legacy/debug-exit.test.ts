import { expect, test } from 'vitest'
import { DebugExit } from './debug-exit.ts'

test('a write exits with (value << 1) | 1', () => {
  const codes: number[] = []
  const device = new DebugExit({ exit: (code) => codes.push(code) })
  device.write(0, 1, 0)
  device.write(0, 4, 0x10)
  device.write(0, 4, 0xffffffff)
  expect(codes).toEqual([1, 0x21, 0xffffffff])
})
