/**
 * One row per instruction encoding, in the manual's own notation (SDM 2 §3.1.1):
 *
 *   row('ADD r/m32, r32', '01 /r', 'rw r', add)
 *
 * Operands:  r8 r16 r32 r64   register in ModRM.reg, or in the opcode with +r
 *            r/m8 ... r/m64   register or memory in ModRM.rm
 *            m m8 ... m128    memory only ("m": an address of unspecified size)
 *            reg32 reg64      register only in ModRM.rm (mod = 3)
 *            AL AX EAX RAX CL DX   fixed register
 *            imm8 imm16 imm32 imm64   immediate, sign-extended to the operand size; "1" the constant
 *            rel8 rel16 rel32  branch displacement;  moffs8...  absolute address;  ptr16:16 ptr16:32  far pointer
 *            sreg creg dreg   number of a segment, control or debug register in ModRM.reg
 *            xmm xmm/m32 ... xmm/m128  xmmrm   vector register in ModRM.reg; in ModRM.rm; register only in ModRM.rm
 *            mm mm/m64 mmrm   likewise MMX;  XMM0 implicit;  ST(i) x87 register in ModRM.rm
 * Encoding:  [NP | 66 | F2 | F3] [REX.W +] opcode bytes [/r | /0../7 | a literal ModRM byte] [+r] [ib iw id io cb cw cd cp mo]
 * Access:    one of r w rw per operand; x for an operand that is only an address.
 */
import { assert } from '../../base/assert.ts'
import type { Bits } from './builder.ts'
import type { Meaning } from './operand.ts'

export type AccessMode = 'r' | 'w' | 'rw' | 'x'

/** Where an operand comes from in the encoding. */
export type Source = 'reg' | 'rm' | 'opcode' | 'fixed' | 'imm' | 'none'
export type OperandClass =
  | 'gpr'
  | 'rm'
  | 'mem'
  | 'imm'
  | 'one'
  | 'rel'
  | 'moffs'
  | 'far'
  | 'number'
  | 'xmm'
  | 'xmmrm'
  | 'mm'
  | 'mmrm'
  | 'st'

export interface OperandSpec {
  readonly text: string
  readonly class: OperandClass
  readonly source: Source
  /** Size in bits of the register or of the memory accessed; 0 where it has none. */
  readonly bits: number
  readonly access: AccessMode
  /** Slot of a fixed register. */
  readonly slot: number
  /** Whether memory, or a register, may stand here. */
  readonly memory: boolean
  readonly register: boolean
}

export interface Encoding {
  readonly text: string
  /** 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A. */
  readonly map: number
  readonly opcode: number
  /** Mandatory prefix; 'NP' none of 66 F2 F3; undefined: 66 is the operand-size prefix, F2/F3 mean nothing here. */
  readonly prefix: 'NP' | '66' | 'F2' | 'F3' | undefined
  readonly rexW: boolean
  readonly modrm: boolean
  /** Opcode extension in ModRM.reg. */
  readonly digit: number | undefined
  readonly literalModrm: number | undefined
  readonly plusRegister: boolean
  /** Immediate fields in order: ib iw id io cb cw cd cp mo. */
  readonly immediates: readonly string[]
}

