/**
 * The built page in a real Chromium, for the benches: served by Vite's preview, a fresh context for each boot, timed by
 * the page's own figures (wall time from power-on).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright'
import { browserArguments, findBrowser } from '../scripts/browser.mjs'

const PORT = 4183
const VIEWPORT = { width: 1440, height: 900 }

export interface Chromium {
  /** Wall milliseconds from power-on to a mark of the page's figures. */
  boot(guest: string, mark: string, traced: boolean): Promise<number>
  /** Does something in a page of its own, which loads `path` when `prepare` is done. */
  inPage<T>(path: string, prepare: (page: Page) => Promise<unknown>, act: (page: Page) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Undefined when there is no Chromium, or the page does not build. */
export const openChromium = async (repository: string): Promise<Chromium | undefined> => {
  const executablePath = findBrowser()
  if (executablePath === undefined) return undefined
  const vite = join(repository, 'node_modules/vite/bin/vite.js')
  // Built apart from dist: somebody may be serving that.
  const dist = mkdtempSync(join(tmpdir(), 'bench-page-'))
  const built = spawnSync(
    process.execPath,
    [vite, 'build', '--logLevel', 'error', '--outDir', dist, '--emptyOutDir'],
    // What npm says of its own settings is no part of a bench's output.
    { cwd: repository, stdio: 'inherit', env: { ...process.env, GUESTS: 'cached' } },
  )
  if (built.status !== 0) {
    rmSync(dist, { recursive: true, force: true })
    return undefined
  }
  const server: ChildProcess = spawn(
    process.execPath,
    [vite, 'preview', '--outDir', dist, '--port', `${PORT}`, '--strictPort'],
    { cwd: repository, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await new Promise<void>((resolve) => server.stdout?.once('data', () => resolve()))
  const browser = await chromium.launch({ executablePath, args: browserArguments() })

  const inPage: Chromium['inPage'] = async (path, prepare, act) => {
    const context = await browser.newContext({ viewport: VIEWPORT })
    try {
      const page = await context.newPage()
      await prepare(page)
      await page.goto(new URL(path, `http://localhost:${PORT}`).href)
      await page.waitForFunction(() => 'playground' in window)
      return await act(page)
    } finally {
      await context.close()
    }
  }
  return {
    inPage,
    boot: (guest, mark, traced) =>
      inPage(
        `/?boot=${guest}&clock=icount&autostart${traced ? '' : '&trace=0'}`,
        async () => {},
        (page) =>
          page.evaluate(async (name) => {
            const playground = (window as unknown as { playground: Playground }).playground
            await playground.waitForState(['idle', 'running'], { timeoutMs: 60_000 })
            const found = playground.figures()?.marks.find((m) => m.name === name)
            if (found === undefined) throw new Error(`the boot has no mark ${name}`)
            return found.wallMs
          }, mark),
      ),
    async close() {
      await browser.close()
      server.kill()
      rmSync(dist, { recursive: true, force: true })
    },
  }
}

/** What is used of window.playground (docs/automation.md). */
interface Playground {
  waitForState(states: readonly string[], options: { timeoutMs: number }): Promise<string>
  figures(): { marks: readonly { name: string; wallMs: number }[] } | undefined
}
