/** Numbers for people: a unit that fits, three significant figures, no false digits. */
export interface Quantity {
  readonly value: string
  readonly unit: string
}

/** 0.123, 1.23, 12.3, 123; never exponents for what the page shows. */
export const threeFigures = (value: number): string => {
  if (!Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  // 9.995 rounds up into the next decade.
  const digits = magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : magnitude >= 0.9995 ? 2 : 3
  return value.toFixed(digits)
}

const scale = (value: number, units: readonly (readonly [number, string])[]): Quantity => {
  // 999.5 of one unit reads "1000": it belongs to the next.
  const found = units.find(([size]) => Math.abs(value) >= size * 0.9995) ?? units.at(-1)
  if (!found) return { value: threeFigures(value), unit: '' }
  return { value: threeFigures(value / found[0]), unit: found[1] }
}

export const duration = (ns: number): Quantity => {
  if (ns >= 99.95e9) {
    const seconds = Math.round(ns / 1e9)
    const rest = String(seconds % 60).padStart(2, '0')
    return seconds < 3600
      ? { value: `${Math.floor(seconds / 60)}:${rest}`, unit: 'min' }
      : {
          value: `${Math.floor(seconds / 3600)}:${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')}`,
          unit: 'h',
        }
  }
  return scale(ns, [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
    [1, 'ns'],
  ])
}

export const byteCount = (bytes: number): Quantity =>
  bytes < 1000
    ? // Counted one by one.
      { value: String(Math.round(bytes)), unit: 'B' }
    : scale(bytes, [
        [2 ** 30, 'GiB'],
        [2 ** 20, 'MiB'],
        [2 ** 10, 'KiB'],
      ])

export const count = (n: number): Quantity =>
  scale(n, [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
    [1, ''],
  ])

/** What is counted one by one has no fraction: 22, not 22.0. */
export const whole = (n: number): string => (Math.abs(n) < 1000 ? String(Math.round(n)) : said(count(n)))

/** A non-breaking space keeps number and unit together. */
export const said = ({ value, unit }: Quantity): string => (unit ? `${value}\u00a0${unit}` : value)

/** A moment of this person's own time, to the minute. */
export const moment = (ms: number): string =>
  new Date(ms).toLocaleString('en', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
