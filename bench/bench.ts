/**
 * `npm run -s bench -- [--json FILE] [--runs N] [--only boot|loops|netbsd|chromium|trace|timeline]`: this engine and,
 * where installed, qemu-system-x86_64 TCG on the same ELF in one session, interleaved, medians and ratios.
 *
 * What a number means:
 * - Boot: wall time from the guest's first instruction to a text on its console. Ours is the headless run's own clock.
 *   QEMU tells nobody when its guest starts, so a guest that does nothing but exit is timed in the same session, and
 *   its median (process, firmware, exit) is subtracted.
 * - Loops: wall time between one `bench` line and the one before, in MIPS of the instructions that our icount clock
 *   retired for it; QEMU ran the same instructions, which the check words prove.
 * - Ratio: above 1 we are faster.
 * - trace: what recording costs a boot (trace.ts); timeline: what a frame of it costs the page (timeline.ts). Only these
 *   two, and only when asked for.
 * QEMU's guest calibrates its clocks in real time, ours (icount) in counted time; the wall-clock row pays for it too.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { buildElf } from '../src/machine/boot/testing/elf-builder.ts'
import { type Chromium, openChromium } from './chromium.ts'
import { type BenchLine, median, parseBenchLines, ratio } from './figures.ts'
import { EMBEDDED, REPOSITORY, run, runOurs } from './headless.ts'
import { hasNetbsd, NETBSD_CMDLINE, NETBSD_KERNEL, NETBSD_SEEN, writeNetbsdRoot } from './netbsd.ts'
import { timelineBench } from './timeline.ts'
import { traceBench } from './trace.ts'

const QEMU = 'qemu-system-x86_64'
const QEMU_MACHINE = ['-M', 'microvm,x-option-roms=off,rtc=on,acpi=off,pic=off', '-accel', 'tcg']
const QEMU_REST = ['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot']
const DEBUG_EXIT = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4']

const PROMPT = 'playground> $'
const PROMPT_TEXT = 'playground> '
const netbsdInPage = { guest: 'netbsd-microvm', mark: 'init', text: NETBSD_SEEN }

interface Row {
  readonly name: string
  readonly unit: 'ms' | 'MIPS'
  readonly ours: number[]
  readonly qemu: number[]
  /** Instructions of one run, ours. */
  instructions?: number
}

interface Arguments {
  readonly json: string | undefined
  readonly runs: number
  readonly only: string | undefined
}

const PARTS = ['boot', 'loops', 'netbsd', 'chromium', 'trace', 'timeline']
const EXPECTED = `--json FILE, --runs N, --only ${PARTS.join('|')}`

const parseArguments = (argv: readonly string[]): Arguments | string => {
  let json: string | undefined
  let runs = 5
  let only: string | undefined
  for (let i = 0; i < argv.length; i += 2) {
    const [name, value] = [argv[i], argv[i + 1]]
    if (value === undefined) return `${name} has no value; expected: ${EXPECTED}.`
    if (name === '--json') json = value
    else if (name === '--runs' && /^[1-9]\d*$/.test(value)) runs = Number(value)
    else if (name === '--only' && PARTS.includes(value)) only = value
    else return `${name} ${value} is not known; expected: ${EXPECTED}.`
  }
  return { json, runs, only }
}

/** What ran it, for whoever compares two results. */
const computer = (qemu: string | undefined) => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryMiB: Math.round(totalmem() / 2 ** 20),
  system: `${type()} ${release()}`,
  node: process.version,
  v8: process.versions.v8,
  qemu: qemu ?? null,
  commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: REPOSITORY, encoding: 'utf8' }).stdout.trim(),
  date: new Date().toISOString(),
  loadBefore: loadavg()[0],
})
type Computer = ReturnType<typeof computer>

const heading = ({ cpu, cores, loadBefore, node }: Computer): string =>
  `${cpu}, ${cores} cores, load ${loadBefore?.toFixed(2)}, Node ${node}`

const writeJson = (file: string | undefined, machine: Computer, rest: object): void => {
  if (file === undefined) return
  const all = { machine: { ...machine, loadAfter: loadavg()[0] }, ...rest }
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
}

/** The benches that compare us with ourselves. */
const ownBench = async (only: 'trace' | 'timeline', { runs, json }: Arguments): Promise<number> => {
  const machine = computer(undefined)
  console.log(heading(machine))
  const result = only === 'trace' ? await traceBench(runs) : await timelineBench()
  if (result === undefined) {
    console.error(`bench: no ${only} figures: there is no Chromium, or the page does not build`)
    return 1
  }
  console.log(result.text)
  writeJson(json, machine, { runs, [only]: result.figures })
  return 0
}

