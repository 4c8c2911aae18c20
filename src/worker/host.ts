/**
 * MachineHost for a web worker. The clock can be held: while a machine is paused its monotonic time stands still, so
 * that a wall-clock guest does not see the pause as a jump.
 */
import { ProblemError, problem } from '../base/problem.ts'
import type { CompiledModule, HostMemory, MachineHost } from '../machine/index.ts'

/** getRandomValues refuses more at once. */
const ENTROPY_CHUNK = 65536

export class WorkerHost implements MachineHost {
  #heldSince: number | undefined
  #heldMs = 0

  /** `makeEngine`: see HoldableHost. */
  readonly makeEngine: (traced: boolean) => Promise<void>
  constructor(makeEngine = async (_traced: boolean): Promise<void> => {}) {
    this.makeEngine = makeEngine
  }

  /** Milliseconds since the worker began, pauses left out. */
  nowMs(): number {
    return (this.#heldSince ?? performance.now()) - this.#heldMs
  }

  hold(): void {
    this.#heldSince ??= performance.now()
  }

  release(): void {
    if (this.#heldSince === undefined) return
    this.#heldMs += performance.now() - this.#heldSince
    this.#heldSince = undefined
  }

  createMemory(pages: number): HostMemory {
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    } catch (error) {
      const mib = Math.round(pages / 16)
      throw new ProblemError(
        problem(
          'no-memory',
          `this browser refused ${mib} MiB of shared memory (${error instanceof Error ? error.message : String(error)})`,
          'room for the guest RAM in this tab',
          'choose less memory, or close other tabs',
        ),
      )
    }
  }

  instantiate(
    module: Uint8Array | CompiledModule,
    imports: Record<string, Record<string, unknown>>,
  ): Record<string, unknown> {
    const compiled =
      module instanceof WebAssembly.Module ? module : new WebAssembly.Module(module as Uint8Array<ArrayBuffer>)
    return new WebAssembly.Instance(compiled, imports as WebAssembly.Imports).exports
  }

  monotonicNs(): number {
    return Math.floor(this.nowMs() * 1e6)
  }

  unixMs(): number {
    return Date.now()
  }

  entropy(into: Uint8Array): void {
    // getRandomValues refuses views of shared memory.
    for (let at = 0; at < into.length; at += ENTROPY_CHUNK) {
      const chunk = new Uint8Array(Math.min(ENTROPY_CHUNK, into.length - at))
      into.set(crypto.getRandomValues(chunk), at)
    }
  }
}
