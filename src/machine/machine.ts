/**
 * The whole machine's contract: what a host (a worker, Node) gives it and what it gives back. The machine knows no DOM,
 * no worker, no real time: all of that is in MachineHost.
 */
import type { Brand } from '../base/brand.ts'
import type { Problem, Result } from '../base/problem.ts'
import type { MachineSettings } from '../settings/settings.ts'
import type { TraceNote } from './call-event.ts'
import type { TranslatorPolicy } from './engine/regions/registry.ts'
import type { Snapshot, SnapshotSource } from './snapshot/snapshot.ts'

/** What the machine needs of the world outside. */
export interface MachineHost {
  /** A shared WebAssembly.Memory of exactly `pages` 64 KiB pages, zeroed. */
  createMemory(pages: number): HostMemory
  /**
   * Compiles and instantiates a wasm module synchronously (Node, or a worker). The engine is the same bytes object every
   * time: keep what was compiled of it, which a JavaScript engine has optimised by then.
   */
  instantiate(
    module: Uint8Array | CompiledModule,
    imports: Record<string, Record<string, unknown>>,
  ): Record<string, unknown>
  /** Monotonic nanoseconds, any epoch. */
  monotonicNs(): number
  /** Milliseconds since 1970-01-01 UTC, for the RTC under the wall clock. */
  unixMs(): number
  /** Fills with entropy, for RDRAND and virtio-rng under the wall clock. */
  entropy(into: Uint8Array): void
}

export interface HostMemory {
  readonly buffer: ArrayBufferLike
}

/** One virtio-blk disk's storage. Synchronous: a disk is bytes in memory, or a copy-on-write overlay over them. */
export interface BlockBackend {
  /** Bytes, a multiple of 512. */
  readonly size: number
  readonly readOnly: boolean
  /** At most 20 ASCII bytes, virtio-blk GET_ID. */
  readonly id: string
  read(offset: number, into: Uint8Array): void
  write(offset: number, bytes: Uint8Array): void
  /** Makes earlier writes durable. */
  flush(): void
  /** Discard and write-zeroes; the range then reads as zeroes. */
  zero(offset: number, length: number): void
  /**
   * What the disk is but for `changes`, where whoever opens a snapshot has it again: the same for the same bytes ('sha256:...').
   * A disk without this goes into the snapshot whole.
   */
  base?(): string
  /** What differs from the base; nothing where the base is the disk as it stands. */
  changes?(): Iterable<{ readonly offset: number; readonly bytes: Uint8Array }>
}

/** Settings, and what only a host has: the files' bytes. */
export type MachineConfig = MachineSettings & {
  /** ELF64 or ELF32 with a PVH note, may be gzip'd. */
  readonly kernel: Uint8Array
  readonly initrd?: Uint8Array
  readonly disks: readonly BlockBackend[]
  /** How hot code is found and translated, when not as usual: for tests. */
  readonly translation?: TranslatorPolicy
  /** fw_cfg files by name ('opt/...'), for the microvm profile. */
  readonly fwCfg?: ReadonlyMap<string, Uint8Array>
}

/** A module that a host has compiled: nothing that the machine could look into. */
export type CompiledModule = Brand<object, 'CompiledModule'>

/** An engine out of a file: `engineFor(traced).module`, written when the page or the command was built. */
export interface EngineFile {
  readonly module: CompiledModule
  /** What its custom section ENGINE_SECTION says. */
  readonly about: string
}

/** Why the machine stopped for good. */
export type MachineExit =
  /** isa-debug-exit: code is (value << 1) | 1 as QEMU exits. */
  | { readonly reason: 'guest-exit'; readonly code: number }
  /** HLT with interrupts off: nothing can wake it. */
  | { readonly reason: 'halt' }
  /** Guest time has come to the end of what its clock counts exactly, 104 days. */
  | { readonly reason: 'clock-end' }
  /** The guest asked for a reset by one of the reset paths. */
  | { readonly reason: 'reset' }
  | { readonly reason: 'triple-fault'; readonly crash: CrashReport }

/** Values by name in lower case: rip, rax and the other general ones, rflags, cr0, cr2, cr3, cr4, efer, cs, ss. */
export type Registers = Readonly<Record<string, bigint>>

