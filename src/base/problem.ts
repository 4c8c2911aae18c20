/**
 * A person's error as data: what was seen, what was expected, what to try. It crosses the worker and the command line
 * unchanged and is rendered as one sentence; it is never thrown as a bare string and never shown as a stack trace.
 */
export interface Problem {
  /** Stable, for programs: 'not-elf', 'no-pvh-note', 'image-over-ram', ... */
  readonly kind: string
  /** What was seen, a clause with a lower-case start: "the kernel file starts with 0x4d 0x5a". */
  readonly saw: string
  /** What was expected, likewise: "an ELF file starts with 0x7f 0x45 0x4c 0x46". */
  readonly expected: string
  /** What the person may try, an imperative clause: "choose the uncompressed kernel, often named netbsd". */
  readonly hint: string
}

export const problem = (kind: string, saw: string, expected: string, hint: string): Problem => ({
  kind,
  saw,
  expected,
  hint,
})

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** One sentence per part: "Saw; expected. Try." */
export const sentence = (p: Problem): string => `${capital(p.saw)}; expected: ${p.expected}. Try: ${p.hint}.`

/** Carries a Problem through code that unwinds. Caught at the room's door and turned back into data. */
export class ProblemError extends Error {
  readonly problem: Problem
  constructor(p: Problem) {
    super(sentence(p))
    this.name = 'ProblemError'
    this.problem = p
  }
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem }
export const ok = <T>(value: T): Result<T> => ({ ok: true, value })
export const refuse = (p: Problem): { readonly ok: false; readonly problem: Problem } => ({ ok: false, problem: p })
