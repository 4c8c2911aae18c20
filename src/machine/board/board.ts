/**
 * The board: profile and settings to buses, interrupt lines and named parts. All but the processor, which is plugged into
 * `memory`, `ports` and `interrupts`. Places are layout.ts's.
 */
import type { TracedDevice } from '../call-event.ts'
import { ConsoleSwitch, type Speaker } from '../console-switch.ts'
import { DebugExit } from '../devices/legacy/debug-exit.ts'
import { FW_CFG_SIZE, FwCfg } from '../devices/legacy/fw-cfg.ts'
import { I8042 } from '../devices/legacy/i8042.ts'
import { I8254 } from '../devices/legacy/i8254.ts'
import { Mc146818 } from '../devices/legacy/mc146818.ts'
import { NmiStatus } from '../devices/legacy/nmi-status.ts'
import { ResetControl } from '../devices/legacy/reset-control.ts'
import { Uart16550 } from '../devices/legacy/uart16550.ts'
import type { VirtioDevice } from '../devices/virtio/device.ts'
import { PERSONALITIES, VirtioMmio } from '../devices/virtio/mmio.ts'
import { type EntropySource, hostEntropy, SeededEntropy } from '../entropy.ts'
import {
  IRQ_COM0,
  IRQ_RTC,
  IRQ_TIMER,
  PORT_COM0,
  PORT_DEBUG_EXIT,
  PORT_FW_CFG,
  PORT_I8042_COMMAND,
  PORT_I8042_DATA,
  PORT_I8254,
  PORT_NMI_STATUS,
  PORT_RESET_CONTROL,
  PORT_RTC,
  PROFILES,
  type VirtioSlot,
  virtioSlots,
} from '../layout.ts'
import type { MachineConfig, MachineExit, MachineHost } from '../machine.ts'
import type { Part } from '../part.ts'
import type { GuestRam } from '../ram.ts'
import type { GuestClock } from '../time/guest-clock.ts'
import type { Timers } from '../timers.ts'
import type { TraceNotes } from '../trace-notes.ts'
import { Interrupts } from './interrupts.ts'
import { type ConsoleInput, VIRTIO_DEVICES } from './virtio-devices.ts'

export interface BoardSurroundings {
  readonly ram: GuestRam
  readonly host: MachineHost
  readonly clock: Pick<GuestClock, 'unix'>
  readonly timers: Timers
  /** Of a traced machine. */
  readonly notes: TraceNotes | undefined
  /** A time of the guest's TSC as guest time. */
  tscToNs(tsc: number): number
  /** The guest has asked for the machine's end. */
  stop(exit: MachineExit): void
  /** The guest has written to a console. */
  console(bytes: Uint8Array): void
  log(line: string): void
}

export class Board {
  readonly interrupts: Interrupts
  /** Where the virtio devices stand, in their order. */
  readonly slots: readonly VirtioSlot[]
  /** What is typed goes here. */
  readonly consoles: ConsoleSwitch
  /** What remembers something; the interrupt controller, which follows from others, last. */
  readonly parts: readonly Part[]
  readonly #fwCfg: FwCfg | undefined
  readonly #entropy: EntropySource
  readonly #random = new DataView(new ArrayBuffer(8))
  #virtioConsole: ConsoleInput | undefined

