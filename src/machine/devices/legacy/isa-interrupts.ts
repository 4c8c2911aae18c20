/**
 * The ISA interrupt requests: each goes to the i8259 input of its number and to the IOAPIC input of its number, except
 * IRQ 0, which is IOAPIC input 2 (MP Specification 1.4, 4.3.4 and appendix; QEMU and Firecracker wire it so). Devices
 * that share a request are ORed.
 */
import { assert } from '../../../base/assert.ts'
import type { InterruptLine } from '../../interrupt-line.ts'

const IRQS = 16
const TIMER_IRQ = 0
const TIMER_IOAPIC_INPUT = 2
/** The slave 8259's way into the master: no device can have it. */
const CASCADE_IRQ = 2

/** A controller's inputs. */
export interface InterruptInputs {
  setInput(input: number, level: boolean): void
}

export class IsaInterrupts {
  readonly #i8259: InterruptInputs
  readonly #ioapic: InterruptInputs
  /** How many devices assert each request. */
  readonly #asserting = new Uint8Array(IRQS)

  constructor(i8259: InterruptInputs, ioapic: InterruptInputs) {
    this.#i8259 = i8259
    this.#ioapic = ioapic
  }

  /** A wire of its own for each caller. */
  line(irq: number): InterruptLine {
    assert(irq >= 0 && irq < IRQS && irq !== CASCADE_IRQ, `an ISA interrupt request is 0-15 without 2, not ${irq}`)
    let was = false
    return {
      set: (level) => {
        if (level === was) return
        was = level
        this.#asserting[irq] += level ? 1 : -1
        // Only the first to assert and the last to release move the wire.
        if (this.#asserting[irq] !== (level ? 1 : 0)) return
        this.#i8259.setInput(irq, level)
        this.#ioapic.setInput(irq === TIMER_IRQ ? TIMER_IOAPIC_INPUT : irq, level)
      },
    }
  }
}
