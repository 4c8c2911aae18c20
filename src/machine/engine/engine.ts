/**
 * Generates the interpreter: one WebAssembly module with the dispatch loop, which holds the frequent handlers, and a
 * function for every other handler.
 *
 * The loop takes the record at `rec`, counts it against the budget, and jumps by `br_table` to its handler, which ends
 * by jumping back with the next record. It leaves when the budget is used up or a fault is pending; RECORD and BUDGET
 * then hold where it stood.
 */
import { assert } from '../../base/assert.ts'
import { i32, i64, select } from '../../wasm/instructions.ts'
import { call, FunctionBuilder, type FunctionRef, type Label, ModuleBuilder, memory } from '../../wasm/module.ts'
import type { I32 } from '../../wasm/value.ts'
import { Builder, type Embedding, type EngineFunctions, fromRecord, k, state } from '../isa/builder.ts'
import { Decoder } from '../isa/decoder.ts'
import { emitHandler, HandlerTable, Op } from '../isa/handler.ts'
import { ROWS } from '../isa/table.ts'
import type { CompiledModule, EngineFile } from '../machine.ts'
import * as layout from '../state/layout.ts'
import {
  BUDGET,
  CODE_TLB_BASE,
  FAULT,
  FAULT_ERROR,
  RECORD,
  RECORD_PAGE,
  REGION_ACCESS,
  REGION_RESUME,
  REGION_STALE,
  SCRATCH,
  SEGMENT_CLEAR,
  SLOT_EA,
  SLOT_PAGE,
  SLOT_SEGMENT_BASE,
  STATE,
  STATE_BYTES,
} from '../state/layout.ts'
import * as record from '../state/record.ts'
import {
  CODE_TLB_ENTRIES,
  REC_IMM,
  REC_NEXT,
  REC_OP,
  REC_OP2,
  REC_OP3,
  REC_SEGMENT,
  REC_WIDTH,
  REC_XBASE,
  REC_XDISP,
  REC_XINDEX,
  REC_XSCALE,
  RECORD_SHIFT,
} from '../state/record.ts'
import { MAX_REGIONS } from './regions/registry.ts'

/** What the module imports from TypeScript, as "cpu" functions. Linear addresses come in halves. */
export interface EngineImports {
  readSlow(low: number, high: number, size: number): number
  writeSlow(low: number, high: number, size: number): number
  modifySlow(low: number, high: number, size: number): number
  commit(): void
  enterSlow(low: number, high: number): number
  decode(record: number): number
  cross(record: number): number
  /** A region leaves the instruction at `record`, which it has counted, to the interpreter. */
  retry(record: number): void
  host(number: number, record: number): number
  /** The ring of call events is full. */
  traceFull(): void
}

export interface GeneratedEngine {
  readonly handlers: HandlerTable
  /** The same object each time, so that a host can keep what it compiled of its bytes. */
  readonly module: Uint8Array | CompiledModule
  /** Names of the TypeScript functions by their numbers. */
  readonly hostNames: readonly string[]
}

/** How `run` ended. */
export const RunResult = { Budget: 0, Fault: 1 } as const

const generated = new Map<boolean, GeneratedEngine>()

/**
 * The engine for any memory size and any CPU model, generated once per flavour: features decide what is decoded, not
 * what could be. `traced` adds call events to calls and returns; without it there is no trace code.
 */
export const engineFor = (traced: boolean, file?: EngineFile): GeneratedEngine => {
  let engine = generated.get(traced)
  if (engine === undefined) {
    const handlers = new HandlerTable()
    new Decoder(ROWS, handlers, () => true).prepareAll()
    handlers.frozen = true
    engine = (file && engineOf(file, handlers)) ?? generateEngine(handlers, traced)
    generated.set(traced, engine)
  }
  return engine
}

/** The module's bytes, to be written into a file when a page or a command is built. */
export const engineBytes = (traced: boolean): Uint8Array => {
  const { module } = engineFor(traced)
  assert(module instanceof Uint8Array, 'an engine is written where it is generated')
  return module
}

/** The custom section that says which handlers and TypeScript functions an engine was generated for. */
export const ENGINE_SECTION = 'playground-engine'
interface About {
  readonly handlers: string
  readonly hostNames: readonly string[]
}
/** An engine out of a file; undefined when it was generated from another table than this program's. */
const engineOf = ({ module, about }: EngineFile, handlers: HandlerTable): GeneratedEngine | undefined => {
  const { handlers: made, hostNames } = JSON.parse(about) as About
  return made === fingerprint(handlers) ? { handlers, module, hostNames } : undefined
}
/**
 * FNV-1a over what the engine and TypeScript must agree on: the handlers' names in their order, and every place in the state and
 * in a record. What a meaning does is not in it: a build writes its engines from the sources that it bundles.
 */
