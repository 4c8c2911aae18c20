/** Registers and stacks that an instruction uses without naming them. */
import { LEGACY_FS_BASE, PAGE } from '../layout.ts'
import type { Making } from './making.ts'
import { MASK32, MASK64, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from './subject.ts'

/** Registers that an instruction uses without naming them. */
export const implicit = (m: Making, addressBits: number, segment: number): void => {
  const { r, c, values, subject } = m
  const { mnemonic, descriptor } = subject
  const mask = (1n << BigInt(addressBits)) - 1n
  const set = (n: number, value: bigint): void => {
    c.gpr[n] = ((c.gpr[n] as bigint) & ~mask & MASK64) | (value & mask)
  }
  const base = m.segmentBaseOf(segment)
  if (subject.string) {
    const bits = (descriptor.osize ?? 8) as number
    const size = bits / 8
    const near16 = addressBits === 16
    const from = near16 ? LEGACY_FS_BASE + PAGE + r.below(2 * PAGE - 64) : values.place(size)
    const to = r.chance(20) ? from + r.below(33) - 16 : values.place(size)
    const same = new Uint8Array(32)
    const other = new Uint8Array(32)
    for (let i = 0; i < 32; i += 8) {
      const v = values.value64()
      for (let j = 0; j < 8; j++) {
        same[i + j] = Number((v >> BigInt(8 * j)) & 0xffn)
        other[i + j] = same[i + j] as number
      }
    }
    if (r.chance(60)) other[r.below(32)] = r.u32() & 0xff
    c.patch(to - 8, other)
    c.patch(from - 8, same)
    if (subject.readsString) set(RSI, BigInt(from) - base)
    if (/^(MOVS|CMPS|STOS|SCAS|INS)/.test(mnemonic)) set(RDI, near16 ? BigInt(to) & 0xffffn : BigInt(to))
    if (/^SCAS/.test(mnemonic) && r.chance(50)) {
      let v = 0n
      for (let i = 7; i >= 0; i--) v = (v << 8n) | BigInt(other[8 + i] as number)
      c.gpr[RAX] = v
    }
    set(RCX, BigInt(r.chance(20) ? r.below(2) : r.chance(80) ? r.below(40) : r.u32()))
    return
  }
  if (mnemonic === 'XLATB') {
    const al = (c.gpr[RAX] as bigint) & 0xffn
    set(
      RBX,
      BigInt(addressBits === 16 ? PAGE + r.below(PAGE) : values.place(1)) - base * (addressBits === 16 ? 0n : 1n) - al,
    )
  }
  if (subject.extendedState) {
    c.gpr[RAX] = ((c.gpr[RAX] as bigint) & ~MASK32) | BigInt(r.below(4))
    c.gpr[RDX] = (c.gpr[RDX] as bigint) & ~MASK32
  }
  if (mnemonic === 'MASKMOVDQU' || mnemonic === 'MASKMOVQ') set(RDI, BigInt(values.place(16)))
  if (subject.undefinedShift) c.gpr[RCX] = (c.gpr[RCX] as bigint) & ~0x10n
  if (/^(LOOP|JRCXZ)/.test(mnemonic)) set(RCX, BigInt(r.below(4)))
  if (mnemonic === 'DIV' || mnemonic === 'IDIV') {
    if (r.chance(70)) c.gpr[RDX] = r.chance(50) ? 0n : BigInt.asUintN(64, BigInt(r.below(64) - 32))
    if (r.chance(50)) c.gpr[RAX] = (c.gpr[RAX] as bigint) & 0x7fn
  }
  if (mnemonic === 'RET' || mnemonic === 'RETF' || mnemonic === 'IRET') {
    if (r.chance(70)) c.gpr[RSP] = BigInt(values.dataPlace(128))
    const frame = new Uint8Array(40)
    const view = new DataView(frame.buffer)
    const size = (descriptor.osize ?? 64) / 8
    const put = (n: number, v: bigint): void => {
      if (size === 8) view.setBigUint64(n * 8, v, true)
      else if (size === 4) view.setUint32(n * 4, Number(v & MASK32), true)
      else view.setUint16(n * 2, Number(v & 0xffffn), true)
    }
    put(0, values.codeTarget())
    if (mnemonic !== 'RET')
      put(1, BigInt(r.pick(subject.long ? [0x33, 0x33, 0x33, 0x30, 0x2b, 0, 0x10] : [0x23, 0x23, 0x23, 0x20, 0x2b, 0])))
    if (mnemonic === 'IRET') {
      put(2, BigInt((r.u32() & 0x8d5) | 0x202))
      put(3, BigInt(values.dataPlace(64)))
      put(4, BigInt(r.pick([0x2b, 0x2b, 0x2b, 0x28, 0])))
    }
    m.patch(c.gpr[RSP] as bigint, frame)
  }
  if (mnemonic === 'POPF') {
    const image = new Uint8Array(8)
    new DataView(image.buffer).setUint32(0, (r.u32() & ~0x34100) >>> 0, true)
    if (r.chance(85)) c.gpr[RSP] = BigInt(values.dataPlace(64))
    m.patch(c.gpr[RSP] as bigint, image)
  }
  if (mnemonic === 'POP' && descriptor.operands[0] === undefined) {
    // A segment register.
    const image = new Uint8Array(8)
    image[0] = r.pick([0, 3, 0x2b, 0x2b, 0x07, 0x0f, 0x23, 0x33, 0x10, 0x18, 0x2a, 0x3b])
    if (r.chance(85)) c.gpr[RSP] = BigInt(values.dataPlace(64))
    m.patch(c.gpr[RSP] as bigint, image)
  } else if (mnemonic === 'POP' || mnemonic === 'LEAVE' || mnemonic === 'POPA') {
    const bytes = new Uint8Array(32)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < 32; i += 8) view.setBigUint64(i, values.value64(), true)
    m.patch((mnemonic === 'LEAVE' ? c.gpr[RBP] : c.gpr[RSP]) as bigint, bytes)
  }
}
