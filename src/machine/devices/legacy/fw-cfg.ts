/**
 * QEMU's firmware configuration device (QEMU docs/specs/fw_cfg): a selector, a byte-wide data port and the DMA
 * interface. Items are read only. `opt/...` items reach the guest by name through the file directory.
 *
 * Missing: writing items (a DMA write reports an error), the numbered x86 items (ACPI, SMBIOS, e820, boot menu), and
 * the kernel's own items: PVH boots need none.
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { GuestRam } from '../../ram.ts'

/** Offsets in the window. The 16-bit selector overlaps the data port. */
export const FW_CFG = { SELECTOR: 0, DATA: 1, DMA_ADDRESS_HIGH: 4, DMA_ADDRESS_LOW: 8 } as const
export const FW_CFG_SIZE = 12

export const FW_CFG_SIGNATURE = 0x0000
export const FW_CFG_ID = 0x0001
export const FW_CFG_RAM_SIZE = 0x0003
export const FW_CFG_NB_CPUS = 0x0005
export const FW_CFG_KERNEL_SIZE = 0x0008
export const FW_CFG_INITRD_SIZE = 0x000b
export const FW_CFG_KERNEL_DATA = 0x0011
export const FW_CFG_INITRD_DATA = 0x0012
export const FW_CFG_CMDLINE_SIZE = 0x0014
export const FW_CFG_CMDLINE_DATA = 0x0015
export const FW_CFG_FILE_DIR = 0x0019
export const FW_CFG_FILE_FIRST = 0x0020
const NAME_BYTES = 56
const FILE_ENTRY_BYTES = 64

const ID_TRADITIONAL = 1 << 0
const ID_DMA = 1 << 1

// FWCfgDmaAccess, big endian: control (32), length (32), address (64). Control's high half is the item to select.
export const DMA_ERROR = 1 << 0
export const DMA_READ = 1 << 1
export const DMA_SKIP = 1 << 2
export const DMA_SELECT = 1 << 3
export const DMA_WRITE = 1 << 4
const DMA_ACCESS_BYTES = 16

/** What the DMA address register reads as, "QEMU CFG" in address order. */
const DMA_SIGNATURE = ascii('QEMU CFG')
const NOTHING = new Uint8Array(0)

export class FwCfg implements BusDevice, Part {
  readonly name = 'fw-cfg'
  SELECTOR = 0
  DMA_ADDRESS_HIGH = 0

  readonly #ram: GuestRam
  readonly #items = new Map<number, Uint8Array>()
  #offset = 0

  /** `files` by name, at most 55 ASCII characters each. */
  constructor(ram: GuestRam, files: ReadonlyMap<string, Uint8Array>) {
    this.#ram = ram
    this.#items.set(FW_CFG_SIGNATURE, ascii('QEMU'))
    this.#items.set(FW_CFG_ID, littleEndian(ID_TRADITIONAL | ID_DMA, 4))
    this.#items.set(FW_CFG_RAM_SIZE, littleEndian(ram.size, 8))
    this.#items.set(FW_CFG_NB_CPUS, littleEndian(1, 2))
    this.#addFiles([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** What was booted, as QEMU hands it to firmware: kernel file, initrd, and the command line with its NUL. */
  setBoot(kernel: Uint8Array, initrd: Uint8Array | undefined, cmdline: string): void {
    const line = ascii(`${cmdline}\0`)
    const module = initrd ?? new Uint8Array(0)
    for (const [size, data, bytes] of [
      [FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, kernel],
      [FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, module],
      [FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA, line],
    ] as const) {
      this.#items.set(size, littleEndian(bytes.length, 4))
      this.#items.set(data, bytes)
    }
  }

  read(offset: number, size: AccessSize): number {
    if (offset === FW_CFG.DATA) return this.#nextByte()
    if (offset < FW_CFG.DMA_ADDRESS_HIGH) return 0 // the selector is write only
    let value = 0
    for (let i = 0; i < size; i++) value += (DMA_SIGNATURE[offset - FW_CFG.DMA_ADDRESS_HIGH + i] ?? 0) * 2 ** (8 * i)
    return value
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset === FW_CFG.SELECTOR) this.#select(value & 0xffff)
    if (offset === FW_CFG.DMA_ADDRESS_HIGH && size === 4) this.DMA_ADDRESS_HIGH = byteSwap(value)
    if (offset === FW_CFG.DMA_ADDRESS_LOW && size === 4) this.#access(byteSwap(value))
  }

  reset(): void {
    this.#select(0)
    this.DMA_ADDRESS_HIGH = 0
  }

  /** What the items hold is the configuration's. */
  save(): PartState {
    return { SELECTOR: this.SELECTOR, DMA_ADDRESS_HIGH: this.DMA_ADDRESS_HIGH, offset: this.#offset }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.SELECTOR = s.u16('SELECTOR')
    this.DMA_ADDRESS_HIGH = s.u32('DMA_ADDRESS_HIGH')
    this.#offset = s.integer('offset', 0, Number.MAX_SAFE_INTEGER)
    s.end()
  }

  #addFiles(files: readonly (readonly [string, Uint8Array])[]): void {
    const directory = new Uint8Array(4 + files.length * FILE_ENTRY_BYTES)
    const view = new DataView(directory.buffer)
    view.setUint32(0, files.length)
    files.forEach(([name, bytes], index) => {
      const entry = 4 + index * FILE_ENTRY_BYTES
      view.setUint32(entry, bytes.length)
      view.setUint16(entry + 4, FW_CFG_FILE_FIRST + index)
      directory.set(ascii(name.slice(0, NAME_BYTES - 1)), entry + 8)
      this.#items.set(FW_CFG_FILE_FIRST + index, bytes)
    })
    this.#items.set(FW_CFG_FILE_DIR, directory)
  }

  get #item(): Uint8Array {
    return this.#items.get(this.SELECTOR) ?? NOTHING
  }

  #select(item: number): void {
    this.SELECTOR = item
    this.#offset = 0
  }

  /** Past the end, and for an item that is not there, zeroes. */
  #nextByte(): number {
    return this.#item[this.#offset++] ?? 0
  }

  /** The low half of the address starts the operation; its outcome replaces the control word. */
  #access(addressLow: number): void {
    const access = this.DMA_ADDRESS_HIGH * 0x1_0000_0000 + addressLow
    this.DMA_ADDRESS_HIGH = 0
    if (!this.#ram.contains(access, DMA_ACCESS_BYTES)) return
    const control = byteSwap(this.#ram.readU32(access))
    const length = byteSwap(this.#ram.readU32(access + 4))
    const address = byteSwap(this.#ram.readU32(access + 8)) * 0x1_0000_0000 + byteSwap(this.#ram.readU32(access + 12))
    if ((control & DMA_SELECT) !== 0) this.#select(control >>> 16)
    this.#ram.writeU32(access, byteSwap(this.#transfer(control, address, length) ? 0 : DMA_ERROR))
  }

  #transfer(control: number, address: number, length: number): boolean {
    if ((control & DMA_READ) !== 0) {
      if (!this.#ram.contains(address, length)) return false
      const bytes = this.#item.subarray(this.#offset, this.#offset + length)
      this.#ram.write(address, bytes)
      if (bytes.length < length) this.#ram.fill(address + bytes.length, length - bytes.length, 0)
    } else if ((control & DMA_WRITE) !== 0) {
      return false
    } else if ((control & DMA_SKIP) === 0) {
      return true // select alone
    }
    this.#offset += length
    return true
  }
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0) & 0x7f)
}

const littleEndian = (value: number, bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff)

const byteSwap = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
