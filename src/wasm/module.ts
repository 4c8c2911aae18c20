/**
 * Writes a WebAssembly module (WebAssembly Core 2.0 §5.5): types, imports, functions, one table, one shared memory
 * imported as "env" "memory", exports, custom sections of ASCII text, and the name section, so that profilers name what they
 * show.
 */
import { assert } from '../base/assert.ts'
import {
  ByteWriter,
  type Code,
  type I32,
  s32leb,
  u32leb,
  VALUE_TYPE_BYTE,
  type Value,
  type ValueType,
} from './value.ts'

/** A branch target inside a function: the depth at which its block was opened. */
export interface Label {
  readonly depth: number
}

export class Local<T extends ValueType> implements Value<T> {
  readonly type: T
  readonly index: number
  readonly code: Code
  constructor(type: T, index: number) {
    this.type = type
    this.index = index
    this.code = [0x20, u32leb(index)]
  }
}

export class FunctionBuilder<P extends readonly ValueType[] = readonly ValueType[]> {
  readonly name: string
  readonly params: P
  readonly results: readonly ValueType[]
  readonly #localTypes: ValueType[] = []
  readonly #free = new Map<ValueType, Local<ValueType>[]>()
  #scope: Local<ValueType>[] | undefined
  /** The body so far: flattened pieces and ropes that are still written to, then `#bytes`. */
  readonly #pieces: (Uint8Array | Code)[] = []
  #bytes = new ByteWriter(256)
  #depth = 0

  constructor(name: string, params: P, results: readonly ValueType[]) {
    this.name = name
    this.params = params
    this.results = results
  }

  /** How many blocks, loops and ifs are open. */
  get depth(): number {
    return this.#depth
  }

  /** The parameter as a local. */
  param<I extends number>(index: I): Local<P[I]> {
    return new Local(this.params[index]!, index) as Local<P[I]>
  }

