/** The console: the terminal, what covers it when there is nothing to print, and what is said above it. */
import { useCallback, useEffect, useRef, useState } from 'react'
import { isOn, type Phase } from '../stores/machine-store.ts'
import { TEXT_MAX } from '../trace/model/text.ts'
import { LEAVE } from './console-keys.ts'
import { usePhase, usePlayground } from './context.ts'
import { focusChart } from './focus.ts'
import { CloseIcon, CopyIcon, DownIcon, PasteIcon, SearchIcon, UpIcon } from './icons.tsx'
import { KeyRow } from './key-row.tsx'
import { Notice } from './notice.tsx'
import { Overlay } from './overlay.tsx'
import { LEAVE_HINT, openTerminal, type TerminalHandle } from './terminal.ts'
import type { Appearance } from './terminal-theme.ts'

interface Matches {
  readonly index: number
  readonly total: number
}

interface SearchBoxProps {
  readonly matches: Matches
  readonly onFind: (text: string, direction: 'next' | 'previous', incremental: boolean) => void
  readonly onClose: () => void
}

const SearchBox = ({ matches, onFind, onClose }: SearchBoxProps) => {
  const [text, setText] = useState('')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const found = text === '' ? '' : matches.total === 0 ? 'none' : `${matches.index + 1} of ${matches.total}`
  return (
    <search className="search-box">
      <input
        ref={field}
        type="text"
        aria-label="Search the console"
        placeholder="Search"
        value={text}
        spellCheck={false}
        onChange={(event) => {
          setText(event.target.value)
          onFind(event.target.value, 'next', true)
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onClose()
          if (event.key === 'Enter') onFind(text, event.shiftKey ? 'previous' : 'next', false)
        }}
      />
      <span className="search-found" role="status">
        {found}
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Previous match"
        onClick={() => onFind(text, 'previous', false)}
      >
        <UpIcon />
      </button>
      <button type="button" className="icon-button" aria-label="Next match" onClick={() => onFind(text, 'next', false)}>
        <DownIcon />
      </button>
      <button type="button" className="icon-button" aria-label="Close search" onClick={onClose}>
        <CloseIcon />
      </button>
    </search>
  )
}

/** A mark's text is cut where it is very long. */
const isLine = (mark: string, line: string): boolean =>
  mark.length < TEXT_MAX ? mark.trimEnd() === line : line.startsWith(mark.slice(0, -1))

/** Keys are on the screen there, and focus would raise them. */
const hasTouchKeyboard = (): boolean => matchMedia('(pointer: coarse)').matches

const isGoing = (phase: Phase): boolean => phase === 'booting' || phase === 'running' || phase === 'idle'

interface ConsolePaneProps {
  readonly appearance: Appearance
  readonly supported: boolean
  readonly hidden: boolean
}

export const ConsolePane = ({ appearance, supported, hidden }: ConsolePaneProps) => {
  const playground = usePlayground()
  const desk = playground.trace
  const phase = usePhase()
  const place = useRef<HTMLDivElement>(null)
  const terminal = useRef<TerminalHandle>(undefined)
  const firstAppearance = useRef(appearance)
  const [searching, setSearching] = useState(false)
  const [matches, setMatches] = useState<Matches>({ index: -1, total: 0 })
  const [ctrl, setCtrl] = useState(false)

  useEffect(() => {
    const element = place.current
    if (!element) return
    let isGone = false
    void openTerminal(element, {
      console: playground.console,
      appearance: firstAppearance.current,
      onResize: (columns, rows) => playground.resizeConsole(columns, rows),
      onSearch: () => setSearching(true),
      onLeave: focusChart,
      onCtrlUsed: () => setCtrl(false),
      onMatches: (index, total) => setMatches({ index, total }),
      onLine: (text, nth) => {
        const { shown } = desk.view
        const marks = shown?.origin === 'boot' ? shown.trace.marks : []
        let seen = 0
        for (const [index, mark] of marks.entries())
          if (mark.kind === 'console' && isLine(mark.text, text) && seen++ === nth) {
            desk.goTo(index)
            return
          }
      },
    }).then((handle) => {
      if (isGone) {
        handle.dispose()
        return
      }
      terminal.current = handle
      const isFree = document.activeElement === document.body && !hasTouchKeyboard()
      if (isFree && playground.machine.getState().request) handle.focus()
    })
    return () => {
      isGone = true
      terminal.current?.dispose()
      terminal.current = undefined
    }
  }, [playground, desk])

  // A span selected in the timeline selects what was printed while it ran.
  useEffect(
    () =>
      desk.store.subscribe((view, before) => {
        if (view.selected === before.selected || view.shown?.origin !== 'boot' || view.shown.live) return
        const { marks } = view.shown.trace
        const lines = desk.selectedMarks().map((index) => {
          const text = marks[index]?.text.trimEnd() ?? ''
          const nth = marks
            .slice(0, index)
            .filter((mark) => mark.kind === 'console' && mark.text.trimEnd() === text).length
          return { text, nth }
        })
        terminal.current?.selectLines(lines.filter(({ text }) => text !== ''))
      }),
    [desk],
  )

  useEffect(() => terminal.current?.setAppearance(appearance), [appearance])
  useEffect(() => terminal.current?.armCtrl(ctrl), [ctrl])
  // Booted or resumed by a button, the next key is meant for the guest. One that wakes up by itself takes no focus.
  const before = useRef(phase)
  useEffect(() => {
    if (isGoing(phase) && !isGoing(before.current) && !hasTouchKeyboard()) terminal.current?.focus()
    before.current = phase
  }, [phase])

  const endSearch = useCallback(() => {
    setSearching(false)
    terminal.current?.endSearch()
  }, [])

  const copy = () => void navigator.clipboard?.writeText(terminal.current?.selection() || playground.console.text())
  const paste = () =>
    void navigator.clipboard
      ?.readText()
      .then((text) => terminal.current?.paste(text))
      .catch(() => {})

  return (
    <section className="console" aria-label="Serial console" hidden={hidden}>
      <div className="pane-bar">
        <h2 className="pane-title">
          Console <span className="pane-sub">com0</span>
        </h2>
        <p id={LEAVE_HINT} className="leave-hint">
          Keys go to the guest, Tab too. <kbd>{LEAVE.face}</kbd> leaves.
        </p>
        <div className="pane-tools">
          {searching && (
            <SearchBox
              matches={matches}
              onFind={(text, direction, incremental) => terminal.current?.find(text, direction, incremental)}
              onClose={endSearch}
            />
          )}
          {!searching && (
            <button
              type="button"
              className="icon-button"
              aria-label="Search the console"
              title="Search (Ctrl+Shift+F)"
              onClick={() => setSearching(true)}
            >
              <SearchIcon />
            </button>
          )}
          <button
            type="button"
            className="icon-button"
            aria-label="Copy the selection, or everything"
            title="Copy (Ctrl+Shift+C)"
            onClick={copy}
          >
            <CopyIcon />
          </button>
          <button type="button" className="icon-button" aria-label="Paste" title="Paste (Ctrl+Shift+V)" onClick={paste}>
            <PasteIcon />
          </button>
        </div>
      </div>
      <Notice />
      <div className="terminal-frame">
        <div className="terminal-place" ref={place} data-testid="terminal" />
        <Overlay supported={supported} />
      </div>
      <KeyRow
        hidden={!isOn(phase)}
        ctrl={ctrl}
        onCtrl={() => {
          setCtrl(!ctrl)
          terminal.current?.focus()
        }}
        onKey={(key) => terminal.current?.press(key)}
        onKeyboard={() => terminal.current?.focus()}
      />
    </section>
  )
}
