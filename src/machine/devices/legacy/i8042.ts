/**
 * The one use left of the 8042 keyboard controller: command 0xfe pulses the processor's RESET (IBM PC/AT Technical
 * Reference, keyboard controller commands 0xf0-0xff; Firecracker and every kernel's reboot path).
 *
 * Missing: a keyboard, a mouse, the controller's memory. To a driver that probes it reads as an absent controller
 * does, all ones, so that a self-test ends with the first byte (0xff, not 0x55); except that the input buffer reads
 * empty, so that nobody waits before the reset command.
 */
import type { AccessSize, BusDevice } from '../../bus.ts'
import { OPEN_BUS } from '../../bus.ts'

const STATUS_INPUT_BUFFER_FULL = 1 << 1
const STATUS = 0xff & ~STATUS_INPUT_BUFFER_FULL

// Commands 0xf0-0xff pulse output port bits 3-0 low where the command has a zero; bit 0 is RESET.
const PULSE_OUTPUT_PORT = 0xf0
const PULSE_NOT_RESET = 1 << 0

export interface ResetBackend {
  reset(): void
}

export class I8042 {
  /** The data port. */
  readonly data: BusDevice = { read: (_offset, size) => OPEN_BUS[size], write: () => {} }
  /** The command and status port. */
  readonly command: BusDevice
  readonly #backend: ResetBackend

  constructor(backend: ResetBackend) {
    this.#backend = backend
    this.command = {
      read: (_offset: number, _size: AccessSize) => STATUS,
      write: (_offset: number, _size: AccessSize, value: number) => this.#command(value & 0xff),
    }
  }

  #command(command: number): void {
    if ((command & 0xf0) === PULSE_OUTPUT_PORT && (command & PULSE_NOT_RESET) === 0) this.#backend.reset()
  }
}
