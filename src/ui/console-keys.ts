/** The few chords that are the page's while the console has the focus: every other key is the guest's, Tab too. */
export interface ConsoleChords {
  copy(): void
  search(): void
  leave(): void
}

export interface ConsoleKey {
  /** As written on the sheet of keys. */
  readonly face: string
  readonly about: string
  /** KeyboardEvent.code, pressed with Ctrl and Shift. */
  readonly code: string
  /** Absent: the browser's own doing is what is wanted. */
  readonly act?: (chords: ConsoleChords) => void
}

export const LEAVE: ConsoleKey = {
  face: 'Ctrl+Shift+X',
  about: 'Leave the console, for the chart or what is beside it',
  code: 'KeyX',
  act: (chords) => chords.leave(),
}

export const CONSOLE_KEYS: readonly ConsoleKey[] = [
  LEAVE,
  { face: 'Ctrl+Shift+C', about: 'Copy the selection', code: 'KeyC', act: (chords) => chords.copy() },
  // xterm.js takes the browser's paste event.
  { face: 'Ctrl+Shift+V', about: 'Paste', code: 'KeyV' },
  { face: 'Ctrl+Shift+F', about: 'Search the console', code: 'KeyF', act: (chords) => chords.search() },
]

/** Says whether the guest gets the key. */
export const consoleKey = (event: KeyboardEvent, chords: ConsoleChords): boolean => {
  if (event.type !== 'keydown' || !(event.ctrlKey && event.shiftKey)) return true
  const found = CONSOLE_KEYS.find(({ code }) => code === event.code)
  if (!found) return true
  // The browser's own meanings (developer tools) give way to every terminal's.
  if (found.act) {
    event.preventDefault()
    found.act(chords)
  }
  return false
}