const main = async (): Promise<number> => {
  const given = parseArguments(process.argv.slice(2))
  if (typeof given === 'string') {
    console.error(given)
    return 2
  }
  const { runs, only } = given
  if (only === 'timeline') return ownBench(only, given)
  if (!existsSync(EMBEDDED)) {
    console.error(`The embedded guest ${EMBEDDED} is missing; expected: its ELF. Try: build it.`)
    return 2
  }
  if (only === 'trace') return ownBench(only, given)
  const version = spawnSync(QEMU, ['--version'], { encoding: 'utf8' })
  const qemu = version.status === 0 ? (version.stdout.split('\n')[0] ?? '').trim() : undefined
  const dir = mkdtempSync(join(tmpdir(), 'bench-'))
  const rows: Row[] = []
  const row = (name: string, unit: Row['unit']): Row => {
    const found = rows.find((r) => r.name === name)
    if (found !== undefined) return found
    const made: Row = { name, unit, ours: [], qemu: [] }
    rows.push(made)
    return made
  }
  const complain = (text: string): void => console.error(`bench: ${text}`)
  let failed = false
  /** Ours and QEMU's run of one thing, the order turned round every time. */
  const pair = async (turn: number, ours: () => Promise<void>, theirs: () => Promise<void>): Promise<void> => {
    const both = qemu === undefined ? [ours] : turn % 2 === 0 ? [ours, theirs] : [theirs, ours]
    for (const half of both) await half()
  }

  const machine = computer(qemu)
  let page: Chromium | undefined
  let qemuStartMs = 0
  try {
    if (qemu !== undefined && only !== 'loops') {
      // xor eax, eax; out 0xf4, al; hlt
      const nothing = join(dir, 'nothing.elf')
      const code = Uint8Array.of(0x31, 0xc0, 0xe6, 0xf4, 0xf4)
      writeFileSync(nothing, buildElf({ segments: [{ paddr: 0x200000, bytes: code }] }))
      const starts: number[] = []
      for (let i = 0; i < Math.max(3, runs); i++)
        starts.push(
          (await run(QEMU, [...QEMU_MACHINE, ...QEMU_REST, ...DEBUG_EXIT, '-m', '64', '-kernel', nothing])).ms,
        )
      qemuStartMs = median(starts)
    }

    const boot = async (
      name: string,
      turn: number,
      ours: readonly string[],
      until: string,
      theirs: (() => readonly string[]) | undefined,
    ): Promise<void> => {
      const r = row(name, 'ms')
      await pair(
        turn,
        async () => {
          const { figures } = await runOurs(dir, [...ours, '--until', until])
          if (figures?.untilMs == null) {
            failed = true
            complain(`${name}: this engine did not reach ${until}`)
            return
          }
          r.ours.push(figures.untilMs)
          if (figures.untilInstructions !== null) r.instructions = figures.untilInstructions
        },
        async () => {
          if (theirs === undefined) return
          const result = await run(QEMU, theirs(), new RegExp(until, 'm'), 60)
          const at = result.text.firstMatch(new RegExp(until, 'm'))
          if (at === undefined) complain(`${name}: QEMU did not reach ${until}`)
          else r.qemu.push(at - qemuStartMs)
        },
      )
    }
    const qemuEmbedded = (cmdline: string): string[] => [
      ...[...QEMU_MACHINE, ...QEMU_REST, ...DEBUG_EXIT, '-m', '64', '-kernel', EMBEDDED, '-append', cmdline],
    ]

    for (let turn = 0; turn < runs; turn++) {
      if (only === undefined || only === 'boot') {
        const ours = ['--memory', '64', '--cmdline', 'console=com']
        await boot('playground, boot to prompt', turn, [...ours, '--clock', 'icount'], PROMPT, () =>
          qemuEmbedded('console=com'),
        )
        await boot('playground, wall clock', turn, [...ours, '--clock', 'wall'], PROMPT, undefined)
        const wall = row('playground, wall clock', 'ms')
        wall.qemu.splice(0, Infinity, ...row('playground, boot to prompt', 'ms').qemu)
      }
      if (only === undefined || only === 'loops') {
        const cmdline = 'console=com selftest=0 run=bench;poweroff'
        let own: BenchLine[] = []
        let other: BenchLine[] = []
        await pair(
          turn,
          async () => {
            const { run: result } = await runOurs(dir, ['--memory', '64', '--clock', 'icount', '--cmdline', cmdline])
            own = parseBenchLines(result.text)
            if (own.length === 0) {
              failed = true
              complain('loops: this engine printed no bench lines')
            }
          },
          async () => {
            other = parseBenchLines((await run(QEMU, qemuEmbedded(cmdline))).text)
            if (other.length === 0) complain('loops: QEMU printed no bench lines')
          },
        )
        for (const line of own) {
          const r = row(`loop ${line.name}`, 'MIPS')
          r.instructions = line.tsc
          r.ours.push(line.tsc / line.ms / 1000)
          const same = other.find((o) => o.name === line.name)
          if (same === undefined) continue
          if (same.check !== line.check) {
            failed = true
            complain(`loop ${line.name}: check ${line.check} here, ${same.check} under QEMU`)
          }
          r.qemu.push(line.tsc / same.ms / 1000)
        }
      }
      if (only === undefined || only === 'netbsd' || only === 'chromium') {
        if (!hasNetbsd()) {
          if (turn === 0) complain(`no NetBSD boot: ${NETBSD_KERNEL} is not in the cache`)
          continue
        }
        const disk = join(dir, 'root.img')
        const ours = [
          ...['--kernel', NETBSD_KERNEL, '--disk', disk, '--memory', '256', '--clock', 'icount'],
          ...['--cmdline', NETBSD_CMDLINE],
        ]
        writeNetbsdRoot(disk)
        await boot('NetBSD, boot to init', turn, ours, NETBSD_SEEN, () => {
          writeNetbsdRoot(disk)
          return [
            ...[...QEMU_MACHINE, ...QEMU_REST, '-m', '256', '-kernel', NETBSD_KERNEL, '-append', NETBSD_CMDLINE],
            ...['-global', 'virtio-mmio.force-legacy=false', '-drive', `if=none,id=d,format=raw,file=${disk}`],
            ...['-device', 'virtio-blk-device,drive=d'],
          ]
        })
        const traced = row('NetBSD, traced', 'ms')
        writeNetbsdRoot(disk)
        await boot('NetBSD, traced', turn, [...ours, '--trace', join(dir, 'trace.json')], NETBSD_SEEN, undefined)
        traced.qemu.splice(0, Infinity, ...row('NetBSD, boot to init', 'ms').qemu)
        if (only === 'netbsd') continue
        // The page makes its own root image, and boots with its own command line and devices.
        if (turn === 0) page = await openChromium(REPOSITORY)
        if (page === undefined) {
          if (turn === 0) complain('no boots in Chromium: there is none, or the page does not build')
          continue
        }
        const inPage = row('NetBSD, in Chromium', 'ms')
        inPage.ours.push((await page.boot({ ...netbsdInPage, traced: false })).wallMs)
        inPage.qemu.splice(0, Infinity, ...row('NetBSD, boot to init', 'ms').qemu)
        const recorded = await page.boot({ ...netbsdInPage, traced: true })
        row('NetBSD, in Chromium, traced', 'ms').ours.push(recorded.wallMs)
        const own = await page.boot({ guest: 'embedded', mark: 'ready', text: PROMPT_TEXT, traced: false })
        row('playground, in Chromium', 'ms').ours.push(own.wallMs)
      }
    }
  } finally {
    await page?.close()
    rmSync(dir, { recursive: true, force: true })
  }

  const results = rows.map((r) => ({
    name: r.name,
    unit: r.unit,
    instructions: r.instructions ?? null,
    ours: r.ours.length > 0 ? median(r.ours) : null,
    qemu: r.qemu.length > 0 ? median(r.qemu) : null,
    ratio: ratio(r.unit, r.ours, r.qemu) ?? null,
    oursRuns: r.ours,
    qemuRuns: r.qemu,
  }))
  console.log(heading(machine))
  console.log(
    qemu === undefined ? 'QEMU is not installed: no ratios' : `${qemu}, TCG, start ${qemuStartMs.toFixed(0)} ms`,
  )
  console.log(`medians of ${runs}; ratio above 1: this engine is faster\n`)
  const cell = (value: number | null): string => (value === null ? '-' : value.toPrecision(3).padStart(9))
  console.log(`${''.padEnd(30)} ${'ours'.padStart(9)} ${'QEMU'.padStart(9)}      ${'ratio'.padStart(9)}`)
  for (const r of results)
    console.log(
      `${r.name.padEnd(30)} ${cell(r.ours).padStart(9)} ${cell(r.qemu).padStart(9)} ${r.unit.padEnd(4)} ${cell(r.ratio).padStart(9)}`,
    )
  const plain = results.find((r) => r.name === 'NetBSD, boot to init')?.ours
  const withTrace = results.find((r) => r.name === 'NetBSD, traced')?.ours
  if (plain && withTrace) console.log(`\ntracing: ${((withTrace / plain - 1) * 100).toFixed(1)} % of the boot's time`)
  writeJson(given.json, machine, { runs, qemuStartMs, results })
  return failed ? 1 : 0
}

process.exitCode = await main()
