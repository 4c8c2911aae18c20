import { describe, expect, it } from 'vitest'
import { ConsoleCutter, shownLine } from './console-line.ts'

describe('a console line', () => {
  it.each([
    ['plain text', 'plain text'],
    ['CR before LF', 'plain text\r', 'plain text'],
    ['LF CR, as NetBSD’s kernel has it', '\rnext', 'next'],
    ['figures over figures', '10 %\r50 %\r100 %', '100 %'],
    // NetBSD sys/kern/subr_prf.c and subr_autoconf.c: a character of |/-\ and a backspace for each driver.
    ['NetBSD’s twiddle', 'Detecting hardware...|\b/\b-\b\\\bdone.', 'Detecting hardware...done.'],
    ['a deletion by a line editor', 'lss\b \b /', 'ls /'],
    ['colours', '\u001b[1;32mok\u001b[0m booted', 'ok booted'],
    ['a window’s title', '\u001b]0;sh\u0007$ ls', '$ ls'],
    ['columns', 'a\tb', 'a       b'],
    ['erasing to the end', 'long words\r\u001b[Kdone', 'done'],
    ['erasing all of it', 'long\u001b[2Kx', '    x'],
    ['moves', 'abc\u001b[2Dx\u001b[5Gy', 'axc y'],
    ['a bell', 'ding\u0007', 'ding'],
    ['letters beyond ASCII', 'Grüße \u{1f600}\b.', 'Grüße .'],
  ])('shows %s', (_about, printed, shown = printed) => {
    expect(shownLine(printed)).toBe(shown)
  })

  it('does not grow by what a guest makes up', () => {
    expect(shownLine('\u001b[999999999Cx').length).toBeLessThan(5000)
    expect(shownLine('\u001b[')).toBe('[')
  })

  it('is cut at LF alone, however the bytes come, and kept up to a length', () => {
    const lines: string[] = []
    const cutter = new ConsoleCutter(5, (line) => lines.push(line))
    for (const byte of new TextEncoder().encode('ab\rc\r\n\nlonger\n# ')) cutter.write(Uint8Array.of(byte))
    expect(lines).toEqual(['ab\rc\r', '', 'longe'])
    expect(cutter.unfinished).toBe('# ')
  })
})
