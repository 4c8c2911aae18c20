import { beforeEach, describe, expect, test } from 'vitest'
import { GP, NP, SSF, UD } from '../../state/fault.ts'
import { FLAGS_ZF } from '../../state/flags.ts'
import {
  CodeMode,
  CPL,
  CR4,
  CS,
  DS,
  FS,
  GDTR_BASE,
  GDTR_LIMIT,
  GS,
  LDTR,
  RSP,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
  SS,
  TR,
} from '../../state/layout.ts'
import {
  adjustRpl,
  farCall,
  farJump,
  farReturn,
  loadAccessRights,
  loadGdt,
  loadLdt,
  loadSegment,
  loadSegmentLimit,
  loadTaskRegister,
  readSegmentBase,
  storeGdt,
  storeTaskRegister,
  swapGs,
  verifyRead,
  verifyWrite,
  writeSegmentBase,
} from './segments.ts'
import {
  ACCESS_CODE,
  ACCESS_DATA,
  DPL3,
  FakeCore,
  FLAGS_32,
  FREE,
  faultOf,
  GDT,
  KERNEL_CODE,
  KERNEL_CODE32,
  KERNEL_DATA,
  LDT,
  STACK,
  TSS,
  TSS_SELECTOR,
  USER_CODE,
  USER_CODE32,
  USER_DATA,
} from './testing/fake-core.ts'

let core: FakeCore
beforeEach(() => {
  core = new FakeCore()
})
const zf = (): boolean => (core.state.rflags & FLAGS_ZF) !== 0

describe('loading a segment register', () => {
  test('fills the hidden part and sets the accessed bit in memory', () => {
    core.descriptor(FREE, ACCESS_DATA, 0x4, 0x12345678, 0x54321)
    loadSegment(core, DS, FREE)
    expect([core.state.base(DS), core.state.limit(DS), core.state.attributes(DS)]).toEqual([
      0x12345678n,
      0x54321,
      0x4093,
    ])
    expect(core.bytes[GDT + FREE + 5]).toBe(0x93)
  })

  test('granularity makes the limit pages', () => {
    loadSegment(core, DS, USER_DATA)
    expect(core.state.limit(DS)).toBe(0xffffffff)
  })

  test('a null data selector is unusable; a null FS loses its base on Intel and keeps it on AMD', () => {
    core.state.set64(SLOT_FS_BASE, 5n)
    loadSegment(core, DS, 0)
    loadSegment(core, FS, 0)
    expect([core.state.attributes(DS), core.state.get64(SLOT_FS_BASE)]).toEqual([0, 0n])
    core = new FakeCore({ 'vendor-intel': false })
    core.state.set64(SLOT_FS_BASE, 5n)
    loadSegment(core, FS, 0)
    expect(core.state.get64(SLOT_FS_BASE)).toBe(5n)
  })

  test.each([
    ['a selector beyond the table', DS, 0x100, [GP, 0x100]],
    ['execute-only code', DS, FREE, [GP, FREE]],
    ['a system descriptor', DS, TSS_SELECTOR, [GP, TSS_SELECTOR]],
    ['an RPL weaker than the DPL', DS, KERNEL_DATA | 3, [GP, KERNEL_DATA]],
    ['data not present', DS, FREE + 8, [NP, FREE + 8]],
    ['read-only data as SS', SS, FREE + 16, [GP, FREE + 16]],
    ['an SS whose DPL is not CPL', SS, USER_DATA & ~3, [GP, USER_DATA & ~3]],
    ['an SS not present', SS, FREE + 8, [SSF, FREE + 8]],
    ['a null SS with another RPL', SS, 1, [GP, 0]],
    ['an LDT that is not loaded', DS, 4, [GP, 4]],
  ] as const)('%s faults', (_name, segment, selector, fault) => {
    core.descriptor(FREE, 0x98, FLAGS_32)
    core.descriptor(FREE + 8, 0x12, FLAGS_32)
    core.descriptor(FREE + 16, 0x90, FLAGS_32)
    expect(faultOf(() => loadSegment(core, segment, selector))).toEqual(fault)
  })

  test('SS holds interrupts off for an instruction; null is fine in 64-bit mode below level 3', () => {
    loadSegment(core, SS, 0)
    expect([core.state.selector(SS), core.inhibited]).toEqual([0, 1])
    core.legacyMode()
    expect(faultOf(() => loadSegment(core, SS, 0))).toEqual([GP, 0])
  })

  test('real mode multiplies by sixteen and keeps limit and attributes', () => {
    core.realMode()
    loadSegment(core, DS, 0x1234)
    expect([core.state.base(DS), core.state.limit(DS)]).toEqual([0x12340n, 0xffff])
  })
})

