/** The guests on offer, the first one always there. */
import type { DiskSource, Guest, PublishedFile } from './guest.ts'
import { NETBSD_STAGES, PLAYGROUND_STAGES } from './stages.ts'

/*
 * Where the facts below come from. This repository was made on a machine that reaches none of the publishers, so no sum of
 * theirs could be computed here: every published file is pinned at first use, and checked against the publisher's own sum
 * where there is one.
 *
 * NetBSD 11.0's address and its SHA512 file: release(7), and the image builder of anyvm.org, which fetches just that. Sizes: a
 * public test report of the kernel of 11.0 (2026-10-10).
 *
 * smolBSD's, all from its repository NetBSDfr/smolBSD at v0.90.0 (2026-08-20): kernels and their .sha256 (Makefile, target
 * kernfetch; README, "Kernel"); rescue-amd64.img.xz and its sum as assets of the release "latest" (scripts/sh,
 * .github/workflows/main.yml); images in ghcr.io/netbsdfr/smolbsd as one layer of application/x-raw-disk-image
 * (smoler/img.sh), pushed for bsdshell and tiny among others (.github/workflows/smoler.yml); GPT with one partition that is
 * called SERVICEroot (mkimg.sh), hence root=NAME=SERVICEroot (startnb.sh); sizes (README, "List existing images").
 * Assumed: that these packages can be pulled without an account, that latest is still their tag, and the prompts below, read
 * off their rc scripts.
 */

/** Our own small PVH kernel (guest/): boots with no network, speaks to every device, carries the benchmark loops. */
export const PLAYGROUND: Guest = {
  id: 'playground',
  name: 'Playground',
  about: 'A small PVH kernel of our own, there without network',
  publisher: 'NetBSD microVM playground',
  licence: 'BSD-2-Clause',
  eager: false,
  kernel: { kind: 'bundled', path: '/guests/embedded/playground.elf' },
  cmdline: 'console=com',
  memoryMiB: 64,
  disks: [],
  stages: PLAYGROUND_STAGES,
  expected: ['NetBSD microVM playground: embedded guest', '^boot: \\d+ us', 'playground> $'],
  bye: 'poweroff\n',
}

/** Our init, which is all of a userland, for NetBSD/amd64 and, when the kernel has 32 bits, for NetBSD/i386. */
export const NETBSD_INIT = '/guests/netbsd/init'
export const NETBSD_INIT32 = '/guests/netbsd/init-i386'

/** What every NetBSD here has in common, with our init on an ext2 root, written when the machine is put together. */
const NETBSD = {
  licence: 'BSD-2-Clause AND BSD-3-Clause',
  eager: true,
  cmdline: 'console=com root=ld0a -z',
  disks: [{ kind: 'netbsd-root', init: NETBSD_INIT, init32: NETBSD_INIT32, readOnly: false }] as readonly DiskSource[],
  net: 'user',
  stages: NETBSD_STAGES,
  /** Our init's greeting comes from user mode, then its shell's prompt. */
  expected: ['NetBSD \\d+', 'root on ld0a', 'INIT: hello from NetBSD userland', '# $'],
  bye: 'poweroff\n',
} as const

/**
 * The official MICROVM kernel of the NetBSD 11 release, symbols included. It has ffs, ext2fs and tmpfs, and neither a
 * memory-disk root nor cd9660. NetBSD keeps 255 bytes of the command line.
 */
export const NETBSD_MICROVM: Guest = {
  ...NETBSD,
  id: 'netbsd-microvm',
  name: 'NetBSD 11 MICROVM',
  about: "The NetBSD release's own microVM kernel",
  publisher: 'The NetBSD Foundation',
  homepage: 'https://www.netbsd.org/releases/formal-11/',
  kernel: {
    kind: 'published',
    file: {
      path: 'netbsd-microvm/netbsd',
      kind: 'kernel',
      from: {
        kind: 'https',
        urls: [
          'https://cdn.netbsd.org/pub/NetBSD/NetBSD-11.0/amd64/binary/kernel/netbsd-MICROVM.gz',
          'https://ftp.netbsd.org/pub/NetBSD/NetBSD-11.0/amd64/binary/kernel/netbsd-MICROVM.gz',
          'https://archive.netbsd.org/pub/NetBSD-archive/NetBSD-11.0/amd64/binary/kernel/netbsd-MICROVM.gz',
        ],
        sums: {
          url: 'https://ftp.netbsd.org/pub/NetBSD/NetBSD-11.0/amd64/binary/kernel/SHA512',
          algorithm: 'sha512',
        },
      },
      sha256: 'pin on first use',
      bytes: 1_672_726,
      unpackedBytes: 9_327_648,
    },
  },
}

