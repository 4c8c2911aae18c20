/**
 * Random programs that handle the board: every width and kind of access at every device, ports and memory, aligned or
 * not, across registers, devices, pages and the end of RAM; and device set-ups that are right in most parts, so that
 * what lies behind them is reached. In 32-bit mode without paging, or in 64-bit mode with a window of pages that stand
 * for RAM, devices and nothing in turn.
 *
 * Every event goes on with the next piece of the program: its address is in RESUME before the piece begins.
 */

import { LAPIC } from '../src/machine/devices/legacy/lapic.ts'
import { VIRTIO_F_VERSION_1 } from '../src/machine/devices/virtio/device.ts'
import * as mmio from '../src/machine/devices/virtio/mmio.ts'
import {
  IOAPIC_BASE,
  LAPIC_BASE,
  MP_TABLE,
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
  type Profile,
} from '../src/machine/layout.ts'
import type { Random } from '../vectors/random.ts'

/** Where the program's parts lie in the image, which begins at IMAGE. */
export const IMAGE = 0x100000
const POINTERS = 0x101000
const IDT = 0x102000
const HANDLER = 0x103000
const RESUME = 0x104000
const CODE = 0x105000
const CODE_BYTES = 0x1b000
const PML4 = 0x120000
const PDPT = 0x121000
const PDS = 0x122000
const WINDOW_PDPT = 0x126000
const WINDOW_PD = 0x127000
const WINDOW_PT = 0x128000
const STACK = 0x130000
/** Rings, buffers, DMA descriptors. */
const DATA = 0x140000
const DATA_BYTES = 0x20000
const IMAGE_BYTES = DATA + DATA_BYTES - IMAGE
/** Linear address of the window, in 64-bit mode. */
const WINDOW = 0x100000000
const WINDOW_PAGES = 64

const KCODE32 = 0x08
const KDATA = 0x10
const KCODE64 = 0x18

export interface Program {
  /** What belongs at IMAGE, entered at its start. */
  readonly image: Uint8Array
}

interface Board {
  readonly profile: Profile
  readonly ramBytes: number
  /** Slots with a device plugged. */
  readonly slots: readonly number[]
}

/** Instructions upon [rdi] and [rsi], with rax, rcx and rdx as operands; those of 64-bit mode alone come last. */
const MEMORY_32 = (
  '8a07 668b07 8b07 8807 668907 8907 c60755 66c7075555 c70755555555 0007 660107 0107 f00107 2b07 3b07 f717 ff07 8607 ' +
  '668707 8707 0fb007 660fb107 0fb107 f00fb107 0fc107 0fab07 0fba2f07 0fa307 d3 07 0fc70f f00fc70f 0f6f07 0f7f07 0fe707 ' +
  '0f1007 0f1107 0f2807 0f2907 0f2b07 660f6f07 660f7f07 f30f6f07 f30f7f07 660fe707 0fc307 0f1207 0f1307 0f5807 ' +
  'f20f1007 f20f1107 f20f5807 660ff7c1 0fae07 0fae0f 0fae17 0fae1f 0fae3f 0f0107 0f010f 0f0027 0f0007 ' +
  'db2f db3f dd07 dd1f d907 d91f df2f df3f d937 d927 d93f d92f dd37 dd27 ff37 8f07 ff17 ff27 ff1f ff2f 0fb237 ' +
  '0f013f 0f1807 0f0d0f 8e07 8c07 0f0037 6207 0f9407 0fb607 0fbf07 0fbc07 0fa40705 0fac0705 f6f7 f737 f73f ffe7 ' +
  'a4 66a5 a5 aa 66ab ab ac ad ae af a6 a7 d7 6c 666d 6d 6e 666f 6f'
)
  .replaceAll('d3 07', 'd307')
  .split(' ')
const MEMORY_64 = (
  '488b07 488907 48c70755555555 480107 f0480107 488707 480fb107 480fc107 480fab07 480fc70f ' +
  'f0480fc70f 480fae07 480fae0f 480fc307 48ff1f 48ff2f 48a5 48ab 48ad 48af 48a7 4863c7 48cf 480fb237'
).split(' ')
/** Instructions that use the stack, for a stack in a device. */
const STACK_OPS = '50 58 60 61 9c 9d 9c58 c8100003 c9 e800000000 cc cd80 c3 cb cf 0f34'.split(' ')

