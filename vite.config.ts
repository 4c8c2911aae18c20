import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { engineFiles } from './scripts/engine-files.ts'
import { publishedGuests } from './scripts/guest-server.ts'

/** Guest RAM is shared memory, which a page has only when it is cross-origin isolated. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

/** Generating the engines takes its time: no reason for a warning. */
const quiet = { checks: { bundlerTimings: false } }

export default defineConfig({
  // Works below any path of a static host.
  base: './',
  // What is not there is a 404, never the page in its place: a kernel's address must not answer with HTML.
  appType: 'mpa',
  // The worker's plugins are those of builds only.
  plugins: [react(), publishedGuests(isolation), engineFiles()],
  server: {
    headers: isolation,
    // Tests must not be reloaded under their feet by a file that changes meanwhile.
    ...(process.env['PLAYGROUND_WATCH'] === 'off' && { watch: null, hmr: false as const }),
  },
  preview: { headers: isolation },
  worker: { format: 'es', plugins: () => [engineFiles()], rolldownOptions: quiet },
  // The terminal with its WebGL renderer is most of the page's one chunk.
  build: {
    target: 'es2022',
    outDir: 'dist',
    sourcemap: true,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: quiet,
  },
})
