/**
 * What system instructions, exceptions and interrupts (TypeScript, `system/`) see of the CPU around them.
 *
 * Order of events in one instruction: the engine sets state.rip to the instruction, calls the function, and if it
 * returns continues at `nextRip`. A function that faults throws a GuestFault with the state as it was before: check
 * everything first, then commit.
 */
import type { Bus } from '../bus.ts'
import type { InterruptController } from '../devices/legacy/interrupt-controller.ts'
import type { CpuState } from '../state/cpu-state.ts'
import type { GuestFault } from '../state/fault.ts'
import type { SystemState } from './system/system-state.ts'

/** Memory as system code reaches it: linear addresses, unsigned 64-bit. Throws GuestFault (#PF with CR2 set, #GP, #SS). */
export interface LinearMemory {
  /** With the current CPL's rights (data accesses an instruction makes itself). */
  read(linear: bigint, size: 1 | 2 | 4 | 8): bigint
  write(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void
  /** Implicit supervisor accesses: GDT, LDT, IDT, TSS, and stacks of a more privileged level. */
  readSystem(linear: bigint, size: 1 | 2 | 4 | 8): bigint
  writeSystem(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void
  /** Faults now if a write of `size` bytes would, with rights of `cpl`; for multi-part pushes that must not half happen. */
  probeWrite(linear: bigint, size: number, cpl: number): void
  /** Faults now if the instruction's own access of `size` bytes would. */
  probe(linear: bigint, size: number, write: boolean): void
  /** What the instruction raises for its operand at a linear address that is not aligned as it must be: #GP, or #SS. */
  misaligned(linear: bigint): GuestFault
  /** With rights of an explicit CPL (pushing to the stack of another level). */
  readAs(linear: bigint, size: 1 | 2 | 4 | 8, cpl: number): bigint
  writeAs(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint, cpl: number): void
  /** `into.length` bytes (at most 4096) with the current CPL's rights; a fault comes before the first byte is copied. */
  readBlock(linear: bigint, into: Uint8Array): void
  writeBlock(linear: bigint, from: Uint8Array): void
}

/** What instructions ask of the board outside of memory and ports. */
export interface Outside {
  /** The TSC now. */
  readTsc(): bigint
  writeTsc(value: bigint): void
  /** IA32_APIC_BASE has been written: the local APIC moves, or is switched on or off. */
  apicBaseChanged(value: bigint): void
  /** IA32_TSC_DEADLINE: the TSC at which the local APIC's timer fires, 0 when disarmed. */
  readTscDeadline(): bigint
  writeTscDeadline(value: bigint): void
  /** 64 random bits for RDRAND and RDSEED. */
  random(): bigint
}

export interface CpuCore {
  readonly state: CpuState
  /** System registers that only TypeScript reads: the CPU model, MSRs, NMI blocking. */
  readonly system: SystemState
  readonly memory: LinearMemory
  readonly ports: Bus
  readonly interrupts: InterruptController
  readonly outside: Outside

  /** Where execution continues. Set to the following instruction before the function runs; a branch overwrites it. */
  nextRip: bigint

  /**
   * Throws what the memory operand of the instruction at `record`, its effective address being `address`, raises for its
   * segment, and what comes before that (legacy modes, SDM 3A §5.3).
   */
  checkOperand(record: number, address: number): void
  /** After CS, EFER, CR0.PE/PG, segment bases or limits, or CPL changed: decoding and access rights are found again. */
  modeChanged(): void
  /** After CR3, CR4 paging bits, CR0.WP/PG, EFER.NXE changed. `global` keeps no global page either. */
  flushTlb(global: boolean): void
  invalidatePage(linear: bigint): void
  /** After IF, TF, TPR/CR8 changed: pending interrupts are looked at before the next instruction. */
  interruptsChanged(): void
  /** STI and MOV SS / POP SS: no interrupt before the end of the next instruction. `debugToo`: nor a #DB. */
  inhibitInterrupts(debugToo?: boolean): void
  /** Whether a single-step trap follows this instruction, where that is not TF as it was before it. */
  stepAfter(step: boolean): void
  /** B0 to B3 of breakpoints met whose #DB MOV SS or POP SS has put off; the caller raises it. */
  takeDebugHits(): number
  /** After DR0-DR3, DR7 or CR4.DE changed. */
  debugRegistersChanged(): void
  /** A permitted access to ports, for breakpoints on them. */
  portAccessed(port: number, size: number): void
  /** HLT and MWAIT: stop until an interrupt. */
  halt(): void
  /** Triple fault. `cause` in the SDM's words, for the crash report. */
  shutdown(cause: string): void
  /** Not undefined after that. */
  readonly shutdownCause: string | undefined

  /** One line for the developer, once per distinct text. */
  log(line: string): void
  /**
   * Call-event hook for the traced engine: system calls, interrupts, CR3; no-op otherwise. The event's CPL, RAX and
   * carry flag are added to `argument`.
   */
  trace(kind: number, argument: number, address: bigint): void
}
