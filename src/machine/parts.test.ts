/**
 * Every part gives and takes all of its state. Shown by what it does, not by its fields: a part that has been driven at random
 * is saved, another is made from that, and both are driven on alike. Whatever `save` forgets makes them differ sooner or later.
 */
import { describe, expect, test } from 'vitest'
import { DEFAULTS, type ProfileName } from '../settings/settings.ts'
import { Board } from './board/board.ts'
import { VIRTIO_DEVICES } from './board/virtio-devices.ts'
import { LAPIC } from './devices/legacy/lapic.ts'
import type { VirtioDevice } from './devices/virtio/device.ts'
import * as mmio from './devices/virtio/mmio.ts'
import type { OverlayDisk } from './devices/virtio/overlay-disk.ts'
import { SUBJECTS as VIRTIO, type Subject as VirtioSubject } from './devices/virtio/testing/subjects.ts'
import { SeededEntropy } from './entropy.ts'
import type { InterruptLine } from './interrupt-line.ts'
import * as layout from './layout.ts'
import { IOAPIC_BASE, LAPIC_BASE, PORT_FW_CFG, PORT_RTC } from './layout.ts'
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

const PORTS = Object.entries(layout)
  .filter(([name]) => name.startsWith('PORT_'))
  .map(([, port]) => port as number)
/** As wide as the widest device. */
const PORT_WINDOW = 12

/** A board with all that is not virtio, and a console that is; driven at its ports, its APICs and what is typed. */
class WholeBoard implements Subject {
  ns = 0
  readonly ram = new GuestRam(new ArrayBuffer(0x4000), 0, 0x4000)
  readonly seen: unknown[] = []
  readonly timers = new Timers(() => this.ns)
  readonly #board: Board
  readonly #shared: readonly InterruptLine[]

  constructor(profile: ProfileName) {
    this.#board = new Board(
      {
        ...DEFAULTS,
        profile,
        clock: 'icount',
        rng: false,
        kernel: new Uint8Array(0),
        disks: [],
        fwCfg: new Map([['opt/file', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)]]),
      },
      {
        ram: this.ram,
        host: undefined as never,
        clock: { unix: () => ({ seconds: 1_700_000_000 + Math.floor(this.ns / 1e9), nanoseconds: this.ns % 1e9 }) },
        timers: this.timers,
        notes: undefined,
        tscToNs: (tsc) => tsc,
        stop: (exit) => this.seen.push(exit),
        console: (bytes) => this.seen.push(...bytes),
        log: () => {},
      },
    )
    // Two devices at one request.
    this.#shared = ['one', 'other'].map((name) => this.#board.interrupts.isa.line(5, name))
  }

  get parts(): readonly Part[] {
    return this.#board.parts
  }
  get memory(): number {
    return crc32(this.ram.bytes)
  }

  copy(from: WholeBoard): void {
    this.ns = from.ns
    this.ram.write(0, from.ram.bytes)
  }

  step(random: SeededEntropy): unknown {
    const pick = (below: number): number => random.next() % below
    this.seen.length = 0
    this.ns += [0, 1, pick(1000), pick(100_000), pick(100_000_000), pick(2_000_000_000)][pick(6)]
    this.timers.expire()
    const result = this.#do(pick, random)
    const { controller } = this.#board.interrupts
    const taken = controller.pending() && pick(3) === 0 ? controller.acknowledge() : undefined
    if (controller.nmiPending && pick(3) === 0) controller.takeNmi()
    return [this.ns, result, taken, controller.pending(), controller.nmiPending, this.timers.next, [...this.seen]]
  }

  #do(pick: (below: number) => number, random: SeededEntropy): unknown {
    const { interrupts, consoles } = this.#board
    const { memory, ports } = interrupts
    const byte = (): number => pick(256)
    switch (pick(14)) {
      case 0: {
        const register = LAPIC_BASE + (Object.values(LAPIC)[pick(Object.values(LAPIC).length)] as number)
        const value = pick(3) === 0 ? random.next() : [pick(0x200), 0x1ff, pick(0x8_0000), pick(5000)][pick(4)]
        return pick(2) === 0 ? memory.write(register, 4, value) : memory.read(register, 4)
      }
      case 1:
        if (pick(3) === 0) memory.write(LAPIC_BASE + LAPIC.TIMER_ICR, 4, pick(5000))
        return memory.write(LAPIC_BASE + LAPIC.LVT_TIMER, 4, [0x20030, 0x30, 0x40030][pick(3)])
      case 2:
        // Sometimes its window is elsewhere for a while.
        if (pick(4) === 0) interrupts.writeApicBase(BigInt((pick(3) === 0 ? 0xfee0_1000 : LAPIC_BASE) + 0x900))
        interrupts.writeTscDeadline(BigInt(pick(2) * (this.ns + pick(1_000_000))))
        return interrupts.readTscDeadline()
      case 3: {
        memory.write(IOAPIC_BASE, 4, pick(0x40))
        const redirection = pick(2) === 0 ? random.next() : 0x30 + pick(16) + pick(2) * 0x8000 + pick(8) * 0x100
        return pick(2) === 0 ? memory.write(IOAPIC_BASE + 0x10, 4, redirection) : memory.read(IOAPIC_BASE + 0x10, 4)
      }
      case 4:
        ports.write(PORT_RTC, 1, pick(16))
        return pick(2) === 0 ? ports.write(PORT_RTC + 1, 1, byte()) : ports.read(PORT_RTC + 1, 1)
      case 5:
        // Halves of a DMA access's address, big endian; and one item or the other, so that reads of the data port get on.
        if (pick(2) === 0)
          return ports.write(PORT_FW_CFG + 4 + 4 * pick(2), 4, [0, 0x0010_0000, random.next()][pick(3)])
        return ports.write(PORT_FW_CFG, 2, [0x19, 0x20, byte()][pick(3)])
      case 6: {
        const bytes = new Uint8Array(pick(40))
        random.fill(bytes)
        return consoles.send(bytes)
      }
      case 7:
        this.#shared[pick(2)].set(pick(2) === 0)
        consoles.spoke(pick(2) === 0 ? 'uart' : 'virtio-console', Uint8Array.of(pick(20)))
        if (pick(3) === 0) consoles.guestWaits()
        return this.#board.random()
      default: {
        const port = PORTS[pick(PORTS.length)] + pick(PORT_WINDOW)
        return pick(2) === 0 ? ports.write(port, 1, byte()) : ports.read(port, 1)
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
  'the board of microvm': () => new WholeBoard('microvm'),
  'the board of firecracker': () => new WholeBoard('firecracker'),
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
