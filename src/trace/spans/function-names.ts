/** Functions by number: those of the kernel's and of programs' symbols, and what has a name and no address. */
import type { Moment } from '../model/stages.ts'
import { type CodeSymbol, SymbolIndex, showAddress } from './symbols.ts'

const MAX_FUNCTIONS = 1 << 17
/** Added to addresses in user mode, which are another program's than the kernel's. */
const USER_KEY = 2 ** 49

export class FunctionNames {
  readonly names: string[] = []
  readonly address: number[] = []
  /** Of each function's first call, -1 before it. */
  readonly firstInstructions: number[] = []
  readonly firstNs: number[] = []
  readonly #symbols: SymbolIndex
  readonly #userSymbols: SymbolIndex
  readonly #byStart = new Map<number, number>()
  readonly #byName = new Map<string, number>()
  /** Call target -> function, open addressing. */
  #targetKeys = new Float64Array(1 << 14).fill(-1)
  #targetValues = new Int32Array(1 << 14)
  #targets = 0

  constructor(symbols: readonly CodeSymbol[], userSymbols: readonly CodeSymbol[]) {
    this.#symbols = new SymbolIndex(symbols)
    this.#userSymbols = new SymbolIndex(userSymbols)
  }

  firstCall(symbol: string): Moment | undefined {
    const func = this.#byName.get(symbol)
    const at = func === undefined ? -1 : this.firstInstructions[func]!
    return at < 0 ? undefined : { instructions: at, ns: this.firstNs[func!]! }
  }

  #named(name: string, address: number): number {
    if (this.names.length >= MAX_FUNCTIONS) {
      const other = this.#byName.get('(other functions)')
      if (other !== undefined) return other
      name = '(other functions)'
      address = -1
    }
    const func = this.names.length
    this.names.push(name)
    this.address.push(address)
    this.firstInstructions.push(-1)
    this.firstNs.push(-1)
    if (!this.#byName.has(name)) this.#byName.set(name, func)
    return func
  }

  /** A function that is no address: an interrupt, a system call. */
  pseudo(name: string): number {
    return this.#byName.get(name) ?? this.#named(name, -1)
  }

  at(address: number, user: boolean): number {
    const found = user ? this.#userSymbols.find(address) : this.#symbols.find(address)
    const start = (found?.address ?? address) + (user ? USER_KEY : 0)
    let func = this.#byStart.get(start)
    if (func === undefined) {
      func = this.#named(found?.name ?? showAddress(address), found?.address ?? address)
      this.#byStart.set(start, func)
    }
    return func
  }

  of(target: number, user: boolean): number {
    const key = target + (user ? USER_KEY : 0)
    const mask = this.#targetKeys.length - 1
    let slot = (Math.imul(target >>> 0, 0x9e3779b1) >>> 12) & mask
    for (;;) {
      const found = this.#targetKeys[slot]
      if (found === key) return this.#targetValues[slot]
      if (found === -1) break
      slot = (slot + 1) & mask
    }
    const func = this.at(target, user)
    // Past the cap targets are looked up each time: slow, and bounded.
    if (this.#targets >= MAX_FUNCTIONS) return func
    this.#targetKeys[slot] = key
    this.#targetValues[slot] = func
    if (++this.#targets * 2 > this.#targetKeys.length) this.#grow()
    return func
  }

  #grow(): void {
    const keys = this.#targetKeys
    const values = this.#targetValues
    const mask = keys.length * 4 - 1
    this.#targetKeys = new Float64Array(mask + 1).fill(-1)
    this.#targetValues = new Int32Array(mask + 1)
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === -1) continue
      let slot = (Math.imul((keys[i] % USER_KEY) >>> 0, 0x9e3779b1) >>> 12) & mask
      while (this.#targetKeys[slot] !== -1) slot = (slot + 1) & mask
      this.#targetKeys[slot] = keys[i]
      this.#targetValues[slot] = values[i]
    }
  }
}
