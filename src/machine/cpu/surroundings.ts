/** What the CPU needs of the machine around it. */

import type { Bus } from '../bus.ts'
import type { CallEventKind } from '../call-event.ts'
import type { InterruptController } from '../devices/legacy/interrupt-controller.ts'
import type { TranslatorPolicy } from '../engine/regions/registry.ts'
import type { HostMemory, MachineHost } from '../machine.ts'
import type { GuestRam } from '../ram.ts'
import type { Outside } from '../semantics/core.ts'
import type { CpuModel } from '../semantics/system/cpu-model.ts'

export interface CpuSurroundings extends Outside {
  readonly ram: GuestRam
  /** Machine memory that RAM is a window of. */
  readonly buffer: ArrayBufferLike
  /** What `buffer` belongs to. */
  readonly hostMemory: HostMemory
  readonly ramOffset: number
  readonly memory: Bus
  readonly ports: Bus
  readonly interrupts: InterruptController
  readonly host: MachineHost
  readonly model: CpuModel
  /** Instructions that a device access takes as long as (icount); 0 when time is not counted in instructions. */
  readonly accessCost: number
  /** Whether calls and returns are recorded. */
  readonly traced: boolean
  /** How hot code is found that is worth translating; undefined: interpret only. */
  readonly translate: TranslatorPolicy | undefined
  /** Takes recorded events out of the ring, which is written over when it returns. */
  readonly callEvents?: ((bytes: Uint8Array) => void) | undefined
  /** The call event of an entry to a handler or of a return from one has been recorded. */
  readonly levelChanged?: ((kind: CallEventKind, argument: number) => void) | undefined
  /** A port or device is about to be accessed; `isClock`: the guest may read the time off it. */
  onAccess(isClock: boolean): void
  log(line: string): void
}
