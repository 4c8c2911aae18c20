/** One line above the console when the machine is not simply running. The console below is kept. */
import type { ReactNode } from 'react'
import { useStore } from 'zustand'
import { sentence } from '../base/problem.ts'
import { isOn } from '../stores/machine-store.ts'
import { useMachine, usePhase, usePlayground } from './context.ts'
import { moment } from './quantity.ts'

interface NoticeLineProps {
  readonly tone: 'plain' | 'bad'
  readonly children: ReactNode
  readonly verb?: string
  readonly onVerb?: () => void
}

const NoticeLine = ({ tone, children, verb, onVerb }: NoticeLineProps) => (
  <div className="notice" data-tone={tone} role={tone === 'bad' ? 'alert' : 'status'}>
    <p>{children}</p>
    {verb && (
      <button type="button" className="button" onClick={onVerb}>
        {verb}
      </button>
    )}
  </div>
)

/** What went wrong beside the boot. */
const ComplaintLine = () => {
  const { complaint } = usePlayground()
  const problem = useStore(complaint, (state) => state.problem)
  if (!problem) return null
  return (
    <NoticeLine tone="bad" verb="Close" onVerb={() => complaint.setState({ problem: undefined })}>
      {sentence(problem)}
    </NoticeLine>
  )
}

const ResumedLine = () => {
  const playground = usePlayground()
  const resumed = useMachine((view) => view.resumed)
  const label = useMachine((view) => view.request?.label ?? '')
  const on = isOn(usePhase())
  if (!resumed || !on) return null
  const when = resumed.savedMs === undefined ? '' : ` on ${moment(resumed.savedMs)}`
  const words = {
    prompt: `Resumed at the prompt that ${label} reached${when}. It did not boot now.`,
    last: `Goes on where ${label} was when it was kept${when}.`,
    file: `Resumed from ${label}. It did not boot here.`,
  }[resumed.from]
  return (
    <NoticeLine
      tone="plain"
      verb="Boot it for real"
      onVerb={() => playground.replacing(() => void playground.bootForReal())}
    >
      {words}
    </NoticeLine>
  )
}

export const Notice = () => (
  <>
    <ComplaintLine />
    <ResumedLine />
    <PhaseNotice />
  </>
)

const PhaseNotice = () => {
  const playground = usePlayground()
  const phase = usePhase()
  const exit = useMachine((view) => (view.state.name === 'stopped' ? view.state.exit : undefined))
  const resumed = useMachine((view) => view.resumed !== undefined)
  const reset = () => playground.reset()
  switch (phase) {
    case 'paused':
      return <NoticeLine tone="plain">Paused. Guest time stands still.</NoticeLine>
    case 'off':
      return <NoticeLine tone="plain">Powered off. Its memory has been given back.</NoticeLine>
    case 'powered-off':
      return (
        <NoticeLine tone="plain" verb="Reset" onVerb={reset}>
          The guest powered off{exit?.reason === 'guest-exit' ? `, exit code ${exit.code}` : ''}.
        </NoticeLine>
      )
    case 'halted':
      return (
        <NoticeLine tone="plain" verb="Reset" onVerb={reset}>
          The guest halted: HLT, and no interrupt that it takes is left to wake it.
        </NoticeLine>
      )
    case 'reset':
      return (
        <NoticeLine tone="bad" verb="Reset" onVerb={reset}>
          The guest asked for a reset{resumed ? '' : ' before it had booted'}.
        </NoticeLine>
      )
    case 'crashed':
      return (
        <NoticeLine tone="bad" verb="Reset" onVerb={reset}>
          The guest crashed: triple fault{exit?.reason === 'triple-fault' ? `, ${exit.crash.cause}` : ''}.
        </NoticeLine>
      )
    case 'fault':
      return <NoticeLine tone="bad">The emulator failed; this is our defect, not the guest’s.</NoticeLine>
    default:
      return null
  }
}
