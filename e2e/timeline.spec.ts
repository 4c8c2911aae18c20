/** The timeline of a real boot: live, moved about in, searched, selected. */
import { expect, test } from './playground-page.ts'

test.beforeEach(async ({ playground, page }) => {
  await playground.open()
  await playground.boot()
  await playground.prompt()
  await page.evaluate(() => window.playground.waitForTrace())
})

const view = (page: import('@playwright/test').Page) =>
  page.evaluate(() => {
    const trace = window.playground.trace()
    if (!trace) throw new Error('no trace')
    return trace
  })

/** A place of the unzoomed chart where main is the outermost function: amid configure. */
const amidMain = async (page: import('@playwright/test').Page, width: number) => {
  const { stages, to } = await view(page)
  const configure = stages.find(({ name }) => name === 'configure')
  return configure ? (width * (configure.start + configure.end)) / 2 / to : 0
}

/** The longest span of a function, guest ns, as the file for Perfetto has it. */
const longestSpan = async (page: import('@playwright/test').Page, name: string) => {
  const file = await page.evaluate(() => window.playground.exportTrace('chrome'))
  const events: { ph: string; name: string; cat: string; ts: number; dur: number }[] = JSON.parse(file).traceEvents
  const spans = events.filter((event) => event.ph === 'X' && event.name === name && event.cat !== 'stage')
  const longest = spans.reduce((a, b) => (b.dur > a.dur ? b : a))
  return { start: longest.ts * 1000, end: (longest.ts + longest.dur) * 1000 }
}

test('the boot’s functions are there when it is over, in lanes and stages', async ({ page }) => {
  await expect(page.getByTestId('flame')).toHaveAttribute('data-drawn', /^time 0-\d+$/)
  await expect(page.getByTestId('stages')).toContainText('run_selftests')
  const trace = await view(page)
  expect(trace.full).toBe(true)
  expect(trace.spans).toBeGreaterThan(300)
  expect(trace.lanes).toEqual(expect.arrayContaining(['kernel', 'interrupts']))
  expect(trace.stages.map(({ name }) => name)).toEqual([
    'start_pvh',
    'init_x86_64',
    'main',
    'configure',
    'run_selftests',
    'prompt',
  ])
  expect(trace.stages.every(({ mark }) => mark !== 'console')).toBe(true)
})

test('wheel, drag, keys, buttons and the map move the range', async ({ page }) => {
  const flame = page.getByTestId('flame')
  const box = await flame.boundingBox()
  if (!box) throw new Error('no flame chart')
  const all = await view(page)
  await flame.click({ position: { x: 5, y: 5 } })
  await page.mouse.move(box.x + box.width / 4, box.y + 60)
  await page.keyboard.down('Control')
  await page.mouse.wheel(0, -400)
  await page.keyboard.up('Control')
  await expect.poll(async () => (await view(page)).to).toBeLessThan(all.to)
  const zoomed = await view(page)
  // What is under the pointer keeps its place.
  const under = (now: typeof all) => now.from + (now.to - now.from) / 4
  expect(Math.abs(under(zoomed) - under(all))).toBeLessThan((zoomed.to - zoomed.from) * 0.02)

  await page.mouse.move(box.x + 300, box.y + 60)
  await page.mouse.down()
  await page.mouse.move(box.x + 200, box.y + 60, { steps: 4 })
  await page.mouse.up()
  await expect.poll(async () => (await view(page)).from).toBeGreaterThan(zoomed.from)

  const dragged = await view(page)
  await page.keyboard.press('w')
  await expect.poll(async () => (await view(page)).to - (await view(page)).from).toBeLessThan(dragged.to - dragged.from)
  const closer = await view(page)
  await page.keyboard.press('a')
  await expect.poll(async () => (await view(page)).from).toBeLessThan(closer.from)
  await page.keyboard.press('d')
  await page.keyboard.press('s')
  await page.keyboard.press('+')
  await page.keyboard.press('-')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('0')
  await expect.poll(async () => (await view(page)).to).toBe(all.to)

  const map = await page.getByTestId('mini-map').boundingBox()
  if (!map) throw new Error('no map')
  await page.mouse.move(map.x + map.width * 0.25, map.y + 10)
  await page.mouse.down()
  await page.mouse.move(map.x + map.width * 0.5, map.y + 10, { steps: 4 })
  await page.mouse.up()
  await expect.poll(async () => Math.round(((await view(page)).from / all.to) * 100)).toBe(25)
  expect(Math.round(((await view(page)).to / all.to) * 100)).toBe(50)

  await page.getByRole('button', { name: 'Show all' }).click()
  await expect.poll(async () => (await view(page)).from).toBe(0)
  await page.getByRole('button', { name: 'Zoom in' }).click()
  await expect.poll(async () => (await view(page)).from).toBeGreaterThan(0)
})

