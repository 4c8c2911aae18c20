/**
 * Segment registers and descriptor tables: loads, far transfers, LAR and its kin. SDM 3A chapters 3, 5 and 8 and the
 * instruction pages. Missing: task gates and TSS targets (hardware task switching), refused with #GP(selector) and a
 * log line in legacy mode; IA-32e mode has none (§8.7).
 */

import { GP, GuestFault, NP, SSF, UD } from '../../state/fault.ts'
import { FLAGS_ZF } from '../../state/flags.ts'
import {
  ATTR_CODE,
  ATTR_DB,
  ATTR_L,
  ATTR_RW,
  ATTR_S,
  CodeMode,
  CR4,
  CR4_FSGSBASE,
  CR4_UMIP,
  CS,
  FS,
  GDTR_BASE,
  GDTR_LIMIT,
  GS,
  IDTR_BASE,
  IDTR_LIMIT,
  LDTR,
  RSP,
  SLOT_GS_BASE,
  SS,
  TR,
} from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import {
  attributesOf,
  baseOf,
  currentStack,
  type Descriptor,
  dplOf,
  fillNull,
  fillSegment,
  findDescriptor,
  in64BitMode,
  isCanonical,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isWritableData,
  landing,
  limitOf,
  MASK16,
  MASK32,
  protectedMode,
  pushAll,
  readDescriptor,
  readStack,
  readStackSelector,
  readTss64,
  readUpperHalf,
  type Stack,
  selectorError,
  setAccessed,
  setCpl,
  setStackPointer,
  stackFromTss,
  stackMask,
  systemType,
  TYPE_BUSY_BIT,
  TYPE_CALL_GATE,
  TYPE_CALL_GATE16,
  TYPE_LDT,
  TYPE_TASK_GATE,
  TYPE_TSS_AVAILABLE,
  TYPE_TSS_BUSY,
  TYPE_TSS16_AVAILABLE,
  TYPE_TSS16_BUSY,
  virtual8086,
} from './descriptors.ts'
import { privileged } from './io.ts'
import { checkReturnCode, checkReturnStack, dropInnerSegments, fillReturnStack } from './returns.ts'

/** #UD where a protected-mode instruction meets real or virtual-8086 mode. */
export function requireProtected(core: CpuCore): void {
  if (!protectedMode(core) || virtual8086(core)) throw new GuestFault(UD)
}

function checkUmip(core: CpuCore): void {
  if (core.state.cpl !== 0 && (core.state.get32(CR4) & CR4_UMIP) !== 0) throw new GuestFault(GP)
}

/**
 * MOV Sreg, POP Sreg, LDS...: not CS. A load of SS other than by LSS inhibits interrupts and #DB for one instruction
 * (SDM 3A §6.8.3).
 */
export function loadSegment(core: CpuCore, segment: number, selector: number, withOffset = false): void {
  const { state } = core
  if (!protectedMode(core)) {
    state.setSegment(segment, selector, state.attributes(segment), state.limit(segment), BigInt(selector << 4))
  } else if (segment === SS) loadStackSegment(core, selector)
  else loadDataSegment(core, segment, selector)
  core.modeChanged()
  if (segment === SS && !withOffset) core.inhibitInterrupts(true)
}

function loadStackSegment(core: CpuCore, selector: number): void {
  const { cpl } = core.state
  const rpl = selector & 3
  if (isNull(selector)) {
    if (!in64BitMode(core) || cpl === 3 || rpl !== cpl) throw new GuestFault(GP)
    fillNull(core, SS, selector)
    return
  }
  const d = readDescriptor(core, selector, GP)
  const attributes = attributesOf(d)
  if (rpl !== cpl || !isWritableData(attributes) || dplOf(d) !== cpl) throw new GuestFault(GP, selectorError(selector))
  if (!isPresent(attributes)) throw new GuestFault(SSF, selectorError(selector))
  setAccessed(core, d)
  fillSegment(core, SS, selector, d)
}

