/**
 * `npm run guests -- [--list] [--force] [--repin] [ID...]`: fetches, checks and caches the NetBSD kernels. No network is
 * one sentence and exit status 0: nothing here is required.
 */
import { pathToFileURL } from 'node:url'
import { type Problem, sentence } from '../src/base/problem.ts'
import { GUESTS } from '../src/guests/catalogue.ts'
import type { Guest } from '../src/guests/guest.ts'
import { type CachedKernel, cachedKernel, cacheRoot, fetchKernel, type Progress } from './guest-cache.ts'

export interface GuestsIo {
  readonly out: (line: string) => void
  /** Overwritten by the next one on a terminal. */
  readonly status: (line: string) => void
  readonly guests: readonly Guest[]
  readonly root: string
  readonly connectMs?: number
  readonly stallMs?: number
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

const summary = (kernel: CachedKernel): string =>
  `${kernel.id}: ${kernel.origin}, ${megabytes(kernel.bytes)}, SHA-256 ${kernel.sha256}, ${kernel.path}`

/** Returns the exit status: 0, 1 when a kernel is not what it should be, 2 for bad arguments. */
export const runGuests = async (argv: readonly string[], io: GuestsIo): Promise<number> => {
  const published = io.guests.filter((guest) => guest.kernel.kind === 'published')
  const ids: string[] = []
  const flags = new Set<string>()
  for (const argument of argv) {
    if (['--list', '--force', '--repin'].includes(argument)) flags.add(argument)
    else if (argument.startsWith('-')) {
      io.out(`The option ${argument} is not known; expected: --list, --force or --repin. Try: leave it out.`)
      return 2
    } else if (published.some((guest) => guest.id === argument)) ids.push(argument)
    else {
      io.out(
        `There is no guest ${argument} to fetch; expected: ${published.map((g) => g.id).join(' or ')}. Try: one of these.`,
      )
      return 2
    }
  }
  const wanted = ids.length > 0 ? published.filter((guest) => ids.includes(guest.id)) : published

  if (flags.has('--list')) {
    for (const guest of wanted) {
      const cached = await cachedKernel(guest, io.root)
      if (cached === undefined) io.out(`${guest.id}: not here`)
      else io.out(cached.ok ? summary(cached.value) : sentence(cached.problem))
    }
    return 0
  }

  const results = await Promise.all(
    wanted.map((guest) =>
      fetchKernel(guest, {
        root: io.root,
        force: flags.has('--force') || flags.has('--repin'),
        repin: flags.has('--repin'),
        progress: (p) => io.status(progressLine(p)),
        ...(io.connectMs === undefined ? {} : { connectMs: io.connectMs }),
        ...(io.stallMs === undefined ? {} : { stallMs: io.stallMs }),
      }),
    ),
  )
  const unreachable: string[] = []
  const others: Problem[] = []
  results.forEach((result, i) => {
    if (result.ok) io.out(summary(result.value))
    else if (result.problem.kind === 'unreachable') unreachable.push((wanted[i] as Guest).id)
    else others.push(result.problem)
  })
  if (unreachable.length > 0)
    io.out(
      `The publishers of ${unreachable.join(' and ')} could not be reached, so there is no NetBSD kernel from them yet; ` +
        'the embedded guest boots without, and a later "npm run guests" fetches them.',
    )
  for (const p of others) io.out(sentence(p))
  return others.length > 0 ? 1 : 0
}

const progressLine = ({ id, received, total, rate }: Progress): string =>
  `${id}: ${megabytes(received)}${total === undefined ? '' : ` of ${megabytes(total)}`}, ${megabytes(rate)}/s`

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const tty = process.stderr.isTTY
  let shown = 0
  process.exitCode = await runGuests(process.argv.slice(2), {
    out: (line) => {
      if (shown > 0) process.stderr.write('\r\x1b[K')
      process.stdout.write(`${line}\n`)
    },
    status: (line) => {
      if (!tty || Date.now() - shown < 100) return
      shown = Date.now()
      process.stderr.write(`\r\x1b[K${line}`)
    },
    guests: GUESTS,
    root: cacheRoot(),
  })
}
