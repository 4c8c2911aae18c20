/** An instruction's bytes: prefixes, REX, opcode, registers and immediates, in the order in which they are drawn. */
import { CaseFlag } from '../case.ts'
import { PRIVILEGED } from '../exclusions.ts'
import { CODE, PAGE } from '../layout.ts'
import type { Making } from './making.ts'
import { type Addressing, fillOperand, memoryOperand } from './memory-operand.ts'
import { RSP } from './subject.ts'

const LOCKABLE = new Set(
  'ADD OR ADC SBB AND SUB XOR INC DEC NOT NEG XADD CMPXCHG CMPXCHG8B CMPXCHG16B BTS BTR BTC XCHG'.split(' '),
)
const MAP_BYTES: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]

export type Form = 'register' | 'memory' | 'none'

export class Encoding {
  readonly #m: Making
  readonly form: Form
  readonly addressBits: 16 | 32 | 64
  /** Segment prefix; -1 for none. */
  segment = -1
  readonly #prefixes: number[] = []
  #rex = 0
  #useRex = false
  #opcode: number
  #mod = 3
  #reg = 0
  #rm = 0
  /** SIB and displacement. */
  #tail: readonly number[] = []
  /** Up to the opcode. */
  #head: number[] = []
  readonly immediate: number[] = []
  /** The operand's address is in the instruction. */
  #moffs = false

  constructor(m: Making) {
    this.#m = m
    this.form = this.#chooseForm()
    this.#opcode = m.subject.row.encoding.opcode
    this.addressBits = this.#choosePrefixes()
    this.#chooseRegisters()
    this.#head = [
      ...this.#prefixes,
      ...(this.#useRex ? [0x40 | this.#rex] : []),
      ...MAP_BYTES[m.subject.row.encoding.map]!,
      this.#opcode,
    ]
    for (const kind of m.subject.row.encoding.immediates) this.#chooseImmediate(kind)
  }

