/**
 * Every kind of Problem that the page and the command line can show, out of the sources: calls of `problem` (or a file's own
 * short word for it) whose first argument is the kind.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { kindOf } from '../src/settings/read-settings.ts'
import type { Setting } from '../src/settings/setting.ts'
import { SETTING_NAMES, SETTINGS } from '../src/settings/settings.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

export interface ProblemKind {
  readonly kind: string
  /** Of what is known only when it happens: an ellipsis. */
  readonly saw: string
  readonly expected: string
  readonly file: string
}

/** The arguments of a call, from behind its parenthesis, as source text. */
const argumentsAt = (source: string, from: number): readonly string[] => {
  const found: string[] = []
  let begin = from
  let depth = 0
  for (let at = from; at < source.length; at++) {
    const c = source[at]!
    if (c === "'" || c === '"' || c === '`') at = closing(source, at)
    else if ('([{'.includes(c)) depth++
    else if (c === ',' && depth === 0) {
      found.push(source.slice(begin, at).trim())
      begin = at + 1
    } else if (')]}'.includes(c) && depth-- === 0) {
      const last = source.slice(begin, at).trim()
      return last === '' ? found : [...found, last]
    }
  }
  return found
}

/** Where the text that begins at `at` ends: a template's `${...}` may hold others. */
const closing = (source: string, at: number): number => {
  const quote = source[at]!
  for (let k = at + 1; k < source.length; k++) {
    if (source[k] === '\\') k++
    else if (source[k] === quote) return k
    else if (quote === '`' && source.startsWith('${', k)) {
      let depth = 0
      for (k += 2; depth > 0 || source[k] !== '}'; k++) {
        if (source[k] === '{') depth++
        else if (source[k] === '}') depth--
        else if ('\'"`'.includes(source[k]!)) k = closing(source, k)
      }
    }
  }
  return source.length
}

/** What an expression says for certain; a name is the text that its file gives it. */
const words = (expression: string | undefined, source: string): string => {
  if (expression === undefined) return '...'
  if (/^[A-Z_]+$/.test(expression)) {
    const at = new RegExp(`const ${expression} =\\s*(?=['"\`])`).exec(source)
    const from = at ? at.index + at[0].length : -1
    return from < 0 ? '...' : words(source.slice(from, closing(source, from) + 1), source)
  }
  const quote = expression[0]!
  if (!'\'"`'.includes(quote) || closing(expression, 0) !== expression.length - 1) return '...'
  let text = ''
  for (let at = 1; at < expression.length - 1; at++) {
    if (expression[at] === '\\') text += expression[++at]
    else if (quote === '`' && expression.startsWith('${', at)) {
      at += 2
      const from = at
      for (let depth = 0; depth > 0 || expression[at] !== '}'; at++) {
        if (expression[at] === '{') depth++
        else if (expression[at] === '}') depth--
        else if ('\'"`'.includes(expression[at]!)) at = closing(expression, at)
      }
      text += words(expression.slice(from, at), source)
    } else text += expression[at]
  }
  return text
}

/** One kind, or one of two. */
const kindsIn = (expression = ''): readonly string[] => {
  const either = /\?\s*'([a-z][a-z0-9-]*)'\s*:\s*'([a-z][a-z0-9-]*)'$/.exec(expression)
  if (either) return [either[1]!, either[2]!]
  const one = /^'([a-z][a-z0-9-]*)'$/.exec(expression)
  return one ? [one[1]!] : []
}

/** Files whose kinds come out of rows, by the field `kind` or as settings. */
const OF_ROWS = ['src/machine/boot/unpack.ts', 'src/settings/read-settings.ts']

const inFile = (file: string, source: string): readonly ProblemKind[] => {
  const found: ProblemKind[] = []
  for (const call of source.matchAll(/\b(?:problem|bad)\(/g)) {
    const [kind, saw, expected] = argumentsAt(source, call.index + call[0].length)
    const kinds = kindsIn(kind)
    for (const one of kinds) found.push({ kind: one, saw: words(saw, source), expected: words(expected, source), file })
    if (kinds.length > 0) continue
    // A shorter word for it hands its own parameters on.
    if (kind !== undefined && kind !== 'kind' && !OF_ROWS.includes(file))
      throw new Error(
        `${file} has a problem whose kind is ${kind}: name it there, or teach problem-kinds.ts where to look`,
      )
  }
  // A row says the kind where the call takes it out of rows.
  if (file === OF_ROWS[0])
    for (const [, kind] of source.matchAll(/\bkind: '([a-z][a-z0-9-]*)'/g))
      found.push({ kind: kind!, saw: '...', expected: '...', file })
  return found
}

/** Those that src/settings makes of its rows. */
const ofSettings = (): readonly ProblemKind[] => {
  const file = 'src/settings/read-settings.ts'
  const found: ProblemKind[] = [
    { kind: 'bad-choice', saw: '... is ...', expected: 'one of its words', file },
    { kind: 'unknown-cpu-feature', saw: 'the CPU feature "..." is not known', expected: 'one of ...', file },
  ]
  for (const name of SETTING_NAMES) {
    const setting: Setting = SETTINGS[name]
    const kind = kindOf(name)
    if (kind === 'bad-choice') continue
    const expected =
      setting.type === 'whole'
        ? `a whole number from ${setting.min} to ${setting.max}`
        : setting.type === 'text'
          ? 'text'
          : 'FEATURE=on or FEATURE=off, separated by commas'
    found.push({ kind, saw: `${name} is ...`, expected, file })
  }
  return found
}

export const problemKinds = (): readonly ProblemKind[] => {
  const found: ProblemKind[] = [...ofSettings()]
  for (const entry of readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/\.tsx?$/.test(path) || /\.test\.tsx?$|[\\/]testing[\\/]/.test(path)) continue
    const file = relative(ROOT, path).replaceAll('\\', '/')
    found.push(...inFile(file, readFileSync(path, 'utf8')))
  }
  const key = ({ kind, file, saw }: ProblemKind): string => `${kind} ${file} ${saw}`
  const unique = [...new Map(found.map((one) => [key(one), one])).values()]
  return unique.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;')

export const problemsDocument = (): string => `# Problems

Every kind of error that a person can be shown (\`Problem\` in src/base/problem.ts), with what was seen and what was expected
instead. A kind is stable: programs may depend on it. \`npm run docs\` writes this page out of the sources.

| kind | saw | expected | from |
|---|---|---|---|
${problemKinds()
  .map(({ kind, saw, expected, file }) => `| \`${kind}\` | ${cell(saw)} | ${cell(expected)} | ${file} |\n`)
  .join('')}`
