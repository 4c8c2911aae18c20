/**
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT: SDM 3A §5.8.7-5.8.8 and SDM 2B; where the vendors differ (compatibility and legacy
 * mode SYSCALL, SYSENTER in IA-32e mode, a non-canonical RCX) the CPU model's vendor decides, AMD's rules from APM 3.
 */
import { CallEventKind } from '../../call-event.ts'
import { GP, GuestFault, UD } from '../../state/fault.ts'
import { FLAGS_FIXED, FLAGS_IF, FLAGS_RF, FLAGS_TF, FLAGS_VM } from '../../state/flags.ts'
import { CodeMode, CS, EFER, EFER_SCE, R11, RCX, RDX, RFLAGS_SYSTEM, RSP, SS } from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import { in64BitMode, isCanonical, MASK32, protectedMode, setCpl } from './descriptors.ts'
import { privileged } from './io.ts'

// Descriptor attributes that these instructions load instead of reading a table: flat, present, accessed.
const CODE64 = 0xa09b
const CODE32 = 0xc09b
const DATA = 0xc093
const DPL3 = 0x60
const FLAT_LIMIT = 0xffffffff
/** RFLAGS bits that SYSRET takes from R11. */
const SYSRET_FLAGS = 0x3c7fd7

function flat(core: CpuCore, code: number, codeAttributes: number, stack: number, cpl: number): void {
  const dpl = cpl === 3 ? DPL3 : 0
  core.state.setSegment(CS, code & 0xffff, codeAttributes | dpl, FLAT_LIMIT, 0n)
  core.state.setSegment(SS, stack & 0xffff, DATA | dpl, FLAT_LIMIT, 0n)
  setCpl(core, cpl)
}

/** SYSCALL. */
export function syscall(core: CpuCore): void {
  const { state, system } = core
  const mode = state.codeMode
  const { longMode } = state
  if ((state.get32(EFER) & EFER_SCE) === 0 || !protectedMode(core)) throw new GuestFault(UD)
  if (mode !== CodeMode.Bits64 && system.model.vendor === 'intel') throw new GuestFault(UD)
  const selector = Number((system.star >> 32n) & 0xfffcn)
  state.set64(RCX, longMode ? core.nextRip : core.nextRip & MASK32)
  if (longMode) {
    const flags = state.rflags
    state.set64(R11, BigInt(flags & ~FLAGS_RF))
    state.rflags = flags & ~(Number(system.sfmask & MASK32) | FLAGS_RF)
    flat(core, selector, CODE64, selector + 8, 0)
    core.nextRip = mode === CodeMode.Bits64 ? system.lstar : system.cstar
  } else {
    state.rflags = state.rflags & ~(FLAGS_VM | FLAGS_IF | FLAGS_RF)
    flat(core, selector, CODE32, selector + 8, 0)
    core.nextRip = system.star & MASK32
  }
  // SYSCALL and SYSRET trap by TF as it is after them, unlike other instructions.
  core.stepAfter((state.get32(RFLAGS_SYSTEM) & FLAGS_TF) !== 0)
  core.modeChanged()
  core.interruptsChanged()
  core.trace(CallEventKind.Syscall, 0, state.get64(RCX))
}

/** SYSRET; 8 with REX.W. Intel faults at level 0 on a non-canonical RCX; AMD returns there and faults in the program. */
export function sysret(core: CpuCore, operandBytes: 4 | 8): void {
  const { state, system } = core
  const intel = system.model.vendor === 'intel'
  if ((state.get32(EFER) & EFER_SCE) === 0 || !protectedMode(core)) throw new GuestFault(UD)
  if (intel && !in64BitMode(core)) throw new GuestFault(UD)
  privileged(core)
  const to64 = operandBytes === 8
  const rcx = state.get64(RCX)
  if (to64 && intel && !isCanonical(rcx)) throw new GuestFault(GP)
  const base = Number(system.star >> 48n)
  if (state.longMode) state.rflags = (Number(state.get64(R11) & MASK32) & SYSRET_FLAGS) | FLAGS_FIXED
  else state.rflags = state.rflags | FLAGS_IF
  core.stepAfter((state.get32(RFLAGS_SYSTEM) & FLAGS_TF) !== 0)
  flat(core, (to64 ? base + 16 : base) | 3, to64 ? CODE64 : CODE32, (base + 8) | 3, 3)
  core.nextRip = to64 ? rcx : rcx & MASK32
  core.modeChanged()
  core.interruptsChanged()
  core.trace(CallEventKind.SyscallReturn, 0, core.nextRip)
}

/** SYSENTER: #GP(0) in real mode or with a null IA32_SYSENTER_CS. AMD has none in IA-32e mode. */
export function sysenter(core: CpuCore): void {
  const { state, system } = core
  const { longMode } = state
  if (longMode && system.model.vendor === 'amd') throw new GuestFault(UD)
  const selector = Number(system.sysenterCs & 0xfffcn)
  if (!protectedMode(core) || selector === 0) throw new GuestFault(GP)
  state.set32(RFLAGS_SYSTEM, state.get32(RFLAGS_SYSTEM) & ~(FLAGS_VM | FLAGS_IF | FLAGS_RF))
  state.set64(RSP, longMode ? system.sysenterEsp : system.sysenterEsp & MASK32)
  flat(core, selector, longMode ? CODE64 : CODE32, selector + 8, 0)
  core.nextRip = longMode ? system.sysenterEip : system.sysenterEip & MASK32
  core.modeChanged()
  core.interruptsChanged()
  core.trace(CallEventKind.Syscall, 0, 0n)
}

/** SYSEXIT; 8 with REX.W. */
export function sysexit(core: CpuCore, operandBytes: 4 | 8): void {
  const { state, system } = core
  if (state.longMode && system.model.vendor === 'amd') throw new GuestFault(UD)
  const selector = Number(system.sysenterCs & 0xfffcn)
  if (!protectedMode(core) || selector === 0) throw new GuestFault(GP)
  privileged(core)
  const to64 = operandBytes === 8
  const rip = state.get64(RDX)
  const rsp = state.get64(RCX)
  if (to64 && (!isCanonical(rip) || !isCanonical(rsp))) throw new GuestFault(GP)
  state.set64(RSP, to64 ? rsp : rsp & MASK32)
  const code = selector + (to64 ? 32 : 16)
  flat(core, code | 3, to64 ? CODE64 : CODE32, (code + 8) | 3, 3)
  core.nextRip = to64 ? rip : rip & MASK32
  core.modeChanged()
  core.interruptsChanged()
  core.trace(CallEventKind.SyscallReturn, 0, core.nextRip)
}
