/**
 * The page walk (SDM 3A ch. 4): no paging, 32-bit, PAE and 4-level, with 4 KiB, 2 MiB, 4 MiB and 1 GiB pages, NX, U/S,
 * R/W, CR0.WP, SMEP, SMAP, accessed and dirty flags, reserved bits, and the exact page-fault error code.
 *
 * 4-level entry:
 *   63 NX │ 62..52 ignored │ 51..12 address │ 8 G │ 7 PS │ 6 D │ 5 A │ 4 PCD │ 3 PWT │ 2 U/S │ 1 R/W │ 0 P
 */
import type { GuestRam } from '../ram.ts'
import { PHYSICAL_ADDRESS_BITS } from '../semantics/system/cpu-model.ts'
import type { CpuState } from '../state/cpu-state.ts'
import {
  CR0,
  CR0_PG,
  CR0_WP,
  CR3,
  CR4,
  CR4_PAE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER,
  EFER_LMA,
  EFER_NXE,
} from '../state/layout.ts'

const P = 1 << 0
const RW = 1 << 1
const US = 1 << 2
const A = 1 << 5
const D = 1 << 6
const PS = 1 << 7
const G = 1 << 8
/** Address bits of an entry. */
const ENTRY_FRAME = 0xf_ffff_ffff_f000n
/** NX in the upper half of a 64-bit entry. */
const NX_HIGH = 0x80000000

// Page-fault error code bits (SDM 3A §4.7).
export const PF_P = 1 << 0
export const PF_W = 1 << 1
export const PF_U = 1 << 2
export const PF_RSVD = 1 << 3
export const PF_I = 1 << 4

export type AccessKind = 'read' | 'write' | 'execute'

