/**
 * What recording costs a boot: NetBSD to its init (the embedded guest to its prompt where there is no NetBSD), untraced
 * and traced, one after the other in turn, so that whatever else this computer does falls on both.
 *
 * Node records call events and makes spans of them at the end, in the page they become spans while the boot goes on or
 * right after it. Both are timed from the guest's first instruction.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { openChromium } from './chromium.ts'
import { median } from './figures.ts'
import { REPOSITORY, runOurs } from './headless.ts'

/** The project's promise: at most this many times as long. */
const LIMIT = 1.15

interface Overhead {
  /** Median milliseconds. */
  readonly untraced: number
  readonly traced: number
  readonly ratio: number
  /** Median of the ratios of each two runs that followed each other. */
  readonly pairRatio: number
  readonly untracedRuns: readonly number[]
  readonly tracedRuns: readonly number[]
}

const overhead = (untracedRuns: readonly number[], tracedRuns: readonly number[]): Overhead => {
  const untraced = median(untracedRuns)
  const traced = median(tracedRuns)
  const pairRatio = median(tracedRuns.map((ms, turn) => ms / untracedRuns[turn]!))
  return { untraced, traced, ratio: traced / untraced, pairRatio, untracedRuns, tracedRuns }
}

/** Boots both ways `runs` times, the first of two changing places. */
const interleaved = async (runs: number, boot: (traced: boolean) => Promise<number>): Promise<Overhead> => {
  const times = { untraced: [] as number[], traced: [] as number[] }
  for (let turn = 0; turn < runs; turn++)
    for (const traced of turn % 2 === 0 ? [false, true] : [true, false])
      times[traced ? 'traced' : 'untraced'].push(await boot(traced))
  return overhead(times.untraced, times.traced)
}

interface Subject {
  readonly name: string
  readonly inNode: (dir: string) => readonly string[]
  readonly guest: string
  readonly mark: string
}

const netbsd = (kernel: string, root: string): Subject => ({
  name: 'NetBSD to its init',
  inNode: (dir) => {
    // A boot writes to its root: every run gets its own.
    const disk = join(dir, 'root.img')
    copyFileSync(root, disk)
    const cmdline = 'console=com root=ld0a -z'
    return [
      ...['--kernel', kernel, '--disk', disk, '--memory', '256', '--clock', 'icount', '--net', 'user'],
      ...['--cmdline', cmdline, '--until', 'INIT: hello from NetBSD userland'],
    ]
  },
  guest: 'netbsd-microvm',
  mark: 'init',
})

const embedded: Subject = {
  name: 'the embedded guest to its prompt',
  inNode: () => [...['--memory', '64', '--clock', 'icount', '--cmdline', 'console=com', '--until', 'playground> $']],
  guest: 'embedded',
  mark: 'ready',
}

const findSubject = (): Subject => {
  const kernel = kernelPath(cacheRoot(), 'netbsd-microvm')
  const root = join(cacheRoot(), 'netbsd-microvm', 'root.img')
  return existsSync(kernel) && existsSync(root) ? netbsd(kernel, root) : embedded
}

const nodeBoot =
  (dir: string, subject: Subject) =>
  async (traced: boolean): Promise<number> => {
    const args = [...subject.inNode(dir), ...(traced ? ['--trace', join(dir, 'trace.json')] : [])]
    const { figures } = await runOurs(dir, args)
    if (figures?.untilMs == null) throw new Error(`${subject.name} was not reached in Node`)
    return figures.untilMs
  }

/** Undefined without a Chromium. */
export const traceBench = async (runs: number): Promise<{ text: string; figures: object } | undefined> => {
  const subject = findSubject()
  const dir = mkdtempSync(join(tmpdir(), 'bench-trace-'))
  const chromium = await openChromium(REPOSITORY)
  if (chromium === undefined) return undefined
  try {
    const node = await interleaved(runs, nodeBoot(dir, subject))
    const page = await interleaved(runs, (traced) => chromium.boot(subject.guest, subject.mark, traced))
    const row = (name: string, { untraced, traced, ratio, pairRatio }: Overhead): string =>
      [
        name.padEnd(18),
        ...[untraced, traced].map((ms) => `${ms.toFixed(0)} ms`.padStart(10)),
        ...[ratio, pairRatio].map((value) => value.toFixed(3).padStart(10)),
      ].join('')
    const text = [
      `${subject.name}, medians of ${runs}; pairs: the median ratio of two runs in turn`,
      `${''.padEnd(18)}${['untraced', 'traced', 'ratio', 'pairs'].map((head) => head.padStart(10)).join('')}`,
      row('Node', node),
      row('Chromium’s page', page),
      `limit in the page: ${LIMIT}`,
    ].join('\n')
    return { text, figures: { subject: subject.name, limit: LIMIT, node, page } }
  } finally {
    await chromium.close()
    rmSync(dir, { recursive: true, force: true })
  }
}
