/** What a tooltip says, and the details pane with it. */
import type { Scene } from '../../stores/scene.ts'
import { timelineOf } from '../../stores/scene.ts'
import { SUBSYSTEMS } from '../../trace/model/subsystems.ts'
import { NO_FUNCTION, spanName, type Trace } from '../../trace/model/trace.ts'
import { threeFigures } from '../quantity.ts'
import { subsystemOfFunction } from './palette.ts'
import { amount } from './ruler.ts'

export const percent = (share: number): string => `${threeFigures(share * 100)}\u00a0%`

/** Time of a span that none of its children has. */
export const selfOf = (trace: Trace, span: number): number => {
  const timeline = timelineOf(trace, 'guest')
  let self = trace.spans.end[span]! - trace.spans.start[span]!
  let child = timeline.child(span)
  for (let guard = 0; child >= 0 && guard < 20_000; guard++) {
    if (trace.spans.start[child]! >= trace.spans.end[span]!) break
    self -= trace.spans.end[child]! - trace.spans.start[child]!
    child = timeline.neighbour(child, 1)
  }
  return Math.max(0, self)
}

export const subsystemName = (trace: Trace, func: number): string =>
  func === NO_FUNCTION ? 'idle' : (SUBSYSTEMS[subsystemOfFunction(trace, func)] ?? 'other')

export const tooltipLines = (scene: Scene, box: number): readonly string[] => {
  const { trace } = scene
  const func = scene.funcOf(box)
  const width = scene.endOf(box) - scene.startOf(box)
  const lines = [spanName(trace, func)]
  const share = percent(width / Math.max(1, scene.end - scene.start))
  if (scene.mode === 'time') {
    lines.push(`${amount(width, scene.unit)}, ${share} of the trace`)
    const self = trace.pruned ? 'outside drawn calls' : 'self'
    lines.push(`${self} ${amount(selfOf(trace, box), 'ns')}, from ${amount(scene.startOf(box), scene.unit)}`)
    const calls = trace.spans.calls[box]!
    if (calls > 1) lines.push(`${calls} short calls drawn as one`)
    if (calls === 0) lines.push('goes on after a context switch')
  } else lines.push(`${amount(width, scene.unit)}, ${share}`)
  lines.push(subsystemName(trace, func))
  return lines
}
