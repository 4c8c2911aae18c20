/**
 * Moving data: MOV MOVZX MOVSX MOVSXD LEA XCHG CMOVcc SETcc XLAT, PUSH and POP in all forms, ENTER LEAVE, the flag
 * transfers, and NOP. SDM 2A, 2B.
 */
import { i64 } from '../../../wasm/instructions.ts'
import type { I64 } from '../../../wasm/value.ts'
import { RAX, RBP, RBX, SCRATCH, STACK_MASK } from '../../state/layout.ts'
import { CONDITIONS, k, state } from '../builder.ts'
import { host, hostSized, sizedName } from '../host.ts'
import type { Meaning } from '../operand.ts'
import { type Row, type RowOptions, row, sized } from '../row.ts'

const mov: Meaning = (_, d, s) => {
  d.write(s.read())
}
/** MOV r64, imm32 and MOV r/m64, imm32 sign-extend, which reading an immediate does. */
const movsx: Meaning = (b, d, s) => {
  d.write(b.sext(s.read(), s.bits as 8 | 16 | 32))
}
const lea: Meaning = (_, d, s) => {
  d.write(s.address())
}
/** With 16-bit addresses the sum wraps. */
const lea16: Meaning = (_, d, s) => {
  d.write(i64.and(s.address(), k(0xffff)))
}
const xchg: Meaning = (_, d, s) => {
  const x = d.read()
  const y = s.read()
  d.write(y)
  s.write(x)
}
const nop: Meaning = () => {}
const cmov =
  (n: number): Meaning =>
  (b, d, s) => {
    // The source is read (and may fault) whatever the condition; a 32-bit destination is zero-extended either way.
    const y = s.read()
    const x = d.read()
    const taken = b.condition(CONDITIONS[n]!)
    d.write({ type: 'i64', code: [y.code, x.code, taken.code, 0x1b] })
  }
const setcc =
  (n: number): Meaning =>
  (b, d) => {
    d.write(i64.extend_i32_u(b.condition(CONDITIONS[n]!)))
  }
const cmovs = Array.from({ length: 16 }, (_, n) => cmov(n))
const setccs = Array.from({ length: 16 }, (_, n) => setcc(n))

const push: Meaning = (b, s) => {
  b.push(b.sext(s.read()))
}
const pushImmediate: Meaning = (b) => {
  b.push(b.imm())
}
/** POP into memory computes its address after RSP moved (SDM 2B POP): the decoder adds that to the displacement. */
const pop: Meaning = (b, d) => {
  const value = b.top()
  if (d.isMemory) {
    b.store(d.address(), value)
    b.popped(b.bits / 8)
  } else {
    b.popped(b.bits / 8)
    d.write(value)
  }
}
const leave: Meaning = (b) => {
  const frame = b.long ? b.gpr(RBP, 64) : i64.and(b.gpr(RBP, 64), state.load64(STACK_MASK))
  const sp = b.let(frame)
  const value = b.load(b.stackLinear(sp, b.bits / 8, false))
  b.setStackPointer(b.stackMoved(sp, k(b.bits / 8)))
  b.setGpr(RBP, value)
}
const pushf: Meaning = (b) => {
  b.host('pushf')
  b.push(b.let(state.load64(SCRATCH)))
}
const popf: Meaning = (b) => {
  b.f.emit(state.store64(SCRATCH, b.top()))
  b.host(sizedName('popf', b.bits), () => b.popped(b.bits / 8))
}
/** XLAT: AL = byte at rBX + AL; the decoder gives rBX as the base. */
const xlat: Meaning = (b, s) => {
  const al = b.gpr(RAX, 8)
  let ea: I64 = i64.add(s.address(), al)
  if (!b.long) ea = i64.and(ea, k(0xffffffff))
  b.setGpr(RAX, b.load(ea, 8), 8)
}
const lahf: Meaning = (b) => {
  b.host('pushf')
  b.setGpr(RAX + 1, state.load64(SCRATCH), 8)
}

const idle = { idle: true, addressOnly: true } as const
const d64 = { modal: true, hot: true, default64: true, stack: true } as const
/** PUSH and POP operand sizes: 64-bit mode has 16 and 64, the others 16 and 32. */
const stackSized = (
  text: string,
  encoding: string,
  access: string,
  meaning: Meaning,
  options: RowOptions = {},
): Row[] => [
  ...sized(text, encoding, access, meaning, { ...d64, ...options, mode: '64' }, [16, 64]),
  ...sized(text, encoding, access, meaning, { ...d64, ...options, mode: 'legacy' }, [16, 32]),
]

