/** A processor's surroundings at the least: its buses, its APIC, and the interrupt controllers before it. */
import { Bus } from '../bus.ts'
import { I8259 } from '../devices/legacy/i8259.ts'
import { InterruptController } from '../devices/legacy/interrupt-controller.ts'
import { Ioapic } from '../devices/legacy/ioapic.ts'
import { IsaInterrupts } from '../devices/legacy/isa-interrupts.ts'
import { Lapic } from '../devices/legacy/lapic.ts'
import {
  IOAPIC_BASE,
  IOAPIC_ID,
  IOAPIC_SIZE,
  LAPIC_BASE,
  LAPIC_ID,
  LAPIC_SIZE,
  PORT_I8259_ELCR,
  PORT_I8259_MASTER,
  PORT_I8259_SLAVE,
  type Profile,
} from '../layout.ts'
import type { Part } from '../part.ts'
import type { Timers } from '../timers.ts'

const LOW_HALF = 0xffff_ffffn

export class Interrupts {
  /** Guest-physical addresses outside of RAM, and I/O ports. */
  readonly memory = new Bus()
  readonly ports: Bus
  readonly lapic: Lapic
  /** What the processor asks. Follows from the others, so that it is loaded last. */
  readonly controller: InterruptController
  /** Requests of devices. */
  readonly isa: IsaInterrupts
  readonly parts: readonly Part[]

  /** `tscToNs` turns a deadline of the local APIC's timer, in the guest's TSC, into guest time. */
  constructor(timers: Timers, tscToNs: (tsc: number) => number, unanswered?: Profile['unansweredPorts']) {
    const lapic = new Lapic({ id: LAPIC_ID, base: LAPIC_BASE, tscToNs }, timers)
    const ioapic = new Ioapic(IOAPIC_ID, lapic)
    const i8259 = new I8259()
    this.lapic = lapic
    this.controller = new InterruptController(lapic, ioapic, i8259)
    this.isa = new IsaInterrupts(i8259, ioapic)
    this.parts = [lapic, ioapic, i8259, this.isa]

    const { memory } = this
    memory.attach(LAPIC_BASE, LAPIC_SIZE, lapic)
    lapic.onMoved = (base) => memory.move(lapic, base)
    memory.attach(IOAPIC_BASE, IOAPIC_SIZE, ioapic)
    this.ports = new Bus(unanswered)
    this.ports.attach(PORT_I8259_MASTER, 2, i8259.master)
    this.ports.attach(PORT_I8259_SLAVE, 2, i8259.slave)
    this.ports.attach(PORT_I8259_ELCR, 2, i8259.elcr)
  }

  // The local APIC's MSRs, SDM 4: IA32_APIC_BASE and IA32_TSC_DEADLINE.

  writeApicBase(value: bigint): void {
    this.lapic.writeApicBase(Number(value & LOW_HALF), Number(value >> 32n))
  }
  readTscDeadline(): bigint {
    const { low, high } = this.lapic.readTscDeadline()
    return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
  }
  writeTscDeadline(value: bigint): void {
    this.lapic.writeTscDeadline(Number(value & LOW_HALF), Number((value >> 32n) & LOW_HALF))
  }
}
