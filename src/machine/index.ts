/**
 * The machine's face: all that others import of it. But for call-event.ts, the wire of a trace, which whoever has no machine
 * loads alone.
 */

export { is32BitKernel } from './boot/elf.ts'
export { isElf, isGzip, KERNEL_MAX } from './boot/unpack.ts'
export { createMachine, prepareEngine, restoreMachine } from './create.ts'
export { OverlayDisk } from './devices/virtio/overlay-disk.ts'
export { ENGINE_SECTION, engineBytes } from './engine/engine.ts'
export type * from './machine.ts'
export { type Packing, readSnapshot, type Snapshot, writeSnapshot } from './snapshot/snapshot.ts'
export { stateImage } from './snapshot/state-image.ts'
