/** Floating-point values that matter, the units' states, and what such instructions find in memory. */
import { type Case, FX_FCW, FX_FSW, FX_FTW, FX_MXCSR, FX_ST, FX_XMM } from '../case.ts'
import type { Subject } from './subject.ts'
import type { Values } from './values.ts'

export class FloatValues {
  readonly #subject: Subject
  readonly #values: Values
  /** Values come from a few that meet often: equal, opposite, zeros of both signs. */
  readonly #few: boolean

  constructor(subject: Subject, values: Values, few: boolean) {
    this.#subject = subject
    this.#values = values
    this.#few = few
  }

  /** Mask of "any bits": AMD's MXCSR has a bit 17 of its own. */
  get anyMxcsr(): number {
    return this.#subject.amd ? ~0x20000 : ~0
  }
  mxcsr(): number {
    const { r } = this.#values
    if (r.chance(30)) return 0x1f80
    const flags = r.chance(40) ? r.u32() & 0x3f : 0
    const rounding = (r.u32() & 3) << 13
    const masks = r.chance(80) ? 0x1f80 : (r.u32() & 0x3f) << 7
    return flags | rounding | masks | (r.chance(20) ? 0x8000 : 0) | (r.chance(20) ? 0x40 : 0)
  }
  #f32(): number {
    const { r } = this.#values
    if (this.#few) return r.pick(F32_FEW)
    const sign = r.chance(40) ? 0x80000000 : 0
    switch (r.below(8)) {
      case 0:
        return (r.pick(F32_CORNERS) | sign) >>> 0
      case 1:
        return ((r.u32() & 0x7fffff) | sign) >>> 0 // denormal
      case 2:
        return (((120 + r.below(16)) << 23) | (r.u32() & 0x7f0000) | sign) >>> 0
      case 3:
        return (((127 + r.below(40)) << 23) | (r.u32() & 0x7fffff) | sign) >>> 0
      case 4:
        return r.u32()
      default:
        return (((100 + r.below(60)) << 23) | (r.u32() & 0x7fffff) | sign) >>> 0
    }
  }
  #f64(): bigint {
    const { r } = this.#values
    if (this.#few) return r.pick(F64_FEW)
    const sign = r.chance(40) ? 1n << 63n : 0n
    const fraction = r.u64() & 0xfffffffffffffn
    switch (r.below(8)) {
      case 0:
        return r.pick(F64_CORNERS) | sign
      case 1:
        return fraction | sign
      case 2:
        return (BigInt(1016 + r.below(16)) << 52n) | (fraction & 0xff00000000000n) | sign
      case 3:
        return (BigInt(1023 + r.below(70)) << 52n) | fraction | sign
      case 4:
        return r.u64()
      case 5:
        return (BigInt(1023 - 155 + r.below(290)) << 52n) | fraction | sign
      default:
        return (BigInt(990 + r.below(60)) << 52n) | fraction | sign
    }
  }
  /** 16 bytes: singles, doubles, integers or anything. */
  lanes(view: DataView, at: number): void {
    const { r } = this.#values
    const single = /(SS|PS)\b|PS2|SS2/.test(this.#subject.mnemonic)
    const double = /(SD|PD)\b|PD2|SD2/.test(this.#subject.mnemonic)
    const n = r.below(10)
    if ((single && n < 8) || (!double && n < 2))
      for (let i = 0; i < 16; i += 4) view.setUint32(at + i, this.#f32(), true)
    else if ((double && n < 8) || (!single && n < 4))
      for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, this.#f64(), true)
    else if (n < 7) for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, r.u64(), true)
    else for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, this.#values.value64(), true)
  }
  #f80(view: DataView, at: number): void {
    const { r } = this.#values
    const sign = r.chance(40) ? 0x8000 : 0
    let significand = r.u64() | (1n << 63n)
    let exponent = 16383 - 40 + r.below(80)
    switch (r.below(10)) {
      case 0: {
        const [e, m] = r.pick(F80_CORNERS)
        exponent = e
        significand = m
        break
      }
      case 1:
        exponent = 0
        significand = r.u64() >> BigInt(1 + r.below(60))
        break
      case 2:
        exponent = r.below(0x8000)
        break
      case 3:
        exponent = 16383 + r.below(70)
        significand = (r.u64() << BigInt(r.below(60))) | (1n << 63n)
        break
      case 4:
        if (r.chance(30)) significand = r.u64()
        break
      case 5:
        significand = (BigInt(1 + r.below(255)) << 55n) | (1n << 63n)
        break
    }
    view.setBigUint64(at, BigInt.asUintN(64, significand), true)
    view.setUint16(at + 8, exponent | sign, true)
  }
  memory(c: Case, view: DataView, size: number): void {
    const { r } = this.#values
    if (size === 10) {
      if (this.#subject.mnemonic === 'FBLD') {
        for (let i = 0; i < 10; i++) view.setUint8(i, r.chance(95) ? r.below(10) | (r.below(10) << 4) : r.u32() & 0xff)
        if (r.chance(80)) view.setUint8(9, r.chance(50) ? 0x80 : 0)
      } else this.#f80(view, 0)
    } else if (size >= 512) {
      // An image like the one the case starts with.
      const save = c.fx.slice()
      this.state(c)
      for (let i = 0; i < 416; i++) view.setUint8(i, c.fx[i] as number)
      c.fx.set(save)
      if (r.chance(10)) view.setUint32(24, r.u32() & this.anyMxcsr, true)
      // Neither processor's MXCSR_MASK: its storing shows.
      if (/^F?XSAVE/.test(this.#subject.mnemonic)) view.setUint8(30, 0xff)
      if (size === 576) this.#extendedHeader(view)
    } else if (size >= 28) {
      view.setUint16(0, this.#fcw(), true)
      view.setUint16(this.#subject.descriptor.osize === 16 ? 2 : 4, r.u32() & (r.chance(80) ? 0x7f40 : 0xffff), true)
      const start = this.#subject.descriptor.osize === 16 ? 14 : 28
      for (let i = 0; i < 8 && start + i * 10 + 10 <= size; i++) this.#f80(view, start + i * 10)
    } else if (/m32/.test(this.#subject.descriptor.text) && !/^FI/.test(this.#subject.mnemonic))
      view.setUint32(0, this.#f32(), true)
    else if (/m64/.test(this.#subject.descriptor.text) && !/^FI/.test(this.#subject.mnemonic))
      view.setBigUint64(0, this.#f64(), true)
  }
  /**
   * XSTATE_BV and XCOMP_BV (SDM 1 §13.4.2): components that both the recorder's XCR0 and the engine's have, or neither.
   * The compacted format is not offered.
   */
  #extendedHeader(view: DataView): void {
    const { r } = this.#values
    view.setBigUint64(512, BigInt(r.below(4)) | (r.chance(4) ? 1n << BigInt(40 + r.below(22)) : 0n), true)
    view.setBigUint64(520, r.chance(4) ? r.u64() >> 1n : 0n, true)
    view.setBigUint64(528, r.chance(4) ? r.u64() : 0n, true)
  }
  #fcw(): number {
    const { r } = this.#values
    if (r.chance(40)) return 0x37f
    const masks = r.chance(80) ? 0x3f : r.u32() & 0x3f
    return masks | 0x40 | ((r.u32() & 0xf) << 8)
  }
  state(c: Case): void {
    const { r } = this.#values
    const v = c.fxView
    const mmx = this.#subject.row.operands.some((o) => o.class === 'mm' || o.class === 'mmrm')
    const fcw = this.#fcw()
    let fsw = (r.u32() & 0x4700) | (r.below(8) << 11)
    if (r.chance(25)) fsw |= r.u32() & 0x7f
    if ((fsw & ~fcw & 0x3f) !== 0 && r.chance(60)) fsw &= ~0x3f
    if ((fsw & ~fcw & 0x3f) !== 0) fsw |= 0x8080
    if (this.#subject.amd && this.#subject.mnemonic === 'EMMS') fsw &= ~0x3800
    v.setUint16(FX_FCW, fcw, true)
    v.setUint16(FX_FSW, fsw, true)
    v.setUint8(FX_FTW, r.chance(60) ? 0xff : r.u32() & 0xff)
    v.setUint32(FX_MXCSR, this.mxcsr(), true)
    for (let i = 0; i < 8; i++) {
      const at = FX_ST + i * 16
      if (mmx) {
        this.lanes(v, at)
        v.setUint16(at + 8, r.chance(80) ? 0xffff : r.u32() & 0xffff, true)
      } else this.#f80(v, at)
      for (let j = 10; j < 16; j++) v.setUint8(at + j, 0)
    }
    const vector = !(this.#subject.row.encoding.map === 0)
    if (vector) for (let i = 0; i < 16; i++) this.lanes(v, FX_XMM + i * 16)
    // Related operands meet more often than chance has it.
    if (vector && r.chance(30)) {
      const from = r.below(16)
      const lane = r.below(16)
      for (let i = 0; i < 16; i++)
        if (r.chance(40))
          for (let j = 0; j < 16; j++) v.setUint8(FX_XMM + i * 16 + j, v.getUint8(FX_XMM + from * 16 + j))
      const victim = r.below(16)
      v.setUint8(FX_XMM + victim * 16 + lane, v.getUint8(FX_XMM + victim * 16 + lane) ^ (1 << r.below(8)))
    }
    if (!mmx && r.chance(20)) {
      const from = r.below(8)
      const to = r.below(8)
      for (let j = 0; j < 10; j++) v.setUint8(FX_ST + to * 16 + j, v.getUint8(FX_ST + from * 16 + j))
    }
  }
}

const F32_FEW: readonly number[] = [
  0, 0x80000000, 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001,
]
const F64_FEW: readonly bigint[] = F32_FEW.map((f) =>
  f === 0x7f800001
    ? 0x7ff0000000000001n
    : (BigInt(f >>> 31) << 63n) |
      (BigInt(f & 0x7fffffff) === 0n
        ? 0n
        : ([0x3ff0000000000000n, 0x7ff0000000000000n, 0x7ff8000000000000n][
            [0x3f800000, 0x7f800000, 0x7fc00000].indexOf(f & 0x7fffffff)
          ] as bigint)),
)
const F32_CORNERS: readonly number[] = [
  0, 1, 0x7fffff, 0x800000, 0x800001, 0x3f800000, 0x3f800001, 0x3f7fffff, 0x7f7fffff, 0x7f800000, 0x7f800001,
  0x7fbfffff, 0x7fc00000, 0x7fc12345, 0x4f000000, 0x4effffff, 0x4f800000, 0x5f000000, 0x5effffff, 0x3f000000,
  0x3fc00000, 0x40200000, 0x4b000000, 0x4b800000, 0x46fffe00, 0x7f000000, 0x00ffffff,
]
const F64_CORNERS: readonly bigint[] = [
  0n,
  1n,
  0xfffffffffffffn,
  0x10000000000000n,
  0x10000000000001n,
  0x3ff0000000000000n,
  0x3ff0000000000001n,
  0x3fefffffffffffffn,
  0x7fefffffffffffffn,
  0x7ff0000000000000n,
  0x7ff0000000000001n,
  0x7ff7ffffffffffffn,
  0x7ff8000000000000n,
  0x7ff8000012345678n,
  0x41e0000000000000n,
  0x41dfffffffc00000n,
  0x41dfffffffe00000n,
  0x43e0000000000000n,
  0x43dfffffffffffffn,
  0x3fe0000000000000n,
  0x3ff8000000000000n,
  0x4004000000000000n,
  0x36a0000000000000n,
  0x3810000000000000n,
  0x380fffffe0000000n,
  0x47efffffe0000000n,
  0x47efffffefffffffn,
  0x47f0000000000000n,
  0x4330000000000000n,
  0x4340000000000000n,
]
const F80_CORNERS: readonly (readonly [number, bigint])[] = [
  [0, 0n],
  [0, 1n],
  [0, 0x7fffffffffffffffn],
  [0, 0x8000000000000000n],
  [1, 0x8000000000000000n],
  [16383, 0x8000000000000000n],
  [16383, 0x8000000000000001n],
  [16382, 0xffffffffffffffffn],
  [0x7ffe, 0xffffffffffffffffn],
  [0x7fff, 0x8000000000000000n],
  [0x7fff, 0x8000000000000001n],
  [0x7fff, 0xc000000000000000n],
  [0x7fff, 0xffffffffffffffffn],
  [0x7fff, 0x0n],
  [0x7fff, 0x4000000000000000n],
  [16383, 0n],
  [16383, 0x7fffffffffffffffn],
  [16382, 0x8000000000000000n],
  [16384, 0x8000000000000000n],
  [16384, 0xc90fdaa22168c235n],
  [16383 + 63, 0x8000000000000000n],
  [16383 + 63, 0xffffffffffffffffn],
  [16383 + 30, 0xffffffff00000000n],
  [16383 + 31, 0x8000000000000000n],
  [16383 + 14, 0xffff000000000000n],
]
