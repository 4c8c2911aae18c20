/** A run in a line, for lists of them. */
import type { Run } from '../../stores/trace-store.ts'
import { bootLength } from '../../trace/views/compare.ts'
import { duration, said } from '../quantity.ts'

const ORIGIN_WORDS = { boot: 'booted here', link: 'from a link', file: 'from a file' } as const

/** What tells two boots of one guest apart. */
const differences = ({ trace: { meta } }: Run): readonly string[] => [
  ...(meta.profile === 'firecracker' ? ['firecracker'] : []),
  ...(meta.clock === 'icount' ? ['icount'] : []),
  ...Object.entries(meta.cpu ?? {}).map(([name, on]) => `${name} ${on ? 'on' : 'off'}`),
  ...(/(^| )-v( |$)/.test(meta.cmdline ?? '') ? ['-v'] : []),
]

export const runWords = (run: Run): string =>
  [run.name, said(duration(bootLength(run.trace))), ...differences(run), ORIGIN_WORDS[run.origin]].join(', ')