test('the ruler’s drag zooms, and two fingers do', async ({ page }) => {
  const flame = page.getByTestId('flame')
  const box = await flame.boundingBox()
  if (!box) throw new Error('no flame chart')
  const all = await view(page)
  await page.mouse.move(box.x + box.width * 0.5, box.y + 8)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.75, box.y + 8, { steps: 4 })
  await page.mouse.up()
  await expect.poll(async () => Math.round(((await view(page)).from / all.to) * 100)).toBe(50)
  const zoomed = await view(page)
  const session = await page.context().newCDPSession(page)
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', apart: number) =>
    session.send('Input.dispatchTouchEvent', {
      type,
      touchPoints:
        type === 'touchEnd'
          ? []
          : [
              { x: box.x + 400 - apart, y: box.y + 80, id: 1 },
              { x: box.x + 400 + apart, y: box.y + 80, id: 2 },
            ],
    })
  await touch('touchStart', 50)
  await touch('touchMove', 100)
  await touch('touchMove', 150)
  await touch('touchEnd', 0)
  await expect
    .poll(async () => {
      const now = await view(page)
      return (now.to - now.from) / (zoomed.to - zoomed.from)
    })
    .toBeLessThan(0.5)
})

test('guest time, wall time and instructions are three axes', async ({ page }) => {
  const guest = await view(page)
  await page.getByTestId('axis').selectOption('instructions')
  await expect.poll(async () => (await view(page)).axis).toBe('instructions')
  const instructions = await view(page)
  expect(instructions.to).not.toBe(guest.to)
  const figures = await page.evaluate(() => window.playground.figures()?.ready?.instructions ?? 0)
  expect(instructions.to).toBeGreaterThanOrEqual(figures)
  await page.getByTestId('axis').selectOption('wall')
  await expect.poll(async () => (await view(page)).axis).toBe('wall')
  await page.getByTestId('axis').selectOption('guest')
  await expect.poll(async () => (await view(page)).to).toBe(guest.to)
})

test('search finds, marks and walks', async ({ page }) => {
  await page.getByTestId('flame').click({ position: { x: 5, y: 5 } })
  await page.keyboard.press('/')
  await page.getByRole('textbox', { name: 'Search functions' }).fill('virtio')
  await expect(page.getByTestId('trace-found')).toHaveText(/^\d+ spans$/)
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('trace-found')).toHaveText(/^1 of \d+$/)
  expect((await view(page)).selected).toContain('virtio')
  await page.getByRole('button', { name: 'Next function found' }).click()
  await expect(page.getByTestId('trace-found')).toHaveText(/^2 of \d+$/)
  await page.getByRole('button', { name: 'Previous function found' }).click()
  await expect(page.getByTestId('trace-found')).toHaveText(/^1 of \d+$/)
  await page.screenshot({ path: 'e2e/screenshots/timeline-search.png' })
  await page.getByRole('textbox', { name: 'Search functions' }).fill('no such function')
  await expect(page.getByTestId('trace-found')).toHaveText('none')
})

