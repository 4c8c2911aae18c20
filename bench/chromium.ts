/**
 * The built page in a real Chromium, for the benches: served by Vite's preview, a fresh context for each boot, timed by
 * the page's own figures (wall time from power-on) and by what Chromium says its processes used.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright'
import { browserArguments, findBrowser } from '../scripts/browser.mjs'

const PORT = 4183
const VIEWPORT = { width: 1440, height: 900 }
/** A person takes longer from opening the page to Boot; workers stand by then. */
const STAND_BY_MS = 1500
/** The last frame of a trace, and the report of its task. */
const SETTLE_MS = 500

export interface BootInPage {
  readonly guest: string
  /** Of the page's figures. */
  readonly mark: string
  /** What the console says at about that moment. */
  readonly text: string
  readonly traced: boolean
}

export interface BootTimes {
  /** From power-on to the mark. */
  readonly wallMs: number
  /** CPU time of all of Chromium's processes from Boot to the text: what other programs do changes it little. */
  readonly cpuMs: number
  /** The page's tasks of more than 50 ms from Boot until the trace is whole, in milliseconds. */
  readonly longTasks: readonly number[]
}

/** In the page, before anything of it runs. */
const watchLongTasks = (): void => {
  const longTasks: { readonly at: number; readonly ms: number }[] = []
  Object.assign(window, { longTasks })
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) longTasks.push({ at: startTime, ms: duration })
  }).observe({ type: 'longtask', buffered: true })
}

export interface Chromium {
  boot(what: BootInPage): Promise<BootTimes>
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
  const system = await browser.newBrowserCDPSession()
  const cpuMs = async (): Promise<number> => {
    const { processInfo } = await system.send('SystemInfo.getProcessInfo')
    return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime * 1000, 0)
  }

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
    boot: ({ guest, mark, text, traced }) =>
      inPage(
        `/?boot=${guest}&clock=icount${traced ? '' : '&trace=0'}`,
        (page) => page.addInitScript(watchLongTasks),
        async (page) => {
          await page.waitForTimeout(STAND_BY_MS)
          const before = await cpuMs()
          const began = await page.evaluate(async (seen) => {
            const { playground } = window as unknown as PlaygroundWindow
            const now = performance.now()
            await playground.boot()
            await playground.waitForText(seen, { timeoutMs: 60_000 })
            return now
          }, text)
          const after = await cpuMs()
          const wallMs = await page.evaluate(async (name) => {
            const { playground } = window as unknown as PlaygroundWindow
            await playground.waitForState(['idle', 'running'], { timeoutMs: 60_000 })
            const found = playground.figures()?.marks.find((m) => m.name === name)
            if (found === undefined) throw new Error(`the boot has no mark ${name}`)
            return found.wallMs
          }, mark)
          if (traced) await page.evaluate(() => (window as unknown as PlaygroundWindow).playground.waitForTrace())
          await page.waitForTimeout(SETTLE_MS)
          const longTasks = await page.evaluate(
            (since) =>
              (window as unknown as PlaygroundWindow).longTasks.filter(({ at }) => at >= since).map(({ ms }) => ms),
            began,
          )
          return { wallMs, cpuMs: after - before, longTasks }
        },
      ),
    async close() {
      await browser.close()
      server.kill()
      rmSync(dist, { recursive: true, force: true })
    },
  }
}

/** What is used of window.playground (docs/automation.md). */
interface PlaygroundWindow {
  readonly longTasks: readonly { readonly at: number; readonly ms: number }[]
  readonly playground: {
    waitForTrace(): Promise<unknown>
    boot(): Promise<void>
    waitForText(text: string, options: { timeoutMs: number }): Promise<string>
    waitForState(states: readonly string[], options: { timeoutMs: number }): Promise<string>
    figures(): { marks: readonly { name: string; wallMs: number }[] } | undefined
  }
}
