/**
 * The same run is the same machine: in Chromium, in Node's interpreter and in Node's translator. Without a virtio console: the
 * terminal's size is told to it and is an input as keys are, which changes with the page's layout.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { readSnapshot } from '../src/machine/index.ts'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

const NETBSD = kernelPath(cacheRoot(), 'netbsd-microvm')

interface Run {
  readonly guest: string
  readonly kernel: string
  readonly instructions: number
}

const bytes = ({ page }: PlaygroundPage, what: 'machine' | 'disk'): Promise<Buffer> =>
  page
    .evaluate(async (asked) => {
      const blob = asked === 'machine' ? await window.playground.save() : await window.playground.diskImage(0)
      return new Promise<string>((resolve) => {
        const reader = new FileReader()
        reader.onload = () => resolve(String(reader.result).split(',')[1] ?? '')
        reader.readAsDataURL(blob)
      })
    }, what)
    .then((base64) => Buffer.from(base64, 'base64'))

const runInPage = async (playground: PlaygroundPage, guest: string, stopAfter: number) => {
  await playground.page.evaluate(
    (asked) => window.playground.boot({ ...asked, clock: 'icount', virtioConsole: false }),
    { guest, stopAfter },
  )
  await playground.page.evaluate(() => window.playground.waitForState('paused', { timeoutMs: 60_000 }))
}

const RUNS: readonly Run[] = [
  { guest: 'embedded', kernel: 'public/guests/embedded/playground.elf', instructions: 250_000 },
  { guest: 'netbsd-microvm', kernel: NETBSD, instructions: 40_000_000 },
]

for (const { guest, kernel, instructions } of RUNS)
  test(`${guest}: stateHash after ${instructions} instructions is the same in Chromium and in Node`, async ({
    playground,
    page,
  }, info) => {
    test.skip(!existsSync(kernel), 'no NetBSD kernel here: npm run guests')
    test.setTimeout(180_000)
    await playground.open()
    // The root is made by the page: it is taken as it is before the guest has written to it.
    await runInPage(playground, guest, 1)
    const snapshot = readSnapshot(await bytes(playground, 'machine'))
    if (!snapshot.ok) throw new Error(snapshot.problem.saw)
    const { settings, disks } = snapshot.value
    const root = disks.length > 0 ? await bytes(playground, 'disk') : undefined
    await runInPage(playground, guest, instructions)
    expect(await page.evaluate(() => window.playground.figures()?.instructions)).toBe(instructions)
    const inPage = await page.evaluate(() => window.playground.stateHash())
    expect(inPage).toMatch(/^[0-9a-f]{64}$/)

    for (const engine of ['interp', 'auto']) {
      const json = info.outputPath(`${engine}.json`)
      const options = {
        kernel,
        engine,
        json,
        memory: settings.memoryMiB,
        cmdline: settings.cmdline,
        net: settings.net,
        'virtio-console': 'off',
        clock: 'icount',
        'stop-after': instructions,
      }
      const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
      const image = info.outputPath(`${engine}.img`)
      if (root) writeFileSync(image, root)
      const disk = root ? ['--disk', image] : []
      const { status, stderr } = spawnSync('node', ['scripts/boot.mjs', ...flags, ...disk], {
        encoding: 'utf8',
        input: '',
      })
      expect(status, stderr).toBe(0)
      expect([engine, JSON.parse(readFileSync(json, 'utf8')).stateHash]).toEqual([engine, inPage])
    }
  })