function loadDataSegment(core: CpuCore, segment: number, selector: number): void {
  const { state } = core
  if (isNull(selector)) {
    // A null FS or GS clears the base on Intel and keeps it on AMD (APM 2 §4.5.3).
    const keep = segment >= FS && state.longMode && core.system.model.vendor === 'amd'
    fillNull(core, segment, selector, keep ? state.base(segment) : 0n)
    return
  }
  const d = readDescriptor(core, selector, GP)
  const attributes = attributesOf(d)
  const code = isCode(attributes)
  if ((attributes & ATTR_S) === 0 || (code && (attributes & ATTR_RW) === 0))
    throw new GuestFault(GP, selectorError(selector))
  if (!(code && isConforming(attributes)) && ((selector & 3) > dplOf(d) || state.cpl > dplOf(d)))
    throw new GuestFault(GP, selectorError(selector))
  if (!isPresent(attributes)) throw new GuestFault(NP, selectorError(selector))
  setAccessed(core, d)
  fillSegment(core, segment, selector, d)
}

const longCodeOf = (core: CpuCore, attributes: number): boolean => core.state.longMode && (attributes & ATTR_L) !== 0

const truncate = (offset: bigint, operandBytes: 2 | 4 | 8): bigint =>
  operandBytes === 2 ? offset & MASK16 : operandBytes === 4 ? offset & MASK32 : offset

/** A code segment named directly by JMP or CALL: conforming DPL <= CPL, nonconforming DPL = CPL and RPL <= CPL. */
function checkDirectCode(core: CpuCore, selector: number, d: Descriptor): void {
  const attributes = attributesOf(d)
  const { cpl } = core.state
  const error = selectorError(selector)
  if (core.state.longMode && (attributes & (ATTR_L | ATTR_DB)) === (ATTR_L | ATTR_DB)) throw new GuestFault(GP, error)
  if (isConforming(attributes) ? dplOf(d) > cpl : (selector & 3) > cpl || dplOf(d) !== cpl)
    throw new GuestFault(GP, error)
  if (!isPresent(attributes)) throw new GuestFault(NP, error)
}

function farReal(core: CpuCore, selector: number, offset: bigint): void {
  const { state } = core
  state.setSegment(CS, selector, state.attributes(CS), state.limit(CS), BigInt(selector << 4))
  core.nextRip = offset
  core.modeChanged()
}

interface Gate {
  readonly selector: number
  readonly offset: bigint
  readonly size: 2 | 4 | 8
  readonly parameters: number
  readonly code: Descriptor
}

/** A call gate and the code segment behind it; `jump`: JMP may not change the level (SDM 2A JMP, CALL). */
function readCallGate(core: CpuCore, selector: number, gate: Descriptor, type: number, jump: boolean): Gate {
  const { state } = core
  const error = selectorError(selector)
  if (dplOf(gate) < state.cpl || dplOf(gate) < (selector & 3)) throw new GuestFault(GP, error)
  const size = state.longMode ? 8 : type === TYPE_CALL_GATE ? 4 : 2
  const upper = size === 8 ? readUpperHalf(core, gate, GP) : 0
  if (!isPresent(attributesOf(gate))) throw new GuestFault(NP, error)
  const target = gate.low >>> 16
  if (isNull(target)) throw new GuestFault(GP)
  const code = readDescriptor(core, target, GP)
  const attributes = attributesOf(code)
  const dpl = dplOf(code)
  if (!isCode(attributes) || dpl > state.cpl) throw new GuestFault(GP, selectorError(target))
  if (jump && !isConforming(attributes) && dpl !== state.cpl) throw new GuestFault(GP, selectorError(target))
  if (size === 8 && (attributes & (ATTR_L | ATTR_DB)) !== ATTR_L) throw new GuestFault(GP, selectorError(target))
  if (!isPresent(attributes)) throw new GuestFault(NP, selectorError(target))
  const low = (gate.low & 0xffff) | (size === 2 ? 0 : gate.high & 0xffff0000)
  const offset = (BigInt(upper) << 32n) | BigInt(low >>> 0)
  return { selector: target, offset, size, parameters: gate.high & 0x1f, code }
}

/** Tells a call gate from what far transfers refuse. */
function gateType(core: CpuCore, selector: number, d: Descriptor): number {
  const type = systemType(d)
  if (type === TYPE_CALL_GATE || (type === TYPE_CALL_GATE16 && !core.state.longMode)) return type
  if (!core.state.longMode && (type === TYPE_TASK_GATE || type === TYPE_TSS_AVAILABLE || type === TYPE_TSS16_AVAILABLE))
    core.log('far transfer to a task: hardware task switching is not supported')
  throw new GuestFault(GP, selectorError(selector))
}

