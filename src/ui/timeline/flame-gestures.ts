/**
 * Every way to move in the flame view with a pointer: wheel, drag, ruler, two fingers, click, hover. What is under the
 * pointer and which range is being chosen is the paint's to show; the rest are verbs of the trace desk.
 */
import type { Scene } from '../../stores/scene.ts'
import type { TraceDesk } from '../../stores/trace-store.ts'
import { moved, pinched, type SceneRange } from '../../stores/viewport.ts'
import { onAxis } from '../../trace/model/clock.ts'
import { type FlameLayout, RULER_PX } from './flame-layout.ts'
import type { FlamePaint } from './flame-paint.ts'
import { tooltipLines } from './said.ts'

/** Pointer travel that makes a press a drag. */
const DRAG_MIN_PX = 4
const SLACK_MOUSE_PX = 2
const SLACK_TOUCH_PX = 12
/** Two fingers nearer than this count as this far apart. */
const APART_MIN_PX = 10
/** Zoom of a wheel's pixel; a touchpad's pinch comes as a wheel with Ctrl, in smaller steps. */
const WHEEL_ZOOM = 0.003
const PINCH_ZOOM = 0.01
const PINCH_STEP_MAX = 40
const LINE_PX = 16

/** The sheet of keys lists these too. */
export const GESTURE_WORDS: readonly { readonly face: string; readonly about: string }[] = [
  { face: 'Wheel', about: 'Scroll; zoom where there is nothing to scroll' },
  { face: 'Ctrl+wheel, pinch', about: 'Zoom' },
  { face: 'Shift+wheel', about: 'Move left and right' },
  { face: 'Drag', about: 'Move; on the ruler or with Shift: zoom to the range' },
  { face: 'Double click', about: 'Zoom to a span; in merged views: its sandwich' },
]

interface Press {
  readonly x: number
  readonly y: number
  readonly zone: 'ruler' | 'rows'
  readonly range: SceneRange
  readonly scrollPx: number
  isDrag: boolean
}

interface Fingers {
  readonly middlePx: number
  readonly apartPx: number
}

interface Pinch {
  readonly fingers: Fingers
  readonly range: SceneRange
}

export interface GestureParts {
  readonly canvas: HTMLCanvasElement
  readonly desk: TraceDesk
  readonly layout: FlameLayout
  readonly paint: FlamePaint
  readonly tooltip: HTMLElement
  /** To be painted anew. */
  readonly dirty: () => void
}

export class FlameGestures {
  readonly #canvas: HTMLCanvasElement
  readonly #desk: TraceDesk
  readonly #layout: FlameLayout
  readonly #paint: FlamePaint
  readonly #tooltip: HTMLElement
  readonly #dirty: () => void
  readonly #pointers = new Map<number, { x: number; y: number }>()
  readonly #stop = new AbortController()
  #press: Press | undefined
  #pinch: Pinch | undefined

