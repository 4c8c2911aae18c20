/** A case on its way: what it is of, what it is drawn from, and what it is so far. */
import { CASE_FS_BASE, CASE_GS_BASE, type Case } from '../case.ts'
import { LEGACY_FS_BASE, LEGACY_GS_BASE, PAGE } from '../layout.ts'
import type { Random } from '../random.ts'
import { FloatValues } from './float-values.ts'
import { MASK64, type Subject } from './subject.ts'
import { Values } from './values.ts'

export class Making {
  readonly subject: Subject
  readonly r: Random
  readonly c: Case
  readonly values: Values
  readonly floats: FloatValues
  /** Address of the memory operand; beyond all memory when there is none. */
  ea = MASK64

  constructor(subject: Subject, r: Random, c: Case) {
    this.subject = subject
    this.r = r
    this.c = c
    this.values = new Values(r, subject)
    this.floats = new FloatValues(subject, this.values, subject.float && r.chance(12))
  }

  /** Bytes in memory, where there may be any. */
  patch(ea: bigint, bytes: Uint8Array): void {
    if (ea < 0x7fff0000n) this.c.patch(Number(ea), bytes)
  }
  /** An address in the data that 16 bits reach by FS or GS. */
  lowPlace(): bigint {
    return BigInt(LEGACY_FS_BASE + PAGE + this.r.below(2 * PAGE))
  }
  /** Of a segment prefix; -1 is none. */
  segmentBaseOf(prefix: number): bigint {
    const { c } = this
    if (this.subject.long) {
      if (prefix === 0x64) return c.view.getBigUint64(CASE_FS_BASE, true)
      if (prefix === 0x65) return c.view.getBigUint64(CASE_GS_BASE, true)
      return 0n
    }
    if (prefix === 0x64) return BigInt(LEGACY_FS_BASE)
    if (prefix === 0x65) return BigInt(LEGACY_GS_BASE)
    return 0n
  }
}
