/** Boots as data: what is booted, what it must print in order, what is typed then, what it costs at most. */
import { PLAYGROUND } from '../src/guests/catalogue.ts'

export interface Boot {
  readonly name: string
  readonly query: string
  /** Regular expression sources, in order. */
  readonly expected: readonly string[]
  readonly replies: readonly { readonly send: string; readonly expect: string }[]
  /** Wall time to the prompt, generous: shared machines. */
  readonly budgetMs: number
}

const replies = [{ send: 'echo hello from the page\n', expect: '\\nhello from the page' }]

export const BOOTS: readonly Boot[] = [
  { name: 'the embedded guest', query: 'boot=embedded', expected: PLAYGROUND.expected, replies, budgetMs: 30_000 },
  {
    name: 'the embedded guest on Firecracker’s board',
    query: 'boot=embedded&profile=firecracker',
    expected: PLAYGROUND.expected,
    replies,
    budgetMs: 30_000,
  },
  {
    name: 'the embedded guest counting instructions',
    query: 'boot=embedded&clock=icount',
    expected: PLAYGROUND.expected,
    replies,
    budgetMs: 30_000,
  },
  {
    name: 'the embedded guest in the least memory',
    query: 'boot=embedded&memory=32',
    expected: PLAYGROUND.expected,
    replies,
    budgetMs: 30_000,
  },
  {
    name: 'the embedded guest with 3 GiB',
    query: 'boot=embedded&memory=3072',
    expected: PLAYGROUND.expected,
    replies,
    budgetMs: 60_000,
  },
]
