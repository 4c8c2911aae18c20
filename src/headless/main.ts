/** The door of `npm run -s boot`: Node's streams and clocks, then boot.ts. */
import { writeSync } from 'node:fs'
import { createMachine } from '../machine/microvm.ts'
import { bootMain, EMBEDDED } from './boot.ts'
import { takeEngine } from './engine-cache.ts'
import { nodeHost } from './node-host.ts'
import { readInput } from './terminal.ts'

const PAUSE = new Int32Array(new SharedArrayBuffer(4))

const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; )
    try {
      at += writeSync(fd, bytes, at)
    } catch (e) {
      const code = (e as NodeJS.ErrnoException).code
      // The reader has gone (head, less): nothing is left to say to it.
      if (code === 'EPIPE') process.exit(0)
      if (code !== 'EAGAIN') throw e
      // Somebody made the stream non-blocking and it is full.
      Atomics.wait(PAUSE, 0, 0, 1)
    }
}

// scripts/boot.mjs says where.
const engines = process.env['PLAYGROUND_ENGINES']

const status = await bootMain(process.argv.slice(2), {
  createMachine: (config, host, events) => {
    if (engines) takeEngine(engines, config.trace)
    return createMachine(config, host, events)
  },
  host: nodeHost(),
  now: () => performance.now(),
  stdout: (bytes) => writeAll(1, bytes),
  stderr: (text) => writeAll(2, Buffer.from(text)),
  input: (data, quit) => readInput(process.stdin, data, quit),
  atTerminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
  embedded: EMBEDDED,
})
process.exit(status)
