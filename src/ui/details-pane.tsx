import { useEffect, useRef } from 'react'
import { BootFormPanel } from './boot-form.tsx'
import { DisksSection } from './disks-section.tsx'
import { CloseIcon } from './icons.tsx'
import { KeptSection } from './kept-section.tsx'
import { LiveFigures } from './live-figures.tsx'
import { Reports } from './reports.tsx'
import { SavedSection } from './saved-section.tsx'
import { LessonsSection, RunsSection, SelectionSection, TraceSection } from './trace-details.tsx'

interface DetailsPaneProps {
  readonly asSheet: boolean
  readonly supported: boolean
  readonly onClose: () => void
}

export const DetailsPane = ({ asSheet, supported, onClose }: DetailsPaneProps) => {
  const pane = useRef<HTMLElement>(null)
  useEffect(() => {
    if (asSheet) pane.current?.focus()
  }, [asSheet])
  return (
    <>
      {asSheet && <div className="sheet-ground" aria-hidden="true" onClick={onClose} />}
      <aside
        id="details"
        ref={pane}
        className={asSheet ? 'details sheet' : 'details'}
        aria-label="Details"
        tabIndex={-1}
        onKeyDown={(event) => {
          if (event.key === 'Escape' && asSheet) onClose()
        }}
      >
        <div className="pane-bar">
          <h2 className="pane-title">Details</h2>
          <button type="button" className="icon-button" aria-label="Close details" onClick={onClose}>
            <CloseIcon />
          </button>
        </div>
        <div className="details-body">
          <Reports />
          <SelectionSection />
          <TraceSection />
          <LessonsSection />
          <RunsSection />
          <LiveFigures />
          <DisksSection />
          <SavedSection supported={supported} />
          <BootFormPanel />
          <KeptSection />
        </div>
      </aside>
    </>
  )
}
