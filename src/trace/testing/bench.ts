/** `npx tsx src/trace/testing/bench.ts`: what the room costs, medians of several runs. */
import { SpanBuilder } from '../span-builder.ts'
import { syntheticEvents } from './synthetic.ts'

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
  console.log(`${what.padEnd(48)}${ms.toFixed(1)} ms ${more}`)

const events = syntheticEvents(1_000_000)
let builder = new SpanBuilder()
const build = median(7, () => {
  builder = new SpanBuilder({ symbols: events.symbols })
  for (const slice of events.slices) builder.push(slice)
})
report(`spans of ${events.events} events (1 M calls)`, build, `${((build * 1e6) / events.events).toFixed(0)} ns/event`)
let trace = builder.snapshot()
report(
  'snapshot',
  median(5, () => void (trace = builder.snapshot())),
  `${trace.spans.length} spans, ${trace.stacks.length} stacks, min ${builder.minSpanNs} ns`,
)
