/** The two machines a test program runs on: ours, in this process, and QEMU. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { registerText } from '../src/base/registers.ts'
import { nodeHost } from '../src/headless/node-host.ts'
import type { TranslatorPolicy } from '../src/machine/engine/regions/registry.ts'
import { createMachine } from '../src/machine/index.ts'
import { DEFAULTS } from '../src/settings/settings.ts'
import { elfPath, type Program } from './build.ts'

export interface Section {
  readonly name: string
  readonly program: Program
  /** Command line: which tests of the program run. */
  readonly run: string
}

const section = (program: Program, name: string, run = name): Section => ({ name, program, run })
export const SECTIONS: readonly Section[] = [
  ...[
    'paging',
    'segments',
    'events',
    'returns',
    'syscalls',
    'debug',
    'registers',
    'instructions',
    'fpu',
    'interrupts',
  ].map((name) => section('long', name)),
  section('legacy', 'legacy'),
  section('legacy', 'limits'),
  ...['cr0', 'ltr-null', 'lgdt', 'ltr-upper', 'triple-null-idt', 'triple-df-gate'].map((name) => section('long', name)),
]

/** Everything that the tests use and that is not on by default. */
const SWITCHES = [
  'mwait',
  'pcid',
  'xsave',
  'xsaveopt',
  'fsgsbase',
  'smep',
  'smap',
  'umip',
  'invpcid',
  'rdtscp',
  'popcnt',
]

export interface Outcome {
  /** Console lines without "end"; how the machine stopped comes last, as "exit ...". */
  readonly lines: readonly string[]
  readonly log: readonly string[]
}

const linesOf = (text: string, exit: string): string[] => [
  ...text
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => line !== '' && line !== 'end'),
  `exit ${exit}`,
]

/** With `translation` on the translator, else on the interpreter. */
export const runHere = (s: Section, translation?: TranslatorPolicy, maxMs = 60_000): Outcome => {
  let text = ''
  const log: string[] = []
  const made = createMachine(
    {
      ...DEFAULTS,
      memoryMiB: 64,
      kernel: readFileSync(elfPath(s.program)),
      cmdline: s.run,
      disks: [],
      rng: false,
      virtioConsole: false,
      clock: 'icount',
      engine: translation === undefined ? 'interp' : 'auto',
      ...(translation !== undefined && { translation }),
      cpu: Object.fromEntries(SWITCHES.map((name) => [name, true])),
      trace: false,
      epoch: 0,
    },
    nodeHost(),
    { console: (bytes) => (text += Buffer.from(bytes).toString('latin1')), log: (line) => log.push(line) },
  )
  if (!made.ok) throw new Error(JSON.stringify(made))
  const machine = made.value
  const end = performance.now() + maxMs
  for (;;) {
    const slice = machine.run(50)
    if (slice.state === 'stopped') {
      const exit = slice.exit!
      if (exit.reason === 'triple-fault')
        log.push(JSON.stringify({ ...exit.crash, registers: registerText(exit.crash.registers) }))
      return { lines: linesOf(text, exit.reason === 'triple-fault' ? 'reset' : exit.reason), log }
    }
    if (performance.now() > end || (slice.state === 'idle' && slice.sleepNs === Infinity))
      return { lines: linesOf(text, slice.state === 'idle' ? 'idle' : 'timeout'), log }
  }
}

export const qemuVersion = (): string | undefined =>
  spawnSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0]

export const runQemu = (s: Section): Outcome => {
  const args = [
    ...['-M', 'microvm,x-option-roms=off,rtc=on,acpi=off', '-accel', 'tcg', '-cpu', 'max,vendor=GenuineIntel'],
    ...['-m', '64', '-kernel', elfPath(s.program), '-append', s.run, '-display', 'none', '-monitor', 'none'],
    ...['-no-reboot', '-nodefaults', '-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4'],
  ]
  const { stdout, stderr, status } = spawnSync('qemu-system-x86_64', args, { encoding: 'latin1', timeout: 60_000 })
  const exit = status === 1 ? 'guest-exit' : status === 0 ? 'reset' : status === null ? 'timeout' : `status ${status}`
  return { lines: linesOf(stdout, exit), log: stderr === '' ? [] : [stderr] }
}