test('a span is told by tooltip and details alike, and walked from by keys', async ({ page }) => {
  const flame = page.getByTestId('flame')
  const box = await flame.boundingBox()
  if (!box) throw new Error('no flame chart')
  const position = { x: await amidMain(page, box.width), y: 24 + 20 + 10 }
  await flame.hover({ position })
  await expect(page.getByRole('tooltip')).toContainText('main')
  const said = await page.getByRole('tooltip').locator('span').first().textContent()
  await flame.click({ position })
  await expect(page.getByTestId('selection')).toContainText('main')
  await expect(page.getByTestId('span-duration')).toContainText(said?.split(',')[0] ?? '?')
  await expect(page.getByTestId('selection')).toContainText('Address')
  await expect(page.getByTestId('selection')).toContainText('Calls')
  await page.keyboard.press('ArrowDown')
  await expect.poll(async () => (await view(page)).selected).not.toBe('main')
  await page.keyboard.press('ArrowUp')
  await expect.poll(async () => (await view(page)).selected).toBe('main')
  // All of main with a fiftieth of it free on either side, and not farther than there is a trace: as wide, and moved in.
  const all = await view(page)
  const main = await longestSpan(page, 'main')
  const margin = (main.end - main.start) * 0.02
  const width = Math.min(main.end - main.start + 2 * margin, all.to)
  const from = Math.max(0, Math.min(main.start - margin, all.to - width))
  await page.keyboard.press('Enter')
  await expect.poll(async () => (await view(page)).from).toBeCloseTo(from, 0)
  expect((await view(page)).to).toBeCloseTo(from + width, 0)
  await page.keyboard.press('Escape')
  await expect(page.getByTestId('selection')).toBeHidden()
})

test('a span selects its console lines, and a console line its moment', async ({ page }) => {
  await page.evaluate(() => window.playground.selectFunction('run_selftests'))
  const { selectedLines } = await view(page)
  expect(selectedLines.some((line) => line.startsWith('selftest'))).toBe(true)
  await expect(page.getByTestId('span-lines')).toContainText('selftest')
  await page.getByTestId('flame').click({ position: { x: 5, y: 5 } })
  await page.keyboard.press('Escape')
  const row = page.locator('.xterm-rows > div', { hasText: /^selftest \w+ ?\w*: ok/ }).first()
  // The first click brings the focus and moves nothing, the second asks about the line.
  const before = await view(page)
  await row.click({ position: { x: 30, y: 8 }, force: true })
  await expect(page.locator('.xterm-helper-textarea')).toBeFocused()
  expect(await view(page)).toMatchObject({ from: before.from, to: before.to, selected: undefined })
  await row.click({ position: { x: 30, y: 8 }, force: true })
  await expect.poll(async () => (await view(page)).selected).toBeTruthy()
  await expect(page.getByTestId('selection')).toBeVisible()
  await page.screenshot({ path: 'e2e/screenshots/timeline-moment.png' })
})

test('left-heavy and sandwich show where the time went', async ({ page }) => {
  await page.getByRole('button', { name: 'Left-heavy' }).click()
  await expect(page.getByTestId('flame')).toHaveAttribute('data-drawn', /^left-heavy/)
  await page.screenshot({ path: 'e2e/screenshots/timeline-left-heavy.png' })
  await page.getByTestId('flame').dblclick({ position: { x: 60, y: 34 } })
  await page.getByRole('button', { name: 'Sandwich' }).click()
  await expect(page.getByTestId('flame')).toHaveAttribute('data-drawn', /^sandwich/)
  await page.screenshot({ path: 'e2e/screenshots/timeline-sandwich.png' })
  // What is searched for in a sandwich becomes its subject, one after the other.
  const field = page.getByRole('textbox', { name: 'Search functions' })
  await field.fill('virtio')
  await expect(page.getByTestId('trace-found')).toHaveText(/^\d+ functions$/)
  await field.press('Enter')
  await expect(page.getByTestId('trace-found')).toHaveText(/^1 of \d+$/)
  await expect(page.getByTestId('selection').getByRole('heading', { level: 3 })).toContainText('virtio')
  expect((await view(page)).mode).toBe('sandwich')
})

