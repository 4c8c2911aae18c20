/** The page under a thumb: upright and on its side. */
import type { Page } from '@playwright/test'
import { expect, test } from './playground-page.ts'

test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true })

const fingers = async (page: Page) => {
  const session = await page.context().newCDPSession(page)
  return async (type: 'touchStart' | 'touchMove' | 'touchEnd', x = 0, y = 0) =>
    session.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x, y }] })
}

test('a thumb scrolls, taps and selects in the console, and the keyboard comes when it is asked for', async ({
  playground,
  page,
}) => {
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
  await page.evaluate(() => window.playground.waitForTrace())
  const keyboard = page.locator('.xterm-helper-textarea')
  await expect(keyboard).not.toBeFocused()
  const touch = await fingers(page)
  const row = page.locator('.xterm-rows > div', { hasText: /^selftest string/ })
  const at = async () => {
    const box = await row.boundingBox()
    if (!box) throw new Error('the line is not to be seen')
    return { x: box.x + 60, y: box.y + box.height / 2 }
  }

  // A tap on a line leads to its moment.
  const line = await at()
  await touch('touchStart', line.x, line.y)
  await touch('touchEnd')
  await expect.poll(() => page.evaluate(() => window.playground.trace()?.selected)).toBeTruthy()
  await expect(keyboard).not.toBeFocused()

  // A long press selects a word.
  await touch('touchStart', line.x + 20, line.y)
  await expect(page.locator('.xterm-selection > div').first()).toBeAttached()
  await touch('touchEnd')
  await expect(page.locator('.xterm-selection > div').first()).toBeAttached()
  await expect(keyboard).not.toBeFocused()

  // A drag scrolls back to the beginning.
  for (let turn = 0; turn < 3; turn++) {
    await touch('touchStart', 200, 300)
    for (let y = 340; y <= 740; y += 80) await touch('touchMove', 200, y)
    await touch('touchEnd')
  }
  await expect(page.locator('.xterm-rows > div').first()).toContainText('NetBSD microVM playground')

  for (const name of ['Search the console', 'Copy the selection, or everything', 'Paste'])
    await expect(page.getByRole('button', { name })).toBeInViewport()
  await page.getByRole('button', { name: 'Keyboard', exact: true }).tap()
  await expect(keyboard).toBeFocused()
})

test('on its side there is room for the chart, and Share and the trace’s files are on the screen', async ({
  playground,
  page,
}) => {
  await page.setViewportSize({ width: 844, height: 390 })
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
  await page.evaluate(() => window.playground.waitForTrace())
  await page.screenshot({ path: 'e2e/screenshots/phone-landscape-console.png' })
  await page.getByRole('tab', { name: 'Timeline' }).tap()
  const chart = await page.getByTestId('flame').boundingBox()
  expect(chart?.height).toBeGreaterThan(180)
  await page.screenshot({ path: 'e2e/screenshots/phone-landscape-timeline.png' })
  await page.getByRole('button', { name: 'Save or open' }).tap()
  await expect(page.getByRole('menuitem', { name: 'speedscope' })).toBeInViewport({ ratio: 1 })
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Share' }).tap()
  await expect(page.getByRole('button', { name: 'Copy', exact: true })).toBeInViewport({ ratio: 1 })
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Stages' }).tap()
  const name = page.getByTestId('stage-table').getByRole('button', { name: 'init_x86_64' })
  // On one line.
  expect(await name.evaluate((element) => element.getClientRects().length)).toBe(1)
  expect((await name.boundingBox())?.width).toBeGreaterThan(70)
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
})
