/** The registers a PVH kernel starts with (Xen, docs/misc/pvh.pandoc): flat 32-bit protected mode, paging off. */
import type { CpuState } from '../state/cpu-state.ts'
import {
  CR0,
  CR0_ET,
  CR0_PE,
  CS,
  DR0,
  DS,
  ES,
  FCW,
  FS,
  FTW,
  GDTR_LIMIT,
  GS,
  IDTR_LIMIT,
  LDTR,
  MXCSR,
  RBX,
  SS,
  TR,
  XCR0,
} from '../state/layout.ts'

/** `s` is all zero. `entry` and `startInfo` are physical addresses. */
export const enterAsPvh = (s: CpuState, entry: number, startInfo: number): void => {
  s.set64(CR0, BigInt(CR0_PE | CR0_ET))
  s.set64(DR0 + 6 * 8, 0xffff0ff0n)
  s.set64(DR0 + 7 * 8, 0x400n)
  s.set64(XCR0, 1n)
  s.rflags = 2
  s.setSegment(CS, 0x8, 0xc09b, 0xffffffff, 0n)
  for (const segment of [ES, SS, DS, FS, GS]) s.setSegment(segment, 0x10, 0xc093, 0xffffffff, 0n)
  s.setSegment(TR, 0x18, 0x008b, 0x67, 0n)
  s.setSegment(LDTR, 0, 0x0082, 0xffff, 0n)
  s.set32(IDTR_LIMIT, 0xffff)
  s.set32(GDTR_LIMIT, 0xffff)
  s.view.setUint16(FCW, 0x37f, true)
  s.view.setUint16(FTW, 0xffff, true)
  s.set32(MXCSR, 0x1f80)
  s.set64(RBX, BigInt(startInfo))
  s.rip = BigInt(entry)
}
