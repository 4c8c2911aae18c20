/**
 * What every part of the machine that remembers something can do: give its state, and take one. A state is plain data by
 * name. The names are the manual's where a register holds it, words where the hardware has no name for it. What follows from
 * other state (a line that is high because a flag is set) is not in it.
 *
 * A part takes a state as a whole and in silence: no line moves, no timer is armed, nothing is sent, since the parts at the
 * other ends take theirs. So the order of parts does not matter, but for those that follow from others, which come last.
 *
 * A state may come out of a file that somebody made up. `StateReader` refuses what a part could not have saved; that a
 * combination never occurs is not checked, since a guest may bring about strange ones as well, and a part must bear them.
 */
import { ProblemError, problem } from '../base/problem.ts'
import { LAST_NS } from './time/guest-clock.ts'

export type StateValue = number | bigint | string | boolean | Uint8Array | readonly StateValue[] | PartState
export interface PartState {
  readonly [register: string]: StateValue
}

/** What remembers something, and is started by others. */
export type SavedPart = Omit<Part, 'reset'>

export interface Part {
  /** Unique on its board: 'uart', 'virtio0'. */
  readonly name: string
  /** Power-on. */
  reset(): void
  /** A copy, which later execution does not change. */
  save(): PartState
  /** Throws a ProblemError of kind 'snapshot-state' where the state is none of this part's; the part is then unusable. */
  load(state: PartState): void
}

const isRecord = (value: StateValue | undefined): value is PartState =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array)

/** For the words about a value that is refused. */
const shown = (value: StateValue | undefined): string => {
  if (value === undefined) return 'missing'
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'a group of values'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 40 ? `${text.slice(0, 40)}...` : text
}

/** Reads a state strictly: each value by name and with its limits, every name known. */
export class StateReader {
  readonly #state: PartState
  readonly #of: string
  readonly #unread: Set<string>

  /** `of` names the part in refusals. */
  constructor(state: PartState, of: string) {
    this.#state = state
    this.#of = of
    this.#unread = new Set(Object.keys(state))
  }

  u8(name: string): number {
    return this.integer(name, 0, 0xff)
  }
  u16(name: string): number {
    return this.integer(name, 0, 0xffff)
  }
  u32(name: string): number {
    return this.integer(name, 0, 0xffff_ffff)
  }
  u64(name: string): bigint {
    const value = this.#take(name)
    if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value
    return this.refuse(name, 'a 64-bit integer without sign')
  }
  bigint(name: string, least: bigint, most: bigint): bigint {
    const value = this.#take(name)
    if (typeof value === 'bigint' && value >= least && value <= most) return value
    return this.refuse(name, `a whole number from ${least} to ${most}`)
  }

  /** A whole number of [least, most]. */
  integer(name: string, least: number, most: number): number {
    const value = this.#take(name)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
    return this.refuse(name, `a whole number from ${least} to ${most}`)
  }

  /** A point of guest time, nanoseconds since power-on. */
  ns(name: string): number {
    const value = this.#take(name)
    if (typeof value === 'number' && value >= 0 && value <= LAST_NS) return value
    return this.refuse(name, 'nanoseconds since power-on')
  }

  /** As `ns`, or Infinity: never. */
  nsOrNever(name: string): number {
    if (this.#state[name] !== Infinity) return this.ns(name)
    this.#take(name)
    return Infinity
  }

  flag(name: string): boolean {
    const value = this.#take(name)
    return typeof value === 'boolean' ? value : this.refuse(name, 'true or false')
  }

  oneOf<T extends number | string>(name: string, values: readonly T[]): T {
    const value = this.#take(name)
    const found = values.find((one) => one === value)
    return found === undefined ? this.refuse(name, `one of ${values.join(', ')}`) : found
  }

  text(name: string, mostCharacters: number): string {
    const value = this.#take(name)
    if (typeof value === 'string' && value.length <= mostCharacters) return value
    return this.refuse(name, `text of at most ${mostCharacters} characters`)
  }

  /** Exactly `length` bytes; not to be changed. */
  bytes(name: string, length: number): Uint8Array {
    const value = this.#take(name)
    return value instanceof Uint8Array && value.length === length ? value : this.refuse(name, `${length} bytes`)
  }

  /** At most `most` bytes; not to be changed. */
  bytesUpTo(name: string, most: number): Uint8Array {
    const value = this.#take(name)
    return value instanceof Uint8Array && value.length <= most ? value : this.refuse(name, `at most ${most} bytes`)
  }

  /** At most `count` byte strings of at most `most` bytes each; not to be changed. */
  byteStrings(name: string, count: number, most: number): Uint8Array[] {
    const values = this.#list(name)
    const strings = values.filter((value) => value instanceof Uint8Array)
    if (values.length <= count && strings.length === values.length && strings.every((s) => s.length <= most))
      return strings
    return this.refuse(name, `at most ${count} byte strings of at most ${most} bytes`)
  }

  /** Exactly `length` 32-bit integers without sign. */
  u32s(name: string, length: number): number[] {
    const values = this.#list(name)
    const numbers = values.filter((value): value is number => typeof value === 'number' && value >>> 0 === value)
    if (values.length === length && numbers.length === length) return numbers
    return this.refuse(name, `${length} 32-bit integers without sign`)
  }

  /** Exactly `length` 64-bit integers without sign. */
  u64s(name: string, length: number): bigint[] {
    const values = this.#list(name)
    const numbers = values.filter(
      (value): value is bigint => typeof value === 'bigint' && BigInt.asUintN(64, value) === value,
    )
    if (values.length === length && numbers.length === length) return numbers
    return this.refuse(name, `${length} 64-bit integers without sign`)
  }

  /** A group of values under one name: read with a reader of its own, which is to be ended too. */
  group(name: string): StateReader {
    const value = this.#take(name)
    return isRecord(value) ? new StateReader(value, `${this.#of}.${name}`) : this.refuse(name, 'a group of values')
  }

  /** At most `most` groups. */
  groups(name: string, most: number): StateReader[] {
    const values = this.#list(name)
    const records = values.filter(isRecord)
    if (values.length > most || records.length !== values.length) return this.refuse(name, `at most ${most} groups`)
    return records.map((record, i) => new StateReader(record, `${this.#of}.${name}[${i}]`))
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#state, name)
  }
  /** What another reader with rules of its own is to read. */
  get raw(): PartState {
    return this.#state
  }

  /** All is read: refuses names that nobody asked for. */
  end(): void {
    for (const name of this.#unread)
      throw new ProblemError(
        problem(
          'snapshot-state',
          `the saved state of ${this.#of} has '${name.slice(0, 40)}', which means nothing here`,
          'a snapshot as this version writes it',
          'open it with the version that wrote it',
        ),
      )
  }

  refuse(name: string, expected: string): never {
    throw new ProblemError(
      problem(
        'snapshot-state',
        `in the saved state of ${this.#of}, ${name} is ${shown(this.#own(name))}`,
        expected,
        'take another copy of the snapshot: this one is damaged or made up',
      ),
    )
  }

  #own(name: string): StateValue | undefined {
    return Object.hasOwn(this.#state, name) ? this.#state[name] : undefined
  }

  #take(name: string): StateValue | undefined {
    this.#unread.delete(name)
    return this.#own(name)
  }

  #list(name: string): readonly StateValue[] {
    const value = this.#take(name)
    return Array.isArray(value) ? value : this.refuse(name, 'a list')
  }
}
