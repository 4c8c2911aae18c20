/** Global pages outlive a new CR3 and others do not (SDM 3A §4.10.4.1), also where both had the same place in the soft TLB. */
import { expect, test } from 'vitest'
import { buildElf } from '../machine/boot/testing/elf-builder.ts'
import { createMachine } from '../machine/index.ts'
import { DEFAULTS } from '../settings/settings.ts'
import { nodeHost } from './node-host.ts'

/**
 * 32-bit paging with PSE and PGE. Linear 0x40000000 is page 0x310000, 0x41000000 the global page 0x312000:
 *
 *     movl $1, 0x40000000        fills the place in the TLB for reads and writes
 *     mov 0x41000000, %eax       takes it, for reads
 *     (0x40000000 becomes page 0x311000); mov %cr3, %eax; mov %eax, %cr3
 *     movl $2, 0x40000000        must not find the old page
 *     (0x311000) << 4 | (0x310000) goes to port 0xf4
 */
const CODE =
  'bf0000300031c0b900300000f3aac7050000300083000000c7050004300003103000c7051004300003203000c7050010300003003100c70500203000032131000f20e00d900000000f22e0b8000030000f22d80f20c00d000000800f22c0c7050000004001000000a100000041c70500103000031031000f20d80f22d8c7050000004002000000a100103100c1e0040b0500003100e7f4f4'

test.each(['interp', 'auto'] as const)('a write after CR3 finds the new page: %s', (engine) => {
  const kernel = buildElf({ segments: [{ paddr: 0x200000, bytes: new Uint8Array(Buffer.from(CODE, 'hex')) }] })
  const config = { ...DEFAULTS, memoryMiB: 64, kernel, cmdline: '', disks: [], trace: false, engine }
  const created = createMachine(config, nodeHost(), { console: () => {}, log: () => {} })
  if (!created.ok) throw new Error(JSON.stringify(created.problem))
  expect(created.value.run(1000).exit).toEqual({ reason: 'guest-exit', code: (0x21 << 1) | 1 })
})
