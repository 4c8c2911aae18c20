/** A boot that never ends, by a kernel of which nobody knows where its boot ends: it is analysed while it runs, and hung. */
import { expect, test } from './playground-page.ts'

test.beforeEach(async ({ playground, page }) => {
  await playground.open('kernel=/guests/embedded/playground.elf&autostart')
  await playground.prompt()
  await expect.poll(() => page.evaluate(() => window.playground.trace()?.spans ?? 0)).toBeGreaterThan(0)
  expect(await page.evaluate(() => window.playground.trace()?.live)).toBe(true)
})

test('it is shared, merged and turned around its costliest function while it runs', async ({ page }) => {
  await page.getByRole('button', { name: 'Left-heavy' }).click()
  await expect.poll(() => page.evaluate(() => window.playground.trace()?.mode)).toBe('left-heavy')
  expect(await page.evaluate(() => window.playground.trace()?.full)).toBe(true)
  await page.getByRole('button', { name: 'Sandwich' }).click()
  await expect.poll(() => page.evaluate(() => window.playground.trace()?.mode)).toBe('sandwich')
  await page.getByRole('button', { name: 'Timeline', exact: true }).click()
  await page.getByRole('button', { name: 'Share', exact: true }).click()
  const link = await page.getByTestId('link').inputValue()
  expect(link).toContain('#v=')
  await page.keyboard.press('Escape')
  // More of the boot does not take what is looked at away.
  await page.evaluate(() => window.playground.send('echo more\n'))
  await page.evaluate(() => window.playground.waitForText(/\nmore/))
  const read = await page.evaluate(
    async (fragment) => {
      await window.playground.openLink(fragment)
      return window.playground.trace()
    },
    link.slice(link.indexOf('#')),
  )
  expect(read).toMatchObject({ origin: 'link', full: true })
  expect(read?.stages.length).toBeGreaterThan(0)
})

test('it is compared with another run, and its files are there', async ({ page }) => {
  await page.getByRole('button', { name: 'Compare', exact: true }).click()
  await expect(page.getByRole('dialog')).toContainText('Compare with')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Save or open' }).click()
  await expect(page.getByRole('menuitem', { name: /speedscope/i })).toBeVisible()
})

test('what NetBSD will not read of a long command line is said before the boot', async ({ page }) => {
  await page.getByLabel('Command line').fill(`console=com ${'x'.repeat(260)}`)
  await expect(page.getByText('272 bytes long; NetBSD reads its options out of the first 255')).toBeVisible()
})
