/**
 * Generated engines as files, one of each flavour: generating takes a third of a second, reading a few milliseconds. Whoever
 * bundles the command empties the directory, so that an engine is as new as the program.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ENGINE_SECTION, engineBytes, prepareEngine } from '../machine/index.ts'
import { compileModule, customSection } from './node-host.ts'

/** The engine of that flavour out of `directory`, or into it. A directory that takes no files is as good as none. */
export const takeEngine = (directory: string, traced: boolean): void => {
  const path = join(directory, `engine-${traced ? 'traced' : 'plain'}.wasm`)
  try {
    const module = compileModule(readFileSync(path))
    prepareEngine(traced, { module, about: customSection(module, ENGINE_SECTION) })
  } catch {
    const mine = `${path}.${process.pid}`
    try {
      writeFileSync(mine, engineBytes(traced))
      renameSync(mine, path)
    } catch {
      // Then the next run generates its own, too.
    }
  }
}
