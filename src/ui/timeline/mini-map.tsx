/** The whole trace in a thumb's height: a flame chart one pixel to a depth, and the visible range to drag about in. */
import { useEffect, useRef } from 'react'
import { Boxes, type Scene } from '../../stores/scene.ts'
import type { TraceDesk } from '../../stores/trace-store.ts'
import { pxOfScene, type SceneRange, sceneOfPx } from '../../stores/viewport.ts'
import { useDesk } from '../context.ts'
import type { Appearance } from '../terminal-theme.ts'
import { fillOf, palette } from './palette.ts'

const HANDLE = 10
const ROWS_MAX = 64
/** While the trace grows its picture is painted anew no more often: what is new in between is a pixel or two. */
const REPAINT_MS = 250

type Grip = 'move' | 'left' | 'right' | 'new'

class MiniMap {
  readonly #canvas: HTMLCanvasElement
  readonly #desk: TraceDesk
  readonly #boxes = new Boxes()
  readonly #stop: (() => void)[] = []
  #appearance: Appearance
  readonly #context: CanvasRenderingContext2D
  readonly #picture = document.createElement('canvas')
  readonly #pictureContext: CanvasRenderingContext2D
  #pictureOf: readonly unknown[] = []
  #paintedMs = Number.NEGATIVE_INFINITY
  #frame = 0
  #later: ReturnType<typeof setTimeout> | undefined
  #grip: { readonly grip: Grip; readonly at: number; readonly from: number; readonly to: number } | undefined

