/**
 * x87 and SSE state in memory: FXSAVE (SDM 1 §10.5.1), FSAVE/FSTENV (SDM 1 figures 8-9 to 8-12), XSAVE (SDM 1 chapter
 * 13, standard format, x87 and SSE). Arithmetic is elsewhere.
 *
 * In the processor the tag word is complete (two bits for each physical register) but only "empty" is trusted: valid,
 * zero and special are found from the contents when the word is stored, as processors do.
 */

import type { CpuState } from '../../state/cpu-state.ts'
import { GP, GuestFault, MF, NM, UD } from '../../state/fault.ts'
import { FLAGS_VM } from '../../state/flags.ts'
import {
  CR0,
  CR0_EM,
  CR0_MP,
  CR0_PE,
  CR0_TS,
  CR4,
  CR4_OSFXSR,
  CR4_OSXSAVE,
  FCS,
  FCW,
  FDP,
  FDS,
  FIP,
  FOP,
  FPR,
  FSW,
  FTW,
  MXCSR,
  RAX,
  RFLAGS_SYSTEM,
  XCR0,
  XMM,
} from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import { XCR0_SUPPORTED } from './cpu-model.ts'
import { in64BitMode, MASK32 } from './descriptors.ts'
import { privileged } from './io.ts'

/** Defined MXCSR bits, DAZ included; what FXSAVE stores as MXCSR_MASK. */
export const MXCSR_MASK = 0xffff
const MXCSR_INIT = 0x1f80
const FCW_INIT = 0x037f
/** FCW bits that can be written; bit 6 reads 1. */
const FCW_DEFINED = 0x1f3f
const FCW_FIXED = 0x40
const FSW_EXCEPTIONS = 0x3f
const FSW_ES = 0x80
const FSW_B = 0x8000
const TAGS_EMPTY = 0xffff
const TAG_VALID = 0
const TAG_ZERO = 1
const TAG_SPECIAL = 2
const TAG_EMPTY = 3

// FXSAVE area.
const FX_MXCSR = 24
const FX_MXCSR_MASK = 28
const FX_ST = 32
const FX_XMM = 160
const FX_BYTES = 512
/** Bytes that FXSAVE leaves alone begin after XMM7 or XMM15. */
const FX_END_32 = FX_XMM + 8 * 16
const FX_END_64 = FX_XMM + 16 * 16
const ST_BYTES = 10

// XSAVE area.
const XSTATE_BV = 512
const XCOMP_BV = 520
const XSAVE_HEADER_BYTES = 64
const XSTATE_X87 = 1
const XSTATE_SSE = 2

/** On its way between registers and guest memory. Not shared between calls that overlap: there are none. */
const area = new Uint8Array(FX_BYTES + XSAVE_HEADER_BYTES)
const view = new DataView(area.buffer)
const fxArea = area.subarray(0, FX_BYTES)
const fxArea32 = area.subarray(0, FX_END_32)
const fxArea64 = area.subarray(0, FX_END_64)
const xmmArea32 = area.subarray(FX_XMM, FX_END_32)
const xmmArea64 = area.subarray(FX_XMM, FX_END_64)
const headerArea = area.subarray(FX_BYTES, FX_BYTES + XSAVE_HEADER_BYTES)
const x87Area = area.subarray(0, FX_MXCSR)
const stArea = area.subarray(FX_ST, FX_XMM)
const mxcsrArea = area.subarray(FX_MXCSR, FX_ST)
const xstateBvArea = area.subarray(XSTATE_BV, XSTATE_BV + 8)

/** #NM of x87 instructions: EM or TS; WAIT: TS with MP (SDM 3A table 13-1). */
export function checkFpu(core: CpuCore, wait: boolean): void {
  const cr0 = core.state.get32(CR0)
  const blocked = wait ? (cr0 & (CR0_MP | CR0_TS)) === (CR0_MP | CR0_TS) : (cr0 & (CR0_EM | CR0_TS)) !== 0
  if (blocked) throw new GuestFault(NM)
}

/** #MF of waiting x87 instructions and WAIT: an unmasked exception is pending. */
export function checkPendingFpu(core: CpuCore): void {
  if ((core.state.view.getUint16(FSW, true) & FSW_ES) !== 0) throw new GuestFault(MF)
}