const bytesOf = (hex: string): number[] =>
  Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
const u32 = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24]
const u64 = (n: number): number[] => [...u32(n % 0x100000000), ...u32(Math.floor(n / 0x100000000))]

const RAX = 0
const RCX = 1
const RDX = 2
const RSP = 4
const RBP = 5
const RSI = 6
const RDI = 7

/** Ports, and how often: those that end the machine seldom. */
const PORTS: readonly (readonly [port: number, length: number, weight: number])[] = [
  [PORT_I8259_MASTER, 2, 8],
  [PORT_I8259_SLAVE, 2, 8],
  [PORT_I8254, 4, 12],
  [PORT_I8042_DATA, 1, 2],
  [PORT_NMI_STATUS, 1, 4],
  [PORT_I8042_COMMAND, 1, 1],
  [PORT_RTC, 2, 12],
  [PORT_DEBUG_EXIT, 4, 1],
  [PORT_COM0, 8, 12],
  [PORT_I8259_ELCR, 2, 4],
  [PORT_FW_CFG, 12, 12],
  [PORT_RESET_CONTROL, 1, 1],
  [0x80, 1, 1],
  [0xfffc, 4, 2],
]
const PORT_TABLE = PORTS.flatMap(([port, length, weight]) =>
  new Array<readonly [number, number]>(weight).fill([port, length]),
)

/** Registers of a transport, in the order a driver writes them. */
const QUEUE_REGISTERS = (Object.values(mmio) as unknown[])
  .filter((value): value is number => typeof value === 'number')
  .filter((value) => value % 4 === 0 && value < mmio.Config)

export const randomProgram = (r: Random, board: Board): Program => new ProgramMaker(r, board).make()

class ProgramMaker {
  readonly #r: Random
  readonly #board: Board
  readonly #long: boolean
  readonly #image = new Uint8Array(IMAGE_BYTES)
  readonly #view = new DataView(this.#image.buffer)
  #at = CODE
  readonly #physical: readonly number[]

