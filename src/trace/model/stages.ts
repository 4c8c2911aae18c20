/**
 * The stages of a boot, from a guest's own list (src/guests/stages.ts): each begins with the first of its marks that the
 * kernel's symbols and the console allow, and lasts until the next one that was seen.
 */
import type { Mark, StageRow } from './trace.ts'

export type StageMarkSpec =
  | { readonly kind: 'entry' }
  | { readonly kind: 'call'; readonly symbol: string }
  | { readonly kind: 'console'; readonly pattern: string }
  | { readonly kind: 'user' }

/** A guest's Stage. */
export interface StageSpec {
  readonly name: string
  readonly about?: string
  readonly marks: readonly StageMarkSpec[]
}

export interface Moment {
  readonly instructions: number
  readonly ns: number
}

/** What is known of a boot that stages are told by. */
export interface StageEvidence {
  readonly end: number
  readonly endInstructions: number
  firstCall(symbol: string): Moment | undefined
  readonly firstUser: Moment | undefined
  /** In order of time. */
  readonly marks: readonly Mark[]
}

interface Begun extends Moment {
  readonly spec: StageSpec
  readonly mark: StageRow['mark']
}

export const computeStages = (specs: readonly StageSpec[], evidence: StageEvidence): readonly StageRow[] => {
  const begun: Begun[] = []
  let latest = 0
  for (const spec of specs) {
    for (const mark of spec.marks) {
      const moment = find(mark, evidence, latest)
      if (moment === undefined) continue
      begun.push({ ...moment, spec, mark: mark.kind })
      latest = Math.max(latest, moment.ns)
      break
    }
  }
  begun.sort((a, b) => a.ns - b.ns)
  return stageRows(
    begun.map(({ spec, ns, instructions, mark }) => ({
      name: spec.name,
      ...(spec.about !== undefined && { about: spec.about }),
      start: ns,
      startInstructions: instructions,
      mark,
    })),
    evidence.end,
    evidence.endInstructions,
    specs.at(-1)?.name,
  )
}

/**
 * Beginnings to rows. `arrival` names the stage in which a boot has arrived (the prompt): once it is reached, shares are
 * of the time before it.
 */
export const stageRows = (
  begun: readonly Pick<StageRow, 'name' | 'about' | 'start' | 'startInstructions' | 'mark'>[],
  end: number,
  endInstructions: number,
  arrival?: string,
): readonly StageRow[] => {
  const last = begun.at(-1)
  const arrived = begun.length > 1 && last !== undefined && last.name === arrival
  const boot = arrived ? last.start : end
  return begun.map((row, k) => {
    const next = begun[k + 1]
    const rowEnd = Math.max(row.start, next?.start ?? end)
    const isArrival = arrived && next === undefined
    return {
      ...row,
      end: rowEnd,
      endInstructions: Math.max(row.startInstructions, next?.startInstructions ?? endInstructions),
      share: isArrival || boot <= 0 ? 0 : (rowEnd - row.start) / boot,
    }
  })
}

const find = (mark: StageMarkSpec, evidence: StageEvidence, from: number): Moment | undefined => {
  switch (mark.kind) {
    case 'entry':
      return { instructions: 0, ns: 0 }
    case 'call':
      return evidence.firstCall(mark.symbol)
    case 'user':
      return evidence.firstUser
    case 'console': {
      const pattern = new RegExp(mark.pattern)
      // A line like the prompt may come by earlier: not before the stage before.
      const line = evidence.marks.find((m) => m.kind === 'console' && m.at >= from && pattern.test(m.text))
      return line && { instructions: line.atInstructions, ns: line.at }
    }
  }
}
