/** NetBSD’s own boot in the timeline; needs the kernel that `npm run guests` fetches. */
import { existsSync } from 'node:fs'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { expect, test } from './playground-page.ts'

test.skip(!existsSync(kernelPath(cacheRoot(), 'netbsd-microvm')), 'no NetBSD kernel here: npm run guests')

const SIZES = [
  { name: 'stage', width: 1920, height: 1080 },
  { name: 'phone', width: 390, height: 844 },
] as const

test('NetBSD’s stages, functions and processes are named; its link has 300 spans', async ({
  playground,
  page,
}, info) => {
  test.setTimeout(180_000)
  await playground.open('boot=netbsd-microvm&autostart&clock=icount')
  await page.waitForFunction(() => (window.playground.trace()?.spans ?? 0) > 100, undefined, { timeout: 60_000 })
  await page.screenshot({ path: `e2e/screenshots/${info.project.name}-netbsd-booting.png` })
  const trace = await page.evaluate(() => window.playground.waitForTrace({ timeoutMs: 120_000 }))
  expect(trace.stages.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['start_pvh', 'init_x86_64', 'main', 'configure', 'pv0', 'vfs_mountroot', 'init', 'prompt']),
  )
  expect(trace.lanes.filter((lane) => /^process|init/.test(lane)).length).toBeGreaterThan(0)
  for (const name of ['start_pvh', 'init_x86_64', 'main', 'cpu_configure', 'vfs_mountroot', 'start_init'])
    await page.evaluate((text) => window.playground.selectFunction(text), name)
  const link = await page.evaluate(() => window.playground.link())
  expect(link.length).toBeLessThanOrEqual(8192)
  for (const { name, width, height } of SIZES)
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      if (name === 'phone') await page.getByRole('tab', { name: 'Timeline' }).click()
      await expect(page.locator('html')).toHaveAttribute('data-theme', colorScheme)
      await page.screenshot({ path: `e2e/screenshots/${info.project.name}-netbsd-${name}-${colorScheme}.png` })
    }
  await page.evaluate((text) => window.playground.openLink(text), link)
  expect(await page.evaluate(() => window.playground.trace()?.spans ?? 0)).toBeGreaterThanOrEqual(300)
})

test('a prompt waits without burning a CPU, though instructions are its clock', async ({ playground, page }) => {
  await playground.open('boot=netbsd-microvm&autostart&clock=icount&trace=0')
  await page.evaluate(() => window.playground.waitForText('# ', { timeoutMs: 60_000 }))
  await page.evaluate(() => window.playground.waitForState('idle'))
  // And wakes when somebody types.
  await page.evaluate(() => window.playground.send('echo aw""ake\n'))
  await page.evaluate(() => window.playground.waitForText('\nawake'))
})

test('a switch shows what it costs: NetBSD without the TSC leaf', async ({ playground, page }) => {
  test.setTimeout(180_000)
  await page.setViewportSize({ width: 1440, height: 900 })
  await playground.open('boot=netbsd-microvm&autostart&clock=icount')
  await page.evaluate(() => window.playground.waitForTrace({ timeoutMs: 120_000 }))
  await page.getByRole('button', { name: 'no TSC frequency leaf' }).click()
  await expect(page.getByTestId('compare')).toBeVisible({ timeout: 60_000 })
  // Calibration is part of attaching the CPU: that stage is what changed.
  await expect(page.getByTestId('compare-table').getByRole('row').nth(1)).toContainText('mainbus0')
  await page.screenshot({ path: 'e2e/screenshots/netbsd-compare.png' })
})

test('zooms NetBSD’s spans at the screen’s rate', async ({ playground, page }, info) => {
  test.skip(info.project.name !== 'built', 'promised of the built page')
  test.setTimeout(120_000)
  await playground.open('boot=netbsd-microvm&autostart')
  const { spans } = await page.evaluate(() => window.playground.waitForTrace({ timeoutMs: 100_000 }))
  expect(spans).toBeGreaterThan(50_000)
  await page.evaluate(() => window.playground.pause())
  await page.getByTestId('flame').click({ position: { x: 5, y: 5 } })
  const frames = page.evaluate(
    () =>
      new Promise<number[]>((resolve) => {
        const lengths: number[] = []
        let last = performance.now()
        const frame = (now: number) => {
          lengths.push(now - last)
          last = now
          if (lengths.length < 120) requestAnimationFrame(frame)
          else resolve(lengths)
        }
        requestAnimationFrame(frame)
      }),
  )
  for (let round = 0; round < 24; round++) await page.keyboard.press(round < 12 ? 'w' : 's')
  const sorted = (await frames).toSorted((a, b) => a - b)
  expect(sorted[Math.floor(sorted.length / 2)], `frames: ${sorted.map(Math.round).join(' ')}`).toBeLessThan(20)
})
