#!/usr/bin/env node
/**
 * A Chromium for the browser tests: `node scripts/browser.mjs` prints its path, installing one when there is none.
 * Looked for in this order: CHROMIUM, the usual places, Playwright's own; then `playwright install chromium`; then, as
 * root on Debian and its kin, apt-get.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/usr/pkg/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]
const INSTALL_MS = 300_000

const playwrightsOwn = () => {
  try {
    return createRequire(join(ROOT, 'package.json'))('playwright').chromium.executablePath()
  } catch {
    return undefined
  }
}

/** The path of a Chromium that is here already, or undefined. */
export const findBrowser = () =>
  [process.env.CHROMIUM, ...PLACES, playwrightsOwn()].find((path) => path && existsSync(path))

/** What Chromium needs to be quiet and to run as root, in a container, without a GPU. */
export const browserArguments = () => [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const run = (command, args) =>
  spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], timeout: INSTALL_MS }).status === 0

/** Finds or installs; undefined when neither worked. */
export const ensureBrowser = () => {
  const found = findBrowser()
  if (found) return found
  const cli = join(ROOT, 'node_modules', 'playwright', 'cli.js')
  if (existsSync(cli) && run(process.execPath, [cli, 'install', 'chromium'])) {
    const installed = findBrowser()
    if (installed) return installed
  }
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    run('apt-get', ['update'])
    run('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'])
  }
  return findBrowser()
}

export const NO_BROWSER =
  'No Chromium was found or could be installed; expected: one for the browser tests. Try: install Chromium, or set CHROMIUM to its path.'

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const path = ensureBrowser()
  if (!path) {
    console.error(NO_BROWSER)
    process.exit(1)
  }
  console.log(path)
}
