/**
 * Delivery of exceptions and interrupts, SDM 3A chapter 6 and the INT n pages of SDM 2A.
 *
 * An event is delivered wholly or not at all: everything is checked, then the frame is written, then the registers
 * change. Missing: hardware task switching (a task gate is #GP and a log line) and virtual-8086 mode.
 */
import { hex } from '../../../base/hex.ts'
import { ARGUMENT_SOFTWARE, CallEventKind } from '../../call-event.ts'
import { AC, BP, DB, DE, DF, GP, GuestFault, MC, MF, NM, NMI, NP, OF, PF, SSF, TS, UD, XM } from '../../state/fault.ts'
import {
  FLAGS_AC,
  FLAGS_FIXED,
  FLAGS_IF,
  FLAGS_NT,
  FLAGS_OF,
  FLAGS_RF,
  FLAGS_SYSTEM,
  FLAGS_TF,
  FLAGS_VM,
} from '../../state/flags.ts'
import {
  ATTR_DB,
  ATTR_L,
  CS,
  DR0,
  IDTR_BASE,
  IDTR_LIMIT,
  REPEATING,
  RFLAGS_SYSTEM,
  RSP,
  SS,
} from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import {
  attributesOf,
  currentStack,
  dplOf,
  fillNull,
  fillSegment,
  highHalf,
  in64BitMode,
  isCanonical,
  isCode,
  isConforming,
  isNull,
  isPresent,
  limitOf,
  lowHalf,
  MASK16,
  MASK32,
  protectedMode,
  pushAll,
  readDescriptor,
  readTss64,
  selectorError,
  setAccessed,
  setCpl,
  setStackPointer,
  stackFromTss,
  stackMask,
  TYPE_INTERRUPT_GATE,
  TYPE_INTERRUPT_GATE16,
  TYPE_TASK_GATE,
  TYPE_TRAP_GATE,
  TYPE_TRAP_GATE16,
} from './descriptors.ts'

/** Error code bit: the selector index is a vector. */
const IDT_BIT = 2
/** Error code bit: the event did not come from a program's INT n, INT3 or INTO. */
const EXT_BIT = 1
const CP = 21
const VE = 20
const DR6 = DR0 + 6 * 8
const DR7 = DR0 + 7 * 8
const DR6_B = 15n
const DR6_BS = 1 << 14
const DR7_GD = 1n << 13n

const bit = (vectors: readonly number[]): number => vectors.reduce((mask, v) => mask | (1 << v), 0)
/** Vectors that push an error code, SDM 3A table 6-1. */
const WITH_ERROR_CODE = bit([DF, TS, NP, SSF, GP, PF, AC, CP])
/** Table 6-4: what makes a double fault together. */
const CONTRIBUTORY = bit([DE, TS, NP, SSF, GP, CP])
/** Aborts: RF in the pushed image stays as it was; faults push RF = 1 (§17.3.1.1). */
const ABORTS = bit([DF, MC])

const NAMES: Readonly<Record<number, string>> = {
  [DE]: '#DE',
  [DB]: '#DB',
  [NMI]: 'NMI',
  [BP]: '#BP',
  [OF]: '#OF',
  5: '#BR',
  [UD]: '#UD',
  [NM]: '#NM',
  [DF]: '#DF',
  [TS]: '#TS',
  [NP]: '#NP',
  [SSF]: '#SS',
  [GP]: '#GP',
  [PF]: '#PF',
  [MF]: '#MF',
  [AC]: '#AC',
  [MC]: '#MC',
  [XM]: '#XM',
  [CP]: '#CP',
}
const has = (mask: number, vector: number): boolean => vector < 32 && (mask & (1 << vector)) !== 0

/** "#PF(0x2)", "#UD", "interrupt 0x20". */
export const eventName = (vector: number, errorCode: number): string => {
  const name = NAMES[vector] ?? `interrupt ${hex(vector)}`
  return has(WITH_ERROR_CODE, vector) ? `${name}(${hex(errorCode)})` : name
}

