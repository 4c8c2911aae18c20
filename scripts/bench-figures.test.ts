import { expect, test } from 'vitest'
import { median, parseBenchLines, ratio, TimedText } from '../bench/figures.ts'

test('the median of an even count lies between the middle two', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
})

test('a ratio above 1 is always ours being faster', () => {
  expect(ratio('ms', [100], [200])).toBe(2)
  expect(ratio('MIPS', [200], [100])).toBe(2)
  expect(ratio('ms', [1], [])).toBeUndefined()
})

test('bench lines carry the wall time since the line before', () => {
  const text = new TimedText()
  text.push('hello\r\nboot: 5 us, tsc 7\r\n', 100)
  text.push('bench alu iterations 10 tsc 3000 ch', 150)
  text.push('eck 00ff\r\nbench fib iterations 2 tsc 8 check 1a\r\n', 180)
  text.push('bench sieve iterations 2 tsc 8 check 2b\r\npowering off\r\n', 260)
  expect(parseBenchLines(text)).toEqual([
    { name: 'alu', iterations: 10, tsc: 3000, check: '00ff', ms: 80 },
    { name: 'fib', iterations: 2, tsc: 8, check: '1a', ms: 0 },
    { name: 'sieve', iterations: 2, tsc: 8, check: '2b', ms: 80 },
  ])
  expect(text.firstMatch(/check 00ff/)).toBe(180)
  expect(text.firstMatch(/none/)).toBeUndefined()
})