/** Far JMP. */
export function farJump(core: CpuCore, selector: number, offset: bigint, operandBytes: 2 | 4 | 8): void {
  const { state } = core
  const to = truncate(offset, operandBytes)
  if (!protectedMode(core)) {
    if (to > BigInt(state.limit(CS))) throw new GuestFault(GP)
    farReal(core, selector, to)
    return
  }
  if (isNull(selector)) throw new GuestFault(GP)
  const d = readDescriptor(core, selector, GP)
  let code = d
  let target = to
  let cs = selector
  if (isCode(attributesOf(d))) checkDirectCode(core, selector, d)
  else {
    const gate = readCallGate(core, selector, d, gateType(core, selector, d), true)
    code = gate.code
    target = gate.offset
    cs = gate.selector
  }
  const longCode = longCodeOf(core, attributesOf(code))
  core.nextRip = landing(code, target, longCode)
  setAccessed(core, code)
  // Compatibility mode has no upper half of RSP.
  if (!longCode && in64BitMode(core)) state.set64(RSP, state.get64(RSP) & MASK32)
  fillSegment(core, CS, (cs & 0xfffc) | state.cpl, code)
  core.modeChanged()
}

/** Far CALL. */
export function farCall(core: CpuCore, selector: number, offset: bigint, operandBytes: 2 | 4 | 8): void {
  const { state } = core
  const to = truncate(offset, operandBytes)
  const mask = stackMask(core)
  const here = [BigInt(state.selector(CS)), core.nextRip]
  if (!protectedMode(core)) {
    if (to > BigInt(state.limit(CS))) throw new GuestFault(GP)
    setStackPointer(core, pushAll(core, currentStack(core, 0), state.get64(RSP), mask, operandBytes, here), mask)
    farReal(core, selector, to)
    return
  }
  if (isNull(selector)) throw new GuestFault(GP)
  const d = readDescriptor(core, selector, GP)
  if (!isCode(attributesOf(d))) {
    callThroughGate(core, readCallGate(core, selector, d, gateType(core, selector, d), false))
    return
  }
  checkDirectCode(core, selector, d)
  // The frame is written before the target is looked at, as of a near CALL (isa/rows/control.ts), and on the way from
  // 64-bit mode to compatibility mode where that has its stack: at the low 32 bits of RSP.
  const longCode = longCodeOf(core, attributesOf(d))
  const reach = longCode ? mask : mask & MASK32
  const pointer = pushAll(core, currentStack(core, 0), state.get64(RSP), reach, operandBytes, here, true)
  core.nextRip = landing(d, to, longCode)
  setAccessed(core, d)
  setStackPointer(core, pointer, reach)
  fillSegment(core, CS, (selector & 0xfffc) | state.cpl, d)
  core.modeChanged()
}

function callThroughGate(core: CpuCore, gate: Gate): void {
  const { state } = core
  const attributes = attributesOf(gate.code)
  const cpl = isConforming(attributes) ? state.cpl : dplOf(gate.code)
  const target = landing(gate.code, gate.size === 2 ? gate.offset & MASK16 : gate.offset, longCodeOf(core, attributes))
  const cs = BigInt(state.selector(CS))
  if (cpl === state.cpl) {
    // A 64-bit gate pushes 8 bytes each even from compatibility mode, on a stack addressed as 64-bit.
    const stack = gate.size === 8 ? longStack(cpl) : currentStack(core, 0)
    const mask = gate.size === 8 ? 0xffffffffffffffffn : stackMask(core)
    setAccessed(core, gate.code)
    setStackPointer(core, pushAll(core, stack, state.get64(RSP), mask, gate.size, [cs, core.nextRip]), mask)
  } else if (gate.size === 8) {
    const rsp = readTss64(core, 4 + cpl * 8, 0)
    setAccessed(core, gate.code)
    const frame = [BigInt(state.selector(SS)), state.get64(RSP), cs, core.nextRip]
    state.set64(RSP, pushAll(core, longStack(cpl), rsp, 0xffffffffffffffffn, 8, frame))
    fillNull(core, SS, cpl)
  } else {
    const next = stackFromTss(core, cpl, 0)
    const mask = (next.stack.attributes & ATTR_DB) !== 0 ? MASK32 : MASK16
    const old = currentStack(core, 0)
    const frame = [BigInt(state.selector(SS)), state.get64(RSP)]
    for (let i = gate.parameters - 1; i >= 0; i--) frame.push(readStack(core, old, i, gate.size))
    frame.push(cs, core.nextRip)
    setAccessed(core, next.descriptor)
    setAccessed(core, gate.code)
    const pointer = pushAll(core, next.stack, next.pointer, mask, gate.size, frame)
    fillSegment(core, SS, next.selector, next.descriptor)
    state.set64(RSP, mask === MASK16 ? (next.pointer & 0xffff0000n) | pointer : pointer)
  }
  fillSegment(core, CS, (gate.selector & 0xfffc) | cpl, gate.code)
  setCpl(core, cpl)
  core.nextRip = target
  core.modeChanged()
}

