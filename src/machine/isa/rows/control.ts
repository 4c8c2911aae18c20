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
import { type Row, row, sized } from '../row.ts'

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
const near = (text: string, encoding: string, access: string, meaning: Meaning, hot = true): Row[] => [
  ...sized(text, encoding, access, meaning, { mode: '64', force64: true, modal: true, hot }, [64]),
  ...sized(text, encoding, access, meaning, { mode: 'legacy', modal: true, hot }, [16, 32]),
]
/** Displacements are 32 bits in 64-bit mode and as the operand size in the others. */
const nearLong = (name: string, opcode: string, meaning: Meaning): Row[] => [
  row(`${name} rel32`, `${opcode} cd`, 'r', meaning, { mode: '64', force64: true, osize: 64, modal: true, hot: true }),
  row(`${name} rel32`, `${opcode} cd`, 'r', meaning, { mode: 'legacy', osize: 32, modal: true, hot: true }),
  row(`${name} rel16`, `${opcode} cw`, 'r', meaning, { mode: 'legacy', osize: 16, modal: true }),
]
const countedRows = (name: string, opcode: string, decrement: boolean, condition?: 'E' | 'NE'): Row[] =>
  ([16, 32, 64] as const).flatMap((asize) => {
    const meaning = counted(asize, decrement, condition)
    return near(`${name} rel8`, `${opcode} cb`, 'r', meaning, false).map((r) => ({
      ...r,
      options: { ...r.options, asize },
    }))
  })

export const CONTROL: readonly Row[] = [
  ...CONDITIONS.flatMap((c, n) => near(`J${c} rel8`, `7${n.toString(16).toUpperCase()} cb`, 'r', jccs[n]!)),
  ...CONDITIONS.flatMap((c, n) => nearLong(`J${c}`, `0F 8${n.toString(16).toUpperCase()}`, jccs[n]!)),
  ...near('JMP rel8', 'EB cb', 'r', jump).map((r) => ({ ...r, options: { ...r.options, ends: true } })),
  ...nearLong('JMP', 'E9', jump).map((r) => ({ ...r, options: { ...r.options, ends: true } })),
  ...near('JMP r/mv', 'FF /4', 'r', jumpIndirect).map((r) => ({ ...r, options: { ...r.options, ends: true } })),
  ...nearLong('CALL', 'E8', call),
  ...near('CALL r/mv', 'FF /2', 'r', callIndirect),
  ...near('RET', 'C3', '', ret).map((r) => ({ ...r, options: { ...r.options, ends: true } })),
  ...near('RET imm16', 'C2 iw', 'r', retPop).map((r) => ({ ...r, options: { ...r.options, ends: true } })),
  ...countedRows('LOOPNE', 'E0', true, 'NE'),
  ...countedRows('LOOPE', 'E1', true, 'E'),
  ...countedRows('LOOP', 'E2', true),
  ...countedRows('JRCXZ', 'E3', false),
]
