/** The command line of `npm run -s boot`: words in, options or one sentence out. Reads no files. */
import { parseArgs } from 'node:util'
import { nearest } from '../base/nearest.ts'
import { ok, problem, type Result, refuse } from '../base/problem.ts'
import { COMMAND_LINE, firstProblem, readSettings } from '../settings/read-settings.ts'
import { type MachineSettings, SETTING_NAMES } from '../settings/settings.ts'
import { optionLines, settingOptions } from '../settings/words.ts'
import { type Pattern, parsePattern } from './until.ts'

export const TRACE_FORMATS = ['native', 'chrome', 'speedscope', 'folded'] as const
export type TraceFormat = (typeof TRACE_FORMATS)[number]

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
  send: ['TEXT', 'typed ahead at the console; \\n \\r \\t \\\\ \\xNN; may be repeated'],
  until: [
    'REGEX',
    "end with success once the console output matches; RE2's syntax, ^ and $ are a line's start and end, $ also the end of what was printed so far, as at a prompt",
  ],
  timeout: ['SECONDS', 'end with status 3 after this much real time'],
  trace: ['FILE', 'record calls and write the timeline'],
  'trace-format': ['NAME', 'native, chrome, speedscope or folded (default: native)'],
  json: ['FILE', 'write figures of the run'],
} as const
type OwnName = keyof typeof OWN
const REPEATABLE: readonly string[] = ['disk', 'send', 'cpu', 'add']

const ownLines = (...names: readonly OwnName[]): string =>
  names.map((name) => optionLines(`${name} ${OWN[name][0]}`, OWN[name][1])).join('')

export const USAGE = `npm run -s boot -- [options]

${ownLines('kernel', 'initrd', 'disk', 'add', 'save-disk')}
${settingOptions({
  cmdline: 'console=com -z, with root=ld0a when there is a disk',
  clock: 'wall at a terminal, icount otherwise',
})}
${ownLines('send', 'until', 'timeout', 'trace', 'trace-format', 'json')}
Console output goes to standard output, standard input to the guest; at a terminal Ctrl-A x ends the run.
Exit status: 0 the pattern was seen, or without --until the guest ended with success; 1 it did not; 2 bad arguments or
files; 3 timeout; 4 the guest crashed.
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

/** What each option was given, in order; undefined when help was asked for. */
const wordsOf = (argv: readonly string[]): Result<Map<string, string[]> | undefined> => {
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
        word.startsWith('-') ? `write -${word}` : `if it is a kernel, write --kernel ${word}`,
      )
    const name = token.kind === 'option' ? token.name : ''
    if (token.kind !== 'option' || !OPTION_NAMES.includes(name)) {
      const near = nearest(name, OPTION_NAMES)
      return bad(
        'unknown-option',
        `the option --${name} is not known`,
        `one of ${OPTION_NAMES.map((o) => `--${o}`).join(' ')}`,
        near === undefined ? 'see --help' : `--${near}`,
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

export const parseOptions = (argv: readonly string[]): Result<Parsed> => {
  const words = wordsOf(argv)
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

  const timeout = one('timeout')
  const timeoutSeconds = timeout === undefined ? undefined : Number(timeout)
  if (timeout !== undefined && (!/^\d*\.?\d+$/.test(timeout) || !(timeoutSeconds! > 0)))
    return bad('bad-timeout', `--timeout is "${timeout}"`, 'a number of seconds above 0', '--timeout 60')

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
      traceFormat: (traceFormat as TraceFormat | undefined) ?? 'native',
      json: one('json'),
      adds,
      saveDisk: one('save-disk'),
    },
  })
}