/** #UD/#NM of SSE instructions: EM or no OSFXSR, then TS. */
export function checkSse(core: CpuCore): void {
  const cr0 = core.state.get32(CR0)
  if ((cr0 & CR0_EM) !== 0 || (core.state.get32(CR4) & CR4_OSFXSR) === 0) throw new GuestFault(UD)
  if ((cr0 & CR0_TS) !== 0) throw new GuestFault(NM)
}

/** Tag of a physical register from its contents. */
function contentTag(state: CpuState, register: number): number {
  const at = FPR + register * 16
  const exponent = state.view.getUint16(at + 8, true) & 0x7fff
  const high = state.view.getUint32(at + 4, true)
  if (exponent === 0x7fff) return TAG_SPECIAL
  if (exponent === 0) return high === 0 && state.view.getUint32(at, true) === 0 ? TAG_ZERO : TAG_SPECIAL
  return high >>> 31 !== 0 ? TAG_VALID : TAG_SPECIAL
}

/** The tag word with every register that is not empty classified by its contents. */
export function fullTagWord(state: CpuState): number {
  const tags = state.view.getUint16(FTW, true)
  let full = 0
  for (let i = 0; i < 8; i++) {
    const empty = ((tags >> (i * 2)) & 3) === TAG_EMPTY
    full |= (empty ? TAG_EMPTY : contentTag(state, i)) << (i * 2)
  }
  return full
}

/** FXSAVE's form: a bit for each register that is not empty. */
function abridgedTags(state: CpuState): number {
  const tags = state.view.getUint16(FTW, true)
  let abridged = 0
  for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== TAG_EMPTY) abridged |= 1 << i
  return abridged
}

/** Control and status words as loaded: FCW's fixed bits, and ES and B as the masks now have them. */
function setControlAndStatus(state: CpuState, fcw: number, fsw: number): void {
  const control = (fcw & FCW_DEFINED) | FCW_FIXED
  const pending = (fsw & ~control & FSW_EXCEPTIONS) !== 0
  state.view.setUint16(FCW, control, true)
  state.view.setUint16(FSW, pending ? fsw | FSW_ES | FSW_B : fsw & ~(FSW_ES | FSW_B), true)
}

function initX87(state: CpuState): void {
  state.view.setUint16(FCW, FCW_INIT, true)
  state.view.setUint16(FSW, 0, true)
  state.view.setUint16(FTW, TAGS_EMPTY, true)
  state.view.setUint16(FOP, 0, true)
  state.set64(FIP, 0n)
  state.set64(FDP, 0n)
  state.view.setUint16(FCS, 0, true)
  state.view.setUint16(FDS, 0, true)
}

/** Bytes 0-23 and 32-159 of the area from the registers. */
function gatherX87(state: CpuState, operandBytes: 4 | 8): void {
  const v = state.view
  x87Area.fill(0)
  stArea.fill(0)
  view.setUint16(0, v.getUint16(FCW, true), true)
  const fsw = v.getUint16(FSW, true)
  view.setUint16(2, fsw, true)
  view.setUint8(4, abridgedTags(state))
  view.setUint16(6, v.getUint16(FOP, true) & 0x7ff, true)
  view.setUint32(8, v.getUint32(FIP, true), true)
  view.setUint32(16, v.getUint32(FDP, true), true)
  if (operandBytes === 8) {
    view.setUint32(12, v.getUint32(FIP + 4, true), true)
    view.setUint32(20, v.getUint32(FDP + 4, true), true)
  } else {
    view.setUint16(12, v.getUint16(FCS, true), true)
    view.setUint16(20, v.getUint16(FDS, true), true)
  }
  const top = (fsw >> 11) & 7
  for (let i = 0; i < 8; i++) {
    const from = FPR + ((top + i) & 7) * 16
    const to = FX_ST + i * 16
    view.setUint32(to, v.getUint32(from, true), true)
    view.setUint32(to + 4, v.getUint32(from + 4, true), true)
    view.setUint16(to + 8, v.getUint16(from + 8, true), true)
  }
}

