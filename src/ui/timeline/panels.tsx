/** What opens over the page and closes again: sharing, keys, what to compare with. */
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { encode } from 'uqr'
import { SHORT_BUDGET, writeLink } from '../../trace/formats/link.ts'
import { CONSOLE_KEYS } from '../console-keys.ts'
import { useDesk, useTrace } from '../context.ts'
import { byteCount, said } from '../quantity.ts'
import { Sheet as Dialog } from '../sheet.tsx'
import { GESTURE_WORDS } from './flame-gestures.ts'
import { CHART_KEYS } from './flame-keys.ts'
import { runWords } from './run-words.ts'

const Sheet = (props: { readonly title: string; readonly id: string; readonly children: ReactNode }) => {
  const desk = useDesk()
  return <Dialog {...props} onClose={() => desk.store.setState({ panel: undefined })} />
}

/** A code of this many characters is 133 modules wide, and still read off a projector’s screen. */
const QR_BUDGET = 1800

const Qr = ({ text }: { readonly text: string }) => {
  const code = useMemo(() => {
    try {
      return encode(text, { ecc: 'L', border: 2 })
    } catch {
      return undefined
    }
  }, [text])
  if (!code) return <p className="hint">The address of this page is too long for a QR code.</p>
  const path = code.data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('')
  return (
    <svg className="qr" viewBox={`0 0 ${code.size} ${code.size}`} role="img" aria-label="QR code of the link">
      <rect width={code.size} height={code.size} fill="#ffffff" />
      <path d={path} fill="#000000" shapeRendering="crispEdges" />
    </svg>
  )
}

type Length = 'stages' | 'spans'

interface Shared {
  readonly fragment: string
  /** In words, what it holds. */
  readonly holds: string
}

const SharePanel = () => {
  const desk = useDesk()
  const run = useTrace((view) => view.shown)
  const comparing = useTrace((view) => view.comparing)
  const [copied, setCopied] = useState<'not yet' | 'yes' | 'no'>('not yet')
  const [length, setLength] = useState<Length>('spans')
  const base = `${location.origin}${location.pathname}`
  const made = useMemo((): Shared | undefined => {
    const stagesOnly = length === 'stages'
    if (comparing)
      return {
        fragment: desk.comparisonLink(base, stagesOnly) ?? '',
        holds: `It holds both boots of the comparison, ${stagesOnly ? 'their stages and exact sums of subsystems' : 'with their longest spans and exact sums'}.`,
      }
    if (!run) return undefined
    if (stagesOnly) {
      const { fragment } = writeLink(run.trace, { budget: SHORT_BUDGET, stagesOnly })
      return { fragment, holds: 'It holds the stages and exact sums of subsystems, and no spans.' }
    }
    const link = desk.link(base)
    if (!link) return undefined
    const spans = link.spans.toLocaleString('en')
    const holds =
      link.pruned > 0
        ? `It holds the ${spans} longest spans, and exact sums of functions, subsystems and stages.`
        : `It holds all ${spans} spans.`
    return { fragment: link.fragment, holds }
  }, [desk, run, comparing, base, length])
  const small = useMemo(() => {
    if (!run) return undefined
    if (comparing) return { fragment: desk.comparisonLink(base, true) ?? '', spans: 0 }
    return writeLink(run.trace, { budget: Math.max(400, QR_BUDGET - base.length) })
  }, [desk, run, comparing, base])
  const url = made ? `${base}${made.fragment}` : ''
  const copy = useMemo(
    () => () => {
      const done = navigator.clipboard?.writeText(url)
      if (done)
        done.then(
          () => setCopied('yes'),
          () => setCopied('no'),
        )
      else setCopied('no')
    },
    [url],
  )
  useEffect(() => copy(), [copy])
  if (!run || !made || !small) return null
  return (
    <Sheet title={comparing ? 'Share this comparison' : 'Share this trace'} id="share-title">
      <p>
        The link is the {comparing ? 'comparison' : 'trace'}: nothing is uploaded, and it opens without a boot.{' '}
        {made.holds}
      </p>
      <fieldset className="segments" aria-label="Length">
        {(['spans', 'stages'] as const).map((which) => (
          <button
            key={which}
            type="button"
            className="segment"
            aria-pressed={length === which}
            onClick={() => setLength(which)}
          >
            {which === 'spans' ? 'With spans' : 'Stages only'}
          </button>
        ))}
      </fieldset>
      <div className="share-line">
        <input
          type="text"
          readOnly
          value={url}
          aria-label="Link"
          data-testid="link"
          onFocus={(e) => e.target.select()}
        />
        <button type="button" className="button primary" onClick={copy}>
          Copy
        </button>
        {typeof navigator.share === 'function' && (
          <button
            type="button"
            className="button"
            onClick={() => void navigator.share({ title: run.name, url }).catch(() => {})}
          >
            Share
          </button>
        )}
      </div>
      <p className="hint" role="status" data-testid="copied">
        {copied === 'yes' ? 'Copied. ' : copied === 'no' ? 'The browser did not let us copy it; select and copy. ' : ''}
        {said(byteCount(url.length))}. Everything that was recorded is in the trace file, under Save or open.
      </p>
      <h3>For the room</h3>
      <Qr text={`${base}${small.fragment}`} />
      <p className="hint">
        The code holds the stages{small.spans > 0 ? ` and the ${small.spans.toLocaleString('en')} longest spans` : ''}.
      </p>
    </Sheet>
  )
}

