/**
 * `npm run docs`: writes the parts of the documentation that are facts of the code. docs.test.ts holds them to it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parameterRows } from '../src/settings/words.ts'
import { problemsDocument } from './problem-kinds.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** The table's rows between two others, which are written by hand. */
const between = (text: string, before: string, after: string, rows: string): string => {
  const from = text.indexOf('\n', text.indexOf(`\n| \`${before}\``) + 1) + 1
  const to = text.indexOf(`\n| \`${after}\``, from - 1) + 1
  if (from <= 0 || to <= 0) throw new Error(`no rows ${before} and ${after}`)
  return text.slice(0, from) + rows + text.slice(to)
}

/** Each document as it should be. */
export const documents = (): readonly (readonly [path: string, text: string])[] => [
  ['docs/problems.md', problemsDocument()],
  ['docs/automation.md', between(read('docs/automation.md'), 'disk', 'keep', parameterRows())],
]

export const stale = (): readonly string[] =>
  documents()
    .filter(([path, text]) => !existsSync(join(ROOT, path)) || read(path) !== text)
    .map(([path]) => path)

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [path, text] of documents()) writeFileSync(join(ROOT, path), text)
