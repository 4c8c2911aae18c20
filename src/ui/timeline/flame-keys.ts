/** What keys do in the chart. The sheet of keys lists this same table, so that it cannot say anything else. */
import type { TraceDesk } from '../../stores/trace-store.ts'

const ZOOM = 0.7
const PAN = 0.15
const SCROLL_ROWS = 3

/** What a key can act on. */
export interface Chart {
  readonly desk: TraceDesk
  scrollRows(rows: number): void
  focusSearch(): void
  focusConsole(): void
}

export interface ChartKey {
  /** As written on the sheet. */
  readonly face: string
  readonly about: string
  /** By KeyboardEvent.key. */
  readonly keys: Readonly<Record<string, (chart: Chart) => void>>
  /** Also where no chart is drawn. */
  readonly always?: boolean
}

/** With a span selected along time the arrows walk from it. */
const walksOr =
  (direction: 'before' | 'after' | 'out' | 'in', otherwise: (chart: Chart) => void) =>
  (chart: Chart): void => {
    const { selected, mode } = chart.desk.view
    if (selected >= 0 && mode === 'time') chart.desk.step(direction)
    else otherwise(chart)
  }

const zoomIn = ({ desk }: Chart): void => desk.zoom(ZOOM)
const zoomOut = ({ desk }: Chart): void => desk.zoom(1 / ZOOM)
const left = ({ desk }: Chart): void => desk.pan(-PAN)
const right = ({ desk }: Chart): void => desk.pan(PAN)

export const CHART_KEYS: readonly ChartKey[] = [
  {
    face: 'W S, + −',
    about: 'Zoom in and out',
    keys: { w: zoomIn, W: zoomIn, '+': zoomIn, '=': zoomIn, s: zoomOut, S: zoomOut, '-': zoomOut, _: zoomOut },
  },
  { face: 'A D', about: 'Move left and right', keys: { a: left, A: left, d: right, D: right } },
  {
    face: '← →',
    about: 'Move; with a selection: to the neighbour in its row',
    keys: { ArrowLeft: walksOr('before', left), ArrowRight: walksOr('after', right) },
  },
  {
    face: '↑ ↓',
    about: 'Scroll; with a selection: to the caller, to the first callee',
    keys: {
      ArrowUp: walksOr('out', (chart) => chart.scrollRows(-SCROLL_ROWS)),
      ArrowDown: walksOr('in', (chart) => chart.scrollRows(SCROLL_ROWS)),
    },
  },
  { face: '0', about: 'Show all', keys: { 0: ({ desk }) => desk.fit() } },
  {
    face: 'Home End',
    about: 'To the beginning, to the end',
    keys: { Home: ({ desk }) => desk.toEnd('start'), End: ({ desk }) => desk.toEnd('end') },
  },
  { face: 'Enter', about: 'Zoom to the selection', keys: { Enter: ({ desk }) => desk.zoomTo(desk.view.selected) } },
  { face: 'Esc', about: 'Deselect', keys: { Escape: ({ desk }) => desk.select(-1) } },
  { face: '/', about: 'Search functions', keys: { '/': (chart) => chart.focusSearch() } },
  {
    face: 'n N',
    about: 'Next hit, previous hit',
    keys: { n: ({ desk }) => desk.searchStep(1), N: ({ desk }) => desk.searchStep(-1) },
  },
  {
    face: '1 2 3',
    about: 'Timeline, left-heavy, sandwich',
    keys: {
      1: ({ desk }) => desk.setMode('time'),
      2: ({ desk }) => desk.setMode('left-heavy'),
      3: ({ desk }) => desk.setMode('sandwich'),
    },
  },
  { face: 'f', about: 'Fold or unfold the lane of the selection', keys: { f: ({ desk }) => desk.foldSelected() } },
  { face: 'c', about: 'To the console', keys: { c: (chart) => chart.focusConsole() }, always: true },
  {
    face: '?',
    about: 'This sheet',
    keys: { '?': ({ desk }) => desk.store.setState({ panel: 'keys' }) },
    always: true,
  },
]

const byKey = new Map(
  CHART_KEYS.flatMap((row) => Object.entries(row.keys).map(([key, act]) => [key, { row, act }] as const)),
)

/** Says whether the key meant something here. Chords are the browser's. */
export const pressKey = (
  chart: Chart,
  { key, ctrlKey, metaKey, altKey }: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>,
): boolean => {
  const found = ctrlKey || metaKey || altKey ? undefined : byKey.get(key)
  if (!found || !(found.row.always || chart.desk.scene())) return false
  found.act(chart)
  return true
}
