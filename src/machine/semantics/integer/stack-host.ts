/** Instructions of several stack accesses and checks (SDM 2A ENTER, BOUND; 2B PUSHA, POPA), in every mode. */
import type { CpuState } from '../../state/cpu-state.ts'
import { BR, GuestFault } from '../../state/fault.ts'
import { CodeMode, RBP, RSP, SLOT_SEGMENT_BASE, SS } from '../../state/layout.ts'
import { REC_SEGMENT } from '../../state/record.ts'
import { type HostFunction, immediate, in0, in1, sized } from '../host-table.ts'
import { checkSegment } from '../system/segment-limits.ts'

const MASK64 = (1n << 64n) - 1n

const stackMask = (s: CpuState): bigint =>
  s.codeMode === CodeMode.Bits64 ? MASK64 : (s.attributes(SS) & 0x4000) !== 0 ? 0xffffffffn : 0xffffn
const stackLinear = (s: CpuState, sp: bigint, size: number, write: boolean): bigint => {
  if (s.codeMode === CodeMode.Bits64) return sp
  checkSegment(s, SS, Number(sp), size, write)
  return (s.get64(SLOT_SEGMENT_BASE + SS * 8) + sp) & 0xffffffffn
}
const setStackPointer = (s: CpuState, sp: bigint): void => {
  const mask = stackMask(s)
  s.set64(RSP, (s.get64(RSP) & ~mask & MASK64) | (sp & mask))
}

const enter =
  (size: 2 | 4 | 8): HostFunction =>
  ({ state: s, memory }, record, bytes) => {
    const mask = stackMask(s)
    const operands = immediate(bytes, record)
    const allocate = BigInt(operands & 0xffff)
    const level = (operands >> 16) & 31
    let sp = s.get64(RSP) & mask
    const push = (value: bigint): void => {
      sp = (sp - BigInt(size)) & mask
      memory.write(stackLinear(s, sp, size, true), size, BigInt.asUintN(size * 8, value))
    }
    push(s.get64(RBP))
    const frame = sp
    if (level > 0) {
      let from = s.get64(RBP) & mask
      for (let i = 1; i < level; i++) {
        from = (from - BigInt(size)) & mask
        push(memory.read(stackLinear(s, from, size, false), size))
      }
      push(frame)
    }
    sp = (sp - allocate) & mask
    memory.probeWrite(stackLinear(s, sp, 1, true), 1, s.cpl)
    const old = s.get64(RBP)
    s.set64(RBP, size === 8 ? frame : size === 4 ? frame & 0xffffffffn : (old & ~0xffffn) | (frame & 0xffffn))
    setStackPointer(s, sp)
  }
const pushAll =
  (size: 2 | 4): HostFunction =>
  ({ state: s, memory }) => {
    const mask = stackMask(s)
    const sp = s.get64(RSP) & mask
    const bottom = (sp - BigInt(8 * size)) & mask
    // Pushed one by one: those before a fault stay in memory, as on processors.
    for (let i = 0; i < 8; i++) {
      const at = stackLinear(s, (sp - BigInt((i + 1) * size)) & mask, size, true)
      memory.write(at, size, BigInt.asUintN(size * 8, s.get64(i * 8)))
    }
    setStackPointer(s, bottom)
  }
const popAll =
  (size: 2 | 4): HostFunction =>
  ({ state: s, memory }) => {
    const mask = stackMask(s)
    const sp = s.get64(RSP) & mask
    // Likewise: those popped before a fault have changed.
    for (let i = 0; i < 8; i++) {
      const register = 7 - i
      const value = memory.read(stackLinear(s, (sp + BigInt(i * size)) & mask, size, false), size)
      if (register === 4) continue
      const old = s.get64(register * 8)
      s.set64(register * 8, size === 4 ? value : (old & ~0xffffn) | value)
    }
    setStackPointer(s, (sp + BigInt(8 * size)) & mask)
  }
const bound =
  (size: 2 | 4): HostFunction =>
  ({ state: s, memory }, record, bytes) => {
    const bits = size * 8
    const index = BigInt.asIntN(bits, in0(s))
    const at = in1(s)
    if (index < BigInt.asIntN(bits, memory.read(at, size))) throw new GuestFault(BR)
    // The upper bound is not looked at, nor its segment's limit, when the index is below the lower one.
    const segment = bytes.getUint8(record + REC_SEGMENT)
    const offset = (Number(at - s.base(segment)) + size) >>> 0
    checkSegment(s, segment, offset, size, false)
    if (index > BigInt.asIntN(bits, memory.read((s.base(segment) + BigInt(offset)) & 0xffffffffn, size)))
      throw new GuestFault(BR)
  }

export const STACK_HOST = {
  ...sized('enter', [16, 32, 64], enter),
  ...sized('pusha', [16, 32], pushAll),
  ...sized('popa', [16, 32], popAll),
  ...sized('bound', [16, 32], bound),
} satisfies Record<string, HostFunction>
