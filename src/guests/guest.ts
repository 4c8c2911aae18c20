/** What a catalogue record says. Data only: nothing here runs, fetches or knows the machine. */

/** Where a kernel's bytes come from. */
export type KernelSource =
  /** Shipped with the page, at this path below its base (and below `public/` in the repository). */
  | { readonly kind: 'bundled'; readonly path: string }
  /** Fetched from its publisher at set-up, kept outside the repository. */
  | {
      readonly kind: 'published'
      /** Tried in order. */
      readonly urls: readonly string[]
      /** A file of the publisher's with the SHA-256 of what the URL gives, in sha256sum's format. */
      readonly sumUrl?: string
      /** Of the unpacked ELF. Where the publisher replaces the file in place, or no sum is known yet: pinned at first use. */
      readonly sha256: string | 'pin on first use'
      /** What travels, and the ELF, in bytes, where known: for progress. */
      readonly bytes?: number
      readonly unpackedBytes?: number
    }

/** What stands behind a virtio-blk disk. */
export type DiskSource = {
  /** An ext2 root that src/disk/netbsd-root.ts makes around our own static init. */
  readonly kind: 'netbsd-root'
  /** The init program, bundled. */
  readonly init: string
  readonly readOnly: boolean
}

/** How a stage's beginning is recognised; the first mark that the kernel and the trace allow decides. */
export type StageMark =
  /** The kernel's first instruction. */
  | { readonly kind: 'entry' }
  /** A function is called, by its symbol. */
  | { readonly kind: 'call'; readonly symbol: string }
  /** A console line matches this regular expression: for kernels without symbols, and boots without a trace. */
  | { readonly kind: 'console'; readonly pattern: string }
  /** The first instruction in user mode. */
  | { readonly kind: 'user' }

export interface Stage {
  /** The kernel's own word for it; the same stage has the same name in every guest. */
  readonly name: string
  /** What happens then, for a tooltip. */
  readonly about: string
  readonly marks: readonly StageMark[]
}

export interface Guest {
  readonly id: string
  readonly name: string
  /** One line under the name. */
  readonly about: string
  readonly publisher: string
  readonly homepage?: string
  /** SPDX expression. */
  readonly licence: string
  readonly kernel: KernelSource
  readonly cmdline: string
  readonly profile: 'microvm' | 'firecracker'
  readonly memoryMiB: number
  readonly disks: readonly DiskSource[]
  readonly net: 'user' | 'none'
  readonly rng: boolean
  readonly stages: readonly Stage[]
  /** Regular expressions the console shows in this order on the way to the prompt; the last one is the prompt. */
  readonly expected: readonly string[]
  /** What to type at the prompt to end the guest. */
  readonly bye: string
}
