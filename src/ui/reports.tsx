/** What is known when a machine ends badly: the guest's registers and stack, or the engine's own report. */
import { useState } from 'react'
import { registerText } from '../base/registers.ts'
import type { MachineState } from '../stores/machine-store.ts'
import { useMachine } from './context.ts'

type Fault = Extract<MachineState, { readonly name: 'fault' }>['report']
type Registers = Fault['registers']

const RegisterList = ({ registers }: { readonly registers: Registers }) => (
  <dl className="registers">
    {Object.entries(registerText(registers)).map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

const CopyButton = ({ text, verb }: { readonly text: () => string; readonly verb: string }) => {
  const [copied, setCopied] = useState(false)
  return (
    <button
      type="button"
      className="button"
      onClick={() => void navigator.clipboard?.writeText(text()).then(() => setCopied(true))}
    >
      {copied ? 'Copied' : verb}
    </button>
  )
}

const list = (registers: Registers): string =>
  Object.entries(registerText(registers))
    .map(([name, value]) => `${name} ${value}`)
    .join('\n')

const faultText = (report: Fault): string =>
  [
    `NetBSD microVM playground, engine fault: ${report.message}`,
    `guest: ${report.label}`,
    `command line: ${report.cmdline}`,
    `instructions: ${report.instructions}`,
    `browser: ${navigator.userAgent}`,
    '',
    report.stack,
    '',
    list(report.registers),
    '',
    ...report.log,
  ].join('\n')

const CrashSection = () => {
  const crash = useMachine((view) =>
    view.state.name === 'stopped' && view.state.exit.reason === 'triple-fault' ? view.state.exit.crash : undefined,
  )
  if (!crash) return null
  return (
    <section className="details-section" aria-labelledby="crash-title" data-testid="crash">
      <h3 id="crash-title">Crash</h3>
      <p className="report-cause">{crash.cause}</p>
      <h4>Stack</h4>
      <ol className="stack">
        {crash.stack.map((frame, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a stack may hold the same frame twice and never changes
          <li key={index}>{frame}</li>
        ))}
      </ol>
      <h4>Registers</h4>
      <RegisterList registers={crash.registers} />
      <CopyButton
        verb="Copy report"
        text={() => [crash.cause, '', ...crash.stack, '', list(crash.registers)].join('\n')}
      />
    </section>
  )
}

const FaultSection = () => {
  const report = useMachine((view) => (view.state.name === 'fault' ? view.state.report : undefined))
  if (!report) return null
  return (
    <section className="details-section" aria-labelledby="fault-title" data-testid="fault">
      <h3 id="fault-title">Engine fault</h3>
      <p>
        Sorry: the emulator broke one of its own rules and stopped. Nothing the guest did should cause this. The report
        has what we need to find it.
      </p>
      <pre className="report">{faultText(report)}</pre>
      <CopyButton verb="Copy report" text={() => faultText(report)} />
    </section>
  )
}

export const Reports = () => (
  <>
    <CrashSection />
    <FaultSection />
  </>
)
