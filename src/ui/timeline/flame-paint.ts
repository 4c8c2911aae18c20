/** Draws the flame view: rows of boxes, the ruler with the stages under it, moments across both. Decides nothing. */
import { Boxes, type Scene } from '../../stores/scene.ts'
import { onAxis } from '../../trace/model/clock.ts'
import { NO_FUNCTION, spanName, type Trace } from '../../trace/model/trace.ts'
import { STAGE_HUES, stageHue } from '../stage-hue.ts'
import type { Appearance } from '../terminal-theme.ts'
import { type FlameLayout, RULER_PX, STAGES_PX } from './flame-layout.ts'
import { fillOf, type Palette, palette } from './palette.ts'
import { TICK_PX, ticks } from './ruler.ts'

/** Narrower, no text. */
const TEXT_MIN_PX = 22
const FONT = '12px "Inter Variable", system-ui, sans-serif'
const FONT_BOLD = '600 12px "Inter Variable", system-ui, sans-serif'
/** Names whose width is remembered. */
const WIDTHS_MAX = 20_000

/** A range that is being chosen, in scene units; either end may be the first. */
export interface ChosenRange {
  readonly a: number
  readonly b: number
}

export class FlamePaint {
  /** The box under the pointer, -1 for none. */
  hover = -1
  chosen: ChosenRange | undefined
  colours: Palette
  readonly #context: CanvasRenderingContext2D
  readonly #layout: FlameLayout
  readonly #boxes = new Boxes()
  readonly #widths = new Map<string, number>()
  #idlePattern: CanvasPattern | null = null
  #fills: { readonly trace: Trace; readonly colours: Palette; readonly byFunction: readonly string[] } | undefined
  #hues: readonly string[] = []

  constructor(canvas: HTMLCanvasElement, layout: FlameLayout, appearance: Appearance) {
    this.#context = canvas.getContext('2d', { alpha: false })!
    this.#layout = layout
    this.colours = palette(appearance)
  }

  setAppearance(appearance: Appearance): void {
    this.colours = palette(appearance)
    this.#idlePattern = null
    this.#hues = []
  }

  /** The font has come. */
  measureAgain(): void {
    this.#widths.clear()
  }

  paint(scene: Scene | undefined): void {
    const c = this.#context
    const layout = this.#layout
    const ratio = devicePixelRatio || 1
    c.setTransform(ratio, 0, 0, ratio, 0, 0)
    c.fillStyle = this.colours.ground
    c.fillRect(0, 0, layout.widthPx, layout.heightPx)
    if (!scene) return
    const topPx = layout.topPx(scene)
    this.#drawRows(scene, topPx)
    this.#drawRuler(scene, topPx)
    if (scene.mode === 'time') this.#drawMoments(scene, topPx)
    if (this.chosen) {
      const a = layout.px(this.chosen.a)
      const b = layout.px(this.chosen.b)
      c.fillStyle = `${this.colours.focus}40`
      c.fillRect(Math.min(a, b), 0, Math.abs(b - a), layout.heightPx)
    }
  }

