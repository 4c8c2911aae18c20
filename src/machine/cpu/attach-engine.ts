/** The generated engine in a machine's memory: its functions, and the translator that adds to them. */
import { type EngineImports, engineFor } from '../engine/engine.ts'
import { Translator } from '../engine/regions/registry.ts'
import type { HandlerTable } from '../isa/handler.ts'
import type { CpuSurroundings } from './surroundings.ts'

export interface AttachedEngine {
  readonly handlers: HandlerTable
  /** Names of the TypeScript functions by their numbers. */
  readonly hostNames: readonly string[]
  readonly translator: Translator | undefined
  /** Runs from RECORD until BUDGET is used up or a fault is pending; a RunResult. */
  run(): number
  /** Record of a linear address; 0 with a fault pending. */
  enter(linear: bigint): number
  /** memory.fill. */
  fill(address: number, value: number, length: number): void
}

export const attachEngine = (around: CpuSurroundings, view: DataView, imports: EngineImports): AttachedEngine => {
  const { host, hostMemory, traced, translate } = around
  const { module, handlers, hostNames } = engineFor(traced)
  const exports = host.instantiate(module, {
    cpu: imports as unknown as Record<string, unknown>,
    env: { memory: hostMemory },
  })
  const table = exports['table'] as { set(slot: number, f: unknown): void }
  return {
    handlers,
    hostNames,
    translator:
      translate &&
      new Translator(
        {
          view,
          handlers: handlers.list,
          traced,
          hostNumber: (name) => hostNames.indexOf(name),
          install: (slot, region) =>
            table.set(slot, host.instantiate(region, { engine: exports, env: { memory: hostMemory } })['region']),
        },
        translate,
      ),
    run: exports['run'] as AttachedEngine['run'],
    enter: exports['enter'] as AttachedEngine['enter'],
    fill: exports['fill'] as AttachedEngine['fill'],
  }
}
