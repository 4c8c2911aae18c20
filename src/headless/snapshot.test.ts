/**
 * A machine that was saved, carried as a file and resumed by the other engine is the machine that was never saved: console,
 * instructions, guest time, memory and every part. Of the embedded guest, at random places.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CALL_EVENT_BYTES, CallEventKind, type TraceNote } from '../machine/call-event.ts'
import { SeededEntropy } from '../machine/entropy.ts'
import {
  createMachine,
  type Machine,
  type MachineConfig,
  type MachineEvents,
  OverlayDisk,
  readSnapshot,
  restoreMachine,
  type Snapshot,
} from '../machine/index.ts'
import { crc32 } from '../machine/snapshot/crc32.ts'
import { decodeState, encodeState } from '../machine/snapshot/state-code.ts'
import { DEFAULTS, type MachineSettings } from '../settings/settings.ts'
import { bootMain, EMBEDDED } from './boot.ts'
import { nodeHost } from './node-host.ts'
import { readSnapshotFile, sha256, snapshotOf, stateHash } from './snapshot-file.ts'

const ROOT = join(import.meta.dirname, '../..')
let dir: string
beforeAll(() => {
  if (!existsSync(EMBEDDED)) execFileSync('npx', ['tsx', 'guest/build.ts'], { cwd: ROOT })
  dir = mkdtempSync(join(tmpdir(), 'snapshot-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

const host = nodeHost()
const TYPED = Buffer.from('help\rdevices\rmem\r')

interface Running {
  readonly machine: Machine
  readonly text: () => string
}

const withConsole = (make: (events: MachineEvents) => ReturnType<typeof createMachine>): Running => {
  let text = ''
  const made = make({ console: (bytes) => (text += Buffer.from(bytes).toString('latin1')), log: () => {} })
  if (!made.ok) throw new Error(made.problem.saw)
  return { machine: made.value, text: () => text }
}

const booted = (
  settings: Partial<MachineSettings>,
  more: Partial<MachineEvents> = {},
  disk = new OverlayDisk(new Uint8Array(65536).fill(7), { id: 'd' }),
): Running => {
  const config: MachineConfig = {
    ...DEFAULTS,
    clock: 'icount',
    memoryMiB: 64,
    cmdline: 'console=com',
    trace: false,
    net: 'user',
    ...settings,
    kernel: readFileSync(EMBEDDED),
    disks: [disk],
  }
  const running = withConsole((events) => createMachine(config, host, { ...events, ...more }))
  running.machine.send(TYPED)
  return running
}

const resumed = (snapshot: Snapshot, engine: MachineSettings['engine']): Running =>
  withConsole((events) => restoreMachine({ snapshot, disks: [], engine }, host, events))

/** To exactly `instructions`, or to where the guest waits for ever. */
const runTo = ({ machine }: Running, instructions: number): void => {
  machine.stopAfter(instructions)
  while (machine.figures().instructions < instructions) {
    const slice = machine.run(50)
    if (slice.state === 'stopped' || slice.sleepNs === Infinity) return
  }
}

const carried = (machine: Machine): Snapshot => {
  const bytes = snapshotOf(machine, '0'.repeat(64))
  if (!bytes.ok) throw new Error(bytes.problem.saw)
  const snapshot = readSnapshot(bytes.value)
  if (!snapshot.ok) throw new Error(snapshot.problem.saw)
  return snapshot.value
}

/** The embedded guest has answered by then. */
const END = 320_000

describe.each(['microvm', 'firecracker'] as const)('on %s', (profile) => {
  test('resumed at random places, it runs as if never saved', () => {
    const plain = booted({ profile })
    runTo(plain, END)
    const hash = stateHash(plain.machine)
    const random = new SeededEntropy(1)
    for (let i = 0; i < 12; i++) {
      const at = 1 + (random.next() % END)
      const [first, second] = i % 2 === 0 ? (['interp', 'auto'] as const) : (['auto', 'interp'] as const)
      const before = booted({ profile, engine: first })
      runTo(before, at)
      const after = resumed(carried(before.machine), second)
      expect([at, stateHash(after.machine)]).toEqual([at, stateHash(before.machine)])
      runTo(after, END)
      expect([at, before.text() + after.text()]).toEqual([at, plain.text()])
      expect([at, after.machine.figures().instructions]).toEqual([at, plain.machine.figures().instructions])
      expect([at, stateHash(after.machine)]).toEqual([at, hash])
    }
  })
})

