/** A CPU with RAM and interrupt controllers, every feature on, and no other device. */
import { nodeHost } from '../src/headless/node-host.ts'
import { Bus } from '../src/machine/bus.ts'
import { Cpu } from '../src/machine/cpu/cpu.ts'
import type { CpuSurroundings } from '../src/machine/cpu/surroundings.ts'
import { I8259 } from '../src/machine/devices/legacy/i8259.ts'
import { InterruptController } from '../src/machine/devices/legacy/interrupt-controller.ts'
import { Ioapic } from '../src/machine/devices/legacy/ioapic.ts'
import { Lapic } from '../src/machine/devices/legacy/lapic.ts'
import type { TranslatorPolicy } from '../src/machine/engine/regions/registry.ts'
import { GuestRam } from '../src/machine/ram.ts'
import { createCpuModel } from '../src/machine/semantics/system/cpu-model.ts'
import { RECORD_PAGE_BYTES, RECORD_PAGES, RECORDS } from '../src/machine/state/record.ts'
import { Timers } from '../src/machine/timers.ts'
import { CPU_FEATURES } from '../src/settings/cpu-features.ts'

const WASM_PAGE = 65536
/** RAM's place in the memory, as in the microVM. */
export const RAM_OFFSET = Math.ceil((RECORDS + RECORD_PAGES * RECORD_PAGE_BYTES) / WASM_PAGE) * WASM_PAGE

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
  const memoryPages = (RAM_OFFSET + ramBytes + beyond) / WASM_PAGE
  const memory = host.createMemory(memoryPages)
  const ram = new GuestRam(memory.buffer, RAM_OFFSET, ramBytes)
  const lapic = new Lapic({ id: 0, base: 0xfee00000, tscToNs: (t) => t }, new Timers(() => 0))
  const ioapic = new Ioapic(1, lapic)
  const i8259 = new I8259()
  const bus = new Bus()
  const ports = new Bus()
  bus.attach(0xfee00000, 0x1000, lapic)
  bus.attach(0xfec00000, 0x1000, ioapic)
  ports.attach(0x20, 2, i8259.master)
  ports.attach(0xa0, 2, i8259.slave)
  let random = 1n
  const surroundings = {
    ram,
    buffer: memory.buffer,
    hostMemory: memory,
    memoryPages,
    ramOffset: RAM_OFFSET,
    memory: bus,
    ports,
    interrupts: new InterruptController(lapic, ioapic, i8259),
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
