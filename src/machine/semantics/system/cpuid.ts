/** CPUID as an instruction: the model's leaves, and the bits that follow the state. */

import { CR4, CR4_OSXSAVE } from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import type { CpuidResult } from './cpu-model.ts'
import { APIC_BASE_ENABLE } from './system-state.ts'

const OSXSAVE = 1 << 27
const APIC = 1 << 9

/** CPUID: leaf from EAX, subleaf from ECX. OSXSAVE follows CR4, APIC follows IA32_APIC_BASE. */
export function cpuid(core: CpuCore, leaf: number, subleaf: number): CpuidResult {
  const { system, state } = core
  const result = system.model.leaf(leaf >>> 0, subleaf >>> 0)
  if (leaf !== 1) return result
  const ecx = (state.get32(CR4) & CR4_OSXSAVE) !== 0 ? (result.ecx | OSXSAVE) >>> 0 : result.ecx
  const edx = (system.apicBase & APIC_BASE_ENABLE) === 0n ? (result.edx & ~APIC) >>> 0 : result.edx
  return { eax: result.eax, ebx: result.ebx, ecx, edx }
}
