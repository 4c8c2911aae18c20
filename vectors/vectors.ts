/**
 * npm run vectors -- [--minutes N] [--seed N] [--only MNEMONIC] [--cases N] [--translated N] [--sequences | --objdump | --lengths | --commit]
 * npm run vectors -- --snapshots N: machines that are saved and resumed (snapshots.ts)
 * npm run vectors -- --lockstep KERNEL: one boot by both engines, side by side (lockstep.ts)
 *
 * Runs cases on this machine's processor and on both engines, and prints what differs: on the interpreter all, on the
 * translator one in --translated N (25; 1: all, 0: none), since compiling takes a millisecond a case. Seeds are fresh until the time is
 * over, unless one is given. --commit writes vectors/data/ of this vendor anew instead, with the committed seed. README.md says more.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { brotliCompressSync } from 'node:zlib'
import { EAGER } from '../src/machine/engine/regions/registry.ts'
import {
  CASE_FLAGS,
  CASE_FX,
  CASE_LENGTH,
  CASE_PATCHES,
  CASE_RIP,
  Case,
  CaseFlag,
  FX_BYTES,
  PATCH_HEADER,
} from './case.ts'
import { check } from './compare.ts'
import {
  type CaseMaker,
  COMMITTED_SEED,
  countOf,
  FAMILIES,
  familyOf,
  makerOf,
  type Plan,
  planKey,
  plans,
  sequencePlans,
} from './corpus.ts'
import { mnemonicOf } from './descriptor.ts'
import { deviationsOf } from './deviations.ts'
import { Engine } from './engine.ts'
import {
  agrees,
  excuse,
  LENGTHS_COMMITTED,
  Lengths,
  lengthCases,
  lengthStream,
  MAX_BYTES,
  randomBytes,
  verdictByte,
  verdictOf,
} from './lengths.ts'
import { lockstep } from './lockstep.ts'
import { Batch, hostProcessor, record } from './native.ts'
import { compareWithObjdump } from './objdump.ts'
import { DIFFERENCE_HEADER, OUTCOME_DIFFERENCES, OUTCOME_FX, OUTCOME_VECTOR, VECTOR_TIMEOUT } from './outcome.ts'
import { compareSnapshots } from './snapshots.ts'
import { encodeOutcome, FNV_START, FORMAT, fnv, type Group, pack, Sink } from './store.ts'
import { vendorOf } from './vendor.ts'

/** The instruction's bytes, for people. */
export const codeOf = (bytes: Uint8Array): string => {
  const v = new DataView(bytes.buffer, bytes.byteOffset)
  const rip = v.getUint32(CASE_RIP, true)
  let at = CASE_FX + (((bytes[CASE_FLAGS] as number) & CaseFlag.Float) !== 0 ? FX_BYTES : 0)
  for (let i = bytes[CASE_PATCHES] as number; i > 0; i--) {
    const length = v.getUint32(at + 8, true)
    if (v.getUint32(at, true) === rip) {
      const code = bytes.subarray(at + PATCH_HEADER, at + PATCH_HEADER + (bytes[CASE_LENGTH] as number))
      return `${[...code].map((b) => b.toString(16).padStart(2, '0')).join(' ')} at ${rip.toString(16)}`
    }
    at += PATCH_HEADER + ((length + 7) & ~7)
  }
  return '?'
}

/** AMD's MXCSR has a bit of its own (17), and so has the MXCSR_MASK that FXSAVE stores; the model has neither. */
export const withoutAmdMask = (g: CaseMaker, native: Uint8Array): void => {
  if (!/^FXSAVE/.test(g.mnemonic)) return
  const at = Number(g.ea) + 30
  const v = new DataView(native.buffer, native.byteOffset)
  let p = OUTCOME_FX + FX_BYTES
  for (let i = native[OUTCOME_DIFFERENCES] as number; i > 0; i--) {
    const from = v.getUint32(p, true)
    const length = v.getUint32(p + 8, true)
    if (at >= from && at < from + length) native[p + DIFFERENCE_HEADER + at - from]! &= ~2
    p += DIFFERENCE_HEADER + ((length + 7) & ~7)
  }
}

interface Made {
  readonly plan: Plan
  readonly generator: CaseMaker
  readonly undefined: number
  readonly ea: bigint
  readonly index: number
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    cases: { type: 'string' },
    commit: { type: 'boolean' },
    objdump: { type: 'boolean' },
    lengths: { type: 'boolean' },
    sequences: { type: 'boolean' },
    snapshots: { type: 'string' },
    lockstep: { type: 'string' },
    initrd: { type: 'string' },
    cmdline: { type: 'string' },
    instructions: { type: 'string', default: '100000000' },
    kernel: { type: 'string' },
    disk: { type: 'string' },
    translated: { type: 'string', default: '25' },
  },
})
const wanted = (p: Plan): boolean =>
  values.only === undefined ||
  mnemonicOf(p.descriptor) === values.only.toUpperCase() ||
  p.descriptor.text === values.only
