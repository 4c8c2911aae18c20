/**
 * The microVM: plugs a CPU into a board, boots a kernel by PVH, and runs it in slices of its host's time.
 *
 * Which clock is behind guest time (docs/decisions/0011-clocks.md) is time/guest-clock.ts's: nothing else asks.
 */
import type { Result } from '../base/problem.ts'
import { settingsOf } from '../settings/settings.ts'
import { Board } from './board/board.ts'
import { type MachineMemory, RAM_OFFSET } from './board/memory.ts'
import { type Booted, boot } from './boot/boot.ts'
import { CallEventKind } from './call-event.ts'
import { Cpu } from './cpu/cpu.ts'
import { crashReport } from './debug/crash.ts'
import { registersOf } from './debug/registers.ts'
import { POLICY } from './engine/regions/registry.ts'
import { PROFILES } from './layout.ts'
import type {
  BlockBackend,
  Figures,
  KernelInfo,
  Machine,
  MachineConfig,
  MachineEvents,
  MachineExit,
  MachineHost,
  Registers,
  Slice,
} from './machine.ts'
import { type SavedPart, StateReader } from './part.ts'
import { Programs } from './programs.ts'
import type { GuestRam } from './ram.ts'
import { type CpuModel, createCpuModel } from './semantics/system/cpu-model.ts'
import { diskSource } from './snapshot/disks.ts'
import { loadSnapshot } from './snapshot/restore.ts'
import type { Snapshot, SnapshotSource } from './snapshot/snapshot.ts'
import { type GuestClock, guestClock, LAST_NS, type Rest } from './time/guest-clock.ts'
import { Tsc } from './time/tsc.ts'
import { Timers } from './timers.ts'
import { TraceNotes } from './trace-notes.ts'

export class MicroVm implements Machine {
  kernel!: KernelInfo
  readonly #config: MachineConfig
  readonly #host: MachineHost
  readonly #events: MachineEvents
  readonly #ram: GuestRam
  readonly #cpu: Cpu
  readonly #timers: Timers
  readonly #board: Board
  readonly #model: CpuModel
  /** Of a traced machine. */
  readonly #notes: TraceNotes | undefined
  #programs: Programs | undefined

  readonly #clock: GuestClock
  readonly #tsc: Tsc
  #exit: MachineExit | undefined
  /** Instructions after which `run` runs no more. */
  #last = Infinity
  #yielded = false
  #running = false
  #idleNs = 0

