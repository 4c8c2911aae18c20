/**
 * What a frame of the timeline costs the page: a made-up trace of 200,000 spans in four lanes is opened as a file, then
 * zoomed and panned by wheel events, one a frame, as a person would.
 *
 * Measured are the page's own animation frame callbacks (the flame chart and the small map of the whole), all of a frame
 * together. A Chromium without a GPU rasters and composes on the CPU, which the time between frames shows and no page
 * can change.
 */
import type { Page } from 'playwright'
import { exportTrace } from '../src/trace/formats/export.ts'
import { syntheticTrace } from '../src/trace/testing/synthetic.ts'
import { openChromium } from './chromium.ts'
import { REPOSITORY } from './headless.ts'

/** Asked for; what is made falls a little short of it. */
const SPANS = 215_000
/** Sixty frames a second leave 16.7 ms, half of it for the browser. */
const LIMIT_MS = 8
const FRAMES = 240

/** One wheel event: pixels of its two axes, and whether Control is held. */
interface Turn {
  readonly dx: number
  readonly dy: number
  readonly ctrl: boolean
}
const ABOUT: readonly Turn[] = [-1, -1, 1, 1].map((way) => ({ dx: 0, dy: 8 * way, ctrl: true }))
const WAYS: readonly { readonly name: string; readonly turns: readonly Turn[]; readonly search?: string }[] = [
  { name: 'zooming in', turns: [{ dx: 0, dy: -8, ctrl: true }] },
  { name: 'panning, close', turns: [{ dx: 40, dy: 0, ctrl: false }] },
  { name: 'zooming out', turns: [{ dx: 0, dy: 8, ctrl: true }] },
  { name: 'zooming about, far out', turns: ABOUT },
  { name: 'the same, names marked', turns: ABOUT, search: 'uvm' },
]

interface Frames {
  /** Milliseconds of the page's callbacks, frame by frame. */
  readonly draws: readonly number[]
  /** Milliseconds between frames. */
  readonly intervals: readonly number[]
}

/** In the page, before anything of it runs: adds up what its animation frame callbacks take. */
const watchFrames = (): void => {
  const frames = { time: -1, spent: 0, draws: [] as number[] }
  Object.assign(window, { frames })
  const request = window.requestAnimationFrame.bind(window)
  window.requestAnimationFrame = (callback) =>
    request((time) => {
      const before = performance.now()
      callback(time)
      const spent = performance.now() - before
      if (time === frames.time) frames.draws[frames.draws.length - 1]! += spent
      else frames.draws.push(spent)
      frames.time = time
    })
}

/** In the page: turns the wheel over the flame chart once a frame. */
const turnWheel = async ({ turns, count }: { turns: readonly Turn[]; count: number }): Promise<Frames> => {
  const { frames } = window as unknown as { frames: { draws: number[] } }
  const canvas = document.querySelector('[data-testid=flame]')
  if (!canvas) throw new Error('the page has no flame chart')
  const { left, top, width, height } = canvas.getBoundingClientRect()
  frames.draws = []
  const intervals: number[] = []
  let last = performance.now()
  for (let k = 0; k < count; k++) {
    const { dx, dy, ctrl } = turns[k % turns.length]!
    const init = { deltaX: dx, deltaY: dy, ctrlKey: ctrl, clientX: left + width * 0.4, clientY: top + height / 2 }
    canvas.dispatchEvent(new WheelEvent('wheel', { ...init, bubbles: true, cancelable: true }))
    await new Promise((resolve) => requestAnimationFrame(resolve))
    const now = performance.now()
    intervals.push(now - last)
    last = now
  }
  return { draws: frames.draws, intervals }
}

const at = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0

const openTrace = async (page: Page): Promise<void> => {
  const trace = exportTrace(syntheticTrace(SPANS), 'native')
  const buffer = Buffer.from(trace)
  await page.getByTestId('trace-file').setInputFiles({ name: 'made-up.json', mimeType: 'application/json', buffer })
  await page.waitForFunction(() => (window as unknown as TracedWindow).playground.trace()?.full === true)
}
interface TracedWindow {
  readonly playground: { trace(): { full: boolean; spans: number; lanes: readonly string[] } | undefined }
}

export interface TimelineFigures {
  readonly spans: number
  readonly lanes: number
  readonly limitMs: number
  readonly ways: readonly {
    readonly name: string
    readonly frames: number
    readonly drawMs: { readonly median: number; readonly p99: number; readonly worst: number }
    readonly frameMs: { readonly median: number; readonly p99: number }
  }[]
}

/** Undefined without a Chromium. */
export const timelineBench = async (): Promise<{ text: string; figures: TimelineFigures } | undefined> => {
  const chromium = await openChromium(REPOSITORY)
  if (chromium === undefined) return undefined
  try {
    return await chromium.inPage(
      '/',
      (page) => page.addInitScript(watchFrames),
      async (page) => {
        await openTrace(page)
        const { spans, lanes } = await page.evaluate(
          () => (window as unknown as TracedWindow).playground.trace() ?? { spans: 0, lanes: [] },
        )
        const ways: TimelineFigures['ways'][number][] = []
        for (const { name, turns, search } of WAYS) {
          if (search !== undefined) await page.getByLabel('Search functions').fill(search)
          const { draws, intervals } = await page.evaluate(turnWheel, { turns, count: FRAMES })
          ways.push({
            name,
            frames: draws.length,
            drawMs: { median: at(draws, 0.5), p99: at(draws, 0.99), worst: at(draws, 1) },
            frameMs: { median: at(intervals, 0.5), p99: at(intervals, 0.99) },
          })
        }
        const cell = (ms: number): string => `${ms.toFixed(2)}`.padStart(9)
        const text = [
          `${spans} spans in ${lanes.length} lanes; milliseconds of drawing a frame, limit ${LIMIT_MS}, and between frames`,
          `${''.padEnd(24)}${['median', 'p99', 'worst', 'frame', 'p99'].map((head) => head.padStart(9)).join('')}`,
          ...ways.map(
            ({ name, drawMs, frameMs }) =>
              `${name.padEnd(24)}${[drawMs.median, drawMs.p99, drawMs.worst, frameMs.median, frameMs.p99].map(cell).join('')}`,
          ),
        ].join('\n')
        return { text, figures: { spans, lanes: lanes.length, limitMs: LIMIT_MS, ways } }
      },
    )
  } finally {
    await chromium.close()
  }
}