  /** A local variable, its value undefined until set. Inside `scope` it is given back at the scope's end. */
  local<T extends ValueType>(type: T): Local<T> {
    const reused = this.#free.get(type)?.pop()
    const local = reused ?? new Local<ValueType>(type, this.params.length + this.#localTypes.push(type) - 1)
    this.#scope?.push(local)
    return local as Local<T>
  }

  /** Evaluates `value` now and keeps it. */
  let<T extends ValueType>(value: Value<T>): Local<T> {
    const local = this.local(value.type)
    this.set(local, value)
    return local
  }

  set<T extends ValueType>(local: Local<T>, value: Value<T>): void {
    this.emit([value.code, 0x21, u32leb(local.index)])
  }

  /** Sets and yields in one expression. */
  tee<T extends ValueType>(local: Local<T>, value: Value<T>): Value<T> {
    return { type: local.type, code: [value.code, 0x22, u32leb(local.index)] }
  }

  /** Locals made by `body` are free for others afterwards. */
  scope(body: () => void): void {
    const outer = this.#scope
    const mine: Local<ValueType>[] = []
    this.#scope = mine
    body()
    this.#scope = outer
    for (const local of mine) {
      let list = this.#free.get(local.type)
      if (list === undefined) this.#free.set(local.type, (list = []))
      list.push(local)
    }
  }

  emit(code: Code): void {
    this.#bytes.code(code)
  }

  /** A place whose code is pushed onto the returned rope later, before the function is encoded. */
  later(): Code[] {
    const rope: Code[] = []
    this.#pieces.push(this.#bytes.view(), rope)
    this.#bytes = new ByteWriter(256)
    return rope
  }

  block(body: (end: Label) => void): void {
    this.emit([0x02, 0x40])
    this.#nest(body)
  }

  loop(body: (start: Label) => void): void {
    this.emit([0x03, 0x40])
    this.#nest(body)
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.emit([condition.code, 0x04, 0x40])
    this.#depth++
    then()
    if (otherwise !== undefined) {
      this.emit([0x05])
      otherwise()
    }
    this.#depth--
    this.emit([0x0b])
  }

  #nest(body: (label: Label) => void): void {
    this.#depth++
    body({ depth: this.#depth })
    this.#depth--
    this.emit([0x0b])
  }

  #relative(label: Label): Code {
    assert(label.depth <= this.#depth, 'a branch target encloses the branch')
    return u32leb(this.#depth - label.depth)
  }

  br(label: Label): void {
    this.emit([0x0c, ...this.#relative(label)])
  }
  brIf(label: Label, condition: I32): void {
    this.emit([condition.code, 0x0d, ...this.#relative(label)])
  }
  brTable(labels: readonly Label[], otherwise: Label, index: I32): void {
    this.emit([
      index.code,
      0x0e,
      u32leb(labels.length),
      ...labels.map((label) => this.#relative(label)),
      ...this.#relative(otherwise),
    ])
  }
  return(value?: Value): void {
    this.emit([value?.code ?? [], 0x0f])
  }
  unreachable(): void {
    this.emit([0x00])
  }

  /** The function's body as the code section wants it, without its size. */
  encode(into: ByteWriter): void {
    const locals: Code[] = []
    let runs = 0
    for (let i = 0; i < this.#localTypes.length; ) {
      const type = this.#localTypes[i]!
      let n = 0
      while (this.#localTypes[i + n] === type) n++
      locals.push([u32leb(n), VALUE_TYPE_BYTE[type]])
      runs++
      i += n
    }
    into.code(u32leb(runs))
    into.code(locals)
    for (const piece of this.#pieces)
      if (piece instanceof Uint8Array) into.bytes(piece)
      else into.code(piece)
    into.bytes(this.#bytes.view())
    into.byte(0x0b)
  }
}

/** A function to call: an import or one of the module's own. */
export interface FunctionRef {
  readonly name: string
  readonly index: number
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

export const memory = {
  /** memory.copy: overlapping ranges are handled. */
  copy: (to: I32, from: I32, length: I32): Code => [to.code, from.code, length.code, 0xfc, 0x0a, 0x00, 0x00],
  /** memory.fill with the low byte of `value`. */
  fill: (to: I32, value: I32, length: I32): Code => [to.code, value.code, length.code, 0xfc, 0x0b, 0x00],
}

/** A call as an expression; its result type is the function's one result. */
export const call = <R extends ValueType>(f: FunctionRef, ...args: Value[]): Value<R> => {
  assert(args.length === f.params.length, `${f.name} takes ${f.params.length} arguments, given ${args.length}`)
  args.forEach((a, i) => {
    assert(a.type === f.params[i], `${f.name} argument ${i} is ${f.params[i]}, given ${a.type}`)
  })
  return { type: (f.results[0] ?? 'i32') as R, code: [args.map((a) => a.code), 0x10, u32leb(f.index)] }
}

const text = (s: string): Code => {
  const bytes = Array.from(s, (c) => c.charCodeAt(0) & 0x7f)
  return [u32leb(bytes.length), ...bytes]
}
const vector = (items: readonly Code[]): Code => [u32leb(items.length), items]

interface Import {
  readonly module: string
  readonly name: string
  readonly ref: FunctionRef
}

export class ModuleBuilder {
  readonly #types: string[] = []
  readonly #typeCodes: Code[] = []
  readonly #imports: Import[] = []
  readonly #functions: FunctionBuilder[] = []
  readonly #refs: FunctionRef[] = []
  readonly #exports: { name: string; kind: number; index: number }[] = []
  readonly #table: number[] = []
  #tableSlots = 0
  readonly #customs: { readonly name: string; readonly content: string }[] = []
  /** Imports come before any function is declared. */
  importFunction(
    module: string,
    name: string,
    params: readonly ValueType[],
    results: readonly ValueType[],
  ): FunctionRef {
    assert(this.#functions.length === 0, 'imports precede functions')
    const ref = { name, index: this.#imports.length, params, results }
    this.#imports.push({ module, name, ref })
    return ref
  }

  /** Declares a function; its body may be built later. */
  define(f: FunctionBuilder): FunctionRef {
    const ref = {
      name: f.name,
      index: this.#imports.length + this.#functions.length,
      params: f.params,
      results: f.results,
    }
    this.#functions.push(f)
    this.#refs.push(ref)
    return ref
  }

  export(name: string, f: FunctionRef): void {
    this.#exports.push({ name, kind: 0x00, index: f.index })
  }

  /** The module's table: these functions from slot 0, then `spare` empty slots; for callIndirect. */
  table(functions: readonly FunctionRef[], spare = 0): void {
    this.#table.push(...functions.map((f) => f.index))
    this.#tableSlots = functions.length + spare
  }

  /** A custom section, which hosts hand out by its name. */
  custom(name: string, content: string): void {
    this.#customs.push({ name, content })
  }

  exportTable(name: string): void {
    this.#exports.push({ name, kind: 0x01, index: 0 })
  }

  callIndirect<R extends ValueType>(
    params: readonly ValueType[],
    results: readonly [R],
    slot: I32,
    ...args: Value[]
  ): Value<R> {
    return {
      type: results[0],
      code: [args.map((a) => a.code), slot.code, 0x11, u32leb(this.#type(params, results)), 0x00],
    }
  }

  #type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`
    const found = this.#types.indexOf(key)
    if (found >= 0) return found
    this.#typeCodes.push([
      0x60,
      vector(params.map((p) => [VALUE_TYPE_BYTE[p]])),
      vector(results.map((r) => [VALUE_TYPE_BYTE[r]])),
    ])
    return this.#types.push(key) - 1
  }

  encode(): Uint8Array {
    const imports: Code[] = this.#imports.map((i) => [
      text(i.module),
      text(i.name),
      0x00,
      u32leb(this.#type(i.ref.params, i.ref.results)),
    ])
    // The shared memory, of any size: limits flag 0x03 (shared, with a maximum), 1 to 65536 pages.
    imports.push([text('env'), text('memory'), 0x02, 0x03, u32leb(1), u32leb(65536)])
    const declarations = this.#functions.map((f) => u32leb(this.#type(f.params, f.results)))
    const out = new ByteWriter()
    out.code([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
    const content = new ByteWriter()
    const section = (id: number, write: Code | (() => void)): void => {
      content.length = 0
      if (typeof write === 'function') write()
      else content.code(write)
      out.byte(id)
      out.code(u32leb(content.length))
      out.bytes(content.view())
    }
    section(1, vector(this.#typeCodes))
    section(2, vector(imports))
    section(3, vector(declarations))
    if (this.#table.length > 0) section(4, vector([[0x70, 0x01, u32leb(this.#tableSlots), u32leb(this.#tableSlots)]]))
    section(7, vector(this.#exports.map((e) => [text(e.name), e.kind, u32leb(e.index)])))
    if (this.#table.length > 0)
      section(9, vector([[0x00, 0x41, s32leb(0), 0x0b, vector(this.#table.map((i) => u32leb(i)))]]))
    section(10, () => {
      content.code(u32leb(this.#functions.length))
      const body = new ByteWriter()
      for (const f of this.#functions) {
        body.length = 0
        f.encode(body)
        content.code(u32leb(body.length))
        content.bytes(body.view())
      }
    })
    for (const { name, content: body } of this.#customs)
      section(0, () => {
        content.code(text(name))
        content.bytes(Uint8Array.from(body, (c) => c.charCodeAt(0) & 0x7f))
      })
    const names = vector([
      ...this.#imports.map((i): Code => [u32leb(i.ref.index), text(i.name)]),
      ...this.#refs.map((r): Code => [u32leb(r.index), text(r.name)]),
    ])
    const nameBytes = new ByteWriter()
    nameBytes.code(names)
    section(0, () => {
      content.code([text('name'), 0x01, u32leb(nameBytes.length)])
      content.bytes(nameBytes.view())
    })
    return out.view().slice()
  }
}
