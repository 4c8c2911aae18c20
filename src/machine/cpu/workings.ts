/** What the pieces of the CPU share: its state and memory, and how much of what happened. */
import type { Bus } from '../bus.ts'
import type { Handler } from '../isa/handler.ts'
import type { GuestRam } from '../ram.ts'
import type { CpuState } from '../state/cpu-state.ts'
import type { Paging } from './paging.ts'

export interface CpuWorkings {
  readonly state: CpuState
  /** The machine's memory, RAM at `ramOffset`. */
  readonly view: DataView
  readonly ram: GuestRam
  readonly ramOffset: number
  readonly bus: Bus
  readonly handlers: readonly Handler[]
  readonly paging: Paging
  readonly counters: CpuCounters
  /** memory.fill of the engine's. */
  fill(address: number, value: number, length: number): void
  log(line: string): void
}

/** For developers. */
export type CpuCounters = ReturnType<typeof newCounters>
export const newCounters = () => ({
  slowReads: 0,
  slowWrites: 0,
  deviceAccesses: 0,
  decoded: 0,
  pageEntries: 0,
  exceptions: 0,
  interrupts: 0,
  tlbFlushes: 0,
  codeWrites: 0,
  hostCalls: 0,
})

/** Bits 63..47 of an address all alike, from its upper half. */
export const canonical = (high: number): boolean => {
  const top = high >>> 15
  return top === 0 || top === 0x1ffff
}
