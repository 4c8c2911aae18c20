import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BOOTS } from './boots.ts'
import { expect, test } from './playground-page.ts'

const ELF = readFileSync(new URL('../public/guests/embedded/playground.elf', import.meta.url))

for (const { name, query, expected, replies, budgetMs } of BOOTS) {
  test(`boots ${name}`, async ({ playground }) => {
    await playground.open(`${query}&autostart`)
    for (const pattern of expected) await playground.waitForText(new RegExp(pattern, 'm'), budgetMs)
    for (const { send, expect: reply } of replies) {
      await playground.page.evaluate((text) => window.playground.send(text), send)
      await playground.waitForText(new RegExp(reply))
    }
  })
}

test('one key boots the embedded guest on a first visit', async ({ playground, page }) => {
  await playground.open()
  expect(await playground.state()).toBe('first-visit')
  await page.keyboard.press('Enter')
  await playground.prompt()
  await expect(page.getByTestId('state')).toHaveText(/Running|Idle/)
  await expect(page.getByTestId('guest-time')).toHaveText(/^[\d.:]+(ns|µs|ms|s|min)$/)
  const figures = await page.evaluate(() => window.playground.figures())
  expect(figures?.ready?.guestNs).toBeGreaterThan(0)
  expect(figures?.instructions).toBeGreaterThan(1000)
})

test('the engine comes as a file', async ({ playground, page }, info) => {
  test.skip(info.project.name !== 'built', 'the development server has none')
  const file = page.waitForResponse(/engine-traced-.*\.wasm$/)
  await playground.open()
  expect((await file).headers()['content-type']).toBe('application/wasm')
  await playground.boot()
  await playground.prompt()
})

test('one click boots it, and what is typed reaches the guest', async ({ playground, page }) => {
  await playground.open()
  await page.getByRole('button', { name: 'Boot', exact: true }).click()
  await playground.prompt()
  await playground.type('echo typed by hand\n')
  await playground.waitForText('echo typed by hand')
  await playground.waitForText('typed by hand')
  await playground.prompt()
})

test('a guest that halts for good is said to have, and burns nothing', async ({ playground, page }) => {
  // No port to power off by: the guest ends as a kernel's panic does, in HLT with interrupts off.
  await playground.open('boot=embedded&profile=firecracker&autostart')
  await playground.prompt()
  await playground.type('poweroff\n')
  await expect(page.getByTestId('state')).toHaveText('Halted')
  const devtools = await page.context().browser()?.newBrowserCDPSession()
  const processorSeconds = async () => {
    const { processInfo = [] } = (await devtools?.send('SystemInfo.getProcessInfo')) ?? {}
    return processInfo.reduce((sum, one) => sum + one.cpuTime, 0)
  }
  const instructions = () => page.evaluate(() => window.playground.figures()?.instructions)
  // What the boot has left to do (the trace is built, the terminal draws) ends first.
  await expect
    .poll(async () => {
      const before = await processorSeconds()
      await page.waitForTimeout(1000)
      return (await processorSeconds()) - before
    })
    .toBeLessThan(0.3)
  const before = await instructions()
  await page.waitForTimeout(300)
  expect(await instructions()).toBe(before)
})

test('pauses, resumes, resets and powers off', async ({ playground, page }) => {
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
  await page.getByRole('button', { name: 'Pause' }).click()
  await expect(page.getByTestId('state')).toHaveText('Paused')
  await page.evaluate(() => window.playground.send('echo typed while paused\n'))
  await page.locator('.controls').getByRole('button', { name: 'Resume' }).click()
  await playground.waitForText(/\ntyped while paused/)
  await page.locator('.controls').getByRole('button', { name: 'Reset' }).click()
  await playground.waitForText('embedded guest')
  await playground.prompt()
  await page.getByRole('button', { name: 'Power off' }).click()
  await expect(page.getByTestId('state')).toHaveText('Off')
  await page.getByRole('button', { name: 'Boot', exact: true }).click()
  await playground.prompt()
})

test('resets during the boot', async ({ playground, page }) => {
  await playground.open('boot=embedded&autostart')
  for (let round = 0; round < 3; round++) {
    await playground.waitForText('embedded guest')
    await page.evaluate(() => window.playground.reset())
  }
  await playground.waitForText('embedded guest')
  await playground.prompt()
})

test('boots a kernel from a file', async ({ playground, page }) => {
  await playground.open()
  await page.getByTestId('file-kernel').setInputFiles({ name: 'mine.elf', mimeType: '', buffer: ELF })
  await page.getByRole('button', { name: 'Boot', exact: true }).click()
  await playground.prompt()
})

test('boots a kernel from an address', async ({ playground, page }) => {
  await playground.open('kernel=guests/embedded/playground.elf&cmdline=console%3Dcom')
  await page.getByRole('button', { name: 'Boot', exact: true }).click()
  await playground.prompt()
})

