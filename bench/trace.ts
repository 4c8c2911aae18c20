/**
 * What recording costs a boot: NetBSD to its init (the embedded guest to its prompt where there is no NetBSD), untraced
 * and traced, one after the other in turn, so that whatever else this computer does falls on both.
 *
 * Node records call events and makes spans of them at the end, in the page they become spans while the boot goes on or
 * right after it. Both are timed from the guest's first instruction. On a computer that does other things as well the
 * CPU time is the steadier of the page's two figures.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sentence } from '../src/base/problem.ts'
import { writeLink } from '../src/trace/formats/link.ts'
import { readTrace } from '../src/trace/formats/trace-file.ts'
import { type BootInPage, openChromium } from './chromium.ts'
import { median } from './figures.ts'
import { REPOSITORY, runOurs } from './headless.ts'
import { hasNetbsd, NETBSD_CMDLINE, NETBSD_KERNEL, NETBSD_SEEN, writeNetbsdRoot } from './netbsd.ts'

/** The project's promise: at most this many times as long. */
const LIMIT = 1.15

/** Median milliseconds, of one way to measure. */
interface Overhead {
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
const interleaved = async <T>(
  runs: number,
  boot: (traced: boolean) => Promise<T>,
): Promise<{ readonly untraced: readonly T[]; readonly traced: readonly T[] }> => {
  const times = { untraced: [] as T[], traced: [] as T[] }
  for (let turn = 0; turn < runs; turn++)
    for (const traced of turn % 2 === 0 ? [false, true] : [true, false])
      times[traced ? 'traced' : 'untraced'].push(await boot(traced))
  return times
}

interface Subject {
  readonly name: string
  readonly inNode: (dir: string) => readonly string[]
  readonly inPage: Omit<BootInPage, 'traced'>
}

const netbsd: Subject = {
  name: 'NetBSD to its init',
  inNode: (dir) => {
    const disk = join(dir, 'root.img')
    writeNetbsdRoot(disk)
    return [
      ...['--kernel', NETBSD_KERNEL, '--disk', disk, '--memory', '256', '--clock', 'icount', '--net', 'user'],
      ...['--cmdline', NETBSD_CMDLINE, '--until', NETBSD_SEEN],
    ]
  },
  inPage: { guest: 'netbsd-microvm', mark: 'init', text: NETBSD_SEEN },
}

const embedded: Subject = {
  name: 'the embedded guest to its prompt',
  inNode: () => [...['--memory', '64', '--clock', 'icount', '--cmdline', 'console=com', '--until', 'playground> $']],
  inPage: { guest: 'embedded', mark: 'ready', text: 'playground> ' },
}

/** How long the links of a boot's trace are. */
const linkBench = async (dir: string, { name, inNode }: Subject): Promise<{ text: string; figures: object }> => {
  const file = join(dir, 'trace.json')
  await runOurs(dir, [...inNode(dir), '--trace', file])
  const read = readTrace(readFileSync(file, 'utf8'))
  if (!read.ok) throw new Error(sentence(read.problem))
  const trace = read.value
  const whole = writeLink(trace)
  const text = `link of ${name}: ${whole.fragment.length} characters, ${whole.spans} spans of ${trace.spans.length}`
  return { text, figures: { name, characters: whole.fragment.length, spans: whole.spans, of: trace.spans.length } }
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
  const subject = hasNetbsd() ? netbsd : embedded
  const dir = mkdtempSync(join(tmpdir(), 'bench-trace-'))
  const chromium = await openChromium(REPOSITORY)
  if (chromium === undefined) return undefined
  try {
    const inNode = await interleaved(runs, nodeBoot(dir, subject))
    const inPage = await interleaved(runs, (traced) => chromium.boot({ ...subject.inPage, traced }))
    const node = overhead(inNode.untraced, inNode.traced)
    const pageBy = (of: 'wallMs' | 'cpuMs'): Overhead =>
      overhead(
        inPage.untraced.map((times) => times[of]),
        inPage.traced.map((times) => times[of]),
      )
    const page = pageBy('wallMs')
    const pageCpu = pageBy('cpuMs')
    const longTasks = {
      untraced: inPage.untraced.map((times) => times.longTasks),
      traced: inPage.traced.map((times) => times.longTasks),
    }
    const links = []
    for (const linked of hasNetbsd() ? [embedded, netbsd] : [embedded]) links.push(await linkBench(dir, linked))
    const told = (runsOf: readonly (readonly number[])[]): string => {
      const all = runsOf.flat()
      return all.length === 0 ? 'none' : `${all.length}, the longest ${Math.max(...all).toFixed(0)} ms`
    }
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
      row('  its CPU time', pageCpu),
      `limit in the page: ${LIMIT}`,
      `tasks of the page above 50 ms: untraced ${told(longTasks.untraced)}; traced ${told(longTasks.traced)}`,
      ...links.map((link) => link.text),
    ].join('\n')
    return {
      text,
      figures: {
        subject: subject.name,
        limit: LIMIT,
        node,
        page,
        pageCpu,
        longTasks,
        links: links.map((link) => link.figures),
      },
    }
  } finally {
    await chromium.close()
    rmSync(dir, { recursive: true, force: true })
  }
}
