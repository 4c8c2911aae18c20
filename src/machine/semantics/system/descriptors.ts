/**
 * Segment descriptors and stacks, as every system instruction reads them: SDM 3A §3.4.5, §3.5, §5.3 (limits), §5.8.5
 * (stack switching), §8.2 and §8.7 (TSS).
 *
 *   high  31     24 23 22 21 20 19   16 15 14 13 12 11   8 7      0      low  31       16 15        0
 *        |base31:24| G| D| L| A|lim19:16| P| DPL | S| type  |base23:16|       |base 15:0  |limit 15:0 |
 */

import { GP, GuestFault, SSF, TS } from '../../state/fault.ts'
import { FLAGS_VM } from '../../state/flags.ts'
import {
  ATTR_ACCESSED,
  ATTR_CODE,
  ATTR_DB,
  ATTR_DC,
  ATTR_DPL,
  ATTR_DPL_SHIFT,
  ATTR_P,
  ATTR_RW,
  ATTR_S,
  ATTR_TYPE,
  CodeMode,
  CPL,
  CR0,
  CR0_PE,
  GDTR_BASE,
  GDTR_LIMIT,
  LDTR,
  RFLAGS_SYSTEM,
  RSP,
  SS,
  TR,
} from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'

/** Attribute bits kept in a segment register: the byte with the type, and AVL L D G. */
const STORED_ATTRIBUTES = 0xf0ff

// System descriptor types, SDM 3A table 3-2.
export const TYPE_TSS16_AVAILABLE = 1
export const TYPE_LDT = 2
export const TYPE_TSS16_BUSY = 3
export const TYPE_CALL_GATE16 = 4
export const TYPE_TASK_GATE = 5
export const TYPE_INTERRUPT_GATE16 = 6
export const TYPE_TRAP_GATE16 = 7
export const TYPE_TSS_AVAILABLE = 9
export const TYPE_TSS_BUSY = 11
export const TYPE_CALL_GATE = 12
export const TYPE_INTERRUPT_GATE = 14
export const TYPE_TRAP_GATE = 15
/** The descriptor's bit that tells a busy TSS from an available one. */
export const TYPE_BUSY_BIT = 2

export interface Descriptor {
  readonly selector: number
  /** Linear address of its eight bytes. */
  readonly address: bigint
  readonly low: number
  readonly high: number
}

export const MASK32 = 0xffffffffn
export const MASK16 = 0xffffn

/** A 64-bit value on its way to two 32-bit numbers: several times quicker than shifting bigints. */
const whole = new BigUint64Array(1)
const halves = new Uint32Array(whole.buffer)

export const isCanonical = (address: bigint): boolean => {
  whole[0] = address
  const top = halves[1] >>> 15
  return top === 0 || top === 0x1ffff
}
/** Bits 31:0 and 63:32 as unsigned numbers. */
export const lowHalf = (value: bigint): number => {
  whole[0] = value
  return halves[0]
}
export const highHalf = (value: bigint): number => {
  whole[0] = value
  return halves[1]
}

export const protectedMode = (core: CpuCore): boolean => (core.state.get32(CR0) & CR0_PE) !== 0
export const virtual8086 = (core: CpuCore): boolean => (core.state.get32(RFLAGS_SYSTEM) & FLAGS_VM) !== 0
export const in64BitMode = (core: CpuCore): boolean => core.state.codeMode === CodeMode.Bits64
/** "selector + EXT" of an error code: RPL gives way to the flags. */
export const selectorError = (selector: number, ext = 0): number => (selector & 0xfffc) | ext
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0

export const attributesOf = (d: Descriptor): number => (d.high >>> 8) & STORED_ATTRIBUTES
export const limitOf = (d: Descriptor): number => {
  const limit = (d.high & 0xf0000) | (d.low & 0xffff)
  return (d.high & 0x800000) !== 0 ? ((limit << 12) | 0xfff) >>> 0 : limit
}
/** The 32-bit base. */
export const baseOf = (d: Descriptor): number =>
  ((d.high & 0xff000000) | ((d.high & 0xff) << 16) | (d.low >>> 16)) >>> 0
