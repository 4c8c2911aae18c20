/** A link is itself: whose boot, which number, which guest; beside a machine that runs; through Back and Forward. */
import { expect, type PlaygroundPage, test } from './playground-page.ts'

const bootAndLink = async ({ page }: PlaygroundPage, options: object): Promise<string> => {
  await page.evaluate((asked) => window.playground.boot(asked), options)
  await page.evaluate(() => window.playground.waitForText('playground> '))
  await page.evaluate(() => window.playground.waitForTrace())
  return page.evaluate(() => window.playground.link())
}

test('a link says whose boot it is and its number, and Boot boots that', async ({ playground, page }, info) => {
  await playground.open('boot=embedded')
  const link = await bootAndLink(playground, { guest: 'embedded', clock: 'icount', memoryMiB: 48 })
  const number = await page.getByTestId('guest-time').textContent()
  await page.goto('about:blank')
  await page.goto(`/${link}`)
  await expect(page.getByTestId('opened')).toBeVisible()
  await expect(page.getByTestId('state')).toHaveText('From a link')
  await expect(page.getByTestId('guest-time')).toHaveText(number ?? '')
  await expect(page.locator('.number-caption')).toContainText('Playground')
  await expect(page.getByTestId('trace-name')).toContainText('from a link')
  for (const [name, colorScheme, width, height] of [
    ['wide', 'dark', 1440, 900],
    ['wide', 'light', 1440, 900],
    ['phone', 'dark', 390, 844],
    ['phone', 'light', 390, 844],
  ] as const) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height })
    await page.screenshot({ path: `e2e/screenshots/${info.project.name}-link-${name}-${colorScheme}.png` })
  }
  await page.setViewportSize({ width: 1440, height: 900 })
  await page.getByRole('button', { name: 'Boot', exact: true }).click()
  await playground.prompt()
  // As the link says it was booted.
  await expect(page.getByTestId('setting-memoryMiB')).toHaveValue('48')
  await expect(page.getByTestId('guest-time')).toHaveText(number ?? '')
})

test('beside a machine that runs a link takes nothing, and Back and Forward follow', async ({ playground, page }) => {
  await playground.open('boot=embedded')
  const link = await bootAndLink(playground, { guest: 'embedded', clock: 'icount' })
  await bootAndLink(playground, { guest: 'embedded', clock: 'wall' })
  const number = await page.getByTestId('guest-time').textContent()
  const origin = () => page.evaluate(() => window.playground.trace()?.origin)
  await page.evaluate((hash) => {
    location.hash = hash
  }, link)
  await expect.poll(origin).toBe('link')
  await expect(page.getByTestId('guest-time')).toHaveText(number ?? '')
  await expect(page.getByTestId('state')).toHaveText(/Running|Idle/)
  await page.evaluate(() => history.back())
  await expect.poll(origin).toBe('boot')
  await expect(page.getByTestId('trace-name')).not.toContainText('from a link')
  await page.evaluate(() => history.forward())
  await expect.poll(origin).toBe('link')
  expect((await page.evaluate(() => window.playground.trace()?.runs))?.length).toBe(3)
})

test('a link that is opened while a guest boots stays, and so does the boot', async ({ playground, page }) => {
  await playground.open('boot=embedded')
  const link = await bootAndLink(playground, { guest: 'embedded', clock: 'icount' })
  await page.evaluate(async (fragment) => {
    await window.playground.boot({ guest: 'embedded', clock: 'wall' })
    await window.playground.openLink(fragment)
  }, link)
  await playground.prompt()
  const done = await page.evaluate(() => window.playground.waitForTrace())
  expect(done.origin).toBe('boot')
  expect(await page.evaluate(() => window.playground.trace()?.origin)).toBe('link')
})
