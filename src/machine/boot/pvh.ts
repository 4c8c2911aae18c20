/**
 * What a PVH kernel is handed at its entry: Xen's hvm_start_info, version 1, with modules, memory map and command line
 * (xen/include/public/arch-x86/hvm/start_info.h), at Firecracker's addresses (layout.ts).
 *
 *    0  u32 magic            24  u64 cmdline_paddr
 *    4  u32 version          32  u64 rsdp_paddr
 *    8  u32 flags            40  u64 memmap_paddr
 *   12  u32 nr_modules       48  u32 memmap_entries
 *   16  u64 modlist_paddr    52  u32 reserved
 */

import { hex } from '../../base/hex.ts'
import { ok, problem, type Result, refuse } from '../../base/problem.ts'
import { utf8Encode } from '../../base/utf8.ts'
import { RAM_MAX } from '../../settings/settings.ts'
import {
  HIGH_RAM_START,
  LOW_RAM_END,
  MiB,
  PVH_CMDLINE,
  PVH_CMDLINE_MAX,
  PVH_MEMMAP,
  PVH_MODLIST,
  PVH_START_INFO,
  type VirtioSlot,
} from '../layout.ts'
import type { GuestRam } from '../ram.ts'

export const XEN_HVM_START_MAGIC_VALUE = 0x336ec578
const START_INFO_VERSION = 1

export const XEN_HVM_MEMMAP_TYPE_RAM = 1
export const XEN_HVM_MEMMAP_TYPE_RESERVED = 2

/**
 * Room left between the kernel image and an initrd: kernels put start info copies, page tables and early allocations
 * right after __kernel_end (NetBSD: under 1 MiB for 3 GiB of RAM).
 */
export const AFTER_IMAGE = 4 * MiB
const PAGE = 4096

/** `virtio_mmio.device=512@0xfeb00e00:12` as QEMU writes it, `4K@0xd0000000:5` as Firecracker does. */
export const virtioArgument = (slot: VirtioSlot): string => {
  const size = slot.size % 1024 === 0 ? `${slot.size / 1024}K` : `${slot.size}`
  return `virtio_mmio.device=${size}@${hex(slot.base, 8)}:${slot.irq}`
}

/**
 * The command line as the guest sees it: the person's, and one argument per device. `beforeInit`: they stand before " -- ",
 * behind which are init's words, as linux-loader (src/cmdline) puts them for Firecracker: a separator within double quotes is
 * none, and one without words behind it is left out.
 */
export const guestCmdline = (cmdline: string, virtio: readonly VirtioSlot[], beforeInit = false): string => {
  const devices = virtio.map(virtioArgument)
  const split = beforeInit ? initWordsAt(cmdline) : undefined
  const words =
    split === undefined
      ? [cmdline.trim(), ...devices]
      : [cmdline.slice(0, split.from).trim(), ...devices, ...(split.words === '' ? [] : ['--', split.words])]
  return words.filter((word) => word !== '').join(' ')
}

const initWordsAt = (cmdline: string): { readonly from: number; readonly words: string } | undefined => {
  for (const { 0: separator, index } of cmdline.matchAll(/(?:^| )--(?: |$)/g))
    if (cmdline.slice(0, index).split('"').length % 2 === 1)
      return { from: index, words: cmdline.slice(index + separator.length).trim() }
  return undefined
}

export interface StartInfo {
  readonly cmdline: string
  readonly initrd: Uint8Array | undefined
  /** First byte after the kernel image. */
  readonly imageEnd: number
}

