/** Control and debug registers, flags, and the privileged instructions around them. */
import { type CpuCore, GuestFault, UD } from '../core.ts'

/** MOV r, CRn. #UD for 1, 5-7, 9-15. */
export function readControlRegister(_core: CpuCore, _index: number): bigint {
  throw new GuestFault(UD)
}

/** MOV CRn, r. The value is zero-extended outside 64-bit mode. */
export function writeControlRegister(_core: CpuCore, _index: number, _value: bigint): void {
  throw new GuestFault(UD)
}

/** MOV r, DRn. */
export function readDebugRegister(_core: CpuCore, _index: number): bigint {
  throw new GuestFault(UD)
}

/** MOV DRn, r. */
export function writeDebugRegister(_core: CpuCore, _index: number, _value: bigint): void {
  throw new GuestFault(UD)
}

/** LMSW. */
export function loadMachineStatus(_core: CpuCore, _value: number): void {
  throw new GuestFault(UD)
}

/** SMSW: CR0, mask to the operand size. */
export function storeMachineStatus(_core: CpuCore): bigint {
  throw new GuestFault(UD)
}

/** CLTS. */
export function clearTaskSwitched(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** INVLPG. */
export function invalidatePage(_core: CpuCore, _linear: bigint): void {
  throw new GuestFault(UD)
}

/** INVPCID: type in the register, descriptor at the linear address. */
export function invalidatePcid(_core: CpuCore, _type: bigint, _linear: bigint): void {
  throw new GuestFault(UD)
}

/** WBINVD and INVD. */
export function writeBackCaches(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** CLI. */
export function clearInterruptFlag(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** STI. */
export function setInterruptFlag(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** CLAC. */
export function clearAc(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** STAC. */
export function setAc(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** POPF/POPFD/POPFQ with the value popped; call before RSP moves: it may fault. */
export function popf(_core: CpuCore, _value: bigint, _operandBytes: 2 | 4 | 8): void {
  throw new GuestFault(UD)
}

/** The value PUSHF pushes; mask to the operand size. */
export function pushf(_core: CpuCore, _operandBytes: 2 | 4 | 8): bigint {
  throw new GuestFault(UD)
}

/** HLT. */
export function haltInstruction(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** MONITOR: linear address of RAX in DS. */
export function monitor(_core: CpuCore, _linear: bigint): void {
  throw new GuestFault(UD)
}

/** MWAIT. */
export function mwait(_core: CpuCore): void {
  throw new GuestFault(UD)
}

/** RSM outside SMM, VMX and SVM instructions: #UD. */
export function undefinedSystemInstruction(_core: CpuCore): never {
  throw new GuestFault(UD)
}
