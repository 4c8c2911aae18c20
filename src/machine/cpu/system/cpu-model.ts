/** What CPUID says. */
import type { Problem } from '../../../base/problem.ts'
import type { CpuSwitches } from '../../machine.ts'

/** The local APIC timer's input clock and the TSC's nominal rate: both 1 GHz, the "core crystal" of leaf 0x15. */
export const TSC_HZ = 1_000_000_000
export const APIC_TIMER_HZ = 1_000_000_000
export const PHYSICAL_ADDRESS_BITS = 40
/** Names a person may switch. */
export const KNOWN_CPU_SWITCHES: readonly string[] = []

export interface CpuidResult {
  readonly eax: number
  readonly ebx: number
  readonly ecx: number
  readonly edx: number
}

export interface CpuModel {
  readonly vendor: 'intel' | 'amd'
  /** Whether a feature is offered, by its switch name or by the name of an unswitchable one. */
  has(feature: string): boolean
}

export function checkCpuSwitches(_switches: CpuSwitches): Problem | undefined {
  return undefined
}
export function createCpuModel(_switches: CpuSwitches): CpuModel {
  return { vendor: 'intel', has: () => false }
}
