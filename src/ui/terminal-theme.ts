import type { ITheme } from '@xterm/xterm'

export type Appearance = 'dark' | 'light'

/** Grounds equal style.css's --ground-console; sixteen colours chosen for 4.5:1 on it. */
const DARK: ITheme = {
  background: '#0c0d0f',
  foreground: '#e4e2dd',
  cursor: '#e4e2dd',
  cursorAccent: '#0c0d0f',
  selectionBackground: '#39404d',
  scrollbarSliderBackground: '#ffffff24',
  scrollbarSliderHoverBackground: '#ffffff40',
  scrollbarSliderActiveBackground: '#ffffff59',
  black: '#1b1d22',
  red: '#f07178',
  green: '#9ccc7a',
  yellow: '#e0b84c',
  blue: '#74a8ee',
  magenta: '#c39ae4',
  cyan: '#62c4b8',
  white: '#d5d3ce',
  brightBlack: '#878d98',
  brightRed: '#ff9a9e',
  brightGreen: '#b9e39b',
  brightYellow: '#f3d27a',
  brightBlue: '#9cc4ff',
  brightMagenta: '#dcbcf5',
  brightCyan: '#8fe0d6',
  brightWhite: '#ffffff',
}

const LIGHT: ITheme = {
  background: '#fdfcfa',
  foreground: '#1c1d20',
  cursor: '#1c1d20',
  cursorAccent: '#fdfcfa',
  selectionBackground: '#ccd6e6',
  scrollbarSliderBackground: '#00000026',
  scrollbarSliderHoverBackground: '#00000040',
  scrollbarSliderActiveBackground: '#00000059',
  black: '#1c1d20',
  red: '#b3261e',
  green: '#356b12',
  yellow: '#7a5a00',
  blue: '#1d5bb8',
  magenta: '#7c3aa8',
  cyan: '#0f6b62',
  white: '#55585f',
  brightBlack: '#63666d',
  brightRed: '#c4342b',
  brightGreen: '#3f7a19',
  brightYellow: '#8a6600',
  brightBlue: '#2a6bd0',
  brightMagenta: '#8d48bc',
  brightCyan: '#137a70',
  brightWhite: '#1c1d20',
}

export const terminalTheme = (appearance: Appearance): ITheme => (appearance === 'dark' ? DARK : LIGHT)
