/** What rows of system instructions call: flags, segments, far transfers, control registers, FPU areas. SDM 2A-2C, 3A. */

import { FLAGS_ARITHMETIC, FLAGS_CF, FLAGS_DF } from '../../state/flags.ts'
import { CodeMode, DS, FS, GS, RAX, RBX, RCX, RDX, RFLAGS_SYSTEM, SCRATCH } from '../../state/layout.ts'
import { REC_SEGMENT, REC_WIDTH } from '../../state/record.ts'
import type { CpuCore } from '../core.ts'
import {
  displacement,
  type HostFunction,
  immediate,
  in0,
  in1,
  low0,
  low1,
  named,
  out,
  outNumber,
  pair,
  setPair,
  sized,
  word0,
  word1,
} from '../host-table.ts'
import * as control from './control.ts'
import { cpuid } from './cpuid.ts'
import { int1, int3, into, softwareInterrupt } from './exceptions.ts'
import { fpuFault, updateFpu } from './fpu-blocked.ts'
import * as fpu from './fpu-state.ts'
import * as io from './io.ts'
import { iret } from './iret.ts'
import { readMsr, writeMsr } from './msr.ts'
import { checkSegment } from './segment-limits.ts'
import * as segments from './segments.ts'
import * as syscalls from './syscalls.ts'

const ALL = [16, 32, 64] as const

export const FLAGS_HOST = {
  pushf: (core) => outNumber(core.state, Number(control.pushf(core, 8))),
  ...sized('popf', ALL, (size) => (core) => control.popf(core, in0(core.state), size)),
  cli: control.clearInterruptFlag,
  sti: control.setInterruptFlag,
  cld: ({ state: s }) => s.set32(RFLAGS_SYSTEM, s.get32(RFLAGS_SYSTEM) & ~FLAGS_DF),
  std: ({ state: s }) => s.set32(RFLAGS_SYSTEM, s.get32(RFLAGS_SYSTEM) | FLAGS_DF),
  hlt: control.haltInstruction,
  clac: control.clearAc,
  stac: control.setAc,
} satisfies Record<string, HostFunction>

/** Of the builder's own: memory operands of legacy modes (isa/builder.ts). */
export const OPERAND_HOST = {
  checkSegment: (core, record) => core.checkOperand(record, low0(core.state)),
  checkWrite: ({ state: s }, record, bytes) => {
    if (s.codeMode === CodeMode.Bits64) return
    const segment = bytes.getUint8(record + REC_SEGMENT)
    const offset = s.get32(SCRATCH + 48) - Number(s.base(segment))
    checkSegment(s, segment, offset >>> 0, s.get32(SCRATCH + 56), true)
  },
  displace: ({ state: s }, record, bytes) => {
    const long = s.codeMode === CodeMode.Bits64
    const segment = bytes.getUint8(record + REC_SEGMENT)
    const base = long && segment < FS ? 0n : s.base(segment)
    const offset = s.get64(SCRATCH + 48) - base + s.get64(SCRATCH + 56)
    const linear = BigInt.asUintN(bytes.getUint8(record + REC_WIDTH), offset) + base
    s.set64(SCRATCH + 48, BigInt.asUintN(long ? 64 : 32, linear))
  },
  checkLimit: ({ state: s }) => {
    const what = low1(s)
    checkSegment(s, what & 0xff, low0(s), (what >> 8) & 0xff, what >> 16 !== 0)
  },
} satisfies Record<string, HostFunction>

const direct =
  (transfer: typeof segments.farJump) =>
  (size: 2 | 4 | 8): HostFunction =>
  (core, record, bytes) =>
    transfer(core, displacement(bytes, record) & 0xffff, BigInt(immediate(bytes, record) >>> 0), size)
/** Answers nothing when the selector shows nothing: the destination stays. */
const inspection = (look: (core: CpuCore, selector: number) => number | undefined) => (): HostFunction => (core) => {
  const found = look(core, word1(core.state))
  if (found !== undefined) outNumber(core.state, found)
}

