/**
 * Fingers on the terminal. xterm.js knows a mouse: a tap would focus it and raise the keyboard over half of a phone, and
 * nothing scrolls. Here a drag scrolls, with momentum; a tap says which row it was; a long press selects a word and, dragged on, from
 * there to the finger. A guest that wants the mouse itself gets what the browser makes of the fingers.
 */
import type { Terminal } from '@xterm/xterm'

/** Travel that makes a touch a drag. */
const DRAG_MIN_PX = 8
const LONG_PRESS_MS = 450
/** Speed left after a millisecond: half of it is gone in 230 ms. */
const FRICTION = 0.997
const SPEED_MIN_PX_PER_MS = 0.05
/** A finger that rested this long before it was lifted throws nothing. */
const REST_MS = 60

export interface TouchOptions {
  readonly terminal: Terminal
  /** Holds the terminal's screen. */
  readonly element: HTMLElement
  /** A row of the buffer was tapped. */
  readonly onTap: (row: number) => void
  /** In an application of the whole screen there is nothing to scroll: its own keys do. */
  readonly onArrows: (key: 'up' | 'down', times: number) => void
}

interface Cell {
  readonly column: number
  /** Of the buffer. */
  readonly row: number
}

/** Letters that make up a word, a path or an address. */
const WORD = /[^\s"'`()[\]{}<>|;,]/

export const touchTerminal = ({ terminal, element, onTap, onArrows }: TouchOptions): (() => void) => {
  let finger: number | undefined
  let began = { x: 0, y: 0 }
  let last = { y: 0, ms: 0 }
  let speed = 0
  let rest = 0
  let isDrag = false
  let anchor: { readonly from: Cell; readonly to: Cell } | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let frame = 0
  const stop = new AbortController()

  const screen = (): DOMRect => (element.querySelector('.xterm-screen') ?? element).getBoundingClientRect()
  const rowPx = (): number => Math.max(1, screen().height / terminal.rows)
  const cellAt = ({ clientX, clientY }: Touch): Cell => {
    const box = screen()
    const within = (value: number, most: number) => Math.max(0, Math.min(most - 1, Math.floor(value * most)))
    return {
      column: within((clientX - box.left) / box.width, terminal.cols),
      row: terminal.buffer.active.viewportY + within((clientY - box.top) / box.height, terminal.rows),
    }
  }

  /** The remainder of a row waits for the next move. */
  const scroll = (px: number): void => {
    rest += px
    const rows = Math.trunc(rest / rowPx())
    if (rows === 0) return
    rest -= rows * rowPx()
    if (terminal.buffer.active.type === 'alternate') onArrows(rows < 0 ? 'up' : 'down', Math.abs(rows))
    else terminal.scrollLines(rows)
  }

  const glide = (): void => {
    let then = performance.now()
    const step = (now: number): void => {
      const ms = Math.max(0, now - then)
      then = now
      scroll(speed * ms)
      speed *= FRICTION ** ms
      frame = Math.abs(speed) > SPEED_MIN_PX_PER_MS ? requestAnimationFrame(step) : 0
    }
    frame = requestAnimationFrame(step)
  }

  const wordAt = ({ column, row }: Cell): { readonly from: Cell; readonly to: Cell } => {
    const text = terminal.buffer.active.getLine(row)?.translateToString(false) ?? ''
    const isWord = (at: number): boolean => WORD.test(text.charAt(at))
    let from = column
    let to = column
    if (isWord(column)) {
      while (from > 0 && isWord(from - 1)) from--
      while (to + 1 < text.length && isWord(to + 1)) to++
    }
    return { from: { column: from, row }, to: { column: to, row } }
  }

  const place = ({ column, row }: Cell): number => row * terminal.cols + column
  const select = (a: Cell, b: Cell): void => terminal.select(a.column, a.row, Math.max(1, place(b) - place(a) + 1))

  const selectTo = (cell: Cell): void => {
    if (!anchor) return
    if (place(cell) < place(anchor.from)) select(cell, anchor.to)
    else select(anchor.from, place(cell) > place(anchor.to) ? cell : anchor.to)
  }

  const end = (): void => {
    clearTimeout(timer)
    finger = undefined
    anchor = undefined
  }
  const wantsMouse = (): boolean => terminal.modes.mouseTrackingMode !== 'none'
  const own = (touches: TouchList): Touch | undefined => [...touches].find(({ identifier }) => identifier === finger)

  const onStart = (event: TouchEvent): void => {
    cancelAnimationFrame(frame)
    const [touch] = event.touches
    if (wantsMouse() || !touch || event.touches.length > 1) {
      end()
      return
    }
    end()
    finger = touch.identifier
    began = { x: touch.clientX, y: touch.clientY }
    last = { y: touch.clientY, ms: event.timeStamp }
    speed = 0
    rest = 0
    isDrag = false
    timer = setTimeout(() => {
      anchor = wordAt(cellAt(touch))
      select(anchor.from, anchor.to)
    }, LONG_PRESS_MS)
  }
  const onMove = (event: TouchEvent): void => {
    const touch = own(event.touches)
    if (!touch) return
    event.preventDefault()
    if (anchor) {
      selectTo(cellAt(touch))
      return
    }
    if (!isDrag && Math.hypot(touch.clientX - began.x, touch.clientY - began.y) < DRAG_MIN_PX) return
    isDrag = true
    clearTimeout(timer)
    const ms = Math.max(1, event.timeStamp - last.ms)
    const px = last.y - touch.clientY
    speed = 0.6 * speed + 0.4 * (px / ms)
    last = { y: touch.clientY, ms: event.timeStamp }
    scroll(px)
  }
  const onEnd = (event: TouchEvent): void => {
    const touch = own(event.changedTouches)
    if (!touch) return
    // No mouse events after it, and with them no focus.
    event.preventDefault()
    const wasLong = anchor !== undefined
    const rested = event.timeStamp - last.ms > REST_MS
    end()
    if (wasLong) return
    if (!isDrag) onTap(cellAt(touch).row)
    else if (!rested) glide()
  }

  const { signal } = stop
  element.addEventListener('touchstart', onStart, { passive: true, signal })
  element.addEventListener('touchmove', onMove, { passive: false, signal })
  element.addEventListener('touchend', onEnd, { passive: false, signal })
  element.addEventListener('touchcancel', end, { signal })
  // The long press is ours.
  element.addEventListener(
    'contextmenu',
    (event) => {
      if (finger !== undefined) event.preventDefault()
    },
    { signal },
  )
  return () => {
    stop.abort()
    end()
    cancelAnimationFrame(frame)
  }
}
