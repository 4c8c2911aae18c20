/** The timeline: the stages of the whole boot, the map, and the flame view of the visible range. */
import { useEffect, useRef, useState } from 'react'
import { sentence } from '../../base/problem.ts'
import type { StageSpan } from '../../stores/stage-spans.ts'
import type { Axis, Mode } from '../../stores/trace-store.ts'
import { hasWall, onAxis } from '../../trace/model/clock.ts'
import { useDesk, useTrace } from '../context.ts'
import { focusConsole } from '../focus.ts'
import { CloseIcon, DownIcon, FitIcon, HelpIcon, MinusIcon, PlusIcon, UpIcon } from '../icons.tsx'
import { StageStrip, type StripAxis, useStages } from '../stage-strip.tsx'
import type { Appearance } from '../terminal-theme.ts'
import { CompareView } from './compare-view.tsx'
import { FileMenu } from './file-menu.tsx'
import { FlameView } from './flame-view.ts'
import { FunctionTable } from './function-table.tsx'
import { MiniMapCanvas } from './mini-map.tsx'
import { Panels } from './panels.tsx'
import { runWords } from './run-words.ts'
import { SelectionBar } from './selection-bar.tsx'
import { StageTable } from './stage-table.tsx'

const MODES: readonly { readonly mode: Mode; readonly name: string }[] = [
  { mode: 'time', name: 'Timeline' },
  { mode: 'left-heavy', name: 'Left-heavy' },
  { mode: 'sandwich', name: 'Sandwich' },
]

const TABLES = [
  { table: 'stages', name: 'Stages' },
  { table: 'functions', name: 'Functions' },
] as const

const Views = () => {
  const desk = useDesk()
  const mode = useTrace((view) => view.mode)
  const table = useTrace((view) => view.table)
  return (
    <fieldset className="segments" aria-label="View">
      {MODES.map(({ mode: which, name }) => (
        <button
          key={which}
          type="button"
          className="segment"
          aria-pressed={!table && mode === which}
          onClick={() => {
            desk.store.setState({ table: undefined })
            desk.setMode(which)
          }}
        >
          {name}
        </button>
      ))}
      {TABLES.map(({ table: which, name }) => (
        <button
          key={which}
          type="button"
          className="segment"
          aria-pressed={table === which}
          onClick={() => desk.store.setState({ table: which })}
        >
          {name}
        </button>
      ))}
    </fieldset>
  )
}

const AxisSelect = () => {
  const desk = useDesk()
  const axis = useTrace((view) => view.axis)
  const mode = useTrace((view) => view.mode)
  const wall = useTrace((view) => view.shown !== undefined && hasWall(view.shown.trace.clock))
  return (
    <label className="axis-select">
      <span className="visually-hidden">Axis</span>
      <select
        value={axis}
        disabled={mode !== 'time'}
        onChange={(event) => desk.setAxis(event.target.value as Axis)}
        data-testid="axis"
      >
        <option value="guest">Guest time</option>
        <option value="wall" disabled={!wall}>
          Wall time
        </option>
        <option value="instructions">Instructions</option>
      </select>
    </label>
  )
}

const Search = ({ field }: { readonly field: React.RefObject<HTMLInputElement | null> }) => {
  const desk = useDesk()
  const query = useTrace((view) => view.query)
  const found = useTrace((view) => view.found)
  const at = useTrace((view) => view.foundAt)
  const scene = useTrace(() => desk.scene())
  const { of, length } = found && scene ? desk.hits() : { of: 'spans', length: 0 }
  const words = found?.functions.size === 0 ? 'none' : at < 0 ? `${length} ${of}` : `${at + 1} of ${length}`
  return (
    <search className="trace-search">
      <input
        ref={field}
        type="text"
        aria-label="Search functions"
        placeholder="Search functions"
        spellCheck={false}
        autoCapitalize="off"
        value={query}
        onChange={(event) => desk.search(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') desk.searchStep(event.shiftKey ? -1 : 1)
          if (event.key === 'Escape') {
            desk.search('')
            event.currentTarget.blur()
          }
        }}
      />
      {found && (
        <>
          <span className="search-found" role="status" data-testid="trace-found">
            {words}
          </span>
          <button
            type="button"
            className="icon-button"
            aria-label="Previous function found"
            onClick={() => desk.searchStep(-1)}
          >
            <UpIcon />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label="Next function found"
            onClick={() => desk.searchStep(1)}
          >
            <DownIcon />
          </button>
        </>
      )}
    </search>
  )
}

const ZoomButtons = () => {
  const desk = useDesk()
  return (
    <div className="zoom-buttons">
      <button
        type="button"
        className="icon-button"
        aria-label="Zoom out"
        title="Zoom out (−)"
        onClick={() => desk.zoom(2)}
      >
        <MinusIcon />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Zoom in"
        title="Zoom in (+)"
        onClick={() => desk.zoom(0.5)}
      >
        <PlusIcon />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Show all"
        title="Show all (0)"
        onClick={() => desk.fit()}
      >
        <FitIcon />
      </button>
    </div>
  )
}

/** Keys that reach the page while nobody types anywhere. */
const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))

interface FlameCanvasProps {
  readonly appearance: Appearance
  readonly hidden: boolean
  readonly onSearchKey: () => void
  readonly onView: (view: FlameView | undefined) => void
}

