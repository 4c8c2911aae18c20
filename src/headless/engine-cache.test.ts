/** An engine out of a file is the engine that would be generated. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import { DEFAULTS } from '../settings/settings.ts'

const KERNEL = new Uint8Array(readFileSync(join(import.meta.dirname, '../../public/guests/embedded/playground.elf')))
const directory = mkdtempSync(join(tmpdir(), 'engine-cache-'))
const file = join(directory, 'engine-plain.wasm')

/** A program that has just started: boots by the engine in the directory, and says how far it came. */
const boot = async (): Promise<number> => {
  vi.resetModules()
  const { takeEngine } = await import('./engine-cache.ts')
  const { createMachine } = await import('../machine/index.ts')
  const { nodeHost } = await import('./node-host.ts')
  takeEngine(directory, false)
  const created = createMachine(
    {
      ...{
        ...DEFAULTS,
        memoryMiB: 64,
        kernel: KERNEL,
        cmdline: 'console=com run=poweroff',
        disks: [],
        rng: false,
        virtioConsole: false,
        clock: 'icount',
        engine: 'interp',
        cpu: {},
        trace: false,
        seed: 1,
        epoch: 0,
      },
    },
    nodeHost(),
    { console: () => {}, log: () => {} },
  )
  if (!created.ok) throw new Error(created.problem.saw)
  while (created.value.run(1000).state !== 'stopped');
  return created.value.figures().instructions
}

let generated = 0
beforeEach(async () => {
  rmSync(file, { force: true })
  generated = await boot()
})
afterAll(() => rmSync(directory, { recursive: true }))

test('what one run has generated, the next one reads', async () => {
  const { mtimeMs } = statSync(file)
  expect(await boot()).toBe(generated)
  expect(statSync(file).mtimeMs).toBe(mtimeMs)
})

test('a file that is none is written anew', async () => {
  const whole = readFileSync(file)
  writeFileSync(file, whole.subarray(0, 1000))
  expect(await boot()).toBe(generated)
  expect(readFileSync(file).equals(whole)).toBe(true)
})

test('an engine for other handlers is not used', async () => {
  const bytes = readFileSync(file)
  const at = bytes.indexOf('{"handlers":"') + '{"handlers":"'.length
  expect(at).toBeGreaterThan(100)
  bytes[at] = bytes[at] === 0x31 ? 0x32 : 0x31
  writeFileSync(file, bytes)
  expect(await boot()).toBe(generated)
})
