/** A running machine becomes a file, and the file a running machine: on this page, on another, by a drop, by an address. */
import { readFileSync } from 'node:fs'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

/** The machine is at its prompt and has been told something that only it knows. */
const told = async ({ page }: PlaygroundPage): Promise<number[]> => {
  await page.evaluate(() => window.playground.boot({ guest: 'embedded', memoryMiB: 32 }))
  await page.evaluate(() => window.playground.waitForText('playground> '))
  await page.evaluate(() => window.playground.send('echo half a li'))
  await page.evaluate(() => window.playground.waitForText('half a li'))
  return page.evaluate(async () => [...new Uint8Array(await (await window.playground.save()).arrayBuffer())])
}

/** It goes on in the middle of the line that was being typed. */
const goesOn = async (playground: PlaygroundPage): Promise<void> => {
  await playground.page.evaluate(() => window.playground.send('ne\n'))
  await playground.waitForText(/^half a line/m)
  await playground.prompt()
}

test('a machine that was saved goes on where it was, on a page that was just opened', async ({ playground, page }) => {
  await playground.open()
  const file = await told(playground)
  expect(file.length).toBeLessThan(200_000)
  await playground.open()
  await page.evaluate((bytes) => window.playground.resume(Uint8Array.from(bytes)), file)
  await goesOn(playground)
  // The first figures come a tenth of a second after the machine goes on: a prompt may be there before them.
  await expect.poll(() => page.evaluate(() => window.playground.figures()?.instructions ?? 0)).toBeGreaterThan(100_000)
  // One that was resumed is saved as any other.
  expect(await page.evaluate(async () => (await window.playground.save()).size)).toBeGreaterThan(10_000)
})

test('Save machine makes a file; dropped, it goes on', async ({ playground, page }) => {
  await playground.open()
  await told(playground)
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Save machine' }).click()
  const saved = await download
  expect(saved.suggestedFilename()).toMatch(/\.microvm$/)
  const bytes = [...readFileSync(await saved.path())]
  await playground.open()
  const transfer = await page.evaluateHandle((given) => {
    const data = new DataTransfer()
    data.items.add(new File([Uint8Array.from(given)], 'mine.microvm'))
    return data
  }, bytes)
  for (const type of ['dragenter', 'dragover', 'drop'])
    await page.dispatchEvent('body', type, { dataTransfer: transfer })
  await page.evaluate(() => window.playground.waitForState(['running', 'idle', 'booting']))
  await goesOn(playground)
})

test('one is opened by the picker; rebooted or reset, its guest boots anew', async ({ playground, page }) => {
  await playground.open()
  const buffer = Buffer.from(await told(playground))
  await playground.open()
  const file = { name: 'mine.microvm', mimeType: '', buffer }
  await page.getByTestId('open-machine').setInputFiles(file)
  await page.evaluate(() => window.playground.waitForState(['running', 'idle']))
  await goesOn(playground)
  await page.evaluate(() => window.playground.send('reboot\n'))
  await playground.waitForText(/selftest: \d+ tests/)
  await playground.prompt()
  await page.getByTestId('open-machine').setInputFiles(file)
  await expect(page.getByTestId('resumed')).toBeVisible()
  await page.evaluate(() => window.playground.waitForState(['running', 'idle']))
  await page.getByRole('button', { name: 'Reset' }).click()
  await playground.waitForText(/selftest: \d+ tests/)
})

test('an address names one; what is none, or is damaged, is a sentence', async ({ playground, page }) => {
  await playground.open()
  const bytes = Buffer.from(await told(playground))
  await page.route('**/mine.microvm', (route) => route.fulfill({ body: bytes }))
  await playground.open('snapshot=/mine.microvm')
  await page.evaluate(() => window.playground.waitForState(['running', 'idle', 'booting']))
  await goesOn(playground)
  const cut = [...bytes.subarray(0, 20_000)]
  const why = await page.evaluate(
    (given) => window.playground.resume(Uint8Array.from(given)).then(String, (error: Error) => error.message),
    cut,
  )
  expect(why).toContain('cut short')
  // The machine that runs is not touched by a file that cannot be opened.
  expect(await playground.state()).toMatch(/running|idle|booting/)
})
