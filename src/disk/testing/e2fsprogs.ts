/** The real tools, where this machine has them: e2fsck judges what we write, mke2fs and debugfs make what we read. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`

export const installed = (tool: string): boolean => !spawnSync(tool, ['-V'], { env: { ...process.env, PATH } }).error

export interface Ran {
  readonly status: number | null
  readonly output: string
}

export function run(tool: string, args: readonly string[]): Ran {
  const { status, stdout, stderr, error } = spawnSync(tool, args, {
    env: { ...process.env, PATH, TZ: 'UTC' },
    encoding: 'utf8',
  })
  if (error) throw error
  return { status, output: `${stdout}${stderr}` }
}

/** Calls `use` with a path for scratch files and removes them afterwards. */
export function withScratch<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'playground-disk-'))
  try {
    return use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** e2fsck's words about an image; empty when it finds nothing wrong. */
export const complaints = (image: Uint8Array): string =>
  withScratch((directory) => {
    const path = join(directory, 'image')
    writeFileSync(path, image)
    const { status, output } = run('e2fsck', ['-fn', path])
    return status === 0 ? '' : output
  })

/** What debugfs answers to one command. */
export const debugfs = (image: Uint8Array, command: string): string =>
  withScratch((directory) => {
    const path = join(directory, 'image')
    writeFileSync(path, image)
    return run('debugfs', ['-R', command, path]).output.replace(/^debugfs .*\n/m, '')
  })
