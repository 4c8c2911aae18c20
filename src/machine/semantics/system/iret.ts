/**
 * IRET, IRETD, IRETQ: SDM 2A IRET, SDM 3A §6.14.3. Missing: return to virtual-8086 mode and nested-task return, both
 * refused with #GP(0) and a log line.
 */
import { CallEventKind } from '../../call-event.ts'
import { GP, GuestFault } from '../../state/fault.ts'
import {
  FLAGS_AC,
  FLAGS_ARITHMETIC,
  FLAGS_DF,
  FLAGS_ID,
  FLAGS_IF,
  FLAGS_IOPL,
  FLAGS_IOPL_SHIFT,
  FLAGS_NT,
  FLAGS_RF,
  FLAGS_TF,
  FLAGS_VIF,
  FLAGS_VIP,
  FLAGS_VM,
} from '../../state/flags.ts'
import { ATTR_DB, ATTR_L, CS, RFLAGS_SYSTEM, RSP } from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import {
  attributesOf,
  currentStack,
  fillSegment,
  in64BitMode,
  landing,
  lowHalf,
  MASK16,
  MASK32,
  protectedMode,
  readStack,
  readStackSelector,
  setAccessed,
  setCpl,
  setStackPointer,
  stackMask,
} from './descriptors.ts'
import { checkReturnCode, checkReturnStack, dropInnerSegments, fillReturnStack } from './returns.ts'

const ALWAYS = FLAGS_ARITHMETIC | FLAGS_TF | FLAGS_DF | FLAGS_NT
const WIDE = FLAGS_AC | FLAGS_ID | FLAGS_RF

/** IRET with the operand size in bytes. */
export function iret(core: CpuCore, operandBytes: 2 | 4 | 8): void {
  // §6.7.1: NMIs are open again even if this IRET faults.
  core.system.nmiBlocked = false
  if (!protectedMode(core)) iretReal(core, operandBytes)
  else iretProtected(core, operandBytes)
  core.modeChanged()
  core.interruptsChanged()
  core.trace(CallEventKind.InterruptReturn, 0, core.nextRip)
}

function iretReal(core: CpuCore, operandBytes: 2 | 4 | 8): void {
  const { state } = core
  const size = operandBytes === 2 ? 2 : 4
  const stack = currentStack(core, 0)
  const flags = Number(readStack(core, stack, 2, size))
  const selector = readStackSelector(core, stack, 1, size)
  const ip = readStack(core, stack, 0, size)
  if (ip > BigInt(state.limit(CS))) throw new GuestFault(GP)
  const mask = stackMask(core)
  setStackPointer(core, state.get64(RSP) + BigInt(3 * size), mask)
  state.setSegment(CS, selector, state.attributes(CS), state.limit(CS), BigInt(selector << 4))
  const old = state.rflags
  // Real mode: VM, VIF and VIP stay (the masks of SDM 2A IRET, "REAL-ADDRESS-MODE").
  state.rflags = size === 4 ? (flags & 0x247fd5) | (old & 0x1a0000) : (flags & 0xffff) | (old & ~0xffff)
  core.nextRip = ip
}

function iretProtected(core: CpuCore, operandBytes: 2 | 4 | 8): void {
  const { state } = core
  const oldCpl = state.cpl
  if ((state.get32(RFLAGS_SYSTEM) & FLAGS_VM) !== 0) {
    core.log('IRET in virtual-8086 mode, which is not supported')
    throw new GuestFault(GP)
  }
  if ((state.get32(RFLAGS_SYSTEM) & FLAGS_NT) !== 0) {
    if (!state.longMode) core.log('IRET with NT set: hardware task switching is not supported')
    throw new GuestFault(GP)
  }
  const from64 = in64BitMode(core)
  const stack = currentStack(core, 0)
  const size = operandBytes
  // From above, in the order of Intel's processors, which CR2 tells.
  const flags = lowHalf(readStack(core, stack, 2, size))
  const selector = readStackSelector(core, stack, 1, size)
  const rip = readStack(core, stack, 0, size)
  if (!state.longMode && size === 4 && (flags & FLAGS_VM) !== 0 && oldCpl === 0) {
    core.log('IRET to virtual-8086 mode, which is not supported')
    throw new GuestFault(GP)
  }

  const code = checkReturnCode(core, selector)
  const cpl = selector & 3
  const longCode = state.longMode && (attributesOf(code) & ATTR_L) !== 0
  const outer = cpl > oldCpl
  if (outer || from64) {
    const ss = readStackSelector(core, stack, 4, size)
    const rsp = readStack(core, stack, 3, size)
    const stackSegment = checkReturnStack(core, ss, cpl, longCode)
    core.nextRip = landing(code, rip, longCode)
    setAccessed(core, code)
    if (stackSegment !== undefined) setAccessed(core, stackSegment)
    fillReturnStack(core, ss, stackSegment)
    if (longCode) state.set64(RSP, rsp)
    else {
      const wide = stackSegment !== undefined && (attributesOf(stackSegment) & ATTR_DB) !== 0
      setStackPointer(core, rsp, wide ? MASK32 : MASK16)
    }
    if (outer) dropInnerSegments(core, cpl)
  } else {
    core.nextRip = landing(code, rip, longCode)
    setAccessed(core, code)
    const mask = stackMask(core)
    setStackPointer(core, state.get64(RSP) + BigInt(3 * size), mask)
  }
  fillSegment(core, CS, selector, code)
  setCpl(core, cpl)
  restoreFlags(core, flags, oldCpl, operandBytes)
}

/** Which flags the popped image may change depends on the level that executes IRET, not on the new one. */
function restoreFlags(core: CpuCore, image: number, cpl: number, operandBytes: 2 | 4 | 8): void {
  const { state } = core
  const old = state.rflags
  let changeable = ALWAYS
  if (operandBytes !== 2) changeable |= WIDE
  if (cpl <= (old & FLAGS_IOPL) >> FLAGS_IOPL_SHIFT) changeable |= FLAGS_IF
  if (cpl === 0) {
    changeable |= FLAGS_IOPL
    if (operandBytes !== 2) changeable |= FLAGS_VIF | FLAGS_VIP
  }
  state.rflags = (old & ~changeable) | (image & changeable)
}
