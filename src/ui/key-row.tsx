/** Keys that phone keyboards lack. Ctrl is sticky for one character. */
import { KeyboardIcon } from './icons.tsx'
import type { Key } from './terminal.ts'

const KEYS: readonly { readonly key: Key; readonly face: string; readonly name: string }[] = [
  { key: 'escape', face: 'Esc', name: 'Esc, Escape' },
  { key: 'tab', face: 'Tab', name: 'Tab' },
  { key: 'interrupt', face: '^C', name: 'Control C' },
  { key: 'left', face: '←', name: 'Left' },
  { key: 'up', face: '↑', name: 'Up' },
  { key: 'down', face: '↓', name: 'Down' },
  { key: 'right', face: '→', name: 'Right' },
]

interface KeyRowProps {
  readonly hidden: boolean
  readonly ctrl: boolean
  readonly onCtrl: () => void
  readonly onKey: (key: Key) => void
  /** The screen's own keyboard is wanted. */
  readonly onKeyboard: () => void
}

/** A press must not take the focus, and with it the keyboard, from the terminal. */
const keepFocus = (event: { preventDefault(): void }) => event.preventDefault()

export const KeyRow = ({ hidden, ctrl, onCtrl, onKey, onKeyboard }: KeyRowProps) => (
  <div className="key-row" hidden={hidden} role="toolbar" aria-label="Keys">
    <button type="button" className="key" aria-pressed={ctrl} onPointerDown={keepFocus} onClick={onCtrl}>
      Ctrl
    </button>
    {KEYS.map(({ key, face, name }) => (
      <button
        key={key}
        type="button"
        className="key"
        aria-label={name}
        onPointerDown={keepFocus}
        onClick={() => onKey(key)}
      >
        {face}
      </button>
    ))}
    <button type="button" className="key" aria-label="Keyboard" onPointerDown={keepFocus} onClick={onKeyboard}>
      <KeyboardIcon />
    </button>
  </div>
)
