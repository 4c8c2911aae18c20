/** Delivery of exceptions and interrupts, SDM 3A chapter 6. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** Delivers a fault: the return address is state.rip. Never throws; nested faults become #DF and shutdown. Continues at nextRip. */
export function deliverException(_core: CpuCore, _vector: number, _errorCode: number): void {
  throw new GuestFault(UD)
}

/** Delivers a trap raised after an instruction completed (#DB single step): state.rip is already the next instruction. */
export function deliverTrap(_core: CpuCore, _vector: number): void {
  throw new GuestFault(UD)
}

/** External interrupt: state.rip is the instruction to come back to. Never throws. */
export function deliverInterrupt(_core: CpuCore, _vector: number): void {
  throw new GuestFault(UD)
}

/** NMI: vector 2, and blocks NMIs until IRET. Never throws. */
export function deliverNmi(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** INT n. Throws GuestFault like any instruction. */
export function softwareInterrupt(_core: CpuCore, _vector: number): void {
  throw new GuestFault(UD)
}

/** INT3 (CC). */
export function int3(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** INTO (CE); #UD in 64-bit mode. */
export function into(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** INT1 (F1): #DB as from hardware, no DPL check. */
export function int1(_core: CpuCore): void {
  throw new GuestFault(UD)
}