export const dplOf = (d: Descriptor): number => (d.high >>> 13) & 3
/** Type of a system descriptor, undefined for code and data. */
export const systemType = (d: Descriptor): number | undefined =>
  (d.high & (ATTR_S << 8)) === 0 ? (d.high >>> 8) & ATTR_TYPE : undefined
export const isCode = (attributes: number): boolean => (attributes & (ATTR_S | ATTR_CODE)) === (ATTR_S | ATTR_CODE)
export const isConforming = (attributes: number): boolean => (attributes & ATTR_DC) !== 0
export const isWritableData = (attributes: number): boolean =>
  (attributes & (ATTR_S | ATTR_CODE | ATTR_RW)) === (ATTR_S | ATTR_RW)
export const isPresent = (attributes: number): boolean => (attributes & ATTR_P) !== 0
export const dplOfAttributes = (attributes: number): number => (attributes & ATTR_DPL) >> ATTR_DPL_SHIFT

/** Linear address of a selector's descriptor of `bytes` bytes, undefined when outside its table. */
function descriptorAddress(core: CpuCore, selector: number, bytes: number): bigint | undefined {
  const { state } = core
  const index = selector & 0xfff8
  if ((selector & 4) !== 0) {
    if (!isPresent(state.attributes(LDTR)) || index + bytes - 1 > state.limit(LDTR)) return undefined
    return state.base(LDTR) + BigInt(index)
  }
  if (index + bytes - 1 > (state.get32(GDTR_LIMIT) & 0xffff)) return undefined
  return state.get64(GDTR_BASE) + BigInt(index)
}

const linear = (core: CpuCore, address: bigint): bigint =>
  core.state.longMode ? BigInt.asUintN(64, address) : address & MASK32

/** The descriptor, undefined when the index is outside its table. Reading it may #PF. */
export function findDescriptor(core: CpuCore, selector: number): Descriptor | undefined {
  const found = descriptorAddress(core, selector, 8)
  if (found === undefined) return undefined
  const address = linear(core, found)
  const raw = core.memory.readSystem(address, 8)
  return { selector, address, low: lowHalf(raw), high: highHalf(raw) }
}

/** The descriptor, or `vector`(selector + EXT) when the index is outside its table. */
export function readDescriptor(core: CpuCore, selector: number, vector: number, ext = 0): Descriptor {
  const d = findDescriptor(core, selector)
  if (d === undefined) throw new GuestFault(vector, selectorError(selector, ext))
  return d
}

/** Bits 63:32 of a 16-byte system descriptor's base or a gate's offset; its upper type field must be 0 (§8.2.3). */
export function readUpperHalf(core: CpuCore, d: Descriptor, vector: number): number {
  const upper = descriptorAddress(core, d.selector, 16)
  if (upper === undefined) throw new GuestFault(vector, selectorError(d.selector))
  const raw = core.memory.readSystem(BigInt.asUintN(64, d.address + 8n), 8)
  if (((raw >> 40n) & 0x1fn) !== 0n) throw new GuestFault(vector, selectorError(d.selector))
  return Number(raw & MASK32)
}

/** Sets the accessed bit in memory if it is clear. May #PF, so it comes before anything is committed. */
export function setAccessed(core: CpuCore, d: Descriptor): void {
  const type = (d.high >>> 8) & 0xff
  if ((type & ATTR_ACCESSED) === 0)
    core.memory.writeSystem(linear(core, d.address + 5n), 1, BigInt(type | ATTR_ACCESSED))
}

/** Puts a code or data descriptor (already accessed) into a segment register. */
export function fillSegment(core: CpuCore, segment: number, selector: number, d: Descriptor): void {
  core.state.setSegment(segment, selector, attributesOf(d) | ATTR_ACCESSED, limitOf(d), BigInt(baseOf(d)))
}

