import type { ReactNode } from 'react'
import { boardWords } from '../settings/settings.ts'
import { readyMark } from '../stores/machine-store.ts'
import { useMachine, usePhase } from './context.ts'
import { PHASE_WORDS } from './phase-words.ts'
import { byteCount, count, duration, said, threeFigures } from './quantity.ts'

const Row = ({ name, children, id }: { readonly name: string; readonly children: ReactNode; readonly id?: string }) => (
  <div className="figure">
    <dt>{name}</dt>
    <dd data-testid={id}>{children}</dd>
  </div>
)

export const LiveFigures = () => {
  const phase = usePhase()
  const figures = useMachine((view) => view.figures)
  const ready = useMachine(readyMark)
  const kernel = useMachine((view) => view.kernel)
  const request = useMachine((view) => view.request)
  if (!figures && !kernel) return null
  const busy = figures ? `${threeFigures(figures.busy * 100)}\u00a0% of one CPU` : '–'
  return (
    <section className="details-section" aria-labelledby="figures-title">
      <h3 id="figures-title">Machine</h3>
      <dl className="figures">
        <Row name="State">
          {PHASE_WORDS[phase].chip}
          {phase === 'idle' && <span className="muted">, waits for input</span>}
        </Row>
        <Row name="Host load">{phase === 'running' || phase === 'booting' || phase === 'idle' ? busy : '–'}</Row>
        <Row name="Guest time">{figures ? said(duration(figures.guestNs)) : '–'}</Row>
        <Row name="Wall time">{figures ? said(duration(figures.wallMs * 1e6)) : '–'}</Row>
        <Row name="Instructions" id="instructions">
          {figures ? said(count(figures.instructions)) : '–'}
        </Row>
        <Row name="Speed">{figures && figures.mips > 0 ? `${threeFigures(figures.mips)}\u00a0MIPS` : '–'}</Row>
        {ready && (
          <Row name="Boot">
            {said(duration(ready.guestNs))} <span className="muted">guest,</span> {said(duration(ready.wallMs * 1e6))}{' '}
            <span className="muted">wall</span>
          </Row>
        )}
        {request && <Row name="Board">{boardWords(request)}</Row>}
        {kernel && (
          <Row name="Kernel">
            ELF{kernel.elfClass}, {said(byteCount(kernel.bytes))}, entry 0x{kernel.entry.toString(16)}
          </Row>
        )}
        {kernel && (
          <Row name="Command line">
            <code>{kernel.cmdline}</code>
          </Row>
        )}
      </dl>
    </section>
  )
}
