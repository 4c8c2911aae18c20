/**
 * Tables of what rows call by name (isa/host.ts). A function finds its operands in SCRATCH, does the work of one instruction,
 * and leaves a result there; GuestFault thrown from it is the instruction's fault.
 */
import type { CpuState } from '../state/cpu-state.ts'
import { RAX, RDX, SCRATCH } from '../state/layout.ts'
import { REC_DISP, REC_IMM } from '../state/record.ts'
import type { CpuCore } from './core.ts'

/** `record`: the instruction's, an address in `bytes`, the machine's memory. What it answers is ignored. */
export type HostFunction = (core: CpuCore, record: number, bytes: DataView) => unknown

/** The part of a table that has a function for each key, under a name made of it. */
export const named = <const K, N extends string, F>(
  keys: readonly K[],
  name: (key: K) => N,
  make: (key: K) => F,
): Record<N, F> => Object.fromEntries(keys.map((key) => [name(key), make(key)])) as Record<N, F>

/** A function for each operand size, under `prefix` and the bits; `make` has the size in bytes. */
export const sized = <N extends string, const B extends 16 | 32 | 64>(
  prefix: N,
  bits: readonly B[],
  make: (bytes: SizeOf[B]) => HostFunction,
): Record<`${N}${B}`, HostFunction> =>
  named(
    bits,
    (b): `${N}${B}` => `${prefix}${b}`,
    (b) => make((b / 8) as SizeOf[B]),
  )
interface SizeOf {
  16: 2
  32: 4
  64: 8
}

export const in0 = (s: CpuState): bigint => s.get64(SCRATCH)
export const in1 = (s: CpuState): bigint => s.get64(SCRATCH + 8)
export const low0 = (s: CpuState): number => s.get32(SCRATCH)
export const low1 = (s: CpuState): number => s.get32(SCRATCH + 8)
export const word0 = (s: CpuState): number => low0(s) & 0xffff
export const word1 = (s: CpuState): number => low1(s) & 0xffff
export const out = (s: CpuState, value: bigint): void => s.set64(SCRATCH, BigInt.asUintN(64, value))
export const outNumber = (s: CpuState, value: number): void => {
  s.set32(SCRATCH, value)
  s.set32(SCRATCH + 4, 0)
}
/** EDX:EAX. */
export const pair = (s: CpuState): bigint => (BigInt(s.get32(RDX)) << 32n) | BigInt(s.get32(RAX))
export const setPair = (s: CpuState, value: bigint): void => {
  s.set64(RAX, value & 0xffffffffn)
  s.set64(RDX, value >> 32n)
}
export const immediate = (bytes: DataView, record: number): number => bytes.getInt32(record + REC_IMM, true)
export const displacement = (bytes: DataView, record: number): number => bytes.getInt32(record + REC_DISP, true)
