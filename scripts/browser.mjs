#!/usr/bin/env node
/**
 * Browsers for the tests. Chromium runs them all: `node scripts/browser.mjs` prints its path, installing one when there is
 * none. Looked for in this order: CHROMIUM, the usual places, Playwright's own; then `playwright install chromium`; then,
 * as root on Debian and its kin, apt-get. Firefox and WebKitGTK boot guests (e2e/other-browsers.spec.ts) where they are, or
 * where apt-get can install them.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
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
const FIREFOX_PLACES = [
  '/usr/bin/firefox-esr',
  '/usr/bin/firefox',
  '/snap/bin/firefox',
  '/usr/pkg/bin/firefox',
  '/Applications/Firefox.app/Contents/MacOS/firefox',
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

const apt = (...packages) => {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages])
}

/** Finds or installs; undefined when neither worked. */
export const ensureBrowser = () => {
  const found = findBrowser()
  if (found) return found
  const cli = join(ROOT, 'node_modules', 'playwright', 'cli.js')
  if (existsSync(cli) && run(process.execPath, [cli, 'install', 'chromium'])) {
    const installed = findBrowser()
    if (installed) return installed
  }
  apt('chromium')
  return findBrowser()
}

/** The path of a Firefox that is here, or undefined. */
export const findFirefox = () => [process.env.FIREFOX, ...FIREFOX_PLACES].find((path) => path && existsSync(path))

/** WebKitGTK's browser, the driver that speaks WebDriver for it, and the X server it draws on; or undefined. */
export const findWebKit = () => {
  const driver = '/usr/bin/WebKitWebDriver'
  const xvfb = '/usr/bin/Xvfb'
  if (!existsSync(driver) || !existsSync(xvfb)) return undefined
  const browser = readdirSync('/usr/lib')
    .filter((name) => name.endsWith('-linux-gnu'))
    .flatMap((name) => ['4.1', '4.0'].map((api) => `/usr/lib/${name}/webkit2gtk-${api}/MiniBrowser`))
    .find(existsSync)
  return browser && { browser, driver, xvfb }
}

/** Installs what is missing of the other browsers where it can, and says of each that is still missing why it is skipped. */
export const ensureOtherBrowsers = () => {
  const missing = [
    ...(findFirefox() ? [] : ['firefox-esr']),
    ...(findWebKit() ? [] : ['webkit2gtk-driver', 'xvfb']),
  ]
  if (missing.length > 0) apt(...missing)
  return [
    ...(findFirefox() ? [] : ['Firefox was skipped: none is here, and none could be installed; set FIREFOX to its path.']),
    ...(findWebKit() ? [] : ['WebKit was skipped: Debian’s webkit2gtk-driver and xvfb are not here and could not be installed.']),
  ]
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