/** A null selector: unusable. FS and GS keep a 64-bit base on AMD, everything else loses it. */
export function fillNull(core: CpuCore, segment: number, selector: number, base = 0n): void {
  core.state.setSegment(segment, selector, 0, 0, base)
}

export function setCpl(core: CpuCore, cpl: number): void {
  core.state.set32(CPL, cpl)
}

/** SDM 3A §5.3: whether [offset, offset+size) is inside a segment of these attributes. Offsets are 32-bit. */
export function insideLimit(attributes: number, limit: number, offset: number, size: number): boolean {
  const last = offset + size - 1
  if ((attributes & (ATTR_CODE | ATTR_DC)) !== ATTR_DC) return last <= limit
  // Expand-down data: valid offsets lie above the limit.
  return offset > limit && last <= ((attributes & ATTR_DB) !== 0 ? 0xffffffff : 0xffff)
}

/** A stack before it becomes the current one. */
export interface Stack {
  readonly wide: boolean
  readonly base: bigint
  readonly limit: number
  readonly attributes: number
  readonly cpl: number
  /** Error code of the #SS when it has no room. */
  readonly faultCode: number
}

/** Which bits of the stack pointer the current stack segment uses: all in 64-bit mode, else by SS.B. */
export const stackMask = (core: CpuCore): bigint =>
  in64BitMode(core) ? 0xffffffffffffffffn : (core.state.attributes(SS) & ATTR_DB) !== 0 ? MASK32 : MASK16

export function currentStack(core: CpuCore, faultCode: number): Stack {
  const { state } = core
  return {
    wide: in64BitMode(core),
    base: state.base(SS),
    limit: state.limit(SS),
    attributes: state.attributes(SS),
    cpl: state.cpl,
    faultCode,
  }
}

/** Linear address of `size` bytes at a stack pointer already masked; #SS(faultCode) when outside. */
export function stackAddress(stack: Stack, pointer: bigint, size: number): bigint {
  if (stack.wide) {
    if (!isCanonical(pointer)) throw new GuestFault(SSF, stack.faultCode)
    // The last byte is canonical too unless the first stands just below the hole or the top.
    const nearEnd = lowHalf(pointer) > 0xfffffff0
    if (nearEnd && !isCanonical(BigInt.asUintN(64, pointer + BigInt(size - 1))))
      throw new GuestFault(SSF, stack.faultCode)
    return pointer
  }
  if (!insideLimit(stack.attributes, stack.limit, Number(pointer), size)) throw new GuestFault(SSF, stack.faultCode)
  return (stack.base + pointer) & MASK32
}

/** Value `index` operands above the stack pointer, plus `skip` bytes, with the current CPL's rights. */
export function readStack(core: CpuCore, stack: Stack, index: number, size: 2 | 4 | 8, skip = 0): bigint {
  return readAbove(core, stack, index * size + skip, size)
}
/** The selector in operand `index`; two bytes are read whatever the operand size. */
export const readStackSelector = (core: CpuCore, stack: Stack, index: number, size: 2 | 4 | 8, skip = 0): number =>
  Number(readAbove(core, stack, index * size + skip, 2))
function readAbove(core: CpuCore, stack: Stack, offset: number, size: 2 | 4 | 8): bigint {
  const sum = core.state.get64(RSP) + BigInt(offset)
  const pointer = stack.wide ? BigInt.asUintN(64, sum) : sum & stackMask(core)
  return core.memory.read(stackAddress(stack, pointer, size), size)
}

/**
 * Pushes `values`, first one first, below `pointer` of `stack`; returns the new pointer. Nothing is written unless all
 * of it can be: each slot is checked against the limit and for write access first. Not so of far CALLs, whose frame is
 * pushed `oneByOne`.
 */