const longStack = (cpl: number): Stack => ({ wide: true, base: 0n, limit: 0, attributes: 0, cpl, faultCode: 0 })

/** Far RET; `release` is imm16, 0 without. */
export function farReturn(core: CpuCore, release: number, operandBytes: 2 | 4 | 8): void {
  const { state } = core
  const size = operandBytes
  const stack = currentStack(core, 0)
  const mask = stackMask(core)
  // In the order of Intel's processors, which CR2 tells.
  const selector = readStackSelector(core, stack, 1, size)
  const rip = readStack(core, stack, 0, size)
  const step = BigInt(2 * size + release)
  if (!protectedMode(core)) {
    if (rip > BigInt(state.limit(CS))) throw new GuestFault(GP)
    setStackPointer(core, state.get64(RSP) + step, mask)
    farReal(core, selector, rip)
    return
  }
  const code = checkReturnCode(core, selector)
  const cpl = selector & 3
  const longCode = longCodeOf(core, attributesOf(code))
  if (cpl > state.cpl) {
    const rsp = readStack(core, stack, 2, size, release)
    const ss = readStackSelector(core, stack, 3, size, release)
    const stackSegment = checkReturnStack(core, ss, cpl, longCode)
    core.nextRip = landing(code, rip, longCode)
    setAccessed(core, code)
    if (stackSegment !== undefined) setAccessed(core, stackSegment)
    fillReturnStack(core, ss, stackSegment)
    const wide = stackSegment !== undefined && (attributesOf(stackSegment) & ATTR_DB) !== 0
    const newMask = longCode ? 0xffffffffffffffffn : wide ? MASK32 : MASK16
    setStackPointer(core, rsp + BigInt(release), newMask)
    dropInnerSegments(core, cpl)
  } else {
    core.nextRip = landing(code, rip, longCode)
    setAccessed(core, code)
    setStackPointer(core, state.get64(RSP) + step, mask)
  }
  fillSegment(core, CS, selector, code)
  setCpl(core, cpl)
  core.modeChanged()
}

/** LLDT. */
export function loadLdt(core: CpuCore, selector: number): void {
  requireProtected(core)
  privileged(core)
  if (isNull(selector)) {
    fillNull(core, LDTR, selector)
    return
  }
  if ((selector & 4) !== 0) throw new GuestFault(GP, selectorError(selector))
  const d = readDescriptor(core, selector, GP)
  if (systemType(d) !== TYPE_LDT) throw new GuestFault(GP, selectorError(selector))
  const upper = core.state.longMode ? readUpperHalf(core, d, GP) : 0
  if (!isPresent(attributesOf(d))) throw new GuestFault(NP, selectorError(selector))
  const base = (BigInt(upper) << 32n) | BigInt(baseOf(d))
  if (!isCanonical(base)) throw new GuestFault(GP, selectorError(selector))
  core.state.setSegment(LDTR, selector, attributesOf(d), limitOf(d), base)
}

