/** NetBSD writes a thousand files and syncs, the tab is killed: nothing of them is lost. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { openExt2 } from '../src/disk/ext2-reader.ts'
import { expect, PlaygroundPage, test } from './playground-page.ts'

test.skip(!existsSync(kernelPath(cacheRoot(), 'netbsd-microvm')), 'no NetBSD kernel here: npm run guests')

const FILES = 1000
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
const hasE2fsck = !spawnSync('e2fsck', ['-V'], { env }).error

const boot = async (playground: PlaygroundPage) => {
  await playground.page.evaluate(() => window.playground.boot({ guest: 'netbsd-microvm', keep: true }))
  await playground.waitForText(/# $/, 60_000)
}
const run = async (playground: PlaygroundPage, command: string, shows: RegExp) => {
  await playground.page.evaluate((text) => window.playground.send(text), `${command}\r`)
  await playground.waitForText(shows, 60_000)
}

test('a thousand files that were synced survive the end of the tab', async ({ playground, page, context }, info) => {
  test.setTimeout(120_000)
  await playground.open()
  await boot(playground)
  const loop = `for i in $(seq ${FILES}); do echo "file $i of a thousand" >/root/kept/$i; done`
  // The quotes keep the echoed command from being the answer.
  await run(playground, `mkdir /root/kept; ${loop}; sync; echo syn''ced`, /synced\r?\n/)
  await page.goto('chrome://crash').catch(() => {})

  const next = new PlaygroundPage(await context.newPage())
  await next.open()
  const coming = next.page.waitForEvent('download')
  await next.page
    .getByTestId('kept-disk')
    .getByRole('button', { name: /^Download/ })
    .click()
  const file = info.outputPath('kept.img')
  await (await coming).saveAs(file)
  const image = openExt2(readFileSync(file))
  if (!image.ok) throw new Error(image.problem.saw)
  for (let number = 1; number <= FILES; number++) {
    const bytes = image.value.readFile(`/root/kept/${number}`)
    expect(bytes.ok && Buffer.from(bytes.value).toString()).toBe(`file ${number} of a thousand\n`)
  }
  if (hasE2fsck) {
    const { stdout } = spawnSync('e2fsck', ['-fn', file], { env, encoding: 'utf8' })
    await info.attach('e2fsck', { body: stdout, contentType: 'text/plain' })
    // Counts may be behind, since nobody unmounted it; no file and no block may be anywhere but in its place.
    expect(stdout).not.toMatch(/unattached|unconnected|illegal|invalid|multiply|entry|bitmap differences/i)
  }

  await boot(next)
  const listed = new RegExp(`file ${FILES} of a thousand\\r?\\n *${FILES}\\r?\\n`)
  await run(next, `cat /root/kept/${FILES}; ls /root/kept | wc -l`, listed)
})