  #chooseForm(): Form {
    const { amd, row } = this.#m.subject
    const { encoding, operands } = row
    if (!encoding.modrm || encoding.literalModrm !== undefined) return 'none'
    const rm = operands.find((o) => o.source === 'rm')
    if (rm === undefined) return 'register'
    if (!rm.memory) return 'register'
    if (!rm.register) return 'memory'
    // The register form of 0F 0D: AMD #UD, Intel a NOP.
    if (amd && encoding.map === 1 && encoding.opcode === 0x0d) return 'memory'
    return this.#m.r.chance(45) ? 'register' : 'memory'
  }

  /** Address bits. */
  #choosePrefixes(): 16 | 32 | 64 {
    const { r, subject } = this.#m
    const { descriptor, long, mnemonic, row } = subject
    const { encoding } = row
    const { form } = this
    const prefixes = this.#prefixes
    const absolute = descriptor.operands.some((o) => o.startsWith('moffs'))
    const asizeSmall = long ? 32 : 16
    let has67 = descriptor.asize !== undefined && descriptor.asize === asizeSmall
    if (
      descriptor.asize === undefined &&
      form === 'memory' &&
      (long ? r.chance(10) : mnemonic === 'LEA' && r.chance(25))
    )
      has67 = true
    if (
      descriptor.asize === undefined &&
      form !== 'memory' &&
      encoding.map === 0 &&
      descriptor.operands.length > 0 &&
      r.chance(1) &&
      !absolute
    )
      has67 = true
    const addressBits = long ? (has67 ? 32 : 64) : has67 ? 16 : 32
    /** One-byte opcodes of which the row does not say the operand size. */
    const anySize =
      descriptor.osize === undefined && encoding.prefix === undefined && encoding.map === 0 && encoding.opcode < 0xd8
    const has66 = encoding.prefix === '66' || descriptor.osize === 16 || (anySize && r.chance(3))
    if (has66) prefixes.push(0x66)
    if (has67) prefixes.push(0x67)
    if (encoding.prefix === 'F2' || descriptor.repeat === 'F2') prefixes.push(0xf2)
    if (encoding.prefix === 'F3' || descriptor.repeat === 'F3') prefixes.push(0xf3)
    if (encoding.rexW || (descriptor.osize === 64 && descriptor.default64 !== true)) this.#rex |= 8
    else if (long && anySize && r.chance(4)) this.#rex |= 8

    let segment = -1
    const touches = form === 'memory' || subject.readsString || mnemonic === 'XLATB' || absolute
    if (touches && r.chance(9)) segment = r.chance(50) ? 0x64 : 0x65
    else if (touches && r.chance(4)) segment = r.pick([0x26, 0x2e, 0x36, 0x3e])
    // 16-bit addresses reach the data only by FS, whose base is there.
    if (!long && addressBits === 16 && touches && mnemonic !== 'LEA') segment = r.chance(80) ? 0x64 : 0x65
    if (segment >= 0) prefixes.push(segment)
    this.segment = segment
    if (form === 'memory' && r.chance(2) && !PRIVILEGED.has(mnemonic)) prefixes.push(0xf0)
    if (LOCKABLE.has(mnemonic) && form === 'memory' && r.chance(8) && !prefixes.includes(0xf0)) prefixes.push(0xf0)
    for (let i = prefixes.length - 1; i > 0; i--) {
      const j = r.below(i + 1)
      ;[prefixes[i], prefixes[j]] = [prefixes[j] as number, prefixes[i] as number]
    }
    return addressBits
  }

  #pickRegister(extendBit: number): number {
    const { r, subject } = this.#m
    let n = r.below(subject.long ? 16 : 8)
    if (n === RSP && r.chance(75)) n = r.below(4)
    if (n >= 8) this.#rex |= extendBit
    return n
  }
  #chooseRegisters(): void {
    const { c, r, subject } = this.#m
    const { descriptor, long, row } = subject
    const { encoding, operands } = row
    const byteOperand = operands.some((o) => (o.bits === 8 && o.class === 'gpr') || (o.class === 'rm' && o.bits === 8))
    if (encoding.plusRegister) this.#opcode += this.#pickRegister(1) & 7
    if (encoding.modrm) {
      if (encoding.literalModrm !== undefined) {
        this.#reg = (encoding.literalModrm >> 3) & 7
        this.#rm = encoding.literalModrm & 7
        this.#mod = encoding.literalModrm >> 6
      } else {
        if (encoding.digit !== undefined) this.#reg = encoding.digit
        else if (operands.some((o) => o.class === 'number')) {
          const sreg = operands.some((o) => o.text === 'sreg')
          this.#reg = r.below(8)
          if (sreg && descriptor.text.startsWith('MOV sreg') && this.#reg === 2) c.flags &= ~CaseFlag.Step
          if (!sreg && long && r.chance(10)) this.#rex |= 4
        } else this.#reg = this.#pickRegister(4)
        if (this.form === 'register') this.#rm = this.#pickRegister(1)
      }
    }
    if (long && !encoding.rexW && this.#rex === 0 && r.chance(byteOperand ? 25 : 8)) this.#useRex = true
    if (this.#rex !== 0) this.#useRex = true
    if (!long) {
      this.#useRex = false
      this.#rex = 0
    }
    if (this.#useRex && this.#mod === 3 && r.chance(10)) this.#rex |= r.below(2) << 1
  }

  #push(value: number | bigint, bytes: number): void {
    let v = BigInt.asUintN(64, BigInt(value))
    for (let i = 0; i < bytes; i++) {
      this.immediate.push(Number(v & 0xffn))
      v >>= 8n
    }
  }
  /** But for those that depend on where the code stands. */
  #chooseImmediate(kind: string): void {
    const { r, values, subject } = this.#m
    const { descriptor, mnemonic } = subject
    switch (kind) {
      case 'ib':
        this.#push(subject.undefinedShift ? values.immediate8() & 0xef : values.immediate8(), 1)
        break
      case 'iw':
        this.#push(
          mnemonic === 'ENTER' || mnemonic === 'RET' ? r.below(r.chance(80) ? 256 : 65536) : values.value64(),
          2,
        )
        break
      case 'id':
        this.#push(values.value64(), 4)
        break
      case 'io':
        this.#push(values.value64(), 8)
        break
      case 'cb':
        this.#push(r.u32(), 1)
        break
      case 'cw':
        this.#push(r.chance(80) ? r.below(4096) - 2048 : r.u32(), 2)
        break
      case 'cd':
        this.#push(r.chance(75) ? r.below(8192) - 4096 : r.u32() | 0, 4)
        break
      case 'mo':
        this.#moffs = true
        break
      case 'cp':
        this.#push(r.chance(80) ? CODE + r.below(PAGE) : r.u32(), descriptor.osize === 16 ? 2 : 4)
        this.#push(r.pick([0x23, 0x23, 0x23, 0x1b, 0x2b, 0, 0x20, 0x7b1]), 2)
        break
    }
  }

  /** Bytes that it may come to. */
  get longest(): number {
    const { modrm } = this.#m.subject.row.encoding
    return this.#head.length + (modrm ? 6 : 0) + this.immediate.length + (this.#moffs ? 8 : 0)
  }

  /** The memory operand, and what is there; RIP is known. */
  chooseMemory(): void {
    const m = this.#m
    const { c, r, subject, values } = m
    const { descriptor, mnemonic, row } = subject
    const { addressBits, segment } = this
    const { encoding } = row
    if (this.#moffs) {
      const size = (row.operands.find((o) => o.class === 'moffs')?.bits ?? 8) / 8
      const ea = addressBits === 16 ? m.lowPlace() : BigInt(values.place(size))
      this.#push(BigInt.asUintN(addressBits, ea - m.segmentBaseOf(segment)), addressBits / 8)
      fillOperand(m, ea, size)
    }
    if (!encoding.modrm || encoding.literalModrm !== undefined || this.form !== 'memory') return
    if (/^BT/.test(mnemonic) && descriptor.operands[1]?.startsWith('r')) {
      // A bit offset that stays near the operand.
      const osize = BigInt(descriptor.osize ?? 32)
      const n = (this.#reg & 7) | ((this.#rex & 4) << 1)
      const high = ((c.gpr[n] as bigint) >> osize) << osize
      c.gpr[n] = high | BigInt.asUintN(Number(osize), BigInt(r.below(4096) - 2048))
    }
    const bytes = this.#head.length + this.immediate.length
    this.#address(memoryOperand(m, { addressBits, segment, bytes }))
  }
  #address({ mod, rm, tail, rex }: Addressing): void {
    this.#mod = mod
    this.#rm = rm
    this.#tail = tail
    this.#rex |= rex
    if (rex === 0) return
    const at = this.#head.length - 1 - MAP_BYTES[this.#m.subject.row.encoding.map]!.length
    if (this.#useRex) this.#head[at - 1] = 0x40 | this.#rex
    else this.#head.splice(at, 0, 0x40 | this.#rex)
  }

  /** Number of the register that ModRM.rm names. */
  get rmRegister(): number {
    return (this.#rm & 7) | ((this.#rex & 1) << 3)
  }
  bytes(): number[] {
    return [
      ...this.#head,
      ...(this.#m.subject.row.encoding.modrm ? [(this.#mod << 6) | ((this.#reg & 7) << 3) | (this.#rm & 7)] : []),
      ...this.#tail,
      ...this.immediate,
    ]
  }
}