export interface RowOptions {
  /** Operand size the row needs (16, 32, 64); undefined: any. */
  readonly osize?: 16 | 32 | 64
  /** Modes the row exists in; default both. */
  readonly mode?: '64' | 'legacy'
  /** In 64-bit mode the operand size is 64 unless a 66 prefix makes it 16 (near branches, PUSH, POP). */
  readonly default64?: boolean
  /** In 64-bit mode the operand size is 64 whatever the prefixes (near branches on Intel, MOV CR). */
  readonly force64?: boolean
  /** LOCK is allowed when the destination is memory. */
  readonly lock?: boolean
  /** CPUID feature, lower case as in cpu-model.ts; #UD when switched off. */
  readonly feature?: string
  /** The meaning asks `b.long`: one handler for 64-bit mode and one for the others. */
  readonly modal?: boolean
  /** Emitted inside the dispatch loop; others are functions that it calls. */
  readonly hot?: boolean
  /** 128-bit memory operands need no alignment (MOVUPS and the like). */
  readonly unaligned?: boolean
  /** Unit whose availability is checked first; by default what the operands say. */
  readonly unit?: 'sse' | 'mmx' | 'x87' | 'none'
  /**
   * Where execution goes, when not simply on: 'ends', what follows need not be code; 'call', which comes back; 'conditional',
   * there or on.
   */
  readonly flow?: 'ends' | 'call' | 'conditional'
  /** Uses the stack beside its operands. */
  readonly stack?: boolean
  /** Its operand's address is computed after rSP has moved by the operand size (SDM 2B POP). */
  readonly pops?: boolean
  /** Slot of the register that a memory operand without ModRM is addressed by. */
  readonly base?: number
  /** Takes an address and touches nothing there: segments have no part in it. */
  readonly addressOnly?: boolean
  /** Bytes it touches at an operand that is only an address, by operand size where that matters; without: the operand size. */
  readonly bytes?: number | ((osize: Bits) => number)
  /** Writes at an operand that is only an address. */
  readonly writes?: boolean
  /** What is added to its memory operand's address: AL, or what a register holds as the number of a bit. */
  readonly plus?: 'AL' | 'bit'
  /** Reads ES:rDI before its memory operand. */
  readonly readsDestination?: boolean
  /** An x87 instruction that waits for a pending exception first; all but those that say false. */
  readonly waits?: boolean
  /** Does nothing whatever its operands: what 90 is too. */
  readonly idle?: boolean
  /** Only with these repeat prefixes: 'none' (neither F2 nor F3), 'F3', 'F2'. */
  readonly repeat?: 'none' | 'F3' | 'F2'
  /** Address size it needs (JCXZ, string instructions). */
  readonly asize?: 16 | 32 | 64
  /** Data for the meaning, part of the handler's identity. */
  readonly parameter?: string | number
}

export interface Row {
  readonly text: string
  readonly mnemonic: string
  readonly operands: readonly OperandSpec[]
  readonly encoding: Encoding
  readonly meaning: Meaning
  readonly options: RowOptions
}

const FIXED: Readonly<Record<string, readonly [slot: number, bits: number]>> = {
  AL: [0x00, 8],
  AX: [0x00, 16],
  EAX: [0x00, 32],
  RAX: [0x00, 64],
  CL: [0x08, 8],
  DX: [0x10, 16],
}

const parseOperand = (text: string, access: AccessMode, encoding: Encoding): OperandSpec => {
  const spec = (
    cls: OperandClass,
    source: Source,
    bits: number,
    more: Partial<Pick<OperandSpec, 'slot' | 'memory' | 'register'>> = {},
  ): OperandSpec => ({ text, class: cls, source, bits, access, slot: 0, memory: false, register: false, ...more })
  const fixed = FIXED[text]
  if (fixed !== undefined) return spec('gpr', 'fixed', fixed[1], { slot: fixed[0] })
  if (text === 'XMM0') return spec('xmm', 'fixed', 128)
  if (text === '1') return spec('one', 'none', 8)
  let m = /^r(8|16|32|64)$/.exec(text)
  if (m) return spec('gpr', encoding.plusRegister ? 'opcode' : 'reg', Number(m[1]))
  m = /^reg(8|16|32|64)$/.exec(text)
  if (m) return spec('gpr', 'rm', Number(m[1]), { register: true })
  m = /^r\/m(8|16|32|64)$/.exec(text)
  if (m) return spec('rm', 'rm', Number(m[1]), { memory: true, register: true })
  m = /^m(\d*)$/.exec(text)
  if (m) return spec('mem', 'rm', Number(m[1] || 0), { memory: true })
  m = /^imm(8|16|32|64)$/.exec(text)
  if (m) return spec('imm', 'imm', Number(m[1]))
  m = /^rel(8|16|32)$/.exec(text)
  if (m) return spec('rel', 'imm', Number(m[1]))
  m = /^moffs(8|16|32|64)$/.exec(text)
  if (m) return spec('moffs', 'imm', Number(m[1]))
  m = /^ptr16:(16|32)$/.exec(text)
  if (m) return spec('far', 'imm', Number(m[1]))
  if (/^[scd]reg$/.test(text)) return spec('number', 'reg', 0)
  if (text === 'xmm') return spec('xmm', 'reg', 128)
  if (text === 'xmmrm') return spec('xmm', 'rm', 128, { register: true })
  m = /^xmm\/m(\d+)$/.exec(text)
  if (m) return spec('xmmrm', 'rm', Number(m[1]), { memory: true, register: true })
  if (text === 'mm') return spec('mm', 'reg', 64)
  if (text === 'mmrm') return spec('mm', 'rm', 64, { register: true })
  m = /^mm\/m(\d+)$/.exec(text)
  if (m) return spec('mmrm', 'rm', Number(m[1]), { memory: true, register: true })
  if (text === 'ST(i)') return spec('st', 'rm', 80, { register: true })
  throw new Error(`invariant broken: operand '${text}' is one of row.ts's`)
}

