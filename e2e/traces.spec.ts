/** Traces that travel: links, files, comparisons, and boots with one thing different. */
import { readFileSync } from 'node:fs'
import { expect, test } from './playground-page.ts'

const boot = async (playground: import('./playground-page.ts').PlaygroundPage) => {
  await playground.open()
  await playground.boot()
  await playground.prompt()
  await playground.page.evaluate(() => window.playground.waitForTrace())
}

test('a link opens without a boot, says who booted what, and boots on request', async ({
  playground,
  page,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await boot(playground)
  await page.evaluate(() => window.playground.selectFunction('configure'))
  await page.getByRole('button', { name: 'Share' }).click()
  await expect(page.getByTestId('copied')).toContainText('Copied')
  const link = await page.getByTestId('link').inputValue()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link)
  expect(link.length).toBeLessThanOrEqual(4096)
  await expect(page.getByRole('img', { name: 'QR code of the link' })).toBeVisible()
  await page.screenshot({ path: 'e2e/screenshots/share.png' })

  await page.goto('about:blank')
  await page.goto(link)
  await expect(page.getByTestId('opened')).toContainText('Playground booted in')
  await expect(page.getByTestId('opened')).toContainText('console=com')
  expect(await playground.state()).toBe('first-visit')
  const trace = await page.evaluate(() => window.playground.trace())
  expect(trace).toMatchObject({ origin: 'link', selected: 'configure', full: true })
  await page.screenshot({ path: 'e2e/screenshots/opened.png' })
  await page.getByRole('button', { name: 'Boot it yourself' }).click()
  await playground.prompt()
  await expect(page.getByTestId('opened')).toBeHidden()
})

for (const [what, fragment, said] of [
  ['cut short', '#v=1&d=7ZhNb9s4EIb', /link.*Try: /],
  ['of a newer version', '#v=999&d=AAAA', /version 999/],
  ['with script in it', '#v=1&d=<script>alert(1)</script>', /characters that do not belong/],
  ['empty', '#v=1', /no trace in it/],
] as const)
  test(`a link ${what} gives a sentence`, async ({ playground, page }) => {
    await page.goto(`/${fragment}`)
    await expect(page.getByTestId('trace-problem')).toContainText(said)
    await page.getByRole('button', { name: 'Close the message' }).click()
    await playground.boot()
    await playground.prompt()
  })

test('one click boots with one thing different, and compares', async ({ playground, page }) => {
  await boot(playground)
  await page.getByRole('button', { name: 'no TSC frequency leaf' }).click()
  await expect(page.getByTestId('compare')).toBeVisible({ timeout: 30_000 })
  await expect(page.getByTestId('compare')).toContainText('i8254')
  await expect(page.getByTestId('compare-total')).toContainText('before')
  await page.screenshot({ path: 'e2e/screenshots/compare.png' })
  const table = page.getByTestId('compare-table')
  await expect(table).toContainText('configure')
  await page.getByRole('button', { name: 'By function' }).click()
  await page.getByTestId('compare').getByRole('button', { name: 'Instructions' }).click()
  await expect(table.getByRole('row').nth(1)).toBeVisible()
  await page.screenshot({ path: 'e2e/screenshots/compare-functions.png' })
  await page.getByRole('button', { name: 'Close comparison' }).click()
  await expect(page.getByTestId('flame')).toBeVisible()
  // The switch was for that one boot.
  expect(await page.evaluate(() => window.playground.trace()?.runs.length)).toBe(3)
})

test('compares with an earlier run, a link and a file', async ({ playground, page }) => {
  await boot(playground)
  const link = await page.evaluate(() => window.playground.link())
  const native = await page.evaluate(() => window.playground.exportTrace('native'))
  await playground.boot()
  await playground.prompt()
  await page.evaluate(() => window.playground.waitForTrace())
  const open = () => page.locator('.timeline-actions').getByRole('button', { name: 'Compare' }).click()
  await open()
  await page.getByTestId('runs').getByRole('button').first().click()
  await expect(page.getByTestId('compare')).toBeVisible()
  await page.getByRole('button', { name: 'Close comparison' }).click()
  await open()
  await page.getByRole('textbox', { name: 'A link to a trace' }).fill(`https://example.org/${link}`)
  await page.getByRole('dialog').getByRole('button', { name: 'Compare' }).click()
  await expect(page.getByTestId('compare')).toContainText('from a link')
  await page.getByRole('button', { name: 'Close comparison' }).click()
  await open()
  await page
    .getByTestId('compare-file')
    .setInputFiles({ name: 'yesterday.trace.json', mimeType: 'application/json', buffer: Buffer.from(native) })
  await expect(page.getByTestId('compare')).toContainText('from a file')
})

