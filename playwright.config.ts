import { defineConfig } from '@playwright/test'
import { browserArguments, findBrowser } from './scripts/browser.mjs'

/** Two checkouts that are tested at once need four ports each: two pages, a driver (other-browsers), `npm start` (catalogue). */
const PORT = Number(process.env['PLAYGROUND_PORT'] ?? 5301)
const DEV = `http://localhost:${PORT}`
const BUILT = `http://localhost:${PORT + 1}`
const vite = 'node node_modules/vite/bin/vite.js'
const executablePath = findBrowser()

/** `--project dev` needs no build. */
const serves = (project: string): boolean => !process.argv.includes('--project') || process.argv.includes(project)

const dev = {
  command: `${vite} --port ${PORT} --strictPort`,
  url: DEV,
  env: { PLAYGROUND_WATCH: 'off', PLAYGROUND_GUESTS: 'off' },
}
// scripts/test.mjs has built it already.
const build = process.env['PLAYGROUND_BUILT'] ? '' : `${vite} build --logLevel warn && `
const built = {
  command: `${build}${vite} preview --port ${PORT + 1} --strictPort`,
  url: BUILT,
  timeout: 120_000,
  env: { GUESTS: 'cached' },
}

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results/e2e',
  // A test keeps about half of two cores busy. What is measured against time may be tried again.
  workers: 2,
  fullyParallel: false,
  // Two at a time on two cores: one that was late is told from one that is broken, and listed as flaky.
  retries: 1,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: {
    actionTimeout: 15_000,
    screenshot: 'only-on-failure',
    launchOptions: { args: browserArguments(), ...(executablePath && { executablePath }) },
  },
  projects: [
    {
      name: 'dev',
      use: { baseURL: DEV },
      // Once, in the built page: the development server has nothing of its own to say to these.
      testIgnore:
        /(other-browsers|appearance|timeline|traces|links|formats|storage|recording|unfinished|saved-machine|kept-machine|determinism|drop|console|netbsd|transcript|power-cut|phone)\.spec\.ts/,
    },
    { name: 'built', use: { baseURL: BUILT }, testIgnore: /(states|files|own-guests)\.spec\.ts/ },
  ],
  webServer: [...(serves('dev') ? [dev] : []), ...(serves('built') ? [built] : [])],
})
