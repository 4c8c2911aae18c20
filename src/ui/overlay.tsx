/** What stands where the console will be: the machine about to boot, files on their way, a refusal. */
import { useEffect, useRef } from 'react'
import { sentence } from '../base/problem.ts'
import { boardWords } from '../settings/settings.ts'
import { standing } from '../stores/guest-files.ts'
import type { LoadingFile } from '../stores/machine-store.ts'
import { bootLength } from '../trace/views/compare.ts'
import { addedWords } from './added-files.tsx'
import { ConfirmButton } from './confirm-button.tsx'
import { useDesk, useForm, useGuestFiles, useMachine, useOpened, usePhase, usePlayground, useTrace } from './context.ts'
import { byteCount, count, duration, said } from './quantity.ts'
import { TraceFacts } from './trace-details.tsx'

const FirstVisit = () => {
  const playground = usePlayground()
  const form = useForm((state) => state)
  const guest = playground.guests.find(({ id }) => id === form.guestId)
  const { state, why } = standing(guest ?? { files: [] }, useGuestFiles())
  const canBoot = form.kernel !== undefined && state !== 'not here'
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (document.activeElement === document.body) button.current?.focus({ preventScroll: true })
  }, [])
  const rows: readonly (readonly [string, string])[] = [
    ['machine', boardWords(form)],
    ['kernel', form.kernel?.name ?? 'none chosen'],
    ...(form.initrd ? [['initrd', form.initrd.name] as const] : []),
    ...form.disks.map(
      (disk, index) => [`ld${index}`, disk.kind === 'netbsd-root' ? 'ext2 root' : disk.source.name] as const,
    ),
    ...(form.added.length > 0 ? [['files', addedWords(form.added)] as const] : []),
    ...(form.changes === 'keep' ? [['changes', 'kept in this browser'] as const] : []),
    ['append', form.cmdline || '(nothing)'],
  ]
  return (
    <button
      ref={button}
      type="button"
      className="overlay first-visit"
      disabled={!canBoot}
      onClick={() => playground.boot()}
    >
      <span className="first-title">{guest?.name ?? 'microVM'}</span>
      <span className="first-about">{guest?.summary}</span>
      {why && <span className="first-about">{why}</span>}
      <span className="first-rows">
        {rows.map(([name, value]) => (
          <span key={name} className="first-row">
            <span className="first-key">{name}</span>
            <span className="first-value">{value}</span>
          </span>
        ))}
      </span>
      <span className="first-call">
        {canBoot ? (
          <>
            <span className="when-keys">
              Press <kbd>Enter</kbd> to boot
            </span>
            <span className="when-touch">Tap to boot</span>
            <span className="cursor" aria-hidden="true" />
          </>
        ) : form.kernel ? (
          'Its files are not here: choose another guest'
        ) : (
          'Choose a kernel, or drop one here'
        )}
      </span>
    </button>
  )
}

/** A trace that came by link or file: who booted what, before anything else. Nothing runs. */
const Opened = ({ supported }: { readonly supported: boolean }) => {
  const playground = usePlayground()
  const desk = useDesk()
  const run = useTrace((view) => view.shown)
  if (!run) return null
  const { trace } = run
  const lines = trace.marks.flatMap((mark, index) => (mark.kind === 'console' ? [{ ...mark, index }] : []))
  const known = playground.guests.some(({ id, kernel }) => id === trace.meta.guest && kernel)
  return (
    <div className="overlay opened" data-testid="opened">
      <p className="overlay-title">
        {trace.meta.title} booted in {said(duration(bootLength(trace)))}
      </p>
      <p className="muted">
        A trace {run.origin === 'link' ? 'from a link' : 'from a file'}, {trace.spans.length.toLocaleString('en')}{' '}
        spans, {said(count(trace.endInstructions))} instructions. Nothing runs here yet.
      </p>
      <button
        type="button"
        className="button primary"
        disabled={!supported || !known}
        onClick={() => playground.bootShown()}
      >
        Boot it yourself
      </button>
      {!known && <p className="hint">Its kernel is not among the guests here: choose the file under Details.</p>}
      <TraceFacts trace={trace} />
      {lines.length > 0 && (
        <ol className="lines opened-lines" aria-label="Console lines of the trace">
          {lines.map(({ index, at, text }) => (
            <li key={index}>
              <button type="button" className="row-button mono" onClick={() => desk.goTo(index)}>
                <span className="muted">{said(duration(at))}</span> {text}
              </button>
            </li>
          ))}
        </ol>
      )}
    </div>
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
  const { guests } = usePlayground()
  const files = useMachine((view) => view.loading)
  const guestId = useMachine((view) => view.request?.guest)
  const status = useGuestFiles()
  // What the server is fetching from a publisher before it can hand it on.
  const coming = (guests.find(({ id }) => id === guestId)?.files ?? []).flatMap((file): readonly LoadingFile[] => {
    const known = status.files[file]
    return known?.state === 'coming' ? [{ file, loaded: known.received, total: known.total, bytesPerSecond: 0 }] : []
  })
  return (
    <div className="overlay">
      <p className="overlay-title">{title}</p>
      {[...coming, ...files].map((file) => (
        <FileProgress key={file.file} file={file} />
      ))}
    </div>
  )
}

/** Problems of what is kept; the boot can do without it, and mostly with it. */
const KEPT_PROBLEMS = new Set(['overlay-other-base', 'overlay-damaged', 'overlay-newer', 'kept-image-missing'])
const STORAGE_PROBLEMS = new Set([...KEPT_PROBLEMS, 'in-use', 'storage-full', 'storage-failed', 'no-storage'])

const Refused = () => {
  const playground = usePlayground()
  const problem = useMachine((view) => (view.state.name === 'refused' ? view.state.problem : undefined))
  const request = useMachine((view) => view.request)
  if (!problem) return null
  const keys = request?.disks.flatMap(({ keep }) => (keep ? [keep.key] : [])) ?? []
  return (
    <div className="overlay" role="alert" data-testid="problem" data-kind={problem.kind}>
      <p className="overlay-title">This did not boot</p>
      <p className="overlay-text">{sentence(problem)}</p>
      {keys.length > 0 && STORAGE_PROBLEMS.has(problem.kind) && (
        <div className="button-row">
          {problem.kind === 'overlay-other-base' && (
            <button type="button" className="button primary" onClick={() => playground.boot({ asKept: true })}>
              Boot the kept disk
            </button>
          )}
          <button
            type="button"
            className="button"
            onClick={() => {
              playground.form.setState({ changes: 'discard' })
              playground.boot()
            }}
          >
            Boot without keeping
          </button>
          {KEPT_PROBLEMS.has(problem.kind) && (
            <ConfirmButton
              verb="Discard what is kept"
              of=""
              question="Discard the kept changes, and boot?"
              onConfirm={() =>
                void Promise.all(keys.map((key) => playground.discardDisk(key))).then(() => playground.boot())
              }
            />
          )}
        </div>
      )}
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
  const opened = useOpened()
  // A trace needs no machine, and no shared memory.
  if (opened) return <Opened supported={supported} />
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