/** Who raised the event: it settles EXT and whether the gate's DPL counts. */
const Source = { Hardware: 0, Software: 1, Int1: 2 } as const
type Source = (typeof Source)[keyof typeof Source]

/**
 * Delivers a fault: the return address is state.rip. Never throws; nested faults become #DF and shutdown. Execution
 * continues at nextRip.
 */
export function deliverException(core: CpuCore, vector: number, errorCode: number): void {
  deliver(core, vector, errorCode, core.state.rip, faultFlag(vector))
}

/**
 * What traps and interrupts have of RF in their frame: set within a repeated string instruction, so that its breakpoint
 * does not hit again when it goes on (SDM 3B §18.3.1.1). Otherwise clear: instructions that complete clear it.
 */
export const resumeFlag = (core: CpuCore): number => (core.state.get32(REPEATING) !== 0 ? FLAGS_RF : 0)

/**
 * DR6 of a #DB: B0 to B3 say what was met this time, the other bits only come (§18.2.3; kvm-unit-tests has found it so on
 * processors of both vendors).
 */
export function noteDebug(core: CpuCore, bits: number): void {
  core.state.set64(DR6, (core.state.get64(DR6) & ~DR6_B) | BigInt(bits))
}

/**
 * Delivers a trap raised after an instruction completed: state.rip is already the next instruction. For #DB `dr6` says
 * what it was, a single step if nothing else.
 */
export function deliverTrap(core: CpuCore, vector: number, dr6 = DR6_BS): void {
  if (vector === DB) noteDebug(core, dr6)
  deliver(core, vector, 0, core.state.rip, resumeFlag(core))
}

/** Instruction breakpoints: a fault, but RF is pushed as it is, clear, so that the handler decides (§18.3.1.1). */
export function deliverBreakpoint(core: CpuCore, dr6: number): void {
  noteDebug(core, dr6)
  deliver(core, DB, 0, core.state.rip, 0)
}

/** External interrupt: state.rip is the instruction to come back to. Never throws. */
export function deliverInterrupt(core: CpuCore, vector: number): void {
  deliver(core, vector, 0, core.state.rip, resumeFlag(core), true)
}

/** NMI: vector 2, and no further NMI until IRET (§6.7.1). Never throws. */
export function deliverNmi(core: CpuCore): void {
  core.system.nmiBlocked = true
  deliver(core, NMI, 0, core.state.rip, resumeFlag(core))
}

/** INT n. Throws GuestFault like any instruction. */
export function softwareInterrupt(core: CpuCore, vector: number): void {
  enter(core, vector, 0, false, Source.Software, core.nextRip, 0)
}

/** INT3 (CC). */
export function int3(core: CpuCore): void {
  enter(core, BP, 0, false, Source.Software, core.nextRip, 0)
}

/** INTO (CE): #OF if OF is set; #UD in 64-bit mode. */
export function into(core: CpuCore): void {
  if (in64BitMode(core)) throw new GuestFault(UD)
  if ((core.state.rflags & FLAGS_OF) !== 0) enter(core, OF, 0, false, Source.Software, core.nextRip, 0)
}

/**
 * INT1 (F1): #DB as from hardware, so no DPL check and EXT is set. It leaves DR6 alone, but what MOV SS held back comes with
 * it: one #DB, not two (kvm-unit-tests, on processors).
 */
export function int1(core: CpuCore): void {
  const held = core.takeDebugHits()
  enter(core, DB, 0, false, Source.Int1, core.nextRip, 0)
  if (held !== 0) noteDebug(core, held)
}

/** Faults come back to the instruction with RF set (§18.3.1.1); of aborts nothing comes back. */
const faultFlag = (vector: number): number => (has(ABORTS, vector) ? 0 : FLAGS_RF)

