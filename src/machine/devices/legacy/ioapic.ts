/**
 * I/O APIC, 24 inputs (Intel 82093AA datasheet, section 3), with the EOI register of its successors (82801 ICH).
 *
 * VER reads version 0x20, as QEMU's IOAPIC and our MP table say; the EOI register is what that version promises.
 *
 * An input is logical: `true` means asserted, whatever polarity the entry names. An edge that comes while its entry is
 * masked is lost (datasheet 3.2.4, "Interrupt Mask"). ExtINT is not a message here: the InterruptController asks
 * whether an entry in that mode has its input asserted and then does INTA with the i8259.
 *
 * Missing: SMI and INIT delivery (ignored), arbitration (ARB shows the ID), delivery status (always idle).
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import { type ApicBus, DELIVERY } from './lapic.ts'

export const IOREGSEL = 0x00
export const IOWIN = 0x10
export const IOEOI = 0x40

export const IOAPIC = { ID: 0x00, VER: 0x01, ARB: 0x02, REDTBL: 0x10 } as const

const PINS = 24
const VER_VALUE = ((PINS - 1) << 16) | 0x20

// Redirection entry, low word. The high word's top byte is the destination.
//  16    15       14         13        12      11        10-8   7-0
//  mask  trigger  remote IRR polarity  status  dest mode  mode  vector
export const REDIRECTION_MASKED = 1 << 16
export const REDIRECTION_LEVEL = 1 << 15
export const REDIRECTION_REMOTE_IRR = 1 << 14
export const REDIRECTION_LOGICAL = 1 << 11
const REDIRECTION_WRITABLE = 0x1_afff

export class Ioapic implements BusDevice, Part {
  readonly name = 'ioapic'
  IOREGSEL = 0
  ID = 0
  /** Redirection entries: low and high words. */
  readonly REDTBL_LOW = new Uint32Array(PINS)
  readonly REDTBL_HIGH = new Uint32Array(PINS)

  /** `acceptsExtInt` may have changed. */
  onChange: () => void = () => {}

  readonly #resetId: number
  readonly #bus: ApicBus
  /** Inputs, one bit each. */
  #asserted = 0

  constructor(id: number, bus: ApicBus) {
    this.#resetId = id
    this.#bus = bus
    this.reset()
  }

  /** An unmasked ExtINT entry for our processor has its input asserted. */
  get acceptsExtInt(): boolean {
    if (this.#asserted === 0) return false
    for (let pin = 0; pin < PINS; pin++)
      if (
        (this.#asserted & (1 << pin)) !== 0 &&
        (this.REDTBL_LOW[pin] & REDIRECTION_MASKED) === 0 &&
        this.#mode(pin) === DELIVERY.EXTINT &&
        this.#reaches(pin)
      )
        return true
    return false
  }

  /** An unmasked entry for our processor is an NMI. */
  get routesNmi(): boolean {
    for (let pin = 0; pin < PINS; pin++)
      if ((this.REDTBL_LOW[pin] & REDIRECTION_MASKED) === 0 && this.#mode(pin) === DELIVERY.NMI && this.#reaches(pin))
        return true
    return false
  }

  read(offset: number, _size: AccessSize): number {
    if (offset === IOREGSEL) return this.IOREGSEL
    if (offset === IOWIN) return this.#readRegister(this.IOREGSEL)
    return 0
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset === IOREGSEL) this.IOREGSEL = value & 0xff
    else if (offset === IOWIN) this.#writeRegister(this.IOREGSEL, value)
    else if (offset === IOEOI) this.endOfInterrupt(value & 0xff)
  }

  #readRegister(register: number): number {
    if (register === IOAPIC.ID) return this.ID
    if (register === IOAPIC.VER) return VER_VALUE
    if (register === IOAPIC.ARB) return this.ID
    const pin = (register - IOAPIC.REDTBL) >> 1
    if (pin < 0 || pin >= PINS) return 0
    return (register & 1) === 0 ? this.REDTBL_LOW[pin] : this.REDTBL_HIGH[pin]
  }

  #writeRegister(register: number, value: number): void {
    if (register === IOAPIC.ID) this.ID = value & 0x0f00_0000
    const pin = (register - IOAPIC.REDTBL) >> 1
    if (pin < 0 || pin >= PINS) return
    if ((register & 1) === 0) this.#writeEntryLow(pin, value)
    else this.REDTBL_HIGH[pin] = value & 0xff00_0000
    this.#service(pin)
    this.onChange()
  }

  /** Turning an entry to edge drops its remote IRR: how kernels that know no EOI register clear one. */
  #writeEntryLow(pin: number, value: number): void {
    const remoteIrr = this.REDTBL_LOW[pin] & REDIRECTION_REMOTE_IRR
    this.REDTBL_LOW[pin] = (value & REDIRECTION_WRITABLE) | ((value & REDIRECTION_LEVEL) !== 0 ? remoteIrr : 0)
  }

  /** Input `pin` changes. */
  setInput(pin: number, level: boolean): void {
    const bit = 1 << pin
    if (level === ((this.#asserted & bit) !== 0)) return
    this.#asserted ^= bit
    const low = this.REDTBL_LOW[pin]
    if (level) {
      if ((low & REDIRECTION_LEVEL) !== 0) this.#service(pin)
      else if ((low & REDIRECTION_MASKED) === 0) this.#send(pin)
    }
    if (this.#mode(pin) === DELIVERY.EXTINT) this.onChange()
  }

  /** The local APIC, or IOEOI, ended `vector`: entries that wait for it may ask again. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < PINS; pin++) {
      const low = this.REDTBL_LOW[pin]
      if ((low & 0xff) !== vector || (low & REDIRECTION_REMOTE_IRR) === 0) continue
      this.REDTBL_LOW[pin] = low & ~REDIRECTION_REMOTE_IRR
      this.#service(pin)
    }
  }

  reset(): void {
    this.IOREGSEL = 0
    this.ID = this.#resetId << 24
    this.REDTBL_LOW.fill(REDIRECTION_MASKED)
    this.REDTBL_HIGH.fill(0)
    this.onChange()
  }

  save(): PartState {
    return {
      IOREGSEL: this.IOREGSEL,
      ID: this.ID,
      REDTBL_LOW: [...this.REDTBL_LOW],
      REDTBL_HIGH: [...this.REDTBL_HIGH],
      asserted: this.#asserted,
    }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.IOREGSEL = s.u8('IOREGSEL')
    this.ID = s.u32('ID') & 0x0f00_0000
    this.REDTBL_LOW.set(s.u32s('REDTBL_LOW', PINS).map((low) => low & (REDIRECTION_WRITABLE | REDIRECTION_REMOTE_IRR)))
    this.REDTBL_HIGH.set(s.u32s('REDTBL_HIGH', PINS).map((high) => high & 0xff00_0000))
    this.#asserted = s.integer('asserted', 0, 2 ** PINS - 1)
    s.end()
  }

  /** Sends a level entry's message when its input is asserted and the last message has been ended. */
  #service(pin: number): void {
    const low = this.REDTBL_LOW[pin]
    if ((this.#asserted & (1 << pin)) === 0) return
    if ((low & (REDIRECTION_MASKED | REDIRECTION_LEVEL | REDIRECTION_REMOTE_IRR)) === REDIRECTION_LEVEL) this.#send(pin)
  }

  #send(pin: number): void {
    const mode = this.#mode(pin)
    if (mode === DELIVERY.EXTINT || !this.#reaches(pin)) return
    const low = this.REDTBL_LOW[pin]
    // NMI is an edge even where the entry says level (datasheet 3.2.4, "Delivery Mode").
    const level = (low & REDIRECTION_LEVEL) !== 0 && (mode === DELIVERY.FIXED || mode === DELIVERY.LOWEST)
    if (level) this.REDTBL_LOW[pin] = low | REDIRECTION_REMOTE_IRR
    this.#bus.deliver(mode, low & 0xff, level)
  }

  #mode(pin: number): number {
    return (this.REDTBL_LOW[pin] >> 8) & 7
  }

  #reaches(pin: number): boolean {
    const logical = (this.REDTBL_LOW[pin] & REDIRECTION_LOGICAL) !== 0
    return this.#bus.isDestination(this.REDTBL_HIGH[pin] >>> 24, logical)
  }
}
