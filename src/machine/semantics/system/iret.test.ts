import { beforeEach, describe, expect, test } from 'vitest'
import { GP, NP, SSF } from '../../state/fault.ts'
import { FLAGS_FIXED, FLAGS_IF, FLAGS_IOPL, FLAGS_NT, FLAGS_RF, FLAGS_VM, FLAGS_ZF } from '../../state/flags.ts'
import { CodeMode, CS, DS, FS, RSP, SLOT_FS_BASE, SS } from '../../state/layout.ts'
import { iret } from './iret.ts'
import {
  ACCESS_CODE,
  DPL3,
  FakeCore,
  FLAGS_32,
  FREE,
  faultOf,
  KERNEL_CODE,
  KERNEL_CODE32,
  KERNEL_DATA,
  STACK,
  USER_CODE,
  USER_CODE32,
  USER_DATA,
} from './testing/fake-core.ts'

let core: FakeCore
beforeEach(() => {
  core = new FakeCore()
})

describe('IRETQ', () => {
  test('in 64-bit mode pops SS and RSP even within a level', () => {
    core.frame(8, 0x7000, KERNEL_CODE, FLAGS_IF | FLAGS_ZF, 0x9010, KERNEL_DATA)
    core.system.nmiBlocked = true
    iret(core, 8)
    expect([core.nextRip, core.state.get64(RSP), core.state.rflags]).toEqual([
      0x7000n,
      0x9010n,
      FLAGS_IF | FLAGS_ZF | FLAGS_FIXED,
    ])
    expect(core.system.nmiBlocked).toBe(false)
  })

  test('a null SS is fine below level 3 in 64-bit code', () => {
    core.frame(8, 0x7000, KERNEL_CODE, 0, 0x9010, 0)
    iret(core, 8)
    expect([core.state.selector(SS), core.state.attributes(SS)]).toEqual([0, 0])
  })

  test('a null SS at level 3 is #GP(0)', () => {
    core.frame(8, 0x7000, USER_CODE, 0, 0x9010, 3)
    expect(faultOf(() => iret(core, 8))).toEqual([GP, 0])
  })

  test('to an outer level drops the data segments that level could not load', () => {
    core.state.setSegment(DS, KERNEL_DATA, 0xc093, 0xffffffff, 0n)
    core.state.setSegment(FS, KERNEL_DATA, 0xc093, 0xffffffff, 0x1234n)
    core.frame(8, 0x7000, USER_CODE, FLAGS_IF, 0x9010, USER_DATA)
    iret(core, 8)
    expect(core.state.cpl).toBe(3)
    expect([core.state.selector(DS), core.state.attributes(DS)]).toEqual([0, 0])
    expect([core.state.selector(FS), core.state.get64(SLOT_FS_BASE)]).toEqual([0, 0x1234n])
    expect(core.state.selector(SS)).toBe(USER_DATA)
  })

  test('to compatibility mode the stack pointer and RIP have 32 bits, and RIP obeys the limit', () => {
    core.frame(8, 0x7000, USER_CODE32, 0, 0x1_0000_9010n, USER_DATA)
    iret(core, 8)
    expect(core.state.codeMode).toBe(CodeMode.Bits32)
    expect(core.state.get64(RSP)).toBe(0x9010n)
    core.longMode()
    core.frame(8, 0x1_0000_7000n, USER_CODE32, 0, 0x9010, USER_DATA)
    iret(core, 8)
    expect(core.nextRip).toBe(0x7000n)
    core.longMode()
    core.descriptor(USER_CODE32 & ~7, ACCESS_CODE | DPL3, 0x4, 0, 0x6fff)
    core.frame(8, 0x1_0000_7000n, USER_CODE32, 0, 0x9010, USER_DATA)
    expect(faultOf(() => iret(core, 8))).toEqual([GP, 0])
  })

  test.each([
    ['a null CS', [0, 3, 0, 0, 0], [GP, 0]],
    ['a CS beyond the GDT', [0, 0x100, 0, 0, 0], [GP, 0x100]],
    ['data as CS', [0, KERNEL_DATA, 0, 0, 0], [GP, KERNEL_DATA]],
    ['an RPL that is not the DPL', [0, KERNEL_CODE | 3, 0, 0, 0], [GP, KERNEL_CODE]],
    ['CS not present', [0, FREE, 0, 0, 0], [NP, FREE]],
    ['an SS of another level', [0, USER_CODE, 0, 0, KERNEL_DATA], [GP, KERNEL_DATA]],
    ['SS not present', [0, KERNEL_CODE, 0, 0, FREE + 8], [SSF, FREE + 8]],
    ['a non-canonical RIP', [1n << 47n, KERNEL_CODE, 0, 0, KERNEL_DATA], [GP, 0]],
  ] as const)('%s faults and changes nothing', (_name, frame, fault) => {
    core.descriptor(FREE, 0x1a, 0xa)
    core.descriptor(FREE + 8, 0x12, FLAGS_32)
    core.frame(8, ...frame)
    const before = core.state.u8.slice()
    expect(faultOf(() => iret(core, 8))).toEqual(fault)
    expect(core.state.u8).toEqual(before)
  })

  test('cannot return inwards', () => {
    core.level(3)
    core.frame(8, 0x7000, KERNEL_CODE, 0, 0, KERNEL_DATA)
    expect(faultOf(() => iret(core, 8))).toEqual([GP, KERNEL_CODE])
  })

  test('NT is #GP(0) in IA-32e mode', () => {
    core.state.rflags = FLAGS_NT
    core.frame(8, 0x7000, KERNEL_CODE, 0, 0, 0)
    expect(faultOf(() => iret(core, 8))).toEqual([GP, 0])
  })

  test('level 3 changes neither IOPL nor IF; the rest comes from the image', () => {
    core.level(3)
    core.state.rflags = FLAGS_IF
    core.frame(8, 0x7000, USER_CODE, FLAGS_IOPL | FLAGS_RF | FLAGS_ZF, 0x9000, USER_DATA)
    iret(core, 8)
    expect(core.state.rflags).toBe(FLAGS_IF | FLAGS_ZF | FLAGS_RF | FLAGS_FIXED)
  })
})

