/**
 * `npm run build -- [--guests ID,ID|cached] [vite options]`: the page for static hosting, with the files of the guests that
 * are named here or in GUESTS. Exit status 1 with one sentence when one of them cannot be had.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { GUESTS } from '../src/guests/catalogue.ts'
import { chooseGuests } from './guests.ts'

const argv = process.argv.slice(2)
const at = argv.findIndex((word) => word === '--guests' || word.startsWith('--guests='))
const named = at < 0 ? process.env['GUESTS'] : (argv[at]?.split('=')[1] ?? argv[at + 1] ?? '')
if (at >= 0) argv.splice(at, argv[at]?.includes('=') ? 1 : 2)

const chosen = named === 'cached' ? [] : chooseGuests((named ?? '').split(',').filter(Boolean), GUESTS)
if (typeof chosen === 'string') {
  console.error(chosen)
  process.exit(2)
}
const vite = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin/vite.js')
const { status } = spawnSync(process.execPath, [vite, 'build', ...argv], {
  stdio: 'inherit',
  env: { ...process.env, GUESTS: named ?? '' },
})
process.exitCode = status ?? 1
