/**
 * System instructions, ports, far control transfers and everything else whose meaning is in TypeScript
 * (semantics/host.ts, semantics/system/). SDM 2A-2C, 3A.
 */
import { i64 } from '../../../wasm/instructions.ts'
import type { I64 } from '../../../wasm/value.ts'
import { UD } from '../../state/fault.ts'
import { RSP, SCRATCH, STACK_MASK } from '../../state/layout.ts'
import { type Bits, type Builder, k, loadInt, state } from '../builder.ts'
import { host, hostSized, sizedName } from '../host.ts'
import type { Meaning, Operand } from '../operand.ts'
import { type Row, type RowOptions, row, sized } from '../row.ts'

const undefinedOpcode: Meaning = (b) => b.fault(UD)
const nop: Meaning = () => {}

/** Far JMP and CALL through memory: offset, then selector. */
const farIndirect =
  (name: 'farJump' | 'farCall'): Meaning =>
  (b, m) => {
    const ea = m.address()
    const at = b.readAddress(ea, b.bits / 8 + 2)
    const offset = b.let(loadInt(at, b.bits))
    const selector = b.let(i64.load16_u(at, b.bits / 8))
    b.f.emit([state.store64(SCRATCH, selector), state.store64(SCRATCH + 8, offset)])
    b.host(sizedName(name, b.bits))
  }
/** LDS LES LFS LGS LSS: selector into a segment register, then offset into a general one. */
const loadFar =
  (segment: number): Meaning =>
  (b, d, m) => {
    const at = b.readAddress(m.address(), b.bits / 8 + 2)
    const offset = b.let(loadInt(at, b.bits))
    const selector = b.let(i64.load16_u(at, b.bits / 8))
    b.f.emit([state.store64(SCRATCH, k(segment)), state.store64(SCRATCH + 8, selector)])
    b.host('loadFarSegment', () => d.write(offset))
  }
/**
 * With 32-bit operands a segment register's push moves the stack by 4 and writes 2 bytes (SDM 2B PUSH: "all recent Intel
 * Core and Intel Atom processors"); with 64-bit operands it is zero-extended. Popping moves the stack by the operand size
 * and reads 2 bytes.
 */
const pushSegment =
  (segment: number): Meaning =>
  (b) => {
    b.f.emit(state.store64(SCRATCH + 8, k(segment)))
    b.host('movFromSegmentConstant')
    b.push(b.let(state.load64(SCRATCH)), b.bits, b.bits === 32 ? 16 : b.bits)
  }
const popSegment =
  (segment: number): Meaning =>
  (b) => {
    b.f.emit([state.store64(SCRATCH, k(segment)), state.store64(SCRATCH + 8, b.top(16))])
    // POP SS moves the stack pointer as the old stack segment has it.
    const moved = b.let(b.stackMoved(b.stackPointer(), k(b.bits / 8)))
    const keep = b.let(b.long ? k(0) : i64.xor(state.load64(STACK_MASK), k(-1)))
    b.host('movToSegment', () => b.setGpr(RSP, i64.or(i64.and(b.gpr(RSP, 64), keep), moved), 64))
  }
/** MOV r/m, Sreg: 16 bits to memory, zero-extended to a register. */
const movFromSegment: Meaning = (b, d, s) => {
  b.f.emit(state.store64(SCRATCH + 8, s.read()))
  b.host('movFromSegmentConstant')
  if (d.isMemory) d.write(state.load64(SCRATCH), 16)
  else d.write(state.load64(SCRATCH))
}
/** SLDT, STR, SMSW: 16 bits to memory, operand size to a register. */
const storeWord =
  (name: 'sldt' | 'str' | 'smsw'): Meaning =>
  (b, d) => {
    b.host(name)
    if (d.isMemory) d.write(state.load64(SCRATCH), 16)
    else d.write(state.load64(SCRATCH))
  }

/** LAR, LSL: without ZF the destination keeps all of its bits. */
const inspectSegment =
  (name: 'lar' | 'lsl'): Meaning =>
  (b, d, s) => {
    b.f.emit(state.store64(SCRATCH + 8, s.read()))
    b.host(sizedName(name, b.bits), () => b.f.if(b.condition('E'), () => d.write(state.load64(SCRATCH))))
  }

