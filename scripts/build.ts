/**
 * `npm run build -- [--guests ID,ID|cached] [vite options]`: the page for static hosting, with the files of the guests that
 * are named here or in GUESTS, fetched first where they are missing. Exit status 1 with a sentence when one cannot be had.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { GUESTS } from '../src/guests/catalogue.ts'
import { cacheRoot, isCached } from './guest-cache.ts'
import { chooseGuests, fetchAll, filesOf, terminalIo } from './guests.ts'

/** Takes `--guests` out of `argv`. */
const namedGuests = (argv: string[]): string => {
  const at = argv.findIndex((word) => /^--guests(=|$)/.test(word))
  if (at < 0) return process.env['GUESTS'] ?? ''
  const [, value] = /=(.*)/.exec(argv[at] ?? '') ?? []
  const [, next] = argv.splice(at, value === undefined ? 2 : 1)
  return value ?? next ?? ''
}

/** Undefined when every file of the named guests is here. */
const fetchNamed = async (named: string): Promise<number | undefined> => {
  const chosen = named === 'cached' ? [] : chooseGuests(named.split(',').filter(Boolean), GUESTS)
  if (typeof chosen === 'string') {
    console.error(chosen)
    return 2
  }
  const files = filesOf(chosen)
  const wrong = await fetchAll(files, terminalIo())
  const there = await Promise.all(files.map((file) => isCached(file, cacheRoot())))
  return wrong.length > 0 || there.includes(false) ? 1 : undefined
}

const argv = process.argv.slice(2)
const named = namedGuests(argv)
const wrong = await fetchNamed(named)
if (wrong === undefined) {
  const vite = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin/vite.js')
  const env = { ...process.env, GUESTS: named }
  process.exitCode = spawnSync(process.execPath, [vite, 'build', ...argv], { stdio: 'inherit', env }).status ?? 1
} else process.exitCode = wrong
