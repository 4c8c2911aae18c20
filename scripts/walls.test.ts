/**
 * What docs/ARCHITECTURE.md promises file by file. Rooms are kept apart by the compiler (project references); these are the
 * walls inside them, each with its reason.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ROWS } from '../src/machine/isa/table.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

interface Import {
  readonly path: string
  /** Gone when it runs. */
  readonly isType: boolean
}

const sources = new Map<string, string>()
for (const entry of readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })) {
  const path = relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/')
  if (entry.isFile() && /\.tsx?$/.test(path) && !/\.test\.tsx?$|\/testing\//.test(path))
    sources.set(path, readFileSync(join(ROOT, path), 'utf8'))
}

const importsOf = (path: string): readonly Import[] =>
  [
    ...(sources.get(path) ?? '').matchAll(
      /^(?:import|export)( type)?\b[^'"`;]*?from '(\.[^']+)'|import\('(\.[^']+)'\)|new URL\('(\.[^']+\.ts)'/gm,
    ),
  ].map(([, type, from, late, url]) => ({
    path: join(dirname(path), from ?? late ?? url ?? '').replaceAll('\\', '/'),
    isType: type !== undefined,
  }))

/** Files that are loaded with `path`. */
const loadedWith = (path: string, seen = new Set<string>()): ReadonlySet<string> => {
  seen.add(path)
  for (const one of importsOf(path)) if (!one.isType && !seen.has(one.path)) loadedWith(one.path, seen)
  return seen
}

interface Wall {
  readonly from: RegExp
  readonly to: RegExp
  /** What may pass it nevertheless. */
  readonly doors: readonly string[]
  readonly because: string
}

const WALLS: readonly Wall[] = [
  {
    from: /^src\/(?!machine\/)/,
    to: /^src\/machine\//,
    doors: ['src/machine/index.ts', 'src/machine/call-event.ts'],
    because: 'the inside of the machine moves without its hosts',
  },
  {
    from: /^src\/trace\//,
    to: /^src\/machine\//,
    doors: ['src/machine/call-event.ts'],
    because: 'a trace is the same whether a machine recorded it or a file did',
  },
  {
    from: /^src\/(stores|ui)\//,
    to: /^src\/worker\//,
    doors: ['src/worker/protocol.ts', 'src/worker/client.ts'],
    because: 'what runs in a worker is reached by messages alone',
  },
  {
    from: /^src\/machine\/devices\//,
    to: /^src\/machine\/(layout\.ts|microvm\.ts|board\/)/,
    doors: [],
    because: 'a device never knows its own address',
  },
  {
    from: /^src\/machine\/state\//,
    to: /^src\/machine\/(?!state\/)/,
    doors: [],
    because: 'where registers lie is below all that reads and writes them',
  },
  {
    from: /^src\/machine\/semantics\//,
    to: /^src\/machine\/(isa|engine|cpu)\//,
    doors: [],
    because: 'what an instruction does is known without how it is decoded, translated and run',
  },
  {
    from: /^src\/machine\/isa\//,
    to: /^src\/machine\/(engine|cpu)\//,
    doors: [],
    because: 'rows and meanings serve the interpreter, regions and tests alike',
  },
  {
    from: /^src\/machine\/engine\//,
    to: /^src\/machine\/cpu\//,
    doors: [],
    because: 'an engine is generated once, for every processor',
  },
  {
    from: /^src\/machine\/(?!board\/virtio-devices\.ts)/,
    to: /^src\/machine\/devices\/virtio\/(?!(device|mmio|virtqueue|overlay-disk)\.ts)/,
    doors: [],
    because: 'a virtio device is named by its row alone',
  },
  {
    from: /^src\/machine\/(?!board\/|(create|microvm)\.ts)/,
    to: /^src\/machine\/board\//,
    doors: [],
    because: 'a part is given what it needs, whatever board it is on',
  },
]

test.each(WALLS)('$from imports of $to only $doors: $because', ({ from, to, doors }) => {
  for (const door of doors) expect(existsSync(join(ROOT, door)), `${door} is gone`).toBe(true)
  const through = [...sources.keys()]
    .filter((path) => from.test(path))
    .flatMap((path) => importsOf(path).map((one) => [path, one.path] as const))
    .filter(([, path]) => to.test(path) && !doors.includes(path))
  expect(through).toEqual([])
})

test('the emulator’s worker loads none of the trace room’s code, which would wait for the boot', () => {
  const loaded = [...loadedWith('src/worker/emulator.worker.ts')]
  expect(loaded).toContain('src/machine/microvm.ts')
  expect(loaded.filter((path) => path.startsWith('src/trace/'))).toEqual([])
})

test('nothing in the machine asks the host for the time or for chance: equal inputs give equal runs', () => {
  const hosts = /\b(Date\.now|new Date\(\)|Math\.random|performance\.|setTimeout|setInterval|crypto\.(get|random))/
  const found = [...sources]
    .filter(([path]) => path.startsWith('src/machine/'))
    .flatMap(([path, text]) =>
      text
        .split('\n')
        .filter((line) => !/^\s*(\*|\/[/*])/.test(line) && hosts.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    )
  expect(found).toEqual([])
})

test('a setting is passed on by all and named by few', () => {
  const names = [...sources].filter(([, text]) => /\bmemoryMiB\b/.test(text)).map(([path]) => path)
  // Its row, the machine that obeys it, the catalogue, a lesson about it, the form's one exception, and format v1 of links.
  expect(names.length, names.join(' ')).toBeLessThanOrEqual(6)
})

test('what an instruction is like is in its row: nothing outside isa/rows asks for a mnemonic', () => {
  const mnemonics = [...new Set(ROWS.map(({ mnemonic }) => mnemonic))]
  const begins = (word: string): boolean => mnemonics.some((mnemonic) => mnemonic.startsWith(word))
  const quoted = /(startsWith\()?'([A-Z][A-Z0-9]+)'|\/((?:[^/\s*\\]|\\.)(?:[^/\s\\]|\\.)*)\//g
  const found = [...sources]
    .filter(([path]) => /^src\/machine\/(state|semantics|isa|engine|cpu)\/(?!rows)/.test(path))
    .flatMap(([path, text]) =>
      text
        .split('\n')
        .filter((line) => !/^\s*(\*|\/[/*]|import\b)/.test(line))
        .flatMap((line) => [...line.replace(/\/\/ .*/, '').matchAll(quoted)])
        .flatMap(([, start, string, regex]) =>
          string === undefined
            ? (regex?.match(/\b[A-Z][A-Z0-9]+\b/g) ?? []).filter((word) => mnemonics.includes(word))
            : mnemonics.includes(string) || (start !== undefined && begins(string))
              ? [string]
              : [],
        )
        .map((word) => `${path}: ${word}`),
    )
  expect(found).toEqual([])
})