export interface CrashReport {
  /** "#GP(0x10) while delivering #PF(0x2)", the SDM's words. */
  readonly cause: string
  readonly registers: Registers
  /** Innermost first: symbol+offset or address, from rbp chains and the stack, at most 32. */
  readonly stack: readonly string[]
}

export interface Slice {
  /** 'running': call again at once. 'idle': the guest waits in HLT; sleep `sleepNs` of host time or until input. */
  readonly state: 'running' | 'idle' | 'stopped'
  readonly sleepNs: number
  readonly exit?: MachineExit
}

export interface Figures {
  /** Instructions retired since power-on. */
  readonly instructions: number
  /** Guest time since power-on. */
  readonly guestNs: number
  /** Engine counters by name, for developers. */
  readonly engine: Readonly<Record<string, number>>
}

export interface KernelSymbol {
  readonly name: string
  readonly address: bigint
  readonly size: number
}

/** What the loader learnt of the kernel. */
export interface KernelInfo {
  /** Physical entry from XEN_ELFNOTE_PHYS32_ENTRY. */
  readonly entry: number
  readonly elfClass: 32 | 64
  /** What the kernel's note XEN_ELFNOTE_GUEST_OS says it is, in lower case: 'netbsd', 'linux'. */
  readonly os?: string
  readonly bytes: number
  /** Command line as the guest sees it, virtio_mmio.device= included. */
  readonly cmdline: string
  /** What it will not read of that, for people. */
  readonly warnings?: readonly Problem[]
  /** Functions and objects of .symtab, sorted by address; empty when stripped. */
  readonly symbols: readonly KernelSymbol[]
}

export interface Machine {
  readonly kernel: KernelInfo
  /** In slot order: those it was given, or that came out of a snapshot. */
  readonly disks: readonly BlockBackend[]
  /**
   * Runs for at most about `maxMs` of host time. `patient`: where the guest waits and its clock counts instructions, the
   * slice ends and says how long the guest waited, so that the host can too instead of racing through idle hours.
   */
  run(maxMs: number, patient?: boolean): Slice
  /** No instruction runs once so many have retired since power-on: `run` then returns at once, for ever. */
  stopAfter(instructions: number): void
  /** From within an event: `run` returns before the next instruction, wherever the host's clock stands. */
  yield(): void
  /** Bytes typed at the console (16550A, and the virtio console if the guest opened it). */
  send(bytes: Uint8Array): void
  /** Power-cycles: same configuration, RAM cleared, disks keep their bytes. */
  reset(): void
  figures(): Figures
  /** Registers now, as in CrashReport. */
  registers(): Registers
  /**
   * All that the machine is, for `writeSnapshot` and `stateImage`, to be used before the machine runs on: RAM is not copied.
   * Between runs only. `kernelSha256` is of the kernel's file, hexadecimal.
   */
  save(kernelSha256: string): SnapshotSource
  /** Virtio console window size in characters. */
  resizeConsole(columns: number, rows: number): void
}

export interface MachineEvents {
  /** Console bytes as the guest writes them. */
  console(bytes: Uint8Array): void
  /** Once each: undefined opcodes, unhandled MSRs, misbehaving drivers, for the developer. */
  log(line: string): void
  /**
   * Call events in order, CALL_EVENT_BYTES each (trace only): whenever the machine's ring is full, and before `run`
   * returns. A view of the ring: to be copied before this returns. Who is slow here slows the machine and loses nothing.
   */
  readonly callEvents?: (bytes: Uint8Array) => void
  /** What a trace tells in words (trace only), as it becomes known; a line of the console ends when `run` returns. */
  readonly note?: (note: TraceNote) => void
}

/** What a machine that was saved goes on with. */
export interface RestoreConfig {
  readonly snapshot: Snapshot
  /** Those that the snapshot does not have whole, in order. */
  readonly disks: readonly BlockBackend[]
  /** As they were, where not given. */
  readonly engine?: MachineSettings['engine']
  readonly trace?: boolean
  readonly translation?: TranslatorPolicy
  /** The file that was booted: without it, it can't be again. */
  readonly kernel?: Uint8Array
}
export type RestoreMachine = (config: RestoreConfig, host: MachineHost, events: MachineEvents) => Result<Machine>

/** microvm.ts provides this. */
export type CreateMachine = (config: MachineConfig, host: MachineHost, events: MachineEvents) => Result<Machine>
