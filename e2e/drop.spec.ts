/** What is dropped or chosen is what it is: disks of any length, containers refused with their command, pictures for nobody. */
import type { Page } from '@playwright/test'
import { expect, test } from './playground-page.ts'

const drop = async (page: Page, name: string, bytes: readonly number[], size = bytes.length) => {
  const transfer = await page.evaluateHandle(
    ([fileName, first, length]) => {
      const content = new Uint8Array(length)
      content.set(first)
      const data = new DataTransfer()
      data.items.add(new File([content], fileName))
      return data
    },
    [name, bytes, size] as const,
  )
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer })
}
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const QCOW2 = [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3]

test('a picture, nothing and a container are refused at the drop, and leave the form as it was', async ({
  playground,
  page,
}) => {
  await playground.open()
  const kernel = await page.locator('.file-name').first().textContent()
  const said = page.getByRole('alert')
  await drop(page, 'holiday.png', PNG, 1024)
  await expect(said).toContainText('holiday.png is a PNG picture')
  await drop(page, 'empty.img', [])
  await expect(said).toContainText('empty.img is empty')
  await drop(page, 'root.qcow2', QCOW2, 65_536)
  await expect(said).toContainText('qemu-img convert -O raw root.qcow2 root.raw')
  expect(await page.locator('.file-name').first().textContent()).toBe(kernel)
  await expect(page.getByText('ld0')).toHaveCount(0)
})

test('a disk whose length is no multiple of 512 ends in zeros; a container is refused at every door', async ({
  playground,
  page,
}) => {
  await playground.open()
  await page.getByTestId('file-disk').setInputFiles({ name: 'data', mimeType: '', buffer: Buffer.alloc(700, 'x') })
  await page.evaluate(() => window.playground.boot())
  await playground.prompt()
  const image = await page.evaluate(async () => [
    ...new Uint8Array(await (await window.playground.diskImage(0)).arrayBuffer()),
  ])
  expect(image.length).toBe(1024)
  expect(image.slice(699, 702)).toEqual(['x'.charCodeAt(0), 0, 0])

  const refusals = await page.evaluate(async () => {
    const gzip = new Blob([new Uint8Array(9000)]).stream().pipeThrough(new CompressionStream('gzip'))
    const files = [new Uint8Array(await new Response(gzip).arrayBuffer()), Uint8Array.of(0x51, 0x46, 0x49, 0xfb)]
    const said: string[] = []
    for (const file of files) {
      await window.playground.boot({ guest: 'embedded', disks: [file] }).catch(() => {})
      await window.playground.waitForState('refused')
      said.push(document.querySelector('main')?.textContent ?? '')
    }
    return said
  })
  expect(refusals[0]).toContain('gzip -dc')
  expect(refusals[1]).toContain('qemu-img convert')
})
