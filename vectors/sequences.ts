/**
 * Programs of several instructions: dependencies, flags across blocks, loops, calls, code that changes itself, string
 * instructions that fault in the middle. They run to an INT3, or to the fault. RBX points into the data pages and is
 * never written; RSP is a stack there.
 *
 * Flags that the manual leaves undefined must not reach anything: after such an instruction comes a CMP, and AF, which
 * logic leaves undefined, is compared with Intel's processors only.
 */
import { FLAGS_AF } from '../src/machine/state/flags.ts'
import type { Case } from './case.ts'
import { CODE, DATA, DATA_END, PAGE } from './layout.ts'
import { hash32, Random } from './random.ts'
import type { Vendor } from './vendor.ts'

export const SEQUENCE_KINDS = [
  'arithmetic',
  'branches',
  'loops',
  'calls',
  'changing code',
  'strings',
  'string faults',
] as const
export type SequenceKind = (typeof SEQUENCE_KINDS)[number]

const RBX = 3
const RSP = 4

export class SequenceGenerator {
  readonly mnemonic = 'SEQUENCE'
  readonly undefined: number
  ea = (1n << 64n) - 1n
  readonly #kind: string
  readonly #long: boolean
  #r!: Random
  #code: number[] = []
  #start = 0

  constructor(kind: string, bits: 64 | 32, vendor: Vendor) {
    this.undefined = vendor === 'amd' ? FLAGS_AF : 0
    this.#kind = kind
    this.#long = bits === 64
  }

