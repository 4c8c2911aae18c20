/**
 * Control registers (SDM 3A §2.5), debug registers (SDM 3B chapter 18), the flags that need privilege, caches, HLT and
 * MWAIT. Breakpoints are cpu.ts's. Missing: the loading of the
 * PDPTEs by MOV CR3 in PAE paging outside IA-32e mode, which the page walker reads each time instead.
 */

import { CallEventKind } from '../../call-event.ts'
import { DB, GP, GuestFault, UD } from '../../state/fault.ts'
import {
  FLAGS_AC,
  FLAGS_ARITHMETIC,
  FLAGS_DF,
  FLAGS_ID,
  FLAGS_IF,
  FLAGS_IOPL,
  FLAGS_NT,
  FLAGS_RF,
  FLAGS_TF,
  FLAGS_VM,
} from '../../state/flags.ts'
import {
  ATTR_L,
  ATTR_S,
  ATTR_TYPE,
  CR0,
  CR0_AM,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR2,
  CR3,
  CR4,
  CR4_DE,
  CR4_FSGSBASE,
  CR4_MCE,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
  CR4_OSXSAVE,
  CR4_PAE,
  CR4_PCE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  CR4_UMIP,
  CS,
  DR0,
  EFER,
  EFER_LMA,
  EFER_LME,
  RCX,
  RFLAGS_SYSTEM,
  TR,
} from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import { PHYSICAL_ADDRESS_BITS } from './cpu-model.ts'
import {
  in64BitMode,
  isCanonical,
  MASK32,
  protectedMode,
  setCpl,
  TYPE_TSS16_AVAILABLE,
  TYPE_TSS16_BUSY,
} from './descriptors.ts'
import { noteDebug } from './exceptions.ts'
import { iopl, privileged } from './io.ts'

export const CR0_DEFINED =
  BigInt((CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | 0) >>> 0) |
  BigInt(CR0_PG)
const BIT63 = 1n << 63n
const PCID_MASK = 0xfffn

/** CR4 bits every model has, and those that come with a feature. */
const CR4_BASE = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT
const CR4_BY_FEATURE: readonly (readonly [string, number])[] = [
  ['umip', CR4_UMIP],
  ['fsgsbase', CR4_FSGSBASE],
  ['pcid', CR4_PCIDE],
  ['xsave', CR4_OSXSAVE],
  ['smep', CR4_SMEP],
  ['smap', CR4_SMAP],
]
export const CR4_DEFINED = BigInt(CR4_BY_FEATURE.reduce((bits, [, bit]) => bits | bit, CR4_BASE))
/** CR4 bits whose change drops every translation, global ones too (SDM 3A §4.10.4.1). */
const CR4_FLUSHES = CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP

const DR4 = 4
const DR6 = 6
const DR7 = 7
/** DR6 as it always reads: bits 4-11 and 16-31. */
const DR6_FIXED = 0xffff0ff0n
const DR6_WRITABLE = 0xe00fn
const DR6_BD = 1 << 13
const DR7_FIXED = 0x400n
const DR7_WRITABLE = 0xffff23ffn
const DR7_GD = 1n << 13n
/** L0-L3, G0-G3. */
const DR7_ENABLES = 0xffn

/** MOV r, CRn. #UD for 1, 5-7, 9-15. */
export function readControlRegister(core: CpuCore, index: number): bigint {
  const { state } = core
  if (index !== 0 && index !== 2 && index !== 3 && index !== 4 && index !== 8) throw new GuestFault(UD)
  privileged(core)
  switch (index) {
    case 0:
      return state.get64(CR0)
    case 2:
      return state.get64(CR2)
    case 3:
      return state.get64(CR3)
    case 4:
      return state.get64(CR4)
    default:
      return BigInt(core.interrupts.cr8)
  }
}