  constructor({ canvas, desk, layout, paint, tooltip, dirty }: GestureParts) {
    this.#canvas = canvas
    this.#desk = desk
    this.#layout = layout
    this.#paint = paint
    this.#tooltip = tooltip
    this.#dirty = dirty
    const { signal } = this.#stop
    canvas.addEventListener('wheel', (event) => this.#wheel(event), { passive: false, signal })
    canvas.addEventListener('pointerdown', (event) => this.#down(event), { signal })
    canvas.addEventListener('pointermove', (event) => this.#move(event), { signal })
    canvas.addEventListener('pointerup', (event) => this.#up(event), { signal })
    canvas.addEventListener('pointercancel', (event) => this.#cancel(event), { signal })
    canvas.addEventListener('pointerleave', () => this.#unhover(), { signal })
    canvas.addEventListener('dblclick', (event) => this.#double(event), { signal })
  }

  dispose(): void {
    this.#stop.abort()
  }

  #at(event: MouseEvent): { readonly x: number; readonly y: number } {
    const box = this.#canvas.getBoundingClientRect()
    return { x: event.clientX - box.left, y: event.clientY - box.top }
  }

  #fingers(): Fingers | undefined {
    const [a, b] = [...this.#pointers.values()]
    if (!a || !b) return undefined
    return { middlePx: (a.x + b.x) / 2, apartPx: Math.max(APART_MIN_PX, Math.hypot(a.x - b.x, a.y - b.y)) }
  }

  #scrollTo(scrollPx: number): void {
    this.#layout.scrollTo(scrollPx)
    this.#dirty()
  }

  #setRange({ from, to }: SceneRange): void {
    this.#desk.setRange(from, to)
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault()
    if (!this.#desk.scene()) return
    const unit = event.deltaMode === 1 ? LINE_PX : event.deltaMode === 2 ? this.#layout.heightPx : 1
    const dx = event.deltaX * unit
    const dy = event.deltaY * unit
    const { x } = this.#at(event)
    // Ctrl is also what browsers send for a touchpad's pinch, in smaller steps.
    if (event.ctrlKey || event.metaKey)
      this.#desk.zoom(Math.exp(dy * (Math.abs(dy) < PINCH_STEP_MAX ? PINCH_ZOOM : WHEEL_ZOOM)), this.#layout.scene(x))
    else if (event.shiftKey) this.#desk.pan((dx || dy) / this.#layout.widthPx)
    else if (Math.abs(dx) > Math.abs(dy)) this.#desk.pan(dx / this.#layout.widthPx)
    else if (this.#layout.canScroll) this.#scrollTo(this.#layout.scrollPx + dy)
    else this.#desk.zoom(Math.exp(dy * WHEEL_ZOOM), this.#layout.scene(x))
    this.#unhover()
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0 || !this.#desk.scene()) return
    this.#canvas.setPointerCapture(event.pointerId)
    const { x, y } = this.#at(event)
    this.#pointers.set(event.pointerId, { x, y })
    const { from, to } = this.#desk.view
    const range = { from, to }
    const fingers = this.#fingers()
    if (fingers) {
      this.#press = undefined
      this.#pinch = { fingers, range }
      return
    }
    const zone = y < RULER_PX || event.shiftKey ? 'ruler' : 'rows'
    this.#press = { x, y, zone, range, scrollPx: this.#layout.scrollPx, isDrag: false }
  }

  #move(event: PointerEvent): void {
    const { x, y } = this.#at(event)
    if (this.#pointers.has(event.pointerId)) this.#pointers.set(event.pointerId, { x, y })
    const fingers = this.#fingers()
    if (this.#pinch && fingers) {
      this.#setRange(pinched(this.#pinch.range, this.#layout.widthPx, this.#pinch.fingers, fingers))
      return
    }
    const press = this.#press
    if (!press) {
      if (event.pointerType === 'mouse') this.#hoverAt(x, y)
      return
    }
    if (!press.isDrag && Math.hypot(x - press.x, y - press.y) < DRAG_MIN_PX) return
    press.isDrag = true
    this.#unhover()
    if (press.zone === 'ruler') {
      this.#paint.chosen = { a: this.#layout.scene(press.x), b: this.#layout.scene(x) }
      this.#dirty()
      return
    }
    const { from, to } = press.range
    const range = moved(this.#desk.bounds(), press.range, ((press.x - x) / this.#layout.widthPx) * (to - from))
    if (range.from !== from || from !== this.#desk.view.from) this.#setRange(range)
    this.#scrollTo(press.scrollPx + press.y - y)
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
    const chosen = this.#paint.chosen
    this.#paint.chosen = undefined
    if (chosen) {
      this.#desk.setRange(Math.min(chosen.a, chosen.b), Math.max(chosen.a, chosen.b))
      this.#dirty()
      return
    }
    if (press.isDrag) return
    this.#click(press.x, press.y, event.pointerType === 'mouse' ? SLACK_MOUSE_PX : SLACK_TOUCH_PX)
  }

  #cancel(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId)
    this.#press = undefined
    this.#pinch = undefined
    this.#paint.chosen = undefined
    this.#dirty()
  }

  #click(x: number, y: number, slack: number): void {
    const scene = this.#desk.scene()
    if (!scene) return
    if (scene.mode === 'time' && y >= RULER_PX && y < this.#layout.topPx(scene)) {
      const stage = this.#stageAt(this.#layout.scene(x), scene)
      if (stage) this.#desk.setRange(stage.start, stage.end)
      return
    }
    const row = scene.rows[this.#layout.rowAt(y)]
    if (row?.kind === 'head' && row.lane >= 0) this.#desk.toggleLane(row.lane)
    else this.#desk.select(this.#layout.boxAt(x, y, slack))
  }

  #double(event: MouseEvent): void {
    const { x, y } = this.#at(event)
    const box = this.#layout.boxAt(x, y, SLACK_MOUSE_PX)
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
    const box = this.#layout.boxAt(x, y, SLACK_MOUSE_PX)
    const head = scene?.rows[this.#layout.rowAt(y)]
    this.#canvas.style.cursor =
      y < RULER_PX ? 'col-resize' : box >= 0 || (head?.kind === 'head' && head.lane >= 0) ? 'pointer' : 'grab'
    if (box !== this.#paint.hover) {
      this.#paint.hover = box
      this.#dirty()
    }
    const tooltip = this.#tooltip
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
    const left = Math.min(x + 14, this.#layout.widthPx - offsetWidth - 4)
    const below = y + 18 + offsetHeight < this.#layout.heightPx
    tooltip.style.transform = `translate(${Math.max(4, left)}px, ${below ? y + 18 : Math.max(0, y - offsetHeight - 10)}px)`
  }

  #unhover(): void {
    this.#tooltip.hidden = true
    if (this.#paint.hover < 0) return
    this.#paint.hover = -1
    this.#dirty()
  }
}
