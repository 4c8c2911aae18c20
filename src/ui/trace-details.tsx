/** What the timeline knows, in words: the selection, the trace itself, and what to boot it again with. */
import { boardWords } from '../settings/settings.ts'
import { unusualWords } from '../settings/words.ts'
import { LESSONS } from '../stores/lessons.ts'
import { neighboursOf } from '../stores/neighbours.ts'
import { SUBSYSTEMS, subsystemTotals } from '../trace/model/subsystems.ts'
import { NO_FUNCTION, spanName, type Trace } from '../trace/model/trace.ts'
import { showAddress } from '../trace/spans/symbols.ts'
import { inSubsystem } from '../trace/views/timeline.ts'
import { useAppearance } from './appearance.ts'
import { useDesk, useForm, usePhase, usePlayground, useTrace } from './context.ts'
import { CloseIcon } from './icons.tsx'
import { duration, said, whole } from './quantity.ts'
import { palette } from './timeline/palette.ts'
import { runWords } from './timeline/run-words.ts'
import { percent, selfOf, subsystemName } from './timeline/said.ts'

const LISTED = 6
const LINES = 6

const Row = ({
  name,
  children,
  id,
}: {
  readonly name: string
  readonly children: React.ReactNode
  readonly id?: string
}) => (
  <div className="figure">
    <dt>{name}</dt>
    <dd data-testid={id}>{children}</dd>
  </div>
)

const Swatch = ({ subsystem }: { readonly subsystem: number }) => {
  const colours = palette(useAppearance())
  return (
    <span className="swatch" style={{ background: colours.fills[subsystem] ?? colours.other }} aria-hidden="true" />
  )
}

interface NeighbourListProps {
  readonly title: string
  readonly trace: Trace
  readonly rows: readonly { readonly func: number; readonly calls: number; readonly total: number }[]
}

const NeighbourList = ({ title, trace, rows }: NeighbourListProps) => {
  const desk = useDesk()
  if (rows.length === 0) return null
  return (
    <>
      <h4>{title}</h4>
      <ul className="neighbours">
        {rows.slice(0, LISTED).map(({ func, calls, total }) => (
          <li key={func}>
            {func === NO_FUNCTION ? (
              <span className="neighbour-name">(from outside)</span>
            ) : (
              <button
                type="button"
                className="row-button mono neighbour-name"
                onClick={() => desk.chooseFunction(func)}
              >
                {spanName(trace, func)}
              </button>
            )}
            <span className="muted">
              {said(duration(total))}, {calls}&times;
            </span>
          </li>
        ))}
        {rows.length > LISTED && <li className="muted">and {rows.length - LISTED} more</li>}
      </ul>
    </>
  )
}

const SpanFigures = ({ trace, span }: { readonly trace: Trace; readonly span: number }) => {
  const { spans } = trace
  const ns = spans.end[span]! - spans.start[span]!
  const lane = trace.lanes[spans.lane[span]!]
  const calls = spans.calls[span]!
  return (
    <dl className="figures" data-testid="span">
      <Row name="Duration" id="span-duration">
        {said(duration(ns))} <span className="muted">{percent(ns / Math.max(1, trace.end))} of the trace</span>
      </Row>
      <Row name={trace.pruned ? 'Outside drawn calls' : 'Self'}>{said(duration(selfOf(trace, span)))}</Row>
      <Row name="Begins">{said(duration(spans.start[span]!))}</Row>
      <Row name="Instructions">{whole(spans.endInstructions[span]! - spans.startInstructions[span]!)}</Row>
      <Row name="Lane">
        {lane?.name ?? '–'}
        <span className="muted">, depth {spans.depth[span]}</span>
      </Row>
      {calls > 1 && <Row name="Calls">{calls} short calls, drawn as one</Row>}
      {calls === 0 && <Row name="Calls">goes on after a context switch</Row>}
    </dl>
  )
}

