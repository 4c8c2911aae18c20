/** Privilege and port permission. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** #GP(0) unless CPL is 0. */
export function privileged(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** #GP(0) unless IOPL or the TSS bitmap lets this CPL at the port. */
export function checkPort(_core: CpuCore, _port: number, _size: 1 | 2 | 4): void {
  throw new GuestFault(UD)
}

/** IN: permission, then the bus. */
export function readPort(_core: CpuCore, _port: number, _size: 1 | 2 | 4): number {
  throw new GuestFault(UD)
}

/** OUT. */
export function writePort(_core: CpuCore, _port: number, _size: 1 | 2 | 4, _value: number): void {
  throw new GuestFault(UD)
}

/** RDTSC. */
export function readTimeStamp(_core: CpuCore): bigint {
  throw new GuestFault(UD)
}

/** RDTSCP: also IA32_TSC_AUX, for ECX. */
export function readTimeStampAndAux(_core: CpuCore): { readonly tsc: bigint; readonly aux: number } {
  throw new GuestFault(UD)
}

/** RDPMC. */
export function readPerformanceCounter(_core: CpuCore, _index: number): bigint {
  throw new GuestFault(UD)
}

/** RDRAND/RDSEED: 64 random bits, #UD when not offered. CF is the caller's. */
export function readRandom(_core: CpuCore, _instruction: 'rdrand' | 'rdseed'): bigint {
  throw new GuestFault(UD)
}
