/** Export and import: files that other tools read, and theirs that we read. */
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { saveFile } from '../../stores/save-file.ts'
import { exportTrace, TRACE_EXTENSIONS, TRACE_FORMATS, type TraceFormat } from '../../trace/formats/export.ts'
import { useDesk, useTrace } from '../context.ts'
import type { FlameView } from './flame-view.ts'

const WORDS: Readonly<Record<TraceFormat, string>> = {
  native: 'Trace file, everything',
  chrome: 'Chrome trace events, for Perfetto',
  speedscope: 'speedscope',
  folded: 'Folded stacks, for flamegraph.pl',
}

const GAP_PX = 4

const fileName = (title: string): string =>
  title
    .replace(/(\.(trace|chrome|speedscope|folded))?\.(json|txt)$/, '')
    .replace(/[^\w.-]+/g, '-')
    .slice(0, 60) || 'boot'

/** Above the button where there is room, below it otherwise, and within the page. */
const beside = (button: HTMLElement, list: HTMLElement): void => {
  const { top, bottom, right } = button.getBoundingClientRect()
  const { offsetWidth, offsetHeight } = list
  const above = top - offsetHeight - GAP_PX
  const y = above >= GAP_PX ? above : Math.max(GAP_PX, Math.min(bottom + GAP_PX, innerHeight - offsetHeight - GAP_PX))
  list.style.top = `${y}px`
  list.style.left = `${Math.max(GAP_PX, Math.min(right, innerWidth - GAP_PX) - offsetWidth)}px`
}

export const FileMenu = ({ view }: { readonly view: FlameView | undefined }) => {
  const desk = useDesk()
  const shown = useTrace((state) => state.shown)
  const [open, setOpen] = useState(false)
  const menu = useRef<HTMLDivElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => {
    if (open && menu.current && list.current) beside(menu.current, list.current)
  }, [open])
  useEffect(() => {
    if (!open) return
    const away = (event: Event) => {
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !menu.current?.contains(event.target as Node))
        setOpen(false)
    }
    window.addEventListener('pointerdown', away)
    window.addEventListener('keydown', away)
    return () => {
      window.removeEventListener('pointerdown', away)
      window.removeEventListener('keydown', away)
    }
  }, [open])
  const name = fileName(shown?.name ?? 'boot')
  const act = (what: () => void) => () => {
    setOpen(false)
    what()
  }
  return (
    <div className="menu" ref={menu}>
      <button
        type="button"
        className="button small"
        aria-expanded={open}
        onClick={() => {
          // Files are of all that is recorded, also while it grows.
          if (!open) void desk.whole()
          setOpen(!open)
        }}
      >
        {shown ? 'Save or open' : 'Open'}
      </button>
      {open && (
        <div className="menu-list" ref={list} role="menu" aria-label="Trace files">
          {shown?.full &&
            TRACE_FORMATS.map((format) => (
              <button
                key={format}
                type="button"
                role="menuitem"
                onClick={act(() =>
                  saveFile(
                    new Blob([exportTrace(shown.trace, format)], { type: 'application/octet-stream' }),
                    `${name}${TRACE_EXTENSIONS[format]}`,
                  ),
                )}
              >
                {WORDS[format]}
              </button>
            ))}
          {shown && view && (
            <>
              <button
                type="button"
                role="menuitem"
                onClick={act(() => void view.picture().then((blob) => blob && saveFile(blob, `${name}.png`)))}
              >
                Picture of the view, PNG
              </button>
              <button
                type="button"
                role="menuitem"
                onClick={act(() => saveFile(new Blob([view.svg()], { type: 'image/svg+xml' }), `${name}.svg`))}
              >
                Picture of the view, SVG
              </button>
            </>
          )}
          <button type="button" role="menuitem" onClick={act(() => picker.current?.click())}>
            Open a trace
          </button>
        </div>
      )}
      <input
        ref={picker}
        type="file"
        hidden
        data-testid="trace-file"
        onChange={(event) => {
          const [file] = event.target.files ?? []
          if (file) void desk.openFile(file)
          event.target.value = ''
        }}
      />
    </div>
  )
}
