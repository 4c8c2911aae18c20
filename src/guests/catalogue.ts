/** The guests on offer, the first one always there. */
import type { Guest } from './guest.ts'
import { NETBSD_STAGES, PLAYGROUND_STAGES } from './stages.ts'

/** Our own small PVH kernel (guest/): boots with no network, speaks to every device, carries the benchmark loops. */
export const PLAYGROUND: Guest = {
  id: 'playground',
  name: 'Playground',
  about: 'A small PVH kernel of our own, there without network',
  publisher: 'NetBSD microVM playground',
  licence: 'BSD-2-Clause',
  kernel: { kind: 'bundled', path: '/guests/embedded/playground.elf' },
  cmdline: 'console=com',
  profile: 'microvm',
  memoryMiB: 64,
  disks: [],
  net: 'none',
  rng: true,
  stages: PLAYGROUND_STAGES,
  expected: ['NetBSD microVM playground: embedded guest', '^boot: \\d+ us', 'playground> $'],
  bye: 'poweroff\n',
}

/** What NetBSD boots on here: our init on an ext2 root, written when the machine is put together. */
const NETBSD_ROOT = { kind: 'netbsd-root', init: '/guests/netbsd/init', readOnly: false } as const
const NETBSD_CMDLINE = 'console=com root=ld0a -z'
/** Our init's greeting comes from user mode, then its shell's prompt. */
const NETBSD_EXPECTED = ['NetBSD \\d+', 'root on ld0a', 'INIT: hello from NetBSD userland', '# $']

/**
 * The official MICROVM kernel of the NetBSD 11 release: 1.7 MB on the wire, 9.3 MB unpacked (11.0), symbols included. It
 * has ffs, ext2fs and tmpfs, and neither a memory-disk root nor cd9660. NetBSD keeps 255 bytes of the command line.
 */
export const NETBSD_MICROVM: Guest = {
  id: 'netbsd-microvm',
  name: 'NetBSD 11 MICROVM',
  about: "The NetBSD release's own microVM kernel",
  publisher: 'The NetBSD Foundation',
  homepage: 'https://www.netbsd.org/releases/formal-11/',
  licence: 'BSD-2-Clause AND BSD-3-Clause',
  kernel: {
    kind: 'published',
    urls: [
      'https://cdn.netbsd.org/pub/NetBSD/NetBSD-11.0/amd64/binary/kernel/netbsd-MICROVM.gz',
      'https://ftp.netbsd.org/pub/NetBSD/NetBSD-11.0/amd64/binary/kernel/netbsd-MICROVM.gz',
      'https://archive.netbsd.org/pub/NetBSD-archive/NetBSD-11.0/amd64/binary/kernel/netbsd-MICROVM.gz',
    ],
    // The release publishes SHA512 and MD5 only, and this repository was made without network: the first copy decides.
    sha256: 'pin on first use',
    bytes: 1_672_726,
    unpackedBytes: 9_327_648,
  },
  cmdline: NETBSD_CMDLINE,
  profile: 'microvm',
  memoryMiB: 256,
  disks: [NETBSD_ROOT],
  net: 'user',
  rng: true,
  stages: NETBSD_STAGES,
  expected: NETBSD_EXPECTED,
  bye: 'poweroff\n',
}

/** smolBSD's kernel: the talk's fast boot, ahead of what the release has. Its publisher replaces it in place. */
export const NETBSD_SMOL: Guest = {
  id: 'netbsd-smol',
  name: 'smolBSD netbsd-SMOL',
  about: 'The smolBSD kernel, tuned for boot time',
  publisher: 'smolBSD',
  homepage: 'https://smolbsd.org/',
  licence: 'BSD-2-Clause AND BSD-3-Clause',
  kernel: {
    kind: 'published',
    urls: ['https://smolbsd.org/assets/netbsd-SMOL'],
    sumUrl: 'https://smolbsd.org/assets/netbsd-SMOL.sha256',
    sha256: 'pin on first use',
  },
  cmdline: NETBSD_CMDLINE,
  profile: 'microvm',
  memoryMiB: 256,
  disks: [NETBSD_ROOT],
  net: 'user',
  rng: true,
  stages: NETBSD_STAGES,
  expected: NETBSD_EXPECTED,
  bye: 'poweroff\n',
}

export const GUESTS: readonly Guest[] = [PLAYGROUND, NETBSD_MICROVM, NETBSD_SMOL]

export const findGuest = (id: string): Guest | undefined => GUESTS.find((guest) => guest.id === id)
