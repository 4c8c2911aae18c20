/**
 * The microVM: assembles CPU, RAM, buses and devices as a profile says, boots a kernel by PVH, and keeps guest time.
 *
 * Which clock is behind guest time (docs/decisions/0011-clocks.md) is time/guest-clock.ts's: nothing else asks.
 */
import { hex } from '../base/hex.ts'
import { ok, type Problem, ProblemError, problem, type Result, refuse } from '../base/problem.ts'
import { checkSettings } from '../settings/read-settings.ts'
import { settingsOf, virtioSlotsTaken } from '../settings/settings.ts'
import { type Booted, boot } from './boot/boot.ts'
import { virtioSlots } from './boot/pvh.ts'
import { symbolAt } from './boot/symbols.ts'
import { Bus } from './bus.ts'
import { CallEventKind, type TracedDevice } from './call-event.ts'
import { ConsoleSwitch } from './console-switch.ts'
import { Cpu } from './cpu/cpu.ts'
import { DebugExit } from './devices/legacy/debug-exit.ts'
import { FW_CFG_SIZE, FwCfg } from './devices/legacy/fw-cfg.ts'
import { I8042 } from './devices/legacy/i8042.ts'
import { I8254 } from './devices/legacy/i8254.ts'
import { I8259 } from './devices/legacy/i8259.ts'
import { InterruptController } from './devices/legacy/interrupt-controller.ts'
import { Ioapic } from './devices/legacy/ioapic.ts'
import { IsaInterrupts } from './devices/legacy/isa-interrupts.ts'
import { Lapic } from './devices/legacy/lapic.ts'
import { Mc146818 } from './devices/legacy/mc146818.ts'
import { NmiStatus } from './devices/legacy/nmi-status.ts'
import { ResetControl } from './devices/legacy/reset-control.ts'
import { Uart16550 } from './devices/legacy/uart16550.ts'
import { VirtioBlk } from './devices/virtio/blk.ts'
import { VirtioConsole } from './devices/virtio/console.ts'
import type { VirtioDevice } from './devices/virtio/device.ts'
import { OverlayDisk } from './devices/virtio/memory-disk.ts'
import { PERSONALITIES, VirtioMmio } from './devices/virtio/mmio.ts'
import { VirtioNet } from './devices/virtio/net.ts'
import { VirtioRng } from './devices/virtio/rng.ts'
import { engineFor } from './engine/engine.ts'
import { POLICY } from './engine/regions/registry.ts'
import { type EntropySource, hostEntropy, SeededEntropy } from './entropy.ts'
import {
  IOAPIC_BASE,
  IOAPIC_ID,
  IOAPIC_SIZE,
  IRQ_COM0,
  IRQ_RTC,
  IRQ_TIMER,
  LAPIC_BASE,
  LAPIC_ID,
  LAPIC_SIZE,
  MiB,
  PORT_COM0,
  PORT_DEBUG_EXIT,
  PORT_FW_CFG,
  PORT_I8042_COMMAND,
  PORT_I8042_DATA,
  PORT_I8254,
  PORT_I8259_ELCR,
  PORT_I8259_MASTER,
  PORT_I8259_SLAVE,
  PORT_NMI_STATUS,
  PORT_RESET_CONTROL,
  PORT_RTC,
  PROFILES,
} from './layout.ts'
import type {
  BlockBackend,
  CrashReport,
  CreateMachine,
  EngineFile,
  Figures,
  HostMemory,
  KernelInfo,
  Machine,
  MachineConfig,
  MachineEvents,
  MachineExit,
  MachineHost,
  RestoreConfig,
  RestoreMachine,
  Slice,
} from './machine.ts'
import { UserNetwork } from './net/user-network.ts'
import { type Part, type SavedPart, StateReader } from './part.ts'
import { Programs } from './programs.ts'
import { GuestRam } from './ram.ts'
import { type CpuModel, checkCpuSwitches, createCpuModel } from './semantics/system/cpu-model.ts'
import { isTracePart, PLACE_BYTES, type Snapshot, type SnapshotSource } from './snapshot/snapshot.ts'
import { CR0, CR2, CR3, CR4, CS, EFER, SS } from './state/layout.ts'
import { RECORD_PAGE_BYTES, RECORD_PAGES, RECORDS } from './state/record.ts'
import { CountedClock, type GuestClock, LAST_NS, type Rest, WallClock } from './time/guest-clock.ts'
import { Timers } from './timers.ts'
import { TraceNotes } from './trace-notes.ts'

