/**
 * The ISA interrupt requests: each goes to the i8259 input of its number and to the IOAPIC input of its number, except
 * IRQ 0, which is IOAPIC input 2 (MP Specification 1.4, 4.3.4 and appendix; QEMU and Firecracker wire it so). Devices
 * that share a request are ORed.
 */
import { assert } from '../../../base/assert.ts'
import type { InterruptLine } from '../../interrupt-line.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'

const IRQS = 16
const TIMER_IRQ = 0
const TIMER_IOAPIC_INPUT = 2
/** The slave 8259's way into the master: no device can have it. */
const CASCADE_IRQ = 2

/** A controller's inputs. */
export interface InterruptInputs {
  setInput(input: number, level: boolean): void
}

/** One device's wire to a request. */
class Wire implements InterruptLine {
  readonly irq: number
  level = false
  readonly #moved: (wire: Wire) => void

  constructor(irq: number, moved: (wire: Wire) => void) {
    this.irq = irq
    this.#moved = moved
  }

  set(level: boolean): void {
    if (level === this.level) return
    this.level = level
    this.#moved(this)
  }
}

export class IsaInterrupts implements Part {
  readonly name = 'isa-interrupts'
  readonly #i8259: InterruptInputs
  readonly #ioapic: InterruptInputs
  readonly #wires = new Map<string, Wire>()
  /** How many devices assert each request. */
  readonly #asserting = new Uint8Array(IRQS)

  constructor(i8259: InterruptInputs, ioapic: InterruptInputs) {
    this.#i8259 = i8259
    this.#ioapic = ioapic
  }

  /** A wire of its own for each caller, who names it. */
  line(irq: number, of: string): InterruptLine {
    assert(irq >= 0 && irq < IRQS && irq !== CASCADE_IRQ, `an ISA interrupt request is 0-15 without 2, not ${irq}`)
    assert(!this.#wires.has(of), `${of} has one wire`)
    const wire = new Wire(irq, (moved) => this.#moved(moved))
    this.#wires.set(of, wire)
    return wire
  }

  /** The devices at the wires' ends hold them as they do. */
  reset(): void {}

  save(): PartState {
    return Object.fromEntries([...this.#wires].map(([of, wire]) => [of, wire.level]))
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#asserting.fill(0)
    for (const [of, wire] of this.#wires) {
      wire.level = s.flag(of)
      if (wire.level) this.#asserting[wire.irq]++
    }
    s.end()
  }

  /** Only the first to assert and the last to release move the request. */
  #moved({ irq, level }: Wire): void {
    this.#asserting[irq] += level ? 1 : -1
    if (this.#asserting[irq] !== (level ? 1 : 0)) return
    this.#i8259.setInput(irq, level)
    this.#ioapic.setInput(irq === TIMER_IRQ ? TIMER_IOAPIC_INPUT : irq, level)
  }
}
