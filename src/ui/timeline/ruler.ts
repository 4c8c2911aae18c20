/** Ticks at round numbers of a round unit, and what to write at them. */
import { count, duration, said } from '../quantity.ts'

/** Room for a tick and its label. */
export const TICK_PX = 110

export interface Tick {
  readonly at: number
  readonly label: string
}

const step = (range: number, most: number): number => {
  const rough = range / most
  const decade = 10 ** Math.floor(Math.log10(rough))
  return ([1, 2, 5, 10].find((factor) => factor * decade >= rough) ?? 10) * decade
}

const UNITS = [
  { size: 1e9, ns: 's', instructions: 'G' },
  { size: 1e6, ns: 'ms', instructions: 'M' },
  { size: 1e3, ns: 'µs', instructions: 'k' },
  { size: 1, ns: 'ns', instructions: '' },
] as const

/** All ticks of a ruler in one unit, with as many digits as its step has: 12.34 ms, 12.36 ms. */
export const ticks = (from: number, to: number, most: number, unit: 'ns' | 'instructions'): readonly Tick[] => {
  const every = step(to - from, Math.max(1, most))
  if (!(every > 0) || !Number.isFinite(every)) return []
  const largest = Math.max(Math.abs(from), Math.abs(to))
  const scale = UNITS.find(({ size }) => largest >= size) ?? UNITS[3]
  const digits = Math.max(0, Math.ceil(Math.log10(scale.size / every) - 1e-9))
  const word = unit === 'ns' ? scale.ns : scale.instructions
  const found: Tick[] = []
  for (let k = Math.ceil(from / every); k * every <= to; k++) {
    const at = k * every
    const number = (at / scale.size).toFixed(digits)
    found.push({ at, label: at === 0 ? '0' : word === '' ? number : `${number}\u00a0${word}` })
  }
  return found
}

export const amount = (value: number, unit: 'ns' | 'instructions'): string =>
  unit === 'ns' ? said(duration(value)) : said(count(value))