/** The same the other way. */
function scatterX87(state: CpuState, operandBytes: 4 | 8): void {
  const v = state.view
  const fsw = view.getUint16(2, true)
  setControlAndStatus(state, view.getUint16(0, true), fsw)
  v.setUint16(FOP, view.getUint16(6, true) & 0x7ff, true)
  v.setUint32(FIP, view.getUint32(8, true), true)
  v.setUint32(FDP, view.getUint32(16, true), true)
  v.setUint32(FIP + 4, operandBytes === 8 ? view.getUint32(12, true) : 0, true)
  v.setUint32(FDP + 4, operandBytes === 8 ? view.getUint32(20, true) : 0, true)
  v.setUint16(FCS, operandBytes === 8 ? 0 : view.getUint16(12, true), true)
  v.setUint16(FDS, operandBytes === 8 ? 0 : view.getUint16(20, true), true)
  const top = (fsw >> 11) & 7
  const abridged = view.getUint8(4)
  let tags = 0
  for (let i = 0; i < 8; i++) {
    const register = (top + i) & 7
    const from = FX_ST + i * 16
    const to = FPR + register * 16
    v.setUint32(to, view.getUint32(from, true), true)
    v.setUint32(to + 4, view.getUint32(from + 4, true), true)
    v.setUint16(to + 8, view.getUint16(from + 8, true), true)
    tags |= ((abridged & (1 << register)) === 0 ? TAG_EMPTY : contentTag(state, register)) << (register * 2)
  }
  v.setUint16(FTW, tags, true)
}

/** XMM0-7, or XMM0-15 in 64-bit mode. */
function gatherXmm(core: CpuCore): void {
  const count = in64BitMode(core) ? 16 : 8
  const { u32 } = core.state
  for (let i = 0; i < count * 4; i++) view.setUint32(FX_XMM + i * 4, u32[XMM / 4 + i], true)
}

function scatterXmm(core: CpuCore): void {
  core.state.u8.set(in64BitMode(core) ? xmmArea64 : xmmArea32, XMM)
}

function checkMxcsr(value: number): void {
  if ((value & ~MXCSR_MASK) !== 0) throw new GuestFault(GP)
}

function setMxcsr(core: CpuCore, value: number): void {
  core.state.set32(MXCSR, value)
}

/** FXSAVE and FXRSTOR: #UD with EM, #NM with TS, #GP(0) off a 16-byte boundary. */
function checkFx(core: CpuCore, linear: bigint): void {
  const cr0 = core.state.get32(CR0)
  if ((cr0 & CR0_EM) !== 0) throw new GuestFault(UD)
  if ((cr0 & CR0_TS) !== 0) throw new GuestFault(NM)
  if ((linear & 15n) !== 0n) throw core.memory.misaligned(linear)
}

const plus = (linear: bigint, offset: number): bigint => BigInt.asUintN(64, linear + BigInt(offset))

/**
 * Which bytes of a long operand are looked at first shows in CR2. Intel's processors check its two ends before they read
 * or write any of it: of FXSAVE's area the last byte, then the first; of an environment the first element, then the last
 * byte.
 */
function checkArea(core: CpuCore, linear: bigint, write: boolean): void {
  core.memory.probe(plus(linear, FX_BYTES - 1), 1, write)
  core.memory.probe(linear, 1, write)
}
function checkEnvironment(core: CpuCore, linear: bigint, element: 2 | 4, bytes: number, write: boolean): void {
  core.memory.probe(linear, element, write)
  core.memory.probe(plus(linear, bytes - 1), 1, write)
}

/** FXSAVE; 8 with REX.W (FXSAVE64). */
export function fxsave(core: CpuCore, linear: bigint, operandBytes: 4 | 8): void {
  checkFx(core, linear)
  // All 512 bytes are the operand, those too that stay as they are.
  checkArea(core, linear, true)
  gatherX87(core.state, operandBytes)
  view.setUint32(FX_MXCSR, core.state.get32(MXCSR), true)
  view.setUint32(FX_MXCSR_MASK, MXCSR_MASK, true)
  gatherXmm(core)
  core.memory.writeBlock(linear, in64BitMode(core) ? fxArea64 : fxArea32)
}

/** FXRSTOR. */
export function fxrstor(core: CpuCore, linear: bigint, operandBytes: 4 | 8): void {
  checkFx(core, linear)
  checkArea(core, linear, false)
  core.memory.readBlock(linear, fxArea)
  const mxcsr = view.getUint32(FX_MXCSR, true)
  checkMxcsr(mxcsr)
  scatterX87(core.state, operandBytes)
  setMxcsr(core, mxcsr)
  scatterXmm(core)
}

