import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { stale } from './docs.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OUTSIDE = /^(node_modules|build|dist|test-results|\.git)$/

/** `src/ROOM/FILE.test.ts` */
const PLACEHOLDER = /ROOM|FILE|NAME|NNNN/

const markdown = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return OUTSIDE.test(entry.name) ? [] : markdown(path)
    return entry.name.endsWith('.md') ? [path] : []
  })

test('what the documentation repeats of the code is what the code says; `npm run docs` writes it', () => {
  expect(stale()).toEqual([])
})

test.each(markdown(ROOT).map((path) => relative(ROOT, path)))('%s names files that are there', (path) => {
  // What happened is not what is.
  if (path === 'CHANGELOG.md') return
  const named = readFileSync(join(ROOT, path), 'utf8').matchAll(
    /(?<![\w./-])((?:src|docs|scripts|vectors|bench|fuzz|guest|userland|system-tests|e2e)\/[\w./-]*\.(?:tsx?|mjs|md|json|css|c|S|elf))\b/g,
  )
  const files = new Set([...named].map(([, file]) => file!).filter((file) => !PLACEHOLDER.test(file)))
  expect([...files].filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
})

test('docs/ARCHITECTURE.md says of each room what its project may import', () => {
  const text = readFileSync(join(ROOT, 'docs/ARCHITECTURE.md'), 'utf8')
  const rooms = readdirSync(join(ROOT, 'src')).filter((name) => existsSync(join(ROOT, 'src', name, 'tsconfig.json')))
  for (const room of rooms) {
    const project = JSON.parse(readFileSync(join(ROOT, 'src', room, 'tsconfig.json'), 'utf8'))
    const may = project.references.map(({ path }: { path: string }) => path.replace('../', ''))
    const said = new RegExp(`^\\| \`${room}\` \\|.*\\| ([^|]*) \\|$`, 'm').exec(text)?.[1] ?? ''
    const named = rooms.filter((name) => new RegExp(`\\b${name}\\b`).test(said))
    expect(named.sort(), room).toEqual(may.sort())
  }
})

test.each(
  markdown(join(ROOT, 'src/machine'))
    .map((path) => relative(ROOT, path))
    .filter((path) => readFileSync(join(ROOT, path), 'utf8').includes('| File |')),
)('%s names every file beside it', (path) => {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const beside = readdirSync(join(ROOT, path, '..')).filter((name) => /(?<!\.test)\.ts$/.test(name))
  expect(beside.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
})

/** `| `path` | `what is found there` | ... |` */
const STEP = /^\| `([^`]+)` \| `([^`]+)` \|/gm

test.each(readdirSync(join(ROOT, 'docs/how-to')))('docs/how-to/%s leads to what it names', (name) => {
  const text = readFileSync(join(ROOT, 'docs/how-to', name), 'utf8')
  const steps = [...text.matchAll(STEP)].map(([, file, find]) => ({ file: file!, find: find! }))
  expect(steps.length).toBeGreaterThan(0)
  const lost = steps.filter(({ file, find }) => {
    const path = join(ROOT, file)
    return !existsSync(path) || (!file.endsWith('/') && !readFileSync(path, 'utf8').includes(find))
  })
  expect(lost).toEqual([])
  expect(text).toMatch(/^Example: [0-9a-f]{7} /m)
})
