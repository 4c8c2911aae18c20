/**
 * Writes NetBSD's root image: `npx tsx userland/make-root.ts OUT [--i386] [--size MIB] [--add PATH=FILE]...`. Exit
 * status 2 for bad arguments or files, with one sentence.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { sentence } from '../src/base/problem.ts'
import { netbsdRoot } from '../src/disk/netbsd-root.ts'
import { initPath } from './build.ts'

const USAGE = 'usage: npx tsx userland/make-root.ts OUT [--i386] [--size MIB] [--add PATH=FILE]...'

function main(): string | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { i386: { type: 'boolean' }, size: { type: 'string' }, add: { type: 'string', multiple: true } },
  })
  const [out, ...more] = positionals
  if (out === undefined || more.length > 0) return USAGE
  const mebibytes = values.size === undefined ? undefined : Number(values.size)
  if (mebibytes !== undefined && !(mebibytes > 0))
    return `--size is "${values.size}"; expected: a number of MiB. ${USAGE}`

  const files = new Map<string, Uint8Array>()
  for (const pair of values.add ?? []) {
    const at = pair.indexOf('=')
    if (at < 1) return `--add is "${pair}"; expected: PATH=FILE. ${USAGE}`
    files.set(pair.slice(0, at), readFileSync(pair.slice(at + 1)))
  }
  const size = mebibytes === undefined ? {} : { size: Math.floor(mebibytes * 1024 * 1024) }
  const init = readFileSync(initPath(values.i386 ? 'i386' : 'amd64'))
  const root = netbsdRoot(init, { files, time: Math.floor(Date.now() / 1000), ...size })
  if (!root.ok) return sentence(root.problem)
  writeFileSync(out, root.value)
  console.log(`${out}: ${root.value.length} bytes`)
  return undefined
}

let complaint: string | undefined
try {
  complaint = main()
} catch (error) {
  complaint = error instanceof Error ? error.message : String(error)
}
if (complaint !== undefined) {
  console.error(complaint)
  process.exitCode = 2
}