/** Delivers, turning faults on the way into further events until one arrives or the CPU shuts down (§6.15, #DF). */
function deliver(
  core: CpuCore,
  vector: number,
  errorCode: number,
  returnRip: bigint,
  resume: number,
  interrupt = false,
): void {
  let v = vector
  let e = errorCode
  // External interrupts are benign whatever their vector.
  let external = interrupt
  let rf = resume
  for (;;) {
    try {
      enter(core, v, e, !external && has(WITH_ERROR_CODE, v), Source.Hardware, returnRip, rf)
      return
    } catch (nested) {
      if (!(nested instanceof GuestFault)) throw nested
      const contributory = has(CONTRIBUTORY, nested.vector)
      if (!external) {
        if (v === DF) {
          core.shutdown(`${eventName(nested.vector, nested.errorCode)} while delivering ${eventName(DF, 0)}`)
          return
        }
        if (
          (has(CONTRIBUTORY, v) && contributory) ||
          ((v === PF || v === VE) && (contributory || nested.vector === PF))
        ) {
          v = DF
          e = 0
          rf = faultFlag(DF)
          continue
        }
      }
      v = nested.vector
      e = nested.errorCode
      external = false
      rf = faultFlag(v)
    }
  }
}

/** Calls the handler of `vector`. Throws GuestFault with nothing changed. */
function enter(
  core: CpuCore,
  vector: number,
  errorCode: number,
  pushError: boolean,
  source: Source,
  returnRip: bigint,
  rf: number,
): void {
  const { state } = core
  if (!protectedMode(core)) enterReal(core, vector, source, returnRip)
  else if (state.longMode) enterLong(core, vector, errorCode, pushError, source, returnRip, rf)
  else enterLegacy(core, vector, errorCode, pushError, source, returnRip, rf)
  if (vector === DB && source !== Source.Software) state.set64(DR7, state.get64(DR7) & ~DR7_GD)
  // A handler may write the monitored line: MWAIT must not sleep through it (§9.10.4).
  core.system.monitored = undefined
  // TF was cleared: no trap between INT n and its handler.
  if (source !== Source.Hardware) core.stepAfter(false)
  core.modeChanged()
  core.interruptsChanged()
  core.trace(CallEventKind.Interrupt, source === Source.Software ? vector | ARGUMENT_SOFTWARE : vector, returnRip)
}

/** §6.12.1.3: TF, NT, RF and VM are cleared, and IF when the gate is an interrupt gate. Arithmetic flags stay. */
function maskFlags(core: CpuCore, clearIf: boolean): void {
  const { state } = core
  const clear = FLAGS_TF | FLAGS_NT | FLAGS_RF | FLAGS_VM | (clearIf ? FLAGS_IF : 0)
  state.set32(RFLAGS_SYSTEM, state.get32(RFLAGS_SYSTEM) & FLAGS_SYSTEM & ~clear)
}

