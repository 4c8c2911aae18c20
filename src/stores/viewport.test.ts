import { describe, expect, it } from 'vitest'
import {
  atLeastRange,
  following,
  moved,
  pinched,
  pxOfScene,
  revealing,
  revealingMoment,
  sceneOfPx,
  spanning,
  within,
  zoomed,
} from './viewport.ts'

const all = { start: 0, end: 1000 }
const range = (from: number, to: number) => ({ from, to })

describe('the viewport', () => {
  it('goes from pixels to the scene and back', () => {
    const seen = range(200, 600)
    expect(sceneOfPx(seen, 800, 0)).toBe(200)
    expect(sceneOfPx(seen, 800, 400)).toBe(400)
    for (const px of [-20, 0, 1, 799, 900]) expect(pxOfScene(seen, 800, sceneOfPx(seen, 800, px))).toBeCloseTo(px, 9)
  })

  it('shows nothing beside the scene, nothing narrower than 20, and keeps the middle', () => {
    expect(within(all, { from: -300, to: 100 })).toEqual({ from: 0, to: 400 })
    expect(within(all, { from: 900, to: 1200 })).toEqual({ from: 700, to: 1000 })
    expect(within(all, { from: -5000, to: 5000 })).toEqual({ from: 0, to: 1000 })
    expect(within(all, { from: 499, to: 501 })).toEqual({ from: 490, to: 510 })
    expect(atLeastRange({ start: 3, end: 4 })).toEqual({ start: 3, end: 23 })
  })

  it('zooms about the point that is held', () => {
    expect(zoomed(all, { from: 0, to: 1000 }, 0.5, 250)).toEqual({ from: 125, to: 625 })
    expect(zoomed(all, { from: 100, to: 300 }, 0.5)).toEqual({ from: 150, to: 250 })
    expect(zoomed(all, { from: 100, to: 300 }, 1e-9, 120)).toEqual({ from: 118, to: 138 })
    expect(zoomed(all, { from: 100, to: 300 }, 100, 120)).toEqual({ from: 0, to: 1000 })
  })

  it('moves as far as there is something, and leaves a range that hangs over where it is', () => {
    expect(moved(all, { from: 100, to: 300 }, 50)).toEqual({ from: 150, to: 350 })
    expect(moved(all, { from: 100, to: 300 }, -500)).toEqual({ from: 0, to: 200 })
    expect(moved(all, { from: 100, to: 300 }, 5000)).toEqual({ from: 800, to: 1000 })
    expect(moved({ start: 0, end: 400 }, { from: 0, to: 1000 }, 10)).toEqual({ from: 0, to: 1000 })
    expect(moved({ start: 0, end: 400 }, { from: -50, to: 1000 }, -10)).toEqual({ from: -50, to: 1000 })
  })

  it('keeps what lies under two fingers under them', () => {
    const before = { middlePx: 400, apartPx: 100 }
    const seen = range(0, 800)
    expect(pinched(seen, 800, before, { middlePx: 400, apartPx: 200 })).toEqual({ from: 200, to: 600 })
    // Only moved: as far as the fingers went.
    expect(pinched(seen, 800, before, { middlePx: 500, apartPx: 100 })).toEqual({ from: -100, to: 700 })
    const turned = pinched(seen, 800, before, { middlePx: 300, apartPx: 50 })
    expect(sceneOfPx(turned, 800, 300)).toBeCloseTo(400, 9)
  })

  it('leaves a fiftieth of a span free on either side of it', () => {
    expect(spanning({ start: 100, end: 200 })).toEqual({ from: 98, to: 202 })
  })

  it('brings into sight what is outside or too small to be seen, and only that', () => {
    expect(revealing(range(0, 1000), { start: 100, end: 200 })).toBeUndefined()
    expect(revealing(range(500, 600), { start: 100, end: 200 })).toEqual({ from: 0, to: 300 })
    // A thousandth of what is visible: nearer.
    expect(revealing(range(0, 1000), { start: 500, end: 501 })).toEqual({ from: 460.5, to: 540.5 })
    expect(revealingMoment(all, range(400, 600), 500)).toBeUndefined()
    expect(revealingMoment(all, range(400, 600), 599)).toEqual({ from: 499, to: 699 })
    expect(revealingMoment(all, range(0, 1000), 500)).toEqual({ from: 375, to: 625 })
  })

  it('follows what grows at constant scale', () => {
    expect(following(400, 1000)).toEqual({ from: 0, to: 1000 })
    expect(following(2500, 1000)).toEqual({ from: 1500, to: 2500 })
  })
})
