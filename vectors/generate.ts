/**
 * Cases of one row: the row's notation says which bytes, the random stream which of them. A case depends on nothing but
 * the descriptor, the mode, the vendor, the seed and its index. Of AMD's processors nothing is asked in which they differ
 * by design from Intel's, whose model this is; of Intel's everything, the flags too that the manual leaves undefined.
 */

import type { Row } from '../src/machine/isa/row.ts'
import {
  CASE_FS_BASE,
  CASE_GS_BASE,
  type Case,
  CaseFlag,
  FX_FCW,
  FX_FSW,
  FX_FTW,
  FX_MXCSR,
  FX_ST,
  FX_XMM,
} from './case.ts'
import { type Descriptor, keyOf, mnemonicOf, parse } from './descriptor.ts'
import { FAR, PRIVILEGED } from './exclusions.ts'
import { CODE, DATA, DATA_END, LEGACY_FS_BASE, LEGACY_GS_BASE, PAGE } from './layout.ts'
import { hash32, Random } from './random.ts'
import { undefinedFlags } from './undefined-flags.ts'
import type { Vendor } from './vendor.ts'

const MASK64 = (1n << 64n) - 1n
const MASK32 = 0xffffffffn

const RAX = 0
const RCX = 1
const RDX = 2
const RBX = 3
const RSP = 4
const RBP = 5
const RSI = 6
const RDI = 7

/** Bytes behind operands of unspecified size. */
const MEMORY_BYTES: Readonly<Record<string, number>> = {
  CMPXCHG8B: 8,
  CMPXCHG16B: 16,
  FXSAVE: 512,
  FXSAVE64: 512,
  FXRSTOR: 512,
  FXRSTOR64: 512,
  FLDENV: 28,
  FNSTENV: 28,
  FRSTOR: 108,
  FNSAVE: 108,
  CLFLUSH: 1,
  XSAVE: 576,
  XSAVE64: 576,
  XSAVEOPT: 576,
  XSAVEOPT64: 576,
  XRSTOR: 576,
  XRSTOR64: 576,
}
/** Their area, legacy region and header, is aligned to 64 bytes; EDX:EAX says which components. */
const EXTENDED_STATE = /^X(SAVE|RSTOR)/
const ALIGNED_16 = new Set(['FXSAVE', 'FXSAVE64', 'FXRSTOR', 'FXRSTOR64', 'CMPXCHG16B'])
const STRINGS = /^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS)[BWDQ]$/
/** Instructions that use the stack. */
const STACK = new Set('PUSH POP CALL RET PUSHF POPF ENTER LEAVE PUSHA POPA RETF IRET'.split(' '))
/** PUSHF shows TF and POPF changes it: these run without the trap flag, up to INT3. */
const UNTRAPPED = new Set(['PUSHF', 'POPF', 'INT1', 'IRET'])
/** Loading SS puts the trap off to after the next instruction. */
const LOADS_SS = /^(POP SS|LSS)/
const FLOAT_MNEMONICS = /^(FXSAVE(64)?|FXRSTOR(64)?|XSAVE(OPT)?(64)?|XRSTOR(64)?|LDMXCSR|STMXCSR|WAIT|EMMS)$/

/** A row, ready for making cases. */
export class Generator {
  readonly descriptor: Descriptor
  readonly bits: 64 | 32
  readonly row: Row
  readonly mnemonic: string
  readonly float: boolean
  readonly #seed: number
  readonly #amd: boolean
  /** Floating-point values come from a few that meet often: equal, opposite, zeros of both signs. */
  #few = false
  #r!: Random
  #c!: Case
  /** Undefined flags of the case made last. */
  undefined = 0
  /** Address of its memory operand; beyond all memory when there is none. */
  ea = MASK64

  constructor(descriptor: Descriptor, bits: 64 | 32, vendor: Vendor) {
    this.#amd = vendor === 'amd'
    this.descriptor = descriptor
    this.bits = bits
    this.row = parse(descriptor)
    this.mnemonic = mnemonicOf(descriptor)
    const { map, opcode, prefix } = this.row.encoding
    this.float =
      (map === 0 && opcode >= 0xd8 && opcode <= 0xdf) ||
      FLOAT_MNEMONICS.test(this.mnemonic) ||
      this.row.operands.some((o) => /^(xmm|mm|st)/.test(o.class)) ||
      (prefix !== undefined && /^(sse|ssse|mmx)/.test(descriptor.feature ?? ''))
    this.#seed = hash32(`${keyOf(descriptor)}|${bits}`)
  }

