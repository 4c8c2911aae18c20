/**
 * The flame view: a canvas, drawn once a frame at most and only when something changed, and every way to move in it.
 * Outside React: it subscribes to the trace desk and calls its verbs.
 *
 *   ruler          ticks of the visible range; dragging here chooses a range
 *   stages         (along time) the stages at the same scale
 *   rows           lanes and depths, scrolled up and down
 */
import { Boxes, type Scene } from '../../stores/scene.ts'
import type { TraceDesk } from '../../stores/trace-store.ts'
import { onAxis } from '../../trace/model/clock.ts'
import { NO_FUNCTION, spanName, type Trace } from '../../trace/model/trace.ts'
import { STAGE_HUES, stageHue } from '../stage-hue.ts'
import type { Appearance } from '../terminal-theme.ts'
import { fillOf, type Palette, palette } from './palette.ts'
import { amount, ticks } from './ruler.ts'
import { tooltipLines } from './said.ts'

const RULER = 24
const STAGES = 20
const TICK_WIDTH = 110
/** Narrower, no text. */
const TEXT_MIN = 22
/** Pointer travel that makes a press a drag. */
const DRAG_MIN = 4
const SLACK_MOUSE = 2
const SLACK_TOUCH = 12
const ZOOM_KEY = 0.7
const PAN_KEY = 0.15
const FONT = '12px "Inter Variable", system-ui, sans-serif'
const FONT_BOLD = '600 12px "Inter Variable", system-ui, sans-serif'

export interface FlameOptions {
  readonly desk: TraceDesk
  readonly appearance: Appearance
  readonly tooltip: HTMLElement
  readonly onSearchKey: () => void
}

interface Press {
  readonly x: number
  readonly y: number
  readonly zone: 'ruler' | 'rows'
  readonly from: number
  readonly to: number
  readonly scroll: number
  moved: boolean
}

interface Pinch {
  readonly distance: number
  readonly middle: number
  readonly from: number
  readonly to: number
}

export class FlameView {
  readonly #canvas: HTMLCanvasElement
  readonly #context: CanvasRenderingContext2D
  readonly #options: FlameOptions
  readonly #desk: TraceDesk
  readonly #boxes = new Boxes()
  readonly #widths = new Map<string, number>()
  readonly #pointers = new Map<number, { x: number; y: number }>()
  readonly #stop: (() => void)[] = []
  #colours: Palette
  #width = 0
  #height = 0
  #scroll = 0
  #frame = 0
  #press: Press | undefined
  #pinch: Pinch | undefined
  #chosen: { readonly a: number; readonly b: number } | undefined
  #hover = -1
  #lastScene: Scene | undefined
  #lastSelected = -1
  #idlePattern: CanvasPattern | null = null
  #fills: { readonly trace: Trace; readonly colours: Palette; readonly byFunction: readonly string[] } | undefined
  #hues: readonly string[] = []

  constructor(canvas: HTMLCanvasElement, options: FlameOptions) {
    this.#canvas = canvas
    this.#options = options
    this.#desk = options.desk
    this.#colours = palette(options.appearance)
    this.#context = canvas.getContext('2d', { alpha: false })!
    const observer = new ResizeObserver(() => this.#resize())
    observer.observe(canvas)
    this.#stop.push(
      () => observer.disconnect(),
      this.#desk.store.subscribe(() => this.dirty()),
      this.#on('wheel', (event) => this.#wheel(event), { passive: false }),
      this.#on('pointerdown', (event) => this.#down(event)),
      this.#on('pointermove', (event) => this.#move(event)),
      this.#on('pointerup', (event) => this.#up(event)),
      this.#on('pointercancel', (event) => this.#cancel(event)),
      this.#on('pointerleave', () => this.#unhover()),
      this.#on('dblclick', (event) => this.#double(event)),
    )
    document.fonts.ready.then(() => {
      this.#widths.clear()
      this.dirty()
    })
    this.#resize()
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame)
    for (const stop of this.#stop) stop()
  }

  setAppearance(appearance: Appearance): void {
    this.#colours = palette(appearance)
    this.#idlePattern = null
    this.#hues = []
    this.dirty()
  }