const realLayout = (core: CpuCore): boolean =>
  (core.state.get32(CR0) & CR0_PE) === 0 || (core.state.get32(RFLAGS_SYSTEM) & FLAGS_VM) !== 0

const environmentBytes = (operandBytes: 2 | 4): number => operandBytes * 7

/** The environment at the start of the area. In the 32-bit form the upper halves of the three words read ones. */
function gatherEnvironment(core: CpuCore, operandBytes: 2 | 4): void {
  const v = core.state.view
  const fcw = v.getUint16(FCW, true)
  const fsw = v.getUint16(FSW, true)
  const ftw = fullTagWord(core.state)
  const fip = v.getUint32(FIP, true)
  const fdp = v.getUint32(FDP, true)
  const fop = v.getUint16(FOP, true) & 0x7ff
  const real = realLayout(core)
  const code = real ? ((fip >>> 16) << 12) | fop : 0
  if (operandBytes === 4) {
    view.setUint32(0, 0xffff0000 | fcw, true)
    view.setUint32(4, 0xffff0000 | fsw, true)
    view.setUint32(8, 0xffff0000 | ftw, true)
    view.setUint32(12, real ? 0xffff0000 | (fip & 0xffff) : fip, true)
    view.setUint32(16, real ? code & 0x0fffffff : v.getUint16(FCS, true) | (fop << 16), true)
    view.setUint32(20, real ? 0xffff0000 | (fdp & 0xffff) : fdp, true)
    view.setUint32(24, real ? ((fdp >>> 16) << 12) & 0x0fffffff : 0xffff0000 | v.getUint16(FDS, true), true)
    return
  }
  view.setUint16(0, fcw, true)
  view.setUint16(2, fsw, true)
  view.setUint16(4, ftw, true)
  view.setUint16(6, fip & 0xffff, true)
  view.setUint16(8, real ? code & 0xffff : v.getUint16(FCS, true), true)
  view.setUint16(10, fdp & 0xffff, true)
  view.setUint16(12, real ? ((fdp >>> 16) << 12) & 0xffff : v.getUint16(FDS, true), true)
}

function scatterEnvironment(core: CpuCore, operandBytes: 2 | 4): void {
  const v = core.state.view
  const n = operandBytes
  const real = realLayout(core)
  setControlAndStatus(core.state, view.getUint16(0, true), view.getUint16(n, true))
  v.setUint16(FTW, view.getUint16(2 * n, true), true)
  let fip = n === 4 ? view.getUint32(12, true) : view.getUint16(6, true)
  let fdp = n === 4 ? view.getUint32(20, true) : view.getUint16(10, true)
  const code = n === 4 ? view.getUint32(16, true) : view.getUint16(8, true)
  const data = n === 4 ? view.getUint32(24, true) : view.getUint16(12, true)
  if (real) {
    fip = ((fip & 0xffff) | ((code >>> 12) << 16)) >>> 0
    fdp = ((fdp & 0xffff) | ((data >>> 12) << 16)) >>> 0
    v.setUint16(FOP, code & 0x7ff, true)
  } else if (n === 4) v.setUint16(FOP, (code >>> 16) & 0x7ff, true)
  v.setUint32(FIP, fip, true)
  v.setUint32(FIP + 4, 0, true)
  v.setUint32(FDP, fdp, true)
  v.setUint32(FDP + 4, 0, true)
  v.setUint16(FCS, real ? 0 : code & 0xffff, true)
  v.setUint16(FDS, real ? 0 : data & 0xffff, true)
}

/** FNSTENV: stores, then masks every exception. */
export function fstenv(core: CpuCore, linear: bigint, operandBytes: 2 | 4): void {
  checkFpu(core, false)
  const bytes = environmentBytes(operandBytes)
  checkEnvironment(core, linear, operandBytes, bytes, true)
  gatherEnvironment(core, operandBytes)
  core.memory.writeBlock(linear, area.subarray(0, bytes))
  const { view: v } = core.state
  setControlAndStatus(core.state, v.getUint16(FCW, true) | FSW_EXCEPTIONS, v.getUint16(FSW, true))
}

