import { type CSSProperties, useEffect, useState } from 'react'
import { gatherDropped } from '../stores/added-files.ts'
import type { Playground } from '../stores/playground.ts'
import { useAppearance, useIsNarrow } from './appearance.ts'
import { Asking } from './asking.tsx'
import { ConsolePane } from './console-pane.tsx'
import { PlaygroundContext, usePhase, usePlayground, useSettings, useTrace } from './context.ts'
import { DetailsPane } from './details-pane.tsx'
import { FileBrowser } from './file-browser.tsx'
import { Header } from './header.tsx'
import { PHASE_WORDS } from './phase-words.ts'
import { Split, timelineDefault } from './split.tsx'
import { TimelinePane } from './timeline/timeline-pane.tsx'

type Tab = 'console' | 'timeline'
const TABS: readonly { readonly tab: Tab; readonly name: string }[] = [
  { tab: 'console', name: 'Console' },
  { tab: 'timeline', name: 'Timeline' },
]

/** Files dropped anywhere go where they belong. */
const useDrop = (): boolean => {
  const playground = usePlayground()
  const [over, setOver] = useState(false)
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setOver(true)
    }
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false)
    }
    const onDrop = (event: DragEvent) => {
      setOver(false)
      if (event.defaultPrevented || !hasFiles(event)) return
      event.preventDefault()
      void gatherDropped(event.dataTransfer?.items ?? []).then((found) =>
        found.ok ? playground.drop(found.value) : playground.complaint.setState({ problem: found.problem }),
      )
    }
    window.addEventListener('dragover', onOver)
    window.addEventListener('dragleave', onLeave)
    window.addEventListener('drop', onDrop)
    return () => {
      window.removeEventListener('dragover', onOver)
      window.removeEventListener('dragleave', onLeave)
      window.removeEventListener('drop', onDrop)
    }
  }, [playground])
  return over
}

const Page = ({ supported }: { readonly supported: boolean }) => {
  const { settings } = usePlayground()
  const appearance = useAppearance()
  const isNarrow = useIsNarrow()
  const phase = usePhase()
  const kept = useSettings((state) => state.detailsOpen)
  const timelineHeight = useSettings((state) => state.timelineHeight) ?? timelineDefault()
  const comparing = useTrace((view) => view.comparing !== undefined)
  const [sheetOpen, setSheetOpen] = useState(false)
  const [tab, setTab] = useState<Tab>('console')
  const isDropping = useDrop()
  const detailsOpen = isNarrow ? sheetOpen : kept
  const setDetails = (open: boolean) => {
    if (isNarrow) setSheetOpen(open)
    else settings.setState({ detailsOpen: open })
  }

  // A crash or a fault has its report in the details: on a wide page show it.
  useEffect(() => {
    if (phase === 'crashed' || phase === 'fault') settings.setState({ detailsOpen: true })
  }, [phase, settings])

  return (
    <div
      className="app"
      data-phase={phase}
      data-details={detailsOpen && !isNarrow}
      style={
        { '--timeline-height': comparing ? `max(62dvh, ${timelineHeight}px)` : `${timelineHeight}px` } as CSSProperties
      }
    >
      <Header supported={supported} detailsOpen={detailsOpen} onDetails={() => setDetails(!detailsOpen)} />
      {isNarrow && (
        <div className="tabs" role="tablist" aria-label="Views">
          {TABS.map(({ tab: which, name }) => (
            <button
              key={which}
              type="button"
              role="tab"
              className="tab"
              aria-selected={tab === which}
              onClick={() => setTab(which)}
            >
              {name}
            </button>
          ))}
        </div>
      )}
      <main className="main">
        <ConsolePane appearance={appearance} supported={supported} hidden={isNarrow && tab !== 'console'} />
        {detailsOpen && <DetailsPane asSheet={isNarrow} supported={supported} onClose={() => setDetails(false)} />}
      </main>
      {!isNarrow && <Split />}
      <TimelinePane
        appearance={appearance}
        hidden={isNarrow && tab !== 'timeline'}
        onDetails={() => setDetails(true)}
      />
      <p className="visually-hidden" role="status" aria-live="polite">
        {PHASE_WORDS[phase].spoken}
      </p>
      <FileBrowser />
      <Asking />
      {isDropping && (
        <div className="drop-ground">Drop a kernel, a disk image, files for its root, a saved machine, or a trace</div>
      )}
    </div>
  )
}

export interface AppProps {
  readonly playground: Playground
  /** The page is cross-origin isolated, so that shared memory exists. */
  readonly supported: boolean
}

export const App = ({ playground, supported }: AppProps) => (
  <PlaygroundContext value={playground}>
    <Page supported={supported} />
  </PlaygroundContext>
)
