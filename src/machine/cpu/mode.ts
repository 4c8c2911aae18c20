/** What decoding and access rights depend on, found out once for each change: CS, CPL, RFLAGS.AC, paging, segments. */
import { updateFpu } from '../semantics/system/fpu-blocked.ts'
import { clearBelow } from '../semantics/system/segment-limits.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { FLAGS_AC } from '../state/flags.ts'
import {
  ATTR_DB,
  CODE_TLB_BASE,
  CodeMode,
  CR0,
  CR0_AM,
  CS,
  GS,
  RFLAGS_SYSTEM,
  SEGMENT_CLEAR,
  SLOT_SEGMENT_BASE,
  SS,
  STACK_MASK,
  TLB_BASE,
} from '../state/layout.ts'
import { CODE_TLB, CODE_TLB_BYTES, TLB, TLB_CONTEXT_BYTES, TLB_EMPTY_BYTE, TlbContext } from '../state/record.ts'
import type { Paging } from './paging.ts'
import type { CpuWorkings } from './workings.ts'

export class Mode {
  readonly #state: CpuState
  readonly #paging: Paging
  readonly #fill: CpuWorkings['fill']
  code: CodeMode = CodeMode.Bits32
  user = false
  smapOff = true
  /** Whose TLB data accesses use. */
  context: TlbContext = TlbContext.Supervisor
  /**
   * CS's limit (SDM 3A §5.3). Pages of linear memory beyond it are never entered: those in the code TLBs are all within. Where
   * it is in the middle of a page, every instruction is checked, one at a time.
   */
  codeLimit = 0xffffffff
  codeStepped = false
  /** What each code TLB was filled under, supervisor's and user's. */
  readonly #codeContexts = [
    { mode: CodeMode.Bits32 as CodeMode, base: 0, limit: 0 },
    { mode: CodeMode.Bits32 as CodeMode, base: 0, limit: 0 },
  ] as const

  constructor({ state, paging, fill }: CpuWorkings) {
    this.#state = state
    this.#paging = paging
    this.#fill = fill
  }

  /** Linear address of an offset in CS. */
  linear(rip: bigint): bigint {
    return this.code === CodeMode.Bits64 ? rip : (this.#state.get64(SLOT_SEGMENT_BASE + CS * 8) + rip) & 0xffffffffn
  }
  /** Legacy modes: where a linear address is in CS. */
  codeOffset(low: number): number {
    return (low - this.#state.get32(SLOT_SEGMENT_BASE + CS * 8)) >>> 0
  }

  /** Finds out again what decoding and access rights depend on. */
  apply(): void {
    const s = this.#state
    this.#paging.configure()
    const mode = s.codeMode
    this.code = mode
    this.user = s.cpl === 3
    const system = s.get32(RFLAGS_SYSTEM)
    this.smapOff = (system & FLAGS_AC) !== 0
    const aligned = this.user && (system & FLAGS_AC) !== 0 && (s.get32(CR0) & CR0_AM) !== 0
    this.context = this.user
      ? aligned
        ? TlbContext.UserAligned
        : TlbContext.User
      : this.#paging.smap && !this.smapOff
        ? TlbContext.SupervisorSmap
        : TlbContext.Supervisor
    s.set32(TLB_BASE, TLB + this.context * TLB_CONTEXT_BYTES)
    const codeContext = this.user ? 1 : 0
    s.set32(CODE_TLB_BASE, CODE_TLB + codeContext * CODE_TLB_BYTES)
    const base = mode === CodeMode.Bits64 ? 0 : s.get32(SLOT_SEGMENT_BASE + CS * 8)
    const limit = mode === CodeMode.Bits64 ? 0xffffffff : s.limit(CS)
    const filled = this.#codeContexts[codeContext]
    if (filled.mode !== mode || filled.base !== base || filled.limit !== limit) {
      Object.assign(filled, { mode, base, limit })
      this.#fill(CODE_TLB + codeContext * CODE_TLB_BYTES, TLB_EMPTY_BYTE, CODE_TLB_BYTES)
    }
    this.codeLimit = limit
    this.codeStepped = limit !== 0xffffffff && ((base | (limit + 1)) & 0xfff) !== 0
    if (mode !== CodeMode.Bits64) {
      s.set64(STACK_MASK, (s.attributes(SS) & ATTR_DB) !== 0 ? 0xffffffffn : 0xffffn)
      for (let segment = 0; segment <= GS; segment++) s.set64(SEGMENT_CLEAR + segment * 8, clearBelow(s, segment))
    }
    updateFpu(s)
  }
}