/** IA-32e mode, SDM 3A §6.14: 16-byte gates, IST, SS:RSP always pushed, RSP aligned to 16. */
function enterLong(
  core: CpuCore,
  vector: number,
  errorCode: number,
  pushError: boolean,
  source: Source,
  returnRip: bigint,
  rf: number,
): void {
  const { state, memory } = core
  const ext = source === Source.Software ? 0 : EXT_BIT
  const gateError = vector * 8 + IDT_BIT + ext
  if (vector * 16 + 15 > (state.get32(IDTR_LIMIT) & 0xffff)) throw new GuestFault(GP, gateError)
  const gate = BigInt.asUintN(64, state.get64(IDTR_BASE) + BigInt(vector * 16))
  const first = memory.readSystem(gate, 8)
  const upper = memory.readSystem(BigInt.asUintN(64, gate + 8n), 8)
  const low = lowHalf(first)
  const high = highHalf(first)
  const type = (high >>> 8) & 0x1f
  if (type !== TYPE_INTERRUPT_GATE && type !== TYPE_TRAP_GATE) throw new GuestFault(GP, gateError)
  if (source === Source.Software && ((high >>> 13) & 3) < state.cpl) throw new GuestFault(GP, gateError)
  if ((high & 0x8000) === 0) throw new GuestFault(NP, gateError)

  const selector = low >>> 16
  if (isNull(selector)) throw new GuestFault(GP, ext)
  const code = readDescriptor(core, selector, GP, ext)
  const attributes = attributesOf(code)
  const selectorCode = selectorError(selector, ext)
  if (!isCode(attributes) || dplOf(code) > state.cpl || (attributes & (ATTR_L | ATTR_DB)) !== ATTR_L)
    throw new GuestFault(GP, selectorCode)
  if (!isPresent(attributes)) throw new GuestFault(NP, selectorCode)

  const cpl = isConforming(attributes) ? state.cpl : dplOf(code)
  const inner = cpl < state.cpl
  const ist = high & 7
  let rsp = state.get64(RSP)
  if (ist !== 0) rsp = readTss64(core, 28 + ist * 8, ext)
  else if (inner) rsp = readTss64(core, 4 + cpl * 8, ext)
  if (!isCanonical(rsp)) throw new GuestFault(SSF, ext)

  const handler = ((upper & MASK32) << 32n) | BigInt(((high & 0xffff0000) | (low & 0xffff)) >>> 0)
  if (!isCanonical(handler)) throw new GuestFault(GP, ext)
  const oldRsp = state.get64(RSP)
  const bytes = pushError ? 48 : 40
  const top = BigInt.asUintN(64, (rsp & ~0xfn) - BigInt(bytes))
  if (!isCanonical(top)) throw new GuestFault(SSF, ext)
  // CR2 names the first push that fails: they go downwards, and the frame is aligned.
  const highest = top + BigInt(bytes - 8)
  memory.probeWrite(highest, 8, cpl)
  if (highest >> 12n !== top >> 12n) memory.probeWrite((highest & ~0xfffn) - 8n, 8, cpl)
  setAccessed(core, code)

  let at = top
  if (pushError) {
    memory.writeAs(at, 8, BigInt(errorCode), cpl)
    at += 8n
  }
  memory.writeAs(at, 8, returnRip, cpl)
  memory.writeAs(at + 8n, 8, BigInt(state.selector(CS)), cpl)
  memory.writeAs(at + 16n, 8, BigInt(state.rflags | rf), cpl)
  memory.writeAs(at + 24n, 8, oldRsp, cpl)
  memory.writeAs(at + 32n, 8, BigInt(state.selector(SS)), cpl)

  if (inner) fillNull(core, SS, cpl)
  state.set64(RSP, top)
  fillSegment(core, CS, (selector & 0xfffc) | cpl, code)
  setCpl(core, cpl)
  maskFlags(core, type === TYPE_INTERRUPT_GATE)
  core.nextRip = handler
}