test('the stages are a table too', async ({ page }) => {
  await page.getByRole('button', { name: 'Stages' }).click()
  const table = page.getByRole('table', { name: 'Stages of the boot' })
  await expect(table.getByRole('row')).toHaveCount(7)
  await expect(table).toContainText('run_selftests')
  await page.screenshot({ path: 'e2e/screenshots/timeline-stages.png' })
  await table.getByRole('button', { name: 'configure' }).click()
  await expect(page.getByTestId('flame')).toBeVisible()
  expect((await view(page)).from).toBeGreaterThan(0)
})

test('a stage chooses among the functions of the table, and a row of it among the chart’s', async ({ page }) => {
  await page.getByRole('button', { name: 'Functions' }).click()
  const table = page.getByTestId('function-table')
  await expect(table.getByRole('button', { name: 'run_selftests' })).toBeVisible()
  await page.getByTestId('stages').getByText('configure').click()
  await expect(page.getByTestId('function-sum')).toContainText('configure')
  await expect(table.getByRole('button', { name: 'virtio_probe' })).toBeVisible()
  await expect(table.getByRole('button', { name: 'run_selftests' })).toBeHidden()
  await page.getByRole('button', { name: 'Whole trace' }).click()
  await expect(page.getByTestId('function-sum')).toContainText('the whole trace')
  await table.getByRole('button', { name: 'virtio_attach' }).click()
  expect((await view(page)).selected).toBe('virtio_attach')
  // Its calls are walked by n; the table has its row in sight.
  const begins = page.getByTestId('span').locator('div', { hasText: 'Begins' })
  await page.keyboard.press('n')
  const first = await begins.textContent()
  await page.keyboard.press('n')
  await expect(begins).not.toHaveText(first ?? '')
  expect((await view(page)).selected).toBe('virtio_attach')
  await page.getByRole('button', { name: 'Functions' }).click()
  await expect(table.locator('tr[aria-current]')).toBeInViewport()
})

test('the keys are on a sheet', async ({ page }) => {
  await page.getByTestId('flame').click({ position: { x: 5, y: 5 } })
  await page.keyboard.press('?')
  await expect(page.getByTestId('keys')).toContainText('Zoom in and out')
  await page.keyboard.press('Escape')
  await expect(page.getByTestId('keys')).toBeHidden()
})

test('while it boots the chart follows at constant scale, until the reader touches it', async ({
  playground,
  page,
}) => {
  // A guest whose boot takes long enough to be watched.
  await page.evaluate(() => window.playground.powerOff())
  await playground.boot()
  await page.waitForFunction(() => window.playground.trace()?.live)
  expect((await view(page)).following).toBe(true)
  await page.evaluate(() => window.playground.pause())
  await page.waitForFunction(() => window.playground.trace()?.full)
  const paused = await view(page)
  if (paused.live) {
    await page.getByRole('button', { name: 'Zoom in' }).click()
    await expect.poll(async () => (await view(page)).following).toBe(false)
    const touched = await view(page)
    await page.evaluate(() => window.playground.resume())
    await page.evaluate(() => window.playground.waitForTrace())
    expect((await view(page)).from).toBe(touched.from)
  }
})

test('on a phone the selection is said below, and its details are a sheet', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 })
  await page.getByRole('tab', { name: 'Timeline' }).click()
  const x = await amidMain(page, 374)
  await page.getByTestId('flame').click({ position: { x, y: 24 + 24 + 12 } })
  await expect(page.getByTestId('selection-bar')).toContainText('main')
  await page.screenshot({ path: 'e2e/screenshots/phone-timeline.png' })
  await page.getByTestId('selection-bar').getByRole('button', { name: 'Details' }).click()
  await expect(page.getByTestId('selection')).toContainText('Duration')
  await page.screenshot({ path: 'e2e/screenshots/phone-details.png' })
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
})