  #drawRows(scene: Scene, top: number): void {
    const c = this.#context
    const height = this.#layout.rowPx
    c.textBaseline = 'middle'
    const first = Math.max(0, Math.floor(this.#layout.scrollPx / height))
    const last = Math.min(scene.rows.length, Math.ceil((this.#layout.scrollPx + this.#layout.heightPx - top) / height))
    for (let index = first; index < last; index++) {
      const row = scene.rows[index]!
      const y = top + index * height - this.#layout.scrollPx
      if (row.kind === 'head') this.#drawHead(scene, row.text, row.lane, y, height)
      else this.#drawBoxes(scene, row.row, row.lane, y, height)
    }
  }

  #drawHead(scene: Scene, text: string, lane: number, y: number, height: number): void {
    const c = this.#context
    const colours = this.colours
    c.fillStyle = colours.band
    c.fillRect(0, y, this.#layout.widthPx, height)
    c.fillStyle = colours.line
    c.fillRect(0, y, this.#layout.widthPx, 1)
    c.fillStyle = colours.text
    c.font = FONT_BOLD
    const folded = lane >= 0 && this.#layout.desk.view.folded.has(lane)
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
    const colours = this.colours
    const { from, to, selected, found, lit, func: chosenFunc } = this.#layout.desk.view
    const isFiltered = found !== undefined || lit !== NO_FUNCTION
    const { trace } = scene
    const boxes = this.#boxes
    const perPixel = (to - from) / this.#layout.widthPx
    scene.query(row, from, to, perPixel, boxes)
    const isIdle = trace.lanes[lane]?.kind === 'idle'
    const inner = height - 1
    const fills = this.#fillsOf(trace)
    const idleFill = isIdle ? this.#hatch() : ''
    c.font = FONT
    for (let k = 0; k < boxes.length; k++) {
      const box = boxes.span[k]!
      const left = Math.max(-2, (boxes.start[k]! - from) / perPixel)
      const right = Math.min(this.#layout.widthPx + 2, (boxes.end[k]! - from) / perPixel)
      const width = right - left
      const func = scene.funcOf(box)
      const isHit = found ? found.functions.has(func) : lit !== NO_FUNCTION && func === lit
      if (isFiltered) c.globalAlpha = isHit ? 1 : 0.35
      const drawn = Math.max(1, width > 3 ? width - 1 : width)
      c.fillStyle = isIdle ? idleFill : (fills[func] ?? colours.idle)
      c.fillRect(left, y, drawn, inner)
      // Many drawn as one: thinner below, so that it does not pass for a call.
      if (boxes.joined[k]! > 1 && width >= 2) {
        c.fillStyle = colours.ground
        c.fillRect(left, y + inner - 4, drawn, 2)
      }
      if (width >= TEXT_MIN_PX && boxes.joined[k]! === 1) {
        c.fillStyle = isIdle ? colours.muted : colours.onFill
        const start = Math.max(left, 0) + 5
        this.#cut(spanName(trace, func), start, y + inner / 2 + 0.5, Math.min(right, this.#layout.widthPx) - start - 4)
      }
      if (isFiltered) c.globalAlpha = 1
      if (isHit) this.#drawHit(left, y, drawn, inner)
      if (box === selected && boxes.joined[k]! === 1) this.#outline(left, y, Math.max(3, drawn), inner)
      else if (func === chosenFunc && func !== NO_FUNCTION && selected >= 0 && width >= 2) {
        c.fillStyle = colours.text
        c.fillRect(left, y + inner - 2, drawn, 2)
      } else if (box === this.hover && width >= 2) {
        c.strokeStyle = colours.text
        c.lineWidth = 1
        c.strokeRect(left + 0.5, y + 0.5, Math.max(1, drawn - 1), inner - 1)
      }
    }
    // A selected span too narrow to be drawn by itself still shows where it is.
    if (selected >= 0 && scene.rowOf(selected) === row) {
      const left = this.#layout.px(scene.startOf(selected))
      const width = this.#layout.px(scene.endOf(selected)) - left
      if (width < 2 && left > -4 && left < this.#layout.widthPx + 4) this.#outline(left - 2, y, 5, inner)
    }
  }

  /** Colours by function. */
  #fillsOf(trace: Trace): readonly string[] {
    if (this.#fills?.trace !== trace || this.#fills.colours !== this.colours)
      this.#fills = {
        trace,
        colours: this.colours,
        byFunction: Array.from(trace.functions.names, (_, func) => fillOf(trace, func, this.colours)),
      }
    return this.#fills.byFunction
  }

  /** A found span: framed, with a wedge on its head; not by colour alone. */
  #drawHit(left: number, y: number, width: number, height: number): void {
    const c = this.#context
    c.strokeStyle = this.colours.text
    c.fillStyle = this.colours.text
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
    c.strokeStyle = this.colours.ground
    c.strokeRect(left + 3, y + 3, Math.max(1, width - 6), height - 6)
    c.lineWidth = 3
    c.strokeStyle = this.colours.focus
    c.strokeRect(left + 1, y + 1, Math.max(1, width - 2), height - 2)
  }

  #drawRuler(scene: Scene, top: number): void {
    const c = this.#context
    const colours = this.colours
    const { from, to } = this.#layout.desk.view
    c.fillStyle = colours.ground
    c.fillRect(0, 0, this.#layout.widthPx, top)
    c.font = FONT
    c.textBaseline = 'middle'
    for (const { at, label } of ticks(from, to, Math.max(2, this.#layout.widthPx / TICK_PX), scene.unit)) {
      const x = Math.round(this.#layout.px(at)) + 0.5
      c.fillStyle = colours.lineStrong
      c.fillRect(x - 0.5, 4, 1, RULER_PX - 4)
      c.globalAlpha = 0.35
      c.fillRect(x - 0.5, top, 1, this.#layout.heightPx - top)
      c.globalAlpha = 1
      if (x + this.#textWidth(label) + 8 > this.#layout.widthPx) continue
      c.fillStyle = colours.muted
      c.fillText(label, x + 5, RULER_PX / 2 + 1)
    }
    if (top === RULER_PX) return
    const { axis } = this.#layout.desk.view
    const hues = this.#stageHues()
    for (const stage of scene.trace.stages) {
      const left = Math.max(0, this.#layout.px(onAxis(scene.trace.clock, axis, stage.start)))
      const right = Math.min(this.#layout.widthPx, this.#layout.px(onAxis(scene.trace.clock, axis, stage.end)))
      if (right <= 0 || left >= this.#layout.widthPx) continue
      c.fillStyle = hues[stageHue(stage.name)] || colours.other
      c.fillRect(left, RULER_PX, Math.max(1, right - left - 1), STAGES_PX - 3)
      if (right - left < 34) continue
      c.fillStyle = '#121316'
      c.font = FONT_BOLD
      this.#cut(stage.name, left + 6, RULER_PX + (STAGES_PX - 3) / 2 + 0.5, right - left - 10)
    }
  }

  /** The strip's colours are the page's: asked for once, for that makes the browser settle all styles. */
  #stageHues(): readonly string[] {
    if (this.#hues.length === 0) {
      const style = getComputedStyle(this.#context.canvas)
      this.#hues = Array.from({ length: STAGE_HUES }, (_, index) => style.getPropertyValue(`--hue-${index}`))
    }
    return this.#hues
  }

  #drawMoments(scene: Scene, top: number): void {
    const c = this.#context
    const colours = this.colours
    const { axis, moment, shown, found } = this.#layout.desk.view
    if (found) {
      // Where hits are, also those that scrolled out or are too narrow.
      c.fillStyle = colours.text
      let last = -9
      for (const span of found.spans) {
        const x = Math.round(this.#layout.px(scene.startOf(span)))
        if (x < 0 || x > this.#layout.widthPx || x - last < 3) continue
        last = x
        c.fillRect(x, top - 4, 2, 4)
      }
    }
    if (shown?.live) {
      const x = Math.round(this.#layout.px(scene.end))
      if (x >= 0 && x <= this.#layout.widthPx) {
        c.fillStyle = colours.accent
        c.fillRect(x, 0, 2, this.#layout.heightPx)
      }
    }
    if (moment !== undefined) {
      const x = Math.round(this.#layout.px(onAxis(scene.trace.clock, axis, moment)))
      c.fillStyle = colours.focus
      c.fillRect(x - 1, 0, 2, this.#layout.heightPx)
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
    if (!t) return this.colours.idle
    t.fillStyle = this.colours.idle
    t.fillRect(0, 0, 8, 8)
    t.strokeStyle = this.colours.lineStrong
    t.beginPath()
    for (const offset of [-8, 0, 8]) {
      t.moveTo(offset, 8)
      t.lineTo(offset + 8, 0)
    }
    t.stroke()
    this.#idlePattern = this.#context.createPattern(tile, 'repeat')
    return this.#idlePattern ?? this.colours.idle
  }

  #textWidth(text: string): number {
    let width = this.#widths.get(text)
    if (width === undefined) {
      if (this.#widths.size > WIDTHS_MAX) this.#widths.clear()
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
}