/** Privilege is checked before the operand is read. */
const privileged =
  (name: 'lldt' | 'ltr' | 'lmsw'): Meaning =>
  (b, ...operands) => {
    b.host('privileged')
    ;(host(name) as (b: Builder, ...operands: Operand[]) => void)(b, ...operands)
  }
/** ARPL writes only what changes, so a read-only operand that is privileged enough does not fault. */
const arpl: Meaning = (b, d, s) => {
  b.host('protectedOnly')
  const selector = d.read()
  const rpl = b.let(i64.and(s.read(), k(3)))
  const lower = b.let(i64.lt_u(i64.and(selector, k(3)), rpl))
  b.f.if(lower, () => {
    if (d.isMemory) b.checkWrite(d.address(), 2)
    d.write(i64.or(i64.and(selector, k(0xfffc)), rpl))
  })
  b.setZero(i64.extend_i32_u(lower))
}
/** Immediate ports are unsigned. */
const port8 = (b: Builder): I64 => i64.and(b.imm(), k(0xff))
const inImmediate =
  (bits: 8 | 16 | 32): Meaning =>
  (b, d) => {
    b.f.emit(state.store64(SCRATCH + 8, port8(b)))
    b.host(`in${bits}`)
    d.write(state.load64(SCRATCH))
  }
const outImmediate =
  (bits: 8 | 16 | 32): Meaning =>
  (b, _, s) => {
    b.f.emit([state.store64(SCRATCH, port8(b)), state.store64(SCRATCH + 8, s.read())])
    b.host(`out${bits}`)
  }

const legacy: RowOptions = { mode: 'legacy', modal: true }
const feature = (name: string, options: RowOptions = {}): RowOptions => ({ ...options, feature: name })

/** Forms with operand sizes 16 and 32 in legacy modes and all three in 64-bit mode (64 by REX.W). */
const anySize = (text: string, encoding: string, access: string, meaning: Meaning, options: RowOptions = {}): Row[] =>
  sized(text, encoding, access, meaning, { modal: true, ...options })
const stackSegment = (
  text: string,
  encoding: string,
  meaning: Meaning,
  legacyOnly: boolean,
  options: RowOptions = {},
): Row[] => [
  ...sized(text, encoding, '', meaning, { mode: 'legacy', modal: true, stack: true, ...options }, [16, 32]),
  ...(legacyOnly
    ? []
    : sized(
        text,
        encoding,
        '',
        meaning,
        { mode: '64', modal: true, default64: true, stack: true, ...options },
        [16, 64],
      )),
]
const farPointer = (osize: Bits): number => osize / 8 + 2