/** Address bits of the upper half that must be zero. */
const RESERVED_HIGH = ~((1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1) & 0xfffff

/** What a walk found; reused. */
export class Translation {
  /** Guest-physical address of the byte; -1 with a page fault. */
  physical = 0
  /** Error code of the fault. */
  errorCode = 0
  /** Whether the same access context may also write (dirty flag already set). */
  writable = false
  /** log2 of the page's size: 12, 21, 22 or 30. */
  pageShift = 12
  /** A new CR3 leaves the translation (SDM 3A §4.10.2.4). */
  global = false
}

export class Paging {
  readonly #state: CpuState
  readonly #ram: GuestRam
  readonly #words: Uint32Array
  readonly result = new Translation()
  #paging = false
  #long = false
  #pae = false
  #pge = false
  #pse = false
  #wp = false
  #nxe = false
  #smep = false
  #smap = false

  constructor(state: CpuState, ram: GuestRam) {
    this.#state = state
    this.#ram = ram
    this.#words = new Uint32Array(ram.bytes.buffer, ram.bytes.byteOffset, ram.size / 4)
    this.configure()
  }

  /** Takes the control registers' paging bits; call after any of them changed. */
  configure(): void {
    const cr0 = this.#state.get32(CR0)
    const cr4 = this.#state.get32(CR4)
    const efer = this.#state.get32(EFER)
    this.#paging = (cr0 & CR0_PG) !== 0
    this.#wp = (cr0 & CR0_WP) !== 0
    this.#long = (efer & EFER_LMA) !== 0
    this.#pae = (cr4 & CR4_PAE) !== 0
    this.#pge = (cr4 & CR4_PGE) !== 0
    this.#pse = (cr4 & CR4_PSE) !== 0
    this.#nxe = (efer & EFER_NXE) !== 0
    this.#smep = (cr4 & CR4_SMEP) !== 0
    this.#smap = (cr4 & CR4_SMAP) !== 0
  }

  get smap(): boolean {
    return this.#smap
  }

  /**
   * Translates linear address (high, low). `user`: the access has CPL 3's rights. `smapOff`: a supervisor access that
   * may touch user pages (RFLAGS.AC set, explicit access).
   */
  walk(high: number, low: number, kind: AccessKind, user: boolean, smapOff: boolean): Translation {
    const r = this.result
    r.pageShift = 12
    r.global = false
    if (!this.#paging) {
      r.physical = low >>> 0
      r.writable = true
      return r
    }
    return this.#long || this.#pae
      ? this.#walk64(high, low, kind, user, smapOff)
      : this.#walk32(low, kind, user, smapOff)
  }

  #fault(code: number, kind: AccessKind, user: boolean): Translation {
    const r = this.result
    r.physical = -1
    r.errorCode =
      code |
      (kind === 'write' ? PF_W : 0) |
      (user ? PF_U : 0) |
      (kind === 'execute' && (this.#nxe || this.#smep) && (this.#long || this.#pae) ? PF_I : 0)
    return r
  }

  #walk64(high: number, low: number, kind: AccessKind, user: boolean, smapOff: boolean): Translation {
    const words = this.#words
    const limit = this.#ram.size
    const cr3High = this.#state.get32(CR3 + 4) & 0xfffff
    let table = this.#long
      ? cr3High * 0x100000000 + ((this.#state.get32(CR3) & 0xfffff000) >>> 0)
      : (this.#state.get32(CR3) & 0xffffffe0) >>> 0
    let rw = RW
    let us = US
    let nx = 0
    let level = this.#long ? 4 : 3
    for (;;) {
      let index: number
      switch (level) {
        case 4:
          index = (high >>> 7) & 0x1ff
          break
        case 3:
          index = this.#long ? ((high & 0x7f) << 2) | (low >>> 30) : low >>> 30
          break
        case 2:
          index = (low >>> 21) & 0x1ff
          break
        default:
          index = (low >>> 12) & 0x1ff
      }
      const at = table + index * 8
      let entry = 0xffffffff
      let entryHigh = 0xffffffff
      const inRam = at + 8 <= limit
      const word = at >>> 2
      if (inRam) {
        entry = words[word]
        entryHigh = words[word + 1]
      }
      if ((entry & P) === 0) return this.#fault(0, kind, user)
      const pdpte = level === 3 && !this.#long
      if ((entryHigh & RESERVED_HIGH) !== 0) return this.#fault(PF_P | PF_RSVD, kind, user)
      if ((entryHigh & NX_HIGH) !== 0 && (!this.#nxe || pdpte)) return this.#fault(PF_P | PF_RSVD, kind, user)
      if (level === 4 && (entry & PS) !== 0) return this.#fault(PF_P | PF_RSVD, kind, user)
      const leaf = level === 1 || ((entry & PS) !== 0 && !pdpte)
      if (!pdpte) {
        rw &= entry
        us &= entry
        nx |= entryHigh & NX_HIGH
      }
      if (!leaf) {
        if (inRam && (entry & A) === 0 && !pdpte) words[word] = entry | A
        table = (entryHigh & 0xfffff) * 0x100000000 + ((entry & 0xfffff000) >>> 0)
        level--
        continue
      }
      const offsetMask = level === 1 ? 0xfff : level === 2 ? 0x1fffff : 0x3fffffff
      if (level > 1 && (entry & offsetMask & ~0x1fff) !== 0) return this.#fault(PF_P | PF_RSVD, kind, user)
      if (!this.#permitted(kind, user, rw, us, nx, smapOff)) return this.#fault(PF_P, kind, user)
      const flags = kind === 'write' ? A | D : A
      if (inRam && (entry & flags) !== flags) words[word] = entry | flags
      const r = this.result
      r.physical =
        (entryHigh & 0xfffff) * 0x100000000 + (((entry & ~offsetMask & 0xfffff000) | (low & offsetMask)) >>> 0)
      r.writable = (rw !== 0 || (!user && !this.#wp)) && ((entry & D) !== 0 || kind === 'write')
      r.pageShift = level === 1 ? 12 : level === 2 ? 21 : 30
      r.global = this.#pge && (entry & G) !== 0
      return r
    }
  }

  #walk32(low: number, kind: AccessKind, user: boolean, smapOff: boolean): Translation {
    const words = this.#words
    const limit = this.#ram.size
    const pdeAt = ((this.#state.get32(CR3) & 0xfffff000) >>> 0) + (low >>> 22) * 4
    const pdeIn = pdeAt + 4 <= limit
    const pde = pdeIn ? words[pdeAt >>> 2] : 0xffffffff
    if ((pde & P) === 0) return this.#fault(0, kind, user)
    const r = this.result
    if (this.#pse && (pde & PS) !== 0) {
      // 4 MiB page: bits 20..13 are address bits 39..32 (PSE-36), bit 21 is reserved.
      if ((pde & 0x200000) !== 0) return this.#fault(PF_P | PF_RSVD, kind, user)
      if (!this.#permitted(kind, user, pde & RW, pde & US, 0, smapOff)) return this.#fault(PF_P, kind, user)
      const flags = kind === 'write' ? A | D : A
      if (pdeIn && (pde & flags) !== flags) words[pdeAt >>> 2] = pde | flags
      r.physical = ((pde >>> 13) & 0xff) * 0x100000000 + (((pde & 0xffc00000) | (low & 0x3fffff)) >>> 0)
      r.writable = ((pde & RW) !== 0 || (!user && !this.#wp)) && ((pde & D) !== 0 || kind === 'write')
      r.pageShift = 22
      r.global = this.#pge && (pde & G) !== 0
      return r
    }
    if (pdeIn && (pde & A) === 0) words[pdeAt >>> 2] = pde | A
    const pteAt = ((pde & 0xfffff000) >>> 0) + ((low >>> 12) & 0x3ff) * 4
    const pteIn = pteAt + 4 <= limit
    const pte = pteIn ? words[pteAt >>> 2] : 0xffffffff
    if ((pte & P) === 0) return this.#fault(0, kind, user)
    const rw = pde & pte & RW
    const us = pde & pte & US
    if (!this.#permitted(kind, user, rw, us, 0, smapOff)) return this.#fault(PF_P, kind, user)
    const flags = kind === 'write' ? A | D : A
    if (pteIn && (pte & flags) !== flags) words[pteAt >>> 2] = pte | flags
    r.physical = ((pte & 0xfffff000) | (low & 0xfff)) >>> 0
    r.global = this.#pge && (pte & G) !== 0
    r.writable = (rw !== 0 || (!user && !this.#wp)) && ((pte & D) !== 0 || kind === 'write')
    return r
  }

  /**
   * Physical address of a linear one for somebody who only looks: no rights, no faults, no accessed flags. -1 where
   * nothing is mapped.
   */
  peek(linear: bigint): number {
    if (!this.#paging) return Number(BigInt.asUintN(32, linear))
    const wide = this.#long || this.#pae
    const bits = wide ? 9 : 10
    const frame = wide ? ENTRY_FRAME : ENTRY_FRAME & 0xffffffffn
    let level = this.#long ? 4 : wide ? 3 : 2
    // PAE's four first entries lie at a multiple of 32, all other tables at one of 4096.
    let table = this.#state.get64(CR3) & (level === 3 ? 0xffffffe0n : frame)
    for (;;) {
      const shift = BigInt(12 + bits * (level - 1))
      const index = Number(BigInt.asUintN(bits, linear >> shift))
      const at = Number(table) + index * (wide ? 8 : 4)
      if (at + 8 > this.#ram.size) return -1
      const word = at >>> 2
      const entry = wide
        ? (BigInt(this.#words[word + 1]) << 32n) | BigInt(this.#words[word])
        : BigInt(this.#words[word])
      const low = this.#words[word]
      if ((low & P) === 0) return -1
      const large = (low & PS) !== 0 && (wide ? level < (this.#long ? 4 : 3) : this.#pse)
      if (level === 1 || large) {
        const page = (1n << shift) - 1n
        return Number((entry & frame & ~page) | (linear & page))
      }
      table = entry & frame
      level--
    }
  }

  /** SDM 3A §4.6.1. */
  #permitted(kind: AccessKind, user: boolean, rw: number, us: number, nx: number, smapOff: boolean): boolean {
    if (user && us === 0) return false
    if (kind === 'execute') return nx === 0 && (user || us === 0 || !this.#smep)
    if (!user && us !== 0 && this.#smap && !smapOff) return false
    if (kind === 'write') return rw !== 0 || (!user && !this.#wp)
    return true
  }
}
