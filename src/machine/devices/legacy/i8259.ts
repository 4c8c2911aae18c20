/**
 * The PC's pair of 8259A interrupt controllers, the slave on the master's input 2 (Intel 8259A datasheet), with the
 * PIIX's edge/level control registers ELCR1 and ELCR2 (82371SB datasheet, 2.5.5).
 *
 * An input that falls before INTA takes its request back, in edge mode too: the processor then gets the spurious
 * IRQ 7 (15). ICW1's LTIM is ignored, as on the PIIX, where ELCR rules.
 *
 * After reset the pair is as firmware (qboot, under QEMU's microvm) leaves it: initialised, vectors 0x08 and 0x70, all
 * inputs masked but the cascade. A kernel that uses only the APICs relies on that, one that uses the 8259s writes
 * ICW1-4 anyway.
 *
 * Missing: MCS-80 mode, buffered mode, and slaves other than the one at input 2.
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'

// Command port (A0 = 0).
const ICW1_SELECT = 1 << 4
const ICW1_IC4 = 1 << 0
const ICW1_SNGL = 1 << 1
const OCW3_SELECT = 1 << 3
const OCW3_ESMM = 1 << 6
const OCW3_SMM = 1 << 5
const OCW3_POLL = 1 << 2
const OCW3_RR = 1 << 1
const OCW3_RIS = 1 << 0

// OCW2's R, SL and EOI bits.
const OCW2 = {
  CLEAR_ROTATE_IN_AEOI: 0,
  EOI: 1,
  SPECIFIC_EOI: 3,
  SET_ROTATE_IN_AEOI: 4,
  ROTATE_EOI: 5,
  SET_PRIORITY: 6,
  ROTATE_SPECIFIC_EOI: 7,
} as const

const ICW4_AEOI = 1 << 1
const ICW4_SFNM = 1 << 4

const SLAVE_INPUT = 2
const SPURIOUS_INPUT = 7

/** What firmware leaves in ICW2 and IMR. */
const MASTER_FIRMWARE = { ICW2: 0x08, IMR: 0xfb } as const
const SLAVE_FIRMWARE = { ICW2: 0x70, IMR: 0xff } as const

/** Inputs that ELCR may make level-triggered: not IRQ 0, 1, 2 (timer, keyboard, cascade) nor 8, 13 (RTC, FPU). */
const ELCR1_WRITABLE = 0xf8
const ELCR2_WRITABLE = 0xde

/** One 8259A at two ports. */
class Chip implements BusDevice {
  IRR = 0
  ISR = 0
  IMR = 0
  /** This chip's ELCR byte. */
  ELCR = 0
  /** ICW2: the vector of input 0. */
  ICW2 = 0
  ICW4 = 0

  /** The INT output. */
  int = false
  onInt: (level: boolean) => void = () => {}

  readonly #isMaster: boolean
  readonly #firmware: { readonly ICW2: number; readonly IMR: number }
  readonly #elcrWritable: number
  #inputs = 0
  /** The ICW the data port waits for, 0 when initialised. */
  #awaiting: 0 | 2 | 3 | 4 = 0
  #single = false
  #needsIcw4 = false
  /** The input of lowest priority. */
  #lowest = 7
  #readIsr = false
  #poll = false
  #specialMask = false
  #rotateInAeoi = false

  constructor(isMaster: boolean) {
    this.#isMaster = isMaster
    this.#firmware = isMaster ? MASTER_FIRMWARE : SLAVE_FIRMWARE
    this.#elcrWritable = isMaster ? ELCR1_WRITABLE : ELCR2_WRITABLE
    this.reset()
  }

