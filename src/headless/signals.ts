/** Signals that ask a process to end, heard by the run instead of ending it with everything lost. */
import { constants } from 'node:os'

/** Those of POSIX (signal.h) whose default is to terminate and that can be caught; Node has SIGUSR1 for its debugger and SIGPROF. */
const ENDING = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGALRM', 'SIGTERM', 'SIGUSR2', 'SIGVTALRM', 'SIGXCPU'] as const

/** npm passes on what the terminal has sent to the whole group already: the same wish, twice. */
const SAME_WISH_MS = 1000

/** `ask` hears the first, by its number; who asks again after that is served at once. */
export const hearSignals = (ask: (signal: number) => void): (() => void) => {
  let askedMs: number | undefined
  const hear = (_: NodeJS.Signals, number: number): void => {
    askedMs ??= performance.now()
    if (performance.now() - askedMs > SAME_WISH_MS) process.exit(128 + number)
    ask(number)
  }
  // Windows has few of them.
  const names = ENDING.filter((name) => constants.signals[name] !== undefined)
  for (const name of names) process.on(name, hear)
  return () => {
    for (const name of names) process.off(name, hear)
  }
}
