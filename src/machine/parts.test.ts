/**
 * Every part gives and takes all of its state. Shown by what it does, not by its fields: a part that has been driven at random
 * is saved, another is made from that, and both are driven on alike. Whatever `save` forgets makes them differ sooner or later.
 */
import { describe, expect, test } from 'vitest'
import { VIRTIO_DEVICES } from './board/virtio-devices.ts'
import { ConsoleSwitch } from './console-switch.ts'
import { DebugExit } from './devices/legacy/debug-exit.ts'
import { FW_CFG_SIZE, FwCfg } from './devices/legacy/fw-cfg.ts'
import { I8254 } from './devices/legacy/i8254.ts'
import { I8259 } from './devices/legacy/i8259.ts'
import { InterruptController } from './devices/legacy/interrupt-controller.ts'
import { Ioapic } from './devices/legacy/ioapic.ts'
import { IsaInterrupts } from './devices/legacy/isa-interrupts.ts'
import { LAPIC, Lapic } from './devices/legacy/lapic.ts'
import { Mc146818 } from './devices/legacy/mc146818.ts'
import { NmiStatus } from './devices/legacy/nmi-status.ts'
import { ResetControl } from './devices/legacy/reset-control.ts'
import { Uart16550 } from './devices/legacy/uart16550.ts'
import type { VirtioDevice } from './devices/virtio/device.ts'
import * as mmio from './devices/virtio/mmio.ts'
import type { OverlayDisk } from './devices/virtio/overlay-disk.ts'
import { SUBJECTS as VIRTIO, type Subject as VirtioSubject } from './devices/virtio/testing/subjects.ts'
import { SeededEntropy } from './entropy.ts'
import type { Part } from './part.ts'
import { GuestRam } from './ram.ts'
import { crc32 } from './snapshot/crc32.ts'
import { decodeState, encodeState } from './snapshot/state-code.ts'
import { Timers } from './timers.ts'

/** Parts that work together, and one random thing done to them: what could be seen of it. */
interface Subject {
  readonly parts: readonly Part[]
  /** A sum over the guest's. */
  readonly memory: number
  /** What is not a part's: memory and time. */
  copy(from: this): void
  step(random: SeededEntropy): unknown
}

