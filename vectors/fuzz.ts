/** npm run fuzz -- [--minutes N] [--seed N] [--round N]: random machines, see fuzzer.ts. */
import { parseArgs } from 'node:util'
import { Fuzzer } from './fuzzer.ts'

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' }, round: { type: 'string' } },
})
const seed = values.seed === undefined ? Date.now() & 0x7fffffff : Number(values.seed)
const end = performance.now() + Number(values.minutes ?? 1) * 60_000
const fuzzer = new Fuzzer()
const modes = new Map<string, number>()
let round = Number(values.round ?? 0)
console.log(`seed ${seed}`)
do {
  try {
    const mode = fuzzer.round(seed, round, 20_000)
    modes.set(mode, (modes.get(mode) ?? 0) + 1)
  } catch (error) {
    console.log(`failed: npm run fuzz -- --seed ${seed} --round ${round}`)
    throw error
  }
  round++
} while (performance.now() < end && values.round === undefined)
console.log(
  `${round} machines (${[...modes].map(([m, n]) => `${m} ${n}`).join(', ')}), ${fuzzer.instructions} instructions, ` +
    `${fuzzer.shutdowns} shutdowns`,
)