  make(c: Case, seed: number, index: number): void {
    const r = new Random(hash32(`${this.#kind}${this.#long}`), seed, index)
    this.#r = r
    this.#code = []
    c.clear(this.#long ? 0 : 2)
    for (let i = 0; i < 16; i++) c.gpr[i] = r.chance(30) ? BigInt(r.below(256)) : r.u64()
    const data = DATA + 0x800 + r.below(0x1000)
    c.gpr[RBX] = BigInt(data)
    c.gpr[RSP] = BigInt(DATA + 0x400 + r.below(0x80) * 8)
    c.rflags = (r.u32() & 0x8d5) | 0x202
    // Mostly inside a page, sometimes over its end.
    this.#start = r.chance(75) ? CODE + r.below(PAGE - 400) : CODE + PAGE - 1 - r.below(60)
    c.rip = this.#start
    switch (this.#kind) {
      case 'arithmetic':
        this.#some(6 + r.below(20))
        break
      case 'branches':
        for (let i = 0; i < 4; i++) {
          this.#some(1 + r.below(3))
          this.#forward(() => this.#some(1 + r.below(2)))
        }
        break
      case 'loops':
        this.#loop(() => {
          this.#some(1 + r.below(3))
          if (r.chance(40)) this.#loop2()
        })
        this.#some(2)
        break
      case 'calls':
        this.#calls()
        break
      case 'changing code':
        this.#changing(data)
        break
      default:
        this.#strings(c, this.#kind === 'string faults')
    }
    if (!this.#long) for (let i = 0; i < 16; i++) c.gpr[i] = (c.gpr[i] as bigint) & 0xffffffffn
    const bytes = new Uint8Array(32)
    for (let i = 0; i < 32; i++) bytes[i] = r.u32()
    c.patch(data - 16, bytes)
    c.patch(this.#start, [...this.#code, 0xcc])
  }

  #emit(...bytes: number[]): void {
    for (const byte of bytes) this.#code.push(byte & 0xff)
  }
  #u32(value: number): void {
    this.#emit(value, value >>> 8, value >>> 16, value >>> 24)
  }
  /** A register that may be written: not RBX or RSP; `spare` is a loop counter. */
  #register(spare = -1): number {
    for (;;) {
      const n = this.#r.below(this.#long ? 16 : 8)
      if (n !== RBX && n !== RSP && n !== spare) return n
    }
  }
  /** Opcode with register `reg` and a register or [RBX + disp8] as r/m. */
  #instruction(opcode: readonly number[], reg: number, size: 8 | 16 | 32 | 64, rm: number | undefined): void {
    const r = this.#r
    if (size === 16) this.#emit(0x66)
    let rex = size === 64 ? 8 : 0
    if (reg >= 8) rex |= 4
    if (rm !== undefined && rm >= 8) rex |= 1
    // With REX, byte registers 4 to 7 are SPL to DIL: always, so that RSP and RBX stay as they are.
    if (this.#long && (rex !== 0 || size === 8)) this.#emit(0x40 | rex)
    this.#emit(...opcode)
    if (rm === undefined) this.#emit(0x43 | ((reg & 7) << 3), r.below(64) - 32)
    else this.#emit(0xc0 | ((reg & 7) << 3) | (rm & 7))
  }
  #size(): 8 | 16 | 32 | 64 {
    const r = this.#r
    return this.#long ? r.pick([8, 16, 32, 32, 64, 64] as const) : r.pick([16, 32, 32] as const)
  }
  #wide(): 16 | 32 | 64 {
    return this.#long ? this.#r.pick([16, 32, 64] as const) : this.#r.pick([16, 32] as const)
  }
  #target(): number | undefined {
    return this.#r.chance(60) ? this.#register(1) : undefined
  }
  #compare(): void {
    this.#instruction([0x39], this.#register(), this.#wide(), this.#register())
  }
  #some(count: number): void {
    for (let i = 0; i < count; i++) this.#one()
  }
  /** One instruction, flags defined after it; it leaves RCX, RBX and RSP alone. */
  #one(): void {
    const r = this.#r
    const size = this.#size()
    const wide = this.#wide()
    const w = size === 8 ? 0 : 1
    switch (r.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        // ADD OR ADC SBB AND SUB XOR CMP in both directions.
        if (r.chance(50)) this.#instruction([r.below(8) * 8 + w], this.#register(), size, this.#target())
        else
          this.#instruction(
            [r.below(8) * 8 + 2 + w],
            this.#register(1),
            size,
            r.chance(60) ? this.#register() : undefined,
          )
        break
      case 4:
        this.#instruction([0x83], r.below(8), wide, this.#register(1))
        this.#emit(r.u32())
        break
      case 5:
        this.#instruction([0xfe + w], r.below(2), size, this.#target()) // INC DEC
        break
      case 6:
        this.#instruction([0xf6 + w], 2 + r.below(2), size, this.#target()) // NOT NEG
        break
      case 7:
        this.#instruction([0xd0 + w], r.pick([0, 1, 2, 3, 4, 5, 7]), size, this.#target()) // shifts by 1
        break
      case 8:
        this.#instruction([0xc0 + w], r.pick([0, 1, 4, 5, 7]), size, this.#target())
        this.#emit(r.u32())
        this.#compare()
        break
      case 9:
        this.#instruction([0x0f, 0x40 + r.below(16)], this.#register(1), wide, this.#register()) // CMOVcc
        break
      case 10:
        this.#instruction(
          [0x0f, 0x90 + r.below(16)],
          0,
          this.#long ? 8 : 32,
          this.#long ? this.#register(1) : r.pick([0, 2]),
        )
        break
      case 11:
        this.#instruction([0x0f, 0xaf], this.#register(1), wide, this.#register()) // IMUL
        this.#compare()
        break
      case 12:
        this.#instruction([r.pick([0x89, 0x8b])], this.#register(1), wide, undefined) // MOV
        break
      case 13:
        this.#instruction([0x0f, 0xc1], this.#register(1), wide, this.#target()) // XADD
        break
      case 14:
        this.#instruction([0x0f, 0xb1], this.#register(1), wide, this.#target()) // CMPXCHG
        break
      default:
        this.#instruction([0x0f, r.pick([0xa3, 0xab, 0xb3, 0xbb])], this.#register(), wide, this.#register(1)) // BT...
        this.#compare()
    }
  }
  /** Jcc over `body`. */
  #forward(body: () => void): void {
    const near = this.#r.chance(30)
    const condition = this.#r.below(16)
    if (near) this.#emit(0x0f, 0x80 + condition, 0, 0, 0, 0)
    else this.#emit(0x70 + condition, 0)
    const from = this.#code.length
    body()
    const distance = this.#code.length - from
    this.#code[from - (near ? 4 : 1)] = distance
  }
  /** ECX times; ends by DEC and JNZ, or LOOP. */
  #loop(body: () => void): void {
    const r = this.#r
    this.#emit(0xb9)
    this.#u32(1 + r.below(30))
    const top = this.#code.length
    body()
    const form = r.below(3)
    if (form === 0) {
      this.#emit(0xff, 0xc9, 0x0f, 0x85)
      this.#u32(top - this.#code.length - 4)
    } else if (form === 1 && this.#code.length + 2 - top < 120) {
      this.#emit(0xe2, top - this.#code.length - 2)
    } else {
      this.#emit(0x83, 0xe9, 0x01, 0x0f, 0x8f)
      this.#u32(top - this.#code.length - 4)
    }
  }
  /** A block whose flags a later block uses. */
  #loop2(): void {
    this.#compare()
    this.#emit(0xeb, 0)
    this.#instruction([0x11], this.#register(1), this.#wide(), this.#register(1))
    this.#forward(() => this.#some(1))
  }
  #calls(): void {
    const r = this.#r
    this.#some(2)
    // CALL a routine behind; jump over it.
    this.#emit(0xe8)
    const call = this.#code.length
    this.#u32(0)
    this.#some(2)
    this.#emit(0xeb, 0)
    const jump = this.#code.length
    const routine = this.#code.length
    this.#code[call] = (routine - call - 4) & 0xff
    this.#emit(0x50 + r.pick([0, 1, 2, 6, 7]))
    this.#some(2)
    this.#forward(() => this.#some(1))
    this.#emit(0x58 + r.pick([0, 1, 2, 6, 7]))
    if (r.chance(50)) this.#emit(0xc3)
    else this.#emit(0xc2, 0, 0)
    this.#code[jump - 1] = this.#code.length - jump
    this.#some(2)
  }
  /** Stores into code that runs later, next, or ran before. */
  #changing(data: number): void {
    const r = this.#r
    const loops = r.chance(60)
    if (loops) {
      this.#emit(0xb9)
      this.#u32(2 + r.below(4))
    }
    const top = this.#code.length
    // MOV byte [rbx + disp32], imm8 or, twice in a loop, INC byte [...].
    const store = this.#code.length
    const increment = r.chance(50)
    if (increment) this.#emit(0xfe, 0x83)
    else this.#emit(0xc6, 0x83)
    this.#u32(0)
    if (!increment) this.#emit(r.u32())
    if (r.chance(50)) this.#some(1 + r.below(3))
    if (r.chance(30)) this.#emit(0xeb, 0)
    // The instruction that changes: MOV EAX, imm32 or ADD EDX, imm8.
    let place: number
    if (r.chance(50)) {
      this.#emit(0xb8)
      place = this.#code.length + r.below(4)
      this.#u32(r.u32())
    } else {
      this.#emit(0x83, 0xc2)
      place = this.#code.length
      this.#emit(r.u32())
    }
    const disp = this.#start + place - data
    for (let i = 0; i < 4; i++) this.#code[store + 2 + i] = (disp >> (8 * i)) & 0xff
    this.#some(1)
    if (loops) {
      this.#emit(0xff, 0xc9, 0x0f, 0x85)
      this.#u32(top - this.#code.length - 4)
    }
  }
  /** Repeated string instructions; `faults` lets them run off the pages. */
  #strings(c: Case, faults: boolean): void {
    const r = this.#r
    const count = r.chance(20) ? r.below(3) : r.below(faults ? 3000 : 200)
    const down = r.chance(25)
    if (down) c.rflags |= 0x400
    const near = (size: number): number => {
      if (faults && r.chance(50)) return DATA_END - PAGE - r.below(400)
      if (faults && r.chance(50)) return DATA + r.below(300)
      const room = 210 * size
      return DATA + 0xa00 + r.below(2 * PAGE - 0xa00 - room) + (down ? room - 16 : 0)
    }
    const size = this.#long ? r.pick([1, 2, 4, 8]) : r.pick([1, 2, 4])
    const place = near(size)
    c.gpr[6] = BigInt(place)
    c.gpr[7] = BigInt(r.chance(40) ? place + r.below(40) - 20 : near(size))
    c.gpr[1] = BigInt(count)
    if (r.chance(50)) c.gpr[0] = BigInt(r.below(256)) * 0x0101010101010101n
    const op = r.pick([0xa4, 0xa4, 0xaa, 0xaa, 0xac, 0xa6, 0xae])
    this.#emit(r.chance(70) ? 0xf3 : 0xf2)
    if (size === 2) {
      this.#code.unshift(0x66)
    } else if (size === 8) this.#emit(0x48)
    this.#emit(size === 1 ? op : op + 1)
    // What flags and registers are left is used at once.
    if (!faults) this.#some(2)
  }
}