const WASM_PAGE = 65536
const UART: TracedDevice = { device: 'uart', unit: 0 }
const NET: TracedDevice = { device: 'virtio-net', unit: 0 }
const RNG: TracedDevice = { device: 'virtio-rng', unit: 0 }
const CONSOLE: TracedDevice = { device: 'virtio-console', unit: 0 }
/** Guest RAM's place in machine memory: after the engine's own. */
const RAM_OFFSET = Math.ceil((RECORDS + RECORD_PAGES * RECORD_PAGE_BYTES) / WASM_PAGE) * WASM_PAGE

class MicroVm implements Machine {
  kernel!: KernelInfo
  readonly #config: MachineConfig
  readonly #host: MachineHost
  readonly #events: MachineEvents
  readonly #ram: GuestRam
  readonly #cpu: Cpu
  readonly #timers: Timers
  readonly #uart: Uart16550
  readonly #fwCfg: FwCfg | undefined
  readonly #console: VirtioConsole | undefined
  readonly #switch: ConsoleSwitch
  /** What is on the board and remembers something; the interrupt controller, which follows from others, last. */
  readonly #parts: Part[] = []
  readonly #model: CpuModel
  readonly #slots: ReturnType<typeof virtioSlots>
  /** Of a traced machine. */
  readonly #notes: TraceNotes | undefined
  #programs: Programs | undefined

  readonly #clock: GuestClock
  #tscOffset = 0n
  #exit: MachineExit | undefined
  /** Instructions after which `run` runs no more. */
  #last = Infinity
  #yielded = false
  #running = false
  #idleNs = 0

