/**
 * What the processor sees of interrupts: one question (is something pending?), one answer (its vector). Joins the local
 * APIC, the IOAPIC and the i8259 pair as MP Specification 1.4, 3.6.2.2 draws the virtual wire: the pair's INT goes to
 * LINT0 and to IOAPIC input 0, and either of them in ExtINT mode lets it through.
 *
 * ExtINT goes before the local APIC's own requests and is not held back by TPR, as in KVM.
 */
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { I8259 } from './i8259.ts'
import type { Ioapic } from './ioapic.ts'
import type { Lapic } from './lapic.ts'

const IOAPIC_INPUT_EXTINT = 0

export class InterruptController implements Part {
  readonly name = 'interrupts'
  /** The answer of `pending()` or of `nmiPending` has changed. */
  onChange: () => void = () => {}

  readonly #lapic: Lapic
  readonly #ioapic: Ioapic
  readonly #i8259: I8259
  #extInt = false
  #pending = false
  #nmiPending = false

  constructor(lapic: Lapic, ioapic: Ioapic, i8259: I8259) {
    this.#lapic = lapic
    this.#ioapic = ioapic
    this.#i8259 = i8259
    lapic.onChange = () => this.#update()
    lapic.onNmi = () => this.raiseNmi()
    lapic.onEoi = (vector) => ioapic.endOfInterrupt(vector)
    ioapic.onChange = () => this.#update()
    i8259.onInt = (level) => {
      lapic.setLint0(level)
      ioapic.setInput(IOAPIC_INPUT_EXTINT, level)
      this.#update()
    }
  }

  /** A maskable interrupt waits for RFLAGS.IF. A flag, kept up to date by every change. */
  pending(): boolean {
    return this.#pending
  }

  /** The processor takes the interrupt: its vector. Ask only when `pending()`. */
  acknowledge(): number {
    return this.#extInt ? this.#i8259.acknowledge() : this.#lapic.acknowledge()
  }

  get nmiPending(): boolean {
    return this.#nmiPending
  }

  /** Whether something outside the processor is set up to raise an NMI. */
  get routesNmi(): boolean {
    return this.#lapic.routesNmi || this.#ioapic.routesNmi
  }

  /** The processor takes the NMI. */
  takeNmi(): void {
    this.#nmiPending = false
    this.onChange()
  }

  raiseNmi(): void {
    this.#nmiPending = true
    this.onChange()
  }

  /** The task-priority register, 8 bits. */
  get tpr(): number {
    return this.#lapic.TPR
  }

  set tpr(value: number) {
    this.#lapic.setTpr(value & 0xff)
  }

  /** CR8: TPR's priority class, 4 bits. */
  get cr8(): number {
    return this.#lapic.TPR >> 4
  }

  set cr8(value: number) {
    this.#lapic.setTpr((value & 0xf) << 4)
  }

  /** After the controllers that it joins. */
  reset(): void {
    this.#nmiPending = false
    this.#update()
  }

  save(): PartState {
    return { nmiPending: this.#nmiPending }
  }

  /** After the controllers that it joins. */
  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#nmiPending = s.flag('nmiPending')
    s.end()
    this.#update()
    this.onChange()
  }

  #update(): void {
    this.#extInt = this.#i8259.int && (this.#lapic.acceptsExtInt || this.#ioapic.acceptsExtInt)
    const pending = this.#extInt || this.#lapic.requesting
    if (pending === this.#pending) return
    this.#pending = pending
    this.onChange()
  }
}
