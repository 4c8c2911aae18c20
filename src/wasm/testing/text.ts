/**
 * A module's last function as text, to be read: WebAssembly's folded text format (Core 2.0 §6.5.8) with names where it has
 * numbers. Scalar instructions without floating point; which opcodes there are is asked of instructions.ts.
 */
import { assert } from '../../base/assert.ts'
import { i32, i64 } from '../instructions.ts'
import { type Code, VALUE_TYPE_BYTE, type ValueType } from '../value.ts'

export interface Names {
  local(index: number, type: ValueType): string
  /** Of an address in memory, or of a number that stands for something. */
  address(address: number): string | undefined
}

interface Operation {
  readonly name: string
  readonly arity: number
  readonly gives: boolean
  /** It has alignment and offset. */
  readonly accesses: boolean
}

const flat = (code: Code): number[] => code.flatMap((part) => (typeof part === 'number' ? [part] : flat(part)))

const OPERATIONS = new Map<number, Operation>()
for (const [type, instructions] of Object.entries({ i32, i64 }))
  for (const [name, make] of Object.entries(instructions)) {
    if (name === 'const' || name === 'small') continue
    const nothing = { type, code: [] }
    const made = (make as (...operands: object[]) => Code | { readonly code: Code })(nothing, nothing)
    const bytes = flat('code' in made ? made.code : made)
    // Of more than one byte are those that truncate floating point.
    if (bytes.length !== 1 && bytes.length !== 3) continue
    OPERATIONS.set(bytes[0]!, {
      name: `${type}.${name}`,
      arity: make.length,
      gives: 'code' in made,
      accesses: bytes.length === 3,
    })
  }

const TYPES = Object.entries(VALUE_TYPE_BYTE) as [ValueType, number][]
const typeOf = (byte: number): ValueType => TYPES.find(([, b]) => b === byte)![0]

class Reader {
  readonly #bytes: Uint8Array
  at: number
  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes
    this.at = at
  }
  byte(): number {
    return this.#bytes[this.at++] as number
  }
  unsigned(): number {
    return Number(BigInt.asUintN(32, this.#leb()[0]))
  }
  signed(): bigint {
    const [value, bits] = this.#leb()
    return BigInt.asIntN(Math.min(bits, 64), value)
  }
  #leb(): [value: bigint, bits: number] {
    let value = 0n
    let bits = 0
    for (;;) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << BigInt(bits)
      bits += 7
      if (byte < 0x80) return [value, bits]
    }
  }
  text(): string {
    return Array.from({ length: this.unsigned() }, () => String.fromCharCode(this.byte())).join('')
  }
  types(): ValueType[] {
    return Array.from({ length: this.unsigned() }, () => typeOf(this.byte()))
  }
}

