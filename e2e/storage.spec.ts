/** What this browser keeps: changes to disks, through a reload, a crash of the tab, another tab, a full store. */
import type { Page } from '@playwright/test'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

/** A raw disk of this many MiB, each byte its mebibyte's number. */
const bootWithDisk = (page: Page, mib: number, keep: boolean) =>
  page.evaluate(
    ([size, kept]) => {
      const disk = new Uint8Array(size * 2 ** 20)
      for (let i = 0; i < size; i++) disk.fill(i, i * 2 ** 20, (i + 1) * 2 ** 20)
      return window.playground.boot({ guest: 'playground', disks: [disk], keep: kept })
    },
    [mib, keep] as const,
  )

const blk = async (playground: PlaygroundPage, command: string, answer: string | RegExp) => {
  await playground.page.evaluate((text) => window.playground.send(text), `blk ${command}\n`)
  const shown = await playground.waitForText(answer)
  await playground.prompt()
  return shown
}

const kept = (page: Page) => page.evaluate(() => window.playground.kept())

test('what a guest wrote is there again after a reload, and after the tab crashed', async ({
  playground,
  page,
  context,
}) => {
  await playground.open()
  await bootWithDisk(page, 2, true)
  await playground.prompt()
  await blk(playground, 'write 5 kept by the page', 'sector 5 written')
  await blk(playground, 'flush', 'flushed')
  await page.reload()
  await playground.open()
  await bootWithDisk(page, 2, true)
  await playground.prompt()
  await blk(playground, 'read 5', 'kept by the page')
  await blk(playground, 'write 6 not flushed', 'sector 6 written')
  await page.goto('chrome://crash').catch(() => {})
  const next = await context.newPage()
  const { PlaygroundPage: Open } = await import('./playground-page.ts')
  const again = new Open(next)
  await again.open()
  expect(await kept(next)).toMatchObject([{ key: 'playground.ld0' }])
  await bootWithDisk(next, 2, true)
  await again.prompt()
  await blk(again, 'read 5', 'kept by the page')
  await blk(again, 'read 6', 'not flushed')
  await next.evaluate(() => window.playground.powerOff())
  await next.evaluate(() => window.playground.discardKept('playground.ld0'))
  expect(await kept(next)).toEqual([])
})
