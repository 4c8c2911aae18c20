/** x87 and SSE state in memory. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** #UD/#NM checks of x87 instructions; with `wait` also MP with TS (FWAIT). */
export function checkFpu(_core: CpuCore, _wait: boolean): void {
  throw new GuestFault(UD)
}

/** #UD/#NM checks of SSE instructions. */
export function checkSse(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** FXSAVE; 8 with REX.W (FXSAVE64). */
export function fxsave(_core: CpuCore, _linear: bigint, _operandBytes: 4 | 8): void {
  throw new GuestFault(UD)
}

/** FXRSTOR. */
export function fxrstor(_core: CpuCore, _linear: bigint, _operandBytes: 4 | 8): void {
  throw new GuestFault(UD)
}

/** FNSAVE, operand size 2 or 4 (8 as 4); then FNINIT. */
export function fsave(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4): void {
  throw new GuestFault(UD)
}

/** FRSTOR. */
export function frstor(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4): void {
  throw new GuestFault(UD)
}

/** FNSTENV. */
export function fstenv(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4): void {
  throw new GuestFault(UD)
}

/** FLDENV. */
export function fldenv(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4): void {
  throw new GuestFault(UD)
}

/** FNINIT. */
export function fninit(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** XSAVE. */
export function xsave(_core: CpuCore, _linear: bigint, _operandBytes: 4 | 8): void {
  throw new GuestFault(UD)
}

/** XSAVEOPT. */
export function xsaveopt(_core: CpuCore, _linear: bigint, _operandBytes: 4 | 8): void {
  throw new GuestFault(UD)
}

/** XRSTOR. */
export function xrstor(_core: CpuCore, _linear: bigint, _operandBytes: 4 | 8): void {
  throw new GuestFault(UD)
}

/** XGETBV of ECX. */
export function xgetbv(_core: CpuCore, _index: number): bigint {
  throw new GuestFault(UD)
}

/** XSETBV of ECX. */
export function xsetbv(_core: CpuCore, _index: number, _value: bigint): void {
  throw new GuestFault(UD)
}

/** LDMXCSR with the value read. */
export function loadMxcsr(_core: CpuCore, _value: number): void {
  throw new GuestFault(UD)
}

/** STMXCSR. */
export function storeMxcsr(_core: CpuCore): number {
  throw new GuestFault(UD)
}
