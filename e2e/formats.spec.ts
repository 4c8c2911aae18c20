/** What leaves the page opens where it should: speedscope itself, Perfetto's format; what is dropped on it is taken or refused. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

const SPEEDSCOPE = join(import.meta.dirname, '../node_modules/speedscope/dist/release')
const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' }

const boot = async (playground: PlaygroundPage) => {
  await playground.open()
  await playground.boot()
  await playground.prompt()
  await playground.page.evaluate(() => window.playground.waitForTrace())
}

const drop = async (page: Page, name: string, text: string) => {
  const transfer = await page.evaluateHandle(
    ([fileName, content]) => {
      const data = new DataTransfer()
      data.items.add(new File([content], fileName))
      return data
    },
    [name, text] as const,
  )
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer })
}

test('speedscope opens the exported file and shows its functions', async ({ playground, page, context }) => {
  await boot(playground)
  const profile = await page.evaluate(() => window.playground.exportTrace('speedscope'))
  const other = await context.newPage()
  const errors: string[] = []
  other.on('pageerror', (error) => errors.push(error.message))
  other.on('dialog', (dialog) => {
    errors.push(dialog.message())
    void dialog.dismiss()
  })
  await other.route('http://speedscope.test/**', (route) => {
    const path = new URL(route.request().url()).pathname.slice(1) || 'index.html'
    if (path === 'profile.json') return route.fulfill({ body: profile, contentType: 'application/json' })
    const type = TYPES[path.split('.').at(-1) ?? '']
    return route.fulfill({
      body: readFileSync(join(SPEEDSCOPE, path)),
      ...(type !== undefined && { contentType: type }),
    })
  })
  await other.goto('http://speedscope.test/index.html#profileURL=http://speedscope.test/profile.json')
  // Its flame charts are canvases; its table is text, of the rows that fit.
  await other.setViewportSize({ width: 1280, height: 6000 })
  await other.getByText('Sandwich').click()
  for (const name of ['clear_bss', 'console_write', 'idle'])
    await expect(other.getByText(name, { exact: true }).filter({ visible: true }).first()).toBeVisible()
  await other.screenshot({ path: 'e2e/screenshots/speedscope.png' })
  expect(errors).toEqual([])
})

/** The Trace Event Format, as Perfetto imports it. */
interface ChromeEvent {
  readonly name: string
  readonly ph: string
  readonly ts: number
  readonly dur: number
  readonly pid: number
  readonly tid: number
  readonly args?: { readonly name?: string }
}

test('the Chrome trace events are what Perfetto imports', async ({ playground, page }) => {
  await boot(playground)
  const text = await page.evaluate(() => window.playground.exportTrace('chrome'))
  const { traceEvents } = JSON.parse(text) as { traceEvents: readonly ChromeEvent[] }
  const threads = new Map<string, ChromeEvent[]>()
  const named = new Set<string>()
  for (const event of traceEvents) {
    expect(['M', 'X', 'i', 'I', 'C']).toContain(event.ph)
    const thread = `${event.pid}/${event.tid}`
    if (event.ph === 'M' && event.name === 'thread_name') {
      expect(event.args?.name).toBeTruthy()
      named.add(thread)
    }
    if (event.ph !== 'X') continue
    expect(event.name).not.toBe('')
    expect(Number.isFinite(event.ts) && event.ts >= 0 && Number.isFinite(event.dur) && event.dur >= 0).toBe(true)
    threads.set(thread, [...(threads.get(thread) ?? []), event])
  }
  expect([...threads.keys()].filter((thread) => !named.has(thread))).toEqual([])
  // Of two complete events of one thread the later one lies inside the earlier one or begins after it.
  for (const events of threads.values()) {
    const open: number[] = []
    for (const { ts, dur } of [...events].sort((a, b) => a.ts - b.ts || b.dur - a.dur)) {
      while (open.length > 0 && open.at(-1)! <= ts + 1e-3) open.pop()
      expect(ts + dur).toBeLessThanOrEqual((open.at(-1) ?? Infinity) + 1e-3)
      open.push(ts + dur)
    }
  }
  expect(traceEvents.filter(({ ph }) => ph === 'X').map(({ name }) => name)).toContain('configure')
})

test('a TSLOG dump, a trace and rubbish are dropped', async ({ playground, page }) => {
  await playground.open()
  const dump = ['0x0 1000 ENTER main', '0x0 2000 ENTER configure', '0x0 900000 EXIT configure', '0x0 1000000 EXIT main']
  await drop(page, 'boot.tslog', `${dump.join('\n')}\n`)
  await expect.poll(() => page.evaluate(() => window.playground.trace()?.origin)).toBe('file')
  await page.evaluate(() => window.playground.selectFunction('configure'))
  expect(await page.evaluate(() => window.playground.trace()?.selected)).toBe('configure')
  await drop(page, 'rubbish.trace.json', '{"format":"something else"}')
  await expect(page.getByTestId('trace-problem')).toContainText('Try: ')
  await page.getByRole('button', { name: 'Close the message' }).click()
  // What was open is still there.
  expect(await page.evaluate(() => window.playground.trace()?.origin)).toBe('file')
})

test('names are text, never markup', async ({ playground, page }) => {
  await playground.open()
  const evil = '<img/src=x/onerror=document.title="owned">'
  await drop(page, 'evil.tslog', `0x0 1000 ENTER ${evil}\n0x0 900000 EXIT ${evil}\n`)
  await expect.poll(() => page.evaluate(() => window.playground.trace()?.origin)).toBe('file')
  await page.evaluate((name) => window.playground.selectFunction(name), evil)
  await expect(page.getByText(evil).first()).toBeVisible()
  expect(await page.title()).not.toBe('owned')
})

test('a link is shared by the system where it can', async ({ playground, page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(navigator, 'share', {
      value: (data: { url?: string }) => {
        document.documentElement.dataset['shared'] = data.url ?? ''
        return Promise.resolve()
      },
    })
  })
  await boot(playground)
  await page.getByRole('button', { name: 'Share' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Share', exact: true }).click()
  await expect(page.locator('html')).toHaveAttribute('data-shared', /#v=2&/)
})