const fingerprint = ({ list }: HandlerTable): string => {
  let hash = 0x811c9dc5
  const places = Object.entries({ ...layout, ...record })
    .filter(([, place]) => typeof place === 'number')
    .map(([name, place]) => `${name} ${place}`)
  for (const text of [...list.map(({ name }) => name), ...places.sort()])
    for (let i = 0; i <= text.length; i++) hash = Math.imul(hash ^ (text.charCodeAt(i) || 0), 0x01000193)
  return `${list.length}:${(hash >>> 0).toString(16)}`
}

const generateEngine = (handlers: HandlerTable, traced: boolean): GeneratedEngine => {
  const m = new ModuleBuilder()
  const slow = (name: string): FunctionRef => m.importFunction('cpu', name, ['i32', 'i32', 'i32'], ['i32'])
  const readSlow = slow('readSlow')
  const writeSlow = slow('writeSlow')
  const modifySlow = slow('modifySlow')
  const commitSlow = m.importFunction('cpu', 'commit', [], [])
  const enterSlow = m.importFunction('cpu', 'enterSlow', ['i32', 'i32'], ['i32'])
  const decode = m.importFunction('cpu', 'decode', ['i32'], ['i32'])
  const cross = m.importFunction('cpu', 'cross', ['i32'], ['i32'])
  const retry = m.importFunction('cpu', 'retry', ['i32'], [])
  const host = m.importFunction('cpu', 'host', ['i32', 'i32'], ['i32'])

  const traceFull = traced ? m.importFunction('cpu', 'traceFull', [], []) : undefined

  const hostNames: string[] = []
  const numbers = new Map<string, number>()
  const hostNumber = (name: string): number => {
    let n = numbers.get(name)
    if (n === undefined) {
      n = hostNames.push(name) - 1
      numbers.set(name, n)
    }
    return n
  }

  /** (ea, size) with the address split for TypeScript. */
  const split = (name: string, target: FunctionRef): FunctionRef => {
    const f = new FunctionBuilder(name, ['i64', 'i32'] as const, ['i32'])
    const ea = f.param(0)
    f.emit(call(target, i32.wrap_i64(ea), i32.wrap_i64(i64.shr_u(ea, k(32))), f.param(1)).code)
    return m.define(f)
  }
  const functions: EngineFunctions = {
    slowRead: split('slow_read', readSlow),
    slowWrite: split('slow_write', writeSlow),
    slowModify: split('slow_modify', modifySlow),
    commit: m.define(commitFunction(commitSlow)),
    enter: m.define(enterFunction(enterSlow)),
    host,
    hostNumber,
    traceFull,
  }

  const cold = handlers.list.map((h) => {
    const f = new FunctionBuilder(h.name, ['i32'] as const, ['i32'])
    if (h.hot) f.emit(i32.const(0).code)
    else {
      const b = new Builder(functionEmbedding(f, functions), functions, h.bits, h.long)
      emitHandler(b, h)
      f.unreachable()
    }
    return m.define(f)
  })
  m.table(cold, MAX_REGIONS)
  m.exportTable('table')

  const tabled = m.define(tabledFunction(m, Op.First + handlers.list.length))
  const run = dispatchFunction(handlers, functions, decode, cross, tabled)
  m.export('run', m.define(run))
  m.export('enter', functions.enter)
  for (const access of ['slowRead', 'slowWrite', 'slowModify'] as const)
    m.export(access, m.define(regionAccess(access, functions[access], retry)))
  // Regions import functions of WebAssembly only: a host compiles a wrapper for each import from TypeScript.
  m.export('host', m.define(hostFunction(host)))
  if (traceFull !== undefined) m.export('traceFull', m.define(traceFullFunction(traceFull)))
  m.export('fill', m.define(fillFunction()))
  const about: About = { handlers: fingerprint(handlers), hostNames }
  m.custom(ENGINE_SECTION, JSON.stringify(about))
  return { handlers, module: m.encode(), hostNames }
}

/** Finishes a write that went to the stand-in; a write to RAM needs nothing more. */
const commitFunction = (commitSlow: FunctionRef): FunctionBuilder => {
  const f = new FunctionBuilder('commit', ['i32'] as const, [])
  f.if(i32.lt_u(f.param(0), i32.const(STATE + STATE_BYTES)), () => f.emit(call(commitSlow).code))
  return f
}

