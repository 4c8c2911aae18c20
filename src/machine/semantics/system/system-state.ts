/**
 * System registers that only system code reads: model-specific registers, the CPU model, NMI blocking. What the
 * generated engine addresses is in ../state.ts instead.
 */
import type { CpuModel } from './cpu-model.ts'

/** Variable-range MTRR pairs, IA32_MTRRCAP.VCNT. */
export const MTRR_VARIABLE_COUNT = 8
/** Fixed-range MTRRs: 64K, 2 of 16K, 8 of 4K. */
export const MTRR_FIXED_COUNT = 11
/** IA32_PAT after reset, SDM 3A §12.12.4: WB WT UC- UC, twice. */
const PAT_RESET = 0x0007040600070406n
/** IA32_APIC_BASE after reset on the bootstrap processor: enabled, BSP, at 0xfee00000. */
const APIC_BASE_RESET = 0xfee00900n
export const APIC_BASE_ENABLE = 1n << 11n

export class SystemState {
  readonly model: CpuModel

  star = 0n
  lstar = 0n
  cstar = 0n
  sfmask = 0n
  kernelGsBase = 0n
  sysenterCs = 0n
  sysenterEsp = 0n
  sysenterEip = 0n
  tscAux = 0n
  tscAdjust = 0n
  pat = PAT_RESET
  apicBase = APIC_BASE_RESET
  miscEnable = 0n
  mcgStatus = 0n
  mtrrDefType = 0n
  readonly mtrrFixed = new BigUint64Array(MTRR_FIXED_COUNT)
  /** PhysBase and PhysMask by turns. */
  readonly mtrrVariable = new BigUint64Array(MTRR_VARIABLE_COUNT * 2)
  /** MSRs that are stored and mean nothing to us, by number. */
  readonly stored = new Map<number, bigint>()

  /** NMI being handled: further NMIs wait for IRET (SDM 3A §6.7.1). */
  nmiBlocked = false
  /** MONITOR armed: the linear address, undefined when not. */
  monitored: bigint | undefined = undefined

  constructor(model: CpuModel) {
    this.model = model
    this.reset()
  }

  /** Power-on values, SDM 3A table 10-1. */
  reset(): void {
    this.star = this.lstar = this.cstar = this.sfmask = this.kernelGsBase = 0n
    this.sysenterCs = this.sysenterEsp = this.sysenterEip = 0n
    this.tscAux = this.tscAdjust = 0n
    this.pat = PAT_RESET
    this.apicBase = APIC_BASE_RESET
    // Fast strings.
    this.miscEnable = 1n
    this.mcgStatus = 0n
    this.mtrrDefType = 0n
    this.mtrrFixed.fill(0n)
    this.mtrrVariable.fill(0n)
    this.stored.clear()
    this.nmiBlocked = false
    this.monitored = undefined
  }
}