  constructor(r: Random, board: Board) {
    this.#r = r
    this.#board = board
    this.#long = r.chance(70)
    this.#physical = [
      LAPIC_BASE,
      IOAPIC_BASE,
      ...board.slots,
      ...board.slots,
      board.profile.virtioBase + board.profile.virtioSlots * board.profile.virtioSlotSize,
      board.ramBytes,
      MP_TABLE,
      0xa0000,
      0xfed00000,
      0xffffffff,
      0xf0000000,
      DATA,
    ]
  }

  make(): Program {
    const r = this.#r
    this.#tables()
    for (let i = 0; i < DATA_BYTES; i += 4) if (r.chance(30)) this.#word(DATA + i, this.#value())
    this.#boot()
    const pieces = 20 + r.below(200)
    for (let i = 0; i < pieces && this.#at < CODE + CODE_BYTES - 0x1000; i++) this.#piece()
    // CLI, HLT: the end.
    this.#emit(0xfa, 0xf4)
    return { image: this.#image }
  }

  #emit(...bytes: readonly number[]): void {
    this.#image.set(bytes, this.#at - IMAGE)
    this.#at += bytes.length
  }
  #word(address: number, value: number): void {
    this.#view.setUint32(address - IMAGE, value, true)
  }
  #quad(address: number, value: bigint): void {
    this.#view.setBigUint64(address - IMAGE, value, true)
  }

  /** Values that mean something somewhere, and any. */
  #value(): number {
    const r = this.#r
    switch (r.below(8)) {
      case 0:
        return r.below(16)
      case 1:
        return r.below(256)
      case 2:
        return 1 << r.below(32)
      case 3:
        return DATA + r.below(DATA_BYTES)
      case 4:
        return (this.#board.ramBytes - r.below(64)) >>> 0
      case 5:
        return r.pick([0, 0xffffffff, 0x80000000, 0x7fffffff, 0xffff, 0x10000])
      default:
        return r.u32()
    }
  }

  /** A linear address at or near something. */
  #address(): number {
    const r = this.#r
    if (this.#long && r.chance(30)) return WINDOW + r.below(WINDOW_PAGES) * 4096 + this.#near(4096)
    if (r.chance(10)) return DATA + r.below(DATA_BYTES)
    const base = r.pick(this.#physical)
    if (r.chance(70)) return (base + 4 * r.below(0x100)) % 0x100000000
    return (base + this.#near(base === LAPIC_BASE || base === IOAPIC_BASE ? 0x1000 : 0x200) + 0x100000000) % 0x100000000
  }
  /** An offset near the ends of `length` bytes, or anywhere in them. */
  #near(length: number): number {
    const r = this.#r
    const n = r.below(4)
    if (n === 0) return r.below(32) - 16
    if (n === 1) return length - r.below(32)
    return r.below(length)
  }

  #load(register: number, value: number): void {
    if (value > 0xffffffff) this.#emit(0x48, 0xb8 + register, ...u64(value))
    else this.#emit(0xb8 + register, ...u32(value))
  }
  #loadAny(): void {
    const r = this.#r
    this.#load(RAX, this.#value())
    this.#load(RCX, r.chance(90) ? r.below(70) : r.below(0x3000))
    this.#load(RDX, r.chance(50) ? this.#port() : this.#value())
    this.#load(RSI, this.#address())
    this.#load(RDI, this.#address())
  }
  #port(): number {
    const r = this.#r
    if (r.chance(5)) return r.below(0x10000)
    const [port, length] = r.pick(PORT_TABLE)
    return r.chance(90) ? port + r.below(length) : (port + r.below(8) - 4) & 0xffff
  }

  /** One piece: the address to go on at, the work, and where to go on. */
  #piece(): void {
    const r = this.#r
    this.#emit(0xc7, 0x04, 0x25, ...u32(RESUME))
    const patch = this.#at
    this.#emit(...u32(0))
    const n = r.below(100)
    if (n < 40) this.#access()
    else if (n < 60) for (let i = 1 + r.below(6); i > 0; i--) this.#portAccess()
    else if (n < 64) this.#stackAccess()
    else if (n < 67) this.#interruptsOn()
    else if (n < 68) this.#sleep()
    else if (n < 82) this.#virtio()
    else
      r.pick([() => this.#rtc(), () => this.#ioapic(), () => this.#lapic(), () => this.#fwCfg(), () => this.#timer()])()
    this.#word(patch, this.#at)
  }

  #access(): void {
    const r = this.#r
    this.#loadAny()
    const op = bytesOf(r.pick(this.#long && r.chance(30) ? MEMORY_64 : MEMORY_32))
    const string = op.length <= 2 && (op.at(-1) as number) >= 0x6c
    if (string) {
      if (r.chance(30)) this.#emit(0xfd)
      // REP goes before REX, and 66 may stand on either side.
      if (r.chance(80)) this.#emit(r.pick([0xf3, 0xf2]))
    }
    this.#emit(...op)
    this.#emit(0xfc)
  }
  #portAccess(): void {
    const r = this.#r
    this.#load(RAX, this.#value())
    if (r.chance(10)) {
      const port = this.#port() & 0xff
      this.#emit(r.pick([0xe4, 0xe5, 0xe6, 0xe7]), port === PORT_DEBUG_EXIT ? 0x80 : port)
      return
    }
    this.#load(RDX, this.#port())
    this.#emit(...r.pick([[0xec], [0x66, 0xed], [0xed], [0xee], [0x66, 0xef], [0xef]]))
  }
  #stackAccess(): void {
    const r = this.#r
    this.#loadAny()
    this.#load(RBP, this.#address())
    this.#load(RSP, this.#address())
    for (let i = 1 + r.below(3); i > 0; i--) this.#emit(...bytesOf(r.pick(STACK_OPS)))
    this.#load(RSP, STACK)
  }
  #interruptsOn(): void {
    const r = this.#r
    this.#emit(0xfb)
    if (r.chance(20)) this.#emit(0xf4)
    for (let i = r.below(30); i > 0; i--) this.#emit(0x90)
    if (r.chance(70)) this.#emit(0xfa)
  }

  /** Long sleeps, in a loop, until a timer that is far off; some for ever, so that guest time comes to its end. */
  #sleep(): void {
    const r = this.#r
    const slow = r.below(4)
    if (slow === 0) {
      this.#store(LAPIC_BASE + LAPIC.SVR, 0x1ff)
      this.#store(LAPIC_BASE + LAPIC.TIMER_DCR, 0xa)
      this.#store(LAPIC_BASE + LAPIC.LVT_TIMER, r.pick([0x40, 0x20040, 0x10040]))
      this.#store(LAPIC_BASE + LAPIC.TIMER_ICR, r.pick([0xffffffff, r.u32()]))
    } else if (slow === 1) {
      this.#store(LAPIC_BASE + LAPIC.SVR, 0x1ff)
      this.#store(LAPIC_BASE + LAPIC.LVT_TIMER, 0x40040)
      this.#load(RCX, 0x6e0)
      this.#load(RDX, r.pick([r.below(0x200000), r.below(0x1000), r.u32()]))
      this.#load(RAX, r.u32())
      this.#emit(0x0f, 0x30)
    } else if (slow === 2) {
      for (let register = 1; register < 6; register += 2) {
        this.#out(PORT_RTC, register)
        this.#out(PORT_RTC + 1, r.pick([0x23, 0x05, 0xff]))
      }
      this.#out(PORT_RTC, 11)
      this.#out(PORT_RTC + 1, 0x22)
    }
    this.#load(RCX, r.pick([1, 100, 100_000]))
    this.#emit(
      ...r.pick([
        [0xfb, 0xf4, 0xe2, 0xfc],
        [0xfb, 0xf4, 0xeb, 0xfc],
        [0xf4, 0xe2, 0xfd],
      ]),
    )
  }

  #store(address: number, value: number): void {
    this.#load(RDI, address)
    this.#emit(0xc7, 0x07, ...u32(value))
  }
  #out(port: number, value: number): void {
    this.#load(RDX, port)
    this.#emit(0xb0, value & 0xff, 0xee)
  }
  #rtc(): void {
    const r = this.#r
    for (let i = 1 + r.below(8); i > 0; i--) {
      this.#out(PORT_RTC, r.pick([r.below(14), r.below(14), 0x32, r.below(256)]))
      if (r.chance(70)) this.#out(PORT_RTC + 1, r.pick([r.below(0x60), 0xff, r.below(256)]))
      else this.#emit(0xba, ...u32(PORT_RTC + 1), 0xec)
    }
  }
  #timer(): void {
    const r = this.#r
    for (let i = 1 + r.below(4); i > 0; i--) {
      const counter = r.below(4)
      this.#out(PORT_I8254 + 3, (counter << 6) | r.below(64))
      this.#out(PORT_I8254 + (counter % 3), r.pick([0, 1, 2, 12, r.below(256)]))
      this.#out(PORT_I8254 + (counter % 3), r.pick([0, r.below(256)]))
      if (r.chance(30)) this.#out(PORT_NMI_STATUS, r.below(4))
    }
    // The i8259s, from their beginning.
    if (r.chance(30))
      for (const port of [PORT_I8259_MASTER, PORT_I8259_SLAVE]) {
        this.#out(port, 0x10 | r.below(16))
        for (let i = 0; i < 4; i++) this.#out(port + 1, r.pick([0x20, 0x28, 4, 2, 1, 0, r.below(256)]))
        this.#out(port, r.below(256))
      }
  }
  #ioapic(): void {
    const r = this.#r
    for (let i = 1 + r.below(6); i > 0; i--) {
      this.#store(IOAPIC_BASE, r.pick([r.below(0x42), r.below(256)]))
      this.#store(IOAPIC_BASE + 0x10, r.pick([r.below(0x20000), 0x20 + r.below(0xd0), r.u32()]))
    }
  }
  #lapic(): void {
    const r = this.#r
    for (let i = 1 + r.below(6); i > 0; i--)
      this.#store(
        LAPIC_BASE + 16 * r.below(64),
        r.pick([
          0x1ff,
          0x100 | r.below(256),
          r.below(0x80000),
          r.below(1000),
          0x20000 | (0x20 + r.below(0xd0)),
          r.u32(),
        ]),
      )
    // IA32_TSC_DEADLINE, IA32_APIC_BASE.
    if (r.chance(20)) {
      this.#load(RCX, r.pick([0x6e0, 0x6e0, 0x1b]))
      this.#load(RAX, r.pick([0, 0xfee00900, r.u32()]))
      this.#load(RDX, r.pick([0, 0, r.u32()]))
      this.#emit(0x0f, r.pick([0x30, 0x32]))
    }
  }
  #fwCfg(): void {
    const r = this.#r
    this.#load(RDX, PORT_FW_CFG)
    this.#load(RAX, r.below(0x30))
    this.#emit(0x66, 0xef)
    if (r.chance(50)) {
      // Read the item by bytes.
      this.#load(RCX, r.below(300))
      this.#load(RDX, PORT_FW_CFG + 1)
      this.#load(RDI, DATA + r.below(DATA_BYTES))
      this.#emit(0xf3, 0x6c)
      return
    }
    const swap = (n: number): number => new DataView(Uint8Array.from(u32(n)).buffer).getUint32(0)
    const descriptor = r.chance(90) ? DATA + r.below(DATA_BYTES - 16) : this.#value()
    if (descriptor >= DATA && descriptor < DATA + DATA_BYTES - 16) {
      this.#store(descriptor, swap(((r.below(0x30) << 16) | r.below(32)) >>> 0))
      this.#store(descriptor + 4, swap(r.pick([r.below(64), r.below(0x10000), r.u32()])))
      this.#store(descriptor + 8, r.chance(90) ? 0 : r.u32())
      this.#store(descriptor + 12, swap(this.#value()))
    }
    for (const [port, value] of [
      [PORT_FW_CFG + 4, r.chance(90) ? 0 : r.u32()],
      [PORT_FW_CFG + 8, swap(descriptor)],
    ] as const) {
      this.#load(RDX, port)
      this.#load(RAX, value)
      this.#emit(0xef)
    }
  }

  /** A driver's start, right in most steps, with rings among the data; then notifications. */
  #virtio(): void {
    const r = this.#r
    const slot = r.pick(this.#board.slots)
    const usually = (right: number): number => (r.chance(97) ? right : this.#value())
    const write = (register: number, value: number): void => this.#store(slot + register, usually(value))
    if (r.chance(60)) {
      write(mmio.Status, 0)
      write(mmio.Status, 1)
      write(mmio.Status, 3)
      write(mmio.DriverFeaturesSel, 1)
      write(mmio.DriverFeatures, 1 << (VIRTIO_F_VERSION_1 - 32))
      if (r.chance(50)) {
        write(mmio.DriverFeaturesSel, 0)
        write(mmio.DriverFeatures, r.pick([1 << 28, 1 << 29, 3 << 28, r.u32()]) >>> 0)
      }
      write(mmio.Status, 11)
      for (let queue = 0; queue < 4; queue++) this.#queue(queue, write)
      write(mmio.Status, 15)
    }
    for (let i = r.below(6); i > 0; i--)
      write(
        r.pick([
          mmio.QueueNotify,
          mmio.QueueNotify,
          mmio.InterruptACK,
          r.pick(QUEUE_REGISTERS),
          mmio.Config + r.below(64),
        ]),
        r.pick([r.below(4), r.below(4), this.#value()]),
      )
  }
  #queue(queue: number, write: (register: number, value: number) => void): void {
    const r = this.#r
    const size = r.pick([4, 16, 16, 16, 256, 1024])
    const desc = DATA + 0x4000 * queue
    const driver = r.chance(95) ? desc + 0x100 : desc + r.below(0x4000)
    const device = r.chance(95) ? desc + 0x200 : desc + r.below(0x4000)
    for (let i = 0; i < Math.min(size, 16); i++) {
      if (r.chance(70)) {
        const buffer = r.chance(95) ? DATA + r.below(DATA_BYTES) : this.#value()
        this.#word(desc + 16 * i, buffer)
        this.#word(desc + 16 * i + 4, r.chance(98) ? 0 : r.u32())
        this.#word(desc + 16 * i + 8, r.pick([1, 16, 16, 512, 513, 4096, r.below(0x20000), this.#value()]))
        this.#word(desc + 16 * i + 12, r.pick([0, 1, 2, 3, 4, r.below(8)]) | (r.below(16) << 16))
        if (buffer >= DATA && buffer < DATA + DATA_BYTES - 16) {
          this.#word(buffer & ~3, r.pick([0, 1, 4, 8, 11, 13]))
          this.#word((buffer & ~3) + 8, r.below(300))
        }
      }
    }
    this.#word(driver & ~3, r.pick([0, 1]) | (r.pick([1, 2, 5, 16, r.below(0x10000)]) << 16))
    for (let i = 0; i < 8; i++) this.#word((driver & ~3) + 4 + 4 * i, r.below(16) | (r.below(16) << 16))
    write(mmio.QueueSel, queue)
    write(mmio.QueueNum, size)
    write(mmio.QueueDescLow, desc)
    write(mmio.QueueDescHigh, 0)
    write(mmio.QueueDriverLow, driver)
    write(mmio.QueueDeviceLow, device)
    write(mmio.QueueReady, 1)
  }

  // ── what a program stands on ───────────────────────────────────────────────────────────────────────────────────────

  #tables(): void {
    const r = this.#r
    // GDT at POINTERS + 0x20.
    const gdt = POINTERS + 0x20
    this.#quad(gdt + KCODE32, 0x00cf9b000000ffffn)
    this.#quad(gdt + KDATA, 0x00cf93000000ffffn)
    this.#quad(gdt + KCODE64, 0x00af9b000000ffffn)
    this.#view.setUint16(POINTERS - IMAGE, 0x1f, true)
    this.#word(POINTERS + 2, gdt)
    this.#view.setUint16(POINTERS + 8 - IMAGE, 0xfff, true)
    this.#word(POINTERS + 10, IDT)
    for (let vector = 0; vector < 256; vector++) {
      const selector = this.#long ? KCODE64 : KCODE32
      const gate =
        BigInt(HANDLER & 0xffff) | (BigInt(selector) << 16n) | (0x8e00n << 32n) | (BigInt(HANDLER >>> 16) << 48n)
      this.#quad(IDT + vector * (this.#long ? 16 : 8), gate)
    }
    for (let i = 0; i < 4; i++) {
      this.#quad(PDPT + 8 * i, BigInt((PDS + 0x1000 * i) | 3))
      for (let j = 0; j < 512; j++) this.#quad(PDS + 0x1000 * i + 8 * j, BigInt((i * 512 + j) * 0x200000) | 0x83n)
    }
    this.#quad(PML4, BigInt(PDPT | 3))
    this.#quad(PDPT + 8 * 4, BigInt(WINDOW_PD | 3))
    this.#quad(WINDOW_PDPT, 0n)
    this.#quad(WINDOW_PD, BigInt(WINDOW_PT | 3))
    for (let i = 0; i < WINDOW_PAGES; i++) {
      const page = r.chance(95)
        ? BigInt(Math.floor((r.pick(this.#physical) + r.pick([0, 0, -4096])) / 4096)) * 4096n
        : r.u64() & 0xfffffff000n
      this.#quad(WINDOW_PT + 8 * i, (page & 0xfffffff000n) | (r.chance(90) ? 3n : BigInt(r.below(0x200))))
    }
    // The handler: a good stack, sometimes an end of interrupt, and on.
    const at = this.#at
    this.#at = HANDLER
    this.#load(RSP, STACK)
    if (r.chance(50)) this.#store(LAPIC_BASE + 0xb0, 0)
    if (r.chance(50)) this.#emit(0xb0, 0x20, 0xe6, PORT_I8259_MASTER)
    this.#emit(0xfc, 0xff, 0x24, 0x25, ...u32(RESUME))
    this.#at = at
  }

  /** At IMAGE: from the state PVH leaves to the program. */
  #boot(): void {
    this.#at = IMAGE
    this.#emit(0x0f, 0x01, 0x15, ...u32(POINTERS), 0x0f, 0x01, 0x1d, ...u32(POINTERS + 8))
    // CR4: OSFXSR, OSXMMEXCPT, and PAE.
    this.#load(RAX, this.#long ? 0x620 : 0x600)
    this.#emit(0x0f, 0x22, 0xe0)
    if (this.#long) {
      this.#load(RAX, PML4)
      this.#emit(0x0f, 0x22, 0xd8)
      this.#load(RCX, 0xc0000080)
      this.#emit(0x0f, 0x32, 0x0d, ...u32(0x100), 0x0f, 0x30)
    }
    this.#load(RAX, this.#long ? 0x80000033 : 0x33)
    this.#emit(0x0f, 0x22, 0xc0)
    const selector = this.#long ? KCODE64 : KCODE32
    this.#emit(0xea, ...u32(this.#at + 7), selector, 0)
    this.#emit(0x66, 0xb8, KDATA, 0)
    for (const segment of [0xd0, 0xd8, 0xc0]) this.#emit(0x8e, segment)
    this.#load(RSP, STACK)
    this.#emit(0xe9, ...u32(CODE - (this.#at + 5)))
    this.#at = CODE
  }
}