/** What TypeScript answers for a region's access that is not of RAM alone. */
export const ACCESS_IS_RETRIED = 1
/**
 * (ea, size, record, budget): an access from a region, which keeps the record and the budget to itself otherwise. Of RAM, or a
 * fault; of whatever else (devices, two pages at once, watched code), and where something happened meanwhile that a region must
 * be left for, it is 0 as well, and REGION_RETRY says that the interpreter is to do the instruction: nothing of it has been done.
 */
const regionAccess = (name: string, slow: FunctionRef, retry: FunctionRef): FunctionBuilder => {
  const f = new FunctionBuilder(name, ['i64', 'i32', 'i32', 'i32'] as const, ['i32'])
  const record = f.param(2)
  const budget = f.param(3)
  f.emit([state.store32(RECORD, record), state.store32(BUDGET, budget), state.store32(REGION_ACCESS, i32.const(1))])
  const address = f.let(call<'i32'>(slow, f.param(0), f.param(1)))
  f.emit(state.store32(REGION_ACCESS, i32.const(0)))
  f.if(i32.eqz(address), () => f.return(address))
  const isUndisturbed = i32.and(i32.eqz(state.load32(REGION_STALE)), i32.eq(state.load32(BUDGET), budget))
  f.if(i32.and(i32.ne(address, i32.const(ACCESS_IS_RETRIED)), isUndisturbed), () => f.return(address))
  f.emit(call(retry, record).code)
  f.return(i32.const(0))
  f.unreachable()
  return f
}
const hostFunction = (host: FunctionRef): FunctionBuilder => {
  const f = new FunctionBuilder('host', ['i32', 'i32'] as const, ['i32'])
  f.return(call(host, f.param(0), f.param(1)))
  f.unreachable()
  return f
}
const traceFullFunction = (traceFull: FunctionRef): FunctionBuilder => {
  const f = new FunctionBuilder('trace_full', [], [])
  f.emit(call(traceFull).code)
  return f
}

/** memory.fill for TypeScript: TypedArray.fill on shared memory is ten times slower. */
const fillFunction = (): FunctionBuilder => {
  const f = new FunctionBuilder('fill', ['i32', 'i32', 'i32'] as const, [])
  f.emit(memory.fill(f.param(0), f.param(1), f.param(2)))
  return f
}

/** Record at linear address `target`, by the code TLB or TypeScript. */
const enterFunction = (enterSlow: FunctionRef): FunctionBuilder => {
  const f = new FunctionBuilder('enter', ['i64'] as const, ['i32'])
  const target = f.param(0)
  const low = f.let(i32.wrap_i64(target))
  const page = f.let(i64.and(target, k(-4096)))
  const entry = f.let(
    i32.add(state.load32(CODE_TLB_BASE), i32.and(i32.shr_u(low, i32.const(8)), i32.const((CODE_TLB_ENTRIES - 1) << 4))),
  )
  const records = f.local('i32')
  f.if(
    i64.eq(i64.load(entry), page),
    () => f.set(records, i32.load(entry, 8)),
    () => {
      f.set(records, call(enterSlow, low, i32.wrap_i64(i64.shr_u(target, k(32)))))
      f.if(i32.eqz(records), () => f.return(i32.const(0)))
    },
  )
  f.emit([state.store64(SLOT_PAGE, page), state.store32(RECORD_PAGE, records)])
  f.emit(i32.add(records, i32.shl(i32.and(low, i32.const(4095)), i32.const(RECORD_SHIFT))).code)
  return f
}

const following = (record: I32): I32 => i32.add(record, i32.load16_u(record, REC_NEXT))

/** Accesses through TypeScript; `spill` and `refill` save and take back what it must see. */
const accesses = (
  f: FunctionBuilder,
  functions: EngineFunctions,
  fault: () => void,
  spill: () => void,
  refill: () => void,
): Pick<Embedding, 'slow' | 'commit'> => ({
  slow: (address, access, linear, bytes) => {
    spill()
    f.set(address, call(functions[access], linear, i32.const(bytes)))
    refill()
    f.if(i32.eqz(address), fault)
  },
  commit: (address) => {
    f.emit(call(functions.commit!, address).code)
    refill()
  },
})

