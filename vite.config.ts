import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { cacheRoot, kernelPath } from './scripts/guest-cache.ts'

/** Guest RAM is shared memory, which a page has only when it is cross-origin isolated. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

const PUBLISHED = /^\/guests\/published\/([a-z0-9-]+)\/netbsd(?:\?|$)/

/** Serves the kernels that `npm run guests` keeps outside the repository. */
const publishedGuests = (): Plugin => {
  const serve = async (request: IncomingMessage, response: ServerResponse, next: () => void) => {
    const id = PUBLISHED.exec(request.url ?? '')?.[1]
    if (id === undefined) return next()
    const path = kernelPath(cacheRoot(), id)
    const found = await stat(path).catch(() => undefined)
    if (!found?.isFile()) {
      response.writeHead(404, isolation).end()
      return
    }
    response.writeHead(200, {
      ...isolation,
      'Content-Type': 'application/octet-stream',
      'Content-Length': found.size,
      'Cache-Control': 'no-cache',
    })
    createReadStream(path).pipe(response)
  }
  const use = (server: { middlewares: { use(handler: typeof serve): unknown } }): void => {
    server.middlewares.use(serve)
  }
  return { name: 'published-guests', configureServer: use, configurePreviewServer: use }
}

export default defineConfig({
  // Works below any path of a static host.
  base: './',
  // What is not there is a 404, never the page in its place: a kernel's address must not answer with HTML.
  appType: 'mpa',
  plugins: [react(), publishedGuests()],
  server: {
    headers: isolation,
    // Tests must not be reloaded under their feet by a file that changes meanwhile.
    ...(process.env['PLAYGROUND_WATCH'] === 'off' && { watch: null, hmr: false as const }),
  },
  preview: { headers: isolation },
  worker: { format: 'es' },
  // The terminal with its WebGL renderer is most of the page's one chunk.
  build: { target: 'es2022', outDir: 'dist', sourcemap: true, chunkSizeWarningLimit: 1000 },
})
