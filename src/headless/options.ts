/** The command line of `npm run -s boot`: words in, options or one sentence out. Reads no files. */
import { parseArgs } from 'node:util'
import { nearest } from '../base/nearest.ts'
import { ok, problem, type Result, refuse } from '../base/problem.ts'
import { shellWord } from '../disk/disk-image.ts'
import { COMMAND_LINE, firstProblem, readSettings } from '../settings/read-settings.ts'
import { type MachineSettings, SETTING_NAMES } from '../settings/settings.ts'
import { optionLines, settingOptions } from '../settings/words.ts'
import { TRACE_FORMATS, type TraceFormat } from '../trace/formats/export.ts'
import { type Pattern, parsePattern } from './until.ts'

export interface DiskOption {
  readonly file: string
  readonly readOnly: boolean
  /** Its bytes are sectors, though they look like something else. */
  readonly raw?: boolean
}

export interface AddOption {
  readonly path: string
  /** The folder on the root that it is put into. */
  readonly target: string
}

export interface Options {
  /** Those that were said. */
  readonly settings: Partial<MachineSettings>
  /** Undefined: the embedded guest. */
  readonly kernel: string | undefined
  readonly initrd: string | undefined
  readonly disks: readonly DiskOption[]
  readonly send: Uint8Array
  readonly until: Pattern | undefined
  readonly timeoutSeconds: number | undefined
  readonly trace: string | undefined
  readonly traceFormat: TraceFormat
  readonly json: string | undefined
  readonly adds: readonly AddOption[]
  readonly saveDisk: string | undefined
  /** A saved machine to go on with, in place of a kernel. */
  readonly snapshot: string | undefined
  readonly saveSnapshot: string | undefined
  /** Instructions since power-on. */
  readonly stopAfter: number | undefined
}

/** Those that are no settings of the machine, by what stands behind them and what they are. */
const OWN = {
  kernel: ['FILE', "a PVH ELF kernel, may be gzip'd (without it: the embedded guest)"],
  initrd: ['FILE', 'handed over as a PVH module'],
  disk: ['FILE[,ro]', 'a virtio-blk disk, raw sectors; writes go to FILE unless ,ro; may be repeated'],
  add: [
    'PATH[:FOLDER]',
    'a file or folder put on a root disk that is made for it, with our init, as ld0; FOLDER is /root unless given; may be repeated',
  ],
  'save-disk': ['FILE', 'write that root disk, as the guest leaves it, to FILE'],
  snapshot: [
    'FILE',
    'go on with a saved machine, its settings and disks; --disk again for those that are files, as they were then',
  ],
  'save-snapshot': ['FILE', 'write the machine to FILE where the run ends, to go on from there'],
  send: ['TEXT', 'typed ahead at the console; \\n \\r \\t \\\\ \\xNN; may be repeated'],
  until: [
    'REGEX',
    "end with success once the console output matches; without lookahead and backreferences; ^ and $ are a line's start and end, $ also the end of what was printed so far, as at a prompt",
  ],
  timeout: ['SECONDS', 'end with status 3 after this much real time'],
  'stop-after': ['N', 'end once N instructions have retired since power-on, exactly'],
  trace: ['FILE', 'record calls and write the timeline'],
  'trace-format': ['NAME', `${TRACE_FORMATS.join(', ')} (default: ${TRACE_FORMATS[0]})`],
  json: ['FILE', 'write figures of the run'],
} as const
type OwnName = keyof typeof OWN
const REPEATABLE: readonly string[] = ['disk', 'send', 'cpu', 'add']

const ownLines = (...names: readonly OwnName[]): string =>
  names.map((name) => optionLines(`${name} ${OWN[name][0]}`, OWN[name][1])).join('')

export const USAGE = `npm run -s boot -- [options]

${ownLines('kernel', 'initrd', 'disk', 'add', 'save-disk', 'snapshot', 'save-snapshot')}
${settingOptions({
  cmdline: 'console=com -z, with root=ld0a when there is a disk',
  clock: 'wall at a terminal, icount otherwise',
})}
${ownLines('send', 'until', 'timeout', 'stop-after', 'trace', 'trace-format', 'json')}
Console output goes to standard output, standard input to the guest; at a terminal Ctrl-A x ends the run.
Names of files are relative to the folder you are in; - is standard input or output.
Exit status: 0 the pattern was seen, or without --until the guest ended with success; 1 it did not; 2 bad arguments or
files; 3 timeout; 4 the guest crashed; 128 + n signal n, after writing what was asked for (141: nobody reads the output).
`