  constructor(config: MachineConfig, around: BoardSurroundings) {
    const { ram, timers, clock, notes } = around
    const profile = PROFILES[config.profile]
    const interrupts = new Interrupts(timers, around.tscToNs, profile.unansweredPorts)
    this.interrupts = interrupts
    const { isa, ports } = interrupts
    const parts: Part[] = [...interrupts.parts]
    const spoke = (device: Speaker, bytes: Uint8Array): void => {
      this.consoles.spoke(device, bytes)
      notes?.console({ device, unit: 0 }, bytes)
      around.console(bytes)
    }

    const i8254 = new I8254(isa.line(IRQ_TIMER, 'i8254'), timers)
    const nmiStatus = new NmiStatus(i8254, timers)
    const uart = new Uart16550(isa.line(IRQ_COM0, 'uart'), timers, {
      transmit: (byte) => spoke('uart', Uint8Array.of(byte)),
    })
    const i8042 = new I8042({ reset: () => around.stop({ reason: 'reset' }) })
    ports.attach(PORT_I8254, 4, i8254)
    ports.attach(PORT_NMI_STATUS, 1, nmiStatus)
    ports.attach(PORT_COM0, 8, uart)
    ports.attach(PORT_I8042_DATA, 1, i8042.data)
    ports.attach(PORT_I8042_COMMAND, 1, i8042.command)
    parts.push(i8254, nmiStatus, uart)
    if (profile.hasRtc) {
      const rtc = new Mc146818(isa.line(IRQ_RTC, 'rtc'), timers, { now: () => clock.unix() })
      ports.attach(PORT_RTC, 2, rtc)
      parts.push(rtc)
    }
    if (profile.hasFwCfg) {
      this.#fwCfg = new FwCfg(ram, config.fwCfg ?? new Map())
      ports.attach(PORT_FW_CFG, FW_CFG_SIZE, this.#fwCfg)
      parts.push(this.#fwCfg)
    }
    if (profile.hasDebugExit) {
      const debugExit = new DebugExit({ exit: (code) => around.stop({ reason: 'guest-exit', code }) })
      ports.attach(PORT_DEBUG_EXIT, 4, debugExit)
    }
    if (profile.hasResetControl) {
      const resetControl = new ResetControl({ reset: () => around.stop({ reason: 'reset' }) })
      ports.attach(PORT_RESET_CONTROL, 1, resetControl)
      parts.push(resetControl)
    }

    // Independent streams, so that one consumer's appetite does not change another's bytes.
    const entropy = (stream: number): EntropySource => {
      if (config.clock === 'wall') return hostEntropy(around.host)
      const seeded = new SeededEntropy(config.seed, stream)
      parts.push(seeded)
      return seeded
    }
    const plugged: { readonly device: VirtioDevice; readonly as: TracedDevice }[] = []
    for (const { name, isFirstOnFirecracker, plug } of VIRTIO_DEVICES) {
      const numbered = (unit: number): TracedDevice => ({ device: name, unit })
      const devices = plug(config, {
        asked: (unit) => {
          const as = numbered(unit)
          return (request, bytes, sector) => notes?.asked(as, request, bytes, sector)
        },
        entropy,
        add: (part) => parts.push(part),
        consoleSpoke: (bytes) => spoke('virtio-console', bytes),
        consoleListens: (console) => {
          this.#virtioConsole = console
        },
      }).map((device, unit) => ({ device, as: numbered(unit) }))
      if (isFirstOnFirecracker && profile.name === 'firecracker') plugged.unshift(...devices)
      else plugged.push(...devices)
    }
    this.consoles = new ConsoleSwitch(uart, this.#virtioConsole, timers)
    parts.push(this.consoles)

    this.slots = virtioSlots(profile, plugged.length)
    this.slots.forEach((slot, i) => {
      const { device, as } = plugged[i]
      const transport = new VirtioMmio({
        ram,
        name: `virtio${i}`,
        line: isa.line(slot.irq, `virtio${i}`),
        device,
        personality: PERSONALITIES[config.profile],
        log: around.log,
        ...(notes && { onAnswered: () => notes.answered(as) }),
      })
      interrupts.memory.attach(slot.base, slot.size, transport)
      parts.push(transport)
    })
    this.#entropy = entropy(0)
    parts.push(interrupts.controller)
    this.parts = parts
  }

  /** What RDRAND and RDSEED give: 64 bits. */
  random(): bigint {
    this.#entropy.fill(new Uint8Array(this.#random.buffer))
    return this.#random.getBigUint64(0, true)
  }

  /** What fw_cfg tells of the boot. */
  setBoot({ kernel, initrd }: Pick<MachineConfig, 'kernel' | 'initrd'>, cmdline: string): void {
    this.#fwCfg?.setBoot(kernel, initrd, cmdline)
  }

  resizeConsole(columns: number, rows: number): void {
    this.#virtioConsole?.resize(columns, rows)
  }
}
