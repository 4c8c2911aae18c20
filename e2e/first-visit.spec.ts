/** What is offered first: NetBSD where its files are here, the last guest after that, and nothing that cannot work. */
import type { Page } from '@playwright/test'
import { GUESTS } from '../src/guests/catalogue.ts'
import { choiceOf } from '../src/stores/guest-choice.ts'
import { expect, test } from './playground-page.ts'

const filesOf = (id: string) =>
  GUESTS.filter((guest) => guest.id === id).flatMap((guest) => choiceOf(guest, 'http://localhost/').files)

const serve = async (page: Page, id: string, status: object, fetches = false) =>
  page.route('**/guests/status.json', (route) =>
    route.fulfill({ json: { files: Object.fromEntries(filesOf(id).map((file) => [file, status])), fetches } }),
  )
const chosen = (page: Page) => page.locator('.guest-select select')

test('the first Enter boots NetBSD where its files are here, and the last guest is remembered', async ({
  playground,
  page,
}) => {
  await serve(page, 'netbsd-microvm', { state: 'here', bytes: 9 })
  await playground.visit()
  await expect(chosen(page)).toHaveValue('netbsd-microvm')
  await playground.boot('embedded')
  await playground.prompt()
  await playground.visit()
  await expect(chosen(page)).toHaveValue('playground')
})

test('a guest whose files are not here says so, and Boot is not offered', async ({ playground, page }, info) => {
  await serve(page, 'netbsd-microvm', { state: 'absent', why: 'Nobody has built it in here.' })
  await playground.visit()
  await expect(chosen(page)).toHaveValue('playground')
  await chosen(page).selectOption('netbsd-microvm')
  await expect(page.getByRole('button', { name: 'Boot', exact: true })).toBeDisabled()
  await expect(page.locator('.first-visit')).toBeDisabled()
  await expect(page.locator('.first-visit')).toContainText('choose another guest')
  await page.setViewportSize({ width: 390, height: 844 })
  await page.screenshot({ path: `e2e/screenshots/${info.project.name}-not-here-phone.png` })
})

test('Boot over a machine that somebody typed at asks once', async ({ playground, page }, info) => {
  await playground.open('boot=embedded&autostart')
  await playground.prompt()
  const boot = page.getByRole('button', { name: 'Boot', exact: true })
  // Nobody has typed: nothing is lost.
  await boot.click()
  await playground.prompt()
  await playground.type('echo my work\n')
  await playground.waitForText('\nmy work')
  await boot.click()
  const dialog = page.getByRole('dialog', { name: 'Replace the running machine?' })
  await expect(dialog.getByRole('button', { name: 'Keep it running' })).toBeFocused()
  await page.screenshot({ path: `e2e/screenshots/${info.project.name}-replace.png` })
  await page.keyboard.press('Enter')
  await expect(dialog).toBeHidden()
  expect(await playground.text()).toContain('my work')
  await boot.click()
  await dialog.getByRole('button', { name: 'Replace it' }).click()
  await playground.prompt()
  expect(await playground.text()).not.toContain('my work')
})
