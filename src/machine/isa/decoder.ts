/**
 * Instruction decoding (SDM 2A ch. 2): prefixes, REX, opcode, ModRM, SIB, displacement, immediate. Which row a byte
 * sequence is follows from the table alone; the search is remembered per opcode and context.
 */

import {
  CodeMode,
  DS,
  ES,
  FS,
  GS,
  RBP,
  RBX,
  RDI,
  RSI,
  RSP,
  SLOT_EA,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
  SLOT_PAGE,
  SLOT_ZERO,
  SS,
} from '../state/layout.ts'
import { RECORD_BYTES } from '../state/record.ts'
import { type HandlerTable, Op } from './handler.ts'
import type { OperandSpec, Row } from './row.ts'

export const MAX_INSTRUCTION_BYTES = 15

/** Where a register operand's number comes from, and how it is written into the record. */
const Place = {
  RegGpr: 0,
  RegGpr8: 1,
  RmGpr: 2,
  RmGpr8: 3,
  OpcodeGpr: 4,
  OpcodeGpr8: 5,
  Fixed: 6,
  RegNumber: 7,
  RegXmm: 8,
  RmXmm: 9,
  RegMm: 10,
  RmMm: 11,
  RmSt: 12,
} as const
type Place = (typeof Place)[keyof typeof Place]

/** Immediate fields of an encoding (row.ts), numbered for speed. */
const Immediate = { ib: 0, iw: 1, id: 2, io: 3, cb: 4, cw: 5, cd: 6, cp: 7, mo: 8 } as const
type Immediate = (typeof Immediate)[keyof typeof Immediate]
const IMMEDIATES: Readonly<Record<string, Immediate>> = Immediate
/** Bytes of each; of cp and mo it depends. */
const IMMEDIATE_BYTES = [1, 2, 4, 8, 1, 2, 4, 0, 0]

/** A row in one context, with all that decoding it needs. */
export interface Candidate {
  readonly row: Row
  readonly op: number
  /** Handler for a branch that stays in the page. */
  readonly opInPage: number
  readonly places: readonly Place[]
  readonly fixed: readonly number[]
  readonly memory: boolean
  /** Implicit memory operand (string source, XLAT): slot of its base; -1 none. */
  readonly implicitBase: number
  readonly moffs: boolean
  /** Computes an address and touches nothing there: segments have no part in it. */
  readonly addressOnly: boolean
  /** Bytes popped before the operand's address counts. */
  readonly pops: number
  readonly relative: boolean
  readonly far: boolean
  readonly immediates: readonly Immediate[]
  readonly lockable: boolean
  readonly ends: boolean
}

/** What one decode found. Reused: read it before decoding again. */
export interface Decoded {
  length: number
  /** The run of straight-line code ends here. */
  ends: boolean
  row: Row | undefined
}

export const NEED_MORE = -1

interface Opcode {
  readonly rows: Row[]
  readonly modrm: boolean
  /** The bits of a context that make a difference to this opcode. */
  readonly relevant: number
  /** Candidate by context; made when the opcode is first met. */
  memo: Int16Array | undefined
}

const NO_CANDIDATE = -1
const UNKNOWN = 0

export class Decoder {
  readonly #opcodes: (Opcode | undefined)[] = new Array(4 * 256)
  readonly #candidates: Candidate[] = []
  readonly #handlers: HandlerTable
  readonly #nop: Row
  /** Set by decode. */
  readonly result: Decoded = { length: 0, ends: false, row: undefined }

