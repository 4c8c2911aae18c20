/**
 * Builds NetBSD's userland of ours, /sbin/init, /bin/sh and the rest in one program, for each architecture: `npx tsx
 * userland/build.ts`. C through gcc, an ELF out of ld, written with a record of the sources beside them, so that a test can
 * tell when they have drifted apart.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const userlandDirectory = import.meta.dirname
const outDirectory = join(userlandDirectory, '../public/guests/netbsd')
export const recordPath = join(outDirectory, 'init.json')

/** Without SSE nothing on a stack of 32-bit words needs more than their alignment. */
const ARCHITECTURES = {
  amd64: { file: 'init', cflags: [], emulation: 'elf_x86_64' },
  i386: { file: 'init-i386', cflags: ['-m32', '-march=i686', '-mpreferred-stack-boundary=2'], emulation: 'elf_i386' },
} as const

export type Architecture = keyof typeof ARCHITECTURES
export const architectures = Object.keys(ARCHITECTURES) as Architecture[]
export const initPath = (architecture: Architecture): string => join(outDirectory, ARCHITECTURES[architecture].file)

export interface BuildRecord {
  /** SHA-256 over the sources, build.ts included: names and contents in name order. */
  readonly sources: string
  /** SHA-256 of each init. */
  readonly elf: Readonly<Record<Architecture, string>>
  /** First lines of `gcc --version` and `ld --version`. */
  readonly compiler: string
}

const CFLAGS = [
  '-std=c11',
  '-Os',
  // The kernel need not save a register that is never used.
  '-mgeneral-regs-only',
  '-ffunction-sections',
  '-fdata-sections',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-ffreestanding',
  '-fno-builtin',
  '-fno-pic',
  '-fno-pie',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fcf-protection=none',
  // Without libc there is no memset to call.
  '-fno-tree-loop-distribute-patterns',
  '-fno-ident',
]

/** Two segments, page-sized alignment: the file stays at its contents' size. */
const LDFLAGS = [
  '-static',
  '-nostdlib',
  '--build-id=none',
  '-X',
  '-s',
  '--gc-sections',
  '-z',
  'norelro',
  '-z',
  'noseparate-code',
  '-z',
  'max-page-size=4096',
  '-z',
  'noexecstack',
]

function run(command: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: userlandDirectory, encoding: 'utf8' })
  if (error) throw new Error(`${command} could not be started (${error.message}); install gcc and binutils`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stderr}${stdout}`)
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** Every file that the ELF depends on, in name order. */
export const sourceFiles = (): string[] =>
  readdirSync(userlandDirectory)
    .filter((name) => /\.([ch]|def)$/.test(name) || name === 'build.ts')
    .sort()

/** The names that the program answers to, in commands.def's order. */
export const commandNames = (): string[] =>
  [...readFileSync(join(userlandDirectory, 'commands.def'), 'utf8').matchAll(/^COMMAND\("([^"]+)"/gm)].map((m) => m[1]!)

export const sourcesHash = (): string =>
  sha256(
    sourceFiles()
      .map((name) => `${name} ${sha256(readFileSync(join(userlandDirectory, name)))}\n`)
      .join(''),
  )

/** The compiler and linker here, or undefined where there is none. */
export function compilerVersion(): string | undefined {
  const first = (command: string): string | undefined =>
    spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0]
  const gcc = first('gcc')
  const ld = first('ld')
  return gcc && ld ? `${gcc}; ${ld}` : undefined
}

/** Compiled for all but another architecture. */
const cFiles = (architecture: Architecture): string[] =>
  sourceFiles().filter(
    (name) => name.endsWith('.c') && !architectures.some((other) => other !== architecture && name === `${other}.c`),
  )

export function build(architecture: Architecture): Uint8Array {
  const { cflags, emulation } = ARCHITECTURES[architecture]
  const directory = mkdtempSync(join(tmpdir(), 'playground-userland-'))
  try {
    const elf = join(directory, 'init')
    const objects = cFiles(architecture).map((name) => {
      const object = join(directory, name.replace(/c$/, 'o'))
      run('gcc', [...CFLAGS, ...cflags, '-c', name, '-o', object])
      return object
    })
    run('ld', ['-m', emulation, ...LDFLAGS, '-o', elf, ...objects])
    return readFileSync(elf)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(outDirectory, { recursive: true })
  const sums = architectures.map((architecture) => {
    const elf = build(architecture)
    writeFileSync(initPath(architecture), elf, { mode: 0o755 })
    console.log(`${initPath(architecture)}: ${elf.length} bytes, sha256 ${sha256(elf)}`)
    return [architecture, sha256(elf)]
  })
  const elf = Object.fromEntries(sums) as BuildRecord['elf']
  const record: BuildRecord = { sources: sourcesHash(), elf, compiler: compilerVersion() ?? 'unknown' }
  writeFileSync(recordPath, `${JSON.stringify(record, undefined, 2)}\n`)
}