describe('far JMP, CALL, RET', () => {
  test('JMP goes from compatibility code to 64-bit code', () => {
    core.state.setSegment(CS, KERNEL_CODE32, 0xc09b, 0xffffffff, 0n)
    farJump(core, KERNEL_CODE, 0x7000n, 4)
    expect([core.state.codeMode, core.nextRip]).toEqual([CodeMode.Bits64, 0x7000n])
  })

  test.each([
    ['null', 0, 0n, [GP, 0]],
    ['data', KERNEL_DATA, 0n, [GP, KERNEL_DATA]],
    ['code of another level', USER_CODE, 0n, [GP, USER_CODE & ~3]],
    ['a TSS', TSS_SELECTOR, 0n, [GP, TSS_SELECTOR]],
    ['code not present', FREE, 0n, [NP, FREE]],
    ['code with L and D', FREE + 8, 0n, [GP, FREE + 8]],
    ['a non-canonical offset', KERNEL_CODE, 1n << 47n, [GP, 0]],
    ['an offset beyond a 32-bit limit', FREE + 16, 0x2000n, [GP, 0]],
  ] as const)('JMP to %s faults', (_name, selector, offset, fault) => {
    core.descriptor(FREE, 0x1a, 0xa)
    core.descriptor(FREE + 8, ACCESS_CODE, 0xe)
    core.descriptor(FREE + 16, ACCESS_CODE, 0x4, 0, 0xfff)
    expect(faultOf(() => farJump(core, selector, offset, 8))).toEqual(fault)
  })

  test('CALL pushes CS and RIP at the operand size; RET takes them back and releases', () => {
    farCall(core, KERNEL_CODE, 0x7000n, 8)
    const sp = Number(core.state.get64(RSP))
    expect([sp, core.u64(sp), core.u64(sp + 8)]).toEqual([STACK - 16, 0x5002n, BigInt(KERNEL_CODE)])
    farReturn(core, 0x20, 8)
    expect([core.nextRip, core.state.get64(RSP)]).toEqual([0x5002n, BigInt(STACK + 0x20)])
  })

  test('a 64-bit call gate enters level 0 on RSP0 with a null SS', () => {
    core.gate(GDT + FREE, KERNEL_CODE, 0x7000n, 0x8c | DPL3)
    core.level(3)
    core.view.setBigUint64(TSS + 4, 0x9000n, true)
    farCall(core, FREE | 3, 0n, 4)
    const sp = Number(core.state.get64(RSP))
    expect([0, 8, 16, 24].map((i) => core.u64(sp + i))).toEqual([
      0x5002n,
      BigInt(USER_CODE),
      BigInt(STACK),
      BigInt(USER_DATA),
    ])
    expect([core.state.cpl, core.state.selector(SS), core.nextRip]).toEqual([0, 0, 0x7000n])
    farReturn(core, 0, 8)
    expect([core.state.cpl, core.state.selector(SS), core.state.get64(RSP)]).toEqual([3, USER_DATA, BigInt(STACK)])
  })

  test('a gate whose DPL is below the caller is #GP(gate), and JMP may not change the level', () => {
    core.gate(GDT + FREE, KERNEL_CODE, 0x7000n, 0x8c)
    core.gate(GDT + FREE + 16, KERNEL_CODE, 0x7000n, 0x8c | DPL3)
    core.level(3)
    expect(faultOf(() => farCall(core, FREE, 0n, 4))).toEqual([GP, FREE])
    expect(faultOf(() => farJump(core, FREE + 16, 0n, 4))).toEqual([GP, KERNEL_CODE])
  })

  test('a 32-bit call gate copies its parameters', () => {
    core.legacyMode()
    core.level(3)
    core.state.setSegment(CS, USER_CODE32, 0xc0fb, 0xffffffff, 0n)
    core.view.setUint32(TSS + 4, 0x9000, true)
    core.view.setUint16(TSS + 8, KERNEL_DATA, true)
    core.gate(GDT + FREE, KERNEL_CODE32, 0x7000n, 0x8c | DPL3, 2)
    core.frame(4, 0x11, 0x22)
    farCall(core, FREE, 0n, 4)
    const sp = Number(core.state.get64(RSP))
    expect([0, 4, 8, 12, 16, 20].map((i) => core.u32(sp + i))).toEqual([
      0x5002,
      USER_CODE32,
      0x11,
      0x22,
      STACK,
      USER_DATA,
    ])
    expect([core.nextRip, core.state.cpl]).toEqual([0x7000n, 0])
  })

  test('a TSS in legacy mode is refused and logged', () => {
    core.legacyMode()
    expect(faultOf(() => farJump(core, TSS_SELECTOR, 0n, 4))).toEqual([GP, TSS_SELECTOR])
    expect(core.logged.length).toBe(1)
  })
})

