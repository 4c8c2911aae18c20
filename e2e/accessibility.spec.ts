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

      test('what is kept, added files, a disk looked into', async ({ playground, page }) => {
        test.skip((width === 'wide') !== (colorScheme === 'dark'), 'each width and each scheme once')
        await playground.open('kernel=/guests/embedded/playground.elf&keep')
        const details = page.getByRole('complementary', { name: 'Details' })
        if (width === 'narrow') await page.getByRole('button', { name: 'Details' }).click()
        await details.getByRole('button', { name: 'Add our root as ld0' }).click()
        await details.getByRole('button', { name: 'Keep this guest' }).click()
        await expect(details.getByTestId('kept-guest')).toHaveCount(1)
        await page.evaluate(() => window.playground.addFiles({ '/root/a/file': 'a', '/root/b': 'b' }))
        await page.evaluate(() => window.playground.boot())
        await playground.prompt()
        await expect(details.getByTestId('kept-disk')).toHaveCount(1)
        await details
          .getByTestId('kept-disk')
          .getByRole('button', { name: /^Discard/ })
          .click()
        expect(await serious(playground)).toEqual([])
        const small = await page.evaluate(() =>
          [...document.querySelectorAll('.details :is(button, select, input:not([type=file]))')]
            .map((element) => ({ box: element.getBoundingClientRect(), name: element.textContent }))
            .filter(({ box }) => box.width > 0 && (box.height < 43.5 || box.width < 34))
            .map(({ name, box }) => `${name} ${box.width}x${box.height}`),
        )
        expect(small).toEqual([])
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
        await details
          .getByTestId('disks')
          .getByRole('button', { name: /^Look into/ })
          .click()
        await expect(page.getByTestId('folder')).toBeVisible()
        expect(await serious(playground)).toEqual([])
      })
    })
