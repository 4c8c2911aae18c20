/**
 * What the rows call by name (isa/host.ts): each function finds its operands in SCRATCH, does the work of one
 * instruction, and leaves a result there. GuestFault thrown from here is the instruction's fault.
 */
import type { AccessSize } from '../bus.ts'
import type { CpuCore } from '../semantics/core.ts'
import { SSE_HOST } from '../semantics/softfloat/host.ts'
import * as control from '../semantics/system/control.ts'
import { cpuid } from '../semantics/system/cpuid.ts'
import { int1, int3, into, softwareInterrupt } from '../semantics/system/exceptions.ts'
import { fpuFault, updateFpu } from '../semantics/system/fpu-blocked.ts'
import * as fpu from '../semantics/system/fpu-state.ts'
import * as io from '../semantics/system/io.ts'
import { iret } from '../semantics/system/iret.ts'
import { readMsr, writeMsr } from '../semantics/system/msr.ts'
import { checkSegment } from '../semantics/system/segment-limits.ts'
import * as segments from '../semantics/system/segments.ts'
import * as syscalls from '../semantics/system/syscalls.ts'
import { X87_HOST } from '../semantics/x87/host.ts'
import { BR, DE, GuestFault } from '../state/fault.ts'
import {
  FLAGS_AF,
  FLAGS_ARITHMETIC,
  FLAGS_CF,
  FLAGS_DF,
  FLAGS_OF,
  FLAGS_PF,
  FLAGS_SF,
  FLAGS_ZF,
} from '../state/flags.ts'
import {
  CodeMode,
  DS,
  ES,
  FS,
  GS,
  RAX,
  RBP,
  RCX,
  RDI,
  RDX,
  RFLAGS_SYSTEM,
  RSI,
  RSP,
  SCRATCH,
  SLOT_SEGMENT_BASE,
  SS,
} from '../state/layout.ts'
import { REC_DISP, REC_IMM, REC_SEGMENT, REC_WIDTH, REPEATING } from '../state/record.ts'

export type HostFunction = (record: number) => void
type Functions = Record<string, HostFunction>

const MASK64 = (1n << 64n) - 1n