  /** `offered` says which CPUID features exist; rows of others are undefined opcodes. */
  constructor(rows: readonly Row[], handlers: HandlerTable, offered: (feature: string) => boolean) {
    this.#handlers = handlers
    this.#nop = rows.find((r) => r.options.idle)!
    this.#candidates.push({} as Candidate) // index 0 is UNKNOWN
    const lists: Row[][] = Array.from({ length: 4 * 256 }, () => [])
    for (const row of rows) {
      if (row.options.feature !== undefined && !offered(row.options.feature)) continue
      const { map, opcode, plusRegister } = row.encoding
      for (let i = 0; i < (plusRegister ? 8 : 1); i++) lists[map * 256 + opcode + i]!.push(row)
    }
    lists.forEach((list, n) => {
      if (list.length === 0) return
      // The more particular rows first.
      const rank = (r: Row): number =>
        (r.encoding.literalModrm !== undefined ? 8 : 0) +
        (r.encoding.prefix !== undefined ? 4 : 0) +
        (r.encoding.rexW ? 2 : 0)
      this.#opcodes[n] = {
        rows: [...list].sort((a, b) => rank(b) - rank(a)),
        modrm: list.some((r) => r.encoding.modrm),
        relevant: relevantContext(list),
        memo: undefined,
      }
    })
  }

  /**
   * Decodes the instruction at code[at], of which `available` bytes may be looked at, into the record at `record` of
   * `memory`, as words. `offset` is the instruction's place in its page. Returns its length, or
   * NEED_MORE when it goes on past `available`.
   */
  decode(
    code: Uint8Array,
    at: number,
    available: number,
    mode: CodeMode,
    offset: number,
    memory: Int32Array,
    record: number,
  ): number {
    const long = mode === CodeMode.Bits64
    let p = at
    const end = at + Math.min(available, MAX_INSTRUCTION_BYTES)
    let has66 = 0
    let has67 = 0
    let rep = 0 // 1: F3, 2: F2
    let lock = false
    let segment = -1
    let rex = 0
    let byte = 0
    prefixes: for (;;) {
      if (p >= end) return this.#short(at, p, memory, record)
      byte = code[p++]!
      switch (byte) {
        case 0x66:
          has66 = 1
          break
        case 0x67:
          has67 = 1
          break
        case 0xf0:
          lock = true
          break
        case 0xf2:
          rep = 2
          break
        case 0xf3:
          rep = 1
          break
        case 0x26:
          if (!long) segment = ES
          break
        case 0x2e:
          if (!long) segment = 1
          break
        case 0x36:
          if (!long) segment = SS
          break
        case 0x3e:
          if (!long) segment = DS
          break
        case 0x64:
          segment = FS
          break
        case 0x65:
          segment = GS
          break
        default:
          if (long && (byte & 0xf0) === 0x40) {
            // REX counts only right before the opcode.
            if (p >= end) return this.#short(at, p, memory, record)
            const next = code[p]!
            rex = byte
            if (isPrefix(next) || (next & 0xf0) === 0x40) {
              rex = 0
              continue
            }
            byte = next
            p++
          }
          break prefixes
      }
    }
    let map = 0
    if (byte === 0x0f) {
      if (p >= end) return this.#short(at, p, memory, record)
      byte = code[p++]!
      map = 1
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3
        if (p >= end) return this.#short(at, p, memory, record)
        byte = code[p++]!
      }
    }
    const opcode = this.#opcodes[map * 256 + byte]
    let modrm = 0
    if (opcode === undefined) return this.#undefined(p - at, memory, record)
    if (opcode.modrm) {
      if (p >= end) return this.#short(at, p, memory, record)
      modrm = code[p++]!
      // MOV to and from control and debug registers is between registers whatever mod says (SDM 2B MOV).
      if (map === 1 && (byte & 0xfc) === 0x20) modrm |= 0xc0
    }
    const mod = modrm >> 6
    const reg = (modrm >> 3) & 7
    const rm = modrm & 7
    const w = (rex >> 3) & 1
    const isRegister = mod === 3 ? 1 : 0
    let candidate: Candidate
    if (byte === 0x90 && map === 0 && (rex & 1) === 0) candidate = this.#nopCandidate()
    else {
      // contextKey's layout.
      const key =
        (rep | (has66 << 2) | (w << 3) | (mode << 4) | (has67 << 6) | (reg << 7) | (isRegister << 10) | (rm << 11)) &
        opcode.relevant
      opcode.memo ??= new Int16Array(1 << 14)
      let n = opcode.memo[key]!
      if (n === UNKNOWN) {
        n = this.#find(opcode, rep, has66, w, mode, has67, modrm)
        opcode.memo[key] = n
      }
      if (n === NO_CANDIDATE) return this.#undefined(p - at, memory, record)
      candidate = this.#candidates[n]!
    }
    if (lock && !candidate.lockable) return this.#undefined(p - at, memory, record)

    // Address size: 64/32 in 64-bit mode, 32/16 by CS.D and 67 in the others.
    const width = long ? (has67 ? 32 : 64) : (mode === CodeMode.Bits32) === (has67 === 0) ? 32 : 16

    let base = SLOT_ZERO
    let index = SLOT_ZERO
    let scale = 0
    let disp = 0
    let ripRelative = false
    const hasModrmMemory = opcode.modrm && mod !== 3
    if (hasModrmMemory) {
      let dispSize = mod === 1 ? 1 : mod === 2 ? (width === 16 ? 2 : 4) : 0
      let defaultSegment = DS
      if (width === 16) {
        base = BASE16[rm]!
        index = INDEX16[rm]!
        if (mod === 0 && rm === 6) {
          base = SLOT_ZERO
          dispSize = 2
        } else if (base === RBP) defaultSegment = SS
      } else {
        let b = rm
        if (rm === 4) {
          if (p >= end) return this.#short(at, p, memory, record)
          const sib = code[p++]!
          scale = sib >> 6
          const i = ((sib >> 3) & 7) | ((rex & 2) << 2)
          if (i !== 4) index = i * 8
          else scale = 0
          b = sib & 7
          if (b === 5 && mod === 0) {
            dispSize = 4
            b = -1
          }
        } else if (rm === 5 && mod === 0) {
          dispSize = 4
          b = -1
          ripRelative = long
        }
        if (b >= 0) {
          base = (b | ((rex & 1) << 3)) * 8
          if (base === RSP || base === RBP) defaultSegment = SS
        }
      }
      if (p + dispSize > end) return this.#short(at, end, memory, record)
      if (dispSize === 1) disp = (code[p]! << 24) >> 24
      else if (dispSize === 2) disp = ((code[p]! | (code[p + 1]! << 8)) << 16) >> 16
      else if (dispSize === 4) disp = code[p]! | (code[p + 1]! << 8) | (code[p + 2]! << 16) | (code[p + 3]! << 24)
      p += dispSize
      // POP computes its address after RSP moved (SDM 2B POP).
      if (base === RSP && candidate.pops !== 0) disp = (disp + candidate.pops) | 0
      if (segment < 0) segment = defaultSegment
    } else if (candidate.implicitBase >= 0) {
      base = candidate.implicitBase
      if (segment < 0) segment = DS
    }

    // Immediates.
    let imm = 0
    let immHigh = 0
    let hasWide = false
    for (let i = 0; i < candidate.immediates.length; i++) {
      const field = candidate.immediates[i]!
      let size = IMMEDIATE_BYTES[field]!
      if (field === Immediate.mo) size = width / 8
      else if (field === Immediate.cp) size = (mode === CodeMode.Bits32) === (has66 === 0) ? 6 : 4
      if (p + size > end) return this.#short(at, end, memory, record)
      switch (field) {
        case Immediate.ib:
        case Immediate.cb:
          // ENTER's second immediate joins the first.
          if (candidate.immediates.length > 1) imm |= code[p]! << 16
          else imm = (code[p]! << 24) >> 24
          break
        case Immediate.iw:
          imm = code[p]! | (code[p + 1]! << 8)
          if (candidate.immediates.length === 1) imm = (imm << 16) >> 16
          break
        case Immediate.cw:
          imm = ((code[p]! | (code[p + 1]! << 8)) << 16) >> 16
          break
        case Immediate.id:
        case Immediate.cd:
          imm = code[p]! | (code[p + 1]! << 8) | (code[p + 2]! << 16) | (code[p + 3]! << 24)
          break
        case Immediate.io:
          disp = code[p]! | (code[p + 1]! << 8) | (code[p + 2]! << 16) | (code[p + 3]! << 24)
          immHigh = code[p + 4]! | (code[p + 5]! << 8) | (code[p + 6]! << 16) | (code[p + 7]! << 24)
          hasWide = true
          break
        case Immediate.cp: {
          const n = size - 2
          imm =
            n === 4
              ? code[p]! | (code[p + 1]! << 8) | (code[p + 2]! << 16) | (code[p + 3]! << 24)
              : code[p]! | (code[p + 1]! << 8)
          disp = code[p + n]! | (code[p + n + 1]! << 8)
          break
        }
        case Immediate.mo:
          disp = code[p]! | (code[p + 1]! << 8)
          if (size > 2) disp |= (code[p + 2]! << 16) | (code[p + 3]! << 24)
          if (size === 8) immHigh = code[p + 4]! | (code[p + 5]! << 8) | (code[p + 6]! << 16) | (code[p + 7]! << 24)
          hasWide = long
          if (segment < 0) segment = DS
          break
      }
      p += size
    }
    const length = p - at

    // Register operands.
    let r1 = 0
    let r2 = 0
    let r3 = 0
    const places = candidate.places
    for (let i = 0; i < places.length; i++) {
      let value = 0
      switch (places[i]) {
        case Place.RegGpr:
          value = (reg | ((rex & 4) << 1)) * 8
          break
        case Place.RegGpr8:
          value = byteSlot(reg | ((rex & 4) << 1), rex)
          break
        case Place.RmGpr:
          value = (rm | ((rex & 1) << 3)) * 8
          break
        case Place.RmGpr8:
          value = byteSlot(rm | ((rex & 1) << 3), rex)
          break
        case Place.OpcodeGpr:
          value = ((byte & 7) | ((rex & 1) << 3)) * 8
          break
        case Place.OpcodeGpr8:
          value = byteSlot((byte & 7) | ((rex & 1) << 3), rex)
          break
        case Place.Fixed:
          value = candidate.fixed[i]!
          break
        case Place.RegNumber:
          value = reg | ((rex & 4) << 1)
          break
        case Place.RegXmm:
          value = (reg | ((rex & 4) << 1)) * 16
          break
        case Place.RmXmm:
          value = (rm | ((rex & 1) << 3)) * 16
          break
        case Place.RegMm:
          value = reg * 16
          break
        case Place.RmMm:
        case Place.RmSt:
          value = rm * 16
          break
      }
      if (i === 0) r1 = value
      else if (i === 1) r2 = value
      else r3 = value
    }

    let op = candidate.op
    if (candidate.relative) {
      const target = offset + length + imm
      if (candidate.opInPage !== 0 && target >= 0 && target < 4096) {
        op = candidate.opInPage
        imm = (target - offset) * RECORD_BYTES
      }
    }

    // Addresses that need more than base + index << scale + disp go through a prefix handler.
    let op2 = 0
    let prefixAddress = 0
    let xdisp = 0
    let prefixWidth = 0
    const hasAddress = hasModrmMemory || candidate.implicitBase >= 0 || (candidate.moffs && !long)
    if (hasAddress) {
      let prefix = 0
      if (long) {
        if (candidate.addressOnly) segment = DS
        const segmentSlot = segment === FS ? SLOT_FS_BASE : segment === GS ? SLOT_GS_BASE : SLOT_ZERO
        if (ripRelative) base = SLOT_PAGE
        if (width === 32) prefix = Op.Address64
        else if (segmentSlot !== SLOT_ZERO) {
          if (index === SLOT_ZERO) index = segmentSlot
          else if (base === SLOT_ZERO) base = segmentSlot
          else prefix = Op.Address64
        }
        if (ripRelative) {
          const full = disp + offset + length
          if (full === (full | 0)) disp = full
          else prefix = Op.Address64
        }
      } else if (!candidate.addressOnly) prefix = Op.AddressLegacy
      if (prefix !== 0) {
        prefixAddress = base | (index << 8) | (scale << 16) | ((segment < 0 ? DS : segment) << 24)
        xdisp = disp
        prefixWidth = width
        op2 = op
        // What is left of an overlong RIP-relative displacement.
        disp = ripRelative && disp + offset + length !== ((disp + offset + length) | 0) ? offset + length : 0
        base = SLOT_EA
        index = SLOT_ZERO
        scale = 0
        op = prefix
      }
    } else if (candidate.moffs) r3 = segment === FS ? SLOT_FS_BASE : segment === GS ? SLOT_GS_BASE : SLOT_ZERO

    // record.ts, eight words at once.
    const word = record >> 2
    memory[word] = op | ((length * RECORD_BYTES) << 16)
    memory[word + 1] = r1 | (r2 << 8) | (base << 16) | (index << 24)
    memory[word + 2] = disp
    memory[word + 3] = hasWide ? immHigh : imm
    memory[word + 4] = scale | (r3 << 8) | (op2 << 16)
    memory[word + 5] = prefixAddress
    memory[word + 6] = xdisp
    memory[word + 7] = (prefixWidth << 16) | (length << 24)
    this.result.length = length
    this.result.ends = candidate.ends
    this.result.row = candidate.row
    return length
  }

  /** Ran out of bytes: more may follow in the next page, or the instruction is longer than any may be. */
  #short(at: number, p: number, memory: Int32Array, record: number): number {
    if (p - at < MAX_INSTRUCTION_BYTES) return NEED_MORE
    return this.#special(Op.TooLong, MAX_INSTRUCTION_BYTES, memory, record)
  }
  #undefined(length: number, memory: Int32Array, record: number): number {
    return this.#special(Op.Undefined, length, memory, record)
  }
  #special(op: number, length: number, memory: Int32Array, record: number): number {
    const word = record >> 2
    memory[word] = op | ((length * RECORD_BYTES) << 16)
    memory[word + 7] = length << 24
    this.result.length = length
    this.result.ends = true
    this.result.row = undefined
    return length
  }

  #nopIndex = 0
  #nopCandidate(): Candidate {
    if (this.#nopIndex === 0) {
      const op = this.#handlers.handlerFor({ ...this.#nop, operands: [] }, 'register', true).op
      this.#nopIndex =
        this.#candidates.push({
          row: this.#nop,
          op,
          opInPage: 0,
          places: [],
          fixed: [],
          memory: false,
          implicitBase: -1,
          moffs: false,
          addressOnly: false,
          pops: 0,
          relative: false,
          far: false,
          immediates: [],
          lockable: false,
          ends: false,
        }) - 1
    }
    return this.#candidates[this.#nopIndex]!
  }

  #find(opcode: Opcode, rep: number, has66: number, w: number, mode: CodeMode, has67: number, modrm: number): number {
    const row = opcode.rows.find((r) => matches(r, rep, has66, w, mode, has67, modrm))
    if (row === undefined) return NO_CANDIDATE
    return this.#candidates.push(this.candidate(row, mode, modrm >> 6 !== 3)) - 1
  }

  readonly #byRow = new Map<Row, (Candidate | undefined)[]>()
  /** The row in one mode, with a memory or a register operand. */
  candidate(row: Row, mode: CodeMode, memory: boolean): Candidate {
    let made = this.#byRow.get(row)
    if (made === undefined) this.#byRow.set(row, (made = []))
    const long = mode === CodeMode.Bits64
    const inMemory = memory && row.encoding.modrm
    const n = (long ? 1 : 0) | (inMemory ? 2 : 0)
    return (made[n] ??= this.#makeCandidate(row, long, inMemory))
  }
  #makeCandidate(row: Row, long: boolean, memory: boolean): Candidate {
    const relative = row.operands.some((o) => o.class === 'rel')
    const moffs = row.operands.some((o) => o.class === 'moffs')
    const form = moffs ? (long ? 'absolute' : 'memory') : row.encoding.modrm && memory ? 'memory' : 'register'
    const op = this.#handlers.handlerFor(row, form, long).op
    const bits = row.options.osize
    const opInPage = relative && bits !== 16 ? this.#handlers.handlerFor(row, 'in-page', long).op : 0
    const places: Place[] = []
    const fixed: number[] = []
    for (const spec of row.operands) {
      const place = placeOf(spec, form === 'memory')
      if (place === undefined) continue
      places.push(place)
      fixed.push(spec.slot)
    }
    return {
      row,
      op,
      opInPage,
      places,
      fixed,
      memory: form === 'memory',
      implicitBase: row.options.base ?? -1,
      moffs,
      addressOnly: row.options.addressOnly === true,
      pops: row.options.pops ? (row.options.osize ?? 0) / 8 : 0,
      relative,
      far: row.encoding.immediates.includes('cp'),
      immediates: row.encoding.immediates.map((name) => IMMEDIATES[name]!),
      lockable: row.options.lock === true && form === 'memory',
      ends: row.options.flow === 'ends',
    }
  }

  /** Makes every handler that any row can need, so that the engine can be generated before anything is decoded. */
  prepareAll(): void {
    this.#nopCandidate()
    for (const opcode of this.#opcodes) {
      if (opcode === undefined) continue
      for (const row of opcode.rows) {
        const { mode, osize } = row.options
        if (mode !== 'legacy') for (const memory of [false, true]) this.#prepare(row, CodeMode.Bits64, memory)
        if (mode !== '64' && osize !== 64)
          for (const memory of [false, true]) this.#prepare(row, CodeMode.Bits32, memory)
      }
    }
  }
  #prepare(row: Row, mode: CodeMode, memory: boolean): void {
    if (!row.encoding.modrm && memory) return
    const rm = row.encoding.modrm ? row.operands.find((o) => o.source === 'rm') : undefined
    if (rm !== undefined && (memory ? !rm.memory : !rm.register)) return
    this.candidate(row, mode, memory)
  }
}

