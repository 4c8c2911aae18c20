/** Marks to spans: each stage lasts until the next begins, the last until the boot is over or until now. */
import { type MachineView, readyMark } from './machine-store.ts'

export interface StageSpan {
  readonly name: string
  readonly startNs: number
  readonly endNs: number
  readonly startInstructions: number
  readonly endInstructions: number
  /** Still growing. */
  readonly open: boolean
}

export type StageView = Pick<MachineView, 'marks' | 'figures' | 'state'>

export const stageSpans = (view: StageView): readonly StageSpan[] => {
  const ready = readyMark(view)
  // The prompt is where the boot ends, not a stage of it.
  const starts = view.marks.filter(
    (mark) => mark.kind !== 'ready' && !(ready && mark.kind === 'stage' && mark.instructions >= ready.instructions),
  )
  const last = starts.at(-1)
  if (!last) return []
  const now = view.figures ?? last
  return starts.map((mark, index) => {
    const end = starts[index + 1] ?? ready ?? now
    return {
      name: mark.name,
      startNs: mark.guestNs,
      endNs: Math.max(mark.guestNs, end.guestNs),
      startInstructions: mark.instructions,
      endInstructions: Math.max(mark.instructions, end.instructions),
      open: index === starts.length - 1 && !ready && view.state.name === 'running',
    }
  })
}
