/**
 * What would be taken before the next instruction, NMI or interrupt, and what holds it off: IF, NMI blocking, and the one
 * instruction after STI, MOV SS and POP SS (SDM 3A §6.8, §6.7.1, §6.8.3).
 */
import type { InterruptController } from '../devices/legacy/interrupt-controller.ts'
import type { PartState, StateReader } from '../part.ts'
import type { SystemState } from '../semantics/system/system-state.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { FLAGS_IF } from '../state/flags.ts'
import { RFLAGS_SYSTEM } from '../state/layout.ts'
import type { InstructionCount } from './instruction-count.ts'

/** Instructions for which STI and MOV SS hold something off: the next one, and itself while it runs. */
const INHIBITED_MAX = 2

export class InterruptWindow {
  readonly #interrupts: InterruptController
  readonly #system: SystemState
  readonly #state: CpuState
  readonly #count: InstructionCount
  /** Retired count before which no maskable interrupt is taken. */
  #inhibitUntil = 0
  /** Retired count before which no #DB is raised. */
  #holdDebugUntil = 0

  constructor(interrupts: InterruptController, system: SystemState, state: CpuState, count: InstructionCount) {
    this.#interrupts = interrupts
    this.#system = system
    this.#state = state
    this.#count = count
  }

  get #enabled(): boolean {
    return (this.#state.get32(RFLAGS_SYSTEM) & FLAGS_IF) !== 0
  }
  /** An NMI is pending that nothing blocks. */
  get nmi(): boolean {
    return this.#interrupts.nmiPending && !this.#system.nmiBlocked
  }
  /** An interrupt is pending that IF lets through; it may still be `inhibited`. */
  get maskable(): boolean {
    return this.#interrupts.pending() && this.#enabled
  }
  /** Whether a halted CPU goes on now: something waits that it would take (SDM 2A, HLT). */
  get wakes(): boolean {
    return this.nmi || this.maskable
  }
  /** Whether anything could wake a halted CPU: with IF clear only an NMI. */
  get canWake(): boolean {
    if (this.#enabled) return true
    return !this.#system.nmiBlocked && (this.#interrupts.nmiPending || this.#interrupts.routesNmi)
  }

  get inhibited(): boolean {
    return this.#inhibitUntil > this.#count.retired
  }
  /** How many of the next `n` instructions may run at once: up to the first after which a pending interrupt is taken. */
  within(n: number): number {
    return this.inhibited && this.#interrupts.pending() ? Math.min(n, this.#inhibitUntil - this.#count.retired) : n
  }
  get debugHeld(): boolean {
    return this.#holdDebugUntil > this.#count.retired
  }
  /** No interrupt before the end of the next instruction. `debugToo`: nor a #DB. */
  inhibit(debugToo: boolean): void {
    const { retired } = this.#count
    // Of several in a row only the first holds interrupts off (SDM 3A §6.8.3), or they could be held off for ever.
    if (this.#inhibitUntil !== retired) this.#inhibitUntil = retired + 1
    if (debugToo) this.#holdDebugUntil = retired + 1
  }
  /** Nothing is held off any more: an event has been delivered. */
  open(): void {
    this.#inhibitUntil = 0
    this.#holdDebugUntil = 0
  }

  save(): PartState {
    const { retired } = this.#count
    return {
      // Exactly 0 counts too: of two inhibiting instructions in a row only the first inhibits.
      interruptsInhibitedFor: Math.max(-1, this.#inhibitUntil - retired),
      debugHeldFor: Math.max(0, this.#holdDebugUntil - retired),
    }
  }
  /** After the count's. */
  load(from: StateReader): void {
    const { retired } = this.#count
    this.#inhibitUntil = retired + from.integer('interruptsInhibitedFor', -1, INHIBITED_MAX)
    this.#holdDebugUntil = retired + from.integer('debugHeldFor', 0, INHIBITED_MAX)
  }
}
