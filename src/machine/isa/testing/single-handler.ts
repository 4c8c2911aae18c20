/**
 * One row's handler as a module of its own, on flat memory: linear addresses are machine addresses. What the engine does
 * around a handler is left out; the stubs stand for it.
 */

import { i32 } from '../../../wasm/instructions.ts'
import { call, FunctionBuilder, type FunctionRef, type Local, ModuleBuilder } from '../../../wasm/module.ts'
import type { I32, I64, ValueType } from '../../../wasm/value.ts'
import { CpuState } from '../../state/cpu-state.ts'
import { GuestFault } from '../../state/fault.ts'
import { FAULT, TLB_BASE } from '../../state/layout.ts'
import { REC_IMM, REC_R1, REC_R2, REC_R3, TLB, TLB_CONTEXT_BYTES, TLB_EMPTY_BYTE } from '../../state/record.ts'
import { type Bits, Builder, type EngineFunctions, fromRecord, type SlowAccess } from '../builder.ts'
import { type Form, Operand } from '../operand.ts'
import type { OperandSpec, Row } from '../row.ts'

export const RECORD_ADDRESS = 0x3000
export const DATA_ADDRESS = 0x4000
const PAGES = 4

export type HostFunctions = Readonly<Record<string, (cpu: { readonly state: CpuState }, record: number) => boolean>>

export interface SingleHandler {
  readonly memory: ArrayBuffer
  readonly state: CpuState
  /** Runs it once; the vector of the fault, or -1. */
  run(): number
  readonly wasm: Uint8Array
}

const formOf = (spec: OperandSpec, memory: boolean): Form => {
  switch (spec.class) {
    case 'gpr':
      return 'gpr'
    case 'rm':
      return memory ? 'mem' : 'gpr'
    case 'mem':
      return 'mem'
    case 'xmm':
      return 'xmm'
    case 'mm':
      return 'mm'
    case 'xmmrm':
      return memory ? 'mem' : 'xmm'
    case 'mmrm':
      return memory ? 'mem' : 'mm'
    case 'imm':
      return 'imm'
    case 'one':
      return 'one'
    case 'number':
      return 'number'
    case 'st':
      return 'st'
    default:
      throw new Error(`no form for ${spec.text}`)
  }
}
export const isRegisterForm = (form: Form): boolean =>
  form === 'gpr' || form === 'xmm' || form === 'mm' || form === 'st'
export const formsOf = (row: Row, memory: boolean): Form[] => row.operands.map((spec) => formOf(spec, memory))

const FIELDS = [REC_R1, REC_R2, REC_R3]
/** The record field of each register operand, in order. */
export const fieldsOf = (forms: readonly Form[]): number[] => {
  let n = 0
  return forms.map((form) => (isRegisterForm(form) ? FIELDS[n++]! : form === 'imm' ? REC_IMM : 0))
}

export const buildHandler = (row: Row, memory: boolean, hosts: HostFunctions): SingleHandler => {
  const module = new ModuleBuilder()
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = { env: {} }
  const buffer = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true })
  imports['env']!['memory'] = buffer
  const state = new CpuState(buffer.buffer)
  const cpu = { state }

  const names: string[] = []
  const hostNumber = (name: string): number => {
    const found = names.indexOf(name)
    return found >= 0 ? found : names.push(name) - 1
  }
  const build = (functions: EngineFunctions) => {
    const f = new FunctionBuilder('handler', ['i32'], ['i32'])
    const record = f.param(0)
    const at = {
      ...fromRecord(f, record),
      f,
      record,
      fault: () => f.return(i32.const(0)),
      slow: (address: Local<'i32'>, access: SlowAccess, linear: I64, bytes: number) =>
        f.set(address, call(functions[access], linear, i32.const(bytes))),
      commit: () => {},
      beforeCall: () => {},
      afterCall: () => {},
      beforeHost: () => {},
      afterHost: () => {},
      gotoTarget: () => f.return(i32.const(1)),
      gotoLinear: (target: I64) => f.return(call<'i32'>(functions.enter, target)),
      goto: () => f.return(i32.const(1)),
      gotoOrFault: (to: I32) => f.return(to),
      next: () => f.return(i32.const(1)),
      budget: () => i32.const(1000),
      spend: () => {},
    }
    const bits = (row.options.osize ?? (row.encoding.rexW ? 64 : 32)) as Bits
    const b = new Builder(at, functions, bits, true)
    const forms = formsOf(row, memory)
    const fields = fieldsOf(forms)
    const operands = row.operands.map(
      (spec, i) =>
        new Operand(
          b,
          forms[i]!,
          spec.bits,
          fields[i]!,
          spec.access,
          forms[i] === 'mem' && spec.bits === 128 && row.options.unaligned !== true,
        ),
    )
    const [x, y, z, w] = operands
    row.meaning(b, x!, y!, z!, w!)
    f.emit(i32.const(1).code)
    return f
  }
  const imported = (name: string, params: readonly ValueType[], results: readonly ValueType[]): FunctionRef =>
    module.importFunction('env', name, params, results)
  const functions: EngineFunctions = {
    slowRead: imported('slowRead', ['i64', 'i32'], ['i32']),
    slowWrite: imported('slowWrite', ['i64', 'i32'], ['i32']),
    slowModify: imported('slowModify', ['i64', 'i32'], ['i32']),
    commit: imported('commit', ['i32'], []),
    enter: imported('enter', ['i64'], ['i32']),
    host: imported('host', ['i32', 'i32'], ['i32']),
    hostNumber,
    traceFull: undefined,
  }
  const flat = (ea: bigint): number => Number(BigInt.asUintN(32, ea))
  const host = (number: number, record: number): number => {
    try {
      return (hosts[names[number]!]?.(cpu, record) ?? true) ? 1 : 0
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault
      state.set32(FAULT, fault.vector + 1)
      return 0
    }
  }
  Object.assign(imports['env']!, {
    slowRead: flat,
    slowWrite: flat,
    slowModify: flat,
    commit: () => {},
    enter: flat,
    host,
  })
  const handler = module.define(build(functions))
  module.export('run', handler)
  const wasm = module.encode()
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm as BufferSource), imports)
  const run = instance.exports['run'] as (record: number) => number
  state.set32(TLB_BASE, TLB)
  new Uint8Array(buffer.buffer, TLB, TLB_CONTEXT_BYTES).fill(TLB_EMPTY_BYTE)
  return {
    memory: buffer.buffer as ArrayBuffer,
    state,
    wasm,
    run: () => {
      state.set32(FAULT, 0)
      return run(RECORD_ADDRESS) === 0 ? state.get32(FAULT) - 1 : -1
    },
  }
}
