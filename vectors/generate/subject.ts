/** What a row's notation says about its cases: nothing here is drawn. */
import type { Row } from '../../src/machine/isa/row.ts'
import { type Descriptor, keyOf, mnemonicOf, parse } from '../descriptor.ts'
import { hash32 } from '../random.ts'
import type { Vendor } from '../vendor.ts'

export const MASK64 = (1n << 64n) - 1n
export const MASK32 = 0xffffffffn

// General registers in the encoding's order.
export const RAX = 0
export const RCX = 1
export const RDX = 2
export const RBX = 3
export const RSP = 4
export const RBP = 5
export const RSI = 6
export const RDI = 7

/** Their area, legacy region and header, is aligned to 64 bytes; EDX:EAX says which components. */
const EXTENDED_STATE = /^X(SAVE|RSTOR)/
const STRINGS = /^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS)[BWDQ]$/
/** Those of them that read DS:rSI. */
const STRING_SOURCES = /^(MOVS|CMPS|LODS|OUTS)/
const FLOAT_MNEMONICS = /^(FXSAVE(64)?|FXRSTOR(64)?|XSAVE(OPT)?(64)?|XRSTOR(64)?|LDMXCSR|STMXCSR|WAIT|EMMS)$/

export class Subject {
  readonly descriptor: Descriptor
  readonly bits: 64 | 32
  readonly long: boolean
  readonly row: Row
  readonly mnemonic: string
  /** Its cases begin with a unit's state. */
  readonly float: boolean
  readonly amd: boolean
  readonly seed: number
  readonly string: boolean
  readonly readsString: boolean
  readonly extendedState: boolean
  /** SHLD and SHRD of 16 bits: results of shifts by more than 16 are undefined, and differ between processors. */
  readonly undefinedShift: boolean

  constructor(descriptor: Descriptor, bits: 64 | 32, vendor: Vendor) {
    this.amd = vendor === 'amd'
    this.descriptor = descriptor
    this.bits = bits
    this.long = bits === 64
    this.row = parse(descriptor)
    this.mnemonic = mnemonicOf(descriptor)
    const { map, opcode, prefix } = this.row.encoding
    this.float =
      (map === 0 && opcode >= 0xd8 && opcode <= 0xdf) ||
      FLOAT_MNEMONICS.test(this.mnemonic) ||
      this.row.operands.some((o) => /^(xmm|mm|st)/.test(o.class)) ||
      (prefix !== undefined && /^(sse|ssse|mmx)/.test(descriptor.feature ?? ''))
    this.seed = hash32(`${keyOf(descriptor)}|${bits}`)
    this.string = STRINGS.test(this.mnemonic)
    this.readsString = this.string && STRING_SOURCES.test(this.mnemonic)
    this.extendedState = EXTENDED_STATE.test(this.mnemonic)
    this.undefinedShift = this.amd && /^SH[LR]D/.test(this.mnemonic) && descriptor.osize === 16
  }
}