export const MOVE: readonly Row[] = [
  row('MOV r/m8, r8', '88 /r', 'w r', mov, { hot: true }),
  ...sized('MOV r/mv, rv', '89 /r', 'w r', mov, { hot: true }),
  row('MOV r8, r/m8', '8A /r', 'w r', mov, { hot: true }),
  ...sized('MOV rv, r/mv', '8B /r', 'w r', mov, { hot: true }),
  row('MOV r8, imm8', 'B0+r ib', 'w r', mov, { hot: true }),
  ...sized('MOV rv, immv', 'B8+r iv', 'w r', mov, { hot: true }, [16, 32]),
  row('MOV r64, imm64', 'REX.W + B8+r io', 'w r', mov, { osize: 64, hot: true }),
  row('MOV r/m8, imm8', 'C6 /0 ib', 'w r', mov, { hot: true }),
  ...sized('MOV r/mv, immv', 'C7 /0 iv', 'w r', mov, { hot: true }),
  row('MOV AL, moffs8', 'A0 mo', 'w r', mov),
  ...sized('MOV rAX, moffsv', 'A1 mo', 'w r', mov),
  row('MOV moffs8, AL', 'A2 mo', 'w r', mov),
  ...sized('MOV moffsv, rAX', 'A3 mo', 'w r', mov),
  ...sized('MOVZX rv, r/m8', '0F B6 /r', 'w r', mov, { hot: true }),
  ...sized('MOVZX rv, r/m16', '0F B7 /r', 'w r', mov, { hot: true }),
  ...sized('MOVSX rv, r/m8', '0F BE /r', 'w r', movsx, { hot: true }),
  ...sized('MOVSX rv, r/m16', '0F BF /r', 'w r', movsx, { hot: true }),
  row('MOVSXD r16, r/m16', '63 /r', 'w r', mov, { osize: 16, mode: '64' }),
  row('MOVSXD r32, r/m32', '63 /r', 'w r', mov, { osize: 32, mode: '64', hot: true }),
  row('MOVSXD r64, r/m32', 'REX.W + 63 /r', 'w r', movsx, { osize: 64, mode: '64', hot: true }),
  ...sized('LEA rv, m', '8D /r', 'w x', lea16, { asize: 16, mode: 'legacy', addressOnly: true }, [16, 32]),
  ...sized('LEA rv, m', '8D /r', 'w x', lea, { hot: true, addressOnly: true }),
  row('XCHG r/m8, r8', '86 /r', 'rw rw', xchg, { lock: true, hot: true }),
  ...sized('XCHG r/mv, rv', '87 /r', 'rw rw', xchg, { lock: true, hot: true }),
  // 90 with REX.B is XCHG r8, rAX: the decoder falls through NOP's row then.
  ...sized('XCHG rAX, rv', '90+r', 'rw rw', xchg),
  ...sized('NOP r/mv', '0F 1F /0', 'x', nop, { hot: true, ...idle }),
  ...sized('NOP r/mv, rv', '0F 0D /r', 'x x', nop, idle),
  ...[0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f].flatMap((op) =>
    sized('NOP r/mv, rv', `0F ${op.toString(16).toUpperCase()} /r`, 'x x', nop, idle),
  ),
  ...CONDITIONS.flatMap((c, n) =>
    sized(`CMOV${c} rv, r/mv`, `0F 4${n.toString(16).toUpperCase()} /r`, 'rw r', cmovs[n]!, { hot: true }),
  ),
  ...CONDITIONS.map((c, n) =>
    row(`SET${c} r/m8`, `0F 9${n.toString(16).toUpperCase()} /r`, 'w', setccs[n]!, { hot: true }),
  ),
  row('XLATB m8', 'D7', 'x', xlat, { modal: true, base: RBX, plus: 'AL' }),
  ...stackSized('PUSH rv', '50+r', 'r', push),
  ...stackSized('PUSH r/mv', 'FF /6', 'r', push),
  ...stackSized('PUSH immv', '68 iv', 'r', pushImmediate),
  ...stackSized('PUSH imm8', '6A ib', 'r', pushImmediate),
  ...stackSized('POP rv', '58+r', 'w', pop, { pops: true }),
  ...stackSized('POP r/mv', '8F /0', 'w', pop, { pops: true }),
  ...stackSized('LEAVE', 'C9', '', leave),
  ...stackSized('PUSHF', '9C', '', pushf, { hot: false }),
  ...stackSized('POPF', '9D', '', popf, { hot: false }),
  ...stackSized('ENTER imm16, imm8', 'C8 iw ib', 'r r', hostSized('enter'), { hot: false }),
  ...sized('PUSHA', '60', '', hostSized('pusha'), { mode: 'legacy' }, [16, 32]),
  ...sized('POPA', '61', '', hostSized('popa'), { mode: 'legacy' }, [16, 32]),
  row('LAHF', '9F', '', lahf),
  row('SAHF', '9E', '', host('sahf')),
]
