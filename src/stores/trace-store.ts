/**
 * The trace on the page: what is shown and how, the runs this tab remembers, and the verbs that act on them. Drawing
 * subscribes; React renders only what changes rarely.
 */
import { createStore, type StoreApi } from 'zustand/vanilla'
import { type Problem, problem } from '../base/problem.ts'
import { importTrace } from '../trace/formats/import-trace.ts'
import {
  isLink,
  LINK_BUDGET,
  linkBudget,
  readLink,
  type WrittenLink,
  writeComparison,
  writeLink,
} from '../trace/formats/link.ts'
import { type Axis, guestNsAt, hasWall, onAxis } from '../trace/model/clock.ts'
import { functionSubsystems } from '../trace/model/subsystems.ts'
import { NO_FUNCTION, type Trace } from '../trace/model/trace.ts'
import { marksBetween, type SearchResult, search, spanAt } from '../trace/views/timeline.ts'
import type { TraceUpdate } from '../worker/protocol.ts'
import { type BootForm, LIVE_NS } from './boot-form-store.ts'
import { leftHeavyScene, type Mode, type Scene, sandwichScene, timelineOf, timeScene } from './scene.ts'
import {
  atLeastRange,
  following,
  moved,
  revealing,
  revealingMoment,
  type SceneBounds,
  type SceneRange,
  spanning,
  within,
  zoomed,
} from './viewport.ts'

export type { Axis, Mode }

export interface Run {
  readonly id: number
  readonly origin: 'boot' | 'link' | 'file'
  readonly name: string
  readonly trace: Trace
  /** Everything recorded is in it; else what shows at the live scale. */
  readonly full: boolean
  /** Still grows. */
  readonly live: boolean
  readonly form?: BootForm
  /** The fragment that it came by. */
  readonly link?: string
}

export interface Comparing {
  readonly before: Run
  readonly after: Run
  /** Why: the switch that was thrown. */
  readonly about?: string
}

export type Panel = 'share' | 'keys' | 'compare' | undefined

export interface TraceView {
  readonly shown: Run | undefined
  /** Finished ones, newest first. */
  readonly runs: readonly Run[]
  readonly mode: Mode
  readonly axis: Axis
  /** Visible range in the scene's own unit. */
  readonly from: number
  readonly to: number
  readonly following: boolean
  /** A box of the scene, -1: none. */
  readonly selected: number
  /** The function of interest: the selection's, or chosen in a table. */
  readonly func: number
  /** A moment marked in the timeline, guest ns. */
  readonly moment: number | undefined
  readonly query: string
  readonly found: SearchResult | undefined
  readonly foundAt: number
  readonly folded: ReadonlySet<number>
  readonly comparing: Comparing | undefined
  /** The comparison that a row of it led away from: the way back. */
  readonly compared: Comparing | undefined
  readonly problem: Problem | undefined
  readonly panel: Panel
  /** In place of the chart. */
  readonly table: 'stages' | 'functions' | undefined
  /** What the table of functions is about. */
  readonly scope: 'trace' | 'visible'
  /** A function chosen in a table: the chart shows its calls among the others. */
  readonly lit: number
}

const RUNS_MAX = 6
const FULL_EVERY_MS = 1000
/** What is made ahead for a whole trace on a wide screen, in steps that no frame waits for. */
const SCREEN_PIXELS = 2048
const STEP_MS = 8
const FILE_MAX = 256 * 1024 * 1024

const initial: TraceView = {
  shown: undefined,
  runs: [],
  mode: 'time',
  axis: 'guest',
  from: 0,
  to: LIVE_NS,
  following: true,
  selected: -1,
  func: NO_FUNCTION,
  moment: undefined,
  query: '',
  found: undefined,
  foundAt: -1,
  folded: new Set(),
  comparing: undefined,
  compared: undefined,
  problem: undefined,
  panel: undefined,
  table: undefined,
  scope: 'trace',
  lit: NO_FUNCTION,
}

export type TraceStore = StoreApi<TraceView>

