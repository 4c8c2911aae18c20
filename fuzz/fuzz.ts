/**
 * npm run fuzz -- [--minutes N] [--only FAMILY,...] [--seed N] [--round N]: hostile guests and files, for as long as
 * asked. Families take turns. A failure prints the command that repeats it, a hang too.
 */
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { FAMILIES, type FamilyName } from './families.ts'
import type { Family } from './family.ts'

/** A round takes a fraction of this. */
const HANG_SECONDS = 60
/** How long a family goes on before the next has its turn. */
const TURN_MS = 5000

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    only: { type: 'string' },
    seed: { type: 'string' },
    round: { type: 'string' },
  },
})
const names = (values.only?.split(',') ?? Object.keys(FAMILIES)) as FamilyName[]
const unknown = names.filter((name) => !(name in FAMILIES))
if (unknown.length > 0 || (values.round !== undefined && names.length !== 1)) {
  console.error(
    unknown.length > 0
      ? `there is no family "${unknown[0]}"; choose from ${Object.keys(FAMILIES).join(', ')}`
      : '--round repeats a round of one family: name it with --only',
  )
  process.exit(2)
}
const seed = values.seed === undefined ? Date.now() & 0x7fffffff : Number(values.seed)

/** A thread of its own, since a round that hangs lets nothing else run: names the round and ends the process. */
const beat = new Int32Array(new SharedArrayBuffer(8))
const watchdog = new Worker(
  `const { workerData: { beat, names, seed, seconds } } = require('node:worker_threads')
  let last = -1, still = 0
  setInterval(() => {
    const round = beat[1]
    still = round === last ? still + 1 : 0
    last = round
    if (still < seconds) return
    require('node:fs').writeSync(2, 'hangs: npm run fuzz -- --only ' + names[beat[0]] + ' --seed ' + seed + ' --round ' + round + '\\n')
    process.kill(process.pid, 'SIGKILL')
  }, 1000)`,
  { eval: true, workerData: { beat, names, seed, seconds: HANG_SECONDS } },
)
watchdog.unref()

const families = names.map((name) => ({ name, family: FAMILIES[name]() as Family, round: Number(values.round ?? 0) }))
console.log(`seed ${seed}`)
const end = performance.now() + Number(values.minutes) * 60_000
do {
  for (const [i, entry] of families.entries()) {
    const turn = performance.now() + TURN_MS
    do {
      beat[0] = i
      beat[1] = entry.round
      try {
        entry.family.round(seed, entry.round)
      } catch (error) {
        console.error(`failed: npm run fuzz -- --only ${entry.name} --seed ${seed} --round ${entry.round}`)
        throw error
      }
      entry.round++
    } while (values.round === undefined && performance.now() < Math.min(turn, end))
  }
} while (values.round === undefined && performance.now() < end)
for (const { name, family, round } of families) console.log(`${name}: ${round} rounds; ${family.done}`)
await watchdog.terminate()
