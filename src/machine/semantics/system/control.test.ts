import { beforeEach, describe, expect, test } from 'vitest'
import { DB, GP, UD } from '../../state/fault.ts'
import { FLAGS_AC, FLAGS_FIXED, FLAGS_IF, FLAGS_IOPL, FLAGS_RF, FLAGS_VM, FLAGS_ZF } from '../../state/flags.ts'
import { CR0, CR3, CR4, CS, DR0, EFER, EFER_LMA, EFER_LME } from '../../state/layout.ts'
import {
  clearInterruptFlag,
  clearTaskSwitched,
  haltInstruction,
  invalidatePage,
  loadMachineStatus,
  monitor,
  mwait,
  popf,
  pushf,
  readControlRegister,
  readDebugRegister,
  setAc,
  setInterruptFlag,
  writeControlRegister,
  writeDebugRegister,
} from './control.ts'
import { FakeCore, faultOf, KERNEL_CODE32 } from './testing/fake-core.ts'

let core: FakeCore
beforeEach(() => {
  core = new FakeCore()
})
const write = (index: number, value: bigint) => faultOf(() => writeControlRegister(core, index, value))
const PG = 0x80000000n

describe('CR0', () => {
  test.each([
    ['PG without PE', PG | 0x10n],
    ['NW without CD', 0xa0000011n],
    ['a bit above 31', 0x1_8000_0011n],
    ['clearing PG in 64-bit mode', 0x11n],
  ])('%s is #GP(0)', (_name, value) => {
    expect(write(0, value)).toEqual([GP, 0])
  })

  test('PG with LME sets LMA, from compatibility code with PAE only', () => {
    core.legacyMode()
    core.state.set64(EFER, BigInt(EFER_LME))
    core.state.set64(CR4, 0n)
    expect(write(0, PG | 1n)).toEqual([GP, 0])
    core.state.set64(CR4, 0x20n)
    core.state.setSegment(CS, 8, 0xa09b, 0, 0n)
    expect(write(0, PG | 1n)).toEqual([GP, 0])
    core.state.setSegment(CS, KERNEL_CODE32, 0xc09b, 0xffffffff, 0n)
    expect(write(0, PG | 1n)).toBeUndefined()
    expect(core.state.get32(EFER) & EFER_LMA).toBe(EFER_LMA)
    expect(core.state.get64(CR0)).toBe(PG | 0x11n)
    expect(write(0, 1n)).toBeUndefined()
    expect(core.state.get32(EFER) & EFER_LMA).toBe(0)
  })

  test('WP drops translations; TS does not', () => {
    write(0, PG | 0x31n | 8n)
    expect(core.flushes).toEqual([])
    write(0, PG | 0x31n | 0x10000n)
    expect(core.flushes).toEqual([true])
    clearTaskSwitched(core)
    expect(core.state.get64(CR0)).toBe(PG | 0x10031n)
  })

  test('LMSW cannot clear PE', () => {
    loadMachineStatus(core, 8)
    expect(core.state.get64(CR0)).toBe(PG | 0x39n)
  })
})

describe('CR3, CR4, CR8', () => {
  test('CR3 keeps to the physical address width and drops what is not global', () => {
    expect(write(3, 1n << 40n)).toEqual([GP, 0])
    expect(write(3, 0xa01000n)).toBeUndefined()
    expect([core.state.get64(CR3), core.flushes]).toEqual([0xa01000n, [false]])
    expect(write(3, (1n << 63n) | 0xa01000n)).toEqual([GP, 0])
  })

  test('CR4 refuses what the model lacks, and losing PAE in IA-32e mode', () => {
    expect(write(4, 0x100220n)).toEqual([GP, 0])
    expect(write(4, 0x200n)).toEqual([GP, 0])
    expect(write(4, 0x6b0n)).toBeUndefined()
    expect([core.state.get64(CR4), core.flushes]).toEqual([0x6b0n, [true]])
    core = new FakeCore({ smep: true })
    expect(write(4, 0x100220n)).toBeUndefined()
  })

  test('PCIDE needs PCID 0', () => {
    core = new FakeCore({ pcid: true })
    core.state.set64(CR3, 1n)
    expect(write(4, 0x20220n)).toEqual([GP, 0])
    core.state.set64(CR3, 0n)
    expect(write(4, 0x20220n)).toBeUndefined()
    expect(write(3, (1n << 63n) | 0x5001n)).toBeUndefined()
    expect(core.state.get64(CR3)).toBe(0x5001n)
  })

  test('CR8 is four bits', () => {
    expect(write(8, 16n)).toEqual([GP, 0])
    write(8, 9n)
    expect(readControlRegister(core, 8)).toBe(9n)
  })

  test('CR1 is #UD before privilege; the rest is #GP(0) outside level 0', () => {
    core.level(3)
    expect(faultOf(() => readControlRegister(core, 1))).toEqual([UD, 0])
    expect(faultOf(() => readControlRegister(core, 0))).toEqual([GP, 0])
  })
})