test('a traced machine that is saved and resumed records what one that was not does', () => {
  /** Call events but the clock's, which tell where `run` looked at it, and notes in order of the instructions they begin at. */
  const recorder = () => {
    const events: Buffer[] = []
    const notes: { readonly instructions: number }[] = []
    return {
      callEvents: (bytes: Uint8Array) => {
        for (let at = 0; at < bytes.length; at += CALL_EVENT_BYTES) {
          const event = Buffer.from(bytes.slice(at, at + CALL_EVENT_BYTES))
          if (event.readUInt32LE(0) !== CallEventKind.Clock) events.push(event)
        }
      },
      note: (note: TraceNote) => notes.push(note),
      events: () => Buffer.concat(events).toString('hex'),
      requests: () => notes.filter((note) => 'request' in note).map((note) => JSON.stringify(note)),
    }
  }
  const whole = recorder()
  runTo(booted({ trace: true }, whole), END)
  const parts = recorder()
  const before = booted({ trace: true, engine: 'interp' }, parts)
  runTo(before, 217_321)
  const snapshot = carried(before.machine)
  runTo(
    withConsole((events) => restoreMachine({ snapshot, disks: [], engine: 'auto' }, host, { ...events, ...parts })),
    END,
  )
  expect(parts.events().length).toBeGreaterThan(100_000)
  expect(parts.events() === whole.events()).toBe(true)
  expect(parts.requests()).toEqual(whole.requests())
})

test('under the wall clock guest time goes on from where it was, and entropy is fresh', () => {
  const before = booted({ clock: 'wall' })
  for (let i = 0; i < 20; i++) before.machine.run(10)
  const { guestNs } = before.machine.figures()
  const snapshot = carried(before.machine)
  expect(Object.keys(snapshot.parts).filter((name) => name.startsWith('entropy'))).toEqual([])
  const after = resumed(snapshot, 'interp')
  const went = after.machine.figures().guestNs - guestNs
  expect(went).toBeGreaterThanOrEqual(0)
  expect(went).toBeLessThan(10e9)
  after.machine.send(Buffer.from('echo awake\r'))
  const end = performance.now() + 30_000
  while (performance.now() < end && !after.text().includes('awake\r\n')) after.machine.run(10)
  expect(after.text()).toContain('awake')
})

/** What parts.test.ts drives, and the CPU and time, which the whole runs of this file show. */
const DRIVEN = [
  ...[
    'cpu',
    'time',
    'console-switch',
    'lapic',
    'ioapic',
    'i8259',
    'isa-interrupts',
    'i8254',
    'nmi-status',
    'uart',
    'rtc',
  ],
  ...['fw-cfg', 'reset-control', 'interrupts', 'entropy0', 'entropy1', 'user-network', 'virtio0', 'virtio1', 'virtio2'],
  ...['virtio3', 'trace-notes', 'programs'],
]

test('a part that is new is driven by parts.test.ts before it is named here', () => {
  const names = (['microvm', 'firecracker'] as const).flatMap((profile) =>
    Object.keys(carried(booted({ profile, trace: true }).machine).parts),
  )
  expect(names.filter((name) => !DRIVEN.includes(name))).toEqual([])
})

const io = (extra: object = {}) => {
  const said = { out: '', err: '' }
  return {
    said,
    io: {
      createMachine,
      restoreMachine,
      host,
      now: () => performance.now(),
      stdout: (bytes: Uint8Array) => {
        said.out += Buffer.from(bytes).toString('latin1')
      },
      stderr: (text: string) => {
        said.err += text
      },
      input: () => () => {},
      atTerminal: false,
      embedded: EMBEDDED,
      ...extra,
    },
  }
}

