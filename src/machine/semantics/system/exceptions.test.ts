import { beforeEach, describe, expect, test } from 'vitest'
import { DB, GP, NP, SSF, TS } from '../../state/fault.ts'
import { FLAGS_CF, FLAGS_FIXED, FLAGS_IF, FLAGS_NT, FLAGS_RF, FLAGS_TF, FLAGS_ZF } from '../../state/flags.ts'
import { CR2, CS, DR0, IDTR_LIMIT, RSP, SS } from '../../state/layout.ts'
import {
  deliverBreakpoint,
  deliverException,
  deliverInterrupt,
  deliverNmi,
  deliverTrap,
  int1,
  int3,
  into,
  softwareInterrupt,
} from './exceptions.ts'
import {
  ACCESS_CODE,
  DPL3,
  FakeCore,
  FLAGS_32,
  FLAGS_64,
  FREE,
  faultOf,
  KERNEL_CODE,
  KERNEL_DATA,
  STACK,
  TSS,
  USER_CODE,
  USER_DATA,
} from './testing/fake-core.ts'

let core: FakeCore
beforeEach(() => {
  core = new FakeCore()
  for (let v = 0; v < 64; v++) core.idt64(v, BigInt(0x6000 + v * 16))
})

const sp = (): number => Number(core.state.get64(RSP))
/** Values on the stack, lowest first. */
const stack = (n: number): bigint[] => Array.from({ length: n }, (_, i) => core.u64(sp() + i * 8))

