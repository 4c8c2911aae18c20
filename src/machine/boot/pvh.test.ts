import { describe, expect, test } from 'vitest'
import { sentence } from '../../base/problem.ts'
import {
  MiB,
  MP_TABLE,
  PROFILES,
  PVH_CMDLINE,
  PVH_MEMMAP,
  PVH_MODLIST,
  PVH_START_INFO,
  virtioSlots,
} from '../layout.ts'
import { GuestRam } from '../ram.ts'
import { type BootConfig, boot } from './boot.ts'
import { guestCmdline, virtioArgument, writeStartInfo } from './pvh.ts'
import { buildElf, buildNote, concat, le } from './testing/elf-builder.ts'

const ram = (mib = 32): GuestRam => new GuestRam(new ArrayBuffer(mib * MiB), 0, mib * MiB)
const config = (more: Partial<BootConfig> = {}): BootConfig => ({
  kernel: buildElf(),
  cmdline: 'console=com',
  virtio: [],
  ...more,
})

const booted = (guest: GuestRam, more: Partial<BootConfig> = {}) => {
  const result = boot(config(more), guest)
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

const text = (guest: GuestRam, at: number): string => {
  let out = ''
  for (let c = guest.readU8(at); c !== 0; c = guest.readU8(++at)) out += String.fromCharCode(c)
  return out
}

describe('hvm_start_info', () => {
  test('has every field where Xen says', () => {
    const guest = ram()
    const { entry, startInfo } = booted(guest)
    expect(entry).toBe(0x200000)
    expect(startInfo).toBe(PVH_START_INFO)
    expect(guest.readU32(startInfo)).toBe(0x336ec578)
    expect(guest.readU32(startInfo + 4)).toBe(1)
    expect(guest.readU32(startInfo + 8)).toBe(0)
    expect(guest.readU32(startInfo + 12)).toBe(0)
    expect(guest.readU64(startInfo + 16)).toBe(0n)
    expect(guest.readU64(startInfo + 24)).toBe(BigInt(PVH_CMDLINE))
    expect(guest.readU64(startInfo + 32)).toBe(0n)
    expect(guest.readU64(startInfo + 40)).toBe(BigInt(PVH_MEMMAP))
    expect(guest.readU32(startInfo + 48)).toBe(3)
    expect(text(guest, PVH_CMDLINE)).toBe('console=com')
  })

  test('the memory map is base memory, the hole, and the rest of RAM', () => {
    const guest = ram(64)
    booted(guest)
    const entry = (i: number) => {
      const at = PVH_MEMMAP + i * 24
      return [guest.readU64(at), guest.readU64(at + 8), guest.readU32(at + 16)]
    }
    expect(entry(0)).toEqual([0n, 0x9fc00n, 1])
    expect(entry(1)).toEqual([0x9fc00n, 0x60400n, 2])
    expect(entry(2)).toEqual([0x100000n, BigInt(63 * MiB), 1])
  })

  test('an initrd is one module at the top of RAM, page aligned', () => {
    const guest = ram()
    const initrd = new Uint8Array(5000).fill(7)
    booted(guest, { initrd })
    expect(guest.readU32(PVH_START_INFO + 12)).toBe(1)
    expect(guest.readU64(PVH_START_INFO + 16)).toBe(BigInt(PVH_MODLIST))
    const address = Number(guest.readU64(PVH_MODLIST))
    expect(address).toBe(32 * MiB - 8192)
    expect(guest.readU64(PVH_MODLIST + 8)).toBe(5000n)
    expect(guest.readU8(address)).toBe(7)
    expect(guest.readU8(address + 4999)).toBe(7)
  })

  test('an initrd may be compressed, but no container of something else', () => {
    const initrd = (...bytes: readonly (string | Uint8Array)[]) =>
      Uint8Array.from(
        bytes.flatMap((part) => (typeof part === 'string' ? Array.from(part, (c) => c.charCodeAt(0)) : [...part])),
      )
    const kindOf = (file: Uint8Array): string | undefined => {
      const result = boot(config({ initrd: file }), ram())
      return result.ok ? undefined : result.problem.kind
    }
    const fine = [
      initrd('070701'),
      initrd('\x1f\x8b\x08'),
      initrd('\xfd7zXZ\0'),
      initrd('\x28\xb5\x2f\xfd'),
      new Uint8Array(512),
    ]
    expect(fine.map(kindOf)).toEqual(fine.map(() => undefined))
    for (const bytes of [
      initrd('QFI\xfb'),
      initrd('KDMV'),
      initrd('vhdxfile'),
      initrd('PK\x03\x04'),
      initrd('<!doctype html>'),
    ])
      expect(kindOf(bytes)).toBe('initrd-format')
  })

  test('an initrd larger than any guest is told no size of guest', () => {
    const guest = ram()
    const huge = { length: 3072 * MiB } as Uint8Array
    const result = writeStartInfo(guest, { cmdline: '', initrd: huge, imageEnd: 0x200000 })
    expect(!result.ok && result.problem.hint).toBe('use a smaller initrd')
  })

  test('an initrd that leaves the kernel no room is refused with the memory it needs', () => {
    const result = boot(config({ initrd: new Uint8Array(27 * MiB) }), ram())
    expect(!result.ok && result.problem.kind).toBe('initrd-too-large')
    expect(!result.ok && sentence(result.problem)).toMatch(/give the guest at least 34 MiB/)
    expect(boot(config({ initrd: new Uint8Array(27 * MiB) }), ram(34)).ok).toBe(true)
  })
})

describe('command line', () => {
  test('names one device per slot as QEMU does, from the last slot down', () => {
    const { kernel } = booted(ram(), { cmdline: 'root=ld0a -z ', virtio: virtioSlots(PROFILES.microvm, 2) })
    expect(kernel.cmdline).toBe(
      'root=ld0a -z virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11',
    )
  })

  test('and as Firecracker does, from the first slot up', () => {
    expect(guestCmdline('', virtioSlots(PROFILES.firecracker, 2))).toBe(
      'virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6',
    )
  })

  test("Firecracker's devices stand before init's words, QEMU's behind them", () => {
    const lines = [
      ['root=/dev/vda -- foo', 'root=/dev/vda DEVICE -- foo'],
      ['a  --  b -- c', 'a DEVICE -- b -- c'],
      ['-- foo', 'DEVICE -- foo'],
      ['a --', 'a DEVICE'],
      ['a -- ', 'a DEVICE'],
      ['--', 'DEVICE'],
      ['a --b c-- d', 'a --b c-- d DEVICE'],
      ['dyndbg="x -- y" z', 'dyndbg="x -- y" z DEVICE'],
      ['dyndbg="x -- y" -- z', 'dyndbg="x -- y" DEVICE -- z'],
    ]
    const slots = virtioSlots(PROFILES.firecracker, 1)
    for (const [cmdline, seen] of lines) {
      expect(guestCmdline(cmdline, slots, true)).toBe(seen.replace('DEVICE', virtioArgument(slots[0])))
      expect(guestCmdline(cmdline, slots)).toBe(`${cmdline.trim()} ${virtioArgument(slots[0])}`)
    }
  })

  test('what a kernel will not read of it is a warning', () => {
    const kinds = (os: string, cmdline: string, devices = 0): string[] => {
      const kernel = buildElf({
        noteRegions: [
          {
            bytes: concat(buildNote('Xen', 6, new TextEncoder().encode(os)), buildNote('Xen', 18, le(0x200000, 4))),
            align: 4,
          },
        ],
      })
      return (
        booted(ram(), { kernel, cmdline, virtio: virtioSlots(PROFILES.microvm, devices) }).kernel.warnings ?? []
      ).map(({ kind }) => kind)
    }
    expect(kinds('NetBSD', ` ${'x'.repeat(255)} `, 8)).toEqual([])
    expect(kinds('NetBSD', 'x'.repeat(256))).toEqual(['cmdline-options-lost'])
    expect(kinds('NetBSD', 'é'.repeat(128))).toEqual(['cmdline-options-lost'])
    expect(kinds('NetBSD', 'x'.repeat(1000), 1)).toEqual(['cmdline-options-lost', 'cmdline-devices-lost'])
    expect(kinds('linux', 'x'.repeat(2000))).toEqual([])
    expect(kinds('linux', 'x'.repeat(2000), 2)).toEqual(['cmdline-devices-lost'])
    expect(kinds('another', 'x'.repeat(60000), 2)).toEqual([])
  })

  test('is UTF-8 in memory', () => {
    const guest = ram()
    booted(guest, { cmdline: 'é€😀' })
    expect(Array.from(guest.read(PVH_CMDLINE, 10))).toEqual([...new TextEncoder().encode('é€😀'), 0])
  })

  test('too long, or with a NUL in it, is refused', () => {
    const long = boot(config({ cmdline: 'x'.repeat(65536) }), ram())
    expect(!long.ok && long.problem.kind).toBe('cmdline-too-long')
    const nul = boot(config({ cmdline: 'a\0b' }), ram())
    expect(!nul.ok && nul.problem.kind).toBe('cmdline-nul')
    expect(boot(config({ cmdline: 'x'.repeat(65535) }), ram()).ok).toBe(true)
  })
})

describe('MP table', () => {
  const guest = ram()
  booted(guest, { cpu: { signature: 0x60fb1, features: 0x078bfbfd } })
  const sum = (at: number, length: number): number =>
    guest.read(at, length).reduce((total, byte) => (total + byte) & 255, 0)
  const table = MP_TABLE + 16
  const length = guest.readU16(table + 4)

  test('is found through the EBDA pointer and at the end of base memory', () => {
    expect(guest.readU16(0x40e) << 4).toBe(MP_TABLE)
    expect(guest.readU16(0x413) << 10).toBe(MP_TABLE)
    expect(String.fromCharCode(...guest.read(MP_TABLE, 4))).toBe('_MP_')
    expect(guest.readU32(MP_TABLE + 4)).toBe(table)
    expect(sum(MP_TABLE, 16)).toBe(0)
  })

  test('is not there for a CPU without an APIC', () => {
    const without = ram()
    booted(without, { cpu: { signature: 0x60fb1, features: 0x078bf9fd } })
    expect(without.read(MP_TABLE, 1024).every((byte) => byte === 0)).toBe(true)
    expect(without.readU16(0x40e)).toBe(0)
  })

  test('has a valid header and as many entries as it says', () => {
    expect(String.fromCharCode(...guest.read(table, 4))).toBe('PCMP')
    expect(sum(table, length)).toBe(0)
    expect(guest.readU32(table + 36)).toBe(0xfee00000)
    let at = table + 44
    let entries = 0
    for (; at < table + length; entries++) at += guest.readU8(at) === 0 ? 20 : 8
    expect(at).toBe(table + length)
    expect(guest.readU16(table + 34)).toBe(entries)
    expect(at).toBeLessThan(MP_TABLE + 1024)
  })

  test('routes ISA interrupts to IOAPIC 2, the timer to pin 2, and LINT0 and LINT1', () => {
    expect(guest.readU32(table + 44 + 4)).toBe(0x60fb1)
    expect(guest.readU32(table + 44 + 8)).toBe(0x078bfbfd)
    const routes: string[] = []
    for (let at = table + 44 + 20; at < table + length; at += 8) {
      const e = guest.read(at, 8)
      if (e[0] === 2) routes.push(`ioapic ${e[1]} at ${guest.readU32(at + 4).toString(16)}`)
      if (e[0] === 3) routes.push(`irq ${e[5]} -> ${e[6]}:${e[7]}`)
      if (e[0] === 4) routes.push(`type ${e[1]} -> lapic ${e[6]} lint ${e[7]}`)
    }
    expect(routes).toEqual([
      'ioapic 2 at fec00000',
      'irq 0 -> 2:2',
      ...[1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((irq) => `irq ${irq} -> 2:${irq}`),
      'type 3 -> lapic 0 lint 0',
      'type 1 -> lapic 255 lint 1',
    ])
  })
})
