/** axe-core finds nothing serious, in the states a visitor meets, dark and light, wide and narrow. */
import AxeBuilder from '@axe-core/playwright'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

const serious = async (playground: PlaygroundPage): Promise<string[]> => {
  // The terminal's and the chart's canvases have text beside them (xterm's live region, the stage table).
  const { violations } = await new AxeBuilder({ page: playground.page }).exclude('.xterm').analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`))
}

for (const colorScheme of ['dark', 'light'] as const)
  for (const [width, viewport] of [
    ['wide', { width: 1440, height: 900 }],
    ['narrow', { width: 390, height: 844 }],
  ] as const)
    test.describe(`${width}, ${colorScheme}`, () => {
      test.use({ viewport, colorScheme })

      test('a first visit, a boot, its shared link', async ({ playground, page }) => {
        await playground.open()
        expect(await serious(playground)).toEqual([])
        await playground.boot()
        await playground.prompt()
        await page.evaluate(() => window.playground.waitForTrace())
        expect(await serious(playground)).toEqual([])
        if (width === 'narrow') return
        await page.getByRole('button', { name: 'Share' }).click()
        await expect(page.getByRole('dialog')).toBeVisible()
        expect(await serious(playground)).toEqual([])
      })
    })