describe('64-bit delivery', () => {
  test('an interrupt pushes SS, RSP, RFLAGS, CS and RIP on a 16-byte boundary, and clears IF', () => {
    core.state.set64(RSP, BigInt(STACK + 9))
    core.state.rflags = FLAGS_IF | FLAGS_ZF | FLAGS_NT | FLAGS_TF
    const pushed = BigInt(FLAGS_IF | FLAGS_ZF | FLAGS_NT | FLAGS_TF | FLAGS_FIXED)
    deliverInterrupt(core, 0x20)
    expect(sp()).toBe(STACK - 40)
    expect(stack(5)).toEqual([0x5000n, BigInt(KERNEL_CODE), pushed, BigInt(STACK + 9), BigInt(KERNEL_DATA)])
    expect(core.nextRip).toBe(0x6200n)
    expect(core.state.rflags).toBe(FLAGS_FIXED | FLAGS_ZF)
  })

  test('a trap gate leaves IF set', () => {
    core.idt64(0x20, 0x6200n, 0x8f)
    core.state.rflags = FLAGS_IF
    deliverInterrupt(core, 0x20)
    expect(core.state.rflags & FLAGS_IF).toBe(FLAGS_IF)
  })

  test('a fault pushes its error code and RF = 1', () => {
    deliverException(core, GP, 0x18)
    expect(stack(4)).toEqual([0x18n, 0x5000n, BigInt(KERNEL_CODE), BigInt(FLAGS_FIXED | FLAGS_RF)])
    expect(sp()).toBe(STACK - 48)
  })

  test('a single-step trap pushes no RF and sets DR6.BS', () => {
    deliverTrap(core, DB)
    expect(core.state.get64(DR0 + 48)).toBe(0x4000n)
    expect(stack(3)[2]).toBe(BigInt(FLAGS_FIXED))
  })

  test('a #DB says in B0 to B3 what was met this time, and clears no other bit of DR6', () => {
    core.state.set64(DR0 + 48, 0xffff8fffn)
    deliverTrap(core, DB, 0x2)
    expect(core.state.get64(DR0 + 48)).toBe(0xffff8ff2n)
    deliverBreakpoint(core, 0x4)
    expect(core.state.get64(DR0 + 48)).toBe(0xffff8ff4n)
    deliverTrap(core, DB)
    expect(core.state.get64(DR0 + 48)).toBe(0xffffcff0n)
  })

  test('INT1 leaves DR6 alone, and brings what MOV SS held back', () => {
    core.state.set64(DR0 + 48, 0xffff0ff8n)
    int1(core)
    expect(core.state.get64(DR0 + 48)).toBe(0xffff0ff8n)
    core.debugHits = 1
    int1(core)
    expect([core.state.get64(DR0 + 48), core.takeDebugHits()]).toEqual([0xffff0ff1n, 0])
  })

  test('from level 3 the stack is RSP0 and SS becomes null', () => {
    core.level(3)
    core.view.setBigUint64(TSS + 4, 0x9000n, true)
    deliverInterrupt(core, 0x20)
    expect(sp()).toBe(0x9000 - 40)
    expect(stack(5)).toEqual([0x5000n, BigInt(USER_CODE), BigInt(FLAGS_FIXED), BigInt(STACK), BigInt(USER_DATA)])
    expect([core.state.selector(SS), core.state.attributes(SS)]).toEqual([0, 0])
    expect(core.state.cpl).toBe(0)
    expect(core.state.selector(CS)).toBe(KERNEL_CODE)
  })

  test('IST switches stacks even within a level', () => {
    core.idt64(2, 0x6020n, 0x8e, 3)
    core.view.setBigUint64(TSS + 0x24 + 16, 0xa000n, true)
    deliverNmi(core)
    expect(sp()).toBe(0xa000 - 40)
    expect(core.system.nmiBlocked).toBe(true)
    expect(core.state.selector(SS)).toBe(KERNEL_DATA)
  })

  test('a conforming handler keeps the level', () => {
    core.level(3)
    core.descriptor(FREE, ACCESS_CODE | 4, FLAGS_64)
    core.idt64(0x20, 0x6200n, 0x8e, 0, FREE)
    deliverInterrupt(core, 0x20)
    expect(core.state.cpl).toBe(3)
    expect(core.state.selector(CS)).toBe(FREE | 3)
    expect(core.state.selector(SS)).toBe(USER_DATA)
  })

  test('INT n returns after itself and asks the gate for its DPL', () => {
    core.level(3)
    expect(faultOf(() => softwareInterrupt(core, 0x30))).toEqual([GP, 0x30 * 8 + 2])
    core.view.setBigUint64(TSS + 4, 0x9000n, true)
    core.idt64(0x30, 0x6300n, 0x8e | DPL3)
    softwareInterrupt(core, 0x30)
    expect(stack(1)[0]).toBe(0x5002n)
  })

  test('INT1 asks no DPL and carries EXT; INTO is #UD here', () => {
    core.level(3)
    core.view.setBigUint64(TSS + 4, 0x9000n, true)
    core.state.set32(IDTR_LIMIT, 15)
    expect(faultOf(() => int1(core))).toEqual([GP, 1 * 8 + 2 + 1])
    expect(faultOf(() => int3(core))).toEqual([GP, 3 * 8 + 2])
    expect(faultOf(() => into(core))).toEqual([6, 0])
    core.state.set32(IDTR_LIMIT, 0xfff)
    int1(core)
    expect(core.nextRip).toBe(0x6010n)
  })

  test.each([
    ['a gate beyond the limit', () => core.state.set32(IDTR_LIMIT, 0x20f), [GP, 0x21 * 8 + 2]],
    ['a gate of a wrong type', () => core.idt64(0x21, 0n, 0x85), [GP, 0x21 * 8 + 2]],
    ['a gate not present', () => core.idt64(0x21, 0n, 0x0e), [NP, 0x21 * 8 + 2]],
    ['a null code selector', () => core.idt64(0x21, 0n, 0x8e, 0, 3), [GP, 0]],
    ['a code selector beyond the GDT', () => core.idt64(0x21, 0n, 0x8e, 0, 0x100), [GP, 0x100]],
    ['data as code', () => core.idt64(0x21, 0n, 0x8e, 0, KERNEL_DATA), [GP, KERNEL_DATA]],
    [
      '32-bit code',
      () => {
        core.descriptor(FREE, ACCESS_CODE, FLAGS_32)
        core.idt64(0x21, 0n, 0x8e, 0, FREE)
      },
      [GP, FREE],
    ],
    [
      'code not present',
      () => {
        core.descriptor(FREE, 0x1a, FLAGS_64)
        core.idt64(0x21, 0n, 0x8e, 0, FREE)
      },
      [NP, FREE],
    ],
    ['a non-canonical handler', () => core.idt64(0x21, 1n << 47n), [GP, 0]],
    ['a non-canonical stack', () => core.state.set64(RSP, 0x800000000000n), [SSF, 0]],
    [
      'an IST beyond the TSS',
      () => {
        core.idt64(0x21, 0n, 0x8e, 7)
        core.state.setSegment(6, 0x30, 0x8b, 0x5a, BigInt(TSS))
      },
      [TS, 0x30],
    ],
  ] as const)('%s faults and changes nothing', (_name, prepare, fault) => {
    prepare()
    const before = core.state.u8.slice()
    expect(faultOf(() => softwareInterrupt(core, 0x21))).toEqual(fault)
    expect(core.state.u8).toEqual(before)
    expect(core.nextRip).toBe(0x5002n)
  })
})

