/**
 * Where things are in the flame view, in CSS pixels of its canvas: ruler, stages, rows. The horizontal is the desk's
 * visible range (stores/viewport.ts), the vertical is scrolled here.
 */
import type { Scene } from '../../stores/scene.ts'
import type { TraceDesk } from '../../stores/trace-store.ts'
import { pxOfScene, sceneOfPx } from '../../stores/viewport.ts'

export const RULER_PX = 24
export const STAGES_PX = 20
/** Rows are for thumbs where the canvas is narrower. */
const NARROW_PX = 600
const BELOW_PX = 8

export class FlameLayout {
  readonly desk: TraceDesk
  widthPx = 0
  heightPx = 0
  /** What of the rows is above the visible ones. */
  scrollPx = 0

  constructor(desk: TraceDesk) {
    this.desk = desk
  }

  get rowPx(): number {
    return this.widthPx < NARROW_PX ? 24 : 20
  }

  /** Where rows begin. */
  topPx(scene: Scene | undefined): number {
    // Unzoomed, the strip above says the same.
    if (scene?.mode !== 'time' || scene.trace.stages.length === 0) return RULER_PX
    const { from, to } = this.desk.view
    return from <= scene.start && to >= scene.end ? RULER_PX : RULER_PX + STAGES_PX
  }

  px(atScene: number): number {
    return pxOfScene(this.desk.view, this.widthPx, atScene)
  }

  scene(px: number): number {
    return sceneOfPx(this.desk.view, this.widthPx, px)
  }

  scrollTo(scrollPx: number): void {
    this.scrollPx = Math.max(0, Math.min(scrollPx, this.#spareRoomPx()))
  }

  get canScroll(): boolean {
    return this.#spareRoomPx() > 0
  }

  /** Scrolls a row into sight. */
  bringIn(index: number): void {
    const { rowPx } = this
    const roomPx = this.heightPx - this.topPx(this.desk.scene())
    if (index * rowPx < this.scrollPx) this.scrollPx = Math.max(0, index * rowPx - rowPx)
    else if ((index + 1) * rowPx > this.scrollPx + roomPx) this.scrollPx = (index + 2) * rowPx - roomPx
  }

  /** Scrolls a row to the middle, as far as there are rows. */
  centre(index: number): void {
    const roomPx = this.heightPx - this.topPx(this.desk.scene())
    this.scrollTo(index * this.rowPx - (roomPx - this.rowPx) / 2)
  }

  /** Index among the scene's rows, -1 above them. */
  rowAt(yPx: number): number {
    const topPx = this.topPx(this.desk.scene())
    return yPx < topPx ? -1 : Math.floor((yPx - topPx + this.scrollPx) / this.rowPx)
  }

  /** A box under a point, or not farther beside it than the slack; -1 for none. */
  boxAt(xPx: number, yPx: number, slackPx: number): number {
    const scene = this.desk.scene()
    const row = scene?.rows[this.rowAt(yPx)]
    if (!scene || row?.kind !== 'boxes') return -1
    const { from, to } = this.desk.view
    return scene.hit(row.row, this.scene(xPx), (slackPx * (to - from)) / this.widthPx)
  }

  #spareRoomPx(): number {
    const scene = this.desk.scene()
    return (scene?.rows.length ?? 0) * this.rowPx + BELOW_PX - (this.heightPx - this.topPx(scene))
  }
}