const OPTION_NAMES: readonly string[] = [
  ...Object.keys(OWN),
  ...SETTING_NAMES.flatMap((name) => COMMAND_LINE.word(name) ?? []),
]

const bad = (kind: string, saw: string, expected: string, hint: string) => refuse(problem(kind, saw, expected, hint))

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

/** What other tools (QEMU, Firecracker, kvmtool) call what an option here is for. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  ...{
    m: 'memory',
    mem: 'memory',
    ram: 'memory',
    k: 'kernel',
    i: 'initrd',
    ramdisk: 'initrd',
    p: 'cmdline',
    params: 'cmdline',
  },
  ...{ append: 'cmdline', args: 'cmdline', 'boot-args': 'cmdline', d: 'disk', hda: 'disk', hdb: 'disk', drive: 'disk' },
  ...{
    M: 'profile',
    machine: 'profile',
    netdev: 'net',
    nic: 'net',
    network: 'net',
    accel: 'engine',
    t: 'timeout',
    icount: 'clock',
  },
}

/** An option that there is, for a name that is none; a name's first letter is enough where only one begins with it. */
const advised = (name: string): string => {
  const bare = name.replace(/^-+/, '').replace(/=.*$/s, '')
  const starting = OPTION_NAMES.filter((option) => option.startsWith(bare))
  const near = ELSEWHERE[bare] ?? (starting.length === 1 ? starting[0] : nearest(bare, OPTION_NAMES))
  return near === undefined ? 'see --help' : `--${near}`
}

const strayHint = (word: string, taken: readonly string[]): string => {
  if (taken.length > 0) return 'put -- before the options, for npm has taken them: npm run -s boot -- --kernel FILE'
  return word === '-' ? 'name the option, as in --kernel -' : `if it is a kernel, write --kernel ${shellWord(word)}`
}

/**
 * Those of our options that npm took for its own, because no `--` stands before them (npm_config_NAME in the environment). An
 * option that has come is not among them: somebody's script may hand on what npm took there.
 */
const takenByNpm = (argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): string[] =>
  environment['npm_lifecycle_event'] === 'boot'
    ? OPTION_NAMES.filter(
        (name) =>
          environment[`npm_config_${name.replaceAll('-', '_')}`] !== undefined &&
          !argv.some((word) => word === `--${name}` || word.startsWith(`--${name}=`)),
      )
    : []

/** npm's own, which a person's settings may hold. */
const ALSO_NPMS: readonly string[] = ['json', 'timeout', 'cpu']

/** What each option was given, in order; undefined when help was asked for. */
const wordsOf = (argv: readonly string[], taken: readonly string[]): Result<Map<string, string[]> | undefined> => {
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(OPTION_NAMES.map((name) => [name, { type: 'string', multiple: true }])),
    strict: false,
    tokens: true,
  })
  const given = new Map<string, string[]>()
  for (const token of tokens) {
    const word = argv[token.index]!
    if (word === '--help' || word === '-h') return ok(undefined)
    if (token.kind === 'positional' || !word.startsWith('--'))
      return bad(
        'stray-argument',
        `the argument "${word}" belongs to no option`,
        'options only, each with two dashes',
        word.startsWith('-') && word !== '-' ? advised(word).replace(/^--/, 'write --') : strayHint(word, taken),
      )
    const name = token.kind === 'option' ? token.name : ''
    if (token.kind !== 'option' || !OPTION_NAMES.includes(name)) {
      return bad(
        'unknown-option',
        `the option --${name} is not known`,
        `one of ${OPTION_NAMES.map((o) => `--${o}`).join(' ')}`,
        advised(name),
      )
    }
    const { value } = token
    // A value may start with a dash (a command line does: "-z"), but not be one of our own options.
    const isOption = !token.inlineValue && value?.startsWith('--') && OPTION_NAMES.includes(value.slice(2))
    if (value === undefined || isOption)
      return bad(
        'missing-value',
        `--${name} has no value${value === undefined ? '' : ` before ${value}`}`,
        `--${name} and what it shall be`,
        'see --help',
      )
    const values = given.get(name)
    if (values === undefined) given.set(name, [value])
    else if (REPEATABLE.includes(name)) values.push(value)
    else return bad('repeated-option', `--${name} is given more than once`, `--${name} once`, 'leave out all but one')
  }
  return ok(given)
}

