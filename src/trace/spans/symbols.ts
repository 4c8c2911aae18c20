/** Names for addresses. Addresses are 48-bit numbers here: what canonical 64-bit ones are without their copies of bit 47. */

/** As the loader gives them (KernelSymbol), sorted by address. */
export interface CodeSymbol {
  readonly name: string
  readonly address: bigint
  readonly size: number
}

const TWO_32 = 4294967296
/** Bit 47: the kernel's half. */
export const UPPER_HALF = 0x8000_0000_0000
const MASK_48 = 0xffff_ffff_ffffn

/** A u64 as two u32s to 48 bits. */
export const address48 = (low: number, high: number): number => (high & 0xffff) * TWO_32 + low
export const fromBigint = (address: bigint): number => Number(address & MASK_48)
/** With the copies of bit 47 again, as a kernel hacker reads it. */
export const showAddress = (address: number): string =>
  `0x${address >= UPPER_HALF ? `ffff${address.toString(16).padStart(12, '0')}` : address.toString(16)}`

/**
 * NetBSD/amd64 links its kernel at the first (KERNBASE), and so does our embedded guest, NetBSD/i386 at the second; before
 * paging the same code runs at the physical address, this much lower.
 */
const KERNBASES = [0xffff_8000_0000, 0xc000_0000] as const
const LOW_MAX = 0x4000_0000

/** How far past a symbol's last byte an address still counts as the symbol's, where the symbol has a size. */
const SLACK = 16
/** A symbol without a size (a label of assembly code) covers at most this much. */
const UNSIZED_MAX = 65536

export interface Named {
  readonly name: string
  /** Start of the function; the address itself when nothing covers it. */
  readonly address: number
}

export class SymbolIndex {
  readonly length: number
  readonly #addresses: Float64Array
  readonly #sizes: Float64Array
  readonly #names: readonly string[]

  constructor(symbols: readonly CodeSymbol[]) {
    this.length = symbols.length
    this.#addresses = new Float64Array(symbols.length)
    this.#sizes = new Float64Array(symbols.length)
    let sorted = true
    for (let i = 0; i < symbols.length; i++) {
      this.#addresses[i] = fromBigint(symbols[i]!.address)
      this.#sizes[i] = symbols[i]!.size
      if (i > 0 && this.#addresses[i] < this.#addresses[i - 1]) sorted = false
    }
    if (sorted) this.#names = symbols.map((s) => s.name)
    else {
      const order = Array.from(symbols.keys()).sort((a, b) => this.#addresses[a]! - this.#addresses[b]!)
      this.#addresses = Float64Array.from(order, (i) => fromBigint(symbols[i]!.address))
      this.#sizes = Float64Array.from(order, (i) => symbols[i]!.size)
      this.#names = order.map((i) => symbols[i]!.name)
    }
  }

  /** The function that covers `address`; undefined when none does. */
  find(address: number): Named | undefined {
    const found = this.#covering(address)
    if (found !== undefined || address >= LOW_MAX) return found
    return this.#covering(address + KERNBASES[0]) ?? this.#covering(address + KERNBASES[1])
  }

  #covering(address: number): Named | undefined {
    let low = 0
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#addresses[middle] <= address) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const i = low - 1
    const start = this.#addresses[i]
    const size = this.#sizes[i]
    if (address - start > (size > 0 ? size + SLACK : UNSIZED_MAX)) return undefined
    return { name: this.#names[i]!, address: start }
  }
}