describe('descriptor tables', () => {
  test('LTR makes the TSS busy, once', () => {
    loadTaskRegister(core, TSS_SELECTOR)
    expect(core.bytes[GDT + TSS_SELECTOR + 5]).toBe(0x8b)
    expect([core.state.base(TR), storeTaskRegister(core)]).toEqual([BigInt(TSS), TSS_SELECTOR])
    expect(faultOf(() => loadTaskRegister(core, TSS_SELECTOR))).toEqual([GP, TSS_SELECTOR])
    expect(faultOf(() => loadTaskRegister(core, 0))).toEqual([GP, 0])
  })

  test('LLDT reads a 64-bit base, and null unloads it', () => {
    core.descriptor(FREE, 0x82, 0, LDT, 0x1f)
    core.view.setUint32(GDT + FREE + 8, 0xffff8000, true)
    loadLdt(core, FREE)
    expect(core.state.base(LDTR)).toBe(0xffff800000004000n)
    loadLdt(core, 0)
    expect(core.state.attributes(LDTR)).toBe(0)
    core.descriptor(FREE, 0x92, 0, LDT, 0x1f)
    expect(faultOf(() => loadLdt(core, FREE))).toEqual([GP, FREE])
    core.level(3)
    expect(faultOf(() => loadLdt(core, FREE))).toEqual([GP, 0])
  })

  test('LGDT reads ten bytes in 64-bit mode, six elsewhere, 24 bits of base with a 16-bit operand', () => {
    core.view.setUint16(0x7000, 0x77, true)
    core.view.setBigUint64(0x7002, 0xffff800012345678n, true)
    loadGdt(core, 0x7000n, 4)
    expect([core.state.get32(GDTR_LIMIT), core.state.get64(GDTR_BASE)]).toEqual([0x77, 0xffff800012345678n])
    storeGdt(core, 0x7100n, 8)
    expect(core.u64(0x7102)).toBe(0xffff800012345678n)
    core.legacyMode()
    loadGdt(core, 0x7000n, 2)
    expect(core.state.get64(GDTR_BASE)).toBe(0x345678n)
    core.state.set32(CPL, 3)
    expect(faultOf(() => loadGdt(core, 0x7000n, 4))).toEqual([GP, 0])
  })
})

describe('asking about segments', () => {
  test('VERR and VERW set ZF by type and level', () => {
    const ask = (verb: (c: FakeCore, s: number) => void, selector: number): boolean => {
      verb(core, selector)
      return zf()
    }
    expect([ask(verifyRead, KERNEL_CODE), ask(verifyWrite, KERNEL_CODE), ask(verifyWrite, KERNEL_DATA)]).toEqual([
      true,
      false,
      true,
    ])
    core.level(3)
    expect([ask(verifyRead, KERNEL_DATA), ask(verifyRead, USER_CODE), ask(verifyRead, 0)]).toEqual([false, true, false])
  })

  test('LAR and LSL give rights and limit, or leave the destination', () => {
    expect([loadAccessRights(core, KERNEL_CODE), zf()]).toEqual([0x00a09a00, true])
    expect(loadSegmentLimit(core, TSS_SELECTOR)).toBe(0x67)
    core.gate(GDT + FREE, KERNEL_CODE, 0n, 0x8c)
    expect(loadAccessRights(core, FREE)).toBe(0x8c00)
    expect([loadSegmentLimit(core, FREE), zf()]).toEqual([undefined, false])
  })

  test('ARPL raises RPL', () => {
    core.legacyMode()
    expect([adjustRpl(core, 0x10, 3), zf()]).toEqual([0x13, true])
    expect([adjustRpl(core, 0x13, 1), zf()]).toEqual([0x13, false])
    core.realMode()
    expect(faultOf(() => adjustRpl(core, 0, 0))).toEqual([UD, 0])
  })
})

describe('FS and GS bases', () => {
  test('SWAPGS exchanges with IA32_KERNEL_GS_BASE at level 0 of 64-bit mode', () => {
    core.system.kernelGsBase = 7n
    core.state.set64(SLOT_GS_BASE, 9n)
    swapGs(core)
    expect([core.state.get64(SLOT_GS_BASE), core.system.kernelGsBase]).toEqual([7n, 9n])
    core.level(3)
    expect(faultOf(() => swapGs(core))).toEqual([GP, 0])
    core.legacyMode()
    expect(faultOf(() => swapGs(core))).toEqual([UD, 0])
  })

  test('WRGSBASE needs CR4.FSGSBASE and a canonical base', () => {
    expect(faultOf(() => writeSegmentBase(core, GS, 1n))).toEqual([UD, 0])
    core.state.set32(CR4, core.state.get32(CR4) | (1 << 16))
    writeSegmentBase(core, GS, 1n)
    expect(readSegmentBase(core, GS)).toBe(1n)
    expect(faultOf(() => writeSegmentBase(core, GS, 1n << 63n))).toEqual([GP, 0])
  })
})