  read(offset: number, _size: AccessSize): number {
    if (this.#poll) return this.#pollWord()
    if (offset === 1) return this.IMR
    return this.#readIsr ? this.ISR : this.IRR
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const byte = value & 0xff
    if (offset === 1) this.#writeData(byte)
    else if ((byte & ICW1_SELECT) !== 0) this.#writeIcw1(byte)
    else if ((byte & OCW3_SELECT) !== 0) this.#writeOcw3(byte)
    else this.#writeOcw2(byte)
    this.#update()
  }

  writeElcr(value: number): void {
    this.ELCR = value & this.#elcrWritable
    this.IRR |= this.#inputs & this.ELCR
    this.#update()
  }

  setInput(input: number, level: boolean): void {
    const bit = 1 << input
    if (level) {
      if ((this.#inputs & bit) === 0) this.IRR |= bit
      this.#inputs |= bit
    } else {
      this.#inputs &= ~bit
      this.IRR &= ~bit
    }
    this.#update()
  }

  /** INTA: the input that is served, now in service; the spurious one when the request has gone. */
  acknowledge(): number {
    const input = this.#request()
    if (input < 0) return SPURIOUS_INPUT
    const bit = 1 << input
    this.IRR &= ~bit | (this.ELCR & this.#inputs)
    if ((this.ICW4 & ICW4_AEOI) === 0) this.ISR |= bit
    else if (this.#rotateInAeoi) this.#lowest = input
    // INT drops after INTA even when another request waits: the cascade needs a fresh edge.
    this.#setInt(false)
    this.#update()
    return input
  }

  reset(): void {
    this.ELCR = 0
    this.#initialise()
    this.ICW2 = this.#firmware.ICW2
    this.IMR = this.#firmware.IMR
    this.#awaiting = 0
    this.#update()
  }

  save(): PartState {
    return {
      IRR: this.IRR,
      ISR: this.ISR,
      IMR: this.IMR,
      ELCR: this.ELCR,
      ICW2: this.ICW2,
      ICW4: this.ICW4,
      inputs: this.#inputs,
      int: this.int,
      awaiting: this.#awaiting,
      single: this.#single,
      needsIcw4: this.#needsIcw4,
      lowest: this.#lowest,
      readIsr: this.#readIsr,
      poll: this.#poll,
      specialMask: this.#specialMask,
      rotateInAeoi: this.#rotateInAeoi,
    }
  }

  load(s: StateReader): void {
    this.IRR = s.u8('IRR')
    this.ISR = s.u8('ISR')
    this.IMR = s.u8('IMR')
    this.ELCR = s.u8('ELCR') & this.#elcrWritable
    this.ICW2 = s.u8('ICW2') & 0xf8
    this.ICW4 = s.u8('ICW4')
    this.#inputs = s.u8('inputs')
    this.int = s.flag('int')
    this.#awaiting = s.oneOf('awaiting', [0, 2, 3, 4])
    this.#single = s.flag('single')
    this.#needsIcw4 = s.flag('needsIcw4')
    this.#lowest = s.integer('lowest', 0, 7)
    this.#readIsr = s.flag('readIsr')
    this.#poll = s.flag('poll')
    this.#specialMask = s.flag('specialMask')
    this.#rotateInAeoi = s.flag('rotateInAeoi')
    s.end()
  }

  #writeData(value: number): void {
    switch (this.#awaiting) {
      case 0:
        this.IMR = value
        break
      case 2:
        this.ICW2 = value & 0xf8
        this.#awaiting = this.#single ? (this.#needsIcw4 ? 4 : 0) : 3
        break
      case 3:
        this.#awaiting = this.#needsIcw4 ? 4 : 0 // the cascade is wired, ICW3 cannot change it
        break
      case 4:
        this.ICW4 = value
        this.#awaiting = 0
    }
  }

  #writeIcw1(value: number): void {
    this.#initialise()
    this.#single = (value & ICW1_SNGL) !== 0
    this.#needsIcw4 = (value & ICW1_IC4) !== 0
    this.#awaiting = 2
  }

  /** What ICW1 does: an edge input must rise anew. */
  #initialise(): void {
    this.IRR = this.#inputs & this.ELCR
    this.ISR = 0
    this.IMR = 0
    this.ICW4 = 0
    this.#lowest = 7
    this.#readIsr = false
    this.#poll = false
    this.#specialMask = false
    this.#rotateInAeoi = false
  }

  #writeOcw2(value: number): void {
    const named = value & 7
    switch (value >> 5) {
      case OCW2.CLEAR_ROTATE_IN_AEOI:
        this.#rotateInAeoi = false
        break
      case OCW2.SET_ROTATE_IN_AEOI:
        this.#rotateInAeoi = true
        break
      case OCW2.EOI:
        this.#endHighest()
        break
      case OCW2.ROTATE_EOI: {
        const ended = this.#endHighest()
        if (ended >= 0) this.#lowest = ended
        break
      }
      case OCW2.SPECIFIC_EOI:
        this.ISR &= ~(1 << named)
        break
      case OCW2.ROTATE_SPECIFIC_EOI:
        this.ISR &= ~(1 << named)
        this.#lowest = named
        break
      case OCW2.SET_PRIORITY:
        this.#lowest = named
    }
  }

  #writeOcw3(value: number): void {
    if ((value & OCW3_ESMM) !== 0) this.#specialMask = (value & OCW3_SMM) !== 0
    if ((value & OCW3_RR) !== 0) this.#readIsr = (value & OCW3_RIS) !== 0
    if ((value & OCW3_POLL) !== 0) this.#poll = true
  }

