/**
 * A case: code, registers and memory before, as bytes. The recorder (recorder/recorder.c) reads the same layout.
 *
 *   0 u32 size of the whole record   4 u8 flags   5 u8 patches   6 u8 length of the instruction   7 u8
 *   8 u64 rip   16 u64[16] general registers in the encoding's order   144 u64 rflags   152 u64 fs base   160 u64 gs base
 *   168 u8[416] FXSAVE image, with CaseFlag.Float
 *   then patches: u64 address, u32 length, u32 0, bytes padded to 8
 */
import { imageOffset } from './layout.ts'

export const CaseFlag = {
  /** One instruction (the recorder sets TF); without it the case runs up to an exception, at the latest INT3's. */
  Step: 1,
  /** 32-bit code. */
  Legacy: 2,
  Float: 4,
} as const
export const CASE_FLAGS = 4
export const CASE_PATCHES = 5
export const CASE_LENGTH = 6
export const CASE_RIP = 8
export const CASE_GPR = 16
export const CASE_RFLAGS = 144
export const CASE_FS_BASE = 152
export const CASE_GS_BASE = 160
export const CASE_FX = 168
export const FX_BYTES = 416
export const PATCH_HEADER = 16

// The FXSAVE image (SDM 1 table 10-2).
export const FX_FCW = 0
export const FX_FSW = 2
export const FX_FTW = 4
export const FX_FOP = 6
export const FX_FIP = 8
export const FX_FDP = 16
export const FX_MXCSR = 24
export const FX_ST = 32
export const FX_XMM = 160

export const CASE_FILE_MAGIC = 0x53455641
export const CASE_FILE_HEADER = 24

/** One case being made; reused for the next. */
export class Case {
  readonly bytes = new Uint8Array(8192)
  readonly view = new DataView(this.bytes.buffer)
  /** General registers. */
  readonly gpr = new BigUint64Array(this.bytes.buffer, CASE_GPR, 16)
  readonly fx = this.bytes.subarray(CASE_FX, CASE_FX + FX_BYTES)
  readonly fxView = new DataView(this.bytes.buffer, CASE_FX, FX_BYTES)
  size = CASE_FX

  /** Starts anew; registers are all zero. */
  clear(flags: number): void {
    this.size = CASE_FX + ((flags & CaseFlag.Float) !== 0 ? FX_BYTES : 0)
    this.bytes.fill(0, 0, this.size)
    this.bytes[CASE_FLAGS] = flags
    if ((flags & CaseFlag.Float) !== 0) {
      this.fxView.setUint16(FX_FCW, 0x37f, true)
      this.fxView.setUint32(FX_MXCSR, 0x1f80, true)
    }
  }
  get flags(): number {
    return this.bytes[CASE_FLAGS] as number
  }
  set flags(value: number) {
    this.bytes[CASE_FLAGS] = value
  }
  get rip(): number {
    return this.view.getUint32(CASE_RIP, true)
  }
  set rip(value: number) {
    this.view.setUint32(CASE_RIP, value, true)
  }
  get rflags(): number {
    return this.view.getUint32(CASE_RFLAGS, true)
  }
  set rflags(value: number) {
    this.view.setUint32(CASE_RFLAGS, value, true)
  }
  /** Puts bytes into memory; those that fall outside the pages are dropped. */
  patch(address: number, bytes: ArrayLike<number>, length = bytes.length): void {
    let start = 0
    while (start < length) {
      while (start < length && imageOffset(address + start) < 0) start++
      let end = start
      while (end < length && imageOffset(address + end) >= 0) end++
      if (end > start) {
        this.view.setBigUint64(this.size, BigInt(address + start), true)
        this.view.setUint32(this.size + 8, end - start, true)
        this.view.setUint32(this.size + 12, 0, true)
        this.size += PATCH_HEADER
        for (let i = start; i < end; i++) this.bytes[this.size++] = bytes[i] as number
        while ((this.size & 7) !== 0) this.bytes[this.size++] = 0
        this.bytes[CASE_PATCHES]!++
      }
      start = end
    }
  }
  /** The instruction at RIP. */
  code(bytes: ArrayLike<number>): void {
    this.bytes[CASE_LENGTH] = bytes.length
    this.patch(this.rip, bytes)
  }
  /** The finished record; good until the next `clear`. */
  finish(): Uint8Array {
    this.view.setUint32(0, this.size, true)
    return this.bytes.subarray(0, this.size)
  }
}
