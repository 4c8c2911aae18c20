/** The emulator with the real machine and the embedded guest: what it hands over to be kept goes on elsewhere. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { PLAYGROUND } from '../guests/catalogue.ts'
import { createMachine, restoreMachine } from '../machine/index.ts'
import { DEFAULTS } from '../settings/settings.ts'
import { Emulator } from './emulator.ts'
import { WorkerHost } from './host.ts'
import { createPace } from './pace.ts'
import type { BootRequest, EmulatorEvent } from './protocol.ts'

const kernel = new Blob([readFileSync('public/guests/embedded/playground.elf')])
const request: BootRequest = {
  ...DEFAULTS,
  label: 'test',
  memoryMiB: 32,
  kernel: { kind: 'blob', name: 'playground.elf', blob: kernel },
  disks: [],
  cmdline: PLAYGROUND.cmdline,
  clock: 'icount',
  trace: false,
  entryStage: 'start',
  stages: [],
  stageMarks: [],
  guest: 'playground',
  liveNs: 1e9,
  expected: PLAYGROUND.expected,
}

const bench = () => {
  const events: EmulatorEvent[] = []
  let text = ''
  const emulator: Emulator = new Emulator(
    createMachine,
    new WorkerHost(),
    createPace(),
    (event) => {
      events.push(event)
      if (event.type !== 'console') return
      text += new TextDecoder().decode(event.bytes)
      emulator.acknowledge(event.bytes.length)
    },
    restoreMachine,
  )
  return {
    emulator,
    events,
    text: () => text,
    until: async (holds: () => boolean) => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    type: (line: string) => emulator.send(new TextEncoder().encode(line)),
    kept: () => events.flatMap((event) => (event.type === 'kept' && event.file.ok ? [event.file.value] : [])),
  }
}

describe('a machine that is kept', () => {
  it('comes at its prompt behind all that it printed, and goes on from there', async () => {
    const first = bench()
    await first.emulator.boot({ ...request, keepAtPrompt: true })
    await first.until(() => first.kept().length === 1)
    expect(first.text()).toMatch(/playground> $/)
    const [{ blob, kernelSha256 }] = first.kept() as [{ blob: Blob; kernelSha256: string }]
    expect(kernelSha256).toMatch(/^[0-9a-f]{64}$/)
    first.emulator.pause()

    const second = bench()
    const snapshot = { kind: 'blob', name: 'kept', blob } as const
    await second.emulator.boot({ ...request, engine: 'interp', stages: [], expected: [], snapshot })
    second.type('echo here\n')
    await second.until(() => second.text().endsWith('\nhere\r\nplayground> '))
    // One that goes on is kept as any other.
    await second.emulator.keep()
    expect(second.kept()).toHaveLength(1)
    expect(second.kept()[0]?.kernelSha256).toBe(kernelSha256)
    second.emulator.pause()
  })

  it('is not kept at its prompt with what somebody had typed ahead', async () => {
    const { emulator, text, until, type, kept } = bench()
    type('echo ahead\n')
    await emulator.boot({ ...request, keepAtPrompt: true })
    await until(() => text().includes('\nahead'))
    emulator.pause()
    expect(kept()).toEqual([])
  })

  it('pauses after exactly so many instructions, where it is the same machine whatever ran it', async () => {
    const run = async (engine: 'interp' | 'auto') => {
      const { emulator, events, until } = bench()
      await emulator.boot({ ...request, engine, stopAfter: 200_000 })
      await until(() => events.some((event) => event.type === 'state' && event.state.name === 'paused'))
      const figures = events.flatMap((event) => (event.type === 'figures' ? [event.figures] : []))
      const hash = await emulator.stateHash()
      emulator.resume()
      await until(() => events.some((event) => event.type === 'mark' && event.mark.kind === 'ready'))
      emulator.pause()
      return [figures.at(-1)?.instructions, hash]
    }
    const interpreted = await run('interp')
    expect(interpreted[0]).toBe(200_000)
    expect(await run('auto')).toEqual(interpreted)
  })
})
