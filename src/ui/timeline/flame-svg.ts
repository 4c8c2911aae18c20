/** The whole chart over the visible range as SVG: sharp at any size, text as text. */
import { Boxes, type Scene } from '../../stores/scene.ts'
import { pxOfScene, type SceneRange } from '../../stores/viewport.ts'
import { NO_FUNCTION, spanName } from '../../trace/model/trace.ts'
import { RULER_PX } from './flame-layout.ts'
import { fillOf, type Palette } from './palette.ts'
import { amount, TICK_PX, ticks } from './ruler.ts'

const WIDTH_MIN_PX = 320
/** Narrower boxes are left out. */
const BOX_MIN_PX = 0.3
/** Of a letter of the 12 px font, about. */
const LETTER_PX = 6.4

const text = (value: string): string => value.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

export const flameSvg = (
  scene: Scene | undefined,
  range: SceneRange,
  visible: { readonly widthPx: number; readonly rowPx: number },
  colours: Palette,
): string => {
  const { rowPx } = visible
  const width = Math.max(WIDTH_MIN_PX, visible.widthPx)
  const x = (atScene: number): number => pxOfScene(range, width, atScene)
  const boxes = new Boxes()
  const parts: string[] = []
  if (scene) {
    for (const { at, label } of ticks(range.from, range.to, width / TICK_PX, scene.unit))
      parts.push(`<text x="${(x(at) + 4).toFixed(1)}" y="15" fill="${colours.muted}">${text(label)}</text>`)
    for (const [index, row] of scene.rows.entries()) {
      const y = RULER_PX + index * rowPx
      if (row.kind === 'head') {
        parts.push(`<text x="6" y="${y + 14}" fill="${colours.text}" font-weight="600">${text(row.text)}</text>`)
        continue
      }
      scene.query(row.row, range.from, range.to, (range.to - range.from) / width, boxes)
      for (let k = 0; k < boxes.length; k++) {
        const left = Math.max(0, x(boxes.start[k]!))
        const wide = Math.min(width, x(boxes.end[k]!)) - left
        if (wide < BOX_MIN_PX) continue
        const box = boxes.span[k]!
        const func = scene.funcOf(box)
        const name = spanName(scene.trace, func)
        const about = `${name}, ${amount(scene.endOf(box) - scene.startOf(box), scene.unit)}`
        parts.push(
          `<rect x="${left.toFixed(2)}" y="${y}" width="${wide.toFixed(2)}" height="${rowPx - 1}" fill="${fillOf(scene.trace, func, colours)}"><title>${text(about)}</title></rect>`,
        )
        const letters = Math.floor((wide - 8) / LETTER_PX)
        if (letters <= 2) continue
        const fill = func === NO_FUNCTION ? colours.muted : colours.onFill
        const cut = name.length > letters ? `${name.slice(0, letters - 1)}…` : name
        parts.push(`<text x="${(left + 4).toFixed(1)}" y="${y + 14}" fill="${fill}">${text(cut)}</text>`)
      }
    }
  }
  const tall = RULER_PX + (scene?.rows.length ?? 0) * rowPx + 8
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${tall}" viewBox="0 0 ${width} ${tall}" font-family="Inter, system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="${colours.ground}"/>${parts.join('')}</svg>`
}
