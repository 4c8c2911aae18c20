/** The command line of `npm run -s boot` (DESIGN 8): words in, options or one sentence out. Reads no files. */

import { ok, problem, type Result, refuse } from '../base/problem.ts'
import { KNOWN_CPU_SWITCHES } from '../machine/cpu/system/cpu-model.ts'
import { MiB, type ProfileName, RAM_MAX, RAM_MIN } from '../machine/layout.ts'
import type { ClockName, EngineName } from '../machine/machine.ts'

export const TRACE_FORMATS = ['native', 'chrome', 'speedscope', 'folded'] as const
export type TraceFormat = (typeof TRACE_FORMATS)[number]

export interface DiskOption {
  readonly file: string
  readonly readOnly: boolean
}

export interface AddOption {
  readonly path: string
  /** The folder on the root that it is put into. */
  readonly target: string
}

export interface Options {
  /** Undefined: the embedded guest. */
  readonly kernel: string | undefined
  readonly cmdline: string | undefined
  readonly initrd: string | undefined
  readonly disks: readonly DiskOption[]
  readonly net: 'user' | 'none'
  readonly memoryMiB: number
  readonly profile: ProfileName
  readonly cpu: Readonly<Record<string, boolean>>
  /** Undefined: wall when a person sits at a terminal, icount otherwise. */
  readonly clock: ClockName | undefined
  readonly engine: EngineName
  readonly send: Uint8Array
  readonly until: RegExp | undefined
  readonly timeoutSeconds: number | undefined
  readonly trace: string | undefined
  readonly traceFormat: TraceFormat
  readonly json: string | undefined
  readonly adds: readonly AddOption[]
  readonly saveDisk: string | undefined
}

export const USAGE = `npm run -s boot -- [options]

  --kernel FILE          a PVH ELF kernel, may be gzip'd (without it: the embedded guest)
  --cmdline S            kernel command line (default: console=com, with root=ld0a when there is a disk)
  --initrd FILE          handed over as a PVH module
  --disk FILE[,ro]       a virtio-blk disk, may be repeated; writes go to FILE unless ,ro
  --add PATH[:FOLDER]    a file or folder put on a root disk that is made for it, with our init, as ld0; FOLDER is /root
                         unless given; may be repeated
  --save-disk FILE       write that root disk, as the guest leaves it, to FILE
  --net user|none        a virtio-net card with user networking (default: none)
  --memory MIB           ${RAM_MIN / MiB} to ${RAM_MAX / MiB} (default: 256)
  --profile NAME         microvm or firecracker (default: microvm)
  --cpu FEATURE=on|off   CPU features, separated by commas, may be repeated
  --clock icount|wall    icount counts instructions, so that runs repeat exactly; wall follows real time
                         (default: wall at a terminal, icount otherwise)
  --engine interp|auto   interpret only, or translate hot code too (default: auto)
  --send TEXT            typed ahead at the console; \\n \\r \\t \\\\ \\xNN; may be repeated
  --until REGEX          end with success once the console output matches (within 256 bytes)
  --timeout SECONDS      end with status 3 after this much real time
  --trace FILE           record calls and write the timeline
  --trace-format NAME    native, chrome, speedscope or folded (default: native)
  --json FILE            write figures of the run

Console output goes to standard output, standard input to the guest; at a terminal Ctrl-A x ends the run.
Exit status: 0 the pattern was seen, or without --until the guest ended with success; 1 it did not; 2 bad arguments or
files; 3 timeout; 4 the guest crashed.
`

const OPTION_NAMES = [
  ...['kernel', 'cmdline', 'initrd', 'disk', 'net', 'memory', 'profile', 'cpu', 'clock', 'engine', 'send', 'until'],
  ...['timeout', 'trace', 'trace-format', 'json', 'add', 'save-disk'],
] as const
type OptionName = (typeof OPTION_NAMES)[number]

const bad = (kind: string, saw: string, expected: string, hint: string) => refuse(problem(kind, saw, expected, hint))

/** The word of `words` that differs least from `word`, if it is close. */
export const nearest = (word: string, words: readonly string[]): string | undefined => {
  let best: string | undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of words) {
    const distance = editDistance(word, candidate)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}

