/** The timeline of a real boot: live, moved about in, searched, selected. */
import { expect, test } from './playground-page.ts'

test('the boot’s functions are drawn as they run, and all of them when it is over', async ({ playground, page }) => {
  await playground.open()
  await playground.boot()
  await expect(page.getByTestId('flame')).toBeVisible()
  await playground.prompt()
  await expect(page.getByTestId('flame')).toHaveAttribute('data-drawn', /^time 0-\d+$/)
  await expect(page.getByTestId('stages')).toContainText('run_selftests')
  await page.screenshot({ path: 'test-results/timeline.png' })
})
