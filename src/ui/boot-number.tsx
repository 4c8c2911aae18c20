/** The number: guest time of the boot, large; wall time and instructions beside it. Counts while the boot runs. */
import { isOn, readyMark } from '../stores/machine-store.ts'
import type { Run } from '../stores/trace-store.ts'
import { bootLength } from '../trace/views/compare.ts'
import { useMachine, useOpened, usePhase } from './context.ts'
import { count, duration, said } from './quantity.ts'

/** Of a trace that came by link or file, while no machine has a number of its own. */
const OpenedNumber = ({ run }: { readonly run: Run }) => {
  const { trace } = run
  const guest = duration(bootLength(trace))
  return (
    <div className="number" data-final={true}>
      <output className="number-guest" aria-label="Guest time" data-testid="guest-time">
        <span className="number-value">{guest.value}</span>
        <span className="number-unit">{guest.unit}</span>
      </output>
      <dl className="number-beside">
        <div className="number-caption">
          <dt className="visually-hidden">What the number is</dt>
          <dd>{trace.meta.title}, guest time</dd>
        </div>
        <div className="number-instructions">
          <dd>{said(count(trace.endInstructions))}</dd>
          <dt>instructions</dt>
        </div>
      </dl>
    </div>
  )
}

export const BootNumber = () => {
  const opened = useOpened()
  return opened ? <OpenedNumber run={opened} /> : <MachineNumber />
}

const MachineNumber = () => {
  const phase = usePhase()
  const ready = useMachine(readyMark)
  const figures = useMachine((view) => view.figures)
  const resumed = useMachine((view) => view.resumed)
  const hasEnd = useMachine((view) => (view.request?.expected.length ?? 0) > 0)
  const shown = ready ?? figures
  const guest = duration(shown?.guestNs ?? 0)
  const caption = resumed?.ready
    ? 'its boot, guest time'
    : ready
      ? 'booted, guest time'
      : hasEnd || !isOn(phase)
        ? 'boot, guest time'
        : 'guest time'
  return (
    <div className="number" data-final={ready !== undefined} data-empty={shown === undefined}>
      <output className="number-guest" aria-label="Guest time" data-testid="guest-time">
        <span className="number-value">{shown ? guest.value : '0'}</span>
        <span className="number-unit">{shown ? guest.unit : 'ms'}</span>
      </output>
      <dl className="number-beside">
        <div className="number-caption">
          <dt className="visually-hidden">What the number is</dt>
          <dd>{caption}</dd>
        </div>
        {shown && (
          <>
            <div className="number-wall">
              <dd data-testid="wall-time">{said(duration(shown.wallMs * 1e6))}</dd>
              <dt>wall time</dt>
            </div>
            <div className="number-instructions">
              <dd>{said(count(shown.instructions))}</dd>
              <dt>instructions</dt>
            </div>
          </>
        )}
      </dl>
    </div>
  )
}