describe('IRETD', () => {
  beforeEach(() => core.legacyMode())

  test('within a level leaves SS:ESP to the pops', () => {
    core.frame(4, 0x7000, KERNEL_CODE32, FLAGS_IF)
    iret(core, 4)
    expect([core.nextRip, core.state.get64(RSP)]).toEqual([0x7000n, BigInt(STACK + 12)])
  })

  test('to an outer level pops ESP and SS', () => {
    core.frame(4, 0x7000, USER_CODE32, 0, 0x9000, USER_DATA)
    iret(core, 4)
    expect([core.state.cpl, core.state.get64(RSP), core.state.selector(CS)]).toEqual([3, 0x9000n, USER_CODE32])
  })

  test('to virtual-8086 mode is refused and logged', () => {
    core.frame(4, 0x7000, 0x1000, FLAGS_VM)
    expect(faultOf(() => iret(core, 4))).toEqual([GP, 0])
    expect(core.logged.length).toBe(1)
  })

  test('beyond the stack limit is #SS(0)', () => {
    core.state.setSegment(SS, KERNEL_DATA, 0x4093, STACK + 5, 0n)
    expect(faultOf(() => iret(core, 4))).toEqual([SSF, 0])
  })

  test('in real mode pops three words', () => {
    core.realMode()
    core.frame(2, 0x56, 0x1234, FLAGS_IF)
    iret(core, 2)
    expect([core.state.base(CS), core.nextRip, core.state.rflags]).toEqual([0x12340n, 0x56n, FLAGS_IF | FLAGS_FIXED])
  })
})
