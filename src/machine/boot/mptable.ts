/**
 * The MultiProcessor tables (Intel MP Specification 1.4, chapter 4): how a kernel without ACPI learns of the LAPIC, the
 * IOAPIC and which pin each interrupt arrives at.
 *
 * Interrupt entries say "conforms to the bus" for polarity and trigger, as qboot (QEMU) and Firecracker write them: ISA
 * means active high, edge. Kernels raise virtio's inputs to level themselves (NetBSD asks for IST_LEVEL when it
 * establishes them), so saying level here would only make this board unlike the two it stands for.
 */
import {
  BDA_EBDA_SEGMENT,
  IOAPIC_BASE,
  IOAPIC_ID,
  IOAPIC_PIN_TIMER,
  IRQ_TIMER,
  LAPIC_BASE,
  LAPIC_ID,
  MP_TABLE,
} from '../layout.ts'
import type { GuestRam } from '../ram.ts'

// Entry types, section 4.3.
const PROCESSOR = 0
const BUS = 1
const IOAPIC = 2
const IO_INTERRUPT = 3
const LOCAL_INTERRUPT = 4

// Interrupt types, table 4-11.
const INT = 0
const NMI = 1
const EXT_INT = 3

const CPU_ENABLED = 1
const CPU_BOOTSTRAP = 2
const IOAPIC_USABLE = 1
const CONFORMS = 0
/** A local interrupt's destination: every LAPIC. */
const ALL_LAPICS = 0xff

/** Both APICs' version registers' low byte: LAPIC integrated (0x14), IOAPIC 82093AA as QEMU models it (0x20). */
const LAPIC_VERSION = 0x14
const IOAPIC_VERSION = 0x20
const SPEC_1_4 = 4

const ISA_IRQS = 16
const FLOATING_POINTER_BYTES = 16

/** BIOS data area word: KiB of base memory, which ends where the EBDA begins. NetBSD looks for the table there too. */
const BDA_BASE_MEMORY_KIB = 0x413

/** CPUID leaf 1 EAX and EDX, which processor entries repeat. */
export interface MpCpu {
  readonly signature: number
  readonly features: number
}

/** A family 6 processor with FPU and APIC: what Firecracker says of any. */
const ANY_CPU: MpCpu = { signature: 0x600, features: 0x201 }

export const writeMpTable = (ram: GuestRam, cpu: MpCpu = ANY_CPU): void => {
  const entries: number[][] = []
  const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]
  entries.push([
    PROCESSOR,
    LAPIC_ID,
    LAPIC_VERSION,
    CPU_ENABLED | CPU_BOOTSTRAP,
    ...u32(cpu.signature),
    ...u32(cpu.features),
    ...new Array<number>(8).fill(0),
  ])
  entries.push([BUS, 0, ...ascii('ISA   ')])
  entries.push([IOAPIC, IOAPIC_ID, IOAPIC_VERSION, IOAPIC_USABLE, ...u32(IOAPIC_BASE)])
  for (let irq = 0; irq < ISA_IRQS; irq++) {
    // The i8254 comes in at pin 2, so the cascade (IRQ 2), which is no source anyway, has none.
    if (irq === IOAPIC_PIN_TIMER) continue
    const pin = irq === IRQ_TIMER ? IOAPIC_PIN_TIMER : irq
    entries.push([IO_INTERRUPT, INT, CONFORMS, 0, 0, irq, IOAPIC_ID, pin])
  }
  // Virtual wire: the i8259 pair at LINT0, NMI at LINT1.
  entries.push([LOCAL_INTERRUPT, EXT_INT, CONFORMS, 0, 0, 0, LAPIC_ID, 0])
  entries.push([LOCAL_INTERRUPT, NMI, CONFORMS, 0, 0, 0, ALL_LAPICS, 1])

  const body = entries.flat()
  const length = 44 + body.length
  const table = Uint8Array.from([
    ...ascii('PCMP'),
    length & 255,
    length >> 8,
    SPEC_1_4,
    0, // checksum
    ...ascii('MICROVM '),
    ...ascii('PLAYGROUND  '),
    ...u32(0), // OEM table
    0,
    0,
    entries.length & 255,
    entries.length >> 8,
    ...u32(LAPIC_BASE),
    ...u32(0), // extended table's length, checksum, reserved
    ...body,
  ])
  table[7] = checksum(table)

  const pointer = Uint8Array.from([
    ...ascii('_MP_'),
    ...u32(MP_TABLE + FLOATING_POINTER_BYTES),
    FLOATING_POINTER_BYTES / 16,
    SPEC_1_4,
    0, // checksum
    0, // a configuration table is present
    0, // IMCRP clear: virtual wire, no PIC mode
    0,
    0,
    0,
  ])
  pointer[10] = checksum(pointer)

  ram.write(MP_TABLE, pointer)
  ram.write(MP_TABLE + FLOATING_POINTER_BYTES, table)
  ram.writeU16(BDA_EBDA_SEGMENT, MP_TABLE >> 4)
  ram.writeU16(BDA_BASE_MEMORY_KIB, MP_TABLE >> 10)
}

const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0))

/** What makes all bytes add up to 0 modulo 256. */
const checksum = (bytes: Uint8Array): number => {
  let sum = 0
  for (const byte of bytes) sum += byte
  return -sum & 255
}