test('saves every format and reads its own back', async ({ playground, page }) => {
  await boot(playground)
  const { spans } = await page.evaluate(() => window.playground.waitForTrace())
  for (const [item, extension, starts] of [
    ['Trace file, everything', '.trace.json', '{'],
    ['Chrome trace events, for Perfetto', '.chrome.json', '{'],
    ['speedscope', '.speedscope.json', '{'],
    ['Folded stacks, for flamegraph.pl', '.folded.txt', ''],
    ['Picture of the view, PNG', '.png', '\x89PNG'],
    ['Picture of the view, SVG', '.svg', '<svg'],
  ] as const) {
    await page.getByRole('button', { name: 'Save or open' }).click()
    const download = page.waitForEvent('download')
    await page.getByRole('menuitem', { name: item, exact: true }).click()
    const file = await download
    expect(file.suggestedFilename()).toMatch(new RegExp(`^(Playground|x)\\${extension}$`))
    const bytes = readFileSync(await file.path())
    expect(bytes.toString('latin1').startsWith(starts)).toBe(true)
    if (extension === '.png' || extension === '.svg') continue
    await page.getByTestId('trace-file').setInputFiles({ name: `x${extension}`, mimeType: '', buffer: bytes })
    await expect.poll(() => page.evaluate(() => window.playground.trace()?.origin)).toBe('file')
    if (extension === '.trace.json') expect(await page.evaluate(() => window.playground.trace()?.spans)).toBe(spans)
  }
  await page
    .getByTestId('trace-file')
    .setInputFiles({ name: 'x.json', mimeType: '', buffer: Buffer.from('{"what":"no trace"}') })
  await expect(page.getByTestId('trace-problem')).toContainText('Try: ')
})

test('functions are a table: sorted, searched and summed, by subsystem in table and chart alike', async ({ page }) => {
  const link = readFileSync(new URL('../src/trace/formats/fixtures/v2-netbsd.link.txt', import.meta.url), 'utf8').trim()
  await page.setViewportSize({ width: 1440, height: 900 })
  await page.goto(`/${link}`)
  await page.getByRole('button', { name: 'Functions', exact: true }).click()
  const rows = page.getByTestId('function-table').locator('tbody tr')
  await expect(page.getByTestId('function-table').getByRole('columnheader', { name: 'Self' })).toHaveAttribute(
    'aria-sort',
    'descending',
  )
  expect(await rows.count()).toBeGreaterThan(50)
  await page.getByRole('button', { name: 'Calls', exact: true }).click()
  const calls = (await rows.locator('td:nth-child(4)').allTextContents()).map((text) => Number(text.replace(/,/g, '')))
  expect(calls).toEqual(calls.toSorted((a, b) => b - a))
  const all = await page.getByTestId('function-sum').textContent()
  await page.getByRole('group', { name: 'Subsystem' }).getByRole('button', { name: 'memory' }).click()
  await expect(rows.locator('td:nth-child(5)').filter({ hasNotText: 'memory' })).toHaveCount(0)
  await expect(page.getByTestId('function-sum')).not.toHaveText(all ?? '')
  await page.screenshot({ path: 'e2e/screenshots/functions.png' })
  const name = await rows.first().getByRole('button').textContent()
  await rows.first().getByRole('button').click()
  await expect(page.getByTestId('flame')).toBeVisible()
  await expect(page.getByTestId('selection')).toContainText(name ?? '')
  await page.screenshot({ path: 'e2e/screenshots/functions-chart.png' })
})

test('a comparison is shared as a comparison, in full and short', async ({ page }) => {
  const fixture = (name: string) =>
    readFileSync(new URL(`../src/trace/formats/fixtures/${name}.link.txt`, import.meta.url), 'utf8').trim()
  await page.goto(`/${fixture('v2-netbsd')}`)
  await page.getByRole('button', { name: 'Compare', exact: true }).click()
  await page.getByRole('textbox', { name: 'A link to a trace' }).fill(fixture('v2-small'))
  await page.getByRole('dialog').getByRole('button', { name: 'Compare', exact: true }).click()
  const total = await page.getByTestId('compare-total').textContent()
  await page.getByRole('button', { name: 'Share', exact: true }).click()
  const full = await page.getByTestId('link').inputValue()
  await page.screenshot({ path: 'e2e/screenshots/share-comparison.png' })
  await page.getByRole('button', { name: 'Stages only' }).click()
  const short = await page.getByTestId('link').inputValue()
  expect(full.length).toBeLessThanOrEqual(16_000)
  expect(short.length).toBeLessThanOrEqual(2_000)
  for (const link of [full, short]) {
    await page.goto('about:blank')
    await page.goto(link)
    await expect(page.getByTestId('compare-total')).toHaveText(total ?? '')
  }
})