/** MOV CRn, r. The value is zero-extended outside 64-bit mode. */
export function writeControlRegister(core: CpuCore, index: number, value: bigint): void {
  if (index !== 0 && index !== 2 && index !== 3 && index !== 4 && index !== 8) throw new GuestFault(UD)
  privileged(core)
  switch (index) {
    case 0:
      writeCr0(core, value)
      break
    case 2:
      core.state.set64(CR2, value)
      break
    case 3:
      writeCr3(core, value)
      break
    case 4:
      writeCr4(core, value)
      break
    default:
      if (value > 15n) throw new GuestFault(GP)
      core.interrupts.cr8 = Number(value)
      core.interruptsChanged()
  }
}

/** §2.5 and §9.8.5: paging needs protection, IA-32e mode needs PAE and a CS that is not 64-bit yet. */
function writeCr0(core: CpuCore, value: bigint): void {
  const { state } = core
  if (value >> 32n !== 0n) throw new GuestFault(GP)
  const next = (value & CR0_DEFINED) | BigInt(CR0_ET)
  const to = Number(next)
  const from = state.get32(CR0)
  const paging = (to & CR0_PG) !== 0
  if (paging && (to & CR0_PE) === 0) throw new GuestFault(GP)
  if ((to & CR0_NW) !== 0 && (to & CR0_CD) === 0) throw new GuestFault(GP)
  const efer = state.get32(EFER)
  const cr4 = state.get32(CR4)
  const was = (from & CR0_PG) !== 0
  if (paging && !was && (efer & EFER_LME) !== 0) {
    if ((cr4 & CR4_PAE) === 0 || (state.attributes(CS) & ATTR_L) !== 0) throw new GuestFault(GP)
    const tr = state.attributes(TR) & (ATTR_TYPE | ATTR_S)
    if (tr === TYPE_TSS16_AVAILABLE || tr === TYPE_TSS16_BUSY) throw new GuestFault(GP)
    state.set32(EFER, efer | EFER_LMA)
  } else if (!paging && was) {
    if (in64BitMode(core) || (cr4 & CR4_PCIDE) !== 0) throw new GuestFault(GP)
    state.set32(EFER, efer & ~EFER_LMA)
  }
  state.set64(CR0, next)
  const changed = from ^ to
  if ((changed & CR0_PE) !== 0 && (to & CR0_PE) === 0) setCpl(core, 0)
  if ((changed & (CR0_PG | CR0_WP | CR0_PE)) !== 0) core.flushTlb(true)
  if ((changed & (CR0_PG | CR0_PE | CR0_AM)) !== 0) core.modeChanged()
}

/** §4.5 table 4-12: bits above MAXPHYADDR are reserved; bit 63 keeps the PCID's translations, which we need not. */
function writeCr3(core: CpuCore, value: bigint): void {
  const { state } = core
  const pcide = (state.get32(CR4) & CR4_PCIDE) !== 0
  const next = pcide ? value & ~BIT63 : value
  if (next >> BigInt(PHYSICAL_ADDRESS_BITS) !== 0n) throw new GuestFault(GP)
  state.set64(CR3, next)
  core.flushTlb(false)
  core.trace(CallEventKind.AddressSpace, 0, next)
}

function writeCr4(core: CpuCore, value: bigint): void {
  const { state } = core
  let allowed = CR4_BASE
  for (const [feature, bit] of CR4_BY_FEATURE) if (core.system.model.has(feature)) allowed |= bit
  if ((value & ~BigInt(allowed)) !== 0n) throw new GuestFault(GP)
  const to = Number(value)
  const from = state.get32(CR4)
  if (state.longMode && (to & CR4_PAE) === 0) throw new GuestFault(GP)
  if ((to & CR4_PCIDE) !== 0 && (from & CR4_PCIDE) === 0)
    if (!state.longMode || (state.get64(CR3) & PCID_MASK) !== 0n) throw new GuestFault(GP)
  state.set64(CR4, value)
  if (((from ^ to) & CR4_FLUSHES) !== 0) core.flushTlb(true)
  if (((from ^ to) & CR4_DE) !== 0) core.debugRegistersChanged()
}

/** DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE (§18.2.2); any access with DR7.GD is #DB (§18.2.4). */
function debugRegister(core: CpuCore, index: number): number {
  const { state } = core
  if (index > 7) throw new GuestFault(UD)
  let number = index
  if (index === DR4 || index === 5) {
    if ((state.get32(CR4) & CR4_DE) !== 0) throw new GuestFault(UD)
    number = index + 2
  }
  privileged(core)
  if ((state.get64(DR0 + DR7 * 8) & DR7_GD) !== 0n) {
    noteDebug(core, DR6_BD)
    throw new GuestFault(DB)
  }
  return number
}

/** MOV r, DRn. */
export function readDebugRegister(core: CpuCore, index: number): bigint {
  const number = debugRegister(core, index)
  const value = core.state.get64(DR0 + number * 8)
  if (number === DR6) return (value & DR6_WRITABLE) | DR6_FIXED
  return number === DR7 ? (value & DR7_WRITABLE) | DR7_FIXED : value
}

/** MOV DRn, r. */
export function writeDebugRegister(core: CpuCore, index: number, value: bigint): void {
  const number = debugRegister(core, index)
  let next = value
  if (number === DR6 || number === DR7) {
    if (value >> 32n !== 0n) throw new GuestFault(GP)
    next = number === DR6 ? (value & DR6_WRITABLE) | DR6_FIXED : (value & DR7_WRITABLE) | DR7_FIXED
  }
  const enables = core.state.get64(DR0 + DR7 * 8) | (number === DR7 ? next : 0n)
  core.state.set64(DR0 + number * 8, next)
  if (number !== DR6 && (enables & DR7_ENABLES) !== 0n) core.debugRegistersChanged()
}

/** LMSW: PE, MP, EM and TS; it can set PE and not clear it. */
export function loadMachineStatus(core: CpuCore, value: number): void {
  privileged(core)
  const from = core.state.get64(CR0)
  const mask = BigInt(CR0_MP | CR0_EM | CR0_TS)
  writeCr0(core, (from & ~mask) | (BigInt(value) & (mask | BigInt(CR0_PE))))
}

/** SMSW: CR0, mask to the operand size. */
export function storeMachineStatus(core: CpuCore): bigint {
  if (core.state.cpl !== 0 && (core.state.get32(CR4) & CR4_UMIP) !== 0) throw new GuestFault(GP)
  return core.state.get64(CR0)
}

/** CLTS. */
export function clearTaskSwitched(core: CpuCore): void {
  privileged(core)
  core.state.set32(CR0, core.state.get32(CR0) & ~CR0_TS)
}

/** INVLPG: a non-canonical address is a NOP. */
export function invalidatePage(core: CpuCore, linear: bigint): void {
  privileged(core)
  if (isCanonical(linear)) core.invalidatePage(linear)
}

/** INVPCID, SDM 2A: type in the register, descriptor at the linear address. Without tagged translations all flush. */
export function invalidatePcid(core: CpuCore, type: bigint, linear: bigint): void {
  if (!core.system.model.has('invpcid')) throw new GuestFault(UD)
  privileged(core)
  const pcid = core.memory.read(linear, 8)
  const address = core.memory.read(BigInt.asUintN(64, linear + 8n), 8)
  if (type > 3n || (type <= 1n && pcid > PCID_MASK)) throw new GuestFault(GP)
  if (type <= 1n && pcid !== 0n && (core.state.get32(CR4) & CR4_PCIDE) === 0) throw new GuestFault(GP)
  if (type === 0n) {
    if (!isCanonical(address)) throw new GuestFault(GP)
    core.invalidatePage(address)
  } else core.flushTlb(type === 2n)
}

