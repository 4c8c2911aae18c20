/** Makes machines: of a configuration, at their kernel's entry, and of a snapshot, where it was taken. */
import { ok, ProblemError, type Result, refuse } from '../base/problem.ts'
import { checkConfig } from './board/check-config.ts'
import { machineMemory } from './board/memory.ts'
import { engineFor } from './engine/engine.ts'
import type { CreateMachine, EngineFile, Machine, MachineConfig, RestoreMachine } from './machine.ts'
import { MicroVm } from './microvm.ts'
import { disksOf } from './snapshot/disks.ts'

/** The machine of a snapshot, to go on from there. */
export const restoreMachine: RestoreMachine = (restored, host, events): Result<Machine> => {
  const { snapshot, engine, trace, translation, kernel = new Uint8Array(0) } = restored
  const disks = disksOf(restored)
  if (!disks.ok) return disks
  const config: MachineConfig = {
    ...snapshot.settings,
    ...(engine !== undefined && { engine }),
    ...(trace !== undefined && { trace }),
    ...(translation !== undefined && { translation }),
    kernel,
    disks: disks.value,
  }
  const wrong = checkConfig(config)
  if (wrong !== undefined) return refuse(wrong)
  const memory = machineMemory(config, host)
  if (!memory.ok) return memory
  const machine = new MicroVm(config, host, events, memory.value)
  try {
    machine.load(snapshot)
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem)
    throw error
  }
  return ok(machine)
}

export const createMachine: CreateMachine = (config, host, events): Result<Machine> => {
  const wrong = checkConfig(config)
  if (wrong !== undefined) return refuse(wrong)
  const memory = machineMemory(config, host)
  if (!memory.ok) return memory
  const machine = new MicroVm(config, host, events, memory.value)
  const booted = machine.powerOn()
  return booted.ok ? ok(machine) : booted
}

/**
 * Makes the engine ahead of the first machine: generates it, which takes a few hundred milliseconds, or takes it from a file.
 * `traced` is the flavour.
 */
export const prepareEngine = (traced: boolean, file?: EngineFile): void => {
  engineFor(traced, file)
}