if (values.snapshots !== undefined) {
  const { kernel, disk, seed } = values
  const options = { places: Number(values.snapshots), seed: Number(seed ?? Date.now() % 2 ** 31), kernel, disk }
  console.log(`seed ${options.seed}`)
  process.exit(compareSnapshots(options) === 0 ? 0 : 1)
}
if (values.lockstep !== undefined) {
  const { lockstep: kernel, disk, initrd, cmdline } = values
  process.exit(lockstep({ kernel, disk, initrd, cmdline, instructions: Number(values.instructions) }) ? 0 : 1)
}
const vendor = vendorOf(hostProcessor())
const all = (values.sequences === true ? sequencePlans() : [...plans(vendor), ...sequencePlans()]).filter(wanted)
const c = new Case()
const interpreter = new Engine()
const translator = new Engine(EAGER)
const translatedOf = Number(values.translated)
let cases = 0
let translated = 0
let mismatches = 0
let engineMs = 0
let nativeMs = 0
const known = new Map<string, number>()
const shown = new Map<string, number>()

const compare = (m: Made, engine: Engine, record: Uint8Array, native: Uint8Array): void => {
  const lines = check(engine, record, native, m.undefined)
  if (lines === undefined) return
  const deviations = deviationsOf(vendor, m.plan, lines)
  for (const { id } of deviations) known.set(id, (known.get(id) ?? 0) + 1)
  if (deviations.length > 0) return
  mismatches++
  const key = planKey(m.plan)
  const times = (shown.get(key) ?? 0) + 1
  shown.set(key, times)
  if (times > 2) return
  const where = engine === translator ? ', translated' : ''
  console.log(
    `${m.plan.descriptor.text} (${m.plan.bits}-bit${where}) #${m.index} [${codeOf(record)}]\n    ${lines.join('\n    ')}`,
  )
}

const runBatch = (batch: Batch, made: readonly Made[], keep?: (i: number, native: Uint8Array) => void): void => {
  let t = performance.now()
  const outcomes = record(batch)
  nativeMs += performance.now() - t
  t = performance.now()
  outcomes.forEach((native, i) => {
    const m = made[i] as Made
    m.generator.ea = m.ea
    if (vendor === 'amd') withoutAmdMask(m.generator, native)
    if (native[OUTCOME_VECTOR] === VECTOR_TIMEOUT) throw new Error(`the case does not end: ${codeOf(batch.at(i))}`)
    cases++
    keep?.(i, native)
    compare(m, interpreter, batch.at(i), native)
    if (translatedOf === 0 || cases % translatedOf !== 0) return
    translated++
    compare(m, translator, batch.at(i), native)
  })
  engineMs += performance.now() - t
}

const summary = (): void => {
  const rate = (ms: number): string => ((cases / ms) * 1000).toFixed(0)
  const speed = engineMs === 0 ? '' : `; ${rate(nativeMs)} cases/s on the processor, ${rate(engineMs)} on the engines`
  console.log(`${cases} cases, ${translated} of them translated too, ${mismatches} mismatches${speed}`)
  for (const [id, n] of known) console.log(`  known deviation ${id}: ${n}`)
  for (const [key, n] of [...shown].sort((a, b) => b[1] - a[1]).slice(0, 40)) console.log(`  ${n} ${key}`)
}

const runSeed = (seed: number, perGroup: number, until: number): void => {
  const batch = new Batch()
  let made: Made[] = []
  const flush = (): void => {
    if (batch.count > 0) runBatch(batch, made)
    batch.clear()
    made = []
  }
  for (const plan of all) {
    const generator = makerOf(plan, vendor)
    for (let index = 0; index < perGroup; index++) {
      generator.make(c, seed, index)
      batch.add(c.finish())
      made.push({ plan, generator, undefined: generator.undefined, ea: generator.ea, index })
    }
    if (batch.count >= 20_000) flush()
    if (performance.now() > until) break
  }
  flush()
}

