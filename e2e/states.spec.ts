/** States that no healthy guest reaches, with a fake machine; dev server only, the build has no fake. */
import { expect, test } from './playground-page.ts'

test('an engine fault apologises and offers its report', async ({ playground, page }) => {
  await playground.open('machine=fake&boot=embedded&autostart')
  await playground.prompt()
  await page.evaluate(() => window.playground.send('fault\r'))
  await expect(page.getByTestId('state')).toHaveText('Engine fault')
  await expect(page.getByTestId('fault')).toContainText('invariant broken: rip is canonical')
  await expect(page.getByRole('button', { name: 'Copy report' })).toBeVisible()
})

test('a flood of output does not delay Ctrl-C', async ({ playground, page }) => {
  await playground.open('machine=fake&boot=embedded&autostart')
  await playground.prompt()
  await page.evaluate(() => window.playground.send('spin\r'))
  await page.evaluate(() => window.playground.waitForState('running'))
  await page.evaluate(() => window.playground.send('\x03'))
  await playground.waitForText('^C', 1000)
})

test('without shared memory the page says what is missing', async ({ page }) => {
  // A server that sends no isolation headers.
  await page.route('**/*', async (route) => {
    const response = await route.fetch()
    const headers = Object.fromEntries(
      Object.entries(response.headers()).filter(([name]) => !name.startsWith('cross-origin-')),
    )
    await route.fulfill({ response, headers })
  })
  await page.goto('/')
  await expect(page.getByTestId('unsupported')).toContainText('Cross-Origin-Opener-Policy')
  await expect(page.getByRole('button', { name: 'Boot', exact: true })).toBeDisabled()
  // A font may be on its way still.
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})
