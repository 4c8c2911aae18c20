/** Puts trace sessions on this worker's ports: one machine after another, so that the code stays warm. */
import { problem } from '../base/problem.ts'
import { unpackText } from '../storage/packed-text.ts'
import { readTrace } from '../trace/formats/trace-file.ts'
import type { Trace } from '../trace/model/trace.ts'
import { EventRing } from './event-ring.ts'
import type { MachineToTrace, TraceAsk, TraceAttachment, TraceEvent } from './protocol.ts'
import { TraceSession } from './trace-session.ts'
import { warmUp } from './trace-warm-up.ts'

const lost = (error: unknown) =>
  problem(
    'trace-lost',
    `the trace worker failed (${error instanceof Error ? error.message : String(error)}), and this boot goes on untraced`,
    'a recording to the prompt',
    'boot again, and report this if it happens again',
  )

/** Of a kept machine; undefined where it cannot be read. */
const traceIn = async (kept: Blob): Promise<Trace | undefined> => {
  try {
    const read = readTrace(await unpackText(kept))
    return read.ok ? read.value : undefined
  } catch {
    return undefined
  }
}

/** `onBoot` hears of each boot's first message. Answers how to let go again. */
const attach = ({ ring: buffer, eager, machine, page }: TraceAttachment, onBoot: () => void): (() => void) => {
  const ring = new EventRing(buffer)
  const post = (event: TraceEvent, transfer: Transferable[] = []): void => page.postMessage(event, transfer)
  const session = new TraceSession({
    ring,
    eager,
    nowMs: () => performance.now(),
    post: (update, transfer) => post({ type: 'trace', update }, transfer),
  })
  let timer: ReturnType<typeof setTimeout> | undefined
  const detach = (): void => {
    clearTimeout(timer)
    ring.close()
    machine.close()
    page.close()
  }
  const guarded = (act: () => void): void => {
    try {
      act()
      clearTimeout(timer)
      const { quietMs } = session
      if (quietMs !== undefined) timer = setTimeout(() => guarded(() => session.catchUp()), quietMs)
    } catch (error) {
      post({ type: 'trace-lost', problem: lost(error) })
      ring.close()
      machine.close()
    }
  }
  machine.onmessage = ({ data }: MessageEvent<MachineToTrace>) => {
    if (data.type === 'begin') onBoot()
    guarded(() => session.take(data))
  }
  page.onmessage = ({ data }: MessageEvent<TraceAsk>) => {
    if (data === 'show') guarded(() => session.show())
    else void traceIn(data.kept).then((trace) => trace && session.adopt(trace))
  }
  ring.touch()
  return detach
}

export const serveTrace = (): void => {
  let detach: (() => void) | undefined
  const exercise = warmUp()
  // Step by step, so that a boot need not wait for the rest of it.
  const goOn = (): void => {
    if (!exercise.next().done) setTimeout(goOn, 0)
  }
  addEventListener('message', ({ data }: MessageEvent<TraceAttachment>) => {
    detach?.()
    detach = attach(data, () => exercise.return())
  })
  setTimeout(goOn, 0)
}