/** FLDENV. */
export function fldenv(core: CpuCore, linear: bigint, operandBytes: 2 | 4): void {
  checkFpu(core, false)
  const bytes = environmentBytes(operandBytes)
  checkEnvironment(core, linear, operandBytes, bytes, false)
  core.memory.readBlock(linear, area.subarray(0, bytes))
  scatterEnvironment(core, operandBytes)
}

/** FNSAVE, operand size 2 or 4; then FNINIT. */
export function fsave(core: CpuCore, linear: bigint, operandBytes: 2 | 4): void {
  checkFpu(core, false)
  const { view: v } = core.state
  const start = environmentBytes(operandBytes)
  checkEnvironment(core, linear, operandBytes, start + 8 * ST_BYTES, true)
  gatherEnvironment(core, operandBytes)
  const top = (v.getUint16(FSW, true) >> 11) & 7
  for (let i = 0; i < 8; i++) {
    const from = FPR + ((top + i) & 7) * 16
    for (let b = 0; b < ST_BYTES; b += 2) view.setUint16(start + i * ST_BYTES + b, v.getUint16(from + b, true), true)
  }
  core.memory.writeBlock(linear, area.subarray(0, start + 8 * ST_BYTES))
  initX87(core.state)
}

/** FRSTOR. */
export function frstor(core: CpuCore, linear: bigint, operandBytes: 2 | 4): void {
  checkFpu(core, false)
  const { view: v } = core.state
  const start = environmentBytes(operandBytes)
  checkEnvironment(core, linear, operandBytes, start + 8 * ST_BYTES, false)
  core.memory.readBlock(linear, area.subarray(0, start + 8 * ST_BYTES))
  scatterEnvironment(core, operandBytes)
  const top = (v.getUint16(FSW, true) >> 11) & 7
  for (let i = 0; i < 8; i++) {
    const to = FPR + ((top + i) & 7) * 16
    for (let b = 0; b < ST_BYTES; b += 2) v.setUint16(to + b, view.getUint16(start + i * ST_BYTES + b, true), true)
  }
}

/** FNINIT: the registers keep their contents. */
export function fninit(core: CpuCore): void {
  checkFpu(core, false)
  initX87(core.state)
}

function checkXsave(core: CpuCore, linear: bigint): void {
  if ((core.state.get32(CR4) & CR4_OSXSAVE) === 0) throw new GuestFault(UD)
  if ((core.state.get32(CR0) & CR0_TS) !== 0) throw new GuestFault(NM)
  if ((linear & 63n) !== 0n) throw core.memory.misaligned(linear)
}

/** Requested-feature bitmap: XCR0 and EDX:EAX, whose upper half XCR0 never has. */
const requested = (core: CpuCore): number => core.state.get32(XCR0) & core.state.get32(RAX)

/** Of the legacy region only what is asked for is looked at: x87's part, or MXCSR alone. */
function checkLegacyRegion(core: CpuCore, linear: bigint, rfbm: number, write: boolean): void {
  if ((rfbm & XSTATE_X87) !== 0) core.memory.probe(linear, 1, write)
  else if ((rfbm & XSTATE_SSE) !== 0) core.memory.probe(plus(linear, FX_MXCSR), 1, write)
}

/** XSAVE, standard format: only what is requested is written, and XSTATE_BV (SDM 1 §13.7). */
export function xsave(core: CpuCore, linear: bigint, operandBytes: 4 | 8): void {
  checkXsave(core, linear)
  const { memory, state } = core
  const rfbm = requested(core)
  memory.probe(plus(linear, FX_BYTES + XSAVE_HEADER_BYTES - 1), 1, true)
  checkLegacyRegion(core, linear, rfbm, true)
  memory.readBlock(plus(linear, XSTATE_BV), xstateBvArea)
  if ((rfbm & XSTATE_X87) !== 0) {
    gatherX87(state, operandBytes)
    memory.writeBlock(linear, x87Area)
    memory.writeBlock(plus(linear, FX_ST), stArea)
  }
  if ((rfbm & XSTATE_SSE) !== 0) {
    view.setUint32(FX_MXCSR, state.get32(MXCSR), true)
    view.setUint32(FX_MXCSR_MASK, MXCSR_MASK, true)
    memory.writeBlock(plus(linear, FX_MXCSR), mxcsrArea)
    gatherXmm(core)
    memory.writeBlock(plus(linear, FX_XMM), in64BitMode(core) ? xmmArea64 : xmmArea32)
  }
  // Both components always count as in use: their initial configuration is not tracked (§13.6).
  view.setUint32(XSTATE_BV, view.getUint32(XSTATE_BV, true) | rfbm, true)
  memory.writeBlock(plus(linear, XSTATE_BV), xstateBvArea)
}

