import { expect, PROMPT, test } from './playground-page.ts'

test.beforeEach(async ({ playground }) => {
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
})

test('Ctrl-C interrupts the line', async ({ playground, page }) => {
  await playground.type('a line nobody wants')
  await playground.waitForText('nobody wants')
  await page.keyboard.press('Control+c')
  await playground.waitForText('^C')
  await playground.prompt()
})

test('a paste of 100 KB loses nothing', async ({ playground, page }) => {
  test.setTimeout(120_000)
  const lines = Array.from({ length: 1700 }, (_, i) => `echo ${String(i).padStart(5, '0')} ${'abcdefgh'.repeat(6)}`)
  const text = `${lines.join('\n')}\n`
  expect(text.length).toBeGreaterThan(100_000)
  await page.locator('.xterm-helper-textarea').focus()
  await page.evaluate((pasted) => {
    const data = new DataTransfer()
    data.setData('text/plain', pasted)
    document
      .querySelector('.xterm-helper-textarea')
      ?.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  }, text)
  const last = lines.at(-1)?.slice('echo '.length) ?? ''
  const printed = await playground.waitForText(new RegExp(`\\n${last}`), 100_000)
  const answers = new Set(printed.match(/(?<=\n)\d{5} (?:abcdefgh){6}/g))
  expect(answers.size).toBe(lines.length)
})

test('the terminal follows the window', async ({ playground, page }) => {
  const place = page.getByTestId('terminal')
  const size = async () => {
    const [columns = 0, rows = 0] = ((await place.getAttribute('data-size')) ?? '').split('x').map(Number)
    return { columns, rows }
  }
  const wide = await size()
  await page.setViewportSize({ width: 1000, height: 640 })
  await expect.poll(async () => (await size()).columns).toBeLessThan(wide.columns)
  const small = await size()
  expect(small.rows).toBeLessThan(wide.rows)
  await page.setViewportSize({ width: 1440, height: 900 })
  await expect.poll(async () => (await size()).columns).toBeGreaterThan(small.columns)
  await playground.type('echo still here\n')
  await playground.waitForText(/\nstill here/)
})

for (const renderer of ['webgl', 'dom'])
  test(`the terminal draws by ${renderer}`, async ({ playground, page }, info) => {
    await playground.open(`boot=embedded&autostart&renderer=${renderer}`)
    await playground.prompt()
    await expect(page.getByTestId('terminal')).toHaveAttribute('data-renderer', renderer)
    // Something is drawn: the picture of a terminal with text compresses worse than one without.
    const withText = await page.getByTestId('terminal').screenshot()
    await info.attach(renderer, { body: withText, contentType: 'image/png' })
    expect(withText.length).toBeGreaterThan(10_000)
  })

test('the console can be searched', async ({ page }) => {
  await page.getByRole('button', { name: 'Search the console' }).click()
  await page.getByRole('textbox', { name: 'Search the console' }).fill(PROMPT.trim())
  await expect(page.locator('.search-found')).toHaveText(/^\d+ of \d+$/)
  await page.keyboard.press('Escape')
  await expect(page.getByRole('textbox', { name: 'Search the console' })).toBeHidden()
})

test('the keyboard has a way out of the console, and back', async ({ page }) => {
  await page.locator('.xterm-helper-textarea').focus()
  await expect(page.getByText('Ctrl+Shift+X leaves')).toBeVisible()
  // Tab is the guest's.
  await page.keyboard.press('Tab')
  await expect(page.locator('.xterm-helper-textarea')).toBeFocused()
  await page.keyboard.press('Control+Shift+X')
  await expect(page.getByTestId('flame')).toBeFocused()
  await page.keyboard.press('?')
  await expect(page.getByTestId('console-keys')).toContainText('Leave the console')
  await page.keyboard.press('Escape')
  await page.keyboard.press('c')
  await expect(page.locator('.xterm-helper-textarea')).toBeFocused()
})