/** Console lines printed during the span, or the last one before it. */
const SpanLines = ({ trace, span }: { readonly trace: Trace; readonly span: number }) => {
  const desk = useDesk()
  const during = desk.selectedMarks()
  const last = trace.marks.findLastIndex(({ kind, at }) => kind === 'console' && at <= trace.spans.start[span]!)
  const lines = during.length > 0 ? during : last >= 0 ? [last] : []
  if (lines.length === 0) return null
  return (
    <>
      <h4>{during.length > 0 ? 'Console during it' : 'Console, last line before it'}</h4>
      <ol className="lines" data-testid="span-lines">
        {lines.slice(0, LINES).map((mark) => (
          <li key={mark}>
            <button type="button" className="row-button mono" onClick={() => desk.goTo(mark)}>
              {trace.marks[mark]?.text || '(empty line)'}
            </button>
          </li>
        ))}
        {lines.length > LINES && <li className="muted">and {lines.length - LINES} more</li>}
      </ol>
    </>
  )
}

export const SelectionSection = () => {
  const desk = useDesk()
  const run = useTrace((view) => view.shown)
  const selected = useTrace((view) => view.selected)
  const func = useTrace((view) => view.func)
  const mode = useTrace((view) => view.mode)
  if (!run || (selected < 0 && func === NO_FUNCTION)) return null
  const { trace } = run
  const { functions } = trace
  const scene = desk.scene()
  const own = selected >= 0 && scene ? scene.funcOf(selected) : func
  const span = mode === 'time' ? selected : -1
  const known = own !== NO_FUNCTION && own < functions.length
  const around = known ? neighboursOf(trace, own) : undefined
  // A link has the function's sums, and of its calls the longest.
  const among = trace.pruned ? ', among the spans in the link' : ''
  const address = known ? functions.address[own]! : -1
  return (
    <section className="details-section" aria-labelledby="selection-title" data-testid="selection">
      <div className="section-bar">
        <h3 id="selection-title" className="mono">
          {spanName(trace, own)}
        </h3>
        <button
          type="button"
          className="icon-button"
          aria-label="Deselect"
          onClick={() => {
            desk.select(-1)
            desk.store.setState({ moment: undefined })
          }}
        >
          <CloseIcon />
        </button>
      </div>
      {span >= 0 && <SpanFigures trace={trace} span={span} />}
      {span >= 0 && (
        <div className="button-row">
          <button type="button" className="button small" onClick={() => desk.zoomTo(span)}>
            Zoom to it
          </button>
          {known && run.full && (
            <button type="button" className="button small" onClick={() => desk.setMode('sandwich')}>
              Sandwich
            </button>
          )}
        </div>
      )}
      {known && (
        <>
          <h4>The function in all</h4>
          <dl className="figures">
            <Row name="Self">{said(duration(functions.self[own]!))}</Row>
            <Row name="Total" id="function-total">
              {said(duration(functions.total[own]!))}
            </Row>
            <Row name="Calls">{functions.calls[own]!.toLocaleString('en')}</Row>
            <Row name="Instructions">{whole(functions.selfInstructions[own]!)} self</Row>
            {address >= 0 && (
              <Row name="Address">
                <code>{showAddress(address)}</code>
              </Row>
            )}
            <Row name="Subsystem">{subsystemName(trace, own)}</Row>
          </dl>
        </>
      )}
      {span >= 0 && <SpanLines trace={trace} span={span} />}
      {around && <NeighbourList title={`Called by${among}`} trace={trace} rows={around.callers} />}
      {around && <NeighbourList title={`Calls${among}`} trace={trace} rows={around.callees} />}
    </section>
  )
}

const switches = (cpu: Readonly<Record<string, boolean>> | undefined): string =>
  Object.entries(cpu ?? {})
    .map(([name, on]) => `${name} ${on ? 'on' : 'off'}`)
    .join(', ')