/** The boot that updates belong to. */
class Recording {
  readonly id: number
  readonly name: string
  readonly form: BootForm
  readonly liveNs: number
  /** All of it, once the boot is over; undefined if it was lost or another boot took its place. */
  readonly done: Promise<Run | undefined>
  isOver = false
  #settle: (run: Run | undefined) => void = () => {}

  constructor(id: number, name: string, form: BootForm, liveNs: number) {
    this.id = id
    this.name = name
    this.form = form
    this.liveNs = liveNs
    this.done = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /** Once; what comes later changes nothing. */
  settle(run: Run | undefined): void {
    this.#settle(run)
  }
}

export class TraceDesk {
  readonly store: TraceStore = createStore<TraceView>(() => initial)
  readonly #askFull: () => void
  #ids = 0
  #live: Recording | undefined
  /** Of that boot, as far as it has come: a link's trace may be shown meanwhile. */
  #own: Run | undefined
  /** Power-ons of the machine that are known of: of marks and updates, which come on different ways. */
  #boot = 1
  #names: readonly string[] = []
  /** Full traces that have come: of two under way the later one stays. */
  #turn = 0
  #askedAt = Number.NEGATIVE_INFINITY
  #walk: { readonly key: readonly unknown[]; readonly hits: ArrayLike<number> } | undefined
  #scene: { readonly key: readonly unknown[]; readonly scene: Scene } | undefined
  /** Wait for all that is recorded of the boot at hand, which may go on. */
  #awaiting: ((run: Run | undefined) => void)[] = []

  constructor(askFull: () => void) {
    this.#askFull = askFull
  }

  get view(): TraceView {
    return this.store.getState()
  }