  dirty(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      this.#draw()
    })
  }

  get canvas(): HTMLCanvasElement {
    return this.#canvas
  }

  /** A key, wherever the page had its focus. True when it meant something here. */
  key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false
    const desk = this.#desk
    const { selected, mode } = desk.view
    const walks = selected >= 0 && mode === 'time'
    switch (event.key) {
      case 'w':
      case 'W':
      case '+':
      case '=':
        desk.zoom(ZOOM_KEY)
        return true
      case 's':
      case 'S':
      case '-':
      case '_':
        desk.zoom(1 / ZOOM_KEY)
        return true
      case 'a':
      case 'A':
        desk.pan(-PAN_KEY)
        return true
      case 'd':
      case 'D':
        desk.pan(PAN_KEY)
        return true
      case 'ArrowLeft':
        if (walks) desk.step('before')
        else desk.pan(-PAN_KEY)
        return true
      case 'ArrowRight':
        if (walks) desk.step('after')
        else desk.pan(PAN_KEY)
        return true
      case 'ArrowUp':
        if (walks) desk.step('out')
        else this.#scrollTo(this.#scroll - this.#rowHeight() * 3)
        return true
      case 'ArrowDown':
        if (walks) desk.step('in')
        else this.#scrollTo(this.#scroll + this.#rowHeight() * 3)
        return true
      case '0':
        desk.fit()
        return true
      case 'Home': {
        const { from, to } = desk.view
        desk.setRange(desk.bounds().start, desk.bounds().start + to - from)
        return true
      }
      case 'End': {
        const { from, to } = desk.view
        desk.setRange(desk.bounds().end - to + from, desk.bounds().end)
        return true
      }
      case 'Enter':
        desk.zoomTo(selected)
        return true
      case 'Escape':
        desk.select(-1)
        return true
      case 'n':
        desk.searchStep(1)
        return true
      case 'N':
        desk.searchStep(-1)
        return true
      case '/':
        this.#options.onSearchKey()
        return true
      case '1':
        desk.setMode('time')
        return true
      case '2':
        desk.setMode('left-heavy')
        return true
      case '3':
        desk.setMode('sandwich')
        return true
      default:
        return false
    }
  }

  // ── geometry ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #on<K extends keyof HTMLElementEventMap>(
    name: K,
    heard: (event: HTMLElementEventMap[K]) => void,
    options?: AddEventListenerOptions,
  ): () => void {
    this.#canvas.addEventListener(name, heard, options)
    return () => this.#canvas.removeEventListener(name, heard, options)
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.#canvas
    this.#width = clientWidth
    this.#height = clientHeight
    const ratio = devicePixelRatio || 1
    this.#canvas.width = Math.max(1, Math.round(clientWidth * ratio))
    this.#canvas.height = Math.max(1, Math.round(clientHeight * ratio))
    // Setting the size cleared it: drawn at once, nothing flickers.
    this.#draw()
  }

  #rowHeight(): number {
    return this.#width < 600 ? 24 : 20
  }

  #top(scene: Scene | undefined): number {
    // Unzoomed, the strip above says the same.
    if (scene?.mode !== 'time' || scene.trace.stages.length === 0) return RULER
    const { from, to } = this.#desk.view
    return from <= scene.start && to >= scene.end ? RULER : RULER + STAGES
  }

  #x(value: number): number {
    const { from, to } = this.#desk.view
    return ((value - from) / (to - from)) * this.#width
  }

  #value(x: number): number {
    const { from, to } = this.#desk.view
    return from + (x / this.#width) * (to - from)
  }

  #scrollTo(scroll: number): void {
    const scene = this.#desk.scene()
    const room = this.#height - this.#top(scene)
    const all = (scene?.rows.length ?? 0) * this.#rowHeight() + 8
    this.#scroll = Math.max(0, Math.min(scroll, all - room))
    this.dirty()
  }

  #canScroll(): boolean {
    const scene = this.#desk.scene()
    return (scene?.rows.length ?? 0) * this.#rowHeight() + 8 > this.#height - this.#top(scene)
  }

  #rowAt(y: number): number {
    const top = this.#top(this.#desk.scene())
    if (y < top) return -1
    return Math.floor((y - top + this.#scroll) / this.#rowHeight())
  }

  #boxAt(x: number, y: number, slack: number): number {
    const scene = this.#desk.scene()
    const row = scene?.rows[this.#rowAt(y)]
    if (!scene || row?.kind !== 'boxes') return -1
    const { from, to } = this.#desk.view
    return scene.hit(row.row, this.#value(x), (slack * (to - from)) / this.#width)
  }

  // ── input ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #at(event: MouseEvent): { readonly x: number; readonly y: number } {
    const box = this.#canvas.getBoundingClientRect()
    return { x: event.clientX - box.left, y: event.clientY - box.top }
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault()
    if (!this.#desk.scene()) return
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.#height : 1
    const dx = event.deltaX * unit
    const dy = event.deltaY * unit
    const { x } = this.#at(event)
    // Ctrl is also what browsers send for a touchpad's pinch, in smaller steps.
    if (event.ctrlKey || event.metaKey)
      this.#desk.zoom(Math.exp(dy * (Math.abs(dy) < 40 ? 0.01 : 0.003)), this.#value(x))
    else if (event.shiftKey) this.#desk.pan((dx || dy) / this.#width)
    else if (Math.abs(dx) > Math.abs(dy)) this.#desk.pan(dx / this.#width)
    else if (this.#canScroll()) this.#scrollTo(this.#scroll + dy)
    else this.#desk.zoom(Math.exp(dy * 0.003), this.#value(x))
    this.#unhover()
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0 || !this.#desk.scene()) return
    this.#canvas.setPointerCapture(event.pointerId)
    const { x, y } = this.#at(event)
    this.#pointers.set(event.pointerId, { x, y })
    const { from, to } = this.#desk.view
    if (this.#pointers.size === 2) {
      const [a, b] = [...this.#pointers.values()]
      if (!a || !b) return
      this.#press = undefined
      this.#pinch = { distance: Math.max(10, Math.hypot(a.x - b.x, a.y - b.y)), middle: (a.x + b.x) / 2, from, to }
      return
    }
    const zone = y < RULER || event.shiftKey ? 'ruler' : 'rows'
    this.#press = { x, y, zone, from, to, scroll: this.#scroll, moved: false }
  }

  #move(event: PointerEvent): void {
    const { x, y } = this.#at(event)
    if (this.#pointers.has(event.pointerId)) this.#pointers.set(event.pointerId, { x, y })
    if (this.#pinch && this.#pointers.size >= 2) {
      const [a, b] = [...this.#pointers.values()]
      if (!a || !b) return
      const { distance, middle, from, to } = this.#pinch
      const factor = distance / Math.max(10, Math.hypot(a.x - b.x, a.y - b.y))
      const held = from + (middle / this.#width) * (to - from)
      const width = (to - from) * factor
      const left = held - ((a.x + b.x) / 2 / this.#width) * width
      this.#desk.setRange(left, left + width)
      return
    }
    const press = this.#press
    if (!press) {
      if (event.pointerType === 'mouse') this.#hoverAt(x, y)
      return
    }
    if (!press.moved && Math.hypot(x - press.x, y - press.y) < DRAG_MIN) return
    press.moved = true
    this.#unhover()
    if (press.zone === 'ruler') {
      this.#chosen = { a: this.#value(press.x), b: this.#value(x) }
      this.dirty()
      return
    }
    const by = ((press.x - x) / this.#width) * (press.to - press.from)
    const { start, end } = this.#desk.bounds()
    const moved = Math.max(Math.min(0, start - press.from), Math.min(by, Math.max(0, end - press.to)))
    if (moved !== 0 || press.from !== this.#desk.view.from) this.#desk.setRange(press.from + moved, press.to + moved)
    this.#scrollTo(press.scroll + press.y - y)
  }

  #up(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId)
    if (this.#pinch) {
      if (this.#pointers.size < 2) this.#pinch = undefined
      return
    }
    const press = this.#press
    this.#press = undefined
    if (!press) return
    const chosen = this.#chosen
    this.#chosen = undefined
    if (chosen) {
      this.#desk.setRange(Math.min(chosen.a, chosen.b), Math.max(chosen.a, chosen.b))
      this.dirty()
      return
    }
    if (press.moved) return
    this.#click(press.x, press.y, event.pointerType === 'mouse' ? SLACK_MOUSE : SLACK_TOUCH)
  }

  #cancel(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId)
    this.#press = undefined
    this.#pinch = undefined
    this.#chosen = undefined
    this.dirty()
  }

  #click(x: number, y: number, slack: number): void {
    const scene = this.#desk.scene()
    if (!scene) return
    if (scene.mode === 'time' && y >= RULER && y < this.#top(scene)) {
      const stage = this.#stageAt(this.#value(x), scene)
      if (stage) this.#desk.setRange(stage.start, stage.end)
      return
    }
    const row = scene.rows[this.#rowAt(y)]
    if (row?.kind === 'head' && row.lane >= 0) this.#desk.toggleLane(row.lane)
    else this.#desk.select(this.#boxAt(x, y, slack))
  }

  #double(event: MouseEvent): void {
    const { x, y } = this.#at(event)
    const box = this.#boxAt(x, y, SLACK_MOUSE)
    const scene = this.#desk.scene()
    if (!scene || box < 0) return
    if (scene.mode === 'time') this.#desk.zoomTo(box)
    else this.#desk.chooseFunction(scene.funcOf(box))
  }

  #stageAt(value: number, scene: Scene): { readonly start: number; readonly end: number } | undefined {
    const { axis } = this.#desk.view
    const at = (ns: number) => onAxis(scene.trace.clock, axis, ns)
    for (const { start, end } of scene.trace.stages)
      if (value >= at(start) && value < at(end)) return { start: at(start), end: at(end) }
    return undefined
  }

  #hoverAt(x: number, y: number): void {
    const scene = this.#desk.scene()
    const box = this.#boxAt(x, y, SLACK_MOUSE)
    const head = scene?.rows[this.#rowAt(y)]
    this.#canvas.style.cursor =
      y < RULER ? 'col-resize' : box >= 0 || (head?.kind === 'head' && head.lane >= 0) ? 'pointer' : 'grab'
    if (box !== this.#hover) {
      this.#hover = box
      this.dirty()
    }
    const { tooltip } = this.#options
    if (!scene || box < 0) {
      tooltip.hidden = true
      return
    }
    const lines = tooltipLines(scene, box)
    tooltip.replaceChildren(
      ...lines.map((line, index) => {
        const element = document.createElement(index === 0 ? 'strong' : 'span')
        element.textContent = line
        return element
      }),
    )
    tooltip.hidden = false
    const { offsetWidth, offsetHeight } = tooltip
    const left = Math.min(x + 14, this.#width - offsetWidth - 4)
    const below = y + 18 + offsetHeight < this.#height
    tooltip.style.transform = `translate(${Math.max(4, left)}px, ${below ? y + 18 : Math.max(0, y - offsetHeight - 10)}px)`
  }

  #unhover(): void {
    this.#options.tooltip.hidden = true
    if (this.#hover < 0) return
    this.#hover = -1
    this.dirty()
  }

  // ── drawing ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #draw(): void {
    const c = this.#context
    const ratio = devicePixelRatio || 1
    const colours = this.#colours
    c.setTransform(ratio, 0, 0, ratio, 0, 0)
    c.fillStyle = colours.ground
    c.fillRect(0, 0, this.#width, this.#height)
    const scene = this.#desk.scene()
    const { from, to, selected } = this.#desk.view
    if (!scene || !(to > from) || this.#width === 0) return
    if (scene.mode !== this.#lastScene?.mode) this.#scroll = 0
    if (selected !== this.#lastSelected && selected >= 0) this.#bringIn(scene, selected)
    this.#lastScene = scene
    this.#lastSelected = selected
    const top = this.#top(scene)
    this.#drawRows(scene, top)
    this.#drawRuler(scene, top)
    if (scene.mode === 'time') this.#drawMoments(scene, top)
    if (this.#chosen) {
      const a = this.#x(this.#chosen.a)
      const b = this.#x(this.#chosen.b)
      c.fillStyle = `${colours.focus}40`
      c.fillRect(Math.min(a, b), 0, Math.abs(b - a), this.#height)
    }
    this.#canvas.dataset['drawn'] = `${scene.mode} ${Math.round(from)}-${Math.round(to)}`
  }

  /** Scrolls the selected box's row into sight. */
  #bringIn(scene: Scene, box: number): void {
    const own = scene.rowOf(box)
    const row = scene.rows.findIndex((entry) => entry.kind === 'boxes' && entry.row === own)
    if (row < 0) return
    const height = this.#rowHeight()
    const room = this.#height - this.#top(scene)
    if (row * height < this.#scroll) this.#scroll = Math.max(0, row * height - height)
    else if ((row + 1) * height > this.#scroll + room) this.#scroll = (row + 2) * height - room
  }

  #drawRows(scene: Scene, top: number): void {
    const c = this.#context
    const height = this.#rowHeight()
    c.textBaseline = 'middle'
    const first = Math.max(0, Math.floor(this.#scroll / height))
    const last = Math.min(scene.rows.length, Math.ceil((this.#scroll + this.#height - top) / height))
    for (let index = first; index < last; index++) {
      const row = scene.rows[index]!
      const y = top + index * height - this.#scroll
      if (row.kind === 'head') this.#drawHead(scene, row.text, row.lane, y, height)
      else this.#drawBoxes(scene, row.row, row.lane, y, height)
    }
  }

  #drawHead(scene: Scene, text: string, lane: number, y: number, height: number): void {
    const c = this.#context
    const colours = this.#colours
    c.fillStyle = colours.band
    c.fillRect(0, y, this.#width, height)
    c.fillStyle = colours.line
    c.fillRect(0, y, this.#width, 1)
    c.fillStyle = colours.text
    c.font = FONT_BOLD
    const folded = lane >= 0 && this.#desk.view.folded.has(lane)
    if (lane >= 0) {
      c.beginPath()
      const middle = y + height / 2
      if (folded) {
        c.moveTo(9, middle - 4)
        c.lineTo(14, middle)
        c.lineTo(9, middle + 4)
      } else {
        c.moveTo(7, middle - 2.5)
        c.lineTo(15, middle - 2.5)
        c.lineTo(11, middle + 3)
      }
      c.fill()
    }
    c.fillText(text, lane >= 0 ? 22 : 8, y + height / 2 + 0.5)
    if (lane < 0 || scene.mode !== 'time') return
    const about = scene.trace.lanes[lane]?.path
    if (about && about !== text) {
      c.fillStyle = colours.muted
      c.font = FONT
      c.fillText(about, 32 + this.#textWidth(text) * 1.06, y + height / 2 + 0.5)
    }
  }

  #drawBoxes(scene: Scene, row: number, lane: number, y: number, height: number): void {
    const c = this.#context
    const colours = this.#colours
    const { from, to, selected, found, func: chosenFunc } = this.#desk.view
    const { trace } = scene
    const boxes = this.#boxes
    const perPixel = (to - from) / this.#width
    scene.query(row, from, to, perPixel, boxes)
    const isIdle = trace.lanes[lane]?.kind === 'idle'
    const inner = height - 1
    const fills = this.#fillsOf(trace)
    const idleFill = isIdle ? this.#hatch() : ''
    c.font = FONT
    for (let k = 0; k < boxes.length; k++) {
      const box = boxes.span[k]!
      const left = Math.max(-2, (boxes.start[k]! - from) / perPixel)
      const right = Math.min(this.#width + 2, (boxes.end[k]! - from) / perPixel)
      const width = right - left
      const func = scene.funcOf(box)
      const isHit = found?.functions.has(func) ?? false
      if (found) c.globalAlpha = isHit ? 1 : 0.35
      const drawn = Math.max(1, width > 3 ? width - 1 : width)
      c.fillStyle = isIdle ? idleFill : (fills[func] ?? colours.idle)
      c.fillRect(left, y, drawn, inner)
      // Many drawn as one: thinner below, so that it does not pass for a call.
      if (boxes.joined[k]! > 1 && width >= 2) {
        c.fillStyle = colours.ground
        c.fillRect(left, y + inner - 4, drawn, 2)
      }
      if (width >= TEXT_MIN && boxes.joined[k]! === 1) {
        c.fillStyle = isIdle ? colours.muted : colours.onFill
        const start = Math.max(left, 0) + 5
        this.#cut(spanName(trace, func), start, y + inner / 2 + 0.5, Math.min(right, this.#width) - start - 4)
      }
      if (found) c.globalAlpha = 1
      if (isHit) this.#drawHit(left, y, drawn, inner)
      if (box === selected && boxes.joined[k]! === 1) this.#outline(left, y, Math.max(3, drawn), inner)
      else if (func === chosenFunc && func !== NO_FUNCTION && selected >= 0 && width >= 2) {
        c.fillStyle = colours.text
        c.fillRect(left, y + inner - 2, drawn, 2)
      } else if (box === this.#hover && width >= 2) {
        c.strokeStyle = colours.text
        c.lineWidth = 1
        c.strokeRect(left + 0.5, y + 0.5, Math.max(1, drawn - 1), inner - 1)
      }
    }
    // A selected span too narrow to be drawn by itself still shows where it is.
    if (selected >= 0 && scene.rowOf(selected) === row) {
      const left = this.#x(scene.startOf(selected))
      const width = this.#x(scene.endOf(selected)) - left
      if (width < 2 && left > -4 && left < this.#width + 4) this.#outline(left - 2, y, 5, inner)
    }
  }

  /** Colours by function. */
  #fillsOf(trace: Trace): readonly string[] {
    if (this.#fills?.trace !== trace || this.#fills.colours !== this.#colours)
      this.#fills = {
        trace,
        colours: this.#colours,
        byFunction: Array.from(trace.functions.names, (_, func) => fillOf(trace, func, this.#colours)),
      }
    return this.#fills.byFunction
  }

  /** A found span: framed, with a wedge on its head; not by colour alone. */
  #drawHit(left: number, y: number, width: number, height: number): void {
    const c = this.#context
    c.strokeStyle = this.#colours.text
    c.fillStyle = this.#colours.text
    if (width >= 5) {
      c.lineWidth = 2
      c.strokeRect(left + 1, y + 1, width - 2, height - 2)
    }
    const middle = left + Math.min(width / 2, 8)
    c.beginPath()
    c.moveTo(middle - 4, y)
    c.lineTo(middle + 4, y)
    c.lineTo(middle, y + 6)
    c.fill()
  }

  #outline(left: number, y: number, width: number, height: number): void {
    const c = this.#context
    c.lineWidth = 2
    c.strokeStyle = this.#colours.ground
    c.strokeRect(left + 3, y + 3, Math.max(1, width - 6), height - 6)
    c.lineWidth = 3
    c.strokeStyle = this.#colours.focus
    c.strokeRect(left + 1, y + 1, Math.max(1, width - 2), height - 2)
  }

  #drawRuler(scene: Scene, top: number): void {
    const c = this.#context
    const colours = this.#colours
    const { from, to } = this.#desk.view
    c.fillStyle = colours.ground
    c.fillRect(0, 0, this.#width, top)
    c.font = FONT
    c.textBaseline = 'middle'
    for (const { at, label } of ticks(from, to, Math.max(2, this.#width / TICK_WIDTH), scene.unit)) {
      const x = Math.round(this.#x(at)) + 0.5
      c.fillStyle = colours.lineStrong
      c.fillRect(x - 0.5, 4, 1, RULER - 4)
      c.globalAlpha = 0.35
      c.fillRect(x - 0.5, top, 1, this.#height - top)
      c.globalAlpha = 1
      if (x + this.#textWidth(label) + 8 > this.#width) continue
      c.fillStyle = colours.muted
      c.fillText(label, x + 5, RULER / 2 + 1)
    }
    if (top === RULER) return
    const { axis } = this.#desk.view
    const hues = this.#stageHues()
    for (const stage of scene.trace.stages) {
      const left = Math.max(0, this.#x(onAxis(scene.trace.clock, axis, stage.start)))
      const right = Math.min(this.#width, this.#x(onAxis(scene.trace.clock, axis, stage.end)))
      if (right <= 0 || left >= this.#width) continue
      c.fillStyle = hues[stageHue(stage.name)] || colours.other
      c.fillRect(left, RULER, Math.max(1, right - left - 1), STAGES - 3)
      if (right - left < 34) continue
      c.fillStyle = '#121316'
      c.font = FONT_BOLD
      this.#cut(stage.name, left + 6, RULER + (STAGES - 3) / 2 + 0.5, right - left - 10)
    }
  }

  /** The strip's colours are the page's: asked for once, for that makes the browser settle all styles. */
  #stageHues(): readonly string[] {
    if (this.#hues.length === 0) {
      const style = getComputedStyle(this.#canvas)
      this.#hues = Array.from({ length: STAGE_HUES }, (_, index) => style.getPropertyValue(`--hue-${index}`))
    }
    return this.#hues
  }

  #drawMoments(scene: Scene, top: number): void {
    const c = this.#context
    const colours = this.#colours
    const { axis, moment, shown, found } = this.#desk.view
    if (found) {
      // Where hits are, also those that scrolled out or are too narrow.
      c.fillStyle = colours.text
      let last = -9
      for (const span of found.spans) {
        const x = Math.round(this.#x(scene.startOf(span)))
        if (x < 0 || x > this.#width || x - last < 3) continue
        last = x
        c.fillRect(x, top - 4, 2, 4)
      }
    }
    if (shown?.live) {
      const x = Math.round(this.#x(scene.end))
      if (x >= 0 && x <= this.#width) {
        c.fillStyle = colours.accent
        c.fillRect(x, 0, 2, this.#height)
      }
    }
    if (moment !== undefined) {
      const x = Math.round(this.#x(onAxis(scene.trace.clock, axis, moment)))
      c.fillStyle = colours.focus
      c.fillRect(x - 1, 0, 2, this.#height)
      c.beginPath()
      c.moveTo(x - 6, 0)
      c.lineTo(x + 6, 0)
      c.lineTo(x, 8)
      c.fill()
    }
  }

  #hatch(): CanvasPattern | string {
    if (this.#idlePattern) return this.#idlePattern
    const tile = document.createElement('canvas')
    tile.width = 8
    tile.height = 8
    const t = tile.getContext('2d')
    if (!t) return this.#colours.idle
    t.fillStyle = this.#colours.idle
    t.fillRect(0, 0, 8, 8)
    t.strokeStyle = this.#colours.lineStrong
    t.beginPath()
    for (const offset of [-8, 0, 8]) {
      t.moveTo(offset, 8)
      t.lineTo(offset + 8, 0)
    }
    t.stroke()
    this.#idlePattern = this.#context.createPattern(tile, 'repeat')
    return this.#idlePattern ?? this.#colours.idle
  }

  #textWidth(text: string): number {
    let width = this.#widths.get(text)
    if (width === undefined) {
      if (this.#widths.size > 20_000) this.#widths.clear()
      width = this.#context.measureText(text).width
      this.#widths.set(text, width)
    }
    return width
  }

  /** Cut, never squeezed. */
  #cut(text: string, x: number, y: number, room: number): void {
    if (room < 8) return
    const c = this.#context
    const width = this.#textWidth(text)
    if (width <= room) {
      c.fillText(text, x, y)
      return
    }
    const letters = Math.floor((room / width) * text.length) - 1
    if (letters >= 2) c.fillText(`${text.slice(0, letters)}…`, x, y)
  }

  /** The view as a picture of device pixels. */
  picture(): Promise<Blob | null> {
    this.#draw()
    return new Promise((resolve) => this.#canvas.toBlob(resolve, 'image/png'))
  }

  /** The visible rows as SVG: sharp at any size, text as text. */
  svg(): string {
    const scene = this.#desk.scene()
    const { from, to } = this.#desk.view
    const colours = this.#colours
    const height = this.#rowHeight()
    const width = Math.max(320, this.#width)
    const parts: string[] = []
    const text = (value: string) => value.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
    if (scene) {
      const per = (to - from) / width
      for (const { at, label } of ticks(from, to, width / TICK_WIDTH, scene.unit))
        parts.push(
          `<text x="${((at - from) / per + 4).toFixed(1)}" y="15" fill="${colours.muted}">${text(label)}</text>`,
        )
      for (const [index, row] of scene.rows.entries()) {
        const y = RULER + index * height
        if (row.kind === 'head') {
          parts.push(`<text x="6" y="${y + 14}" fill="${colours.text}" font-weight="600">${text(row.text)}</text>`)
          continue
        }
        scene.query(row.row, from, to, per, this.#boxes)
        for (let k = 0; k < this.#boxes.length; k++) {
          const left = Math.max(0, (this.#boxes.start[k]! - from) / per)
          const wide = Math.min(width, (this.#boxes.end[k]! - from) / per) - left
          if (wide < 0.3) continue
          const func = scene.funcOf(this.#boxes.span[k]!)
          const name = spanName(scene.trace, func)
          const box = scene.endOf(this.#boxes.span[k]!) - scene.startOf(this.#boxes.span[k]!)
          const rect = `<rect x="${left.toFixed(2)}" y="${y}" width="${wide.toFixed(2)}" height="${height - 1}" fill="${fillOf(scene.trace, func, colours)}"><title>${text(name)}, ${text(amount(box, scene.unit))}</title></rect>`
          parts.push(rect)
          const letters = Math.floor((wide - 8) / 6.4)
          if (letters > 2)
            parts.push(
              `<text x="${(left + 4).toFixed(1)}" y="${y + 14}" fill="${func === NO_FUNCTION ? colours.muted : colours.onFill}">${text(name.length > letters ? `${name.slice(0, letters - 1)}…` : name)}</text>`,
            )
        }
      }
    }
    const tall = RULER + (scene?.rows.length ?? 0) * height + 8
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${tall}" viewBox="0 0 ${width} ${tall}" font-family="Inter, system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="${colours.ground}"/>${parts.join('')}</svg>`
  }
}