  /** In special mask mode a masked input in service is left alone. */
  #endHighest(): number {
    const rank = this.#rankOf(this.#specialMask ? this.ISR & ~this.IMR : this.ISR)
    if (rank === 8) return -1
    const input = this.#inputOf(rank)
    this.ISR &= ~(1 << input)
    return input
  }

  /** The read after a poll command is INTA. */
  #pollWord(): number {
    this.#poll = false
    if (this.#request() < 0) return 0
    return 0x80 | this.acknowledge()
  }

  /** Rank of the highest priority in `bits`: 0 is highest, 8 none. */
  #rankOf(bits: number): number {
    if (bits === 0) return 8
    let rank = 0
    while ((bits & (1 << this.#inputOf(rank))) === 0) rank++
    return rank
  }

  #inputOf(rank: number): number {
    return (this.#lowest + 1 + rank) & 7
  }

  /** The input to be served, -1 when none outranks what is in service. */
  #request(): number {
    const rank = this.#rankOf(this.IRR & ~this.IMR)
    if (rank === 8) return -1
    // Special mask: what is in service but masked holds nobody back.
    let inService = this.#specialMask ? this.ISR & ~this.IMR : this.ISR
    // Special fully nested: the master lets a better request of the slave in service through.
    if (this.#isMaster && (this.ICW4 & ICW4_SFNM) !== 0) inService &= ~(1 << SLAVE_INPUT)
    return rank < this.#rankOf(inService) ? this.#inputOf(rank) : -1
  }

  #update(): void {
    this.#setInt(this.#awaiting === 0 && this.#request() >= 0)
  }

  #setInt(level: boolean): void {
    if (level === this.int) return
    this.int = level
    this.onInt(level)
  }
}

export class I8259 implements Part {
  readonly name = 'i8259'
  /** Two ports each. */
  readonly master: BusDevice
  readonly slave: BusDevice
  /** ELCR1 and ELCR2, two ports. */
  readonly elcr: BusDevice
  /** The master's INT output, which goes to LINT0. */
  onInt: (level: boolean) => void = () => {}

  readonly #master = new Chip(true)
  readonly #slave = new Chip(false)

  constructor() {
    this.master = this.#master
    this.slave = this.#slave
    this.elcr = {
      read: (offset) => (offset === 0 ? this.#master.ELCR : this.#slave.ELCR),
      write: (offset, size, value) => {
        if (offset === 0) this.#master.writeElcr(value & 0xff)
        else this.#slave.writeElcr(value & 0xff)
        if (offset === 0 && size === 2) this.#slave.writeElcr((value >> 8) & 0xff)
      },
    }
    this.#slave.onInt = (level) => this.#master.setInput(SLAVE_INPUT, level)
    this.#master.onInt = (level) => this.onInt(level)
  }

  /** INT asks the processor for an acknowledge cycle. */
  get int(): boolean {
    return this.#master.int
  }

  setInput(irq: number, level: boolean): void {
    if (irq >= 8) this.#slave.setInput(irq - 8, level)
    else if (irq !== SLAVE_INPUT) this.#master.setInput(irq, level)
  }

  /** INTA: the vector. */
  acknowledge(): number {
    const input = this.#master.acknowledge()
    if (input !== SLAVE_INPUT) return this.#master.ICW2 | input
    return this.#slave.ICW2 | this.#slave.acknowledge()
  }

  reset(): void {
    this.#slave.reset()
    this.#master.reset()
  }

  save(): PartState {
    return { master: this.#master.save(), slave: this.#slave.save() }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#master.load(s.group('master'))
    this.#slave.load(s.group('slave'))
    s.end()
  }
}
