/** The door of `npm run -s boot`: Node's streams, signals and clocks, then boot.ts. */
import { writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { createMachine, restoreMachine } from '../machine/index.ts'
import { bootMain, EMBEDDED } from './boot.ts'
import { takeEngine } from './engine-cache.ts'
import { nodeHost } from './node-host.ts'
import { PipeWriter } from './pipe-writer.ts'
import { hearSignals } from './signals.ts'
import { readInput } from './terminal.ts'

const STDIN = 0
const STDOUT = 1
const STDERR = 2

/** What cannot be said is not said: there is nobody left to tell. */
const complain = (text: string): void => {
  const bytes = Buffer.from(text)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(STDERR, bytes, at)
  } catch {
    // EPIPE, ENOSPC, EAGAIN of a pipe that nobody reads.
  }
}

// Node's stream of a pipe would make it non-blocking for everybody who shares it.
const screen = isatty(STDOUT) ? process.stdout : isatty(STDERR) ? process.stderr : undefined
const size = screen && screen.columns > 0 && screen.rows > 0 && { columns: screen.columns, rows: screen.rows }

const terminals = [STDIN, STDOUT, STDERR].filter((fd) => isatty(fd))

// scripts/boot.mjs says where.
const engines = process.env['PLAYGROUND_ENGINES']
const stdout = new PipeWriter(STDOUT)

const status = await bootMain(process.argv.slice(2), {
  createMachine: (config, host, events) => {
    if (engines) takeEngine(engines, config.trace)
    return createMachine(config, host, events)
  },
  restoreMachine: (config, host, events) => {
    if (engines) takeEngine(engines, config.trace ?? config.snapshot.settings.trace)
    return restoreMachine(config, host, events)
  },
  host: nodeHost(),
  now: () => performance.now(),
  stdout: (bytes) => stdout.write(bytes),
  isFull: () => stdout.isFull(),
  drain: (giveUp) => stdout.drain(giveUp),
  stderr: complain,
  input: (data, quit) => readInput(process.stdin, data, quit),
  signals: hearSignals,
  atTerminal: isatty(STDIN) && isatty(STDOUT),
  terminal: size || undefined,
  resized: (to) => {
    const onResize = (): void => {
      if (screen) to(screen.columns, screen.rows)
    }
    screen?.on('resize', onResize)
    return () => screen?.off('resize', onResize)
  },
  embedded: EMBEDDED,
  environment: process.env,
})
// Node gives a terminal its modes back when it exits, and aborts where that has hung up: then as SIGHUP would have ended us.
if (terminals.some((fd) => !isatty(fd))) process.kill(process.pid, 'SIGHUP')
process.exit(status)
