/** The machine's memory: the engine's own place, then guest RAM. One WebAssembly.Memory, so that the engine reaches both. */
import { ok, problem, type Result, refuse } from '../../base/problem.ts'
import type { MachineSettings } from '../../settings/settings.ts'
import { MiB } from '../layout.ts'
import type { HostMemory, MachineHost } from '../machine.ts'
import { GuestRam } from '../ram.ts'
import { RECORD_PAGE_BYTES, RECORD_PAGES, RECORDS } from '../state/record.ts'

export const WASM_PAGE = 65536

/** Guest RAM's place in machine memory: after the engine's own. */
export const RAM_OFFSET = Math.ceil((RECORDS + RECORD_PAGES * RECORD_PAGE_BYTES) / WASM_PAGE) * WASM_PAGE

/** Pages of WebAssembly for `ramBytes` of RAM, and as much of it as is wanted behind them. */
export const memoryPages = (ramBytes: number): number => (RAM_OFFSET + ramBytes) / WASM_PAGE

export interface MachineMemory {
  readonly memory: HostMemory
  readonly ram: GuestRam
}

/** Refused where the host has not so much. */
export const machineMemory = ({ memoryMiB }: MachineSettings, host: MachineHost): Result<MachineMemory> => {
  const pages = memoryPages(memoryMiB * MiB)
  try {
    const memory = host.createMemory(pages)
    return ok({ memory, ram: new GuestRam(memory.buffer, RAM_OFFSET, memoryMiB * MiB) })
  } catch {
    return refuse(
      problem(
        'no-memory',
        `the host has no ${Math.ceil((pages * WASM_PAGE) / MiB)} MiB for a guest of ${memoryMiB} MiB`,
        'that much free address space',
        'give the guest less memory, or close other programs and tabs',
      ),
    )
  }
}
