/** The recorder as a function: cases in, outcomes out. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CASE_FILE_HEADER, CASE_FILE_MAGIC } from './case.ts'
import { DATA, goldenImage, IMAGE_BYTES } from './layout.ts'

const SOURCE = join(import.meta.dirname, 'recorder/recorder.c')
const BINARY = join(import.meta.dirname, '../build/vectors/recorder')

export const buildRecorder = (): string => {
  if (!existsSync(BINARY) || statSync(BINARY).mtimeMs < statSync(SOURCE).mtimeMs) {
    mkdirSync(join(BINARY, '..'), { recursive: true })
    const flags = '-O2 -Wall -Wextra -fno-stack-protector -mgeneral-regs-only -fcf-protection=none -fPIE -static-pie'
    execFileSync('gcc', [...flags.split(' '), '-o', BINARY, SOURCE], { stdio: 'inherit' })
  }
  return BINARY
}

/** The host's processor, as /proc/cpuinfo names it. */
export const hostProcessor = (): string => {
  const info = readFileSync('/proc/cpuinfo', 'utf8')
  const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1] ?? '?'
  return `${field('vendor_id')} ${field('model name')}, family ${field('cpu family')} model ${field('model')} stepping ${field('stepping')}`
}

/** Collects case records into a file for the recorder. */
export class Batch {
  #buffer = new Uint8Array(1 << 22)
  #used = CASE_FILE_HEADER + IMAGE_BYTES
  count = 0
  readonly offsets: number[] = []

  add(record: Uint8Array): void {
    if (this.#used + record.length > this.#buffer.length) {
      const bigger = new Uint8Array(this.#buffer.length * 2)
      bigger.set(this.#buffer)
      this.#buffer = bigger
    }
    this.#buffer.set(record, this.#used)
    this.offsets.push(this.#used)
    this.#used += record.length
    this.count++
  }
  /** The i-th case's bytes. */
  at(i: number): Uint8Array {
    const from = this.offsets[i] as number
    const size = new DataView(this.#buffer.buffer).getUint32(from, true)
    return this.#buffer.subarray(from, from + size)
  }
  file(): Uint8Array {
    const view = new DataView(this.#buffer.buffer)
    view.setUint32(0, CASE_FILE_MAGIC, true)
    view.setUint32(4, this.count, true)
    view.setBigUint64(8, BigInt(DATA), true)
    this.#buffer.set(goldenImage(), CASE_FILE_HEADER)
    return this.#buffer.subarray(0, this.#used)
  }
  clear(): void {
    this.#used = CASE_FILE_HEADER + IMAGE_BYTES
    this.count = 0
    this.offsets.length = 0
  }
}

/** Runs the batch on the processor; outcomes in the cases' order. */
export const record = (batch: Batch): Uint8Array[] => {
  const directory = mkdtempSync(join(tmpdir(), 'vectors-'))
  try {
    const cases = join(directory, 'cases')
    const outcomes = join(directory, 'outcomes')
    writeFileSync(cases, batch.file())
    const run = spawnSync(buildRecorder(), [cases, outcomes], { stdio: ['ignore', 'inherit', 'inherit'] })
    if (run.status !== 0) throw new Error(`the recorder ended with ${run.status ?? run.signal}`)
    const bytes = new Uint8Array(readFileSync(outcomes))
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    const list: Uint8Array[] = []
    for (let at = 0; at < bytes.length; ) {
      const size = view.getUint32(at, true)
      list.push(bytes.subarray(at, at + size))
      at += size
    }
    if (list.length !== batch.count) throw new Error(`the recorder ran ${list.length} of ${batch.count} cases`)
    return list
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