interface KeyListProps {
  readonly rows: readonly { readonly face: string; readonly about: string }[]
  readonly id: string
}

const KeyList = ({ rows, id }: KeyListProps) => (
  <dl className="keys" data-testid={id}>
    {rows.map(({ face, about }) => (
      <div key={face}>
        <dt>
          <kbd>{face}</kbd>
        </dt>
        <dd>{about}</dd>
      </div>
    ))}
  </dl>
)

const KeysPanel = () => (
  <Sheet title="Keyboard and mouse" id="keys-title">
    <KeyList rows={[...CHART_KEYS, ...GESTURE_WORDS]} id="keys" />
    <h3>In the console</h3>
    <p className="hint">Its keys go to the guest, Tab and Escape too, but for these.</p>
    <KeyList rows={CONSOLE_KEYS} id="console-keys" />
  </Sheet>
)

const ComparePanel = () => {
  const desk = useDesk()
  const shown = useTrace((view) => view.shown)
  const runs = useTrace((view) => view.runs)
  const [link, setLink] = useState('')
  const [wrong, setWrong] = useState(false)
  const picker = useRef<HTMLInputElement>(null)
  if (!shown) return null
  const others = runs.filter(({ id }) => id !== shown.id)
  return (
    <Sheet title="Compare with" id="compare-title">
      {others.length === 0 ? (
        <p className="hint">This tab has no other run yet: boot again, or take a link or a file.</p>
      ) : (
        <ul className="runs" data-testid="runs">
          {others.map((run) => (
            <li key={run.id}>
              <button type="button" className="button run" onClick={() => desk.compare(run, shown)}>
                <span className="run-id">#{run.id}</span> {runWords(run)}
              </button>
            </li>
          ))}
        </ul>
      )}
      <form
        className="share-line"
        onSubmit={(event) => {
          event.preventDefault()
          const fragment = link.slice(Math.max(0, link.indexOf('#')))
          const isLink = desk.openLink(fragment.trim(), true)
          setWrong(!isLink)
          if (isLink) desk.store.setState({ panel: undefined })
        }}
      >
        <input
          type="text"
          aria-label="A link to a trace"
          placeholder="Paste a link"
          value={link}
          onChange={(event) => setLink(event.target.value)}
        />
        <button type="submit" className="button">
          Compare
        </button>
      </form>
      {wrong && <p className="hint">This is no link of this page’s: they have #v= in them.</p>}
      <button type="button" className="button" onClick={() => picker.current?.click()}>
        Choose a file
      </button>
      <input
        ref={picker}
        type="file"
        hidden
        data-testid="compare-file"
        onChange={(event) => {
          const [file] = event.target.files ?? []
          desk.store.setState({ panel: undefined })
          if (file) void desk.openFile(file, true)
        }}
      />
    </Sheet>
  )
}

export const Panels = () => {
  const panel = useTrace((view) => view.panel)
  switch (panel) {
    case 'share':
      return <SharePanel />
    case 'keys':
      return <KeysPanel />
    case 'compare':
      return <ComparePanel />
    default:
      return null
  }
}
