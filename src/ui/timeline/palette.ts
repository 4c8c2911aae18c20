/**
 * Colours of the flame view. Hue says the subsystem (trace/model/subsystems.ts gives the order); a function no prefix names is
 * grey. Chosen apart in lightness as well as hue, for eyes that do not tell red from green; text on each has 4.5:1.
 */
import { functionSubsystems } from '../../trace/model/subsystems.ts'
import { NO_FUNCTION, type Trace } from '../../trace/model/trace.ts'
import type { Appearance } from '../terminal-theme.ts'

export interface Palette {
  readonly fills: readonly string[]
  readonly other: string
  readonly idle: string
  readonly onFill: string
  readonly ground: string
  readonly band: string
  readonly line: string
  readonly lineStrong: string
  readonly text: string
  readonly muted: string
  readonly accent: string
  readonly focus: string
}

const DARK: Palette = {
  fills: ['#2f6ea8', '#86691a', '#14796c', '#6f55ae', '#a5466d', '#587420', '#52617a', '#9b5527'],
  other: '#3b3f47',
  idle: '#1a1c20',
  onFill: '#ffffff',
  ground: '#0f1012',
  band: '#16181b',
  line: '#282b31',
  lineStrong: '#43474f',
  text: '#e9e7e2',
  muted: '#9ea2aa',
  accent: '#f26711',
  focus: '#8ab8ff',
}

const LIGHT: Palette = {
  fills: ['#a9cdf0', '#f0d984', '#97d9cd', '#d3c2f3', '#f4bdd0', '#cbde90', '#c3cfdf', '#f2c8a0'],
  other: '#dddad3',
  idle: '#efede8',
  onFill: '#16171a',
  ground: '#f6f5f2',
  band: '#fcfbf9',
  line: '#dedbd4',
  lineStrong: '#b3afa6',
  text: '#1c1d20',
  muted: '#5c5f66',
  accent: '#d4530a',
  focus: '#1556b8',
}

export const palette = (appearance: Appearance): Palette => (appearance === 'dark' ? DARK : LIGHT)

export const subsystemOfFunction = (trace: Trace, func: number): number => functionSubsystems(trace)[func] ?? -1

export const fillOf = (trace: Trace, func: number, colours: Palette): string =>
  func === NO_FUNCTION ? colours.idle : (colours.fills[functionSubsystems(trace)[func] ?? -1] ?? colours.other)