  constructor(config: MachineConfig, host: MachineHost, events: MachineEvents, memory: HostMemory) {
    this.#config = config
    this.#host = host
    this.#events = events
    const profile = PROFILES[config.profile]
    const ram = new GuestRam(memory.buffer, RAM_OFFSET, config.memoryMiB * MiB)
    this.#ram = ram
    // Devices ask for the time at their first reset, when there is no CPU yet.
    const count = (): Cpu | undefined => this.#cpu
    const clock =
      config.clock === 'wall'
        ? new WallClock(host, count, () => (this.#timers as Timers | undefined)?.next ?? Infinity)
        : new CountedClock(count, config.epoch)
    this.#clock = clock
    const timers = new Timers(() => clock.now())
    this.#timers = timers
    const log = (line: string): void => events.log(line)
    const notes =
      config.trace && events.note !== undefined ? new TraceNotes(() => this.#cpu.retired, events.note) : undefined
    this.#notes = notes

    const lapic = new Lapic({ id: LAPIC_ID, base: LAPIC_BASE, tscToNs: (tsc) => tsc - Number(this.#tscOffset) }, timers)
    const ioapic = new Ioapic(IOAPIC_ID, lapic)
    const i8259 = new I8259()
    const interrupts = new InterruptController(lapic, ioapic, i8259)
    const isa = new IsaInterrupts(i8259, ioapic)
    const i8254 = new I8254(isa.line(IRQ_TIMER, 'i8254'), timers)
    const nmiStatus = new NmiStatus(i8254, timers)
    this.#uart = new Uart16550(isa.line(IRQ_COM0, 'uart'), timers, {
      transmit: (byte) => {
        const bytes = Uint8Array.of(byte)
        this.#switch.spoke('uart', bytes)
        notes?.console(UART, bytes)
        events.console(bytes)
      },
    })
    const i8042 = new I8042({ reset: () => this.#stop({ reason: 'reset' }) })

    const bus = new Bus()
    const ports = new Bus(profile.unansweredPorts)
    bus.attach(LAPIC_BASE, LAPIC_SIZE, lapic)
    lapic.onMoved = (base) => bus.move(lapic, base)
    bus.attach(IOAPIC_BASE, IOAPIC_SIZE, ioapic)
    ports.attach(PORT_I8259_MASTER, 2, i8259.master)
    ports.attach(PORT_I8259_SLAVE, 2, i8259.slave)
    ports.attach(PORT_I8259_ELCR, 2, i8259.elcr)
    ports.attach(PORT_I8254, 4, i8254)
    ports.attach(PORT_NMI_STATUS, 1, nmiStatus)
    ports.attach(PORT_COM0, 8, this.#uart)
    ports.attach(PORT_I8042_DATA, 1, i8042.data)
    ports.attach(PORT_I8042_COMMAND, 1, i8042.command)
    this.#parts.push(lapic, ioapic, i8259, isa, i8254, nmiStatus, this.#uart)
    if (profile.hasRtc) {
      const rtc = new Mc146818(isa.line(IRQ_RTC, 'rtc'), timers, { now: () => clock.unix() })
      ports.attach(PORT_RTC, 2, rtc)
      this.#parts.push(rtc)
    }
    if (profile.hasFwCfg) {
      const fwCfg = new FwCfg(ram, config.fwCfg ?? new Map())
      this.#fwCfg = fwCfg
      ports.attach(PORT_FW_CFG, FW_CFG_SIZE, fwCfg)
      this.#parts.push(fwCfg)
    }
    if (profile.hasDebugExit)
      ports.attach(PORT_DEBUG_EXIT, 4, new DebugExit({ exit: (code) => this.#stop({ reason: 'guest-exit', code }) }))
    if (profile.hasResetControl) {
      const resetControl = new ResetControl({ reset: () => this.#stop({ reason: 'reset' }) })
      ports.attach(PORT_RESET_CONTROL, 1, resetControl)
      this.#parts.push(resetControl)
    }

    // Independent streams, so that one consumer's appetite does not change another's bytes.
    const entropy = (stream: number): EntropySource => {
      if (config.clock === 'wall') return hostEntropy(host)
      const seeded = new SeededEntropy(config.seed, stream)
      this.#parts.push(seeded)
      return seeded
    }
    const devices: VirtioDevice[] = []
    const traced = new Map<VirtioDevice, TracedDevice>()
    const plug = (device: VirtioDevice, as: TracedDevice, first = false): void => {
      if (first) devices.unshift(device)
      else devices.push(device)
      traced.set(device, as)
    }
    config.disks.forEach((backend, unit) => {
      const as: TracedDevice = { device: 'virtio-blk', unit }
      plug(
        new VirtioBlk({
          backend,
          ...(notes && { onRequest: (request, bytes, sector) => notes.asked(as, request, bytes, sector) }),
        }),
        as,
      )
    })
    if (config.net === 'user') {
      const network: UserNetwork = new UserNetwork((frame) => net.receive(frame))
      const net: VirtioNet = new VirtioNet({
        segment: network,
        ...(notes && { onFrame: (way, bytes) => notes.asked(NET, way, bytes) }),
      })
      plug(net, NET)
      this.#parts.push(network)
    }
    if (config.rng) plug(new VirtioRng(entropy(1), notes && ((bytes) => notes.asked(RNG, 'read', bytes))), RNG)
    if (config.virtioConsole) {
      this.#console = new VirtioConsole({
        backend: { transmit: (bytes) => this.#virtioConsoleSays(bytes) },
        cols: config.columns,
        rows: config.rows,
      })
      // smolBSD's early console looks only into the page of the first device it is told of. On this profile each device has a
      // page of its own, and no place in the order that the real one would have given it.
      plug(this.#console, CONSOLE, profile.name === 'firecracker')
    }
    this.#switch = new ConsoleSwitch(this.#uart, this.#console, timers)
    this.#parts.push(this.#switch)
    this.#slots = virtioSlots(profile, devices.length)
    devices.forEach((device, i) => {
      const slot = this.#slots[i]
      if (slot === undefined) return
      const transport = new VirtioMmio({
        ram,
        name: `virtio${i}`,
        line: isa.line(slot.irq, `virtio${i}`),
        device,
        personality: PERSONALITIES[config.profile],
        log,
        ...(notes && { onAnswered: () => notes.answered(traced.get(device) as TracedDevice) }),
      })
      bus.attach(slot.base, slot.size, transport)
      this.#parts.push(transport)
    })

    this.#model = createCpuModel(config.cpu)
    const randomBytes = new Uint8Array(8)
    const randomView = new DataView(randomBytes.buffer)
    const random = entropy(0)
    this.#cpu = new Cpu({
      ram,
      buffer: memory.buffer,
      hostMemory: memory,
      ramOffset: RAM_OFFSET,
      memory: bus,
      ports,
      interrupts,
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
        return BigInt(Math.floor(clock.now())) + this.#tscOffset
      },
      onAccess: (isClock) => {
        if (isClock) clock.show()
        else clock.look()
        this.#endWhenDue()
      },
      writeTsc: (value) => {
        this.#tscOffset = value - BigInt(Math.floor(clock.now()))
        lapic.scheduleTimer()
      },
      apicBaseChanged: (value) => {
        lapic.writeApicBase(Number(value & 0xffffffffn), Number(value >> 32n))
      },
      readTscDeadline: () => {
        const { low, high } = lapic.readTscDeadline()
        return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
      },
      writeTscDeadline: (value) =>
        lapic.writeTscDeadline(Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn)),
      random: () => {
        random.fill(randomBytes)
        return randomView.getBigUint64(0, true)
      },
      log,
    })
    this.#parts.push(interrupts)
    timers.onArmed = () => this.#cpu.requestBreak()
  }

  /** After the CPU, whose count guest time may follow. Real time goes on from here: however long the machine lay in a file. */
  readonly #time: SavedPart = {
    name: 'time',
    save: () => ({ ns: this.#clock.now(), idleNs: this.#idleNs, tscOffset: this.#tscOffset }),
    load: (state) => {
      const s = new StateReader(state, 'time')
      this.#clock.start(s.ns('ns'))
      this.#idleNs = s.ns('idleNs')
      this.#tscOffset = s.bigint('tscOffset', -(2n ** 64n), 2n ** 64n)
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
      ...this.#parts,
    ]
  }

  /** Instead of `powerOn`: the machine is as it was when it was saved. Throws a ProblemError where it can't be. */
  load(snapshot: Snapshot): void {
    this.kernel = snapshot.kernel.info
    this.#fwCfg?.setBoot(this.#config.kernel, this.#config.initrd, this.kernel.cmdline)
    this.#begin()
    const parts = this.#saved()
    for (const name of Object.keys(snapshot.parts))
      if (!parts.some((part) => part.name === name) && !isTracePart(name))
        throw new ProblemError(unlike(`has a part '${name.slice(0, 40)}'`))
    const ram = this.#ram.bytes
    if (snapshot.ramBytes !== ram.length) throw new ProblemError(unlike(`has ${snapshot.ramBytes} bytes of RAM`))
    snapshot.blocks((disk, offset, bytes) => {
      if (disk < 0) ram.set(bytes, offset)
      else {
        const backend = this.#config.disks[disk]
        backend.write(offset, bytes.subarray(0, Math.min(bytes.length, backend.size - offset)))
      }
    })
    for (const part of parts) {
      const state = snapshot.parts[part.name]
      // A machine that was not traced may be from here on.
      if (state === undefined && isTracePart(part.name)) continue
      if (state === undefined) throw new ProblemError(unlike(`has no part '${part.name}'`))
      part.load(state)
    }
  }

  #virtioConsoleSays(bytes: Uint8Array): void {
    this.#switch.spoke('virtio-console', bytes)
    this.#notes?.console(CONSOLE, bytes)
    this.#events.console(bytes)
  }

  /** Loads the kernel and leaves the CPU at its entry. */
  powerOn(): Result<Booted> {
    const signature = this.#model.leaf(1, 0)
    const booted = boot(
      {
        kernel: this.#config.kernel,
        initrd: this.#config.initrd,
        cmdline: this.#config.cmdline,
        virtio: this.#slots,
        devicesBeforeInit: PROFILES[this.#config.profile].devicesBeforeInit,
        cpu: { signature: signature.eax, features: signature.edx },
      },
      this.#ram,
    )
    if (!booted.ok) return booted
    this.kernel = booted.value.kernel
    this.#fwCfg?.setBoot(this.#config.kernel, this.#config.initrd, this.kernel.cmdline)
    this.#begin()
    this.#tscOffset = 0n
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
            this.#exit = { reason: 'triple-fault', crash: this.#crash(cpu.shutdownCause) }
        } else if (!cpu.canWake) this.#exit = { reason: 'halt' }
        else {
          this.#switch.guestWaits()
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
    this.#switch.send(bytes)
  }
  resizeConsole(columns: number, rows: number): void {
    this.#console?.resize(columns, rows)
  }

  reset(): void {
    this.#ram.fill(0, this.#ram.size, 0)
    this.powerOn()
    // Once the clocks begin anew: timers count from there.
    for (const part of this.#parts) part.reset()
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

  registers(): Readonly<Record<string, string>> {
    const cpu = this.#cpu
    const s = cpu.state
    const digits = (v: bigint): string => v.toString(16).padStart(16, '0')
    const names = [
      'rax',
      'rcx',
      'rdx',
      'rbx',
      'rsp',
      'rbp',
      'rsi',
      'rdi',
      'r8',
      'r9',
      'r10',
      'r11',
      'r12',
      'r13',
      'r14',
      'r15',
    ]
    const registers: Record<string, string> = { rip: digits(cpu.rip) }
    names.forEach((name, i) => {
      registers[name] = digits(s.get64(i * 8))
    })
    registers['rflags'] = digits(BigInt(s.rflags >>> 0))
    for (const [name, at] of [
      ['cr0', CR0],
      ['cr2', CR2],
      ['cr3', CR3],
      ['cr4', CR4],
      ['efer', EFER],
    ] as const)
      registers[name] = digits(s.get64(at))
    registers['cs'] = digits(BigInt(s.selector(CS)))
    registers['ss'] = digits(BigInt(s.selector(SS)))
    return registers
  }

  #crash(cause: string): CrashReport {
    const registers = this.registers()
    const cpu = this.#cpu
    const symbols = this.kernel.symbols
    const name = (address: bigint): string => {
      const found = symbolAt(symbols, address)
      return found === undefined ? hex(address) : `${found.name}+${hex(address - found.address)}`
    }
    const stack = [name(BigInt(`0x${registers['rip']}`))]
    let frame = BigInt(`0x${registers['rbp']}`)
    const size = cpu.state.longMode ? 8 : 4
    try {
      for (let i = 0; i < 31 && frame !== 0n; i++) {
        const back = cpu.memory.readSystem(frame + BigInt(size), size)
        if (back === 0n) break
        stack.push(name(back))
        const up = cpu.memory.readSystem(frame, size)
        if (up <= frame) break
        frame = up
      }
    } catch {
      // The chain ends where memory does.
    }
    return { cause, registers, stack }
  }
}

const unlike = (saw: string): Problem =>
  problem(
    'snapshot-unlike',
    `the snapshot ${saw}, unlike a machine of its settings`,
    'a snapshot as this release writes it',
    'take another copy of it: this one is damaged or made up',
  )

/** A disk's blocks that a snapshot has: what changed over its base, or all. */
const diskSource = (disk: BlockBackend): SnapshotSource['disks'][number] => ({
  id: disk.id,
  size: disk.size,
  readOnly: disk.readOnly,
  base: disk.base?.(),
  blocks: disk.base === undefined ? blocksOf(disk) : (disk.changes?.() ?? []),
})

function* blocksOf(disk: BlockBackend): Iterable<{ offset: number; bytes: Uint8Array }> {
  for (let offset = 0; offset < disk.size; offset += PLACE_BYTES) {
    const bytes = new Uint8Array(Math.min(PLACE_BYTES, disk.size - offset))
    disk.read(offset, bytes)
    yield { offset, bytes }
  }
}

/** The disks of a snapshot: those that it has whole are made here, the others must be as they were. */
const disksOf = ({ snapshot, disks }: RestoreConfig): Result<BlockBackend[]> => {
  const given = [...disks]
  const all: BlockBackend[] = []
  for (const disk of snapshot.disks) {
    if (disk.base === undefined) {
      all.push(new OverlayDisk(new Uint8Array(0), disk))
      continue
    }
    const one = given.shift()
    const was = `the disk as it was, ${disk.size} bytes, ${disk.base}${disk.readOnly ? ', read-only' : ''}`
    if (one === undefined)
      return refuse(
        problem('disk-missing', `the snapshot's disk ${disk.id} is not there`, was, `give the disk: --disk ${disk.id}`),
      )
    const base = one.base?.()
    if (one.size !== disk.size || base !== disk.base || one.readOnly !== disk.readOnly)
      return refuse(
        problem(
          'disk-changed',
          `the disk ${one.id} is of ${one.size} bytes${one.readOnly ? ', read-only' : ''}, ${base ?? 'nobody knows which'}`,
          `the snapshot's ${disk.id}: ${was}`,
          'give the disk that the machine was saved with, as it was then',
        ),
      )
    all.push(one)
  }
  if (given.length === 0) return ok(all)
  return refuse(
    problem(
      'disk-unknown',
      `the snapshot has no use for the disk ${given[0].id}`,
      `${snapshot.disks.length} disks, of which it has ${all.length - disks.length + given.length} itself`,
      'leave it out',
    ),
  )
}

const memoryFor = (memoryMiB: number, host: MachineHost): Result<HostMemory> => {
  const pages = (RAM_OFFSET + memoryMiB * MiB) / WASM_PAGE
  try {
    return ok(host.createMemory(pages))
  } catch {
    return refuse(
      problem(
        'no-memory',
        `the host has no ${Math.ceil((pages * WASM_PAGE) / MiB)} MiB for a guest of ${memoryMiB} MiB`,
        'that much free address space',
        'give the guest less memory, or close other programs and tabs',
      ),
    )
  }
}

/** The machine of a snapshot, to go on from there. */
export const restoreMachine: RestoreMachine = (restored, host, events): Result<Machine> => {
  const { snapshot, engine, trace, translation, kernel = new Uint8Array(0) } = restored
  const disks = disksOf(restored)
  if (!disks.ok) return disks
  const config: MachineConfig = {
    ...snapshot.settings,
    ...(engine !== undefined && { engine }),
    ...(trace !== undefined && { trace }),
    ...(translation !== undefined && { translation }),
    kernel,
    disks: disks.value,
  }
  const wrong = wrongWith(config)
  if (wrong !== undefined) return refuse(wrong)
  const memory = memoryFor(config.memoryMiB, host)
  if (!memory.ok) return memory
  const machine = new MicroVm(config, host, events, memory.value)
  try {
    machine.load(snapshot)
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem)
    throw error
  }
  return ok(machine)
}

const wrongWith = (config: MachineConfig): Problem | undefined => {
  const wrong = checkSettings(config) ?? checkCpuSwitches(config.cpu)
  if (wrong !== undefined) return wrong
  const profile = PROFILES[config.profile]
  const plugged = virtioSlotsTaken(config, config.disks.length)
  return plugged <= profile.virtioSlots
    ? undefined
    : problem(
        'too-many-devices',
        `${plugged} virtio devices are plugged`,
        `at most ${profile.virtioSlots} on ${profile.name}`,
        'take out a disk, the network or the virtio console',
      )
}

export const createMachine: CreateMachine = (config, host, events): Result<Machine> => {
  const wrong = wrongWith(config)
  if (wrong !== undefined) return refuse(wrong)
  const memory = memoryFor(config.memoryMiB, host)
  if (!memory.ok) return memory
  const machine = new MicroVm(config, host, events, memory.value)
  const booted = machine.powerOn()
  return booted.ok ? ok(machine) : booted
}

/**
 * Makes the engine ahead of the first machine: generates it, which takes a few hundred milliseconds, or takes it from a file.
 * `traced` is the flavour.
 */
export const prepareEngine = (traced: boolean, file?: EngineFile): void => {
  engineFor(traced, file)
}

export { ENGINE_SECTION, engineBytes } from './engine/engine.ts'