// ModRM.rm of 16-bit addressing: BX+SI BX+DI BP+SI BP+DI SI DI BP BX.
const BASE16 = [RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX]
const INDEX16 = [RSI, RDI, RSI, RDI, SLOT_ZERO, SLOT_ZERO, SLOT_ZERO, SLOT_ZERO]

const isPrefix = (byte: number): boolean => {
  switch (byte) {
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
      return true
    default:
      return false
  }
}

/** AL..DIL with any REX prefix; AL CL DL BL AH CH DH BH without. */
const byteSlot = (n: number, rex: number): number => (rex !== 0 || n < 4 ? n * 8 : (n - 4) * 8 + 1)

const placeOf = (spec: OperandSpec, memory: boolean): Place | undefined => {
  const byte = spec.bits === 8
  switch (spec.class) {
    case 'gpr':
      if (spec.source === 'fixed') return Place.Fixed
      if (spec.source === 'opcode') return byte ? Place.OpcodeGpr8 : Place.OpcodeGpr
      if (spec.source === 'rm') return byte ? Place.RmGpr8 : Place.RmGpr
      return byte ? Place.RegGpr8 : Place.RegGpr
    case 'rm':
      return memory ? undefined : byte ? Place.RmGpr8 : Place.RmGpr
    case 'number':
      return Place.RegNumber
    case 'xmm':
      return spec.source === 'fixed' ? Place.Fixed : spec.source === 'rm' ? Place.RmXmm : Place.RegXmm
    case 'xmmrm':
      return memory ? undefined : Place.RmXmm
    case 'mm':
      return spec.source === 'rm' ? Place.RmMm : Place.RegMm
    case 'mmrm':
      return memory ? undefined : Place.RmMm
    case 'st':
      return Place.RmSt
    default:
      return undefined
  }
}

