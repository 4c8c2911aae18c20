/** `npx tsx src/trace/testing/bench.ts`: what the room costs, medians of several runs. */
import { exportTrace, TRACE_FORMATS } from '../formats/export.ts'
import { importTrace } from '../formats/import-trace.ts'
import { readLink, writeLink } from '../formats/link.ts'
import { SpanBuilder } from '../spans/span-builder.ts'
import { leftHeavy, sandwich } from '../views/merged-stacks.ts'
import { Boxes, search, Timeline } from '../views/timeline.ts'
import { syntheticEvents, syntheticTrace } from './synthetic.ts'

const median = (runs: number, run: () => void): number => {
  const times: number[] = []
  for (let k = 0; k < runs; k++) {
    const began = performance.now()
    run()
    times.push(performance.now() - began)
  }
  return times.sort((a, b) => a - b)[runs >> 1]!
}
const report = (what: string, ms: number, more = ''): void =>
  console.log(`${what.padEnd(44)}${ms.toFixed(ms < 10 ? 2 : 0).padStart(8)} ms  ${more}`)

for (const calls of [1_000_000, 2_000_000]) {
  const events = syntheticEvents(calls)
  let builder = new SpanBuilder()
  const build = median(5, () => {
    builder = new SpanBuilder({ symbols: events.symbols })
    for (const slice of events.slices) builder.push(slice)
  })
  const rate = `${((build * 1e6) / events.events).toFixed(0)} ns/event, ${builder.spans} spans`
  report(`spans of ${(events.events / 1e6).toFixed(2)} M events (${calls / 1e6} M calls)`, build, rate)
  let stacks = 0
  const snapshot = median(5, () => (stacks = builder.snapshot().stacks.length))
  report('  snapshot', snapshot, `${stacks} stacks`)
  let drawn = 0
  const live = median(5, () => (drawn = builder.live(200_000, 8000, 0).spans.length))
  report('  what can be drawn while booting', live, `${drawn} spans`)
}

const trace = syntheticTrace(200_000)
const count = `${trace.spans.length} spans`
let timeline = new Timeline(trace)
report(
  'timeline made',
  median(5, () => (timeline = new Timeline(trace))),
  count,
)
const boxes = new Boxes()
const WIDTH = 1500
const frame = (from: number, to: number): number => {
  let drawn = 0
  for (let row = 0; row < timeline.rows.length; row++) {
    timeline.query(row, from, to, (to - from) / WIDTH, boxes)
    drawn += boxes.length
  }
  return drawn
}
let drawn = 0
const first = median(1, () => (drawn = frame(0, timeline.end)))
report('  first frame, all of it', first, `${drawn} boxes of ${WIDTH} px, levels made`)
report(
  '  a frame, all of it',
  median(101, () => (drawn = frame(0, timeline.end))),
  `${drawn} boxes`,
)
let worst = 0
const zoom = median(1, () => {
  for (let k = 0; k < 400; k++) {
    const width = timeline.end * 0.97 ** k
    const began = performance.now()
    frame(timeline.end * 0.4 - width * 0.4, timeline.end * 0.4 + width * 0.6)
    worst = Math.max(worst, performance.now() - began)
  }
})
report('  a frame while zooming in', zoom / 400, `worst ${worst.toFixed(2)} ms`)
report(
  '  hit',
  median(101, () => timeline.hit(5, timeline.end / 3)),
)
report(
  '  search',
  median(11, () => search(trace, 'uvm')),
)
report(
  'left-heavy',
  median(5, () => leftHeavy(trace.stacks)),
  `${trace.stacks.length} stacks`,
)
report(
  'sandwich',
  median(5, () => sandwich(trace.stacks, 3)),
)
let link = writeLink(trace)
report(
  'link written',
  median(3, () => (link = writeLink(trace))),
  `${link.spans} spans in ${link.fragment.length} characters`,
)
report(
  'link read',
  median(5, () => readLink(link.fragment)),
)
for (const format of TRACE_FORMATS) {
  let text = ''
  const write = median(1, () => (text = exportTrace(trace, format)))
  report(`${format} written`, write, `${(text.length / 1e6).toFixed(1)} MB`)
  report(
    `${format} read`,
    median(1, () => importTrace(text)),
  )
}
