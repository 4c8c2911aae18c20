/** What stands where the console will be: the machine about to boot, files on their way, a refusal. */
import { useEffect, useRef } from 'react'
import { sentence } from '../base/problem.ts'
import type { LoadingFile } from '../stores/machine-store.ts'
import { useForm, useMachine, usePhase, usePlayground } from './context.ts'
import { byteCount, said } from './quantity.ts'

const FirstVisit = () => {
  const playground = usePlayground()
  const form = useForm((state) => state)
  const guest = playground.guests.find(({ id }) => id === form.guestId)
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (document.activeElement === document.body) button.current?.focus({ preventScroll: true })
  }, [])
  const rows: readonly (readonly [string, string])[] = [
    ['machine', `${form.profile}, 1 cpu, ${form.memoryMiB} MiB`],
    ['kernel', form.kernel?.name ?? 'none chosen'],
    ...(form.initrd ? [['initrd', form.initrd.name] as const] : []),
    ...form.disks.map(
      (disk, index) => [`ld${index}`, disk.kind === 'netbsd-root' ? 'ext2 root' : disk.source.name] as const,
    ),
    ['append', form.cmdline || '(nothing)'],
  ]
  return (
    <button
      ref={button}
      type="button"
      className="overlay first-visit"
      disabled={!form.kernel}
      onClick={() => playground.boot()}
    >
      <span className="first-title">{guest?.name ?? 'microVM'}</span>
      <span className="first-about">{guest?.summary}</span>
      <span className="first-rows">
        {rows.map(([name, value]) => (
          <span key={name} className="first-row">
            <span className="first-key">{name}</span>
            <span className="first-value">{value}</span>
          </span>
        ))}
      </span>
      <span className="first-call">
        {form.kernel ? (
          <>
            <span className="when-keys">
              Press <kbd>Enter</kbd> to boot
            </span>
            <span className="when-touch">Tap to boot</span>
            <span className="cursor" aria-hidden="true" />
          </>
        ) : (
          'Choose a kernel, or drop one here'
        )}
      </span>
    </button>
  )
}

const FileProgress = ({ file }: { readonly file: LoadingFile }) => {
  const { loaded, total, bytesPerSecond } = file
  const done = total !== undefined && loaded >= total
  const of = total === undefined ? '' : ` of ${said(byteCount(total))}`
  const rate = !done && bytesPerSecond > 0 ? `, ${said(byteCount(bytesPerSecond))}/s` : ''
  return (
    <div className="progress">
      <span className="progress-name">{file.file}</span>
      <progress aria-label={file.file} {...(total !== undefined && { value: loaded, max: Math.max(1, total) })} />
      <span className="progress-figures">
        {said(byteCount(loaded))}
        {of}
        {rate}
      </span>
    </div>
  )
}

const Loading = ({ title }: { readonly title: string }) => {
  const files = useMachine((view) => view.loading)
  return (
    <div className="overlay">
      <p className="overlay-title">{title}</p>
      {files.map((file) => (
        <FileProgress key={file.file} file={file} />
      ))}
    </div>
  )
}

const Refused = () => {
  const problem = useMachine((view) => (view.state.name === 'refused' ? view.state.problem : undefined))
  if (!problem) return null
  return (
    <div className="overlay" role="alert" data-testid="problem" data-kind={problem.kind}>
      <p className="overlay-title">This did not boot</p>
      <p className="overlay-text">{sentence(problem)}</p>
    </div>
  )
}

const Unsupported = () => (
  <div className="overlay" role="alert" data-testid="unsupported">
    <p className="overlay-title">No SharedArrayBuffer here</p>
    <p className="overlay-text">
      The guest’s memory is shared memory, which browsers give only to cross-origin-isolated pages; this page was served
      without the headers that ask for it. Try: open it over https or from localhost, reload once, or serve it with
      Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.
    </p>
  </div>
)

export const Overlay = ({ supported }: { readonly supported: boolean }) => {
  const phase = usePhase()
  if (!supported) return <Unsupported />
  switch (phase) {
    case 'first-visit':
      return <FirstVisit />
    case 'loading':
      return <Loading title="Loading" />
    case 'warming':
      return <Loading title="Warming the engine" />
    case 'refused':
      return <Refused />
    default:
      return null
  }
}
