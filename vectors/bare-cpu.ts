/** A CPU with RAM and interrupt controllers, every feature on, and no other device. */
import { nodeHost } from '../src/headless/node-host.ts'
import { Interrupts } from '../src/machine/board/interrupts.ts'
import { memoryPages, RAM_OFFSET } from '../src/machine/board/memory.ts'
import { Cpu } from '../src/machine/cpu/cpu.ts'
import type { CpuSurroundings } from '../src/machine/cpu/surroundings.ts'
import type { TranslatorPolicy } from '../src/machine/engine/regions/registry.ts'
import { GuestRam } from '../src/machine/ram.ts'
import { createCpuModel } from '../src/machine/semantics/system/cpu-model.ts'
import { Timers } from '../src/machine/timers.ts'
import { CPU_FEATURES } from '../src/settings/cpu-features.ts'

export interface BareCpu {
  readonly cpu: Cpu
  readonly ram: GuestRam
  readonly buffer: ArrayBufferLike
}

/** `beyond` bytes of memory follow RAM. */
export const bareCpu = (
  ramBytes: number,
  beyond: number,
  log: (line: string) => void,
  translate?: TranslatorPolicy,
): BareCpu => {
  const host = nodeHost()
  const memory = host.createMemory(memoryPages(ramBytes + beyond))
  const ram = new GuestRam(memory.buffer, RAM_OFFSET, ramBytes)
  const board = new Interrupts(new Timers(() => 0), (tsc) => tsc)
  let random = 1n
  const surroundings = {
    ram,
    buffer: memory.buffer,
    hostMemory: memory,
    ramOffset: RAM_OFFSET,
    memory: board.memory,
    ports: board.ports,
    interrupts: board.controller,
    host,
    model: createCpuModel(Object.fromEntries(CPU_FEATURES.map((name) => [name, true]))),
    accessCost: 0,
    traced: false,
    translate,
    onAccess: () => {},
    readTsc: () => 0n,
    writeTsc: () => {},
    apicBaseChanged: () => {},
    readTscDeadline: () => 0n,
    writeTscDeadline: () => {},
    random: () => (random = BigInt.asUintN(64, random * 6364136223846793005n + 1442695040888963407n)),
    log,
  }
  const cpu = new Cpu(surroundings satisfies Partial<CpuSurroundings> as unknown as CpuSurroundings)
  return { cpu, ram, buffer: memory.buffer }
}
