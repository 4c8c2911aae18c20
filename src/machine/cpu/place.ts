/**
 * Where execution stands: at a decoded record, which the loop moves on, or at RIP, which an event or a person has set. RIP
 * is made exact when somebody asks.
 */
import type { CpuState } from '../state/cpu-state.ts'
import { CodeMode, RECORD, RECORD_PAGE, RIP, SLOT_PAGE } from '../state/layout.ts'
import { REC_LENGTH, RECORD_SHIFT } from '../state/record.ts'
import type { Mode } from './mode.ts'

export class Place {
  readonly #state: CpuState
  readonly #view: DataView
  readonly #mode: Mode
  /** The record in RECORD is where execution continues; otherwise RIP is. */
  atRecord = false

  constructor(state: CpuState, view: DataView, mode: Mode) {
    this.#state = state
    this.#view = view
    this.#mode = mode
  }

  /** Makes state.rip exact. */
  settle(): void {
    if (this.atRecord) this.ripFrom(this.#state.get32(RECORD))
  }
  /** state.rip is where the instruction of `record` is, of the page being executed. */
  ripFrom(record: number): void {
    const s = this.#state
    const offset = (record - s.get32(RECORD_PAGE)) >>> RECORD_SHIFT
    let low = s.get32(SLOT_PAGE) + offset
    let high = s.get32(SLOT_PAGE + 4)
    if (low > 0xffffffff) high = (high + 1) >>> 0
    low = low >>> 0
    if (this.#mode.code !== CodeMode.Bits64) {
      low = this.#mode.codeOffset(low)
      high = 0
    }
    s.set32(RIP, low)
    s.set32(RIP + 4, high)
  }
  /** Execution goes on at `record`. */
  setRecord(record: number): void {
    this.#state.set32(RECORD, record)
    this.atRecord = true
  }
  /** Execution goes on at `rip`. */
  setRip(rip: bigint): void {
    this.#state.rip = rip
    this.atRecord = false
  }
  /** Bytes of the current instruction. */
  get length(): number {
    return this.#view.getUint8(this.#state.get32(RECORD) + REC_LENGTH)
  }
  /** Behind the current instruction; state.rip is exact. */
  get following(): bigint {
    const next = this.#state.rip + BigInt(this.atRecord ? this.length : 0)
    return this.#mode.code === CodeMode.Bits64 ? BigInt.asUintN(64, next) : next & 0xffffffffn
  }
}