interface Signature {
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

const WIDTH = 110
const fold = (head: string, parts: readonly string[]): string => {
  const line = `(${[head, ...parts].join(' ')})`
  if (line.length <= WIDTH && !line.includes('\n')) return line
  return `(${head}\n${parts.map((part) => part.replace(/^/gm, '  ')).join('\n')})`
}

export const functionText = (module: Uint8Array, names: Names): string => {
  const signatures: Signature[] = []
  const called: { readonly name: string; readonly signature: Signature }[] = []
  const own: number[] = []
  let text = ''
  for (const r = new Reader(module, 8); r.at < module.length; ) {
    const id = r.byte()
    const end = r.unsigned() + r.at
    if (id === 1)
      for (let n = r.unsigned(); n > 0; n--) {
        r.byte()
        signatures.push({ params: r.types(), results: r.types() })
      }
    else if (id === 2)
      for (let n = r.unsigned(); n > 0; n--) {
        r.text()
        const name = r.text()
        // Memories have limits, and functions a type.
        if (r.byte() === 0) called.push({ name, signature: signatures[r.unsigned()]! })
        else r.at = end
      }
    else if (id === 3) for (let n = r.unsigned(); n > 0; n--) own.push(r.unsigned())
    else if (id === 10)
      for (let n = r.unsigned(); n > 0; n--) {
        const size = r.unsigned()
        if (n === 1) text = body(r, signatures[own.at(-1)!]!, called, names)
        else r.at += size
      }
    r.at = end
  }
  return text
}

const body = (
  r: Reader,
  signature: Signature,
  called: readonly { readonly name: string; readonly signature: Signature }[],
  names: Names,
): string => {
  const locals: ValueType[] = [...signature.params]
  for (let runs = r.unsigned(); runs > 0; runs--) {
    const count = r.unsigned()
    const type = typeOf(r.byte())
    for (let i = 0; i < count; i++) locals.push(type)
  }
  const local = (): string => {
    const index = r.unsigned()
    return `$${names.local(index, locals[index]!)}`
  }
  const lines: string[] = []
  const stack: string[] = []
  /** Names of the open blocks, innermost last, and whether closing takes a parenthesis more. */
  const open: { readonly label: string; readonly branches: boolean }[] = []
  let labels = 0
  const line = (s: string): void => {
    assert(stack.length === 0, `a statement begins while values wait: ${stack.join(' ')}`)
    lines.push(s.replace(/^/gm, '  '.repeat(open.length)))
  }
  const pop = (n: number): string[] => {
    assert(stack.length >= n, 'operands were pushed')
    return stack.splice(stack.length - n)
  }
  const label = (): string => open[open.length - 1 - r.unsigned()]?.label ?? '$function'
  const begin = (kind: string, condition: readonly string[]): void => {
    r.byte()
    const name = `$${++labels}`
    line(`(${[kind, name, ...condition].join(' ')}`)
    open.push({ label: name, branches: kind === 'if' })
  }
  for (;;) {
    const opcode = r.byte()
    if (opcode === 0x0b) {
      if (open.length === 0) return `${lines.join('\n')}\n`
      assert(stack.length === 0, 'a block yields nothing')
      open.pop()
      line(')')
    } else if (opcode === 0x00) line('(unreachable)')
    else if (opcode === 0x02) begin('block', [])
    else if (opcode === 0x03) begin('loop', [])
    else if (opcode === 0x04) begin('if', pop(1))
    else if (opcode === 0x05) lines.push(`${'  '.repeat(open.length - 1)}else`)
    else if (opcode === 0x0c) line(`(br ${label()})`)
    else if (opcode === 0x0d) {
      const to = label()
      line(fold(`br_if ${to}`, pop(1)))
    } else if (opcode === 0x0e) {
      const targets = Array.from({ length: r.unsigned() + 1 }, label)
      line(fold(`br_table ${targets.join(' ')}`, pop(1)))
    } else if (opcode === 0x0f) line(fold('return', stack.splice(0)))
    else if (opcode === 0x10) {
      const { name, signature: s } = called[r.unsigned()]!
      const expression = fold(`call $${name}`, pop(s.params.length))
      if (s.results.length > 0) stack.push(expression)
      else line(expression)
    } else if (opcode === 0x1b) stack.push(fold('select', pop(3)))
    else if (opcode === 0x20) stack.push(`(local.get ${local()})`)
    else if (opcode === 0x21) {
      const name = local()
      line(fold(`local.set ${name}`, pop(1)))
    } else if (opcode === 0x22) {
      const name = local()
      stack.push(fold(`local.tee ${name}`, pop(1)))
    } else if (opcode === 0x41) {
      const value = Number(r.signed())
      stack.push(`(i32.const ${names.address(value) ?? value})`)
    } else if (opcode === 0x42) stack.push(`(i64.const ${r.signed()})`)
    else {
      const operation = OPERATIONS.get(opcode)
      assert(operation !== undefined, `0x${opcode.toString(16)} is an opcode of instructions.ts`)
      let offset = ''
      if (operation.accesses) {
        r.byte()
        const at = r.unsigned()
        if (at !== 0) offset = ` offset=${names.address(at) ?? at}`
      }
      const expression = fold(`${operation.name}${offset}`, pop(operation.arity))
      if (operation.gives) stack.push(expression)
      else line(expression)
    }
  }
}