/** Writes all of it and returns the start info's address, for EBX. */
export const writeStartInfo = (ram: GuestRam, info: StartInfo): Result<number> => {
  const cmdline = utf8Encode(info.cmdline)
  if (cmdline.length + 1 > PVH_CMDLINE_MAX)
    return refuse(
      problem(
        'cmdline-too-long',
        `the kernel command line is ${cmdline.length} bytes long with its virtio_mmio.device arguments`,
        `at most ${PVH_CMDLINE_MAX - 1} bytes`,
        'shorten it',
      ),
    )
  if (cmdline.includes(0))
    return refuse(
      problem(
        'cmdline-nul',
        'the kernel command line has a NUL character in it',
        'text up to its end',
        'take the character out',
      ),
    )

  let modules = 0
  if (info.initrd !== undefined && info.initrd.length > 0) {
    const address = Math.floor((ram.size - info.initrd.length) / PAGE) * PAGE
    const lowest = Math.ceil(Math.max(info.imageEnd, HIGH_RAM_START) / PAGE) * PAGE + AFTER_IMAGE
    if (address < lowest) {
      const needed = Math.ceil((lowest + info.initrd.length + PAGE) / MiB)
      return refuse(
        problem(
          'initrd-too-large',
          `the initrd of ${(info.initrd.length / MiB).toFixed(1)} MiB does not fit beside the kernel in the guest's ${ram.size / MiB} MiB`,
          `the kernel up to ${hex(info.imageEnd)}, ${AFTER_IMAGE / MiB} MiB for its page tables, and the initrd: ${needed} MiB`,
          needed <= RAM_MAX / MiB
            ? `give the guest at least ${needed} MiB, or use a smaller initrd`
            : 'use a smaller initrd',
        ),
      )
    }
    ram.write(address, info.initrd)
    // hvm_modlist_entry: paddr, size, cmdline_paddr, reserved.
    ram.writeU64(PVH_MODLIST, BigInt(address))
    ram.writeU64(PVH_MODLIST + 8, BigInt(info.initrd.length))
    ram.writeU64(PVH_MODLIST + 16, 0n)
    ram.writeU64(PVH_MODLIST + 24, 0n)
    modules = 1
  }

  const memmap = memoryMap(ram.size)
  memmap.forEach((entry, i) => {
    const at = PVH_MEMMAP + i * 24
    ram.writeU64(at, BigInt(entry.addr))
    ram.writeU64(at + 8, BigInt(entry.size))
    ram.writeU32(at + 16, entry.type)
    ram.writeU32(at + 20, 0)
  })

  ram.write(PVH_CMDLINE, cmdline)
  ram.writeU8(PVH_CMDLINE + cmdline.length, 0)

  ram.writeU32(PVH_START_INFO, XEN_HVM_START_MAGIC_VALUE)
  ram.writeU32(PVH_START_INFO + 4, START_INFO_VERSION)
  ram.writeU32(PVH_START_INFO + 8, 0)
  ram.writeU32(PVH_START_INFO + 12, modules)
  ram.writeU64(PVH_START_INFO + 16, modules > 0 ? BigInt(PVH_MODLIST) : 0n)
  ram.writeU64(PVH_START_INFO + 24, BigInt(PVH_CMDLINE))
  ram.writeU64(PVH_START_INFO + 32, 0n)
  ram.writeU64(PVH_START_INFO + 40, BigInt(PVH_MEMMAP))
  ram.writeU32(PVH_START_INFO + 48, memmap.length)
  ram.writeU32(PVH_START_INFO + 52, 0)
  return ok(PVH_START_INFO)
}

export interface MemmapEntry {
  readonly addr: number
  readonly size: number
  readonly type: number
}

/**
 * E820 in Xen's shape. Device windows above RAM are not listed, on QEMU neither: NetBSD takes every listed range out of
 * the space that its drivers may map, reserved ones too, and would then refuse virtio its registers.
 */
export const memoryMap = (ramSize: number): readonly MemmapEntry[] => [
  { addr: 0, size: LOW_RAM_END, type: XEN_HVM_MEMMAP_TYPE_RAM },
  { addr: LOW_RAM_END, size: HIGH_RAM_START - LOW_RAM_END, type: XEN_HVM_MEMMAP_TYPE_RESERVED },
  { addr: HIGH_RAM_START, size: ramSize - HIGH_RAM_START, type: XEN_HVM_MEMMAP_TYPE_RAM },
]
