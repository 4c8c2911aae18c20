/**
 * NMI status and control, port 0x61: the 8254's counter 2 gate and output, the speaker, the refresh toggle (PIIX
 * 82371SB datasheet, 2.6.1).
 *
 * Missing: SERR# and IOCHK# NMIs (nothing on this board raises them, bits 7-6 read 0) and a speaker to hear.
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { Timers } from '../../timers.ts'
import type { I8254 } from './i8254.ts'
import { ticksAt } from './i8254.ts'

export const NMI_STATUS_GATE2 = 1 << 0
export const NMI_STATUS_REFRESH = 1 << 4
export const NMI_STATUS_OUT2 = 1 << 5
const WRITABLE = 0x0f

/** The refresh bit changes with every DRAM refresh request: 18 ticks of counter 1, 15 us, as a PC's BIOS sets it. */
const REFRESH_TICKS = 18

export class NmiStatus implements BusDevice, Part {
  readonly name = 'nmi-status'
  readonly tellsTime = true
  CONTROL = 0
  readonly #i8254: I8254
  readonly #timers: Timers

  constructor(i8254: I8254, timers: Timers) {
    this.#i8254 = i8254
    this.#timers = timers
  }

  read(_offset: number, _size: AccessSize): number {
    const refresh = Math.floor(ticksAt(this.#timers.now()) / REFRESH_TICKS) % 2 === 1 ? NMI_STATUS_REFRESH : 0
    return this.CONTROL | refresh | (this.#i8254.out2 ? NMI_STATUS_OUT2 : 0)
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.CONTROL = value & WRITABLE
    this.#i8254.setGate2((value & NMI_STATUS_GATE2) !== 0)
  }

  /** The 8254's own reset closes the gate. */
  reset(): void {
    this.CONTROL = 0
  }

  save(): PartState {
    return { CONTROL: this.CONTROL }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.CONTROL = s.u8('CONTROL') & WRITABLE
    s.end()
  }
}
