/**
 * The flame view: a canvas, drawn once a frame at most and only when something changed. Outside React: it subscribes to
 * the trace desk and calls its verbs. What is where: flame-layout.ts; drawing: flame-paint.ts; pointers:
 * flame-gestures.ts; keys: flame-keys.ts.
 *
 *   ruler          ticks of the visible range; dragging here chooses a range
 *   stages         (along time) the stages at the same scale
 *   rows           lanes and depths, scrolled up and down
 */
import type { Scene } from '../../stores/scene.ts'
import type { TraceDesk } from '../../stores/trace-store.ts'
import type { Appearance } from '../terminal-theme.ts'
import { FlameGestures } from './flame-gestures.ts'
import { type Chart, pressKey } from './flame-keys.ts'
import { FlameLayout } from './flame-layout.ts'
import { FlamePaint } from './flame-paint.ts'
import { flameSvg } from './flame-svg.ts'

export interface FlameOptions {
  readonly desk: TraceDesk
  readonly appearance: Appearance
  readonly tooltip: HTMLElement
  readonly onSearchKey: () => void
  readonly onConsoleKey: () => void
}

export class FlameView implements Chart {
  readonly canvas: HTMLCanvasElement
  readonly desk: TraceDesk
  readonly focusSearch: () => void
  readonly focusConsole: () => void
  readonly #layout: FlameLayout
  readonly #paint: FlamePaint
  readonly #stop: readonly (() => void)[]
  #frame = 0
  #lastScene: Scene | undefined
  #lastSelected = -1
  #lastFunc = -1

  constructor(canvas: HTMLCanvasElement, { desk, appearance, tooltip, onSearchKey, onConsoleKey }: FlameOptions) {
    this.canvas = canvas
    this.desk = desk
    this.focusSearch = onSearchKey
    this.focusConsole = onConsoleKey
    this.#layout = new FlameLayout(desk)
    this.#paint = new FlamePaint(canvas, this.#layout, appearance)
    const gestures = new FlameGestures({
      canvas,
      desk,
      layout: this.#layout,
      paint: this.#paint,
      tooltip,
      dirty: () => this.dirty(),
    })
    const observer = new ResizeObserver(() => this.#resize())
    observer.observe(canvas)
    this.#stop = [() => gestures.dispose(), () => observer.disconnect(), desk.store.subscribe(() => this.dirty())]
    document.fonts.ready.then(() => {
      this.#paint.measureAgain()
      this.dirty()
    })
    this.#resize()
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame)
    for (const stop of this.#stop) stop()
  }

  setAppearance(appearance: Appearance): void {
    this.#paint.setAppearance(appearance)
    this.dirty()
  }

  dirty(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      this.#draw()
    })
  }

  /** A key, wherever the page had its focus. True when it meant something here. */
  key(event: KeyboardEvent): boolean {
    return pressKey(this, event)
  }

  scrollRows(rows: number): void {
    this.#layout.scrollTo(this.#layout.scrollPx + rows * this.#layout.rowPx)
    this.dirty()
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.canvas
    this.#layout.widthPx = clientWidth
    this.#layout.heightPx = clientHeight
    const ratio = devicePixelRatio || 1
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio))
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio))
    // Setting the size cleared it: drawn at once, nothing flickers.
    this.#draw()
  }

  #draw(): void {
    const { from, to, selected, func } = this.desk.view
    const scene = to > from && this.#layout.widthPx > 0 ? this.desk.scene() : undefined
    if (scene) {
      if (scene.mode !== this.#lastScene?.mode) this.#layout.scrollPx = 0
      if (scene.mode === 'sandwich' && (scene.mode !== this.#lastScene?.mode || func !== this.#lastFunc))
        this.#layout.centre(scene.rows.findLastIndex(({ kind }) => kind === 'head'))
      if (selected !== this.#lastSelected && selected >= 0) {
        const row = scene.rowOf(selected)
        const index = scene.rows.findIndex((entry) => entry.kind === 'boxes' && entry.row === row)
        if (index >= 0) this.#layout.bringIn(index)
      }
      this.#lastScene = scene
      this.#lastSelected = selected
      this.#lastFunc = func
    }
    this.#paint.paint(scene)
    if (scene) this.canvas.dataset['drawn'] = `${scene.mode} ${Math.round(from)}-${Math.round(to)}`
  }

  /** The view as a picture of device pixels. */
  picture(): Promise<Blob | null> {
    this.#draw()
    return new Promise((resolve) => this.canvas.toBlob(resolve, 'image/png'))
  }

  svg(): string {
    return flameSvg(this.desk.scene(), this.desk.view, this.#layout, this.#paint.colours)
  }
}
