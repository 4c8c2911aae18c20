/**
 * Cases of one row: the row's notation says which bytes, the random stream which of them. A case depends on nothing but
 * the descriptor, the mode, the vendor, the seed and its index. Of AMD's processors nothing is asked in which they differ
 * by design from Intel's, whose model this is; of Intel's everything, the flags too that the manual leaves undefined.
 *
 * Committed vectors hold outcomes only: what is drawn, and in which order, is part of their format.
 */
import { CASE_FS_BASE, CASE_GS_BASE, type Case, CaseFlag } from '../case.ts'
import type { Descriptor } from '../descriptor.ts'
import { CODE, PAGE } from '../layout.ts'
import { Random } from '../random.ts'
import { undefinedFlags } from '../undefined-flags.ts'
import type { Vendor } from '../vendor.ts'
import { Encoding } from './encode.ts'
import { implicit } from './implicit.ts'
import { Making } from './making.ts'
import { MASK32, MASK64, RAX, RBP, RCX, RDX, RSP, Subject } from './subject.ts'

/** Instructions that use the stack. */
const STACK = new Set('PUSH POP CALL RET PUSHF POPF ENTER LEAVE PUSHA POPA RETF IRET'.split(' '))
/** PUSHF shows TF and POPF changes it: these run without the trap flag, up to INT3. */
const UNTRAPPED = new Set(['PUSHF', 'POPF', 'INT1', 'IRET'])
/** Loading SS puts the trap off to after the next instruction. */
const LOADS_SS = /^(POP SS|LSS)/
const LONGEST_INSTRUCTION = 15

/** A row, ready for making cases. */
export class Generator {
  readonly #subject: Subject
  /** Undefined flags of the case made last. */
  undefined = 0
  /** Address of its memory operand; beyond all memory when there is none. */
  ea = MASK64

  constructor(descriptor: Descriptor, bits: 64 | 32, vendor: Vendor) {
    this.#subject = new Subject(descriptor, bits, vendor)
  }
  get mnemonic(): string {
    return this.#subject.mnemonic
  }

  /** Makes case `index` of the stream `seed`. */
  make(c: Case, seed: number, index: number): void {
    const subject = this.#subject
    const { mnemonic, descriptor, long } = subject
    const r = new Random(subject.seed, seed, index)
    const m = new Making(subject, r, c)
    const { values } = m
    const steps = !UNTRAPPED.has(mnemonic) && !LOADS_SS.test(descriptor.text)
    c.clear((steps ? CaseFlag.Step : 0) | (long ? 0 : CaseFlag.Legacy) | (subject.float ? CaseFlag.Float : 0))
    this.#chooseRegisters(m)

    const encoding = new Encoding(m)
    const { immediate } = encoding
    if (mnemonic === 'ENTER') {
      immediate[2] = r.chance(70) ? r.below(4) : r.below(256)
      c.gpr[RBP] = BigInt(values.dataPlace(256))
    }
    implicit(m, encoding.addressBits, encoding.segment)
    // The code's place must be known before RIP-relative displacements.
    c.rip = r.chance(90)
      ? CODE + r.below(PAGE - 16)
      : r.chance(60)
        ? CODE + PAGE - 1 - r.below(Math.min(encoding.longest, LONGEST_INSTRUCTION))
        : CODE + PAGE + r.below(PAGE - 16)
    encoding.chooseMemory()
    const bytes = encoding.bytes()
    // Branch targets in registers.
    if (
      (mnemonic === 'JMP' || mnemonic === 'CALL') &&
      encoding.form === 'register' &&
      descriptor.operands[0]?.startsWith('r/m')
    )
      c.gpr[encoding.rmRegister] = values.codeTarget()

    const undefinedResult =
      subject.undefinedShift && descriptor.operands[2] === 'CL' && (c.gpr[RCX] as bigint & 31n) > 16n
    // RAX or RDX became part of the address, and asks for components that the engine has not.
    const beyond =
      subject.extendedState && (((c.gpr[RAX] as bigint) & MASK32) > 3n || ((c.gpr[RDX] as bigint) & MASK32) !== 0n)
    if (bytes.length > LONGEST_INSTRUCTION || undefinedResult || beyond) {
      this.make(c, seed, index + 0x100000)
      return
    }
    if (!long) for (let i = 0; i < 16; i++) c.gpr[i] = (c.gpr[i] as bigint) & MASK32
    c.code(bytes)
    if ((c.flags & CaseFlag.Step) === 0) c.patch(c.rip + bytes.length, [0xcc])
    this.ea = m.ea
    this.undefined = subject.amd ? this.#undefinedFlags(c, immediate) : 0
  }

  #chooseRegisters(m: Making): void {
    const { c, r, subject, values } = m
    const { mnemonic, long } = subject
    for (let i = 0; i < 16; i++) c.gpr[i] = values.value64()
    // Stacks and frames stand in the data pages.
    c.gpr[RSP] = BigInt(values.dataPlace(64))
    c.gpr[RBP] = r.chance(70) || (!long && mnemonic === 'LEAVE') ? BigInt(values.dataPlace(64)) : (c.gpr[RBP] as bigint)
    if (STACK.has(mnemonic) && r.chance(25)) c.gpr[RSP] = BigInt(values.place(8))
    c.rflags = (r.u32() & 0x8d5) | (r.chance(subject.string ? 35 : 10) ? 0x400 : 0) | 0x202
    if (long) {
      c.view.setBigUint64(CASE_FS_BASE, values.segmentBase(), true)
      c.view.setBigUint64(CASE_GS_BASE, values.segmentBase(), true)
    }
    if (subject.float) m.floats.state(c)
  }

  #undefinedFlags(c: Case, immediate: readonly number[]): number {
    const { descriptor, mnemonic, row } = this.#subject
    const last = row.operands[row.operands.length - 1]
    const count =
      last?.class === 'one' ? 1 : last?.text === 'CL' ? Number((c.gpr[RCX] as bigint) & 0xffn) : (immediate[0] ?? 0)
    return undefinedFlags(mnemonic, descriptor.osize ?? row.operands[0]?.bits ?? 8, count)
  }
}
