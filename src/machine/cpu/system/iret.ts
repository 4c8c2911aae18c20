/** IRET, IRETD, IRETQ. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** IRET with the operand size in bytes. */
export function iret(_core: CpuCore, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}
