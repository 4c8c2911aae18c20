/** SYSCALL, SYSRET, SYSENTER, SYSEXIT. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** SYSCALL. */
export function syscall(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** SYSRET; 8 with REX.W. */
export function sysret(_core: CpuCore, _operandBytes: 4 | 8): void {
  throw new GuestFault(UD)
}

/** SYSENTER. */
export function sysenter(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** SYSEXIT; 8 with REX.W. */
export function sysexit(_core: CpuCore, _operandBytes: 4 | 8): void {
  throw new GuestFault(UD)
}
