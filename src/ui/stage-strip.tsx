/**
 * Where the boot's time went, stage by stage. The place of the timeline: the strip is its top row, the lanes come below.
 * Colour says which stage, by its place in the boot, so that two boots can be compared by eye.
 */
import { readyMark } from '../stores/machine-store.ts'
import { type StageSpan, stageSpans } from '../stores/stage-spans.ts'
import { useIsNarrow } from './appearance.ts'
import { useMachine } from './context.ts'
import { count, duration, said } from './quantity.ts'

const HUES = 8
/** Ruler steps: 1, 2, 5 times a power of ten, so that five to ten fit. */
const TICKS_WIDE = 8
const TICKS_NARROW = 4
/** Behind this share of the strip a label would be cut. */
const LAST_TICK_WIDE = 0.95
const LAST_TICK_NARROW = 0.86
/** Narrower than this share of the strip, a block has no room for its words. */
const NAME_MIN_SHARE = 0.045

const tickStep = (totalNs: number, ticksMax: number): number => {
  const rough = totalNs / ticksMax
  const decade = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].find((factor) => factor * decade >= rough) ?? 10
  return step * decade
}

const isNamed = ({ startNs, endNs }: StageSpan, totalNs: number): boolean =>
  (endNs - startNs) / totalNs >= NAME_MIN_SHARE

/** A round number of a round unit: its zeros say nothing. */
const tickLabel = (ns: number): string => {
  const { value, unit } = duration(ns)
  return said({ value: value.includes('.') ? String(Number(value)) : value, unit })
}

const share = (part: number, whole: number): string => `${(100 * part) / whole}%`

const Block = ({
  span,
  index,
  totalNs,
}: {
  readonly span: StageSpan
  readonly index: number
  readonly totalNs: number
}) => {
  const ns = span.endNs - span.startNs
  const instructions = span.endInstructions - span.startInstructions
  const text = `${span.name}: ${said(duration(ns))}, ${said(count(instructions))} instructions`
  return (
    <li
      className="stage"
      data-hue={index % HUES}
      data-open={span.open}
      style={{ left: share(span.startNs, totalNs), width: share(ns, totalNs) }}
      title={text}
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

export const StageStrip = ({ hidden }: { readonly hidden: boolean }) => {
  const marks = useMachine((view) => view.marks)
  const state = useMachine((view) => view.state)
  // Once the boot is over nothing grows: figures then change nothing here.
  const figures = useMachine((view) => (readyMark(view) ? undefined : view.figures))
  const isNarrow = useIsNarrow()
  const spans = stageSpans({ marks, figures, state })
  const last = spans.at(-1)
  const totalNs = last?.endNs ?? 0
  const step = totalNs > 0 ? tickStep(totalNs, isNarrow ? TICKS_NARROW : TICKS_WIDE) : 0
  const lastTick = totalNs * (isNarrow ? LAST_TICK_NARROW : LAST_TICK_WIDE)
  const ticks = step > 0 ? Array.from({ length: Math.floor(lastTick / step) + 1 }, (_, index) => index * step) : []
  return (
    <section className="timeline" aria-label="Timeline" hidden={hidden}>
      <div className="pane-bar">
        <h2 className="pane-title">
          Timeline <span className="pane-sub">where the boot’s time went, guest time</span>
        </h2>
      </div>
      {totalNs > 0 ? (
        <div className="strip">
          <ol className="stages">
            {spans.map((span, index) => (
              <Block key={`${span.name}${span.startNs}`} span={span} index={index} totalNs={totalNs} />
            ))}
          </ol>
          <div className="ruler" aria-hidden="true">
            {ticks.map((ns) => (
              <span key={ns} className="tick" style={{ left: share(ns, totalNs) }}>
                {ns === 0 ? '0' : tickLabel(ns)}
              </span>
            ))}
          </div>
          <ol className="stage-list">
            {spans.map((span, index) => (
              <li key={`${span.name}${span.startNs}`} data-named={isNamed(span, totalNs)}>
                <span className="stage-key" data-hue={index % HUES} aria-hidden="true" />
                <span className="stage-list-name">{span.name}</span>
                <span className="stage-list-time">{said(duration(span.endNs - span.startNs))}</span>
              </li>
            ))}
          </ol>
        </div>
      ) : (
        <p className="timeline-empty">Boot a guest, and its stages are drawn here as they happen.</p>
      )}
    </section>
  )
}