/** The legacy board, wired as board/ wires it. */
class LegacyBoard implements Subject {
  ns = 0
  readonly ram = new GuestRam(new ArrayBuffer(0x4000), 0, 0x4000)
  readonly seen: string[] = []
  readonly timers = new Timers(() => this.ns)
  readonly lapic = new Lapic({ id: 0, base: 0xfee00000 }, this.timers)
  readonly ioapic = new Ioapic(0, this.lapic)
  readonly i8259 = new I8259()
  readonly interrupts = new InterruptController(this.lapic, this.ioapic, this.i8259)
  readonly isa = new IsaInterrupts(this.i8259, this.ioapic)
  readonly i8254 = new I8254(this.isa.line(0, 'i8254'), this.timers)
  readonly nmiStatus = new NmiStatus(this.i8254, this.timers)
  readonly uart = new Uart16550(this.isa.line(4, 'uart'), this.timers, {
    transmit: (byte) => this.seen.push(`tx ${byte}`),
  })
  readonly rtc = new Mc146818(this.isa.line(8, 'rtc'), this.timers, {
    now: () => ({ seconds: 1_700_000_000 + Math.floor(this.ns / 1e9), nanoseconds: this.ns % 1e9 }),
  })
  readonly fwCfg = new FwCfg(this.ram, new Map([['opt/file', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)]]))
  readonly resetControl = new ResetControl({ reset: () => this.seen.push('reset') })
  readonly debugExit = new DebugExit({ exit: (code) => this.seen.push(`exit ${code}`) })
  readonly consoles = new ConsoleSwitch(
    this.uart,
    { receive: (bytes) => this.seen.push(`virtio ${bytes}`) },
    this.timers,
  )
  readonly entropy = new SeededEntropy(1)
  readonly shared = [this.isa.line(5, 'one'), this.isa.line(5, 'other')]
  readonly parts: readonly Part[] = [
    this.lapic,
    this.ioapic,
    this.i8259,
    this.isa,
    this.i8254,
    this.nmiStatus,
    this.uart,
    this.rtc,
    this.fwCfg,
    this.resetControl,
    this.consoles,
    this.entropy,
    this.interrupts,
  ]

  get memory(): number {
    return crc32(this.ram.bytes)
  }

  copy(from: LegacyBoard): void {
    this.ns = from.ns
    this.ram.write(0, from.ram.bytes)
  }

  step(random: SeededEntropy): unknown {
    const pick = (below: number): number => random.next() % below
    const byte = (): number => pick(256)
    this.seen.length = 0
    this.ns += [0, 1, pick(1000), pick(100_000), pick(100_000_000), pick(2_000_000_000)][pick(6)]
    this.timers.expire()
    const result = this.#do(pick, byte, random)
    const taken = this.interrupts.pending() && pick(3) === 0 ? this.interrupts.acknowledge() : undefined
    if (this.interrupts.nmiPending && pick(3) === 0) this.interrupts.takeNmi()
    return [
      this.ns,
      result,
      taken,
      this.interrupts.pending(),
      this.interrupts.nmiPending,
      this.timers.next,
      [...this.seen],
    ]
  }

  #do(pick: (below: number) => number, byte: () => number, random: SeededEntropy): unknown {
    const access = (
      device: { read(o: number, s: 1): number; write(o: number, s: 1, v: number): void },
      at: number,
      write = pick(2) === 0,
    ): unknown => (write ? device.write(at, 1, byte()) : device.read(at, 1))
    switch (pick(17)) {
      case 0: {
        const register = Object.values(LAPIC)[pick(Object.values(LAPIC).length)] as number
        const value = pick(3) === 0 ? random.next() : [pick(0x200), 0x1ff, pick(0x8_0000), pick(5000)][pick(4)]
        return pick(2) === 0 ? this.lapic.write(register, 4, value) : this.lapic.read(register, 4)
      }
      case 1:
        return this.lapic.write(LAPIC.LVT_TIMER, 4, [0x20030, 0x30, 0x40030][pick(3)])
      case 2:
        this.lapic.writeTscDeadline(pick(2) * (this.ns + pick(1_000_000)), 0)
        return this.lapic.readTscDeadline()
      case 3:
        this.ioapic.write(0, 4, pick(0x40))
        return pick(2) === 0
          ? this.ioapic.write(
              0x10,
              4,
              pick(2) === 0 ? random.next() : 0x30 + pick(16) + pick(2) * 0x8000 + pick(8) * 0x100,
            )
          : this.ioapic.read(0x10, 4)
      case 4:
        return access(pick(2) === 0 ? this.i8259.master : this.i8259.slave, pick(2))
      case 5:
        return access(this.i8259.elcr, pick(2))
      case 6:
      case 7:
        return access(this.i8254, pick(4))
      case 8:
        return access(this.nmiStatus, 0)
      case 9:
      case 10:
      case 11:
        return access(this.uart, pick(8))
      case 12: {
        const bytes = new Uint8Array(pick(40))
        random.fill(bytes)
        return this.uart.receive(bytes)
      }
      case 13:
        this.rtc.write(0, 1, pick(16))
        return access(this.rtc, 1)
      case 14:
        return pick(2) === 0
          ? this.fwCfg.write(0, 2, [0x19, 0x20, byte()][pick(3)])
          : access(this.fwCfg, pick(FW_CFG_SIZE), false)
      case 15:
        this.shared[pick(2)].set(pick(2) === 0)
        this.consoles.spoke(pick(2) === 0 ? 'uart' : 'virtio-console', Uint8Array.of(pick(20)))
        this.consoles.send(Uint8Array.of(byte()))
        if (pick(3) === 0) this.consoles.guestWaits()
        return access(this.resetControl, 0)
      default: {
        const bytes = new Uint8Array(pick(9))
        this.entropy.fill(bytes)
        return [...bytes]
      }
    }
  }
}