/** WBINVD and INVD: there are no caches to write back. */
export function writeBackCaches(core: CpuCore): void {
  privileged(core)
}

function checkIopl(core: CpuCore): void {
  if (protectedMode(core) && core.state.cpl > iopl(core)) throw new GuestFault(GP)
}

/** CLI. */
export function clearInterruptFlag(core: CpuCore): void {
  checkIopl(core)
  core.state.set32(RFLAGS_SYSTEM, core.state.get32(RFLAGS_SYSTEM) & ~FLAGS_IF)
  core.interruptsChanged()
}

/** STI: interrupts wait for the end of the next instruction if IF was clear. */
export function setInterruptFlag(core: CpuCore): void {
  checkIopl(core)
  const flags = core.state.get32(RFLAGS_SYSTEM)
  if ((flags & FLAGS_IF) !== 0) return
  core.state.set32(RFLAGS_SYSTEM, flags | FLAGS_IF)
  core.inhibitInterrupts()
  core.interruptsChanged()
}

function writeAc(core: CpuCore, set: boolean): void {
  if (!core.system.model.has('smap') || core.state.cpl !== 0) throw new GuestFault(UD)
  const flags = core.state.get32(RFLAGS_SYSTEM)
  core.state.set32(RFLAGS_SYSTEM, set ? flags | FLAGS_AC : flags & ~FLAGS_AC)
  core.modeChanged()
}

/** CLAC. */
export function clearAc(core: CpuCore): void {
  writeAc(core, false)
}

/** STAC. */
export function setAc(core: CpuCore): void {
  writeAc(core, true)
}

const POPF_ALWAYS = FLAGS_ARITHMETIC | FLAGS_TF | FLAGS_DF | FLAGS_NT

/** POPF/POPFD/POPFQ with the value popped. IOPL needs CPL 0 and IF needs CPL <= IOPL; otherwise they stay silently. */
export function popf(core: CpuCore, value: bigint, operandBytes: 2 | 4 | 8): void {
  const { state } = core
  let changeable = POPF_ALWAYS | FLAGS_RF
  if (operandBytes !== 2) changeable |= FLAGS_AC | FLAGS_ID
  const real = !protectedMode(core)
  if (real || state.cpl === 0) changeable |= FLAGS_IOPL | FLAGS_IF
  else if (state.cpl <= iopl(core)) changeable |= FLAGS_IF
  const old = state.rflags
  const image = Number(value & MASK32) & ~FLAGS_RF
  const next = (old & ~changeable) | (image & changeable)
  state.rflags = next
  const changed = old ^ next
  if ((changed & FLAGS_AC) !== 0) core.modeChanged()
  if ((changed & (FLAGS_IF | FLAGS_TF)) !== 0) core.interruptsChanged()
}

/** The value PUSHF pushes: RF and VM read 0. Mask to the operand size. */
export function pushf(core: CpuCore, _operandBytes: 2 | 4 | 8): bigint {
  return BigInt(core.state.rflags & ~(FLAGS_RF | FLAGS_VM))
}

/** HLT. */
export function haltInstruction(core: CpuCore): void {
  privileged(core)
  core.halt()
}

/** MONITOR: linear address of RAX in DS. One address at a time; no extensions, so ECX must be 0. */
export function monitor(core: CpuCore, linear: bigint): void {
  checkMwait(core)
  core.memory.read(linear, 1)
  core.system.monitored = linear
}

/** MWAIT: a HLT while the monitor is armed; taking any event disarms it. ECX bit 0 is offered only with its leaf. */
export function mwait(core: CpuCore): void {
  checkMwait(core)
  if (core.system.monitored === undefined) return
  core.system.monitored = undefined
  core.halt()
}

function checkMwait(core: CpuCore): void {
  if (!core.system.model.has('mwait') || core.state.cpl !== 0) throw new GuestFault(UD)
  if (core.state.get32(RCX) !== 0) throw new GuestFault(GP)
}