export const SYSTEM: readonly Row[] = [
  // Segment registers.
  ...sized('MOV r/mv, sreg', '8C /r', 'w r', movFromSegment),
  ...([16, 32, 64] as const).map((osize) =>
    row('MOV sreg, r/m16', osize === 64 ? 'REX.W + 8E /r' : '8E /r', 'r r', host('movToSegment'), {
      osize,
      modal: true,
    }),
  ),
  ...stackSegment('PUSH ES', '06', pushSegment(0), true),
  ...stackSegment('POP ES', '07', popSegment(0), true, { pops: true }),
  ...stackSegment('PUSH CS', '0E', pushSegment(1), true),
  ...stackSegment('PUSH SS', '16', pushSegment(2), true),
  ...stackSegment('POP SS', '17', popSegment(2), true, { pops: true }),
  ...stackSegment('PUSH DS', '1E', pushSegment(3), true),
  ...stackSegment('POP DS', '1F', popSegment(3), true, { pops: true }),
  ...stackSegment('PUSH FS', '0F A0', pushSegment(4), false),
  ...stackSegment('POP FS', '0F A1', popSegment(4), false, { pops: true }),
  ...stackSegment('PUSH GS', '0F A8', pushSegment(5), false),
  ...stackSegment('POP GS', '0F A9', popSegment(5), false, { pops: true }),
  ...sized('LES rv, m', 'C4 /r', 'w x', loadFar(0), { ...legacy, bytes: farPointer }, [16, 32]),
  ...sized('LDS rv, m', 'C5 /r', 'w x', loadFar(3), { ...legacy, bytes: farPointer }, [16, 32]),
  ...anySize('LSS rv, m', '0F B2 /r', 'w x', loadFar(2), { bytes: farPointer }),
  ...anySize('LFS rv, m', '0F B4 /r', 'w x', loadFar(4), { bytes: farPointer }),
  ...anySize('LGS rv, m', '0F B5 /r', 'w x', loadFar(5), { bytes: farPointer }),

  // Far control transfer, interrupts and returns.
  ...sized('JMP far', 'EA cp', '', hostSized('farJumpDirect'), { mode: 'legacy', flow: 'ends' }, [16, 32]),
  ...sized(
    'CALL far',
    '9A cp',
    '',
    hostSized('farCallDirect'),
    { mode: 'legacy', flow: 'call', stack: true },
    [16, 32],
  ),
  ...anySize('JMP m', 'FF /5', 'x', farIndirect('farJump'), { flow: 'ends', bytes: farPointer }),
  ...anySize('CALL m', 'FF /3', 'x', farIndirect('farCall'), { flow: 'call', stack: true, bytes: farPointer }),
  ...anySize('RETF', 'CB', '', hostSized('farReturn'), { flow: 'ends', stack: true }),
  ...anySize('RETF imm16', 'CA iw', 'r', hostSized('farReturnPop'), { flow: 'ends', stack: true }),
  ...anySize('IRET', 'CF', '', hostSized('iret'), { flow: 'ends', stack: true }),
  row('INT3', 'CC', '', host('int3')),
  row('INT imm8', 'CD ib', 'r', host('int')),
  row('INTO', 'CE', '', host('into'), { mode: 'legacy' }),
  row('INT1', 'F1', '', host('int1')),
  ...sized('BOUND rv, m', '62 /r', 'r x', hostSized('bound'), legacy, [16, 32]),
  row('SYSCALL', '0F 05', '', host('syscall'), { flow: 'ends' }),
  row('SYSRET', '0F 07', '', host('sysret4'), { flow: 'ends' }),
  row('SYSRET', 'REX.W + 0F 07', '', host('sysret8'), { osize: 64, flow: 'ends' }),
  row('SYSENTER', '0F 34', '', host('sysenter'), { flow: 'ends' }),
  row('SYSEXIT', '0F 35', '', host('sysexit4'), { flow: 'ends' }),
  row('SYSEXIT', 'REX.W + 0F 35', '', host('sysexit8'), { osize: 64, flow: 'ends' }),

  // Descriptor tables and protection.
  ...sized('SLDT r/mv', '0F 00 /0', 'w', storeWord('sldt')),
  ...sized('STR r/mv', '0F 00 /1', 'w', storeWord('str')),
  row('LLDT r/m16', '0F 00 /2', 'r', privileged('lldt')),
  row('LTR r/m16', '0F 00 /3', 'r', privileged('ltr')),
  row('VERR r/m16', '0F 00 /4', 'r', host('verr')),
  row('VERW r/m16', '0F 00 /5', 'r', host('verw')),
  ...sized('LAR rv, r/m16', '0F 02 /r', 'w r', inspectSegment('lar')),
  ...sized('LSL rv, r/m16', '0F 03 /r', 'w r', inspectSegment('lsl')),
  row('ARPL r/m16, r16', '63 /r', 'r r', arpl, { mode: 'legacy' }),
  ...(['sgdt', 'sidt', 'lgdt', 'lidt'] as const).flatMap((name, digit) => {
    const text = `${name.toUpperCase()} m`
    const area = { bytes: 6, writes: name[0] === 's' }
    return [
      ...([16, 32] as const).map((osize) =>
        row(text, `0F 01 /${digit}`, 'x', hostSized(name), { mode: 'legacy', osize, ...area }),
      ),
      row(text, `0F 01 /${digit}`, 'x', host(`${name}64`), { mode: '64', ...area }),
    ]
  }),
  ...sized('SMSW r/mv', '0F 01 /4', 'w', storeWord('smsw')),
  row('LMSW r/m16', '0F 01 /6', 'r', privileged('lmsw')),
  row('INVLPG m', '0F 01 /7', 'x', host('invlpg'), { bytes: 1 }),
  row('SWAPGS', '0F 01 F8', '', host('swapgs'), { mode: '64' }),
  row('RDTSCP', '0F 01 F9', '', host('rdtscp'), feature('rdtscp')),
  row('MONITOR m', '0F 01 C8', '', host('monitor'), feature('mwait')),
  row('MWAIT', '0F 01 C9', '', host('mwait'), feature('mwait')),
  row('CLAC', '0F 01 CA', '', host('clac'), feature('smap')),
  row('STAC', '0F 01 CB', '', host('stac'), feature('smap')),
  row('XGETBV', '0F 01 D0', '', host('xgetbv'), feature('xsave')),
  row('XSETBV', '0F 01 D1', '', host('xsetbv'), feature('xsave')),
  row('INVPCID r32, m128', '66 0F 38 82 /r', 'r x', host('invpcid'), feature('invpcid', { mode: 'legacy' })),
  row('INVPCID r64, m128', '66 0F 38 82 /r', 'r x', host('invpcid'), feature('invpcid', { mode: '64' })),
  row('CLTS', '0F 06', '', host('clts')),
  row('INVD', '0F 08', '', host('wbinvd')),
  row('WBINVD', '0F 09', '', host('wbinvd')),

  // Control and debug registers, model-specific registers, time.
  row('MOV reg64, creg', '0F 20 /r', 'w r', host('readCr'), { mode: '64' }),
  row('MOV reg32, creg', '0F 20 /r', 'w r', host('readCr'), { mode: 'legacy' }),
  row('MOV creg, reg64', '0F 22 /r', 'r r', host('writeCr'), { mode: '64' }),
  row('MOV creg, reg32', '0F 22 /r', 'r r', host('writeCr'), { mode: 'legacy' }),
  row('MOV reg64, dreg', '0F 21 /r', 'w r', host('readDr'), { mode: '64' }),
  row('MOV reg32, dreg', '0F 21 /r', 'w r', host('readDr'), { mode: 'legacy' }),
  row('MOV dreg, reg64', '0F 23 /r', 'r r', host('writeDr'), { mode: '64' }),
  row('MOV dreg, reg32', '0F 23 /r', 'r r', host('writeDr'), { mode: 'legacy' }),
  row('WRMSR', '0F 30', '', host('wrmsr')),
  row('RDTSC', '0F 31', '', host('rdtsc')),
  row('RDMSR', '0F 32', '', host('rdmsr')),
  row('RDPMC', '0F 33', '', host('rdpmc')),
  row('CPUID', '0F A2', '', host('cpuid')),
  row('RSM', '0F AA', '', undefinedOpcode, { flow: 'ends' }),
  ...sized('RDRAND regv', '0F C7 /6', 'w', host('rdrand'), feature('rdrand', { repeat: 'none' })),
  ...sized('RDSEED regv', '0F C7 /7', 'w', host('rdseed'), feature('rdseed', { repeat: 'none' })),
  row('RDFSBASE reg32', 'F3 0F AE /0', 'w', host('rdfsbase'), feature('fsgsbase', { mode: '64', osize: 32 })),
  row('RDFSBASE reg64', 'F3 REX.W 0F AE /0', 'w', host('rdfsbase'), feature('fsgsbase', { mode: '64', osize: 64 })),
  row('RDGSBASE reg32', 'F3 0F AE /1', 'w', host('rdgsbase'), feature('fsgsbase', { mode: '64', osize: 32 })),
  row('RDGSBASE reg64', 'F3 REX.W 0F AE /1', 'w', host('rdgsbase'), feature('fsgsbase', { mode: '64', osize: 64 })),
  row('WRFSBASE reg32', 'F3 0F AE /2', 'r', host('wrfsbase'), feature('fsgsbase', { mode: '64', osize: 32 })),
  row('WRFSBASE reg64', 'F3 REX.W 0F AE /2', 'r', host('wrfsbase'), feature('fsgsbase', { mode: '64', osize: 64 })),
  row('WRGSBASE reg32', 'F3 0F AE /3', 'r', host('wrgsbase'), feature('fsgsbase', { mode: '64', osize: 32 })),
  row('WRGSBASE reg64', 'F3 REX.W 0F AE /3', 'r', host('wrgsbase'), feature('fsgsbase', { mode: '64', osize: 64 })),

  // Flags and the processor's sleep.
  row('CMC', 'F5', '', host('cmc')),
  row('CLC', 'F8', '', (b) => b.setCarry(k(0))),
  row('STC', 'F9', '', (b) => b.setCarry(k(1))),
  row('CLI', 'FA', '', host('cli')),
  row('STI', 'FB', '', host('sti')),
  row('CLD', 'FC', '', host('cld')),
  row('STD', 'FD', '', host('std')),
  row('HLT', 'F4', '', host('hlt')),
  row('SALC', 'D6', '', host('salc'), { mode: 'legacy' }),

  // Ports.
  row('IN AL, imm8', 'E4 ib', 'w r', inImmediate(8)),
  ...sized('IN rAX, imm8', 'E5 ib', 'w r', inImmediate(16), {}, [16]),
  ...sized('IN rAX, imm8', 'E5 ib', 'w r', inImmediate(32), {}, [32]),
  row('IN EAX, imm8', 'REX.W + E5 ib', 'w r', inImmediate(32), { osize: 64, parameter: 32 }),
  row('OUT imm8, AL', 'E6 ib', 'r r', outImmediate(8)),
  ...sized('OUT imm8, rAX', 'E7 ib', 'r r', outImmediate(16), {}, [16]),
  ...sized('OUT imm8, rAX', 'E7 ib', 'r r', outImmediate(32), {}, [32]),
  row('OUT imm8, EAX', 'REX.W + E7 ib', 'r r', outImmediate(32), { osize: 64, parameter: 32 }),
  row('IN AL, DX', 'EC', 'w r', host('in8')),
  ...sized('IN rAX, DX', 'ED', 'w r', hostSized('in'), {}, [16, 32]),
  row('IN EAX, DX', 'REX.W + ED', 'w r', host('in32'), { osize: 64, parameter: 32 }),
  row('OUT DX, AL', 'EE', 'r r', host('out8')),
  ...sized('OUT DX, rAX', 'EF', 'r r', hostSized('out'), {}, [16, 32]),
  row('OUT DX, EAX', 'REX.W + EF', 'r r', host('out32'), { osize: 64, parameter: 32 }),

  // Floating-point and vector state, fences, cache control.
  row('FXSAVE m', 'NP 0F AE /0', 'x', host('fxsave4'), { unit: 'none', bytes: 512, writes: true }),
  row('FXSAVE64 m', 'NP REX.W 0F AE /0', 'x', host('fxsave8'), { osize: 64, unit: 'none', bytes: 512, writes: true }),
  row('FXRSTOR m', 'NP 0F AE /1', 'x', host('fxrstor4'), { unit: 'none', bytes: 512 }),
  row('FXRSTOR64 m', 'NP REX.W 0F AE /1', 'x', host('fxrstor8'), { osize: 64, unit: 'none', bytes: 512 }),
  row('XSAVE m', 'NP 0F AE /4', 'x', host('xsave4'), feature('xsave', { unit: 'none', bytes: 576, writes: true })),
  row(
    'XSAVE64 m',
    'NP REX.W 0F AE /4',
    'x',
    host('xsave8'),
    feature('xsave', { osize: 64, unit: 'none', bytes: 576, writes: true }),
  ),
  row('XRSTOR m', 'NP 0F AE /5', 'x', host('xrstor4'), feature('xsave', { unit: 'none', bytes: 576 })),
  row(
    'XRSTOR64 m',
    'NP REX.W 0F AE /5',
    'x',
    host('xrstor8'),
    feature('xsave', { osize: 64, unit: 'none', bytes: 576 }),
  ),
  row(
    'XSAVEOPT m',
    'NP 0F AE /6',
    'x',
    host('xsaveopt4'),
    feature('xsaveopt', { unit: 'none', bytes: 576, writes: true }),
  ),
  row(
    'XSAVEOPT64 m',
    'NP REX.W 0F AE /6',
    'x',
    host('xsaveopt8'),
    feature('xsaveopt', { osize: 64, unit: 'none', bytes: 576, writes: true }),
  ),
  row('CLFLUSH m8', 'NP 0F AE /7', 'r', (_, m) => void m.read()),
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((rm) => [
    row('LFENCE', `NP 0F AE ${(0xe8 + rm).toString(16).toUpperCase()}`, '', nop),
    row('MFENCE', `NP 0F AE ${(0xf0 + rm).toString(16).toUpperCase()}`, '', nop),
    row('SFENCE', `NP 0F AE ${(0xf8 + rm).toString(16).toUpperCase()}`, '', nop),
  ]),
  row('UD2', '0F 0B', '', undefinedOpcode, { flow: 'ends' }),
  row('UD1 r32, r/m32', '0F B9 /r', 'x x', undefinedOpcode, { flow: 'ends', addressOnly: true }),
  row('UD0 r32, r/m32', '0F FF /r', 'x x', undefinedOpcode, { flow: 'ends', addressOnly: true }),
]