describe('debug registers', () => {
  test('DR6 and DR7 have fixed bits, and no upper half', () => {
    writeDebugRegister(core, 6, 0n)
    writeDebugRegister(core, 7, 0n)
    expect([readDebugRegister(core, 6), readDebugRegister(core, 7)]).toEqual([0xffff0ff0n, 0x400n])
    expect(faultOf(() => writeDebugRegister(core, 7, 1n << 32n))).toEqual([GP, 0])
  })

  test('DR4 is DR6, or #UD with CR4.DE', () => {
    writeDebugRegister(core, 4, 1n)
    expect(readDebugRegister(core, 6)).toBe(0xffff0ff1n)
    core.state.set32(CR4, core.state.get32(CR4) | 8)
    expect(faultOf(() => readDebugRegister(core, 4))).toEqual([UD, 0])
  })

  test('GD makes any access #DB with BD', () => {
    writeDebugRegister(core, 7, 0x2000n)
    expect(faultOf(() => readDebugRegister(core, 0))).toEqual([DB, 0])
    core.state.set64(DR0 + 7 * 8, 0n)
    expect(readDebugRegister(core, 6)).toBe(0xffff2ff0n)
  })

  test('the engine learns of breakpoints as they are enabled, moved and disabled', () => {
    writeDebugRegister(core, 0, 0x1000n)
    expect(core.breakpointChanges).toBe(0)
    writeDebugRegister(core, 7, 1n)
    writeDebugRegister(core, 0, 0x2000n)
    writeDebugRegister(core, 7, 0n)
    expect(core.breakpointChanges).toBe(3)
  })
})

describe('flags', () => {
  test('STI holds interrupts off for one instruction, only when IF was clear', () => {
    setInterruptFlag(core)
    setInterruptFlag(core)
    expect([core.state.rflags, core.inhibited]).toEqual([FLAGS_IF | FLAGS_FIXED, 1])
  })

  test('CLI and STI need CPL <= IOPL', () => {
    core.level(3)
    expect(faultOf(() => clearInterruptFlag(core))).toEqual([GP, 0])
    core.state.rflags = FLAGS_IOPL | FLAGS_IF
    clearInterruptFlag(core)
    expect(core.state.rflags).toBe(FLAGS_IOPL | FLAGS_FIXED)
  })

  test('POPF at level 3 keeps IF and IOPL silently, and clears RF', () => {
    core.level(3)
    core.state.rflags = FLAGS_IF | FLAGS_RF
    popf(core, BigInt(FLAGS_IOPL | FLAGS_ZF | FLAGS_RF | FLAGS_VM), 8)
    expect(core.state.rflags).toBe(FLAGS_IF | FLAGS_ZF | FLAGS_FIXED)
  })

  test('a 16-bit POPF keeps the upper flags', () => {
    core.state.rflags = FLAGS_AC
    popf(core, BigInt(FLAGS_IOPL | FLAGS_IF), 2)
    expect(core.state.rflags).toBe(FLAGS_AC | FLAGS_IOPL | FLAGS_IF | FLAGS_FIXED)
  })

  test('PUSHF hides RF and VM', () => {
    core.state.rflags = FLAGS_RF | FLAGS_ZF
    expect(pushf(core, 8)).toBe(BigInt(FLAGS_ZF | FLAGS_FIXED))
  })

  test('STAC is #UD without SMAP or outside level 0', () => {
    expect(faultOf(() => setAc(core))).toEqual([UD, 0])
    core = new FakeCore({ smap: true })
    setAc(core)
    expect(core.state.rflags & FLAGS_AC).toBe(FLAGS_AC)
    core.level(3)
    expect(faultOf(() => setAc(core))).toEqual([UD, 0])
  })
})

test('HLT and INVLPG need level 0; INVLPG ignores non-canonical addresses', () => {
  haltInstruction(core)
  invalidatePage(core, 0x1234n)
  invalidatePage(core, 1n << 50n)
  expect([core.halts, core.invalidated]).toEqual([1, [0x1234n]])
  core.level(3)
  expect(faultOf(() => haltInstruction(core))).toEqual([GP, 0])
  expect(faultOf(() => invalidatePage(core, 0n))).toEqual([GP, 0])
})

test('MWAIT waits only while MONITOR is armed', () => {
  expect(faultOf(() => monitor(core, 0n))).toEqual([UD, 0])
  core = new FakeCore({ mwait: true })
  mwait(core)
  monitor(core, 0x100n)
  mwait(core)
  expect(core.halts).toBe(1)
})
