/**
 * The board's address decoding: which device answers a port or a guest-physical address. A device sees an offset into
 * its own window, never where the window stands. What nothing answers swallows writes and reads as ones, or as zeros
 * where the profile says so.
 */
import { assert } from '../base/assert.ts'
import { hex } from '../base/hex.ts'

export type AccessSize = 1 | 2 | 4

export interface BusDevice {
  /** `offset` from the start of the window; returns an unsigned integer of `size` bytes. */
  read(offset: number, size: AccessSize): number
  /** `value` is unsigned and below 2^(8*size). */
  write(offset: number, size: AccessSize, value: number): void
  /** A guest reads the time off it, and may hold it against other clocks. */
  readonly tellsTime?: boolean
}

/** All ones of `size` bytes, what an empty bus reads. */
export const OPEN_BUS = { 1: 0xff, 2: 0xffff, 4: 0xffffffff } as const

interface Window {
  base: number
  end: number
  readonly device: BusDevice
}

/** One address space (ports, or guest-physical memory outside RAM). Accesses of 8 bytes reach it as two of 4. */
export class Bus {
  readonly #windows: Window[] = []
  #last: Window | undefined
  /** Whether what nothing answers reads as ones (a real bus) or as zeros (a VMM's blank buffer). */
  readonly #ones: boolean
  /** Told of every access before it happens, and whether a clock is read: on a virtual machine it is an exit, which takes time. */
  onAccess: (isClock: boolean) => void = () => {}

  constructor(unanswered: 'ones' | 'zeros' = 'ones') {
    this.#ones = unanswered === 'ones'
  }

  /** Gives [base, base+length) to `device`. Windows may not overlap. */
  attach(base: number, length: number, device: BusDevice): void {
    const end = base + length
    for (const w of this.#windows)
      assert(end <= w.base || base >= w.end, `bus windows do not overlap: ${hex(base)} and ${hex(w.base)}`)
    this.#windows.push({ base, end, device })
  }

  /**
   * `device`'s window is at `base` now, wherever others are: of two that overlap the one that was attached first answers, as
   * the processor's own local APIC does.
   */
  move(device: BusDevice, base: number): void {
    const w = this.#windows.find((window) => window.device === device)
    assert(w !== undefined, 'a window that moves is there')
    w.end += base - w.base
    w.base = base
    this.#last = undefined
  }

  read(address: number, size: AccessSize): number {
    const w = this.#find(address)
    this.onAccess(w?.device.tellsTime === true)
    return w === undefined ? (this.#ones ? OPEN_BUS[size] : 0) : w.device.read(address - w.base, size)
  }

  write(address: number, size: AccessSize, value: number): void {
    const w = this.#find(address)
    this.onAccess(w?.device.tellsTime === true)
    if (w !== undefined) w.device.write(address - w.base, size, value)
  }

  #find(address: number): Window | undefined {
    const last = this.#last
    if (last !== undefined && address >= last.base && address < last.end) return last
    for (const w of this.#windows)
      if (address >= w.base && address < w.end) {
        this.#last = w
        return w
      }
    return undefined
  }
}
