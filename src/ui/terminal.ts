/**
 * The console's terminal: xterm.js with its addons, fed by the console stream, outside React. WebGL draws where the
 * browser has it; where it has not, or loses it, xterm's own DOM renderer takes over.
 */
import { FitAddon } from '@xterm/addon-fit'
import { SearchAddon } from '@xterm/addon-search'
import { WebLinksAddon } from '@xterm/addon-web-links'
import { WebglAddon } from '@xterm/addon-webgl'
import { Terminal } from '@xterm/xterm'
import type { ConsoleStream } from '../stores/console-stream.ts'
import { consoleKey } from './console-keys.ts'
import { type Appearance, terminalTheme } from './terminal-theme.ts'
import { touchTerminal } from './terminal-touch.ts'

/** The element that says how to leave the console by keyboard. */
export const LEAVE_HINT = 'leave-hint'

export type Key = 'escape' | 'tab' | 'up' | 'down' | 'left' | 'right' | 'interrupt'

export interface TerminalOptions {
  readonly console: ConsoleStream
  readonly appearance: Appearance
  readonly onResize: (columns: number, rows: number) => void
  readonly onSearch: () => void
  /** The keyboard's way out. */
  readonly onLeave: () => void
  readonly onCtrlUsed: () => void
  readonly onMatches: (index: number, total: number) => void
  /** A line was clicked or tapped: its text, and how many lines above it read the same. */
  readonly onLine: (text: string, nth: number) => void
}

/** A whole line of the console, told apart from others that read the same. */
export interface ConsoleLine {
  readonly text: string
  readonly nth: number
}

export interface TerminalHandle {
  readonly renderer: 'webgl' | 'dom'
  focus(): void
  setAppearance(appearance: Appearance): void
  /** The next typed character is sent with Ctrl. */
  armCtrl(armed: boolean): void
  press(key: Key): void
  find(text: string, direction: 'next' | 'previous', incremental: boolean): void
  endSearch(): void
  selection(): string
  /** Selects from the first to the last of these lines and scrolls there; nothing clears it. */
  selectLines(lines: readonly ConsoleLine[]): void
  paste(text: string): void
  dispose(): void
}

const FONT = '"JetBrains Mono Variable", ui-monospace, Menlo, Consolas, monospace'
const SCROLLBACK = 10_000
/** Rather the fallback font than a console that waits for the network. */
const FONT_WAIT_MS = 1500

const ARROWS = { up: 'A', down: 'B', right: 'C', left: 'D' } as const

const webgl = (terminal: Terminal): boolean => {
  try {
    const addon = new WebglAddon()
    addon.onContextLoss(() => addon.dispose())
    terminal.loadAddon(addon)
    return true
  } catch {
    return false
  }
}

/**
 * The WebGL renderer sizes its canvas by the device pixels that a ResizeObserver reports. Where those disagree with
 * devicePixelRatio (device emulation in Playwright and in developer tools) it would draw nothing.
 */
const devicePixelsAgree = (element: HTMLElement): Promise<boolean> =>
  new Promise((resolve) => {
    const observer = new ResizeObserver(([entry]) => {
      observer.disconnect()
      const pixels = entry?.devicePixelContentBoxSize?.[0]?.inlineSize
      const width = entry?.contentRect.width ?? 0
      resolve(pixels === undefined || width === 0 || Math.abs(pixels / width - devicePixelRatio) < 0.05)
    })
    try {
      observer.observe(element, { box: 'device-pixel-content-box' })
    } catch {
      resolve(true)
    }
  })

/** Rasterisers that draw WebGL on the CPU, as UNMASKED_RENDERER_WEBGL names them. */
const SOFTWARE_RENDERERS = /swiftshader|llvmpipe|softpipe|software|basic render/i

/**
 * WebGL drawn by software holds the page's own thread up: measured without a GPU on two cores, the page waited 40-160 ms
 * for single frames while the guest and its compiler had the cores. failIfMajorPerformanceCaveat does not tell
 * (Chromium 156 hands out SwiftShader all the same), so the renderer's name decides.
 */
const hasHardwareWebgl = (): boolean => {
  const context = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true })
  if (!context) return false
  const names = context.getExtension('WEBGL_debug_renderer_info')
  const name = names ? String(context.getParameter(names.UNMASKED_RENDERER_WEBGL)) : ''
  context.getExtension('WEBGL_lose_context')?.loseContext()
  return !SOFTWARE_RENDERERS.test(name)
}

