/**
 * Where the boot's time went, stage by stage, always the whole boot. Colour says which stage, so
 * that two boots can be compared by eye. A traced boot has its stages from the trace, others from the console.
 */
import { readyMark } from '../stores/machine-store.ts'
import { type StageSpan, stageSpans } from '../stores/stage-spans.ts'
import { type Axis, onAxis } from '../trace/model/clock.ts'
import type { ClockTable, StageRow } from '../trace/model/trace.ts'
import { useMachine, useTrace } from './context.ts'
import { count, duration, said } from './quantity.ts'
import { stageHue } from './stage-hue.ts'

/** Narrower than this share of the strip, a block has no room for its words. */
const NAME_MIN_SHARE = 0.03

/** What a strip is drawn along, as the ruler below it is. */
export interface StripAxis {
  readonly axis: Axis
  /** To wall time and back: of the trace that the stages are of. */
  readonly clock?: ClockTable
}
const GUEST: StripAxis = { axis: 'guest' }

interface Extent {
  readonly from: number
  readonly length: number
  readonly words: string
}

const extentOf = (span: StageSpan, { axis, clock }: StripAxis): Extent => {
  const along = (ns: number): number => (axis === 'wall' && clock ? onAxis(clock, axis, ns) : ns)
  const [from, to] =
    axis === 'instructions' ? [span.startInstructions, span.endInstructions] : [along(span.startNs), along(span.endNs)]
  const length = Math.max(0, to - from)
  return { from, length, words: said(axis === 'instructions' ? count(length) : duration(length)) }
}

const share = (part: number, whole: number): string => `${(100 * part) / whole}%`

export const ofTrace = (stages: readonly StageRow[], live: boolean): readonly StageSpan[] =>
  stages
    // The prompt is where a boot ends.
    .filter((stage) => live || stage.share > 0)
    .map((stage, index, all) => ({
      name: stage.name,
      startNs: stage.start,
      endNs: stage.end,
      startInstructions: stage.startInstructions,
      endInstructions: stage.endInstructions,
      open: live && index === all.length - 1,
    }))

/** The stages to show: of the shown trace, or of the boot without one. */
export const useStages = (): readonly StageSpan[] => {
  const shown = useTrace((view) => view.shown)
  const marks = useMachine((view) => view.marks)
  const state = useMachine((view) => view.state)
  // Once the boot is over nothing grows: figures then change nothing here.
  const figures = useMachine((view) => (readyMark(view) ? undefined : view.figures))
  return shown && shown.trace.stages.length > 0
    ? ofTrace(shown.trace.stages, shown.live)
    : stageSpans({ marks, figures, state })
}

interface BlockProps {
  readonly span: StageSpan
  readonly total: number
  readonly along: StripAxis
  readonly onChoose: ((span: StageSpan) => void) | undefined
}

const Block = ({ span, total, along, onChoose }: BlockProps) => {
  const ns = span.endNs - span.startNs
  const { from, length, words } = extentOf(span, along)
  const instructions = span.endInstructions - span.startInstructions
  const wall = along.axis === 'wall' ? `, ${words} of wall time` : ''
  const text = `${span.name}: ${said(duration(ns))}, ${said(count(instructions))} instructions${wall}`
  return (
    <li
      className="stage"
      data-hue={stageHue(span.name)}
      data-open={span.open}
      style={{ left: share(from, total), width: share(length, total) }}
      title={text}
      onClick={() => onChoose?.(span)}
      onKeyDown={undefined}
    >
      {length / total >= NAME_MIN_SHARE ? (
        <>
          <span className="stage-name">{span.name}</span>
          <span className="stage-time">{words}</span>
        </>
      ) : (
        <span className="visually-hidden">{text}</span>
      )}
    </li>
  )
}

interface StageStripProps {
  readonly spans: readonly StageSpan[]
  /** What the strip's whole width stands for, on its axis. */
  readonly total: number
  readonly along?: StripAxis
  readonly onChoose?: (span: StageSpan) => void
}

export const StageStrip = ({ spans, total, along = GUEST, onChoose }: StageStripProps) => (
  <ol className="stages" data-testid="stages" data-axis={along.axis}>
    {spans.map((span) => (
      <Block
        key={`${span.name}${span.startNs}`}
        span={span}
        total={Math.max(1, total)}
        along={along}
        onChoose={onChoose}
      />
    ))}
  </ol>
)
