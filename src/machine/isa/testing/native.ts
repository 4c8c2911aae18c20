/** This machine's own CPU as the reference: one instruction's bytes run on many register states. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One register state, as native-runner.c's `struct state`. */
export const CASE_BYTES = 256
export const CASE_XMM = 0
export const CASE_MM = 64
export const CASE_GPR = 96
export const CASE_MEMORY = 128
export const CASE_MXCSR = 192
export const CASE_SIGNAL = 196
export const CASE_RFLAGS = 200

export interface NativeGroup {
  readonly code: readonly number[]
  /** CASE_BYTES each. */
  readonly cases: Uint8Array
}

let runner: string | undefined

export type Vendor = 'intel' | 'amd' | 'other'
/** Who made this machine's CPU: where the manual leaves something open, processors differ by it. */
export const hostVendor = (): Vendor => {
  let vendor: string | undefined
  try {
    vendor = /^vendor_id\s*:\s*(\S+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]
  } catch {
    // Not Linux: no reference either.
  }
  return vendor === 'GenuineIntel' ? 'intel' : vendor === 'AuthenticAMD' ? 'amd' : 'other'
}

const cpuFlags = (): Set<string> => {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))
    return new Set((line?.[1] ?? '').trim().split(/\s+/))
  } catch {
    return new Set()
  }
}
const FLAG_NAMES: Readonly<Record<string, string>> = { sse3: 'pni', 'sse4.1': 'sse4_1', 'sse4.2': 'sse4_2' }

/** Why this machine cannot be the reference for a feature; undefined when it can. */
export const nativeMissing = (features: readonly string[]): string | undefined => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'this machine is not x86-64 Linux'
  const flags = cpuFlags()
  for (const feature of features) if (!flags.has(FLAG_NAMES[feature] ?? feature)) return `this CPU has no ${feature}`
  try {
    compile()
  } catch {
    return 'there is no gcc'
  }
  return undefined
}

const compile = (): string => {
  if (runner !== undefined) return runner
  const out = join(mkdtempSync(join(tmpdir(), 'native-runner-')), 'runner')
  const source = join(import.meta.dirname, 'native-runner.c')
  execFileSync('gcc', ['-O1', '-mno-red-zone', '-z', 'noexecstack', '-o', out, source], { stdio: 'pipe' })
  return (runner = out)
}

/** The states after the instruction, group by group. */
export const runNative = (groups: readonly NativeGroup[]): Uint8Array[] => {
  const input: Uint8Array[] = []
  for (const { code, cases } of groups) {
    const head = new Uint8Array(8 + 16)
    const view = new DataView(head.buffer)
    view.setUint32(0, code.length, true)
    view.setUint32(4, cases.length / CASE_BYTES, true)
    head.set(code, 8)
    input.push(head, cases)
  }
  const total = groups.reduce((n, g) => n + g.cases.length, 0)
  const result = spawnSync(compile(), { input: Buffer.concat(input), maxBuffer: total + 1024 })
  if (result.status !== 0 || result.stdout.length !== total)
    throw new Error(`the native runner ended with ${result.status ?? result.signal}: ${result.stderr}`)
  let at = 0
  return groups.map((g) => {
    const out = new Uint8Array(result.stdout.subarray(at, at + g.cases.length))
    at += g.cases.length
    return out
  })
}
