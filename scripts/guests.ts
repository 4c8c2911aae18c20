/**
 * `npm run guests -- [--all] [--list] [--remove] [--force] [--repin] [ID...]`: fetches, checks and caches what the
 * catalogue's guests boot from. No network is one sentence and exit status 0: nothing here is required.
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { type Problem, sentence } from '../src/base/problem.ts'
import { GUESTS, publishedFiles } from '../src/guests/catalogue.ts'
import type { Guest, PublishedFile } from '../src/guests/guest.ts'
import { type CachedFile, cachedFile, cacheRoot, type FetchOptions, fetchFile, removeFile } from './guest-cache.ts'
import type { Progress } from './guest-download.ts'

export interface GuestsIo extends FetchOptions {
  readonly out: (line: string) => void
  /** Overwritten by the next one on a terminal. */
  readonly status: (line: string) => void
  readonly guests: readonly Guest[]
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

export const summary = (file: CachedFile): string =>
  `${file.path}: ${file.origin}, ${megabytes(file.bytes)}, SHA-256 ${file.sha256}` +
  `${file.checked === 'nothing' ? '' : ` (${file.checked})`}, ${file.at}`

export const progressLine = ({ path, received, total, rate }: Progress): string =>
  `${path}: ${megabytes(received)}${total === undefined ? '' : ` of ${megabytes(total)}`}, ${megabytes(rate)}/s`

const list = (words: readonly string[], last: string): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`

/** Files of `guests`, each once. */
export const filesOf = (guests: readonly Guest[]): readonly PublishedFile[] => [
  ...new Map(guests.flatMap(publishedFiles).map((file) => [file.path, file])).values(),
]

const OPTIONS = {
  all: { type: 'boolean' },
  list: { type: 'boolean' },
  remove: { type: 'boolean' },
  force: { type: 'boolean' },
  repin: { type: 'boolean' },
} as const

/** The guests that `ids` name, or a sentence. */
export const chooseGuests = (ids: readonly string[], guests: readonly Guest[]): readonly Guest[] | string => {
  const offered = guests.filter((guest) => publishedFiles(guest).length > 0)
  const unknown = ids.find((id) => !offered.some((guest) => guest.id === id))
  if (unknown === undefined) return offered.filter(({ id }) => ids.includes(id))
  const names = list(
    offered.map(({ id }) => id),
    'or',
  )
  return `There is no guest ${unknown} to fetch; expected: ${names}. Try: one of these.`
}

/** The one sentence about every file that no publisher answered for. */
export const unreachableSentence = (paths: readonly string[]): string =>
  `The publishers of ${list(paths, 'and')} could not be reached, so ${paths.length === 1 ? 'it is' : 'they are'} not here ` +
  'yet; the embedded guest boots without, and a later "npm run guests" fetches what is missing.'

/** Fetches what is missing and says what came of it. Returns what was wrong; no network is no wrong. */
export const fetchAll = async (files: readonly PublishedFile[], io: GuestsIo): Promise<readonly Problem[]> => {
  const wrong: Problem[] = []
  const results = await Promise.all(
    files.map(async (file) => ({
      file,
      result: await fetchFile(file, { progress: (p) => io.status(progressLine(p)), ...io }),
    })),
  )
  const unreached: string[] = []
  for (const { file, result } of results) {
    if (result.ok) io.out(summary(result.value))
    else if (result.problem.kind === 'unreachable') unreached.push(file.path)
    else wrong.push(result.problem)
  }
  if (unreached.length > 0) io.out(unreachableSentence(unreached))
  for (const p of wrong) io.out(sentence(p))
  return wrong
}

/** Returns the exit status: 0, 1 when a file is not what it should be, 2 for bad arguments. */
export const runGuests = async (argv: readonly string[], io: GuestsIo): Promise<number> => {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(argv)
  } catch {
    const unknown = argv.find((word) => word.startsWith('-') && !(word.replace(/^--/, '') in OPTIONS))
    io.out(
      `The option ${unknown} is not known; expected: ${list(
        Object.keys(OPTIONS).map((name) => `--${name}`),
        'or',
      )}. Try: leave it out.`,
    )
    return 2
  }
  const { values: flags, positionals: ids } = parsed
  const chosen = chooseGuests(ids, io.guests)
  if (typeof chosen === 'string') {
    io.out(chosen)
    return 2
  }
  if (flags.remove && ids.length === 0 && !flags.all) {
    io.out('Nothing is named to remove; expected: the ids of guests, or --all. Try: npm run guests -- --list.')
    return 2
  }
  const everything = flags.all || flags.list
  const asked = ids.length > 0 ? chosen : io.guests.filter(({ eager }) => everything || eager)
  const files = filesOf(asked)

  if (flags.list) {
    for (const file of files) io.out(await listing(file, io.root))
    return 0
  }
  if (flags.remove) {
    // A kernel that another guest boots as well goes only with its own.
    const own = files.filter(({ path }) => flags.all || ids.includes(path.split('/')[0] ?? ''))
    for (const file of own) io.out(`${file.path}: ${(await removeFile(file, io.root)) ? 'removed' : 'was not here'}`)
    return 0
  }
  const wrong = await fetchAll(files, {
    ...io,
    force: flags.force === true || flags.repin === true,
    repin: flags.repin === true,
  })
  return wrong.length > 0 ? 1 : 0
}

const parse = (argv: readonly string[]) => parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true })

const listing = async (file: PublishedFile, root: string): Promise<string> => {
  const cached = await cachedFile(file, root)
  if (cached !== undefined) return cached.ok ? summary(cached.value) : sentence(cached.problem)
  const { bytes, unpackedBytes } = file
  const sizes = [
    ...(bytes === undefined ? [] : [`${megabytes(bytes)} to fetch`]),
    ...(unpackedBytes === undefined || unpackedBytes === bytes ? [] : [`${megabytes(unpackedBytes)} unpacked`]),
  ]
  return [`${file.path}: not here`, ...sizes].join(', ')
}

/** The catalogue, this machine's cache, and a terminal, or a pipe without progress. */
export const terminalIo = (): GuestsIo => {
  const mirror = process.env['GUESTS_MIRROR']
  let shown = 0
  return {
    out: (line) => {
      if (shown > 0) process.stderr.write('\r\x1b[K')
      process.stdout.write(`${line}\n`)
    },
    status: (line) => {
      if (!process.stderr.isTTY || Date.now() - shown < 100) return
      shown = Date.now()
      process.stderr.write(`\r\x1b[K${line}`)
    },
    guests: GUESTS,
    root: cacheRoot(),
    ...(mirror !== undefined && { mirror }),
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.exitCode = await runGuests(process.argv.slice(2), terminalIo())
