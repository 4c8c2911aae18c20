/** DR0-DR3 and DR7 as the loop and memory accesses ask for them. SDM 3B chapter 18. */
import type { CpuState } from '../state/cpu-state.ts'
import { CR4, CR4_DE, DR0 } from '../state/layout.ts'

/** One of DR0-DR3 that DR7 enables. */
interface Breakpoint {
  /** In DR6. */
  readonly bit: number
  /** DR7.R/W: 0 execution, 1 writes, 2 ports, 3 reads and writes. */
  readonly kind: number
  readonly first: bigint
  readonly length: number
}
/** DR7.LEN. */
const BREAKPOINT_BYTES = [1, 2, 8, 4]

export class DebugRegisters {
  readonly #state: CpuState
  /** DR7 enables something: one instruction at a time, and watched pages stay out of the TLB. */
  active = false
  #code: Breakpoint[] = []
  #data: Breakpoint[] = []
  #ports: Breakpoint[] = []
  /** DR6 bits of data and port breakpoints that the current instruction met. */
  hits = 0

  constructor(state: CpuState) {
    this.#state = state
  }

  get watchesCode(): boolean {
    return this.#code.length > 0
  }
  get watchesData(): boolean {
    return this.#data.length > 0
  }

  /** They have changed, or CR4.DE. */
  changed(): void {
    const s = this.#state
    const dr7 = s.get32(DR0 + 7 * 8)
    const all: Breakpoint[] = []
    for (let i = 0; i < 4; i++) {
      if (((dr7 >>> (i * 2)) & 3) === 0) continue
      const control = (dr7 >>> (16 + i * 4)) & 15
      const length = BREAKPOINT_BYTES[control >> 2] as number
      const address = s.get64(DR0 + i * 8)
      all.push({ bit: 1 << i, kind: control & 3, first: address - (address % BigInt(length)), length })
    }
    const ports = (s.get32(CR4) & CR4_DE) !== 0
    this.#code = all.filter((b) => b.kind === 0)
    this.#data = all.filter((b) => b.kind === 1 || b.kind === 3)
    this.#ports = all.filter((b) => b.kind === 2 && ports)
    this.active = all.length > 0
  }
  takeHits(): number {
    const { hits } = this
    this.hits = 0
    return hits
  }
  /** DR6 bits of the instruction breakpoints at a linear address. */
  codeHits(linear: bigint): number {
    let hits = 0
    for (const b of this.#code) if (b.first === linear) hits |= b.bit
    return hits
  }
  watch(high: number, low: number, size: number, write: boolean): void {
    const linear = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
    for (const b of this.#data)
      if ((write || b.kind === 3) && linear < b.first + BigInt(b.length) && linear + BigInt(size) > b.first)
        this.hits |= b.bit
  }
  /** Whether the page of an address has to stay out of the TLB. */
  watchesPage(high: number, low: number): boolean {
    const page = ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) >> 12n
    return this.#data.some((b) => b.first >> 12n === page)
  }
  portAccessed(port: number, size: number): void {
    for (const b of this.#ports)
      if (BigInt(port) < b.first + BigInt(b.length) && BigInt(port + size) > b.first) this.hits |= b.bit
  }
}
