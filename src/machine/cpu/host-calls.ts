/**
 * TypeScript's part in execution: a function that an instruction calls, or the delivery of an event. Either finds RIP exact,
 * and leaves where to go on in `nextRip` and whether the mode is another.
 */
import { assert } from '../../base/assert.ts'
import type { CpuCore } from '../semantics/core.ts'
import { HOST, type HostName } from '../semantics/host.ts'
import type { HostFunction } from '../semantics/host-table.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { GuestFault } from '../state/fault.ts'
import { FAULT, FAULT_ERROR, RECORD, REPEATING } from '../state/layout.ts'
import type { AttachedEngine } from './attach-engine.ts'
import type { InstructionCount } from './instruction-count.ts'
import type { InterruptWindow } from './interrupt-window.ts'
import type { Mode } from './mode.ts'
import type { Place } from './place.ts'
import type { CpuCounters, CpuWorkings } from './workings.ts'

export class HostCalls {
  readonly #core: CpuCore
  readonly #state: CpuState
  readonly #view: DataView
  readonly #counters: CpuCounters
  readonly #place: Place
  readonly #mode: Mode
  readonly #count: InstructionCount
  readonly #window: InterruptWindow
  readonly #engine: AttachedEngine
  /** By their numbers. */
  readonly #functions: readonly HostFunction[]
  #modeDirty = false
  #nextRip: bigint | undefined

  constructor(
    { state, view, counters }: CpuWorkings,
    core: CpuCore,
    place: Place,
    mode: Mode,
    count: InstructionCount,
    window: InterruptWindow,
    engine: AttachedEngine,
  ) {
    this.#core = core
    this.#state = state
    this.#counters = counters
    this.#place = place
    this.#mode = mode
    this.#count = count
    this.#window = window
    this.#engine = engine
    this.#view = view
    this.#functions = engine.hostNames.map((name) => {
      const f: HostFunction | undefined = HOST[name as HostName]
      // A name can be from a file.
      assert(f !== undefined, `the host function '${name}' exists`)
      return f
    })
  }

  get nextRip(): bigint {
    return this.#nextRip ?? this.#place.following
  }
  set nextRip(value: bigint) {
    this.#nextRip = value
  }
  modeChanged(): void {
    this.#modeDirty = true
  }
  /** Finds out again what decoding and access rights depend on. */
  applyMode(): void {
    this.#modeDirty = false
    this.#mode.apply()
    if (this.#mode.codeStepped) this.#count.shorten(0)
  }

  /** A function called by the engine; see Builder.host. */
  call(number: number, record: number): number {
    this.#counters.hostCalls++
    const s = this.#state
    s.set32(RECORD, record)
    this.#place.ripFrom(record)
    this.#nextRip = undefined
    this.#modeDirty = false
    try {
      ;(this.#functions[number] as HostFunction)(this.#core, record, this.#view)
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault
      this.#nextRip = undefined
      if (this.#modeDirty) this.applyMode()
      s.set32(FAULT, fault.vector + 1)
      s.set32(FAULT_ERROR, fault.errorCode)
      return 0
    }
    if (!this.#modeDirty && this.#nextRip === undefined) return 1
    const next = this.nextRip
    this.#nextRip = undefined
    if (this.#modeDirty) this.applyMode()
    if (this.#core.shutdownCause !== undefined) {
      this.#place.setRip(next)
      return 0
    }
    return this.#engine.enter(this.#mode.linear(next))
  }

  /** Runs event delivery, which sets nextRip, from the current RIP. */
  deliver(event: () => void): void {
    this.#place.settle()
    this.#nextRip = undefined
    event()
    if (this.#nextRip !== undefined) this.#state.rip = this.#nextRip
    this.#nextRip = undefined
    this.applyMode()
    this.#place.atRecord = false
    this.#window.open()
    this.#state.set32(REPEATING, 0)
  }
}
