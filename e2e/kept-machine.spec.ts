/** Machines that this browser keeps: a guest at its prompt, and the last state of the one that runs. */
import { expect, PlaygroundPage as Playground, type PlaygroundPage, PROMPT, test } from './playground-page.ts'

const kept = ({ page }: PlaygroundPage) => page.evaluate(() => window.playground.keptMachines())
const key = async ({ page }: PlaygroundPage) => (await page.evaluate(() => window.playground.resumed()))?.from
const answers = async (playground: PlaygroundPage, word: string) => {
  await playground.page.evaluate((text) => window.playground.send(`echo ${text}\n`), word)
  await playground.waitForText(new RegExp(`\n${word}`))
}

test('a guest is opened at its prompt on the second visit, with its boot beside it', async ({ playground, page }) => {
  await playground.open('boot=embedded&resume')
  await playground.prompt()
  const booted = await page.evaluate(() => window.playground.waitForTrace())
  const ready = await page.evaluate(() => window.playground.figures()?.ready)
  await expect.poll(async () => (await kept(playground)).map((machine) => machine.key)).toEqual(['prompt.playground'])
  expect(await key(playground)).toBeUndefined()

  await playground.open('boot=embedded&resume')
  await page.evaluate(() => window.playground.waitForState(['running', 'idle']))
  expect(await key(playground)).toBe('prompt')
  expect(await playground.text()).toContain(PROMPT)
  await answers(playground, 'resumed')
  await expect(page.getByTestId('resumed')).toBeVisible()
  const beside = await page.evaluate(() => window.playground.waitForTrace())
  expect([beside.spans, beside.endNs, beside.stages]).toEqual([booted.spans, booted.endNs, booted.stages])
  await expect.poll(() => page.evaluate(() => window.playground.figures()?.ready)).toEqual(ready)

  // One click away, and not kept again.
  await page.getByRole('button', { name: 'Boot it for real' }).click()
  await page.getByRole('button', { name: 'Replace it' }).click()
  await playground.waitForText(/selftest: \d+ tests/)
  await playground.prompt()
  expect(await key(playground)).toBeUndefined()
  await expect(page.getByTestId('resumed')).toBeHidden()
})

test('a state at the prompt is not resumed for other settings; it is deleted like all that is kept', async ({
  playground,
  page,
}) => {
  const resume = (memoryMiB: number) =>
    page.evaluate((size) => window.playground.boot({ guest: 'embedded', memoryMiB: size, resume: true }), memoryMiB)
  await playground.open()
  await resume(32)
  await playground.prompt()
  await expect.poll(async () => (await kept(playground)).length).toBe(1)
  const [first] = await kept(playground)
  await resume(64)
  expect(await key(playground)).toBeUndefined()
  await playground.prompt()
  // The new one takes its place.
  await expect.poll(async () => (await kept(playground)).map(({ savedMs }) => savedMs)).not.toEqual([first?.savedMs])
  await resume(64)
  expect(await key(playground)).toBe('prompt')
  await page
    .getByTestId('kept-machine')
    .getByRole('button', { name: /^Delete/ })
    .click()
  await page
    .getByTestId('kept-machine')
    .getByRole('button', { name: /^Delete/ })
    .click()
  await expect(page.getByTestId('kept-machine')).toBeHidden()
  expect(await kept(playground)).toEqual([])
})

test('a reload and a crash of the tab go on where the machine was; power-off forgets it', async ({
  playground,
  page,
  context,
}) => {
  await playground.open()
  await playground.boot()
  await playground.prompt()
  await page.getByTestId('keep-last').selectOption('keep')
  await page.evaluate(() => window.playground.send('echo half a li'))
  await playground.waitForText('half a li')
  await expect(page.getByTestId('last-kept')).toContainText('kept. Power-off', { timeout: 20_000 })
  const [before] = await kept(playground)
  await page.reload()
  await page.waitForFunction(() => 'playground' in window)
  await page.evaluate(() => window.playground.waitForState(['running', 'idle']))
  expect(await key(playground)).toBe('last')
  await page.evaluate(() => window.playground.send('ne\n'))
  await playground.waitForText(/^half a line/m)
  // It is kept again: this one has said it whole.
  await expect.poll(async () => (await kept(playground))[0]?.savedMs, { timeout: 20_000 }).not.toBe(before?.savedMs)

  await page.goto('chrome://crash').catch(() => {})
  const again = new Playground(await context.newPage())
  await again.visit()
  await again.page.evaluate(() => window.playground.waitForState(['running', 'idle']))
  expect(await key(again)).toBe('last')
  expect(await again.text()).toContain('\nhalf a line')
  await answers(again, 'still there')
  await again.page.evaluate(() => window.playground.powerOff())
  await expect.poll(async () => kept(again)).toEqual([])
})

test('in a full store one sentence says that the machine is not kept, and it runs on', async ({
  playground,
  page,
  baseURL,
}) => {
  await playground.open()
  await playground.boot()
  await playground.prompt()
  const browser = await page.context().newCDPSession(page)
  const origin = new URL(baseURL ?? '').origin
  await browser.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 })
  await page.getByTestId('keep-last').selectOption('keep')
  await expect(page.getByRole('alert').first()).toContainText(
    'storage for this page is full, and the machine was not',
    {
      timeout: 20_000,
    },
  )
  await browser.send('Storage.overrideQuotaForOrigin', { origin })
  await answers(playground, 'on')
})