describe('nested faults (SDM 3A table 6-5)', () => {
  test('a fault while an interrupt is delivered is delivered in its place, with EXT', () => {
    core.idt64(0x20, 0n, 0x0e)
    deliverInterrupt(core, 0x20)
    expect(core.nextRip).toBe(0x6000n + BigInt(NP * 16))
    expect(stack(2)).toEqual([BigInt(0x20 * 8 + 3), 0x5000n])
  })

  test('contributory while contributory is #DF with error code 0', () => {
    core.idt64(GP, 0n, 0x0e)
    deliverException(core, GP, 0x18)
    expect(core.nextRip).toBe(0x6080n)
    expect(stack(2)).toEqual([0n, 0x5000n])
  })

  test('#PF while #GP is delivered one after the other; #GP while #PF is #DF', () => {
    core.state.set64(RSP, 0x10008n)
    core.idt64(14, 0x60e0n, 0x8e, 1)
    core.view.setBigUint64(TSS + 0x24, 0xa000n, true)
    core.absent.add(0xf)
    deliverException(core, GP, 0)
    expect(core.nextRip).toBe(0x60e0n)
    expect(core.state.get64(CR2) >> 12n).toBe(0xfn)
    expect(stack(1)[0]).toBe(2n)

    core.longMode()
    core.idt64(14, 0n, 0x0e)
    deliverException(core, 14, 4)
    expect(core.nextRip).toBe(0x6080n)
  })

  test('a fault while #DF is delivered shuts down, in the manual words', () => {
    core.idt64(14, 0x60e0n, 0x0e)
    core.absent.add((STACK - 1) >> 12)
    deliverException(core, 14, 0)
    expect(core.shutdownCause).toBe('#PF(0x2) while delivering #DF(0x0)')
  })

  test('vector 13 from outside is benign', () => {
    core.idt64(GP, 0n, 0x0e)
    core.idt64(NP, 0x60b0n)
    deliverInterrupt(core, GP)
    expect(core.nextRip).toBe(0x60b0n)
  })
})

describe('legacy delivery', () => {
  beforeEach(() => {
    core.legacyMode()
    for (let v = 0; v < 64; v++) core.idt32(v, 0x6000 + v * 16)
  })
  const words = (n: number): number[] => Array.from({ length: n }, (_, i) => core.u32(sp() + i * 4))

  test('a 32-bit gate pushes EFLAGS, CS, EIP and the error code', () => {
    deliverException(core, GP, 8)
    expect(words(4)).toEqual([8, 0x5000, 0x40, FLAGS_RF | FLAGS_FIXED])
    expect(core.nextRip).toBe(0x60d0n)
  })

  test('a 16-bit gate pushes words', () => {
    core.idt32(0x20, 0x6200, 0x86)
    core.state.rflags = FLAGS_IF | FLAGS_CF
    deliverInterrupt(core, 0x20)
    expect(sp()).toBe(STACK - 6)
    expect(core.u32(sp())).toBe(0x405000)
    expect(core.state.rflags).toBe(FLAGS_CF | FLAGS_FIXED)
  })

  test('a more privileged handler gets the stack of the TSS', () => {
    core.level(3)
    core.state.setSegment(CS, 0x2b, 0xc0fb, 0xffffffff, 0n)
    core.view.setUint32(TSS + 4, 0x9000, true)
    core.view.setUint16(TSS + 8, KERNEL_DATA, true)
    deliverInterrupt(core, 0x20)
    expect(sp()).toBe(0x9000 - 20)
    expect(words(5)).toEqual([0x5000, 0x2b, FLAGS_FIXED, STACK, USER_DATA])
    expect(core.state.selector(SS)).toBe(KERNEL_DATA)
    expect(core.state.cpl).toBe(0)
  })

  test('a bad SS0 is #TS with its selector and EXT', () => {
    core.level(3)
    core.state.setSegment(CS, 0x2b, 0xc0fb, 0xffffffff, 0n)
    core.view.setUint32(TSS + 4, 0x9000, true)
    core.view.setUint16(TSS + 8, USER_DATA, true)
    core.idt32(0x30, 0x6300, 0x8e | DPL3)
    expect(faultOf(() => softwareInterrupt(core, 0x30))).toEqual([TS, USER_DATA & ~3])
  })

  test('a task gate is refused and logged', () => {
    core.idt32(0x30, 0, 0x85)
    expect(faultOf(() => softwareInterrupt(core, 0x30))).toEqual([GP, 0x30 * 8 + 2])
    expect(core.logged.length).toBe(1)
  })
})

test('real mode goes through the vector table with a frame of three words', () => {
  core.realMode()
  core.view.setUint32(0x80 * 4, 0x12340056, true)
  core.state.rflags = FLAGS_IF
  softwareInterrupt(core, 0x80)
  expect([core.state.selector(CS), core.state.base(CS), core.nextRip]).toEqual([0x1234, 0x12340n, 0x56n])
  expect(sp()).toBe(STACK - 6)
  expect(core.u32(sp())).toBe(0x5002)
  expect(core.state.rflags & FLAGS_IF).toBe(0)
})
