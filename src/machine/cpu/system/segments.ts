/** Segment loads and far transfers. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** MOV Sreg, POP Sreg, LDS...: not CS. MOV SS and POP SS inhibit interrupts themselves. */
export function loadSegment(_core: CpuCore, _segment: number, _selector: number): void {
  throw new GuestFault(UD)
}

/** Far JMP. */
export function farJump(_core: CpuCore, _selector: number, _offset: bigint, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** Far CALL. */
export function farCall(_core: CpuCore, _selector: number, _offset: bigint, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** Far RET; `release` is imm16, 0 without. */
export function farReturn(_core: CpuCore, _release: number, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** LLDT. */
export function loadLdt(_core: CpuCore, _selector: number): void {
  throw new GuestFault(UD)
}

/** LTR. */
export function loadTaskRegister(_core: CpuCore, _selector: number): void {
  throw new GuestFault(UD)
}

/** SLDT (UMIP checked). */
export function storeLdt(_core: CpuCore): number {
  throw new GuestFault(UD)
}

/** STR. */
export function storeTaskRegister(_core: CpuCore): number {
  throw new GuestFault(UD)
}

/** LGDT from linear address; operandBytes 2 keeps 24 bits of base, 8 in 64-bit mode. */
export function loadGdt(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** LIDT. */
export function loadIdt(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** SGDT. */
export function storeGdt(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** SIDT. */
export function storeIdt(_core: CpuCore, _linear: bigint, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** VERR: sets ZF. */
export function verifyRead(_core: CpuCore, _selector: number): void {
  throw new GuestFault(UD)
}

/** VERW: sets ZF. */
export function verifyWrite(_core: CpuCore, _selector: number): void {
  throw new GuestFault(UD)
}

/** LAR: sets ZF; undefined leaves the destination alone. Mask to the operand size. */
export function loadAccessRights(_core: CpuCore, _selector: number): number | undefined {
  throw new GuestFault(UD)
}

/** LSL: likewise. */
export function loadSegmentLimit(_core: CpuCore, _selector: number): number | undefined {
  throw new GuestFault(UD)
}

/** ARPL: sets ZF and returns the destination. Not in 64-bit mode (the decoder knows MOVSXD). */
export function adjustRpl(_core: CpuCore, _destination: number, _source: number): number {
  throw new GuestFault(UD)
}

/** SWAPGS. */
export function swapGs(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** RDFSBASE/RDGSBASE; segment is FS or GS. */
export function readSegmentBase(_core: CpuCore, _segment: number): bigint {
  throw new GuestFault(UD)
}

/** WRFSBASE/WRGSBASE; a 32-bit operand comes zero-extended. */
export function writeSegmentBase(_core: CpuCore, _segment: number, _base: bigint): void {
  throw new GuestFault(UD)
}
