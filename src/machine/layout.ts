/**
 * Every guest-physical address, port, interrupt input and size of the board, once.
 * Sources: QEMU `-M microvm` (hw/i386/microvm.c), Firecracker (arch/x86_64/layout.rs), Xen's PVH ABI, MP Spec 1.4.
 */
import { type ProfileName, VIRTIO_SLOTS } from '../settings/settings.ts'

export const KiB = 1024
export const MiB = 1024 * KiB

// Low memory, Firecracker's places.
/** Real-mode BIOS data area word that holds the EBDA segment. */
export const BDA_EBDA_SEGMENT = 0x40e
/** `hvm_start_info`. */
export const PVH_START_INFO = 0x6000
/** `hvm_modlist_entry[]`. */
export const PVH_MODLIST = 0x6040
/** `hvm_memmap_table_entry[]`. */
export const PVH_MEMMAP = 0x7000
/** Kernel command line, NUL-terminated. */
export const PVH_CMDLINE = 0x20000
/** Longest command line with its NUL. */
export const PVH_CMDLINE_MAX = 0x10000
/** MP floating pointer and configuration table, in the last KiB of base memory (the EBDA). */
export const MP_TABLE = 0x9fc00
/** RAM below 1 MiB ends here; up to 1 MiB is reserved. */
export const LOW_RAM_END = 0x9fc00
export const HIGH_RAM_START = 0x100000

// Memory-mapped devices.
export const IOAPIC_BASE = 0xfec00000
export const IOAPIC_SIZE = 0x1000
export const LAPIC_BASE = 0xfee00000
export const LAPIC_SIZE = 0x1000

// Ports.
export const PORT_I8259_MASTER = 0x20
export const PORT_I8259_SLAVE = 0xa0
export const PORT_I8259_ELCR = 0x4d0
export const PORT_I8254 = 0x40
export const PORT_NMI_STATUS = 0x61
export const PORT_I8042_DATA = 0x60
export const PORT_I8042_COMMAND = 0x64
export const PORT_RTC = 0x70
export const PORT_DEBUG_EXIT = 0xf4
export const PORT_COM0 = 0x3f8
export const PORT_FW_CFG = 0x510
export const PORT_RESET_CONTROL = 0xcf9

// ISA interrupt requests, which are also IOAPIC pins (IRQ 0 is pin 2 as well: MP table INTSRC).
export const IRQ_TIMER = 0
export const IRQ_COM0 = 4
export const IRQ_RTC = 8
export const IOAPIC_PIN_TIMER = 2
export const IOAPIC_ID = 2
export const LAPIC_ID = 0

export interface Profile {
  readonly name: ProfileName
  /** First virtio-mmio slot and the distance between slots; the slot's size is what the command line says. */
  readonly virtioBase: number
  readonly virtioSlotSize: number
  readonly virtioSlots: number
  readonly virtioFirstIrq: number
  readonly hasRtc: boolean
  readonly hasFwCfg: boolean
  readonly hasDebugExit: boolean
  /**
   * What a port that nothing answers reads as. Under Firecracker the exit's buffer, which KVM hands over as zeros, comes
   * back untouched; NetBSD then sees an RTC without valid time instead of one that is updating for ever.
   */
  readonly unansweredPorts: 'ones' | 'zeros'
  /** Port 0xcf9 resets. */
  readonly hasResetControl: boolean
  /** Devices are named before the command line's " -- ", behind which are init's words; QEMU appends them. */
  readonly devicesBeforeInit: boolean
}

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  microvm: {
    name: 'microvm',
    virtioBase: 0xfeb00000,
    virtioSlotSize: 0x200,
    virtioSlots: VIRTIO_SLOTS,
    virtioFirstIrq: 5,
    unansweredPorts: 'ones',
    hasRtc: true,
    hasFwCfg: true,
    hasDebugExit: true,
    hasResetControl: true,
    devicesBeforeInit: false,
  },
  firecracker: {
    name: 'firecracker',
    virtioBase: 0xd0000000,
    virtioSlotSize: 0x1000,
    virtioSlots: VIRTIO_SLOTS,
    virtioFirstIrq: 5,
    unansweredPorts: 'zeros',
    hasRtc: false,
    hasFwCfg: false,
    hasDebugExit: false,
    hasResetControl: false,
    devicesBeforeInit: true,
  },
}

/** Where one virtio-mmio device stands. */
export interface VirtioSlot {
  readonly base: number
  readonly size: number
  readonly irq: number
}

/**
 * Slots for `count` devices in plug order. QEMU fills its transports from the last (a lone disk is 0xfeb00e00, IRQ 12),
 * Firecracker from the first.
 */
export const virtioSlots = (profile: Profile, count: number): readonly VirtioSlot[] =>
  Array.from({ length: count }, (_, i) => {
    const slot = profile.name === 'microvm' ? profile.virtioSlots - 1 - i : i
    return {
      base: profile.virtioBase + slot * profile.virtioSlotSize,
      size: profile.virtioSlotSize,
      irq: profile.virtioFirstIrq + slot,
    }
  })