/** A handler as a function (record) -> next record, 0 with a fault pending. RECORD and BUDGET are in memory. */
const functionEmbedding = (f: FunctionBuilder<readonly ['i32']>, functions: EngineFunctions): Embedding => {
  const record = f.param(0)
  const none = (): void => {}
  const fault = (): void => f.return(i32.const(0))
  return {
    ...fromRecord(f as unknown as FunctionBuilder, record),
    ...accesses(f as unknown as FunctionBuilder, functions, fault, none, none),
    f: f as unknown as FunctionBuilder,
    record,
    fault,
    beforeCall: none,
    afterCall: none,
    beforeHost: none,
    afterHost: none,
    gotoTarget: () => f.return(i32.add(record, i32.load(record, REC_IMM))),
    gotoLinear: (target) => f.return(call(functions.enter, target)),
    goto: (r) => f.return(r),
    gotoOrFault: (r) => f.return(r),
    next: () => f.return(following(record)),
    budget: () => state.load32(BUDGET),
    spend: (n) => f.emit(state.store32(BUDGET, i32.sub(state.load32(BUDGET), n))),
  }
}

/**
 * (record, op) of a handler that is a function of its own, or of a region, and from one region straight on into the next: the
 * dispatch loop, which keeps much in registers, need not be entered in between.
 */
const tabledFunction = (m: ModuleBuilder, firstRegion: number): FunctionBuilder => {
  const f = new FunctionBuilder('tabled', ['i32', 'i32'] as const, ['i32'])
  const record = f.param(0)
  const op = f.param(1)
  f.loop((again) => {
    f.set(record, m.callIndirect<'i32'>(['i32'], ['i32'], i32.sub(op, i32.const(Op.First)), record))
    f.if(i32.or(i32.eqz(record), i32.and(record, i32.const(1))), () => f.return(record))
    f.set(op, i32.load16_u(record, REC_OP))
    f.if(i32.lt_u(op, i32.const(firstRegion)), () => f.return(record))
    const budget = f.let(state.load32(BUDGET))
    f.if(i32.eqz(budget), () => f.return(record))
    // As the dispatch loop does for each.
    f.emit(state.store32(BUDGET, i32.sub(budget, i32.const(1))))
    f.br(again)
  })
  f.unreachable()
  return f as unknown as FunctionBuilder
}

