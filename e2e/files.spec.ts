/** A person's files on a root disk before the boot, and out of a disk after it. */
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator } from '@playwright/test'
import { extract } from 'tar-stream'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

const TIME = 1_600_000_000
const EMBEDDED = '/guests/embedded/playground.elf'

/** A folder on this computer: two files of it in a folder of their own, one folder empty. */
const makeFolder = (place: string): string => {
  const folder = join(place, 'project')
  mkdirSync(join(folder, 'src'), { recursive: true })
  mkdirSync(join(folder, 'empty'))
  writeFileSync(join(folder, 'README'), 'read me\n')
  writeFileSync(join(folder, 'src/run.sh'), '#!/bin/sh\necho run by a file of mine\n')
  utimesSync(join(folder, 'src/run.sh'), TIME, TIME)
  return folder
}

/** Our own kernel stands in for a kernel of one's own: this needs no network. */
const openWithRoot = async (playground: PlaygroundPage) => {
  await playground.open(`kernel=${EMBEDDED}`)
  await playground.page.getByRole('button', { name: 'Add our root as ld0' }).click()
}

const saved = async (button: Locator): Promise<{ readonly name: string; readonly bytes: Buffer }> => {
  const coming = button.page().waitForEvent('download')
  await button.click()
  const download = await coming
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) }
}

const unpack = async (
  bytes: Buffer,
): Promise<ReadonlyMap<string, { readonly mode: number; readonly text: string }>> => {
  const entries = new Map<string, { readonly mode: number; readonly text: string }>()
  const stream = extract()
  stream.end(bytes)
  for await (const entry of stream) {
    let text = ''
    for await (const part of entry) text += String(part)
    entries.set(entry.header.name, { mode: entry.header.mode ?? 0, text })
  }
  return entries
}

test('files and folders go on the root, and come out of it', async ({ playground, page }, info) => {
  await openWithRoot(playground)
  await page.getByTestId('add-files').setInputFiles([
    { name: 'hello.txt', mimeType: 'text/plain', buffer: Buffer.from('hello from the page\n') },
    { name: 'unwanted', mimeType: 'text/plain', buffer: Buffer.from('x') },
  ])
  await page.getByLabel('Into').fill('/home/me')
  await page.getByTestId('add-folder').setInputFiles(makeFolder(info.outputPath()))
  const list = page.getByRole('list', { name: 'Added files' })
  await expect(list.getByRole('listitem')).toHaveText([
    /\/root\/hello.txt.*20.B/,
    /unwanted/,
    /\/home\/me\/project\/.*2 files/,
  ])
  await page.getByRole('button', { name: 'Remove /root/unwanted' }).click()
  await page.getByLabel('Into').fill('../up')
  await page.getByTestId('add-files').setInputFiles({ name: 'a', mimeType: '', buffer: Buffer.from('') })
  await expect(page.getByTestId('added-problem')).toContainText('an absolute path on the disk')

  await page.evaluate(() => window.playground.boot())
  await playground.prompt()
  await page
    .getByTestId('disks')
    .getByRole('button', { name: /^Look into/ })
    .click()
  const dialog = page.getByRole('dialog', { name: /^ld0 of/ })
  await dialog.getByRole('button', { name: 'root/' }).click()
  await expect(dialog.getByTestId('folder').getByRole('row')).toHaveCount(2)
  expect((await saved(dialog.getByRole('button', { name: 'Download hello.txt' }))).bytes.toString()).toBe(
    'hello from the page\n',
  )
  await dialog.getByRole('button', { name: '/, the disk’s root' }).click()
  for (const name of ['home/', 'me/', 'project/', 'src/'])
    await dialog.getByRole('button', { name, exact: true }).last().click()
  await expect(dialog.getByTestId('folder')).toContainText('2020-09-13')
  await page.screenshot({ path: `e2e/screenshots/${info.project.name}-disk-folder.png` })
  await dialog.getByRole('button', { name: 'project/', exact: true }).click()
  const { name, bytes } = await saved(dialog.getByRole('button', { name: 'Download folder' }))
  expect(name).toBe('project.tar')
  const entries = await unpack(bytes)
  expect(entries.get('project/src/run.sh')).toEqual({ mode: 0o755, text: '#!/bin/sh\necho run by a file of mine\n' })
  expect(entries.get('project/README')).toEqual({ mode: 0o644, text: 'read me\n' })
  await page.keyboard.press('Escape')
  await expect(dialog).toHaveCount(0)

  // A guest that has ended leaves its disks, until the machine goes.
  await page.evaluate(() => window.playground.send('poweroff\n'))
  await page.evaluate(() => window.playground.waitForState('powered-off'))
  expect(await page.evaluate(() => window.playground.listFolder('/root'))).toMatchObject([{ name: 'hello.txt' }])
})

test('a dropped folder goes on the root, with the folders in it', async ({ playground, page }, info) => {
  await openWithRoot(playground)
  const folder = makeFolder(info.outputPath())
  const box = await page.getByTestId('added-files').boundingBox()
  const browser = await page.context().newCDPSession(page)
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await browser.send('Input.dispatchDragEvent', {
      type,
      x: (box?.x ?? 0) + 20,
      y: (box?.y ?? 0) + 20,
      data: { items: [], files: [folder], dragOperationsMask: 1 },
    })
  await expect(page.getByRole('list', { name: 'Added files' })).toContainText('/root/project/')
  await page.evaluate(() => window.playground.boot())
  await playground.prompt()
  await page.evaluate(() => window.playground.pause())
  expect(await page.evaluate(() => window.playground.listFolder('/root/project'))).toMatchObject([
    { name: 'empty', kind: 'directory' },
    { name: 'src', kind: 'directory' },
    { name: 'README', kind: 'file', size: 8 },
  ])
})

test('a disk without ext2 says so', async ({ playground, page }) => {
  await playground.open()
  await page.evaluate(() => {
    const ffs = new Uint8Array(2 ** 20)
    new DataView(ffs.buffer).setUint32(8192 + 0x55c, 0x011954, true)
    return window.playground.boot({ guest: 'playground', disks: [ffs, new Uint8Array(4096)] })
  })
  await playground.prompt()
  const look = page.getByTestId('disks').getByRole('button', { name: /^Look into/ })
  await look.first().click()
  await expect(page.getByTestId('disk-problem')).toContainText('The disk holds FFS')
  await page.keyboard.press('Escape')
  await look.last().click()
  await expect(page.getByTestId('disk-problem')).toContainText('no file system that this page knows')
})

test('NetBSD runs a file that was added, and gives back one that it wrote', async ({ playground, page }) => {
  test.skip(!existsSync(kernelPath(cacheRoot(), 'netbsd-microvm')), 'no NetBSD kernel here: npm run guests')
  test.setTimeout(120_000)
  await playground.open()
  await page.evaluate(() => {
    window.playground.addFiles({ '/root/bin/hello.sh': '#!/bin/sh\necho "hello, I am $0"\n' })
    return window.playground.boot('netbsd-microvm')
  })
  await playground.waitForText(/# $/, 60_000)
  const type = (text: string) => page.evaluate((keys) => window.playground.send(keys), `${text}\r`)
  await type('/root/bin/hello.sh')
  await playground.waitForText('hello, I am /root/bin/hello.sh')
  await type("uname -s >/root/who; sync; echo do''ne")
  await playground.waitForText('done')
  const bytes = await page.evaluate(() => window.playground.readFile('/root/who').then((file) => [...file]))
  expect(Buffer.from(bytes).toString()).toBe('NetBSD\n')
})
