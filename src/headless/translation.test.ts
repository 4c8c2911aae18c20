/** Translated, the embedded guest says the same bytes at the same instructions as interpreted. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createMachine, type MachineConfig } from '../machine/index.ts'
import { DEFAULTS } from '../settings/settings.ts'
import { nodeHost } from './node-host.ts'

const KERNEL = new Uint8Array(readFileSync(join(import.meta.dirname, '../../public/guests/embedded/playground.elf')))

const boot = (config: Partial<MachineConfig>, { sliceMs = 1000, until = '' } = {}) => {
  let text = ''
  let isOver = false
  const events: number[] = []
  const created = createMachine(
    {
      ...DEFAULTS,
      memoryMiB: 64,
      kernel: KERNEL,
      cmdline: 'console=com run=poweroff',
      disks: [],
      net: 'user',
      clock: 'icount',
      engine: 'interp',
      trace: false,
      ...config,
    },
    nodeHost(),
    {
      console: (bytes) => {
        text += Buffer.from(bytes).toString('latin1')
        if (until === '' || isOver || !text.includes(until)) return
        isOver = true
        machine.yield()
      },
      log: () => {},
      callEvents: (bytes) => {
        for (const byte of bytes) events.push(byte)
      },
    },
  )
  if (!created.ok) throw new Error(JSON.stringify(created.problem))
  const machine = created.value
  while (!isOver && machine.run(sliceMs).state !== 'stopped');
  const { instructions, engine } = machine.figures()
  return { text, instructions, events, regions: engine['regions'] ?? 0 }
}

test.each([false, true])('the same boot, traced: %s', (trace) => {
  const interpreted = boot({ trace })
  const translated = boot({ trace, engine: 'auto', translation: { period: 2003, looks: 1, eager: true } })
  expect(translated.regions).toBeGreaterThan(100)
  expect(translated.text).toBe(interpreted.text)
  expect(translated.instructions).toBe(interpreted.instructions)
  expect(Buffer.from(translated.events).equals(Buffer.from(interpreted.events))).toBe(true)
})

test('a run that yields ends at the same instruction, however long its slices and whatever runs it', () => {
  const until = 'selftest self-modifying code'
  const ends = [
    boot({}, { until }),
    boot({}, { until, sliceMs: 0.05 }),
    boot({ engine: 'auto', translation: { period: 2003, looks: 1, eager: true } }, { until }),
  ]
  expect(ends.map(({ text }) => text.endsWith(until))).toEqual([true, true, true])
  expect(new Set(ends.map(({ instructions }) => instructions)).size).toBe(1)
})
