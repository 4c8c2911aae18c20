/**
 * npm run vectors -- --snapshots N [--seed N] [--kernel FILE] [--disk FILE]
 *
 * One run that is saved at N random instruction counts, carried as a file and resumed each time by the other engine, beside one
 * that is never saved: at each place memory, all parts and the console must be the same. On both boards, N places each. Then ten
 * times as many files that lie, their sums put right: each is refused or runs as a guest may.
 *
 * The kernel is the cached NetBSD's, or the embedded guest; with --disk a NetBSD gets to its shell and is typed at.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { EMBEDDED } from '../src/headless/boot.ts'
import { stateHash } from '../src/headless/snapshot-file.ts'
import { SeededEntropy } from '../src/machine/entropy.ts'
import { createMachine, type MachineConfig, OverlayDisk, restoreMachine, type Snapshot } from '../src/machine/index.ts'
import { decodeState, encodeState } from '../src/machine/snapshot/state-code.ts'
import { DEFAULTS, type ProfileName } from '../src/settings/settings.ts'
import { carried, host, type Running, running, runTo } from './running.ts'

const NETBSD = join(homedir(), '.cache/netbsd-microvm-playground/guests/netbsd-microvm/netbsd')
/** Far enough for NetBSD's shell to have answered, and for the embedded guest to have fallen silent. */
const LAST = { netbsd: 52_000_000, embedded: 320_000 }
const TYPED = Buffer.from('ps\nls -l /\necho $((6*7))\n')

export interface SnapshotOptions {
  readonly places: number
  readonly seed: number
  readonly kernel: string | undefined
  readonly disk: string | undefined
}

const compareOn = (profile: ProfileName, options: SnapshotOptions, random: SeededEntropy): number => {
  const file = options.kernel ?? (existsSync(NETBSD) ? NETBSD : EMBEDDED)
  const last = file === EMBEDDED ? LAST.embedded : LAST.netbsd
  const image = options.disk === undefined ? undefined : new Uint8Array(readFileSync(options.disk))
  const begin = (engine: MachineConfig['engine']): Running => {
    const config: MachineConfig = {
      ...DEFAULTS,
      profile,
      clock: 'icount',
      trace: false,
      net: 'user',
      engine,
      cmdline: image ? 'console=com root=ld0a' : 'console=com',
      kernel: readFileSync(file),
      disks: image ? [new OverlayDisk(image, { id: 'root' })] : [],
    }
    const one = running((console) => createMachine(config, host, { console, log: () => {} }))
    one.machine.send(TYPED)
    return one
  }
  const places = Array.from({ length: options.places }, () => 1 + Math.floor((random.next() / 2 ** 32) * last))
  const plain = begin('auto')
  let saved = begin('interp')
  let differences = 0
  let seen = 0
  for (const [i, place] of places.sort((a, b) => a - b).entries()) {
    const [there, here] = [runTo(plain.machine, place), runTo(saved.machine, place)]
    if (!there && !here) break
    seen++
    const snapshot = carried(saved.machine)
    const { text } = saved
    const engine = i % 2 === 0 ? 'auto' : 'interp'
    saved = running((console) => restoreMachine({ snapshot, disks: [], engine }, host, { console, log: () => {} }))
    saved.text = text
    const same = stateHash(saved.machine) === stateHash(plain.machine) && saved.text === plain.text
    if (same) continue
    differences++
    console.log(`  differs at ${place}, resumed by ${engine}`)
    // From here on everything would.
    saved = running((console) =>
      restoreMachine({ snapshot: carried(plain.machine), disks: [], engine }, host, { console, log: () => {} }),
    )
    saved.text = plain.text
  }
  console.log(
    `${profile}: saved and resumed at ${seen} places of ${last.toLocaleString('en')}, ${differences} differences`,
  )
  return differences
}

const lie = (count: number, random: SeededEntropy): void => {
  const config: MachineConfig = {
    ...DEFAULTS,
    memoryMiB: 32,
    clock: 'icount',
    trace: false,
    net: 'user',
    cmdline: 'console=com',
    kernel: readFileSync(EMBEDDED),
    disks: [],
  }
  const { machine } = running((console) => createMachine(config, host, { console, log: () => {} }))
  machine.send(TYPED)
  runTo(machine, 250_000)
  const snapshot = carried(machine)
  const seen = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    const encoded = encodeState(snapshot.parts).slice()
    for (let n = 1 + (random.next() % 2); n > 0; n--)
      encoded[random.next() % encoded.length] = random.next() % 3 === 0 ? random.next() : 1 << (random.next() % 8)
    let what = 'not a state'
    let parts: Snapshot['parts'] | undefined
    try {
      parts = decodeState(encoded) as Snapshot['parts']
    } catch {}
    if (parts !== undefined) {
      const engine = i % 8 === 0 ? 'auto' : 'interp'
      const lied = { ...snapshot, parts }
      const made = restoreMachine({ snapshot: lied, disks: [], engine }, host, { console: () => {}, log: () => {} })
      what = made.ok ? 'runs' : made.problem.kind
      // What the host throws from here ends the program: it is a defect.
      if (made.ok) for (let slices = 0; slices < 3; slices++) made.value.run(2)
    }
    seen.set(what, (seen.get(what) ?? 0) + 1)
  }
  console.log(`${count} files that lie: ${[...seen].map(([what, n]) => `${n} ${what}`).join(', ')}`)
}

/** The number of differences. */
export const compareSnapshots = (options: SnapshotOptions): number => {
  const random = new SeededEntropy(options.seed)
  const profiles: readonly ProfileName[] = ['microvm', 'firecracker']
  const differences = profiles.reduce((sum, profile) => sum + compareOn(profile, options, random), 0)
  lie(10 * options.places, random)
  return differences
}
