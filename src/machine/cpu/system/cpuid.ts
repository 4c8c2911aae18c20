/** CPUID as an instruction. */
import { type CpuCore, GuestFault, UD } from '../core.ts'
import type { CpuidResult } from './cpu-model.ts'

/** CPUID: leaf from EAX, subleaf from ECX. OSXSAVE and APIC follow the state. */
export function cpuid(_core: CpuCore, _leaf: number, _subleaf: number): CpuidResult {
  throw new GuestFault(UD)
}
