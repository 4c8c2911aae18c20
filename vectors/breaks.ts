/**
 * npx tsx vectors/breaks.ts [--only TEXT]
 *
 * Breaks the engine on purpose, one line at a time in a copy of the sources, and runs the model's committed vectors of
 * the instructions concerned, interpreted all of them and translated some thousands: every break must be caught, by both
 * engines where both have the line. Vectors that do not fail when they should prove nothing.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

interface Break {
  readonly what: string
  /** Below src/machine. */
  readonly file: string
  /** A line's part that stands there once, and what becomes of it. */
  readonly from: string
  readonly to: string
  /** Whose vectors must notice. */
  readonly mnemonics: string
  readonly engines: 'both' | 'translator'
}
const BREAKS: readonly Break[] = [
  {
    what: 'AF of an addition is that of the next bit',
    file: 'isa/builder.ts',
    from: 'this.#setFlags(this.sext(sum), carries, i64.and(i64.xor(i64.xor(x, y), sum), k(0x10)))',
    to: 'this.#setFlags(this.sext(sum), carries, i64.and(i64.xor(i64.xor(x, y), sum), k(0x20)))',
    mnemonics: 'ADD ADC',
    engines: 'both',
  },
  {
    what: 'OF of a shift to the left looks one bit lower',
    file: 'isa/rows/shift.ts',
    from: 'i64.xor(bitOf(x, n - 1), bitOf(x, n - 2))',
    to: 'i64.xor(bitOf(x, n - 1), bitOf(x, n - 3))',
    mnemonics: 'SHL RCL SHLD',
    engines: 'both',
  },
  {
    what: 'PF of a product that is zero',
    file: 'isa/rows/arithmetic.ts',
    from: 'select(low, k(3), i64.ne(b.trunc(low), k(0)))',
    to: 'select(low, k(1), i64.ne(b.trunc(low), k(0)))',
    mnemonics: 'MUL IMUL',
    engines: 'both',
  },
  {
    what: 'LOOP goes on when the count is used up',
    file: 'isa/rows/control.ts',
    from: 'const counts = decrement ? i64.ne(c, k(0)) : i64.eqz(c)',
    to: 'const counts = decrement ? i64.eqz(c) : i64.eqz(c)',
    mnemonics: 'LOOP LOOPE',
    engines: 'both',
  },
  {
    what: 'REPE and REPNE change places',
    file: 'isa/rows/string.ts',
    from: "repeat === 'E' ? i64.eq(x, y) : i64.ne(x, y)",
    to: "repeat === 'E' ? i64.ne(x, y) : i64.eq(x, y)",
    mnemonics: 'CMPSB SCASD',
    engines: 'both',
  },
  {
    what: 'a repeated STOS leaves the upper half of RDI',
    file: 'isa/rows/string.ts',
    from: 'cutTo32(b, address, [RCX, RDI])',
    to: 'cutTo32(b, address, [RCX])',
    mnemonics: 'STOSB STOSQ',
    engines: 'both',
  },
  {
    what: 'MINPS prefers the other operand',
    file: 'isa/rows/sse-float.ts',
    from: 't.float.pmin(right, left)',
    to: 't.float.pmin(left, right)',
    mnemonics: 'MINPS MINSD',
    engines: 'both',
  },
  {
    what: 'SSE rounds ties away from the even number',
    file: 'semantics/softfloat/arithmetic.ts',
    from: 'rest > half || (rest === half && (quotient & 1n) === 1n)',
    to: 'rest > half || (rest === half && (quotient & 1n) === 0n)',
    mnemonics: 'CVTSD2SS MULSS DIVPS',
    engines: 'both',
  },
  {
    what: 'FPREM forgets the third bit of the quotient',
    file: 'semantics/x87/arithmetic.ts',
    from: 'Number(q & 7n)',
    to: 'Number(q & 3n)',
    mnemonics: 'FPREM FPREM1',
    engines: 'both',
  },
  {
    what: 'x87 precision control of 53 bits is 54',
    file: 'semantics/x87/unit.ts',
    from: 'const PRECISIONS = [24, 64, 53, 64]',
    to: 'const PRECISIONS = [24, 64, 54, 64]',
    mnemonics: 'FADD FMUL FDIV',
    engines: 'both',
  },
  {
    what: 'words multiply and add without a sign',
    file: 'isa/rows/sse-integer.ts',
    from: "packed('PMADDWD', 'F5', 'mmx sse2', i32x4.dot_i16x8_s)",
    to: "packed('PMADDWD', 'F5', 'mmx sse2', i16x8.mul)",
    mnemonics: 'PMADDWD',
    engines: 'both',
  },
  {
    what: 'a store of an MMX register that faults leaves TOP',
    file: 'isa/rows/mmx.ts',
    from: '    clearTop(b)\n    x.write',
    to: '    x.write',
    mnemonics: 'MOVNTQ',
    engines: 'both',
  },
  {
    what: 'string comparison takes ranges for sets',
    file: 'semantics/softfloat/strings.ts',
    from: 'b[j]! >= a[i]! && b[j]! <= a[i + 1]!',
    to: 'b[j]! >= a[i]! && b[j]! < a[i + 1]!',
    mnemonics: 'PCMPISTRI PCMPESTRM',
    engines: 'both',
  },
  {
    what: 'FXSAVE looks at its first byte first',
    file: 'semantics/system/fpu-state.ts',
    from: 'core.memory.probe(plus(linear, FX_BYTES - 1), 1, write)',
    to: 'core.memory.probe(linear, 1, write)',
    mnemonics: 'FXSAVE FXRSTOR',
    engines: 'both',
  },
  {
    what: 'a segment register is pushed in four bytes',
    file: 'isa/rows/system.ts',
    from: 'b.bits === 32 ? 16 : b.bits',
    to: 'b.bits',
    mnemonics: 'PUSH',
    engines: 'both',
  },
  {
    what: 'IRET leaves the flags as they were',
    file: 'semantics/system/iret.ts',
    from: 'let changeable = ALWAYS',
    to: 'let changeable = 0',
    mnemonics: 'IRET',
    engines: 'both',
  },
  {
    what: 'the decoder takes an 8-bit displacement for unsigned',
    file: 'isa/decoder.ts',
    from: 'if (dispSize === 1) disp = (code[p]! << 24) >> 24',
    to: 'if (dispSize === 1) disp = code[p]!',
    mnemonics: 'MOV LEA',
    engines: 'both',
  },
  {
    what: 'translated code forgets that a 67 prefix cuts addresses',
    file: 'engine/regions/write.ts',
    from: 'this.#byte(record, REC_WIDTH) === 32 ? i64.and(sum, k(0xffffffff)) : sum',
    to: 'sum',
    mnemonics: 'MOV ADD XCHG',
    engines: 'translator',
  },
]