const boot = async (...argv: string[]) => {
  const { said, io: streams } = io()
  const status = await bootMain(argv, streams)
  return { status, ...said }
}

describe('on the command line', () => {
  const file = (name: string): string => join(dir, name)
  const json = (name: string) => JSON.parse(readFileSync(file(name), 'utf8'))

  test('--stop-after is exact, and a machine goes on from --save-snapshot to the same stateHash', async () => {
    const disk = file('d.img')
    writeFileSync(disk, Buffer.alloc(8192, 3))
    const first = await boot('--disk', `${disk},ro`, '--stop-after', '200_000', '--save-snapshot', file('s.microvm'))
    expect([first.status, first.err]).toEqual([0, ''])
    const second = await boot(
      ...['--snapshot', file('s.microvm'), '--disk', `${disk},ro`, '--engine', 'interp'],
      ...['--stop-after', '260000', '--json', file('second')],
    )
    const whole = await boot('--disk', `${disk},ro`, '--stop-after', '260000', '--json', file('whole'))
    expect(json('second')).toMatchObject({ exit: 'stopped', instructions: 260_000 })
    expect(json('second').stateHash).toBe(json('whole').stateHash)
    expect(first.out + second.out).toBe(whole.out)

    writeFileSync(disk, Buffer.alloc(8192, 4))
    const changed = await boot('--snapshot', file('s.microvm'), '--disk', `${disk},ro`)
    expect(changed.status).toBe(2)
    expect(changed.err.match(/sha256:[0-9a-f]{64}/g)).toHaveLength(2)
    expect((await boot('--snapshot', file('s.microvm'))).err).toContain('--disk d.img')
    expect((await boot('--snapshot', file('s.microvm'), '--memory', '64')).err).toContain('leave out --memory')
    expect((await boot('--snapshot', EMBEDDED)).err).toContain('not a saved machine')
  })

  test('a disk that lay over a file is in the snapshot by what changed, and the file stays as it is', async () => {
    const image = Buffer.alloc(32 * 4096, 5)
    const identity = `sha256:${sha256(image)}`
    const disk = new OverlayDisk(image, { id: 'image', identity })
    const before = booted({ net: 'none' }, {}, disk)
    runTo(before, 150_000)
    // As a guest may have: a block with new bytes, part of one, and one that is zero now.
    disk.write(4096, new Uint8Array(4096).fill(6))
    disk.write(3 * 4096 + 7, Uint8Array.of(1, 2, 3))
    disk.zero(8 * 4096, 4096)
    const saved = snapshotOf(before.machine, '0'.repeat(64))
    if (!saved.ok) throw new Error(saved.problem.saw)
    writeFileSync(file('over.microvm'), saved.value)
    const places = (snapshot: Snapshot) => {
      const found: unknown[] = []
      snapshot.blocks((of, offset, bytes) => of === 0 && found.push([offset, crc32(bytes)]))
      return found.sort()
    }
    const snapshot = carried(before.machine)
    expect(snapshot.disks).toMatchObject([{ base: identity, isChanged: true }])
    expect(places(snapshot)).toHaveLength(3)
    runTo(before, END)

    const given = file('image')
    writeFileSync(given, image)
    for (const option of [given, `${given},ro`]) {
      const { status } = await boot(
        ...['--snapshot', file('over.microvm'), '--disk', option, '--stop-after', `${END}`],
        ...['--json', file('over'), '--save-snapshot', file('again.microvm')],
      )
      expect(status).toBe(0)
      expect(json('over').stateHash).toBe(stateHash(before.machine))
      const again = readSnapshotFile(file('again.microvm'))
      if (!again.ok) throw new Error(again.problem.saw)
      expect(again.value.disks).toEqual(snapshot.disks)
      expect(places(again.value)).toEqual(places(carried(before.machine)))
    }
    expect(readFileSync(given).equals(image)).toBe(true)
    expect((await boot('--snapshot', file('over.microvm'))).err).toContain(identity)
  })

  test('a machine that has stopped is not saved', async () => {
    const { status, err } = await boot('--send', 'poweroff\\r', '--timeout', '20', '--save-snapshot', file('none'))
    expect(err).toContain('the machine has stopped'.slice(1))
    expect(status).not.toBe(0)
    expect(existsSync(file('none'))).toBe(false)
  })
})