/** Legacy protected mode, §6.12.1: 8-byte gates of 16 or 32 bits. */
function enterLegacy(
  core: CpuCore,
  vector: number,
  errorCode: number,
  pushError: boolean,
  source: Source,
  returnRip: bigint,
  rf: number,
): void {
  const { state, memory } = core
  const ext = source === Source.Software ? 0 : EXT_BIT
  const gateError = vector * 8 + IDT_BIT + ext
  if (vector * 8 + 7 > (state.get32(IDTR_LIMIT) & 0xffff)) throw new GuestFault(GP, gateError)
  const raw = memory.readSystem((state.get64(IDTR_BASE) + BigInt(vector * 8)) & MASK32, 8)
  const low = Number(raw & MASK32)
  const high = Number(raw >> 32n)
  const type = (high >>> 8) & 0x1f
  const wide = type === TYPE_INTERRUPT_GATE || type === TYPE_TRAP_GATE
  const narrow = type === TYPE_INTERRUPT_GATE16 || type === TYPE_TRAP_GATE16
  if (!wide && !narrow && type !== TYPE_TASK_GATE) throw new GuestFault(GP, gateError)
  if (source === Source.Software && ((high >>> 13) & 3) < state.cpl) throw new GuestFault(GP, gateError)
  if ((high & 0x8000) === 0) throw new GuestFault(NP, gateError)
  if (type === TYPE_TASK_GATE) {
    core.log(`task gate in the IDT at vector ${hex(vector)}: hardware task switching is not supported`)
    throw new GuestFault(GP, gateError)
  }

  const selector = low >>> 16
  if (isNull(selector)) throw new GuestFault(GP, ext)
  const code = readDescriptor(core, selector, GP, ext)
  const attributes = attributesOf(code)
  if (!isCode(attributes) || dplOf(code) > state.cpl) throw new GuestFault(GP, selectorError(selector, ext))
  if (!isPresent(attributes)) throw new GuestFault(NP, selectorError(selector, ext))

  const handler = BigInt((wide ? (high & 0xffff0000) | (low & 0xffff) : low & 0xffff) >>> 0)
  const cpl = isConforming(attributes) ? state.cpl : dplOf(code)
  const size = wide ? 4 : 2
  const values = [BigInt(state.rflags | rf), BigInt(state.selector(CS)), returnRip]
  if (pushError) values.push(BigInt(errorCode))
  if (cpl < state.cpl) {
    const next = stackFromTss(core, cpl, ext)
    const mask = (next.stack.attributes & ATTR_DB) !== 0 ? MASK32 : MASK16
    if (handler > BigInt(limitOf(code))) throw new GuestFault(GP, ext)
    setAccessed(core, next.descriptor)
    setAccessed(core, code)
    values.unshift(BigInt(state.selector(SS)), state.get64(RSP))
    const pointer = pushAll(core, next.stack, next.pointer, mask, size, values)
    fillSegment(core, SS, next.selector, next.descriptor)
    state.set64(RSP, mask === MASK16 ? (next.pointer & 0xffff0000n) | pointer : pointer)
  } else {
    const stack = currentStack(core, ext)
    const mask = stackMask(core)
    if (handler > BigInt(limitOf(code))) throw new GuestFault(GP, ext)
    setAccessed(core, code)
    setStackPointer(core, pushAll(core, stack, state.get64(RSP), mask, size, values), mask)
  }
  fillSegment(core, CS, (selector & 0xfffc) | cpl, code)
  setCpl(core, cpl)
  maskFlags(core, type === TYPE_INTERRUPT_GATE || type === TYPE_INTERRUPT_GATE16)
  core.nextRip = handler
}

/** Real-address mode, SDM 3B §20.1.4: far pointers from IDTR.base, a frame of three words, no error code. */
function enterReal(core: CpuCore, vector: number, source: Source, returnRip: bigint): void {
  const { state, memory } = core
  if (vector * 4 + 3 > (state.get32(IDTR_LIMIT) & 0xffff))
    throw new GuestFault(GP, vector * 8 + IDT_BIT + (source === Source.Software ? 0 : EXT_BIT))
  const entry = Number(memory.readSystem((state.get64(IDTR_BASE) + BigInt(vector * 4)) & MASK32, 4))
  const values = [BigInt(state.rflags & 0xffff), BigInt(state.selector(CS)), returnRip]
  const mask = stackMask(core)
  const pointer = pushAll(core, currentStack(core, 0), state.get64(RSP), mask, 2, values)
  setStackPointer(core, pointer, mask)
  const selector = entry >>> 16
  state.setSegment(CS, selector, state.attributes(CS), state.limit(CS), BigInt(selector << 4))
  state.rflags = (state.rflags & ~(FLAGS_IF | FLAGS_TF | FLAGS_AC | FLAGS_RF)) | FLAGS_FIXED
  core.nextRip = BigInt(entry & 0xffff)
}
