import { describe, expect, it } from 'vitest'
import { byteCount, count, duration, said, threeFigures } from './quantity.ts'

const plain = (q: { value: string; unit: string }) => said(q).replace('\u00a0', ' ')

describe('quantities', () => {
  it('keeps three significant figures', () => {
    expect([0, 0.1234, 1.234, 12.34, 123.4, 9.996, 99.96].map(threeFigures)).toEqual([
      '0',
      '0.123',
      '1.23',
      '12.3',
      '123',
      '10.0',
      '100',
    ])
  })
  it('chooses the unit of a duration', () => {
    expect([0, 512, 20_100, 373e6, 999.6e6, 1.24e9, 65e9, 125e9, 7260e9].map((ns) => plain(duration(ns)))).toEqual([
      '0 ns',
      '512 ns',
      '20.1 µs',
      '373 ms',
      '1.00 s',
      '1.24 s',
      '65.0 s',
      '2:05 min',
      '2:01 h',
    ])
  })
  it('counts bytes in powers of two and instructions in powers of ten', () => {
    expect(plain(byteCount(65536))).toBe('64.0 KiB')
    expect(plain(byteCount(8.5 * 2 ** 20))).toBe('8.50 MiB')
    expect(plain(count(46_500_000))).toBe('46.5 M')
    expect(plain(count(7))).toBe('7.00')
  })
})
