import { beforeEach, expect, test } from 'vitest'
import { GP, UD } from '../../state/fault.ts'
import { FLAGS_IOPL } from '../../state/flags.ts'
import { CR4, CR4_TSD, TR } from '../../state/layout.ts'
import { checkPort, readPerformanceCounter, readPort, readRandom, readTimeStamp, readTimeStampAndAux } from './io.ts'
import { FakeCore, faultOf, TSS } from './testing/fake-core.ts'

let core: FakeCore
const port = (number: number, size: 1 | 2 | 4 = 1) => faultOf(() => checkPort(core, number, size))
beforeEach(() => {
  core = new FakeCore()
  core.level(3)
  // The map begins where the TSS ends: no port is open.
  core.view.setUint16(TSS + 102, 0x68, true)
})

test('IOPL opens every port, level 0 always has it', () => {
  expect(port(0x80)).toEqual([GP, 0])
  core.state.rflags = FLAGS_IOPL
  expect(port(0x80)).toBeUndefined()
  core.level(0)
  core.state.rflags = 0
  expect([port(0x80), readPort(core, 0x80, 2)]).toEqual([undefined, 0xffff])
})

test('the TSS bitmap opens ports one by one, and wants a byte after its last', () => {
  core.bytes.fill(0xff, TSS + 0x68, TSS + 0x80)
  core.bytes[TSS + 0x68 + 7] = 0b1000_0001
  core.state.setSegment(TR, 0x30, 0x8b, 0x68 + 9, BigInt(TSS))
  expect([port(0x38), port(0x39), port(0x39, 4), port(0x3c, 4)]).toEqual([[GP, 0], undefined, undefined, [GP, 0]])
  core.state.setSegment(TR, 0x30, 0x8b, 0x68 + 7, BigInt(TSS))
  expect(port(0x39)).toEqual([GP, 0])
})

test('a 16-bit TSS has no bitmap', () => {
  core.state.setSegment(TR, 0x30, 0x83, 0xffff, BigInt(TSS))
  expect(port(0)).toEqual([GP, 0])
})

test('RDTSC obeys CR4.TSD outside level 0', () => {
  expect(readTimeStamp(core)).toBe(1000n)
  core.state.set32(CR4, CR4_TSD)
  expect(faultOf(() => readTimeStamp(core))).toEqual([GP, 0])
  core.level(0)
  expect(readTimeStamp(core)).toBe(1000n)
})

test('RDTSCP and RDSEED need their features; RDPMC has no counters', () => {
  expect(faultOf(() => readTimeStampAndAux(core))).toEqual([UD, 0])
  expect(faultOf(() => readRandom(core, 'rdseed'))).toEqual([UD, 0])
  expect(readRandom(core, 'rdrand')).toBe(4n)
  expect(faultOf(() => readPerformanceCounter(core, 0))).toEqual([GP, 0])
})
