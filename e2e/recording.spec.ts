/** Recording may fail; the boot goes on. */
import { expect, test } from './playground-page.ts'

test('without its trace worker a boot goes on untraced, and the page says so', async ({ playground, page }) => {
  await page.route('**/trace.worker*', (route) => route.abort())
  await playground.open()
  await playground.boot()
  await playground.prompt()
  await expect(page.getByTestId('trace-problem')).toContainText('goes on untraced')
  await playground.type('echo still here')
  await playground.waitForText('still here')
})

test('a machine that starts afresh is recorded afresh', async ({ playground, page }) => {
  await playground.open()
  await playground.boot()
  await playground.prompt()
  const first = await page.evaluate(() => window.playground.waitForTrace())
  await page.evaluate(() => window.playground.reset())
  await page.waitForFunction(() => window.playground.trace()?.live !== false)
  const second = await page.evaluate(() => window.playground.waitForTrace())
  expect(second.stages.map(({ name }) => name)).toEqual(first.stages.map(({ name }) => name))
  await expect.poll(() => page.evaluate(() => window.playground.trace()?.runs.length)).toBe(2)
})

for (const cores of [2, 8])
  test(`with ${cores} cores a boot is recorded to its prompt`, async ({ playground, page }) => {
    await page.addInitScript((count) => {
      Object.defineProperty(navigator, 'hardwareConcurrency', { value: count })
    }, cores)
    await playground.open('clock=icount')
    await playground.boot()
    await playground.prompt()
    const trace = await page.evaluate(() => window.playground.waitForTrace())
    expect(trace.spans).toBeGreaterThan(50)
    expect(trace.stages.at(-1)?.name).toBe('prompt')
  })
