import { beforeEach, describe, expect, test } from 'vitest'
import { GP, MF, NM, PF, UD } from '../../state/fault.ts'
import {
  CR0,
  CR0_EM,
  CR0_MP,
  CR0_TS,
  CR4,
  CR4_OSFXSR,
  CR4_OSXSAVE,
  CS,
  FCS,
  FCW,
  FDP,
  FDS,
  FIP,
  FOP,
  FPR,
  FSW,
  FTW,
  MXCSR,
  RAX,
  XCR0,
  XMM,
} from '../../state/layout.ts'
import {
  checkFpu,
  checkPendingFpu,
  checkSse,
  fldenv,
  frstor,
  fsave,
  fstenv,
  fxrstor,
  fxsave,
  loadMxcsr,
  xgetbv,
  xrstor,
  xsave,
  xsetbv,
} from './fpu-state.ts'
import { FakeCore, faultOf, USER_CODE32 } from './testing/fake-core.ts'

const AREA = 0x7000n
let core: FakeCore
beforeEach(() => {
  core = new FakeCore()
  const { view } = core.state
  view.setUint16(FCW, 0x37f, true)
  // TOP = 6: ST0 is R6 = 1.0, ST1 is R7 = 0.
  view.setUint16(FSW, 6 << 11, true)
  view.setUint16(FTW, 0x0fff, true)
  view.setBigUint64(FPR + 6 * 16, 1n << 63n, true)
  view.setUint16(FPR + 6 * 16 + 8, 0x3fff, true)
  view.setUint16(FOP, 0x1d9, true)
  core.state.set64(FIP, 0xffff800012345678n)
  view.setUint16(FCS, 8, true)
  for (let i = 0; i < 16; i++) view.setBigUint64(XMM + i * 16, BigInt(i + 1), true)
})
const setCr0 = (bits: number): void => core.state.set32(CR0, core.state.get32(CR0) | bits)

describe('FXSAVE', () => {
  test('FXSAVE64 stores registers by stack position, abridged tags and 64-bit pointers', () => {
    core.bytes.fill(0xee, 0x7000, 0x7200)
    fxsave(core, AREA, 8)
    const { view } = core
    expect([view.getUint16(0x7000, true), view.getUint16(0x7002, true), core.bytes[0x7004]]).toEqual([
      0x37f,
      6 << 11,
      0xc0,
    ])
    expect([view.getUint16(0x7006, true), core.u64(0x7008)]).toEqual([0x1d9, 0xffff800012345678n])
    expect([core.u32(0x7018), core.u32(0x701c)]).toEqual([0x1f80, 0xffff])
    expect([core.u64(0x7020), view.getUint16(0x7028, true)]).toEqual([1n << 63n, 0x3fff])
    expect(core.u64(0x70a0 + 15 * 16)).toBe(16n)
    expect(core.bytes[0x71a0]).toBe(0xee)
  })

  test('FXSAVE stores FCS, and eight XMM registers outside 64-bit mode', () => {
    core.bytes.fill(0xee, 0x7000, 0x7200)
    core.state.setSegment(CS, USER_CODE32, 0xc0fb, 0xffffffff, 0n)
    fxsave(core, AREA, 4)
    expect([core.u32(0x7008), core.u32(0x700c)]).toEqual([0x12345678, 8])
    expect([core.u64(0x70a0 + 7 * 16), core.bytes[0x70a0 + 8 * 16]]).toEqual([8n, 0xee])
  })

  test('FXRSTOR brings everything back', () => {
    fxsave(core, AREA, 8)
    const before = core.state.u8.slice()
    core.state.u8.fill(0x55, XMM, XMM + 256)
    core.state.u8.fill(0, FPR, FPR + 128)
    for (const place of [FCW, FSW, FTW, FOP, FCS, FDS]) core.state.view.setUint16(place, 0, true)
    for (const place of [FIP, FDP]) core.state.set64(place, 0n)
    core.state.set32(MXCSR, 0)
    fxrstor(core, AREA, 8)
    // R7 is zero and now tagged so; FXSAVE64 has no place for FCS.
    core.state.view.setUint16(FTW, 0x0fff, true)
    core.state.view.setUint16(FCS, 8, true)
    expect(core.state.u8).toEqual(before)
  })

  test('tags come from the contents', () => {
    fxsave(core, AREA, 8)
    fxrstor(core, AREA, 8)
    expect(core.state.view.getUint16(FTW, true)).toBe(0x4fff)
  })

  test('reserved MXCSR bits and a misaligned area are #GP(0), with nothing loaded', () => {
    fxsave(core, AREA, 8)
    core.view.setUint32(0x7018, 0x10000, true)
    const before = core.state.u8.slice()
    expect(faultOf(() => fxrstor(core, AREA, 8))).toEqual([GP, 0])
    expect(faultOf(() => fxrstor(core, AREA + 8n, 8))).toEqual([GP, 0])
    expect(core.state.u8).toEqual(before)
  })

  test('TS is #NM, EM is #UD', () => {
    setCr0(CR0_TS)
    expect(faultOf(() => fxsave(core, AREA, 8))).toEqual([NM, 0])
    setCr0(CR0_EM)
    expect(faultOf(() => fxsave(core, AREA, 8))).toEqual([UD, 0])
  })

  test('an area that is half absent faults before anything is stored', () => {
    core.absent.add(8)
    expect(faultOf(() => fxsave(core, 0x7f00n, 8))).toEqual([PF, 2])
    expect(core.u32(0x7f00)).toBe(0)
  })
})

