/** What is known of a guest that crashed: its registers, and the frames that its stack leads to. */
import { hex } from '../../base/hex.ts'
import { symbolAt } from '../boot/symbols.ts'
import type { Cpu } from '../cpu/cpu.ts'
import type { CrashReport, KernelSymbol } from '../machine.ts'
import { registersOf } from './registers.ts'

/** With the innermost one, what RIP points at. */
const FRAMES_MAX = 32

/** `cause` in the SDM's words. The stack is followed by saved frame pointers (System V ABI), as far as they lead up. */
export const crashReport = (cpu: Cpu, symbols: readonly KernelSymbol[], cause: string): CrashReport => {
  const registers = registersOf(cpu)
  const name = (address: bigint): string => {
    const found = symbolAt(symbols, address)
    return found === undefined ? hex(address) : `${found.name}+${hex(address - found.address)}`
  }
  const stack = [name(cpu.rip)]
  let frame = registers['rbp']
  const size = cpu.state.longMode ? 8 : 4
  try {
    while (stack.length < FRAMES_MAX && frame !== 0n) {
      const back = cpu.memory.readSystem(frame + BigInt(size), size)
      if (back === 0n) break
      stack.push(name(back))
      const up = cpu.memory.readSystem(frame, size)
      if (up <= frame) break
      frame = up
    }
  } catch {
    // The chain ends where memory does.
  }
  return { cause, registers, stack }
}