  /** Makes case `index` of the stream `seed`. */
  make(c: Case, seed: number, index: number): void {
    const r = new Random(this.#seed, seed, index)
    this.#r = r
    this.#c = c
    this.ea = MASK64
    this.#few = this.float && r.chance(12)
    const { mnemonic, bits, descriptor, row } = this
    const long = bits === 64
    let step = !UNTRAPPED.has(mnemonic) && !LOADS_SS.test(descriptor.text)
    c.clear((step ? CaseFlag.Step : 0) | (long ? 0 : CaseFlag.Legacy) | (this.float ? CaseFlag.Float : 0))
    for (let i = 0; i < 16; i++) c.gpr[i] = this.value64()
    // Stacks and frames stand in the data pages.
    c.gpr[RSP] = BigInt(this.dataPlace(64))
    c.gpr[RBP] = r.chance(70) || (!long && mnemonic === 'LEAVE') ? BigInt(this.dataPlace(64)) : (c.gpr[RBP] as bigint)
    if (STACK.has(mnemonic) && r.chance(25)) c.gpr[RSP] = BigInt(this.place(8))
    const string = STRINGS.test(mnemonic)
    const flags = (r.u32() & 0x8d5) | (r.chance(string ? 35 : 10) ? 0x400 : 0) | 0x202
    c.rflags = flags
    if (long) {
      c.view.setBigUint64(CASE_FS_BASE, this.segmentBase(), true)
      c.view.setBigUint64(CASE_GS_BASE, this.segmentBase(), true)
    }
    if (this.float) this.#floatState()

    const encoding = row.encoding
    const operands = row.operands
    const form = this.#chooseForm()

    // Prefixes.
    const prefixes: number[] = []
    let rex = 0
    let useRex = false
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
      !descriptor.operands.some((o) => o.startsWith('moffs'))
    )
      has67 = true
    const addressBits = long ? (has67 ? 32 : 64) : has67 ? 16 : 32
    let has66 = false
    if (encoding.prefix === '66') has66 = true
    else if (descriptor.osize === 16) has66 = true
    else if (
      descriptor.osize === undefined &&
      encoding.prefix === undefined &&
      encoding.map === 0 &&
      encoding.opcode < 0xd8 &&
      r.chance(3)
    )
      has66 = true
    if (has66) prefixes.push(0x66)
    if (has67) prefixes.push(0x67)
    if (encoding.prefix === 'F2' || descriptor.repeat === 'F2') prefixes.push(0xf2)
    if (encoding.prefix === 'F3' || descriptor.repeat === 'F3') prefixes.push(0xf3)
    if (encoding.rexW || (descriptor.osize === 64 && descriptor.default64 !== true)) rex |= 8
    else if (
      long &&
      descriptor.osize === undefined &&
      encoding.prefix === undefined &&
      encoding.map === 0 &&
      encoding.opcode < 0xd8 &&
      r.chance(4)
    )
      rex |= 8

    let segment = -1
    const touches =
      form === 'memory' ||
      (string && /^(MOVS|CMPS|LODS|OUTS)/.test(mnemonic)) ||
      mnemonic === 'XLATB' ||
      descriptor.operands.some((o) => o.startsWith('moffs'))
    if (touches && r.chance(9)) segment = r.chance(50) ? 0x64 : 0x65
    else if (touches && r.chance(4)) segment = r.pick([0x26, 0x2e, 0x36, 0x3e])
    // 16-bit addresses reach the data only by FS, whose base is there.
    if (!long && addressBits === 16 && touches && mnemonic !== 'LEA') segment = r.chance(80) ? 0x64 : 0x65
    if (segment >= 0) prefixes.push(segment)
    if (form === 'memory' && r.chance(2) && !PRIVILEGED.has(mnemonic)) prefixes.push(0xf0)
    if (LOCKABLE.has(mnemonic) && form === 'memory' && r.chance(8) && !prefixes.includes(0xf0)) prefixes.push(0xf0)
    for (let i = prefixes.length - 1; i > 0; i--) {
      const j = r.below(i + 1)
      ;[prefixes[i], prefixes[j]] = [prefixes[j] as number, prefixes[i] as number]
    }

    // Registers of the encoding.
    const tail: number[] = []
    let opcode = encoding.opcode
    const byteOperand = operands.some((o) => (o.bits === 8 && o.class === 'gpr') || (o.class === 'rm' && o.bits === 8))
    const pickRegister = (extendBit: number): number => {
      let n = r.below(long ? 16 : 8)
      if (n === RSP && r.chance(75)) n = r.below(4)
      if (n >= 8) rex |= extendBit
      return n
    }
    let regField = 0
    let rmField = 0
    if (encoding.plusRegister) {
      const n = pickRegister(1)
      opcode += n & 7
    }
    const modrm = encoding.modrm
    let mod = 3
    if (modrm) {
      if (encoding.literalModrm !== undefined) {
        regField = (encoding.literalModrm >> 3) & 7
        rmField = encoding.literalModrm & 7
        mod = encoding.literalModrm >> 6
      } else {
        if (encoding.digit !== undefined) regField = encoding.digit
        else if (operands.some((o) => o.class === 'number')) {
          const sreg = operands.some((o) => o.text === 'sreg')
          regField = r.below(8)
          if (sreg && descriptor.text.startsWith('MOV sreg') && regField === 2) {
            step = false
            c.flags &= ~CaseFlag.Step
          }
          if (!sreg && long && r.chance(10)) rex |= 4
        } else regField = pickRegister(4)
        if (form === 'register') rmField = pickRegister(1)
      }
    }
    if (long && !encoding.rexW && rex === 0 && r.chance(byteOperand ? 25 : 8)) useRex = true
    if (rex !== 0) useRex = true
    if (!long) {
      useRex = false
      rex = 0
    }
    if (useRex && mod === 3 && r.chance(10)) rex |= r.below(2) << 1

    // Immediates, but for those that depend on where the code stands.
    const head = [...prefixes, ...(useRex ? [0x40 | rex] : []), ...MAP_BYTES[encoding.map]!, opcode]
    const immediate: number[] = []
    let relative = 0
    const push = (value: number | bigint, bytes: number): void => {
      let v = BigInt.asUintN(64, BigInt(value))
      for (let i = 0; i < bytes; i++) {
        immediate.push(Number(v & 0xffn))
        v >>= 8n
      }
    }
    let moffs = -1n
    for (const kind of encoding.immediates) {
      switch (kind) {
        case 'ib':
          // Results of 16-bit double shifts by more than 16 are undefined, and differ between processors.
          push(
            this.#amd && /^SH[LR]D/.test(mnemonic) && descriptor.osize === 16
              ? this.immediate8() & 0xef
              : this.immediate8(),
            1,
          )
          break
        case 'iw':
          push(mnemonic === 'ENTER' || mnemonic === 'RET' ? r.below(r.chance(80) ? 256 : 65536) : this.value64(), 2)
          break
        case 'id':
          push(this.value64(), 4)
          break
        case 'io':
          push(this.value64(), 8)
          break
        case 'cb':
          relative = 1
          push(r.u32(), 1)
          break
        case 'cw':
          relative = 2
          push(r.chance(80) ? r.below(4096) - 2048 : r.u32(), 2)
          break
        case 'cd':
          relative = 4
          push(r.chance(75) ? r.below(8192) - 4096 : r.u32() | 0, 4)
          break
        case 'mo':
          moffs = 0n
          break
        case 'cp':
          push(r.chance(80) ? CODE + r.below(PAGE) : r.u32(), descriptor.osize === 16 ? 2 : 4)
          push(r.pick([0x23, 0x23, 0x23, 0x1b, 0x2b, 0, 0x20, 0x7b1]), 2)
          break
      }
    }
    if (mnemonic === 'ENTER') {
      immediate[2] = r.chance(70) ? r.below(4) : r.below(256)
      c.gpr[RBP] = BigInt(this.dataPlace(256))
    }

    // Implicit registers.
    this.#implicit(string, addressBits, segment)

    // The code's place must be known before RIP-relative displacements.
    const maximum = head.length + (modrm ? 6 : 0) + immediate.length + (moffs >= 0n ? 8 : 0)
    const where = r.chance(90)
      ? CODE + r.below(PAGE - 16)
      : r.chance(60)
        ? CODE + PAGE - 1 - r.below(Math.min(maximum, 15))
        : CODE + PAGE + r.below(PAGE - 16)
    c.rip = where

    if (moffs >= 0n) {
      const size = (operands.find((o) => o.class === 'moffs')?.bits ?? 8) / 8
      const bytes = addressBits / 8
      const ea = addressBits === 16 ? BigInt(LEGACY_FS_BASE + PAGE + r.below(2 * PAGE)) : BigInt(this.place(size))
      push(BigInt.asUintN(addressBits, ea - this.#segmentBaseOf(segment)), bytes)
      this.#data(ea, size)
    }
    if (modrm && encoding.literalModrm === undefined && form === 'memory') {
      if (/^BT/.test(mnemonic) && descriptor.operands[1]?.startsWith('r')) {
        // A bit offset that stays near the operand.
        const osize = BigInt(descriptor.osize ?? 32)
        const n = (regField & 7) | ((rex & 4) << 1)
        const high = ((c.gpr[n] as bigint) >> osize) << osize
        c.gpr[n] = high | BigInt.asUintN(Number(osize), BigInt(r.below(4096) - 2048))
      }
      const made = this.#memory(head, immediate.length, addressBits, segment, rex, long)
      mod = made.mod
      rmField = made.rm
      tail.push(...made.tail)
      rex |= made.rex
      if (made.rex !== 0) {
        const at = head.length - 1 - MAP_BYTES[encoding.map]!.length
        if (useRex) head[at - 1] = 0x40 | rex
        else head.splice(at, 0, 0x40 | rex)
      }
    }
    const bytes = [
      ...head,
      ...(modrm ? [(mod << 6) | ((regField & 7) << 3) | (rmField & 7)] : []),
      ...tail,
      ...immediate,
    ]
    void relative
    // Branch targets in registers.
    if (
      (mnemonic === 'JMP' || mnemonic === 'CALL') &&
      form === 'register' &&
      descriptor.operands[0]?.startsWith('r/m')
    ) {
      const n = (rmField & 7) | ((rex & 1) << 3)
      c.gpr[n] = this.codeTarget()
    }
    const undefinedResult =
      this.#amd &&
      /^SH[LR]D/.test(mnemonic) &&
      descriptor.osize === 16 &&
      descriptor.operands[2] === 'CL' &&
      (c.gpr[RCX] as bigint & 31n) > 16n
    // RAX or RDX became part of the address, and asks for components that the engine has not.
    const beyond =
      EXTENDED_STATE.test(mnemonic) &&
      (((c.gpr[RAX] as bigint) & MASK32) > 3n || ((c.gpr[RDX] as bigint) & MASK32) !== 0n)
    if (bytes.length > 15 || undefinedResult || beyond) {
      this.make(c, seed, index + 0x100000)
      return
    }
    if (!long) for (let i = 0; i < 16; i++) c.gpr[i] = (c.gpr[i] as bigint) & MASK32
    c.code(bytes)
    if (!step) c.patch(c.rip + bytes.length, [0xcc])
    this.#settle(bytes, immediate)
  }

  #settle(bytes: readonly number[], immediate: readonly number[]): void {
    const { mnemonic, descriptor, row } = this
    const last = row.operands[row.operands.length - 1]
    const count =
      last?.class === 'one'
        ? 1
        : last?.text === 'CL'
          ? Number((this.#c.gpr[RCX] as bigint) & 0xffn)
          : (immediate[0] ?? 0)
    const osize = descriptor.osize ?? row.operands[0]?.bits ?? 8
    this.undefined = this.#amd ? undefinedFlags(mnemonic, osize, count) : 0
    void bytes
  }

  #chooseForm(): 'register' | 'memory' | 'none' {
    const { encoding, operands } = this.row
    if (!encoding.modrm || encoding.literalModrm !== undefined) return 'none'
    const rm = operands.find((o) => o.source === 'rm')
    if (rm === undefined) return 'register'
    if (!rm.memory) return 'register'
    if (!rm.register) return 'memory'
    // The register form of 0F 0D: AMD #UD, Intel a NOP.
    if (this.#amd && encoding.map === 1 && encoding.opcode === 0x0d) return 'memory'
    return this.#r.chance(45) ? 'register' : 'memory'
  }

  // ── values ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  value64(): bigint {
    const r = this.#r
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
    const r = this.#r
    return r.chance(30) ? r.pick([0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 0x7f, 0x80, 0xff]) : r.u32() & 0xff
  }
  segmentBase(): bigint {
    const r = this.#r
    return r.chance(50) ? BigInt(r.below(0x100000)) : r.u64() >> 17n
  }
  /** An address in the writable data pages with room on both sides. */
  dataPlace(room: number): number {
    return DATA + room + this.#r.below(2 * PAGE - 2 * room)
  }
  codeTarget(): bigint {
    const r = this.#r
    if (r.chance(75)) return BigInt(CODE + r.below(2 * PAGE))
    if (r.chance(50)) return r.u64() & 0x7fffffffffffn
    return this.value64()
  }
  /** Where an operand of `size` bytes stands: mostly writable and aligned, sometimes anywhere that can fault. */
  place(size: number, aligned = false): number {
    const r = this.#r
    const n = r.below(100)
    const unit = Math.min(size, EXTENDED_STATE.test(this.mnemonic) ? 64 : 16)
    if (n < 45 || (aligned && n < 75)) return DATA + r.below(Math.floor((2 * PAGE - size) / unit) + 1) * unit
    if (n < 75) return DATA + r.below(2 * PAGE - size)
    if (n < 87) return DATA + PAGE - 1 - r.below(Math.max(size - 1, 1))
    if (n < 90) return DATA + 2 * PAGE - 1 - r.below(Math.max(size - 1, 1))
    if (n < 93) return DATA + 2 * PAGE + r.below(PAGE - size)
    if (n < 96) return DATA_END - 1 - r.below(Math.max(size - 1, 1))
    if (n < 98) return DATA - 1 - r.below(Math.max(size - 1, 1))
    return r.chance(50) ? DATA_END + r.below(PAGE - 16) : DATA - PAGE + r.below(PAGE - 16)
  }

  /** Puts interesting bytes where an operand is read. */
  #data(ea: bigint, size: number): void {
    const r = this.#r
    const { mnemonic, descriptor } = this
    if (ea > 0x7fffffffn) return
    const bytes = new Uint8Array(Math.max(size, 8) + 16)
    const view = new DataView(bytes.buffer)
    if (this.float) for (let at = 0; at + 16 <= bytes.length; at += 16) this.#lanes(view, at)
    else for (let at = 0; at + 8 <= bytes.length; at += 8) view.setBigUint64(at, this.value64(), true)
    if ((mnemonic === 'JMP' || mnemonic === 'CALL') && r.chance(85)) view.setBigUint64(0, this.codeTarget(), true)
    if (mnemonic === 'CMPXCHG8B' || mnemonic === 'CMPXCHG16B') {
      if (r.chance(50)) {
        const half = mnemonic === 'CMPXCHG8B' ? 4 : 8
        const c = this.#c
        if (half === 4) {
          view.setUint32(0, Number((c.gpr[RAX] as bigint) & MASK32), true)
          view.setUint32(4, Number((c.gpr[RDX] as bigint) & MASK32), true)
        } else {
          view.setBigUint64(0, c.gpr[RAX] as bigint, true)
          view.setBigUint64(8, c.gpr[RDX] as bigint, true)
        }
      }
    } else if (mnemonic === 'CMPXCHG' && r.chance(40)) view.setBigUint64(0, this.#c.gpr[RAX] as bigint, true)
    if (/^(F(LD|ST|BLD|XRSTOR|XSAVE|RSTOR|LDENV)|X(SAVE|RSTOR))/.test(mnemonic) || /m80/.test(descriptor.text))
      this.#floatMemory(view, size)
    if (mnemonic === 'LDMXCSR') view.setUint32(0, r.chance(90) ? this.#mxcsr() : r.u32() & this.#anyMxcsr, true)
    c_patch(this.#c, ea, bytes)
  }

  #segmentBaseOf(prefix: number): bigint {
    const c = this.#c
    if (this.bits === 64) {
      if (prefix === 0x64) return c.view.getBigUint64(CASE_FS_BASE, true)
      if (prefix === 0x65) return c.view.getBigUint64(CASE_GS_BASE, true)
      return 0n
    }
    if (prefix === 0x64) return BigInt(LEGACY_FS_BASE)
    if (prefix === 0x65) return BigInt(LEGACY_GS_BASE)
    return 0n
  }

  /** ModRM.mod and rm, SIB and displacement of a memory operand, and registers that make it point where it should. */
  #memory(
    head: readonly number[],
    immediates: number,
    addressBits: number,
    segment: number,
    rex: number,
    long: boolean,
  ): { mod: number; rm: number; tail: number[]; rex: number } {
    const r = this.#r
    const c = this.#c
    const { mnemonic, descriptor } = this
    const operand = this.row.operands.find((o) => o.source === 'rm')
    const unspecified = MEMORY_BYTES[mnemonic] ?? (descriptor.osize ?? 32) / 4
    const size = operand !== undefined && operand.bits > 0 ? operand.bits / 8 : unspecified
    const aligned = ALIGNED_16.has(mnemonic) || EXTENDED_STATE.test(mnemonic) || size === 16
    let ea = BigInt(this.place(size, aligned))
    const bitString = /^BT/.test(mnemonic) && descriptor.operands[1]?.startsWith('r')
    if (bitString) ea = BigInt(DATA + 512 + r.below(2 * PAGE - 1024))
    const base64 = this.#segmentBaseOf(segment)
    const modulus = BigInt(addressBits)
    const target = BigInt.asUintN(addressBits === 64 ? 64 : 32, ea - base64)
    const tail: number[] = []
    const push = (value: bigint, bytes: number): void => {
      let v = BigInt.asUintN(64, value)
      for (let i = 0; i < bytes; i++) {
        tail.push(Number(v & 0xffn))
        v >>= 8n
      }
    }
    /** Low bits of the register decide; the rest is free when addresses are narrower. */
    const set = (register: number, value: bigint): void => {
      const keep = addressBits === 64 ? 0n : ((c.gpr[register] as bigint) >> modulus) << modulus
      c.gpr[register] = keep | BigInt.asUintN(addressBits, value)
    }
    const finish = (
      mod: number,
      rm: number,
      extra: number,
    ): { mod: number; rm: number; tail: number[]; rex: number } => {
      this.ea = ea
      this.#data(ea, size)
      return { mod, rm, tail, rex: extra }
    }
    if (addressBits === 16) {
      const rm = r.below(8)
      const mod = r.below(3)
      const offset = mnemonic === 'LEA' ? r.below(65536) : PAGE * (segment === 0x64 ? 1 : 0) + r.below(2 * PAGE)
      if (mnemonic !== 'LEA') ea = base64 + BigInt(offset)
      if (mod === 0 && rm === 6) push(BigInt(offset), 2)
      else {
        const disp = mod === 1 ? BigInt(r.below(256) - 128) : mod === 2 ? BigInt(r.u32() & 0xffff) : 0n
        if (mod > 0) push(disp, mod)
        const b = [RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX][rm] as number
        const i = [RSI, RDI, RSI, RDI][rm]
        const index = i === undefined ? 0n : (c.gpr[i] as bigint)
        set(b, BigInt(offset) - disp - index)
      }
      return finish(mod, rm, 0)
    }
    const wantNonCanonical = addressBits === 64 && r.chance(2)
    let goal = target
    if (wantNonCanonical) {
      goal = BigInt.asUintN(64, (r.u64() & 0x7fff_ffff_ffffn) | (BigInt(1 + r.below(0xfffd)) << 47n))
      if (goal >> 47n === 0x1ffffn) goal ^= 1n << 62n
      ea = MASK64
    }
    const kind = r.below(10)
    const useSib = kind >= 6
    const free = head.length + immediates + 1
    if (!useSib && kind === 0 && !wantNonCanonical) {
      // disp32 alone: RIP-relative in 64-bit mode.
      const next = BigInt(c.rip + free + 4)
      const disp = long ? BigInt.asIntN(64, goal - next) : goal
      const fits = BigInt.asIntN(32, disp) === disp || addressBits === 32
      if (fits) {
        push(BigInt.asUintN(32, disp), 4)
        return finish(0, 5, 0)
      }
    }
    let mod = r.below(3)
    let extra = 0
    let disp = mod === 1 ? BigInt(r.below(256) - 128) : mod === 2 ? BigInt(r.u32() | 0) : 0n
    const room = 15 - free
    if (room < 5 && mod === 2) {
      mod = 1
      disp = BigInt(r.below(256) - 128)
    }
    if (!useSib) {
      let b = r.below(long ? 16 : 8)
      while ((b & 7) === 4) b = r.below(long ? 16 : 8)
      if (mod === 0 && (b & 7) === 5) mod = 1
      if (mod > 0) push(disp, mod === 1 ? 1 : 4)
      if (mod === 0) disp = 0n
      if (b >= 8) extra |= 1
      void rex
      set(b, goal - disp)
      return finish(mod, b & 7, extra)
    }
    const scale = r.below(4)
    const index = r.below(long ? 16 : 8)
    const b = r.below(long ? 16 : 8)
    const hasIndex = index !== 4
    const noBase = mod === 0 && (b & 7) === 5
    if (index >= 8) extra |= 2
    if (b >= 8) extra |= 1
    const sib = (scale << 6) | ((index & 7) << 3) | (b & 7)
    tail.push(sib)
    if (noBase) {
      // disp32 and the scaled index.
      if (!hasIndex) {
        const d = BigInt.asIntN(addressBits, goal)
        if (BigInt.asIntN(32, d) !== d) {
          // Out of reach: whatever it is, nothing is mapped there.
          push(BigInt(r.u32()), 4)
          ea = MASK64
        } else push(BigInt.asUintN(32, d), 4)
      } else {
        let d = BigInt(r.u32() | 0)
        d = BigInt.asIntN(32, d + ((goal - d) & ((1n << BigInt(scale)) - 1n)))
        set(index, BigInt.asUintN(addressBits, goal - d) >> BigInt(scale))
        push(BigInt.asUintN(32, d), 4)
      }
      return finish(0, 4, extra)
    }
    if (hasIndex && index === b) {
      const factor = 1n + (1n << BigInt(scale))
      const all = BigInt.asUintN(addressBits, goal)
      const v = all / factor
      const d = all - v * factor
      set(b, v)
      push(d, 1)
      return finish(1, 4, extra)
    }
    if (mod > 0) push(disp, mod === 1 ? 1 : 4)
    const scaled = hasIndex ? (c.gpr[index] as bigint) << BigInt(scale) : 0n
    set(b, goal - disp - scaled)
    return finish(mod, 4, extra)
  }

  /** Registers that an instruction uses without naming them. */
  #implicit(string: boolean, addressBits: number, segment: number): void {
    const r = this.#r
    const c = this.#c
    const { mnemonic, descriptor } = this
    const mask = (1n << BigInt(addressBits)) - 1n
    const set = (n: number, value: bigint): void => {
      c.gpr[n] = ((c.gpr[n] as bigint) & ~mask & MASK64) | (value & mask)
    }
    const base = this.#segmentBaseOf(segment)
    if (string) {
      const bits = (descriptor.osize ?? 8) as number
      const size = bits / 8
      const near16 = addressBits === 16
      const from = near16 ? LEGACY_FS_BASE + PAGE + r.below(2 * PAGE - 64) : this.place(size)
      const to = r.chance(20) ? from + r.below(33) - 16 : this.place(size)
      const same = new Uint8Array(32)
      const other = new Uint8Array(32)
      for (let i = 0; i < 32; i += 8) {
        const v = this.value64()
        for (let j = 0; j < 8; j++) {
          same[i + j] = Number((v >> BigInt(8 * j)) & 0xffn)
          other[i + j] = same[i + j] as number
        }
      }
      if (r.chance(60)) other[r.below(32)] = r.u32() & 0xff
      c.patch(to - 8, other)
      c.patch(from - 8, same)
      if (/^(MOVS|CMPS|LODS|OUTS)/.test(mnemonic)) set(RSI, BigInt(from) - base)
      if (/^(MOVS|CMPS|STOS|SCAS|INS)/.test(mnemonic)) set(RDI, near16 ? BigInt(to) & 0xffffn : BigInt(to))
      if (/^SCAS/.test(mnemonic) && r.chance(50)) {
        let v = 0n
        for (let i = 7; i >= 0; i--) v = (v << 8n) | BigInt(other[8 + i] as number)
        c.gpr[RAX] = v
      }
      set(RCX, BigInt(r.chance(20) ? r.below(2) : r.chance(80) ? r.below(40) : r.u32()))
      return
    }
    if (mnemonic === 'XLATB') {
      const al = (c.gpr[RAX] as bigint) & 0xffn
      set(
        RBX,
        BigInt(addressBits === 16 ? PAGE + r.below(PAGE) : this.place(1)) - base * (addressBits === 16 ? 0n : 1n) - al,
      )
    }
    if (EXTENDED_STATE.test(mnemonic)) {
      c.gpr[RAX] = ((c.gpr[RAX] as bigint) & ~MASK32) | BigInt(r.below(4))
      c.gpr[RDX] = (c.gpr[RDX] as bigint) & ~MASK32
    }
    if (mnemonic === 'MASKMOVDQU' || mnemonic === 'MASKMOVQ') set(RDI, BigInt(this.place(16)))
    if (this.#amd && /^SH[LR]D/.test(mnemonic) && descriptor.osize === 16) c.gpr[RCX] = (c.gpr[RCX] as bigint) & ~0x10n
    if (/^(LOOP|JRCXZ)/.test(mnemonic)) set(RCX, BigInt(r.below(4)))
    if (mnemonic === 'DIV' || mnemonic === 'IDIV') {
      if (r.chance(70)) c.gpr[RDX] = r.chance(50) ? 0n : BigInt.asUintN(64, BigInt(r.below(64) - 32))
      if (r.chance(50)) c.gpr[RAX] = (c.gpr[RAX] as bigint) & 0x7fn
    }
    if (mnemonic === 'RET' || mnemonic === 'RETF' || mnemonic === 'IRET') {
      if (r.chance(70)) c.gpr[RSP] = BigInt(this.dataPlace(128))
      const frame = new Uint8Array(40)
      const view = new DataView(frame.buffer)
      const size = (descriptor.osize ?? 64) / 8
      const put = (n: number, v: bigint): void => {
        if (size === 8) view.setBigUint64(n * 8, v, true)
        else if (size === 4) view.setUint32(n * 4, Number(v & MASK32), true)
        else view.setUint16(n * 2, Number(v & 0xffffn), true)
      }
      put(0, this.codeTarget())
      if (mnemonic !== 'RET')
        put(
          1,
          BigInt(
            r.pick(this.bits === 64 ? [0x33, 0x33, 0x33, 0x30, 0x2b, 0, 0x10] : [0x23, 0x23, 0x23, 0x20, 0x2b, 0]),
          ),
        )
      if (mnemonic === 'IRET') {
        put(2, BigInt((r.u32() & 0x8d5) | 0x202))
        put(3, BigInt(this.dataPlace(64)))
        put(4, BigInt(r.pick([0x2b, 0x2b, 0x2b, 0x28, 0])))
      }
      c_patch(c, c.gpr[RSP] as bigint, frame)
    }
    if (mnemonic === 'POPF') {
      const image = new Uint8Array(8)
      new DataView(image.buffer).setUint32(0, (r.u32() & ~0x34100) >>> 0, true)
      if (r.chance(85)) c.gpr[RSP] = BigInt(this.dataPlace(64))
      c_patch(c, c.gpr[RSP] as bigint, image)
    }
    if (mnemonic === 'POP' && descriptor.operands[0] === undefined) {
      // A segment register.
      const image = new Uint8Array(8)
      image[0] = r.pick([0, 3, 0x2b, 0x2b, 0x07, 0x0f, 0x23, 0x33, 0x10, 0x18, 0x2a, 0x3b])
      if (r.chance(85)) c.gpr[RSP] = BigInt(this.dataPlace(64))
      c_patch(c, c.gpr[RSP] as bigint, image)
    } else if (mnemonic === 'POP' || mnemonic === 'LEAVE' || mnemonic === 'POPA') {
      const bytes = new Uint8Array(32)
      const view = new DataView(bytes.buffer)
      for (let i = 0; i < 32; i += 8) view.setBigUint64(i, this.value64(), true)
      c_patch(c, (mnemonic === 'LEAVE' ? c.gpr[RBP] : c.gpr[RSP]) as bigint, bytes)
    }
    void FAR
  }

  // ── floating point ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Mask of "any bits": AMD's MXCSR has a bit 17 of its own. */
  get #anyMxcsr(): number {
    return this.#amd ? ~0x20000 : ~0
  }
  #mxcsr(): number {
    const r = this.#r
    if (r.chance(30)) return 0x1f80
    const flags = r.chance(40) ? r.u32() & 0x3f : 0
    const rounding = (r.u32() & 3) << 13
    const masks = r.chance(80) ? 0x1f80 : (r.u32() & 0x3f) << 7
    return flags | rounding | masks | (r.chance(20) ? 0x8000 : 0) | (r.chance(20) ? 0x40 : 0)
  }
  #f32(): number {
    const r = this.#r
    if (this.#few) return r.pick(F32_FEW)
    const sign = r.chance(40) ? 0x80000000 : 0
    switch (r.below(8)) {
      case 0:
        return (r.pick(F32_CORNERS) | sign) >>> 0
      case 1:
        return ((r.u32() & 0x7fffff) | sign) >>> 0 // denormal
      case 2:
        return (((120 + r.below(16)) << 23) | (r.u32() & 0x7f0000) | sign) >>> 0
      case 3:
        return (((127 + r.below(40)) << 23) | (r.u32() & 0x7fffff) | sign) >>> 0
      case 4:
        return r.u32()
      default:
        return (((100 + r.below(60)) << 23) | (r.u32() & 0x7fffff) | sign) >>> 0
    }
  }
  #f64(): bigint {
    const r = this.#r
    if (this.#few) return r.pick(F64_FEW)
    const sign = r.chance(40) ? 1n << 63n : 0n
    const fraction = r.u64() & 0xfffffffffffffn
    switch (r.below(8)) {
      case 0:
        return r.pick(F64_CORNERS) | sign
      case 1:
        return fraction | sign
      case 2:
        return (BigInt(1016 + r.below(16)) << 52n) | (fraction & 0xff00000000000n) | sign
      case 3:
        return (BigInt(1023 + r.below(70)) << 52n) | fraction | sign
      case 4:
        return r.u64()
      case 5:
        return (BigInt(1023 - 155 + r.below(290)) << 52n) | fraction | sign
      default:
        return (BigInt(990 + r.below(60)) << 52n) | fraction | sign
    }
  }
  /** 16 bytes: singles, doubles, integers or anything. */
  #lanes(view: DataView, at: number): void {
    const r = this.#r
    const single = /(SS|PS)\b|PS2|SS2/.test(this.mnemonic)
    const double = /(SD|PD)\b|PD2|SD2/.test(this.mnemonic)
    const n = r.below(10)
    if ((single && n < 8) || (!double && n < 2))
      for (let i = 0; i < 16; i += 4) view.setUint32(at + i, this.#f32(), true)
    else if ((double && n < 8) || (!single && n < 4))
      for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, this.#f64(), true)
    else if (n < 7) for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, r.u64(), true)
    else for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, this.value64(), true)
  }
  #f80(view: DataView, at: number): void {
    const r = this.#r
    const sign = r.chance(40) ? 0x8000 : 0
    let significand = r.u64() | (1n << 63n)
    let exponent = 16383 - 40 + r.below(80)
    switch (r.below(10)) {
      case 0: {
        const [e, m] = r.pick(F80_CORNERS)
        exponent = e
        significand = m
        break
      }
      case 1:
        exponent = 0
        significand = r.u64() >> BigInt(1 + r.below(60))
        break
      case 2:
        exponent = r.below(0x8000)
        break
      case 3:
        exponent = 16383 + r.below(70)
        significand = (r.u64() << BigInt(r.below(60))) | (1n << 63n)
        break
      case 4:
        if (r.chance(30)) significand = r.u64()
        break
      case 5:
        significand = (BigInt(1 + r.below(255)) << 55n) | (1n << 63n)
        break
    }
    view.setBigUint64(at, BigInt.asUintN(64, significand), true)
    view.setUint16(at + 8, exponent | sign, true)
  }
  #floatMemory(view: DataView, size: number): void {
    const r = this.#r
    if (size === 10) {
      if (this.mnemonic === 'FBLD') {
        for (let i = 0; i < 10; i++) view.setUint8(i, r.chance(95) ? r.below(10) | (r.below(10) << 4) : r.u32() & 0xff)
        if (r.chance(80)) view.setUint8(9, r.chance(50) ? 0x80 : 0)
      } else this.#f80(view, 0)
    } else if (size >= 512) {
      const c = this.#c
      // An image like the one the case starts with.
      const save = c.fx.slice()
      this.#floatState()
      for (let i = 0; i < 416; i++) view.setUint8(i, c.fx[i] as number)
      c.fx.set(save)
      if (r.chance(10)) view.setUint32(24, r.u32() & this.#anyMxcsr, true)
      // Neither processor's MXCSR_MASK: its storing shows.
      if (/^F?XSAVE/.test(this.mnemonic)) view.setUint8(30, 0xff)
      if (size === 576) this.#extendedHeader(view)
    } else if (size >= 28) {
      view.setUint16(0, this.#fcw(), true)
      view.setUint16(this.descriptor.osize === 16 ? 2 : 4, r.u32() & (r.chance(80) ? 0x7f40 : 0xffff), true)
      const start = this.descriptor.osize === 16 ? 14 : 28
      for (let i = 0; i < 8 && start + i * 10 + 10 <= size; i++) this.#f80(view, start + i * 10)
    } else if (/m32/.test(this.descriptor.text) && !/^FI/.test(this.mnemonic)) view.setUint32(0, this.#f32(), true)
    else if (/m64/.test(this.descriptor.text) && !/^FI/.test(this.mnemonic)) view.setBigUint64(0, this.#f64(), true)
  }
  /**
   * XSTATE_BV and XCOMP_BV (SDM 1 §13.4.2): components that both the recorder's XCR0 and the engine's have, or neither.
   * The compacted format is not offered.
   */
  #extendedHeader(view: DataView): void {
    const r = this.#r
    view.setBigUint64(512, BigInt(r.below(4)) | (r.chance(4) ? 1n << BigInt(40 + r.below(22)) : 0n), true)
    view.setBigUint64(520, r.chance(4) ? r.u64() >> 1n : 0n, true)
    view.setBigUint64(528, r.chance(4) ? r.u64() : 0n, true)
  }
  #fcw(): number {
    const r = this.#r
    if (r.chance(40)) return 0x37f
    const masks = r.chance(80) ? 0x3f : r.u32() & 0x3f
    return masks | 0x40 | ((r.u32() & 0xf) << 8)
  }
  #floatState(): void {
    const r = this.#r
    const c = this.#c
    const v = c.fxView
    const mmx = this.row.operands.some((o) => o.class === 'mm' || o.class === 'mmrm')
    const fcw = this.#fcw()
    let fsw = (r.u32() & 0x4700) | (r.below(8) << 11)
    if (r.chance(25)) fsw |= r.u32() & 0x7f
    if ((fsw & ~fcw & 0x3f) !== 0 && r.chance(60)) fsw &= ~0x3f
    if ((fsw & ~fcw & 0x3f) !== 0) fsw |= 0x8080
    if (this.#amd && this.mnemonic === 'EMMS') fsw &= ~0x3800
    v.setUint16(FX_FCW, fcw, true)
    v.setUint16(FX_FSW, fsw, true)
    v.setUint8(FX_FTW, r.chance(60) ? 0xff : r.u32() & 0xff)
    v.setUint32(FX_MXCSR, this.#mxcsr(), true)
    for (let i = 0; i < 8; i++) {
      const at = FX_ST + i * 16
      if (mmx) {
        this.#lanes(v, at)
        v.setUint16(at + 8, r.chance(80) ? 0xffff : r.u32() & 0xffff, true)
      } else this.#f80(v, at)
      for (let j = 10; j < 16; j++) v.setUint8(at + j, 0)
    }
    const vector = !(this.row.encoding.map === 0)
    if (vector) for (let i = 0; i < 16; i++) this.#lanes(v, FX_XMM + i * 16)
    // Related operands meet more often than chance has it.
    if (vector && r.chance(30)) {
      const from = r.below(16)
      const lane = r.below(16)
      for (let i = 0; i < 16; i++)
        if (r.chance(40))
          for (let j = 0; j < 16; j++) v.setUint8(FX_XMM + i * 16 + j, v.getUint8(FX_XMM + from * 16 + j))
      const victim = r.below(16)
      v.setUint8(FX_XMM + victim * 16 + lane, v.getUint8(FX_XMM + victim * 16 + lane) ^ (1 << r.below(8)))
    }
    if (!mmx && r.chance(20)) {
      const from = r.below(8)
      const to = r.below(8)
      for (let j = 0; j < 10; j++) v.setUint8(FX_ST + to * 16 + j, v.getUint8(FX_ST + from * 16 + j))
    }
  }
}

const c_patch = (c: Case, ea: bigint, bytes: Uint8Array): void => {
  if (ea < 0x7fff0000n) c.patch(Number(ea), bytes)
}

const LOCKABLE = new Set(
  'ADD OR ADC SBB AND SUB XOR INC DEC NOT NEG XADD CMPXCHG CMPXCHG8B CMPXCHG16B BTS BTR BTC XCHG'.split(' '),
)
const MAP_BYTES: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]

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
const F32_FEW: readonly number[] = [
  0, 0x80000000, 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001,
]
const F64_FEW: readonly bigint[] = F32_FEW.map((f) =>
  f === 0x7f800001
    ? 0x7ff0000000000001n
    : (BigInt(f >>> 31) << 63n) |
      (BigInt(f & 0x7fffffff) === 0n
        ? 0n
        : ([0x3ff0000000000000n, 0x7ff0000000000000n, 0x7ff8000000000000n][
            [0x3f800000, 0x7f800000, 0x7fc00000].indexOf(f & 0x7fffffff)
          ] as bigint)),
)
const F32_CORNERS: readonly number[] = [
  0, 1, 0x7fffff, 0x800000, 0x800001, 0x3f800000, 0x3f800001, 0x3f7fffff, 0x7f7fffff, 0x7f800000, 0x7f800001,
  0x7fbfffff, 0x7fc00000, 0x7fc12345, 0x4f000000, 0x4effffff, 0x4f800000, 0x5f000000, 0x5effffff, 0x3f000000,
  0x3fc00000, 0x40200000, 0x4b000000, 0x4b800000, 0x46fffe00, 0x7f000000, 0x00ffffff,
]
const F64_CORNERS: readonly bigint[] = [
  0n,
  1n,
  0xfffffffffffffn,
  0x10000000000000n,
  0x10000000000001n,
  0x3ff0000000000000n,
  0x3ff0000000000001n,
  0x3fefffffffffffffn,
  0x7fefffffffffffffn,
  0x7ff0000000000000n,
  0x7ff0000000000001n,
  0x7ff7ffffffffffffn,
  0x7ff8000000000000n,
  0x7ff8000012345678n,
  0x41e0000000000000n,
  0x41dfffffffc00000n,
  0x41dfffffffe00000n,
  0x43e0000000000000n,
  0x43dfffffffffffffn,
  0x3fe0000000000000n,
  0x3ff8000000000000n,
  0x4004000000000000n,
  0x36a0000000000000n,
  0x3810000000000000n,
  0x380fffffe0000000n,
  0x47efffffe0000000n,
  0x47efffffefffffffn,
  0x47f0000000000000n,
  0x4330000000000000n,
  0x4340000000000000n,
]
const F80_CORNERS: readonly (readonly [number, bigint])[] = [
  [0, 0n],
  [0, 1n],
  [0, 0x7fffffffffffffffn],
  [0, 0x8000000000000000n],
  [1, 0x8000000000000000n],
  [16383, 0x8000000000000000n],
  [16383, 0x8000000000000001n],
  [16382, 0xffffffffffffffffn],
  [0x7ffe, 0xffffffffffffffffn],
  [0x7fff, 0x8000000000000000n],
  [0x7fff, 0x8000000000000001n],
  [0x7fff, 0xc000000000000000n],
  [0x7fff, 0xffffffffffffffffn],
  [0x7fff, 0x0n],
  [0x7fff, 0x4000000000000000n],
  [16383, 0n],
  [16383, 0x7fffffffffffffffn],
  [16382, 0x8000000000000000n],
  [16384, 0x8000000000000000n],
  [16384, 0xc90fdaa22168c235n],
  [16383 + 63, 0x8000000000000000n],
  [16383 + 63, 0xffffffffffffffffn],
  [16383 + 30, 0xffffffff00000000n],
  [16383 + 31, 0x8000000000000000n],
  [16383 + 14, 0xffff000000000000n],
]
