/** Whether x87, MMX and SSE instructions may run, which CR0, CR4 and a pending exception decide. */
import type { CpuState } from '../../state/cpu-state.ts'
import { GuestFault, MF, NM, UD } from '../../state/fault.ts'
import { CR0, CR0_EM, CR0_NE, CR0_TS, CR4, CR4_OSFXSR, FPU_BLOCKED, FSW } from '../../state/layout.ts'

/** FPU_BLOCKED follows what it is made of. */
export const updateFpu = (s: CpuState): void => {
  const cr0 = s.get32(CR0)
  const ts = (cr0 & CR0_TS) !== 0
  const em = (cr0 & CR0_EM) !== 0
  const pending = (cr0 & CR0_NE) !== 0 && (s.u8[FSW] & 0x80) !== 0
  const sse = ts || em || (s.get32(CR4) & CR4_OSFXSR) === 0
  s.set32(FPU_BLOCKED, (sse ? 1 : 0) | (ts || em || pending ? 2 : 0) | (ts || em ? 4 : 0))
}

/** Why a vector or x87 instruction may not run (SDM 3A tables 2-2, 14-1): throws it. */
export const fpuFault = (s: CpuState, kind: 'sse' | 'mmx' | 'x87'): void => {
  const cr0 = s.get32(CR0)
  if (kind === 'sse' && ((cr0 & CR0_EM) !== 0 || (s.get32(CR4) & CR4_OSFXSR) === 0)) throw new GuestFault(UD)
  if (kind === 'mmx' && (cr0 & CR0_EM) !== 0) throw new GuestFault(UD)
  if ((cr0 & (CR0_TS | CR0_EM)) !== 0) throw new GuestFault(NM)
  // Waiting x87 instructions look for themselves (isa/rows/x87.ts): FNSTSW and its like do not wait.
  if (kind === 'mmx' && (s.u8[FSW] & 0x80) !== 0) throw new GuestFault(MF)
}
