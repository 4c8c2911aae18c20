/** Runs of this engine outside a browser, and of other programs, timed by what they print. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TimedText } from './figures.ts'

export const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))
const HEADLESS = join(REPOSITORY, 'scripts/boot.mjs')
export const EMBEDDED = join(REPOSITORY, 'public/guests/embedded/playground.elf')
const TIMEOUT_SECONDS = 300

export interface Run {
  /** Console text with the time each piece came, from process start. */
  readonly text: TimedText
  readonly ended: boolean
  readonly ms: number
}

/** Runs a program until it ends or its output matches; it is killed by its own process id. */
export const run = (
  program: string,
  args: readonly string[],
  until?: RegExp,
  seconds = TIMEOUT_SECONDS,
): Promise<Run> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const text = new TimedText()
    const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], cwd: REPOSITORY })
    let matched = false
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000)
    child.stdout?.on('data', (chunk: Buffer) => {
      text.push(chunk.toString('latin1'), performance.now() - started)
      if (until !== undefined && !matched && until.test(text.all)) {
        matched = true
        child.kill('SIGKILL')
      }
    })
    child.on('error', reject)
    child.on('close', (_code, signal) => {
      clearTimeout(timer)
      resolve({ text, ended: until === undefined ? signal === null : matched, ms: performance.now() - started })
    })
  })

export interface OwnFigures {
  readonly exit: string
  readonly untilMs: number | null
  readonly untilInstructions: number | null
  readonly wallMs: number
  readonly instructions: number
}

/** `dir` is for files of the run. */
export const runOurs = async (
  dir: string,
  args: readonly string[],
): Promise<{ run: Run; figures: OwnFigures | undefined }> => {
  const json = join(dir, 'ours.json')
  rmSync(json, { force: true })
  const result = await run(process.execPath, [
    ...[HEADLESS, '--json', json, '--timeout', `${TIMEOUT_SECONDS}`],
    ...args,
  ])
  let figures: OwnFigures | undefined
  try {
    figures = JSON.parse(readFileSync(json, 'utf8'))
  } catch {
    // It wrote none: it said why on standard error.
  }
  return { run: result, figures }
}