const dispatchFunction = (
  handlers: HandlerTable,
  functions: EngineFunctions,
  decode: FunctionRef,
  cross: FunctionRef,
  tabled: FunctionRef,
): FunctionBuilder => {
  const f = new FunctionBuilder('run', [] as const, ['i32'])
  const rec = f.let(state.load32(RECORD))
  const budget = f.let(state.load32(BUDGET))
  const op = f.let(i32.load16_u(rec, REC_OP))
  const leave = (result: number): void => {
    f.emit([state.store32(RECORD, rec), state.store32(BUDGET, budget)])
    f.return(i32.const(result))
  }
  const hot = handlers.list.filter((h) => h.hot)

  f.block((fault) => {
    f.block((out) => {
      f.loop((dispatch) => {
        const spill = (): void => f.emit([state.store32(RECORD, rec), state.store32(BUDGET, budget)])
        const refill = (): void => f.set(budget, state.load32(BUDGET))
        const uncount = (): void => f.set(budget, i32.add(budget, i32.const(1)))
        const continueAt = (r: I32): void => {
          f.set(rec, r)
          f.set(op, i32.load16_u(rec, REC_OP))
          f.br(dispatch)
        }
        /** From a prefix handler on to `operation` of the same record, which is still the same instruction. */
        const continueWith = (operation: I32): void => {
          uncount()
          f.set(op, operation)
          f.br(dispatch)
        }
        const gotoOrFault = (r: I32): void => {
          f.brIf(fault, i32.eqz(r))
          continueAt(r)
        }
        const embedding: Embedding = {
          ...fromRecord(f as unknown as FunctionBuilder, rec),
          ...accesses(f as unknown as FunctionBuilder, functions, () => f.br(fault), spill, refill),
          f: f as unknown as FunctionBuilder,
          record: rec,
          fault: () => f.br(fault),
          beforeCall: spill,
          afterCall: refill,
          beforeHost: spill,
          afterHost: refill,
          gotoTarget: () => continueAt(i32.add(rec, i32.load(rec, REC_IMM))),
          gotoLinear: (target) => gotoOrFault(f.let(call<'i32'>(functions.enter, target))),
          goto: continueAt,
          gotoOrFault,
          next: () => continueAt(following(rec)),
          budget: () => budget,
          spend: (n) => f.set(budget, i32.sub(budget, n)),
        }
        f.brIf(out, i32.eqz(budget))
        f.set(budget, i32.sub(budget, i32.const(1)))
        const bodies: ((labels: readonly Label[]) => void)[] = []
        const targets: number[] = []
        const add = (n: number, body: () => void): void => {
          targets.push(n)
          bodies.push(body)
        }
        add(Op.Decode, () => {
          spill()
          const r = f.let(call<'i32'>(decode, rec))
          refill()
          f.brIf(fault, i32.eqz(r))
          uncount()
          continueAt(r)
        })
        add(Op.NextPage, () => {
          const offset = i32.shr_u(i32.sub(rec, state.load32(RECORD_PAGE)), i32.const(RECORD_SHIFT))
          const r = f.let(call<'i32'>(functions.enter, i64.add(state.load64(SLOT_PAGE), i64.extend_i32_u(offset))))
          f.brIf(fault, i32.eqz(r))
          uncount()
          continueAt(r)
        })
        add(Op.Cross, () => {
          spill()
          const good = f.let(call<'i32'>(cross, rec))
          refill()
          f.brIf(fault, i32.eqz(good))
          continueWith(i32.load16_u(rec, REC_OP3))
        })
        const address = (segmented: boolean): void => {
          const field = (offset: number): I32 => i32.load8_u(rec, offset)
          const sum = i64.add(
            i64.add(
              i64.load(field(REC_XBASE), STATE),
              i64.shl(i64.load(field(REC_XINDEX), STATE), i64.extend_i32_u(field(REC_XSCALE))),
            ),
            i64.load32_s(rec, REC_XDISP),
          )
          const offset = f.let(sum)
          const base = i64.load(i32.shl(field(REC_SEGMENT), i32.const(3)), STATE + SLOT_SEGMENT_BASE)
          if (segmented) {
            const cut = f.let(
              i64.and(offset, select(k(0xffff), k(0xffffffffn), i32.eq(field(REC_WIDTH), i32.const(16)))),
            )
            const clear = i64.load(i32.shl(field(REC_SEGMENT), i32.const(3)), STATE + SEGMENT_CLEAR)
            f.if(i64.ge_u(cut, clear), () => {
              f.emit(state.store64(SCRATCH, cut))
              spill()
              const good = f.let(call<'i32'>(functions.host, i32.const(functions.hostNumber('checkSegment')), rec))
              refill()
              f.brIf(fault, i32.eqz(good))
            })
            f.emit(state.store64(SLOT_EA, i64.and(i64.add(cut, base), k(0xffffffffn))))
          } else {
            const cut = select(i64.and(offset, k(0xffffffffn)), offset, i32.eq(field(REC_WIDTH), i32.const(32)))
            const based = select(base, k(0), i32.ge_u(field(REC_SEGMENT), i32.const(4)))
            f.emit(state.store64(SLOT_EA, i64.add(cut, based)))
          }
          continueWith(i32.load16_u(rec, REC_OP2))
        }
        add(Op.Address64, () => address(false))
        add(Op.AddressLegacy, () => address(true))
        const raise = (vector: number): void => {
          f.emit([state.store32(FAULT, i32.const(vector + 1)), state.store32(FAULT_ERROR, i32.const(0))])
          f.br(fault)
        }
        add(Op.Undefined, () => raise(6))
        add(Op.TooLong, () => raise(13))
        for (const h of hot)
          add(h.op, () => {
            const b = new Builder(embedding, functions, h.bits, h.long)
            emitHandler(b, h)
          })

        const labels: Label[] = []
        const table = (other: Label): void => {
          const size = Op.First + handlers.list.length
          const entries: Label[] = new Array(size).fill(other)
          targets.forEach((n, i) => {
            entries[n] = labels[i]!
          })
          f.brTable(entries, other, op)
        }
        const nest = (i: number): void => {
          if (i === bodies.length) {
            f.block((other) => table(other))
            // A handler that is a function of its own, or a region.
            spill()
            const r = f.let(call<'i32'>(tabled, rec, op))
            refill()
            f.if(i32.eqz(r), () => {
              f.set(rec, state.load32(RECORD))
              f.br(fault)
            })
            // A region whose first block is longer than the budget: its first instruction by itself.
            f.if(i32.and(r, i32.const(1)), () => {
              f.set(rec, i32.sub(r, i32.const(1)))
              f.set(op, state.load32(REGION_RESUME))
              f.br(dispatch)
            })
            continueAt(r)
            return
          }
          f.block((label) => {
            labels[i] = label
            nest(i + 1)
          })
          f.scope(() => bodies[i]!(labels))
        }
        nest(0)
      })
    })
    leave(RunResult.Budget)
  })
  leave(RunResult.Fault)
  f.unreachable()
  return f
}
