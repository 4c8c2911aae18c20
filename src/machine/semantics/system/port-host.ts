/** IN, OUT, INS and OUTS (SDM 2A, 2B; SDM 1 chapter 19). A repeated one is entered again for each iteration. */
import type { AccessSize } from '../../bus.ts'
import type { CpuState } from '../../state/cpu-state.ts'
import { FLAGS_DF } from '../../state/flags.ts'
import { CodeMode, ES, RCX, RDI, RDX, REPEATING, RFLAGS_SYSTEM, RSI, SLOT_SEGMENT_BASE } from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import { type HostFunction, in0, low1, named, outNumber, word0, word1 } from '../host-table.ts'
import * as io from './io.ts'
import { checkSegment } from './segment-limits.ts'

const cut = (value: number, size: AccessSize): number =>
  size === 4 ? value >>> 0 : size === 2 ? value & 0xffff : value & 0xff

type AddressBits = 16 | 32 | 64
const index = (s: CpuState, slot: number, address: AddressBits): bigint => BigInt.asUintN(address, s.get64(slot))
const setIndex = (s: CpuState, slot: number, address: AddressBits, value: bigint): void => {
  const low = BigInt.asUintN(address, value)
  s.set64(slot, address === 16 ? ((s.get64(slot) >> 16n) << 16n) | low : low)
}

interface Form {
  readonly bits: 8 | 16 | 32
  readonly address: AddressBits
  readonly repeat: boolean
}
const FORMS: readonly Form[] = ([8, 16, 32] as const).flatMap((bits) =>
  ([16, 32, 64] as const).flatMap((address) => [false, true].map((repeat) => ({ bits, address, repeat }))),
)
type FormName = `${8 | 16 | 32}a${AddressBits}${'' | 'rep'}`
export const portStringName = ({ bits, address, repeat }: Form): FormName => `${bits}a${address}${repeat ? 'rep' : ''}`

/** `one` moves an element between `port` and memory; `by` is what the index register moves by. */
const iteration =
  (one: (core: CpuCore, port: number, size: AccessSize, address: AddressBits, by: bigint) => void) =>
  ({ bits, address, repeat }: Form): HostFunction => {
    const size = (bits / 8) as AccessSize
    return (core) => {
      const { state: s } = core
      const port = s.get32(RDX) & 0xffff
      // The right to the port comes first.
      io.checkPort(core, port, size)
      if (repeat && index(s, RCX, address) === 0n) return
      one(core, port, size, address, BigInt((s.get32(RFLAGS_SYSTEM) & FLAGS_DF) !== 0 ? -size : size))
      if (!repeat) return
      const left = BigInt.asUintN(address, index(s, RCX, address) - 1n)
      setIndex(s, RCX, address, left)
      s.set32(REPEATING, left === 0n ? 0 : 1)
      if (left !== 0n) core.nextRip = s.rip
    }
  }
const input = iteration(({ state: s, memory, ports }, port, size, address, by) => {
  const offset = index(s, RDI, address)
  const long = s.codeMode === CodeMode.Bits64
  if (!long) checkSegment(s, ES, Number(offset), size, true)
  const linear = long ? offset : (offset + s.get64(SLOT_SEGMENT_BASE + ES * 8)) & 0xffffffffn
  memory.probeWrite(linear, size, s.cpl)
  memory.write(linear, size, BigInt(ports.read(port, size)))
  setIndex(s, RDI, address, offset + by)
})
const output = iteration(({ state: s, memory, ports }, port, size, address, by) => {
  ports.write(port, size, Number(memory.read(in0(s), size)))
  setIndex(s, RSI, address, index(s, RSI, address) + by)
})

export const PORT_HOST = {
  // IN: operand 0 is the accumulator, 1 the port. OUT: the other way round.
  ...named(
    [8, 16, 32],
    (bits) => `in${bits}` as const,
    (bits): HostFunction =>
      (core) =>
        outNumber(core.state, io.readPort(core, word1(core.state), (bits / 8) as AccessSize)),
  ),
  ...named(
    [8, 16, 32],
    (bits) => `out${bits}` as const,
    (bits): HostFunction => {
      const size = (bits / 8) as AccessSize
      return (core) => io.writePort(core, word0(core.state), size, cut(low1(core.state), size))
    },
  ),
  ...named(FORMS, (form) => `ins${portStringName(form)}` as const, input),
  ...named(FORMS, (form) => `outs${portStringName(form)}` as const, output),
} satisfies Record<string, HostFunction>
