/** Integers that matter, and addresses of all kinds of memory. */
import { CODE, DATA, DATA_END, PAGE } from '../layout.ts'
import type { Random } from '../random.ts'
import { MASK32, type Subject } from './subject.ts'

export class Values {
  readonly r: Random
  readonly #subject: Subject

  constructor(r: Random, subject: Subject) {
    this.r = r
    this.#subject = subject
  }

  value64(): bigint {
    const { r } = this
    switch (r.below(8)) {
      case 0:
        return r.pick(CORNERS)
      case 1:
        return BigInt.asUintN(64, BigInt(r.below(512) - 256))
      case 2:
        return (r.u64() & ~MASK32) | (r.pick(CORNERS) & MASK32)
      case 3:
        return (r.u64() & ~0xffffn) | (r.pick(CORNERS) & 0xffffn)
      case 4:
        return BigInt.asUintN(64, (1n << BigInt(r.below(64))) - BigInt(r.below(3)))
      default:
        return r.u64()
    }
  }
  immediate8(): number {
    const { r } = this
    return r.chance(30) ? r.pick([0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 0x7f, 0x80, 0xff]) : r.u32() & 0xff
  }
  segmentBase(): bigint {
    const { r } = this
    return r.chance(50) ? BigInt(r.below(0x100000)) : r.u64() >> 17n
  }
  /** An address in the writable data pages with room on both sides. */
  dataPlace(room: number): number {
    return DATA + room + this.r.below(2 * PAGE - 2 * room)
  }
  codeTarget(): bigint {
    const { r } = this
    if (r.chance(75)) return BigInt(CODE + r.below(2 * PAGE))
    if (r.chance(50)) return r.u64() & 0x7fffffffffffn
    return this.value64()
  }
  /** Where an operand of `size` bytes stands: mostly writable and aligned, sometimes anywhere that can fault. */
  place(size: number, aligned = false): number {
    const { r } = this
    const n = r.below(100)
    const unit = Math.min(size, this.#subject.extendedState ? 64 : 16)
    if (n < 45 || (aligned && n < 75)) return DATA + r.below(Math.floor((2 * PAGE - size) / unit) + 1) * unit
    if (n < 75) return DATA + r.below(2 * PAGE - size)
    if (n < 87) return DATA + PAGE - 1 - r.below(Math.max(size - 1, 1))
    if (n < 90) return DATA + 2 * PAGE - 1 - r.below(Math.max(size - 1, 1))
    if (n < 93) return DATA + 2 * PAGE + r.below(PAGE - size)
    if (n < 96) return DATA_END - 1 - r.below(Math.max(size - 1, 1))
    if (n < 98) return DATA - 1 - r.below(Math.max(size - 1, 1))
    return r.chance(50) ? DATA_END + r.below(PAGE - 16) : DATA - PAGE + r.below(PAGE - 16)
  }
}

const CORNERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0x81n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0x8001n,
  0xffffn,
  0x10000n,
  0x7fffffffn,
  0x80000000n,
  0x80000001n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0x8000000000000001n,
  0xffffffffffffffffn,
  0xfffffffffffffffen,
  0xffffffff80000000n,
  0xffffffff7fffffffn,
  0x5555555555555555n,
  0xaaaaaaaaaaaaaaaan,
  0xffffffffffff8000n,
  0xffffffffffffff80n,
  0x0123456789abcdefn,
  0x0fn,
  0x10n,
]