  constructor(config: MachineConfig, host: MachineHost, events: MachineEvents, { memory, ram }: MachineMemory) {
    this.#config = config
    this.#host = host
    this.#events = events
    this.#ram = ram
    // Devices ask for the time at their first reset, when there is no CPU yet.
    const count = (): Cpu | undefined => this.#cpu
    const clock = guestClock(config, host, count, () => (this.#timers as Timers | undefined)?.next ?? Infinity)
    this.#clock = clock
    const timers = new Timers(() => clock.now())
    const tsc = new Tsc(() => clock.now())
    this.#tsc = tsc
    this.#timers = timers
    const log = (line: string): void => events.log(line)
    const notes =
      config.trace && events.note !== undefined ? new TraceNotes(() => this.#cpu.retired, events.note) : undefined
    this.#notes = notes

    const board = new Board(config, {
      ram,
      host,
      clock,
      timers,
      notes,
      tscToNs: (time) => tsc.toNs(time),
      stop: (exit) => this.#stop(exit),
      console: (bytes) => events.console(bytes),
      log,
    })
    this.#board = board
    const { interrupts } = board

    this.#model = createCpuModel(config.cpu)
    this.#cpu = new Cpu({
      ram,
      buffer: memory.buffer,
      hostMemory: memory,
      ramOffset: RAM_OFFSET,
      memory: interrupts.memory,
      ports: interrupts.ports,
      interrupts: interrupts.controller,
      host,
      model: this.#model,
      traced: config.trace,
      translate: config.engine === 'auto' ? (config.translation ?? POLICY) : undefined,
      callEvents: events.callEvents,
      levelChanged: notes && ((kind, argument) => this.#programs?.levelChanged(kind, argument)),
      accessCost: clock.accessCost,
      readTsc: () => {
        clock.show()
        this.#endWhenDue()
        return tsc.read()
      },
      onAccess: (isClock) => {
        if (isClock) clock.show()
        else clock.look()
        this.#endWhenDue()
      },
      writeTsc: (value) => {
        tsc.write(value)
        interrupts.lapic.scheduleTimer()
      },
      apicBaseChanged: (value) => interrupts.writeApicBase(value),
      readTscDeadline: () => interrupts.readTscDeadline(),
      writeTscDeadline: (value) => interrupts.writeTscDeadline(value),
      random: () => board.random(),
      log,
    })
    timers.onArmed = () => this.#cpu.requestBreak()
  }

  /** After the CPU, whose count guest time may follow. Real time goes on from here: however long the machine lay in a file. */
  readonly #time: SavedPart = {
    name: 'time',
    save: () => ({ ns: this.#clock.now(), idleNs: this.#idleNs, tscOffset: this.#tsc.offset }),
    load: (state) => {
      const s = new StateReader(state, 'time')
      this.#clock.start(s.ns('ns'))
      this.#idleNs = s.ns('idleNs')
      this.#tsc.offset = s.bigint('tscOffset', -(2n ** 64n), 2n ** 64n)
      s.end()
    },
  }

  save(kernelSha256: string): SnapshotSource {
    this.#catchUp()
    return {
      settings: settingsOf(this.#config),
      kernel: { sha256: kernelSha256, info: this.kernel },
      instructions: this.#cpu.retired,
      guestNs: this.#clock.now(),
      parts: Object.fromEntries(this.#saved().map((part) => [part.name, part.save()])),
      ram: this.#ram.bytes,
      stopped: this.#exit?.reason,
      disks: this.#config.disks.map(diskSource),
    }
  }

  /** All that is saved, in an order in which it can be loaded. */
  #saved(): SavedPart[] {
    return [
      this.#cpu,
      this.#time,
      ...(this.#notes ? [this.#notes] : []),
      ...(this.#programs ? [this.#programs] : []),
      ...this.#board.parts,
    ]
  }

  /** Instead of `powerOn`: the machine is as it was when it was saved. Throws a ProblemError where it can't be. */
  load(snapshot: Snapshot): void {
    this.kernel = snapshot.kernel.info
    this.#board.setBoot(this.#config, this.kernel.cmdline)
    this.#begin()
    loadSnapshot(snapshot, { parts: this.#saved(), ram: this.#ram.bytes, disks: this.#config.disks })
  }

  /** Loads the kernel and leaves the CPU at its entry. */
  powerOn(): Result<Booted> {
    const signature = this.#model.leaf(1, 0)
    const booted = boot(
      {
        kernel: this.#config.kernel,
        initrd: this.#config.initrd,
        cmdline: this.#config.cmdline,
        virtio: this.#board.slots,
        devicesBeforeInit: PROFILES[this.#config.profile].devicesBeforeInit,
        cpu: { signature: signature.eax, features: signature.edx },
      },
      this.#ram,
    )
    if (!booted.ok) return booted
    this.kernel = booted.value.kernel
    this.#board.setBoot(this.#config, this.kernel.cmdline)
    this.#begin()
    this.#tsc.offset = 0n
    this.#idleNs = 0
    this.#cpu.resetToPvh(booted.value.entry, booted.value.startInfo)
    this.#clock.start(0)
    return booted
  }

  #begin(): void {
    this.#exit = undefined
    this.#notes?.reset()
    this.#programs = this.#notes && new Programs(this.#cpu, this.#notes, this.kernel.os)
  }

  /** A guest that has seen a deadline pass has the timer's interrupt before its next instruction. */
  #endWhenDue(): void {
    if (this.#timers.next <= this.#clock.now()) this.#cpu.requestBreak()
  }

  #stop(exit: MachineExit): void {
    this.#exit ??= exit
    this.#cpu.requestBreak()
  }

  stopAfter(instructions: number): void {
    this.#last = instructions
    this.#cpu.requestBreak()
  }

  run(maxMs: number, patient = false): Slice {
    const cpu = this.#cpu
    const clock = this.#clock
    const end = this.#host.monotonicNs() + maxMs * 1e6
    this.#catchUp()
    this.#running = true
    this.#yielded = false
    try {
      for (;;) {
        if (this.#exit !== undefined) return { state: 'stopped', sleepNs: 0, exit: this.#exit }
        if (cpu.retired >= this.#last) return { state: 'running', sleepNs: 0 }
        clock.look()
        this.#timers.expire()
        if (clock.now() > LAST_NS) {
          this.#exit = { reason: 'clock-end' }
          this.#events.log(
            '104 days of guest time have gone by, more than its clock can count exactly: the machine stops',
          )
        } else if (!cpu.halted || cpu.wakes) {
          cpu.run(Math.min(clock.chunk(this.#timers.next), this.#last - cpu.retired))
          if (this.#config.trace) cpu.trace(CallEventKind.Clock, 0, BigInt(Math.floor(clock.now())))
          if (cpu.shutdownCause !== undefined)
            this.#exit = { reason: 'triple-fault', crash: crashReport(cpu, this.kernel.symbols, cpu.shutdownCause) }
        } else if (!cpu.canWake) this.#exit = { reason: 'halt' }
        else {
          this.#board.consoles.guestWaits()
          const { sleepNs, passedNs, jumped } = this.#rest()
          if (sleepNs > 0) return { state: 'idle', sleepNs }
          if (jumped && patient) return { state: 'idle', sleepNs: passedNs }
        }
        if ((this.#yielded || this.#host.monotonicNs() >= end) && this.#exit === undefined)
          return { state: 'running', sleepNs: 0 }
      }
    } finally {
      this.#notes?.flush()
      if (this.#config.trace) cpu.flushCallEvents()
      this.#running = false
    }
  }

  /** The CPU waits in HLT. */
  #rest(): Rest {
    const before = this.#clock.now()
    const rest = this.#clock.rest(this.#timers.next)
    if (rest.jumped) {
      this.#idleNs += rest.passedNs
      if (this.#config.trace) {
        this.#cpu.trace(CallEventKind.IdleEnter, 0, BigInt(Math.floor(before)))
        this.#cpu.trace(CallEventKind.IdleLeave, 0, BigInt(Math.floor(this.#clock.now())))
      }
    }
    return rest
  }

  yield(): void {
    this.#yielded = true
    this.#cpu.requestBreak()
  }

  send(bytes: Uint8Array): void {
    this.#catchUp()
    this.#board.consoles.send(bytes)
  }
  resizeConsole(columns: number, rows: number): void {
    this.#board.resizeConsole(columns, rows)
  }

  reset(): void {
    this.#ram.fill(0, this.#ram.size, 0)
    this.powerOn()
    // Once the clocks begin anew: timers count from there.
    for (const part of this.#board.parts) part.reset()
  }

  /** Guest time went on while the machine was not run. */
  #catchUp(): void {
    if (!this.#running) this.#clock.resume(this.#cpu.halted, this.#timers.next)
  }

  figures(): Figures {
    this.#catchUp()
    return {
      instructions: this.#cpu.retired,
      guestNs: this.#clock.now(),
      engine: { ...this.#cpu.counters, ...this.#cpu.translation, evictions: this.#cpu.evictions, idleNs: this.#idleNs },
    }
  }

  get disks(): readonly BlockBackend[] {
    return this.#config.disks
  }

  registers(): Registers {
    return registersOf(this.#cpu)
  }
}
