/** Privilege checks, port permission (SDM 1 §19.5), and the counters and random numbers a program may read. */

import { GP, GuestFault, UD } from '../../state/fault.ts'
import { FLAGS_IOPL, FLAGS_IOPL_SHIFT, FLAGS_VM } from '../../state/flags.ts'
import { ATTR_P, ATTR_TYPE, CR4, CR4_PCE, CR4_TSD, RFLAGS_SYSTEM, TR } from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import { protectedMode, TYPE_TSS_AVAILABLE, TYPE_TSS_BUSY } from './descriptors.ts'

/** Where a 32- or 64-bit TSS holds the offset of its I/O permission bitmap. */
const TSS_IO_MAP_BASE = 102

/** #GP(0) unless CPL is 0. */
export function privileged(core: CpuCore): void {
  if (core.state.cpl !== 0) throw new GuestFault(GP)
}

export const iopl = (core: CpuCore): number => (core.state.get32(RFLAGS_SYSTEM) & FLAGS_IOPL) >> FLAGS_IOPL_SHIFT

/** #GP(0) unless IOPL or the TSS bitmap lets this CPL at the port. */
export function checkPort(core: CpuCore, port: number, size: 1 | 2 | 4): void {
  const { state, memory } = core
  core.portAccessed(port, size)
  if (!protectedMode(core)) return
  if (state.cpl <= iopl(core) && (state.get32(RFLAGS_SYSTEM) & FLAGS_VM) === 0) return
  const attributes = state.attributes(TR)
  const type = attributes & ATTR_TYPE
  if ((attributes & ATTR_P) === 0 || (type !== TYPE_TSS_BUSY && type !== TYPE_TSS_AVAILABLE)) throw new GuestFault(GP)
  const limit = state.limit(TR)
  if (limit < TSS_IO_MAP_BASE + 1) throw new GuestFault(GP)
  const base = state.base(TR)
  const map = Number(memory.readSystem(BigInt.asUintN(64, base + BigInt(TSS_IO_MAP_BASE)), 2))
  // Two bytes are always read, so the map needs a byte of ones after its last (§19.5.2).
  const at = map + (port >> 3)
  if (at + 1 > limit) throw new GuestFault(GP)
  const bits = Number(memory.readSystem(BigInt.asUintN(64, base + BigInt(at)), 2))
  if (((bits >> (port & 7)) & ((1 << size) - 1)) !== 0) throw new GuestFault(GP)
}

/** IN: permission, then the bus. */
export function readPort(core: CpuCore, port: number, size: 1 | 2 | 4): number {
  checkPort(core, port, size)
  return core.ports.read(port, size)
}

/** OUT. */
export function writePort(core: CpuCore, port: number, size: 1 | 2 | 4, value: number): void {
  checkPort(core, port, size)
  core.ports.write(port, size, value)
}

function checkTimeStamp(core: CpuCore): void {
  if (core.state.cpl !== 0 && (core.state.get32(CR4) & CR4_TSD) !== 0) throw new GuestFault(GP)
}

/** RDTSC. */
export function readTimeStamp(core: CpuCore): bigint {
  checkTimeStamp(core)
  return core.outside.readTsc()
}

/** RDTSCP: also IA32_TSC_AUX, for ECX. */
export function readTimeStampAndAux(core: CpuCore): { readonly tsc: bigint; readonly aux: number } {
  if (!core.system.model.has('rdtscp')) throw new GuestFault(UD)
  checkTimeStamp(core)
  return { tsc: core.outside.readTsc(), aux: Number(core.system.tscAux) }
}

/** RDPMC: there are no performance counters, so every index is #GP(0). */
export function readPerformanceCounter(core: CpuCore, index: number): bigint {
  if (core.state.cpl === 0 || (core.state.get32(CR4) & CR4_PCE) !== 0)
    core.log(`RDPMC of counter ${index}: no performance counters`)
  throw new GuestFault(GP)
}

/** RDRAND/RDSEED: 64 random bits, #UD when not offered. CF is the caller's: always 1. */
export function readRandom(core: CpuCore, instruction: 'rdrand' | 'rdseed'): bigint {
  if (!core.system.model.has(instruction)) throw new GuestFault(UD)
  return core.outside.random()
}
