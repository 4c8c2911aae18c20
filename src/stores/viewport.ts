/**
 * What part of a scene is visible, as arithmetic on values. Two coordinate spaces along the horizontal, and each name
 * says its own: `scene` is the scene's unit (guest or wall ns, instructions), `px` is CSS pixels from the canvas's left
 * edge. A share is a fraction of the visible width.
 */

/** The visible range, in the scene's unit; `from` < `to`. */
export interface SceneRange {
  readonly from: number
  readonly to: number
}

/** All there is to see, in the scene's unit. */
export interface SceneBounds {
  readonly start: number
  readonly end: number
}

/** The narrowest range: 20 ns or 20 instructions. */
export const SCENE_RANGE_MIN = 20
/** What is left free on either side of a span that is zoomed to, as a share of the span. */
export const SPAN_MARGIN = 0.02

export const pxOfScene = ({ from, to }: SceneRange, widthPx: number, atScene: number): number =>
  ((atScene - from) / (to - from)) * widthPx

export const sceneOfPx = ({ from, to }: SceneRange, widthPx: number, px: number): number =>
  from + (px / widthPx) * (to - from)

/** A scene too short for the narrowest range is followed by nothing. */
export const atLeastRange = ({ start, end }: SceneBounds): SceneBounds => ({
  start,
  end: Math.max(start + SCENE_RANGE_MIN, end),
})

/** The range that can be shown in place of the one asked for: about the same middle, within the bounds. */
export const within = ({ start, end }: SceneBounds, { from, to }: SceneRange): SceneRange => {
  const width = Math.min(Math.max(SCENE_RANGE_MIN, to - from), end - start)
  const left = Math.max(start, Math.min(from + (to - from - width) / 2, end - width))
  return { from: left, to: left + width }
}

/** `factor` below 1 zooms in; `heldScene` keeps its place. */
export const zoomed = (
  bounds: SceneBounds,
  { from, to }: SceneRange,
  factor: number,
  heldScene = (from + to) / 2,
): SceneRange => {
  const width = Math.min(Math.max(SCENE_RANGE_MIN, (to - from) * factor), bounds.end - bounds.start)
  const share = (heldScene - from) / (to - from)
  return within(bounds, { from: heldScene - width * share, to: heldScene + width * (1 - share) })
}

/** As far as there is something; a range that begins or ends outside of the bounds is not pushed back by it. */
export const moved = ({ start, end }: SceneBounds, { from, to }: SceneRange, byScene: number): SceneRange => {
  const by = Math.max(Math.min(0, start - from), Math.min(byScene, Math.max(0, end - to)))
  return { from: from + by, to: to + by }
}

/** Two fingers: what was amid them stays amid them, and what was between them stays between them. */
export const pinched = (
  { from, to }: SceneRange,
  widthPx: number,
  before: { readonly middlePx: number; readonly apartPx: number },
  now: { readonly middlePx: number; readonly apartPx: number },
): SceneRange => {
  const width = (to - from) * (before.apartPx / now.apartPx)
  const left = sceneOfPx({ from, to }, widthPx, before.middlePx) - (now.middlePx / widthPx) * width
  return { from: left, to: left + width }
}

/** A span from margin to margin. */
export const spanning = ({ start, end }: SceneBounds): SceneRange => {
  const margin = (end - start) * SPAN_MARGIN
  return { from: start - margin, to: end + margin }
}

/** Brings a span into sight with some room around it; undefined where it can be seen already. */
export const revealing = ({ from, to }: SceneRange, { start, end }: SceneBounds): SceneRange | undefined => {
  const isInside = start >= from && end <= to && end - start > (to - from) / 400
  if (isInside) return undefined
  const width = Math.max((end - start) * 3, Math.min(to - from, (end - start) * 60), SCENE_RANGE_MIN * 4)
  const middle = (start + end) / 2
  return { from: middle - width / 2, to: middle + width / 2 }
}

/** Brings a moment into sight, and not nearer to an edge than a twentieth; undefined where it is there already. */
export const revealingMoment = (
  { start, end }: SceneBounds,
  { from, to }: SceneRange,
  atScene: number,
): SceneRange | undefined => {
  const width = Math.min(to - from, (end - start) / 4)
  const isThere = atScene >= from + width * 0.05 && atScene <= to - width * 0.05 && width >= to - from
  return isThere ? undefined : { from: atScene - width / 2, to: atScene + width / 2 }
}

/** The newest part of what grows, at a constant scale. */
export const following = (endScene: number, widthScene: number): SceneRange => ({
  from: Math.max(0, endScene - widthScene),
  to: Math.max(widthScene, endScene),
})