/** `--send`'s escapes to bytes; other characters in UTF-8. */
export const unescapeText = (text: string): Result<Uint8Array> => {
  const parts: Buffer[] = []
  for (let at = 0; at < text.length; ) {
    const slash = text.indexOf('\\', at)
    if (slash < 0) {
      parts.push(Buffer.from(text.slice(at)))
      break
    }
    parts.push(Buffer.from(text.slice(at, slash)))
    const code = text[slash + 1]
    const simple = { n: 10, r: 13, t: 9, '\\': 92 }[code ?? '']
    const hexDigits = /^[0-9a-fA-F]{2}/.exec(text.slice(slash + 2))
    if (simple !== undefined) {
      parts.push(Buffer.from([simple]))
      at = slash + 2
    } else if (code === 'x' && hexDigits) {
      parts.push(Buffer.from([Number.parseInt(hexDigits[0], 16)]))
      at = slash + 4
    } else
      return bad(
        'bad-escape',
        `--send has the escape ${text.slice(slash, slash + 2)}`,
        '\\n, \\r, \\t, \\\\ or \\x and two hexadecimal digits',
        'write \\\\ for a backslash',
      )
  }
  return ok(new Uint8Array(Buffer.concat(parts)))
}

export type Parsed = { readonly help: true } | { readonly help: false; readonly options: Options }

