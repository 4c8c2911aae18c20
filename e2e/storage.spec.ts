/** What this browser keeps: changes to disks, through a reload, a crash of the tab, another tab, a full store. */
import { readFileSync } from 'node:fs'
import type { Page } from '@playwright/test'
import { expect, PlaygroundPage, test } from './playground-page.ts'

const KEY = 'playground.ld0'

/** The embedded guest with a raw disk, all of it `fill`; `keep` as it is by itself, where that is asked for. */
const bootWithDisk = async (playground: PlaygroundPage, { keep = true as boolean | 'by itself', fill = 1 } = {}) => {
  await playground.page.evaluate(
    ([byte, kept]) =>
      window.playground.boot({
        guest: 'playground',
        disks: [new Uint8Array(2 ** 20).fill(byte)],
        ...(kept !== 'by itself' && { keep: kept }),
      }),
    [fill, keep] as const,
  )
  await playground.prompt()
}

const blk = async (playground: PlaygroundPage, command: string, answer: string | RegExp) => {
  await playground.page.evaluate((text) => window.playground.send(text), `blk ${command}\n`)
  await playground.waitForText(answer)
  await playground.prompt()
}

const kept = (page: Page) => page.evaluate(() => window.playground.kept())
const powerOff = (page: Page) => page.evaluate(() => window.playground.powerOff())

test('what a guest wrote is there again after a reload, and after the tab crashed', async ({
  playground,
  page,
  context,
}) => {
  await playground.open()
  await bootWithDisk(playground)
  await blk(playground, 'write 5 kept by the page', 'sector 5 written')
  await blk(playground, 'flush', 'flushed')
  await playground.open()
  await bootWithDisk(playground)
  await blk(playground, 'read 5', 'kept by the page')
  await blk(playground, 'write 6 not flushed', 'sector 6 written')
  await page.goto('chrome://crash').catch(() => {})
  const again = new PlaygroundPage(await context.newPage())
  await again.open()
  expect(await kept(again.page)).toMatchObject([{ key: KEY }])
  // What is kept is gone on with, unless one says otherwise.
  await bootWithDisk(again, { keep: 'by itself' })
  await expect(again.page.getByTestId('changes')).toHaveValue('keep')
  await blk(again, 'read 5', 'kept by the page')
  await blk(again, 'read 6', 'not flushed')
  await bootWithDisk(again, { keep: false })
  await blk(again, 'read 5', '01 01 01 01')
  await powerOff(again.page)
  await again.page.evaluate((key) => window.playground.discardKept(key), KEY)
  expect(await kept(again.page)).toEqual([])
})

test('a disk is downloaded as it is: of a running machine, and the kept one when it is off', async ({
  playground,
  page,
}) => {
  await playground.open()
  await bootWithDisk(playground)
  await blk(playground, 'write 9 downloaded', 'sector 9 written')
  const downloaded = async (section: string) => {
    const coming = page.waitForEvent('download')
    await page
      .getByTestId(section)
      .getByRole('button', { name: /^Download/ })
      .click()
    const download = await coming
    expect(download.suggestedFilename()).toBe('playground-ld0.img')
    return readFileSync(await download.path())
  }
  const running = await downloaded('disks')
  expect(running.length).toBe(2 ** 20)
  expect(running.subarray(9 * 512, 9 * 512 + 10).toString()).toBe('downloaded')
  expect(running[10 * 512]).toBe(1)
  await powerOff(page)
  await expect(page.getByTestId('disks')).toHaveCount(0)
  expect((await downloaded('kept-disk')).equals(running)).toBe(true)
  await page.getByTestId('kept-disk').getByRole('button', { name: 'Discard' }).click()
  await page.getByTestId('kept-disk').getByRole('button', { name: 'Discard' }).click()
  await expect(page.getByTestId('kept-disk')).toHaveCount(0)
  await expect(page.getByTestId('kept')).toContainText('Nothing.')
})

test('a kept disk belongs to one machine at a time', async ({ playground, page, context }) => {
  await playground.open()
  await bootWithDisk(playground)
  await page.getByTestId('kept-disk').getByRole('button', { name: 'Discard' }).click()
  await page.getByTestId('kept-disk').getByRole('button', { name: 'Discard' }).click()
  await expect(page.getByTestId('kept-problem')).toContainText('in use by a machine')
  const other = new PlaygroundPage(await context.newPage())
  await other.open()
  await expect(bootWithDisk(other)).rejects.toThrow(/Ld0 is in use by a machine, here or in another tab/)
  await expect(other.page.getByTestId('problem')).toHaveAttribute('data-kind', 'in-use')
  await other.page.getByRole('button', { name: 'Boot without keeping' }).click()
  await other.prompt()
  await powerOff(page)
  await bootWithDisk(other)
})

test('changes are not put over another image', async ({ playground, page }) => {
  await playground.open()
  await bootWithDisk(playground)
  await blk(playground, 'write 3 over ones', 'sector 3 written')
  await expect(bootWithDisk(playground, { fill: 2 })).rejects.toThrow(/stand over another image/)
  await page.getByRole('button', { name: 'Boot the kept disk' }).click()
  await playground.prompt()
  await blk(playground, 'read 3', 'over ones')
  await blk(playground, 'read 4', '01 01 01 01')
  await expect(bootWithDisk(playground, { fill: 2 })).rejects.toThrow(/stand over another image/)
  await page.getByTestId('problem').getByRole('button', { name: 'Discard what is kept' }).click()
  await page.getByTestId('problem').getByRole('button', { name: 'Discard what is kept' }).click()
  await playground.prompt()
  await blk(playground, 'read 3', '02 02 02 02')
})

test('in a full store the guest gets an I/O error, and nothing is lost', async ({ playground, page, baseURL }) => {
  await playground.open()
  await bootWithDisk(playground)
  await blk(playground, 'write 1 before', 'sector 1 written')
  const browser = await page.context().newCDPSession(page)
  const origin = new URL(baseURL ?? '').origin
  // Room is asked for a mebibyte at a time: a machine that has begun to write has some.
  await powerOff(page)
  await browser.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 })
  await bootWithDisk(playground)
  await blk(playground, 'write 1 after', 'the device reports an I/O error')
  await expect(page.getByRole('alert')).toContainText(
    'storage for this page is full, and a write to ld0 was not stored',
  )
  await blk(playground, 'read 1', 'before')
  await browser.send('Storage.overrideQuotaForOrigin', { origin })
  await blk(playground, 'write 2 again', 'sector 2 written')
  await page.getByRole('alert').getByRole('button', { name: 'Close' }).click()
  await bootWithDisk(playground)
  await blk(playground, 'read 1', 'before')
  await blk(playground, 'read 2', 'again')
})

test('where the browser keeps nothing, one sentence says so and all else works', async ({ playground, page }) => {
  await page.addInitScript(() => {
    StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('private', 'SecurityError'))
  })
  await playground.open()
  await expect(page.getByTestId('kept-problem')).toContainText('keeps no files for this page')
  await bootWithDisk(playground, { keep: false })
  await expect(page.getByTestId('changes').locator('option[value=keep]')).toBeDisabled()
  await expect(page.getByRole('button', { name: 'Keep this guest' })).toHaveCount(0)
  await blk(playground, 'write 1 for now', 'sector 1 written')
})
