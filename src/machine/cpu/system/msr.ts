/** RDMSR and WRMSR. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** RDMSR of ECX, privilege checked. */
export function readMsr(_core: CpuCore, _index: number): bigint {
  throw new GuestFault(UD)
}

/** WRMSR of ECX. */
export function writeMsr(_core: CpuCore, _index: number, _value: bigint): void {
  throw new GuestFault(UD)
}
