/**
 * The PIIX3's reset control register (82371SB datasheet, RC register): RCPU going from 0 to 1 resets. A hard and a
 * soft reset are the same here, the machine has one.
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { ResetBackend } from './i8042.ts'

/** System Reset: 1 makes the reset hard. */
const SRST = 1 << 1
/** Reset CPU. */
const RCPU = 1 << 2

export class ResetControl implements BusDevice, Part {
  readonly name = 'reset-control'
  RC = 0
  readonly #backend: ResetBackend

  constructor(backend: ResetBackend) {
    this.#backend = backend
  }

  read(_offset: number, _size: AccessSize): number {
    return this.RC
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    const rises = (value & ~this.RC & RCPU) !== 0
    this.RC = value & SRST
    if (rises) this.#backend.reset()
  }

  reset(): void {
    this.RC = 0
  }

  save(): PartState {
    return { RC: this.RC }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.RC = s.u8('RC') & SRST
    s.end()
  }
}
