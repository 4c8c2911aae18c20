/**
 * Boots in a real Chromium, for bench.ts: the built page served by Vite's preview, one fresh page a boot, timed by the
 * page's own figures (wall time from power-on).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { chromium } from 'playwright'
import { browserArguments, findBrowser } from '../scripts/browser.mjs'

const PORT = 4183

export interface ChromiumBoots {
  /** Wall milliseconds from power-on to a mark of the page's figures. */
  boot(guest: string, mark: string, traced: boolean): Promise<number>
  close(): Promise<void>
}

/** Undefined when there is no Chromium, or the page does not build. */
export const chromiumBoots = async (repository: string): Promise<ChromiumBoots | undefined> => {
  const executablePath = findBrowser()
  if (executablePath === undefined) return undefined
  const vite = join(repository, 'node_modules/vite/bin/vite.js')
  const built = spawnSync(process.execPath, [vite, 'build', '--logLevel', 'error'], {
    cwd: repository,
    stdio: 'inherit',
    env: { ...process.env, GUESTS: 'cached' },
  })
  if (built.status !== 0) return undefined
  const server: ChildProcess = spawn(process.execPath, [vite, 'preview', '--port', `${PORT}`, '--strictPort'], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve) => server.stdout?.once('data', () => resolve()))
  const browser = await chromium.launch({ executablePath, args: browserArguments() })
  return {
    async boot(guest, mark, traced) {
      const context = await browser.newContext()
      try {
        const page = await context.newPage()
        const address = new URL(`http://localhost:${PORT}/?boot=${guest}&clock=icount&autostart`)
        if (!traced) address.searchParams.set('trace', '0')
        await page.goto(address.href)
        await page.waitForFunction(() => 'playground' in window)
        return await page.evaluate(async (mark) => {
          const playground = (window as unknown as { playground: Playground }).playground
          await playground.waitForState(['idle', 'running'], { timeoutMs: 60_000 })
          const found = playground.figures()?.marks.find((m) => m.name === mark)
          if (found === undefined) throw new Error(`the boot has no mark ${mark}`)
          return found.wallMs
        }, mark)
      } finally {
        await context.close()
      }
    },
    async close() {
      await browser.close()
      server.kill()
    },
  }
}

/** What is used of window.playground (docs/automation.md). */
interface Playground {
  waitForState(states: readonly string[], options: { timeoutMs: number }): Promise<string>
  figures(): { marks: readonly { name: string; wallMs: number }[] } | undefined
}