test('refuses a file that is no kernel, in a sentence', async ({ playground, page }) => {
  await playground.open()
  await page
    .getByTestId('file-kernel')
    .setInputFiles({ name: 'notes.txt', mimeType: '', buffer: Buffer.from('not a kernel at all') })
  await page.getByRole('button', { name: 'Boot', exact: true }).click()
  await expect(page.getByTestId('problem')).toContainText(/expected: .*Try: .*\.$/)
  expect(await playground.state()).toBe('refused')
  // And it is not the end: the embedded guest still boots.
  await playground.boot()
  await playground.prompt()
})

test('says so when an address has nothing', async ({ playground, page }) => {
  await playground.open('kernel=guests/no-such-kernel&autostart')
  await expect(page.getByTestId('problem')).toContainText('404')
  await expect(page.getByTestId('problem')).toContainText('Try: ')
})

test('the guest powers itself off', async ({ playground, page }) => {
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
  await page.evaluate(() => window.playground.send('poweroff\n'))
  await expect(page.getByTestId('state')).toHaveText('Powered off')
})

test('a rebooting guest boots again', async ({ playground, page }) => {
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
  await page.evaluate(() => window.playground.send('reboot\n'))
  await playground.waitForText('embedded guest')
  await playground.prompt()
})

test('a crashed guest shows registers and stack and keeps its console', async ({ playground, page }) => {
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
  await page.evaluate(() => window.playground.send('crash triple\n'))
  await expect(page.getByTestId('state')).toHaveText('Crashed')
  await expect(page.getByTestId('crash')).toContainText('rip')
  expect(await playground.text()).toContain('playground> ')
})

test('twenty boots in a row leave nothing behind', async ({ playground, page }) => {
  test.setTimeout(180_000)
  await playground.open()
  const session = await page.context().newCDPSession(page)
  const heap = async () => {
    await session.send('HeapProfiler.collectGarbage')
    const { usedSize } = await session.send('Runtime.getHeapUsage')
    return usedSize
  }
  await playground.boot()
  await playground.prompt()
  const before = await heap()
  for (let round = 0; round < 20; round++) {
    await playground.boot()
    await playground.prompt()
    expect(page.workers().length).toBeLessThanOrEqual(2)
  }
  expect((await heap()) - before).toBeLessThan(8 * 1024 * 1024)
  expect(await playground.state()).toMatch(/running|idle/)
})

interface TraceEvent {
  readonly name: string
  readonly tid: number
  /** Microseconds of the processor that a task took, however long it was kept waiting for one. */
  readonly tdur?: number
  readonly args: { readonly name?: string }
}

test('no task on the page is longer than 50 ms while it boots', async ({ playground, page, browser }, info) => {
  // React's development build records a stack for each element: only the built page can promise this.
  test.skip(info.project.name !== 'built', 'promised of the built page')
  await playground.open()
  // Fonts, terminal and the standby worker are up: what is measured is the boot.
  await page.evaluate(() => document.fonts.ready)
  await expect(page.getByTestId('terminal')).toHaveAttribute('data-size', /\d+x\d+/)
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] })
  for (let round = 0; round < 2; round++) {
    await playground.boot()
    await playground.prompt()
    await page.evaluate(() => window.playground.waitForState(['idle', 'running']))
  }
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] }
  const pages = traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
  const tasks = traceEvents.filter(({ name, tid }) => /RunTask$/.test(name) && pages.some((page) => page.tid === tid))
  expect(tasks.length).toBeGreaterThan(100)
  const longestMs = Math.max(...tasks.map(({ tdur = 0 }) => tdur / 1000))
  expect(longestMs).toBeGreaterThan(1)
  expect(longestMs).toBeLessThan(50)
})

test('a boot of the page that counts instructions is repeated by the command line, to the instruction', async ({
  playground,
  page,
}) => {
  const settings = { seed: 7, epoch: 86_400, cpu: { rdrand: false } }
  await playground.open()
  await page.evaluate((asked) => window.playground.boot({ guest: 'embedded', clock: 'icount', ...asked }), settings)
  await playground.prompt()
  await page.waitForFunction(() => window.playground.figures()?.ready)
  const ready = await page.evaluate(() => window.playground.figures()?.ready)

  const json = join(mkdtempSync(join(tmpdir(), 'repeat-')), 'run.json')
  const words = ['--clock', 'icount', '--seed', '7', '--epoch', '86400', '--cpu', 'rdrand=off', '--memory', '64']
  const run = ['--until', 'playground> $', '--json', json, '--timeout', '60']
  const { status } = spawnSync('node', ['scripts/boot.mjs', ...words, ...run], { stdio: 'ignore' })
  expect(status).toBe(0)
  const { untilInstructions, guestNs } = JSON.parse(readFileSync(json, 'utf8'))
  expect(ready).toMatchObject({ instructions: untilInstructions, guestNs })
})