  constructor(canvas: HTMLCanvasElement, desk: TraceDesk, appearance: Appearance) {
    this.#canvas = canvas
    this.#context = canvas.getContext('2d', { alpha: false })!
    this.#pictureContext = this.#picture.getContext('2d', { alpha: false })!
    this.#desk = desk
    this.#appearance = appearance
    const observer = new ResizeObserver(() => this.#dirty())
    observer.observe(canvas)
    const down = (event: PointerEvent) => this.#down(event)
    const move = (event: PointerEvent) => this.#move(event)
    const up = () => {
      this.#grip = undefined
    }
    canvas.addEventListener('pointerdown', down)
    canvas.addEventListener('pointermove', move)
    canvas.addEventListener('pointerup', up)
    canvas.addEventListener('pointercancel', up)
    canvas.addEventListener('dblclick', () => desk.fit())
    this.#stop.push(
      () => observer.disconnect(),
      desk.store.subscribe(() => this.#dirty()),
    )
    this.#dirty()
  }

  setAppearance(appearance: Appearance): void {
    this.#appearance = appearance
    this.#pictureOf = []
    this.#dirty()
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame)
    clearTimeout(this.#later)
    for (const stop of this.#stop) stop()
  }

  #dirty(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      this.#draw()
    })
  }

  /** What the whole width stands for. */
  #whole(): SceneRange {
    const { start, end } = this.#desk.bounds()
    const { to, shown } = this.#desk.view
    return { from: start, to: shown?.live ? Math.max(end, to) : end }
  }

  #sceneAt(event: PointerEvent): number {
    const box = this.#canvas.getBoundingClientRect()
    return sceneOfPx(this.#whole(), box.width, event.clientX - box.left)
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0 || !this.#desk.scene()) return
    this.#canvas.setPointerCapture(event.pointerId)
    const at = this.#sceneAt(event)
    const { from, to } = this.#desk.view
    const whole = this.#whole()
    const near = (HANDLE * (whole.to - whole.from)) / this.#canvas.clientWidth
    const isAll = from <= whole.from && to >= whole.to
    const grip: Grip = isAll
      ? 'new'
      : Math.abs(at - from) < near && to - from > near
        ? 'left'
        : Math.abs(at - to) < near && to - from > near
          ? 'right'
          : at > from - near && at < to + near
            ? 'move'
            : 'new'
    this.#grip = { grip, at, from, to }
  }

  #move(event: PointerEvent): void {
    const held = this.#grip
    if (!held) return
    const at = this.#sceneAt(event)
    const { grip, from, to } = held
    if (grip === 'move') this.#desk.setRange(from + at - held.at, to + at - held.at)
    else {
      const anchor = grip === 'left' ? to : grip === 'right' ? from : held.at
      if (anchor !== at) this.#desk.setRange(Math.min(anchor, at), Math.max(anchor, at))
    }
  }

  #draw(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas
    const scene = this.#desk.scene()
    const ratio = devicePixelRatio || 1
    if (width === 0) return
    resize(this.#canvas, Math.round(width * ratio), Math.round(height * ratio))
    const c = this.#context
    const colours = palette(this.#appearance)
    c.setTransform(ratio, 0, 0, ratio, 0, 0)
    c.fillStyle = colours.band
    c.fillRect(0, 0, width, height)
    if (!scene) return
    const whole = this.#whole()
    const key = [scene, width, height, ratio, whole.from, whole.to, this.#appearance]
    if (key.some((part, index) => part !== this.#pictureOf[index]) && this.#mayPaint()) {
      this.#paint(scene, width, height, whole)
      this.#pictureOf = key
    }
    c.drawImage(this.#picture, 0, 0, width, height)
    const { from, to } = this.#desk.view
    const left = pxOfScene(whole, width, from)
    const right = pxOfScene(whole, width, to)
    if (left <= 0.5 && right >= width - 0.5) return
    c.globalAlpha = 0.72
    c.fillStyle = colours.ground
    c.fillRect(0, 0, left, height)
    c.fillRect(right, 0, width - right, height)
    c.globalAlpha = 1
    c.strokeStyle = colours.text
    c.lineWidth = 2
    c.strokeRect(Math.max(1, left), 1, Math.max(3, Math.min(right, width - 1) - Math.max(1, left)), height - 2)
    c.fillStyle = colours.text
    for (const x of [left, right]) c.fillRect(x - 3, height / 2 - 7, 6, 14)
  }

  /** Not yet: then this is called again in time. */
  #mayPaint(): boolean {
    const { shown } = this.#desk.view
    const now = performance.now()
    const dueMs = shown?.live ? this.#paintedMs + REPAINT_MS : now
    clearTimeout(this.#later)
    if (now >= dueMs) {
      this.#paintedMs = now
      return true
    }
    this.#later = setTimeout(() => this.#dirty(), dueMs - now)
    return false
  }

  /** Depths grow upwards, all lanes on one ground: the busy ones are what is looked for. */
  #paint(scene: Scene, width: number, height: number, { from, to }: SceneRange): void {
    resize(this.#picture, width, height)
    const c = this.#pictureContext
    const colours = palette(this.#appearance)
    c.fillStyle = colours.band
    c.fillRect(0, 0, width, height)
    const rows = scene.rows.filter(({ kind, lane }) => kind === 'boxes' && scene.trace.lanes[lane]?.kind !== 'idle')
    const shown = Math.min(rows.length, ROWS_MAX)
    const each = height / Math.max(8, shown)
    const pixel = (to - from) / width
    for (let index = 0; index < shown; index++) {
      const row = rows[index]
      if (!row) continue
      scene.query(row.row, from, to, pixel, this.#boxes)
      const y = index * each
      for (let k = 0; k < this.#boxes.length; k++) {
        const x = (this.#boxes.start[k]! - from) / pixel
        c.fillStyle = fillOf(scene.trace, scene.funcOf(this.#boxes.span[k]!), colours)
        c.fillRect(x, y, Math.max(1, (this.#boxes.end[k]! - this.#boxes.start[k]!) / pixel), Math.max(1, each))
      }
    }
  }
}

/** Only where it changes: setting a size makes the browser allocate and clear. */
const resize = (canvas: HTMLCanvasElement, width: number, height: number): void => {
  if (canvas.width === width && canvas.height === height) return
  canvas.width = width
  canvas.height = height
}

export const MiniMapCanvas = ({ appearance }: { readonly appearance: Appearance }) => {
  const desk = useDesk()
  const place = useRef<HTMLCanvasElement>(null)
  const map = useRef<MiniMap>(undefined)
  const first = useRef(appearance)
  useEffect(() => {
    if (!place.current) return
    const made = new MiniMap(place.current, desk, first.current)
    map.current = made
    return () => made.dispose()
  }, [desk])
  useEffect(() => map.current?.setAppearance(appearance), [appearance])
  return (
    <canvas
      ref={place}
      className="mini-map"
      role="img"
      aria-label="The whole trace; drag to choose the visible range"
      data-testid="mini-map"
    />
  )
}
