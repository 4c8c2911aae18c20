import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import { type Options, parseOptions, USAGE, unescapeText } from './options.ts'

const SOURCES = fileURLToPath(new URL('..', import.meta.url))

const parse = (...argv: string[]): Options => {
  const result = parseOptions(argv)
  if (!result.ok) throw new Error(sentence(result.problem))
  if (result.value.help) throw new Error('help')
  return result.value.options
}

test('defaults', () => {
  expect(parse()).toMatchObject({
    kernel: undefined,
    disks: [],
    settings: {},
    traceFormat: 'native',
  })
})

test('every option, with a space or an equals sign', () => {
  const o = parse(
    ...['--kernel', 'k', '--cmdline', '-z --v', '--initrd=i', '--disk', 'a,b,ro', '--disk', 'c', '--net', 'user'],
    ...['--memory=64', '--profile', 'firecracker', '--cpu', 'smap=off,rdrand=on', '--cpu=smep=on', '--clock', 'wall'],
    ...['--engine', 'interp', '--send', 'ls\\n', '--send', '\\x04', '--until', '^a+', '--timeout', '1.5'],
    ...['--trace', 't', '--trace-format', 'folded', '--json', 'j'],
  )
  expect(o).toMatchObject({
    kernel: 'k',
    initrd: 'i',
    disks: [
      { file: 'a,b', readOnly: true },
      { file: 'c', readOnly: false },
    ],
    settings: {
      cmdline: '-z --v',
      net: 'user',
      memoryMiB: 64,
      profile: 'firecracker',
      cpu: { smap: false, rdrand: true, smep: true },
      clock: 'wall',
      engine: 'interp',
    },
    timeoutSeconds: 1.5,
    trace: 't',
    traceFormat: 'folded',
    json: 'j',
  })
  expect(Buffer.from(o.send).toString('latin1')).toBe('ls\n\x04')
  expect(o.until?.source).toBe('^a+')
})

test('what is put on the root: a colon before an absolute folder names it', () => {
  const o = parse('--add', 'a:b/c', '--add', 'd:/home/me/', '--save-disk', 'root.img')
  expect(o.adds).toEqual([
    { path: 'a:b/c', target: '/root' },
    { path: 'd', target: '/home/me/' },
  ])
  expect(o.saveDisk).toBe('root.img')
})

test.each([
  [['--kernal', 'x'], 'unknown-option', /Try: --kernel\./],
  [['--verbose'], 'unknown-option', /--verbose/],
  [['netbsd'], 'stray-argument', /write --kernel netbsd/],
  [['-kernel', 'x'], 'stray-argument', /write --kernel/],
  [['-m', '256'], 'stray-argument', /Try: write --memory\.$/],
  [['-k', 'x'], 'stray-argument', /Try: write --kernel\.$/],
  [['-append', 'x'], 'stray-argument', /Try: write --cmdline\.$/],
  [['-drive', 'file=x'], 'stray-argument', /Try: write --disk\.$/],
  [['-mem=1'], 'stray-argument', /Try: write --memory\.$/],
  [['-q'], 'stray-argument', /Try: see --help\.$/],
  [['-'], 'stray-argument', /Try: name the option, as in --kernel -\.$/],
  [['--append', 'x'], 'unknown-option', /Try: --cmdline\.$/],
  [['--col', '80'], 'unknown-option', /Try: --columns\.$/],
  [['--kernel', '-', '--initrd=-'], 'stdin-twice', /both -/],
  [['--kernel'], 'missing-value', /--kernel has no value/],
  [['--kernel', '--json', 'x'], 'missing-value', /before --json/],
  [['--json', 'a', '--json', 'b'], 'repeated-option', /more than once/],
  [['--memory', '12x'], 'bad-memory', /"12x".*32 to 3072/],
  [['--memory', '16'], 'bad-memory', /32 to 3072/],
  [['--timeout', '-1'], 'bad-timeout', /"-1"/],
  [['--timeout', '0'], 'bad-timeout', /above 0/],
  [['--until', '('], 'bad-pattern', /not a regular expression/],
  [['--net', 'tap'], 'bad-choice', /user or none/],
  [['--profile', 'microvms'], 'bad-choice', /--profile microvm\./],
  [['--clock', 'cpu'], 'bad-choice', /wall or icount/],
  [['--cpu', 'smap'], 'bad-cpu', /FEATURE=on/],
  [['--cpu', 'smaps=on'], 'unknown-cpu-feature', /Try: smap=on/],
  [['--send', 'a\\q'], 'bad-escape', /\\q/],
  [['--send', '\\x1'], 'bad-escape', /\\x/],
  [['--trace-format', 'chrome'], 'missing-option', /--trace FILE/],
  [['--trace', 't', '--trace-format', 'perfetto'], 'bad-choice', /chrome/],
  [['--disk', ''], 'missing-value', /--disk/],
])('%j is refused in a sentence', (argv, kind, words) => {
  const result = parseOptions(argv)
  expect(!result.ok && result.problem.kind).toBe(kind)
  expect(!result.ok && sentence(result.problem)).toMatch(words)
})

