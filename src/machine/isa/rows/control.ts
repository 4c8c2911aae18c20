/**
 * Near control transfer: JMP Jcc CALL RET LOOPcc JrCXZ. Far forms, interrupts and returns from them are in system.ts.
 * SDM 2A. Every target in 64-bit mode is checked to be canonical before a register changes.
 */
import { i32, i64 } from '../../../wasm/instructions.ts'
import type { I32 } from '../../../wasm/value.ts'
import { GP } from '../../state/fault.ts'
import { RCX } from '../../state/layout.ts'
import { type Builder, CONDITIONS, k } from '../builder.ts'
import type { Meaning, Operand } from '../operand.ts'
import { type Row, type RowOptions, row, sized } from '../row.ts'

const checkCanonical = (b: Builder, ip: Parameters<Builder['trunc']>[0]): void => {
  if (b.long && b.bits === 64) b.faultIf(i64.ne(i64.shr_s(i64.shl(ip, k(16)), k(16)), ip), GP)
}

const jump: Meaning = (b, target) => {
  b.branchRelative(target)
}
const jumpIf = (b: Builder, taken: I32, target: Operand): void => {
  b.f.if(taken, () => b.branchRelative(target))
  b.branched = false
}
const jccs = CONDITIONS.map(
  (c): Meaning =>
    (b, target) =>
      jumpIf(b, b.condition(c), target),
)
const jumpIndirect: Meaning = (b, s) => {
  const ip = s.read()
  checkCanonical(b, ip)
  b.branchTo(ip)
}
const call: Meaning = (b, target) => {
  b.push(b.nextIp())
  b.traceCall(() => b.relativeTarget(target))
  b.branchRelative(target)
}
const callIndirect: Meaning = (b, s) => {
  const ip = s.read()
  // The return address is written before the target is looked at (Intel; AMD the other way round). RSP follows both.
  const sp = b.let(b.stackMoved(b.stackPointer(), k(-b.bits / 8)))
  b.store(b.stackLinear(sp, b.bits / 8, true), b.nextIp())
  checkCanonical(b, ip)
  b.setStackPointer(sp)
  b.traceCall(() => ip)
  b.branchTo(ip)
}
const ret: Meaning = (b) => {
  const ip = b.top()
  checkCanonical(b, ip)
  b.popped(b.bits / 8)
  b.traceReturn(ip)
  b.branchTo(ip)
}
const retPop: Meaning = (b) => {
  const ip = b.top()
  checkCanonical(b, ip)
  b.popped(i64.add(i64.and(b.imm(), k(0xffff)), k(b.bits / 8)))
  b.traceReturn(ip)
  b.branchTo(ip)
}

/** LOOP, LOOPE, LOOPNE and JrCXZ count in CX, ECX or RCX as the address size says, which is the parameter. */
const counted =
  (address: 16 | 32 | 64, decrement: boolean, condition?: 'E' | 'NE'): Meaning =>
  (b, target) => {
    const c = b.let(decrement ? b.trunc(i64.sub(b.gpr(RCX, address), k(1)), address) : b.gpr(RCX, address))
    if (decrement) b.setGpr(RCX, c, address)
    const counts = decrement ? i64.ne(c, k(0)) : i64.eqz(c)
    jumpIf(b, condition === undefined ? counts : i32.and(counts, b.condition(condition)), target)
  }

/** Near branches: 64-bit in 64-bit mode whatever the prefixes (Intel), else by operand size. */
const near = (text: string, encoding: string, access: string, meaning: Meaning, options: RowOptions): Row[] => [
  ...sized(text, encoding, access, meaning, { mode: '64', force64: true, modal: true, hot: true, ...options }, [64]),
  ...sized(text, encoding, access, meaning, { mode: 'legacy', modal: true, hot: true, ...options }, [16, 32]),
]
/** Displacements are 32 bits in 64-bit mode and as the operand size in the others. */
const nearLong = (name: string, opcode: string, meaning: Meaning, options: RowOptions): Row[] => {
  const rel = (size: 16 | 32, own: RowOptions): Row =>
    row(`${name} rel${size}`, `${opcode} ${size === 16 ? 'cw' : 'cd'}`, 'r', meaning, {
      ...options,
      modal: true,
      ...own,
    })
  return [
    rel(32, { mode: '64', force64: true, osize: 64, hot: true }),
    rel(32, { mode: 'legacy', osize: 32, hot: true }),
    rel(16, { mode: 'legacy', osize: 16 }),
  ]
}
const countedRows = (name: string, opcode: string, decrement: boolean, condition?: 'E' | 'NE'): Row[] =>
  ([16, 32, 64] as const).flatMap((asize) => {
    const meaning = counted(asize, decrement, condition)
    return near(`${name} rel8`, `${opcode} cb`, 'r', meaning, { ...conditional, asize, hot: false })
  })

const conditional = { flow: 'conditional' } as const
const calls = { flow: 'call', stack: true } as const
const jumps = { flow: 'ends' } as const
const returns = { flow: 'ends', stack: true } as const

export const CONTROL: readonly Row[] = [
  ...CONDITIONS.flatMap((c, n) =>
    near(`J${c} rel8`, `7${n.toString(16).toUpperCase()} cb`, 'r', jccs[n]!, conditional),
  ),
  ...CONDITIONS.flatMap((c, n) => nearLong(`J${c}`, `0F 8${n.toString(16).toUpperCase()}`, jccs[n]!, conditional)),
  ...near('JMP rel8', 'EB cb', 'r', jump, jumps),
  ...nearLong('JMP', 'E9', jump, jumps),
  ...near('JMP r/mv', 'FF /4', 'r', jumpIndirect, jumps),
  ...nearLong('CALL', 'E8', call, calls),
  ...near('CALL r/mv', 'FF /2', 'r', callIndirect, calls),
  ...near('RET', 'C3', '', ret, returns),
  ...near('RET imm16', 'C2 iw', 'r', retPop, returns),
  ...countedRows('LOOPNE', 'E0', true, 'NE'),
  ...countedRows('LOOPE', 'E1', true, 'E'),
  ...countedRows('LOOP', 'E2', true),
  ...countedRows('JRCXZ', 'E3', false),
]