const REGISTERS = Object.values(mmio)
  .filter((value) => typeof value === 'number')
  .filter((value) => value % 4 === 0 && value < mmio.Config)

/** A virtio device behind its transport, with a driver that mostly keeps the rules. */
class VirtioBoard implements Subject {
  readonly ram = new GuestRam(new ArrayBuffer(0x10000), 0, 0x10000)
  readonly seen: unknown[] = []
  level = false
  readonly #device: VirtioDevice
  readonly #poke: (random: SeededEntropy) => void
  readonly #transport: mmio.VirtioMmio
  readonly parts: readonly Part[]
  readonly #disk: OverlayDisk | undefined

  constructor(make: (seen: unknown[]) => VirtioSubject) {
    const { device, poke = () => {}, parts = [], disk } = make(this.seen)
    this.#device = device
    this.#poke = poke
    this.#disk = disk
    this.#transport = new mmio.VirtioMmio({
      name: 'virtio0',
      ram: this.ram,
      device,
      line: { set: (level) => (this.level = level) },
    })
    this.parts = [this.#transport, ...parts]
  }

  get memory(): number {
    return crc32(this.ram.bytes)
  }

  copy(from: VirtioBoard): void {
    this.ram.write(0, from.ram.bytes)
    this.level = from.level
    this.#disk?.restore(from.#disk?.dirtyBlocks() ?? [])
  }

  step(random: SeededEntropy): unknown {
    this.seen.length = 0
    const result = this.#do(random)
    return [result, this.level, [...this.seen], this.ram.readU32(0x200 + 4 * (random.next() % 8))]
  }

  #do(random: SeededEntropy): unknown {
    const pick = (below: number): number => random.next() % below
    const transport = this.#transport
    const write = (register: number, value: number): void => transport.write(register, 4, value)
    switch (pick(10)) {
      case 0:
        return transport.read(REGISTERS[pick(REGISTERS.length)], 4)
      case 1:
        return pick(8) === 0 ? write(REGISTERS[pick(REGISTERS.length)], random.next()) : transport.read(mmio.Config, 4)
      case 2:
        return pick(6) === 0 ? this.#setUp(random) : undefined
      case 3:
        return this.#poke(random)
      case 4:
        return write(mmio.InterruptACK, pick(4))
      case 5:
        return transport.write(mmio.Config + pick(40), 1, pick(2))
      default: {
        // A chain of a readable buffer and a writable one, in the next place of the queue's available ring.
        const queue = pick(this.#device.queueCount)
        const base = 0x400 * queue
        const idx = this.ram.readU16(base + 0x102)
        const head = 2 * (idx % 8)
        const readable = 1 + pick(60)
        this.#descriptor(base + 16 * head, 0x8000 + pick(0x1000), readable, 1, head + 1)
        this.#descriptor(base + 16 * (head + 1), 0xa000 + pick(0x1000), 1 + pick(600), 2, 0)
        for (let i = 0; i < 0x1000; i += 64) this.ram.writeU32(0x8000 + i, pick(12))
        if (queue % 2 === 0 && this.#device.id !== 2)
          this.#descriptor(base + 16 * head, 0xa000 + pick(0x1000), 1 + pick(600), 2, 0)
        else if (this.#device.id === 2) {
          this.#descriptor(base + 16 * head, 0x8000, 16 + 512 * pick(2), 1, head + 1)
          this.#descriptor(base + 16 * (head + 1), 0xa000, 1 + 512 * pick(2), 2, 0)
          this.ram.writeU32(0x8000, [0, 1, 4, 8, 11, 13][pick(6)])
          this.ram.writeU32(0x8008, pick(60))
          this.ram.writeU32(0x800c, 0)
        } else if (pick(2) === 0) this.#descriptor(base + 16 * head, 0x8000, 12 + 14 + pick(100), 0, 0)
        this.ram.writeU16(base + 0x104 + 2 * (idx % 16), head)
        this.ram.writeU16(base + 0x102, (idx + 1) & 0xffff)
        return pick(3) === 0 ? undefined : write(mmio.QueueNotify, queue)
      }
    }
  }

  #descriptor(at: number, address: number, length: number, flags: number, next: number): void {
    this.ram.writeU64(at, BigInt(address))
    this.ram.writeU32(at + 8, length)
    this.ram.writeU16(at + 12, flags)
    this.ram.writeU16(at + 14, next)
  }

  #setUp(random: SeededEntropy): void {
    const write = (register: number, value: number): void => this.#transport.write(register, 4, value)
    write(mmio.Status, 0)
    write(mmio.Status, 3)
    for (const word of [0, 1]) {
      write(mmio.DeviceFeaturesSel, word)
      const offered = this.#transport.read(mmio.DeviceFeatures, 4)
      write(mmio.DriverFeaturesSel, word)
      write(mmio.DriverFeatures, word === 1 ? offered : (offered & random.next()) >>> 0)
    }
    write(mmio.Status, 11)
    for (let i = 0; i < this.#device.queueCount; i++) {
      this.ram.fill(0x400 * i, 0x400, 0)
      write(mmio.QueueSel, i)
      write(mmio.QueueNum, 16)
      write(mmio.QueueDescLow, 0x400 * i)
      write(mmio.QueueDriverLow, 0x400 * i + 0x100)
      write(mmio.QueueDeviceLow, 0x400 * i + 0x200)
      write(mmio.QueueReady, 1)
    }
    write(mmio.Status, 15)
  }
}