export function pushAll(
  core: CpuCore,
  stack: Stack,
  pointer: bigint,
  mask: bigint,
  size: 2 | 4 | 8,
  values: readonly bigint[],
  oneByOne = false,
): bigint {
  const bytes = BigInt(size)
  const addresses: bigint[] = []
  const write = (address: bigint, value: bigint): void =>
    core.memory.writeAs(address, size, BigInt.asUintN(size * 8, value), stack.cpl)
  let at = pointer & mask
  for (const value of values) {
    at = (at - bytes) & mask
    const address = stackAddress(stack, at, size)
    if (oneByOne) write(address, value)
    else {
      core.memory.probeWrite(address, size, stack.cpl)
      addresses.push(address)
    }
  }
  for (const [i, address] of addresses.entries()) write(address, values[i] as bigint)
  return at
}

/** RSP with the bits that `mask` covers replaced. A 32-bit write clears the upper half. */
export function setStackPointer(core: CpuCore, pointer: bigint, mask: bigint): void {
  const { state } = core
  if (mask === MASK16) state.set64(RSP, (state.get64(RSP) & ~MASK16 & 0xffffffffffffffffn) | (pointer & MASK16))
  else state.set64(RSP, pointer & mask)
}

/** RSP0..RSP2 and IST1..IST7 of the 64-bit TSS, by byte offset: #TS(TR + EXT) beyond its limit. */
export function readTss64(core: CpuCore, offset: number, ext: number): bigint {
  const { state } = core
  if (offset + 7 > state.limit(TR)) throw new GuestFault(TS, selectorError(state.selector(TR), ext))
  return core.memory.readSystem(BigInt.asUintN(64, state.base(TR) + BigInt(offset)), 8)
}

export interface NewStack {
  readonly selector: number
  readonly pointer: bigint
  readonly descriptor: Descriptor
  readonly stack: Stack
}

/**
 * The stack for level `cpl` from a 16- or 32-bit TSS, with every check of its segment (§5.8.5, §6.12.1): #TS for a bad
 * selector, #SS when not present.
 */
export function stackFromTss(core: CpuCore, cpl: number, ext: number): NewStack {
  const { state, memory } = core
  const wide = (state.attributes(TR) & 8) !== 0
  const offset = wide ? cpl * 8 + 4 : cpl * 4 + 2
  const size = wide ? 4 : 2
  if (offset + (wide ? 5 : 3) > state.limit(TR)) throw new GuestFault(TS, selectorError(state.selector(TR), ext))
  const base = state.base(TR)
  const pointer = memory.readSystem((base + BigInt(offset)) & MASK32, size)
  const selector = Number(memory.readSystem((base + BigInt(offset + size)) & MASK32, 2))
  if (isNull(selector)) throw new GuestFault(TS, ext)
  const descriptor = readDescriptor(core, selector, TS, ext)
  const attributes = attributesOf(descriptor)
  if ((selector & 3) !== cpl || dplOf(descriptor) !== cpl || !isWritableData(attributes))
    throw new GuestFault(TS, selectorError(selector, ext))
  if (!isPresent(attributes)) throw new GuestFault(SSF, selectorError(selector, ext))
  const faultCode = selectorError(selector, ext)
  const stack = {
    wide: false,
    base: BigInt(baseOf(descriptor)),
    limit: limitOf(descriptor),
    attributes,
    cpl,
    faultCode,
  }
  return { selector, pointer, descriptor, stack }
}

/**
 * Where a transfer lands: in 64-bit code at `offset`, which must be canonical, else at its low 32 bits, inside the limit.
 * That the rest is cut off, of a 64-bit operand, is what processors do.
 */
export function landing(d: Descriptor, offset: bigint, longCode: boolean): bigint {
  const target = longCode ? offset : offset & MASK32
  if (longCode ? !isCanonical(target) : target > BigInt(limitOf(d))) throw new GuestFault(GP)
  return target
}