const FlameCanvas = ({ appearance, hidden, onSearchKey, onView }: FlameCanvasProps) => {
  const desk = useDesk()
  const canvas = useRef<HTMLCanvasElement>(null)
  const tooltip = useRef<HTMLDivElement>(null)
  const view = useRef<FlameView>(undefined)
  const first = useRef({ appearance, onSearchKey, onView })
  useEffect(() => {
    if (!canvas.current || !tooltip.current) return
    const { appearance: look, onSearchKey: onKey, onView: onMade } = first.current
    const made = new FlameView(canvas.current, {
      desk,
      appearance: look,
      tooltip: tooltip.current,
      onSearchKey: onKey,
      onConsoleKey: focusConsole,
    })
    view.current = made
    onMade(made)
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isTyping(event.target)) return
      if (document.querySelector('dialog[open]')) return
      const isOurs = event.target === made.canvas
      // A focused button keeps Enter and the arrows for itself.
      if (!isOurs && event.target !== document.body && event.key.length > 1) return
      if ((event.ctrlKey || event.metaKey) && event.key === 'f' && isOurs) {
        onKey()
        event.preventDefault()
        return
      }
      if (!(event.key === 'Enter' && !isOurs) && made.key(event)) event.preventDefault()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => {
      window.removeEventListener('keydown', onKeyDown)
      onMade(undefined)
      made.dispose()
    }
  }, [desk])
  useEffect(() => view.current?.setAppearance(appearance), [appearance])
  return (
    <div className="flame" hidden={hidden}>
      <canvas ref={canvas} tabIndex={0} className="flame-canvas" aria-label="Flame chart" data-testid="flame" />
      <div ref={tooltip} className="tooltip" role="tooltip" hidden />
    </div>
  )
}

const Problem = () => {
  const desk = useDesk()
  const problem = useTrace((view) => view.problem)
  if (!problem) return null
  return (
    <div className="notice" data-tone="bad" role="alert" data-testid="trace-problem">
      <span>{sentence(problem)}</span>
      <button
        type="button"
        className="icon-button"
        aria-label="Close the message"
        onClick={() => desk.store.setState({ problem: undefined })}
      >
        <CloseIcon />
      </button>
    </div>
  )
}

interface TimelinePaneProps {
  readonly appearance: Appearance
  readonly hidden: boolean
  readonly onDetails: () => void
}

export const TimelinePane = ({ appearance, hidden, onDetails }: TimelinePaneProps) => {
  const desk = useDesk()
  const shown = useTrace((view) => view.shown)
  const mode = useTrace((view) => view.mode)
  const axis = useTrace((view) => view.axis)
  const table = useTrace((view) => view.table)
  const comparing = useTrace((view) => view.comparing)
  const compared = useTrace((view) => view.compared)
  const spans = useStages()
  const field = useRef<HTMLInputElement>(null)
  const [view, setView] = useState<FlameView>()
  const last = spans.at(-1)?.endNs ?? 0
  const along: StripAxis = shown ? { axis, clock: shown.trace.clock } : { axis: 'guest' }
  const to = useTrace((view) => (view.shown?.live && view.following ? view.to : 0))
  const total =
    shown === undefined
      ? last
      : shown.live && axis === 'guest'
        ? Math.max(last, to)
        : axis === 'instructions'
          ? shown.trace.endInstructions
          : onAxis(shown.trace.clock, axis, shown.trace.end)
  const choose = (span: StageSpan) => desk.lookAt(span.startNs, span.endNs)
  const isEmpty = spans.length === 0 && !shown
  return (
    <section className="timeline" aria-label="Timeline" hidden={hidden} data-shown={shown?.origin ?? 'none'}>
      <div className="pane-bar timeline-bar">
        <h2 className="pane-title">{comparing ? 'Comparison' : 'Timeline'}</h2>
        {shown && !comparing && (
          <span className="trace-name" data-testid="trace-name" title={runWords(shown)}>
            {shown.name}
            {shown.origin !== 'boot' && `, from a ${shown.origin}`}
          </span>
        )}
        {shown && (
          <>
            {!comparing && (
              <>
                <Views />
                <AxisSelect />
                <Search field={field} />
                <ZoomButtons />
              </>
            )}
            <div className={comparing ? 'timeline-actions alone' : 'timeline-actions'}>
              {compared && (
                <button type="button" className="button small" onClick={() => desk.backToComparison()}>
                  Back to the comparison
                </button>
              )}
              <button type="button" className="button small" onClick={() => void desk.open('share')}>
                Share
              </button>
              <button type="button" className="button small" onClick={() => void desk.open('compare')}>
                Compare
              </button>
              <FileMenu view={view} />
              <button
                type="button"
                className="icon-button"
                aria-label="Keyboard shortcuts"
                title="Keyboard shortcuts (?)"
                onClick={() => desk.store.setState({ panel: 'keys' })}
              >
                <HelpIcon />
              </button>
            </div>
          </>
        )}
        {!shown && (
          <div className="timeline-actions alone">
            <FileMenu view={view} />
          </div>
        )}
      </div>
      <Panels />
      <Problem />
      {comparing && <CompareView comparing={comparing} />}
      {comparing ? null : isEmpty ? (
        <p className="timeline-empty">Boot a guest, and its stages and functions are drawn here as they run.</p>
      ) : (
        <StageStrip spans={spans} total={total} along={along} onChoose={choose} />
      )}
      {shown && mode === 'time' && !table && !comparing && <MiniMapCanvas appearance={appearance} />}
      {shown && table === 'stages' && !comparing && <StageTable />}
      {shown && table === 'functions' && !comparing && <FunctionTable />}
      <FlameCanvas
        appearance={appearance}
        hidden={!shown || table !== undefined || comparing !== undefined}
        onSearchKey={() => field.current?.focus()}
        onView={setView}
      />
      <SelectionBar onDetails={onDetails} />
    </section>
  )
}
