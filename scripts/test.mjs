#!/usr/bin/env node
/**
 * `npm test`, on a fresh clone too: dependencies, types and walls, lint, unit tests, a browser, the build, and the page
 * driven in that browser from the dev server and from the build, guests booted in the other browsers. Goes on after a
 * failure, so that one run tells everything. Browsers that were skipped are named near the end; the last line is
 * `N passed, N failed`, summed over vitest and Playwright.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { ensureBrowser, ensureOtherBrowsers, NO_BROWSER } from './browser.mjs'
import { installDependencies, nodeTooOld, ROOT } from './start.mjs'

const REPORTS = join(ROOT, 'test-results')

const failures = []
let passed = 0
let failed = 0

const step = (name, script, args, env = {}) => {
  console.log(`\n== ${name}`)
  const { status } = spawnSync(process.execPath, [join(ROOT, 'node_modules', script), ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  if (status !== 0) failures.push(name)
  return status === 0
}

const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer()
      .once('error', () => resolve(false))
      .listen(port, () => server.close(() => resolve(true)))
  })
/** The first of as many ports in a row as the page's tests take (playwright.config.ts), where nobody listens. */
const freePorts = async (first, count) => {
  for (let base = first; ; base += 10) {
    const free = []
    for (let port = base; port < base + count; port++) free.push(await isFree(port))
    if (!free.includes(false)) return base
  }
}

/** Undefined when the run broke before it could report. */
const report = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

const wrong = nodeTooOld() ?? installDependencies()
if (wrong) {
  console.error(wrong)
  console.log('0 passed, 1 failed')
  process.exit(1)
}

mkdirSync(REPORTS, { recursive: true })
const unitReport = join(REPORTS, 'vitest.json')
// Outside test-results: Playwright empties that directory when it starts.
const pageReport = join(ROOT, 'build', 'playwright.json')
for (const path of [unitReport, pageReport]) rmSync(path, { force: true })

const stepsBroken = () => failures.filter((name) => name === 'types' || name === 'lint' || name === 'build').length

step('types', 'typescript/bin/tsc', ['-b'])
step('lint', '@biomejs/biome/bin/biome', ['check'])
step('unit tests', 'vitest/vitest.mjs', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${unitReport}`])
const unit = report(unitReport)
passed += unit?.numPassedTests ?? 0
failed += unit ? unit.numFailedTests + (unit.numFailedTestSuites > 0 && unit.numFailedTests === 0 ? 1 : 0) : 1

const browser = ensureBrowser()
const skipped = browser ? ensureOtherBrowsers() : []
if (!browser) {
  console.error(NO_BROWSER)
  failures.push('browser')
  failed++
} else if (step('build', 'vite/bin/vite.js', ['build', '--logLevel', 'warn'], { GUESTS: 'cached' })) {
  step('page', '@playwright/test/cli.js', ['test', '--reporter=list,json'], {
    CHROMIUM: browser,
    PLAYGROUND_BUILT: '1',
    PLAYGROUND_PORT: process.env.PLAYGROUND_PORT ?? String(await freePorts(5301, 4)),
    PLAYWRIGHT_JSON_OUTPUT_NAME: pageReport,
  })
  const page = report(pageReport)
  passed += (page?.stats.expected ?? 0) + (page?.stats.flaky ?? 0)
  failed += page ? page.stats.unexpected + (page.errors?.length ?? 0) : 1
}

failed += stepsBroken()
if (skipped.length > 0) console.log(`\n${skipped.join('\n')}`)
if (failures.length > 0) console.log(`\nFailed: ${failures.join(', ')}.`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failures.length > 0 || failed > 0 ? 1 : 0)
