/**
 * The engine that a build of the page has written beside its scripts: compiled while it comes, and by browsers that keep
 * optimised code of what they have compiled from an address, optimised on a second visit. Without one it is generated.
 */
import { type CompiledModule, ENGINE_SECTION, type EngineFile } from '../machine/index.ts'

/** Undefined when there is none at `url`, or none that this browser can compile. */
export const fetchEngine = async (url: string): Promise<EngineFile | undefined> => {
  try {
    const module = await compile(url)
    const [about] = WebAssembly.Module.customSections(module, ENGINE_SECTION)
    return about && { module: module as object as CompiledModule, about: new TextDecoder().decode(about) }
  } catch {
    return undefined
  }
}

/** Streaming wants the type application/wasm, which not every static host knows. */
const compile = async (url: string): Promise<WebAssembly.Module> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return response.headers.get('Content-Type') === 'application/wasm'
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer())
}
