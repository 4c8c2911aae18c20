/**
 * Builds the embedded guest: `npx tsx guest/build.ts`. Compiles every file of this directory with gcc, links twice (the
 * second time with the function names of the first, for stack traces), and writes the ELF with a record of its sources.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const guestDirectory = import.meta.dirname
export const elfPath = join(guestDirectory, '../public/guests/embedded/playground.elf')
export const recordPath = join(guestDirectory, '../public/guests/embedded/playground.json')

export interface BuildRecord {
  /** SHA-256 over the sources, this script included: names and contents in name order. */
  readonly sources: string
  /** SHA-256 of playground.elf. */
  readonly elf: string
  /** First lines of `gcc --version` and `ld --version`. */
  readonly compiler: string
}

const CFLAGS = [
  '-std=gnu11',
  '-O2',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-ffreestanding',
  '-fno-pic',
  '-fno-pie',
  '-mcmodel=kernel',
  '-mno-red-zone',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fcf-protection=none',
  '-fno-strict-aliasing',
  '-fno-builtin',
  '-fno-tree-loop-distribute-patterns',
  '-fno-omit-frame-pointer',
  // What a trace shows are functions as written: no clones, no merged ones, no calls that became jumps.
  '-fno-optimize-sibling-calls',
  '-fno-ipa-sra',
  '-fno-ipa-cp',
  '-fno-ipa-icf',
  '-fno-partial-inlining',
  '-fno-reorder-blocks-and-partition',
  '-fno-ident',
]

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: guestDirectory, encoding: 'utf8' })
  if (error) throw new Error(`${command} could not be started (${error.message}); install gcc and binutils`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stderr}${stdout}`)
  return stdout
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** Every file that the ELF depends on, in name order. */
export const sourceFiles = (): string[] =>
  readdirSync(guestDirectory)
    .filter((name) => /\.(c|h|S|ld)$/.test(name) || name === 'build.ts')
    .sort()

export function sourcesHash(): string {
  const parts = sourceFiles().map((name) => `${name} ${sha256(readFileSync(join(guestDirectory, name)))}\n`)
  return sha256(parts.join(''))
}

/** The compiler and linker here, or undefined where there is none. */
export function compilerVersion(): string | undefined {
  const first = (command: string): string | undefined =>
    spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0]
  const gcc = first('gcc')
  const ld = first('ld')
  return gcc && ld ? `${gcc}; ${ld}` : undefined
}

/** Function names sorted by address, as the table that crash.c reads; `nm` lines look like "ffffffff80101000 T name". */
function ksymsSource(nm: string): string {
  const functions = nm
    .split('\n')
    .map((line) => /^ffffffff([0-9a-f]{8}) [Tt] (\w+)$/.exec(line))
    .filter((match) => match !== null)
    .filter(([, , name]) => !name.startsWith('__'))
    .map(([, address, name]) => ({ address, name }))
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.name < b.name ? -1 : 1))
  let offset = 0
  const entries = functions.map(({ address, name }) => {
    const line = `.long 0x${address}, ${offset}`
    offset += name.length + 1
    return line
  })
  const names = functions.map(({ name }) => `.asciz "${name}"`)
  return [
    '.section .ksyms, "a", @progbits',
    '.balign 8',
    '.globl ksyms, ksyms_count, ksyms_names',
    `ksyms_count: .long ${functions.length}`,
    'ksyms:',
    ...entries,
    'ksyms_names:',
    ...names,
    '',
  ].join('\n')
}

export function build(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'playground-guest-'))
  try {
    const objects = sourceFiles()
      .filter((name) => /\.[cS]$/.test(name))
      .map((name) => {
        const object = join(directory, `${basename(name)}.o`)
        const simd = name === 'bench_sse.c' ? ['-msse2', '-mfpmath=sse'] : ['-mgeneral-regs-only']
        run('gcc', [...CFLAGS, ...simd, '-c', name, '-o', object])
        return object
      })
    const link = (ksyms: string): string => {
      const source = join(directory, 'ksyms.s')
      const object = join(directory, 'ksyms.o')
      const elf = join(directory, 'playground.elf')
      writeFileSync(source, ksyms)
      run('as', ['--64', source, '-o', object])
      const flags = ['-nostdlib', '-static', '--build-id=none', '-z', 'max-page-size=4096', '-z', 'noexecstack']
      run('ld', [...flags, '-T', 'playground.ld', '-X', '-o', elf, ...objects, object])
      return elf
    }
    const first = link(ksymsSource(''))
    const elf = link(ksymsSource(run('nm', [first])))
    return readFileSync(elf)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const elf = build()
  const record: BuildRecord = { sources: sourcesHash(), elf: sha256(elf), compiler: compilerVersion() ?? 'unknown' }
  mkdirSync(join(elfPath, '..'), { recursive: true })
  writeFileSync(elfPath, elf)
  writeFileSync(recordPath, `${JSON.stringify(record, undefined, 2)}\n`)
  console.log(`${elfPath}: ${elf.length} bytes, sha256 ${record.elf}`)
}