const parseEncoding = (text: string): Encoding => {
  let prefix: Encoding['prefix']
  let rexW = false
  const bytes: number[] = []
  let digit: number | undefined
  let modrm = false
  let plusRegister = false
  const immediates: string[] = []
  let literalModrm: number | undefined
  for (const token of text.split(/\s+/)) {
    if (token === '+') continue
    if (
      token === 'NP' ||
      ((token === '66' || token === 'F2' || token === 'F3') && bytes.length === 0 && text.includes(' 0F'))
    )
      prefix = token
    else if (token === 'REX.W') rexW = true
    else if (token === '/r') modrm = true
    else if (/^\/[0-7]$/.test(token)) {
      modrm = true
      digit = Number(token[1])
    } else if (/^[0-9A-F]{2}\+r$/.test(token)) {
      bytes.push(Number.parseInt(token, 16))
      plusRegister = true
    } else if (/^(i[bwdo]|c[bwdp]|mo)$/.test(token)) immediates.push(token)
    else {
      assert(/^[0-9A-F]{2}$/.test(token), `encoding token '${token}' in '${text}'`)
      bytes.push(Number.parseInt(token, 16))
    }
  }
  let map = 0
  let i = 0
  if (bytes[0] === 0x0f && bytes.length > 1) {
    map = 1
    i = 1
    if (bytes[1] === 0x38 && bytes.length > 2) {
      map = 2
      i = 2
    } else if (bytes[1] === 0x3a && bytes.length > 2) {
      map = 3
      i = 2
    }
  }
  const opcode = bytes[i]!
  if (bytes.length > i + 1) {
    literalModrm = bytes[i + 1]
    modrm = true
  }
  return { text, map, opcode, prefix, rexW, modrm, digit, literalModrm, plusRegister, immediates }
}

/** One instruction encoding; see the header for the notation. */
export const row = (
  text: string,
  encoding: string,
  access: string,
  meaning: Meaning,
  options: RowOptions = {},
): Row => {
  const space = text.indexOf(' ')
  const mnemonic = space < 0 ? text : text.slice(0, space)
  const names = space < 0 || access === '' ? [] : text.slice(space + 1).split(/\s*,\s*/)
  const modes = access === '' ? [] : access.split(' ')
  assert(modes.length === names.length, `${text}: one access per operand`)
  const parsed = parseEncoding(encoding)
  const operands = names.map((name, i) => parseOperand(name, modes[i] as AccessMode, parsed))
  return { text, mnemonic, operands, encoding: parsed, meaning, options }
}

/**
 * The 16-, 32- and 64-bit rows of one instruction: "v" in operands stands for the size ("r/mv", "rv", "immv": 16 bits or
 * 32 sign-extended; "rAX": the accumulator), "iv" in the encoding for iw or id, and REX.W is added for 64.
 */
export const sized = (
  text: string,
  encoding: string,
  access: string,
  meaning: Meaning,
  options: RowOptions = {},
  sizes: readonly (16 | 32 | 64)[] = [16, 32, 64],
): Row[] =>
  sizes.map((size) => {
    const immediate = size === 16 ? 16 : 32
    const named = text
      .replace(/immv/g, `imm${immediate}`)
      .replace(/\b(r|r\/m|m|reg|moffs)v\b/g, `$1${size}`)
      .replace(/\brAX\b/g, { 16: 'AX', 32: 'EAX', 64: 'RAX' }[size])
    const bytes = encoding.replace(/\biv\b/, size === 16 ? 'iw' : 'id')
    const long = size === 64 && options.default64 !== true && options.force64 !== true
    const encoded = long ? bytes.replace(/^((?:NP|66|F2|F3) )?/, '$1REX.W + ') : bytes
    return row(named, encoded, access, meaning, { osize: size, ...options })
  })
