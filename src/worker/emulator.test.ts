import { describe, expect, it } from 'vitest'
import { buildElf } from '../machine/boot/testing/elf-builder.ts'
import type { CreateMachine } from '../machine/index.ts'
import { DEFAULTS } from '../settings/settings.ts'
import { Emulator, type HoldableHost } from './emulator.ts'
import { createPace } from './pace.ts'
import { type BootRequest, CONSOLE_CREDIT, type EmulatorEvent } from './protocol.ts'
import { createFakeMachine } from './testing/fake-machine.ts'

/** Real time, held on demand. */
const testHost = (): HoldableHost => {
  let heldSince: number | undefined
  let held = 0
  const nowMs = () => (heldSince ?? performance.now()) - held
  return {
    nowMs,
    hold: () => (heldSince ??= performance.now()),
    release: () => {
      if (heldSince !== undefined) held += performance.now() - heldSince
      heldSince = undefined
    },
    createMemory: () => ({ buffer: new ArrayBuffer(0) }),
    instantiate: () => ({}),
    monotonicNs: () => nowMs() * 1e6,
    unixMs: () => 0,
    entropy: () => {},
  }
}

const request = (kernel = 'kernel'): BootRequest => ({
  ...DEFAULTS,
  label: 'test',
  memoryMiB: 64,
  kernel: { kind: 'blob', name: 'kernel', blob: new Blob([kernel]) },
  disks: [],
  cmdline: '',
  trace: false,
  entryStage: 'start',
  stages: [{ name: 'main', pattern: '^NetBSD' }],
  stageMarks: [],
  guest: 'test',
  liveNs: 1e9,
  expected: ['playground> $'],
})

const bench = (createMachine: CreateMachine = createFakeMachine, { acknowledges = true } = {}) => {
  const events: EmulatorEvent[] = []
  const waiters: (() => void)[] = []
  let text = ''
  const emulator: Emulator = new Emulator(createMachine, testHost(), createPace(), (event) => {
    events.push(event)
    if (event.type === 'console') {
      text += new TextDecoder().decode(event.bytes)
      if (acknowledges) emulator.acknowledge(event.bytes.length)
    }
    for (const waiter of [...waiters]) waiter()
  })
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!holds()) return
        waiters.splice(waiters.indexOf(check), 1)
        resolve()
      }
      waiters.push(check)
      check()
    })
  return {
    emulator,
    events,
    until,
    text: () => text,
    state: () => events.filter((event) => event.type === 'state').at(-1)?.state,
    type: (line: string) => emulator.send(new TextEncoder().encode(line)),
  }
}

