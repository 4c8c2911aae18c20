/** The shell's transcript in the browser, on the guests and the clock that the page boots by itself. */
import { existsSync } from 'node:fs'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { type Console, PROMPT, play, SCENES } from '../userland/transcript.ts'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

/** Terminals get carriage returns, the transcript has bare newlines. */
const consoleOf = (playground: PlaygroundPage): Console => ({
  type: (keys) => playground.page.evaluate((text) => window.playground.send(text), keys),
  until: async (pattern) => {
    const shown = await playground.waitForText(new RegExp(pattern.source.replaceAll('\\n', '\\r?\\n')))
    return shown.replaceAll('\r\n', '\n')
  },
})

for (const guest of ['netbsd-microvm', 'netbsd-smol386'])
  test(`our shell on ${guest} does what its transcript says`, async ({ playground }) => {
    test.skip(!existsSync(kernelPath(cacheRoot(), guest)), `no such kernel here: npm run guests -- ${guest}`)
    test.setTimeout(180_000)
    await playground.open(`boot=${guest}&autostart`)
    const console = consoleOf(playground)
    expect(await console.until(PROMPT)).toContain('INIT: hello from NetBSD userland\n')
    for (const { name, steps } of SCENES)
      await test.step(name, async () => {
        for (const step of steps) {
          const shown = await play(console, step)
          if (typeof step.shows === 'string') expect(shown).toBe(step.shows)
          else expect(shown).toMatch(step.shows)
        }
      })
    await console.type('reboot\r')
    await playground.waitForText('INIT: hello from NetBSD userland')
  })
