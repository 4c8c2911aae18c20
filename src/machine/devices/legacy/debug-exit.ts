/**
 * QEMU's isa-debug-exit (hw/misc/debugexit.c): a write ends the machine with the exit code (value << 1) | 1, so that
 * no guest can exit with 0 by it.
 */
import type { AccessSize, BusDevice } from '../../bus.ts'

export interface DebugExitBackend {
  exit(code: number): void
}

export class DebugExit implements BusDevice {
  readonly #backend: DebugExitBackend

  constructor(backend: DebugExitBackend) {
    this.#backend = backend
  }

  read(_offset: number, _size: AccessSize): number {
    return 0
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.#backend.exit(((value << 1) | 1) >>> 0)
  }
}