describe('the emulator', () => {
  it('loads, warms, runs and marks the stages and the end of the boot', async () => {
    const { emulator, events, until, text } = bench()
    await emulator.boot(request())
    await until(() => text().endsWith('playground> '))
    await until(() => events.some((event) => event.type === 'mark' && event.mark.kind === 'ready'))
    expect(events.flatMap((event) => (event.type === 'state' ? [event.state.name] : []))).toEqual([
      'loading',
      'warming',
      'running',
    ])
    const marks = events.flatMap((event) => (event.type === 'mark' ? [event.mark] : []))
    expect(marks.map(({ name }) => name)).toEqual(['start', 'main', 'ready'])
    expect(marks.every(({ guestNs }, i) => i === 0 || guestNs >= (marks[i - 1]?.guestNs ?? 0))).toBe(true)
  })

  it('delivers what was typed before the machine was there', async () => {
    const { emulator, until, text, type } = bench()
    type('echo ahead\r')
    await emulator.boot(request())
    await until(() => text().includes('\nahead'))
    expect(text()).toContain('ahead')
  })

  it('makes a machine with the terminal that there is by then', async () => {
    const sizes: unknown[] = []
    const { emulator } = bench((config, host, events) => {
      sizes.push([config.columns, config.rows])
      return createFakeMachine(config, host, events)
    })
    const booting = emulator.boot({ ...request(), columns: 100, rows: 30 })
    emulator.resizeConsole(132, 43)
    await booting
    expect(sizes).toEqual([[132, 43]])
  })

  it.each([32, 64] as const)('makes a root around the init for a kernel of %d bits', async (bits) => {
    const { emulator, until, text } = bench()
    const source = (name: string) => ({ kind: 'blob' as const, name, blob: new Blob([`#!${name}`]) })
    await emulator.boot({
      ...request(),
      kernel: { kind: 'blob', name: 'netbsd', blob: new Blob([new Uint8Array(buildElf({ bits }))]) },
      disks: [{ kind: 'netbsd-root', source: source('init of 64'), source32: source('init of 32'), readOnly: false }],
    })
    await until(() => text().endsWith('playground> '))
    const disk = emulator.disk(0)!
    const bytes = new Uint8Array(disk.size)
    disk.read(0, bytes)
    expect(new TextDecoder('latin1').decode(bytes).match(/#!init of \d+/g)).toEqual([`#!init of ${bits}`])
  })

  it('refuses with the machine’s problem', async () => {
    const { emulator, state } = bench()
    await emulator.boot(request('not elf'))
    expect(state()).toMatchObject({ name: 'refused', problem: { kind: 'not-elf' } })
  })

  it('reports a fault of ours with registers, and ends', async () => {
    const { emulator, until, text, state, type } = bench()
    await emulator.boot(request())
    await until(() => text().endsWith('playground> '))
    type('fault\r')
    await until(() => state()?.name === 'fault')
    expect(state()).toMatchObject({ report: { message: /invariant broken/, registers: { cr2: 0x10n } } })
  })

  it('stands still while paused, and the guest’s clock with it', async () => {
    const { emulator, events, until, text, state } = bench()
    await emulator.boot(request())
    await until(() => text().includes('mptable'))
    emulator.pause()
    expect(state()).toEqual({ name: 'paused' })
    const held = text().length
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(text().length).toBe(held)
    emulator.resume()
    await until(() => events.some((event) => event.type === 'mark' && event.mark.kind === 'ready'))
    const ready = events.flatMap((event) => (event.type === 'mark' && event.mark.kind === 'ready' ? [event.mark] : []))
    // 63 ms of boot; the pause of 150 ms is in neither clock.
    expect(ready[0]?.guestNs).toBeLessThan(150e6)
    expect(ready[0]?.wallMs).toBeLessThan(150)
  })

  it('power-cycles on a guest’s reset once booted, and on reset() after it stopped', async () => {
    const { emulator, events, until, text, state, type } = bench()
    const powerOns = () => events.filter((event) => event.type === 'mark' && event.mark.kind === 'power-on').length
    await emulator.boot(request())
    await until(() => text().endsWith('playground> '))
    type('reboot\r')
    await until(() => powerOns() === 2)
    await until(() => text().endsWith('boot: 63000 us\r\nplayground> '))
    type('halt\r')
    await until(() => state()?.name === 'stopped')
    emulator.reset()
    await until(() => powerOns() === 3 && text().endsWith('boot: 63000 us\r\nplayground> '))
    expect(state()).toEqual({ name: 'running' })
  })

  it('stops running while the page owes it acknowledgements, and loses nothing', async () => {
    const chunk = new Uint8Array(64 * 1024).fill(0x41)
    let printed = 0
    const flood: CreateMachine = (config, host, events) => {
      const created = createFakeMachine(config, host, events)
      if (!created.ok) return created
      return {
        ok: true,
        value: {
          ...created.value,
          run: () => {
            events.console(chunk)
            printed += chunk.length
            return { state: 'running', sleepNs: 0 }
          },
        },
      }
    }
    const { emulator, text, until } = bench(flood, { acknowledges: false })
    await emulator.boot(request())
    await until(() => text().length >= CONSOLE_CREDIT)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(printed).toBe(CONSOLE_CREDIT)
    emulator.acknowledge(CONSOLE_CREDIT)
    await until(() => text().length >= 2 * CONSOLE_CREDIT)
    emulator.pause()
    expect(text().length).toBe(printed)
  })
})