/** Who booted what: of a run, a link, a file. */
export const TraceFacts = ({ trace }: { readonly trace: Trace }) => {
  const { meta } = trace
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['Booted', meta.title],
    ['Board', meta.profile && boardWords(meta)],
    ['Clock', meta.clock],
    ['CPU', switches(meta.cpu) || undefined],
    ['Command line', meta.cmdline],
    ['Otherwise', unusualWords(meta) || undefined],
    ['Engine', [meta.engine, meta.engineVersion].filter(Boolean).join(' ') || undefined],
    ['Came as', meta.source],
  ]
  return (
    <dl className="figures">
      {rows.map(([name, value]) =>
        value === undefined ? null : (
          <Row key={name} name={name}>
            {value}
          </Row>
        ),
      )}
    </dl>
  )
}

export const TraceSection = () => {
  const desk = useDesk()
  const run = useTrace((view) => view.shown)
  // Sums move while it grows, and would move the page's words with them.
  if (!run || run.live) return null
  const { trace } = run
  const rows = subsystemTotals(trace)
  const all = rows.reduce((sum, { self }) => sum + self, 0)
  return (
    <section className="details-section" aria-labelledby="trace-title" data-testid="trace-section">
      <h3 id="trace-title">Where the time went</h3>
      <ul className="legend">
        {rows.map(({ subsystem, self }) => (
          <li key={subsystem}>
            <Swatch subsystem={subsystem} />
            <button
              type="button"
              className="row-button legend-name"
              title="Find its functions"
              onClick={() => desk.search(inSubsystem(SUBSYSTEMS[subsystem] ?? 'other'))}
            >
              {SUBSYSTEMS[subsystem] ?? 'other'}
            </button>
            <span>{said(duration(self))}</span>
            <span className="muted legend-share">{percent(all > 0 ? self / all : 0)}</span>
          </li>
        ))}
      </ul>
      <p className="hint">
        {trace.spans.length.toLocaleString('en')} spans of {trace.functions.length.toLocaleString('en')} functions.{' '}
        {trace.meta.notes.join(' ')}
      </p>
      {run.origin !== 'boot' && <TraceFacts trace={trace} />}
    </section>
  )
}

/** The runs this tab remembers: each can be shown again. */
export const RunsSection = () => {
  const desk = useDesk()
  const shown = useTrace((view) => view.shown)
  const runs = useTrace((view) => view.runs)
  if (runs.length === 0 || (runs.length === 1 && runs[0]?.id === shown?.id)) return null
  return (
    <section className="details-section" aria-labelledby="runs-title" data-testid="runs-section">
      <h3 id="runs-title">Runs of this tab</h3>
      <ul className="runs">
        {runs.map((run) => (
          <li key={run.id}>
            <button
              type="button"
              className="button small run"
              aria-pressed={run.id === shown?.id}
              onClick={() => desk.show(run)}
            >
              <span className="run-id">#{run.id}</span> {runWords(run)}
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}

export const LessonsSection = () => {
  const playground = usePlayground()
  const form = useForm((state) => state)
  const phase = usePhase()
  const last = useTrace((view) => view.runs.find((run) => run.form !== undefined))
  const busy = phase === 'loading' || phase === 'warming' || phase === 'booting'
  if (!last) return null
  const base = last.form ?? form
  return (
    <section className="details-section" aria-labelledby="lessons-title" data-testid="lessons">
      <h3 id="lessons-title">Boot again with</h3>
      <p className="hint">
        {base.clock === 'icount'
          ? 'One thing different, counting instructions as the boot before did, and both compared.'
          : 'One thing different. The two boots that are compared count instructions, so that this computer’s speed is in neither: first the guest as it is, then with the change. Their numbers are other than the last boot’s.'}
      </p>
      <ul className="lessons">
        {LESSONS.map((lesson) => {
          const change = lesson.apply(base)
          return (
            <li key={lesson.id}>
              <button
                type="button"
                className="button small"
                disabled={busy || !change}
                onClick={() => playground.replacing(() => playground.bootWith(lesson))}
              >
                {lesson.name}
              </button>
              <p className="hint">{change ? lesson.about : `${lesson.about} This guest boots so already.`}</p>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
