import react from '@vitejs/plugin-react'
import { type Connect, defineConfig, type Plugin } from 'vite'
import { engineFiles } from './scripts/engine-files.ts'
import { publishedGuests } from './scripts/guest-server.ts'

/** Guest RAM is shared memory, which a page has only when it is cross-origin isolated. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

/**
 * On every answer. Vite's own `headers` option leaves them out of a 304, and WebKit then refuses to start a worker whose
 * script it has: the second boot of a visit.
 */
const isolated = (): Plugin => {
  const answer: Connect.NextHandleFunction = (_request, response, next) => {
    for (const [name, value] of Object.entries(isolation)) response.setHeader(name, value)
    next()
  }
  return {
    name: 'isolated',
    configureServer: ({ middlewares }) => void middlewares.use(answer),
    configurePreviewServer: ({ middlewares }) => void middlewares.use(answer),
  }
}

/** What draws the page is fetched beside what starts the machine, not after it. */
const drawnAtOnce = (): Plugin => ({
  name: 'drawn-at-once',
  transformIndexHtml: {
    order: 'post',
    handler: (_html, { bundle = {} }) =>
      Object.values(bundle).flatMap((chunk) =>
        chunk.type === 'chunk' && chunk.isDynamicEntry && chunk.name === 'draw'
          ? [{ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: '', href: `./${chunk.fileName}` } }]
          : [],
      ),
  },
})

/** Generating the engines takes its time: no reason for a warning. */
const quiet = { checks: { bundlerTimings: false } }

export default defineConfig({
  // Works below any path of a static host.
  base: './',
  // What is not there is a 404, never the page in its place: a kernel's address must not answer with HTML.
  appType: 'mpa',
  // The worker's plugins are those of builds only.
  plugins: [isolated(), react(), publishedGuests(isolation), engineFiles(), drawnAtOnce()],
  // Tests must not be reloaded under their feet by a file that changes meanwhile.
  server: process.env['PLAYGROUND_WATCH'] === 'off' ? { watch: null, hmr: false } : {},
  worker: { format: 'es', plugins: () => [engineFiles()], rolldownOptions: quiet },
  // The terminal with its WebGL renderer is most of what draws.
  build: {
    target: 'es2022',
    outDir: 'dist',
    sourcemap: true,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: quiet,
  },
})