const SMOLBSD = { ...NETBSD, publisher: 'smolBSD', homepage: 'https://smolbsd.org/' } as const

const smolKernel = (id: string, name: string): PublishedFile => ({
  path: `${id}/netbsd`,
  kind: 'kernel',
  from: {
    kind: 'https',
    urls: [`https://smolbsd.org/assets/${name}`],
    sums: { url: `https://smolbsd.org/assets/${name}.sha256`, algorithm: 'sha256' },
  },
  // The publisher replaces it in place.
  sha256: 'pin on first use',
})

/** smolBSD's kernel: the talk's fast boot, ahead of what the release has. */
export const NETBSD_SMOL: Guest = {
  ...SMOLBSD,
  id: 'netbsd-smol',
  name: 'smolBSD netbsd-SMOL',
  about: 'The smolBSD kernel, tuned for boot time',
  kernel: { kind: 'published', file: smolKernel('netbsd-smol', 'netbsd-SMOL') },
}

/** The same for i386: PVH, 32 bits, no PAE. Nobody needs it to begin with. */
export const NETBSD_SMOL386: Guest = {
  ...SMOLBSD,
  eager: false,
  id: 'netbsd-smol386',
  name: 'smolBSD netbsd-SMOL386',
  about: 'The smolBSD kernel for i386, 32 bits from end to end',
  kernel: { kind: 'published', file: smolKernel('netbsd-smol386', 'netbsd-SMOL386') },
}

/** smolBSD's images bring their own userland; the kernel is netbsd-SMOL's file, fetched once. */
const smolImage = (service: string, file: PublishedFile, readOnly: boolean) =>
  ({
    ...SMOLBSD,
    eager: false,
    kernel: NETBSD_SMOL.kernel,
    cmdline: `console=com root=NAME=${service}root -z`,
    disks: [{ kind: 'image', file, readOnly }],
    // With -z the kernel says no more than its name.
    expected: ['NetBSD \\d+', '[#$] $'],
    bye: 'exit\n',
  }) as const

const registryImage = (service: string, bytes?: number): PublishedFile => ({
  path: `smolbsd-${service}/root.img`,
  kind: 'disk',
  from: {
    kind: 'oci',
    registry: 'ghcr.io',
    repository: `netbsdfr/smolbsd/${service}-amd64`,
    reference: 'latest',
    mediaType: 'application/x-raw-disk-image',
  },
  sha256: 'pin on first use',
  ...(bytes !== undefined && { bytes, unpackedBytes: bytes }),
})

const MIB = 1024 * 1024

/** NetBSD's rescue programs, 20 MiB; in smolBSD's release, not in its registry. */
export const SMOLBSD_RESCUE: Guest = {
  ...smolImage(
    'rescue',
    {
      path: 'smolbsd-rescue/root.img',
      kind: 'disk',
      from: {
        kind: 'https',
        urls: ['https://github.com/NetBSDfr/smolBSD/releases/download/latest/rescue-amd64.img.xz'],
        sums: {
          url: 'https://github.com/NetBSDfr/smolBSD/releases/download/latest/rescue-amd64.img.xz.sha256',
          algorithm: 'sha256',
        },
      },
      sha256: 'pin on first use',
      unpackedBytes: 20 * MIB,
    },
    true,
  ),
  id: 'smolbsd-rescue',
  name: 'smolBSD rescue',
  about: "NetBSD's rescue programs on a read-only root, 20 MiB",
}

export const SMOLBSD_SHELL: Guest = {
  ...smolImage('bsdshell', registryImage('bsdshell', 55 * MIB), false),
  id: 'smolbsd-bsdshell',
  name: 'smolBSD bsdshell',
  about: 'A NetBSD to log in to, about 55 MiB',
}

export const SMOLBSD_TINY: Guest = {
  ...smolImage('tiny', registryImage('tiny'), false),
  id: 'smolbsd-tiny',
  name: 'smolBSD tiny',
  about: 'As little of NetBSD as ksh needs',
}

export const GUESTS: readonly Guest[] = [
  PLAYGROUND,
  NETBSD_MICROVM,
  NETBSD_SMOL,
  NETBSD_SMOL386,
  SMOLBSD_RESCUE,
  SMOLBSD_SHELL,
  SMOLBSD_TINY,
]

export const findGuest = (id: string): Guest | undefined => GUESTS.find((guest) => guest.id === id)

/** What must be fetched before `guest` boots: its kernel, then its disks. */
export const publishedFiles = ({ kernel, disks }: Guest): readonly PublishedFile[] => [
  ...(kernel.kind === 'published' ? [kernel.file] : []),
  ...disks.flatMap((disk) => (disk.kind === 'image' ? [disk.file] : [])),
]
