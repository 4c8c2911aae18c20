/** The page as a test sees it: opened, known to be cross-origin isolated, driven through window.playground. */
import { test as base, expect, type Page } from '@playwright/test'
import type { Automation } from '../src/stores/automation.ts'

declare global {
  interface Window {
    playground: Automation
  }
}

/** `PLAYGROUND_MACHINE=fake` tries the page without an engine (dev server only). */
const FAKE = process.env['PLAYGROUND_MACHINE'] === 'fake'

export const PROMPT = 'playground> '

export class PlaygroundPage {
  readonly page: Page
  readonly errors: string[] = []

  constructor(page: Page) {
    this.page = page
    page.on('pageerror', (error) => this.errors.push(error.message))
  }

  /** The embedded guest, unless the query says another: what a first visit offers depends on the kernels that are here. */
  async open(query = ''): Promise<void> {
    const parameters = new URLSearchParams(query)
    if (!parameters.has('boot') && !parameters.has('kernel')) parameters.set('boot', 'embedded')
    await this.visit(parameters)
  }

  /** Whatever the page offers by itself. */
  async visit(parameters = new URLSearchParams()): Promise<void> {
    if (FAKE) parameters.set('machine', 'fake')
    const search = parameters.toString()
    await this.page.goto(search === '' ? '/' : `/?${search}`)
    expect(await this.page.evaluate(() => crossOriginIsolated), 'the page is cross-origin isolated').toBe(true)
    await this.page.waitForFunction(() => 'playground' in window)
  }

  boot(guest = 'embedded'): Promise<void> {
    return this.page.evaluate((id) => window.playground.boot(id), guest)
  }

  waitForText(text: string | RegExp, timeoutMs = 30_000): Promise<string> {
    // A RegExp does not cross by itself.
    const [source, flags, isPattern] = typeof text === 'string' ? [text, '', false] : [text.source, text.flags, true]
    return this.page.evaluate(
      ([from, with_, pattern, timeout]) =>
        window.playground.waitForText(pattern ? new RegExp(from, with_) : from, { timeoutMs: timeout }),
      [source, flags, isPattern, timeoutMs] as const,
    )
  }

  prompt(timeoutMs?: number): Promise<string> {
    return this.waitForText(PROMPT, timeoutMs)
  }

  async type(text: string): Promise<void> {
    await this.page.locator('.xterm-helper-textarea').focus()
    await this.page.keyboard.type(text)
  }

  state(): Promise<string> {
    return this.page.evaluate(() => window.playground.state())
  }

  text(): Promise<string> {
    return this.page.evaluate(() => window.playground.text())
  }
}

export const test = base.extend<{ playground: PlaygroundPage }>({
  playground: async ({ page }, use, info) => {
    const playground = new PlaygroundPage(page)
    await use(playground)
    if (info.status !== info.expectedStatus) {
      const body = await playground.text().catch(() => '(the page is gone)')
      await info.attach('console', { body, contentType: 'text/plain' })
    }
    expect(playground.errors, 'errors on the page').toEqual([])
  },
})

export { expect }