describe('FSAVE and FSTENV', () => {
  test('32-bit protected layout, then FNINIT', () => {
    fsave(core, AREA, 4)
    const words = [0, 4, 8, 12, 16].map((o) => core.u32(0x7000 + o))
    expect(words).toEqual([0xffff037f, 0xffff3000, 0xffff4fff, 0x12345678, 0x01d90008])
    expect(core.u64(0x701c)).toBe(1n << 63n)
    expect([core.state.view.getUint16(FSW, true), core.state.view.getUint16(FTW, true)]).toEqual([0, 0xffff])
    frstor(core, AREA, 4)
    expect([core.state.view.getUint16(FSW, true), core.state.get64(FIP)]).toEqual([0x3000, 0x12345678n])
    expect(core.state.get64(FPR + 6 * 16)).toBe(1n << 63n)
  })

  test('16-bit protected layout', () => {
    fstenv(core, AREA, 2)
    expect([0, 2, 4, 6, 8].map((o) => core.view.getUint16(0x7000 + o, true))).toEqual([
      0x37f, 0x3000, 0x4fff, 0x5678, 8,
    ])
  })

  test('real-mode layout folds opcode and pointer together', () => {
    core.realMode()
    fstenv(core, AREA, 4)
    expect([core.u32(0x700c), core.u32(0x7010)]).toEqual([0xffff5678, 0x012341d9])
    core.state.set64(FIP, 0n)
    fldenv(core, AREA, 4)
    expect([core.state.get64(FIP), core.state.view.getUint16(FOP, true)]).toEqual([0x12345678n, 0x1d9])
  })

  test('FLDENV with an unmasked exception makes it pending', () => {
    core.view.setUint32(0x7000, 0x37e, true)
    core.view.setUint32(0x7004, 0x0001, true)
    fldenv(core, AREA, 4)
    expect(core.state.view.getUint16(FSW, true)).toBe(0x8081)
    expect(faultOf(() => checkPendingFpu(core))).toEqual([MF, 0])
  })
})

describe('XSAVE', () => {
  beforeEach(() => {
    core = new FakeCore({ xsave: true })
    core.state.set32(CR4, core.state.get32(CR4) | CR4_OSXSAVE)
    core.state.set64(XCR0, 3n)
    core.state.set64(RAX, 3n)
    core.state.set64(XMM, 77n)
  })

  test('writes what is requested and XSTATE_BV', () => {
    core.bytes.fill(0, 0x7000, 0x7400)
    core.bytes.fill(0xee, 0x7000, 0x7018)
    core.state.set64(RAX, 2n)
    xsave(core, AREA, 8)
    expect([core.u64(0x7200), core.u64(0x70a0), core.bytes[0x7000]]).toEqual([2n, 77n, 0xee])
  })

  test('XRSTOR initialises what XSTATE_BV lacks', () => {
    xsave(core, AREA, 8)
    core.view.setBigUint64(0x7200, 1n, true)
    xrstor(core, AREA, 8)
    expect(core.state.get64(XMM)).toBe(0n)
  })

  test.each([
    ['a component beyond XCR0', 0x7200, 4n],
    ['the compacted format', 0x7208, 1n << 63n],
    ['reserved header bytes', 0x7210, 1n],
  ])('%s is #GP(0)', (_name, at, value) => {
    xsave(core, AREA, 8)
    core.view.setBigUint64(at, value, true)
    expect(faultOf(() => xrstor(core, AREA, 8))).toEqual([GP, 0])
  })

  test('needs OSXSAVE, and 64-byte alignment', () => {
    expect(faultOf(() => xsave(core, AREA + 16n, 8))).toEqual([GP, 0])
    core.state.set32(CR4, 0)
    expect(faultOf(() => xsave(core, AREA, 8))).toEqual([UD, 0])
    expect(faultOf(() => xgetbv(core, 0))).toEqual([UD, 0])
  })

  test('XSETBV wants x87 and nothing unknown', () => {
    expect(faultOf(() => xsetbv(core, 0, 2n))).toEqual([GP, 0])
    expect(faultOf(() => xsetbv(core, 0, 7n))).toEqual([GP, 0])
    xsetbv(core, 0, 1n)
    expect(xgetbv(core, 0)).toBe(1n)
    core.level(3)
    expect(faultOf(() => xsetbv(core, 0, 1n))).toEqual([GP, 0])
  })
})

test('x87 and SSE availability follow CR0 and CR4', () => {
  setCr0(CR0_TS)
  expect([faultOf(() => checkFpu(core, false)), faultOf(() => checkFpu(core, true))]).toEqual([[NM, 0], undefined])
  setCr0(CR0_MP)
  expect(faultOf(() => checkFpu(core, true))).toEqual([NM, 0])
  expect(faultOf(() => checkSse(core))).toEqual([NM, 0])
  core.state.set32(CR4, core.state.get32(CR4) & ~CR4_OSFXSR)
  expect(faultOf(() => checkSse(core))).toEqual([UD, 0])
})

test('LDMXCSR refuses reserved bits', () => {
  expect(faultOf(() => loadMxcsr(core, 0x10000))).toEqual([GP, 0])
  loadMxcsr(core, 0xffbf)
  expect(core.state.get32(MXCSR)).toBe(0xffbf)
})
