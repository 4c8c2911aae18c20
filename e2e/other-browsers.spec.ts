/** Firefox and WebKit boot what Chromium boots, twice in one visit: a second boot has a second worker. */
import { existsSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { findFirefox, findWebKit } from '../scripts/browser.mjs'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { type OtherBrowser, openFirefox, openWebKit } from './other-browsers.ts'

const firefox = findFirefox()
const webkit = findWebKit()
const DRIVER_PORT = Number(process.env['PLAYGROUND_PORT'] ?? 5301) + 2

const BROWSERS: readonly { readonly name: string; readonly open: (() => Promise<OtherBrowser>) | undefined }[] = [
  { name: 'Firefox', open: firefox ? () => openFirefox(firefox) : undefined },
  { name: 'WebKit', open: webkit ? () => openWebKit(webkit, DRIVER_PORT) : undefined },
]
const hasNetBSD = existsSync(kernelPath(cacheRoot(), 'netbsd-microvm'))

const boot = (browser: OtherBrowser, guest: string, clock: 'icount' | 'wall', prompt: string) =>
  browser.evaluate(
    async (asked) => {
      await window.playground.boot({ guest: asked.guest, clock: asked.clock })
      const text = await window.playground.waitForText(new RegExp(asked.prompt), { timeoutMs: 50_000 })
      await window.playground.waitForState('idle', { timeoutMs: 5000 })
      return { text, instructions: window.playground.figures()?.ready?.instructions }
    },
    { guest, clock, prompt },
  )

for (const { name, open } of BROWSERS)
  test(`${name} boots by both clocks`, async ({ baseURL }) => {
    if (!open) return test.skip(true, `no ${name} here`)
    test.setTimeout(180_000)
    const browser = await open()
    try {
      await browser.open(`${baseURL}/`)
      const isIsolated = await browser.evaluate(async () => {
        while (!('playground' in window)) await new Promise((resolve) => setTimeout(resolve, 50))
        return crossOriginIsolated
      }, undefined)
      expect(isIsolated).toBe(true)

      const counted = await boot(browser, 'embedded', 'icount', 'playground> $')
      expect(counted.text).toMatch(/selftest: \d+ tests, 0 failed/)
      const again = await boot(browser, 'embedded', 'icount', 'playground> $')
      expect(again).toEqual(counted)
      // Timers of a loaded computer are late: which self-tests see that is not this test's business.
      const timed = await boot(browser, 'embedded', 'wall', 'playground> $')
      expect(timed.text).toMatch(/selftest: \d+ tests, \d+ failed/)
      // That the time goes on is.
      expect(timed.text).toMatch(/TSC monotonic: ok/)
      if (!hasNetBSD) return
      const { text } = await boot(browser, 'netbsd-microvm', 'icount', '# $')
      expect(text).toContain('NetBSD')
    } finally {
      await browser.close()
    }
  })