const commit = (): void => {
  const directory = join(import.meta.dirname, 'data', vendor)
  mkdirSync(directory, { recursive: true })
  let total = 0
  for (const family of FAMILIES) {
    const members = all.filter((p) => familyOf(p.descriptor) === family)
    const groups: Group[] = []
    const sink = new Sink()
    for (let first = 0; first < members.length; first += 100) {
      const batch = new Batch()
      const made: Made[] = []
      const part = members.slice(first, first + 100)
      for (const plan of part) {
        const generator = makerOf(plan, vendor)
        for (let index = 0; index < countOf(plan); index++) {
          generator.make(c, COMMITTED_SEED, index)
          batch.add(c.finish())
          made.push({ plan, generator, undefined: generator.undefined, ea: generator.ea, index })
        }
      }
      let inputs = FNV_START
      let from = sink.length
      runBatch(batch, made, (i, native) => {
        const m = made[i] as Made
        inputs = fnv(inputs, batch.at(i))
        encodeOutcome(sink, batch.at(i), native, m.undefined)
        if (m.index === countOf(m.plan) - 1) {
          groups.push({ ...m.plan, count: countOf(m.plan), bytes: sink.length - from, inputs })
          inputs = FNV_START
          from = sink.length
        }
      })
    }
    const packed = pack(
      { format: FORMAT, processor: hostProcessor(), seed: COMMITTED_SEED, groups },
      sink.bytes.subarray(0, sink.length),
    )
    writeFileSync(join(directory, `${family}.vectors`), packed)
    total += packed.length
    console.log(
      `${family}: ${groups.length} groups, ${groups.reduce((n, g) => n + g.count, 0)} cases, ${packed.length} bytes`,
    )
  }
  console.log(`${total} bytes in all`)
}

/** Binaries with large executable sections, where they are installed. */
const BINARIES = [
  '/usr/bin/qemu-system-x86_64',
  '/usr/bin/node',
  '/usr/lib/chromium/chromium',
  '/usr/lib/gcc/x86_64-linux-gnu/12/cc1',
  '/lib/x86_64-linux-gnu/libc.so.6',
]
const objdump = async (): Promise<void> => {
  let total = 0
  for (const file of BINARIES.filter((f) => existsSync(f))) {
    const r = await compareWithObjdump(file, new Lengths(), Number(values.cases ?? 20_000_000))
    total += r.instructions
    mismatches += r.disagreements.length
    const unknown = [...r.unknown].sort((a, b) => b[1] - a[1])
    console.log(`${file}: ${r.instructions} instructions, ${r.disagreements.length} disagreements`)
    for (const line of r.disagreements) console.log(`    ${line}`)
    if (unknown.length > 0)
      console.log(
        `    not offered: ${unknown.reduce((n, [, count]) => n + count, 0)} (${unknown.map(([m, n]) => `${m} ${n}`).join(', ')})`,
      )
  }
  console.log(`${total} instructions in all`)
}

/** Random bytes on the processor and in the decoder; `keep` takes the verdicts. */
const randomLengths = (bits: 64 | 32, seed: number, count: number, keep?: (verdict: number) => void): void => {
  const lengths = new Lengths()
  const r = lengthStream(bits, seed)
  const excused = new Map<string, number>()
  for (let done = 0; done < count; ) {
    const batch = new Batch()
    const list: Uint8Array[] = []
    for (; list.length < 2000 && done < count; done++) {
      const bytes = randomBytes(r, bits)
      list.push(bytes)
      lengthCases(c, bytes, bits, batch)
    }
    const outcomes = record(batch)
    list.forEach((bytes, i) => {
      const verdict = verdictOf(outcomes.slice(i * MAX_BYTES, (i + 1) * MAX_BYTES))
      const mine = lengths.of(bytes, 0, MAX_BYTES, bits)
      keep?.(verdictByte(verdict))
      cases++
      if (agrees(verdict, mine)) return
      const why = excuse(vendor, bytes, bits, verdict, mine)
      if (why !== undefined) {
        excused.set(why, (excused.get(why) ?? 0) + 1)
        return
      }
      mismatches++
      const text = [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ')
      console.log(
        `${text} (${bits}-bit): processor ${verdict.kind === 'length' ? verdict.length : verdict.kind}, decoder ` +
          `${mine.length} ${mine.row?.text ?? ''}`,
      )
    })
  }
  for (const [why, n] of excused) console.log(`  ${bits}-bit, ${why}: ${n}`)
}
const commitLengths = (): void => {
  const bytes: number[] = []
  for (const bits of [64, 32] as const)
    randomLengths(bits, COMMITTED_SEED, LENGTHS_COMMITTED, (verdict) => bytes.push(verdict))
  writeFileSync(
    join(import.meta.dirname, 'data', vendor, 'lengths.verdicts'),
    brotliCompressSync(Uint8Array.from(bytes)),
  )
}

if (values.objdump === true) await objdump()
else if (values.lengths === true)
  for (const bits of [64, 32] as const)
    randomLengths(bits, Number(values.seed ?? Date.now() & 0x7fffffff), Number(values.cases ?? 50_000))
else if (values.commit === true) {
  commit()
  commitLengths()
} else {
  const start = performance.now()
  const until = values.minutes === undefined ? Number.POSITIVE_INFINITY : start + Number(values.minutes) * 60_000
  let seed = values.seed === undefined ? Date.now() & 0x7fffffff : Number(values.seed)
  do {
    console.log(`seed ${seed}`)
    runSeed(seed, Number(values.cases ?? 40), until)
    seed = (seed + 1) & 0x7fffffff
  } while (values.minutes !== undefined && performance.now() < until)
}
summary()
process.exitCode = mismatches === 0 ? 0 : 1