export const parseOptions = (
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Result<Parsed> => {
  const taken = takenByNpm(argv, environment)
  const surely = taken.find((name) => !ALSO_NPMS.includes(name))
  if (surely !== undefined)
    return bad(
      'taken-by-npm',
      `npm has taken --${surely} for an option of its own`,
      'a -- before the options of boot',
      `npm run -s boot -- --${surely}, and what follows`,
    )
  const words = wordsOf(argv, taken)
  if (!words.ok) return words
  if (words.value === undefined) return ok({ help: true })
  const given = words.value
  const one = (name: OwnName): string | undefined => given.get(name)?.[0]

  const read = readSettings(
    COMMAND_LINE,
    Object.fromEntries([...given].map(([name, values]) => [name, values.join(',')])),
  )
  const wrong = firstProblem(read)
  if (wrong !== undefined) return refuse(wrong)

  const traceFormat = one('trace-format')
  if (traceFormat !== undefined && !(TRACE_FORMATS as readonly string[]).includes(traceFormat))
    return bad(
      'bad-choice',
      `--trace-format is "${traceFormat}"`,
      TRACE_FORMATS.join(' or '),
      `--trace-format ${nearest(traceFormat, TRACE_FORMATS) ?? TRACE_FORMATS[0]}`,
    )
  if (traceFormat !== undefined && one('trace') === undefined)
    return bad('missing-option', '--trace-format is given without --trace', 'both', 'add --trace FILE')

  if (one('kernel') === '-' && one('initrd') === '-')
    return bad(
      'stdin-twice',
      '--kernel and --initrd are both -',
      'one of them on standard input',
      'name the file of the other',
    )

  const timeout = one('timeout')
  const timeoutSeconds = timeout === undefined ? undefined : Number(timeout)
  if (timeout !== undefined && (!/^\d*\.?\d+$/.test(timeout) || !(timeoutSeconds! > 0)))
    return bad('bad-timeout', `--timeout is "${timeout}"`, 'a number of seconds above 0', '--timeout 60')

  const stop = one('stop-after')
  const stopAfter = stop === undefined ? undefined : Number(stop.replaceAll('_', ''))
  if (stopAfter !== undefined && !(Number.isSafeInteger(stopAfter) && stopAfter > 0))
    return bad('bad-stop-after', `--stop-after is "${stop}"`, 'a whole number above 0', '--stop-after 1_000_000')

  const snapshot = one('snapshot')
  if (snapshot !== undefined) {
    // A saved machine has all of these; which engine runs it and whether its calls are recorded is nothing that it has.
    const settled = [...given.keys()].find(
      (name) =>
        ['kernel', 'initrd', 'add', 'save-disk'].includes(name) ||
        (name !== COMMAND_LINE.word('engine') && SETTING_NAMES.some((setting) => COMMAND_LINE.word(setting) === name)),
    )
    if (settled !== undefined)
      return bad(
        'snapshot-settled',
        `--${settled} is given with --snapshot`,
        'a saved machine goes on with the kernel and the settings that it has',
        `leave out --${settled}, or boot anew without --snapshot`,
      )
  }

  const pattern = one('until')
  const until = pattern === undefined ? undefined : parsePattern(pattern)
  if (until !== undefined && !until.ok) return until

  const disks = (given.get('disk') ?? []).map((text): DiskOption => {
    const [, file = text, words = ''] = /^(.+?)((?:,(?:ro|rw|raw))+)$/s.exec(text) ?? []
    const said = words.split(',')
    return { file, readOnly: said.includes('ro'), ...(said.includes('raw') && { raw: true }) }
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
      settings: read.settings,
      kernel: one('kernel'),
      initrd: one('initrd'),
      disks,
      send: new Uint8Array(Buffer.concat(sends)),
      until: until?.value,
      timeoutSeconds,
      trace: one('trace'),
      traceFormat: (traceFormat as TraceFormat | undefined) ?? TRACE_FORMATS[0],
      json: one('json'),
      adds,
      saveDisk: one('save-disk'),
      snapshot,
      saveSnapshot: one('save-snapshot'),
      stopAfter,
    },
  })
}
