/** Everything between power-on and the kernel's first instruction: image, MP table, start info. */
import { formatOf } from '../../base/file-format.ts'
import { ok, type Problem, problem, type Result, refuse } from '../../base/problem.ts'
import type { VirtioSlot } from '../layout.ts'
import type { KernelInfo } from '../machine.ts'
import type { GuestRam } from '../ram.ts'
import { cmdlineWarnings } from './cmdline-limits.ts'
import { loadKernel } from './elf.ts'
import { type MpCpu, writeMpTable } from './mptable.ts'
import { guestCmdline, writeStartInfo } from './pvh.ts'

/** Leaf 1 EDX bit 9 (SDM 2A CPUID). */
const CPUID_APIC = 1 << 9

export interface BootConfig {
  /** ELF with a PVH note, or gzip of it. */
  readonly kernel: Uint8Array
  readonly initrd?: Uint8Array | undefined
  /** The person's command line; one virtio_mmio.device= per slot is put to it. */
  readonly cmdline: string
  /** Slots with a device plugged, in plug order (`virtioSlots` of layout.ts places them). */
  readonly virtio: readonly VirtioSlot[]
  /** The profile's; false unless given. */
  readonly devicesBeforeInit?: boolean
  /** CPUID leaf 1, for the MP table. */
  readonly cpu?: MpCpu
}

export interface Booted {
  readonly kernel: KernelInfo
  /** EIP. */
  readonly entry: number
  /** EBX. */
  readonly startInfo: number
}

/** Fills `ram`, which is zero. The CPU then starts in 32-bit flat protected mode, paging off. */
export const boot = (config: BootConfig, ram: GuestRam): Result<Booted> => {
  const wrong = config.initrd && initrdProblem(config.initrd)
  if (wrong) return refuse(wrong)
  const loaded = loadKernel(config.kernel, ram)
  if (!loaded.ok) return loaded
  const image = loaded.value
  const cmdline = guestCmdline(config.cmdline, config.virtio, config.devicesBeforeInit)
  const startInfo = writeStartInfo(ram, { cmdline, initrd: config.initrd, imageEnd: image.end })
  if (!startInfo.ok) return startInfo
  // The table is about APICs: a CPU that has none finds none, and its kernel uses the i8259s and the i8254.
  if (config.cpu === undefined || (config.cpu.features & CPUID_APIC) !== 0) writeMpTable(ram, config.cpu)
  return ok({
    kernel: {
      entry: image.entry,
      elfClass: image.elfClass,
      ...(image.os !== undefined && { os: image.os }),
      bytes: image.bytes,
      cmdline,
      warnings: cmdlineWarnings(image.os, config.cmdline, cmdline),
      get symbols() {
        return image.symbols
      },
    },
    entry: image.entry,
    startInfo: startInfo.value,
  })
}

/** Kernels unpack what is compressed themselves; no kernel has a file system in another program's container. */
const initrdProblem = (initrd: Uint8Array): Problem | undefined => {
  const format = formatOf(initrd)
  if (format === undefined || format.family === 'packed') return undefined
  return problem(
    'initrd-format',
    `the initrd is ${format.label}`,
    'a cpio archive or a file system, plain or compressed',
    format.family === 'disk'
      ? 'give it as a disk, made raw with "qemu-img convert -O raw"'
      : 'give what is in it, or download it again',
  )
}
