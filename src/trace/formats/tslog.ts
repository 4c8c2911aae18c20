/**
 * TSLOG dumps: `sysctl -b debug.tslog` of FreeBSD, and of NetBSD kernels with its port (sys/kern/kern_tslog.c). A line
 * is a thread, a time-stamp counter, a type and names:
 *
 *   0x0 1234567 ENTER main            0x0 2345678 EXIT main
 *   0x7 3456789 THREAD aiodoned       0x0 4567890 EVENT WAIT mountroot
 *
 * `debug.tslog_user` may follow in the same file: pid, ppid, counter at fork, counter at exit, "path", "first name looked
 * up"; FreeBSD separates by one space, NetBSD by two. The counter's frequency is not in the dump: a tick counts as a
 * nanosecond unless `tscHz` says more.
 */
import { ProblemError, problem, type Result, refuse } from '../../base/problem.ts'
import { cleanText } from '../model/text.ts'
import type { Trace } from '../model/trace.ts'
import { TraceMaker } from './make-trace.ts'
import { guarded, LIMITS } from './read.ts'

const LINE = /^(0x[0-9a-f]{1,16}) (\d{1,20}) (ENTER|EXIT|THREAD|EVENT) (\S+)(?: (.*))?$/
const USER = /^(\d{1,7}) +(\d{1,7}) +(\d{1,20}) +(\d{1,20}) +"([^"]*)" +"([^"]*)"$/

export const isTslog = (source: string): boolean =>
  source
    .slice(0, 4096)
    .split('\n', 20)
    .some((line) => LINE.test(line.trim()))

export const readTslog = (source: string, tscHz = 1e9): Result<Trace> => {
  if (!(tscHz >= 1e6 && tscHz <= 1e11))
    return refuse(
      problem(
        'bad-frequency',
        `the counter's frequency is ${tscHz} Hz`,
        'from 1 MHz to 100 GHz',
        'look for it in dmesg',
      ),
    )
  return guarded(() => {
    const maker = new TraceMaker()
    const threads = new Map<string, { lane: number; open: { func: number; start: number }[] }>()
    let first: number | undefined
    let offset = 0
    let last = 0
    let back = 0
    let known = 0
    const ns = (tsc: number): number => Math.round(((tsc - (first ?? tsc)) * 1e9) / tscHz)
    const thread = (id: string) => {
      let found = threads.get(id)
      if (found === undefined) {
        const lane = maker.lane({ kind: threads.size === 0 ? 'kernel' : 'thread', name: `thread ${id}` })
        threads.set(id, (found = { lane, open: [] }))
      }
      return found
    }
    for (const raw of source.split('\n')) {
      const line = raw.replaceAll('\0', '').trim()
      const user = USER.exec(line)
      if (user !== null) {
        const [, pid, , forked, exited, path, name] = user
        const start = Number(forked) === 0 ? 0 : ns(Number(forked))
        const end = Number(exited) === 0 ? ns(last) : ns(Number(exited))
        const label = cleanText(path || name || `process ${pid}`)
        if (end > start && start >= 0 && maker.lanes.length < LIMITS.lanes) {
          const lane = maker.lane({ kind: 'process', name: `${label} (${pid})`, pid: Number(pid), path: label })
          maker.span(lane, maker.func(label), start, end)
        }
        known++
        continue
      }
      const match = LINE.exec(line)
      if (match === null) continue
      known++
      const [, id, counter, type, name, more] = match
      let tsc = Number(counter) + offset
      // The loader resets the counter, and CPUs differ: time never goes back here.
      if (tsc < last) {
        back++
        offset += last - tsc + 1
        tsc = last + 1
      }
      first ??= tsc
      last = tsc
      const { lane, open } = thread(id!)
      const label = cleanText(type === 'ENTER' || type === 'EXIT' ? name! : `${name} ${more ?? ''}`.trim())
      if (type === 'ENTER') {
        if (open.length < LIMITS.depth) open.push({ func: maker.func(label), start: ns(tsc) })
      } else if (type === 'EXIT') {
        // Functions left without EXIT end with the one that holds them.
        const func = maker.func(label)
        let at = open.length - 1
        while (at >= 0 && open[at]!.func !== func) at--
        if (at < 0) continue
        for (const frame of open.splice(at)) maker.span(lane, frame.func, frame.start, ns(tsc))
      } else if (type === 'THREAD') maker.lanes[lane] = { ...maker.lanes[lane]!, name: label }
      else maker.marks.push({ kind: 'console', at: ns(tsc), atInstructions: ns(tsc), text: label })
    }
    if (known === 0 || first === undefined) throw notTslog()
    for (const { lane, open } of threads.values())
      for (const frame of open) maker.span(lane, frame.func, frame.start, ns(last))
    const notes = [
      tscHz === 1e9
        ? 'Read from a TSLOG dump: a tick of the time-stamp counter is shown as a nanosecond.'
        : `Read from a TSLOG dump at ${tscHz} Hz.`,
    ]
    if (back > 0) notes.push(`The counter went back ${back} times; what followed was moved on.`)
    return maker.finish({ title: 'TSLOG', source: 'tslog', notes })
  })
}

const notTslog = (): ProblemError =>
  new ProblemError(
    problem(
      'bad-trace',
      'the file has no line like "0x0 1234567 ENTER main"',
      'what sysctl -b debug.tslog prints',
      'run it on a kernel with options TSLOG',
    ),
  )
