/** Vite: a build of the page holds its engines as files, generated while it is built (src/worker/engine-file.ts). */
import type { Plugin } from 'vite'
import { engineBytes } from '../src/machine/index.ts'

const NAME = 'virtual:engine-urls'
const ID = `\0${NAME}`

export const engineFiles = (): Plugin => {
  let isBuild = false
  return {
    name: 'playground-engine-files',
    configResolved: ({ command }) => {
      isBuild = command === 'build'
    },
    resolveId: (id) => (id === NAME ? ID : undefined),
    load(id) {
      if (id !== ID) return undefined
      // The development server's sources change under it: engines are generated there.
      if (!isBuild) return 'export default {}'
      const url = (traced: boolean): string => {
        const name = `engine-${traced ? 'traced' : 'plain'}.wasm`
        return `import.meta.ROLLUP_FILE_URL_${this.emitFile({ type: 'asset', name, source: engineBytes(traced) })}`
      }
      return `export default { traced: ${url(true)}, plain: ${url(false)} }`
    },
  }
}
