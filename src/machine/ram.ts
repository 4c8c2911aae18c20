/**
 * Guest RAM, a window of the machine's one shared memory, as devices and the boot loader see it: guest-physical
 * addresses from 0, little endian. Every write from outside the CPU comes through here, so that code the CPU has
 * decoded from the bytes is dropped.
 */
export class GuestRam {
  /** Bytes of RAM, contiguous from guest-physical 0. */
  readonly size: number
  /** RAM itself. Read freely; write only through this class. */
  readonly bytes: Uint8Array
  readonly #view: DataView
  /** Told of every write from outside the CPU, before the next instruction runs. */
  onWrite: (address: number, length: number) => void = () => {}

  constructor(buffer: ArrayBufferLike, offset: number, size: number) {
    this.size = size
    this.bytes = new Uint8Array(buffer, offset, size)
    this.#view = new DataView(buffer, offset, size)
  }

  /** Whether [address, address+length) lies wholly in RAM. */
  contains(address: number, length: number): boolean {
    return address >= 0 && length >= 0 && address + length <= this.size
  }

  readU8(address: number): number {
    return this.#view.getUint8(address)
  }
  readU16(address: number): number {
    return this.#view.getUint16(address, true)
  }
  readU32(address: number): number {
    return this.#view.getUint32(address, true)
  }
  readU64(address: number): bigint {
    return this.#view.getBigUint64(address, true)
  }
  writeU8(address: number, value: number): void {
    this.#view.setUint8(address, value)
    this.onWrite(address, 1)
  }
  writeU16(address: number, value: number): void {
    this.#view.setUint16(address, value, true)
    this.onWrite(address, 2)
  }
  writeU32(address: number, value: number): void {
    this.#view.setUint32(address, value, true)
    this.onWrite(address, 4)
  }
  writeU64(address: number, value: bigint): void {
    this.#view.setBigUint64(address, value, true)
    this.onWrite(address, 8)
  }
  /** Copies `source` into RAM. */
  write(address: number, source: Uint8Array): void {
    this.bytes.set(source, address)
    this.onWrite(address, source.length)
  }
  fill(address: number, length: number, value: number): void {
    this.bytes.fill(value, address, address + length)
    this.onWrite(address, length)
  }
  /** A copy of [address, address+length), in memory that is not shared. */
  read(address: number, length: number): Uint8Array {
    return this.bytes.slice(address, address + length)
  }
}
