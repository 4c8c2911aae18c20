/** This machine's own x87 unit as the reference: one instruction's bytes run on many unit states. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One unit state, as x87-runner.c's `struct state`; it begins with FNSAVE's 32-bit form. */
export const CASE_BYTES = 256
export const CASE_FCW = 0
export const CASE_FSW = 4
export const CASE_FTW = 8
export const CASE_FOP = 18
/** ST(0) to ST(7), ten bytes each. */
export const CASE_ST = 28
export const CASE_MEMORY = 112
export const CASE_RAX = 128
export const CASE_RFLAGS = 136
export const CASE_FIP_RELATIVE = 144
export const CASE_FDP_RELATIVE = 148
export const CASE_SIGNAL = 152

let runner: string | undefined
const compile = (): string => {
  if (runner !== undefined) return runner
  const out = join(mkdtempSync(join(tmpdir(), 'x87-runner-')), 'runner')
  const source = join(import.meta.dirname, 'x87-runner.c')
  execFileSync('gcc', ['-O1', '-mno-red-zone', '-z', 'noexecstack', '-o', out, source], { stdio: 'pipe' })
  return (runner = out)
}

/** Why this machine cannot be the reference; undefined when it can. */
export const x87Missing = (): string | undefined => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'this machine is not x86-64 Linux'
  try {
    compile()
  } catch {
    return 'there is no gcc'
  }
  return undefined
}

let exceptionsOnly: boolean | undefined
/**
 * Whether this CPU writes FDP and FDS only when an exception is unmasked (CPUID.(EAX=7,ECX=0):EBX[6], FDP_EXCPTN_ONLY).
 * Intel's do since 2015, AMD's do not; the model says 0 and always writes them.
 */
export const fdpByExceptionsOnly = (): boolean =>
  (exceptionsOnly ??= execFileSync(compile(), ['--fdp-exceptions-only'], { encoding: 'utf8' }).trim() === 'yes')

/** The states after the instruction. */
export const runX87 = (code: readonly number[], cases: Uint8Array): Uint8Array => {
  const head = new Uint8Array(8 + 16)
  const view = new DataView(head.buffer)
  view.setUint32(0, code.length, true)
  view.setUint32(4, cases.length / CASE_BYTES, true)
  head.set(code, 8)
  const result = spawnSync(compile(), { input: Buffer.concat([head, cases]), maxBuffer: cases.length + 1024 })
  if (result.status !== 0 || result.stdout.length !== cases.length)
    throw new Error(`the native runner ended with ${result.status ?? result.signal}: ${result.stderr}`)
  return new Uint8Array(result.stdout)
}
