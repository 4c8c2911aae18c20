import { beforeEach, describe, expect, test } from 'vitest'
import { GP } from '../../state/fault.ts'
import { EFER, SLOT_GS_BASE } from '../../state/layout.ts'
import { readMsr, writeMsr } from './msr.ts'
import { FakeCore, faultOf } from './testing/fake-core.ts'

let core: FakeCore
beforeEach(() => {
  core = new FakeCore()
})
const write = (index: number, value: bigint) => faultOf(() => writeMsr(core, index, value))

describe('EFER', () => {
  test('NXE may change at any time and drops translations; LMA keeps what the processor says', () => {
    expect(write(0xc0000080, 0x901n)).toBeUndefined()
    expect([core.state.get64(EFER), core.flushes]).toEqual([0xd01n, [true]])
  })

  test('LME may not change while paging is on, and reserved bits are #GP(0)', () => {
    expect(write(0xc0000080, 0x001n)).toEqual([GP, 0])
    expect(write(0xc0000080, 0x1d01n)).toEqual([GP, 0])
    core = new FakeCore({ nx: false })
    expect(write(0xc0000080, 0xd01n)).toEqual([GP, 0])
  })
})

test('addresses must be canonical', () => {
  for (const index of [0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102, 0x175, 0x176])
    expect(write(index, 1n << 47n)).toEqual([GP, 0])
  expect(write(0xc0000101, 0xffffffff80807c00n)).toBeUndefined()
  expect(core.state.get64(SLOT_GS_BASE)).toBe(0xffffffff80807c00n)
})

test('PAT takes the six memory types', () => {
  expect(readMsr(core, 0x277)).toBe(0x0007040600070406n)
  expect(write(0x277, 0x0007010600070106n)).toBeUndefined()
  expect(write(0x277, 2n)).toEqual([GP, 0])
  expect(write(0x277, 8n << 56n)).toEqual([GP, 0])
})

describe('MTRRs', () => {
  test('are all there, as MTRRCAP says', () => {
    expect(readMsr(core, 0xfe)).toBe(0x508n)
    const all = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x2ff]
    for (let i = 0; i < 16; i++) all.push(0x200 + i)
    for (const index of all) expect([readMsr(core, index), write(index, 0n)]).toEqual([0n, undefined])
    expect(write(0xfe, 0n)).toEqual([GP, 0])
  })

  test('check types and reserved bits', () => {
    expect(write(0x200, 2n)).toEqual([GP, 0])
    expect(write(0x200, 1n << 40n)).toEqual([GP, 0])
    expect(write(0x201, 0x400n)).toEqual([GP, 0])
    expect(write(0x250, 7n)).toEqual([GP, 0])
    expect(write(0x2ff, 0x806n)).toBeUndefined()
    expect(write(0x2ff, 0x100n)).toEqual([GP, 0])
    expect(write(0x201, 0xff_f000_0800n)).toBeUndefined()
  })

  test('go with the switch', () => {
    core = new FakeCore({ mtrr: false })
    expect(faultOf(() => readMsr(core, 0xfe))).toEqual([GP, 0])
  })
})

test('IA32_APIC_BASE refuses x2APIC and reserved bits', () => {
  expect(readMsr(core, 0x1b)).toBe(0xfee00900n)
  expect(write(0x1b, 0xfee00900n)).toBeUndefined()
  expect(write(0x1b, 0xfee00d00n)).toEqual([GP, 0])
  expect(write(0x1b, 1n << 40n)).toEqual([GP, 0])
})

test('the TSC can be written, and IA32_TSC_ADJUST follows where it is offered', () => {
  core = new FakeCore({ 'tsc-adjust': true })
  writeMsr(core, 0x10, 5000n)
  expect([readMsr(core, 0x10), readMsr(core, 0x3b)]).toEqual([5000n, 4000n])
  writeMsr(core, 0x3b, 0n)
  expect(readMsr(core, 0x10)).toBe(1000n)
})

test('each vendor has its own', () => {
  expect(readMsr(core, 0x10a) & 1n).toBe(1n)
  expect(readMsr(core, 0xce)).toBe(0xa00n)
  expect(faultOf(() => readMsr(core, 0xc001001f))).toEqual([GP, 0])
  core = new FakeCore({ 'vendor-intel': false })
  for (const index of [0xc001001f, 0xc0010015, 0xc0010114]) expect(readMsr(core, index)).toBe(0n)
  expect(faultOf(() => readMsr(core, 0x10a))).toEqual([GP, 0])
})

test('an unknown MSR is #GP(0) and a log line; level 3 is #GP(0) without one', () => {
  expect(faultOf(() => readMsr(core, 0x12345))).toEqual([GP, 0])
  expect(core.logged).toEqual(['rdmsr 0x12345: no such MSR here, #GP(0)'])
  core.level(3)
  expect(faultOf(() => readMsr(core, 0x10))).toEqual([GP, 0])
  expect(core.logged.length).toBe(1)
})
