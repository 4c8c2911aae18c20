/** A memory operand: ModRM, SIB and displacement, registers that make it point where it should, and what is there. */
import { DATA, PAGE } from '../layout.ts'
import type { Making } from './making.ts'
import { MASK32, MASK64, RAX, RBP, RBX, RDI, RDX, RSI } from './subject.ts'

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
const ALIGNED_16 = new Set(['FXSAVE', 'FXSAVE64', 'FXRSTOR', 'FXRSTOR64', 'CMPXCHG16B'])

/** What the rest of the instruction leaves to it. */
export interface Around {
  readonly addressBits: number
  readonly segment: number
  /** Of the instruction, without ModRM, SIB and displacement. */
  readonly bytes: number
}
export interface Addressing {
  readonly mod: number
  readonly rm: number
  /** SIB and displacement. */
  readonly tail: readonly number[]
  /** Bits for REX. */
  readonly rex: number
}

/** Puts interesting bytes where an operand is read. */
export const fillOperand = (m: Making, ea: bigint, size: number): void => {
  const { r, c, values, floats } = m
  const { mnemonic, descriptor, float } = m.subject
  if (ea > 0x7fffffffn) return
  const bytes = new Uint8Array(Math.max(size, 8) + 16)
  const view = new DataView(bytes.buffer)
  if (float) for (let at = 0; at + 16 <= bytes.length; at += 16) floats.lanes(view, at)
  else for (let at = 0; at + 8 <= bytes.length; at += 8) view.setBigUint64(at, values.value64(), true)
  if ((mnemonic === 'JMP' || mnemonic === 'CALL') && r.chance(85)) view.setBigUint64(0, values.codeTarget(), true)
  if (mnemonic === 'CMPXCHG8B' || mnemonic === 'CMPXCHG16B') {
    if (r.chance(50)) {
      const half = mnemonic === 'CMPXCHG8B' ? 4 : 8
      if (half === 4) {
        view.setUint32(0, Number((c.gpr[RAX] as bigint) & MASK32), true)
        view.setUint32(4, Number((c.gpr[RDX] as bigint) & MASK32), true)
      } else {
        view.setBigUint64(0, c.gpr[RAX] as bigint, true)
        view.setBigUint64(8, c.gpr[RDX] as bigint, true)
      }
    }
  } else if (mnemonic === 'CMPXCHG' && r.chance(40)) view.setBigUint64(0, c.gpr[RAX] as bigint, true)
  if (/^(F(LD|ST|BLD|XRSTOR|XSAVE|RSTOR|LDENV)|X(SAVE|RSTOR))/.test(mnemonic) || /m80/.test(descriptor.text))
    floats.memory(c, view, size)
  if (mnemonic === 'LDMXCSR') view.setUint32(0, r.chance(90) ? floats.mxcsr() : r.u32() & floats.anyMxcsr, true)
  m.patch(ea, bytes)
}

/** ModRM.mod and rm, SIB and displacement of a memory operand, and registers that make it point where it should. */
export const memoryOperand = (m: Making, around: Around): Addressing => {
  const { r, c, values, subject } = m
  const { mnemonic, descriptor, long } = subject
  const { addressBits, segment } = around
  const operand = subject.row.operands.find((o) => o.source === 'rm')
  const unspecified = MEMORY_BYTES[mnemonic] ?? (descriptor.osize ?? 32) / 4
  const size = operand !== undefined && operand.bits > 0 ? operand.bits / 8 : unspecified
  const aligned = ALIGNED_16.has(mnemonic) || subject.extendedState || size === 16
  let ea = BigInt(values.place(size, aligned))
  const bitString = /^BT/.test(mnemonic) && descriptor.operands[1]?.startsWith('r')
  if (bitString) ea = BigInt(DATA + 512 + r.below(2 * PAGE - 1024))
  const base64 = m.segmentBaseOf(segment)
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
  const finish = (mod: number, rm: number, extra: number): Addressing => {
    m.ea = ea
    fillOperand(m, ea, size)
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
  const free = around.bytes + 1
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