const SUBJECTS: Readonly<Record<string, () => Subject>> = {
  'the legacy board': () => new LegacyBoard(),
  ...Object.fromEntries(Object.entries(VIRTIO).map(([name, make]) => [name, () => new VirtioBoard(make)])),
}

const saved = (subject: Subject) => Object.fromEntries(subject.parts.map((part) => [part.name, part.save()]))

describe.each(Object.keys(SUBJECTS))('%s', (name) => {
  test('goes on from a saved state as it would have gone on', () => {
    for (let round = 0; round < 30; round++) {
      const random = new SeededEntropy(round, name.length)
      const one = SUBJECTS[name]()
      for (let i = 0; i < 20 + 20 * round; i++) one.step(random)
      const state = saved(one)
      const other = SUBJECTS[name]()
      // What a part was before it took the state must not matter.
      for (let i = 0; i < round; i++) other.step(new SeededEntropy(round + i, 99))
      other.copy(one as never)
      const carried = decodeState(encodeState(state)) as typeof state
      for (const part of other.parts) part.load(carried[part.name])
      expect(saved(other)).toEqual(state)
      const [mine, theirs] = [new SeededEntropy(round, 1000), new SeededEntropy(round, 1000)]
      const steps = (subject: Subject, like: SeededEntropy): unknown[] =>
        Array.from({ length: 300 }, (_, i) => [round, i, subject.step(like)])
      expect(steps(other, theirs)).toEqual(steps(one, mine))
      expect(other.memory).toBe(one.memory)
      expect(saved(other)).toEqual(saved(one))
    }
  })

  test('after a reset is as at power-on, whatever it was', () => {
    const random = new SeededEntropy(3, name.length)
    const one = SUBJECTS[name]()
    for (let i = 0; i < 500; i++) one.step(random)
    for (const part of one.parts) part.reset()
    expect(() => saved(one)).not.toThrow()
  })
})

test('every virtio device of the board is among them', () => {
  const names = Object.values(VIRTIO).map((make) => make([]).device.name)
  expect(VIRTIO_DEVICES.map(({ name }) => name).filter((name) => !names.includes(name))).toEqual([])
})