test('escapes', () => {
  const bytes = unescapeText('a\\r\\t\\\\n\\xfFé')
  expect(bytes.ok && Array.from(bytes.value)).toEqual([97, 13, 9, 92, 110, 255, 0xc3, 0xa9])
})

test('what npm took for its own is said, where -- is missing', () => {
  const hint = (argv: string[], environment: Record<string, string>): string | undefined => {
    const result = parseOptions(argv, { npm_lifecycle_event: 'boot', ...environment })
    return result.ok ? undefined : result.problem.hint
  }
  expect(hint(['k'], { npm_config_kernel: 'true' })).toBe('npm run -s boot -- --kernel, and what follows')
  expect(hint([], { npm_config_memory: '64' })).toMatch(/-- --memory/)
  expect(hint([], { npm_config_save_disk: 'x' })).toMatch(/-- --save-disk/)
  expect(hint(['x'], { npm_config_json: 'true' })).toMatch(/^put -- before the options/)
  expect(hint([], { npm_config_json: 'true' })).toBeUndefined()
  expect(hint(['--kernel', 'k'], { npm_config_kernel: 'k' })).toBeUndefined()
  expect(hint([], { npm_config_kernel: 'k', npm_lifecycle_event: 'test' })).toBeUndefined()
})

test('every option that is advised is one', () => {
  for (const name of ['m', 'k', 'append', 'hda', 'machine', 'netdev', 'icount', 'ver', 'tim', 'no-such']) {
    const result = parseOptions([`--${name}`, 'x'])
    const hint = result.ok ? '' : result.problem.hint
    const after = parseOptions([hint, 'user', '--trace', 't'])
    if (hint !== 'see --help') expect([name, hint, after.ok ? '' : after.problem.kind]).not.toContain('unknown-option')
  }
})

test('every option that a sentence names is one, here or of the tool that it is for', () => {
  const ours = [...USAGE.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name)
  // Of xz and of npm run guests.
  const theirs = ['help', 'format', 'force']
  const files = ['headless', 'machine', 'disk', 'base', 'settings'].flatMap((room) =>
    readdirSync(join(SOURCES, room), { recursive: true, encoding: 'utf8' }).map((name) => join(SOURCES, room, name)),
  )
  const named = files
    .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|[/\\]testing[/\\]/.test(file))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/^(?! *(?:\*|\/[/*])).*['"`].*?--([a-z][a-z-]+)/gm)])
    .map(([, name]) => name)
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((name) => ![...ours, ...theirs].includes(name))).toEqual([])
})

test('--help wins', () => {
  expect(parseOptions(['--memory', '64', '--help'])).toEqual({ ok: true, value: { help: true } })
})
