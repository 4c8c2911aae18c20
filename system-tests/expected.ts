/**
 * The reviewed results, one file for each section:
 *
 *   pf.read #PF(4) rip+0 cr2=0        a line both machines print
 *   ! qemu #PF(5) ...                 what QEMU prints instead of the line above, and
 *   ! why SDM 3A 4.7: ...             the manual's word that the line above is right
 *   ! here ...                        what this machine prints instead, where it is known to be wrong
 *
 * "(nothing)" stands for a line that a machine does not print, because it stopped earlier.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { directory } from './build.ts'

export interface Line {
  /** What is right. */
  readonly text: string
  readonly qemu?: string
  readonly here?: string
  readonly why?: string
}

export const NOTHING = '(nothing)'
export const expectedPath = (section: string): string => join(directory, 'expected', `${section}.expected`)

export const parse = (text: string): Line[] => {
  const lines: { text: string; qemu?: string; here?: string; why?: string }[] = []
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#!')) continue
    const note = /^! (qemu|here|why) (.*)$/.exec(line)
    if (note === null) lines.push({ text: line })
    else lines.at(-1)![note[1] as 'qemu' | 'here' | 'why'] = note[2]!
  }
  return lines
}

export const render = (lines: readonly Line[], header: readonly string[]): string =>
  `${[
    ...header.map((h) => `#! ${h}`),
    ...lines.flatMap((l) => [
      l.text,
      ...(l.qemu === undefined ? [] : [`! qemu ${l.qemu}`]),
      ...(l.here === undefined ? [] : [`! here ${l.here}`]),
      ...(l.why === undefined ? [] : [`! why ${l.why}`]),
    ]),
  ].join('\n')}\n`

export const load = (section: string): Line[] => parse(readFileSync(expectedPath(section), 'utf8'))

/** What each machine should print. */
const printed = (lines: readonly Line[], machine: 'qemu' | 'here'): string[] =>
  lines.map((l) => l[machine] ?? l.text).filter((l) => l !== NOTHING)
export const hereLines = (lines: readonly Line[]): string[] => printed(lines, 'here')
export const qemuLines = (lines: readonly Line[]): string[] => printed(lines, 'qemu')
/** Single results in the lines: a matrix's cells and the words of a line. */
export const checksIn = (lines: readonly Line[]): number =>
  lines.reduce((n, l) => {
    const [, ...values] = l.text.split(' ')
    return n + values.reduce((m, v) => m + cells(v), 0)
  }, 0)
/** Cells of a matrix's row: "-", "+", "d0", "0a", ... */
const cells = (value: string): number =>
  /^(?:--|[0-9a-f]{2}|\?\?){16,}$/.test(value)
    ? value.length / 2
    : /^(?:-|\+|x|[0-9a-f][0g?s]|\/|[0-3])+$/.test(value) && /[-gs?/]/.test(value)
      ? (value.match(/[0-9a-f][0g?s]|-|\+/g) ?? ['']).length
      : 1
