/** The number: guest time of the boot, large; wall time and instructions beside it. Counts while the boot runs. */
import { isOn, readyMark } from '../stores/machine-store.ts'
import { useMachine, usePhase } from './context.ts'
import { count, duration, said } from './quantity.ts'

export const BootNumber = () => {
  const phase = usePhase()
  const ready = useMachine(readyMark)
  const figures = useMachine((view) => view.figures)
  const hasEnd = useMachine((view) => (view.request?.expected.length ?? 0) > 0)
  const shown = ready ?? figures
  const guest = duration(shown?.guestNs ?? 0)
  const caption = ready ? 'booted in, guest time' : hasEnd || !isOn(phase) ? 'boot, guest time' : 'guest time'
  return (
    <div className="number" data-final={ready !== undefined} data-empty={shown === undefined}>
      <output className="number-guest" aria-label="Guest time" data-testid="guest-time">
        <span className="number-value">{shown ? guest.value : '–'}</span>
        <span className="number-unit">{shown ? guest.unit : ''}</span>
      </output>
      <dl className="number-beside">
        <div>
          <dt className="visually-hidden">What the number is</dt>
          <dd>{caption}</dd>
        </div>
        <div>
          <dt>wall</dt>
          <dd data-testid="wall-time">{shown ? said(duration(shown.wallMs * 1e6)) : '–'}</dd>
          <dd className="number-instructions">{shown ? `${said(count(shown.instructions))} instructions` : ''}</dd>
        </div>
      </dl>
    </div>
  )
}
