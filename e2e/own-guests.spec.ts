/** A person's own guests, kept in this browser. */
import type { Page } from '@playwright/test'
import { expect, test } from './playground-page.ts'

const EMBEDDED = 'public/guests/embedded/playground.elf'

const menu = (page: Page) => page.locator('.guest-select select')
const keep = async (page: Page) => {
  await page.getByRole('button', { name: 'Keep this guest' }).click()
  await expect(page.getByTestId('kept-guest')).toHaveCount(1)
}

test('a guest is kept with its files, named, booted after a reload, and deleted', async ({ playground, page }) => {
  await page.addInitScript(() => {
    StorageManager.prototype.persist = () => {
      Object.assign(window, { persistAsked: true })
      return Promise.resolve(false)
    }
  })
  await playground.open()
  await page.getByTestId('file-kernel').setInputFiles(EMBEDDED)
  await page
    .getByTestId('file-disk')
    .setInputFiles({ name: 'data.img', mimeType: '', buffer: Buffer.alloc(2 ** 20, 'own ') })
  await page.getByLabel('Command line').fill('console=com kept')
  await keep(page)
  await expect(page.getByTestId('storage-figures')).toContainText(/MiB of .* used/)
  expect(await page.evaluate(() => 'persistAsked' in window), 'the browser was asked not to delete it').toBe(true)

  await playground.open()
  const option = menu(page).locator('optgroup[label="Kept in this browser"] option')
  await expect(option).toHaveText(/^playground\.elf · 1\.\d+.MiB$/)
  await page.getByTestId('kept-guest').getByRole('button', { name: 'Rename' }).click()
  await page.getByLabel('New name of playground.elf').fill('My kernel')
  await page.keyboard.press('Enter')
  await expect(option).toHaveText(/^My kernel · /)

  const id = (await option.getAttribute('value')) ?? ''
  await playground.open(`boot=${id}`)
  await expect(menu(page)).toHaveValue(id)
  await page.evaluate(() => window.playground.boot())
  expect(await playground.prompt()).toContain('console=com kept')
  await page.evaluate(() => window.playground.send('blk read 0\n'))
  await playground.waitForText('own own own')

  // What is kept of its disk goes with it.
  await page.evaluate((guest) => window.playground.boot({ guest, keep: true }), id)
  await playground.prompt()
  await page.evaluate(() => window.playground.powerOff())
  await expect(page.getByTestId('kept-disk')).toHaveCount(1)
  for (let press = 0; press < 2; press++)
    await page.getByTestId('kept-guest').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByTestId('kept')).toContainText('Nothing.')
  await expect(option).toHaveCount(0)
  await expect(menu(page)).toHaveValue('playground')
  const left = await page.evaluate(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('playground')
    const names: string[] = []
    for (const room of ['files', 'guests', 'disks'])
      for await (const name of (await root.getDirectoryHandle(room)).keys()) names.push(name)
    return names
  })
  expect(left).toEqual([])
})

test('a guest by address keeps the address, and its settings can be saved again', async ({ playground, page }) => {
  await playground.open('kernel=/guests/embedded/playground.elf')
  await keep(page)
  await page.getByLabel('Memory').selectOption('128')
  await page.getByRole('button', { name: 'Save these settings' }).click()
  await expect(page.getByRole('button', { name: 'Save these settings' })).toBeEnabled()
  await playground.open()
  await menu(page).selectOption({ label: 'playground.elf · by address' })
  await expect(page.getByLabel('Memory')).toHaveValue('128')
  await page.evaluate(() => window.playground.boot())
  await playground.prompt()
})

test('what does not fit is not kept, and what the browser has deleted is said to be', async ({
  playground,
  page,
  baseURL,
}) => {
  await playground.open()
  await page.getByTestId('file-kernel').setInputFiles(EMBEDDED)
  const browser = await page.context().newCDPSession(page)
  const origin = new URL(baseURL ?? '').origin
  await browser.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1000 })
  await page.getByRole('button', { name: 'Keep this guest' }).click()
  await expect(page.getByTestId('kept-problem')).toContainText('storage for this page is full')
  await expect(page.getByTestId('kept-guest')).toHaveCount(0)
  await browser.send('Storage.overrideQuotaForOrigin', { origin })
  await keep(page)
  await page.evaluate(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('playground')
    await root.removeEntry('files', { recursive: true })
  })
  await playground.open()
  await expect(page.getByTestId('kept-guest')).toContainText('This browser has deleted files of this guest')
  const id = await menu(page).locator('optgroup option').getAttribute('value')
  await menu(page).selectOption(id)
  await expect(page.getByRole('button', { name: 'Boot', exact: true })).toBeDisabled()
})

test('a kernel chosen in place of NetBSD’s has its root and the files that were added', async ({
  playground,
  page,
}) => {
  await playground.open('boot=netbsd-microvm')
  await page.evaluate(() => window.playground.addFiles({ '/root/a': 'a' }))
  await page.getByTestId('file-kernel').setInputFiles(EMBEDDED)
  await expect(menu(page)).toHaveValue('own')
  await page.evaluate(() => window.playground.boot())
  await playground.prompt()
  expect(await page.evaluate(() => window.playground.listFolder('/root'))).toMatchObject([{ name: 'a' }])
})