  /** The boot at hand, once all of it is recorded; whatever is shown. */
  get recorded(): Run | undefined {
    return this.view.runs.find(({ id }) => id === this.#live?.id)
  }

  /** A boot was asked for in this visit. */
  get hasBooted(): boolean {
    return this.#live !== undefined
  }

  /** What is drawn; made when it is first asked for. */
  scene(): Scene | undefined {
    const { shown, mode, axis, folded, func } = this.view
    if (!shown) return undefined
    const key = [
      shown.trace,
      mode,
      mode === 'time' ? axis : 0,
      mode === 'time' ? folded : 0,
      mode === 'sandwich' ? func : 0,
    ]
    if (this.#scene && key.every((part, index) => part === this.#scene?.key[index])) return this.#scene.scene
    const scene =
      mode === 'time'
        ? timeScene(shown.trace, axis, folded)
        : mode === 'left-heavy'
          ? leftHeavyScene(shown.trace)
          : sandwichScene(shown.trace, func)
    this.#scene = { key, scene }
    return scene
  }

  // ── from the machine ───────────────────────────────────────────────────────────────────────────────────────────────

  /** A boot was asked for. Resolves with all of it when it is over: undefined if it is lost or another one begins. */
  begin(name: string, form: BootForm, liveNs: number): Promise<Run | undefined> {
    this.#live?.settle(undefined)
    this.#live = new Recording(++this.#ids, name, form, liveNs)
    this.#boot = 1
    this.#names = []
    this.#own = undefined
    this.#give(undefined)
    this.store.setState({
      shown: undefined,
      mode: 'time',
      axis: 'guest',
      from: 0,
      to: liveNs,
      following: true,
      selected: -1,
      func: NO_FUNCTION,
      lit: NO_FUNCTION,
      scope: 'trace',
      moment: undefined,
      found: undefined,
      foundAt: -1,
      folded: new Set(),
      comparing: undefined,
      compared: undefined,
      problem: undefined,
      panel: undefined,
    })
    return this.#live.done
  }

  /** The same machine starts afresh. */
  powerOn(boot: number): void {
    if (!this.#live || boot <= this.#boot) return
    void this.begin(this.#live.name, this.#live.form, this.#live.liveNs)
    this.#boot = boot
  }

  /** Nobody records any more: what is shown is all there will be. */
  lost(what: Problem): void {
    const { shown } = this.view
    if (!this.#live || this.#live.isOver) return
    this.#live.isOver = true
    if (this.#own) this.#own = { ...this.#own, live: false }
    this.#live.settle(undefined)
    this.#give(undefined)
    this.store.setState({ problem: what, ...(shown?.live && { shown: { ...shown, live: false } }) })
  }

  /** How long this guest's last boot took, for a scale that fits from the beginning. */
  liveNs(guestId: string): number {
    const last = this.view.runs.find((run) => run.form?.guestId === guestId)
    return last ? Math.max(20e6, last.trace.end * 1.1) : LIVE_NS
  }

  update({ boot, trace: part, namesFrom, full, done }: TraceUpdate): void {
    this.powerOn(boot)
    const live = this.#live
    if (!live || live.isOver || boot < this.#boot) return
    live.isOver = done
    this.#names = namesFrom === 0 ? part.functions.names : [...this.#names.slice(0, namesFrom), ...part.functions.names]
    const { shown, following } = this.view
    // Who looks closely keeps what is there, and is brought a full one now and then. Merged stacks are in full ones only.
    if (!full && shown?.full && (!following || this.view.mode !== 'time' || this.view.panel !== undefined)) {
      this.#ask()
      return
    }
    const trace: Trace = { ...part, functions: { ...part.functions, names: this.#names } }
    const run: Run = { id: live.id, origin: 'boot', name: live.name, trace, full, live: !done, form: live.form }
    if (full) void this.#takeFull(run)
    else this.#replace(run)
  }

  /** Everything at once would be a long task: rows, colours and the picture each have their own. */
  async #takeFull(run: Run): Promise<void> {
    const turn = ++this.#turn
    await nextTask()
    const timeline = timelineOf(run.trace, 'guest')
    await nextTask()
    functionSubsystems(run.trace)
    await unhurried(timeline.prepare((timeline.end - timeline.start) / SCREEN_PIXELS))
    await nextTask()
    // Another boot has begun meanwhile, or a later one of this boot has overtaken.
    if (this.#live?.id !== run.id || turn !== this.#turn) return
    this.#replace(run)
    this.#give(run)
    if (run.live) return
    this.store.setState(({ runs }) => ({ runs: [run, ...runs.filter(({ id }) => id !== run.id)].slice(0, RUNS_MAX) }))
    this.#live.settle(run)
  }

  #give(run: Run | undefined): void {
    const awaiting = this.#awaiting
    this.#awaiting = []
    for (const take of awaiting) take(run)
  }

  /** What is shown with all that is recorded of it so far: a boot need not end for that. Undefined: it will not come. */
  async whole(): Promise<Run | undefined> {
    const { shown } = this.view
    if (!shown || shown.full) return shown
    const run = new Promise<Run | undefined>((resolve) => this.#awaiting.push(resolve))
    this.#askFull()
    return run
  }

  #ask(): void {
    const now = performance.now()
    if (now - this.#askedAt < FULL_EVERY_MS) return
    this.#askedAt = now
    this.#askFull()
  }

  /** The same run, more of it: range and selection stay where they are. */
  #replace(run: Run): void {
    const before = this.view
    this.#own = run
    // Somebody reads a link or a file while the machine boots: both stay what they are.
    if (before.shown && before.shown.origin !== 'boot') return
    const old = before.shown
    const isSame = old?.id === run.id
    const selected = isSame && before.mode === 'time' ? this.#again(before.selected, old.trace, run.trace) : -1
    // One change: each makes the page look at everything again.
    this.store.setState({
      shown: run,
      selected,
      ...(!isSame && { func: NO_FUNCTION, lit: NO_FUNCTION }),
      ...(before.following && before.mode === 'time' && this.#followed(run, before.axis)),
    })
    if (before.query !== '' && (run.full || !before.found)) this.search(before.query)
  }

  /** At constant scale; when it is over, all of it. */
  #followed(run: Run, axis: Axis): SceneRange {
    const { end } = timelineOf(run.trace, axis)
    const window = run.live && axis === 'guest' ? (this.#live?.liveNs ?? LIVE_NS) : 0
    return following(end, window === 0 ? atLeastRange({ start: 0, end }).end : window)
  }

  #again(span: number, from: Trace, to: Trace): number {
    if (span < 0) return -1
    const lane = from.spans.lane[span]!
    const depth = from.spans.depth[span]!
    const timeline = timelineOf(to, 'guest')
    if (lane + 1 >= timeline.laneRows.length) return -1
    const middle = (from.spans.start[span]! + from.spans.end[span]!) / 2
    return timeline.hit(timeline.laneRows[lane]! + depth, middle)
  }

  // ── looking ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #touch(): void {
    const { following, shown } = this.view
    if (!shown) return
    if (following) this.store.setState({ following: false })
    if (shown.live && !shown.full) this.#ask()
  }

  /** Bounds of all there is. */
  bounds(): SceneBounds {
    const scene = this.scene()
    return scene ? atLeastRange(scene) : { start: 0, end: this.view.to }
  }

  setRange(from: number, to: number): void {
    this.#touch()
    this.store.setState(within(this.bounds(), { from, to }))
  }

  /** `factor` below 1 zooms in; `heldScene` keeps its place. */
  zoom(factor: number, heldScene?: number): void {
    const { from, to } = zoomed(this.bounds(), this.view, factor, heldScene)
    this.setRange(from, to)
  }

  /** By a share of what is visible. */
  pan(share: number): void {
    const by = (this.view.to - this.view.from) * share
    const { from, to } = moved(this.bounds(), this.view, by)
    this.setRange(from, to)
  }

  /** As much as is visible, at one end of all there is. */
  toEnd(which: 'start' | 'end'): void {
    const { from, to } = this.view
    const { start, end } = this.bounds()
    if (which === 'start') this.setRange(start, start + to - from)
    else this.setRange(end - to + from, end)
  }

  fit(): void {
    const { start, end } = this.bounds()
    const { shown } = this.view
    this.store.setState({ from: start, to: end, following: shown?.live ?? false })
  }

  setAxis(axis: Axis): void {
    const { shown, mode, axis: old, from, to } = this.view
    if (!shown || axis === old || (axis === 'wall' && !hasWall(shown.trace.clock))) return
    this.store.setState({ axis })
    if (mode !== 'time') return
    const { clock } = shown.trace
    const at = (value: number) => onAxis(clock, axis, guestNsAt(clock, old, value))
    if (this.view.following) {
      const { start, end } = this.bounds()
      this.store.setState({ from: start, to: end })
    } else this.setRange(at(from), at(to))
  }

  setMode(mode: Mode): void {
    const { shown, func, mode: old } = this.view
    if (!shown || mode === old) return
    if (mode !== 'time' && !shown.full) {
      void this.whole().then((run) => run && this.setMode(mode))
      return
    }
    const chosen = mode === 'sandwich' && func === NO_FUNCTION ? heaviest(shown.trace) : func
    this.store.setState({ mode, selected: -1, func: chosen, foundAt: -1 })
    const { start, end } = this.bounds()
    this.store.setState({ from: start, to: end, following: shown.live })
  }

  toggleLane(lane: number): void {
    const folded = new Set(this.view.folded)
    if (!folded.delete(lane)) folded.add(lane)
    this.store.setState({ folded })
  }

  foldSelected(): void {
    const { shown, mode, selected } = this.view
    const lane = mode === 'time' && selected >= 0 ? shown?.trace.spans.lane[selected] : undefined
    if (lane !== undefined) this.toggleLane(lane)
  }

  select(box: number): void {
    const scene = this.scene()
    if (!scene) return
    this.#touch()
    const func = box < 0 ? NO_FUNCTION : scene.funcOf(box)
    const lit = func === this.view.lit ? func : NO_FUNCTION
    // A sandwich is made around its function: selecting in it only looks.
    if (scene.mode === 'sandwich') this.store.setState({ selected: box })
    else this.store.setState({ selected: box, func, lit, moment: undefined })
  }

  /** A row of a table: the chart shows the function's calls among the others, the longest one selected. */
  light(func: number): void {
    this.store.setState({ table: undefined })
    this.setMode('time')
    this.chooseFunction(func)
    // What is searched for lights up already, this one among it.
    this.store.setState(({ found }) => ({ lit: found ? NO_FUNCTION : func }))
  }

  /** A stage: what is visible, and what the table of functions is about where that is open. */
  lookAt(fromNs: number, toNs: number): void {
    const { shown, table } = this.view
    if (!shown) return
    this.setMode('time')
    const { axis } = this.view
    const { clock } = shown.trace
    this.setRange(onAxis(clock, axis, fromNs), onAxis(clock, axis, toNs))
    if (table === 'functions') this.store.setState({ scope: 'visible' })
  }

  /** What is visible, guest ns; all of it in views that are not along time. */
  visibleNs(): { readonly from: number; readonly to: number } {
    const { shown, mode, axis, from, to } = this.view
    if (!shown || mode !== 'time') return { from: 0, to: shown?.trace.end ?? 0 }
    const { clock } = shown.trace
    return { from: guestNsAt(clock, axis, from), to: guestNsAt(clock, axis, to) }
  }

  /** A function from a table or a list. In the timeline its longest span is shown. */
  chooseFunction(func: number): void {
    const { shown, mode } = this.view
    if (!shown) return
    if (mode === 'sandwich') {
      this.store.setState({ func, selected: -1 })
      const { start, end } = this.bounds()
      this.store.setState({ from: start, to: end })
      return
    }
    if (mode === 'left-heavy') {
      this.store.setState({ func, selected: -1 })
      return
    }
    const { spans } = shown.trace
    let longest = -1
    for (let k = 0; k < spans.length; k++)
      if (spans.func[k] === func && (longest < 0 || length(shown.trace, k) > length(shown.trace, longest))) longest = k
    this.store.setState({ selected: longest, func, moment: undefined })
    if (longest >= 0) this.reveal(longest)
  }

  /** Brings a span into the visible range, with some room around it. */
  reveal(span: number): void {
    const scene = this.scene()
    if (!scene) return
    const range = revealing(this.view, { start: scene.startOf(span), end: scene.endOf(span) })
    if (range) this.setRange(range.from, range.to)
  }

  zoomTo(span: number): void {
    const scene = this.scene()
    if (!scene || span < 0) return
    const { from, to } = spanning({ start: scene.startOf(span), end: scene.endOf(span) })
    this.setRange(from, to)
  }

  /** Arrow keys among boxes: along the row, out and in. */
  step(direction: 'before' | 'after' | 'out' | 'in'): void {
    const { shown, mode, axis, selected } = this.view
    if (!shown || mode !== 'time' || selected < 0) return
    const timeline = timelineOf(shown.trace, axis)
    const next =
      direction === 'before'
        ? timeline.neighbour(selected, -1)
        : direction === 'after'
          ? timeline.neighbour(selected, 1)
          : direction === 'out'
            ? timeline.parent(selected)
            : timeline.child(selected)
    if (next < 0) return
    this.select(next)
    this.reveal(next)
  }

  /** To the moment of a console line: its deepest span is selected. */
  goTo(mark: number): void {
    const { shown, axis } = this.view
    const at = shown?.trace.marks[mark]?.at
    if (!shown || at === undefined) return
    if (this.view.mode !== 'time') this.setMode('time')
    const timeline = timelineOf(shown.trace, axis)
    const span = spanAt(timelineOf(shown.trace, 'guest'), at)
    this.#touch()
    this.store.setState({ selected: span, func: span < 0 ? NO_FUNCTION : shown.trace.spans.func[span]!, moment: at })
    const range = revealingMoment(timeline, this.view, onAxis(shown.trace.clock, axis, at))
    if (range) this.setRange(range.from, range.to)
  }

  /** Console lines printed while the selected span ran. */
  selectedMarks(): readonly number[] {
    const { shown, selected, mode } = this.view
    if (!shown || selected < 0 || mode !== 'time') return []
    const { start, end } = shown.trace.spans
    return marksBetween(shown.trace, start[selected]!, end[selected]!).filter(
      (mark) => shown.trace.marks[mark]?.kind === 'console',
    )
  }

  search(query: string): void {
    const { shown } = this.view
    const found = shown && query.trim() !== '' ? search(shown.trace, query) : undefined
    this.store.setState({ query, found, foundAt: -1, ...(found && { lit: NO_FUNCTION }) })
  }

  /** What n and N walk: spans along time, boxes of merged stacks, and in a sandwich functions, each its next subject. */
  hits(): { readonly of: 'spans' | 'boxes' | 'functions'; readonly length: number } {
    const { mode } = this.view
    const of = mode === 'time' ? 'spans' : mode === 'sandwich' ? 'functions' : 'boxes'
    return { of, length: this.#hits().length }
  }

  #hits(): ArrayLike<number> {
    const { shown, found, lit, mode } = this.view
    if (!shown || (!found && lit === NO_FUNCTION)) return []
    const key = [this.scene(), found, lit]
    if (this.#walk && key.every((part, index) => part === this.#walk?.key[index])) return this.#walk.hits
    const functions: ReadonlySet<number> = found?.functions ?? new Set([lit])
    const { total } = shown.trace.functions
    const hits =
      mode === 'time' && found
        ? found.spans
        : mode === 'sandwich'
          ? [...functions].filter((func) => total[func]! > 0).sort((a, b) => total[b]! - total[a]!)
          : (this.scene()?.boxesOf(functions) ?? [])
    this.#walk = { key, hits }
    return hits
  }

  /** To the next hit, or the one before. */
  searchStep(direction: 1 | -1): void {
    const { foundAt, mode } = this.view
    const hits = this.#hits()
    const count = hits.length
    if (count === 0) return
    const next = (foundAt + direction + (foundAt < 0 && direction < 0 ? 1 : 0) + count) % count
    const hit = hits[next]!
    if (mode === 'sandwich') this.chooseFunction(hit)
    else {
      this.select(hit)
      this.reveal(hit)
    }
    this.store.setState({ foundAt: next })
  }

  /** A panel about all that is recorded, also while it grows. */
  async open(panel: 'share' | 'compare'): Promise<void> {
    if (await this.whole()) this.store.setState({ panel })
  }

  // ── runs, links, files ─────────────────────────────────────────────────────────────────────────────────────────────

  show(run: Run): void {
    this.store.setState({
      shown: run,
      mode: 'time',
      axis: 'guest',
      selected: -1,
      func: NO_FUNCTION,
      lit: NO_FUNCTION,
      scope: 'trace',
      moment: undefined,
      following: run.live,
      comparing: undefined,
      compared: undefined,
      problem: undefined,
      folded: new Set(),
    })
    this.search(this.view.query)
    const { start, end } = this.bounds()
    this.store.setState({ from: start, to: end })
  }

  /** Takes a link's fragment. Says whether it was one. */
  openLink(fragment: string, compare = false): boolean {
    if (!isLink(fragment)) return false
    this.store.setState({ problem: undefined })
    const read = readLink(fragment)
    if (!read.ok) {
      this.store.setState({ problem: read.problem })
      return true
    }
    const { trace, view, before } = read.value
    // Back and Forward come to the same link again.
    const run =
      this.view.runs.find(({ link }) => link === fragment) ??
      this.#keep({ origin: 'link', name: trace.meta.title, trace, link: fragment })
    const { shown } = this.view
    if (compare && shown) {
      this.compare(run, shown)
      return true
    }
    this.show(run)
    if (before) {
      const link = `${fragment} before`
      const other =
        this.view.runs.find((known) => known.link === link) ??
        this.#keep({ origin: 'link', name: before.meta.title, trace: before, link })
      this.compare(other, run)
      return true
    }
    if (view.axis) this.setAxis(view.axis)
    const axis = this.view.axis
    if (view.from !== undefined && view.to !== undefined)
      this.setRange(onAxis(trace.clock, axis, view.from), onAxis(trace.clock, axis, view.to))
    if (view.selected !== undefined) this.select(view.selected)
    return true
  }

  /** The address says no link any more: the boot at hand is shown again, or nothing. */
  closeLink(): void {
    if (this.view.shown?.origin !== 'link') return
    if (this.#own) this.show(this.#own)
    else this.store.setState({ ...initial, runs: this.view.runs, query: this.view.query, table: this.view.table })
  }

  async openFile(file: File, compare = false): Promise<void> {
    if (file.size > FILE_MAX) {
      const saw = `${file.name} has ${file.size} bytes`
      this.fail(problem('trace-too-big', saw, `at most ${FILE_MAX}`, 'export a shorter range'))
      return
    }
    const text = await file.text()
    const found = /#v=\d[^\s]*/.exec(text.length < 300_000 ? text : '')
    if (found && this.openLink(found[0], compare)) return
    const read = importTrace(text)
    if (!read.ok) {
      this.fail(read.problem)
      return
    }
    const run = this.#keep({ origin: 'file', name: file.name, trace: read.value })
    const { shown } = this.view
    if (compare && shown) this.compare(run, shown)
    else this.show(run)
  }

  fail(what: Problem): void {
    this.store.setState({ problem: what })
  }

  #keep(run: Pick<Run, 'origin' | 'name' | 'trace' | 'link'>): Run {
    const kept: Run = { ...run, id: ++this.#ids, full: true, live: false }
    this.store.setState(({ runs }) => ({ runs: [kept, ...runs].slice(0, RUNS_MAX) }))
    return kept
  }

  compare(before: Run, after: Run, about?: string): void {
    this.store.setState({
      comparing: { before, after, ...(about !== undefined && { about }) },
      compared: undefined,
      panel: undefined,
      problem: undefined,
    })
  }

  /** From a row of the comparison to what it is about, in the boot that has it. */
  followRow(of: 'stages' | 'functions', name: string): void {
    const { comparing } = this.view
    if (!comparing) return
    const has = ({ trace }: Run): boolean =>
      of === 'stages' ? trace.stages.some((stage) => stage.name === name) : trace.functions.names.includes(name)
    const run = has(comparing.after) ? comparing.after : comparing.before
    this.show(run)
    this.store.setState({ compared: comparing })
    const { stages, functions } = run.trace
    if (of === 'stages') {
      const stage = stages.find((one) => one.name === name)
      this.store.setState({ table: undefined })
      if (stage) this.lookAt(stage.start, stage.end)
      return
    }
    // One name may be several static functions: the costliest of them.
    const found = functions.names.flatMap((other, func) => (other === name ? [func] : []))
    found.sort((a, b) => functions.self[b]! - functions.self[a]!)
    if (found[0] !== undefined) this.light(found[0])
  }

  backToComparison(): void {
    const { compared } = this.view
    if (compared) this.compare(compared.before, compared.after, compared.about)
  }

  endCompare(): void {
    this.store.setState({ comparing: undefined })
  }

  /** The comparison that is shown, as a link. */
  comparisonLink(base = '', stagesOnly = false): string | undefined {
    const { comparing } = this.view
    if (!comparing) return undefined
    const budget = 2 * LINK_BUDGET - base.length
    return writeComparison(comparing.before.trace, comparing.after.trace, { budget, stagesOnly })
  }

  /** `base` is the address that the fragment will stand behind. */
  link(base = ''): WrittenLink | undefined {
    const { shown, from, to, axis, mode, selected } = this.view
    if (!shown) return undefined
    const { clock } = shown.trace
    const budget = linkBudget(shown.trace) - base.length
    if (mode !== 'time') return writeLink(shown.trace, { budget, view: { axis } })
    const { start, end } = this.bounds()
    const isAll = from <= start && to >= end
    return writeLink(shown.trace, {
      budget,
      view: {
        axis,
        ...(!isAll && { from: guestNsAt(clock, axis, from), to: guestNsAt(clock, axis, to) }),
        ...(selected >= 0 && { selected }),
      },
    })
  }
}

/** Lets other tasks in between steps. */
const unhurried = async (steps: Iterable<void>): Promise<void> => {
  let since = performance.now()
  for (const _ of steps) {
    if (performance.now() - since < STEP_MS) continue
    await nextTask()
    since = performance.now()
  }
}

const nextTask = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

const length = ({ spans }: Trace, k: number): number => spans.end[k]! - spans.start[k]!

const heaviest = ({ functions }: Trace): number => {
  let most = NO_FUNCTION
  for (let func = 0; func < functions.length; func++)
    if (most === NO_FUNCTION || functions.self[func]! > functions.self[most]!) most = func
  return most
}