/**
 * A context as a number: bits 0-1 repeat prefix, 2 operand-size prefix, 3 REX.W, 4-5 mode, 6 address-size prefix,
 * 7-9 ModRM.reg, 10 mod = 3, 11-13 ModRM.rm. This is which of them tell an opcode's rows apart.
 */
const relevantContext = (rows: readonly Row[]): number => {
  let bits = 0x3f
  if (rows.some((r) => r.options.asize !== undefined)) bits |= 1 << 6
  if (rows.some((r) => r.encoding.digit !== undefined || r.text.includes('sreg'))) bits |= 7 << 7
  if (rows.some((r) => r.encoding.modrm)) bits |= 1 << 10
  if (rows.some((r) => r.encoding.literalModrm !== undefined)) bits |= (7 << 7) | (7 << 11)
  return bits
}

const matches = (
  row: Row,
  rep: number,
  has66: number,
  w: number,
  mode: CodeMode,
  has67: number,
  modrm: number,
): boolean => {
  const { encoding, options, operands } = row
  const long = mode === CodeMode.Bits64
  if (options.mode !== undefined && (options.mode === '64') !== long) return false
  switch (encoding.prefix) {
    case 'NP':
      if (has66 !== 0 || rep !== 0) return false
      break
    case '66':
      if (has66 === 0 || rep !== 0) return false
      break
    case 'F3':
      if (rep !== 1) return false
      break
    case 'F2':
      if (rep !== 2) return false
      break
  }
  if (encoding.rexW && w === 0) return false
  if (options.osize !== undefined) {
    let osize: number
    if (!long) osize = (mode === CodeMode.Bits32) === (has66 === 0) ? 32 : 16
    else if (options.force64) osize = 64
    else if (w !== 0) osize = 64
    else if (has66 !== 0 && encoding.prefix !== '66') osize = 16
    else osize = options.default64 ? 64 : 32
    if (osize !== options.osize) return false
  }
  if (options.asize !== undefined) {
    const asize = long ? (has67 !== 0 ? 32 : 64) : (mode === CodeMode.Bits32) === (has67 === 0) ? 32 : 16
    if (asize !== options.asize) return false
  }
  if (options.repeat !== undefined && options.repeat !== (['none', 'F3', 'F2'] as const)[rep]) return false
  if (encoding.digit !== undefined && ((modrm >> 3) & 7) !== encoding.digit) return false
  if (encoding.literalModrm !== undefined && modrm !== encoding.literalModrm) return false
  if (encoding.modrm && encoding.literalModrm === undefined) {
    const rm = operands.find((o) => o.source === 'rm')
    if (rm !== undefined && (modrm >> 6 === 3 ? !rm.register : !rm.memory)) return false
  }
  // MOV to CS, and segment registers past GS, do not exist.
  if (operands[0]?.text === 'sreg' && ((modrm >> 3) & 7) === 1) return false
  if (row.text.includes('sreg') && ((modrm >> 3) & 7) > 5) return false
  return true
}
