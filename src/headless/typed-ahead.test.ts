/** What is sent at power-on is at the embedded guest's prompt, on whichever console that is (docs/decisions/0013). */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createMachine } from '../machine/index.ts'
import { DEFAULTS } from '../settings/settings.ts'
import { nodeHost } from './node-host.ts'

const kernel = readFileSync(new URL('../../public/guests/embedded/playground.elf', import.meta.url))

test.each(['com', 'virtio'])('console=%s', (console) => {
  let text = ''
  const made = createMachine(
    { ...DEFAULTS, kernel, cmdline: `console=${console} selftest=0`, disks: [], clock: 'icount' },
    nodeHost(),
    { console: (bytes) => (text += Buffer.from(bytes).toString('latin1')), log: () => {} },
  )
  if (!made.ok) throw new Error(made.problem.saw)
  made.value.send(Buffer.from('echo one\necho '))
  const end = performance.now() + 20_000
  for (let sent = false; performance.now() < end && !/\ntwo\r?\n/.test(text); ) {
    const slice = made.value.run(5)
    if (!sent && text.includes('\none')) {
      sent = true
      made.value.send(Buffer.from('two\n'))
    } else if (slice.state === 'idle' && slice.sleepNs === Infinity && sent) break
  }
  expect(text).toMatch(/\none\r?\n[^\n]*echo two\r?\ntwo\r?\n/)
})
