/**
 * Builds the test programs: `npx tsx system-tests/build.ts`. long.elf runs in IA-32e mode, legacy.elf never leaves the
 * 32- and 16-bit modes. Each is written beside its sources, with a record of them.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const directory = import.meta.dirname
export const PROGRAMS = ['long', 'legacy'] as const
export type Program = (typeof PROGRAMS)[number]
export const elfPath = (program: Program): string => join(directory, `${program}.elf`)
export const recordPath = join(directory, 'build.json')

export interface BuildRecord {
  /** SHA-256 over the sources, this script included: names and contents in name order. */
  readonly sources: string
  /** SHA-256 of each program. */
  readonly elfs: Readonly<Record<Program, string>>
  /** First line of `gcc --version`. */
  readonly compiler: string
}

const CFLAGS = [
  ...['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-pic', '-fno-pie', '-mno-red-zone'],
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fcf-protection=none', '-fno-strict-aliasing'],
  ...[
    '-fno-builtin',
    '-fno-tree-loop-distribute-patterns',
    '-mgeneral-regs-only',
    '-fno-ident',
    '-fno-toplevel-reorder',
  ],
]

const run = (command: string, args: readonly string[]): void => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: directory, encoding: 'utf8' })
  if (error) throw new Error(`${command} could not be started (${error.message}); install gcc and binutils`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stderr}${stdout}`)
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

const sources = (): string[] =>
  readdirSync(directory)
    .filter((name) => /\.(c|h|S|ld)$/.test(name) || name === 'build.ts')
    .sort()

export const sourcesHash = (): string =>
  sha256(
    sources()
      .map((name) => `${name} ${sha256(readFileSync(join(directory, name)))}\n`)
      .join(''),
  )

export const compilerVersion = (): string | undefined =>
  spawnSync('gcc', ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0]

/** legacy*.c and legacy.S are 32-bit; runtime.c is in both. */
export const build = (program: Program): Uint8Array => {
  const out = mkdtempSync(join(tmpdir(), 'system-tests-'))
  try {
    const legacy = program === 'legacy'
    const objects = sources()
      .filter((name) => /\.[cS]$/.test(name) && (name === 'runtime.c' || name.startsWith('legacy') === legacy))
      .map((name) => {
        const object = join(out, `${name}.o`)
        run('gcc', [...CFLAGS, ...(legacy ? ['-m32', '-march=i686'] : ['-m64']), '-c', name, '-o', object])
        return object
      })
    const elf = join(out, 'elf')
    const format = legacy ? 'elf_i386' : 'elf_x86_64'
    const flags = ['-nostdlib', '-static', '--build-id=none', '-z', 'noexecstack', '--no-warn-rwx-segments', '-s']
    run('ld', ['-m', format, ...flags, '-T', 'link.ld', '-o', elf, ...objects])
    return readFileSync(elf)
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const elfs = {} as Record<Program, string>
  for (const program of PROGRAMS) {
    const elf = build(program)
    writeFileSync(elfPath(program), elf)
    elfs[program] = sha256(elf)
    console.log(`${elfPath(program)}: ${elf.length} bytes`)
  }
  const record: BuildRecord = { sources: sourcesHash(), elfs, compiler: compilerVersion() ?? 'unknown' }
  writeFileSync(recordPath, `${JSON.stringify(record, undefined, 2)}\n`)
}
