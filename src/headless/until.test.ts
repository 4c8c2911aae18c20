import { expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import { parsePattern, Until } from './until.ts'

/** What was printed when the pattern was seen; undefined if it was not. */
const seenIn = (pattern: string, output: string, piece = output.length): string | undefined => {
  const parsed = parsePattern(pattern)
  if (!parsed.ok) throw new Error(sentence(parsed.problem))
  const until = new Until(parsed.value)
  const bytes = Buffer.from(output)
  for (let at = 0; at < bytes.length; at += piece) {
    const end = until.push(bytes.subarray(at, at + piece))
    if (end >= 0) return bytes.subarray(0, at + end).toString()
  }
  return undefined
}

test('the moment of a match does not depend on how output is cut', () => {
  const output = `${'x'.repeat(3000)}login: root\r\n# `
  for (const piece of [1, 7, 5000]) expect(seenIn('^# $', output, piece)).toBe(output)
})

test.each([
  ['^foo', `${'x'.repeat(257)}foo`],
  ['^foo', 'a foo\r\n'],
  ['^$', 'x'],
  ['\\Afoo', `${'y'.repeat(700)}\nfoo`],
  ['\\bfoo', `${'y'.repeat(700)}foo`],
])('%s is not in the middle of a line: %#', (pattern, output) => {
  expect(seenIn(pattern, output)).toBeUndefined()
})

test.each(['a\nfoo', 'a\r\nfoo', 'a\n\rfoo', 'a\rfoo', 'foo', `${'x'.repeat(5000)}\r\nfoo`])(
  'a line begins after any of its ends: %#',
  (output) => {
    expect(seenIn('^foo', `${output}bar`)).toBe(output)
  },
)

test('a line ends before any of its ends, and where the output does', () => {
  for (const end of ['\n', '\r\n', '\n\r', '\r']) {
    expect(seenIn('^foo$\\s^bar$', `foo${end}barn`)).toBe(`foo${end}bar`)
    expect(seenIn('o$\n*b', `foo${end}bar`)).toBe(`foo${end}b`)
  }
  expect(seenIn('login: $', 'login: root')).toBe('login: ')
})

test('a pattern that speaks of carriage returns sees them', () => {
  expect(seenIn('foo\\r\\nbar', 'foo\r\nbar')).toBe('foo\r\nbar')
  expect(seenIn('[0-9]+%\\r', 'at 50%\r')).toBe('at 50%\r')
})

test('a match may be of any length, over any number of lines', () => {
  const output = `begin${'x'.repeat(9000)}\r\n${'y\r\n'.repeat(2000)}end`
  expect(seenIn('(?s)begin.*end', output)).toBe(output)
  expect(seenIn('^begin.*y', output)).toBeUndefined()
})

test('letters beyond ASCII are their UTF-8', () => {
  expect(seenIn('\\u20ac \\u{35}', 'in Zürich € 5')).toBe('in Zürich € 5')
  expect(seenIn('\\\\u20ac', 'a \\u20ac')).toBe('a \\u20ac')
  expect(seenIn('Zürich €', 'in Zürich € 5')).toBe('in Zürich €')
})

test("JavaScript's ways to write characters are taken", () => {
  for (const pattern of ['\\u001b\\[2J', '\\x1b\\[2J', '\\u{1b}\\[2J', '[^]\\[2J', '(?<all>\\x1b\\[2J)'])
    expect([pattern, seenIn(pattern, '\x1b[2Jx')]).toEqual([pattern, '\x1b[2J'])
  expect(seenIn('a\\/b', 'a/b')).toBe('a/b')
  expect(seenIn('50%\\cM', '50%\r')).toBe('50%\r')
})

test('a match that only the next byte shows is seen with it', () => {
  expect(seenIn('foo\\B', 'foo food')).toBe('foo food')
})

// Each takes a backtracking engine longer than anybody waits.
test.each([
  '(a+)+$x',
  '(a|a)*c',
  '(a*)*(a*)*(a*)*c',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '(x+x+)+y',
  '(?:a?){300}a{300}b',
  '(.*)*\\n(.*)*\\n(.*)*z',
  '[ab]*a[ab]{500}c',
])('%s does not hold up a run', (pattern) => {
  expect(seenIn(pattern, `${'ab'.repeat(200)}${'a'.repeat(5000)}\r\n${'xx'.repeat(2000)}`)).toBeUndefined()
})

test.each(['(', '[a', 'a**', '(?=x)', '(a)\\1', 'x{5000}'])('%s is refused with what is wrong', (pattern) => {
  const parsed = parsePattern(pattern)
  expect(!parsed.ok && parsed.problem.kind).toBe('bad-pattern')
  expect(!parsed.ok && sentence(parsed.problem)).toContain(`--until "${pattern}" is not a regular expression (`)
})