/** `?renderer=webgl` or `dom`, for tests and for comparing. */
const wantsWebgl = async (element: HTMLElement): Promise<boolean> => {
  const asked = new URLSearchParams(location.search).get('renderer')
  if (asked === 'webgl' || asked === 'dom') return asked === 'webgl'
  return hasHardwareWebgl() && (await devicePixelsAgree(element))
}

const fontSize = (): number => (matchMedia('(max-width: 599px), (max-height: 500px)').matches ? 12 : 15)

export const openTerminal = async (
  element: HTMLElement,
  { console, appearance, onResize, onSearch, onLeave, onCtrlUsed, onMatches, onLine }: TerminalOptions,
): Promise<TerminalHandle> => {
  // xterm measures its cell once: the font has to be there.
  const withWebgl = await wantsWebgl(element)
  await Promise.race([
    document.fonts.load(`${fontSize()}px ${FONT}`).catch(() => []),
    new Promise((resolve) => setTimeout(resolve, FONT_WAIT_MS)),
  ])
  const terminal = new Terminal({
    fontFamily: FONT,
    fontSize: fontSize(),
    lineHeight: 1.3,
    fontWeight: 400,
    fontWeightBold: 700,
    scrollback: SCROLLBACK,
    cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    cursorInactiveStyle: 'outline',
    theme: terminalTheme(appearance),
    macOptionIsMeta: true,
    allowProposedApi: true,
    minimumContrastRatio: 4.5,
  })
  const fit = new FitAddon()
  const search = new SearchAddon()
  terminal.loadAddon(fit)
  terminal.loadAddon(search)
  terminal.loadAddon(new WebLinksAddon((_event, uri) => window.open(uri, '_blank', 'noopener,noreferrer')))
  terminal.open(element)
  const renderer = withWebgl && webgl(terminal) ? 'webgl' : 'dom'
  element.dataset['renderer'] = renderer
  terminal.textarea?.setAttribute('aria-label', 'Serial console input')
  terminal.textarea?.setAttribute('aria-describedby', LEAVE_HINT)

  let ctrlArmed = false
  const send = (data: string) => {
    if (ctrlArmed && data.length === 1) {
      ctrlArmed = false
      onCtrlUsed()
      const code = data.toUpperCase().charCodeAt(0)
      console.send(code >= 0x40 && code < 0x60 ? String.fromCharCode(code & 0x1f) : data)
      return
    }
    console.send(data)
  }
  terminal.onData(send)
  terminal.onBinary((data) => console.send(Uint8Array.from(data, (char) => char.charCodeAt(0))))
  terminal.onResize(({ cols, rows }) => {
    element.dataset['size'] = `${cols}x${rows}`
    onResize(cols, rows)
  })
  search.onDidChangeResults(({ resultIndex, resultCount }) => onMatches(resultIndex, resultCount))

  terminal.attachCustomKeyEventHandler((event) =>
    consoleKey(event, {
      copy: () => void navigator.clipboard?.writeText(terminal.getSelection()),
      search: onSearch,
      leave: onLeave,
    }),
  )

  let frame = 0
  const refit = () => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(() => {
      if (element.clientWidth === 0 || element.clientHeight === 0) return
      const size = fontSize()
      if (terminal.options.fontSize !== size) terminal.options.fontSize = size
      fit.fit()
    })
  }
  const observer = new ResizeObserver(refit)
  observer.observe(element)
  fit.fit()
  element.dataset['size'] = `${terminal.cols}x${terminal.rows}`
  onResize(terminal.cols, terminal.rows)

  const detach = console.attach(
    (bytes, done) => terminal.write(bytes, done),
    () => terminal.reset(),
  )

  // Lines as the guest printed them: rows that only continue a wrapped one are joined to it.
  const wholeLines = (): { readonly text: string; readonly first: number; readonly last: number }[] => {
    const { active } = terminal.buffer
    const lines: { text: string; first: number; last: number }[] = []
    for (let row = 0; row < active.length; row++) {
      const line = active.getLine(row)
      if (!line) continue
      const last = lines.at(-1)
      if (line.isWrapped && last) {
        last.text += line.translateToString(false)
        last.last = row
      } else lines.push({ text: line.translateToString(false), first: row, last: row })
    }
    return lines.map((line) => ({ ...line, text: line.text.trimEnd() }))
  }
  let selectedByUs = false
  const lineAt = (row: number): void => {
    const lines = wholeLines()
    const at = lines.findIndex(({ first, last }) => row >= first && row <= last)
    const text = lines[at]?.text
    if (text) onLine(text, lines.slice(0, at).filter((line) => line.text === text).length)
  }
  // A click that brings the focus here says that somebody wants to type, and nothing about a line.
  let hadFocus = false
  const onMouseDown = () => {
    hadFocus = element.contains(document.activeElement)
  }
  const onClick = (event: MouseEvent) => {
    // Selecting text is no click.
    if (event.button !== 0 || !hadFocus || (terminal.hasSelection() && !selectedByUs)) return
    const screen = element.querySelector('.xterm-screen')
    if (!screen || terminal.modes.mouseTrackingMode !== 'none') return
    const box = screen.getBoundingClientRect()
    lineAt(terminal.buffer.active.viewportY + Math.floor(((event.clientY - box.top) / box.height) * terminal.rows))
  }
  element.addEventListener('mousedown', onMouseDown, { capture: true })
  element.addEventListener('click', onClick)
  const letGo = touchTerminal({
    terminal,
    element,
    onTap: (row) => {
      if (terminal.hasSelection() && !selectedByUs) {
        terminal.clearSelection()
        return
      }
      // Where the cursor is, and below it, somebody wants to type; a line above is asked about.
      const { baseY, cursorY } = terminal.buffer.active
      if (row >= baseY + cursorY) terminal.focus()
      else lineAt(row)
    },
    onArrows: (key, times) => {
      for (let k = 0; k < times; k++) press(key)
    },
  })
  terminal.onSelectionChange(() => {
    if (!terminal.hasSelection()) selectedByUs = false
  })

  const press = (key: Key): void => {
    if (key === 'escape') console.send('\x1b')
    else if (key === 'tab') console.send('\t')
    else if (key === 'interrupt') console.send('\x03')
    else console.send(`\x1b${terminal.modes.applicationCursorKeysMode ? 'O' : '['}${ARROWS[key]}`)
  }

  let isDark = appearance === 'dark'
  const decorations = () => ({
    matchBackground: isDark ? '#3b4252' : '#d5dbe6',
    matchBorder: isDark ? '#8b95a5' : '#5d6068',
    matchOverviewRuler: '#8b95a5',
    activeMatchBackground: isDark ? '#5a6478' : '#b9c4d8',
    activeMatchBorder: isDark ? '#ffffff' : '#000000',
    activeMatchColorOverviewRuler: isDark ? '#ffffff' : '#000000',
  })

  return {
    renderer,
    focus: () => terminal.focus(),
    setAppearance: (next) => {
      isDark = next === 'dark'
      terminal.options.theme = terminalTheme(next)
    },
    armCtrl: (armed) => {
      ctrlArmed = armed
    },
    press,
    find: (text, direction, incremental) => {
      if (text === '') {
        search.clearDecorations()
        onMatches(-1, 0)
        return
      }
      if (direction === 'next') search.findNext(text, { incremental, decorations: decorations() })
      else search.findPrevious(text, { decorations: decorations() })
    },
    endSearch: () => {
      search.clearDecorations()
      terminal.clearSelection()
      terminal.focus()
    },
    selection: () => terminal.getSelection(),
    selectLines: (wanted) => {
      const first = wanted[0]
      const last = wanted.at(-1)
      if (!first || !last) {
        if (selectedByUs) terminal.clearSelection()
        return
      }
      const lines = wholeLines()
      const find = ({ text, nth }: ConsoleLine) => lines.filter((line) => line.text === text)[nth]
      const from = find(first)
      const to = find(last)
      if (!from || !to || to.last < from.first) return
      terminal.selectLines(from.first, to.last)
      selectedByUs = true
      terminal.scrollToLine(Math.max(0, from.first - 2))
    },
    paste: (text) => {
      terminal.paste(text)
      terminal.focus()
    },
    dispose: () => {
      cancelAnimationFrame(frame)
      observer.disconnect()
      element.removeEventListener('mousedown', onMouseDown, { capture: true })
      element.removeEventListener('click', onClick)
      letGo()
      detach()
      terminal.dispose()
    },
  }
}