/** LTR: the TSS must be available and becomes busy, in memory too. */
export function loadTaskRegister(core: CpuCore, selector: number): void {
  requireProtected(core)
  privileged(core)
  if (isNull(selector)) throw new GuestFault(GP)
  if ((selector & 4) !== 0) throw new GuestFault(GP, selectorError(selector))
  const d = readDescriptor(core, selector, GP)
  const type = systemType(d)
  const { longMode } = core.state
  if (type !== TYPE_TSS_AVAILABLE && !(type === TYPE_TSS16_AVAILABLE && !longMode))
    throw new GuestFault(GP, selectorError(selector))
  const upper = longMode ? readUpperHalf(core, d, GP) : 0
  if (!isPresent(attributesOf(d))) throw new GuestFault(NP, selectorError(selector))
  const base = (BigInt(upper) << 32n) | BigInt(baseOf(d))
  if (!isCanonical(base)) throw new GuestFault(GP, selectorError(selector))
  const attributes = attributesOf(d) | TYPE_BUSY_BIT
  core.memory.writeSystem(BigInt.asUintN(64, d.address + 5n), 1, BigInt(attributes & 0xff))
  core.state.setSegment(TR, selector, attributes, limitOf(d), base)
}

/** SLDT. */
export function storeLdt(core: CpuCore): number {
  requireProtected(core)
  checkUmip(core)
  return core.state.selector(LDTR)
}

/** STR. */
export function storeTaskRegister(core: CpuCore): number {
  requireProtected(core)
  checkUmip(core)
  return core.state.selector(TR)
}

function loadTable(core: CpuCore, linear: bigint, operandBytes: 2 | 4 | 8, baseAt: number, limitAt: number): void {
  privileged(core)
  const long = core.state.codeMode === CodeMode.Bits64
  const limit = core.memory.read(linear, 2)
  let base = core.memory.read(BigInt.asUintN(64, linear + 2n), long ? 8 : 4)
  if (!long && operandBytes === 2) base &= 0xffffffn
  if (long && !isCanonical(base)) throw new GuestFault(GP)
  core.state.set64(baseAt, base)
  core.state.set32(limitAt, Number(limit))
}

/** LGDT; operandBytes 2 keeps 24 bits of base. In 64-bit mode the base has 8 bytes whatever the operand size. */
export function loadGdt(core: CpuCore, linear: bigint, operandBytes: 2 | 4 | 8): void {
  loadTable(core, linear, operandBytes, GDTR_BASE, GDTR_LIMIT)
}

/** LIDT, likewise. */
export function loadIdt(core: CpuCore, linear: bigint, operandBytes: 2 | 4 | 8): void {
  loadTable(core, linear, operandBytes, IDTR_BASE, IDTR_LIMIT)
}

function storeTable(core: CpuCore, linear: bigint, baseAt: number, limitAt: number): void {
  checkUmip(core)
  const long = core.state.codeMode === CodeMode.Bits64
  core.memory.probeWrite(linear, long ? 10 : 6, core.state.cpl)
  // As the level's own writes, but not subject to alignment checks in two parts.
  core.memory.writeAs(linear, 2, BigInt(core.state.get32(limitAt) & 0xffff), core.state.cpl)
  const base = core.state.get64(baseAt)
  const value = long ? base : base & MASK32
  core.memory.writeAs(BigInt.asUintN(64, linear + 2n), long ? 8 : 4, value, core.state.cpl)
}

/** SGDT. With a 16-bit operand all 32 bits of base are stored, as every processor since the 80386 does. */
export function storeGdt(core: CpuCore, linear: bigint, _operandBytes: 2 | 4 | 8): void {
  storeTable(core, linear, GDTR_BASE, GDTR_LIMIT)
}

/** SIDT. */
export function storeIdt(core: CpuCore, linear: bigint, _operandBytes: 2 | 4 | 8): void {
  storeTable(core, linear, IDTR_BASE, IDTR_LIMIT)
}

function setZf(core: CpuCore, set: boolean): void {
  const flags = core.state.rflags
  core.state.rflags = set ? flags | FLAGS_ZF : flags & ~FLAGS_ZF
}

/** Whether `selector`'s DPL lets both CPL and RPL at it; conforming code lets everybody. */
function visible(core: CpuCore, selector: number, d: Descriptor): boolean {
  const attributes = attributesOf(d)
  if (isCode(attributes) && isConforming(attributes)) return true
  return dplOf(d) >= core.state.cpl && dplOf(d) >= (selector & 3)
}