const ROOT = join(import.meta.dirname, '..')
/** Runs in the copy: committed vectors of some instructions, mismatches of the interpreter and of the translator. */
const CHECK = `
import { readFileSync } from 'node:fs'
import { EAGER } from './src/machine/engine/regions/registry.ts'
import { Case } from './vectors/case.ts'
import { check } from './vectors/compare.ts'
import { FAMILIES, makerOf } from './vectors/corpus.ts'
import { mnemonicOf } from './vectors/descriptor.ts'
import { deviationsOf } from './vectors/deviations.ts'
import { Engine } from './vectors/engine.ts'
import { OutcomeReader, unpack } from './vectors/store.ts'
import { MODEL } from './vectors/vendor.ts'

const wanted = new Set(process.argv.slice(2))
const engines = [new Engine(), new Engine(EAGER)]
const failed = [0, 0]
const ran = [0, 0]
const c = new Case()
for (const family of FAMILIES) {
  const { header, bytes, at } = unpack(readFileSync(\`vectors/data/\${MODEL}/\${family}.vectors\`))
  let from = at
  for (const group of header.groups) {
    if (wanted.has(mnemonicOf(group.descriptor))) {
      const generator = makerOf(group, MODEL)
      const reader = new OutcomeReader(bytes, from)
      for (let index = 0; index < group.count; index++) {
        generator.make(c, header.seed, index)
        const record = c.finish()
        const outcome = reader.read(record)
        engines.forEach((engine, i) => {
          if (i === 1 && ran[0] > 3000 && index % 8 !== 0) return
          ran[i] += 1
          const lines = check(engine, record, outcome, generator.undefined)
          if (lines !== undefined && deviationsOf(MODEL, group, lines).length === 0) failed[i] += 1
        })
      }
    }
    from += group.bytes
  }
}
console.log(JSON.stringify({ failed, ran }))
`

/** Of the interpreter and of the translator. */
interface Verdict {
  readonly failed: readonly [number, number]
  readonly ran: readonly [number, number]
}
const copy = mkdtempSync(join(tmpdir(), 'breaks-'))
/** What the vectors say; an engine that no longer runs at all is caught too. */
const run = (mnemonics: string): Verdict | 'does not run' => {
  const result = spawnSync('npx', ['tsx', 'check.ts', ...mnemonics.split(' ')], { cwd: copy, encoding: 'utf8' })
  const line = result.stdout.split('\n').find((l) => l.startsWith('{'))
  return line === undefined ? 'does not run' : (JSON.parse(line) as Verdict)
}

const { values } = parseArgs({ options: { only: { type: 'string' } } })
let missed = 0
try {
  for (const part of ['src', 'vectors', 'package.json', 'tsconfig.json'])
    if (existsSync(join(ROOT, part))) cpSync(join(ROOT, part), join(copy, part), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  writeFileSync(join(copy, 'check.ts'), CHECK)
  const whole = run('ADD FADD MOVNTQ')
  if (whole === 'does not run' || whole.ran[1] === 0 || whole.failed[0] + whole.failed[1] > 0)
    throw new Error(`unbroken, the vectors say ${JSON.stringify(whole)}`)
  for (const b of BREAKS) {
    if (values.only !== undefined && !b.what.includes(values.only)) continue
    const path = join(copy, 'src/machine', b.file)
    const source = readFileSync(path, 'utf8')
    if (source.split(b.from).length !== 2) throw new Error(`${b.file} does not have this once: ${b.from}`)
    writeFileSync(
      path,
      source.replace(b.from, () => b.to),
    )
    const verdict = run(b.mnemonics)
    writeFileSync(path, source)
    const caught =
      verdict !== 'does not run' && verdict.failed[1] > 0 && (b.engines === 'translator' || verdict.failed[0] > 0)
    if (!caught) missed++
    const counts =
      verdict === 'does not run'
        ? verdict
        : verdict.failed.map((n, i) => `${n} of ${verdict.ran[i]} ${['interpreted', 'translated'][i]}`).join(', ')
    console.log(`${caught ? 'caught' : 'MISSED'}  ${b.what} (${b.mnemonics}): ${counts}`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
process.exitCode = missed === 0 ? 0 : 1
