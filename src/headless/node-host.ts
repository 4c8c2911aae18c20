/** Node as a MachineHost: shared memory, synchronous wasm, the monotonic clock, entropy. */
import { randomFillSync } from 'node:crypto'
import type { CompiledModule, HostMemory, MachineHost } from '../machine/index.ts'

/** What is used of the WebAssembly namespace, which neither es2023 nor Node's types declare. */
interface Wasm {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => HostMemory
  readonly Module: {
    new (bytes: Uint8Array): CompiledModule
    customSections(module: CompiledModule, name: string): ArrayBuffer[]
  }
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> }
}
const wasm = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly

export const compileModule = (bytes: Uint8Array): CompiledModule => new wasm.Module(bytes)
/** The text of a custom section; throws when there is none. */
export const customSection = (module: CompiledModule, name: string): string =>
  Buffer.from(wasm.Module.customSections(module, name)[0] as ArrayBuffer).toString('latin1')

/** What was compiled of each module. */
const compiled = new WeakMap<Uint8Array, CompiledModule>()

// V8's tiering flags can be tried from here before the first module is compiled, for instance
// v8.setFlagsFromString('--no-wasm-dynamic-tiering'); none is set until a measurement asks for it.

export const nodeHost = (): MachineHost => ({
  createMemory: (pages) => new wasm.Memory({ initial: pages, maximum: pages, shared: true }),
  instantiate: (module, imports) => {
    if (!(module instanceof Uint8Array)) return new wasm.Instance(module, imports).exports
    let one = compiled.get(module)
    if (one === undefined) {
      one = compileModule(module)
      compiled.set(module, one)
    }
    return new wasm.Instance(one, imports).exports
  },
  monotonicNs: () => performance.now() * 1e6,
  unixMs: () => Date.now(),
  entropy: (into) => {
    // crypto refuses shared memory.
    const bytes = new Uint8Array(into.length)
    randomFillSync(bytes)
    into.set(bytes)
  },
})