function lookUp(core: CpuCore, selector: number): Descriptor | undefined {
  requireProtected(core)
  return isNull(selector) ? undefined : findDescriptor(core, selector)
}

/** VERR: ZF says whether the segment is readable from here. */
export function verifyRead(core: CpuCore, selector: number): void {
  const d = lookUp(core, selector)
  const attributes = d === undefined ? 0 : attributesOf(d)
  const readable = (attributes & ATTR_S) !== 0 && ((attributes & ATTR_CODE) === 0 || (attributes & ATTR_RW) !== 0)
  setZf(core, d !== undefined && readable && visible(core, selector, d))
}

/** VERW: ZF says whether the segment is writable from here. */
export function verifyWrite(core: CpuCore, selector: number): void {
  const d = lookUp(core, selector)
  setZf(core, d !== undefined && isWritableData(attributesOf(d)) && visible(core, selector, d))
}

const types = (list: readonly number[]): number => list.reduce((mask, type) => mask | (1 << type), 0)
// System types that LAR and LSL accept, SDM 2A tables 3-52 and 3-64.
const LSL_LEGACY = types([TYPE_TSS16_AVAILABLE, TYPE_LDT, TYPE_TSS16_BUSY, TYPE_TSS_AVAILABLE, TYPE_TSS_BUSY])
const LAR_LEGACY = LSL_LEGACY | types([TYPE_CALL_GATE16, TYPE_TASK_GATE, TYPE_CALL_GATE])
const LSL_LONG = types([TYPE_LDT, TYPE_TSS_AVAILABLE, TYPE_TSS_BUSY])
const LAR_LONG = LSL_LONG | types([TYPE_CALL_GATE])

function inspect(core: CpuCore, selector: number, legacy: number, long: number): Descriptor | undefined {
  const d = lookUp(core, selector)
  const type = d === undefined ? undefined : systemType(d)
  const accepted = type === undefined || ((core.state.longMode ? long : legacy) & (1 << type)) !== 0
  const found = d !== undefined && accepted && visible(core, selector, d) ? d : undefined
  setZf(core, found !== undefined)
  return found
}

/** LAR: sets ZF; undefined leaves the destination alone. Mask to the operand size. */
export function loadAccessRights(core: CpuCore, selector: number): number | undefined {
  const d = inspect(core, selector, LAR_LEGACY, LAR_LONG)
  return d === undefined ? undefined : (d.high & 0x00f0ff00) >>> 0
}

/** LSL: likewise, the limit in bytes. */
export function loadSegmentLimit(core: CpuCore, selector: number): number | undefined {
  const d = inspect(core, selector, LSL_LEGACY, LSL_LONG)
  return d === undefined ? undefined : limitOf(d)
}

/** ARPL: sets ZF and returns the destination. Not in 64-bit mode (the decoder knows MOVSXD). */
export function adjustRpl(core: CpuCore, destination: number, source: number): number {
  requireProtected(core)
  const lower = (destination & 3) < (source & 3)
  setZf(core, lower)
  return lower ? (destination & 0xfffc) | (source & 3) : destination
}

/** SWAPGS: #UD outside 64-bit mode, #GP(0) outside level 0. */
export function swapGs(core: CpuCore): void {
  const { state, system } = core
  if (!in64BitMode(core)) throw new GuestFault(UD)
  privileged(core)
  const base = state.get64(SLOT_GS_BASE)
  state.set64(SLOT_GS_BASE, system.kernelGsBase)
  system.kernelGsBase = base
  core.modeChanged()
}

function checkFsGsBase(core: CpuCore): void {
  if (!in64BitMode(core) || (core.state.get32(CR4) & CR4_FSGSBASE) === 0) throw new GuestFault(UD)
}

/** RDFSBASE/RDGSBASE; segment is FS or GS. */
export function readSegmentBase(core: CpuCore, segment: number): bigint {
  checkFsGsBase(core)
  return core.state.base(segment === GS ? GS : FS)
}

/** WRFSBASE/WRGSBASE; a 32-bit operand comes zero-extended. */
export function writeSegmentBase(core: CpuCore, segment: number, base: bigint): void {
  checkFsGsBase(core)
  if (!isCanonical(base)) throw new GuestFault(GP)
  core.state.setBase(segment === GS ? GS : FS, base)
  core.modeChanged()
}
