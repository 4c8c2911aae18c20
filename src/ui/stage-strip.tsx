/**
 * Where the boot's time went, stage by stage, always the whole boot. Colour says which stage, so
 * that two boots can be compared by eye. A traced boot has its stages from the trace, others from the console.
 */
import { readyMark } from '../stores/machine-store.ts'
import { type StageSpan, stageSpans } from '../stores/stage-spans.ts'
import type { StageRow } from '../trace/model/trace.ts'
import { useMachine, useTrace } from './context.ts'
import { count, duration, said } from './quantity.ts'
import { stageHue } from './stage-hue.ts'

/** Narrower than this share of the strip, a block has no room for its words. */
const NAME_MIN_SHARE = 0.03

const isNamed = ({ startNs, endNs }: StageSpan, totalNs: number): boolean =>
  (endNs - startNs) / totalNs >= NAME_MIN_SHARE

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
  readonly totalNs: number
  readonly onChoose: ((span: StageSpan) => void) | undefined
}

const Block = ({ span, totalNs, onChoose }: BlockProps) => {
  const ns = span.endNs - span.startNs
  const instructions = span.endInstructions - span.startInstructions
  const text = `${span.name}: ${said(duration(ns))}, ${said(count(instructions))} instructions`
  return (
    <li
      className="stage"
      data-hue={stageHue(span.name)}
      data-open={span.open}
      style={{ left: share(span.startNs, totalNs), width: share(ns, totalNs) }}
      title={text}
      onClick={() => onChoose?.(span)}
      onKeyDown={undefined}
    >
      {isNamed(span, totalNs) ? (
        <>
          <span className="stage-name">{span.name}</span>
          <span className="stage-time">{said(duration(ns))}</span>
        </>
      ) : (
        <span className="visually-hidden">{text}</span>
      )}
    </li>
  )
}

interface StageStripProps {
  readonly spans: readonly StageSpan[]
  /** What the strip's whole width stands for. */
  readonly totalNs: number
  readonly onChoose?: (span: StageSpan) => void
}

export const StageStrip = ({ spans, totalNs, onChoose }: StageStripProps) => (
  <ol className="stages" data-testid="stages">
    {spans.map((span) => (
      <Block key={`${span.name}${span.startNs}`} span={span} totalNs={Math.max(1, totalNs)} onChoose={onChoose} />
    ))}
  </ol>
)