/** XSAVEOPT: allowed to save what has not changed, and does. */
export function xsaveopt(core: CpuCore, linear: bigint, operandBytes: 4 | 8): void {
  if (!core.system.model.has('xsaveopt')) throw new GuestFault(UD)
  xsave(core, linear, operandBytes)
}

/** XRSTOR, standard format (SDM 1 §13.8.1): a component not in XSTATE_BV goes to its initial configuration. */
export function xrstor(core: CpuCore, linear: bigint, operandBytes: 4 | 8): void {
  checkXsave(core, linear)
  const { memory, state } = core
  const rfbm = requested(core)
  // XCOMP_BV says which format it is, and is looked at first; the legacy region before anything is checked. CR2 tells.
  memory.probe(plus(linear, XCOMP_BV), 8, false)
  checkLegacyRegion(core, linear, rfbm, false)
  memory.readBlock(plus(linear, XSTATE_BV), headerArea)
  const present = view.getUint32(XSTATE_BV, true)
  if ((present & ~state.get32(XCR0)) !== 0 || view.getUint32(XSTATE_BV + 4, true) !== 0) throw new GuestFault(GP)
  // The compacted format (bit 63 of XCOMP_BV) is not offered, and bytes 23:8 of the header are reserved.
  for (let at = XCOMP_BV; at < XSTATE_BV + 24; at += 4) if (view.getUint32(at, true) !== 0) throw new GuestFault(GP)
  if ((rfbm & (XSTATE_X87 | XSTATE_SSE)) !== 0) memory.readBlock(linear, fxArea)
  const mxcsr = view.getUint32(FX_MXCSR, true)
  // MXCSR is loaded whenever SSE is requested, whatever XSTATE_BV says.
  if ((rfbm & XSTATE_SSE) !== 0) checkMxcsr(mxcsr)
  if ((rfbm & XSTATE_X87) !== 0) {
    if ((present & XSTATE_X87) !== 0) scatterX87(state, operandBytes)
    else {
      initX87(state)
      state.u8.fill(0, FPR, FPR + 8 * 16)
    }
  }
  if ((rfbm & XSTATE_SSE) !== 0) {
    setMxcsr(core, mxcsr)
    if ((present & XSTATE_SSE) !== 0) scatterXmm(core)
    else state.u8.fill(0, XMM, XMM + (in64BitMode(core) ? 16 : 8) * 16)
  }
}

/** XGETBV of ECX. */
export function xgetbv(core: CpuCore, index: number): bigint {
  if ((core.state.get32(CR4) & CR4_OSXSAVE) === 0) throw new GuestFault(UD)
  if (index !== 0) throw new GuestFault(GP)
  return core.state.get64(XCR0)
}

/** XSETBV of ECX: x87 always, and only components that leaf 0xd offers. */
export function xsetbv(core: CpuCore, index: number, value: bigint): void {
  if ((core.state.get32(CR4) & CR4_OSXSAVE) === 0) throw new GuestFault(UD)
  privileged(core)
  if (index !== 0 || (value & 1n) === 0n || (value & ~BigInt(XCR0_SUPPORTED)) !== 0n) throw new GuestFault(GP)
  core.state.set64(XCR0, value & MASK32)
}

/** LDMXCSR with the value read. */
export function loadMxcsr(core: CpuCore, value: number): void {
  checkSse(core)
  checkMxcsr(value)
  setMxcsr(core, value)
}

/** Power-on x87 and SSE state, SDM 3A table 10-1. */
export function resetFpu(state: CpuState): void {
  state.u8.fill(0, XMM, XMM + 16 * 16)
  state.u8.fill(0, FPR, FPR + 8 * 16)
  initX87(state)
  state.view.setUint16(FCW, 0x40, true)
  state.view.setUint16(FTW, 0x5555, true)
  state.set32(MXCSR, MXCSR_INIT)
  state.set64(XCR0, 1n)
}
