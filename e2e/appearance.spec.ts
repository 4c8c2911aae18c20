/** Pictures for people to look at (e2e/screenshots), and what must hold in each. */
import { expect, test } from './playground-page.ts'

const SIZES = [
  { name: 'wide', width: 1440, height: 900 },
  { name: 'narrow', width: 390, height: 844 },
] as const

for (const { name, width, height } of SIZES)
  for (const scheme of ['dark', 'light'] as const)
    test(`${name}, ${scheme}`, async ({ playground, page }, info) => {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
      const shot = (state: string) =>
        page.screenshot({ path: `e2e/screenshots/${info.project.name}-${name}-${scheme}-${state}.png` })
      await playground.open()
      await expect(page.locator('html')).toHaveAttribute('data-theme', scheme)
      await shot('first-visit')
      await playground.boot()
      await playground.prompt()
      await page.evaluate(() => window.playground.waitForState('idle'))
      await shot('prompt')
      if (name === 'narrow') {
        await page.getByRole('tab', { name: 'Timeline' }).click()
        await expect(page.getByRole('region', { name: 'Timeline' })).toBeVisible()
        await shot('timeline')
      }
      // Nothing sticks out sideways, and everything that is pressed is large enough.
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
      const small = await page.evaluate(() =>
        [...document.querySelectorAll('button, select, input:not([type=file])')]
          .map((element) => ({ box: element.getBoundingClientRect(), name: element.textContent }))
          .filter(({ box }) => box.width > 0 && (box.height < 43.5 || box.width < 34))
          .map(({ name: text, box }) => `${text} ${box.width}x${box.height}`),
      )
      expect(small).toEqual([])
    })

test('the theme can be chosen and is remembered', async ({ playground, page }) => {
  await page.emulateMedia({ colorScheme: 'dark' })
  await playground.open()
  await page.getByRole('button', { name: /^Theme/ }).click()
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light')
  await page.reload()
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light')
})