export const SEGMENT_HOST = {
  movToSegment: (core) => segments.loadSegment(core, low0(core.state), word1(core.state)),
  loadFarSegment: (core) => segments.loadSegment(core, low0(core.state), word1(core.state), true),
  movFromSegmentConstant: ({ state: s }) => outNumber(s, s.selector(low1(s))),
  ...sized('farJump', ALL, (size) => (core) => segments.farJump(core, word0(core.state), in1(core.state), size)),
  ...sized('farCall', ALL, (size) => (core) => segments.farCall(core, word0(core.state), in1(core.state), size)),
  ...sized('farJumpDirect', ALL, direct(segments.farJump)),
  ...sized('farCallDirect', ALL, direct(segments.farCall)),
  ...sized('farReturn', ALL, (size) => (core) => segments.farReturn(core, 0, size)),
  ...sized('farReturnPop', ALL, (size) => (core) => segments.farReturn(core, word0(core.state), size)),
  ...sized('iret', ALL, (size) => (core) => iret(core, size)),
  ...sized('lgdt', ALL, (size) => (core) => segments.loadGdt(core, in0(core.state), size)),
  ...sized('lidt', ALL, (size) => (core) => segments.loadIdt(core, in0(core.state), size)),
  ...sized('sgdt', ALL, (size) => (core) => segments.storeGdt(core, in0(core.state), size)),
  ...sized('sidt', ALL, (size) => (core) => segments.storeIdt(core, in0(core.state), size)),
  ...sized('lar', ALL, inspection(segments.loadAccessRights)),
  ...sized('lsl', ALL, inspection(segments.loadSegmentLimit)),
  int3,
  int: (core) => softwareInterrupt(core, low0(core.state) & 0xff),
  into,
  int1,
  syscall: syscalls.syscall,
  sysret4: (core) => syscalls.sysret(core, 4),
  sysret8: (core) => syscalls.sysret(core, 8),
  sysenter: syscalls.sysenter,
  sysexit4: (core) => syscalls.sysexit(core, 4),
  sysexit8: (core) => syscalls.sysexit(core, 8),
  sldt: (core) => outNumber(core.state, segments.storeLdt(core)),
  str: (core) => outNumber(core.state, segments.storeTaskRegister(core)),
  lldt: (core) => segments.loadLdt(core, word0(core.state)),
  ltr: (core) => segments.loadTaskRegister(core, word0(core.state)),
  verr: (core) => segments.verifyRead(core, word0(core.state)),
  verw: (core) => segments.verifyWrite(core, word0(core.state)),
  protectedOnly: segments.requireProtected,
  privileged: io.privileged,
  swapgs: segments.swapGs,
  rdfsbase: (core) => out(core.state, segments.readSegmentBase(core, FS)),
  rdgsbase: (core) => out(core.state, segments.readSegmentBase(core, GS)),
  wrfsbase: (core) => segments.writeSegmentBase(core, FS, in0(core.state)),
  wrgsbase: (core) => segments.writeSegmentBase(core, GS, in0(core.state)),
} satisfies Record<string, HostFunction>

const random =
  (instruction: 'rdrand' | 'rdseed'): HostFunction =>
  (core) => {
    const { state: s } = core
    out(s, io.readRandom(core, instruction))
    s.rflags = (s.rflags & ~FLAGS_ARITHMETIC) | FLAGS_CF
  }

export const CONTROL_HOST = {
  smsw: (core) => out(core.state, control.storeMachineStatus(core)),
  lmsw: (core) => {
    control.loadMachineStatus(core, word0(core.state))
    updateFpu(core.state)
  },
  clts: (core) => {
    control.clearTaskSwitched(core)
    updateFpu(core.state)
  },
  invlpg: (core) => control.invalidatePage(core, in0(core.state)),
  invpcid: (core) => control.invalidatePcid(core, in0(core.state), in1(core.state)),
  wbinvd: control.writeBackCaches,
  readCr: (core) => out(core.state, control.readControlRegister(core, low1(core.state))),
  writeCr: (core) => {
    control.writeControlRegister(core, low0(core.state), in1(core.state))
    updateFpu(core.state)
  },
  readDr: (core) => out(core.state, control.readDebugRegister(core, low1(core.state))),
  writeDr: (core) => control.writeDebugRegister(core, low0(core.state), in1(core.state)),
  wrmsr: (core) => writeMsr(core, core.state.get32(RCX), pair(core.state)),
  rdmsr: (core) => setPair(core.state, readMsr(core, core.state.get32(RCX))),
  rdtsc: (core) => setPair(core.state, io.readTimeStamp(core)),
  rdtscp: (core) => {
    const { tsc, aux } = io.readTimeStampAndAux(core)
    setPair(core.state, tsc)
    core.state.set64(RCX, BigInt(aux))
  },
  rdpmc: (core) => setPair(core.state, io.readPerformanceCounter(core, core.state.get32(RCX))),
  cpuid: (core) => {
    const { state: s } = core
    const leaf = cpuid(core, s.get32(RAX), s.get32(RCX))
    s.set64(RAX, BigInt(leaf.eax >>> 0))
    s.set64(RBX, BigInt(leaf.ebx >>> 0))
    s.set64(RCX, BigInt(leaf.ecx >>> 0))
    s.set64(RDX, BigInt(leaf.edx >>> 0))
  },
  rdrand: random('rdrand'),
  rdseed: random('rdseed'),
  monitor: (core) => {
    const { state: s } = core
    const long = s.codeMode === CodeMode.Bits64
    control.monitor(core, BigInt.asUintN(long ? 64 : 32, s.get64(RAX) + (long ? 0n : s.base(DS))))
  },
  mwait: control.mwait,
  xgetbv: (core) => setPair(core.state, fpu.xgetbv(core, core.state.get32(RCX))),
  xsetbv: (core) => fpu.xsetbv(core, core.state.get32(RCX), pair(core.state)),
} satisfies Record<string, HostFunction>

/** FXSAVE and its like, for pointers of 4 and of 8 bytes. */
const area = <N extends string>(name: N, run: (core: CpuCore, linear: bigint, size: 4 | 8) => void) =>
  named(
    [4, 8],
    (size): `${N}${4 | 8}` => `${name}${size}`,
    (size): HostFunction =>
      (core) => {
        run(core, in0(core.state), size)
        updateFpu(core.state)
      },
  )

export const FPU_HOST = {
  ...area('fxsave', fpu.fxsave),
  ...area('fxrstor', fpu.fxrstor),
  ...area('xsave', fpu.xsave),
  ...area('xsaveopt', fpu.xsaveopt),
  ...area('xrstor', fpu.xrstor),
  ...named(
    ['sse', 'mmx', 'x87'],
    (kind) => `fpuFault.${kind}` as const,
    (kind): HostFunction =>
      ({ state }) =>
        fpuFault(state, kind),
  ),
} satisfies Record<string, HostFunction>
