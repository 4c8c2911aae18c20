import { beforeEach, describe, expect, test } from 'vitest'
import { GP, UD } from '../../state/fault.ts'
import { FLAGS_FIXED, FLAGS_IF, FLAGS_ZF } from '../../state/flags.ts'
import { CodeMode, CS, EFER, R11, RCX, RDX, RSP, SS } from '../../state/layout.ts'
import { syscall, sysenter, sysexit, sysret } from './syscalls.ts'
import { FakeCore, faultOf, USER_CODE32 } from './testing/fake-core.ts'

let core: FakeCore
const prepare = (intel = true): void => {
  core = new FakeCore({ 'vendor-intel': intel })
  core.system.star = 0x0037_0008_0000_6000n
  core.system.lstar = 0xffffffff803fa2b0n
  core.system.cstar = 0xffffffff80200000n
  core.system.sfmask = BigInt(FLAGS_IF)
  core.level(3)
}
const NON_CANONICAL = 1n << 47n
const compatibility = (): void => core.state.setSegment(CS, USER_CODE32, 0xc0fb, 0xffffffff, 0n)
beforeEach(() => prepare())

describe('SYSCALL', () => {
  test('saves RIP and RFLAGS, masks flags, and loads flat segments from STAR', () => {
    core.state.rflags = FLAGS_IF | FLAGS_ZF
    syscall(core)
    expect([core.state.get64(RCX), core.state.get64(R11)]).toEqual([0x5002n, BigInt(FLAGS_IF | FLAGS_ZF | FLAGS_FIXED)])
    expect([core.nextRip, core.state.rflags, core.state.cpl]).toEqual([0xffffffff803fa2b0n, FLAGS_ZF | FLAGS_FIXED, 0])
    expect([core.state.selector(CS), core.state.selector(SS)]).toEqual([8, 0x10])
    expect([core.state.attributes(CS), core.state.attributes(SS)]).toEqual([0xa09b, 0xc093])
  })

  test('is #UD without SCE, and from compatibility mode on Intel; AMD goes to CSTAR', () => {
    compatibility()
    expect(faultOf(() => syscall(core))).toEqual([UD, 0])
    prepare(false)
    compatibility()
    syscall(core)
    expect([core.nextRip, core.state.codeMode]).toEqual([0xffffffff80200000n, CodeMode.Bits64])
    core.state.set64(EFER, 0x500n)
    expect(faultOf(() => syscall(core))).toEqual([UD, 0])
  })
})

describe('SYSRET', () => {
  beforeEach(() => core.level(0))

  test('with REX.W returns to 64-bit code at level 3', () => {
    core.state.set64(RCX, 0x7000n)
    core.state.set64(R11, BigInt(FLAGS_IF | (1 << 16)))
    sysret(core, 8)
    expect([core.nextRip, core.state.cpl, core.state.rflags]).toEqual([0x7000n, 3, FLAGS_IF | FLAGS_FIXED])
    expect([core.state.selector(CS), core.state.selector(SS)]).toEqual([0x47, 0x3f])
    expect(core.state.codeMode).toBe(CodeMode.Bits64)
  })

  test('without it returns to compatibility code', () => {
    core.state.set64(RCX, 0xff_0000_7000n)
    sysret(core, 4)
    expect([core.nextRip, core.state.selector(CS), core.state.codeMode]).toEqual([0x7000n, 0x37, CodeMode.Bits32])
  })

  test('a non-canonical RCX is #GP(0) before the return on Intel, after it on AMD', () => {
    core.state.set64(RCX, NON_CANONICAL)
    expect(faultOf(() => sysret(core, 8))).toEqual([GP, 0])
    prepare(false)
    core.level(0)
    core.state.set64(RCX, NON_CANONICAL)
    sysret(core, 8)
    expect([core.nextRip, core.state.cpl]).toEqual([NON_CANONICAL, 3])
  })

  test('is #GP(0) outside level 0', () => {
    core.level(3)
    expect(faultOf(() => sysret(core, 8))).toEqual([GP, 0])
  })
})

describe('SYSENTER and SYSEXIT', () => {
  beforeEach(() => {
    core.system.sysenterCs = 0x108n
    core.system.sysenterEsp = 0x9000n
    core.system.sysenterEip = 0x7000n
  })

  test('enter level 0 with IF clear, and leave for 64-bit code', () => {
    core.state.rflags = FLAGS_IF
    sysenter(core)
    expect([core.nextRip, core.state.get64(RSP), core.state.rflags]).toEqual([0x7000n, 0x9000n, FLAGS_FIXED])
    expect([core.state.selector(CS), core.state.selector(SS), core.state.cpl]).toEqual([0x108, 0x110, 0])
    core.state.set64(RCX, 0x8000n)
    core.state.set64(RDX, 0x5002n)
    sysexit(core, 8)
    expect([core.state.selector(CS), core.state.selector(SS), core.state.cpl]).toEqual([0x12b, 0x133, 3])
    expect([core.nextRip, core.state.get64(RSP)]).toEqual([0x5002n, 0x8000n])
  })

  test('a null IA32_SYSENTER_CS is #GP(0); AMD has neither in IA-32e mode', () => {
    core.system.sysenterCs = 3n
    expect(faultOf(() => sysenter(core))).toEqual([GP, 0])
    prepare(false)
    expect(faultOf(() => sysenter(core))).toEqual([UD, 0])
    expect(faultOf(() => sysexit(core, 8))).toEqual([UD, 0])
  })

  test('SYSEXIT is #GP(0) outside level 0 and for a non-canonical target', () => {
    expect(faultOf(() => sysexit(core, 4))).toEqual([GP, 0])
    core.level(0)
    core.state.set64(RDX, NON_CANONICAL)
    expect(faultOf(() => sysexit(core, 8))).toEqual([GP, 0])
  })
})