export const createHostFunctions = (cpu: CpuCore, bytes: DataView): Functions => {
  const s = cpu.state
  const in0 = (): bigint => s.get64(SCRATCH)
  const in1 = (): bigint => s.get64(SCRATCH + 8)
  const low0 = (): number => s.get32(SCRATCH)
  const low1 = (): number => s.get32(SCRATCH + 8)
  const out = (value: bigint): void => s.set64(SCRATCH, value & MASK64)
  const outNumber = (value: number): void => {
    s.set32(SCRATCH, value)
    s.set32(SCRATCH + 4, 0)
  }
  const immediate = (record: number): number => bytes.getInt32(record + REC_IMM, true)
  const displacement = (record: number): number => bytes.getInt32(record + REC_DISP, true)
  /** EDX:EAX. */
  const pair = (): bigint => (BigInt(s.get32(RDX)) << 32n) | BigInt(s.get32(RAX))
  const setPair = (value: bigint): void => {
    s.set64(RAX, value & 0xffffffffn)
    s.set64(RDX, value >> 32n)
  }
  const f: Functions = {}

  // ── integer ────────────────────────────────────────────────────────────────────────────────────────────────────────

  f['div128'] = () => {
    const y = in0()
    const dividend = (s.get64(RDX) << 64n) | s.get64(RAX)
    s.set64(RAX, dividend / y)
    s.set64(RDX, dividend % y)
  }
  f['idiv128'] = () => {
    const y = BigInt.asIntN(64, in0())
    const dividend = BigInt.asIntN(128, (s.get64(RDX) << 64n) | s.get64(RAX))
    const quotient = dividend / y
    if (BigInt.asIntN(64, quotient) !== quotient) throw new GuestFault(DE)
    s.set64(RAX, BigInt.asUintN(64, quotient))
    s.set64(RDX, BigInt.asUintN(64, dividend % y))
  }
  const al = (): number => s.u8[RAX]
  const ah = (): number => s.u8[RAX + 1]
  /** Flags from an 8-bit result, CF and AF given. SDM 2A AAA ... DAS; OF stays 0. */
  const decimalFlags = (result: number, cf: boolean, af: boolean): void => {
    let ones = 0
    for (let i = 0; i < 8; i++) ones += (result >> i) & 1
    const flags =
      (cf ? FLAGS_CF : 0) |
      (af ? FLAGS_AF : 0) |
      (result === 0 ? FLAGS_ZF : 0) |
      ((result & 0x80) !== 0 ? FLAGS_SF : 0) |
      ((ones & 1) === 0 ? FLAGS_PF : 0)
    s.rflags = (s.rflags & ~FLAGS_ARITHMETIC) | flags
  }
  const adjustPacked = (sign: 1 | -1): void => {
    const old = al()
    const flags = s.rflags
    let value = old
    let cf = false
    let af = false
    if ((old & 15) > 9 || (flags & FLAGS_AF) !== 0) {
      const moved = value + sign * 6
      cf = (flags & FLAGS_CF) !== 0 || moved > 0xff || moved < 0
      value = moved & 0xff
      af = true
    }
    if (old > 0x99 || (flags & FLAGS_CF) !== 0) {
      value = (value + sign * 0x60) & 0xff
      cf = true
    } else if (sign === 1) cf = false
    s.u8[RAX] = value
    decimalFlags(value, cf, af)
  }
  f['daa'] = () => adjustPacked(1)
  f['das'] = () => adjustPacked(-1)
  const adjustUnpacked = (sign: 1 | -1): void => {
    const adjust = (al() & 15) > 9 || (s.rflags & FLAGS_AF) !== 0
    if (adjust) {
      const ax = ((ah() << 8) | al()) + sign * 0x106
      s.u8[RAX] = ax & 15
      s.u8[RAX + 1] = (ax >> 8) & 0xff
    } else s.u8[RAX] = al() & 15
    decimalFlags(al(), adjust, adjust)
  }
  f['aaa'] = () => adjustUnpacked(1)
  f['aas'] = () => adjustUnpacked(-1)
  f['aam'] = (record) => {
    const base = immediate(record) & 0xff
    if (base === 0) throw new GuestFault(DE)
    const value = al()
    s.u8[RAX + 1] = Math.floor(value / base)
    s.u8[RAX] = value % base
    decimalFlags(al(), false, false)
  }
  f['aad'] = (record) => {
    const tens = (ah() * (immediate(record) & 0xff)) & 0xff
    const ones = al()
    const value = (tens + ones) & 0xff
    s.u8[RAX] = value
    s.u8[RAX + 1] = 0
    // CF, AF and OF, which the manual leaves undefined, are the sum's (Intel).
    decimalFlags(value, tens + ones > 0xff, ((tens ^ ones ^ value) & 0x10) !== 0)
    if (((tens ^ value) & (ones ^ value) & 0x80) !== 0) s.rflags |= FLAGS_OF
  }
  f['salc'] = () => {
    s.u8[RAX] = (s.rflags & FLAGS_CF) !== 0 ? 0xff : 0
  }

  // ── flags ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  f['pushf'] = () => outNumber(Number(control.pushf(cpu, 8)))
  for (const bits of [16, 32, 64] as const) f[`popf${bits}`] = () => control.popf(cpu, in0(), (bits / 8) as 2 | 4 | 8)
  f['sahf'] = () => {
    const mask = FLAGS_SF | FLAGS_ZF | FLAGS_AF | FLAGS_PF | FLAGS_CF
    s.rflags = (s.rflags & ~mask) | (ah() & mask)
  }
  f['cmc'] = () => {
    s.rflags ^= FLAGS_CF
  }
  f['cli'] = () => control.clearInterruptFlag(cpu)
  f['sti'] = () => control.setInterruptFlag(cpu)
  f['cld'] = () => s.set32(RFLAGS_SYSTEM, s.get32(RFLAGS_SYSTEM) & ~FLAGS_DF)
  f['std'] = () => s.set32(RFLAGS_SYSTEM, s.get32(RFLAGS_SYSTEM) | FLAGS_DF)
  f['hlt'] = () => control.haltInstruction(cpu)
  f['clac'] = () => control.clearAc(cpu)
  f['stac'] = () => control.setAc(cpu)

  // ── stack frames of legacy modes and ENTER ─────────────────────────────────────────────────────────────────────────

  const stackMask = (): bigint =>
    s.codeMode === CodeMode.Bits64 ? MASK64 : (s.attributes(SS) & 0x4000) !== 0 ? 0xffffffffn : 0xffffn
  const stackLinear = (sp: bigint, size: number, write: boolean): bigint => {
    if (s.codeMode === CodeMode.Bits64) return sp
    checkSegment(s, SS, Number(sp), size, write)
    return (s.get64(SLOT_SEGMENT_BASE + SS * 8) + sp) & 0xffffffffn
  }
  const setStackPointer = (sp: bigint): void => {
    const mask = stackMask()
    s.set64(RSP, (s.get64(RSP) & ~mask & MASK64) | (sp & mask))
  }
  const enter = (size: 2 | 4 | 8, record: number): void => {
    const mask = stackMask()
    const allocate = BigInt(immediate(record) & 0xffff)
    const level = (immediate(record) >> 16) & 31
    const memory = cpu.memory
    let sp = s.get64(RSP) & mask
    const push = (value: bigint): void => {
      sp = (sp - BigInt(size)) & mask
      memory.write(stackLinear(sp, size, true), size, BigInt.asUintN(size * 8, value))
    }
    push(s.get64(RBP))
    const frame = sp
    if (level > 0) {
      let from = s.get64(RBP) & mask
      for (let i = 1; i < level; i++) {
        from = (from - BigInt(size)) & mask
        push(memory.read(stackLinear(from, size, false), size))
      }
      push(frame)
    }
    sp = (sp - allocate) & mask
    memory.probeWrite(stackLinear(sp, 1, true), 1, s.cpl)
    const old = s.get64(RBP)
    s.set64(RBP, size === 8 ? frame : size === 4 ? frame & 0xffffffffn : (old & ~0xffffn) | (frame & 0xffffn))
    setStackPointer(sp)
  }
  for (const bits of [16, 32, 64] as const) f[`enter${bits}`] = (record) => enter((bits / 8) as 2 | 4 | 8, record)
  const pushAll = (size: 2 | 4): void => {
    const mask = stackMask()
    const sp = s.get64(RSP) & mask
    const bottom = (sp - BigInt(8 * size)) & mask
    // Pushed one by one: those before a fault stay in memory, as on processors.
    for (let i = 0; i < 8; i++) {
      const at = stackLinear((sp - BigInt((i + 1) * size)) & mask, size, true)
      cpu.memory.write(at, size, BigInt.asUintN(size * 8, s.get64(i * 8)))
    }
    setStackPointer(bottom)
  }
  const popAll = (size: 2 | 4): void => {
    const mask = stackMask()
    const sp = s.get64(RSP) & mask
    // Likewise: those popped before a fault have changed.
    for (let i = 0; i < 8; i++) {
      const register = 7 - i
      const value = cpu.memory.read(stackLinear((sp + BigInt(i * size)) & mask, size, false), size)
      if (register === 4) continue
      const old = s.get64(register * 8)
      s.set64(register * 8, size === 4 ? value : (old & ~0xffffn) | value)
    }
    setStackPointer((sp + BigInt(8 * size)) & mask)
  }
  f['pusha16'] = () => pushAll(2)
  f['pusha32'] = () => pushAll(4)
  f['popa16'] = () => popAll(2)
  f['popa32'] = () => popAll(4)
  const bound = (size: 2 | 4, record: number): void => {
    const bits = size * 8
    const index = BigInt.asIntN(bits, in0())
    const at = in1()
    if (index < BigInt.asIntN(bits, cpu.memory.read(at, size))) throw new GuestFault(BR)
    // The upper bound is not looked at, nor its segment's limit, when the index is below the lower one.
    const segment = bytes.getUint8(record + REC_SEGMENT)
    const offset = (Number(at - s.base(segment)) + size) >>> 0
    checkSegment(s, segment, offset, size, false)
    if (index > BigInt.asIntN(bits, cpu.memory.read((s.base(segment) + BigInt(offset)) & 0xffffffffn, size)))
      throw new GuestFault(BR)
  }
  f['bound16'] = (record) => bound(2, record)
  f['bound32'] = (record) => bound(4, record)

  // ── segments and far transfers ─────────────────────────────────────────────────────────────────────────────────────

  f['movToSegment'] = () => segments.loadSegment(cpu, low0(), low1() & 0xffff)
  f['loadFarSegment'] = () => segments.loadSegment(cpu, low0(), low1() & 0xffff, true)
  f['movFromSegmentConstant'] = () => outNumber(s.selector(low1()))
  f['checkSegment'] = (record) => cpu.checkOperand(record, low0())
  f['checkWrite'] = (record) => {
    if (s.codeMode === CodeMode.Bits64) return
    const segment = bytes.getUint8(record + REC_SEGMENT)
    const offset = s.get32(SCRATCH + 48) - Number(s.base(segment))
    checkSegment(s, segment, offset >>> 0, s.get32(SCRATCH + 56), true)
  }
  f['displace'] = (record) => {
    const long = s.codeMode === CodeMode.Bits64
    const segment = bytes.getUint8(record + REC_SEGMENT)
    const base = long && segment < FS ? 0n : s.base(segment)
    const offset = s.get64(SCRATCH + 48) - base + s.get64(SCRATCH + 56)
    const linear = BigInt.asUintN(bytes.getUint8(record + REC_WIDTH), offset) + base
    s.set64(SCRATCH + 48, BigInt.asUintN(long ? 64 : 32, linear))
  }
  f['checkLimit'] = () => {
    const what = low1()
    checkSegment(s, what & 0xff, low0(), (what >> 8) & 0xff, what >> 16 !== 0)
  }
  for (const bits of [16, 32, 64] as const) {
    const size = (bits / 8) as 2 | 4 | 8
    f[`farJump${bits}`] = () => segments.farJump(cpu, low0() & 0xffff, in1(), size)
    f[`farCall${bits}`] = () => segments.farCall(cpu, low0() & 0xffff, in1(), size)
    f[`farReturn${bits}`] = () => segments.farReturn(cpu, 0, size)
    f[`farReturnPop${bits}`] = () => segments.farReturn(cpu, low0() & 0xffff, size)
    f[`iret${bits}`] = () => iret(cpu, size)
    f[`farJumpDirect${bits}`] = (record) =>
      segments.farJump(cpu, displacement(record) & 0xffff, BigInt(immediate(record) >>> 0), size)
    f[`farCallDirect${bits}`] = (record) =>
      segments.farCall(cpu, displacement(record) & 0xffff, BigInt(immediate(record) >>> 0), size)
    f[`lgdt${bits}`] = () => segments.loadGdt(cpu, in0(), size)
    f[`lidt${bits}`] = () => segments.loadIdt(cpu, in0(), size)
    f[`sgdt${bits}`] = () => segments.storeGdt(cpu, in0(), size)
    f[`sidt${bits}`] = () => segments.storeIdt(cpu, in0(), size)
    f[`lar${bits}`] = () => {
      const rights = segments.loadAccessRights(cpu, low1() & 0xffff)
      if (rights !== undefined) outNumber(rights)
    }
    f[`lsl${bits}`] = () => {
      const limit = segments.loadSegmentLimit(cpu, low1() & 0xffff)
      if (limit !== undefined) outNumber(limit)
    }
  }
  f['int3'] = () => int3(cpu)
  f['int'] = () => softwareInterrupt(cpu, low0() & 0xff)
  f['into'] = () => into(cpu)
  f['int1'] = () => int1(cpu)
  f['syscall'] = () => syscalls.syscall(cpu)
  f['sysret4'] = () => syscalls.sysret(cpu, 4)
  f['sysret8'] = () => syscalls.sysret(cpu, 8)
  f['sysenter'] = () => syscalls.sysenter(cpu)
  f['sysexit4'] = () => syscalls.sysexit(cpu, 4)
  f['sysexit8'] = () => syscalls.sysexit(cpu, 8)
  f['sldt'] = () => outNumber(segments.storeLdt(cpu))
  f['str'] = () => outNumber(segments.storeTaskRegister(cpu))
  f['lldt'] = () => segments.loadLdt(cpu, low0() & 0xffff)
  f['ltr'] = () => segments.loadTaskRegister(cpu, low0() & 0xffff)
  f['verr'] = () => segments.verifyRead(cpu, low0() & 0xffff)
  f['verw'] = () => segments.verifyWrite(cpu, low0() & 0xffff)
  f['protectedOnly'] = () => segments.requireProtected(cpu)
  f['privileged'] = () => io.privileged(cpu)
  f['swapgs'] = () => segments.swapGs(cpu)
  f['rdfsbase'] = () => out(segments.readSegmentBase(cpu, FS))
  f['rdgsbase'] = () => out(segments.readSegmentBase(cpu, GS))
  f['wrfsbase'] = () => segments.writeSegmentBase(cpu, FS, in0())
  f['wrgsbase'] = () => segments.writeSegmentBase(cpu, GS, in0())

  // ── control ────────────────────────────────────────────────────────────────────────────────────────────────────────

  f['smsw'] = () => out(control.storeMachineStatus(cpu))
  f['lmsw'] = () => {
    control.loadMachineStatus(cpu, low0() & 0xffff)
    updateFpu(s)
  }
  f['clts'] = () => {
    control.clearTaskSwitched(cpu)
    updateFpu(s)
  }
  f['invlpg'] = () => control.invalidatePage(cpu, in0())
  f['invpcid'] = () => control.invalidatePcid(cpu, in0(), in1())
  f['wbinvd'] = () => control.writeBackCaches(cpu)
  f['readCr'] = () => out(control.readControlRegister(cpu, low1()))
  f['writeCr'] = () => {
    control.writeControlRegister(cpu, low0(), in1())
    updateFpu(s)
  }
  f['readDr'] = () => out(control.readDebugRegister(cpu, low1()))
  f['writeDr'] = () => control.writeDebugRegister(cpu, low0(), in1())
  f['wrmsr'] = () => writeMsr(cpu, s.get32(RCX), pair())
  f['rdmsr'] = () => setPair(readMsr(cpu, s.get32(RCX)))
  f['rdtsc'] = () => setPair(io.readTimeStamp(cpu))
  f['rdtscp'] = () => {
    const { tsc, aux } = io.readTimeStampAndAux(cpu)
    setPair(tsc)
    s.set64(RCX, BigInt(aux))
  }
  f['rdpmc'] = () => setPair(io.readPerformanceCounter(cpu, s.get32(RCX)))
  f['cpuid'] = () => {
    const leaf = cpuid(cpu, s.get32(RAX), s.get32(RCX))
    s.set64(RAX, BigInt(leaf.eax >>> 0))
    s.set64(0x18, BigInt(leaf.ebx >>> 0))
    s.set64(RCX, BigInt(leaf.ecx >>> 0))
    s.set64(RDX, BigInt(leaf.edx >>> 0))
  }
  const random = (instruction: 'rdrand' | 'rdseed'): void => {
    out(io.readRandom(cpu, instruction))
    s.rflags = (s.rflags & ~FLAGS_ARITHMETIC) | FLAGS_CF
  }
  f['rdrand'] = () => random('rdrand')
  f['rdseed'] = () => random('rdseed')
  f['monitor'] = () => {
    const width = s.codeMode === CodeMode.Bits64 ? MASK64 : 0xffffffffn
    control.monitor(cpu, (s.get64(RAX) + (width === MASK64 ? 0n : s.base(DS))) & width)
  }
  f['mwait'] = () => control.mwait(cpu)
  f['xgetbv'] = () => setPair(fpu.xgetbv(cpu, s.get32(RCX)))
  f['xsetbv'] = () => fpu.xsetbv(cpu, s.get32(RCX), pair())

  // ── floating-point and vector state ────────────────────────────────────────────────────────────────────────────────

  for (const size of [4, 8] as const) {
    const area = (name: string, run: (core: CpuCore, linear: bigint, size: 4 | 8) => void): void => {
      f[`${name}${size}`] = () => {
        run(cpu, in0(), size)
        updateFpu(s)
      }
    }
    area('fxsave', fpu.fxsave)
    area('fxrstor', fpu.fxrstor)
    area('xsave', fpu.xsave)
    area('xsaveopt', fpu.xsaveopt)
    area('xrstor', fpu.xrstor)
  }
  for (const kind of ['sse', 'mmx', 'x87'] as const) f[`fpuFault.${kind}`] = () => fpuFault(s, kind)

  for (const [name, run] of Object.entries(SSE_HOST)) f[name] = (record) => void run(cpu, record)
  for (const [name, run] of Object.entries(X87_HOST))
    f[name] = (record) => {
      try {
        run(cpu, record, bytes)
      } finally {
        updateFpu(s)
      }
    }

  // ── ports ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  for (const bits of [8, 16, 32] as const) {
    const size = (bits / 8) as AccessSize
    // IN: operand 0 is the accumulator, 1 the port. OUT: the other way round.
    f[`in${bits}`] = () => outNumber(io.readPort(cpu, low1() & 0xffff, size))
    f[`out${bits}`] = () => io.writePort(cpu, low0() & 0xffff, size, mask(low1(), size))
  }
  const mask = (value: number, size: AccessSize): number =>
    size === 4 ? value >>> 0 : size === 2 ? value & 0xffff : value & 0xff

  const index = (slot: number, address: 16 | 32 | 64): bigint => BigInt.asUintN(address, s.get64(slot))
  const setIndex = (slot: number, address: 16 | 32 | 64, value: bigint): void => {
    const cut = BigInt.asUintN(address, value)
    s.set64(slot, address === 16 ? (s.get64(slot) & ~0xffffn & MASK64) | cut : cut)
  }
  for (const bits of [8, 16, 32] as const)
    for (const address of [16, 32, 64] as const)
      for (const repeat of [false, true]) {
        const size = (bits / 8) as AccessSize
        const by = (): bigint => BigInt((s.get32(RFLAGS_SYSTEM) & FLAGS_DF) !== 0 ? -size : size)
        /** One iteration; a repeated instruction is entered again until rCX is 0. The right to the port comes first. */
        const iterate = (one: () => void): void => {
          io.checkPort(cpu, s.get32(RDX) & 0xffff, size)
          if (repeat && index(RCX, address) === 0n) return
          one()
          if (!repeat) return
          const left = BigInt.asUintN(address, index(RCX, address) - 1n)
          setIndex(RCX, address, left)
          s.set32(REPEATING, left === 0n ? 0 : 1)
          if (left !== 0n) cpu.nextRip = s.rip
        }
        const name = `${bits}a${address}${repeat ? 'rep' : ''}`
        f[`ins${name}`] = () =>
          iterate(() => {
            const port = s.get32(RDX) & 0xffff
            const offset = index(RDI, address)
            if (s.codeMode !== CodeMode.Bits64) checkSegment(s, ES, Number(offset), size, true)
            const linear =
              s.codeMode === CodeMode.Bits64 ? offset : (offset + s.get64(SLOT_SEGMENT_BASE + ES * 8)) & 0xffffffffn
            cpu.memory.probeWrite(linear, size, s.cpl)
            cpu.memory.write(linear, size, BigInt(cpu.ports.read(port, size)))
            setIndex(RDI, address, offset + by())
          })
        f[`outs${name}`] = () =>
          iterate(() => {
            const port = s.get32(RDX) & 0xffff
            cpu.ports.write(port, size, Number(cpu.memory.read(in0(), size)))
            setIndex(RSI, address, index(RSI, address) + by())
          })
      }
  return f
}