export const parseOptions = (argv: readonly string[]): Result<Parsed> => {
  const given = new Map<OptionName, string[]>()
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    if (word === '--help' || word === '-h') return ok({ help: true })
    if (!word.startsWith('--'))
      return bad(
        'stray-argument',
        `the argument "${word}" belongs to no option`,
        'options only, each with two dashes',
        word.startsWith('-') ? `write -${word}` : `if it is a kernel, write --kernel ${word}`,
      )
    const equals = word.indexOf('=')
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals)
    if (!(OPTION_NAMES as readonly string[]).includes(name)) {
      const near = nearest(name, OPTION_NAMES)
      return bad(
        'unknown-option',
        `the option --${name} is not known`,
        `one of ${OPTION_NAMES.map((o) => `--${o}`).join(' ')}`,
        near === undefined ? 'see --help' : `--${near}`,
      )
    }
    const value = equals < 0 ? argv[++i] : word.slice(equals + 1)
    // A value may start with a dash (a command line does: "-z"), but not be one of our own options.
    const isOption = equals < 0 && value !== undefined && (OPTION_NAMES as readonly string[]).includes(value.slice(2))
    if (value === undefined || (isOption && value.startsWith('--')))
      return bad(
        'missing-value',
        `--${name} has no value${value === undefined ? '' : ` before ${value}`}`,
        `--${name} and what it shall be`,
        'see --help',
      )
    const option = name as OptionName
    const values = given.get(option)
    if (values === undefined) given.set(option, [value])
    else if (option === 'disk' || option === 'send' || option === 'cpu' || option === 'add') values.push(value)
    else return bad('repeated-option', `--${name} is given more than once`, `--${name} once`, 'leave out all but one')
  }

  const one = (name: OptionName): string | undefined => given.get(name)?.[0]
  const choice = <T extends string>(name: OptionName, choices: readonly T[]): Result<T | undefined> => {
    const value = one(name)
    if (value === undefined || (choices as readonly string[]).includes(value)) return ok(value as T | undefined)
    const near = nearest(value, choices)
    return bad(
      'bad-choice',
      `--${name} is "${value}"`,
      choices.join(' or '),
      near === undefined ? `--${name} ${choices[0]}` : `--${name} ${near}`,
    )
  }

  const net = choice('net', ['user', 'none'] as const)
  if (!net.ok) return net
  const profile = choice('profile', ['microvm', 'firecracker'] as const)
  if (!profile.ok) return profile
  const clock = choice('clock', ['icount', 'wall'] as const)
  if (!clock.ok) return clock
  const engine = choice('engine', ['interp', 'auto'] as const)
  if (!engine.ok) return engine
  const traceFormat = choice('trace-format', TRACE_FORMATS)
  if (!traceFormat.ok) return traceFormat
  if (traceFormat.value !== undefined && one('trace') === undefined)
    return bad('missing-option', '--trace-format is given without --trace', 'both', 'add --trace FILE')

  const memory = one('memory')
  const memoryMiB = memory === undefined ? 256 : Number(memory)
  if (!/^\d+$/.test(memory ?? '256') || memoryMiB < RAM_MIN / MiB || memoryMiB > RAM_MAX / MiB)
    return bad(
      'bad-memory',
      `--memory is "${memory}"`,
      `a whole number of MiB from ${RAM_MIN / MiB} to ${RAM_MAX / MiB}`,
      '--memory 256',
    )

  const timeout = one('timeout')
  const timeoutSeconds = timeout === undefined ? undefined : Number(timeout)
  if (timeout !== undefined && (!/^\d*\.?\d+$/.test(timeout) || !(timeoutSeconds! > 0)))
    return bad('bad-timeout', `--timeout is "${timeout}"`, 'a number of seconds above 0', '--timeout 60')

  const pattern = one('until')
  let until: RegExp | undefined
  if (pattern !== undefined)
    try {
      // The output is matched as bytes, one character each.
      until = new RegExp(Buffer.from(pattern).toString('latin1'), 'm')
    } catch (e) {
      return bad(
        'bad-pattern',
        `--until "${pattern}" is not a regular expression (${(e as Error).message})`,
        'a JavaScript regular expression',
        'put a backslash before ( ) [ ] { } * + ? . ^ $ | that stand for themselves',
      )
    }

  const cpu: Record<string, boolean> = {}
  for (const word of given.get('cpu')?.flatMap((list) => list.split(',')) ?? []) {
    const match = /^([^=]+)=(on|off)$/.exec(word)
    if (match === null)
      return bad('bad-cpu', `--cpu has "${word}"`, 'FEATURE=on or FEATURE=off, separated by commas', '--cpu smap=off')
    const feature = match[1]!.toLowerCase()
    if (!KNOWN_CPU_SWITCHES.includes(feature)) {
      const near = nearest(feature, KNOWN_CPU_SWITCHES)
      return bad(
        'unknown-feature',
        `the CPU feature "${feature}" is not known`,
        `one of ${KNOWN_CPU_SWITCHES.join(' ')}`,
        near === undefined ? 'leave it out' : `${near}=${match[2]}`,
      )
    }
    cpu[feature] = match[2] === 'on'
  }

  const disks = (given.get('disk') ?? []).map((text): DiskOption => {
    const match = /^(.+),(ro|rw)$/s.exec(text)
    return match === null ? { file: text, readOnly: false } : { file: match[1]!, readOnly: match[2] === 'ro' }
  })
  if (disks.some((disk) => disk.file === ''))
    return bad('missing-value', '--disk has no file', '--disk FILE or --disk FILE,ro', 'name the disk image')

  // A folder on the root is absolute; any other colon belongs to the path.
  const adds = (given.get('add') ?? []).map((text): AddOption => {
    const match = /^(.+):(\/.*)$/s.exec(text)
    return match === null ? { path: text, target: '/root' } : { path: match[1]!, target: match[2]! }
  })

  const sends: Uint8Array[] = []
  for (const text of given.get('send') ?? []) {
    const bytes = unescapeText(text)
    if (!bytes.ok) return bytes
    sends.push(bytes.value)
  }

  return ok({
    help: false,
    options: {
      kernel: one('kernel'),
      cmdline: one('cmdline'),
      initrd: one('initrd'),
      disks,
      net: net.value ?? 'none',
      memoryMiB,
      profile: profile.value ?? 'microvm',
      cpu,
      clock: clock.value,
      engine: engine.value ?? 'auto',
      send: new Uint8Array(Buffer.concat(sends)),
      until,
      timeoutSeconds,
      trace: one('trace'),
      traceFormat: traceFormat.value ?? 'native',
      json: one('json'),
      adds,
      saveDisk: one('save-disk'),
    },
  })
}