test('a file of version 1 opens for ever', () => {
  const snapshot = readSnapshotFile(join(import.meta.dirname, 'testing/version-1.microvm'))
  if (!snapshot.ok) throw new Error(snapshot.problem.saw)
  expect(snapshot.value.kernel.info.symbols.length).toBeGreaterThan(100)
  const running = resumed(snapshot.value, 'auto')
  runTo(running, END)
  // It was typed ahead before the machine was saved.
  expect(running.text()).toContain('this list')
})

describe('a file that lies', () => {
  let bytes: Uint8Array
  beforeAll(() => {
    const { machine } = booted({})
    machine.stopAfter(250_000)
    while (machine.figures().instructions < 250_000) machine.run(50)
    const saved = snapshotOf(machine, '0'.repeat(64))
    if (!saved.ok) throw new Error(saved.problem.saw)
    bytes = saved.value
  })

  const open = (given: Uint8Array): string => {
    writeFileSync(join(dir, 'lie'), given)
    const snapshot = readSnapshotFile(join(dir, 'lie'))
    if (!snapshot.ok) return snapshot.problem.kind
    const machine = restoreMachine({ snapshot: snapshot.value, disks: [] }, host, { console: () => {}, log: () => {} })
    return machine.ok ? 'runs' : machine.problem.kind
  }

  test('cut anywhere, it is refused', () => {
    const random = new SeededEntropy(2)
    for (let i = 0; i < 50; i++) expect(open(bytes.subarray(0, random.next() % bytes.length))).not.toBe('runs')
  })

  test('with any byte changed, it is refused', () => {
    const random = new SeededEntropy(3)
    for (let i = 0; i < 50; i++) {
      const one = bytes.slice()
      one[random.next() % one.length]! ^= 1 + (random.next() % 255)
      expect(open(one)).toMatch(/snapshot|bad|many/)
    }
  })

  test('of a newer version, it says so', () => {
    const one = bytes.slice()
    new DataView(one.buffer).setUint32(8, 2, true)
    expect(open(one)).toBe('snapshot-version')
  })

  test('that claims to unpack to a lot more than it has is refused before anything is unpacked', () => {
    const one = bytes.slice()
    const at = Buffer.from(one).indexOf('part')
    const view = new DataView(one.buffer)
    view.setUint32(at + 12, 0xf000_0000, true)
    view.setUint32(at + 8, crc32(one.subarray(at + 12, at + 12 + view.getUint32(at + 4, true))), true)
    expect(open(one)).toBe('snapshot-damaged')
  })

  test('whose states are made up, with the sums put right, is refused or runs as a guest may', () => {
    const random = new SeededEntropy(4)
    const { value } = readSnapshot(bytes) as { value: Snapshot }
    const seen: Record<string, number> = {}
    for (let i = 0; i < 300; i++) {
      const encoded = encodeState(value.parts).slice()
      for (let n = 1 + (random.next() % 2); n > 0; n--)
        encoded[random.next() % encoded.length] = random.next() % 3 === 0 ? random.next() : 1 << (random.next() % 8)
      let parts: Snapshot['parts']
      try {
        parts = decodeState(encoded) as Snapshot['parts']
      } catch {
        seen['refused'] = (seen['refused'] ?? 0) + 1
        continue
      }
      const made = restoreMachine({ snapshot: { ...value, parts }, disks: [], engine: 'interp' }, host, {
        console: () => {},
        log: () => {},
      })
      if (made.ok) for (let slices = 0; slices < 3; slices++) made.value.run(2)
      const what = made.ok ? 'runs' : made.problem.kind
      seen[what] = (seen[what] ?? 0) + 1
    }
    expect(seen['runs']).toBeGreaterThan(10)
    expect(seen['snapshot-state']).toBeGreaterThan(20)
  })
})
